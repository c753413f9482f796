"""The pieces of foreign text that may be somebody's name, address or card; pure functions.

Text that nobody could read may be JSON, a string of JSON within JSON, or either cut off. So a string is what stands
between two quotes and has no colon behind it, which would make it a key, and every layer of escapes is looked through.
Within longer text only a piece that is particular enough counts: the rest may be any word or figure.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from shared.access.card import normalize
from shared.errors import InvalidInput

_MOST_CHARACTERS = 200
"""Of a name or an address that was entered, and of a card."""
_MOST_LAYERS = 5
_LEAST_PARTICULAR = 7
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_COLON = re.compile(r"\s*:")
_WORDS = (
    re.compile(r"\w+"),
    re.compile(r"[^\s\"'<>(){}\[\],;|=&\\]+"),
    re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w.-]{1,190}"),
    re.compile(r"(?:ble-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE),
)
_AROUND_WORDS = ".:!?-"
_PREFIXED = re.compile(r"(?<!\w)nfc-(\w{1,64})(?![\w:\-])", re.IGNORECASE)
_HEX_GROUPS = re.compile(r"(?<![0-9a-z])[0-9a-f]{2,}(?:[\s:\-][0-9a-f]{2,})*(?![0-9a-z])", re.IGNORECASE)
_SEPARATOR = re.compile(r"[\s:\-]")
_UID_DIGITS = (8, 14, 20)
"""A card's UID has 4, 7 or 10 bytes."""


class Pieces(NamedTuple):
    """What may be a name or an address, and what may be a card's number, normalized."""

    names: frozenset[str]
    cards: frozenset[str]


def pieces_of(text: str) -> Pieces:
    names: set[str] = set(wholes(text))
    cards = {card for name in names if (card := _card(name))}
    for layer in layers(text):
        words = set(_words(layer))
        names |= words
        cards |= {card for word in words if (card := _card(word))}
        cards |= {found.group(1).upper() for found in _PREFIXED.finditer(layer)}
        cards |= set(_grouped(layer))
    return Pieces(frozenset(names), frozenset(cards))


def is_particular(name: str) -> bool:
    """Whether a name counts within longer text, too: it is more than one word, an address, or a long number."""
    return " " in name or "@" in name or (len(name) >= _LEAST_PARTICULAR and any(map(str.isdigit, name)))


def layers(text: str) -> list[str]:
    """The text, and what it is with one layer of escapes after the other taken away."""
    found = [text]
    while "\\" in found[-1] and len(found) < _MOST_LAYERS:
        plain = _ESCAPE.sub(_unescaped, found[-1])
        found.append(plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return found


def wholes(text: str) -> set[str]:
    """The whole text, and every whole string in it."""
    found = {text.strip()} if len(text) <= _MOST_CHARACTERS else set()
    for layer in layers(text):
        found |= {
            piece.strip()
            for piece, behind in pairwise(layer.split('"')[1:])
            if len(piece) <= _MOST_CHARACTERS and not _COLON.match(behind)
        }
    return found - {""}


def _unescaped(found: re.Match[str]) -> str:
    code, letter = found.groups()
    return chr(int(code, 16)) if code else _CONTROLS.get(letter, letter)


def _words(text: str) -> Iterator[str]:
    for pattern in _WORDS:
        for found in pattern.finditer(text):
            if found.end() - found.start() <= _MOST_CHARACTERS:
                word = found.group().strip(_AROUND_WORDS)
                if is_particular(word):
                    yield word


def _card(piece: str) -> str | None:
    try:
        return normalize(piece)
    except InvalidInput:
        return None


def _grouped(text: str) -> Iterator[str]:
    """Neighbouring groups of hex digits that together are as long as a card's UID, and whole runs of them."""
    for run in _HEX_GROUPS.finditer(text):
        groups = _SEPARATOR.split(run.group())
        if _LEAST_PARTICULAR <= sum(map(len, groups)) <= _UID_DIGITS[-1]:
            yield "".join(groups).upper()
        for first in range(len(groups)):
            joined = ""
            for group in groups[first : first + _UID_DIGITS[-1] // 2]:
                joined += group
                if len(joined) in _UID_DIGITS:
                    yield joined.upper()
