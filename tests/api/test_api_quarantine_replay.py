"""Over HTTP: what could not be understood is seen, and tried again once it may be."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from devhost.stack import Stack
from functions.services import Services
from simulator.shapes import ChargerView
from tests.api.inside import STREAM, message

POWER = 513
STREAM_MESSAGE, SESSION_END, SESSION_START = "stream-message", "session-end", "session-start"

type Keep = Callable[[str, bytes], Awaitable[str]]


@pytest.fixture
def keep(inside: Services, now: datetime) -> Keep:
    """Puts a body into quarantine, as a version did that could not understand it, and gives its id."""

    async def kept(kind: str, body: bytes) -> str:
        return await inside.quarantine.keep(kind, "an older version could not read this", body, now)

    return kept


async def listed(management: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in (await management.get("/quarantine")).json()["items"]}


async def replay(management: httpx.AsyncClient, identity: str) -> httpx.Response:
    return await management.post(f"/quarantine/{identity}/replay")


async def check_stays(management: httpx.AsyncClient, identity: str, body: bytes, reason: str) -> None:
    """Replay changes nothing, and says why."""
    before = (await listed(management))[identity]
    for _ in range(2):
        answer = await replay(management, identity)
        assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
        assert reason in answer.json()["detail"]
    assert (await listed(management))[identity] == before
    assert (await management.get(f"/quarantine/{identity}")).content == body


async def check_leaves(management: httpx.AsyncClient, identity: str) -> None:
    """Replay works once."""
    answer = await replay(management, identity)
    assert (answer.status_code, answer.json()) == (200, {"id": identity, "replayed": True})
    assert identity not in await listed(management)
    assert (await management.get(f"/quarantine/{identity}")).status_code == 404
    assert (await replay(management, identity)).status_code == 404


async def test_a_bad_message_appears_and_stays_while_it_is_not_understood(
    management: httpx.AsyncClient, inside: Services, charger: ChargerView, now: datetime
) -> None:
    bad = f"not an observation {uuid.uuid4()}".encode()
    good = message(charger.id, POWER, "7400", now)
    before = await listed(management)
    await inside.streams.intake.take(STREAM, [(bad, now - timedelta(seconds=1)), (good, now)])
    after = await listed(management)
    ((identity, item),) = [(found, item) for found, item in after.items() if found not in before]
    assert (item["kind"], item["sizeBytes"]) == (STREAM_MESSAGE, len(bad))
    assert item["at"] == (now - timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    assert item["reason"]
    await check_stays(management, identity, bad, "still not understood")
    state = (await management.get(f"/chargers/{charger.id}/state")).json()
    assert [one["value"] for one in state["observations"]] == ["7400"], "the rest of its batch was taken"


async def test_a_message_that_is_understood_by_now_takes_effect(
    management: httpx.AsyncClient, keep: Keep, charger: ChargerView, now: datetime
) -> None:
    identity = await keep(STREAM_MESSAGE, message(charger.id, POWER, "11000", now - timedelta(days=1)))
    assert identity in await listed(management)
    await check_leaves(management, identity)
    (observation,) = (await management.get(f"/chargers/{charger.id}/state")).json()["observations"]
    assert (observation["id"], observation["value"]) == (POWER, "11000")


async def test_an_old_message_does_not_take_the_place_of_a_newer_one(
    management: httpx.AsyncClient, inside: Services, keep: Keep, charger: ChargerView, now: datetime
) -> None:
    await inside.streams.intake.take(STREAM, [(message(charger.id, POWER, "7400", now), now)])
    await check_leaves(
        management, await keep(STREAM_MESSAGE, message(charger.id, POWER, "11000", now - timedelta(hours=1)))
    )
    (observation,) = (await management.get(f"/chargers/{charger.id}/state")).json()["observations"]
    assert observation["value"] == "7400"


async def test_a_session_end_that_is_understood_by_now_ends_its_session(
    management: httpx.AsyncClient, hooks: httpx.AsyncClient, keep: Keep, charger: ChargerView, card: str
) -> None:
    (await management.put("/tokens", json={"token": card, "driver": "Kari", "maxConcurrent": 1})).raise_for_status()
    start = {"chargerId": charger.id, "tokenCode": card}
    session = (await hooks.post("/hooks/session-start", json=start)).json()["sessionId"]
    end = {"SessionId": session, "SessionEnd": "2026-03-02T09:00:00Z", "Energy": 6.5}
    await check_leaves(management, await keep(SESSION_END, msgspec.json.encode(end)))
    found = (await management.get(f"/sessions/{session}")).json()
    assert (found["status"], found["energyKwh"], found["source"], found["driver"]) == ("ended", 6.5, "end-hook", "Kari")
    assert (await hooks.post("/hooks/session-start", json=start)).status_code == 200, "the card is free again"


async def test_a_session_end_that_is_still_bad_stays(management: httpx.AsyncClient, hooks: httpx.AsyncClient) -> None:
    body = msgspec.json.encode({"SessionId": f"not a UUID {uuid.uuid4()}", "Energy": 1})
    before = await listed(management)
    assert (await hooks.post("/hooks/session-end", content=body)).status_code == 400
    (identity,) = (await listed(management)).keys() - before.keys()
    await check_stays(management, identity, body, "SessionId")


async def test_a_session_start_cannot_be_made_up_for(
    management: httpx.AsyncClient, hooks: httpx.AsyncClient, charger: ChargerView, card: str
) -> None:
    start = {"chargerId": charger.id, "tokenCode": ["in", "a", "list", card]}
    before = await listed(management)
    body = msgspec.json.encode(start)
    assert (await hooks.post("/hooks/session-start", content=body)).status_code == 401
    ((identity, item),) = [(found, item) for found, item in (await listed(management)).items() if found not in before]
    assert item["kind"] == SESSION_START
    await check_stays(management, identity, body, "its driver was answered")


async def test_a_body_of_which_only_the_beginning_was_kept_is_not_replayed(
    management: httpx.AsyncClient, hooks: httpx.AsyncClient
) -> None:
    huge = msgspec.json.encode({"SessionId": str(uuid.uuid4()), "Energy": 1}) + b" " * 900_000
    before = await listed(management)
    assert (await hooks.post("/hooks/session-end", content=huge)).status_code == 400
    ((identity, item),) = [(found, item) for found, item in (await listed(management)).items() if found not in before]
    assert item["sizeBytes"] == len(huge)
    kept = (await management.get(f"/quarantine/{identity}")).content
    assert huge.startswith(kept)
    await check_stays(management, identity, kept, "only the beginning")


async def test_replayed_twice_at_once_it_takes_effect_once(
    management: httpx.AsyncClient, hooks: httpx.AsyncClient, keep: Keep, charger: ChargerView, card: str
) -> None:
    (await management.put("/tokens", json={"token": card, "driver": "Kari"})).raise_for_status()
    start = {"chargerId": charger.id, "tokenCode": card}
    session = (await hooks.post("/hooks/session-start", json=start)).json()["sessionId"]
    identity = await keep(SESSION_END, msgspec.json.encode({"SessionId": session, "Energy": 2.5}))
    answers = await asyncio.gather(*(replay(management, identity) for _ in range(4)))
    statuses = [answer.status_code for answer in answers]
    assert 200 in statuses
    assert set(statuses) <= {200, 404, 409}
    assert identity not in await listed(management)
    found = (await management.get(f"/sessions/{session}")).json()
    assert (found["status"], found["energyKwh"], found["contradicted"]) == ("ended", 2.5, False)
    assert [fact["event"] for fact in found["timeline"]] == ["authorized", "ended"]


@pytest.mark.parametrize("identity", ["0" * 32, "x", "0" * 31, "0" * 33, "é" * 32, "G" * 32, "item-" + "0" * 27])
async def test_what_is_not_there_is_not_found(management: httpx.AsyncClient, identity: str) -> None:
    answer = await replay(management, identity)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_only_an_operator_may_replay(stack: Stack, hooks: httpx.AsyncClient, keep: Keep, now: datetime) -> None:
    identity = await keep(STREAM_MESSAGE, message(str(uuid.uuid4()), POWER, "1", now))
    async with httpx.AsyncClient(base_url=stack.host.api) as anybody:
        assert (await replay(anybody, identity)).status_code == 401
    assert (await replay(hooks, identity)).status_code == 401
    async with stack.host.management() as management:
        assert identity in await listed(management)


async def test_a_card_in_a_body_is_told_by_the_body_alone(
    stack: Stack, management: httpx.AsyncClient, keep: Keep, charger: ChargerView, now: datetime, card: str
) -> None:
    good = message(charger.id, 722, f"nfc-{card}", now)
    identities = [await keep(STREAM_MESSAGE, good), await keep(STREAM_MESSAGE, f'{{"token": "nfc-{card}"}}'.encode())]
    assert card not in (await management.get("/quarantine")).text
    for identity, status in zip(identities, (200, 409), strict=True):
        assert card in (await management.get(f"/quarantine/{identity}")).text
        answer = await replay(management, identity)
        assert answer.status_code == status
        assert card not in answer.text
    assert card not in stack.host.process.log.read_text()
