"""Composes the Function App: the blueprints of `functions/`, by the role this site has."""

import os

import azure.functions as func

from functions.backup import backups
from functions.chargers import chargers
from functions.credentials import credentials
from functions.drivers import drivers
from functions.exports import exports
from functions.health import health
from functions.hooks import hooks
from functions.installations import installations
from functions.maintenance import maintenance
from functions.quarantine import quarantine
from functions.readiness import readiness
from functions.retention import retention
from functions.sessions import sessions
from functions.streams import stream_triggers
from functions.tokens import tokens
from functions.upkeep import upkeep
from shared.settings import Role, role_from

HOOKS = (
    hooks,
    tokens,
    drivers,
    installations,
    chargers,
    sessions,
    exports,
    credentials,
    health,
    quarantine,
    readiness,
    maintenance,
    upkeep,
    backups,
    retention,
)

app = func.FunctionApp()
role = role_from(os.environ)
for blueprint in (health,) if role is Role.STREAMS else HOOKS:
    app.register_functions(blueprint)
if role is not Role.HOOKS:
    app.register_functions(stream_triggers(os.environ))
