"""A reading of ZapCloud's lists may die at any call to storage; the next reading leaves the log as if it had not."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from azure.core.pipeline.transport import AioHttpTransport

from functions.services import Services, build
from shared.access.card import token_id
from shared.sessions.attribution import Attribution
from shared.sessions.meter import MeterKeys, MeterValues
from shared.sessions.past import PastSessions
from shared.sessions.view import Source
from shared.storage.authorizations import Claim
from shared.storage.chargers import Chargers
from shared.storage.installations import Installation
from shared.storage.session_index import SessionIndex
from shared.storage.table import Tables
from shared.storage.tokens import Token
from shared.zapcloud.commit import Commit
from shared.zapcloud.history import PastSession, read_history
from shared.zapcloud.hooks import EndReport
from tests.conftest import IDENTITY_KEY, MONDAY_MORNING, HandClock, settings_for

CHARGER = "10000000-0000-4000-9000-000000000001"
CARD = "04A1B2C3"
KARI, OLA = "Kari", "Ola"


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


class Life:
    """An app from its start to its death, and the sessions of one try, which have ids of their own."""

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

    def voided(self, number: int, replaced_by: int) -> PastSession:
        void = Commit.ONLINE | Commit.VOID
        return self.item(number, energy=0.0, commitmetadata=void, replacedbysessionid=self.session(replaced_by))

    async def let_in(self, number: int) -> None:
        claim = Claim(
            session_id=self.session(number),
            installation_id=self.installation.id,
            charger_id=CHARGER,
            request_key="k",
            at=MONDAY_MORNING - timedelta(hours=2),
            mode="enforce",
            verdict="allowed",
            driver=KARI,
        )
        await self.services.ledger.authorized(claim)
        await self.services.behind.settled()

    async def end_hook(self, number: int, installation_id: str | None) -> None:
        start = MONDAY_MORNING - timedelta(hours=2)
        report = EndReport(self.session(number), start, start + timedelta(hours=1), 5.5, None)
        await self.services.end_hook.record(report, Source.END_HOOK, installation_id)

    async def read(self, items: Sequence[PastSession], *, anew: bool = False) -> None:
        await self.past.take(self.installation, items, Source.CHARGE_HISTORY, anew=anew)

    async def log(self) -> list[dict[str, Any]]:
        """The log as it is listed, each entry held against the session itself."""
        places = [self.installation.id, self.neighbour, None]
        since = MONDAY_MORNING - timedelta(days=1)
        page = await self.services.listing.page(places, since, MONDAY_MORNING + timedelta(days=1), None, 1000)
        mine = [entry for entry in page.items if entry.session_id.startswith(self.session(0)[:30])]
        for entry in mine:
            view = await self.services.ledger.view(entry.session_id)
            assert view
            for name in ("installation_id", "driver", "energy_kwh", "billable", "flags", "status", "replaced_by"):
                assert getattr(entry, name) == getattr(view, name), f"{entry.session_id} is listed with another {name}"
        return [
            {"session": int(entry.session_id[-6:], 16), "here": entry.installation_id == self.installation.id}
            | {"driver": entry.driver, "billable": entry.billable}
            for entry in sorted(mine, key=lambda one: one.session_id)
        ]


type Before = Callable[[Life], Awaitable[None]]
type Listed = Callable[[Life], Sequence[PastSession]]


async def _nothing(life: Life) -> None:
    pass


async def _an_end_of_nobodys(life: Life) -> None:
    await life.end_hook(1, None)


async def _an_end_by_another_installation(life: Life) -> None:
    await life.end_hook(1, life.neighbour)


async def _let_in(life: Life) -> None:
    await life.let_in(1)


async def _let_in_and_replaced(life: Life) -> None:
    await life.let_in(1)
    await life.read([life.item(2)])


async def _a_card(life: Life) -> None:
    await life.services.tokens.put(Token(id=token_id(IDENTITY_KEY, CARD), token=CARD, driver=OLA))


@pytest.mark.parametrize(
    ("before", "listed", "expected"),
    [
        pytest.param(_an_end_of_nobodys, lambda life: [life.item(1)], [(1, None, True)], id="placed"),
        pytest.param(_an_end_by_another_installation, lambda life: [life.item(1)], [(1, None, True)], id="misplaced"),
        pytest.param(
            _let_in,
            lambda life: [life.voided(1, replaced_by=2), life.item(2)],
            [(1, KARI, False), (2, KARI, True)],
            id="replaced",
        ),
        pytest.param(
            _let_in_and_replaced,
            lambda life: [life.voided(1, replaced_by=2), life.item(2)],
            [(1, KARI, False), (2, KARI, True)],
            id="replacement-known",
        ),
        pytest.param(_a_card, lambda life: [life.item(1, tokenname=CARD)], [(1, OLA, True)], id="card"),
        pytest.param(_nothing, lambda life: [life.item(1), life.item(2)], [(1, None, True), (2, None, True)], id="new"),
    ],
)
async def test_it_is_whole_after_the_next_reading(
    connection_string: str,
    clock: HandClock,
    before: Before,
    listed: Listed,
    expected: list[tuple[int, str | None, bool]],
) -> None:
    for calls in itertools.count():
        life = Life(connection_string, clock, calls)
        await before(life)
        life.transport.calls_left = calls
        died = False
        try:
            await life.read(listed(life))
        except Dead:
            died = True
        await life.transport.close()
        following = Life(connection_string, clock, calls)
        for anew in (False, True, False):
            await following.read(listed(following), anew=anew)
        found = [(one["session"], one["driver"], one["billable"]) for one in await following.log() if one["here"]]
        assert found == expected, f"died at call {calls}"
        assert len(await following.log()) == len(expected), f"died at call {calls}: listed elsewhere as well"
        await following.services.close()
        if not died:
            break
    assert calls > 5, "the reading was never cut short"
