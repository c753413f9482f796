"""The judgement in a sentence or two: who decides now, and what web hooks mean to drivers. Pure."""

from shared.readiness.facts import Facts
from shared.readiness.finding import Code, Finding, Severity
from shared.storage.installations import Mode
from shared.zapcloud.portal import AuthenticationType

_NOT_ASKED = "zapbridge is not asked who may charge"
_REFUSED = "every driver is refused"
_FATES: dict[Code, str] = {
    Code.INSTALLATION_UNKNOWN: _REFUSED,
    Code.HOOK_FIELDS_EMPTY: _NOT_ASKED,
    Code.START_URL_MISSING: _NOT_ASKED,
    Code.START_URL_ELSEWHERE: _NOT_ASKED,
    Code.NO_CHARGERS: "there is no charger at which anybody could be let in",
    Code.NO_TOKENS: "every card is refused",
    Code.NO_TOKEN_MAY_CHARGE: "every card is refused",
}
"""What the gravest finding means to drivers, where it is not that they are all refused."""
_BLINDING = {
    Code.ZAPCLOUD_NOT_CONFIGURED,
    Code.ZAPCLOUD_LOGIN_REFUSED,
    Code.ZAPCLOUD_NOT_ANSWERING,
    Code.INSTALLATION_NOT_VISIBLE,
    Code.ROLE_INSUFFICIENT,
}
_IN_MODE = {
    Mode.ENFORCE: "a driver is let in with a registered card or a grant, and refused without",
    Mode.OBSERVE: "every driver is let in, and zapbridge notes whom enforce mode would have refused",
    Mode.OPEN: "every driver is let in",
}


def summary(facts: Facts, findings: tuple[Finding, ...]) -> str:
    lockouts = [finding.code for finding in findings if finding.severity is Severity.LOCKOUT]
    if blinding := [code for code in lockouts if code in _BLINDING]:
        return "What would happen if web hooks were switched on now cannot be told: ZapCloud does not show " + (
            "enough of the installation." if blinding[0] is Code.ROLE_INSUFFICIENT else "the installation."
        )
    fate = _FATES.get(lockouts[0], _REFUSED) if lockouts else _in_mode(facts.mode)
    if facts.portal is not None and facts.portal.web_hooks_on:
        return f"Web hooks are on: {fate}."
    return f"Web hooks are off: {_decided_by_others(facts)}. If they were switched on as things are: {fate}."


def _in_mode(mode: Mode | None) -> str:
    return _IN_MODE[mode] if mode else _REFUSED


def _decided_by_others(facts: Facts) -> str:
    """Without authorization the internal provider lets everybody in (guide 6.5.8, "Authorization providers")."""
    portal = facts.portal
    if portal is None or portal.authentication_type is None:
        return "it is not known who decides"
    if portal.authentication_type != AuthenticationType.NATIVE.word:
        return "another system decides, by OCPP"
    if portal.authorization_required is False:
        return "anybody charges without being asked"
    return "ZapCloud decides by its own list of users"
