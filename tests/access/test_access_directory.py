"""The installations and chargers we know: asked for rarely, remembered in an outage."""

import asyncio

import pytest

from shared.access.directory import Directory
from shared.errors import StorageUnavailable, ZapbridgeError, ZapCloudError, ZapCloudUnavailable
from shared.storage.chargers import Charger, Chargers
from shared.storage.installations import Installation, Installations, Mode
from shared.storage.table import Tables
from tests.cable import cable_to
from tests.conftest import HandClock

HERE, THERE = "1b0d3c0e-0000-4000-8000-000000000001", "1b0d3c0e-0000-4000-8000-000000000002"
CHARGER = Charger(id="2c0d3c0e-0000-4000-8000-000000000001", installation_id=HERE, device_id="ZAP000123", name="Bay 1")


class ZapCloudStub:
    """What ZapCloud would say of an installation's chargers."""

    def __init__(self) -> None:
        self.chargers = [CHARGER]
        self.error: ZapbridgeError | None = None
        self.asked: list[str] = []

    async def hierarchy(self, installation_id: str) -> list[Charger]:
        self.asked.append(installation_id)
        if self.error:
            raise self.error
        return self.chargers


@pytest.fixture
def zapcloud() -> ZapCloudStub:
    return ZapCloudStub()


@pytest.fixture
def directory(clock: HandClock, tables: Tables, zapcloud: ZapCloudStub) -> Directory:
    return Directory(clock.now, Installations(tables), Chargers(tables), zapcloud.hierarchy)


async def test_a_charger_is_known_by_id_and_serial(directory: Directory) -> None:
    await directory.register([CHARGER])

    for name in (CHARGER.id, CHARGER.id.upper(), "ZAP000123", "zap000123"):
        assert await directory.charger(name) == CHARGER
        assert directory.last_known_charger(name) == CHARGER
    assert await directory.charger("ZAP999999") is None
    assert directory.last_known_charger("ZAP000999") is None


async def test_a_charger_nobody_knows_is_asked_after_once_a_minute(
    clock: HandClock, directory: Directory, zapcloud: ZapCloudStub
) -> None:
    zapcloud.chargers = []
    for _ in range(20):
        assert await directory.charger(CHARGER.id) is None
        assert await directory.charger_after_asking(CHARGER.id, HERE) is None
    assert zapcloud.asked == [HERE]

    clock.advance(59)
    await directory.charger_after_asking(CHARGER.id, HERE)
    assert zapcloud.asked == [HERE]
    clock.advance(1)
    zapcloud.chargers = [CHARGER]
    assert await directory.charger_after_asking(CHARGER.id, HERE) == CHARGER
    assert zapcloud.asked == [HERE, HERE]
    assert await directory.charger(CHARGER.id) == CHARGER


async def test_many_who_ask_at_once_ask_once_and_installations_do_not_wait_for_each_other(
    directory: Directory, zapcloud: ZapCloudStub
) -> None:
    found = await asyncio.gather(
        *(directory.charger_after_asking(CHARGER.id, place) for place in (HERE, THERE) for _ in "abc")
    )

    assert sorted(zapcloud.asked) == [HERE, THERE]
    assert found == [CHARGER] * 6, "who comes while ZapCloud is being asked is not told that the charger is unknown"


@pytest.mark.parametrize("error", [ZapCloudError("no"), ZapCloudUnavailable("later")])
async def test_that_zapcloud_cannot_be_asked_fails_nothing(
    directory: Directory, zapcloud: ZapCloudStub, error: ZapbridgeError, caplog: pytest.LogCaptureFixture
) -> None:
    zapcloud.error = error

    assert await directory.charger_after_asking(CHARGER.id, HERE) is None

    assert '"event": "chargers.reload_failed"' in caplog.text


async def test_without_an_account_nobody_is_asked(clock: HandClock, tables: Tables) -> None:
    directory = Directory(clock.now, Installations(tables), Chargers(tables), None)

    assert await directory.charger_after_asking(CHARGER.id, HERE) is None
    assert await directory.reload(HERE) == 0


async def test_settings_are_half_a_minute_old_at_most(clock: HandClock, directory: Directory, tables: Tables) -> None:
    await Installations(tables).put(Installation(id=HERE))
    first = await directory.installation(HERE)
    assert first is not None
    assert first.mode is Mode.ENFORCE

    await Installations(tables).put(Installation(id=HERE, mode=Mode.OPEN))
    clock.advance(29)
    assert await directory.installation(HERE) == first
    clock.advance(1)
    assert await directory.installation(HERE) == Installation(id=HERE, mode=Mode.OPEN)


async def test_settings_written_here_hold_at_once(directory: Directory, tables: Tables) -> None:
    await Installations(tables).put(Installation(id=HERE))
    await directory.installation(HERE)

    await Installations(tables).put(Installation(id=HERE, mode=Mode.OPEN))
    directory.changed(Installation(id=HERE, mode=Mode.OPEN))

    assert await directory.installation(HERE) == Installation(id=HERE, mode=Mode.OPEN)


async def test_in_an_outage_what_was_known_last_is_known(clock: HandClock, connection_string: str) -> None:
    async with cable_to(connection_string) as cable, Tables(cable.connection_string) as tables:
        directory = Directory(clock.now, Installations(tables), Chargers(tables), None)
        await Installations(tables).put(Installation(id=HERE))
        await directory.register([CHARGER])
        await directory.installation(HERE)
        await directory.charger("ZAP000123")
        await cable.cut()
        clock.advance(3600)

        assert await directory.installation(HERE) == Installation(id=HERE)
        assert await directory.charger("ZAP000123") == CHARGER
        assert directory.last_known_installation(HERE) == Installation(id=HERE)
        assert directory.last_known_charger("ZAP000123") == CHARGER
        with pytest.raises(StorageUnavailable):
            await directory.installation(THERE)
        assert directory.last_known_installation(THERE) is None


async def test_an_outage_right_after_a_change_finds_the_installation_still_known(
    directory: Directory, tables: Tables
) -> None:
    await Installations(tables).put(Installation(id=HERE))
    await directory.installation(HERE)
    directory.changed(Installation(id=HERE, mode=Mode.OPEN))

    assert directory.last_known_installation(HERE) == Installation(id=HERE, mode=Mode.OPEN)


async def test_a_charger_registered_after_it_was_asked_for_in_small_letters_is_known_at_once(
    directory: Directory,
) -> None:
    assert await directory.charger("zap000123") is None
    await directory.register([CHARGER])

    assert await directory.charger("zap000123") == CHARGER


async def test_registering_again_completes_what_a_crash_left_half_done(directory: Directory, tables: Tables) -> None:
    await directory.register([CHARGER])
    await tables["Chargers"].delete("ZAP000123", "serial")

    await directory.register([CHARGER])

    assert await directory.charger("ZAP000123") == CHARGER


async def test_a_serial_that_was_corrected_finds_nothing_under_the_wrong_one(
    clock: HandClock, directory: Directory
) -> None:
    await directory.register([Charger(id=CHARGER.id, installation_id=HERE, device_id="ZAP999999")])
    await directory.register([CHARGER])
    clock.advance(30)

    assert await directory.charger("ZAP999999") is None


async def test_a_charger_that_moved_is_known_at_its_new_place(directory: Directory) -> None:
    await directory.register([CHARGER])
    await directory.charger("ZAP000123")
    moved = Charger(id=CHARGER.id, installation_id=THERE, device_id="ZAP000123", name="Bay 1")

    await directory.register([moved])

    assert await directory.charger(CHARGER.id) == moved
    assert await directory.charger("ZAP000123") == moved


async def test_what_did_not_change_is_not_written_again(directory: Directory, tables: Tables) -> None:
    await directory.register([CHARGER])
    before = await tables["Chargers"].scan()

    await directory.register([CHARGER])

    assert await tables["Chargers"].scan() == before
