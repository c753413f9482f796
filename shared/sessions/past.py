"""Puts finished sessions, as ZapCloud lists them, into the log; any number of times is once."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from shared.billing.signed import Verdict
from shared.clock import Clock
from shared.sessions.attribution import Attribution
from shared.sessions.end import EndHook
from shared.sessions.ledger import Ledger, instant_text, report_fact
from shared.sessions.meter import MeterValues
from shared.sessions.view import Source
from shared.storage.installations import Installation
from shared.storage.session_index import SessionEntry, SessionIndex, instant_key, month_partition, months
from shared.zapcloud.history import PastSession

_AT_ONCE = 8
_AROUND = timedelta(minutes=15)
"""We list a session under the instant we let it in, ZapCloud under the instant it began."""
_PAGE = 1000


class PastSessions:
    def __init__(
        self,
        clock: Clock,
        index: SessionIndex,
        ledger: Ledger,
        end_hook: EndHook,
        attribution: Attribution,
        meter_values: MeterValues,
    ) -> None:
        self._clock = clock
        self._index = index
        self._ledger = ledger
        self._end_hook = end_hook
        self._attribution = attribution
        self._meter_values = meter_values

    async def take(
        self, installation: Installation, sessions: Sequence[PastSession], source: Source, *, anew: bool = False
    ) -> int:
        """Store what is new in a page of sessions that are over; how many of them there were. With `anew`, signed meter
        values for which there was no key are looked at again."""
        over = [one for one in sessions if is_ours_to_log(one, installation)]
        known = await self._known(installation.id, over, source, anew=anew)
        new = [one for one in over if known.get(one.report.session_id) != self._key(installation.id, one, source)]
        for start in range(0, len(new), _AT_ONCE):
            await asyncio.gather(*(self._store(installation.id, one, source) for one in new[start : start + _AT_ONCE]))
        return len(new)

    async def _store(self, installation_id: str, one: PastSession, source: Source) -> None:
        """What stands for another session is noted before anything else: should this stop half-way, the session is not
        known as stored, and done again."""
        report = one.report
        if one.replaced_by:
            await self._ledger.replaced(report.session_id, one.replaced_by, report.start)
        known = self._known_of(one)
        view = await self._end_hook.record(report, source, installation_id, known)
        if card := known.get("tokenId"):
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

    async def _known(
        self, installation_id: str, over: Sequence[PastSession], source: Source, *, anew: bool
    ) -> dict[str, str | None]:
        """Which statement of the source each session's entry was drawn from, as far as entries are listed where they
        would be."""
        starts = [one.report.start for one in over if one.report.start]
        if not starts:
            return {}
        first, last = min(starts) - _AROUND, max(starts) + _AROUND
        entries: list[SessionEntry] = []
        for month in months(first, last):
            partition, after = month_partition(installation_id, month), instant_key(first)
            while page := await self._index.page(partition, after, instant_key(last), _PAGE):
                entries += page
                after = page[-1].row_key
        return {
            entry.session_id: entry.archived if source is Source.ARCHIVED_SESSIONS else entry.history
            for entry in entries
            if not (anew and entry.signature == Verdict.NO_KEY)
        }


def is_ours_to_log(one: PastSession, installation: Installation) -> bool:
    """Whether a session is over, and ended after we were told of its installation: what was before, others bill."""
    end = one.report.end
    return end is not None and (installation.since is None or end >= installation.since)
