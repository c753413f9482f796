"""Table `Credentials`: who may call our web hooks (digests, never secrets), and what keeps itself fresh."""

from datetime import datetime

import msgspec

from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Tables

_HOOKS = "hooks"
_UPKEEP = "upkeep"


class HookCredential(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A caller of the web hooks; `sha256` holds the digests of its current and, while rotating, its next secret.

    `installations` are the ids it may speak for, "*" for all. `entra_app_id` is the application (client) id of an
    Entra app that calls in its place.
    """

    name: str
    installations: tuple[str, ...]
    sha256: tuple[str, ...] = ()
    entra_app_id: str | None = None


class Credentials:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Credentials"]

    async def hooks(self) -> dict[str, HookCredential]:
        rows = await self._table.partition(_HOOKS)
        credentials = [from_properties(HookCredential, row.properties) for row in rows]
        return {credential.name: credential for credential in credentials}

    async def put_hook(self, credential: HookCredential) -> None:
        await self._table.upsert(_HOOKS, credential.name, to_properties(credential))

    async def delete_hook(self, name: str) -> None:
        await self._table.delete(_HOOKS, name)

    async def swept_until(self) -> datetime | None:
        """The instant up to which a sweep has completed the projections; None before the first."""
        row = await self._table.get(_UPKEEP, "sweep")
        return row.properties["until"] if row else None

    async def set_swept_until(self, instant: datetime) -> None:
        await self._table.upsert(_UPKEEP, "sweep", {"until": instant})
