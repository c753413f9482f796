"""Completes what a crash or an outage left half done. Runs every minute; doing it twice changes nothing."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import batched

from shared import telemetry
from shared.clock import Clock
from shared.identifiers import is_outage_id
from shared.sessions.claim import token_key
from shared.sessions.figures import Figures
from shared.sessions.ledger import Ledger
from shared.sessions.outage import Outage
from shared.sessions.view import AWAITING_FIGURES, OPEN
from shared.storage.authorizations import Authorizations, Claim
from shared.storage.chargers import Chargers
from shared.storage.credentials import Credentials
from shared.storage.decisions import Decisions
from shared.storage.installations import Installations
from shared.storage.session_index import SessionEntry, SessionIndex, month_partition, months
from shared.storage.tokens import Tokens

LOOK_BACK = timedelta(days=35)
_OVERLAP = timedelta(minutes=2)
_FIRST_LOOK_BACK = timedelta(days=1)
_PAGE = 1000
_TRY_AGAIN_AFTER = timedelta(hours=1)
_OPEN_TOO_LONG = timedelta(days=2)
_TELL_EVERY = timedelta(hours=1)
_AT_ONCE = 8


class Sweep:
    def __init__(
        self,
        clock: Clock,
        credentials: Credentials,
        installations: Installations,
        chargers: Chargers,
        tokens: Tokens,
        decisions: Decisions,
        authorizations: Authorizations,
        index: SessionIndex,
        ledger: Ledger,
        outage: Outage,
        figures: Figures | None,
    ) -> None:
        self._clock = clock
        self._credentials = credentials
        self._installations = installations
        self._chargers = chargers
        self._tokens = tokens
        self._decisions = decisions
        self._authorizations = authorizations
        self._index = index
        self._ledger = ledger
        self._outage = outage
        self._figures = figures
        self._completed: set[str] = set()
        """The sessions of the last run's claims, which this one's overlap."""
        self._tried: dict[str, datetime] = {}
        self._told_at: datetime | None = None

    async def run(self) -> None:
        """Raises StorageUnavailable; the next run starts where the last complete one ended."""
        now = self._clock()
        await self._outage.write_down()
        await self._complete_claims(now)
        installation_ids = [installation.id for installation in await self._installations.all()]
        unresolved = await self._unresolved((None, *installation_ids), now)
        if self._figures:
            await self._figures.run({place: entries for place, entries in unresolved.items() if place})
        await self._attribute_outage_sessions([entry for entries in unresolved.values() for entry in entries], now)
        if self._told_at is None or now - self._told_at >= _TELL_EVERY:
            self._told_at = now
            for place, entries in (await self._unresolved(installation_ids, now)).items():
                _tell_of_open_sessions(place, entries, now)
        telemetry.event("sweep.completed")

    async def _complete_claims(self, now: datetime) -> None:
        """Store and list what was authorized since the last run and never got further than its claim."""
        since = await self._credentials.swept_until() or now - _FIRST_LOOK_BACK
        given = await self._authorizations.claims_since(since - _OVERLAP)
        for claims in batched((one for one in given if one.session_id not in self._completed), _AT_ONCE, strict=False):
            await asyncio.gather(*(self._ledger.complete(claim) for claim in claims))
        self._completed = {claim.session_id for claim in given}
        await self._credentials.set_swept_until(now)

    async def _unresolved(self, places: Sequence[str | None], now: datetime) -> dict[str | None, list[SessionEntry]]:
        """The sessions of each installation, and of none, that something may still be found out about."""
        found: dict[str | None, list[SessionEntry]] = {place: [] for place in places}
        queries = [(place, month) for place in places for month in months(now - LOOK_BACK, now)]
        for some in batched(queries, _AT_ONCE, strict=False):
            answers = await asyncio.gather(*(self._index.unresolved(month_partition(*query)) for query in some))
            for (place, _), entries in zip(some, answers, strict=True):
                found[place] += entries
        return found

    async def _attribute_outage_sessions(self, entries: Sequence[SessionEntry], now: datetime) -> None:
        """Find whose sessions those are that ended without a known start and bear an outage session's kind of id."""
        nameless = [
            entry
            for entry in entries
            if not entry.start_known and is_outage_id(entry.session_id) and self._is_due(entry.session_id, now)
        ]
        if not nameless:
            return
        chargers = {charger.id: charger.installation_id for charger in await self._chargers.all()}
        token_ids = await self._token_ids()
        for entry in nameless:
            self._tried[entry.session_id] = now
            places = {
                charger_id: place for charger_id, place in chargers.items() if entry.installation_id in {None, place}
            }
            await self._attribute(entry, places, token_ids)

    def _is_due(self, session_id: str, now: datetime) -> bool:
        """What could not be attributed is tried again hourly: a card may have been registered since."""
        tried = self._tried.get(session_id)
        return tried is None or now - tried >= _TRY_AGAIN_AFTER

    async def _attribute(self, entry: SessionEntry, chargers: dict[str, str], token_ids: set[str]) -> None:
        around = entry.start or entry.listed_at
        found = await asyncio.to_thread(self._outage.recognise, entry.session_id, around, chargers, token_ids)
        if found is None:
            return
        charger_id, token_id = found
        stored = await self._tokens.get(token_id)
        claim = Claim(
            session_id=entry.session_id,
            installation_id=chargers[charger_id],
            charger_id=charger_id,
            request_key=token_key(token_id),
            at=around,
            mode="",
            verdict="unchecked",
            token_id=token_id,
            driver=stored.token.driver if stored and stored.was_its_drivers(around) else None,
            outage=True,
        )
        await self._ledger.attributed(claim)
        telemetry.event("outage.attributed", sessionId=entry.session_id, chargerId=charger_id, tokenId=token_id)

    async def _token_ids(self) -> set[str]:
        """Of every registered token, and of the cards that were only seen."""
        found: set[str] = set()
        for installation in await self._installations.all():
            found |= {seen.token_id for seen in await self._decisions.seen_tokens(installation.id)}
        after = ""
        while page := await self._tokens.page(after, _PAGE):
            found |= {token.id for token in page}
            after = page[-1].id
        return found


def _tell_of_open_sessions(installation_id: str | None, entries: Sequence[SessionEntry], now: datetime) -> None:
    """Sessions let in long ago of which no end was ever heard: nobody can be billed for them yet."""
    began = [entry.start or entry.listed_at for entry in entries if entry.status in OPEN | AWAITING_FIGURES]
    waiting = [instant for instant in began if now - instant >= _OPEN_TOO_LONG]
    if waiting:
        telemetry.warning(
            "sessions.open_too_long", installationId=installation_id, sessions=len(waiting), oldest=min(waiting)
        )
