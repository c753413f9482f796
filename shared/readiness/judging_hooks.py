"""The web hook fields of Zaptec Portal: would ZapCloud reach us, and would we believe it?

What an empty field means, and that any answer but 200 and 401 turns a driver away at once: guide 6.5.8,
"Configuration" and "Session start".
"""

from collections.abc import Iterator

from shared.readiness.address import Leads
from shared.readiness.caller import Caller
from shared.readiness.facts import Chargers, Facts, Portal
from shared.readiness.finding import Code, Finding, count, lockout, note, warning
from shared.readiness.judging_account import AUTHENTICATION_TAB

_HTTP = "begins with http:// in the place of https://"
_UNHEARD_END = "the end of a charge is not heard, and its energy has to be asked for later"
_START: dict[Leads, tuple[Code, str]] = {
    Leads.NOWHERE: (
        Code.START_URL_MISSING,
        "is empty: ZapCloud decides by itself, and zapbridge is not asked.",
    ),
    Leads.NOT_HTTPS: (
        Code.START_URL_NOT_HTTPS,
        f"{_HTTP}: ZapCloud's question does not get through, and every driver is turned away.",
    ),
    Leads.WRONG_PATH: (
        Code.START_URL_WRONG_PATH,
        "leads to zapbridge, but to nothing that answers there: every driver is turned away.",
    ),
    Leads.ELSEWHERE: (
        Code.START_URL_ELSEWHERE,
        "leads to another system: that one decides, and zapbridge is not asked.",
    ),
}
_END: dict[Leads, tuple[Code, str]] = {
    Leads.NOWHERE: (Code.END_URL_MISSING, f"is empty: {_UNHEARD_END}."),
    Leads.NOT_HTTPS: (Code.END_URL_NOT_HTTPS, f"{_HTTP}: {_UNHEARD_END}."),
    Leads.WRONG_PATH: (
        Code.END_URL_WRONG_PATH,
        f"leads to zapbridge, but to nothing that answers there: {_UNHEARD_END}.",
    ),
    Leads.ELSEWHERE: (
        Code.END_URL_ELSEWHERE,
        f"leads to another system, which is told what was charged: {_UNHEARD_END}.",
    ),
}
_AUTHENTICATION: dict[Leads, tuple[Code, str]] = {
    Leads.NOT_HTTPS: (
        Code.AUTHENTICATION_URL_NOT_HTTPS,
        f"{_HTTP}: ZapCloud cannot log in at zapbridge, and every driver is refused.",
    ),
    Leads.WRONG_PATH: (
        Code.AUTHENTICATION_URL_WRONG_PATH,
        "leads to zapbridge, but not to where ZapCloud can log in (nobody is asked about cards there): every driver "
        "is refused.",
    ),
    Leads.ELSEWHERE: (
        Code.AUTHENTICATION_URL_ELSEWHERE,
        "leads to another system, whose word zapbridge does not take: every driver is refused.",
    ),
}


def judge_addresses(facts: Facts, portal: Portal) -> Iterator[Finding]:
    paste = _paste(facts)
    if portal.fields_empty:
        yield lockout(
            Code.HOOK_FIELDS_EMPTY,
            "The web hook fields are empty in Zaptec Portal: even with web hooks on ZapCloud decides by itself, and "
            "zapbridge is not asked.",
            paste,
        )
        return
    if wrong := _START.get(_ours_or_not(portal.session_start_url)):
        yield lockout(wrong[0], f'The field "Session start URL" {wrong[1]}', paste)
    if wrong := _END.get(_ours_or_not(portal.session_end_url)):
        yield warning(wrong[0], f'The field "Session end URL" {wrong[1]}', paste)
    if wrong := _AUTHENTICATION.get(portal.authentication_url):
        yield lockout(wrong[0], f'The field "Authentication URL" {wrong[1]}', f"{paste} The field may stay empty.")
    if portal.authentication_url is Leads.TO_ENTRA and not facts.entra_configured:
        yield lockout(
            Code.ENTRA_NOT_CONFIGURED,
            'The field "Authentication URL" leads to Microsoft Entra ID, whose word zapbridge is not set up to take: '
            "every driver is refused.",
            "Set ZAPBRIDGE_ENTRA_ISSUER, ZAPBRIDGE_ENTRA_AUDIENCE and ZAPBRIDGE_ENTRA_JWKS_URL (docs/settings.md), or "
            f"empty the field. {paste}",
        )


def judge_caller(facts: Facts, portal: Portal) -> Iterator[Finding]:
    again = f"Its secret is kept nowhere: zapctl secrets rotate makes a new one. {_paste(facts)}"
    match portal.caller:
        case Caller.NO_PAYLOAD if not portal.fields_empty:
            yield lockout(
                Code.PAYLOAD_MISSING,
                'The field "Authentication payload" is empty: zapbridge cannot tell ZapCloud from a stranger, and '
                "every driver is refused.",
                again,
            )
        case Caller.UNREADABLE:
            basic = portal.authentication_url is Leads.NOWHERE
            form = "username=…&password=…" if basic else "grant_type=client_credentials&client_id=…&client_secret=…"
            yield lockout(
                Code.PAYLOAD_UNREADABLE,
                f'The field "Authentication payload" does not have the form {form}: ZapCloud cannot log in at '
                "zapbridge, and every driver is refused.",
                again,
            )
        case Caller.UNKNOWN:
            yield lockout(
                Code.CREDENTIAL_UNKNOWN,
                'The name in the field "Authentication payload" is none that zapbridge knows: it does not believe '
                "ZapCloud, and every driver is refused.",
                f"zapctl credentials lists the names; zapctl setup makes a credential where there is none. "
                f"{_paste(facts)}",
            )
        case Caller.WRONG_SECRET:
            yield lockout(
                Code.CREDENTIAL_SECRET_WRONG,
                'The secret in the field "Authentication payload" is wrong, if only by a character: zapbridge does not '
                "believe ZapCloud, and every driver is refused.",
                again,
            )
        case Caller.OTHER_INSTALLATION:
            yield lockout(
                Code.CREDENTIAL_NOT_FOR_INSTALLATION,
                'The field "Authentication payload" has a credential for other installations: zapbridge does not take '
                "it here, and every driver is refused.",
                f"zapctl credentials shows what each is for; zapctl setup --installation {facts.installation_id} makes "
                f"one for this installation. {_paste(facts)}",
            )
        case Caller.BY_OLDER_SECRET:
            yield note(
                Code.ROTATION_UNFINISHED,
                "A newer secret was made; Zaptec Portal still has the older one, which works until it is retired.",
                f"Retire the older one only when Zaptec Portal has the newer. {_paste(facts)}",
            )
        case Caller.BY_ENTRA:
            yield warning(
                Code.ENTRA_NOT_CHECKABLE,
                "ZapCloud logs in through Microsoft Entra ID, and whether its secret there is right and still valid "
                "cannot be seen from here. If it is not, every driver is refused.",
                "Plug a car in, and see that zapbridge is asked, before others depend on it.",
            )
    if portal.web_hooks_on and facts.cars_unheard:
        yield warning(
            Code.HOOKS_NOT_HEARD,
            f"In the last day {count(facts.cars_unheard, 'car')} came, and ZapCloud was not heard to ask about any.",
            'Plug a car in, and see whether zapbridge is asked; go on with "Possible lockout" in docs/runbook.md.',
        )


def judge_authorization(portal: Portal, chargers: Chargers) -> Iterator[Finding]:
    """ZapCloud has been seen to report that authorization is not required where web hooks do ask (custom-components/
    zaptec, issue 67), so what it says of the installation is not judged, and of a charger with care."""
    if portal.web_hooks_on and chargers.open_to_all:
        yield warning(
            Code.AUTHORIZATION_NOT_REQUIRED,
            f"ZapCloud says that no authorization is required at {chargers.named(chargers.open_to_all)}. If that is "
            "so, anybody charges there without zapbridge being asked, and under no driver's name.",
            "Plug a car in without showing a card. If it charges, look in Zaptec Portal whether authentication is "
            "disabled for the charger.",
        )


def _ours_or_not(leads: Leads) -> Leads:
    """Entra is for logging in only."""
    return Leads.ELSEWHERE if leads is Leads.TO_ENTRA else leads


def _paste(facts: Facts) -> str:
    return f"{AUTHENTICATION_TAB}: paste what zapctl hooks show {facts.installation_id} says, and save."
