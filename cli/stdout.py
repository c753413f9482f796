"""Stdout as every command writes to it: where it takes no more, as on a full disk, that is told in one line."""

import io
import sys
from typing import TYPE_CHECKING, TextIO

from cli.exits import Exit, Failure

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Descriptor(io.FileIO):
    """Raises Failure where nothing can be written, but for a closed pipe: whoever closed it has what they wanted. What
    is left in the buffers is let go of then, so that the interpreter has nothing to write, and to fail at, when it
    ends."""

    _failed = False

    def write(self, data: "ReadableBuffer", /) -> int:
        if self._failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except BrokenPipeError:
            self._failed = True
            raise
        except OSError as error:
            self._failed = True
            reason = f"standard output could not be written: {error.strerror}"
            raise Failure(Exit.NOT_DONE, f"{reason}; what it was to hold is not whole") from error


def telling_stdout() -> TextIO:
    """What stands for `sys.stdout`, with the same encoding and buffering."""
    descriptor = _Descriptor(sys.stdout.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(descriptor),
        encoding=sys.stdout.encoding,
        errors=sys.stdout.errors,
        line_buffering=sys.stdout.isatty(),
    )
