"""What may be found about an installation, from the gravest to the slightest."""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    LOCKOUT = "lockout"
    """With web hooks on, drivers are refused or zapbridge is not asked; or nobody can tell that it is otherwise."""
    WARNING = "warning"
    NOTE = "note"


class Code(StrEnum):
    """Names that stay, for scripts and exit codes. Their order is that in which they are told: what makes it
    impossible to see further comes first."""

    ZAPCLOUD_NOT_CONFIGURED = "zapcloud-not-configured"
    ZAPCLOUD_LOGIN_REFUSED = "zapcloud-login-refused"
    ZAPCLOUD_NOT_ANSWERING = "zapcloud-not-answering"
    INSTALLATION_NOT_VISIBLE = "installation-not-visible"
    INSTALLATION_UNKNOWN = "installation-unknown"
    ROLE_INSUFFICIENT = "role-insufficient"
    HOOK_FIELDS_EMPTY = "hook-fields-empty"
    START_URL_MISSING = "start-url-missing"
    START_URL_ELSEWHERE = "start-url-elsewhere"
    START_URL_NOT_HTTPS = "start-url-not-https"
    START_URL_WRONG_PATH = "start-url-wrong-path"
    AUTHENTICATION_URL_ELSEWHERE = "authentication-url-elsewhere"
    AUTHENTICATION_URL_NOT_HTTPS = "authentication-url-not-https"
    AUTHENTICATION_URL_WRONG_PATH = "authentication-url-wrong-path"
    ENTRA_NOT_CONFIGURED = "entra-not-configured"
    PAYLOAD_MISSING = "payload-missing"
    PAYLOAD_UNREADABLE = "payload-unreadable"
    CREDENTIAL_UNKNOWN = "credential-unknown"
    CREDENTIAL_SECRET_WRONG = "credential-secret-wrong"  # noqa: S105 - a name
    CREDENTIAL_NOT_FOR_INSTALLATION = "credential-not-for-installation"
    NO_CHARGERS = "no-chargers"
    NO_TOKENS = "no-tokens"
    NO_TOKEN_MAY_CHARGE = "no-token-may-charge"  # noqa: S105 - a name
    HOOKS_NOT_HEARD = "hooks-not-heard"
    AUTHORIZATION_NOT_REQUIRED = "authorization-not-required"
    OCPP = "ocpp"
    OCPP_NATIVE = "ocpp-native"
    AUTHENTICATION_TYPE_UNKNOWN = "authentication-type-unknown"
    END_URL_MISSING = "end-url-missing"
    END_URL_ELSEWHERE = "end-url-elsewhere"
    END_URL_NOT_HTTPS = "end-url-not-https"
    END_URL_WRONG_PATH = "end-url-wrong-path"
    ENTRA_NOT_CHECKABLE = "entra-not-checkable"
    UNKNOWN_CHARGERS = "unknown-chargers"
    CHARGERS_OFFLINE = "chargers-offline"
    UNKNOWN_TOKENS_SEEN = "unknown-tokens-seen"
    MESSAGING_DISABLED = "messaging-disabled"
    STREAM_NOT_CONFIGURED = "stream-not-configured"
    STREAM_NOT_LISTENING = "stream-not-listening"
    STREAM_SILENT = "stream-silent"
    ANOTHER_CONSUMER = "another-consumer"
    WEB_HOOKS_OFF = "web-hooks-off"
    OUTAGE_REFUSES = "outage-refuses"
    ROTATION_UNFINISHED = "rotation-unfinished"


class Finding(msgspec.Struct, frozen=True):
    """`sentence` says what is so and what that means to drivers, `remedy` what to do, and where."""

    code: Code
    severity: Severity
    sentence: str
    remedy: str


def ranked(findings: list[Finding]) -> tuple[Finding, ...]:
    """The gravest first."""
    severities, codes = list(Severity), list(Code)
    return tuple(sorted(findings, key=lambda one: (severities.index(one.severity), codes.index(one.code))))


def lockout(code: Code, sentence: str, remedy: str) -> Finding:
    return Finding(code, Severity.LOCKOUT, sentence, remedy)


def warning(code: Code, sentence: str, remedy: str) -> Finding:
    return Finding(code, Severity.WARNING, sentence, remedy)


def note(code: Code, sentence: str, remedy: str) -> Finding:
    return Finding(code, Severity.NOTE, sentence, remedy)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
