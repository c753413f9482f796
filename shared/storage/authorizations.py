"""Table `Authorizations`: one partition per charger, read whole by each poll.

Row `open` is the claim, the one authorization a charger may have; rows `grant-…` let in a driver without a card;
`waiting` is since when, and until when, a driver without a card has been polling in observe mode; `heard` is when a
poll was last heard in enforce mode; `evidence` is what the charger's observations say about the session it runs.
"""

from datetime import datetime
from typing import Literal

import msgspec

from shared.storage.codec import from_properties, to_properties
from shared.storage.table import Change, Row, Tables

_OPEN, _WAITING, _EVIDENCE, _HEARD, _GRANT_PREFIX = "open", "waiting", "evidence", "heard", "grant-"


class Claim(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An authorization as it was given; `request_key` says to which kind of request ("token:…", "grant:…", "none")."""

    session_id: str
    installation_id: str
    charger_id: str
    request_key: str
    at: datetime
    mode: str
    verdict: str
    """What enforce says of the request, see access.verdict."""
    token_id: str | None = None
    driver: str | None = None
    limited: bool = False
    """Whether the session counts against its token's maxConcurrent."""
    outage: bool = False
    """Given by the outage policy, without storage."""
    questioned: bool = False
    """Another request came to the charger since: the claim is dead, whatever else is known."""


class Grant(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Lets the next tokenless start at the charger in, once, until it expires."""

    id: str
    charger_id: str
    created_at: datetime
    expires_at: datetime
    driver: str | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """From observations: the newest running session id (721) and the newest instant without a car (710 = 1)."""

    running_session_id: str | None = None
    running_at: datetime | None = None
    disconnected_at: datetime | None = None


class Waiting(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A driver without a card in observe mode: the first and the latest poll."""

    since: datetime
    latest: datetime


class Standing(msgspec.Struct, frozen=True):
    """All that is known at one charger, as read in one go."""

    claim: Claim | None = None
    claim_etag: str | None = None
    grants: tuple[tuple[Grant, str], ...] = ()
    """Each with its ETag, oldest first."""
    waiting: Waiting | None = None
    evidence: Evidence = Evidence()
    evidence_etag: str | None = None
    heard_at: datetime | None = None


class Authorizations:
    def __init__(self, tables: Tables) -> None:
        self._table = tables["Authorizations"]

    async def read(self, charger_id: str) -> Standing:
        return _standing(await self._table.partition(charger_id))

    async def insert(self, claim: Claim) -> bool:
        """True if the charger had no claim and has this one now."""
        return await self._table.insert(claim.charger_id, _OPEN, to_properties(claim))

    async def take(self, claim: Claim, standing: Standing, spent: tuple[Grant, str] | None = None) -> None:
        """Put `claim` where `standing` was read, using up the grant `spent`; Conflict if anything changed since."""
        charger = claim.charger_id
        kind: Literal["replace", "insert"] = "replace" if standing.claim else "insert"
        changes = [Change(kind, charger, _OPEN, to_properties(claim), standing.claim_etag)]
        if spent:
            grant, etag = spent
            changes.append(Change("delete", charger, _GRANT_PREFIX + grant.id, etag=etag))
        await self._table.transact(changes)

    async def question(self, standing: Standing) -> None:
        """Mark the claim as dead; Conflict if it changed since it was read."""
        claim = standing.claim
        if claim is None:
            return
        change = Change("merge", claim.charger_id, _OPEN, {"questioned": True}, standing.claim_etag)
        await self._table.transact([change])

    async def release(self, standing: Standing) -> None:
        """Take the claim away, and the waiting driver with it; Conflict if the claim changed since it was read."""
        claim = standing.claim
        if claim is None:
            return
        changes = [Change("delete", claim.charger_id, _OPEN, etag=standing.claim_etag)]
        if standing.waiting:
            changes.append(Change("delete", claim.charger_id, _WAITING))
        await self._table.transact(changes)

    async def put_waiting(self, charger_id: str, waiting: Waiting) -> None:
        await self._table.upsert(charger_id, _WAITING, to_properties(waiting))

    async def put_heard(self, charger_id: str, at: datetime) -> None:
        await self._table.upsert(charger_id, _HEARD, {"at": at})

    async def put_evidence(self, charger_id: str, evidence: Evidence, standing: Standing) -> None:
        """Conflict if the evidence changed since `standing` was read."""
        kind: Literal["replace", "insert"] = "replace" if standing.evidence_etag else "insert"
        await self._table.transact(
            [Change(kind, charger_id, _EVIDENCE, to_properties(evidence), standing.evidence_etag)]
        )

    async def put_grant(self, grant: Grant) -> None:
        await self._table.upsert(grant.charger_id, _GRANT_PREFIX + grant.id, to_properties(grant))

    async def delete_grant(self, charger_id: str, grant_id: str) -> None:
        await self._table.delete(charger_id, _GRANT_PREFIX + grant_id)

    async def claims_since(self, instant: datetime) -> list[Claim]:
        """Claims of all chargers that were given at `instant` or later and are still open."""
        rows = await self._table.scan(key=_OPEN, since=("at", instant))
        return [from_properties(Claim, row.properties) for row in rows]


def _standing(rows: list[Row]) -> Standing:
    by_key = {row.key: row for row in rows}
    opened, waiting, evidence, heard = (by_key.get(key) for key in (_OPEN, _WAITING, _EVIDENCE, _HEARD))
    grants = [(from_properties(Grant, row.properties), row.etag) for row in rows if row.key.startswith(_GRANT_PREFIX)]
    return Standing(
        claim=from_properties(Claim, opened.properties) if opened else None,
        claim_etag=opened.etag if opened else None,
        grants=tuple(sorted(grants, key=lambda pair: (pair[0].created_at, pair[0].id))),
        waiting=from_properties(Waiting, waiting.properties) if waiting else None,
        evidence=from_properties(Evidence, evidence.properties) if evidence else Evidence(),
        evidence_etag=evidence.etag if evidence else None,
        heard_at=heard.properties["at"] if heard else None,
    )
