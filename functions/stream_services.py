"""What the triggers around the message streams call, built with the rest of `services.py`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shared.clock import Clock
from shared.settings import Settings
from shared.stream import Stream

if TYPE_CHECKING:
    from shared.observations.kinds import LearntKinds
    from shared.observations.reader import ChargerReader
    from shared.security.secrets import SecretStore
    from shared.sessions.end import EndHook
    from shared.sessions.ledger import Ledger
    from shared.sessions.lockout import LockoutWatch
    from shared.storage.authorizations import Authorizations
    from shared.storage.chargers import Chargers
    from shared.storage.decisions import Decisions
    from shared.storage.installations import Installations
    from shared.storage.quarantine import Quarantine
    from shared.storage.streams import StreamRecords
    from shared.storage.table import Tables
    from shared.storage.tokens import Tokens
    from shared.streams.intake import StreamIntake
    from shared.streams.rotation import Refresher
    from shared.streams.watchdog import Watchdog
    from shared.zapcloud.client import ZapCloud


class StreamServices(msgspec.Struct, frozen=True, kw_only=True):
    streams: Sequence[Stream]
    intake: "StreamIntake"
    reader: "ChargerReader"
    chargers: "Chargers"
    kinds: "LearntKinds"
    records: "StreamRecords"
    watchdog: "Watchdog"
    lockout_watch: "LockoutWatch"
    refresher: "Refresher | None"


def secret_store(settings: Settings) -> "SecretStore | None":
    from shared.security.secrets import FileSecrets

    return FileSecrets(Path(settings.secrets_file)) if settings.secrets_file else None


def build_streams(
    settings: Settings,
    clock: Clock,
    tables: "Tables",
    *,
    zapcloud: "ZapCloud | None",
    secrets: "SecretStore | None",
    records: "StreamRecords",
    installations: "Installations",
    chargers: "Chargers",
    tokens: "Tokens",
    authorizations: "Authorizations",
    decisions: "Decisions",
    quarantine: "Quarantine",
    ledger: "Ledger",
    end_hook: "EndHook",
) -> StreamServices:
    from shared.observations.catalogue import STATIC_IDS
    from shared.observations.kinds import LearntKinds
    from shared.observations.places import Places
    from shared.observations.reader import ChargerReader
    from shared.observations.store import ObservationStore
    from shared.sessions.lockout import LockoutWatch
    from shared.sessions.observed import ObservedSessions
    from shared.storage.charger_history import ChargerHistory
    from shared.storage.charger_states import ChargerStates
    from shared.storage.observation_kinds import ObservationKinds
    from shared.streams.backfill import Backfill
    from shared.streams.host_control import LocalHost
    from shared.streams.intake import StreamIntake
    from shared.streams.progress import StreamProgress
    from shared.streams.rotation import Refresher
    from shared.streams.teaching import Teaching
    from shared.streams.watchdog import Watchdog

    streams = settings.stream_list
    states, history = ChargerStates(tables, STATIC_IDS), ChargerHistory(tables)
    observed = ObservedSessions(
        clock, settings.identity_key, tokens, authorizations, decisions, installations, ledger, end_hook
    )
    intake = StreamIntake(
        ObservationStore(Places(clock, chargers), states, history),
        quarantine,
        Teaching(observed),
        StreamProgress(clock, records),
    )
    reader = ChargerReader(states, history)
    host = None
    if secrets and settings.streams_host_url:
        host = LocalHost(settings.streams_host_url, settings.streams_host_key, secrets)
    refresher = None
    if zapcloud and secrets and streams:
        refresher = Refresher(clock, settings.identity_key, streams, zapcloud, secrets, host, records)
    return StreamServices(
        streams=streams,
        intake=intake,
        reader=reader,
        chargers=chargers,
        kinds=LearntKinds(clock, ObservationKinds(tables), zapcloud.constants if zapcloud else None),
        records=records,
        watchdog=Watchdog(
            clock=clock,
            silent_after=settings.stream_silent_after,
            chargers_per_minute=settings.backfill_chargers_per_minute,
            streams=streams,
            secrets=secrets,
            host=host,
            records=records,
            intake=intake,
            backfill=Backfill(clock, zapcloud, chargers, states, intake, records) if zapcloud else None,
        ),
        lockout_watch=LockoutWatch(
            clock,
            installations,
            authorizations,
            decisions,
            ledger,
            reader.is_requesting,
            zapcloud.authentication_type if zapcloud else None,
        ),
        refresher=refresher,
    )
