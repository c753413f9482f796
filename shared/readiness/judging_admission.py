"""Who would be let in by what is known here: the installation, its mode, the registered tokens."""

from collections.abc import Iterator

from shared.readiness.facts import Facts, TokensHere
from shared.readiness.finding import Code, Finding, Severity, count, lockout, note, warning
from shared.storage.installations import Mode, OutagePolicy


def judge_admission(facts: Facts) -> Iterator[Finding]:
    if facts.known is None:
        yield lockout(
            Code.INSTALLATION_UNKNOWN,
            "zapbridge has not been told of this installation, and refuses every driver where it does not know the "
            "installation.",
            f"Run zapctl setup --installation {facts.installation_id}. A new installation begins in observe mode, in "
            "which everybody is let in.",
        )
        return
    yield from _tokens(facts)
    if facts.unknown_tokens_seen and facts.mode is not Mode.OPEN:
        fate = "is refused" if facts.mode is Mode.ENFORCE else "would be refused in enforce mode"
        yield warning(
            Code.UNKNOWN_TOKENS_SEEN,
            f"Drivers have shown {count(facts.unknown_tokens_seen, 'card')} here that nobody has registered; such a "
            f"card {fate}.",
            f"zapctl tokens seen --installation {facts.installation_id} lists them, with --csv as a file to be "
            "imported: add the drivers, take out who should not charge.",
        )
    if facts.known.outage_policy is OutagePolicy.REFUSE:
        yield note(
            Code.OUTAGE_REFUSES,
            "While zapbridge's storage is down, drivers who show a card are refused.",
            "Set the installation's outagePolicy to allow-and-mark, if they should be let in and recorded afterwards.",
        )


def _tokens(facts: Facts) -> Iterator[Finding]:
    enforced = facts.mode is Mode.ENFORCE
    effect = "every card is refused" if enforced else "in enforce mode every card would be refused"
    match facts.tokens:
        case TokensHere.NONE_REGISTERED:
            yield Finding(
                Code.NO_TOKENS,
                Severity.LOCKOUT if enforced else Severity.NOTE,
                f"No card is registered: {effect}, and only drivers who are let in one by one could charge.",
                "Register cards with zapctl tokens import FILE.csv. zapctl tokens seen lists those that were shown.",
            )
        case TokensHere.NONE_VALID:
            yield Finding(
                Code.NO_TOKEN_MAY_CHARGE,
                Severity.LOCKOUT if enforced else Severity.WARNING,
                f"Cards are registered, but each is blocked, not valid now, or meant for another place: {effect}.",
                "zapctl tokens export FILE.csv: correct blocked, validFrom, validTo, installations and chargers, and "
                "import the file again.",
            )
        case TokensHere.NONE_FOUND:
            yield warning(
                Code.NO_TOKEN_MAY_CHARGE,
                "Of the registered cards that were looked at none may charge here; not all were looked at.",
                "zapctl tokens export FILE.csv shows them all.",
            )
