"""ZapCloud's REST API, as far as zapbridge calls it.

Wire facts, from integrations that run against the live API (custom-components/zaptec, stekker/zaptec): JSON in
PascalCase, instants in UTC without Z, 400 for a wrong password, 429 with Retry-After beyond 10 requests/s, HTTP 500 for
business errors, 204 for a hierarchy one may not see. The token's `expires_in` is honoured, whatever it is.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from shared.clock import Clock
from shared.errors import InvalidInput, ZapCloudError, ZapCloudUnavailable
from shared.identifiers import canonical_uuid
from shared.security.secrets import SecretStore
from shared.storage.chargers import Charger
from shared.storage.streams import StreamRecords
from shared.stream import Stream, StreamAddress
from shared.zapcloud.hooks import EndReport, parse_instant, read_end
from shared.zapcloud.login import Account, Login

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 5.0
_USER_AGENT = "zapbridge"
_OPERATION_MODE = 710
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]*")
_PART = re.compile(r"[^;\s\x00-\x1f]+")
_SERVICE_BUS = (".servicebus.windows.net", ".servicebus.usgovcloudapi.net", ".servicebus.chinacloudapi.cn")
_LOOPBACK = {"127.0.0.1", "localhost"}


class ZapCloud:
    """Logs in when it must, as `login` says; closed by `close`."""

    def __init__(
        self,
        clock: Clock,
        base_url: str,
        username: str,
        password: str,
        *,
        grant: Literal["password", "refresh"] = "password",
        secrets: SecretStore | None = None,
        records: StreamRecords | None = None,
    ) -> None:
        self._base_url = base_url
        self._http: httpx.AsyncClient | None = None
        self.login = Login(clock, Account(username, password, grant), self._post_form, secrets, records)

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
        for item in await self.states(charger_id):
            fields = _lowered(item)
            if fields.get("stateid") == _OPERATION_MODE and isinstance(fields.get("timestamp"), str):
                try:
                    return parse_instant(fields["timestamp"])
                except ValueError as error:
                    raise ZapCloudError("ZapCloud's answer holds an instant that is none") from error
        return None

    async def renew_login(self, ahead: timedelta) -> bool:
        """See `Login.renew_if_due`."""
        return await self.login.renew_if_due(ahead)

    async def states(self, charger_id: str) -> list[Any]:
        """The charger's states as ZapCloud lists them, up to 15 s old; empty where it knows no such charger."""
        return await self._get_list(f"/api/chargers/{charger_id}/state")

    async def stream_address(self, stream: Stream) -> StreamAddress:
        """What opens a stream now; asking also enables a subscription again that was disabled after disuse.

        Raises ZapCloudError where the account lacks the role or messaging is off, ZapCloudUnavailable where there is
        no answer, or not yet one.
        """
        owner = (
            f"installation/{stream.installation_id}" if stream.installation_id else f"userGroups/{stream.user_group_id}"
        )
        answer = await self._get(f"/api/{owner}/messagingConnectionDetails")
        if answer is None:
            raise ZapCloudUnavailable(
                "ZapCloud has no connection details yet, or none for this account; asking again later"
            )
        return _address(_lowered(answer), simulated=(urlsplit(self._base_url).hostname or "") in _LOOPBACK)

    async def authentication_type(self, installation_id: str) -> int | None:
        """How an installation authorizes charging (0 native, 1 web hooks, 2 and 3 OCPP); None where it is not said."""
        answer = await self._get(f"/api/installation/{installation_id}")
        kind = _lowered(answer).get("authenticationtype")
        return kind if isinstance(kind, int) else None

    async def constants(self) -> dict[str, Any]:
        """ZapCloud's constants: names and ids of observations, settings, commands, enums."""
        answer = await self._get("/api/constants")
        if answer is None:
            raise ZapCloudError("ZapCloud has no constants to show")
        return answer

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
        token = await self.login.access_token()
        response = await self._request("GET", path, headers={"Authorization": f"Bearer {token}"})
        if response.status_code == 401:
            token = await self.login.access_token(instead_of=token)
            response = await self._request("GET", path, headers={"Authorization": f"Bearer {token}"})
        if response.status_code in {204, 404}:
            return None
        if response.status_code == 429 or response.status_code >= 502:
            raise ZapCloudUnavailable(f"ZapCloud answered {response.status_code}; try again later")
        if response.status_code != 200:
            raise ZapCloudError(f"ZapCloud answered {response.status_code}")
        return _decoded(response)

    async def _post_form(self, form: Mapping[str, str]) -> tuple[int, Any]:
        response = await self._request("POST", "/oauth/token", data=form)
        try:
            return response.status_code, response.json()
        except ValueError:
            return response.status_code, None

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


def _address(fields: Mapping[str, Any], *, simulated: bool) -> StreamAddress:
    """Connection details as a connection string; what would not fit into one, or lead anywhere but to Azure Service Bus
    (where ZapCloud is simulated, to this machine), is refused."""
    host = _part(fields, "host", _HOST)
    username, password = _part(fields, "username", _PART), _part(fields, "password", _PART)
    topic, subscription = _part(fields, "topic", _PART), _part(fields, "subscription", _PART)
    credential = f"SharedAccessKeyName={username};SharedAccessKey={password}"
    if host.lower().endswith(_SERVICE_BUS):
        return StreamAddress(f"Endpoint=sb://{host}/;{credential}", topic, subscription)
    if not (simulated and host in _LOOPBACK and isinstance(fields.get("port"), int)):
        raise ZapCloudError("ZapCloud's connection details lead elsewhere than to Azure Service Bus")
    emulated = f"Endpoint=sb://{host}:{fields['port']};{credential};UseDevelopmentEmulator=true;"
    return StreamAddress(emulated, topic, subscription)


def _part(fields: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    text = fields.get(name)
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ZapCloudError(f"ZapCloud's connection details have no {name} that can be used")
    return text


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
