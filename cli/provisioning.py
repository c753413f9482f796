"""From secrets in the store to an app that has read them: the part of `setup` that touches both sites.

Source of the order: Microsoft Learn, "Use Key Vault references as app settings": a reference without a version is read
again within a day, or at once when it is told to be.
"""

import asyncio
from collections.abc import Mapping

from cli.exits import Exit, Failure
from cli.opening import App
from cli.output import Output

IDENTITY_KEY = "identity-key"
USERNAME = "zapcloud-username"
PASSWORD = "zapcloud-password"  # noqa: S105 - the secret's name
_OF_HOOKS = (IDENTITY_KEY, USERNAME, PASSWORD)
_OF_STREAMS = (IDENTITY_KEY,)
_LOOK_SECONDS, _LOOKS = 2.0, 90


async def bring_up(app: App, output: Output, written: Mapping[str, str], *, replaced: bool = False) -> None:
    """Have both sites read the secrets, `written` being the versions of those just stored, and wait until the app is
    up. A site restarts where it must: the streams for the identity key, the web hooks where they are not up, or where
    a value was `replaced`.

    Raises Failure where a reference does not resolve, or the app does not come up.
    """
    up = await app.api.is_up()
    if up and not written:
        return
    sites = app.sites
    for host, names in ((sites.streams, _OF_STREAMS), (sites.hooks, _OF_HOOKS)):
        if host is not None:
            await host.refresh_references()
            if waiting := await host.unresolved({name: written.get(name, "") for name in names}):
                reason = f"the app cannot read {', '.join(waiting)} yet"
                remedy = "wait some minutes for its role on the vault, then run the same command again"
                raise Failure(Exit.NOT_CONFIGURED, f"{reason}; {remedy}")
    if sites.streams is not None and (IDENTITY_KEY in written or not up):
        await sites.streams.restart()
    if replaced or not await app.api.is_up():
        output.note("restarting the web hooks")
        await sites.hooks.restart()
    for _ in range(_LOOKS):
        if await app.api.is_up():
            return
        await asyncio.sleep(_LOOK_SECONDS)
    await app.api.get("/health/details")  # says what is missing
    raise Failure(
        Exit.UNAVAILABLE, "the app has not come up within three minutes; look at its log, then run this again"
    )
