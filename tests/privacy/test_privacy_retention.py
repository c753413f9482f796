"""What is older than it is kept is let go of; what is younger, and the energy of every session, stays."""

from datetime import timedelta

from functions.services import Services, build
from shared.observations.observation import Observation
from shared.privacy.retention import ANONYMOUS
from shared.storage.charger_history import ChargerHistory
from shared.storage.table import Tables
from tests.conftest import HandClock, settings_for
from tests.privacy.test_privacy_erasure import history
from tests.sessions.site import Site

DAY = 86400


async def a_day(site: Site, card: str) -> str:
    """A session, a refusal, an unknown card, a minute, and a body nobody could read; answers with the session."""
    now = site.clock.now()
    session_id = await site.start(card)
    await site.end(session_id, 5.0)
    await site.ask("04DEADBEEF", site.other_charger)
    await site.services.streams.intake.keep_each([Observation(site.charger, 513, now, "11000.0")])
    await site.services.quarantine.keep("session-end", "is no JSON", f"{now}".encode(), now)
    await site.services.behind.settled()
    return session_id


async def held(site: Site, tables: Tables) -> tuple[int, int, int]:
    """Refusals, minutes and bodies."""
    start = site.clock.now() - timedelta(days=400)
    refusals = await site.services.decisions.refusals(site.id, start, 1000)
    minutes = await ChargerHistory(tables).read(site.id, site.charger, start, site.clock.now() + timedelta(days=1))
    return len(refusals), len(minutes), len(await site.services.quarantine.newest())


async def test_what_is_older_goes_and_what_is_younger_stays(site: Site, card: str, tables: Tables) -> None:
    await site.register(card, "Kari")
    await a_day(site, card)
    site.clock.advance(89 * DAY)
    await a_day(site, card)
    await site.services.retention.run()
    assert await held(site, tables) == (2, 2, 2)
    site.clock.advance(2 * DAY)
    await site.services.retention.run()
    assert await held(site, tables) == (1, 1, 1)
    assert len(await site.services.decisions.seen_tokens(site.id)) == 1, "it was shown again since"


async def test_sessions_keep_their_drivers_unless_told_otherwise(site: Site, card: str) -> None:
    await site.register(card, "Kari")
    session_id = await a_day(site, card)
    site.clock.advance(4000 * DAY)
    await site.services.retention.run()
    assert (await site.view(session_id)).driver == "Kari"


async def test_a_session_loses_its_driver_and_keeps_its_energy(
    site: Site, card: str, connection_string: str, clock: HandClock
) -> None:
    services = build(settings_for(connection_string, clock, retention_sessions_days=30))
    strict = Site(services, clock)
    await strict.set_up()
    await strict.register(card, "Kari")
    start = clock.now()
    old = await a_day(strict, card)
    clock.advance(29 * DAY)
    young = await a_day(strict, card)
    clock.advance(2 * DAY)
    await services.retention.run()
    await services.end_hook.record(*history(old, strict, start, 5.0))
    view = await strict.view(old)
    assert (view.driver, view.token_id, view.energy_kwh) == (ANONYMOUS, None, 5.0)
    assert "Kari" not in repr(view)
    assert (await strict.view(young)).driver == "Kari"
    await services.close()


async def test_a_round_is_made_once_a_day(site: Site, services: Services, card: str, tables: Tables) -> None:
    await site.register(card, "Kari")
    await a_day(site, card)
    site.clock.advance(91 * DAY)
    await services.retention.run()
    mark = await services.drivers.retention()
    assert (mark.stage, mark.reached) == ("", None)
    old = site.clock.now() - timedelta(days=100)
    await services.quarantine.keep("session-end", "is no JSON", b"late", old)
    await services.retention.run()
    assert len(await services.quarantine.newest()) == 1
    site.clock.advance(DAY)
    await services.retention.run()
    assert await held(site, tables) == (0, 0, 0)
