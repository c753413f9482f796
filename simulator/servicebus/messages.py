"""What a queue knows of a message, and what it counts."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

import msgspec


class DeadLettering(msgspec.Struct, frozen=True):
    """Why a message is in a dead-letter queue."""

    reason: str | None
    description: str | None


class State(Enum):
    """Where a message stands."""

    WAITING = 0
    LOCKED = 1
    DEFERRED = 2


@dataclass(slots=True, eq=False)
class Message[Content]:
    """A message in one queue; what it consists of does not matter here."""

    number: int
    content: Content
    enqueued_at: datetime
    expires_at: datetime | None
    state: State = State.WAITING
    delivery_count: int = 0
    token: UUID | None = None
    locked_until: datetime | None = None
    deferred: bool = False
    dead_lettering: DeadLettering | None = None

    @property
    def ends_at(self) -> datetime | None:
        """When time next does something to it."""
        return self.locked_until or self.expires_at


class Tally(msgspec.Struct):
    """What has happened in a queue, in messages; `delivered` counts every delivery, `locks_lost` every lock lost."""

    published: int = 0
    delivered: int = 0
    completed: int = 0
    abandoned: int = 0
    expired: int = 0
    locks_lost: int = 0
    dead_lettered: int = 0
    stolen: int = 0
