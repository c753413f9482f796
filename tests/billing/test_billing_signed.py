"""A signed meter value: what its verdict is, and whether it tells of the session it came with."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.billing.intervals import energy_by_interval
from shared.billing.ocmf import LONGEST_DOCUMENT, read_document
from shared.billing.public_key import read_public_key
from shared.billing.readings import readings_of_meter
from shared.billing.signed import Assessment, Verdict, assess
from shared.errors import InvalidInput
from tests.billing.meter import READINGS, SERIAL, SESSION, Meter, payload, reading

METER = Meter()
EXAMPLES = settings(derandomize=True, database=None, deadline=None, max_examples=300)


@dataclass(frozen=True)
class Case:
    session_id: str = SESSION
    device_id: str | None = SERIAL
    public_key: str | None = METER.key

    def of(self, document: str) -> Assessment:
        return assess(
            document,
            session_id=self.session_id,
            device_id=self.device_id,
            public_key=self.public_key,
        )


def test_what_the_charger_signed_of_this_session_is_valid_and_matches() -> None:
    found = Case().of(METER.signed(payload()))
    assert (found.verdict, found.same_session, found.findings) == (Verdict.VALID, True, ())
    assert found.energy_kwh == Decimal("2.527")
    assert found.begin == datetime(2025, 6, 7, 9, 20, 55, 943000, UTC)
    assert found.end == datetime(2025, 6, 7, 16, 46, 56, 864000, UTC)
    assert found.key_fingerprint == sha256(METER.public()).hexdigest()
    assert [(one.transaction, one.time_status) for one in found.readings] == [("B", "R"), *[("T", "R")] * 5, ("E", "R")]


@pytest.mark.parametrize(
    "curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1(), ec.BrainpoolP256R1()]
)
def test_signatures_are_checked_on_every_curve(curve: ec.EllipticCurve) -> None:
    meter = Meter(curve)
    assert Case(public_key=meter.key).of(meter.signed(payload())).verdict is Verdict.VALID
    assert Case(public_key=Meter(curve, 2).key).of(meter.signed(payload())).verdict is Verdict.INVALID


def test_a_signature_may_be_in_hex_which_is_the_formats_default() -> None:
    signed = METER.signed(payload())
    signature = signed.split('"SD":"')[1].rstrip('"}')
    document = signed.replace(signature, base64.b64decode(signature).hex()).replace('"SE":"base64",', "")
    assert Case().of(document).verdict is Verdict.VALID


def test_every_change_to_what_was_signed_makes_it_invalid() -> None:
    document = METER.signed(payload())
    for was, now in (
        ("3.369", "3.370"),
        ("3.369", "3.3690"),
        (SERIAL, "ZPR000002"),
        ("09:20:55", "09:20:54"),
        ('"R', ' "R'),
    ):
        assert Case().of(document.replace(was, now, 1)).verdict is Verdict.INVALID, was
    content = document.split("|")[1]
    spaced = document.replace(content, content.replace('","', '", "'))
    assert Case().of(spaced).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    "signature", ["", "AAAA", "MGUCMQ…", "not base64!", base64.b64encode(b"\x30\x06\x02\x01\x01\x02\x01\x01").decode()]
)
def test_a_signature_that_is_none_is_invalid(signature: str) -> None:
    found = Case().of(METER.signed(payload(), SD=signature))
    assert found.verdict is Verdict.INVALID
    assert found.energy_kwh == Decimal("2.527")


@pytest.mark.parametrize("algorithm", ["ECDSA-secp256r1-SHA256", "ECDSA-secp384r1-SHA512", "RSA", None])
def test_a_signature_that_says_another_algorithm_is_invalid(algorithm: str | None) -> None:
    assert Case().of(METER.signed(payload(), SA=algorithm)).verdict is Verdict.INVALID


def test_without_a_key_a_signature_is_neither_valid_nor_invalid() -> None:
    for key in (None, "", "  "):
        found = Case(public_key=key).of(METER.signed(payload()))
        assert (found.verdict, found.key_fingerprint) == (Verdict.NO_KEY, None)


def test_a_key_that_cannot_be_read_is_said_to_be_so() -> None:
    found = Case(public_key="0000").of(METER.signed(payload()))
    assert found.verdict is Verdict.NO_KEY
    assert found.findings[0].startswith("The public key is not a public key")


def test_a_key_that_comes_with_the_document_is_not_used() -> None:
    """Whoever forges a document can add the key he forged it with."""
    forger = Meter(number=2)
    found = Case(public_key=None).of(f"{forger.signed(payload())}|{forger.key}")
    assert found.verdict is Verdict.NO_KEY
    assert "The document brings a key of its own, which proves nothing and was not used." in found.findings
    assert Case().of(f"{forger.signed(payload())}|{forger.key}").verdict is Verdict.INVALID


def test_a_charger_without_a_calibrated_meter_is_said_to_be_unsigned() -> None:
    found = Case(public_key=None).of(f"OCMF|{payload(GI='Zaptec Go+')}")
    assert (found.verdict, found.same_session, found.energy_kwh) == (Verdict.UNSIGNED, True, Decimal("2.527"))
    assert found.findings == ()


def test_a_signature_that_was_taken_off_is_noticed() -> None:
    found = Case().of(f"OCMF|{payload()}")
    assert found.verdict is Verdict.UNSIGNED
    assert found.findings == ("The charger's meter has a key to sign with, and did not sign this.",)


def test_a_document_of_a_live_charger_is_read() -> None:
    """Abridged from the tests of stelund/charging-costs; its charger's key is not known."""
    document = (
        'OCMF|{"FV":"1.0","GI":"Zaptec Pro MID","GS":"ZPR294591","GV":"5.0.7.2","PG":"T1","MF":"v1.3.6","IS":false,'
        '"RD":[{"TM":"2025-06-07T09:20:55,943+00:00 R","TX":"B","RV":0.842,"RI":"1-0:1.8.0","RU":"kWh","ST":"G"},'
        '{"TM":"2025-06-07T16:46:56,864+00:00 R","TX":"E","RV":3.369,"RI":"1-0:1.8.0","ST":"G"}],'
        '"ZS":"29ebc8fc-04a6-4ff7-bd9e-a6ca3982493b"}|{"SA":"ECDSA-secp384r1-SHA256","SE":"base64","SD":"MGUCMQ…"}'
    )
    found = Case(device_id="ZPR294591", public_key=None).of(document)
    assert (found.verdict, found.same_session, found.energy_kwh) == (Verdict.NO_KEY, True, Decimal("2.527"))
    assert found.findings == ()


def test_a_valid_document_of_another_session_does_not_match() -> None:
    found = Case(session_id="00000000-0000-4000-8000-000000000001").of(METER.signed(payload()))
    assert (found.verdict, found.same_session) == (Verdict.VALID, False)
    assert found.findings == ("The document tells of another session.",)


def test_a_document_that_names_no_session_or_no_charger_says_so() -> None:
    found = Case().of(METER.signed(payload(ZS=None, GS=None)))
    assert (found.verdict, found.same_session) == (Verdict.VALID, None)
    assert found.findings == ("The document does not name its session.", "The document does not name its charger.")


def test_a_document_of_another_charger_says_so_whatever_case_a_serial_is_in() -> None:
    assert Case(device_id="zpr000001").of(METER.signed(payload())).findings == ()
    assert Case(device_id=SERIAL).of(METER.signed(payload(GS=SERIAL.lower()))).findings == ()
    (finding,) = Case(device_id="ZPR000009").of(METER.signed(payload())).findings
    assert finding == "The document is of the charger or meter ZPR000001, and the session of ZPR000009."


@pytest.mark.parametrize(
    ("readings", "energy", "finding"),
    [
        (
            [READINGS[0], reading("16:46:56,864", None, "E", RI=None, ST="E")],
            None,
            "The meter reports the error E (reading 2).",
        ),
        (
            [READINGS[0], reading("16:46:56,864", 3.369, "E", EF="Et")],
            None,
            "The energy is not to be billed (reading 2).",
        ),
        (
            [READINGS[0], reading("16:46:56,864", 3.369, "E", EF="t")],
            "2.527",
            "The time is not to be billed (reading 2).",
        ),
        (
            [READINGS[0], reading("12:00:00,000", 1, "X"), READINGS[-1]],
            None,
            "An error occurred while charging, after which energy and time are not to be used (reading 2).",
        ),
        ([READINGS[0], reading("16:46:56,864", 0.5, "E")], None, "The meter counted backwards."),
        ([READINGS[-1], READINGS[0]], "2.527", "The readings are not in the order of their instants."),
        (
            [reading("16:46:56,864", 0.842, "B"), reading("09:20:55,943", 3.369, "E")],
            None,
            "The readings are not in the order of their instants.",
        ),
        ([READINGS[0], READINGS[1]], None, "No reading ends the transaction."),
        ([READINGS[1], READINGS[-1]], None, "No reading begins the transaction."),
        (
            [READINGS[0], reading("x", 3.369, "E", TM="2025-06-07T16:46:56,864+00:00 U")],
            "2.527",
            "The charger's clock was not set (reading 2).",
        ),
    ],
)
def test_what_is_wrong_with_readings_is_said(
    readings: list[dict[str, object]], energy: str | None, finding: str
) -> None:
    content = payload(*[one | {"RU": "kWh"} if place == 0 else one for place, one in enumerate(readings)])
    found = Case().of(METER.signed(content))
    assert found.verdict is Verdict.VALID
    assert found.energy_kwh == (Decimal(energy) if energy else None)
    assert finding in found.findings


def test_units_and_time_zones_are_those_of_each_reading() -> None:
    content = payload(
        reading("", 842, "B", RU="Wh", TM="2025-06-07T11:20:55,943+0200 S"),
        reading("", 3369, "L", TM="2025-06-07T16:46:56 S"),
    )
    document = read_document(f"OCMF|{content}")
    assert document.energy_kwh == Decimal("2.527")
    assert [one.at.hour for one in document.readings] == [9, 16]
    assert [one.time_status for one in document.readings] == ["S", "S"]


def test_the_card_in_a_document_is_in_no_finding() -> None:
    content = payload(
        reading("09:00:00,000", 1, "B", RU="kWh", ST="E"), ID="04C31102F84D80", IS=True, IT="ISO14443", IL="HEARSAY"
    )
    assert read_document(f"OCMF|{content}").identification == "04C31102F84D80"
    assert b"04C31102F84D80" not in msgspec.json.encode(Case().of(f"OCMF|{content}"))


def test_signed_readings_divide_the_session_by_the_clock() -> None:
    found = Case().of(METER.signed(payload()))
    parts = energy_by_interval(
        readings_of_meter(found.readings), start=found.begin, end=found.end, energy_kwh=2.527, time_zone="Europe/Oslo"
    )
    assert [str(part.energy_kwh) for part in parts[:6]] == ["0.509", "0.883", "0.656", "0.366", "0.113", "0.000"]
    assert not any(part.estimated for part in parts)


def forms_of_key(meter: Meter) -> list[str]:
    der, point = meter.public(), meter.public(Encoding.X962, PublicFormat.UncompressedPoint)
    compressed = meter.public(Encoding.X962, PublicFormat.CompressedPoint)
    pem = meter.public(Encoding.PEM).decode()
    return [
        pem,
        pem.replace("\n", "\\n"),
        pem.replace("\n", "\r\n"),
        pem.replace("\n", " "),
        *(
            form
            for content in (der, point, compressed, point[1:])
            for form in (content.hex(), content.hex().upper(), base64.b64encode(content).decode())
        ),
        f"  {der.hex()}\n",
    ]


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_a_key_is_read_in_every_form_it_may_be_written_in(curve: ec.EllipticCurve) -> None:
    for meter in (Meter(curve, number) for number in range(1, 40)):
        keys = {read_public_key(form) for form in forms_of_key(meter)}
        assert [(key.der, key.curve) for key in keys] == [(meter.public(), curve.name)]


def test_a_bare_point_that_looks_like_the_beginning_of_der_is_read() -> None:
    meters = (Meter(number=number) for number in range(1, 2000))
    points = ((meter, meter.public(Encoding.X962, PublicFormat.UncompressedPoint)[1:]) for meter in meters)
    meter, point = next((meter, point) for meter, point in points if point[0] == 0x30)
    assert read_public_key(point.hex()).der == meter.public()


def other_keys() -> dict[str, str]:
    private = ec.derive_private_key(7, ec.SECP384R1())
    rsa_key = rsa.generate_private_key(65537, 2048).public_key()
    return {
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(): 'is PEM of "PRIVATE KEY"',
        private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex(): "is not a public key",
        rsa_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(): "is not a public key",
        Meter(ec.SECP384R1()).key[:-2]: "is not a public key",
        "04" + "11" * 96: "is not a point of secp384r1",
        "04" + "11" * 40: "is no point of secp256r1",
        "": "is empty",
        "ключ": "is neither PEM nor base64 nor hex",
        "A" * 5000: "is longer than",
    }


@pytest.mark.parametrize("fault", sorted(set(other_keys().values())))
def test_what_is_wrong_with_a_key_is_said_and_the_key_is_not(fault: str) -> None:
    for text in (text for text, said in other_keys().items() if said == fault):
        with pytest.raises(InvalidInput) as caught:
            read_public_key(text)
        assert fault in str(caught.value)
        assert text[40:80] not in str(caught.value) or not text[40:80]


@pytest.mark.parametrize(
    "document",
    [
        "",
        "OCMF",
        "OCMF|",
        "OCMF|{}",
        'OCMF|{"RD":[]}',
        'OCMF|{"RD":5}',
        'OCMF|{"RD":[1]}',
        'OCMF|{"RD":{"a":1}}',
        'OCMF|{"RD":"ab"}',
        'OCMF|{"RD":[{"TM":5}]}',
        'OCMF|{"RD":[{"TM":"yesterday"}]}',
        'OCMF|{"RD":[{"TM":"0001-01-01T00:00:00+14:00 S","RV":1,"RU":"kWh"}]}',
        'OCMF|{"RD":[{"TM":"2025-01-01T00:00:00 S","RV":NaN,"RU":"kWh"}]}',
        'OCMF|{"RD":[{"TM":"2025-01-01T00:00:00 S","RV":-1,"RU":"kWh"}]}',
        'OCMF|{"RD":[{"TM":"2025-01-01T00:00:00 S","RV":1e999999999,"RU":"kWh"}]}',
        'OCMF|{"RD":[{"TM":"2025-01-01T00:00:00 S","RV":1e9999999999999999999,"RU":"kWh"}]}',
        'OCMF|{"RD":[{"TM":"2025-01-01T00:00:00 S","RV":' + "1" * 5000 + ',"RU":"kWh"}]}',
        'OCMF|{"RD":[{"TM":"2025-01-01T00:00:00 S","RV":1}]}',
        'OCMF|{"RD":[{"TM":"2025-01-01T00:00:00 S","RV":1,"RU":"mOhm"}]}',
        'OCMF|{"RD":[{"TM":"2025-01-01T00:00:00 S","RV":1,"RU":"kWh","ST":"\\ud800"}]}',
        'OCMF|{"RD":[{"TM":"2025-01-01T00:00:00 S","RV":1,"RU":"kWh"}],"GS":"\\ud800"}',
        "OCMF|" + "[" * 100_000,
        'OCMF|{"RD":' + "[" * 100_000,
        f"OCMF|{payload()}|",
        f"OCMF|{payload()}|[]",
        f"OCMF|{payload()}|{{}}",
        f"OCMF|{payload(READINGS[0], reading('16:46:56,864', 3.369, 'E', RI='1-0:2.8.0'))}",
        METER.signed(payload()).replace("Zaptec", "Zap\ud800"),
        f"OCMF|{payload()}" + " " * LONGEST_DOCUMENT,
        payload(),
    ],
    ids=lambda document: document[:60].encode("ascii", "backslashreplace").decode(),
)
def test_what_is_no_document_is_unreadable(document: str) -> None:
    found = Case().of(document)
    assert found.verdict is Verdict.UNREADABLE
    assert found.findings[0].startswith("The signed meter value ")


def test_a_document_cut_off_anywhere_is_never_valid() -> None:
    document = METER.signed(payload(*READINGS[:1], READINGS[-1]))
    for length in range(len(document)):
        assert Case().of(document[:length]).verdict in (Verdict.UNREADABLE, Verdict.UNSIGNED, Verdict.INVALID)


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=12,
)
names = st.sampled_from(["TM", "TX", "RV", "RI", "RU", "RT", "CL", "EF", "ST", "XX"])
odd_readings = st.one_of(
    anything,
    st.builds(lambda given, odd: given | odd, st.sampled_from(READINGS), st.dictionaries(names, anything, max_size=2)),
)
odd_fields = st.dictionaries(
    st.sampled_from(["FV", "GI", "GS", "PG", "MS", "IS", "IL", "IF", "IT", "ID", "TT", "LC", "CT", "ZS", "RD"]),
    anything,
    max_size=3,
)


@EXAMPLES
@given(
    st.one_of(
        st.text(), st.text().map(lambda text: f"OCMF|{text}"), st.text(alphabet='OCMF|{}[]":,RDTM0', max_size=200)
    )
)
def test_no_text_makes_it_raise(text: str) -> None:
    assert Case().of(text).verdict is Verdict.UNREADABLE


@EXAMPLES
@given(
    st.lists(odd_readings, min_size=1, max_size=4),
    odd_fields,
    st.dictionaries(st.sampled_from(["SA", "SE", "SD", "SM"]), anything, max_size=2),
)
def test_no_document_of_odd_parts_makes_it_raise_or_say_what_cannot_be_stored(
    readings: list[dict[str, object]], fields: dict[str, object], signature: dict[str, object]
) -> None:
    for document in (f"OCMF|{payload(*readings, **fields)}", METER.signed(payload(*readings, **fields), **signature)):
        found = Case().of(document)
        assert found.verdict in Verdict
        assert msgspec.json.encode(found)
        assert len(" ".join(found.findings)) < 4000


@EXAMPLES
@given(
    st.one_of(
        st.text(),
        st.binary().map(bytes.hex),
        st.binary().map(lambda raw: base64.b64encode(raw).decode()),
        st.binary().map(lambda raw: "30" + raw.hex()),
    )
)
def test_no_text_for_a_key_raises_anything_but_what_is_wrong(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_public_key(text)


@EXAMPLES
@given(st.integers(0, 119), st.integers(0, 255))
def test_no_changed_byte_of_a_key_raises_anything_but_what_is_wrong(place: int, byte: int) -> None:
    der = bytearray(METER.public())
    der[place] = byte
    found = Case(public_key=der.hex()).of(METER.signed(payload()))
    assert found.verdict in (Verdict.NO_KEY, Verdict.INVALID, Verdict.VALID)
    assert (found.verdict is Verdict.VALID) == (bytes(der) == METER.public())
