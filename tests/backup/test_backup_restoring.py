"""What was backed up is in the account it is restored into, and nothing else; whatever is wrong is found before."""

import gzip
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import AioHttpTransport

from functions.services import Services
from shared.backup import backup as making
from shared.backup.backup import Backup
from shared.backup.container import BackupContainer
from shared.backup.contents import KEPT, LEFT_OUT
from shared.backup.manifest import Manifest, digest, encode, fingerprint, manifest_blob
from shared.backup.restore import Difference, Restore, backups, manifest_of
from shared.errors import BackupUnusable, Conflict, StorageUnavailable
from shared.sessions.redrawing import Redrawing
from shared.storage.authorizations import Authorizations, Claim
from shared.storage.schema import SCHEMA_VERSION, Schema, Standing
from shared.storage.session_index import SessionIndex
from shared.storage.sessions import Sessions
from shared.storage.table import Tables
from tests.backup.conftest import CHARGER, INSTALLATION, contents, fill, restore, session_id
from tests.conftest import IDENTITY_KEY, MONDAY_MORNING, HandClock
from tests.infra.bicep import ROOT


def test_every_table_of_the_app_is_backed_up_or_left_out_for_a_reason() -> None:
    code = "".join(path.read_text() for path in (ROOT / "shared").rglob("*.py"))
    kept = [one.table for one in KEPT]
    assert sorted([*kept, *LEFT_OUT]) == sorted({*re.findall(r'tables\["(\w+)"\]', code)})


@pytest.mark.parametrize("part_bytes", [1, 400, 8 * 1024 * 1024])
async def test_a_restored_account_holds_what_was_backed_up(
    services: Services,
    backup: Backup,
    container: BackupContainer,
    empty: Tables,
    part_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(making, "_PART_BYTES", part_bytes)
    await fill(services)
    before = await contents(services.tables)
    assert all(before.values())

    manifest = await backup.run()
    restored = await restore(container, empty, manifest)

    assert restored.differences == []
    after = await contents(empty)
    assert after.pop("SessionIndex") == []
    assert after == {table: lines for table, lines in before.items() if table != "SessionIndex"}
    assert manifest.rows == sum(map(len, after.values()))
    assert manifest.key_fingerprint == fingerprint(IDENTITY_KEY)
    assert manifest.schema_version == SCHEMA_VERSION


async def redraw(tables: Tables, services: Services, advance: Callable[[int], None] = lambda _: None) -> None:
    index, claims = SessionIndex(tables), Authorizations(tables)
    await Redrawing(Sessions(tables), index, claims, services.ledger).all(advance)


async def test_the_index_is_drawn_again_as_it_was(
    services: Services, backup: Backup, container: BackupContainer, empty: Tables, restored_services: Services
) -> None:
    await fill(services, cards=5)
    await restore(container, empty, await backup.run())
    told: list[int] = []

    await redraw(empty, restored_services, told.append)

    assert sum(told) == len(await Sessions(empty).ids("", 1000))

    assert await contents(empty) == await contents(services.tables)


async def test_a_claim_whose_session_came_too_late_for_the_backup_is_a_session_all_the_same(
    services: Services, backup: Backup, container: BackupContainer, empty: Tables, restored_services: Services
) -> None:
    """Sessions are read before claims, so a driver who is let in between is in the backup by the claim alone."""
    late = Claim(
        session_id=session_id(99),
        installation_id=INSTALLATION,
        charger_id=CHARGER,
        request_key="token:late",
        at=MONDAY_MORNING,
        mode="enforce",
        verdict="allowed",
        driver="Late",
    )
    await services.authorizations.insert(late)
    await restore(container, empty, await backup.run())

    await redraw(empty, restored_services)
    await restored_services.behind.settled()

    view = await restored_services.ledger.view(late.session_id)
    assert view
    assert view.driver == "Late"


async def test_an_account_that_holds_anything_is_refused_and_left_alone(
    services: Services, backup: Backup, container: BackupContainer, empty: Tables, restored_services: Services
) -> None:
    await fill(services)
    manifest = await backup.run()
    await fill(restored_services, cards=1)
    before = await contents(empty)

    with pytest.raises(Conflict, match="table Installations has rows"):
        await restore(container, empty, manifest)

    assert await contents(empty) == before


async def test_an_app_that_waits_beside_the_empty_tables_is_no_hindrance(
    services: Services, backup: Backup, container: BackupContainer, empty: Tables, restored_services: Services
) -> None:
    """A deployment brings the app with the account, and its timers leave their marks at once."""
    await fill(services)
    await restored_services.upgrade.advance()
    await restored_services.sweep.run()

    assert (await restore(container, empty, await backup.run())).differences == []


async def _changed_blob(blob: bytes) -> bytes:
    return gzip.compress(gzip.decompress(blob).replace(b"Driver 1", b"Driver 7"), mtime=0)


async def test_a_blob_that_was_changed_is_found_before_anything_is_written(
    services: Services, backup: Backup, container: BackupContainer, empty: Tables
) -> None:
    await fill(services)
    manifest = await backup.run()
    (part,) = [one for one in manifest.parts if one.table == "Tokens"]
    blob = await container.get(part.blob)
    assert blob
    await container._client().upload_blob(part.blob, await _changed_blob(blob), overwrite=True)

    with pytest.raises(BackupUnusable, match=re.escape(part.blob)):
        await restore(container, empty, manifest)

    assert not any((await contents(empty)).values())


async def test_a_blob_that_is_gone_is_found_before_anything_is_written(
    services: Services, backup: Backup, container: BackupContainer, empty: Tables
) -> None:
    await fill(services)
    manifest = await backup.run()
    await container._client().delete_blob(manifest.parts[-1].blob)

    with pytest.raises(BackupUnusable, match="is gone"):
        await restore(container, empty, manifest)

    assert not any((await contents(empty)).values())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema_version": SCHEMA_VERSION + 1}, "schema version"),
        ({"format": 2}, "format 2"),
    ],
)
async def test_a_backup_of_a_newer_version_is_refused(
    backup: Backup, container: BackupContainer, empty: Tables, change: dict[str, Any], told: str
) -> None:
    manifest = msgspec.structs.replace(await backup.run(), backup="20270101T000000Z", **change)
    await container.add(manifest_blob(manifest.backup), encode(manifest))

    with pytest.raises(BackupUnusable, match=told):
        await restore(container, empty, await manifest_of(container, manifest.backup))


class Failing(AioHttpTransport):
    """Carries so many requests that change something, and then none, as when the process is killed."""

    def __init__(self, requests: int) -> None:
        super().__init__(use_env_settings=False)
        self.left = requests

    async def send(self, request: Any, **options: Any) -> Any:
        if request.method != "GET":
            self.left -= 1
            if self.left < 0:
                raise ServiceResponseError("cut")
        return await super().send(request, **options)


async def test_an_upload_that_is_interrupted_is_no_backup(
    services: Services, clock: HandClock, connection_string: str, container: BackupContainer
) -> None:
    await fill(services)
    async with BackupContainer(connection_string, transport=Failing(4)) as cut:
        with pytest.raises(StorageUnavailable):
            await Backup(clock.now, services.tables, cut, IDENTITY_KEY).run()

    assert await container.names()
    assert await backups(container) == []
    name = (await container.names())[0].partition("/")[0]
    with pytest.raises(BackupUnusable, match="never finished"):
        await manifest_of(container, name)


class Noting(AioHttpTransport):
    """Keeps what is asked of the container: method, question and condition."""

    def __init__(self) -> None:
        super().__init__(use_env_settings=False)
        self.asked: set[tuple[str, str, str]] = set()

    async def send(self, request: Any, **options: Any) -> Any:
        self.asked.add((request.method, request.query.get("comp", ""), request.headers.get("If-None-Match", "")))
        return await super().send(request, **options)


async def test_the_right_to_add_blobs_is_all_that_a_backup_needs(
    services: Services, clock: HandClock, connection_string: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put Blob on a new blob; no block lists, which would need the right to write, and nothing is read. That the
    container is made is left out, as it is where an address names it."""
    await fill(services)
    transport = Noting()
    async with BackupContainer(connection_string, transport=transport) as noted:
        await noted.prepare()
        transport.asked.clear()
        monkeypatch.setattr(noted, "prepare", nothing)
        await Backup(clock.now, services.tables, noted, IDENTITY_KEY).run()
    assert transport.asked == {("PUT", "", "*")}


async def nothing() -> None:
    """In the place of what is not to happen."""


async def test_a_second_backup_of_the_same_instant_overwrites_nothing(
    services: Services, backup: Backup, container: BackupContainer
) -> None:
    await fill(services)
    manifest = await backup.run()
    with pytest.raises(Conflict, match="overwrites nothing"):
        await backup.run()
    assert await manifest_of(container, manifest.backup) == manifest


@pytest.mark.parametrize("requests", [0, 1, 9, 14, 18, 22])
async def test_a_restore_that_was_killed_goes_on_where_it_was(
    services: Services,
    backup: Backup,
    container: BackupContainer,
    empty: Tables,
    requests: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(making, "_PART_BYTES", 400)
    await fill(services, cards=6)
    manifest = await backup.run()
    cut = Tables(empty._account, Failing(requests))
    with pytest.raises(StorageUnavailable):
        await restore(container, cut, manifest)
    await cut.close()

    begun = await empty["Credentials"].get("upkeep", "restore") is not None
    if begun:
        with pytest.raises(Conflict, match="--resume"):
            await restore(container, empty, manifest)
    restored = await restore(container, empty, manifest, resume=begun)

    assert restored.differences == []


async def test_only_the_restore_that_was_begun_is_gone_on_with(
    services: Services, backup: Backup, container: BackupContainer, empty: Tables, clock: HandClock
) -> None:
    await fill(services)
    first = await backup.run()
    clock.advance(86400)
    second = await backup.run()
    await Restore(container, empty, first).begin(resume=False)

    with pytest.raises(Conflict, match=f"the restore of {first.backup}"):
        await Restore(container, empty, second).begin(resume=True)

    await Restore(container, empty, first).complete()
    with pytest.raises(Conflict, match="leave out --resume"):
        await Restore(container, empty, first).begin(resume=True)
    assert await Schema(empty).standing() == Standing(version=first.schema_version)


type Spoil = Callable[[Tables, str], Any]


async def _gone(tables: Tables, token: str) -> None:
    await tables["Tokens"].delete(token[:2], token)


async def _other(tables: Tables, token: str) -> None:
    await tables["Tokens"].upsert(token[:2], token, {"id": token, "token": "04A1B2EEEEEEEE"})


async def _more(tables: Tables, token: str) -> None:
    await tables["Tokens"].insert(token[:2], token + "0", {"id": token + "0", "token": "04A1B2EEEEEEEE"})


@pytest.mark.parametrize(("spoil", "kind"), [(_gone, "missing"), (_other, "changed"), (_more, "added")])
async def test_what_differs_after_a_restore_is_named(
    services: Services, backup: Backup, container: BackupContainer, empty: Tables, spoil: Spoil, kind: str
) -> None:
    await fill(services)
    manifest = await backup.run()
    await restore(container, empty, manifest)
    token = (await services.tokens.page("", 3))[1].id

    await spoil(empty, token)

    found = [one async for one in Restore(container, empty, manifest).differences(lambda _: None)]
    key = token + "0" if kind == "added" else token
    assert found == [Difference(kind, "Tokens", token[:2], key)]


async def test_backups_are_listed_the_latest_first(
    backup: Backup, container: BackupContainer, clock: HandClock
) -> None:
    made: list[Manifest] = []
    for _ in range(3):
        made.append(await backup.run())
        clock.advance(86400)
    assert await backups(container) == [one.backup for one in reversed(made)]
    assert digest(encode(made[0])) == digest(await container.get(manifest_blob(made[0].backup)) or b"")
