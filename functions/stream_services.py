"""What the triggers around the message streams call, built with the rest of `services.py`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from shared.clock import Clock
from shared.settings import Settings
from shared.stream import Stream

if TYPE_CHECKING:
    from shared.observations.faults import FaultWatch
    from shared.observations.kinds import LearntKinds
    from shared.observations.reader import ChargerReader
    from shared.security.identity import Identity
    from shared.security.secrets import SecretStore
    from shared.sessions.attribution import Attribution
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
    from shared.streams.host_control import HostControl
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
    fault_watch: "FaultWatch"
    refresher: "Refresher | None"


def azure_identity(settings: Settings) -> "Identity":
    """Who we are to Azure; asks for nothing before it is used."""
    from shared.security.identity import Identity, ServicePrincipal

    if settings.azure_client_secret:
        return Identity.of_principal(
            ServicePrincipal(settings.azure_tenant_id, settings.azure_client_id, settings.azure_client_secret)
        )
    return Identity.managed(settings.managed_identity_client_id)


def secret_store(settings: Settings, identity: "Identity") -> "SecretStore | None":
    """Key Vault, or on one machine a file; None where neither is configured."""
    from shared.security.key_vault import KeyVaultSecretStore
    from shared.security.secrets import FileSecrets

    if settings.key_vault_url:
        return KeyVaultSecretStore(settings.key_vault_url, identity)
    return FileSecrets(Path(settings.secrets_file)) if settings.secrets_file else None


def streams_host(settings: Settings, identity: "Identity", secrets: "SecretStore | None") -> "HostControl | None":
    """The streams site in Azure, or on one machine the host that runs the streams; None where neither is configured."""
    from shared.streams.azure_host import AzureHost
    from shared.streams.host_control import LocalHost

    if settings.streams_site_id:
        return AzureHost(settings.streams_site_id, identity, settings.arm_url)
    if secrets and settings.streams_host_url:
        return LocalHost(settings.streams_host_url, settings.streams_host_key, secrets)
    return None


def build_streams(
    settings: Settings,
    clock: Clock,
    tables: "Tables",
    *,
    zapcloud: "ZapCloud | None",
    secrets: "SecretStore | None",
    host: "HostControl | None",
    records: "StreamRecords",
    installations: "Installations",
    chargers: "Chargers",
    attribution: "Attribution",
    authorizations: "Authorizations",
    decisions: "Decisions",
    quarantine: "Quarantine",
    ledger: "Ledger",
    end_hook: "EndHook",
) -> StreamServices:
    from shared.observations.catalogue import STATIC_IDS
    from shared.observations.faults import FaultWatch
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
    from shared.streams.intake import StreamIntake
    from shared.streams.progress import StreamProgress
    from shared.streams.rotation import Refresher
    from shared.streams.teaching import Teaching
    from shared.streams.watchdog import Watchdog

    streams = settings.stream_list
    addresses = {stream.name: stream.address(os.environ) for stream in streams}
    fingerprints = {name: one.fingerprint(settings.identity_key) for name, one in addresses.items() if one}
    states, history = ChargerStates(tables, STATIC_IDS), ChargerHistory(tables)
    observed = ObservedSessions(clock, attribution, authorizations, decisions, installations, ledger, end_hook)
    intake = StreamIntake(
        ObservationStore(Places(clock, chargers), states, history),
        quarantine,
        Teaching(observed),
        StreamProgress(clock, records, fingerprints),
    )
    reader = ChargerReader(states, history)
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
        fault_watch=FaultWatch(chargers, reader),
        refresher=refresher,
    )
