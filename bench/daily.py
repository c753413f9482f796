"""What a day takes, told apart by what it is for: docs/cost.md's tables of measured figures."""

from collections.abc import Callable

import msgspec

from bench.month import Measured

HOURS_A_MONTH = 730
DAYS_A_MONTH = HOURS_A_MONTH / 24
_EVENTS_OF_NO_CHARGER = {"stream.progress", "backfill.stopped"}
"""Lines that grow with chargers only at first: the former to one each 20 s and stream; the latter since ZapCloud allows
ten requests a second, of which simulated time makes no more when it stands still."""
_FACTS, _INDEX, _HISTORY = "Sessions", "SessionIndex", "ChargerHistory"


class Rate(msgspec.Struct, frozen=True):
    """How much a day: for the app as such, for each installation, for each charger with its session."""

    app: float = 0
    installation: float = 0
    charger: float = 0

    def a_month(self, installations: float, chargers: float) -> float:
        return DAYS_A_MONTH * (self.app + self.installation * installations + self.charger * chargers)


class Timer(msgspec.Struct, frozen=True):
    runs: float
    """A day."""
    storage: Rate
    """Requests."""


class Figures(msgspec.Struct, frozen=True):
    """What `bench.month` measured."""

    timers: dict[str, Timer]
    hook_calls: Rate
    hook_storage: Rate
    messages: Rate
    bursts: Rate
    """Instants at which messages come."""
    stream_storage: Rate
    event_lines: Rate
    """Without those of `_EVENTS_OF_NO_CHARGER`."""
    vault_requests: Rate
    session_bytes: Rate
    """Of the log of sessions and its index, which are never deleted."""
    history_bytes: Rate
    """Of what chargers metered, minute by minute."""
    backup_rows: Rate
    """By how much each backup is larger than that of the night before: the facts of sessions."""
    backup_line_bytes: Rate
    backup_blob_bytes: Rate


def figures_of(few: Measured, at_several: Measured, many: Measured) -> Figures:
    """What each charger and each installation adds, by two differences; what is left is the app's own."""
    runs = (few, at_several, many)

    def told_apart(a_day: list[float]) -> Rate:
        charger = max(0.0, (a_day[2] - a_day[0]) / (many.size.chargers - few.size.chargers))
        installation = max(0.0, (a_day[1] - a_day[0]) / (at_several.size.installations - few.size.installations))
        app = max(0.0, a_day[0] - few.size.chargers * charger - few.size.installations * installation)
        return Rate(round(app, 1), round(installation, 1), round(charger, 2))

    def rate(count: Callable[[Measured], float]) -> Rate:
        return told_apart([count(run) * 24 / run.size.hours for run in runs])

    def timer(name: str) -> Timer:
        """Counted by run, since one that comes once a day may have come in less than one."""
        a_day = few.functions[name].runs * 24 / few.size.hours
        each = [run.functions[name] for run in runs]
        return Timer(round(a_day), told_apart([one.storage.all * a_day / one.runs for one in each]))

    hooks = [name for name in few.functions if "-" in name]
    return Figures(
        timers={name: timer(name) for name in few.functions if name not in hooks},
        hook_calls=rate(lambda run: sum(run.functions[name].runs for name in hooks)),
        hook_storage=rate(lambda run: run.behind.all + sum(run.functions[name].storage.all for name in hooks)),
        messages=rate(lambda run: run.messages),
        bursts=Rate(charger=round(few.batches * 24 / few.size.hours / few.size.chargers, 2)),
        stream_storage=rate(lambda run: run.streams.all),
        event_lines=rate(
            lambda run: sum(lines for name, lines in run.events.items() if name not in _EVENTS_OF_NO_CHARGER)
        ),
        vault_requests=rate(lambda run: run.azure.get("get", 0) + run.azure.get("set", 0)),
        session_bytes=rate(lambda run: run.stored_bytes.get(_FACTS, 0) + run.stored_bytes.get(_INDEX, 0)),
        history_bytes=rate(lambda run: run.stored_bytes.get(_HISTORY, 0)),
        backup_rows=rate(lambda run: run.backed_up[_FACTS].rows),
        backup_line_bytes=rate(lambda run: run.backed_up[_FACTS].line_bytes),
        backup_blob_bytes=rate(lambda run: run.backed_up[_FACTS].blob_bytes),
    )
