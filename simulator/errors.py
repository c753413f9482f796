"""What can go wrong with a request to the simulator's control API."""

from typing import ClassVar


class SimulatorError(Exception):
    """The request cannot be served; the message says why and is sent back as problem+json."""

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad request"


class NotFoundError(SimulatorError):
    """Nothing has the id that was given."""

    status = 404
    title = "Not found"


class ConflictError(SimulatorError):
    """The simulated world is not in a state that allows it, e.g. scanning a card where no vehicle is connected."""

    status = 409
    title = "Conflict"
