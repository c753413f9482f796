"""Can we look at all: our ZapCloud account, its role, and who decides at the installation now."""

from collections.abc import Iterator

from shared.readiness.facts import Account, Facts, Portal
from shared.readiness.finding import Code, Finding, lockout, note, warning
from shared.zapcloud.portal import AuthenticationType

AUTHENTICATION_TAB = "Zaptec Portal, the installation, tab Authentication"
"""Source: docs.zaptec.com, "Webhook Authentication"."""
_GIVE_ROLE = (
    "Have the installation's owner give that user the owner or the service role: Zaptec Portal, the installation, "
    "permissions."
)


def judge_account(facts: Facts) -> Iterator[Finding]:
    match facts.account:
        case Account.NOT_CONFIGURED:
            yield lockout(
                Code.ZAPCLOUD_NOT_CONFIGURED,
                "zapbridge has no ZapCloud account, so it cannot see how the installation is set up there.",
                "Run zapctl setup, and give it the e-mail address and password of a ZapCloud user who has the owner or "
                "the service role at the installation.",
            )
        case Account.REFUSED:
            yield lockout(
                Code.ZAPCLOUD_LOGIN_REFUSED,
                "ZapCloud does not accept the e-mail address and password that zapbridge logs in with.",
                "Find out which ones work at portal.zaptec.com, and store those with zapctl secrets account.",
            )
        case Account.NO_ANSWER:
            yield lockout(
                Code.ZAPCLOUD_NOT_ANSWERING,
                f"ZapCloud cannot be asked at the moment: {facts.account_reason}.",
                "Ask again in a minute. If it stays so, see whether portal.zaptec.com works, and zapctl health.",
            )
        case Account.WORKS if facts.portal is None:
            yield lockout(
                Code.INSTALLATION_NOT_VISIBLE,
                "The ZapCloud user that zapbridge logs in as sees no installation of this id.",
                f"Compare the id with the one in Zaptec Portal. If it is right: {_GIVE_ROLE}",
            )


def judge_role(portal: Portal) -> Iterator[Finding]:
    if not portal.role_suffices:
        has = ", ".join(portal.roles) or "none"
        yield lockout(
            Code.ROLE_INSUFFICIENT,
            f"The ZapCloud user that zapbridge logs in as has too small a role at the installation ({has}): it sees "
            "neither how web hooks are set up nor the chargers' messages.",
            _GIVE_ROLE,
        )


def judge_authentication_type(portal: Portal) -> Iterator[Finding]:
    choose = f"{AUTHENTICATION_TAB}: choose Webhook Authentication and save"
    match portal.authentication_type:
        case AuthenticationType.NATIVE.word:
            yield note(
                Code.WEB_HOOKS_OFF,
                "Web hooks are not switched on: ZapCloud decides by itself, and zapbridge is not asked.",
                f"When all else is ready, {choose}.",
            )
        case AuthenticationType.OCPP.word:
            yield warning(
                Code.OCPP,
                "Another system decides who may charge here, by OCPP through ZapCloud. Switching web hooks on takes "
                "the decision away from it.",
                f"Ask those who run that system. Then, {choose}.",
            )
        case AuthenticationType.OCPP_NATIVE.word:
            yield warning(
                Code.OCPP_NATIVE,
                "The chargers are connected to another system directly, by OCPP. Switching web hooks on takes them "
                "away from it.",
                f"Ask those who run that system, and Zaptec how to leave it. Then, {choose}.",
            )
        case None:
            yield warning(
                Code.AUTHENTICATION_TYPE_UNKNOWN,
                "ZapCloud does not say in a way that zapbridge knows who decides at this installation.",
                f"Look at {AUTHENTICATION_TAB}: zapbridge is asked only with Webhook Authentication.",
            )
