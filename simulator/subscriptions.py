"""Message subscriptions: the Service Bus topics of installations and user groups, and the credentials that open them.

Credentials can change at any time; a subscription is disabled after 14 days without messages or without anybody who
takes them, and asking for its connection details enables it again with new ones (guide 6.5.8, "Message subscription").
The API's form of the details is that of the model that custom-components/zaptec validates; their Password is the key
itself. How long links outlive their key, and that they fall silent then, was observed by users of the live service.
"""

from base64 import b64encode
from datetime import timedelta
from typing import Literal

from simulator.agenda import Agenda
from simulator.errors import ConflictError, NotFoundError
from simulator.servicebus.broker import Broker, Counts
from simulator.wire import Json
from simulator.world import World

HOST = "127.0.0.1"
AMQP_10 = 0
SUBSCRIPTION = "default"
DISUSED_DAYS = 14
DAY = timedelta(days=1)
LEAST_OUTLIVED_S, MOST_OUTLIVED_S = 15 * 60.0, 20 * 60.0

type OwnerKind = Literal["installation", "usergroup"]


class Stream:
    """The subscription of one owner, which outlives its topics and keys."""

    def __init__(self, kind: OwnerKind, owner_id: str) -> None:
        self.kind = kind
        self.owner_id = owner_id
        self.topic = f"{kind}_{owner_id}"
        self.subscription = SUBSCRIPTION
        self.key = ""
        self.enabled = True
        self.rotations = 0
        self.thief_takes = 0
        """How many of the next messages another consumer takes."""
        self.unused_days = 0
        self.seen: tuple[int, int] = (0, 0)
        """Messages published and taken, as they were counted a day ago."""


class Subscriptions:
    """Every message subscription there is."""

    def __init__(self, world: World, broker: Broker, agenda: Agenda) -> None:
        self._world = world
        self._broker = broker
        self._agenda = agenda
        self._routes: dict[str, tuple[Stream, ...]] = {}
        self.streams: dict[str, Stream] = {}

    @property
    def port(self) -> int:
        return self._broker.port

    def of_installation(self, installation_id: str) -> tuple[Stream, ...]:
        """Where the messages of an installation's chargers go."""
        return self._routes.get(installation_id, ())

    def stream(self, owner_id: str) -> Stream:
        """Raises NotFoundError where messaging was never enabled."""
        try:
            return self.streams[owner_id]
        except KeyError:
            raise NotFoundError(f"no message subscription of {owner_id}: enable messaging first") from None

    def counts(self, stream: Stream) -> Counts:
        return self._broker.counts(stream.topic, stream.subscription)

    def refresh(self) -> None:
        """Follow what installations and user groups have now: open topics that are missing, and route messages."""
        routes: dict[str, list[Stream]] = {}
        for installation in self._world.installations.values():
            if installation.messaging_enabled:
                routes[installation.id] = [self._open("installation", installation.id)]
            elif stream := self.streams.pop(installation.id, None):
                self.disable(stream)
        for group in self._world.user_groups.values():
            stream = self._open("usergroup", group.id)
            for installation_id in group.installation_ids:
                routes.setdefault(installation_id, []).append(stream)
        self._routes = {installation_id: tuple(streams) for installation_id, streams in routes.items()}

    def rotate(
        self, stream: Stream, *, new_topic: bool = False, silent_after_s: float | None = None, detach: bool = False
    ) -> None:
        """Make the old credentials bad; links that are open under them fall silent later, or are detached at once.

        With a new topic the old one gets nothing any more.
        """
        stream.rotations += 1
        old_topic = stream.topic
        if new_topic:
            self._set_key(old_topic, self._new_key())
            stream.topic = f"{stream.kind}_{stream.owner_id}_{stream.rotations}"
            stream.subscription = f"{SUBSCRIPTION}{stream.rotations}"
            self._broker.add_topic(stream.topic, stream.subscription)
            stream.seen = (0, 0)
        self._renew_key(stream)
        if detach:
            self._broker.drop(old_topic)
            return
        if silent_after_s is None:
            source = self._world.random(f"silence {stream.owner_id}")
            silent_after_s = source.uniform(LEAST_OUTLIVED_S, MOST_OUTLIVED_S)
        if silent_after_s:
            self._agenda.after(silent_after_s, lambda: self._broker.silence(old_topic))
        else:
            self._broker.silence(old_topic)

    def disable(self, stream: Stream) -> None:
        stream.enabled = False
        self._broker.set_enabled(stream.topic, stream.subscription, enabled=False)

    def details(self, stream: Stream) -> Json:
        """The connection details; asking for them enables a disabled subscription, under a new key."""
        if not stream.enabled:
            self._renew_key(stream)
            self._enable(stream)
        return {
            "Type": AMQP_10,
            "Host": HOST,
            "Port": self.port,
            "UseSSL": False,
            "Username": stream.topic,
            "Password": stream.key,
            "Topic": stream.topic,
            "Subscription": stream.subscription,
        }

    def connection_string(self, stream: Stream) -> str:
        """For the Service Bus SDK, which then neither uses TLS nor asks for port 5671."""
        return (
            f"Endpoint=sb://{HOST}:{self.port};SharedAccessKeyName={stream.topic};SharedAccessKey={stream.key};"
            "UseDevelopmentEmulator=true;"
        )

    def details_of(self, kind: OwnerKind, owner_id: str) -> Json:
        """Raises NotFoundError for an unknown owner, ConflictError where messaging is off."""
        owners = self._world.installations if kind == "installation" else self._world.user_groups
        if owner_id not in owners:
            raise NotFoundError(f"no {kind} {owner_id}")
        if kind == "installation" and not self._world.installations[owner_id].messaging_enabled:
            raise ConflictError("messaging is not enabled")
        return self.details(self.streams[owner_id])

    def _open(self, kind: OwnerKind, owner_id: str) -> Stream:
        stream = self.streams.get(owner_id)
        if stream is None:
            stream = self.streams[owner_id] = Stream(kind, owner_id)
            self._broker.add_topic(stream.topic, stream.subscription)
            self._renew_key(stream)
            self._enable(stream)
            self._agenda.at(self._world.now() + DAY, lambda: self._look_after(stream))
        return stream

    def _look_after(self, stream: Stream) -> None:
        """Once a day: a subscription that was not used for so many days in a row is disabled."""
        if self.streams.get(stream.owner_id) is not stream:
            return
        counts = self.counts(stream)
        taken = counts.completed + counts.abandoned + counts.dead_lettered
        published_before, taken_before = stream.seen
        used = counts.published > published_before and taken > taken_before
        stream.seen = (counts.published, taken)
        stream.unused_days = 0 if used else stream.unused_days + 1
        if stream.enabled and stream.unused_days >= DISUSED_DAYS:
            self.disable(stream)
        self._agenda.at(self._world.now() + DAY, lambda: self._look_after(stream))

    def _enable(self, stream: Stream) -> None:
        stream.enabled, stream.unused_days = True, 0
        self._broker.set_enabled(stream.topic, stream.subscription, enabled=True)

    def _renew_key(self, stream: Stream) -> None:
        stream.key = self._new_key()
        self._set_key(stream.topic, stream.key)

    def _set_key(self, topic: str, key: str) -> None:
        self._broker.set_key(topic, topic, key)

    def _new_key(self) -> str:
        return b64encode(self._world.random("message key").randbytes(32)).decode()
