"""The one place that says who a caller is: HTTP Basic, a token of our own token service, or a Microsoft Entra token."""

from shared.errors import Unauthenticated
from shared.security.access_tokens import TokenService, basic_credential
from shared.security.entra import EntraTokens
from shared.security.hook_credentials import HookCredentials
from shared.security.principal import Principal

OPERATOR_ROLE = "Zapbridge.Operator"
"""The Entra app role that may use the management API."""


class Validator:
    def __init__(self, credentials: HookCredentials, tokens: TokenService, entra: EntraTokens | None) -> None:
        self._credentials = credentials
        self._tokens = tokens
        self._entra = entra

    async def hook_caller(self, authorization: str | None) -> Principal:
        """Raises Unauthenticated; or StorageUnavailable where the caller cannot be told from a stranger now."""
        if not authorization:
            raise Unauthenticated("no Authorization header; set the authentication payload in Zaptec Portal")
        if basic := basic_credential(authorization):
            credential = await self._credentials.check(*basic)
            if credential is None:
                raise Unauthenticated("the name or the secret is wrong")
            return Principal(credential.name, credential.installations)
        token = _bearer(authorization)
        if principal := await self._tokens.principal(token):
            return principal
        if self._entra is None:
            raise Unauthenticated("the bearer token is not valid, or no longer")
        caller = await self._entra.caller(token)
        credential = await self._credentials.by_entra_app(caller.app_id)
        if credential is None:
            raise Unauthenticated("the Entra application is no hook credential here")
        return Principal(credential.name, credential.installations)

    async def require_operator(self, authorization: str | None) -> None:
        """Raises Unauthenticated unless the caller holds an Entra token with the operator's role."""
        if self._entra is None or not authorization:
            raise Unauthenticated("a Microsoft Entra bearer token is required")
        caller = await self._entra.caller(_bearer(authorization))
        if OPERATOR_ROLE not in caller.roles:
            raise Unauthenticated(f"the caller lacks the app role {OPERATOR_ROLE}")


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("the Authorization header is neither Basic nor Bearer")
    return token.strip()
