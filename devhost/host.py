"""The host: indexes the app, serves it until told to stop, and says how it ended."""

import asyncio
import enum
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from devhost import http, logs, timers
from devhost.admin import Admin, Runner
from devhost.functions import Function, TriggerError, UnresolvedSettingError, read_function
from devhost.keys import Keys
from devhost.routes import Route, RouteError
from devhost.schedules import ScheduleError
from devhost.settings import HostJson
from devhost.worker import Worker

if TYPE_CHECKING:
    from devhost.servicebus import Listener

SERVICE_BUS_TRIGGER = "serviceBusTrigger"
ADDRESS = "127.0.0.1"
GRACE_SECONDS = 60.0
"""How long a stop waits for invocations under way."""


class Ending(enum.Enum):
    STOP = enum.auto()
    RESTART = enum.auto()


@dataclass(frozen=True, slots=True)
class Options:
    app: Path
    port: int
    """0 takes a free one."""
    host_json: HostJson
    keys: Keys
    timers_by_clock: bool


class Host:
    """One run of one app. Make it inside the event loop."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._worker = Worker()
        self._functions: list[Function] = []
        self._routes: list[Route[http.HttpFunction]] = []
        self._timers: list[timers.Timer] = []
        self._listeners: list[Listener] = []
        self._remarks: dict[str, str] = {}
        self._ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    async def run(self) -> Ending:
        """Serve until a signal or a restart request, then let invocations under way finish.

        Raises:
            WorkerError: the app cannot be indexed.
            OSError: the port is taken.
        """
        for metadata in await self._worker.start(self._options.app):
            self._take(metadata)
        clock = timers.Timers(self._timers)
        runners: dict[str, Runner] = {timer.function.name: timer.run_now for timer in self._timers}
        urls: dict[str, str] = {}
        listeners = {listener.function.name: listener for listener in self._listeners}
        admin = Admin(self._functions, urls, runners, listeners, restart=lambda: self._end(Ending.RESTART))
        triggers = http.HttpTriggers(self._routes, self._options.keys, self._worker, admin.handle)
        runner = web.ServerRunner(http.make_server(triggers), shutdown_timeout=GRACE_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, ADDRESS, self._options.port).start()
            base_url = f"http://{ADDRESS}:{runner.addresses[0][1]}"
            urls |= {route.target.function.name: f"{base_url}/{route.template.text}" for route in self._routes}
            self._end_on_signals()
            self._announce(urls, base_url)
            if self._options.timers_by_clock:
                clock.start()
            for listener in self._listeners:
                listener.start()
            return await self._ending
        finally:
            clock.stop()
            await asyncio.gather(runner.cleanup(), *(listener.stop(GRACE_SECONDS) for listener in self._listeners))
            await self._worker.stop(GRACE_SECONDS)

    def _take(self, metadata: Any) -> None:
        """Hand a function to what runs its trigger. One that cannot be run does not stop the others, as in Azure."""
        name = metadata.name
        try:
            function = read_function(metadata)
            self._functions.append(function)
            if function.disabled:
                self._remarks[name] = "disabled"
            elif function.trigger_type == http.TRIGGER:
                self._routes.append(http.route_of(function, self._options.host_json.route_prefix))
            elif function.trigger_type == timers.TRIGGER:
                self._timers.append(timers.Timer(function, self._worker))
                self._remarks[name] = function.trigger["schedule"]
            elif function.trigger_type == SERVICE_BUS_TRIGGER:
                self._listen(function)
            else:
                self._remarks[name] = "not run by devhost yet"
                logs.host.warning("Function '%s': %s is not run by devhost yet", name, function.trigger_type)
            for output in function.outputs:
                logs.host.warning("Function '%s': what it sends to its %s output goes nowhere", name, output)
        except (UnresolvedSettingError, RouteError, ScheduleError, TriggerError) as error:
            self._remarks[name] = "in error, not run"
            logs.host.error("Function '%s' is not run: %s", name, error)

    def _listen(self, function: Function) -> None:
        """The SDK takes its time to be imported; a host without such a trigger does not wait for it."""
        from devhost.servicebus import Listener, read_binding

        binding = read_binding(function.trigger, self._options.host_json)
        self._listeners.append(Listener(function, self._worker, binding))
        self._remarks[function.name] = f"{binding.topic}/Subscriptions/{binding.subscription}"

    def _end(self, ending: Ending) -> None:
        if not self._ending.done():
            self._ending.set_result(ending)

    def _end_on_signals(self) -> None:
        """The first signal ends gracefully; a second one finds the default handler and ends at once."""
        loop = asyncio.get_running_loop()

        def stop() -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
            self._end(Ending.STOP)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)

    def _announce(self, urls: dict[str, str], base_url: str) -> None:
        print("\nFunctions:\n")
        methods = {route.target.function.name: ",".join(sorted(route.methods)) or "any" for route in self._routes}
        for name in sorted(urls.keys() | self._remarks.keys()):
            print(f"    {name}: " + (f"[{methods[name]}] {urls[name]}" if name in urls else self._remarks[name]))
        by_clock = "by the system's clock" if self._options.timers_by_clock else "only by the admin endpoint"
        print(f"\ndevhost ready on {base_url}, timers run {by_clock}", flush=True)
