"""What storing a stream costs: against replaying the very same transactions, in storage operations, and as it grows."""

import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from azure.core.pipeline.transport import AioHttpTransport

from bench.figures import Figure, Pairs
from bench.traffic import INSTALLATION, charger_ids, in_batches, messages
from devhost.stack import ACCOUNT_KEY, Ports, start_azurite, storage_connection_string
from functions.services import Services, build
from shared.observations.reading import Message
from shared.settings import Settings
from shared.storage.chargers import Charger, Chargers
from shared.storage.table import Change, Table, Tables

_BATCH = 256
_IDENTITY_KEY = "an identity key of the benchmarks, 32+"


class Transaction(NamedTuple):
    table: str
    changes: list[Change]


class CountingTransport(AioHttpTransport):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(use_env_settings=False)
        self.requests = 0

    async def send(self, request: Any, **options: Any) -> Any:
        self.requests += 1
        return await super().send(request, **options)


class RecordingTables(Tables):
    """Keeps every transaction that went through, so that it can be made again."""

    def __init__(self, connection_string: str) -> None:
        super().__init__(connection_string)
        self.transactions: list[Transaction] = []

    def __getitem__(self, name: str) -> Table:
        return _RecordingTable(self, name, self.transactions)


class _RecordingTable(Table):
    def __init__(self, tables: Tables, name: str, transactions: list[Transaction]) -> None:
        super().__init__(tables, name)
        self._name_of_mine = name
        self._transactions = transactions

    async def transact(self, changes: Sequence[Change]) -> list[str | None]:
        etags = await super().transact(changes)
        self._transactions.append(Transaction(self._name_of_mine, list(changes)))
        return etags


async def storing(rounds: int, count: int, sizes: Sequence[int]) -> AsyncIterator[Figure]:
    """The figures for each number of chargers, on accounts of one Azurite; at least one message per charger."""
    with tempfile.TemporaryDirectory(prefix="zapbridge-bench-") as folder:
        async with _azurite(Path(folder), accounts=len(sizes) * (3 * rounds + 1)) as accounts:
            for chargers in sizes:
                measured = max(count, chargers)
                swaps = [bool(number % 2) for number in range(max(1, rounds * count // measured))]
                pairs = [await _against_raw(accounts, chargers, measured, swap=swap) for swap in swaps]
                name = f"stream messages stored per second, {chargers} chargers, against the same transactions raw"
                yield Pairs(pairs).figure(f"{name} (higher is better)", "1/s")
                requests = await _requests(accounts, chargers, measured)
                name = f"storage operations per 1,000 messages, {chargers} chargers (lower is better)"
                yield Figure(name, round(1000 * requests / measured, 1), "requests")


async def _against_raw(accounts: list[str], chargers: int, count: int, *, swap: bool) -> tuple[float, float]:
    """Messages per second of our side and of the baseline, which makes the transactions that ours just made."""
    batches = in_batches(messages(chargers, 2 * count), _BATCH)
    warm, measured = batches[: len(batches) // 2], batches[len(batches) // 2 :]
    recording = RecordingTables(accounts.pop())
    services = await _services(recording, chargers)
    await _take(services, warm)
    before = len(recording.transactions)
    await _take(services, measured)
    earlier, transactions = recording.transactions[:before], recording.transactions[before:]
    await services.close()

    async def ours() -> float:
        plain = Tables(accounts.pop())
        services = await _services(plain, chargers)
        await _take(services, warm)
        began = time.perf_counter()
        await _take(services, measured)
        seconds = time.perf_counter() - began
        await services.close()
        return sum(map(len, measured)) / seconds

    async def raw() -> float:
        async with Tables(accounts.pop()) as tables:
            await _replay(tables, earlier)
            began = time.perf_counter()
            await _replay(tables, transactions)
            return sum(map(len, measured)) / (time.perf_counter() - began)

    if swap:
        theirs = await raw()
        return await ours(), theirs
    return await ours(), await raw()


async def _requests(accounts: list[str], chargers: int, count: int) -> int:
    """HTTP requests to storage for so many messages, once the chargers are known and their rows in memory."""
    batches = in_batches(messages(chargers, 2 * count), _BATCH)
    transport = CountingTransport()
    services = await _services(Tables(accounts.pop(), transport), chargers)
    await _take(services, batches[: len(batches) // 2])
    before = transport.requests
    await _take(services, batches[len(batches) // 2 :])
    await services.close()
    return transport.requests - before


async def _take(services: Services, batches: Sequence[Sequence[Message]]) -> None:
    for batch in batches:
        await services.streams.intake.take("bench", batch)


async def _replay(tables: Tables, transactions: Sequence[Transaction]) -> None:
    """The SDK's own calls, without a look at what is there."""
    kinds = {"insert": "upsert", "merge": "upsert", "upsert": "upsert", "replace": "upsert"}
    clients = {name: tables.service().get_table_client(name) for name in {one.table for one in transactions}}
    for client in clients.values():
        await tables.service().create_table_if_not_exists(client.table_name)
    for transaction in transactions:
        operations = [
            (
                kinds[change.kind],
                {"PartitionKey": change.partition, "RowKey": change.key, **change.properties},
                {"mode": "merge"},
            )
            for change in transaction.changes
        ]
        await clients[transaction.table].submit_transaction(operations)


async def _services(tables: Tables, chargers: int) -> Services:
    services = build(Settings(tables="", identity_key=_IDENTITY_KEY), tables)
    known = [Charger(id=one, installation_id=INSTALLATION) for one in charger_ids(chargers)]
    services.streams.intake._store._places._installations = {one.id: one.installation_id for one in known}
    services.streams.intake._store._places._read_at = services.clock()
    await Chargers(tables).put(known[0])
    return services


@asynccontextmanager
async def _azurite(folder: Path, accounts: int) -> AsyncIterator[list[str]]:
    ports = Ports.free()
    names = [f"bench{number:03}" for number in range(accounts)]
    azurite = await start_azurite(folder / "data", ports, folder, ";".join(f"{name}:{ACCOUNT_KEY}" for name in names))
    try:
        yield [storage_connection_string(ports, name) for name in names]
    finally:
        await azurite.stop()
