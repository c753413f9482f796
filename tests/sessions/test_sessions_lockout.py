"""Signs of a lockout: a charger observes something, and no web hook goes with it."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from functions.services import Services
from shared.access.card import normalize, token_id
from shared.errors import StorageUnavailable, ZapCloudUnavailable
from shared.observations.folding import fold
from shared.observations.observation import Observation
from shared.sessions.lockout import LockoutWatch
from shared.sessions.start import Outcome
from tests.conftest import IDENTITY_KEY, HandClock
from tests.sessions.site import Site

MODE, SESSION, CARD = 710, 721, 722
STRANGE_SESSION = "60000000-0000-4000-8000-000000000001"


class Watch:
    def __init__(self, services: Services, clock: HandClock, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        self.services = services
        self.clock = clock
        self.site = site
        self.caplog = caplog

    async def observe(self, state: int, value: str, seconds_ahead: float = 0.0) -> None:
        at = self.clock.now() + timedelta(seconds=seconds_ahead)
        observation = Observation(self.site.charger, state, at, value)
        await self.services.streams.intake.keep(fold([observation]))

    async def signs(self) -> list[dict[str, Any]]:
        """What the watch says when it runs now."""
        self.caplog.clear()
        await self.services.streams.lockout_watch.run()
        lines = [record.getMessage() for record in self.caplog.records if record.name == "zapbridge"]
        found = [msgspec.json.decode(line) for line in lines]
        return [event for event in found if event["event"].startswith("lockout.")]

    async def names(self) -> list[str]:
        return [sign["event"] for sign in await self.signs()]


@pytest.fixture
def watch(services: Services, clock: HandClock, site: Site, caplog: pytest.LogCaptureFixture) -> Watch:
    caplog.set_level(logging.INFO, logger="zapbridge")
    return Watch(services, clock, site, caplog)


async def test_a_car_that_nobody_asks_us_about_for_a_minute_is_a_sign(
    watch: Watch, clock: HandClock, site: Site
) -> None:
    await watch.observe(MODE, "2")
    clock.advance(59)
    assert await watch.names() == []
    clock.advance(2)
    (sign,) = await watch.signs()
    assert sign["event"] == "lockout.no_hook_call"
    assert (sign["installationId"], sign["chargerId"]) == (site.id, site.charger)
    assert await watch.names() == [], "said once"


async def test_a_car_that_left_or_began_to_charge_within_the_minute_is_none(watch: Watch, clock: HandClock) -> None:
    for next_mode in ("1", "3"):
        await watch.observe(MODE, "2")
        clock.advance(20)
        await watch.observe(MODE, next_mode)
        clock.advance(60)
        assert await watch.names() == []


async def test_a_charger_whose_polls_we_hear_is_none(
    watch: Watch, clock: HandClock, site: Site, services: Services
) -> None:
    for _ in range(2):
        await watch.observe(MODE, "2")
        for _ in range(7):
            clock.advance(10)
            assert (await site.ask()).outcome is Outcome.NOT_AUTHORIZED
        await services.behind.settled()
        assert await watch.names() == []


async def test_a_scanned_card_that_no_start_carried_is_a_sign(
    watch: Watch, clock: HandClock, site: Site, card: str
) -> None:
    await watch.observe(MODE, "2")
    clock.advance(5)
    await site.ask()
    await watch.observe(CARD, f"nfc-{card}")
    clock.advance(61)
    (sign,) = await watch.signs()
    assert sign["event"] == "lockout.token_not_asked"
    assert sign["tokenId"] == token_id(IDENTITY_KEY, normalize(card))
    assert card not in msgspec.json.encode(sign).decode()


@pytest.mark.parametrize("registered", [True, False])
async def test_a_card_that_was_let_in_or_refused_is_none(
    watch: Watch, clock: HandClock, site: Site, card: str, registered: bool
) -> None:
    if registered:
        await site.register(card, "Kari")
    await watch.observe(CARD, f"nfc-{card}")
    clock.advance(1)
    await site.ask(card)
    clock.advance(61)
    assert await watch.names() == []


async def test_an_unknown_card_that_observe_mode_let_in_is_none(
    watch: Watch, clock: HandClock, site: Site, card: str
) -> None:
    await site.set_up(mode="observe")
    await watch.observe(CARD, f"nfc-{card}")
    await site.start(card)
    clock.advance(61)
    assert await watch.names() == []


async def test_what_is_no_card_is_none(watch: Watch, clock: HandClock) -> None:
    await watch.observe(CARD, "")
    await watch.observe(CARD, "???")
    clock.advance(61)
    assert await watch.names() == []


async def test_a_session_we_never_gave_is_a_sign_while_enforcing(watch: Watch, clock: HandClock, site: Site) -> None:
    await watch.observe(SESSION, STRANGE_SESSION)
    clock.advance(61)
    (sign,) = await watch.signs()
    assert (sign["event"], sign["sessionId"]) == ("lockout.session_not_ours", STRANGE_SESSION)

    await site.set_up(mode="observe")
    await watch.observe(SESSION, STRANGE_SESSION.replace("1", "2"))
    clock.advance(61)
    assert await watch.names() == []


async def test_a_session_we_gave_is_none_and_neither_is_its_car(
    watch: Watch, clock: HandClock, site: Site, card: str
) -> None:
    await site.register(card, "Kari")
    await watch.observe(MODE, "2")
    session = await site.start(card)
    await watch.observe(SESSION, session)
    clock.advance(61)
    assert await watch.names() == []


async def test_a_session_of_ours_that_ran_there_before_hides_no_lockout(
    watch: Watch, clock: HandClock, site: Site, card: str
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    await watch.observe(SESSION, session)
    clock.advance(600)
    await site.end(session)
    await watch.signs()
    clock.advance(600)
    await watch.observe(MODE, "2")
    clock.advance(61)
    assert await watch.names() == ["lockout.no_hook_call"]


async def test_a_card_that_is_shown_to_end_a_session_and_a_car_that_pauses_are_none(
    watch: Watch, clock: HandClock, site: Site, card: str
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    await watch.observe(SESSION, session)
    await watch.observe(MODE, "3")
    clock.advance(1800)
    await watch.observe(MODE, "2")
    await watch.observe(CARD, f"nfc-{card}")
    clock.advance(61)
    assert await watch.names() == []


async def test_a_car_that_asks_again_hours_into_our_session_and_waits_for_power_is_none(
    watch: Watch, clock: HandClock, site: Site, card: str
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    await watch.observe(SESSION, session)
    await watch.observe(MODE, "3")
    clock.advance(3 * 3600)
    await watch.observe(MODE, "5")
    clock.advance(600)
    await watch.observe(MODE, "2")
    clock.advance(70)
    assert await watch.names() == []


@pytest.mark.parametrize("end_comes_at_once", [False, True])
async def test_a_card_that_ended_its_session_is_none_whether_or_not_the_end_is_known_when_we_look(
    watch: Watch, clock: HandClock, site: Site, card: str, end_comes_at_once: bool
) -> None:
    await site.register(card, "Kari")
    await watch.observe(CARD, f"nfc-{card}")
    session = await site.start(card)
    await watch.observe(SESSION, session)
    await watch.observe(MODE, "3")
    clock.advance(3600)
    await watch.signs()
    await watch.observe(CARD, f"nfc-{card}")
    clock.advance(5)
    if end_comes_at_once:
        await site.end(session)
    else:
        await watch.observe(MODE, "5")
    clock.advance(65)
    assert await watch.names() == []


async def test_a_car_refused_half_an_hour_ago_whose_charger_says_again_that_it_waits_is_none(
    watch: Watch, clock: HandClock, site: Site, services: Services
) -> None:
    await watch.observe(MODE, "2")
    for _ in range(3):
        clock.advance(5)
        await site.ask()
    await site.ask("04DEADBEEF1122")
    await services.behind.settled()
    clock.advance(70)
    assert await watch.names() == []
    clock.advance(1800)
    await watch.observe(MODE, "2")
    clock.advance(70)
    assert await watch.names() == []


async def test_a_car_that_waits_for_minutes_while_we_are_polled_is_none_to_the_end(
    watch: Watch, clock: HandClock, site: Site, services: Services
) -> None:
    await watch.observe(MODE, "2")
    for _ in range(5):
        for _ in range(6):
            clock.advance(10)
            await site.ask()
        await services.behind.settled()
        assert await watch.names() == []
    clock.advance(70)
    assert await watch.names() == []


async def test_a_car_that_asks_again_and_again_and_we_never_hear_of_is_a_sign(watch: Watch, clock: HandClock) -> None:
    found = []
    for _ in range(12):
        await watch.observe(MODE, "2")
        for _ in range(2):
            clock.advance(25)
            found += await watch.names()
    assert "lockout.no_hook_call" in found


async def test_a_refused_card_at_a_charger_whose_clock_is_a_minute_ahead_is_none(
    watch: Watch, clock: HandClock, site: Site, card: str
) -> None:
    await watch.observe(CARD, f"nfc-{card}", seconds_ahead=60)
    clock.advance(1)
    await site.ask(card)
    clock.advance(180)
    assert await watch.names() == []


async def test_a_charger_whose_clock_is_behind_leaves_our_hook_its_minute_all_the_same(
    watch: Watch, clock: HandClock
) -> None:
    await watch.observe(MODE, "2", seconds_ahead=-120)
    clock.advance(1)
    assert await watch.names() == []


async def test_the_session_id_of_no_session_is_none(watch: Watch, clock: HandClock) -> None:
    await watch.observe(SESSION, "00000000-0000-0000-0000-000000000000")
    clock.advance(70)
    assert await watch.names() == []


async def test_old_observations_that_come_late_raise_nothing(watch: Watch, clock: HandClock, site: Site) -> None:
    old = Observation(site.charger, SESSION, clock.now(), STRANGE_SESSION)
    clock.advance(16 * 60)
    await watch.services.streams.intake.keep(fold([old]))
    assert await watch.names() == []


async def asking(kind: int | None) -> Callable[[str], Awaitable[int | None]]:
    async def answer(_: str) -> int | None:
        return kind

    return answer


@pytest.mark.parametrize(("kind", "signs"), [(0, 0), (1, 1), (2, 0), (None, 1)])
async def test_only_where_zapcloud_says_that_web_hooks_are_used(
    watch: Watch, clock: HandClock, services: Services, kind: int | None, signs: int
) -> None:
    await watch.observe(SESSION, STRANGE_SESSION)
    clock.advance(61)
    asked = LockoutWatch(
        clock.now,
        services.installations,
        services.authorizations,
        services.decisions,
        services.ledger,
        services.streams.reader.is_requesting,
        await asking(kind),
    )
    watch.caplog.clear()
    await asked.run()
    assert sum("lockout." in record.getMessage() for record in watch.caplog.records) == signs


async def test_what_zapcloud_said_of_web_hooks_holds_while_it_cannot_be_asked(
    watch: Watch, clock: HandClock, services: Services
) -> None:
    busy = iter([False, True, False])

    async def native_unless_busy(_: str) -> int | None:
        if next(busy):
            raise ZapCloudUnavailable("ZapCloud answered 429")
        return 0

    asked = LockoutWatch(
        clock.now,
        services.installations,
        services.authorizations,
        services.decisions,
        services.ledger,
        services.streams.reader.is_requesting,
        native_unless_busy,
    )
    for _ in range(3):
        await watch.observe(SESSION, STRANGE_SESSION)
        clock.advance(1000)
        await asked.run()
    assert "lockout.not_asked" in watch.caplog.text
    assert "lockout.session_not_ours" not in watch.caplog.text


async def test_a_sign_is_told_once_though_storage_fails_over_another(
    watch: Watch, clock: HandClock, site: Site, services: Services
) -> None:
    failing = {site.other_charger}

    async def still_requesting(_: str, charger_id: str) -> bool:
        if charger_id in failing:
            raise StorageUnavailable("not now")
        return True

    lockout_watch = LockoutWatch(
        clock.now,
        services.installations,
        services.authorizations,
        services.decisions,
        services.ledger,
        still_requesting,
        None,
    )
    for charger in (site.charger, site.other_charger):
        await services.streams.intake.keep(fold([Observation(charger, MODE, clock.now(), "2")]))
    clock.advance(61)
    with pytest.raises(StorageUnavailable):
        await lockout_watch.run()
    failing.clear()
    await lockout_watch.run()

    told = [line for line in watch.caplog.messages if "lockout.no_hook_call" in line]
    assert [msgspec.json.decode(line)["chargerId"] for line in told] == [site.charger, site.other_charger]
