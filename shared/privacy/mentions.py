"""Whether foreign text, such as a body nobody could read, tells of somebody; pure functions.

Somebody is known by marks, or by names in plain. Marks find the driver's text, the address and the ZapCloud id as they
were entered and every card, also of whoever was erased; names are found in any case, and in the middle of longer text.
"""

import re
from collections.abc import Iterable

from shared.access.card import token_id
from shared.privacy.identity import driver_id, email_mark, user_mark
from shared.privacy.pieces import is_particular, layers, pieces_of, wholes

_HYPHENS_OF_AN_ID = 4


def marks_told(identity_key: str, text: str) -> set[str]:
    """The marks of all that may be a name, an address or a card."""
    pieces = pieces_of(text)
    marks = {token_id(identity_key, card) for card in pieces.cards}
    for name in pieces.names:
        marks.add(driver_id(identity_key, name))
        if "@" in name:
            marks.add(email_mark(identity_key, name))
        elif name.count("-") == _HYPHENS_OF_AN_ID:
            marks.add(user_mark(identity_key, name))
    return marks


def names_any(text: str, names: Iterable[str]) -> bool:
    """Whether one of the names stands in the text: as a whole string, or if it is particular as whole words."""
    folded = [layer.casefold() for layer in layers(text)]
    strings = {piece.casefold() for piece in wholes(text)}
    for name in names:
        wanted = name.strip().casefold()
        if wanted in strings:
            return True
        if is_particular(wanted):
            words = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)")
            if any(wanted in layer and words.search(layer) for layer in folded):
                return True
    return False
