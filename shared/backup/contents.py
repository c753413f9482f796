"""Which tables a backup holds, in the order they are read, and why the others are left out.

A table goes on changing while it is read. Facts of sessions are only ever added, so that a session that is read a
moment early merely lacks its latest facts; a claim is enough to complete the session it was given for. Hence claims are
read after the sessions: whoever was let in before the claims were read is in the backup, by facts or by claim.
"""

from typing import Final

import msgspec


class Kept(msgspec.Struct, frozen=True):
    """A table in the backup; `where` is an OData filter for the rows that are worth it, "" for all."""

    table: str
    where: str = ""


KEPT: Final = (
    Kept("Installations"),
    Kept("Chargers"),
    Kept("Tokens"),
    Kept("Drivers", "PartitionKey eq 'driver' or PartitionKey eq 'erasure' or PartitionKey eq 'former'"),
    Kept("Credentials", "PartitionKey eq 'hooks'"),
    Kept("Sessions"),
    Kept("Authorizations"),
    Kept("Decisions", "RowKey ge 'refused-'"),
    Kept("Quarantine"),
    Kept("ChargerStates"),
)
"""Of `Credentials` the callers of the web hooks, whose secrets are there as digests only: leases, rotations and marks
belong to the app that runs. Of `Decisions` the refusals and the unknown cards, not what is expected within minutes,
whose keys sort before those. `ChargerStates` has the public keys of the meters, and what cars that charge have drawn up
to now."""

LEFT_OUT: Final = {
    "SessionIndex": "a projection of the sessions, drawn again when they are restored",
    "ChargerHistory": "a row for each charger and minute, on which no figure of a session depends",
    "ObservationKinds": "read from ZapCloud's constants every day",
    "Reconciliation": "without its marks all that ZapCloud still lists is read again, which brings the sessions since",
}
