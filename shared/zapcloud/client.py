"""ZapCloud's REST API, as far as zapbridge calls it.

Wire facts, from integrations that run against the live API (custom-components/zaptec, stekker/zaptec): JSON in
PascalCase, instants in UTC without Z, 400 for a wrong password, 429 with Retry-After beyond 10 requests/s, HTTP 500 for
business errors, 204 for a hierarchy one may not see. The token's `expires_in` is honoured, whatever it is.
"""

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.clock import Clock
from shared.errors import InvalidInput, ZapCloudError, ZapCloudUnavailable
from shared.identifiers import canonical_uuid
from shared.storage.chargers import Charger
from shared.zapcloud.hooks import EndReport, parse_instant, read_end

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 5.0
_RENEW_BEFORE = timedelta(minutes=5)
_LOGIN_EVERY = timedelta(minutes=1)
_USER_AGENT = "zapbridge"
_OPERATION_MODE = 710
_LONGEST_SECONDS = 10 * 365 * 86400


class ZapCloud:
    """Logs in with the password grant when it must, at most once a minute; closed by `close`."""

    def __init__(self, clock: Clock, base_url: str, username: str, password: str) -> None:
        self._clock = clock
        self._base_url = base_url
        self._username = username
        self._password = password
        self._http: httpx.AsyncClient | None = None
        self._token: str | None = None
        self._token_until: datetime | None = None
        self._login_at: datetime | None = None
        self._logging_in = asyncio.Lock()

    async def session(self, session_id: str) -> EndReport | None:
        """What ZapCloud knows of a session (`end` is None while it runs); None where it has no such session."""
        answer = await self._get(f"/api/session/{session_id}")
        if answer is None:
            return None
        try:
            report = read_end(answer)
        except InvalidInput as error:
            raise ZapCloudError(f"ZapCloud's answer about a session cannot be understood: {error.fields}") from error
        if report.session_id != session_id:
            raise ZapCloudError("ZapCloud's answer is about another session than the one asked for")
        return report

    async def operation_mode_since(self, charger_id: str) -> datetime | None:
        """Since when the charger has been in its operation mode (observation 710); None where it does not say.

        ZapCloud may serve an answer that is up to 15 s old.
        """
        for item in await self._get_list(f"/api/chargers/{charger_id}/state"):
            fields = _lowered(item)
            if fields.get("stateid") == _OPERATION_MODE and isinstance(fields.get("timestamp"), str):
                try:
                    return parse_instant(fields["timestamp"])
                except ValueError as error:
                    raise ZapCloudError("ZapCloud's answer holds an instant that is none") from error
        return None

    async def chargers(self, installation_id: str) -> list[Charger]:
        """The chargers of an installation's circuits."""
        answer = await self._get(f"/api/installation/{installation_id}/hierarchy")
        if answer is None:
            raise ZapCloudError("ZapCloud shows no hierarchy; the account needs the owner or service role there")
        found = []
        for circuit in _list(answer, "circuits"):
            for item in _list(circuit, "chargers"):
                fields = _lowered(item)
                if charger_id := canonical_uuid(fields.get("id")):
                    charger = Charger(
                        id=charger_id,
                        installation_id=installation_id,
                        device_id=str(fields.get("deviceid") or "").upper(),
                        name=str(fields.get("name") or ""),
                    )
                    found.append(charger)
        return found

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _get(self, path: str) -> dict[str, Any] | None:
        """The JSON object under a path; None for 204 and 404."""
        value = await self._json(path)
        if value is not None and not isinstance(value, dict):
            raise ZapCloudError("ZapCloud answered something that is not a JSON object")
        return value

    async def _get_list(self, path: str) -> list[Any]:
        """The JSON list under a path, empty for 204 and 404."""
        value = await self._json(path)
        if value is not None and not isinstance(value, list):
            raise ZapCloudError("ZapCloud answered something that is not a JSON list")
        return value or []

    async def _json(self, path: str) -> Any:
        """The JSON under a path; None for 204 and 404. A token that stopped working is renewed once."""
        token = await self._access_token()
        response = await self._request("GET", path, headers={"Authorization": f"Bearer {token}"})
        if response.status_code == 401:
            token = await self._access_token(instead_of=token)
            response = await self._request("GET", path, headers={"Authorization": f"Bearer {token}"})
        if response.status_code in {204, 404}:
            return None
        if response.status_code == 429 or response.status_code >= 502:
            raise ZapCloudUnavailable(f"ZapCloud answered {response.status_code}; try again later")
        if response.status_code != 200:
            raise ZapCloudError(f"ZapCloud answered {response.status_code}")
        return _decoded(response)

    async def _access_token(self, instead_of: str | None = None) -> str:
        """The token we hold, or a new one where there is none, it is about to expire, or it is the one that failed."""
        async with self._logging_in:
            now = self._clock()
            due = self._token_until is None or now >= self._token_until
            if self._token is None or due or self._token == instead_of:
                self._token = await self._log_in(now)
            return self._token

    async def _log_in(self, now: datetime) -> str:
        if self._login_at and now - self._login_at < _LOGIN_EVERY:
            raise ZapCloudUnavailable("logged in less than a minute ago; not trying again yet")
        self._login_at = now
        form = {"grant_type": "password", "username": self._username, "password": self._password}
        response = await self._request("POST", "/oauth/token", data=form)
        if response.status_code == 400:
            raise ZapCloudError("ZapCloud refused the login; check the account's name and password")
        if response.status_code != 200:
            raise ZapCloudUnavailable(f"ZapCloud's login answered {response.status_code}")
        fields = _lowered(_decoded(response))
        token, seconds = fields.get("access_token"), fields.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, (int, float)) or not 0 < seconds < _LONGEST_SECONDS:
            raise ZapCloudError("ZapCloud's login answered without a token or its lifetime")
        lifetime = timedelta(seconds=seconds)
        self._token_until = now + max(lifetime - _RENEW_BEFORE, lifetime / 2)
        return token

    async def _request(self, method: str, path: str, **options: Any) -> "httpx.Response":
        import httpx

        if self._http is None:
            self._http = httpx.AsyncClient(
                base_url=self._base_url, timeout=_TIMEOUT_SECONDS, headers={"User-Agent": _USER_AGENT}
            )
        try:
            return await self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ZapCloudUnavailable(f"ZapCloud did not answer ({type(error).__name__})") from error


def _decoded(response: "httpx.Response") -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise ZapCloudError("ZapCloud answered something that is not JSON") from error


def _lowered(value: Any) -> dict[str, Any]:
    return {str(name).lower(): part for name, part in value.items()} if isinstance(value, dict) else {}


def _list(value: Any, name: str) -> list[Any]:
    part = _lowered(value).get(name)
    return part if isinstance(part, list) else []
