"""The session log: facts added to sessions, and the index that lists them.

A fact is stored before anything else happens on its account. The index is a projection: it may lag behind a crash
until the next fact of the session, or the sweep, draws it again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from shared.behind import Behind
from shared.clock import Clock
from shared.identifiers import is_outage_id
from shared.sessions.folding import fold, replaced_by
from shared.sessions.view import AWAITING_FIGURES, OPEN, Event, SessionView, Source, Status
from shared.storage.authorizations import Claim
from shared.storage.session_index import SessionEntry, SessionIndex
from shared.storage.sessions import Fact, Sessions
from shared.zapcloud.hooks import EndReport

_EARLIEST_CREDIBLE_START = timedelta(days=60)
_LATEST_CREDIBLE_START = timedelta(minutes=5)


class Ledger:
    def __init__(self, clock: Clock, sessions: Sessions, index: SessionIndex, behind: Behind) -> None:
        self._clock = clock
        self._sessions = sessions
        self._index = index
        self._behind = behind
        self._unlisted: list[SessionEntry] = []
        self._listing = False

    async def view(self, session_id: str) -> SessionView | None:
        """None where nobody ever stated anything about it."""
        view, _ = await self._read(session_id)
        return view if _is_stated(view) else None

    async def entry(self, session_id: str) -> SessionEntry | None:
        """How the session is to be listed; None where it is not."""
        view, listed_at = await self._read(session_id)
        return _entry(view, listed_at or self._clock()) if _is_stated(view) else None

    async def _read(self, session_id: str, seen: frozenset[str] = frozenset()) -> tuple[SessionView, datetime | None]:
        """The session with what it has from those it stands for, and the instant it is listed under."""
        record = await self._sessions.read(session_id)
        seen |= {session_id}
        stood_for = [await self._read(one, seen) for one in sorted(replaced_by(record.facts) - seen)]
        return fold(session_id, record.facts, tuple(view for view, _ in stood_for)), record.listed_at

    async def authorized(self, claim: Claim) -> bool:
        """Store that a claim was given; True if the session is new, False if something was known of it before.

        A new session is listed behind the answer, many at once where many come.
        """
        fact = authorization(claim)
        if not await self._sessions.add(claim.session_id, fact, claim.at):
            return False
        view = fold(claim.session_id, (fact,))
        self._unlisted.append(_entry(view, claim.at))
        if not self._listing:
            self._listing = True
            self._behind.run("listing", self._list_new())
        return True

    async def complete(self, claim: Claim) -> None:
        """Store and list what a claim authorized, where a crash kept that from being done."""
        fact = authorization(claim)
        view, listed_at = await self._read(claim.session_id)
        if all(known.key != fact.key for known in view.timeline):
            await self._sessions.add(claim.session_id, fact, claim.at)
            view, listed_at = await self._read(claim.session_id)
        await self._draw(view, listed_at, frozenset())

    async def superseded(self, old: Claim, new: Claim) -> None:
        """Store that a claim was replaced, its own authorization first in case a crash left it out."""
        await self._sessions.add(old.session_id, authorization(old), old.at)
        fact = Fact(at=new.at, source=Source.ZAPBRIDGE, event=Event.SUPERSEDED, data={"by": new.session_id})
        await self._sessions.add(old.session_id, fact, old.at)
        await self.project(old.session_id)

    async def ended(
        self,
        report: EndReport,
        source: Source,
        installation_id: str | None,
        known: Mapping[str, Any] | None = None,
    ) -> SessionView:
        """Store a report of a session's figures and list what it now amounts to; any number of times is once.

        `installation_id` says where it was, if that is known, for a session whose authorization was never heard of;
        `known` is what else the report says of it.
        """
        now = self._clock()
        fact = report_fact(report, source, installation_id, known or {}, now)
        await self._sessions.add(report.session_id, fact, _listing_instant(report.start, now))
        return await self.project(report.session_id)

    async def attributed(self, claim: Claim) -> None:
        """Store whose session an id turned out to be that was given during an outage and never written down."""
        fact = Fact(at=self._clock(), source=Source.ZAPBRIDGE, event=Event.ATTRIBUTED, data=_claim_data(claim))
        await self._sessions.add(claim.session_id, fact, claim.at)
        await self.project(claim.session_id)

    async def observed(self, session_id: str, event: Event, at: datetime, listed_at: datetime) -> None:
        """Store what the charger's observations say of a session, its earliest instant alone being of interest."""
        record = await self._sessions.read(session_id)
        if any(fact.event == event and fact.at <= at for fact in record.facts):
            return
        fact = Fact(at=at, source=Source.OBSERVATION, event=event, data={"at": instant_text(at)})
        await self._sessions.add(session_id, fact, listed_at)
        await self.project(session_id)

    async def never_began(self, session_id: str) -> None:
        """Store that ZapCloud does not know the session, long after it was authorized."""
        now = self._clock()
        fact = Fact(at=now, source=Source.SESSION_API, event=Event.NEVER_BEGAN, data={})
        await self._sessions.add(session_id, fact, now)
        await self.project(session_id)

    async def replaced(self, old_id: str, new_id: str, start: datetime | None) -> None:
        """Store that ZapCloud put another session in the place of one that began at `start`."""
        now = self._clock()
        fact = Fact(at=now, source=Source.CHARGE_HISTORY, event=Event.REPLACES, data={"session": old_id})
        await self._sessions.add(new_id, fact, _listing_instant(start, now))

    async def assessed(self, session_id: str, assessment: Mapping[str, Any]) -> SessionView:
        """Store what was found of a session's signed meter value."""
        now = self._clock()
        fact = Fact(at=now, source=Source.SIGNED_METER_VALUE, event=Event.ASSESSED, data=dict(assessment))
        await self._sessions.add(session_id, fact, now)
        return await self.project(session_id)

    async def project(self, session_id: str, seen: frozenset[str] = frozenset()) -> SessionView:
        """Draw the session's entry in the index from its facts, and that of the session which stands for it."""
        view, listed_at = await self._read(session_id)
        await self._draw(view, listed_at, seen)
        return view

    async def _draw(self, view: SessionView, listed_at: datetime | None, seen: frozenset[str]) -> None:
        """The entry last of all: a session is known as stored by what its entry says, and whatever a crash keeps from
        being done before is done when it is heard of again.

        Where only a caller of the end hook says where the session was, or nobody, others may learn of it meanwhile and
        list it elsewhere; so it is read once more.
        """
        if view.replaced_by and view.replaced_by not in seen:
            await self.project(view.replaced_by, seen | {view.session_id})
        while _is_stated(view):
            entry = _entry(view, listed_at or self._clock())
            for place in _places(view.timeline) - {view.installation_id}:
                await self._index.forget(entry, place)
            await self._index.put(entry)
            if _is_surely_there(view):
                break
            drawn, (view, listed_at) = view, await self._read(view.session_id)
            if view.installation_id == drawn.installation_id:
                break

    async def _list_new(self) -> None:
        try:
            while self._unlisted:
                entries, self._unlisted = self._unlisted, []
                await self._index.put_new(entries)
        finally:
            self._listing = False


def authorization(claim: Claim) -> Fact:
    """The fact that a claim was given; the same claim always makes the same fact."""
    source = Source.OUTAGE_POLICY if claim.outage else Source.START_HOOK
    return Fact(at=claim.at, source=source, event=Event.AUTHORIZED, data=_claim_data(claim))


def report_fact(
    report: EndReport, source: Source, installation_id: str | None, known: Mapping[str, Any], now: datetime
) -> Fact:
    """The fact that a source reported a session's figures, and what else is `known` from it."""
    data: dict[str, Any] = {
        "start": instant_text(report.start),
        "end": instant_text(report.end),
        "energyKwh": report.energy_kwh,
        "signedSession": report.signed_session,
        "installationId": installation_id,
        **known,
    }
    stated = {name: value for name, value in data.items() if value is not None}
    return Fact(at=now, source=source, event=Event.ENDED, data=stated)


def is_over(view: SessionView | None) -> bool:
    return view is not None and view.status is Status.ENDED


def _claim_data(claim: Claim) -> dict[str, Any]:
    data: dict[str, Any] = {
        "at": instant_text(claim.at),
        "installationId": claim.installation_id,
        "chargerId": claim.charger_id,
        "mode": claim.mode,
        "verdict": claim.verdict,
        "tokenId": claim.token_id,
        "driver": claim.driver,
        "limited": claim.limited or None,
        "outage": claim.outage or None,
    }
    return {name: value for name, value in data.items() if value is not None}


def _entry(view: SessionView, listed_at: datetime) -> SessionEntry:
    return SessionEntry(
        session_id=view.session_id,
        listed_at=listed_at,
        facts=view.weight,
        status=view.status,
        start_known=view.start_known,
        unresolved=_is_unresolved(view),
        installation_id=view.installation_id,
        charger_id=view.charger_id,
        token_id=view.token_id,
        driver=view.driver,
        start=view.start,
        end=view.end,
        energy_kwh=view.energy_kwh,
        source=view.source,
        billable=view.billable,
        flags=view.flags,
        replaced_by=view.replaced_by,
        signature=view.signature,
        token_name=view.token_name,
        external_id=view.external_id,
        history=view.history,
        archived=view.archived,
    )


def _is_stated(view: SessionView) -> bool:
    """Whether anybody stated anything about the session, but that it would stand for another."""
    return any(fact.event != Event.REPLACES for fact in view.timeline)


def _is_unresolved(view: SessionView) -> bool:
    """An end, figures, or the driver of an outage's session may yet be found by the sweep."""
    return view.status in OPEN | AWAITING_FIGURES or (not view.start_known and is_outage_id(view.session_id))


def _is_surely_there(view: SessionView) -> bool:
    """Whether the installation of a session is known from more than an end hook, whose caller may err."""
    stating = (fact for fact in view.timeline if fact.data.get("installationId") and fact.source != Source.END_HOOK)
    return next(stating, None) is not None


def _places(facts: tuple[Fact, ...]) -> set[str | None]:
    """The installations under which a session may have been listed while only a part of this was known; None is the
    list of those whose installation nobody knew."""
    ended = [fact for fact in facts if fact.event in {Event.ENDED, Event.ATTRIBUTED}]
    return {fact.data.get("installationId") for fact in ended}


def _listing_instant(start: datetime | None, now: datetime) -> datetime:
    """A session is listed under its start, or under now where a charger's wrong clock makes the start incredible."""
    if start and now - _EARLIEST_CREDIBLE_START <= start <= now + _LATEST_CREDIBLE_START:
        return start
    return now


def instant_text(instant: datetime | None) -> str | None:
    return instant.isoformat().replace("+00:00", "Z") if instant else None
