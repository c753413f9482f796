"""The cards that were shown at an installation and that nobody has registered, any more or yet."""

import asyncio
from itertools import batched

from shared.storage.decisions import Decisions, SeenToken
from shared.storage.tokens import Tokens

_AT_ONCE = 32


async def unregistered_tokens(decisions: Decisions, tokens: Tokens, installation_id: str) -> list[SeenToken]:
    """Raises StorageUnavailable."""
    unregistered: list[SeenToken] = []
    for some in batched(await decisions.seen_tokens(installation_id), _AT_ONCE, strict=False):
        known = await asyncio.gather(*(tokens.get(one.token_id) for one in some))
        unregistered += [seen for seen, stored in zip(some, known, strict=True) if stored is None]
    return unregistered
