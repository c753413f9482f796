"""Everything the triggers call, built once per process from the settings, when the first of them runs.

The imports are inside, so that indexing the app, which every cold start waits for, loads none of it.
"""

import functools
import os
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from functions.stream_services import StreamServices, azure_identity, build_streams, secret_store, streams_host
from shared import telemetry
from shared.clock import Clock, clock_from
from shared.errors import ConfigurationError
from shared.settings import Settings, reading

if TYPE_CHECKING:
    from shared.access.directory import Directory
    from shared.backup.backup import Backup
    from shared.behind import Behind
    from shared.privacy.erasure import Erasures
    from shared.privacy.export import PersonExport
    from shared.privacy.retention import Retention
    from shared.readiness.readiness import Readiness
    from shared.replay import Replay
    from shared.security.access_tokens import TokenService
    from shared.security.hook_credentials import HookCredentials
    from shared.security.identity import Identity
    from shared.security.secrets import SecretStore
    from shared.security.validator import Validator
    from shared.sessions.end import EndHook
    from shared.sessions.ledger import Ledger
    from shared.sessions.listing import Listing
    from shared.sessions.reconciler import Reconciler
    from shared.sessions.start import StartHook
    from shared.sessions.sweep import Sweep
    from shared.storage.authorizations import Authorizations
    from shared.storage.credentials import Credentials
    from shared.storage.decisions import Decisions
    from shared.storage.drivers import Drivers
    from shared.storage.installations import Installations
    from shared.storage.quarantine import Quarantine
    from shared.storage.schema import Schema
    from shared.storage.table import Tables
    from shared.storage.tokens import Tokens
    from shared.streams.host_control import HostControl
    from shared.upgrade import Upgrade
    from shared.zapcloud.client import ZapCloud

_BACKUP_PATIENCE = timedelta(seconds=30)


class Services(msgspec.Struct, frozen=True, kw_only=True):
    settings: Settings
    clock: Clock
    validator: "Validator"
    hook_credentials: "HookCredentials"
    token_service: "TokenService"
    start_hook: "StartHook"
    end_hook: "EndHook"
    sweep: "Sweep"
    reconciler: "Reconciler | None"
    behind: "Behind"
    directory: "Directory"
    ledger: "Ledger"
    listing: "Listing"
    installations: "Installations"
    tokens: "Tokens"
    drivers: "Drivers"
    erasures: "Erasures"
    person_export: "PersonExport"
    retention: "Retention"
    authorizations: "Authorizations"
    decisions: "Decisions"
    quarantine: "Quarantine"
    credentials: "Credentials"
    tables: "Tables"
    zapcloud: "ZapCloud | None"
    streams: StreamServices
    replay: "Replay"
    readiness: "Readiness"
    identity: "Identity"
    secrets: "SecretStore | None"
    streams_host: "HostControl | None"
    schema: "Schema"
    upgrade: "Upgrade"
    backup: "Backup | None"

    async def close(self) -> None:
        """Let go of all connections; for tests and tools, since a worker keeps them until it ends."""
        await self.behind.settled()
        for one in (self.tables, self.backup, self.zapcloud, self.secrets, self.streams_host, self.identity):
            if one is not None:
                await one.close()


@functools.cache
def services() -> Services:
    """Raises ConfigurationError naming every setting that is missing or wrong, if one of them is needed."""
    found = reading(os.environ)
    settings = found.needed()
    for fault in found.partial:
        telemetry.warning("app.partly_configured", reason=fault)
    return build(settings)


def build(settings: Settings, tables: "Tables | None" = None) -> Services:
    from shared.access.directory import Directory
    from shared.behind import Behind
    from shared.privacy.erasure import Erasures
    from shared.privacy.export import PersonExport
    from shared.privacy.lasting import LastingErasure
    from shared.privacy.places import Places
    from shared.privacy.retention import Retention
    from shared.readiness.readiness import Readiness
    from shared.replay import Replay
    from shared.security.access_tokens import TokenService
    from shared.security.hook_credentials import HookCredentials, configured_credentials
    from shared.security.validator import Validator
    from shared.sessions.admission import Admission
    from shared.sessions.attribution import Attribution
    from shared.sessions.end import EndHook
    from shared.sessions.figures import Figures
    from shared.sessions.intake import Intake
    from shared.sessions.items import ListedItems
    from shared.sessions.ledger import Ledger
    from shared.sessions.listing import Listing
    from shared.sessions.meter import MeterKeys, MeterValues
    from shared.sessions.outage import Outage
    from shared.sessions.past import PastSessions
    from shared.sessions.probe import ZapCloudProbe
    from shared.sessions.reconciler import Reconciler
    from shared.sessions.redrawing import Redrawing
    from shared.sessions.request import Placing
    from shared.sessions.start import StartHook
    from shared.sessions.sweep import Sweep
    from shared.storage.authorizations import Authorizations
    from shared.storage.chargers import Chargers
    from shared.storage.credentials import Credentials
    from shared.storage.decisions import Decisions
    from shared.storage.drivers import Drivers
    from shared.storage.installations import Installations, OutagePolicy
    from shared.storage.quarantine import Quarantine
    from shared.storage.reconciliation import Reconciliation
    from shared.storage.schema import Schema
    from shared.storage.session_index import SessionIndex
    from shared.storage.streams import StreamRecords
    from shared.storage.table import Tables
    from shared.storage.tokens import Tokens
    from shared.upgrade import Upgrade
    from shared.zapcloud.client import ZapCloud
    from shared.zapcloud.hooks import aliases_with

    clock = clock_from(settings.clock_path)
    identity = azure_identity(settings)
    tables = tables or Tables(settings.tables, patience=settings.hook_budget / 3, credential=identity)
    installations, chargers = Installations(tables), Chargers(tables)
    tokens = Tokens(clock, settings.identity_key, tables)
    authorizations, decisions, quarantine = Authorizations(tables), Decisions(tables), Quarantine(tables)
    credentials, index, schema = Credentials(tables), SessionIndex(tables), Schema(tables)
    records, secrets = StreamRecords(tables), secret_store(settings, identity)
    host = streams_host(settings, identity, secrets)
    zapcloud = None
    if settings.zapcloud_configured:
        zapcloud = ZapCloud(
            clock,
            settings.zapcloud_url,
            settings.zapcloud_username,
            settings.zapcloud_password,
            grant=settings.zapcloud_grant,
            secrets=secrets,
            records=records if secrets else None,
        )
    try:
        configured = configured_credentials(settings.hook_credentials)
    except ConfigurationError as error:  # those in storage are known all the same
        telemetry.warning("app.partly_configured", reason=str(error))
        configured = ()
    hook_credentials = HookCredentials(clock, credentials, configured)
    token_service = TokenService(clock, settings.identity_key, hook_credentials)
    entra = None
    if settings.entra_configured:
        from shared.security.entra import EntraTokens

        entra = EntraTokens(clock, settings.entra_issuer, settings.entra_audience, settings.entra_jwks_url)
    directory = Directory(clock, installations, chargers, zapcloud.chargers if zapcloud else None)
    behind = Behind()
    drivers = Drivers(tables)
    log = LastingErasure(clock, settings.identity_key, tables, drivers, anonymised=settings.retention_sessions_days > 0)
    ledger = Ledger(clock, log, index, behind)
    outage = Outage(
        clock,
        settings.identity_key,
        OutagePolicy(settings.default_outage_policy),
        {place: OutagePolicy(policy) for place, policy in settings.outage_policy_of.items()},
        tokens,
        authorizations,
        decisions,
        ledger,
        behind,
    )
    intake = Intake(clock, quarantine)
    probe = ZapCloudProbe(zapcloud) if zapcloud else None
    admission = Admission(clock, tokens, authorizations, decisions, ledger, behind, probe)
    end_hook = EndHook(tokens, authorizations, ledger, intake)
    attribution = Attribution(clock, settings.identity_key, tokens, ledger)
    streams = build_streams(
        settings,
        clock,
        tables,
        zapcloud=zapcloud,
        secrets=secrets,
        host=host,
        records=records,
        installations=installations,
        chargers=chargers,
        attribution=attribution,
        authorizations=authorizations,
        decisions=decisions,
        quarantine=quarantine,
        ledger=ledger,
        end_hook=end_hook,
    )
    meter_values = MeterValues(MeterKeys(clock, settings.meter_key_of, chargers, streams.reader), ledger)
    past = PastSessions(clock, log, index, ledger, end_hook, attribution, meter_values)
    items = ListedItems(clock, quarantine, installations, past)
    reconciler = None
    if zapcloud:
        marks = Reconciliation(tables)
        archive = settings.archived_sessions == "read"
        reconciler = Reconciler(clock, installations, marks, items, past, zapcloud, archive=archive)
    places = Places(settings.identity_key, tables, log, tokens)
    return Services(
        settings=settings,
        clock=clock,
        validator=Validator(hook_credentials, token_service, entra),
        hook_credentials=hook_credentials,
        token_service=token_service,
        start_hook=StartHook(
            aliases_with(settings.token_aliases, settings.charger_aliases, settings.installation_aliases),
            settings.hook_budget,
            Placing(directory, settings.identity_key),
            admission,
            outage,
            intake,
        ),
        end_hook=end_hook,
        sweep=Sweep(
            clock,
            credentials,
            installations,
            chargers,
            tokens,
            decisions,
            authorizations,
            index,
            ledger,
            outage,
            Figures(clock, ledger, end_hook, zapcloud) if zapcloud else None,
        ),
        reconciler=reconciler,
        behind=behind,
        directory=directory,
        ledger=ledger,
        listing=Listing(index),
        installations=installations,
        tokens=tokens,
        drivers=drivers,
        erasures=Erasures(clock, settings.identity_key, tables, drivers, log, tokens, quarantine, ledger, places),
        person_export=PersonExport(clock, settings.identity_key, drivers, tokens, quarantine, ledger, places),
        retention=Retention(clock, tables, drivers, log, quarantine, ledger, settings.kept_days),
        authorizations=authorizations,
        decisions=decisions,
        quarantine=quarantine,
        credentials=credentials,
        tables=tables,
        zapcloud=zapcloud,
        streams=streams,
        replay=Replay(quarantine, streams.intake, end_hook, items),
        readiness=Readiness(
            clock=clock,
            zapcloud=zapcloud,
            credentials=hook_credentials,
            installations=installations,
            chargers=chargers,
            tokens=tokens,
            decisions=decisions,
            authorizations=authorizations,
            streams=streams.streams,
            records=records,
            watchdog=streams.watchdog,
            reader=streams.reader,
            entra_configured=settings.entra_configured,
        ),
        identity=identity,
        secrets=secrets,
        streams_host=host,
        schema=schema,
        upgrade=Upgrade(schema, {1: Redrawing(log, index, authorizations, ledger).piece}),
        backup=_backup(settings, clock, identity),
    )


def _backup(settings: Settings, clock: Clock, identity: "Identity") -> "Backup | None":
    """With an access to the tables of its own, since a page of a thousand rows takes longer than a web hook waits."""
    if not settings.backups:
        return None
    from shared.backup.backup import Backup
    from shared.backup.container import BackupContainer
    from shared.storage.table import Tables

    tables = Tables(settings.tables, patience=_BACKUP_PATIENCE, credential=identity)
    return Backup(clock, tables, BackupContainer(settings.backups, identity), settings.identity_key)
