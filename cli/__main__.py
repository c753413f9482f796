"""`python -m cli`: runs zapctl, and turns what went wrong into one line on stderr and an exit code."""

import os
import sys

from cli.app import app
from cli.arguments import global_options_first
from cli.exits import Exit, Failure
from cli.stdout import telling_stdout


def main() -> None:
    try:
        sys.stdout = telling_stdout()
        app(global_options_first(sys.argv[1:]), prog_name="zapctl")
    except Failure as failure:
        _end(failure.exit_code, str(failure))
    except Exception as error:
        if os.environ.get("ZAPCTL_TRACEBACK"):
            raise
        reason = f"{type(error).__name__}, which nobody foresaw"
        _end(Exit.UNEXPECTED, f"{reason}; ZAPCTL_TRACEBACK=1 shows where, for a report to whoever maintains zapbridge")


def _end(code: Exit, message: str) -> None:
    sys.stderr.write(f"zapctl: {message}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
