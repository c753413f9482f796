"""The catalogue of charger states: every id ZapCloud names has its name, unit and words, and no value breaks it."""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.observations import catalogue
from shared.observations.catalogue import STATIC_IDS, NewKind, ids_of, kind_of, learn, meaning_of, new_in
from simulator.constants import constants

SMART, HOME_APM, APOLLO, GENERIC_APM, HAN_APM, TIC_APM = 1, 3, 4, 6, 7, 8
SCHEMAS = {"Smart": SMART, "Apollo": APOLLO, "HomeApm": HOME_APM, "GenericApm": GENERIC_APM}
DEVICE_TYPES = st.none() | st.integers(-1, 10) | st.integers()


@pytest.fixture
def nothing_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_learned", {})
    monkeypatch.setattr(catalogue, "_learned_of_any_type", {})


def test_every_id_of_every_schema_is_known_by_the_name_the_api_gives_it() -> None:
    schemas = constants()["Schema"]
    assert {name: schema["DeviceType"] for name, schema in schemas.items()} == SCHEMAS
    for schema in schemas.values():
        device_type, ids = schema["DeviceType"], schema["ObservationIds"]
        assert ids_of(device_type) == set(ids.values())
        assert {kind_of(state_id, device_type).name: state_id for state_id in ids.values()} == ids


def test_no_id_is_missing_or_without_a_name() -> None:
    assert [len(ids_of(device_type)) for device_type in SCHEMAS.values()] == [155, 153, 53, 45]
    assert len(STATIC_IDS) == 226
    assert frozenset().union(*map(ids_of, SCHEMAS.values())) == STATIC_IDS
    assert all(kind_of(state_id, None).name.isidentifier() for state_id in STATIC_IDS)


@pytest.mark.parametrize("device_type", [None, 0, 2, 5, 99])
def test_an_unknown_device_type_has_the_names_of_no_type_in_particular(device_type: int | None) -> None:
    ids = constants()["Observations"]
    assert len(ids) == 155
    assert {kind_of(state_id, device_type).name: state_id for state_id in ids.values()} == ids
    assert kind_of(1004, device_type).name == "CTRatioL1"
    assert ids_of(device_type or 0) == set(ids.values())


@pytest.mark.parametrize(
    ("state_id", "names"),
    [
        (202, {SMART: "TemperatureInternal6", APOLLO: "TemperatureEMeterPhase1"}),
        (205, {SMART: "TemperaturePowerBoard", APOLLO: "TemperatureEMeterPhase3"}),
        (813, {SMART: "McuToVariscitePacketErrors", APOLLO: "McuToESPPacketErrors"}),
        (814, {SMART: "VarisciteToMcuPacketErrors", APOLLO: "ESPToMcuPacketErrors"}),
        (820, {SMART: "UptimeVariscite", APOLLO: "UptimeESP"}),
        (911, {SMART: "SmartComputerSoftwareApplicationVersion", HOME_APM: "SoftwareApplicationVersion"}),
        (913, {APOLLO: "SmartComputerHardwareVersion", GENERIC_APM: "HardwareVersion", HAN_APM: "HardwareVersion"}),
        (970, {SMART: "ProductionTestStationNumber", APOLLO: "FactoryTestStage"}),
        (1000, {HOME_APM: "AMSMeterId", GENERIC_APM: "MeterId", HAN_APM: "AMSMeterId", TIC_APM: "AMSMeterId"}),
        (1001, {HOME_APM: "AMSMeterType", GENERIC_APM: "MeterType", HAN_APM: "AMSMeterType", TIC_APM: "AMSMeterType"}),
    ],
)
def test_an_id_with_two_meanings_is_named_by_the_device_type(state_id: int, names: dict[int, str]) -> None:
    assert {device_type: kind_of(state_id, device_type).name for device_type in names} == names


def test_an_id_a_schema_lacks_is_named_as_elsewhere_and_one_nobody_knows_by_its_number() -> None:
    assert kind_of(909, APOLLO).name == "SmartMainboardSoftwareBootloaderVersion"
    assert kind_of(145, SMART).name == "TransmitInterval"
    assert kind_of(4711, SMART) == catalogue.ObservationKind(4711, "Observation 4711", None)


@pytest.mark.parametrize(
    ("unit", "state_ids"),
    [
        ("°C", [201, 202, 204, 205, 206, 207, 220, 221, 241]),
        ("%", [270]),
        ("V", [501, 502, 503]),
        ("A", [507, 508, 509, 510, 511, 523, 546, 547, 708, 714]),
        ("W", [513]),
        ("kW", [1161]),
        ("kWh", [553]),
        ("s", [145, 147, 555, 764]),
        ("h", [820, 821]),
        (None, [-1, 150, 153, 518, 520, 560, 710, 721, 804, 809, 911]),
    ],
)
def test_units_are_those_of_the_field(unit: str | None, state_ids: list[int]) -> None:
    assert {kind_of(state_id, APOLLO).unit for state_id in state_ids} == {unit}
    if unit == "°C":
        assert kind_of(202, SMART).unit == kind_of(205, SMART).unit == unit


@pytest.mark.parametrize(
    ("state_id", "value", "words"),
    [
        (710, "1", "no vehicle connected"),
        (710, "3", "vehicle connected; charging"),
        (710, "3.000", "vehicle connected; charging"),
        (710, "0", "unknown"),
        (710, "6", "unknown (6)"),
        (710, "true", "unknown (true)"),
        (715, "2", "IT 3 phases"),
        (519, "4", "TN all phases"),
        (519, "5", "IT phase 3"),
        (519, "7", "unknown (7)"),
        (522, "0", "automatic"),
        (522, "8", "IT phase 1"),
        (512, "7", "phase 1, phase 2, phase 3"),
        (711, "0", "disabled"),
        (711, "True", "enabled"),
        (151, "1", "cable permanently locked"),
        (120, "false", "no authorization needed"),
        (-2, "1", "online"),
        (-3, "0", "no OCPP connection"),
        (718, "1", "stopped until resumed"),
        (712, "0", "controlled by ZapCloud"),
        (712, "1", "stand-alone"),
        (702, "12", "no vehicle connected"),
        (860, "8", "ZapCloud"),
        (803, "1179648", "certificate bundle requested, energy"),
        (809, "-63.5", "reliable"),
        (809, "-70", "reliable"),
        (809, "-71", "weak; packets may be lost"),
        (809, "-81", "unreliable; the charger may lose its connection"),
        (809, "-91", "unusable"),
        (809, "60.000", None),
        (809, "0", None),
        (150, "LTE", None),
        (513, "1", None),
        (721, "8d845c4a-7331-47c5-b308-f64f942ad17a", None),
        (710, None, None),
        (710, " ", None),
        (710, "x" * 500, f"unknown ({'x' * 40}…)"),
    ],
)
def test_values_in_words(state_id: int, value: str | None, words: str | None) -> None:
    assert meaning_of(state_id, APOLLO, value) == words


def test_words_known_for_go_alone_are_not_said_of_others() -> None:
    for state_id in (544, 702, 803, 860):
        assert meaning_of(state_id, APOLLO, "8")
        assert meaning_of(state_id, SMART, "8") is None
    assert meaning_of(804, HOME_APM, "1") is None
    assert meaning_of(-2, TIC_APM, "1") == "online"


@pytest.mark.parametrize("schema", ["Smart", "Apollo"])
def test_every_warning_of_the_api_has_words_of_its_own(schema: str) -> None:
    device_type, warnings = SCHEMAS[schema], constants()["Schema"][schema]["Warnings"]
    bits = [1 << round(number).bit_length() - 1 for number in warnings.values() if number]
    words = [meaning_of(804, device_type, str(bit)) for bit in bits]
    assert len(set(words)) == len(bits)
    assert not any(word is None or "unknown" in word or "," in word for word in words)
    assert meaning_of(804, device_type, str(sum(bits))) == ", ".join(
        str(words[bits.index(bit)]) for bit in sorted(bits)
    )
    assert meaning_of(804, device_type, "0") == "none"


def test_warnings_are_decoded_by_device_type_and_beyond_what_a_double_holds() -> None:
    assert meaning_of(804, SMART, str(128 + 512)) == "relay welded, FPGA does not answer"
    assert meaning_of(804, APOLLO, str(128 + 512)) == "12 V supply low, no power set at the switch"
    assert meaning_of(804, None, "4096") == meaning_of(804, SMART, "4096") == "residual current AC"
    assert meaning_of(804, APOLLO, str(2**56 + 2**55 + 1)) == (
        "humidity, lock motor shorted, MID storage error of Go or Go2"
    )
    assert meaning_of(804, APOLLO, str(2**63 + 1)) == "humidity, unknown (bit 63)"
    assert meaning_of(804, APOLLO, "-1") == "unknown (-1)"


@given(st.integers(), DEVICE_TYPES)
def test_any_id_has_a_name(state_id: int, device_type: int | None) -> None:
    kind = kind_of(state_id, device_type)
    assert kind.id == state_id
    assert kind.name


@given(
    st.sampled_from(sorted(STATIC_IDS)) | st.integers(),
    DEVICE_TYPES,
    st.none()
    | st.text()
    | st.integers().map(str)
    | st.floats().map(str)
    | st.text(alphabet="0123456789.-٣", max_size=30),
)
def test_no_value_breaks_it(state_id: int, device_type: int | None, value: str | None) -> None:
    words = meaning_of(state_id, device_type, value)
    assert words is None or words.strip()


def test_a_very_long_number_is_a_value_like_any_other() -> None:
    for state_id in (710, 804, 809):
        assert "unknown" in (meaning_of(state_id, APOLLO, "9" * 100_000) or "unknown")


def test_the_simulated_api_tells_nothing_new() -> None:
    assert new_in(constants()) == ()


@pytest.mark.usefixtures("nothing_learned")
def test_what_the_api_has_added_is_found_and_named_from_then_on() -> None:
    body = constants()
    body["Observations"]["GridFrequency"] = 90_001
    body["Schema"]["Apollo"]["ObservationIds"] |= {"CableTemperature": 90_002, "IsOnline": -2, "RcdCalibration": 540}
    body["Schema"]["HanApm"] = {"DeviceType": HAN_APM, "ObservationIds": {"AMSMeterId": 1000, "MeterClock": 90_003}}
    body["Schema"]["Next"] = {"DeviceType": 9, "ObservationIds": {"ChargerOperationMode": 710, "Mood": 202}}

    new = new_in(body)

    assert set(new) == {
        NewKind(None, 90_001, "GridFrequency"),
        NewKind(APOLLO, 90_002, "CableTemperature"),
        NewKind(APOLLO, 540, "RcdCalibration"),
        NewKind(HAN_APM, 90_003, "MeterClock"),
        NewKind(9, 710, "ChargerOperationMode"),
        NewKind(9, 202, "Mood"),
    }
    assert kind_of(90_001, APOLLO).name == "Observation 90001"
    learn(new)
    assert kind_of(90_001, APOLLO).name == "GridFrequency"
    assert kind_of(90_002, APOLLO).name == kind_of(90_002, None).name == "CableTemperature"
    assert kind_of(90_003, HAN_APM).name == "MeterClock"
    assert kind_of(202, 9).name == "Mood"
    assert kind_of(202, SMART).name == kind_of(202, None).name == "TemperatureInternal6"


@pytest.mark.usefixtures("nothing_learned")
def test_what_is_learned_never_replaces_a_name_and_is_bounded() -> None:
    learn([NewKind(APOLLO, 710, "Renamed"), NewKind(None, 710, "Renamed"), NewKind(None, 1004, "Renamed")])
    assert kind_of(710, APOLLO).name == kind_of(710, None).name == "ChargerOperationMode"
    assert kind_of(1004, None).name == "CTRatioL1"
    learn(NewKind(None, state_id, "Flood") for state_id in range(100_000, 110_000))
    learned = sum(kind_of(state_id, None).name == "Flood" for state_id in range(100_000, 110_000))
    assert 1000 < learned <= 2000


@pytest.mark.parametrize("body", [{}, [], "constants", None, {"Observations": [1], "Schema": 7}, {"Version": "6.5.8"}])
def test_what_is_not_constants_at_all_is_refused(body: Any) -> None:
    with pytest.raises(InvalidInput):
        new_in(body)


def test_odd_parts_are_passed_over() -> None:
    odd: dict[str, Any] = {
        "Observations": {
            "Fine": 90_101,
            "Bool": True,
            "Text": "7",
            "Float": 7.5,
            "Huge": 2**40,
            "": 90_102,
            "a\nb": 90_103,
        },
        "Schema": {
            "NoType": {"ObservationIds": {"A": 90_104}},
            "NotAnObject": 5,
            "NoIds": {"DeviceType": APOLLO},
            "OddIds": {"DeviceType": APOLLO, "ObservationIds": [90_105]},
            "OddType": {"DeviceType": "4", "ObservationIds": {"B": 90_106}},
            "Good": {"DeviceType": APOLLO, "ObservationIds": {"C": 90_107, "x" * 5000: 90_108}},
        },
    }
    assert new_in(odd) == (NewKind(None, 90_101, "Fine"), NewKind(APOLLO, 90_107, "C"))
    assert new_in({"Schema": odd["Schema"]}) == (NewKind(APOLLO, 90_107, "C"),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({"Observations": JSON, "Schema": st.dictionaries(st.text(max_size=3), JSON, max_size=3)}))
def test_any_json_can_be_searched(body: dict[str, Any]) -> None:
    assert all(kind.name and kind.id not in STATIC_IDS for kind in new_in(body))


def test_the_data_is_not_read_before_it_is_needed() -> None:
    code = (
        "import shared.observations.catalogue as c; before = c._catalogue.cache_info().currsize;"
        "c.kind_of(710, 4); print(before, c._catalogue.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603
    assert done.stdout.split() == ["0", "1"]


def test_a_name_the_module_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="NO_SUCH"):
        _ = getattr(catalogue, "NO_SUCH")  # noqa: B009


def test_the_simulated_answer_has_the_keys_integrations_use_and_is_new_each_time() -> None:
    body = constants()
    assert body["Version"] == "6.5.8"
    assert body["ChargerOperationModes"] == {
        "Unknown": 0, "Disconnected": 1, "Connected_Requesting": 2, "Connected_Charging": 3, "Connected_Finished": 5,
    }  # fmt: skip
    assert {"Id": 9, "Phases": 7, "NetworkFamily": "IT"} in body["PhaseIdMap"]
    assert body["InstallationAuthenticationType"]["WebHooks"] == 1
    assert body["Features"]["Api_MessageSubscription"] == 1
    assert body["Commands"]["StopChargingFinal"] == 506
    assert body["ErrorCodes"]["UnknownInstallationId"] == 540
    assert body["SessionCommitMetadata"]["Void"] == 32
    assert body["DeviceTypes"]["TicApm"] == 8
    assert body["NetworkTypes"]["TN_3_Phase"] == 4
    assert body["SmartWarnings"]["WARNING_HUMIDITY"] == 1
    assert body["UserRoles"]["Owner"] == 2
    body["Observations"].clear()
    assert len(constants()["Observations"]) == 155
