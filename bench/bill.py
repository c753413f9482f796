"""The arithmetic of docs/cost.md: measured figures, prices and use in, US dollars a month out."""

import math
from collections.abc import Callable

import msgspec

from bench.month import Measured

HOURS_A_MONTH = 730
_SECONDS_A_MONTH = HOURS_A_MONTH * 3600
_DAYS_A_MONTH = HOURS_A_MONTH / 24
_SHORTEST_SECONDS = 1.0
"""What an instance that was active at all is billed for at least (Microsoft Learn, "Flex Consumption plan")."""
_ROUNDS_A_DAY = 144
"""Of the REST back-fill, one each ten minutes."""
_BACKFILL = "watch_streams"
_EVENTS_OF_NO_CHARGER = {"stream.progress", "backfill.stopped"}
"""Lines that grow with chargers only at first: the former to one each 20 s and stream; the latter since ZapCloud allows
ten requests a second, of which simulated time makes no more when it stands still."""


class Rate(msgspec.Struct, frozen=True):
    """How much a day: for the app as such, for each installation, for each charger with its session."""

    app: float = 0
    installation: float = 0
    charger: float = 0

    def a_month(self, installations: float, chargers: float) -> float:
        return _DAYS_A_MONTH * (self.app + self.installation * installations + self.charger * chargers)


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
    table_bytes: Rate


class Prices(msgspec.Struct, frozen=True):
    """US dollars."""

    always_ready_baseline: float
    always_ready_execution: float
    on_demand_execution: float
    million_executions: float
    table_requests: float
    table_space: float
    blob_requests: float
    logs: float
    alert_rule_5_minutes: float
    alert_rule_slower: float
    availability_look: float
    vault_requests: float
    private_endpoint: float
    nat_gateway: float


class Assumed(msgspec.Struct, frozen=True):
    """What was not measured, or is decided by the operator."""

    memory_gb: float
    web_instances: float
    backfill_per_minute: float
    storage_answers_seconds: float
    zapcloud_answers_seconds: float
    batch_seconds: float
    wait_for_fuller_batch_seconds: float
    months_kept: float
    lines_per_run: float
    lines_per_batch: float
    progress_lines_per_stream: float
    """A day."""
    event_bytes: float
    trace_bytes: float
    request_bytes: float
    details_bytes_per_message: float
    platform_log_bytes: float
    platform_logs: float
    vault_log_bytes: float
    blob_requests_per_second: float
    free_gb_seconds: float
    free_executions: float
    free_log_gb: float
    alert_rules_5_minutes: float
    alert_rules_slower: float
    availability_looks: float
    """A day; each is a call of the app that reads one row."""
    private_endpoints: float


class Use(msgspec.Struct, frozen=True):
    chargers: float
    installations: float
    streams: float
    """Each with an always-ready instance of its own."""


class Bill(msgspec.Struct, frozen=True):
    """US dollars a month by item; the private network is not part of the total."""

    items: dict[str, float]
    private_network: float

    @property
    def total(self) -> float:
        return sum(self.items.values())


def bill(figures: Figures, prices: Prices, assumed: Assumed, use: Use) -> Bill:
    timers = {name: _timer(name, timer, assumed, use) for name, timer in figures.timers.items()}
    looks = assumed.availability_looks * _DAYS_A_MONTH
    web_calls = figures.hook_calls.a_month(use.installations, use.chargers) + looks
    batches = _batches(figures.bursts.a_month(use.installations, use.chargers), use.streams, assumed)
    timer_runs = sum(one.runs for one in timers.values())
    storage = looks + sum(one.storage for one in timers.values())
    for rate in (figures.hook_storage, figures.stream_storage):
        storage += rate.a_month(use.installations, use.chargers)
    instances = assumed.web_instances + use.streams
    on_demand = max(0, sum(one.seconds for one in timers.values()) * assumed.memory_gb - assumed.free_gb_seconds)
    busy = active_seconds(web_calls, assumed.web_instances) + active_seconds(batches, use.streams)
    paid_timer_runs = max(0, timer_runs - assumed.free_executions)
    vault = figures.vault_requests.a_month(use.installations, use.chargers) * use.streams
    return Bill(
        items={
            "always-ready, baseline": instances * _SECONDS_A_MONTH * assumed.memory_gb * prices.always_ready_baseline,
            "always-ready, executing": busy * assumed.memory_gb * prices.always_ready_execution,
            "timers, executing": on_demand * prices.on_demand_execution,
            "executions": (web_calls + batches + paid_timer_runs) / 1e6 * prices.million_executions,
            "table requests": storage / 1e4 * prices.table_requests,
            "table space": _table_gb(figures, assumed, use) * prices.table_space,
            "blobs of the hosts": instances
            * _SECONDS_A_MONTH
            * assumed.blob_requests_per_second
            / 1e4
            * prices.blob_requests,
            "logs": max(0, _log_gb(figures, assumed, use, timer_runs + web_calls, batches, vault) - assumed.free_log_gb)
            * prices.logs,
            "alert rules": assumed.alert_rules_5_minutes * prices.alert_rule_5_minutes
            + assumed.alert_rules_slower * prices.alert_rule_slower,
            "availability test": looks * prices.availability_look,
            "vault": vault / 1e4 * prices.vault_requests,
        },
        private_network=HOURS_A_MONTH * (assumed.private_endpoints * prices.private_endpoint + prices.nat_gateway),
    )


class _Run(msgspec.Struct, frozen=True):
    """A timer's month: fewer runs than planned where each takes longer than the time between two."""

    runs: float
    seconds: float
    storage: float


def _timer(name: str, timer: Timer, assumed: Assumed, use: Use) -> _Run:
    planned = timer.runs * _DAYS_A_MONTH
    asked = min(use.chargers, assumed.backfill_per_minute * 1440 / _ROUNDS_A_DAY) if name == _BACKFILL else use.chargers
    storage = timer.storage.a_month(use.installations, asked) / planned
    seconds = storage * assumed.storage_answers_seconds
    if name == _BACKFILL:
        seconds += asked * _ROUNDS_A_DAY / timer.runs * assumed.zapcloud_answers_seconds
    seconds = max(_SHORTEST_SECONDS, seconds)
    runs = min(planned, _SECONDS_A_MONTH / seconds)
    return _Run(runs, runs * seconds, runs * storage)


def _batches(bursts: float, streams: float, assumed: Assumed) -> float:
    """While one batch is under way, or is waited for to fill, what comes makes the next one."""
    a_second = bursts / (streams * _SECONDS_A_MONTH)
    apart = assumed.batch_seconds + assumed.wait_for_fuller_batch_seconds
    return bursts / (1 + a_second * apart)


def active_seconds(executions: float, instances: float) -> float:
    """How long instances are active in a month, each execution keeping one for a second, at random instants."""
    month = instances * _SECONDS_A_MONTH
    return month * (1 - math.exp(-executions * _SHORTEST_SECONDS / month))


def _table_gb(figures: Figures, assumed: Assumed, use: Use) -> float:
    return figures.table_bytes.a_month(use.installations, use.chargers) * assumed.months_kept / 1e9


def _log_gb(figures: Figures, assumed: Assumed, use: Use, runs: float, batches: float, vault: float) -> float:
    events = figures.event_lines.a_month(use.installations, use.chargers)
    events += use.streams * assumed.progress_lines_per_stream * _DAYS_A_MONTH
    lines = runs * assumed.lines_per_run + batches * assumed.lines_per_batch + events
    messages = figures.messages.a_month(use.installations, use.chargers)
    text = events * assumed.event_bytes + messages * assumed.details_bytes_per_message
    telemetry = lines * assumed.trace_bytes + text + (runs + batches) * assumed.request_bytes
    platform = assumed.platform_logs * (lines * assumed.platform_log_bytes + text)
    return (telemetry + platform + vault * assumed.vault_log_bytes) / 1e9


def figures_of(few: Measured, at_several: Measured, many: Measured) -> Figures:
    """What each charger and each installation adds, by two differences; what is left is the app's own."""

    def rate(count: Callable[[Measured], float]) -> Rate:
        a_day = [count(run) * 24 / run.size.hours for run in (few, at_several, many)]
        charger = max(0.0, (a_day[2] - a_day[0]) / (many.size.chargers - few.size.chargers))
        installation = max(0.0, (a_day[1] - a_day[0]) / (at_several.size.installations - few.size.installations))
        app = max(0.0, a_day[0] - few.size.chargers * charger - few.size.installations * installation)
        return Rate(round(app, 1), round(installation, 1), round(charger, 2))

    def storage_of(name: str) -> Rate:
        return rate(lambda run: run.functions[name].storage.all)

    hooks = [name for name in few.functions if "-" in name]
    return Figures(
        timers={
            name: Timer(round(one.runs * 24 / few.size.hours), storage_of(name))
            for name, one in few.functions.items()
            if name not in hooks
        },
        hook_calls=rate(lambda run: sum(run.functions[name].runs for name in hooks)),
        hook_storage=rate(lambda run: run.behind.all + sum(run.functions[name].storage.all for name in hooks)),
        messages=rate(lambda run: run.messages),
        bursts=Rate(charger=round(few.batches * 24 / few.size.hours / few.size.chargers, 2)),
        stream_storage=rate(lambda run: run.streams.all),
        event_lines=rate(
            lambda run: sum(lines for name, lines in run.events.items() if name not in _EVENTS_OF_NO_CHARGER)
        ),
        vault_requests=rate(lambda run: run.azure.get("get", 0) + run.azure.get("set", 0)),
        table_bytes=rate(lambda run: sum(run.stored_bytes.values())),
    )
