"""`python -m bench.invoking APP FUNCTION BATCH COUNT CHARGERS`: for every line on standard input, runs a function of an
app through Microsoft's worker library with COUNT batches of messages of so many chargers, and prints the seconds that
took.

Where the app is zapbridge its storage is stubbed: what is folded goes nowhere.
"""

import asyncio
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from azure.servicebus.amqp import AmqpMessageBodyType

from bench.traffic import INSTALLATION, charger_ids, in_batches, messages
from devhost.functions import read_function
from devhost.messages import of_batch
from devhost.worker import Worker
from shared.observations.folding import Fold
from shared.observations.reading import Message

SETTINGS = {
    "ZAPBRIDGE_ROLE": "streams",
    "ZAPBRIDGE_TABLES": "UseDevelopmentStorage=true",
    "ZAPBRIDGE_IDENTITY_KEY": "an identity key of the benchmarks, 32+",
    "ZAPBRIDGE_STREAMS": f'{{"bench": {{"installation": "{INSTALLATION}"}}}}',
    "ZAPBRIDGE_STREAM_BENCH_CONNECTION": "nothing",
    "ZAPBRIDGE_STREAM_BENCH_TOPIC": "nothing",
    "ZAPBRIDGE_STREAM_BENCH_SUBSCRIPTION": "nothing",
}


async def run(app: Path, name: str, batch_size: int, count: int, chargers: int) -> None:
    os.environ.update(SETTINGS)
    sys.path.insert(0, str(app))
    os.chdir(app)
    worker = Worker()
    functions = {found.name: found for found in map(read_function, await worker.start(app))}
    if name.startswith("stream_"):
        _stub_storage(chargers)
    sent = in_batches(messages(chargers, batch_size * count), batch_size)
    batches = [
        of_batch([_received(message, number) for number, message in enumerate(batch)], binary=True) for batch in sent
    ]
    while await asyncio.to_thread(sys.stdin.readline):
        began = time.perf_counter()
        for data, metadata in batches:
            await worker.invoke(functions[name], data, metadata)
        print(time.perf_counter() - began, flush=True)


def _stub_storage(chargers: int) -> None:
    from functions.services import services

    places = dict.fromkeys(charger_ids(chargers), INSTALLATION)

    async def everywhere(_: Fold) -> dict[str, str]:
        return places

    async def nothing(*_: object) -> None:
        pass

    intake = services().streams.intake
    for owner, name, stub in (
        (intake._store, "places", everywhere),
        (intake._store, "store", nothing),
        (intake._teaching, "tell", nothing),
        (intake._progress._records, "put_mark", nothing),
    ):
        setattr(owner, name, stub)


def _received(message: Message, number: int) -> Any:
    """As the SDK shows a message of ZapCloud's, as far as devhost looks at it."""
    body, enqueued_at = message
    return SimpleNamespace(
        body=[body],
        body_type=AmqpMessageBodyType.DATA,
        sequence_number=number,
        delivery_count=0,
        enqueued_time_utc=enqueued_at,
        expires_at_utc=None,
        lock_token=UUID(int=number),
        message_id=f"{number:032x}",
        application_properties={},
        dead_letter_source=None,
        content_type=None,
        reply_to=None,
        to=None,
        subject=None,
        correlation_id=None,
        session_id=None,
        reply_to_session_id=None,
        partition_key=None,
        transaction_partition_key=None,
    )


if __name__ == "__main__":
    folder, function, *numbers = sys.argv[1:]
    asyncio.run(run(Path(folder).resolve(), function, *map(int, numbers)))
