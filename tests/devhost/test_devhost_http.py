"""HTTP triggers through the whole host, with Microsoft's worker behind it."""

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

SOURCE = """
import asyncio, contextvars, json, logging, threading

meeting = {"a": asyncio.Event(), "b": asyncio.Event()}
together = threading.Barrier(2)
seen = contextvars.ContextVar("seen", default="nothing")

@app.route(route="echo/{id:int}/{*rest}", methods=["GET", "POST", "HEAD"])
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    said = {"method": req.method, "url": req.url, "headers": dict(req.headers), "query": dict(req.params),
            "route": dict(req.route_params), "body": req.get_body().hex(), "function": context.function_name,
            "invocation": context.invocation_id}
    return func.HttpResponse(json.dumps(said), mimetype="application/json")

@app.route(route="echo/special", methods=["POST"])
def special(req: func.HttpRequest) -> str:
    return "special"

@app.route()
async def named(req: func.HttpRequest) -> str:
    return "by its name"

@app.route(route="answer")
async def answer(req: func.HttpRequest) -> func.HttpResponse:
    headers = {"X-One": "1", "Location": "/there"}
    response = func.HttpResponse(b"\\x00\\xff", status_code=418, headers=headers, mimetype="application/octet-stream")
    response.headers.add("Set-Cookie", "a=1; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict; Domain=example.org")
    response.headers.add("Set-Cookie", 'b="x y"; Expires=Wed, 21 Oct 2015 07:28:00 GMT')
    response.headers.add("Content-Length", "999")
    return response

@app.route(route="empty")
async def empty(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204)

@app.route(route="raise")
async def failing(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("it went wrong")

@app.route(route="cancel")
async def cancelling(req: func.HttpRequest) -> func.HttpResponse:
    raise asyncio.CancelledError

@app.route(route="wrong")
async def wrong(req: func.HttpRequest) -> func.HttpResponse:
    return 42

@app.route(route="leak")
async def leak(req: func.HttpRequest) -> func.HttpResponse:
    before = seen.get()
    seen.set("an earlier request")
    return func.HttpResponse(before)

@app.route(route="meet/{me}/{other}")
async def meet(req: func.HttpRequest) -> func.HttpResponse:
    meeting[req.route_params["me"]].set()
    await meeting[req.route_params["other"]].wait()
    return func.HttpResponse("met")

@app.route(route="meet-in-threads")
def meet_in_threads(req: func.HttpRequest) -> func.HttpResponse:
    together.wait(timeout=20)
    return func.HttpResponse("met")

@app.route(route="size", methods=["POST"])
async def size(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(len(req.get_body())))

@app.route(route="locked", auth_level="FUNCTION")
async def locked(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.params.get("code", "no code"))

@app.route(route="sealed", auth_level="ADMIN")
async def sealed(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("open")

@app.route(route="options", methods=["OPTIONS"])
async def options(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(headers={"WebHook-Allowed-Origin": req.headers["webhook-request-origin"]})
"""


@pytest.fixture(scope="module")
def host(run_host: Callable, app_writer: Callable, tmp_path_factory: pytest.TempPathFactory):
    return run_host(app_writer(tmp_path_factory.mktemp("http") / "app", SOURCE))


@pytest.fixture
def client(host) -> httpx.Client:
    return host.client


def test_a_request_reaches_the_function_as_it_was_sent(host, client: httpx.Client) -> None:
    sent = client.post(
        "/api/ECHO/7/A%20b/c%2Fd/?x=1&x=2&Y=a%20b+c&flag=",
        content=b"\x00\xffbody",
        headers=[("X-Custom", "One"), ("x-custom", "Two")],
    )
    said = sent.json()
    assert sent.headers["content-type"] == "application/json"
    assert said["method"] == "POST"
    assert said["url"] == f"{host.base_url}/api/ECHO/7/A%20b/c%2Fd/?x=1&x=2&Y=a%20b+c&flag="
    assert said["route"] == {"id": "7", "rest": "A b/c%2Fd"}
    assert said["query"] == {"x": "1,2", "Y": "a b c", "flag": ""}
    assert said["headers"]["x-custom"] == "One,Two"
    assert bytes.fromhex(said["body"]) == b"\x00\xffbody"
    assert said["function"] == "echo"
    assert len(said["invocation"]) == 36


def test_every_invocation_has_an_id_of_its_own(client: httpx.Client) -> None:
    assert client.get("/api/echo/1").json()["invocation"] != client.get("/api/echo/1").json()["invocation"]


def test_a_body_sent_in_chunks_arrives_whole(client: httpx.Client) -> None:
    assert client.post("/api/size", content=(b"x" * 1000 for _ in range(5))).text == "5000"


def test_a_compressed_body_is_left_as_it_is(client: httpx.Client) -> None:
    said = client.post("/api/echo/1", content=b"not really gzip", headers={"Content-Encoding": "gzip"}).json()
    assert bytes.fromhex(said["body"]) == b"not really gzip"


def test_a_body_above_azures_limit_is_refused_before_it_is_sent(host) -> None:
    async def refused() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", host.client.base_url.port)
        writer.write(b"POST /api/size HTTP/1.1\r\nHost: x\r\nContent-Length: 104857601\r\n\r\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    assert b" 413 " in asyncio.run(refused())


def test_a_client_that_waits_for_100_continue_gets_it(host) -> None:
    async def continued() -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", host.client.base_url.port)
        writer.write(b"POST /api/size HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        go_on = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"abc")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return go_on, answer

    go_on, answer = asyncio.run(continued())
    assert go_on.startswith(b"HTTP/1.1 100 ")
    assert b" 200 " in answer


def test_an_answer_leaves_as_the_function_made_it(client: httpx.Client) -> None:
    answer = client.get("/api/answer")
    assert answer.status_code == 418
    assert answer.content == b"\x00\xff"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-one"] == "1"
    assert answer.headers["location"] == "/there"
    assert answer.headers["content-length"] == "2"
    assert answer.headers.get_list("set-cookie") == [
        "a=1; Max-Age=60; Domain=example.org; Path=/; Secure; SameSite=Strict; HttpOnly",
        "b=x%20y; Expires=Wed, 21 Oct 2015 07:28:00 GMT",
    ]
    client.cookies.clear()


def test_a_header_that_is_not_utf_8_is_refused(client: httpx.Client) -> None:
    assert client.get("/api/answer", headers={"X-Odd": b"\xff\xfe"}).status_code == 400


def test_text_alone_is_an_answer(client: httpx.Client) -> None:
    answer = client.get("/api/named")
    assert (answer.status_code, answer.text) == (200, "by its name")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_an_empty_answer(client: httpx.Client) -> None:
    answer = client.get("/api/empty")
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_literal_route_wins_over_a_parameter_and_only_for_its_method(client: httpx.Client) -> None:
    assert client.post("/api/echo/special").text == "special"
    assert client.get("/api/echo/special").status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nothing"),
        ("GET", "/named"),
        ("GET", "/"),
        ("GET", "/api"),
        ("DELETE", "/api/echo/1"),
        ("OPTIONS", "/api/echo/1"),
        ("HEAD", "/api/size"),
        ("GET", "/api/echo/one"),
    ],
)
def test_what_no_function_registered_is_not_found(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.content) == (404, b"")


def test_head_and_options_are_ordinary_methods(client: httpx.Client) -> None:
    head = client.head("/api/echo/1")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    asked = client.options("/api/options", headers={"WebHook-Request-Origin": "pubsub.example"})
    assert asked.headers["webhook-allowed-origin"] == "pubsub.example"


@pytest.mark.parametrize(
    ("path", "said"),
    [("raise", "ValueError: it went wrong"), ("cancel", "it was cancelled"), ("wrong", "unable to encode outgoing")],
)
def test_a_function_that_fails_is_500_without_a_body_and_says_why_on_stderr(host, path: str, said: str) -> None:
    answer = host.client.get(f"/api/{path}")
    assert (answer.status_code, answer.content) == (500, b"")
    host.err.wait_for(said)


async def test_async_functions_run_side_by_side(host) -> None:
    async with httpx.AsyncClient(base_url=host.base_url, timeout=20) as client:
        answers = await asyncio.gather(client.get("/api/meet/a/b"), client.get("/api/meet/b/a"))
    assert [answer.text for answer in answers] == ["met", "met"]


async def test_sync_functions_run_side_by_side_in_threads(host) -> None:
    async with httpx.AsyncClient(base_url=host.base_url, timeout=20) as client:
        answers = await asyncio.gather(client.get("/api/meet-in-threads"), client.get("/api/meet-in-threads"))
    assert [answer.text for answer in answers] == ["met", "met"]


def test_what_a_function_leaves_in_its_context_does_not_reach_the_next(client: httpx.Client) -> None:
    assert [client.get("/api/leak").text for _ in range(2)] == ["nothing", "nothing"]


def test_keys_open_what_their_level_allows(host, client: httpx.Client) -> None:
    function_key, master_key = host.keys["functionKey"], host.keys["masterKey"]
    statuses = {
        (path, key): client.get(f"/api/{path}", headers={"x-functions-key": key}).status_code
        for path in ("named", "locked", "sealed")
        for key in (function_key, master_key, "wrong", "")
    }
    refused = [pair for pair, status in statuses.items() if status == 401]
    assert refused == [
        ("locked", "wrong"),
        ("locked", ""),
        ("sealed", function_key),
        ("sealed", "wrong"),
        ("sealed", ""),
    ]
    assert set(statuses.values()) == {200, 401}


def test_a_key_in_the_query_stays_visible_to_the_function(host, client: httpx.Client) -> None:
    key = host.keys["functionKey"]
    assert client.get("/api/locked", params={"code": key}).text == key
    refused = client.get("/api/locked", params={"code": "nøkkel"})
    assert (refused.status_code, refused.content) == (401, b"")


def test_a_key_that_is_no_text_is_refused(client: httpx.Client) -> None:
    assert client.get("/api/locked", headers={"x-functions-key": b"\xff\xfe"}).status_code == 401


def test_keys_are_kept_where_only_their_owner_reads(host) -> None:
    assert stat.S_IMODE(host.keys_file.stat().st_mode) == 0o600
    assert len(set(host.keys.values())) == 2
    assert all(len(key) >= 40 for key in host.keys.values())


def test_keys_and_query_strings_never_reach_the_log(start: Callable, tmp_path: Path) -> None:
    source = """
    @app.route(route="x", auth_level="FUNCTION")
    async def x(req: func.HttpRequest) -> func.HttpResponse:
        raise ValueError("no")
    """
    host = start(source, "--keys", str(tmp_path / "my" / "keys.json"))
    keys = json.loads((tmp_path / "my" / "keys.json").read_text())
    assert host.client.get("/api/x", params={"code": keys["functionKey"]}).status_code == 500
    assert host.client.get("/admin/host/status", params={"code": keys["masterKey"]}).status_code == 200
    assert host.stop() == 0
    said = host.out.all() + host.err.all()
    assert "ValueError: no" in said
    assert not any(key in said for key in keys.values())
    assert "code=" not in said


def test_the_route_prefix_of_host_json(start: Callable) -> None:
    source = """
    @app.route(route="here")
    async def here(req: func.HttpRequest) -> str:
        return "here"
    """
    host = start(source, host={"extensions": {"http": {"routePrefix": "/v1/x"}}})
    assert host.client.get("/v1/x/here").text == "here"
    assert host.client.get("/api/here").status_code == 404
