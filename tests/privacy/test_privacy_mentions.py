"""What counts as naming somebody in foreign text, who is known by name or by marks alone; no storage needed."""

import json
import time

import pytest

from shared.access.card import token_id
from shared.privacy.identity import driver_id, email_mark, user_mark
from shared.privacy.mentions import marks_told, names_any
from tests.conftest import IDENTITY_KEY
from tests.privacy.test_privacy_erasure import signed_by

CARD = "04A1B2C3"
LONG_CARD = "04A1B2C3D4E5F6"
USER = "30000000-0000-4000-8000-000000000001"
COMPLETED = json.dumps({"SessionId": USER, "SignedSession": signed_by(CARD)})


def tells(text: str, mark: str) -> bool:
    return mark in marks_told(IDENTITY_KEY, text)


@pytest.mark.parametrize(
    "text",
    [
        CARD,
        "nfc-04a1b2c3",
        "04:A1:B2:C3",
        "(04A1-B2C3)",
        "read: 04 a1 b2 c3 00 00",
        '{"card":"nfc-04A1B2C3"',
        '{"card": "04 A1 B2 C3"}',
        f"token={CARD}&x=1",
        COMPLETED,
        json.dumps({"body": COMPLETED}),
        json.dumps([json.dumps({"body": COMPLETED})]),
    ],
)
def test_a_card_is_found_however_it_is_spelled(text: str) -> None:
    assert tells(text, token_id(IDENTITY_KEY, CARD))


@pytest.mark.parametrize("text", ["", "04A1B2", "04A1B2C300", "04A1B2C3-", "x04A1B2C3", "04 A1 B2 C3 FF"])
def test_a_card_of_another_number_is_not_taken_for_it(text: str) -> None:
    assert not tells(text, token_id(IDENTITY_KEY, LONG_CARD))
    assert not tells(text, token_id(IDENTITY_KEY, "A1B2C3"))


def test_a_card_of_a_few_digits_counts_as_a_whole_string_only() -> None:
    card = token_id(IDENTITY_KEY, "2026")
    assert tells("nfc-2026", card)
    assert tells('{"card": "20-26"}', card)
    assert tells("card nfc-2026, refused", card)
    assert not tells('{"2026": "2026-03-02", "n": 2026}', card)


@pytest.mark.parametrize(
    "text",
    [
        "Kari Nordmann",
        '{"n":"Kari Nordmann"}',
        '{"n":"K\\u0061ri Nordmann"',
        json.dumps({"body": '{"n": "Kari Nordmann"}'}),
    ],
)
def test_who_is_known_by_marks_is_found_by_name_as_a_whole_string(text: str) -> None:
    assert tells(text, driver_id(IDENTITY_KEY, "Kari Nordmann"))


def test_addresses_ids_and_numbers_are_found_in_the_middle_of_text() -> None:
    text = f"from <Kari@Example.test>, user {USER.upper()}; customer KN-2026-17."
    assert tells(text, email_mark(IDENTITY_KEY, "kari@example.test"))
    assert tells(text, user_mark(IDENTITY_KEY, USER))
    assert tells(text, driver_id(IDENTITY_KEY, "KN-2026-17"))


def test_letters_beyond_the_common_ones_do_no_harm() -> None:
    assert tells('{"n": "\\ud83d\\ude97 Kari"}', driver_id(IDENTITY_KEY, "\U0001f697 Kari"))
    assert not tells('{"n": "\\ud83d"}', driver_id(IDENTITY_KEY, "Kari"))


@pytest.mark.parametrize(
    "text", ["Kari Nordmann", '{"n":"KARI NORDMANN"}', '{"n":"K\\u0061ri Nordmann"}', "by kari nordmann, again"]
)
def test_who_is_known_by_name_is_found_in_any_case_and_in_the_middle_of_text(text: str) -> None:
    assert names_any(text, ["Kari Nordmann"])


@pytest.mark.parametrize(
    "text", ["", "Karin Nordmannsen", "xKari Nordmann", '{"energy": 7, "x": "17", "at": "2026-03"}']
)
def test_others_are_not_taken_for_them(text: str) -> None:
    assert not names_any(text, ["Kari Nordmann", "7", "energy", "2026"])


@pytest.mark.parametrize("name", ["7", "2026", "energy", "Kari"])
def test_a_common_word_or_figure_counts_as_a_whole_value_only(name: str) -> None:
    mark = driver_id(IDENTITY_KEY, name)
    for text in (name, f'{{"driver": "{name}"}}', f'{{"body": "{{\\"driver\\": \\"{name}\\"}}"}}'):
        assert names_any(text, [name])
        assert tells(text, mark)
    for text in (f"{name} and more", f'{{"{name}": 1}}', f'{{"{name}" : "x"}}', f'{{"body": "{{\\"{name}\\": 1}}"}}'):
        assert not names_any(text, [name])
        assert not tells(text, mark)


@pytest.mark.parametrize("piece", ["04 ", "ab:", "0", "\\", '"a', "a1234567 ", "a@", "{", "Zz9+"])
def test_the_largest_body_is_looked_through_in_time(piece: str) -> None:
    began = time.monotonic()
    marks_told(IDENTITY_KEY, piece * (840 * 1024 // len(piece)))
    assert time.monotonic() - began < 20
