"""A Pro signs what it metered: whoever has its public key can tell whether that is what it wrote."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pyocmf import OCMF

from simulator.app import Options, serve
from simulator.client import SimulatorClient
from simulator.faults import Fault
from tests.simulator.conftest import START

PRO, GO = 1, 4


@pytest.fixture
async def garage(simulator):
    """Two chargers with calibrated meters."""
    return await simulator.add_installation("Garage", chargers=2, device_type=PRO)


async def charge(simulator, charger: str) -> str:
    await simulator.plug(charger)
    await simulator.advance(3600)
    return await simulator.unplug(charger)


async def public_key(rest, charger: str) -> bytes:
    states = (await rest.get(f"/api/chargers/{charger}/state")).json()
    return base64.b64decode(next(state["ValueAsString"] for state in states if state["StateId"] == 981))


async def signed(rest, session_id: str) -> str:
    return (await rest.get(f"/api/session/{session_id}")).json()["SignedSession"]


def energy_of(document: str) -> float:
    readings = json.loads(document.split("|")[1])["RD"]
    return round(readings[-1]["RV"] - readings[0]["RV"], 3)


async def test_a_pro_s_session_verifies_with_its_own_key_and_no_other(simulator, garage, rest):
    one, other = (charger.id for charger in garage.chargers)
    document = await signed(rest, await charge(simulator, one))
    keys = [await public_key(rest, charger) for charger in (one, other)]
    parsed = OCMF.from_string(document)
    assert [parsed.verify_signature(key.hex()) for key in keys] == [True, False]
    key = load_der_public_key(keys[0])
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp384r1"


async def test_it_has_the_form_of_the_real_ones(simulator, garage, rest):
    session_id = await charge(simulator, garage.chargers[0].id)
    begin_kwh = (await simulator.sessions())[0].meter_start_kwh
    head, payload, signature = (await signed(rest, session_id)).split("|")
    assert head == "OCMF"
    assert json.loads(payload) == {
        "FV": "1.0",
        "GI": "Zaptec Pro MID",
        "GS": "ZPR000001",
        "GV": "2.4.2.4",
        "PG": "T1",
        "MF": "v1.3.6",
        "IS": False,
        "RD": [
            {
                "TM": "2026-03-02T06:00:00,000+00:00 R",
                "TX": "B",
                "RV": begin_kwh,
                "RI": "1-0:1.8.0",
                "RU": "kWh",
                "ST": "G",
            },
            {
                "TM": "2026-03-02T07:00:00,000+00:00 R",
                "TX": "E",
                "RV": round(begin_kwh + 11, 3),
                "RI": "1-0:1.8.0",
                "ST": "G",
            },
        ],
        "ZS": session_id,
    }
    assert signature.startswith('{"SA":"ECDSA-secp384r1-SHA256","SE":"base64","SD":"MG')


async def test_the_lists_say_that_it_is_signed(simulator, garage, rest):
    session_id = await charge(simulator, garage.chargers[0].id)
    (item,) = (await rest.get("/api/chargehistory")).json()["Data"]
    assert (item["CommitMetadata"], item["SignedSession"]) == (1 | 4 | 16, await signed(rest, session_id))
    span = {"InstallationId": garage.id, "From": "2026-03-01T00:00:00Z", "To": "2026-04-01T00:00:00Z"}
    (archived,) = (await rest.get("/api/sessions/archived", params=span)).json()["sessions"]
    assert (archived["signed"], archived["sessionSignature"]) == (True, item["SignedSession"])


async def test_readings_while_the_session_runs_are_signed_too(simulator, garage, rest):
    charger = garage.chargers[0].id
    await simulator.configure(garage.id, messagingEnabled=True)
    await simulator.plug(charger)
    await simulator.advance(2400)
    states = (await rest.get(f"/api/chargers/{charger}/state")).json()
    document = next(state["ValueAsString"] for state in states if state["StateId"] == 554)
    assert OCMF.from_string(document).verify_signature((await public_key(rest, charger)).hex())
    session_id = await simulator.unplug(charger)
    readings = json.loads((await signed(rest, session_id)).split("|")[1])["RD"]
    assert [reading["TX"] for reading in readings] == ["B", "T", "T", "E"]
    assert [("RU" in reading) for reading in readings] == [True, False, False, False]


async def test_a_broken_signature_does_not_verify(simulator, garage, rest):
    charger, sound = (one.id for one in garage.chargers)
    await simulator.set_faults({"signature-broken": Fault(probability=1, chargers=[charger])})
    found = [await signed(rest, await charge(simulator, one)) for one in (charger, sound)]
    keys = [(await public_key(rest, one)).hex() for one in (charger, sound)]
    verified = [OCMF.from_string(document).verify_signature(key) for document, key in zip(found, keys, strict=True)]
    assert verified == [False, True]
    assert energy_of(found[0]) == 11


async def test_a_document_may_tell_of_other_energy_than_the_session(simulator, garage, rest):
    charger = garage.chargers[0].id
    await simulator.set_faults({"signed-differs": Fault(next=1)})
    document = await signed(rest, await charge(simulator, charger))
    assert OCMF.from_string(document).verify_signature((await public_key(rest, charger)).hex())
    assert energy_of(document) == 12.234
    (item,) = (await rest.get("/api/chargehistory")).json()["Data"]
    assert item["Energy"] == 11
    assert energy_of(await signed(rest, await charge(simulator, charger))) == 11


async def test_a_go_does_not_sign(simulator, rest):
    site = await simulator.add_installation("Home", device_type=GO)
    document = await signed(rest, await charge(simulator, site.chargers[0].id))
    assert document.startswith('OCMF|{"FV":"1.0","GI":"Zaptec Go"')
    assert document.count("|") == 1
    states = (await rest.get(f"/api/chargers/{site.chargers[0].id}/state")).json()
    assert 981 not in [state["StateId"] for state in states]


async def test_a_clock_that_is_wrong_is_said_to_be_unknown(simulator, garage, rest):
    charger = garage.chargers[0].id
    await simulator.set_clock_ahead(charger, 86_400)
    document = await signed(rest, await charge(simulator, charger))
    times = [reading["TM"] for reading in json.loads(document.split("|")[1])["RD"]]
    assert times == ["2026-03-03T06:00:00,000+00:00 U", "2026-03-03T07:00:00,000+00:00 U"]


async def test_the_same_seed_makes_the_same_keys_and_signatures():
    async def document(seed: int) -> str | None:
        options = Options(port=0, seed=seed, start=START)
        async with serve(options) as running, SimulatorClient(running.url) as simulator:
            site = await simulator.add_installation("Garage", device_type=PRO)
            await charge(simulator, site.chargers[0].id)
            return (await simulator.sessions())[0].signed_session

    assert await document(3) == await document(3)
    assert await document(3) != await document(4)
