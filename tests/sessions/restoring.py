"""What a backup brings back: every answer of the app on the restored account, against those before."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from devhost.stack import Host, Ports, Stack, start_azurite, storage_connection_string
from tests.answers import differences, every_answer
from tests.cli.zapctl import Zapctl

LONGEST_SECONDS = 900


async def differences_after_restore(stack: Stack, host: Host, say: Callable[[str], None]) -> list[str]:
    """The questions that an app on a restored account answers otherwise than `host`, whose timer `backup` has just
    run, and the stack's own; the account is another Azurite's."""
    folder = stack.folder / "restored"
    folder.mkdir()
    ports = Ports.free()
    azurite = await start_azurite(folder / "azurite", ports, folder, many_rows=True)
    try:
        new = storage_connection_string(ports)
        before, _ = await asyncio.gather(every_answer(host, stack.host), _restore(stack, new, folder))
        say(f"the backup is restored, and {len(before)} answers are written down")
        restored = [
            await stack.start_host(name, Ports.free().host, {"ZAPBRIDGE_TABLES": new})
            for name in ("restored", "restored-too")
        ]
        found = differences(before, await every_answer(*restored))
        for one in restored:
            await one.process.stop()
    finally:
        await azurite.stop()
    return found


async def _restore(stack: Stack, new: str, folder: Path) -> None:
    zapctl = Zapctl(
        folder,
        {
            "ZAPBRIDGE_BACKUPS": storage_connection_string(stack.ports),
            "ZAPBRIDGE_TABLES": new,
            "ZAPBRIDGE_IDENTITY_KEY": stack.identity_key,
        },
        LONGEST_SECONDS,
    )
    ended = await zapctl("restore", "latest", "--yes", "--json")
    if ended.code:
        raise RuntimeError(f"zapctl restore ended with {ended.code}: {ended.err}")
