"""The arithmetic of docs/cost.md: measured figures, prices and use in, US dollars a month out."""

import math

import msgspec

from bench.daily import DAYS_A_MONTH, HOURS_A_MONTH, Figures, Timer
from shared.backup.contents import KEPT

_SECONDS_A_MONTH = HOURS_A_MONTH * 3600
_SHORTEST_SECONDS = 1.0
"""What an instance that was active at all is billed for at least (Microsoft Learn, "Flex Consumption plan")."""
_ROUNDS_A_DAY = 144
"""Of the REST back-fill, one each ten minutes."""
_BACKFILL = "watch_streams"
_RECONCILE = "reconcile"
_READINGS_A_RUN = 400
"""Of `reconcile`: pages of charge history, one at least for each installation."""
_BACKUP = "backup"
_ROWS_A_PAGE = 1000
"""That a request brings of a table read from end to end."""
_LINE_BYTES_A_BLOB = 8 * 1024**2
"""Of lines in one blob of a backup, before compression (docs/backup.md)."""
_BLOBS_AT_LEAST = len(KEPT) + 1
"""Of a backup: one of each table, and the manifest."""


class Prices(msgspec.Struct, frozen=True):
    """US dollars."""

    always_ready_baseline: float
    always_ready_execution: float
    on_demand_execution: float
    million_executions: float
    table_requests: float
    table_space: float
    blob_requests: float
    backup_space: float
    backup_writes: float
    backup_copying: float
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
    history_days: float
    backups_kept: float
    """How many nights' backups there are, each of them whole."""
    backup_rows_per_second: float
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
    if _BACKUP in timers:
        timers[_BACKUP] = _backup(timers[_BACKUP], figures, assumed, use)
    looks = assumed.availability_looks * DAYS_A_MONTH
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
            "backups": _backups(figures, prices, assumed, use),
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
    planned = timer.runs * DAYS_A_MONTH
    asked = min(use.chargers, assumed.backfill_per_minute * 1440 / _ROUNDS_A_DAY) if name == _BACKFILL else use.chargers
    read = min(use.installations, _READINGS_A_RUN) if name == _RECONCILE else use.installations
    storage = timer.storage.a_month(read, asked) / planned
    seconds = storage * assumed.storage_answers_seconds
    if name == _BACKFILL:
        seconds += asked * _ROUNDS_A_DAY / timer.runs * assumed.zapcloud_answers_seconds
    elif name == _RECONCILE:
        seconds += read * assumed.zapcloud_answers_seconds
    seconds = max(_SHORTEST_SECONDS, seconds)
    runs = min(planned, _SECONDS_A_MONTH / seconds)
    return _Run(runs, runs * seconds, runs * storage)


def _backup(first_nights: _Run, figures: Figures, assumed: Assumed, use: Use) -> _Run:
    """The timer was measured while there was hardly a session; it reads all that have been since."""
    rows = figures.backup_rows.a_month(use.installations, use.chargers) * assumed.months_kept
    pages = rows / _ROWS_A_PAGE
    seconds = rows / assumed.backup_rows_per_second + pages * assumed.storage_answers_seconds
    return _Run(
        first_nights.runs,
        first_nights.seconds + first_nights.runs * seconds,
        first_nights.storage + first_nights.runs * pages,
    )


def _backups(figures: Figures, prices: Prices, assumed: Assumed, use: Use) -> float:
    """What it costs that the backups are there, are written, and are copied into the second region."""
    a_backup = assumed.months_kept * figures.backup_blob_bytes.a_month(use.installations, use.chargers) / 1e9
    lines = assumed.months_kept * figures.backup_line_bytes.a_month(use.installations, use.chargers)
    writes = DAYS_A_MONTH * (_BLOBS_AT_LEAST + lines / _LINE_BYTES_A_BLOB)
    return (
        a_backup * assumed.backups_kept * prices.backup_space
        + writes / 1e4 * prices.backup_writes
        + a_backup * DAYS_A_MONTH * prices.backup_copying
    )


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
    history_months = min(assumed.history_days / DAYS_A_MONTH, assumed.months_kept)
    lasting = figures.session_bytes.a_month(use.installations, use.chargers) * assumed.months_kept
    return (lasting + figures.history_bytes.a_month(use.installations, use.chargers) * history_months) / 1e9


def _log_gb(figures: Figures, assumed: Assumed, use: Use, runs: float, batches: float, vault: float) -> float:
    events = figures.event_lines.a_month(use.installations, use.chargers)
    events += use.streams * assumed.progress_lines_per_stream * DAYS_A_MONTH
    lines = runs * assumed.lines_per_run + batches * assumed.lines_per_batch + events
    messages = figures.messages.a_month(use.installations, use.chargers)
    text = events * assumed.event_bytes + messages * assumed.details_bytes_per_message
    telemetry = lines * assumed.trace_bytes + text + (runs + batches) * assumed.request_bytes
    platform = assumed.platform_logs * (lines * assumed.platform_log_bytes + text)
    return (telemetry + platform + vault * assumed.vault_log_bytes) / 1e9
