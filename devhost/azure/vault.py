"""Key Vault's secrets: get and set, each value a version of its own.

Source: Key Vault REST API, "Get Secret", "Set Secret", api-version 7.4, and its error codes.
"""

import re
import secrets
import time

import msgspec
from aiohttp import web

from devhost.azure.book import Book, Refusal, json_body, wrong
from devhost.azure.identity import VAULT, Tokens, principal_of
from devhost.azure.shapes import World

API_VERSION = "7.4"
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
_FIELDS = {"value", "attributes", "contentType", "tags"}
_LONGEST = 25 * 1024


class Version(msgspec.Struct, frozen=True):
    id: str
    value: str
    created: int


class Vault:
    def __init__(self, world: World, tokens: Tokens, book: Book) -> None:
        self._world = world
        self._tokens = tokens
        self._book = book
        self._secrets: dict[str, Version] = {}
        self._deleted: set[str] = set()

    def current(self, name: str) -> Version | None:
        return self._secrets.get(name.lower())

    def put(self, name: str, value: str) -> Version:
        version = Version(secrets.token_hex(16), value, int(time.time()))
        self._secrets[name.lower()] = version
        return version

    def delete(self, name: str) -> None:
        """Softly: the name is taken until it is recovered or purged."""
        if self._secrets.pop(name.lower(), None):
            self._deleted.add(name.lower())

    async def handle(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if request.query.get("api-version") != API_VERSION:
            raise wrong(f"api-version must be {API_VERSION}")
        if not _NAME.fullmatch(name):
            raise wrong("the secret's name is not one")
        operation = {"GET": "get", "PUT": "set"}[request.method]
        client_id = self._tokens.client_id(request, VAULT)
        self._book.begin(request, operation, name, client_id)
        if operation not in principal_of(self._world, client_id).vault:
            raise Refusal(403, "the identity may not", inner="ForbiddenByRbac", violation=True)
        self._book.strike(operation)
        version = await self._set(request, name) if operation == "set" else self._get(name)
        return web.json_response(
            {
                "value": version.value,
                "id": f"https://{self._world.vault_name}.vault.azure.net/secrets/{name}/{version.id}",
                "attributes": {
                    "enabled": True,
                    "created": version.created,
                    "updated": version.created,
                    "recoveryLevel": "Recoverable",
                    "recoverableDays": 90,
                },
                "tags": {},
            }
        )

    def _get(self, name: str) -> Version:
        version = self.current(name)
        if version is None:
            raise Refusal(
                404, f"A secret with (name/id) {name} was not found in this key vault.", code="SecretNotFound"
            )
        return version

    async def _set(self, request: web.Request, name: str) -> Version:
        body = await json_body(request)
        value = body.get("value")
        if not isinstance(value, str) or set(body) - _FIELDS:
            raise wrong("the body is not that of Set Secret")
        if len(value.encode()) > _LONGEST:
            raise wrong("a secret holds at most 25 KiB")
        if name.lower() in self._deleted:
            raise Refusal(409, f"Secret {name} is deleted", inner="ObjectIsDeletedButRecoverable")
        return self.put(name, value)
