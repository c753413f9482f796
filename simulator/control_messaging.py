"""The control API of message subscriptions: user groups, credentials, thieves, traffic, and the record of truth."""

from collections.abc import Callable

from aiohttp import web

from simulator.bodies import answer, read
from simulator.kernel import Kernel
from simulator.publishing import Publisher, to_millisecond
from simulator.shapes import (
    NewUserGroup,
    RotateBody,
    ServiceBusView,
    StateTruth,
    StealBody,
    StreamView,
    TruthView,
)
from simulator.subscriptions import Stream, Subscriptions
from simulator.telemetry import Telemetry
from simulator.traffic import Traffic, TrafficBody
from simulator.truth import Known
from simulator.world import World

OWNER = "/sim/{owners:installations|usergroups|streams}/{id}"


class MessagingControl:
    """Serves the part of `/sim/…` that is about messages."""

    def __init__(
        self,
        kernel: Kernel,
        world: World,
        subscriptions: Subscriptions,
        publisher: Publisher,
        telemetry: Telemetry,
        traffic: Traffic,
    ) -> None:
        self._kernel = kernel
        self._world = world
        self._subscriptions = subscriptions
        self._publisher = publisher
        self._telemetry = telemetry
        self._traffic = traffic

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/sim/usergroups", self._user_groups),
            web.post("/sim/usergroups", self._add_user_group),
            web.post(f"{OWNER}/rotate-messaging", self._rotate),
            web.post(f"{OWNER}/disable-messaging", self._disable),
            web.post(f"{OWNER}/steal", self._steal),
            web.post("/sim/traffic", self._begin_traffic),
            web.get("/sim/service-bus", self._service_bus),
            web.get("/sim/truth", self._truth),
        ]

    def follow(self) -> None:
        """Do what follows from the messaging of an installation being switched on or off."""
        self._subscriptions.refresh()
        self._telemetry.refresh()

    async def _user_groups(self, _: web.Request) -> web.Response:
        return answer({"items": list(self._world.user_groups.values())})

    async def _add_user_group(self, request: web.Request) -> web.Response:
        body = await read(request, NewUserGroup)
        group = self._world.add_user_group(body.name, body.installations)
        await self._kernel.perform(self.follow)
        return answer(group, status=201)

    async def _rotate(self, request: web.Request) -> web.Response:
        body = await read(request, RotateBody)

        def rotate(stream: Stream) -> None:
            self._subscriptions.rotate(
                stream, new_topic=body.topic, silent_after_s=body.silent_after_s, detach=body.detach
            )

        return await self._change(request, rotate)

    async def _disable(self, request: web.Request) -> web.Response:
        return await self._change(request, self._subscriptions.disable)

    async def _steal(self, request: web.Request) -> web.Response:
        body = await read(request, StealBody)

        def steal(stream: Stream) -> None:
            stream.thief_takes = body.count

        return await self._change(request, steal)

    async def _change(self, request: web.Request, change: Callable[[Stream], None]) -> web.Response:
        stream = self._subscriptions.stream(request.match_info["id"])
        await self._kernel.perform(lambda: change(stream))
        return answer(self._view(stream))

    async def _begin_traffic(self, request: web.Request) -> web.Response:
        body = await read(request, TrafficBody)
        chargers = await self._kernel.perform(lambda: self._traffic.begin(body))
        return answer({"chargers": chargers}, status=202)

    async def _service_bus(self, _: web.Request) -> web.Response:
        streams = [self._view(stream) for stream in self._subscriptions.streams.values()]
        return answer(ServiceBusView(self._subscriptions.port, streams))

    def _view(self, stream: Stream) -> StreamView:
        return StreamView(
            stream.kind,
            stream.owner_id,
            self._subscriptions.connection_string(stream),
            stream.topic,
            stream.subscription,
            stream.enabled,
            self._subscriptions.counts(stream),
        )

    async def _truth(self, request: web.Request) -> web.Response:
        """By charger and state what messages have told, of one owner or of all, and what the REST API knows."""
        self._publisher.flush()
        owner_id = request.query.get("owner")
        truth = self._publisher.truth
        streamed = truth.merged(owner_id)
        states = []
        for charger_id in dict.fromkeys((*self._chargers_of(owner_id), *streamed)):
            told = streamed.get(charger_id, {})
            charger = self._world.chargers.get(charger_id)
            held = charger.states if charger else {}
            for state_id in sorted({*told, *held}):
                known = held.get(state_id)
                rest = (
                    Known(to_millisecond(charger.claimed_instant(known)), known.value or None)
                    if charger and known
                    else None
                )
                states.append(StateTruth(charger_id, state_id, told.get(state_id), rest))
        return answer(TruthView({**truth.counts}, states, truth.lost, truth.stolen))

    def _chargers_of(self, owner_id: str | None) -> list[str]:
        if owner_id is None:
            return list(self._world.chargers)
        group = self._world.user_groups.get(owner_id)
        installation_ids = group.installation_ids if group else [self._world.installation(owner_id).id]
        return [charger.id for charger in self._world.chargers.values() if charger.installation_id in installation_ids]
