"""The options of zapctl as a whole, which may stand anywhere on the line."""

from collections.abc import Sequence

_WITH_VALUE = ("--target", "--outputs")
_FLAGS = ("--json",)


def global_options_first(arguments: Sequence[str]) -> list[str]:
    """The same line with the options of zapctl itself in front, where Typer looks for them; what comes after `--` is
    left alone."""
    first: list[str] = []
    rest: list[str] = []
    pending = list(arguments)
    while pending:
        word = pending.pop(0)
        if word == "--":
            rest += [word, *pending]
            break
        if word in _FLAGS or word.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            first.append(word)
        elif word in _WITH_VALUE:
            first += [word, *pending[:1]]
            pending = pending[1:]
        else:
            rest.append(word)
    return first + rest
