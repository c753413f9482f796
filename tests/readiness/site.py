"""An installation of a running stack, as its operator sees and changes it."""

from typing import Any
from urllib.parse import urlencode

import httpx

from devhost.stack import HOOK_CREDENTIAL, Stack
from simulator.client import SimulatorClient
from simulator.shapes import InstallationView
from tests.api.promised import check_promised

VALID_CARD, SEEN_CARD = "04A1B2AAAA0001", "04A1B2AAAA0002"
ELSEWHERE = "7d6c5b4a-3928-4716-a5b4-c3d2e1f0a9b8"
ENTRA_APPLICATION = "11111111-2222-4333-8444-555555555555"
ENTRA_URL = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token"
SPARE = "spare"


class Site:
    """One installation of the stack, which `put_right` makes all well."""

    def __init__(self, stack: Stack, view: InstallationView, operator: httpx.AsyncClient) -> None:
        self.stack = stack
        self.view = view
        self.operator = operator
        self.secrets: list[str] = []
        """Those that were made on the way."""

    @property
    def simulator(self) -> SimulatorClient:
        return self.stack.simulator

    async def ask(self, installation_id: str = "", **query: str) -> dict[str, Any]:
        """The judgement, after a moment in which ZapCloud's rate limit forgets what was asked before."""
        await self.simulator.advance(2)
        answer = await self.operator.get(f"/installations/{installation_id or self.view.id}/readiness", params=query)
        for secret in [*self.stack.secrets(), *self.secrets]:
            assert secret not in answer.text, "the answer gives a secret away"
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    async def put_right(self) -> None:
        await self.simulator.set_faults({})
        login_was_refused = (await self.simulator.token_requests())[-1].status != 200
        await self.simulator.advance(61 if login_was_refused else 2)
        await self.portal(
            currentUserRoles=3,
            isRequiredAuthentication=False,
            authenticationType=1,
            webhooksAuthUrl="",
            webhooksSessionStartUrl=f"{self.stack.host.api}/hooks/session-start",
            webhooksSessionEndUrl=f"{self.stack.host.api}/hooks/session-end",
        )
        await self.payload(username=HOOK_CREDENTIAL, password=self.stack.hook_password)
        for charger in self.view.chargers:
            await self.simulator.go_online(charger.id)
            await self.simulator.disable_authentication(charger.id, disabled=False)
        await self.decide("enforce")
        await self.forget_cards()
        for number in (VALID_CARD, SEEN_CARD):
            await self.register(number)
        for name in (SPARE, "entra"):
            await self.operator.delete(f"/hook-credentials/{name}")

    async def portal(self, **settings: Any) -> None:
        await self.simulator.configure(self.view.id, **settings)

    async def payload(self, **fields: str) -> None:
        await self.portal(webhooksAuthPayload=urlencode(fields))

    async def decide(self, mode: str, **settings: Any) -> None:
        changed = {"name": self.view.name, "mode": mode, "outagePolicy": "allow-and-mark", **settings}
        (await self.operator.put(f"/installations/{self.view.id}", json=changed)).raise_for_status()

    async def register(self, number: str, **fields: Any) -> None:
        (await self.operator.put("/tokens", json={"token": number, **fields})).raise_for_status()

    async def forget_cards(self) -> None:
        for token in (await self.operator.get("/tokens")).json()["items"]:
            (await self.operator.delete(f"/tokens/{token['id']}")).raise_for_status()

    async def spare_credential(self, *places: str) -> str:
        answer = await self.operator.put(f"/hook-credentials/{SPARE}", json={"installations": places})
        self.secrets.append(answer.raise_for_status().json()["secret"])
        return self.secrets[-1]


def operator_of(stack: Stack) -> httpx.AsyncClient:
    """To whom every answer must be one that the document promises."""
    client = stack.host.management()
    client.event_hooks["response"] = [check_promised]
    return client
