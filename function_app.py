"""Composes the Function App: the blueprints of `functions/`, by the role this site has."""

import os

import azure.functions as func

from functions.credentials import credentials
from functions.health import health
from functions.hooks import hooks
from functions.installations import installations
from functions.maintenance import maintenance
from functions.quarantine import quarantine
from functions.sessions import sessions
from functions.tokens import tokens
from shared.settings import Role, role_from

BLUEPRINTS = {
    Role.HOOKS: (hooks, tokens, installations, sessions, credentials, health, quarantine, maintenance),
    Role.STREAMS: (health,),
}

app = func.FunctionApp()
role = role_from(os.environ)
for blueprint in BLUEPRINTS.get(role, BLUEPRINTS[Role.HOOKS]):
    app.register_functions(blueprint)
