"""The shape of a body: which keys it has and what kind of value stands under each, and a sample with masked values.

Nobody published the start request, so each new shape is worth an operator's look once; a sample must be safe to show.
"""

import json
import re
from typing import Any

from shared.identifiers import canonical_uuid

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_MAX_KEYS = 40
_DIGITS_OF_DATA = 4
_MAX_SAMPLE_CHARACTERS = 48
_MAX_DEPTH = 3


def shape_of(body: dict[str, Any]) -> str:
    """Keys and kinds in order of the keys, such as `chargerId:uuid tokenCode:text`."""
    return " ".join(f"{_key(name)}:{_kind(value, _MAX_DEPTH)}" for name, value in sorted(body.items())[:_MAX_KEYS])


def sample_of(body: dict[str, Any]) -> str:
    """The body's own form with every letter and digit masked: `nfc-04A3` becomes `aaa-99A9`."""
    return json.dumps({_key(name): _masked(value, _MAX_DEPTH) for name, value in sorted(body.items())[:_MAX_KEYS]})


def _mask(character: str) -> str:
    if character.isnumeric():
        return "9"
    if character.isalpha():
        return "A" if character.isupper() else "a"
    return character if character.isascii() and character.isprintable() else "?"


def _masked(value: Any, depth: int) -> Any:
    match value:
        case str():
            return "".join(_mask(character) for character in value[:_MAX_SAMPLE_CHARACTERS])
        case bool() | None:
            return value
        case int() | float():
            return 9
        case list() if depth:
            return [_masked(item, depth - 1) for item in value[:3]]
        case dict() if depth:
            return {_key(name): _masked(item, depth - 1) for name, item in sorted(value.items())[:_MAX_KEYS]}
        case _:
            return "…"


def _key(name: str) -> str:
    """A name that looks like one; anything else could itself be data."""
    digits = sum(character.isdigit() for character in name)
    return name if _PLAIN_KEY.fullmatch(name) and digits < _DIGITS_OF_DATA else "(odd key)"


def _kind(value: Any, depth: int) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "uuid" if canonical_uuid(value) else "text" if value else "empty"
        case list():
            kinds = sorted({_kind(item, depth - 1) for item in value}) if depth else ["…"]
            return f"[{','.join(kinds)}]"
        case dict():
            inner = sorted(value.items())[:_MAX_KEYS] if depth else []
            return "{" + ",".join(f"{_key(name)}:{_kind(item, depth - 1)}" for name, item in inner) + "}"
        case _:
            return type(value).__name__
