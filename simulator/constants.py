"""ZapCloud's constants, as `GET /api/constants` answers: the keys an integration uses, in the API's own form.

Names and numbers are those of a real answer (https://api.zaptec.com/api/constants, version 6.5.8). Languages,
countries, settings and the like are left out, and so are the commands and settings of single device types.
"""

from pathlib import Path
from typing import Any

import msgspec

_FILE = Path(__file__).with_name("constants.json")


def constants() -> dict[str, Any]:
    """The body, a new one each time, so that the caller may change it."""
    return msgspec.json.decode(_FILE.read_bytes(), type=dict[str, Any])
