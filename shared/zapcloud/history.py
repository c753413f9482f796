"""Finished sessions as ZapCloud lists them: charge history, and the newer archive.

Charge history (GET /api/chargehistory) is in PascalCase, its instants are UTC without Z, its `EnergyDetails` are the
energy in kWh since the instant before, fields that are null are often absent, `EndDateTime` is when ZapCloud closed the
session and `CommitEndDateTime` when it truly ended. The archive (GET /api/sessions/archived) says the same in
camelCase. Sources: ZapCloud's API description (model SessionListModel), and what integrations that run against the live
API read (stelund/charging-costs, stekker/zaptec). That a session which the charger never committed has no
`CommitEndDateTime` and neither the online nor the offline bit is an assumption; the archive has a field for it.
"""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from shared.errors import InvalidInput
from shared.identifiers import canonical_uuid
from shared.zapcloud.commit import Commit
from shared.zapcloud.hooks import EndReport, is_energy, is_storable_text, parse_instant

_MOST_DETAILS = 5000
_MOST_CHARACTERS = 200
_YEARS = range(2000, 2200)
_NO_ID = "00000000-0000-0000-0000-000000000000"
_COMMITTED = Commit.ONLINE | Commit.OFFLINE
_BITS_OF_ARCHIVE = {
    "reliableclock": Commit.RELIABLE_CLOCK,
    "stoppedbyrfid": Commit.STOPPED_BY_RFID,
    "signed": Commit.SIGNED,
    "voided": Commit.VOID,
    "aborted": Commit.ABORTED,
    "ocppnative": Commit.OCPP_NATIVE,
}


class PastSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as ZapCloud lists it; `report.end` is None while it runs.

    `closed_at` is when ZapCloud learnt that it was over, by its own clock. `commit` is its CommitMetadata,
    `uncommitted` where no instant tells that the charger has said how it ended, `abandoned` where it never will;
    `user_name` is the full name of ZapCloud's own user, `token_name` what that user calls the card; `energy_details`
    are instants and the energy in kWh since the instant before. `odd` names what could not be read and was left out,
    and why.
    """

    report: EndReport
    closed_at: datetime | None
    charger_id: str | None
    commit: int | None
    abandoned: bool
    uncommitted: bool = False
    replaced_by: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    user_email: str | None = None
    token_name: str | None = None
    external_id: str | None = None
    energy_details: tuple[tuple[datetime, float], ...] = ()
    odd: str = ""


def read_history(item: Mapping[str, Any]) -> PastSession:
    """An item of charge history, its keys in small letters; raises InvalidInput where its id, instants or energy are
    wrong. An instant of a clock that was never set counts as none."""
    reader = _Reader(item)
    committed_at, closed_at = reader.instant("commitenddatetime"), reader.instant("enddatetime")
    commit = reader.whole_number("commitmetadata")
    return reader.past_session(
        end=(committed_at or closed_at) if closed_at else None,
        closed_at=closed_at,
        commit=commit,
        abandoned=bool(closed_at and not committed_at and commit is not None and not commit & _COMMITTED),
        uncommitted=not item.get("commitenddatetime"),
        signed=reader.text("signedsession", longest=None),
        user={name: reader.text(f"user{name}") for name in ("id", "fullname", "email")},
    )


def read_archived(item: Mapping[str, Any]) -> PastSession:
    """An item of the archive, its keys in small letters; raises InvalidInput as `read_history` does."""
    reader = _Reader(item)
    user = _lowered(item.get("authorizeduser"))
    abandoned = item.get("externallyabandoned") is True
    bits = [bit for name, bit in _BITS_OF_ARCHIVE.items() if item.get(name) is True]
    if item.get("offline") is True:
        bits.append(Commit.OFFLINE)
    elif not abandoned:
        bits.append(Commit.ONLINE)
    recognized_at, ended_at = reader.instant("recognizeddatetime"), reader.instant("enddatetime")
    return reader.past_session(
        end=ended_at or recognized_at,
        closed_at=recognized_at or ended_at,
        commit=sum(bits),
        abandoned=abandoned,
        signed=reader.text("sessionsignature", longest=None),
        user={name: _Reader(user).text(name) for name in ("id", "fullname", "email")},
    )


class _Reader:
    """Reads fields of an item, and gathers what is wrong with them."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        self._item = item
        self._faults: dict[str, str] = {}
        self._odd: dict[str, str] = {}

    def past_session(
        self,
        *,
        end: datetime | None,
        closed_at: datetime | None,
        commit: int | None,
        abandoned: bool,
        uncommitted: bool = False,
        signed: str | None,
        user: Mapping[str, str | None],
    ) -> PastSession:
        session_id = self._id("id")
        start = self.instant("startdatetime")
        energy = self._item.get("energy")
        if energy is not None and not is_energy(energy):
            self._faults["energy"] = "must be a number of kWh, not negative"
        details = self._details()
        found = {name: self._id(name) for name in ("chargerid", "replacedbysessionid")}
        names = {name: self.text(name) for name in ("tokenname", "externalid")}
        if session_id is None:
            self._faults["id"] = "must be a hyphenated UUID"
        if self._faults or session_id is None:
            raise InvalidInput("a session of ZapCloud's cannot be understood", self._faults)
        return PastSession(
            report=EndReport(session_id, start, end, None if energy is None else float(energy), signed),
            closed_at=closed_at,
            charger_id=found["chargerid"],
            commit=commit,
            abandoned=abandoned,
            uncommitted=uncommitted,
            replaced_by=found["replacedbysessionid"] if found["replacedbysessionid"] != session_id else None,
            user_id=user["id"],
            user_name=user["fullname"],
            user_email=user["email"],
            token_name=names["tokenname"],
            external_id=names["externalid"],
            energy_details=details,
            odd="; ".join(f"{field} {fault}" for field, fault in self._odd.items()),
        )

    def instant(self, name: str) -> datetime | None:
        value = self._item.get(name)
        if value is None or value == "":
            return None
        try:
            instant = parse_instant(value if isinstance(value, str) else "")
        except ValueError:
            self._faults[name] = "must be an ISO 8601 instant"
            return None
        if instant.year in _YEARS:
            return instant
        self._odd[name] = "is of a clock that was never set"
        return None

    def whole_number(self, name: str) -> int | None:
        value = self._item.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31):
            return value
        self._odd[name] = "must be a whole number"
        return None

    def text(self, name: str, longest: int | None = _MOST_CHARACTERS) -> str | None:
        value = self._item.get(name)
        if value is None or value == "":
            return None
        if is_storable_text(value):
            return str(value)[:longest]
        self._odd[name] = "must be text"
        return None

    def _id(self, name: str) -> str | None:
        value = self._item.get(name)
        found = canonical_uuid(value)
        if value and found is None:
            self._odd[name] = "must be a hyphenated UUID"
        return found if found != _NO_ID else None

    def _details(self) -> tuple[tuple[datetime, float], ...]:
        given = self._item.get("energydetails")
        if given is None:
            return ()
        readable = isinstance(given, list) and len(given) <= _MOST_DETAILS
        with contextlib.suppress(ValueError):
            if readable:
                return tuple(sorted(_Reader(_lowered(one)).detail() for one in given))
        self._odd["energydetails"] = f"must be a list of up to {_MOST_DETAILS} instants and numbers of kWh"
        return ()

    def detail(self) -> tuple[datetime, float]:
        """Raises ValueError where it is none."""
        energy = self._item.get("energy")
        if not is_energy(energy):
            raise ValueError("no energy")
        return parse_instant(str(self._item.get("timestamp"))), float(energy or 0)


def _lowered(value: object) -> dict[str, Any]:
    return {str(name).lower(): part for name, part in value.items()} if isinstance(value, dict) else {}
