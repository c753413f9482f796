"""An app with something in every table that is backed up, the container it is backed up to, and an empty account."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from functions.services import Services, build
from shared.access.card import token_id
from shared.backup.account import pages
from shared.backup.backup import Backup
from shared.backup.container import BackupContainer
from shared.backup.contents import KEPT, Kept
from shared.backup.manifest import Manifest
from shared.backup.restore import Difference, Restore
from shared.observations.catalogue import STATIC_IDS
from shared.sessions.view import Source
from shared.storage.authorizations import Claim
from shared.storage.charger_states import ChargerStates, StateTexts
from shared.storage.chargers import Charger
from shared.storage.credentials import HookCredential
from shared.storage.decisions import Refusal, SeenToken
from shared.storage.drivers import Driver, Drivers
from shared.storage.installations import Installation, Mode
from shared.storage.table import Tables
from shared.storage.tokens import Token
from shared.zapcloud.hooks import EndReport
from tests.conftest import IDENTITY_KEY, MONDAY_MORNING, HandClock, settings_for

INSTALLATION = "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"
CHARGER = "0b1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"


def session_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


@pytest.fixture
async def container(connection_string: str) -> AsyncIterator[BackupContainer]:
    """In the account of the tables, which has blobs as well."""
    async with BackupContainer(connection_string) as opened:
        yield opened


@pytest.fixture
async def empty(azurite_accounts: Iterator[str]) -> AsyncIterator[Tables]:
    """Another account, nobody has written to yet."""
    async with Tables(next(azurite_accounts)) as opened:
        yield opened


@pytest.fixture
async def backup(clock: HandClock, connection_string: str) -> AsyncIterator[Backup]:
    """The app's, which reads the tables by an access of its own."""
    built = build(settings_for(connection_string, clock, backups=connection_string))
    assert built.backup
    yield built.backup
    await built.close()


async def fill(services: Services, cards: int = 3) -> None:
    """A morning's worth: cards, sessions that ended and one that did not, a refusal, a body nobody understood."""
    await services.installations.put(Installation(id=INSTALLATION, name="Harbour", mode=Mode.ENFORCE))
    await services.directory.register(
        [Charger(id=CHARGER, installation_id=INSTALLATION, device_id="ZPR000123", name="Quay 1")]
    )
    await services.credentials.put_hook(HookCredential(name="zapcloud", installations=("*",), sha256=("ab" * 32,)))
    await services.upgrade.advance()
    for number in range(cards):
        card = f"04A1B2{number:08X}"
        known = Token(id=token_id(IDENTITY_KEY, card), token=card, driver=f"Driver {number}")
        await services.tokens.put(known)
        claim = Claim(
            session_id=session_id(number),
            installation_id=INSTALLATION,
            charger_id=CHARGER,
            request_key=f"token:{known.id}",
            at=MONDAY_MORNING + timedelta(minutes=number),
            mode="enforce",
            verdict="allowed",
            token_id=known.id,
            driver=known.driver,
        )
        await services.ledger.authorized(claim)
        if number:
            end = EndReport(claim.session_id, claim.at, claim.at + timedelta(hours=1), 7.25 + number, None)
            await services.ledger.ended(end, Source.END_HOOK, INSTALLATION)
        else:
            await services.authorizations.insert(claim)
    await services.behind.settled()
    unknown = SeenToken(token_id="seen", token="04A1B2FFFFFFFF", charger_id=CHARGER, last_seen=MONDAY_MORNING)
    refusal = Refusal(at=MONDAY_MORNING, charger_id=CHARGER, token_id="seen", reason="unknown-token")
    await services.decisions.refused(INSTALLATION, refusal, unknown)
    charging = StateTexts({710: "2026-03-02T06:00:00.000000Z 3"})
    await ChargerStates(services.tables, STATIC_IDS).merge(INSTALLATION, {CHARGER: charging})
    await Drivers(services.tables).put(Driver(id="ab" * 16, driver="Driver 1", email="ada@example.com"))
    await services.quarantine.keep("session-end", "not JSON", b"\x00 not JSON", services.clock())


async def contents(tables: Tables) -> dict[str, list[bytes]]:
    """Every row of what is backed up, and of the index that is drawn from it."""
    return {
        kept.table: [line async for page in pages(tables.service(), kept) for line in page]
        for kept in (*KEPT, Kept("SessionIndex"))
    }


@dataclass
class Restored:
    manifest: Manifest
    differences: list[Difference]


async def restore(container: BackupContainer, tables: Tables, manifest: Manifest, *, resume: bool = False) -> Restored:
    """All the steps that `zapctl restore` takes but the drawing of the index."""
    bringing = Restore(container, tables, manifest)
    bringing.require_known()
    await bringing.verify(lambda _: None)
    mark = await bringing.begin(resume=resume)
    await bringing.write(mark.parts, lambda _: None)
    found = [one async for one in bringing.differences(lambda _: None)]
    return Restored(manifest, found)


@pytest.fixture
async def restored_services(empty: Tables, clock: HandClock) -> AsyncIterator[Services]:
    """The app on the account that a backup is restored into."""
    built = build(settings_for("unused", clock), empty)
    yield built
    await built.close()
