"""infra/main.bicepparam, worked out for an environment as azd or the shell gives it.

pycep does not read such files; each line that sets a parameter is read like a variable, with what
readEnvironmentVariable(name, default) returns in its place.
"""

import re
from collections.abc import Mapping
from typing import Any

from tests.infra.bicep import INFRA, read
from tests.infra.deployment import worked_out

_READ = re.compile(r"readEnvironmentVariable\('(\w+)', '([^']*)'\)")
_USING = re.compile(r"^using '\./main\.bicep'$", re.MULTILINE)


def parameters(environment: Mapping[str, str], text: str | None = None) -> dict[str, Any]:
    """What the file sets; raises ValueError where it is not for infra/main.bicep."""
    found = (INFRA / "main.bicepparam").read_text() if text is None else text
    statements, using = _USING.subn("", found)
    if using != 1:
        raise ValueError("main.bicepparam does not say once that it is for main.bicep")
    statements = _READ.sub(lambda call: f"'{environment.get(call[1], call[2])}'", statements)
    return worked_out(read("main.bicepparam", re.sub(r"^param ", "var ", statements, flags=re.MULTILINE)))


def variables(text: str) -> set[str]:
    """The environment variables that a file reads."""
    return {name for name, _ in _READ.findall(text)}
