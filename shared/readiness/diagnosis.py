"""The judgement: from facts to findings, in plain words. Pure; what cannot be seen is not guessed at."""

from shared.readiness.facts import Facts
from shared.readiness.finding import Finding, Severity, ranked
from shared.readiness.judging_account import judge_account, judge_authentication_type, judge_role
from shared.readiness.judging_admission import judge_admission
from shared.readiness.judging_hooks import judge_addresses, judge_authorization, judge_caller
from shared.readiness.judging_site import judge_chargers, judge_streams


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """All that is to be said, the gravest first."""
    found = [*judge_account(facts), *judge_admission(facts), *judge_streams(facts)]
    portal, chargers = facts.portal, facts.chargers
    if portal is not None:
        found += [*judge_role(portal), *judge_authentication_type(portal)]
        if portal.role_suffices:
            found += [*judge_addresses(facts, portal), *judge_caller(facts, portal)]
        if chargers is not None:
            found += [*judge_chargers(chargers), *judge_authorization(portal, chargers)]
    return ranked(found)


def is_ready(findings: tuple[Finding, ...]) -> bool:
    """Never while drivers would be locked out, and never while nobody can tell."""
    return all(finding.severity is not Severity.LOCKOUT for finding in findings)
