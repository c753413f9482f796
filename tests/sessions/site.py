"""An installation with two chargers as the tests of the session log use it: ask, report, look."""

import itertools
from datetime import timedelta
from typing import Any

import msgspec

from functions.services import Services
from shared.access.card import normalize, token_id
from shared.security.principal import Principal
from shared.sessions.start import Outcome, StartAnswer
from shared.sessions.view import SessionView
from shared.storage.authorizations import Grant
from shared.storage.chargers import Charger
from shared.storage.installations import Installation
from shared.storage.session_index import SessionEntry
from shared.storage.tokens import Token
from tests.conftest import IDENTITY_KEY, HandClock

ZAPCLOUD = Principal("zapcloud", ("*",))
_numbers = itertools.count(1)


class Site:
    def __init__(self, services: Services, clock: HandClock) -> None:
        number = next(_numbers)
        self.services = services
        self.clock = clock
        self.id = f"10000000-0000-4000-8000-{number:012x}"
        self.charger = f"10000000-0000-4000-9000-{number:012x}"
        self.other_charger = f"10000000-0000-4000-a000-{number:012x}"

    async def set_up(self, **settings: Any) -> None:
        installation = msgspec.convert({"id": self.id} | settings, Installation)
        await self.services.installations.put(installation)
        self.services.directory.changed(installation)
        await self.services.directory.register(
            [
                Charger(id=self.charger, installation_id=self.id, device_id=f"ZAP{next(_numbers):06}"),
                Charger(id=self.other_charger, installation_id=self.id),
            ]
        )

    async def register(self, card: str, driver: str, **limits: Any) -> str:
        identity = token_id(IDENTITY_KEY, normalize(card))
        await self.services.tokens.put(Token(id=identity, token=normalize(card), driver=driver, **limits))
        return identity

    async def grant(self, driver: str, seconds: int = 600) -> None:
        now = self.clock.now()
        grant = Grant(
            id=f"g{next(_numbers)}",
            charger_id=self.charger,
            driver=driver,
            created_at=now,
            expires_at=now + timedelta(seconds=seconds),
        )
        await self.services.authorizations.put_grant(grant)

    async def ask(self, card: str | None = None, charger: str | None = None) -> StartAnswer:
        body = {"chargerId": charger or self.charger, "installationId": self.id}
        if card:
            body["tokenCode"] = f"nfc-{card}"
        return await self.services.start_hook.answer(ZAPCLOUD, msgspec.json.encode(body))

    async def start(self, card: str | None = None, charger: str | None = None) -> str:
        """The session id of a start that must be let in."""
        answer = await self.ask(card, charger)
        assert answer.outcome is Outcome.AUTHORIZED, answer.message
        return answer.session_id

    async def end(self, session_id: str, energy_kwh: float = 1.0, **changes: Any) -> None:
        now = self.clock.now().isoformat()
        body = {"SessionId": session_id, "SessionStart": now, "SessionEnd": now, "Energy": energy_kwh} | changes
        await self.services.end_hook.accept(ZAPCLOUD, msgspec.json.encode(body))

    async def view(self, session_id: str) -> SessionView:
        view = await self.services.ledger.view(session_id)
        assert view, f"nothing is known of {session_id}"
        return view

    async def listed(self) -> dict[str, SessionEntry]:
        await self.services.behind.settled()
        now = self.clock.now()
        page = await self.services.listing.page(
            [self.id], now - timedelta(days=20), now + timedelta(days=1), None, 1000
        )
        assert len({entry.session_id for entry in page.items}) == len(page.items), "a session is listed twice"
        return {entry.session_id: entry for entry in page.items}
