"""Files with card numbers or names in them, for their owner alone to read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from cli.exits import Exit, Failure


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """A file that has its name once it is whole; until then, and if it never is, what had that name before is left
    alone, and nothing else is left behind. Raises Failure where it cannot be written."""
    if path.exists() and not path.is_file():
        raise Failure(Exit.NOT_DONE, f"{path} is no ordinary file")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            yield file
        draft.replace(path)
    except OSError as error:
        raise Failure(Exit.NOT_DONE, f"{path} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def write_private(path: Path, text: str, encoding: str = "utf-8") -> None:
    """As `private_file`."""
    with private_file(path) as file:
        file.write(text.encode(encoding))
