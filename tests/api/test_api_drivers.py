"""Drivers over HTTP: entered, listed, shown, handed out and erased, by ids that tell no name."""

import httpx
import pytest

from devhost.stack import Stack
from functions.services import Services
from simulator.shapes import ChargerView, InstallationView


async def test_a_driver_is_entered_listed_by_group_and_shown_with_the_tokens(
    management: httpx.AsyncClient, card: str
) -> None:
    content = {"driver": f"Kari {card}", "name": "Kari Nordmann", "email": "kari@example.test", "groups": [card, "all"]}
    driver = (await management.put("/drivers", json=content)).raise_for_status().json()
    assert driver["id"].isalnum()
    token = (await management.put("/tokens", json={"token": card, "driver": content["driver"]})).json()
    listed = (await management.get("/drivers", params={"group": card})).json()
    assert listed == {"items": [driver], "cursor": None}
    shown = (await management.get(f"/drivers/{driver['id']}")).json()
    assert shown == driver | {"tokens": [token]}


async def test_pages_hold_every_driver_of_a_group_once(management: httpx.AsyncClient, card: str) -> None:
    ids = set()
    for number in range(5):
        answer = await management.put("/drivers", json={"driver": f"{card} {number}", "groups": [f"five {card}"]})
        ids.add(answer.json()["id"])
    found, cursor = [], ""
    while cursor is not None:
        parameters = {"group": f"five {card}", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await management.get("/drivers", params=parameters)).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["cursor"]
    assert found == sorted(ids)


@pytest.mark.parametrize(
    "content",
    [{}, {"driver": ""}, {"driver": "Kari", "zaptecUserId": "kari"}, {"driver": "Kari", "age": 41}, {"driver": 7}],
)
async def test_what_is_no_driver_is_refused(management: httpx.AsyncClient, content: dict[str, object]) -> None:
    assert (await management.put("/drivers", json=content)).status_code == 400


@pytest.mark.parametrize("field", ["driver", "name", "phone", "groups"])
@pytest.mark.parametrize("text", ["Evil\nName", "Name\n", "\x1b[2J", "a\u2028b", "\x00"])
async def test_a_text_that_would_break_a_list_is_refused_by_its_field(
    management: httpx.AsyncClient, field: str, text: str
) -> None:
    content = {"driver": "Kari"} | {field: [text] if field == "groups" else text}
    answer = await management.put("/drivers", json=content)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


@pytest.mark.parametrize("email", ["nonsense", "@example.test", "kari@", "kari@a@b", "kari n@example.test", "k@b\n"])
async def test_an_address_by_which_nobody_could_be_found_is_refused(management: httpx.AsyncClient, email: str) -> None:
    answer = await management.put("/drivers", json={"driver": "Kari", "email": email})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["email"])


async def test_a_name_is_no_id(management: httpx.AsyncClient) -> None:
    assert (await management.get("/drivers/Kari")).status_code == 404
    assert (await management.delete("/drivers/Kari")).status_code == 404
    assert (await management.get(f"/drivers/{'0' * 32}")).status_code == 404


async def test_erased_over_http_the_card_opens_nothing_and_the_session_is_a_strangers(
    stack: Stack,
    management: httpx.AsyncClient,
    hooks: httpx.AsyncClient,
    site: InstallationView,
    charger: ChargerView,
    inside: Services,
    card: str,
) -> None:
    driver = f"Kari {card}"
    identity = (await management.put("/drivers", json={"driver": driver})).json()["id"]
    await management.put("/tokens", json={"token": card, "driver": driver})
    start = {"chargerId": charger.id, "installationId": site.id, "tokenCode": f"nfc-{card}"}
    session_id = (await hooks.post("/hooks/session-start", json=start)).json()["sessionId"]
    now = inside.clock().isoformat()
    end = {"SessionId": session_id, "SessionStart": now, "SessionEnd": now, "Energy": 5.5}
    (await hooks.post("/hooks/session-end", json=end)).raise_for_status()
    held = (await management.get(f"/drivers/{identity}/export")).json()
    assert [one["sessionId"] for one in held["sessions"]] == [session_id]

    begun = await management.delete(f"/drivers/{identity}")
    assert (begun.status_code, begun.json()["state"]) == (202, "under-way")
    again = await management.put("/drivers", json={"driver": driver})
    assert again.status_code == 409, "what is entered now would be erased with the rest"
    await stack.simulator.advance(1200)
    await stack.simulator.run_until_idle()
    stored = await inside.drivers.erasure(identity)
    assert stored
    assert stored.erasure.done_at, "the timer has not seen it through"

    session = (await management.get(f"/sessions/{session_id}")).json()
    assert (session["driver"], session["energyKwh"]) == (begun.json()["pseudonym"], 5.5)
    assert (await hooks.post("/hooks/session-start", json=start)).status_code == 401
    assert (await management.get(f"/drivers/{identity}")).status_code == 404
