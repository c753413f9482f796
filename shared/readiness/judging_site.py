"""The installation's chargers, and the messages that tell what they do."""

from collections.abc import Iterator

from shared.readiness.facts import Chargers, Facts, StreamNow
from shared.readiness.finding import Code, Finding, lockout, warning

_BLIND = "zapbridge does not see what the chargers do, and nobody notices when drivers are locked out"


def judge_chargers(chargers: Chargers) -> Iterator[Finding]:
    if not chargers.count:
        yield lockout(
            Code.NO_CHARGERS,
            "The ZapCloud user that zapbridge logs in as sees no charger at this installation, so there is none at "
            "which a driver could be let in.",
            "See in Zaptec Portal that it is the right installation, that it has chargers, and that the user's role "
            "is one at the installation, not at some of its chargers.",
        )
    if chargers.unknown:
        yield warning(
            Code.UNKNOWN_CHARGERS,
            f"zapbridge does not know {chargers.named(chargers.unknown)} at this installation yet. It asks ZapCloud "
            "when the first car comes there; if that takes more than two seconds, the driver is refused.",
            "The chargers are read again every hour, and whenever the mode is set with zapctl installations mode.",
        )
    if chargers.offline:
        yield warning(
            Code.CHARGERS_OFFLINE,
            f"ZapCloud cannot reach {chargers.named(chargers.offline)} now. Such a charger decides by itself who may "
            "charge, and zapbridge learns of it later.",
            "Look at the power and the network of these chargers.",
        )


def judge_streams(facts: Facts) -> Iterator[Finding]:
    """A user group's subscription does not depend on the installation's own."""
    off = facts.portal is not None and facts.portal.messaging_enabled is False
    if off and not any(stream.of_group for stream in facts.streams):
        yield warning(
            Code.MESSAGING_DISABLED,
            f"Messages are switched off at this installation: {_BLIND}.",
            "Zaptec Portal, the installation, advanced settings: switch the message subscription on. Where the switch "
            "is not offered, Zaptec's support does it.",
        )
    if not facts.streams:
        yield warning(
            Code.STREAM_NOT_CONFIGURED,
            f"zapbridge is not set up to listen to this installation's messages: {_BLIND}.",
            "Name the installation or its user group in the setting ZAPBRIDGE_STREAMS (docs/settings.md).",
        )
    for stream in facts.streams:
        yield from _judge_stream(stream)
    if facts.missed:
        yield warning(
            Code.ANOTHER_CONSUMER,
            f"ZapCloud sent messages that did not come here, noticed last at {facts.missed.at:%Y-%m-%d %H:%M} UTC. "
            "Probably somebody else reads the same subscription, in which each message is for one reader only.",
            "Find what else reads it, such as Home Assistant, an energy manager or a second zapbridge, and switch that "
            "off; or ask Zaptec's support for a user group, which has a subscription of its own.",
        )


def _judge_stream(stream: StreamNow) -> Iterator[Finding]:
    if stream.received_at is None:
        yield warning(
            Code.STREAM_NOT_LISTENING,
            f"The message stream {stream.name} has not brought anything yet.",
            "After a setup that takes some minutes. If it stays so, see zapctl health.",
        )
    elif stream.silent:
        yield warning(
            Code.STREAM_SILENT,
            f"The message stream {stream.name} fell silent. What the chargers do is asked for meanwhile, which takes "
            "longer.",
            'zapbridge restarts it by itself; if it stays so, see "Stream silent" in docs/runbook.md.',
        )
