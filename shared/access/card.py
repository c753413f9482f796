"""Card numbers: the many spellings of one token, and the opaque id that stands for it everywhere but in its own row.

Chargers report `nfc-` and the upper-case hex of the card's UID; portals, papers and readers write the same UID with
colons, hyphens, spaces or small letters. App tokens (`ble-` and a UUID) are kept as they are, in small letters.
Source: the charger firmware's public source (smjothen/ApolloESP32Application, CLRC661.c and ble_service_wifi_config.c).
"""

import hashlib
import hmac
import re

from shared.errors import InvalidInput

_SEPARATORS = re.compile(r"[\s:\-]")
_CARD = re.compile(r"[0-9A-Z]{1,64}")
_APP_TOKEN = re.compile(r"ble-[0-9a-z\-]{1,64}")
_MAX_CHARACTERS = 200


def normalize(token: str) -> str:
    """One spelling for all of a token's; raises InvalidInput where `token` cannot be one."""
    text = token.strip() if len(token) <= _MAX_CHARACTERS and token.isascii() else ""
    lowered = text.lower()
    if lowered.startswith("ble-"):
        if _APP_TOKEN.fullmatch(lowered):
            return lowered
    else:
        bare = text[4:] if lowered.startswith("nfc-") else text
        card = _SEPARATORS.sub("", bare).upper()
        if _CARD.fullmatch(card):
            return card
    raise InvalidInput(
        "not a card number: expected letters and digits, such as 04A3B2C1 or 04:A3:B2:C1, or ble- and a UUID"
    )


def token_id(identity_key: str, normalized: str) -> str:
    """32 hex digits that name a token without telling its number."""
    return hmac.new(identity_key.encode(), b"token\0" + normalized.encode(), hashlib.sha256).hexdigest()[:32]
