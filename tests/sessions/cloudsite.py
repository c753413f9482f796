"""The app and a simulated ZapCloud that live in one time, with an installation of both: charge, and let it be read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from functions.services import Services, build
from shared.access.card import token_id
from shared.observations.folding import fold
from shared.observations.observation import Observation
from shared.sessions.view import SessionView
from shared.storage.authorizations import Claim
from shared.storage.installations import Installation
from shared.storage.session_index import SessionEntry
from shared.storage.tokens import Token
from simulator.app import Options, Simulator, serve
from simulator.client import SimulatorClient
from tests.conftest import IDENTITY_KEY, MONDAY_MORNING, HandClock, settings_for

HOUR = 3600
USERNAME, PASSWORD = "owner@example.test", "simulated"
_PRO, _PUBLIC_KEY = 1, 981


class CloudSite:
    def __init__(self, simulator: Simulator, client: SimulatorClient, services: Services, installation: str) -> None:
        self.world = simulator.world
        self.client = client
        self.services = services
        self.installation = installation
        self.chargers = list(self.world.installations[installation].circuits[0].charger_ids)

    async def sign(self) -> None:
        """Go on at an installation with one charger, whose meter signs (Pro MID)."""
        view = await self.client.add_installation("Signed", 1, device_type=_PRO)
        await self.services.installations.put(Installation(id=view.id))
        await self.services.directory.reload(view.id)
        self.installation, self.chargers = view.id, [view.chargers[0].id]

    async def observe_key(self, of_charger: str = "", hours: float = 0) -> None:
        """The charger tells its meter's public key, or another's."""
        key = self.world.charger(of_charger or self.chargers[0]).states[_PUBLIC_KEY].value
        told_at = MONDAY_MORNING + timedelta(hours=hours)
        observation = Observation(self.chargers[0], _PUBLIC_KEY, told_at, key, device_type=_PRO)
        await self.services.streams.intake.keep(fold([observation]))

    async def charge(self, charger: int = 0, hours: float = 1.0, power_kw: float = 11.0) -> str:
        """A session nobody tells us of; answers with its id."""
        await self.client.plug(self.chargers[charger], power_kw=power_kw)
        await self.client.advance(hours * HOUR)
        return await self.client.unplug(self.chargers[charger]) or ""

    async def charge_offline(self, card: str, hours: float = 1.0) -> str:
        """A session at the second charger, which tells of it, and by what card it was begun, when it is back online."""
        charger = self.chargers[1]
        await self.client.configure(self.installation, authenticationType=1)
        await self.client.go_offline(charger)
        await self.client.plug(charger)
        await self.client.scan(charger, card)
        await self.client.advance(hours * HOUR)
        session_id = await self.client.unplug(charger) or ""
        await self.client.go_online(charger)
        return session_id

    async def register(self, card: str, driver: str | None) -> str:
        identity = token_id(IDENTITY_KEY, card)
        await self.services.tokens.put(Token(id=identity, token=card, driver=driver))
        return identity

    async def read_deeply(self) -> None:
        """The reading of a day later, which tries again what could not be found out before."""
        await self.client.advance(25 * HOUR)
        await self.reconcile()

    async def let_in(self, session_id: str, driver: str | None, at: datetime = MONDAY_MORNING) -> None:
        """As if the session's driver had asked us before it began."""
        claim = Claim(
            session_id=session_id,
            installation_id=self.installation,
            charger_id=self.chargers[0],
            request_key="k",
            at=at,
            mode="enforce",
            verdict="allowed",
            driver=driver,
        )
        await self.services.ledger.authorized(claim)

    async def reconcile(self) -> None:
        assert self.services.reconciler
        await self.services.reconciler.run()

    async def view(self, session_id: str) -> SessionView:
        view = await self.services.ledger.view(session_id)
        assert view, f"nothing is known of {session_id}"
        return view

    async def listed(self) -> dict[str, SessionEntry]:
        now = self.services.clock()
        page = await self.services.listing.page(
            [self.installation, None], now - timedelta(days=60), now + timedelta(days=1), None, 1000
        )
        assert len({entry.session_id for entry in page.items}) == len(page.items), "a session is listed twice"
        return {entry.session_id: entry for entry in page.items}


@asynccontextmanager
async def running_cloud_site(connection_string: str, clock: HandClock, seed: int) -> AsyncIterator[CloudSite]:
    options = Options(
        port=0, seed=seed, start=MONDAY_MORNING, clock_file=clock.path, username=USERNAME, password=PASSWORD
    )
    async with serve(options) as running, SimulatorClient(running.url) as client:
        account = {"zapcloud_url": running.url, "zapcloud_username": USERNAME, "zapcloud_password": PASSWORD}
        services = build(settings_for(connection_string, clock, archived_sessions="read", **account))
        installation = (await client.add_installation("Garage", 3)).id
        await services.installations.put(Installation(id=installation))
        yield CloudSite(running, client, services, installation)
        await services.close()
