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

_TIMEOUT_SECONDS = 10.0
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


class Identity:
    """An azure-core AsyncTokenCredential; every failure is a ClientAuthenticationError that names no secret."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._one_at_a_time = asyncio.Lock()

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
        async with self._one_at_a_time:  # so that many callers at once ask for a new token once
            answer = await asyncio.to_thread(self._acquire, scope.removesuffix(_DEFAULT))
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not isinstance(seconds, int):
            raise ClientAuthenticationError(f"Azure gave us no token for {scope}: {answer.get('error', 'no reason')}")
        return AccessToken(token, int(time.time()) + seconds)

    def _acquire(self, resource: str) -> Mapping[str, Any]:
        import requests

        try:
            return self._source.acquire(resource)
        except (requests.RequestException, ValueError) as error:
            raise ClientAuthenticationError(f"Azure's identity endpoint failed ({type(error).__name__})") from error

    async def close(self) -> None:
        """Nothing is kept open that the end of the process does not close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Managed:
    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._client: Any = None

    def acquire(self, resource: str) -> Mapping[str, Any]:
        import msal

        if self._client is None:
            who = (
                msal.UserAssignedManagedIdentity(client_id=self._client_id)
                if self._client_id
                else msal.SystemAssignedManagedIdentity()
            )
            self._client = msal.ManagedIdentityClient(who, http_client=_http())
        answer: Mapping[str, Any] = self._client.acquire_token_for_client(resource=resource)
        return answer


class _Principal:
    def __init__(self, principal: ServicePrincipal) -> None:
        self._principal = principal
        self._client: Any = None

    def acquire(self, resource: str) -> Mapping[str, Any]:
        import msal

        if self._client is None:
            self._client = msal.ConfidentialClientApplication(
                self._principal.client_id,
                client_credential=self._principal.client_secret,
                authority=f"{self._principal.authority.rstrip('/')}/{self._principal.tenant_id}",
                http_client=_http(),
            )
        answer: Mapping[str, Any] = self._client.acquire_token_for_client(scopes=[resource + _DEFAULT])
        return answer


def _http() -> Any:
    """What msal sends with; it has no limit of its own."""
    import requests

    class Patient(requests.Session):
        def request(self, *arguments: Any, **options: Any) -> requests.Response:
            return super().request(*arguments, **{"timeout": _TIMEOUT_SECONDS} | options)

    return Patient()
