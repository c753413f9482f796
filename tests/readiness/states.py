"""What can be wrong with an installation, each with what is to be found of it: code and severity."""

from collections.abc import Awaitable, Callable
from typing import Any

from devhost.stack import HOOK_CREDENTIAL
from simulator.faults import Fault
from tests.readiness.site import ELSEWHERE, ENTRA_APPLICATION, ENTRA_URL, SEEN_CARD, SPARE, VALID_CARD, Site

Prepare = Callable[[Site], Awaitable[None]]


async def refused_login(site: Site) -> None:
    await site.simulator.set_faults({"oauth-refused": Fault(probability=1)})
    await site.simulator.revoke_tokens()
    await site.simulator.advance(61)


async def silent_zapcloud(site: Site) -> None:
    await site.simulator.set_faults({"rest-5xx": Fault(probability=1, status=503)})


async def own_token_service(site: Site) -> None:
    await site.portal(webhooksAuthUrl=f"{site.stack.host.api}/oauth/token")


async def payload_for_basic(site: Site) -> None:
    await own_token_service(site)
    await site.payload(username=HOOK_CREDENTIAL, password=site.stack.hook_password)


async def credential_for_elsewhere(site: Site) -> None:
    await site.payload(username=SPARE, password=await site.spare_credential(ELSEWHERE))


async def unfinished_rotation(site: Site) -> None:
    await site.payload(username=SPARE, password=await site.spare_credential("*"))
    site.secrets.append((await site.operator.post(f"/hook-credentials/{SPARE}/rotate")).json()["secret"])


async def entra(site: Site) -> None:
    known = {"installations": ["*"], "entraAppId": ENTRA_APPLICATION}
    (await site.operator.put("/hook-credentials/entra", json=known)).raise_for_status()
    await site.portal(webhooksAuthUrl=ENTRA_URL)
    await site.payload(grant_type="client_credentials", client_id=ENTRA_APPLICATION, client_secret="whatever")


async def only_blocked_cards(site: Site) -> None:
    await site.forget_cards()
    await site.register(VALID_CARD, blocked=True)
    await site.register(SEEN_CARD, installations=[ELSEWHERE])


async def card_nobody_knows(site: Site) -> None:
    """A driver comes with it, in observe mode."""
    await site.decide("observe")
    await site.forget_cards()
    await site.register(VALID_CARD)
    charger = site.view.chargers[0].id
    await site.simulator.plug(charger, driver="Kari")
    await site.simulator.scan(charger, SEEN_CARD)
    await site.simulator.unplug(charger)


async def charger_away(site: Site) -> None:
    await site.simulator.go_offline(site.view.chargers[1].id)


async def charger_for_all(site: Site) -> None:
    await site.simulator.disable_authentication(site.view.chargers[0].id)


def portal(**settings: Any) -> Prepare:
    async def prepare(site: Site) -> None:
        await site.portal(**{name: value.format(site=site) if isinstance(value, str) else value
                             for name, value in settings.items()})  # fmt: skip

    return prepare


def payload(**fields: str) -> Prepare:
    async def prepare(site: Site) -> None:
        await site.payload(**{name: value.format(site=site) for name, value in fields.items()})

    return prepare


FIELDS = ("webhooksSessionStartUrl", "webhooksSessionEndUrl", "webhooksAuthUrl", "webhooksAuthPayload")
NOWHERE = dict.fromkeys(FIELDS, "")
STATES: dict[str, tuple[Prepare, list[tuple[str, str]]]] = {
    "the login is refused": (refused_login, [("zapcloud-login-refused", "lockout")]),
    "ZapCloud is down": (silent_zapcloud, [("zapcloud-not-answering", "lockout")]),
    "it is not visible": (portal(currentUserRoles=0), [("installation-not-visible", "lockout")]),
    "the role is too small": (portal(currentUserRoles=1), [("role-insufficient", "lockout")]),
    "the service role": (portal(currentUserRoles=4), []),
    "nothing was filled in": (portal(**NOWHERE), [("hook-fields-empty", "lockout")]),
    "nothing was filled in, web hooks off": (
        portal(authenticationType=0, **NOWHERE),
        [("hook-fields-empty", "lockout"), ("web-hooks-off", "note")],
    ),
    "no start URL": (portal(webhooksSessionStartUrl=""), [("start-url-missing", "lockout")]),
    "a stranger's start URL": (
        portal(webhooksSessionStartUrl="https://other.example/api/hooks/session-start"),
        [("start-url-elsewhere", "lockout")],
    ),
    "a start URL that ends elsewhere": (
        portal(webhooksSessionStartUrl="{site.stack.host.api}/hooks/start"),
        [("start-url-wrong-path", "lockout")],
    ),
    "no end URL": (portal(webhooksSessionEndUrl=""), [("end-url-missing", "warning")]),
    "a stranger's end URL": (
        portal(webhooksSessionEndUrl="https://other.example/end"),
        [("end-url-elsewhere", "warning")],
    ),
    "start and end confused": (
        portal(webhooksSessionEndUrl="{site.stack.host.api}/hooks/session-start"),
        [("end-url-wrong-path", "warning")],
    ),
    "a stranger's token service": (
        portal(webhooksAuthUrl="https://other.example/token"),
        [("authentication-url-elsewhere", "lockout")],
    ),
    "cards to be asked about at the token service": (
        portal(webhooksAuthUrl="{site.stack.host.api}/auth"),
        [("authentication-url-wrong-path", "lockout"), ("payload-unreadable", "lockout")],
    ),
    "Entra": (entra, [("entra-not-checkable", "warning")]),
    "no payload": (payload(), [("payload-missing", "lockout")]),
    "a payload for a token service, without one": (
        payload(grant_type="client_credentials", client_id="a", client_secret="b"),
        [("payload-unreadable", "lockout")],
    ),
    "a payload for Basic, for the token service": (payload_for_basic, [("payload-unreadable", "lockout")]),
    "an unknown name": (payload(username="nobody", password="x"), [("credential-unknown", "lockout")]),
    "a wrong secret": (
        payload(username=HOOK_CREDENTIAL, password="{site.stack.hook_password}0"),
        [("credential-secret-wrong", "lockout")],
    ),
    "a credential for elsewhere": (credential_for_elsewhere, [("credential-not-for-installation", "lockout")]),
    "an unfinished rotation": (unfinished_rotation, [("rotation-unfinished", "note")]),
    "no cards": (Site.forget_cards, [("no-tokens", "lockout")]),
    "blocked cards only": (only_blocked_cards, [("no-token-may-charge", "lockout")]),
    "a card nobody knows": (card_nobody_knows, [("unknown-tokens-seen", "warning")]),
    "web hooks off": (portal(authenticationType=0), [("web-hooks-off", "note")]),
    "OCPP": (portal(authenticationType=2), [("ocpp", "warning")]),
    "OCPP without ZapCloud": (portal(authenticationType=3), [("ocpp-native", "warning")]),
    "of next year": (portal(authenticationType=9), [("authentication-type-unknown", "warning")]),
    "a charger without network": (charger_away, [("chargers-offline", "warning")]),
    "a charger for all": (charger_for_all, [("authorization-not-required", "warning")]),
}
