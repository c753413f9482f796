"""Observation 723, CompletedSession: what a charger says of a session that is over, as JSON in the observation's value.

Source: a captured value in stekker/zaptec's tests, and the charger firmware (smjothen/ApolloESP32Application,
chargeSession.c): SessionId, Energy in kWh, StartDateTime, EndDateTime (missing after an offline restart, and then
ReliableClock is false), ReliableClock, StoppedByRFID, AuthenticationCode, SignedSession (OCMF).
"""

import msgspec

from shared.zapcloud.hooks import EndReport, json_object, read_end


class CompletedSession(msgspec.Struct, frozen=True):
    """`report` has the figures; `token` is the card as the charger writes it, empty where none was shown."""

    report: EndReport
    token: str
    reliable_clock: bool


def read_completed(value: str) -> CompletedSession:
    """Raises InvalidInput where the value cannot be understood."""
    fields = {name.lower(): part for name, part in reversed(json_object(value.encode()).items())}
    spelled = {
        "sessionid": fields.get("sessionid"),
        "sessionstart": fields.get("startdatetime"),
        "sessionend": fields.get("enddatetime"),
        "energy": fields.get("energy"),
        "signedsession": fields.get("signedsession"),
    }
    token = fields.get("authenticationcode")
    return CompletedSession(
        report=read_end(spelled),
        token=token.strip() if isinstance(token, str) else "",
        reliable_clock=fields.get("reliableclock") is not False,
    )
