"""ZapCloud's REST API, as far as zapbridge calls it.

Wire facts, from integrations that run against the live API (custom-components/zaptec, stekker/zaptec): JSON in
PascalCase, instants in UTC without Z, 400 for a wrong password, 429 with Retry-After beyond 10 requests/s, HTTP 500 for
business errors, 204 for a hierarchy one may not see. The token's `expires_in` is honoured, whatever it is.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from shared.clock import Clock
from shared.errors import InvalidInput, ZapCloudError, ZapCloudUnavailable
from shared.identifiers import canonical_uuid
from shared.loopback import leads_to_loopback
from shared.security.secrets import SecretStore
from shared.storage.chargers import Charger
from shared.storage.streams import StreamRecords
from shared.stream import Stream, StreamAddress
from shared.zapcloud.budget import Budget
from shared.zapcloud.connection import address_of
from shared.zapcloud.hooks import EndReport, parse_instant, read_end
from shared.zapcloud.login import Account, Login
from shared.zapcloud.portal import PortalCharger, PortalInstallation, read_charger, read_installation

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 5.0
_USER_AGENT = "zapbridge"
_OPERATION_MODE = 710
_PAGE = 100
"""The largest page there is (docs.zaptec.com, "API changes: what you need to know")."""
_ARCHIVE_PAGE = 200
_PATIENCE = 3
_USUAL_WAIT_SECONDS = 1.0
_FAILURE_WAIT_SECONDS = 0.25
"""Where something failed that does not say for how long; most often it answers at once."""
_LONGEST_WAIT_SECONDS = 60.0
_NOT_TO_BE_SEEN = {506, 512, 533, 540}
"""ErrorCodes of https://api.zaptec.com/api/constants: NotApplicableForUser, UnknownObject, Forbidden,
UnknownInstallationId."""


class ZapCloudRefused(ZapCloudError):
    """ZapCloud will not serve a request; `code` is one of its ErrorCodes, where it gave one."""

    def __init__(self, status: int, code: int | None = None) -> None:
        super().__init__(f"ZapCloud answered {status}" + (f" (error code {code})" if code is not None else ""))
        self.status = status
        self.code = code


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
        self._budget = Budget()
        self.login = Login(clock, Account(username, password, grant), self._post_form, secrets, records)
        self.login_refused = False
        """Whether the password was refused when it was last sent from here, and nothing went well since. While one has
        to wait before it is sent again, this tells a wrong password from a ZapCloud that is down."""

    async def session(self, session_id: str, *, patient: bool = False) -> EndReport | None:
        """What ZapCloud knows of a session (`end` is None while it runs); None where it has no such session. Who is
        `patient` waits for a turn (`shared/zapcloud/budget.py`), and asks again what ZapCloud cannot answer now."""
        answer = await self._get(f"/api/session/{session_id}", patient=patient)
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
        return address_of(_lowered(answer), simulated=leads_to_loopback(self._base_url))

    async def authentication_type(self, installation_id: str) -> int | None:
        """How an installation authorizes charging (0 native, 1 web hooks, 2 and 3 OCPP); None where it is not said."""
        answer = await self._get(f"/api/installation/{installation_id}")
        kind = _lowered(answer).get("authenticationtype")
        return kind if isinstance(kind, int) else None

    async def installation(self, installation_id: str) -> PortalInstallation | None:
        """An installation as Zaptec Portal shows it; None where there is none, or none this account may see."""
        try:
            answer = await self._get(f"/api/installation/{installation_id}", patient=True)
        except ZapCloudRefused as error:
            if error.status == 403 or error.code in _NOT_TO_BE_SEEN:
                return None
            raise
        return read_installation(_lowered(answer))

    async def installations(self) -> list[PortalInstallation]:
        """All installations this account may see."""
        found = [read_installation(item) async for item in self._pages("/api/installation?")]
        return [one for one in found if one]

    async def portal_chargers(self, installation_id: str) -> list[PortalCharger]:
        """The chargers of an installation that this account may see, and whether they can be reached now."""
        path = f"/api/chargers?InstallationId={installation_id}&"
        found = [read_charger(item, installation_id) async for item in self._pages(path)]
        return [one for one in found if one]

    async def charge_history(
        self, installation_id: str, since: datetime, page: int
    ) -> tuple[list[dict[str, Any]], int]:
        """A page of the installation's sessions that began at `since` or later, in order of their starts, with energy
        details, their keys in small letters; and how many pages there are."""
        answer = await self._listed(
            f"/api/chargehistory?InstallationId={installation_id}&From={_instant_text(since)}&DetailLevel=1"
            f"&SortProperty=StartDateTime&SortDescending=false&PageSize={_PAGE}&PageIndex={page}"
        )
        pages = answer.get("pages")
        if not isinstance(pages, int):
            raise ZapCloudError("ZapCloud does not say how many pages of sessions there are")
        return [_lowered(item) for item in _list(answer, "data")], pages

    async def archived_sessions(
        self, installation_id: str, since: datetime, until: datetime, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page of the installation's sessions that ended from `since` until `until`, their keys in small letters; and
        where the next page begins, None after the last."""
        asked = {"InstallationId": installation_id, "From": _instant_text(since), "To": _instant_text(until)}
        query = urlencode(asked | {"PageSize": _ARCHIVE_PAGE} | ({"Cursor": cursor} if cursor else {}))
        answer = await self._listed(f"/api/sessions/archived?{query}")
        following = answer.get("cursor") if answer.get("hasmore") is True else None
        return [_lowered(item) for item in _list(answer, "sessions")], following if isinstance(following, str) else None

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

    async def _pages(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """The items of a paged list, their keys in small letters."""
        page, pages = 0, 1
        while page < pages:
            answer = _lowered(await self._get(f"{path}PageSize={_PAGE}&PageIndex={page}", patient=True))
            for item in _list(answer, "data"):
                yield _lowered(item)
            said = answer.get("pages")
            pages = said if isinstance(said, int) else 0
            page += 1

    async def _listed(self, path: str) -> dict[str, Any]:
        """A page of sessions; that none are shown is not that there are none."""
        answer = await self._get(path, patient=True)
        if answer is None:
            raise ZapCloudError("ZapCloud shows no sessions; the account needs the owner or service role there")
        return _lowered(answer)

    async def _get(self, path: str, *, patient: bool = False) -> dict[str, Any] | None:
        """The JSON object under a path; None for 204 and 404."""
        value = await self._json(path, patient=patient)
        if value is not None and not isinstance(value, dict):
            raise ZapCloudError("ZapCloud answered something that is not a JSON object")
        return value

    async def _get_list(self, path: str) -> list[Any]:
        """The JSON list under a path, empty for 204 and 404."""
        value = await self._json(path)
        if value is not None and not isinstance(value, list):
            raise ZapCloudError("ZapCloud answered something that is not a JSON list")
        return value or []

    async def _json(self, path: str, *, patient: bool = False) -> Any:
        """The JSON under a path; None for 204 and 404. A token that stopped working is renewed once; who is patient
        waits, and asks again, where ZapCloud says that these were too many requests, or cannot answer now."""
        token = await self.login.access_token()
        response = await self._ask(path, token, patient=patient)
        if response.status_code == 401:
            token = await self.login.access_token(instead_of=token)
            response = await self._ask(path, token, patient=patient)
        for _ in range(_PATIENCE if patient else 0):
            if not _may_pass(response):
                break
            response = await self._ask(path, token, patient=patient)
        if response.is_success:
            self.login_refused = False
        if response.status_code in {204, 404}:
            return None
        if _may_pass(response):
            raise ZapCloudUnavailable(f"ZapCloud answered {response.status_code}; try again later")
        if response.status_code != 200:
            raise ZapCloudRefused(response.status_code, _error_code(response))
        return _decoded(response)

    async def _ask(self, path: str, token: str, *, patient: bool) -> "httpx.Response":
        if patient:
            await self._budget.wait()
        else:
            self._budget.spend()
        response = await self._request("GET", path, headers={"Authorization": f"Bearer {token}"})
        if _may_pass(response):
            self._budget.stay_away(_seconds_to_wait(response))
        return response

    async def _post_form(self, form: Mapping[str, str]) -> tuple[int, Any]:
        response = await self._request("POST", "/oauth/token", data=form)
        if form.get("grant_type") == "password":
            self.login_refused = response.status_code == 400
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
            return await _sent(self._http, method, path, **options)
        except httpx.HTTPError as error:
            raise ZapCloudUnavailable(f"ZapCloud did not answer ({type(error).__name__})") from error


async def _sent(http: "httpx.AsyncClient", method: str, path: str, **options: Any) -> "httpx.Response":
    """What is only read is asked for once more where the connection breaks: one that was kept may be closed by the
    other end just as it is used again."""
    import httpx

    try:
        return await http.request(method, path, **options)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
        if method != "GET":
            raise
    return await http.request(method, path, **options)


def _may_pass(response: "httpx.Response") -> bool:
    """Whether ZapCloud, or what stands before it, may answer otherwise later. With 500 it refuses."""
    return response.status_code == 429 or response.status_code >= 502


def _instant_text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _seconds_to_wait(response: "httpx.Response") -> float:
    text = response.headers.get("retry-after", "")
    if text.isdecimal():
        return min(float(text), _LONGEST_WAIT_SECONDS)
    return _USUAL_WAIT_SECONDS if response.status_code == 429 else _FAILURE_WAIT_SECONDS


def _error_code(response: "httpx.Response") -> int | None:
    try:
        code = _lowered(response.json()).get("code")
    except ValueError:
        return None
    return code if isinstance(code, int) else None


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
