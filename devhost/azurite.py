"""Azurite, Microsoft's own stand-in for Azure Storage, as a process of the local stack.

It must be stopped with SIGINT, since it loses acknowledged rows otherwise.
"""

from pathlib import Path

from devhost.processes import Ports, Process, spawn

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's well-known account, the same on every machine ("Use the Azurite emulator", Microsoft Learn)."""


async def start_azurite(
    data: Path, ports: Ports, log_folder: Path, accounts: str = "", *, many_rows: bool = False
) -> Process:
    """Azurite on disk; `accounts` (`name:key;…`) are served in the place of the well-known one.

    With `many_rows` its time does not grow with its tables: it keeps rows in memory alone, which else it writes to disk
    all together every five seconds, and looks at no other partition than the one it is asked for.
    """
    command = ["node", "node_modules/azurite/dist/src/azurite.js", "--silent", "--skipApiVersionCheck"]
    command += ["--disableTelemetry", *(["--inMemoryPersistence"] if many_rows else ["--location", str(data)])]
    if many_rows:
        command[1:1] = ["--require", "./devhost/azurite_by_partition.cjs"]
    command += ["--blobPort", str(ports.blob), "--queuePort", str(ports.queue), "--tablePort", str(ports.table)]
    azurite = await spawn("azurite", command, log_folder, {"AZURITE_ACCOUNTS": accounts} if accounts else None)
    await azurite.wait_for(f"http://127.0.0.1:{ports.table}/{ACCOUNT}")
    return azurite


def storage_connection_string(ports: Ports, account: str = ACCOUNT) -> str:
    base = "http://127.0.0.1"
    return (
        f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint={base}:{ports.blob}/{account};QueueEndpoint={base}:{ports.queue}/{account};"
        f"TableEndpoint={base}:{ports.table}/{account};"
    )
