"""What is known here of an installation, read from a real store without a ZapCloud account."""

from datetime import timedelta
from typing import Any

import pytest

from functions.services import Services, build
from shared.access.card import token_id
from shared.readiness.facts import Facts, TokensHere
from shared.readiness.finding import Code
from shared.readiness.readiness import Report
from shared.storage.chargers import Charger
from shared.storage.decisions import SeenToken
from shared.storage.installations import Installation, Mode
from shared.storage.streams import MissedMark, Rotation, Step
from shared.storage.tokens import Token
from tests.conftest import IDENTITY_KEY, HandClock, settings_for
from tests.readiness.conftest import INSTALLATION, OURS

ELSEWHERE = "7d6c5b4a-3928-4716-a5b4-c3d2e1f0a9b8"
CHARGER, OTHER_CHARGER = "0f0e8f4e-7a55-4bd1-9f7e-2f3a1d4c5b6a", "3d0d3c0e-0000-4000-8000-00000000000b"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
async def known(services: Services) -> None:
    await services.installations.put(Installation(id=INSTALLATION, name="Fjordveien", mode=Mode.ENFORCE))
    await services.directory.register([Charger(id=CHARGER, installation_id=INSTALLATION)])


async def report(services: Services, mode: Mode | None = None) -> Report:
    return await services.readiness.report(INSTALLATION, OURS, mode)


async def facts(services: Services) -> Facts:
    return (await report(services)).facts


def token(number: str, **fields: Any) -> Token:
    return Token(id=token_id(IDENTITY_KEY, number), token=number, **fields)


async def test_without_an_account_all_that_is_known_here_is_told(services: Services) -> None:
    found = await report(services)

    assert (found.name, found.mode, found.ready) == ("Fjordveien", Mode.ENFORCE, False)
    assert [finding.code for finding in found.findings] == [
        Code.ZAPCLOUD_NOT_CONFIGURED,
        Code.NO_TOKENS,
        Code.STREAM_NOT_CONFIGURED,
        Code.OUTAGE_REFUSES,
    ]


async def test_an_installation_nobody_told_us_of_has_no_mode(services: Services) -> None:
    found = await services.readiness.report(ELSEWHERE, OURS, Mode.ENFORCE)

    assert (found.name, found.mode) == ("", None)
    assert Code.INSTALLATION_UNKNOWN in {finding.code for finding in found.findings}


async def test_another_mode_can_be_judged_before_it_is_set(services: Services) -> None:
    await services.installations.put(Installation(id=INSTALLATION, mode=Mode.OBSERVE))

    async def severity(mode: Mode | None) -> str:
        found = await report(services, mode)
        return next(finding.severity for finding in found.findings if finding.code is Code.NO_TOKENS)

    assert await severity(None) == "note"
    assert await severity(Mode.ENFORCE) == "lockout"
    stored = await services.installations.get(INSTALLATION)
    assert stored
    assert stored.mode is Mode.OBSERVE


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, TokensHere.SOME),
        ({"installations": (INSTALLATION, ELSEWHERE)}, TokensHere.SOME),
        ({"chargers": (OTHER_CHARGER, CHARGER)}, TokensHere.SOME),
        ({"blocked": True}, TokensHere.NONE_VALID),
        ({"installations": (ELSEWHERE,)}, TokensHere.NONE_VALID),
        ({"chargers": (OTHER_CHARGER,)}, TokensHere.NONE_VALID),
    ],
)
async def test_a_token_that_may_charge_somewhere_here_counts(
    services: Services, card: str, fields: dict[str, Any], expected: TokensHere
) -> None:
    await services.tokens.put(token(card, **fields))

    assert (await facts(services)).tokens is expected


async def test_a_token_counts_while_it_is_valid(services: Services, clock: HandClock, card: str) -> None:
    await services.tokens.put(token(card, valid_from=clock.now() + HOUR, valid_to=clock.now() + 2 * HOUR))

    seen = []
    for _ in range(3):
        seen.append((await facts(services)).tokens)
        clock.advance(HOUR.total_seconds())
    assert seen == [TokensHere.NONE_VALID, TokensHere.SOME, TokensHere.NONE_VALID]


async def test_the_one_token_that_may_charge_is_found_among_many(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pages of two; a full last page does not end the search too early, nor is a token looked at twice."""
    monkeypatch.setattr("shared.readiness.readiness._PAGE", 2)
    tokens = sorted((token(f"04A1B2FFFFFF{number:02}", blocked=True) for number in range(6)), key=lambda one: one.id)
    for one in tokens:
        await services.tokens.put(one)
    assert (await facts(services)).tokens is TokensHere.NONE_VALID

    await services.tokens.put(token(tokens[-1].token))
    assert (await facts(services)).tokens is TokensHere.SOME

    monkeypatch.setattr("shared.readiness.readiness._MOST_TOKENS", 4)
    assert (await facts(services)).tokens is TokensHere.NONE_FOUND


async def test_cards_that_were_shown_count_until_they_are_registered(
    services: Services, clock: HandClock, card: str
) -> None:
    for number in (card, f"{card}00"):
        seen = SeenToken(token_id=token(number).id, token=number, charger_id=CHARGER, last_seen=clock.now())
        await services.decisions.seen(INSTALLATION, seen)
        await services.decisions.seen(ELSEWHERE, seen)
    assert (await facts(services)).unknown_tokens_seen == 2

    await services.tokens.put(token(card))
    assert (await facts(services)).unknown_tokens_seen == 1


async def test_messages_that_went_astray_count_for_a_day(services: Services, clock: HandClock) -> None:
    mark = MissedMark(at=clock.now(), observations=2)
    await services.streams.records.put_missed(INSTALLATION, mark)
    await services.streams.records.put_missed(ELSEWHERE, mark)

    assert (await facts(services)).missed == mark
    clock.advance(86400)
    assert (await facts(services)).missed is None


async def test_messages_that_a_change_of_credentials_explains_are_nobodys_fault(
    connection_string: str, services: Services, clock: HandClock
) -> None:
    streams = f'{{"harbour": {{"installation": "{INSTALLATION}"}}}}'
    listening = build(settings_for(connection_string, clock, streams=streams))
    records, changed_at = listening.streams.records, clock.now()
    rotation = Rotation(stream="harbour", fingerprint="f", step=Step.MOVING, at=changed_at, checked_at=changed_at)
    await records.put_rotation(rotation)
    seen = []
    for minutes in (-5, 14, 15):
        mark = MissedMark(at=changed_at + timedelta(minutes=minutes), observations=2)
        await records.put_missed(INSTALLATION, mark)
        seen.append((await facts(listening)).missed == mark)
    await listening.close()
    assert seen == [False, False, True]


async def test_a_stream_of_ones_own_counts_before_those_of_groups(
    connection_string: str, services: Services, clock: HandClock
) -> None:
    streams = (
        f'{{"mine": {{"installation": "{INSTALLATION}"}}, "others": {{"installation": "{ELSEWHERE}"}}, '
        f'"all": {{"userGroup": "{CHARGER}"}}}}'
    )
    listening = build(settings_for(connection_string, clock, streams=streams))

    async def names(installation_id: str) -> list[tuple[str, bool]]:
        found = await listening.readiness.report(installation_id, OURS)
        return [(stream.name, stream.of_group) for stream in found.facts.streams]

    found = [await names(INSTALLATION), await names(OTHER_CHARGER)]
    await listening.close()
    assert found == [[("mine", False)], [("all", True)]]
