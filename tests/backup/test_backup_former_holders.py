"""A card that changed hands is its new driver's from then on after a restore as before it."""

from functions.services import Services
from shared.access.card import token_id
from shared.backup.backup import Backup
from shared.backup.container import BackupContainer
from shared.storage.table import Tables
from shared.storage.tokens import Token
from tests.backup.conftest import fill, restore
from tests.conftest import IDENTITY_KEY, HandClock

CARD = "04A1B2C3000007"


def card_of(driver: str) -> Token:
    return Token(id=token_id(IDENTITY_KEY, CARD), token=CARD, driver=driver)


async def test_a_card_that_was_deleted_before_the_backup_is_remembered(
    services: Services,
    backup: Backup,
    container: BackupContainer,
    empty: Tables,
    restored_services: Services,
    clock: HandClock,
) -> None:
    await fill(services)
    await services.tokens.put(card_of("Kari"))
    await services.tokens.delete(card_of("Kari").id)
    await restore(container, empty, await backup.run())
    await restored_services.tokens.put(card_of("Ola"))
    stored = await restored_services.tokens.get(card_of("Ola").id)
    assert stored
    assert stored.driver_since == clock.now()


async def test_a_card_that_was_given_away_before_the_backup_is_remembered(
    services: Services,
    backup: Backup,
    container: BackupContainer,
    empty: Tables,
    restored_services: Services,
    clock: HandClock,
) -> None:
    await fill(services)
    await services.tokens.put(card_of("Kari"))
    await services.tokens.put(card_of("Ola"))
    given_at = clock.now()
    await restore(container, empty, await backup.run())
    stored = await restored_services.tokens.get(card_of("Ola").id)
    assert stored
    assert stored.driver_since == given_at
