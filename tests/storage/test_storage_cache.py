"""Values that may be a little old, and are kept when storage is down."""

from datetime import timedelta

import pytest

from shared.errors import NotFound, StorageUnavailable
from shared.storage.cache import Cache
from tests.conftest import HandClock

AGE = timedelta(seconds=30)


class Source:
    def __init__(self) -> None:
        self.value = 1
        self.error: Exception | None = None
        self.reads = 0

    async def read(self, _: str) -> int:
        self.reads += 1
        if self.error:
            raise self.error
        return self.value


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def cache(clock: HandClock, source: Source) -> Cache[str, int]:
    return Cache(clock.now, AGE, source.read)


async def test_a_value_is_read_again_when_it_is_as_old_as_it_may_be(
    clock: HandClock, source: Source, cache: Cache[str, int]
) -> None:
    assert await cache.get("k") == 1
    source.value = 2
    clock.advance(29.999)
    assert await cache.get("k") == 1
    assert source.reads == 1

    clock.advance(0.001)
    assert await cache.get("k") == 2
    assert source.reads == 2


async def test_the_last_known_value_serves_while_storage_is_down(
    clock: HandClock, source: Source, cache: Cache[str, int]
) -> None:
    await cache.get("k")
    source.error, source.value = StorageUnavailable(), 2
    clock.advance(86400)

    assert await cache.get("k") == 1
    assert cache.last_known("k") == 1

    source.error = None
    clock.advance(5)
    assert await cache.get("k") == 2


async def test_what_was_never_known_cannot_serve(source: Source, cache: Cache[str, int]) -> None:
    source.error = StorageUnavailable()

    with pytest.raises(StorageUnavailable):
        await cache.get("k")
    assert cache.last_known("k") is None


async def test_only_an_outage_is_bridged(clock: HandClock, source: Source, cache: Cache[str, int]) -> None:
    await cache.get("k")
    clock.advance(31)
    source.error = NotFound()

    with pytest.raises(NotFound):
        await cache.get("k")


async def test_what_expires_is_read_again_but_serves_on_in_an_outage(
    clock: HandClock, source: Source, cache: Cache[str, int]
) -> None:
    await cache.get("k")
    cache.expire("k")
    source.error = StorageUnavailable()
    assert await cache.get("k") == 1

    source.error, source.value = None, 2
    clock.advance(5)
    assert await cache.get("k") == 2


async def test_what_is_forgotten_is_gone(source: Source, cache: Cache[str, int]) -> None:
    await cache.get("k")
    cache.forget("k")
    assert cache.last_known("k") is None

    cache.forget("never known")
    cache.expire("never known")


async def test_an_outage_is_not_asked_about_at_every_call(
    clock: HandClock, source: Source, cache: Cache[str, int]
) -> None:
    """Each try takes seconds while storage is frozen, and all of them stand in the way of a driver."""
    await cache.get("k")
    clock.advance(31)
    source.error = StorageUnavailable()

    for _ in range(3):
        assert await cache.get("k") == 1
    clock.advance(4.999)
    assert await cache.get("k") == 1
    assert source.reads == 2

    clock.advance(0.001)
    assert await cache.get("k") == 1
    assert source.reads == 3
