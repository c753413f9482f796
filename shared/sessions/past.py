"""Puts finished sessions, as ZapCloud lists them, into the log; any number of times is once."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from shared import telemetry
from shared.billing.signed import Verdict
from shared.clock import Clock
from shared.errors import LimitExceeded
from shared.sessions.attribution import Attribution
from shared.sessions.end import EndHook
from shared.sessions.index_reading import IndexReading
from shared.sessions.ledger import Ledger, instant_text, report_fact
from shared.sessions.meter import MeterValues
from shared.sessions.view import Source
from shared.storage.installations import Installation
from shared.storage.session_index import DrawnEntry, SessionIndex
from shared.storage.sessions import Sessions
from shared.zapcloud.commit import Commit
from shared.zapcloud.history import PastSession

_AT_ONCE = 16


class PastSessions:
    def __init__(
        self,
        clock: Clock,
        sessions: Sessions,
        index: SessionIndex,
        ledger: Ledger,
        end_hook: EndHook,
        attribution: Attribution,
        meter_values: MeterValues,
    ) -> None:
        self._clock = clock
        self._sessions = sessions
        self._index = index
        self._ledger = ledger
        self._end_hook = end_hook
        self._attribution = attribution
        self._meter_values = meter_values

    def index_from(self, installation: Installation, since: datetime) -> IndexReading:
        """What the log lists of the installation, for a reading of one of ZapCloud's lists from `since` on."""
        return IndexReading(self._clock, self._index, installation.id, since)

    async def take(
        self,
        installation: Installation,
        sessions: Sequence[PastSession],
        source: Source,
        index: IndexReading,
        *,
        anew: bool = False,
    ) -> int:
        """Store what is new in a page of sessions that are over; how many of them there were. With `anew`, what
        could not be found out before is tried again: whose card it is, whether a signed meter value is valid."""
        over = [one for one in sessions if is_ours_to_log(one, installation)]
        listed = await index.entries(over)
        self._sessions.remember(listed)
        new = [
            one
            for one in over
            if not self._is_known(installation.id, one, listed.get(one.report.session_id), source, anew=anew)
        ]
        for start in range(0, len(new), _AT_ONCE):
            await asyncio.gather(*(self._store(installation.id, one, source) for one in new[start : start + _AT_ONCE]))
        return len(new)

    async def take_one(self, installation: Installation, one: PastSession, source: Source) -> None:
        """Store a session that is over; raises LimitExceeded where it is too large."""
        if is_ours_to_log(one, installation):
            await self._log(installation.id, one, source)

    def _is_known(
        self, installation_id: str, one: PastSession, entry: DrawnEntry | None, source: Source, *, anew: bool
    ) -> bool:
        """Whether this very statement is in the log, and nothing is left to be found out on account of it."""
        if entry is None:
            return False
        left = (not entry.start_known and (entry.token_id or self._attribution.card_in(one.token_name))) or (
            entry.signature in {None, Verdict.NO_KEY, Verdict.INVALID} and one.report.signed_session
        )
        drawn_from = entry.archived if source is Source.ARCHIVED_SESSIONS else entry.history
        return drawn_from == self._key(installation_id, one, source) and not (anew and left)

    async def _store(self, installation_id: str, one: PastSession, source: Source) -> None:
        try:
            await self._log(installation_id, one, source)
        except LimitExceeded as error:
            _tell_odd(installation_id, one.report.session_id, str(error))

    async def _log(self, installation_id: str, one: PastSession, source: Source) -> None:
        """What stands for another session is noted before anything else: should this stop half-way, the session is not
        known as stored, and done again."""
        report = one.report
        if one.odd:
            _tell_odd(installation_id, report.session_id, one.odd)
        if one.replaced_by:
            await self._ledger.replaced(report.session_id, one.replaced_by, report.start)
        known = self._known_of(one)
        view = await self._end_hook.record(report, source, installation_id, known)
        if card := known.get("tokenId") or (None if view.start_known else view.token_id):
            await self._attribution.attribute(view, card)
        await self._meter_values.look_at(view)

    def _key(self, installation_id: str, one: PastSession, source: Source) -> str:
        return report_fact(one.report, source, installation_id, self._known_of(one), self._clock()).key

    def _known_of(self, one: PastSession) -> Mapping[str, Any]:
        """What ZapCloud says of a session besides its figures; a card's number is kept as its id alone."""
        card = self._attribution.card_in(one.token_name)
        said: dict[str, Any] = {
            "chargerId": one.charger_id,
            "commitMetadata": one.commit,
            "abandoned": one.abandoned or None,
            "uncommitted": one.uncommitted or None,
            "replacedBy": one.replaced_by,
            "userId": one.user_id,
            "userName": one.user_name,
            "userEmail": one.user_email,
            "tokenId": card,
            "tokenName": None if card else one.token_name,
            "externalId": one.external_id,
            "energyDetails": [[instant_text(at), energy_kwh] for at, energy_kwh in one.energy_details] or None,
        }
        return {name: value for name, value in said.items() if value is not None}


def is_ours_to_log(one: PastSession, installation: Installation) -> bool:
    """Whether a session is over, and ended after we were told of its installation: what was before, others bill. By
    ZapCloud's clock, since a charger's may be wrong. One that was taken back or replaced may be without an end."""
    ended_at = one.closed_at or one.report.end
    if ended_at is None and not (one.replaced_by or (one.commit or 0) & Commit.VOID):
        return False
    over_at = ended_at or one.report.start
    return installation.since is None or over_at is None or over_at >= installation.since


def _tell_odd(installation_id: str, session_id: str, reason: str) -> None:
    telemetry.warning(
        "sessions.history_unreadable", installationId=installation_id, sessionId=session_id, reason=reason
    )
