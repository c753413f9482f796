"""Many askers, one answer: identical starts that arrive together get one session id and make one row."""

import asyncio
from collections import Counter

import httpx
import pytest

from devhost.stack import HOOK_CREDENTIAL, Host, Ports, Stack

pytestmark = pytest.mark.xdist_group("stack-concurrency")
STARTS = 200


async def start_all(callers: list[httpx.AsyncClient], body: dict[str, str], count: int) -> list[httpx.Response]:
    calls = (callers[number % len(callers)].post("/hooks/session-start", json=body) for number in range(count))
    return list(await asyncio.gather(*calls))


def outcomes(answers: list[httpx.Response]) -> Counter[object]:
    """How many were let in; of others what they were told."""
    return Counter(answer.status_code if answer.status_code == 200 else answer.text for answer in answers)


async def logged_sessions(host: Host, installation_id: str) -> list[dict[str, object]]:
    async with host.management() as management:
        answer = await management.get("/sessions", params={"installation": installation_id, "limit": 1000})
    items: list[dict[str, object]] = answer.json()["items"]
    return items


async def test_identical_starts_with_a_card_get_one_session(stack: Stack, card: str) -> None:
    view = await stack.add_installation("concurrent cards", 1)
    async with stack.host.management() as management:
        await management.put("/tokens", json={"token": card, "driver": "Kari"})
    body = {"chargerId": view.chargers[0].id, "installationId": view.id, "tokenCode": f"nfc-{card}"}
    async with stack.host.caller(HOOK_CREDENTIAL, stack.hook_password) as caller:
        answers = await start_all([caller], body, STARTS)
    assert outcomes(answers) == {200: STARTS}
    ids = {answer.json()["sessionId"] for answer in answers}
    assert len(ids) == 1
    logged = await logged_sessions(stack.host, view.id)
    assert [(item["sessionId"], item["driver"]) for item in logged] == [(ids.pop(), "Kari")]


async def test_identical_starts_by_one_grant_get_one_session(stack: Stack) -> None:
    view = await stack.add_installation("concurrent grants", 1)
    charger_id = view.chargers[0].id
    async with stack.host.management() as management:
        await management.post(f"/chargers/{charger_id}/grants", json={"driver": "Ola"})
    async with stack.host.caller(HOOK_CREDENTIAL, stack.hook_password) as caller:
        answers = await start_all([caller], {"chargerId": charger_id, "installationId": view.id}, STARTS)
    assert outcomes(answers) == {200: STARTS}
    assert len({answer.json()["sessionId"] for answer in answers}) == 1
    logged = await logged_sessions(stack.host, view.id)
    assert [item["driver"] for item in logged] == ["Ola"]


async def test_two_instances_on_one_store_answer_as_one(stack: Stack, card: str) -> None:
    view = await stack.add_installation("two instances", 2)
    other = await stack.start_host("second-host", Ports.free().host)
    by_card, by_grant = (charger.id for charger in view.chargers)
    async with stack.host.management() as management:
        await management.put("/tokens", json={"token": card, "driver": "Kari"})
        await management.post(f"/chargers/{by_grant}/grants", json={"driver": "Ola"})
    async with (
        stack.host.caller(HOOK_CREDENTIAL, stack.hook_password) as one,
        other.caller(HOOK_CREDENTIAL, stack.hook_password) as two,
    ):
        card_body = {"chargerId": by_card, "installationId": view.id, "tokenCode": card}
        with_card, with_grant = await asyncio.gather(
            start_all([one, two], card_body, STARTS // 2),
            start_all([one, two], {"chargerId": by_grant, "installationId": view.id}, STARTS // 2),
        )
    for answers in (with_card, with_grant):
        assert outcomes(answers) == {200: STARTS // 2}
        assert len({answer.json()["sessionId"] for answer in answers}) == 1
    await other.process.stop()
    logged = await logged_sessions(stack.host, view.id)
    assert sorted(str(item["driver"]) for item in logged) == ["Kari", "Ola"]
