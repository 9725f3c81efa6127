"""The request by its type, and parts of it: for views, components and hooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import asgiworker
from asgistar import App, Body, ConfigurationError, Form, Include, Route, Struct, component
from asgistar.http import URL, Client, Cookies, Headers, QueryParams, Request
from asgistar.views.given import given

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


class Note(Struct):
    title: str


async def told(request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": str(request.url),
        "scheme": request.scheme,
        "host": request.host,
        "client": request.client,
        "path_params": request.path_params,
        "query": request.query.pairs(),
        "cookies": dict(request.cookies),
        "accept": request.headers["Accept"],
        "state": request.state,
    }


async def test_a_view_is_given_the_request_by_its_type(client: Connect) -> None:
    ask = client(Include("/<tenant>", [Route("/<int:id>", "GET", told, defaults={"more": True})]))
    headers = [("host", "example.com:8000"), ("accept", "a/b"), ("accept", "c/d"), ("cookie", 'a=1; b="2"')]
    answer = await ask.get("/t%C3%A9/7?q=1&q=2", headers=headers, state={"engine": "x"})
    assert answer.json == {
        "method": "GET",
        "url": "http://example.com:8000/t%C3%A9/7?q=1&q=2",
        "scheme": "http",
        "host": "example.com:8000",
        "client": ["127.0.0.1", 1234],
        "path_params": {"tenant": "té", "id": 7, "more": True},
        "query": [["q", "1"], ["q", "2"]],
        "cookies": {"a": "1", "b": "2"},
        "accept": "a/b, c/d",
        "state": {"engine": "x"},
    }


async def test_single_things_are_given_by_their_types(client: Connect) -> None:
    async def view(
        headers: Headers, query: QueryParams, cookies: Cookies, url: URL, client: Client | None
    ) -> dict[str, Any]:
        assert client is not None
        return {
            "headers": headers.get_list("x-a"),
            "query": query.get_list("q"),
            "cookies": cookies["a"],
            "path": url.path,
            "port": client.port,
        }

    answer = await client(Route("/x", "GET", view)).get(
        "/x?q=1&q=", headers=[("x-a", "1"), ("x-a", "2"), ("cookie", "a=b; a=c; d")]
    )
    assert answer.json == {
        "headers": ["1", "2"],
        "query": ["1", ""],
        "cookies": "b",
        "path": "/x",
        "port": 1234,
    }


async def test_nothing_of_it_is_made_for_a_view_that_does_not_ask() -> None:
    async def view() -> None: ...

    (endpoint,) = App([Route("/", "GET", view)]).router.endpoints
    assert "Request" not in endpoint.handlers["GET"].source.text


async def test_a_view_and_its_components_have_the_same_request(client: Connect) -> None:
    class Signed:
        def __init__(self, body: bytes) -> None:
            self.body = body

    @component
    async def signed(request: Request) -> Signed:
        request.state["signed"] = True
        return Signed(await request.body())

    async def view(signed: Signed, note: Note, request: Request) -> list[Any]:
        return [signed.body.decode(), note.title, request.state["signed"]]

    ask = client([Route("/", "POST", view)], components=[signed])
    body: list[bytes | None] = [b'{"title"', b': "a"}']
    answer = await ask.post("/", body=body, headers={"content-type": "application/json"})
    assert answer.json == ['{"title": "a"}', "a", True]


async def test_the_body_is_read_whole_or_in_parts(client: Connect) -> None:
    async def whole(request: Request) -> str:
        assert await request.body() == await request.body()
        assert [part async for part in request.stream()] == [await request.body()]
        return (await request.body()).decode()

    async def parts(request: Request) -> list[str]:
        return [part.decode() async for part in request.stream()]

    ask = client(Route("/whole", "POST", whole), Route("/parts", "POST", parts), body_limit=10)
    body: list[bytes | None] = [b"ab", b"", b"cd"]
    assert (await ask.post("/whole", body=body)).json == "abcd"
    assert (await ask.post("/parts", body=list(body))).json == ["ab", "cd"]


@pytest.mark.parametrize("path", ["/whole", "/parts"])
async def test_a_body_is_limited_and_its_client_may_leave(path: str, client: Connect) -> None:
    async def whole(request: Request) -> str:
        return (await request.body()).decode()

    async def parts(request: Request) -> list[str]:
        return [part.decode() async for part in request.stream()]

    ask = client([Route("/whole", "POST", whole), Route("/parts", "POST", parts)], body_limit=3)
    assert (await ask.post(path, body=[b"ab", b"cd"])).status == 413
    assert (await ask.post(path, body=[b"ab", None])).status == 0


async def test_a_stream_is_read_once(client: Connect) -> None:
    async def view(request: Request) -> str:
        assert [part async for part in request.stream()] == [b"a"]
        with pytest.raises(RuntimeError, match="read already"):
            await request.body()
        with pytest.raises(RuntimeError, match="read already"):
            [part async for part in request.stream()]
        return "read"

    assert (await client(Route("/", "POST", view)).post("/", body=b"a")).json == "read"


async def test_a_form_is_not_kept_for_the_request(client: Connect) -> None:
    async def view(request: Request, title: Form[str]) -> str:
        with pytest.raises(RuntimeError, match="read already"):
            await request.body()
        return title

    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await client(Route("/", "POST", view)).post("/", body=b"title=a", headers=form)).json == "a"


def test_a_type_that_cannot_be_looked_up_is_not_given() -> None:
    assert given([]) is None


async def test_an_empty_body_is_a_stream_of_nothing(client: Connect) -> None:
    async def view(request: Request) -> list[str]:
        await request.body()
        return [part.decode() async for part in request.stream()]

    assert (await client(Route("/", "POST", view)).post("/")).json == []


async def test_a_request_that_is_not_utf_8_is_400(client: Connect) -> None:
    async def view(query: QueryParams) -> None: ...

    assert (await client(Route("/", "GET", view)).get("/?a=%FF")).status == 400
    assert (await client(Route("/", "GET", view)).get("/", query_string=b"\xff")).status == 400


async def test_a_component_of_a_type_comes_before_what_is_given(client: Connect) -> None:
    @component
    def client_of_proxy() -> Client:
        return Client("10.0.0.1", 0)

    async def view(client: Client) -> str:
        return client.host

    ask = client([Route("/", "GET", view)], components=[client_of_proxy])
    assert (await ask.get("/")).json == "10.0.0.1"


def test_what_lives_as_long_as_the_application_has_no_request() -> None:
    class Engine: ...

    @component(scope="app")
    def engine(request: Request) -> Engine:
        return Engine()

    with pytest.raises(ConfigurationError, match=r"request of .*engine.* has no request"):
        App([], components=[engine])


async def test_outside_of_a_request_there_is_none() -> None:
    async def job(request: Request) -> None: ...

    async with App([]).scope() as scope:
        with pytest.raises(ConfigurationError, match="no request here"):
            await scope.call(job)


# --- on a server ------------------------------------------------------------------------------------------


@pytest.fixture
async def server() -> AsyncIterator[Any]:
    left = asyncio.Event()

    async def waits(request: Request, body: Body[bytes]) -> None:
        assert not await request.is_disconnected()
        started.set()
        while not await request.is_disconnected():  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert await request.is_disconnected()
        left.set()

    async def early(request: Request) -> list[Any]:
        """Asks whether the client is there before its body has come."""
        gone = await request.is_disconnected()
        return [gone, len(await request.body())]

    started = asyncio.Event()
    app = App([Route("/waits", "POST", waits), Route("/early", "POST", early), Route("/told", "GET", told)])
    async with asgiworker.running(app, graceful_timeout=1) as running:
        yield running, started, left


async def test_a_view_sees_that_its_client_has_left(server: Any) -> None:
    running, started, left = server
    async with httpx.AsyncClient(base_url=running.url) as http:
        asked = asyncio.create_task(http.post("/waits", content=b"a"))
        await asyncio.wait_for(started.wait(), 10)
        asked.cancel()
        await asyncio.wait({asked})
    await asyncio.wait_for(left.wait(), 10)


async def test_to_ask_for_the_client_loses_nothing_of_the_body(server: Any) -> None:
    running, _, _ = server
    async with httpx.AsyncClient(base_url=running.url) as http:
        for size in (0, 1, 1_000_000):
            answer = await http.post("/early", content=b"a" * size)
            assert answer.json() == [False, size]


async def test_the_url_is_that_of_the_client(server: Any) -> None:
    running, _, _ = server
    async with httpx.AsyncClient(base_url=running.url) as http:
        assert (await http.get("/told?q=%20")).json()["url"] == f"{running.url}/told?q=%20"


# --- the parts for themselves -----------------------------------------------------------------------------


def test_headers_are_the_same_in_any_case() -> None:
    headers = Headers([(b"accept", b"a"), (b"accept", b"b"), (b"host", b"x")])
    assert headers["ACCEPT"] == "a, b"
    assert headers.get_list("Accept") == ["a", "b"]
    assert list(headers) == ["accept", "host"]
    assert len(headers) == 2
    assert "Host" in headers
    assert "x" not in headers
    assert 7 not in headers  # type: ignore[comparison-overlap]
    assert headers.get("x") is None
    assert repr(headers) == "Headers([('accept', 'a'), ('accept', 'b'), ('host', 'x')])"
    with pytest.raises(KeyError):
        headers["x"]


def test_of_arguments_of_one_name_the_first_counts() -> None:
    query = QueryParams(b"q=1&q=2&r=a+b%C3%A9&s")
    assert dict(query) == {"q": "1", "r": "a bé", "s": ""}
    assert query.get_list("q") == ["1", "2"]
    with pytest.raises(KeyError):
        query["t"]


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://a.example/b%20?c=d#e", ("http", "a.example", 80, "/b%20", "c=d", "e")),
        ("https://a.example:8000", ("https", "a.example", 8000, "", "", "")),
        ("wss://[::1]/", ("wss", "::1", 443, "/", "", "")),
        ("/x?y", ("", "", None, "/x", "y", "")),
        ("http://a:b/", ("http", "a", None, "/", "", "")),
    ],
)
def test_a_url_is_a_text_with_parts(url: str, parts: tuple[Any, ...]) -> None:
    made = URL(url)
    assert made == url
    assert (made.scheme, made.host, made.port, made.path, made.query, made.fragment) == parts


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        ({"scheme": "https", "server": ("a", 443)}, "https://a/%C3%A9"),
        ({"scheme": "http", "server": ("::1", 8000)}, "http://[::1]:8000/%C3%A9"),
        ({"server": ("/run/socket", None)}, "http://localhost/%C3%A9"),
        ({"type": "websocket", "headers": [(b"host", b"b")]}, "ws://b/%C3%A9"),
        ({"raw_path": b"/%c3%a9", "query_string": b"x"}, "http://localhost/%c3%a9?x"),
    ],
)
def test_the_url_of_a_request_is_made_of_what_the_server_tells(scope: dict[str, Any], url: str) -> None:
    assert URL.of({"type": "http", "path": "/é", "query_string": b"", "headers": [], **scope}) == url


async def test_a_websocket_has_no_body() -> None:
    async def receive() -> Any:
        raise AssertionError

    request = Request({"type": "websocket", "client": None}, receive)
    assert (request.method, request.client, request.path_params) == ("GET", None, {})
    assert not await request.is_disconnected()
    with pytest.raises(RuntimeError, match="WebSocket"):
        await request.body()
