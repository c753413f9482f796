"""What the REST API shows depends on the role its user has at an installation."""

import httpx
import pytest

HOOK_FIELDS = {
    "WebhooksAuthUrl",
    "WebhooksAuthPayload",
    "WebhooksSessionStartUrl",
    "WebhooksSessionEndUrl",
    "MessagingEnabled",
}


@pytest.mark.parametrize(("roles", "managed"), [(1, False), (2, True), (3, True), (4, True), (5, True), (8, False)])
async def test_settings_circuits_and_messages_are_for_owners_and_service(simulator, site, rest, roles, managed):
    await simulator.configure(site.id, messagingEnabled=True, currentUserRoles=roles)

    shown = (await rest.get(f"/api/installation/{site.id}")).json()

    assert shown["CurrentUserRoles"] == roles
    assert HOOK_FIELDS & shown.keys() == (HOOK_FIELDS if managed else set())
    assert (await rest.get(f"/api/installation/{site.id}/hierarchy")).status_code == (200 if managed else 204)
    details = await rest.get(f"/api/installation/{site.id}/messagingConnectionDetails")
    assert details.status_code == (200 if managed else 403)
    (charger, *_) = (await rest.get("/api/chargers")).json()["Data"]
    assert charger["CurrentUserRoles"] == roles


async def test_without_any_role_nothing_is_shown(simulator, site, rest):
    await simulator.configure(site.id, currentUserRoles=0)

    assert (await rest.get(f"/api/installation/{site.id}")).status_code == 403
    for path in ("/api/installation", "/api/chargers"):
        assert (await rest.get(path)).json()["Data"] == []


@pytest.mark.parametrize(
    ("kind", "required", "of_installation", "of_charger"),
    [(0, False, False, False), (0, True, True, True), (1, False, False, True), (1, True, False, True)],
)
async def test_whether_authorization_is_required(simulator, site, rest, kind, required, of_installation, of_charger):
    """Of the installation it is about ZapCloud's own authorization only."""
    await simulator.configure(site.id, authenticationType=kind, isRequiredAuthentication=required)

    shown = (await rest.get(f"/api/installation/{site.id}")).json()
    (charger, *_) = (await rest.get("/api/chargers")).json()["Data"]

    assert (shown["IsRequiredAuthentication"], charger["IsAuthorizationRequired"]) == (of_installation, of_charger)


async def test_a_charger_can_be_one_that_asks_nobody(simulator, site, rest):
    first, second = site.chargers[:2]
    async with httpx.AsyncClient(base_url=simulator.url) as control:
        path = f"/sim/chargers/{first.id}"
        assert (await control.patch(path, json={"authentication_disabled": True})).is_success
        await simulator.set_clock_ahead(first.id, 60)

        chargers = {one["Id"]: one for one in (await rest.get("/api/chargers")).json()["Data"]}
        assert not chargers[first.id]["IsAuthorizationRequired"]
        assert chargers[second.id]["IsAuthorizationRequired"]

        assert (await control.patch(path, json={"authentication_disabled": False})).is_success
    assert (await rest.get(f"/api/chargers/{first.id}")).json()["IsAuthorizationRequired"]


async def test_an_installation_may_have_no_charger_yet(simulator, rest):
    made = await simulator.add_installation("Meadow", chargers=0)
    assert made.chargers == []
    (circuit,) = (await rest.get(f"/api/installation/{made.id}/hierarchy")).json()["Circuits"]
    assert circuit["Chargers"] == []
