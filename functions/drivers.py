"""The management API for drivers: who they are, all that is held about one, and to forget one."""

import re
import unicodedata
from http import HTTPStatus
from typing import Annotated

import azure.functions as func
import msgspec

from functions.encoding import answer, decoded, limit_parameter, managed
from functions.levels import API_LEVEL
from functions.services import services
from functions.sessions import SessionDetails
from shared.errors import Conflict, InvalidInput, NotFound
from shared.identifiers import canonical_uuid

drivers = func.Blueprint()

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Groups = Annotated[list[_Text], msgspec.Meta(max_length=50)]
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_STEERING = {"Cc", "Zl", "Zp"}
"""Unicode's categories of what breaks a line or steers a terminal."""


class DriverInput(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    driver: _Text
    name: _Text | None = None
    email: _Text | None = None
    phone: _Text | None = None
    groups: _Groups = []
    zaptec_user_id: _Text | None = None


@drivers.route("drivers", methods=["PUT"], auth_level=API_LEVEL)
@managed()
async def put_driver(req: func.HttpRequest) -> func.HttpResponse:
    from shared.privacy.identity import driver_id
    from shared.storage.drivers import Driver

    given = decoded(req, DriverInput)
    if faults := _faults(given):
        raise InvalidInput("the driver cannot be stored", faults)
    identity = driver_id(services().settings.identity_key, given.driver)
    erasure = await services().drivers.erasure(identity)
    if erasure and erasure.erasure.done_at is None:
        raise Conflict(f"the driver of id {identity} is being erased; once that is done they can be registered again")
    driver = Driver(
        id=identity,
        driver=given.driver,
        name=given.name,
        email=given.email,
        phone=given.phone,
        groups=tuple(dict.fromkeys(given.groups)),
        zaptec_user_id=canonical_uuid(given.zaptec_user_id),
    )
    await services().drivers.put(driver)
    return answer(driver)


def _faults(given: DriverInput) -> dict[str, str]:
    """By their fields; nothing for who can be stored."""
    faults = {}
    texts: dict[str, list[str | None]] = {
        "driver": [given.driver],
        "name": [given.name],
        "phone": [given.phone],
        "groups": [*given.groups],
    }
    for field, told in texts.items():
        if any(unicodedata.category(letter) in _STEERING for text in told for letter in text or ""):
            faults[field] = "must be one line without control characters"
    if given.email is not None and not _ADDRESS.fullmatch(given.email):
        faults["email"] = "must have one @ with something before and after it, and no blanks"
    if given.zaptec_user_id is not None and canonical_uuid(given.zaptec_user_id) is None:
        faults["zaptecUserId"] = "must be a hyphenated UUID"
    return faults


@drivers.route("drivers", methods=["GET"], auth_level=API_LEVEL)
@managed("group", "limit", "cursor")
async def list_drivers(req: func.HttpRequest) -> func.HttpResponse:
    limit = limit_parameter(req)
    after = req.params.get("cursor", "")
    if after and not _is_driver_id(after):
        raise InvalidInput("the cursor cannot be used", {"cursor": "must be one that an earlier page answered with"})
    found = await services().drivers.page(after, limit + 1, req.params.get("group", ""))
    more = len(found) > limit
    return answer({"items": found[:limit], "cursor": found[limit - 1].id if more else None})


@drivers.route("drivers/{id}", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def get_driver(req: func.HttpRequest) -> func.HttpResponse:
    """A driver with the tokens that carry their name, also one whose name stands in tokens only."""
    from shared.privacy.identity import driver_id
    from shared.storage.drivers import Driver

    identity, key = _driver_id(req), services().settings.identity_key
    driver = await services().drivers.get(identity)
    tokens = []
    after, size = "", 1000
    while page := await services().tokens.page(after, size):
        tokens += [token for token in page if token.driver and driver_id(key, token.driver) == identity]
        after = page[-1].id
    if driver is None:
        if not tokens:
            raise NotFound("no driver of that id")
        driver = Driver(id=identity, driver=tokens[0].driver or "")
    return answer(msgspec.to_builtins(driver) | {"tokens": tokens})


@drivers.route("drivers/{id}", methods=["DELETE"], auth_level=API_LEVEL)
@managed()
async def erase_driver(req: func.HttpRequest) -> func.HttpResponse:
    """200 once nothing tells of the person any more; 202 while the timer goes on with it, and asking again may help."""
    erasure = await services().erasures.erase(_driver_id(req))
    content = {
        "id": erasure.id,
        "state": "done" if erasure.done_at else "under-way",
        "pseudonym": erasure.pseudonym,
        "erasedAt": erasure.erased_at,
        "doneAt": erasure.done_at,
        "sessions": erasure.sessions,
        "tokens": erasure.tokens,
    }
    return answer(content, HTTPStatus.OK if erasure.done_at else HTTPStatus.ACCEPTED)


@drivers.route("drivers/{id}/export", methods=["GET"], auth_level=API_LEVEL)
@managed()
async def export_driver(req: func.HttpRequest) -> func.HttpResponse:
    """All that is held about the person, in one document."""
    held = await services().person_export.of(_driver_id(req))
    sessions = [msgspec.convert(view, SessionDetails, from_attributes=True) for view in held["sessions"]]
    return answer(held | {"sessions": sessions})


def _driver_id(req: func.HttpRequest) -> str:
    text = str(req.route_params.get("id", "")).lower()
    if not _is_driver_id(text):
        raise NotFound("no driver of that id; ids are 32 hex digits, a name is none")
    return text


def _is_driver_id(text: str) -> bool:
    return len(text) == 32 and set(text) <= set("0123456789abcdef")
