"""ZapCloud's own authorization: its users and cards open chargers, and are in the lists of sessions."""

import pytest

ADAS, NOBODYS, UNKNOWN = "04:a3:11:02", "04B4", "04FF"


@pytest.fixture
async def garage(simulator):
    """An installation of two chargers that let in whoever is on its list."""
    made = await simulator.add_installation("Garage", chargers=2)
    return await simulator.configure(made.id, authenticationType=0, isRequiredAuthentication=True)


@pytest.fixture
async def ada(simulator, garage):
    return await simulator.add_user(garage.id, "Ada Lovelace", "ada@example.test", keyring=ADAS)


async def charge(simulator, charger: str, card: str | None) -> str:
    await simulator.plug(charger)
    if card:
        await simulator.scan(charger, card)
    await simulator.advance(3600)
    return await simulator.unplug(charger)


async def both_items(rest, garage) -> tuple[dict, dict]:
    """What charge history and the archive say of the only session."""
    (item,) = (await rest.get("/api/chargehistory")).json()["Data"]
    span = {"InstallationId": garage.id, "From": "2026-03-01T00:00:00Z", "To": "2026-04-01T00:00:00Z"}
    (archived,) = (await rest.get("/api/sessions/archived", params=span)).json()["sessions"]
    return item, archived


async def test_a_user_s_card_opens_and_the_session_is_the_user_s(simulator, garage, ada, rest):
    session_id = await charge(simulator, garage.chargers[0].id, ADAS)
    item, archived = await both_items(rest, garage)
    assert {
        name: item[name] for name in ("Id", "UserFullName", "UserEmail", "UserUserName", "UserId", "TokenName")
    } == {
        "Id": session_id,
        "UserFullName": "Ada Lovelace",
        "UserEmail": "ada@example.test",
        "UserUserName": "ada@example.test",
        "UserId": ada.id,
        "TokenName": "keyring",
    }
    assert archived["authorizedUser"] == {"id": ada.id, "email": "ada@example.test", "fullName": "Ada Lovelace"}
    assert archived["tokenName"] == "keyring"
    (truth,) = await simulator.sessions()
    assert (truth.user, truth.token_name, truth.token, truth.commit_metadata) == (ada, "keyring", "nfc-04A31102", 5)


async def test_the_history_of_one_user(simulator, garage, ada, rest):
    await simulator.add_token(garage.id, NOBODYS, "guest card")
    hers, _ = [await charge(simulator, garage.chargers[0].id, card) for card in (ADAS, NOBODYS)]
    found = (await rest.get("/api/chargehistory", params={"UserId": ada.id.upper()})).json()["Data"]
    assert [item["Id"] for item in found] == [hers]


async def test_a_card_that_is_nobody_s_gives_its_name_alone(simulator, garage, rest):
    card = await simulator.add_token(garage.id, NOBODYS, "guest card")
    assert (card.token, card.user) == ("nfc-04B4", None)
    await charge(simulator, garage.chargers[0].id, NOBODYS)
    item, archived = await both_items(rest, garage)
    assert item["TokenName"] == archived["tokenName"] == "guest card"
    assert not [name for name in item if name.startswith("User")]
    assert archived["authorizedUser"] is None


async def test_an_unknown_card_is_refused(simulator, garage, ada):
    attempt = await simulator.plug(garage.chargers[0].id)
    assert attempt.outcome is None
    refused = await simulator.scan(garage.chargers[0].id, UNKNOWN)
    assert (refused.outcome, refused.session_id) == ("refused", None)
    await simulator.unplug(garage.chargers[0].id)
    assert await simulator.sessions() == []


async def test_whoever_has_no_card_waits_until_the_cable_is_pulled(simulator, garage):
    await simulator.plug(garage.chargers[0].id)
    await simulator.advance(86_400)
    await simulator.unplug(garage.chargers[0].id)
    (attempt,) = await simulator.attempts()
    assert attempt.outcome == "unplugged"


@pytest.mark.parametrize("switch", ["installation", "charger"])
async def test_without_authorization_everybody_charges_and_is_nobody(simulator, garage, rest, switch):
    if switch == "installation":
        await simulator.configure(garage.id, isRequiredAuthentication=False)
    else:
        await simulator.disable_authentication(garage.chargers[0].id)
    await charge(simulator, garage.chargers[0].id, None)
    item, archived = await both_items(rest, garage)
    assert not [name for name in item if name.startswith("User") or name == "TokenName"]
    assert (archived["tokenName"], archived["authorizedUser"]) == (None, None)


async def test_an_offline_charger_knows_the_list(simulator, garage, ada, rest):
    charger = garage.chargers[0].id
    await simulator.configure(garage.id, offlineAllowAnonymous=False)
    await simulator.go_offline(charger)
    await simulator.plug(charger)
    assert (await simulator.scan(charger, UNKNOWN)).outcome == "refused"
    await simulator.unplug(charger)
    await charge(simulator, charger, ADAS)
    await simulator.go_online(charger)
    item, _ = await both_items(rest, garage)
    assert (item["UserId"], item["CommitMetadata"]) == (ada.id, 2 | 4)
