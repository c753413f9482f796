"""The exit code of each finding of `zapctl doctor`: one table, which `docs/zapctl.md` repeats and a test holds to what
`shared/readiness` can find."""

from collections.abc import Iterable
from typing import Any

from shared.readiness.finding import Severity

EXIT_OF_FINDING = {
    "zapcloud-not-configured": 20,
    "zapcloud-login-refused": 21,
    "zapcloud-not-answering": 22,
    "installation-not-visible": 23,
    "installation-unknown": 24,
    "role-insufficient": 25,
    "hook-fields-empty": 26,
    "start-url-missing": 27,
    "start-url-elsewhere": 28,
    "start-url-not-https": 29,
    "start-url-wrong-path": 30,
    "authentication-url-elsewhere": 31,
    "authentication-url-not-https": 32,
    "authentication-url-wrong-path": 33,
    "entra-not-configured": 34,
    "payload-missing": 35,
    "payload-unreadable": 36,
    "credential-unknown": 37,
    "credential-secret-wrong": 38,
    "credential-not-for-installation": 39,
    "no-chargers": 40,
    "no-tokens": 41,
    "no-token-may-charge": 42,
    "hooks-not-heard": 43,
    "authorization-not-required": 44,
    "ocpp": 45,
    "ocpp-native": 46,
    "authentication-type-unknown": 47,
    "end-url-missing": 48,
    "end-url-elsewhere": 49,
    "end-url-not-https": 50,
    "end-url-wrong-path": 51,
    "entra-not-checkable": 52,
    "unknown-chargers": 53,
    "chargers-offline": 54,
    "unknown-tokens-seen": 55,
    "messaging-disabled": 56,
    "stream-not-configured": 57,
    "stream-not-listening": 58,
    "stream-silent": 59,
    "another-consumer": 60,
    "web-hooks-off": 61,
    "outage-refuses": 62,
    "rotation-unfinished": 63,
}
"""A number once given stays; a new finding takes the next."""
UNKNOWN_FINDING = 19
"""A finding of a newer app than this zapctl."""


def exit_of(findings: Iterable[dict[str, Any]]) -> int:
    """That of the gravest finding, the first of several; 0 where there are only notes, which keep nobody from going
    live."""
    telling = [finding for finding in findings if finding["severity"] != Severity.NOTE]
    if not telling:
        return 0
    gravest = min(telling, key=lambda finding: list(Severity).index(finding["severity"]))
    return EXIT_OF_FINDING.get(gravest["code"], UNKNOWN_FINDING)
