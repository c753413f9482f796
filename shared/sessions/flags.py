"""What follows for billing from how ZapCloud says that a session came to be written down; `docs/sessions.md` has the
table."""

from enum import StrEnum

from shared.zapcloud.commit import Commit


class Flag(StrEnum):
    """Something about a session that whoever bills it, or is billed, may ask about."""

    VOID = "void"
    """ZapCloud took it back: it never counted."""
    REPLACED = "replaced"
    """Another session stands for it."""
    REPLACEMENT = "replacement"
    """It stands for another session, whose driver it has."""
    ABORTED = "aborted"
    """It was broken off by a fault; what was charged before was charged."""
    ABANDONED = "abandoned"
    """ZapCloud closed it, and the charger never said how it ended; the energy is what was last known."""
    OFFLINE = "offline"
    """The charger ran it without ZapCloud."""
    TIMES_UNRELIABLE = "times-unreliable"
    """The charger's clock was not right; the energy stands, start and end are its guess."""
    OCPP = "ocpp"
    """It was run by an OCPP central system."""
    NOT_OURS = "not-ours"
    """Nobody asked us before it began."""
    CONTRADICTED = "contradicted"
    """Sources differ on its figures; the one of the highest authority stands."""
    SIGNATURE_INVALID = "signature-invalid"
    """Its signed meter value is not what the meter signed."""


_FLAGS_OF_BITS = (
    (Commit.VOID, Flag.VOID),
    (Commit.ABORTED, Flag.ABORTED),
    (Commit.OFFLINE, Flag.OFFLINE),
    (Commit.OCPP_NATIVE, Flag.OCPP),
)
NEVER_BILLABLE = frozenset({Flag.VOID, Flag.REPLACED})


def flags_of(commit: int, *, abandoned: bool = False) -> frozenset[Flag]:
    """The flags that follow from CommitMetadata; bits that are newer than this version say nothing."""
    flags = {flag for bit, flag in _FLAGS_OF_BITS if commit & bit}
    if abandoned:
        flags.add(Flag.ABANDONED)
    if commit & Commit.OFFLINE and not commit & Commit.RELIABLE_CLOCK:
        flags.add(Flag.TIMES_UNRELIABLE)
    return frozenset(flags)


def is_billable(energy_kwh: float | None, flags: frozenset[Flag]) -> bool:
    """Whether a session that is over may be billed: it has energy, and ZapCloud did not take it back."""
    return bool(energy_kwh) and not flags & NEVER_BILLABLE
