"""Whatever anybody sends to the doors that stand open, the answer is one that ZapCloud understands, and nothing breaks.

A start is answered with 200, with 401 (ask again) or, where the body is no JSON object, with 400; an end with 200, 400
or 404; never with a 5xx. What an end could not say is kept. A proper start and end right afterwards work.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from devhost.stack import HOOK_CREDENTIAL, OAUTH_CREDENTIAL, Stack
from simulator.shapes import InstallationView

START, END = "/hooks/session-start", "/hooks/session-end"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAX_BODY_BYTES = 256 * 1024
SESSION = "6d3f1c2b-5a49-4e87-9f60-718293a4b5c6"
CARD = "04A1B2BADBAD01"

made_up = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)

odd_text = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "So", "Nd"]), max_size=20),
    st.sampled_from(
        ["", " ", "\x00", "\ud800", "\udfff\ud800", "\u202e04A1", "🚗🔌", "ﬀ", "٠١٢٣", "\ufeff", "null", "%00", "'--"]
    ),
    st.builds(lambda text, times: text * times, st.sampled_from(["x", "🚗", "\x01", "é"]), st.integers(1, 20_000)),
    st.just(CARD),
    st.just(f"nfc-{CARD}"),
)
odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | odd_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd_text, inner, max_size=4),
    max_leaves=8,
)


def in_odd_case(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name.lower(), name.upper(), name.swapcase(), name[:1].upper() + name[1:]])


def fields(*names: str) -> st.SearchStrategy[str]:
    return st.sampled_from(names).flatmap(in_odd_case) | odd_text


start_fields = fields(
    "chargerId", "charger", "deviceId", "serialNo", "installationId", "tokenCode", "rfid", "idTag", "token"
)
end_fields = fields("sessionId", "sessionStart", "sessionEnd", "energy", "signedSession")
odd_numbers = st.sampled_from(
    [
        "1e999",
        "-1e999",
        "NaN",
        "Infinity",
        "-0",
        "0123",
        "0x1F",
        "1_000",
        "1.",
        ".5",
        "9" * 4000,
        "9" * 5000,
        "1e-400",
        "٣",
    ]
)
odd_instants = st.sampled_from(
    [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999-12:00",
        "1969-12-31T23:59:59Z",
        "2026-02-30T00:00:00Z",
        "2026-03-02",
        "2026-W10-1",
        "2026-03-02T06:00:00+25:00",
        "2026-03-02T24:00:00Z",
        "1772431200",
        "\u0662\u0660\u0662\u0666-03-02T00:00:00Z",
    ]
)


def encoded(value: Any, encoding: str = "utf-8", ascii_only: bool = True) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode(encoding, "surrogatepass")


@st.composite
def objects(draw: st.DrawFn, names: st.SearchStrategy[str], proper: dict[str, Any]) -> bytes:
    """A proper body with some fields replaced, added, or repeated."""
    pairs = [(name, value) for name, value in proper.items() if draw(st.booleans())]
    pairs += draw(
        st.lists(st.tuples(names, odd_values | odd_instants | st.sampled_from(list(proper.values()))), max_size=5)
    )
    rendered = [
        (json.dumps(name), draw(odd_numbers) if draw(st.integers(0, 9)) == 0 else json.dumps(value))
        for name, value in pairs
    ]
    return ("{" + ", ".join(f"{name}: {value}" for name, value in rendered) + "}").encode()


def garbage(proper: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """What is not a JSON object at all, or hardly."""
    text = encoded(proper)
    return st.one_of(
        st.binary(max_size=300),
        st.integers(0, len(text) - 1).map(lambda end: text[:end]),
        st.tuples(st.integers(0, len(text)), st.binary(min_size=1, max_size=4)).map(
            lambda cut: text[: cut[0]] + cut[1] + text[cut[0] :]
        ),
        st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp500"]).map(
            lambda encoding: encoded(proper, encoding)
        ),
        odd_values.map(encoded),
        st.integers(1, 100_000).map(lambda depth: b"[" * depth),
        st.integers(1, 40_000).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth),
        st.integers(1, 900).map(lambda depth: b'{"a":' + b"[" * depth + b"]" * depth + b"}"),
        st.integers(MAX_BODY_BYTES - 2, 2 * MAX_BODY_BYTES).map(lambda size: b" " * size + text),
        st.sampled_from(
            [
                b"",
                b"null",
                b"{}",
                b"{},",
                b"{}{}",
                b"\x00",
                b'"{}"',
                b"tokenCode=04&chargerId=1",
                b"<a/>",
                gzip.compress(text),
            ]
        ),
    )


def is_object(body: bytes) -> bool:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return isinstance(json.loads(body, parse_constant=refuse), dict)
    except (ValueError, RecursionError):
        return False


@pytest.fixture(scope="module")
async def enforced(stack: Stack) -> InstallationView:
    return await stack.add_installation("Odd bodies, enforced", 2)


@pytest.fixture(scope="module")
async def opened(stack: Stack) -> InstallationView:
    return await stack.add_installation("Odd bodies, open", 1, mode="open")


@pytest.fixture(scope="module")
def anybody(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.host.api, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def zapcloud(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.host.api, timeout=30, auth=(HOOK_CREDENTIAL, stack.hook_password)) as client:
        yield client


@pytest.fixture(scope="module")
def operator(stack: Stack) -> Iterator[httpx.Client]:
    key = {"x-functions-key": stack.host.function_key}
    with httpx.Client(base_url=stack.host.api, timeout=30, headers=key) as client:
        yield client


@pytest.fixture
def goes_on(zapcloud: httpx.Client, operator: httpx.Client, enforced: InstallationView, card: str) -> Iterator[None]:
    """After the test a driver with a card charges as if nothing had been."""
    yield
    charger = enforced.chargers[1].id
    assert operator.put("/tokens", json={"token": card, "driver": "Ada"}).status_code == 200
    answer = zapcloud.post(
        START, json={"chargerId": charger, "installationId": enforced.id, "tokenCode": f"nfc-{card}"}
    )
    assert answer.status_code == 200, answer.text
    session = answer.json()["sessionId"]
    assert zapcloud.post(END, json={"sessionId": session, "energy": 7.5}).status_code == 200
    found = operator.get(f"/sessions/{session}").json()
    assert (found["status"], found["driver"], found["energyKwh"]) == ("ended", "Ada", 7.5)


def check_start(answer: httpx.Response, body: bytes) -> None:
    content = answer.json()
    match answer.status_code:
        case 200:
            assert UUID.fullmatch(content["sessionId"])
        case 401:
            assert content["message"]
            assert is_object(body)
        case 400:
            assert content["message"]
            assert not is_object(body) or len(body) > MAX_BODY_BYTES
        case other:
            pytest.fail(f"{other} to {body[:200]!r}")


def check_end(answer: httpx.Response, body: bytes) -> None:
    assert answer.status_code in {200, 400, 404}, f"{answer.status_code} to {body[:200]!r}"
    content = answer.json()
    assert content["message"]
    assert answer.status_code != 400 or isinstance(content["errors"], dict)


def proper_start(installation: InstallationView) -> dict[str, Any]:
    return {"chargerId": installation.chargers[0].id, "installationId": installation.id, "tokenCode": CARD}


PROPER_END = {
    "sessionId": SESSION,
    "sessionStart": "2026-03-02T06:00:00Z",
    "sessionEnd": "2026-03-02T07:00:00Z",
    "energy": 1.5,
    "signedSession": "OCMF|{}|{}",
}


@pytest.mark.parametrize("mode", ["enforced", "opened"])
@pytest.mark.usefixtures("goes_on")
def test_a_start_is_answered_whatever_its_body_is(
    request: pytest.FixtureRequest, zapcloud: httpx.Client, mode: str
) -> None:
    proper = proper_start(request.getfixturevalue(mode))

    @made_up
    @given(body=garbage(proper) | objects(start_fields, proper))
    def check(body: bytes) -> None:
        check_start(zapcloud.post(START, content=body), body)

    check()


@pytest.mark.usefixtures("goes_on")
def test_an_open_installation_lets_a_driver_in_whatever_else_the_body_says(
    zapcloud: httpx.Client, opened: InstallationView
) -> None:
    place = {"chargerId": opened.chargers[0].id, "installationId": opened.id}

    @made_up
    @given(card=odd_values, more=st.dictionaries(odd_text, odd_values, max_size=4))
    def check(card: Any, more: dict[str, Any]) -> None:
        body = {**more, **place, "tokenCode": card}
        answer = zapcloud.post(START, content=json.dumps(body, allow_nan=True).encode())
        if "NaN" in json.dumps(body) or "Infinity" in json.dumps(body):
            assert answer.status_code in {200, 400}
        elif len(json.dumps(body)) <= MAX_BODY_BYTES:
            assert answer.status_code == 200, answer.text

    check()


@pytest.mark.usefixtures("goes_on")
def test_an_end_is_answered_and_what_it_could_not_say_is_kept(zapcloud: httpx.Client, operator: httpx.Client) -> None:
    refused: set[bytes] = set()

    @made_up
    @example(encoded({**PROPER_END, "signedSession": "\ud800"}))
    @example(encoded({**PROPER_END, "energy": float("inf")}))
    @example(b"")
    @given(body=garbage(PROPER_END) | objects(end_fields, PROPER_END) | objects(end_fields, PROPER_END))
    def check(body: bytes) -> None:
        answer = zapcloud.post(END, content=body)
        check_end(answer, body)
        if answer.status_code == 400:
            refused.add(body)

    check()
    assert len(refused) > 10
    kept = Counter(
        item["sizeBytes"] for item in operator.get("/quarantine").json()["items"] if item["kind"] == "session-end"
    )
    assert not Counter(len(body) for body in refused) - kept


@pytest.mark.parametrize("path", [START, END])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json; charset=utf-7"},
        {"Content-Type": "nonsense/////"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br, gzip"},
        {"Content-Type": "application/json", "Accept": "text/html", "Accept-Encoding": "identity;q=0"},
        {"Expect": "100-continue"},
        {"X-Forwarded-For": "127.0.0.1, 127.0.0.1", "X-Original-URL": "/api/tokens"},
    ],
    ids=str,
)
@pytest.mark.usefixtures("goes_on")
def test_the_headers_about_a_body_are_not_what_counts(
    zapcloud: httpx.Client, opened: InstallationView, path: str, headers: dict[str, str]
) -> None:
    body = encoded(proper_start(opened) if path == START else PROPER_END)
    assert zapcloud.post(path, content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("path", [START, END])
def test_a_body_in_pieces_is_the_same_body(zapcloud: httpx.Client, opened: InstallationView, path: str) -> None:
    body = encoded(proper_start(opened) if path == START else PROPER_END)
    assert zapcloud.post(path, content=(body[at : at + 7] for at in range(0, len(body), 7))).status_code == 200


def header_values() -> st.SearchStrategy[bytes]:
    """As HTTP allows them: no control characters, and UTF-8."""
    parameter = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60)
    scheme = st.sampled_from(["Basic", "basic", "Bearer", "BEARER", "Digest", "Negotiate", "", "Basic Basic", "é"])
    return st.builds(lambda name, text: f"{name} {text}".strip().encode(), scheme, parameter)


@pytest.mark.parametrize("path", [START, END])
@pytest.mark.usefixtures("goes_on")
def test_an_odd_authorization_is_refused_and_zapcloud_asks_again(anybody: httpx.Client, path: str) -> None:
    @made_up
    @example("Basic é".encode())
    @example("Bearer é.é.é".encode())
    @example(b"Basic " + b"A" * 6000)
    @example(b"Basic OjpfOg==")
    @example(b"Basic //79")
    @example(b"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ6YXBjbG91ZCJ9.")
    @example(b"Bearer eyJhbGciOiJIUzI1NiJ9.W10.AA")
    @example(b"Bearer bnVsbA.bnVsbA.bnVsbA")
    @example(b"")
    @given(value=header_values())
    def check(value: bytes) -> None:
        answer = anybody.post(path, content=b"{}", headers=[(b"Authorization", value)])
        assert answer.status_code == 401, answer.text
        assert answer.json()["message"]

    check()


def test_a_name_without_its_secret_is_refused(anybody: httpx.Client, stack: Stack) -> None:
    for secret in ("", " ", stack.oauth_secret, stack.hook_password.upper(), stack.hook_password + " ", "é", "\x00"):
        assert anybody.post(START, json={}, auth=(HOOK_CREDENTIAL, secret)).status_code == 401


def good_form(stack: Stack) -> dict[str, str]:
    return {"grant_type": "client_credentials", "client_id": OAUTH_CREDENTIAL, "client_secret": stack.oauth_secret}


@pytest.mark.usefixtures("goes_on")
def test_a_bad_form_gets_an_oauth_error_and_a_good_one_a_token(anybody: httpx.Client, stack: Stack) -> None:
    names = st.sampled_from(["grant_type", "username", "password", "client_id", "client_secret", "scope", "GRANT_TYPE"])
    values = st.sampled_from(["password", "client_credentials", "refresh_token", OAUTH_CREDENTIAL, "", "\x00"])
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    forms = st.lists(st.tuples(names | text, values | text), max_size=30)

    @made_up
    @example(b"grant_type=password&username=zapcloud&password=" + b"x" * 20_000, b"")
    @example(b"grant_type=client_credentials", "Basic é".encode())
    @example(b"grant_type=client_credentials", b"Basic eDp5")
    @example(b'{"grant_type": "password"}', b"")
    @example(b"grant_type=password&username=%ff&password=%ed%a0%80", b"")
    @given(
        form=forms.map(lambda pairs: str(httpx.QueryParams(pairs)).encode()) | st.binary(max_size=100),
        authorization=st.just(b"") | header_values(),
    )
    def check(form: bytes, authorization: bytes) -> None:
        headers = [(b"Authorization", authorization), (b"Content-Type", b"application/x-www-form-urlencoded")]
        answer = anybody.post("/oauth/token", content=form, headers=headers)
        errors = {400: {"invalid_request", "invalid_grant", "unsupported_grant_type"}, 401: {"invalid_client"}}
        assert answer.json()["error"] in errors[answer.status_code]

    check()
    token = anybody.post("/oauth/token", data=good_form(stack)).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert anybody.post(END, json={"sessionId": SESSION}, headers=bearer).status_code == 200


def test_credentials_of_another_installation_cannot_end_a_session(
    anybody: httpx.Client,
    operator: httpx.Client,
    zapcloud: httpx.Client,
    enforced: InstallationView,
    opened: InstallationView,
) -> None:
    made = operator.put("/hook-credentials/elsewhere", json={"installations": [enforced.id]}).json()
    session = zapcloud.post(START, json=proper_start(opened)).json()["sessionId"]
    answer = anybody.post(END, json={"sessionId": session}, auth=("elsewhere", made["secret"]))
    assert (answer.status_code, list(answer.json())) == (404, ["message"])


@pytest.mark.parametrize(
    "query",
    [
        "to=9999-12-31T00:00:00Z",
        "to=9999-12-31T23:59:59-01:00",
        "to=0001-01-01T00:00:00Z",
        "from=0001-01-01T00:00:00%2B14:00",
        "from=2026-03-02",
        "from=tomorrow",
        "to=%00",
        "limit=0",
        "limit=-1",
        "limit=1e3",
        "limit=1001",
        "limit=00000000150000",
        f"limit=000000001{'0' * 4400}",
        "limit=%D9%A3",
        "cursor=%C3%A9",
        "cursor=AAAA",
        "installation=x",
    ],
    ids=lambda query: query[:40],
)
def test_a_query_that_makes_no_sense_is_refused_by_the_name_of_the_parameter(
    operator: httpx.Client, query: str
) -> None:
    answer = operator.get(f"/sessions?{query}")
    assert answer.status_code == 400, answer.text[:300]
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "change",
    [
        {"validTo": "9999-12-31T23:59:59-01:00"},
        {"validFrom": "0001-01-01T00:00:00Z"},
        {"validFrom": "2026-03-02T06:00:00"},
        {"driver": "x" * 201},
        {"maxConcurrent": 10**30},
        {"maxConcurrent": 0},
        {"installations": ["x"]},
        {"chargers": [None]},
        {"blocked": "no"},
        {"colour": "blue"},
        {"token": "🚗"},
        {"token": ""},
        {"token": None},
    ],
    ids=str,
)
def test_a_token_that_makes_no_sense_is_refused_by_the_name_of_the_field(
    operator: httpx.Client, card: str, change: dict[str, Any]
) -> None:
    answer = operator.put("/tokens", json={"token": card, **change})
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]


def test_what_stands_in_an_address_does_not_get_into_the_log(operator: httpx.Client, stack: Stack, card: str) -> None:
    for name in (card, f"nfc-{card}", "ada@example.com"):
        for path in (
            "/hook-credentials/{}",
            "/tokens/{}",
            "/chargers/{}/grants/{}",
            "/chargers/{}/state",
            "/chargers/{}/history",
            "/quarantine/{}",
            "/installations/{}",
            "/sessions/{}",
        ):
            for method in ("GET", "DELETE"):
                operator.request(method, path.replace("{}", name))
        operator.post(f"/hook-credentials/{name}/rotate")
        operator.post(f"/hook-credentials/{name}/retire")
        operator.post(f"/quarantine/{name}/replay")
        operator.get("/chargers", params={"installation": name, "cursor": name})
    operator.put("/hook-credentials/ada@example.com", json={"installations": ["*"]})
    log = stack.host.process.log.read_text()
    assert card not in log
    assert "ada@example.com" not in log
