"""What a session is, as it follows from the set of facts about it, whatever order they came in.

Figures are taken from the source of the highest authority, and never from a caller who spoke for another installation.
Within one source the statement that is further along stands: what was taken back or replaced over what was not, what
the charger committed over what it did not, then the later end and the greater energy. When anything was heard plays no
part, so that every order of hearing it gives one result; a statement that says otherwise is kept in the timeline and
marks the session as contradicted.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared.billing.ocmf import digest_of, has_signature
from shared.sessions.flags import Flag, flags_of, is_billable
from shared.sessions.view import STARTS, Event, SessionView, Source, Status
from shared.storage.sessions import Fact
from shared.zapcloud.commit import Commit

_AUTHORITY: dict[str, int] = {
    Source.COMPLETED_SESSION: 1,
    Source.END_HOOK: 2,
    Source.SESSION_API: 3,
    Source.ARCHIVED_SESSIONS: 4,
    Source.CHARGE_HISTORY: 5,
}
"""A source that a newer version knows and this one does not counts least. A meter that signed its value counts more
than all of them, for energy."""
_SAME_ENERGY_KWH = 0.01
_SAME_INSTANT = timedelta(minutes=1)
"""Sources round differently: reports that differ by less do not contradict each other."""


def fold(session_id: str, facts: tuple[Fact, ...], replaced: tuple[SessionView, ...] = ()) -> SessionView:
    """The session that a set of facts amounts to; the order they are given in does not matter.

    `replaced` are the sessions that this one stands for, if ZapCloud said so: whoever was let in then is let in here.
    """
    timeline = tuple(sorted(facts, key=lambda fact: (fact.at, fact.event == Event.ENDED, fact.key)))
    start = max((fact for fact in timeline if fact.event in STARTS), key=_by_start, default=None)
    statements = sorted((fact for fact in timeline if fact.event == Event.ENDED), key=_by_authority, reverse=True)
    place: dict[str, Any] = start.data if start else {"installationId": _place(statements)}
    installation_id = place.get("installationId")
    ends = [fact for fact in statements if fact.data.get("installationId", installation_id) == installation_id]
    stated = [fact.data for fact in ends]
    document = _first("signedSession", stated)
    signed = max((fact for fact in timeline if _is_about(fact, document)), key=_by_verdict, default=None)
    about = [start.data, *stated] if start else stated
    documented = signed.data.get("energyKwh") if signed else None
    metered = documented if signed and signed.data.get("counts") else None
    energy_kwh = metered if metered is not None and ends else _first("energyKwh", stated)
    contradicted = any(_contradict(ends[0], fact) for fact in ends[1:]) or _is_off(documented, stated)
    taken_back = bool(stated) and _is_taken_back(stated[0])
    view = SessionView(
        session_id=session_id,
        status=_status({fact.event for fact in timeline}, ended=bool(ends)),
        start_known=start is not None,
        installation_id=installation_id or None,
        charger_id=_first("chargerId", about) or None,
        token_id=_first("tokenId", [start.data] if start else stated),
        driver=_first("driver", about) or _first("userName", stated) or _first("tokenName", stated),
        mode=place.get("mode"),
        verdict=place.get("verdict"),
        limited=place.get("limited", False),
        outage=place.get("outage", False),
        start=_instant(_first("start", stated)) or (_instant(start.data["at"]) if start else None),
        end=_instant(_first("end", stated)),
        energy_kwh=energy_kwh,
        signed_session=document,
        source=_source(start, ends, metered),
        contradicted=contradicted and not taken_back,
        replaced_by=_first("replacedBy", stated),
        replaces=min(replaced_by(facts), default=None),
        signature=signed.data.get("verdict") if signed else _unassessed(document),
        token_name=_first("tokenName", stated),
        external_id=_first("externalId", stated),
        history=_key_of(Source.CHARGE_HISTORY, ends),
        archived=_key_of(Source.ARCHIVED_SESSIONS, ends),
        weight=sum(_weight(fact) for fact in timeline) + sum(one.weight for one in replaced),
        timeline=timeline,
    )
    return _billed(_inherited(view, replaced), stated)


def _weight(fact: Fact) -> int:
    """A fact from which a person was erased since tells less, and what is drawn from it is newer."""
    return 2 if fact.stored_as else 1


def replaced_by(facts: Iterable[Fact]) -> frozenset[str]:
    """The ids of the sessions that a session of these facts stands for."""
    return frozenset(fact.data["session"] for fact in facts if fact.event == Event.REPLACES)


def _inherited(view: SessionView, stood_for: tuple[SessionView, ...]) -> SessionView:
    if not stood_for or view.start_known:
        return view
    replaced = min(stood_for, key=lambda one: (not one.start_known, one.session_id))
    return msgspec.structs.replace(
        view,
        start_known=replaced.start_known,
        installation_id=view.installation_id or replaced.installation_id,
        charger_id=view.charger_id or replaced.charger_id,
        token_id=replaced.token_id or view.token_id,
        driver=replaced.driver or view.driver,
        mode=replaced.mode,
        verdict=replaced.verdict,
        outage=replaced.outage,
    )


def _billed(view: SessionView, stated: list[dict[str, Any]]) -> SessionView:
    """The view with its flags, and whether it may be billed."""
    flags: set[Flag] = set()
    listed = next((data for data in stated if "commitMetadata" in data), None)
    if listed is not None:
        flags |= flags_of(listed["commitMetadata"], abandoned=listed.get("abandoned", False))
    elif _first("reliableClock", stated) is False:
        flags.add(Flag.TIMES_UNRELIABLE)
    for flag, holds in (
        (Flag.REPLACED, view.replaced_by is not None),
        (Flag.REPLACEMENT, view.replaces is not None),
        (Flag.NOT_OURS, not view.start_known),
        (Flag.CONTRADICTED, view.contradicted),
        (Flag.SIGNATURE_INVALID, view.signature == "invalid"),
    ):
        if holds:
            flags.add(flag)
    billable = view.status is Status.ENDED and is_billable(view.energy_kwh, frozenset(flags))
    return msgspec.structs.replace(view, billable=billable, flags=tuple(sorted(flags)))


def _by_start(fact: Fact) -> tuple[bool, str]:
    """An authorization counts more than what was found out afterwards."""
    return fact.event == Event.AUTHORIZED, fact.key


def _by_authority(fact: Fact) -> tuple[Any, ...]:
    data = fact.data
    return (
        _AUTHORITY.get(fact.source, 0),
        _is_taken_back(data),
        data.get("replacedBy") is not None,
        not _is_provisional(data),
        data.get("end") or "",
        data.get("energyKwh") or 0.0,
        data.get("signedSession") is not None,
        fact.key,
    )


def _unassessed(document: str | None) -> str | None:
    """The verdict on a document nobody looked at: that it has no signature is seen at once."""
    return "unsigned" if document is not None and not has_signature(document) else None


def _key_of(source: Source, ends: list[Fact]) -> str | None:
    return next((fact.key for fact in ends if fact.source == source), None)


def _is_taken_back(data: dict[str, Any]) -> bool:
    return bool(data.get("commitMetadata", 0) & Commit.VOID)


_VERDICTS = ("unreadable", "unsigned", "no-key", "invalid", "valid")


def _by_verdict(fact: Fact) -> tuple[bool, int, str]:
    verdict = fact.data.get("verdict")
    return bool(fact.data.get("counts")), _VERDICTS.index(verdict) if verdict in _VERDICTS else -1, fact.key


def _place(statements: list[Fact]) -> str | None:
    """Where the session was; a caller of the end hook speaks for its own installation, and may err."""
    told = [fact for fact in statements if fact.data.get("installationId")]
    best = min(told, key=lambda fact: fact.source == Source.END_HOOK, default=None)
    return best.data["installationId"] if best else None


def _source(start: Fact | None, ends: list[Fact], metered: float | None) -> str | None:
    """Who stated the energy, or else who let the driver in."""
    if ends and metered is not None:
        return Source.SIGNED_METER_VALUE
    return ends[0].source if ends else start.source if start else None


def _is_about(fact: Fact, document: str | None) -> bool:
    """Whether a fact is the assessment of the document that stands; where a document was dropped, of that."""
    if fact.event != Event.ASSESSED:
        return False
    return document is None or fact.data.get("document") == digest_of(document)


def _contradict(one: Fact, other: Fact) -> bool:
    """What a source said before the charger had committed the session contradicts nothing that it said afterwards."""
    provisional = other.source == one.source and _is_provisional(other.data)
    return not provisional and _differ(one.data, other.data)


def _is_provisional(data: dict[str, Any]) -> bool:
    """Whether a source closed the session before the charger had said how it ended."""
    return bool(data.get("abandoned") or data.get("uncommitted"))


def _is_off(documented: float | None, stated: list[dict[str, Any]]) -> bool:
    """Whether a signed meter value, valid or not, says another energy than what else stands."""
    return bool(stated) and _differ({"energyKwh": documented}, stated[0])


def _status(events: set[str], *, ended: bool) -> Status:
    if ended:
        return Status.ENDED
    if Event.NEVER_BEGAN in events and Event.CHARGING not in events:
        return Status.NEVER_BEGAN
    for event, status in _WITHOUT_END:
        if event in events:
            return status
    return Status.AUTHORIZED


_WITHOUT_END = (
    (Event.SUPERSEDED, Status.SUPERSEDED),
    (Event.DISCONNECTED, Status.DISCONNECTED),
    (Event.CHARGING, Status.CHARGING),
)


def _first(name: str, statements: list[dict[str, Any]]) -> Any:
    return next((data[name] for data in statements if data.get(name) is not None), None)


def _differ(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two reports say different things of the same session; what one of them leaves out is no difference."""
    mine, theirs = one.get("energyKwh"), other.get("energyKwh")
    if mine is not None and theirs is not None and abs(mine - theirs) > _SAME_ENERGY_KWH:
        return True
    instants = [(_instant(one.get(name)), _instant(other.get(name))) for name in ("start", "end")]
    return any(this and that and abs(this - that) > _SAME_INSTANT for this, that in instants)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
