"""Where log lines go: the app's to stdout as they are, the host's own to stderr.

The worker library's and the SDKs' chatter stays out: `azure.*`, `httpx` and `httpcore` speak from WARNING on. No
request line is ever logged, since a URL may carry a key in `?code=`.
"""

import logging
import os
import sys

QUIET = ("azure", "httpx", "httpcore", "aiohttp.access")

host = logging.getLogger("devhost")


def configure() -> None:
    debug = os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower() in ("1", "true")
    app_lines = logging.StreamHandler(sys.stdout)
    app_lines.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger()
    root.addHandler(app_lines)
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)

    own_lines = logging.StreamHandler(sys.stderr)
    own_lines.setFormatter(logging.Formatter("devhost: %(message)s"))
    host.addHandler(own_lines)
    host.propagate = False
