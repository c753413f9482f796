"""What ZapCloud shows our account of an installation, or why it shows nothing."""

import msgspec

from shared.errors import ZapCloudError, ZapCloudUnavailable
from shared.readiness.facts import Account
from shared.zapcloud.client import ZapCloud
from shared.zapcloud.portal import PortalCharger, PortalInstallation


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """`installation` is None where it is not to be seen, `chargers` where the account's role does not show them all."""

    account: Account
    reason: str = ""
    installation: PortalInstallation | None = None
    chargers: tuple[PortalCharger, ...] | None = None


async def ask_zapcloud(zapcloud: ZapCloud | None, installation_id: str) -> Shown:
    if zapcloud is None:
        return Shown(account=Account.NOT_CONFIGURED)
    try:
        await zapcloud.login.access_token()
    except ZapCloudUnavailable as error:
        return Shown(account=Account.REFUSED if zapcloud.login_refused else Account.NO_ANSWER, reason=str(error))
    except ZapCloudError as error:
        return Shown(account=Account.REFUSED, reason=str(error))
    try:
        installation = await zapcloud.installation(installation_id)
        chargers = None
        if installation and installation.roles.suffices:
            chargers = tuple(await zapcloud.portal_chargers(installation_id))
    except ZapCloudError as error:
        return Shown(account=Account.REFUSED if zapcloud.login_refused else Account.NO_ANSWER, reason=str(error))
    return Shown(account=Account.WORKS, installation=installation, chargers=chargers)
