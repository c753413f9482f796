"""What the repositories promise beyond storing a row: paging, order, second keys, and one winner."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from shared.errors import Conflict
from shared.storage.authorizations import Authorizations, Claim, Evidence, Grant, Standing, Waiting
from shared.storage.chargers import Charger, Chargers
from shared.storage.credentials import Credentials, HookCredential
from shared.storage.decisions import Decisions, Expectation, Refusal, SeenToken
from shared.storage.installations import Installation, Installations, Mode, OutagePolicy
from shared.storage.quarantine import MAX_KEPT_BYTES, Quarantine, Shape
from shared.storage.table import Tables
from shared.storage.tokens import Token, Tokens
from tests.conftest import IDENTITY_KEY

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
INSTALLATION = "1b0d3c0e-0000-4000-8000-000000000001"
CHARGER = "2c0d3c0e-0000-4000-8000-000000000001"
WAITING = Waiting(since=NOW, latest=NOW + timedelta(seconds=10))


def token_of(number: int) -> Token:
    return Token(id=f"{number * 40503 % 65536:04x}" + f"{number:028x}", token=f"04A1B2{number:08X}")


def claim_of(session: str = "s1", **changes: object) -> Claim:
    claim = Claim(
        session_id=session,
        installation_id=INSTALLATION,
        charger_id=CHARGER,
        request_key="token:a",
        at=NOW,
        mode="enforce",
        verdict="allowed",
    )
    return msgspec.structs.replace(claim, **changes)


def grant_of(number: int, **changes: object) -> Grant:
    grant = Grant(
        id=f"{number:03}",
        charger_id=CHARGER,
        driver="Ada",
        created_at=NOW + timedelta(seconds=number),
        expires_at=NOW + timedelta(minutes=10),
    )
    return msgspec.structs.replace(grant, **changes)


async def test_a_token_is_registered_replaced_and_deleted(tables: Tables) -> None:
    tokens = Tokens(lambda: NOW, IDENTITY_KEY, tables)
    token = token_of(1)
    assert await tokens.get(token.id) is None

    await tokens.put(token)
    await tokens.put(msgspec.structs.replace(token, driver="Ada", blocked=True))
    stored = await tokens.get(token.id)
    assert stored is not None
    assert (stored.token.driver, stored.token.blocked, stored.open_sessions) == ("Ada", True, ())

    await tokens.delete(token.id)
    await tokens.delete(token.id)
    assert await tokens.get(token.id) is None


async def test_a_token_put_and_deleted_at_once_remembers_that_it_was_somebodys(tables: Tables) -> None:
    """Whichever comes first, the next driver is not the first one."""
    tokens = Tokens(lambda: NOW, IDENTITY_KEY, tables)
    for number in range(10):
        token = msgspec.structs.replace(token_of(number), driver="Ada")
        await tokens.put(token)
        await asyncio.gather(tokens.delete(token.id), tokens.put(msgspec.structs.replace(token, driver="Bo")))
        await tokens.delete(token.id)
        await tokens.put(msgspec.structs.replace(token, driver="Cy"))
        stored = await tokens.get(token.id)
        assert stored is not None
        assert stored.driver_since == NOW


async def test_the_first_page_of_tokens_is_in_order_of_their_ids(tables: Tables) -> None:
    tokens = Tokens(lambda: NOW, IDENTITY_KEY, tables)
    for number in range(30):
        await tokens.put(token_of(number))
    ids = sorted(token_of(number).id for number in range(30))

    assert [token.id for token in await tokens.page("", 7)] == ids[:7]


async def test_tokens_are_paged_to_the_end_each_of_them_once(tables: Tables) -> None:
    tokens = Tokens(lambda: NOW, IDENTITY_KEY, tables)
    for number in range(30):
        await tokens.put(token_of(number))

    found: list[str] = []
    while page := await tokens.page(found[-1] if found else "", 7):
        found += [token.id for token in page]

    assert found == sorted(token_of(number).id for number in range(30))


async def test_open_sessions_are_noted_only_on_the_token_as_it_was_read(tables: Tables) -> None:
    tokens = Tokens(lambda: NOW, IDENTITY_KEY, tables)
    await tokens.put(token_of(1))
    first = await tokens.get(token_of(1).id)
    assert first is not None

    outcomes = await asyncio.gather(*(tokens.set_open_sessions(first, (f"s{number}",)) for number in range(6)))
    assert sum(outcomes) == 1

    stored = await tokens.get(token_of(1).id)
    assert stored is not None
    assert stored.open_sessions == (f"s{outcomes.index(True)}",)
    assert stored.token == token_of(1)

    await tokens.delete(token_of(1).id)
    assert not await tokens.set_open_sessions(stored, ())


async def test_a_token_put_again_holds_no_sessions(tables: Tables) -> None:
    """An operator's way out when a driver is refused for sessions that ended unheard."""
    tokens = Tokens(lambda: NOW, IDENTITY_KEY, tables)
    await tokens.put(token_of(1))
    stored = await tokens.get(token_of(1).id)
    assert stored is not None
    await tokens.set_open_sessions(stored, ("s1", "s2"))

    await tokens.put(token_of(1))

    again = await tokens.get(token_of(1).id)
    assert again is not None
    assert again.open_sessions == ()


async def test_a_charger_is_found_under_its_id_and_its_serial_in_any_case(tables: Tables) -> None:
    chargers = Chargers(tables)
    charger = Charger(id=CHARGER, installation_id=INSTALLATION, device_id="ZAP000123", name="Bay 1")
    nameless = Charger(id=INSTALLATION, installation_id=INSTALLATION)
    await chargers.put(charger)
    await chargers.put(nameless)

    assert await chargers.get(CHARGER) == charger
    assert await chargers.by_serial("ZAP000123") == charger
    assert await chargers.by_serial("zap000123") == charger
    assert await chargers.by_serial("ZAP000124") is None
    assert sorted(found.id for found in await chargers.all()) == sorted([CHARGER, INSTALLATION])


async def test_installations_keep_their_settings(tables: Tables) -> None:
    installations = Installations(tables)
    assert await installations.get(INSTALLATION) is None
    assert await installations.all() == []
    first = Installation(id=INSTALLATION, mode=Mode.OBSERVE, outage_policy=OutagePolicy.ALLOW_AND_MARK)
    second = Installation(id=CHARGER)

    await installations.put(first)
    await installations.put(second)

    assert await installations.get(INSTALLATION) == first
    assert await installations.all() == [first, second]


async def test_a_charger_has_one_claim_whoever_asks_first(tables: Tables, other_instance: Tables) -> None:
    claims = [claim_of(f"s{number}") for number in range(8)]

    outcomes = await asyncio.gather(
        *(
            Authorizations(where).insert(claim)
            for claim, where in zip(claims, [tables, other_instance] * 4, strict=True)
        )
    )

    assert sum(outcomes) == 1
    standing = await Authorizations(tables).read(CHARGER)
    assert standing.claim == claims[outcomes.index(True)]


async def test_a_grant_is_spent_once(tables: Tables, other_instance: Tables) -> None:
    await Authorizations(tables).put_grant(grant_of(1))
    standing = await Authorizations(tables).read(CHARGER)

    outcomes = await asyncio.gather(
        *(
            Authorizations(where).take(claim_of(f"s{number}"), standing, standing.grants[0])
            for number, where in enumerate([tables, other_instance])
        ),
        return_exceptions=True,
    )

    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1
    assert (await Authorizations(tables).read(CHARGER)).grants == ()


async def test_a_claim_is_not_taken_over_a_grant_that_was_withdrawn(tables: Tables) -> None:
    repository = Authorizations(tables)
    await repository.put_grant(grant_of(1))
    standing = await repository.read(CHARGER)
    await repository.delete_grant(CHARGER, "001")

    with pytest.raises(Conflict):
        await repository.take(claim_of(), standing, standing.grants[0])

    assert (await repository.read(CHARGER)).claim is None


async def test_a_claim_is_not_taken_over_a_grant_that_changed(tables: Tables) -> None:
    repository = Authorizations(tables)
    await repository.put_grant(grant_of(1))
    standing = await repository.read(CHARGER)
    changed = grant_of(1, driver="Grace")
    await repository.put_grant(changed)

    with pytest.raises(Conflict):
        await repository.take(claim_of(driver="Ada"), standing, standing.grants[0])

    again = await repository.read(CHARGER)
    assert (again.claim, [grant for grant, _ in again.grants]) == (None, [changed])


async def test_grants_are_oldest_first_and_a_standing_is_all_there_is(tables: Tables) -> None:
    repository = Authorizations(tables)
    for number in (3, 1, 2):
        await repository.put_grant(grant_of(number))
    await repository.insert(claim_of())
    await repository.put_waiting(CHARGER, WAITING)
    await repository.put_evidence(CHARGER, Evidence(running_session_id="s1", running_at=NOW), Standing())

    standing = await repository.read(CHARGER)

    assert [grant.id for grant, _ in standing.grants] == ["001", "002", "003"]
    assert standing.claim == claim_of()
    assert standing.waiting == WAITING
    assert standing.evidence == Evidence(running_session_id="s1", running_at=NOW)
    assert (await repository.read(INSTALLATION)).claim is None


async def test_a_claim_is_questioned_and_released_only_as_it_was_read(tables: Tables) -> None:
    repository = Authorizations(tables)
    await repository.insert(claim_of())
    await repository.put_waiting(CHARGER, WAITING)
    before = await repository.read(CHARGER)

    await repository.question(before)
    standing = await repository.read(CHARGER)
    assert standing.claim == claim_of(questioned=True)

    for late in (repository.question(before), repository.release(before), repository.take(claim_of("s2"), before)):
        with pytest.raises(Conflict):
            await late
    assert await repository.read(CHARGER) == standing

    await repository.release(standing)
    empty = await repository.read(CHARGER)
    assert (empty.claim, empty.waiting) == (None, None)
    await repository.release(empty)
    await repository.question(empty)


async def test_evidence_is_changed_only_as_it_was_read(tables: Tables, other_instance: Tables) -> None:
    for _ in range(2):
        standing = await Authorizations(tables).read(CHARGER)
        outcomes = await asyncio.gather(
            *(
                Authorizations(where).put_evidence(CHARGER, Evidence(running_session_id=f"s{number}"), standing)
                for number, where in enumerate([tables, other_instance])
            ),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes if outcome] == [Conflict]
        winner = Evidence(running_session_id=f"s{outcomes.index(None)}")
        assert (await Authorizations(tables).read(CHARGER)).evidence == winner


async def test_open_claims_are_found_by_when_they_were_given(tables: Tables) -> None:
    repository = Authorizations(tables)
    for number in range(4):
        await repository.insert(
            claim_of(f"s{number}", charger_id=f"charger-{number}", at=NOW + timedelta(minutes=number))
        )

    found = await repository.claims_since(NOW + timedelta(minutes=2))

    assert sorted(claim.session_id for claim in found) == ["s2", "s3"]


async def test_refusals_are_listed_from_an_instant_on_and_cards_by_their_last_sight(tables: Tables) -> None:
    decisions = Decisions(tables)
    for number in range(5):
        at = NOW + timedelta(minutes=number)
        refusal = Refusal(at=at, charger_id=CHARGER, token_id=f"t{number % 2}", reason="unknown-card")
        seen = SeenToken(token_id=f"t{number % 2}", token=f"04A{number % 2}", charger_id=CHARGER, last_seen=at)
        await decisions.refused(INSTALLATION, refusal, seen if number else None)
    await decisions.seen(CHARGER, SeenToken(token_id="t9", token="049", charger_id=CHARGER, last_seen=NOW))

    refusals = await decisions.refusals(INSTALLATION, NOW + timedelta(minutes=1), 3)
    assert [(refusal.at - NOW).seconds // 60 for refusal in refusals] == [1, 2, 3]
    assert await decisions.refusals(INSTALLATION, NOW + timedelta(hours=1), 3) == []
    seen_tokens = await decisions.seen_tokens(INSTALLATION)
    assert [(seen.token_id, (seen.last_seen - NOW).seconds // 60) for seen in seen_tokens] == [("t0", 4), ("t1", 3)]


async def test_what_is_expected_is_forgotten_though_another_instance_forgot_some_of_it(tables: Tables) -> None:
    decisions = Decisions(tables)
    due = [
        Expectation(kind="start", charger_id=f"c{number}", at=NOW, due=NOW + timedelta(seconds=number))
        for number in range(4)
    ]
    for one in due:
        await decisions.expect(INSTALLATION, one)
    await decisions.forget(INSTALLATION, due[1:2])

    await decisions.forget(INSTALLATION, due[:3])

    assert await decisions.due_expectations(INSTALLATION, NOW + timedelta(hours=1), 10) == due[3:]


async def test_two_refusals_of_one_instant_are_two(tables: Tables) -> None:
    decisions = Decisions(tables)
    refusal = Refusal(at=NOW, charger_id=CHARGER, token_id="t", reason="blocked")

    await asyncio.gather(*(decisions.refused(INSTALLATION, refusal, None) for _ in range(4)))

    assert await decisions.refusals(INSTALLATION, NOW, 10) == [refusal] * 4


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("size", [0, 1, 60 * 1024, 60 * 1024 + 1, 200_000, MAX_KEPT_BYTES])
async def test_a_body_is_kept_byte_by_byte(tables: Tables, size: int) -> None:
    quarantine = Quarantine(tables)
    body = bytes(number * 7 % 256 for number in range(size))

    identity = await quarantine.keep("session-end", "not JSON", body, NOW)

    assert await quarantine.body(identity) == body
    (item,) = await quarantine.newest()
    assert (item.id, item.at, item.size_bytes, item.reason) == (identity, NOW, size, "not JSON")


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_of_a_body_beyond_all_measure_the_beginning_is_kept_and_its_size(tables: Tables) -> None:
    quarantine = Quarantine(tables)
    body = bytes(MAX_KEPT_BYTES + 1)

    identity = await quarantine.keep("session-end", "x" * 5000, body, NOW)

    assert await quarantine.body(identity) == body[:MAX_KEPT_BYTES]
    (item,) = await quarantine.newest()
    assert (item.size_bytes, item.reason) == (MAX_KEPT_BYTES + 1, "x" * 1000)


async def test_the_same_body_at_the_same_door_is_one_item(tables: Tables) -> None:
    quarantine = Quarantine(tables)
    for minute, (kind, body) in enumerate([("a", b"1"), ("a", b"1"), ("b", b"1"), ("a", b"2"), ("a1", b"")]):
        await quarantine.keep(kind, "r", body, NOW + timedelta(minutes=minute))

    assert [(item.at - NOW).seconds // 60 for item in await quarantine.newest()] == [4, 3, 2, 0]
    assert await quarantine.body("f" * 32) is None


async def test_later_bodies_stand_first_in_the_table(tables: Tables) -> None:
    """So that the thousand that are listed are the newest."""
    quarantine = Quarantine(tables)
    for day in (1, 400, 0, 30):
        await quarantine.keep("k", "r", bytes([day % 256]), NOW + timedelta(days=day))

    rows = await tables["Quarantine"].partition("body", after="item-", before="item-~")

    assert [(row.properties["at"] - NOW).days for row in rows] == [400, 30, 1, 0]


async def test_the_list_of_bodies_does_not_carry_the_bodies(weighed: tuple[Any, Tables]) -> None:
    scales, tables = weighed
    quarantine = Quarantine(tables)
    for number in range(3):
        await quarantine.keep("k", "r", bytes([number]) * 100_000, NOW)
    scales.weight = 0

    assert len(await quarantine.newest()) == 3

    assert 0 < scales.weight < 20_000


async def test_a_shape_is_new_once(tables: Tables, other_instance: Tables) -> None:
    shape = Shape(at=NOW, kind="session-start", shape="a:text", sample='{"a": "a"}')

    outcomes = await asyncio.gather(*(Quarantine(where).record_shape(shape) for where in [tables, other_instance] * 3))

    assert sum(outcomes) == 1
    assert await Quarantine(tables).record_shape(msgspec.structs.replace(shape, kind="session-end"))
    assert len(await Quarantine(tables).shapes()) == 2
    assert await Quarantine(tables).newest() == []


async def test_credentials_keep_what_they_are_told(tables: Tables) -> None:
    credentials = Credentials(tables)
    assert await credentials.hooks() == {}
    assert await credentials.swept_until() is None
    one = HookCredential(name="zapcloud", installations=("*",), sha256=("ab", "cd"), entra_app_id="app")

    await credentials.put_hook(one)
    await credentials.set_swept_until(NOW)

    assert await credentials.hooks() == {"zapcloud": one}
    assert await credentials.swept_until() == NOW
    await credentials.delete_hook("zapcloud")
    assert await credentials.hooks() == {}
