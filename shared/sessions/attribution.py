"""Whose session it is that nobody asked us about: the driver of the card it was begun with, if it is registered.

A session may be read long after it began. A card that was another driver's before it was given to the one of today is
theirs from that instant on: nobody is billed for what a former owner charged.
"""

import re
from datetime import datetime

from shared import telemetry
from shared.access.card import normalize, token_id
from shared.access.verdict import judge
from shared.clock import Clock
from shared.errors import InvalidInput
from shared.sessions.claim import token_key
from shared.sessions.flags import Flag
from shared.sessions.ledger import Ledger
from shared.sessions.view import SessionView
from shared.storage.authorizations import Claim
from shared.storage.tokens import Tokens

_NUMBER = re.compile(r"nfc-.+|ble-.+|([0-9a-f]{2}[ :-]?){4,10}", re.IGNORECASE)
"""What nobody calls a card: its UID of 4, 7 or 10 bytes, or its number with ZapCloud's prefix."""


class Attribution:
    def __init__(self, clock: Clock, identity_key: str, tokens: Tokens, ledger: Ledger) -> None:
        self._clock = clock
        self._identity_key = identity_key
        self._tokens = tokens
        self._ledger = ledger

    def token_id(self, text: str | None) -> str | None:
        """The id of a card; None where the text is none: other things are written there too, such as an app user's
        id."""
        try:
            return token_id(self._identity_key, normalize(text)) if text else None
        except InvalidInput:
            return None

    def card_in(self, name: str | None) -> str | None:
        """The id of the card whose number stands where a card's name is expected: ZapCloud writes the number there
        where it has no name for it."""
        return self.token_id(name) if name and _NUMBER.fullmatch(name.strip()) else None

    async def attribute(self, view: SessionView, identity: str) -> None:
        """Let the session belong to the driver of its card, unless we know who was let in; if the card was theirs then
        already, and might charge then and there. Who was let in to a session that this one stands for does not count:
        the card tells more."""
        if view.has_own_start or view.installation_id is None or view.charger_id is None:
            return
        stored = await self._tokens.get(identity)
        began: datetime = view.start or self._clock()
        if stored is None or not judge(stored.token, view.installation_id, view.charger_id, began).lets_in:
            return
        if not stored.was_its_drivers(None if Flag.TIMES_UNRELIABLE in view.flags else view.start):
            telemetry.warning(
                "session.card_changed_hands",
                sessionId=view.session_id,
                installationId=view.installation_id,
                chargerId=view.charger_id,
                tokenId=identity,
            )
            return
        claim = Claim(
            session_id=view.session_id,
            installation_id=view.installation_id,
            charger_id=view.charger_id,
            request_key=token_key(identity),
            at=began,
            mode="",
            verdict="unchecked",
            token_id=identity,
            driver=stored.token.driver,
        )
        await self._ledger.attributed(claim)
