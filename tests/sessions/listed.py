"""What ZapCloud lists, said by hand, and an app that reads it and may die at any call to storage."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from azure.core.pipeline.transport import AioHttpTransport

from functions.services import Services, build
from shared.access.card import token_id
from shared.sessions.attribution import Attribution
from shared.sessions.meter import MeterKeys, MeterValues
from shared.sessions.past import PastSessions
from shared.sessions.view import SessionView, Source
from shared.storage.authorizations import Claim
from shared.storage.chargers import Chargers
from shared.storage.installations import Installation
from shared.storage.session_index import SessionEntry, SessionIndex
from shared.storage.sessions import Sessions
from shared.storage.table import Tables
from shared.storage.tokens import Token
from shared.zapcloud.commit import Commit
from shared.zapcloud.history import PastSession, read_history
from shared.zapcloud.hooks import EndReport
from tests.conftest import IDENTITY_KEY, MONDAY_MORNING, HandClock, settings_for

CHARGER = "10000000-0000-4000-9000-000000000001"
START = MONDAY_MORNING - timedelta(hours=2)


class Dead(BaseException):
    """The process is gone; nothing of ours may catch it."""


class DyingTransport(AioHttpTransport):
    """Takes `calls_left` more calls to storage and none after those; None is any number."""

    def __init__(self) -> None:
        super().__init__(use_env_settings=False)
        self.calls_left: int | None = None

    async def send(self, request: Any, **options: Any) -> Any:
        if self.calls_left is not None:
            if self.calls_left == 0:
                raise Dead
            self.calls_left -= 1
        return await super().send(request, **options)


class Listed:
    """An app from its start to its end; installation and sessions of each `number` have ids of their own."""

    def __init__(self, connection_string: str, clock: HandClock, number: int) -> None:
        self.transport = DyingTransport()
        tables = Tables(connection_string, self.transport)
        self.services: Services = build(settings_for(connection_string, clock), tables)
        self.number = number
        self.installation = Installation(id=f"10000000-0000-4000-8000-{number:012x}")
        self.neighbour = f"10000000-0000-4000-a000-{number:012x}"
        services = self.services
        keys = MeterKeys(services.clock, {}, Chargers(tables), services.streams.reader)
        self.past = PastSessions(
            services.clock,
            Sessions(tables),
            SessionIndex(tables),
            services.ledger,
            services.end_hook,
            Attribution(services.clock, IDENTITY_KEY, services.tokens, services.ledger),
            MeterValues(keys, services.ledger),
        )

    def session(self, number: int) -> str:
        return f"20000000-0000-4000-8000-{self.number:06x}{number:06x}"

    def item(self, number: int, **changes: Any) -> PastSession:
        said = {
            "id": self.session(number),
            "chargerid": CHARGER,
            "startdatetime": "2026-03-02T04:00:00",
            "enddatetime": "2026-03-02T05:00:00",
            "commitenddatetime": "2026-03-02T05:00:00",
            "energy": 5.5,
            "commitmetadata": Commit.ONLINE | Commit.RELIABLE_CLOCK,
        }
        return read_history(said | changes)

    def voided(self, number: int, replaced_by: int, **changes: Any) -> PastSession:
        void = {"commitmetadata": Commit.ONLINE | Commit.VOID, "replacedbysessionid": self.session(replaced_by)}
        return self.item(number, energy=0.0, **void, **changes)

    async def let_in(self, number: int, driver: str | None, identity: str | None = None) -> None:
        """As if we had let somebody in to the session."""
        claim = Claim(
            session_id=self.session(number),
            installation_id=self.installation.id,
            charger_id=CHARGER,
            request_key="k",
            at=START,
            mode="observe",
            verdict="allowed" if driver else "unknown",
            token_id=identity,
            driver=driver,
        )
        await self.services.ledger.authorized(claim)
        await self.services.behind.settled()

    async def end_hook(self, number: int, installation_id: str | None) -> None:
        report = EndReport(self.session(number), START, START + timedelta(hours=1), 5.5, None)
        await self.services.end_hook.record(report, Source.END_HOOK, installation_id)

    async def read(self, items: Sequence[PastSession], *, anew: bool = False) -> None:
        index = self.past.index_from(self.installation, START)
        await self.past.take(self.installation, items, Source.CHARGE_HISTORY, index, anew=anew)

    async def view(self, number: int) -> SessionView:
        view = await self.services.ledger.view(self.session(number))
        assert view, f"nothing is known of session {number}"
        return view

    async def log(self) -> dict[int, SessionEntry]:
        """The log as it is listed, wherever that is, each entry held against the session itself."""
        places = [self.installation.id, self.neighbour, None]
        since, until = MONDAY_MORNING - timedelta(days=1), MONDAY_MORNING + timedelta(days=1)
        page = await self.services.listing.page(places, since, until, None, 1000)
        mine = [entry for entry in page.items if entry.session_id.startswith(self.session(0)[:30])]
        numbers = [int(entry.session_id[-6:], 16) for entry in mine]
        assert len(set(numbers)) == len(numbers), "a session is listed twice"
        for number, entry in zip(numbers, mine, strict=True):
            view = await self.view(number)
            for name in ("installation_id", "driver", "energy_kwh", "billable", "flags", "status", "replaced_by"):
                assert getattr(entry, name) == getattr(view, name), f"session {number} is listed with another {name}"
        return dict(zip(numbers, mine, strict=True))

    async def register(self, card: str, driver: str) -> str:
        identity = token_id(IDENTITY_KEY, card)
        await self.services.tokens.put(Token(id=identity, token=card, driver=driver))
        return identity
