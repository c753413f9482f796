"""A running stack's app from inside: its own services on the same storage, for what no HTTP call brings about."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from devhost.stack import Stack
from functions.services import Services, build
from shared.settings import Settings
from simulator.shapes import InstallationView
from tests.observations.envelopes import enveloped, records_for

DEVICE_TYPE = 4
STREAM = "harbour"


@asynccontextmanager
async def services_of(stack: Stack) -> AsyncIterator[Services]:
    """As a further instance of the app has them, by the clock of the stack."""
    settings = Settings(
        tables=stack.storage_connection_string, identity_key=stack.identity_key, clock_file=str(stack.clock_file)
    )
    services = build(settings)
    try:
        yield services
    finally:
        await services.close()


async def add_site(stack: Stack, name: str, chargers: int) -> InstallationView:
    """An installation, after a while in which ZapCloud's rate limit has forgotten whatever was asked before."""
    await stack.simulator.advance(2)
    return await stack.add_installation(name, chargers)


def message(charger_id: str, state_id: int, value: str | None, at: datetime, **changes: Any) -> bytes:
    """The body of a stream's message, as ZapCloud sends it."""
    content = {
        "DeviceId": "ZAP999999",
        "DeviceType": DEVICE_TYPE,
        "ChargerId": charger_id,
        "StateId": state_id,
        "Timestamp": at.isoformat(),
        "ValueAsString": value,
    }
    text = json.dumps(content | changes).encode()
    return enveloped(text, records_for(len(text))[0])
