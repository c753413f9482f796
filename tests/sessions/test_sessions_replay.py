"""What is in quarantine is tried again with the code of today, for the caller who brought it and nobody else."""

import msgspec
import pytest

from functions.services import Services
from shared.errors import Conflict, InvalidInput, NotFound
from shared.security.principal import Principal
from shared.sessions.view import Status
from tests.conftest import HandClock
from tests.sessions.site import Site


def end_body(session: str, clock: HandClock) -> bytes:
    now = clock.now().isoformat()
    return msgspec.json.encode({"SessionId": session, "SessionStart": now, "SessionEnd": now, "Energy": 4.5})


async def set_aside(services: Services, clock: HandClock, body: bytes, *installations: str) -> str:
    """As a version that did not understand it would have."""
    return await services.quarantine.keep("session-end", "not understood then", body, clock.now(), installations)


async def test_an_end_is_taken_and_leaves_quarantine(
    services: Services, clock: HandClock, site: Site, card: str
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    identity = await set_aside(services, clock, end_body(session, clock), site.id)
    await services.replay.run(identity)
    view = await site.view(session)
    assert (view.status, view.energy_kwh) == (Status.ENDED, 4.5)
    with pytest.raises(NotFound):
        await services.replay.run(identity)


async def test_who_could_not_speak_for_an_installation_cannot_by_way_of_quarantine(
    services: Services, clock: HandClock, site: Site, card: str
) -> None:
    await site.register(card, "Kari")
    session = await site.start(card)
    identity = await set_aside(services, clock, end_body(session, clock), "somewhere else")
    with pytest.raises(NotFound):
        await services.replay.run(identity)
    assert (await site.view(session)).status is Status.AUTHORIZED
    assert await services.quarantine.item(identity)


async def test_a_body_that_is_still_not_understood_stays(services: Services, clock: HandClock, site: Site) -> None:
    identity = await set_aside(services, clock, b'{"SessionId": "x"}', "*")
    with pytest.raises(Conflict, match="still not understood"):
        await services.replay.run(identity)
    assert await services.quarantine.item(identity)


async def test_the_same_body_of_another_caller_is_another_item(services: Services, clock: HandClock) -> None:
    assert await set_aside(services, clock, b"x", "a") != await set_aside(services, clock, b"x", "b")


async def test_what_the_hook_quarantines_remembers_its_caller(services: Services, clock: HandClock, site: Site) -> None:
    bound = Principal("theirs", (site.id,))
    with pytest.raises(InvalidInput):
        await services.end_hook.accept(bound, b'{"SessionId": "x"}')
    (item,) = await services.quarantine.newest()
    assert item.installations == (site.id,)
