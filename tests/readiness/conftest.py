"""An installation at which all is well, as far as its facts say."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.readiness.address import Leads, our_addresses
from shared.readiness.caller import Caller
from shared.readiness.facts import Account, Chargers, Facts, Portal, StreamNow, TokensHere
from shared.storage.installations import Installation, Mode, OutagePolicy

INSTALLATION = "6f1c2d3e-4b5a-4978-8c6d-5e4f3a2b1c0d"
OURS = our_addresses("https://zap.example")

WELL = Facts(
    installation_id=INSTALLATION,
    expected=OURS,
    account=Account.WORKS,
    known=Installation(id=INSTALLATION, name="Fjordveien", outage_policy=OutagePolicy.ALLOW_AND_MARK),
    mode=Mode.ENFORCE,
    portal=Portal(
        name="Fjordveien housing",
        roles=("user", "owner"),
        authentication_type="web-hooks",
        authorization_required=False,
        messaging_enabled=True,
        session_start_url=Leads.TO_US,
        session_end_url=Leads.TO_US,
        caller=Caller.BELIEVED,
    ),
    chargers=Chargers(count=3),
    tokens=TokensHere.SOME,
    streams=(StreamNow(name="fjordveien", received_at=datetime(2026, 3, 2, 6, tzinfo=UTC)),),
)


def facts(**changes: Any) -> Facts:
    """All is well but for the changes; those of `Portal` and `Facts` are told apart by their names."""
    in_portal = {name: value for name, value in changes.items() if name in Portal.__struct_fields__}
    others = {name: value for name, value in changes.items() if name not in in_portal}
    if in_portal:
        others["portal"] = msgspec.structs.replace(WELL.portal, **in_portal)
    return msgspec.structs.replace(WELL, **others)
