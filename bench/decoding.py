"""How many messages a second one core understands and folds, against a decoder that goes byte by byte."""

import json
import time
from collections.abc import Sequence

from bench.figures import Figure, Pairs
from bench.traffic import in_batches, messages
from shared.observations.folding import fold
from shared.observations.reading import Message, read

_BATCH = 256
_ELEMENT, _XMLNS, _CHARS8, _CHARS16, _END = 0x40, 0x08, 0x98, 0x9A, 0x01


def decode_and_fold(rounds: int, count: int, chargers: int) -> Figure:
    """Our decoder and folding together, one batch after another; the baseline decodes only."""
    batches = in_batches(messages(chargers, count), _BATCH)
    pairs = []
    for number in range(rounds + 1):
        ours, theirs = _per_second(_ours, batches, count), _per_second(_byte_by_byte, batches, count)
        if number:
            pairs.append((ours, theirs))
    name = f"messages decoded and folded per second, {chargers} chargers, against decoding byte by byte"
    return Pairs(pairs).figure(f"{name} (higher is better)", "1/s", digits=0)


def _per_second(work: object, batches: Sequence[Sequence[Message]], count: int) -> float:
    assert callable(work)
    began = time.process_time()
    for batch in batches:
        work(batch)
    return count / (time.process_time() - began)


def _ours(batch: Sequence[Message]) -> None:
    fold(read(batch).observations)


def _byte_by_byte(batch: Sequence[Message]) -> None:
    for body, _ in batch:
        json.loads(_decode(body))


def _decode(body: bytes) -> str:
    """A plain reading of the records, as integrations do it that follow the specification step by step."""
    at = 0
    text = bytearray()
    while at < len(body):
        record = body[at]
        at += 1
        if record in {_ELEMENT, _XMLNS}:
            length = body[at]
            at += 1
            name = bytearray()
            for _ in range(length):
                name.append(body[at])
                at += 1
        elif record in {_CHARS8, _CHARS16}:
            length = 0
            for place in range(1 if record == _CHARS8 else 2):
                length |= body[at] << (8 * place)
                at += 1
            for _ in range(length):
                text.append(body[at])
                at += 1
        elif record != _END:
            raise ValueError(f"record {record:#x} is not known")
    return text.decode()
