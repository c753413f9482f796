"""Files with card numbers or names in them, for their owner alone to read."""

import os
from pathlib import Path

from cli.exits import Exit, Failure


def write_private(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Complete or not at all; raises Failure."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(text.encode(encoding))
        draft.replace(path)
    except OSError as error:
        raise Failure(Exit.NOT_DONE, f"{path} cannot be written: {error.strerror}") from error
