"""Who we are to Azure: one credential that Table Storage's SDK and our own HTTP calls share.

In Azure it is the site's managed identity; on a developer's machine a service principal. Both through msal, which
keeps tokens in memory until they near their end, so one credential is kept for the life of the process.

Sources: Microsoft Learn, "How to use managed identities for App Service" (REST endpoint reference);
msal-python, `ManagedIdentityClient` and `ConfidentialClientApplication`.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol, Self

import msgspec
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from shared import telemetry

_TIMEOUT_SECONDS = 10.0
_RENEW_BEFORE_SECONDS = 600.0
"""Ahead of azure-core, which asks for a token at every request in its last five minutes, and of msal."""
_GOOD_FOR_SECONDS = 30.0
_DEFAULT = "/.default"


class ServicePrincipal(msgspec.Struct, frozen=True):
    """A developer's application registration; `authority` is where its tenant logs in."""

    tenant_id: str
    client_id: str
    client_secret: str
    authority: str = "https://login.microsoftonline.com"


class _Source(Protocol):
    def acquire(self, resource: str) -> Mapping[str, Any]:
        """msal's answer: `access_token` and `expires_in` in seconds, or `error`."""

    def close(self) -> None: ...


class Identity:
    """An azure-core AsyncTokenCredential; every failure is a ClientAuthenticationError that names no secret.

    A token is renewed well before its end, behind the call that finds it due: while it is still good nobody waits for
    the identity endpoint, nor fails because that does.
    """

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._tokens: dict[str, AccessToken] = {}
        self._asking: dict[str, asyncio.Task[AccessToken]] = {}

    @classmethod
    def managed(cls, client_id: str = "") -> Self:
        """The managed identity of that client id, or the system-assigned one."""
        return cls(_Managed(client_id))

    @classmethod
    def of_principal(cls, principal: ServicePrincipal) -> Self:
        return cls(_Principal(principal))

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,  # noqa: ARG002 - the protocol's
        tenant_id: str | None = None,  # noqa: ARG002
        enable_cae: bool = False,  # noqa: ARG002
        **_: Any,
    ) -> AccessToken:
        """A token for one scope, such as https://vault.azure.net/.default."""
        (scope,) = scopes
        kept = self._tokens.get(scope)
        left_seconds = kept.expires_on - time.time() if kept else 0
        if kept and left_seconds > _RENEW_BEFORE_SECONDS:
            return kept
        asking = self._ask(scope)
        if kept and left_seconds > _GOOD_FOR_SECONDS:
            return kept
        return await asyncio.shield(asking)

    def _ask(self, scope: str) -> "asyncio.Task[AccessToken]":
        """One request at a time for a scope, whoever waits for it, and whoever stops waiting."""
        if scope not in self._asking:
            task = asyncio.create_task(self._fetched(scope), name=f"token for {scope}")
            self._asking[scope] = task
            task.add_done_callback(lambda done: self._asked(scope, done))
        return self._asking[scope]

    def _asked(self, scope: str, task: "asyncio.Task[AccessToken]") -> None:
        self._asking.pop(scope, None)
        if not task.cancelled() and (error := task.exception()) and scope in self._tokens:
            telemetry.warning("identity.not_renewed", reason=str(error))

    async def _fetched(self, scope: str) -> AccessToken:
        answer = await asyncio.to_thread(self._acquire, scope.removesuffix(_DEFAULT))
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise ClientAuthenticationError(f"Azure gave us no token for {scope}: {answer.get('error', 'no reason')}")
        found = AccessToken(token, int(time.time()) + seconds)
        self._tokens[scope] = found
        return found

    def _acquire(self, resource: str) -> Mapping[str, Any]:
        import msal
        import requests

        try:
            return self._source.acquire(resource)
        except (requests.RequestException, msal.exceptions.MsalError, ValueError) as error:
            raise ClientAuthenticationError(f"Azure's identity endpoint failed ({type(error).__name__})") from error

    async def close(self) -> None:
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        self._source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Client:
    """One of msal's clients, made when it is first needed, and the HTTP session it sends with."""

    def __init__(self) -> None:
        self._session: Any = None
        self._client: Any = None

    def client(self) -> Any:
        if self._client is None:
            self._session = _patient_session()
            self._client = self.make(self._session)
        return self._client

    def make(self, session: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = self._client = None


class _Managed(_Client):
    def __init__(self, client_id: str) -> None:
        super().__init__()
        self._client_id = client_id

    def make(self, session: Any) -> Any:
        import msal

        user_assigned = msal.UserAssignedManagedIdentity(client_id=self._client_id) if self._client_id else None
        return msal.ManagedIdentityClient(user_assigned or msal.SystemAssignedManagedIdentity(), http_client=session)

    def acquire(self, resource: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.client().acquire_token_for_client(resource=resource)
        return answer


class _Principal(_Client):
    def __init__(self, principal: ServicePrincipal) -> None:
        super().__init__()
        self._principal = principal

    def make(self, session: Any) -> Any:
        import msal

        return msal.ConfidentialClientApplication(
            self._principal.client_id,
            client_credential=self._principal.client_secret,
            authority=f"{self._principal.authority.rstrip('/')}/{self._principal.tenant_id}",
            http_client=session,
        )

    def acquire(self, resource: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.client().acquire_token_for_client(scopes=[resource + _DEFAULT])
        return answer


def _patient_session() -> Any:
    """What msal sends with, which has no time limit of its own."""
    import requests

    class Patient(requests.Session):
        def request(self, *arguments: Any, **options: Any) -> requests.Response:
            return super().request(*arguments, **{"timeout": _TIMEOUT_SECONDS} | options)

    return Patient()
