"""A client of the simulator's control API, for tests, the demo and whoever writes scenarios."""

import ssl
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from simulator.chargers import DEFAULT_POWER_KW
from simulator.faults import Fault
from simulator.kernel import Problem
from simulator.models import Attempt, Card, HookCall, RestRequest, TimerRun, TokenRequest, UserGroup
from simulator.sessions import Session, User
from simulator.settings import Settings
from simulator.shapes import (
    MOST_IDLE_S,
    ChargerView,
    ClockView,
    Health,
    Idle,
    InstallationView,
    Items,
    ServiceBusView,
    StreamView,
    TruthView,
    UserView,
)
from simulator.visits import Visit

LONGEST_RUN_S = 600
"""How long, in real seconds, a simulator may take to run what it was asked to."""
CONNECT_S = 5


class RefusedError(Exception):
    """The simulator did not do it; the message is its own."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SimulatorClient:
    """Use as an async context manager. Every method raises RefusedError when the simulator refuses."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        trust_nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # plain HTTP on loopback: no certificates to load
        timeout = httpx.Timeout(LONGEST_RUN_S, connect=CONNECT_S)
        self._http = httpx.AsyncClient(base_url=self.url, timeout=timeout, verify=trust_nobody, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def health(self) -> Health:
        return await self._ask(Health, "GET", "/sim/health")

    async def clock(self) -> ClockView:
        return await self._ask(ClockView, "GET", "/sim/clock")

    async def advance(self, seconds: float) -> ClockView:
        """Run all that is due within so many simulated seconds; returns when it is done."""
        return await self._ask(ClockView, "POST", "/sim/clock/advance", {"seconds": seconds})

    async def run_until_idle(self, most_seconds: float = MOST_IDLE_S) -> Idle:
        """Run until visits, attempts and end calls are over, at most so long."""
        return await self._ask(Idle, "POST", "/sim/clock/run-until-idle", {"most_seconds": most_seconds})

    async def attach_host(self, url: str, master_key: str) -> list[str]:
        """Fire this host's timers in virtual time; returns the names of their functions."""
        found = await self._ask(dict[str, list[str]], "PUT", "/sim/host", {"url": url, "master_key": master_key})
        return found["timers"]

    async def add_installation(self, name: str, chargers: int = 1, device_type: int = 4) -> InstallationView:
        body = {"name": name, "chargers": chargers, "device_type": device_type}
        return await self._ask(InstallationView, "POST", "/sim/installations", body)

    async def installations(self) -> list[InstallationView]:
        return (await self._ask(Items[InstallationView], "GET", "/sim/installations")).items

    async def configure(self, installation_id: str, **portal_settings: str | int | bool) -> InstallationView:
        """Set what Zaptec Portal would, under its names: `authenticationType=1, webhooksSessionStartUrl=…`."""
        path = f"/sim/installations/{installation_id}"
        return await self._ask(InstallationView, "PATCH", path, portal_settings)

    async def add_user(self, installation_id: str, full_name: str, email: str, **tokens: str) -> User:
        """A user of ZapCloud with cards: what each is called, and its number."""
        cards = [{"token": token, "name": name} for name, token in tokens.items()]
        body = {"full_name": full_name, "email": email, "tokens": cards}
        return (await self._ask(UserView, "POST", f"/sim/installations/{installation_id}/users", body)).user

    async def add_token(self, installation_id: str, token: str, name: str) -> Card:
        """A card that ZapCloud lets in and that is nobody's."""
        return await self._ask(
            Card, "POST", f"/sim/installations/{installation_id}/tokens", {"token": token, "name": name}
        )

    async def add_user_group(self, name: str, *installation_ids: str) -> UserGroup:
        """A user group whose installations share one message subscription."""
        return await self._ask(UserGroup, "POST", "/sim/usergroups", {"name": name, "installations": installation_ids})

    async def set_clock_ahead(self, charger_id: str, seconds: float) -> ChargerView:
        """Make a charger's own clock wrong by so much."""
        return await self._ask(ChargerView, "PATCH", f"/sim/chargers/{charger_id}", {"clock_ahead_s": seconds})

    async def disable_authentication(self, charger_id: str, *, disabled: bool = True) -> ChargerView:
        """Have REST say of a charger that it asks for no authorization, or that it does again."""
        body = {"authentication_disabled": disabled}
        return await self._ask(ChargerView, "PATCH", f"/sim/chargers/{charger_id}", body)

    async def service_bus(self) -> ServiceBusView:
        """Every message subscription, with what opens it and what became of its messages."""
        return await self._ask(ServiceBusView, "GET", "/sim/service-bus")

    async def rotate_messaging(
        self, owner_id: str, *, topic: bool = False, silent_after_s: float | None = None, detach: bool = False
    ) -> StreamView:
        """Change the credentials of an installation's or a user group's subscription (see RotateBody)."""
        body = {"topic": topic, "silent_after_s": silent_after_s, "detach": detach}
        return await self._ask(StreamView, "POST", f"/sim/streams/{owner_id}/rotate-messaging", body)

    async def disable_messaging(self, owner_id: str) -> StreamView:
        """Disable a subscription, as after 14 days without use."""
        return await self._ask(StreamView, "POST", f"/sim/streams/{owner_id}/disable-messaging")

    async def steal(self, owner_id: str, count: int) -> StreamView:
        """Have another consumer take so many of the next messages."""
        return await self._ask(StreamView, "POST", f"/sim/streams/{owner_id}/steal", {"count": count})

    async def traffic(self, messages: int, seconds: float = 0, *installation_ids: str) -> int:
        """Have chargers make so many observations over so many seconds; returns how many chargers take part."""
        body = {"messages": messages, "seconds": seconds, "installations": installation_ids or None}
        return (await self._ask(dict[str, int], "POST", "/sim/traffic", body))["chargers"]

    async def truth(self, owner_id: str | None = None) -> TruthView:
        """What the app must know, of one subscription's chargers or of all."""
        query = f"?owner={owner_id}" if owner_id else ""
        return await self._ask(TruthView, "GET", f"/sim/truth{query}")

    async def plug(self, charger_id: str, driver: str = "", power_kw: float = DEFAULT_POWER_KW) -> Attempt:
        body = {"driver": driver, "power_kw": power_kw}
        return await self._ask(Attempt, "POST", f"/sim/chargers/{charger_id}/plug", body)

    async def scan(self, charger_id: str, token: str) -> Attempt:
        return await self._ask(Attempt, "POST", f"/sim/chargers/{charger_id}/scan", {"token": token})

    async def finish(self, charger_id: str) -> None:
        """The vehicle is full and draws no more."""
        await self._act(f"/sim/chargers/{charger_id}/finish")

    async def stop(self, charger_id: str) -> str | None:
        """The driver ends the session with the card; the cable stays connected. Returns the session's id."""
        return await self._act(f"/sim/chargers/{charger_id}/stop")

    async def abort(self, charger_id: str) -> str | None:
        """A fault ends the session; the cable stays connected. Returns the session's id."""
        return await self._act(f"/sim/chargers/{charger_id}/abort")

    async def unplug(self, charger_id: str) -> str | None:
        """Returns the id of the session that this ended, if one ran."""
        return await self._act(f"/sim/chargers/{charger_id}/unplug")

    async def go_offline(self, charger_id: str) -> None:
        await self._act(f"/sim/chargers/{charger_id}/offline")

    async def go_online(self, charger_id: str) -> None:
        await self._act(f"/sim/chargers/{charger_id}/online")

    async def void_session(self, session_id: str) -> None:
        """Have ZapCloud take an ended session back."""
        await self._act(f"/sim/sessions/{session_id}/void")

    async def abandon_session(self, session_id: str) -> None:
        """Have ZapCloud close a session that the charger never committed."""
        await self._act(f"/sim/sessions/{session_id}/abandon")

    async def replace_session(self, session_id: str) -> str | None:
        """Have ZapCloud void a session; returns the id of the one that replaces it."""
        return await self._act(f"/sim/sessions/{session_id}/replace")

    async def revoke_tokens(self) -> None:
        """Make every access token of the REST API bad."""
        await self._send("POST", "/sim/tokens/revoke")

    async def schedule(self, *visits: Visit, together: bool = False) -> None:
        """Have drivers come. Together: those of one instant call the app side by side, not in turn."""
        await self._send("POST", "/sim/visits", {"visits": visits, "together": together})

    async def faults(self) -> dict[str, Fault]:
        return await self._ask(dict[str, Fault], "GET", "/sim/faults")

    async def set_faults(self, faults: dict[str, Fault]) -> dict[str, Fault]:
        """Switch these faults on and all others off."""
        return await self._ask(dict[str, Fault], "PUT", "/sim/faults", faults)

    async def settings(self) -> Settings:
        return await self._ask(Settings, "GET", "/sim/settings")

    async def change_settings(self, **changes: Any) -> Settings:
        return await self._ask(Settings, "PATCH", "/sim/settings", changes)

    async def sessions(self) -> list[Session]:
        return (await self._ask(Items[Session], "GET", "/sim/sessions")).items

    async def attempts(self) -> list[Attempt]:
        return (await self._ask(Items[Attempt], "GET", "/sim/attempts")).items

    async def calls(self) -> list[HookCall]:
        return (await self._ask(Items[HookCall], "GET", "/sim/calls")).items

    async def requests(self) -> list[RestRequest]:
        return (await self._ask(Items[RestRequest], "GET", "/sim/requests")).items

    async def token_requests(self) -> list[TokenRequest]:
        return (await self._ask(Items[TokenRequest], "GET", "/sim/token-requests")).items

    async def timer_runs(self) -> list[TimerRun]:
        return (await self._ask(Items[TimerRun], "GET", "/sim/timers")).items

    async def problems(self) -> list[Problem]:
        return (await self._ask(Items[Problem], "GET", "/sim/problems")).items

    async def _act(self, path: str) -> str | None:
        return (await self._ask(dict[str, str | None], "POST", path))["session_id"]

    async def _ask[T](self, shape: type[T], method: str, path: str, body: Any = None) -> T:
        return msgspec.json.decode(await self._send(method, path, body), type=shape)

    async def _send(self, method: str, path: str, body: Any = None) -> bytes:
        content = None if body is None else msgspec.json.encode(body)
        response = await self._http.request(method, path, content=content)
        if response.is_error:
            problem = response.json() if "json" in response.headers.get("content-type", "") else {}
            raise RefusedError(response.status_code, problem.get("detail", response.text))
        return response.content
