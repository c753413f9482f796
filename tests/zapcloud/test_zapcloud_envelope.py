"""The envelope around ZapCloud's messages, as another program wrote it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.zapcloud.envelope import span_of_braces, unwrap
from tests.observations.envelopes import HEADER, enveloped, records_for

LONGEST = 70_000


def test_every_length_comes_out_of_every_record_as_it_went_in() -> None:
    pattern = bytes(range(256)) * (LONGEST // 256 + 1)
    for length in range(LONGEST + 1):
        text = pattern[:length]
        for record in records_for(length):
            assert unwrap(enveloped(text, record)) == text, (length, hex(record))


@pytest.mark.parametrize("length", [123, 379, 635, 891, 31_488, 31_743])
def test_a_length_byte_that_is_a_brace_is_not_taken_for_one(length: int) -> None:
    text = b'{"ValueAsString":"' + b"x" * (length - 20) + b'"}'
    assert len(text) == length
    for record in records_for(length):
        body = enveloped(text, record)
        assert b"{" in body[: body.index(text)]
        assert unwrap(body) == text


def test_text_split_over_several_records_is_joined() -> None:
    assert unwrap(HEADER + b"\x98\x02{}" + b"\x9a\x02\x00{}" + b"\x01") == b"{}{}"


def test_an_element_of_another_name_and_namespace_is_read_too() -> None:
    assert unwrap(b"\x40\x01s\x08\x03urn\x09\x01p\x02u2\x98\x02{}\x01") == b"{}"


def test_plain_json_is_taken_as_it_is() -> None:
    assert unwrap(b'\xef\xbb\xbf {"a": 1}\n') == b'{"a": 1}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x40",
        HEADER,
        HEADER + b"\x98",
        HEADER + b"\x98\x05{}\x01",
        HEADER + b"\x98\x02{}\x01more",
        HEADER + b"\x99\x02{}more",
        HEADER + b"\x9c\xff\xff\xff\xff{}",
        HEADER + b"\xa8",
        b"\x40\xff\xff\xff\xff\xff\xff",
        b"[1]",
    ],
)
def test_what_is_no_envelope_is_none(body: bytes) -> None:
    assert unwrap(body) is None


@given(st.binary(max_size=300), st.integers(0, 100), st.sampled_from([b"", HEADER, HEADER[:20], b"\x40"]))
def test_no_bytes_make_it_raise(body: bytes, cut: int, head: bytes) -> None:
    for one in (head + body, (head + body)[:cut]):
        assert unwrap(one) is None or isinstance(unwrap(one), bytes)
        assert span_of_braces(one) is None or isinstance(span_of_braces(one), bytes)


def test_a_damaged_envelope_still_shows_its_json() -> None:
    text = b'{"ChargerId":"x","nested":{"a":1}}'
    mangled = enveloped(text, 0x98).decode("utf-8", "replace").encode()
    assert unwrap(mangled) is None
    assert span_of_braces(mangled) == text
