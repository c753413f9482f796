"""A second storage account, for what one instance alone would have stored."""

from collections.abc import AsyncIterator, Iterator

import pytest

from shared.storage.table import Tables


@pytest.fixture
async def other_account(azurite_accounts: Iterator[str]) -> AsyncIterator[Tables]:
    async with Tables(next(azurite_accounts)) as opened:
        yield opened
