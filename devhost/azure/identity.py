"""The managed-identity endpoint of App Service, and the tokens it gives.

Source: Microsoft Learn, "How to use managed identities for App Service and Azure Functions", REST endpoint reference:
api-version 2019-08-01, header X-IDENTITY-HEADER, `resource` and `client_id`; numbers are written as strings.
"""

import secrets
import time

import jwt
from aiohttp import web

from devhost.azure.book import Book, Refusal, wrong
from devhost.azure.shapes import Principal, World

API_VERSION = "2019-08-01"
VAULT, ARM, STORAGE = "https://vault.azure.net", "https://management.azure.com", "https://storage.azure.com"
_LIFETIME_SECONDS = 86400
_TENANT = "72f988bf-0000-4000-8000-000000000000"


class Tokens:
    """Signed by a key of this process, and shaped like Entra's as far as Azurite looks at them."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(self, client_id: str, resource: str) -> tuple[str, int]:
        """A token and when it expires, in seconds since 1970."""
        now = int(time.time())
        claims = {
            "iss": f"https://sts.windows.net/{_TENANT}/",
            "aud": resource,
            "appid": client_id,
            "oid": client_id,
            "tid": _TENANT,
            "nbf": now - 60,
            "iat": now,
            "exp": now + _LIFETIME_SECONDS,
        }
        return jwt.encode(claims, self._key, "HS256"), now + _LIFETIME_SECONDS

    def client_id(self, request: web.Request, audience: str) -> str:
        """Who calls; raises a Refusal where the token is not one of ours for this audience."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise wrong("no bearer token", 401)
        try:
            claims = jwt.decode(token, self._key, ["HS256"], audience=audience)
        except jwt.InvalidTokenError as error:
            raise wrong(f"the token is refused: {type(error).__name__}", 401) from None
        return str(claims["appid"])


class IdentityEndpoint:
    def __init__(self, world: World, tokens: Tokens, book: Book) -> None:
        self._world = world
        self._tokens = tokens
        self._book = book

    async def handle(self, request: web.Request) -> web.Response:
        query = request.query
        if request.headers.get("X-IDENTITY-HEADER") != self._world.identity_header:
            raise wrong("the header X-IDENTITY-HEADER is wrong", 401)
        if query.get("api-version") != API_VERSION:
            raise wrong(f"api-version must be {API_VERSION}")
        resource = query.get("resource", "").rstrip("/")
        if resource not in {VAULT, ARM, STORAGE}:
            raise wrong(f"no such resource: {resource}")
        principal = principal_of(self._world, query.get("client_id", ""))
        self._book.strike("token")
        token, expires_on = self._tokens.issue(principal.client_id, resource)
        return web.json_response(
            {
                "access_token": token,
                "expires_on": str(expires_on),
                "resource": resource,
                "token_type": "Bearer",
                "client_id": principal.client_id.upper(),
            }
        )


def principal_of(world: World, client_id: str) -> Principal:
    """Raises a Refusal where the site has no such identity."""
    for principal in world.principals:
        if principal.client_id == client_id:
            return principal
    raise Refusal(400, "no managed identity of that client id is assigned", violation=True)
