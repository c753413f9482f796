"""What was asked for, what was wrong with it, and which faults are still to come."""

import json
from collections.abc import Mapping

import msgspec
from aiohttp import web

from devhost.azure.shapes import Call, Fault

_CODES = {
    400: "BadParameter",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    429: "Throttled",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}
_CALL = web.RequestKey("call", tuple[str, str, str])


class Refusal(Exception):
    """An answer that is no success; a violation where the caller asked wrongly."""

    def __init__(self, status: int, message: str, *, code: str = "", inner: str = "", violation: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or _CODES[status]
        self.inner = inner
        self.violation = violation

    def response(self) -> web.Response:
        error: dict[str, object] = {"code": self.code, "message": str(self)}
        if self.inner:
            error["innererror"] = {"code": self.inner}
        headers = {"Retry-After": "1"} if self.status in {429, 503} else {}
        return web.json_response({"error": error}, status=self.status, headers=headers)


def wrong(message: str, status: int = 400) -> Refusal:
    """The refusal of a request that the published API does not know like this."""
    return Refusal(status, message, violation=True)


class Book:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.violations: list[str] = []
        self._faults: list[Fault] = []

    def arm(self, faults: list[Fault]) -> None:
        """These, and no earlier ones."""
        self._faults = list(faults)

    def begin(self, request: web.Request, operation: str, subject: str, client_id: str) -> None:
        """The request is understood as this; `end` notes it with the status it was answered with."""
        request[_CALL] = operation, subject, client_id

    def end(self, request: web.Request, status: int) -> None:
        if _CALL in request:
            operation, subject, client_id = request[_CALL]
            self.calls.append(Call(operation=operation, subject=subject, client_id=client_id, status=status))

    def note_violation(self, request: web.Request, refusal: Refusal) -> None:
        self.violations.append(f"{request.method} {request.path}: {refusal}")

    def strike(self, operation: str) -> None:
        """Raises the Refusal of a fault that is due."""
        for place, fault in enumerate(self._faults):
            if fault.operation != operation:
                continue
            if fault.after:
                self._faults[place] = msgspec.structs.replace(fault, after=fault.after - 1)
                return
            if fault.times:
                self._faults[place] = msgspec.structs.replace(fault, times=fault.times - 1)
                raise Refusal(fault.status, "a fault that was ordered")


async def json_body(request: web.Request) -> Mapping[str, object]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise wrong("the body is not JSON") from None
    if not isinstance(body, dict):
        raise wrong("the body is not a JSON object")
    return body
