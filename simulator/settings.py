"""How the simulated ZapCloud behaves where the published documents leave it open.

Each default is the likeliest reading; README.md says which of them are guesses.
"""

from typing import Annotated, Any, Literal

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
Interval = Annotated[float, msgspec.Meta(ge=0)]
"""Seconds between two of a kind; 0 means never."""


class StartKeys(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Spelling of the session start body, whose field names are not published."""

    charger_id: str = "chargerId"
    charger_name: str = "chargerName"
    installation_id: str = "installationId"
    installation_name: str = "installationName"
    token: str = "tokenCode"  # noqa: S105 - the name of a field


class EndKeys(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Spelling of the session end body, probably ZapCloud's model SessionEndData."""

    session_id: str = "SessionId"
    session_start: str = "SessionStart"
    session_end: str = "SessionEnd"
    energy: str = "Energy"
    signed_session: str = "SignedSession"


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Seconds are simulated ones, except for `answer_within_s` and `consumers_within_s`."""

    start_keys: StartKeys = StartKeys()
    end_keys: EndKeys = EndKeys()
    absent_token: Literal["left-out", "null"] = "left-out"  # noqa: S105 - how absence is written
    token_prefix: bool = True
    """Whether the start hook sends `nfc-04A3…` or the bare `04A3…`."""
    poll_every_s: Positive = 10
    poll_for_s: Positive = 300
    answer_within_s: Positive = 30
    """How long, in real seconds, a hook may take to answer."""
    no_answer: Literal["poll-again", "end"] = "poll-again"
    """After a start call without an answer: lost, refused connection, or too late."""
    no_bearer: Literal["poll-again", "end"] = "end"
    """After the authentication URL gave no access token."""
    rescan: bool = False
    """Whether a card scanned after a failed attempt begins a new one, or the cable must be plugged again."""
    end_retry_first_s: Positive = 60
    end_retry_factor: Annotated[float, msgspec.Meta(ge=1)] = 2
    end_retry_most_s: Positive = 900
    end_retry_for_s: Positive = 86400
    access_token_s: Annotated[int, msgspec.Meta(ge=1)] = 86399
    """Life of the access tokens of the REST API."""
    oauth_refresh_life_s: Annotated[int, msgspec.Meta(ge=1)] = 30 * 86400
    """Life of its refresh tokens."""
    state_cache_s: Interval = 0
    """How old a charger's states in the REST API may be; those of the real one lag behind its messages."""
    consumers_within_s: Positive = 30
    """How long, in real seconds, virtual time waits for consumers of messages."""
    consumers_every_s: Interval = 0
    """How much virtual time may pass between two such waits; with 0 no instant ends before its messages are taken."""
    timers_for_s: Interval = 0
    """How much virtual time may pass while a timer of the host runs; with 0 it stands still."""
    details_role: bool = True
    """Whether the user of the REST API is owner or service of what it asks connection details for."""
    telemetry_every_s: Interval = 60
    """Between two reports of a charging charger. Only chargers with a message subscription report."""
    pulse_every_s: Interval = 600
    """Between two signs of life of an idle charger."""
    signed_every_s: Interval = 900
    """Between two signed meter readings of a session."""
    changes_reported: bool = True
    """Whether chargers report currents, power and session energy when these change."""
    device_in_messages: bool = True
    """Whether messages name DeviceId and DeviceType, which those of 2021 did not."""
    timestamps: Literal["usual", "mixed"] = "usual"
    """Mixed: 0 to 7 digits, with and without `Z`, whoever made the observation."""
    cleared_value: Literal["absent", "null", "empty", "mixed"] = "absent"
    """How ValueAsString of a cleared state is written in messages."""
    envelope: Literal["end-element", "folded-end", "mixed"] = "end-element"
    """Whether the envelope's last element is closed by a record of its own, or by the text's."""


def merged(settings: Settings, changes: dict[str, Any]) -> Settings:
    """`settings` with what `changes` names put in its place, one level down for the key spellings.

    Raises:
        msgspec.ValidationError: for an unknown name or a wrong type.
    """
    plain: dict[str, Any] = msgspec.to_builtins(settings)
    for name, value in changes.items():
        both_nested = isinstance(value, dict) and isinstance(plain.get(name), dict)
        plain[name] = {**plain[name], **value} if both_nested else value
    return msgspec.convert(plain, Settings)
