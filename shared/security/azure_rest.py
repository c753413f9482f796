"""A call to one of Azure's REST APIs with our credential, and what its answer means when it is a failure.

Source of the error body, `{"error": {"code": …, "message": …}}`: Microsoft REST API guidelines; Key Vault's and the
resource manager's both have it.
"""

from typing import TYPE_CHECKING, Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 20.0
_CODE_LENGTH = 60


class AzureRefused(Exception):
    """Azure did not answer (`status` 0), or answered something else than success; the message holds no secret."""

    def __init__(self, what: str, status: int, code: str = "") -> None:
        super().__init__(what)
        self.status = status
        self.code = code


class AzureRest:
    """One API: its address, the version of it that is spoken, and the scope of the tokens it takes."""

    def __init__(self, url: str, api_version: str, scope: str, credential: AsyncTokenCredential) -> None:
        self._url = url.rstrip("/")
        self._api_version = api_version
        self._scope = scope
        self._credential = credential
        self._http: httpx.AsyncClient | None = None

    async def call(self, method: str, path: str, content: object = None) -> Any:
        """The JSON of a successful answer, None where it has none. Raises AzureRefused."""
        import httpx

        if self._http is None:
            self._http = httpx.AsyncClient(base_url=self._url, timeout=_TIMEOUT_SECONDS)
        try:
            token = (await self._credential.get_token(self._scope)).token
            response = await self._http.request(
                method,
                path,
                params={"api-version": self._api_version},
                headers={"Authorization": f"Bearer {token}"},
                json=content,
            )
        except ClientAuthenticationError as error:
            raise AzureRefused(error.message, 0) from error
        except httpx.HTTPError as error:
            raise AzureRefused(f"did not answer ({type(error).__name__})", 0) from error
        if not response.is_success:
            code = _code(response)
            raise AzureRefused(f"answered {response.status_code} {code}".rstrip(), response.status_code, code)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise AzureRefused("answered something that is not JSON", response.status_code) from error

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None


def _code(response: "httpx.Response") -> str:
    """The error's code, and the inner one that says more, as far as they look like codes: they go into the log."""
    try:
        error = response.json()["error"]
        codes = [error.get("code"), (error.get("innererror") or {}).get("code")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return "/".join(code[:_CODE_LENGTH] for code in codes if isinstance(code, str) and code.isalnum())
