"""Puts the simulator together and serves it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web

from simulator.agenda import Agenda
from simulator.bodies import problems_as_json
from simulator.chargers import Chargers
from simulator.clockfile import ClockFile
from simulator.cloud import Cloud
from simulator.control import Control
from simulator.control_messaging import MessagingControl
from simulator.faults import Faults
from simulator.hooks import EndCaller, StartCaller
from simulator.kernel import Kernel, RealKernel
from simulator.oauth import RateLimit, TokenService
from simulator.publishing import Publisher
from simulator.rest import RestApi
from simulator.servicebus.broker import Broker
from simulator.subscriptions import Subscriptions
from simulator.telemetry import Telemetry
from simulator.timers import HostTimers
from simulator.traffic import Traffic
from simulator.virtual import VirtualKernel
from simulator.visits import Drivers
from simulator.webhooks import HookClient
from simulator.world import World

LARGEST_BODY_BYTES = 16 * 1024 * 1024
SHUTDOWN_S = 1.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Without `start` time is real. A `port` of 0 takes a free one."""

    port: int = 7080
    service_bus_port: int = 0
    seed: int = 1
    start: datetime | None = None
    clock_file: Path | None = None
    username: str = "owner@example.test"
    password: str = "simulated"  # noqa: S105 - opens nothing but the simulator


class Simulator(msgspec.Struct, frozen=True):
    """A running simulator, for those in the same process."""

    url: str
    service_bus_port: int
    kernel: Kernel
    world: World


@asynccontextmanager
async def serve(options: Options) -> AsyncIterator[Simulator]:
    """A simulator on 127.0.0.1, until the context ends."""
    kernel = kernel_for(options)
    world = World(options.seed, kernel.now)
    faults = Faults(options.seed)
    broker = Broker(kernel.now, options.service_bus_port)
    await broker.start()
    agenda = Agenda(kernel)
    subscriptions = Subscriptions(world, broker, agenda)
    publisher = Publisher(kernel, world, faults, subscriptions, broker, agenda)
    kernel.before_moving.append(publisher.settle)
    telemetry = Telemetry(world, agenda, subscriptions)
    traffic = Traffic(kernel, world, subscriptions)
    messaging = MessagingControl(kernel, world, subscriptions, publisher, telemetry, traffic)
    tokens = TokenService(world, options.username, options.password)
    limit = RateLimit(world, virtual=kernel.mode == "virtual")
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
        client = HookClient(kernel, world, faults, http)
        cloud = Cloud(kernel, world, faults, EndCaller(kernel, world, faults, client))
        chargers = Chargers(kernel, world, faults, StartCaller(kernel, world, client), cloud)
        drivers = Drivers(kernel, world, chargers)
        timers = HostTimers(kernel, world, http)
        kernel.before_moving.append(timers.settle)
        control = Control(kernel, world, faults, chargers, cloud, drivers, timers, tokens, messaging)
        app = web.Application(middlewares=[problems_as_json], client_max_size=LARGEST_BODY_BYTES)
        app.add_routes([*RestApi(world, faults, tokens, limit, subscriptions).routes(), *control.routes()])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", options.port).start()
            host, port = runner.addresses[0][:2]
            yield Simulator(f"http://{host}:{port}", broker.port, kernel, world)
        finally:
            await kernel.close()
            await timers.close()
            await runner.cleanup()
            await broker.close()


def kernel_for(options: Options) -> Kernel:
    if options.start is None:
        return RealKernel()
    return VirtualKernel(options.start, ClockFile(options.clock_file) if options.clock_file else None)
