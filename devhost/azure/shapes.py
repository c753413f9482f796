"""What the stand-ins are told of the world: who may do what, and which sites there are."""

from collections.abc import Mapping

import msgspec

ACTIONS = ("references", "refresh", "restart", "sync", "keys")
"""What may be asked of a site: how its references stand, to refresh them, to restart, to read its triggers
anew, and its keys."""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A managed identity by its client id; `vault` holds get and set, `sites` the ACTIONS by ARM resource id."""

    client_id: str
    vault: tuple[str, ...] = ()
    sites: Mapping[str, tuple[str, ...]] = {}


class Site(msgspec.Struct, kw_only=True):
    """A Function App: where its host listens, and the file that holds what its references are resolved to.

    `references` are its settings that refer to secrets, by their names.
    """

    id: str
    url: str
    function_key: str
    master_key: str
    secrets_file: str
    references: dict[str, str]


class World(msgspec.Struct, kw_only=True):
    identity_header: str
    vault_name: str = "local"
    secrets: dict[str, str] = {}
    """What is in the vault from the beginning."""
    principals: list[Principal]
    sites: list[Site]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`operation` (token, get, set, or one of ACTIONS) answers `status` the next `times`, after `after` good ones."""

    operation: str
    status: int
    times: int = 1
    after: int = 0


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came; it holds no body and no token."""

    operation: str
    subject: str
    client_id: str
    status: int
