"""WSGI by PEP 3333: what an application is given, what it may return, and what becomes of its mistakes."""

from __future__ import annotations

import asyncio
import contextvars
import io
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import httpx
import pytest

import asgiworker
from asgiworker.process.wsgi import WSGIAdapter

pytestmark = pytest.mark.every_python

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
Running = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]

PLAIN = [("Content-Type", "text/plain")]


@asynccontextmanager
async def _running(app: Application, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        asgiworker.running(app, interface="wsgi", lifespan="on", **settings) as server,
        httpx.AsyncClient(base_url=server.url, timeout=20) as client,
    ):
        yield client


@pytest.fixture
def running() -> Running:
    """Serve a WSGI application: `async with running(app) as client`."""
    return _running


def answering(answer: Callable[[Environ], bytes]) -> Application:
    """An application that answers what `answer` makes of the environ."""

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        content = answer(environ)
        start_response("200 OK", PLAIN)
        return [content]

    return app


# What it is given.


async def test_the_validator_of_the_standard_library_finds_nothing_wrong(running: Running) -> None:
    @validator
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        body = environ["wsgi.input"].read(100)
        start_response("200 OK", PLAIN)
        return iter([b"you sent ", body])

    async with running(app) as client:
        assert (await client.post("/a%20b?c=d", content=b"something")).text == "you sent something"


async def test_path_and_root_path_are_bytes_read_as_latin_1(running: Running) -> None:
    def answer(environ: Environ) -> bytes:
        return f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode("latin-1")

    async with running(answering(answer), root_path="/läden") as client:
        assert (await client.get("/läden/tür")).content == "/läden|/tür".encode()
        assert (await client.get("/tür")).content == "/läden|/tür".encode()


async def test_fields_of_one_name_are_joined(running: Running) -> None:
    def answer(environ: Environ) -> bytes:
        return f"{environ['HTTP_X_THING']}|{environ['HTTP_COOKIE']}".encode()

    fields = [("x-thing", "one"), ("cookie", "a=1"), ("x-thing", "two"), ("cookie", "b=2")]
    async with running(answering(answer)) as client:
        assert (await client.get("/", headers=fields)).text == "one,two|a=1; b=2"


async def test_a_field_with_an_underscore_does_not_pass_for_one_with_a_hyphen(running: Running) -> None:
    async with running(answering(lambda environ: environ.get("HTTP_X_USER", "nobody").encode())) as client:
        assert (await client.get("/", headers={"x_user": "root"})).text == "nobody"


async def test_a_websocket_handshake_is_the_request_that_it_is_without_websockets(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(environ: Environ) -> bytes:
        return f"{environ['REQUEST_METHOD']} {environ['wsgi.url_scheme']} {environ['PATH_INFO']}".encode()

    handshake = {
        "connection": "upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with running(answering(answer)) as client:
        answered = await client.get("/a", headers=handshake)
        assert (answered.status_code, answered.text) == (200, "GET http /a")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_on_a_unix_socket_the_server_still_has_a_name(tmp_path: Path) -> None:
    app = answering(lambda environ: f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}".encode())
    path = str(tmp_path / "socket")
    async with (
        asgiworker.running(app, uds=path),
        httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=path)) as client,
    ):
        assert (await client.get("http://anything/")).text == "localhost:80"


READERS: dict[str, Callable[[Any], list[bytes]]] = {
    "read": lambda body: [body.read()],
    "read in parts": lambda body: list(iter(lambda: body.read(7), b"")),
    "readline": lambda body: list(iter(body.readline, b"")),
    "readline in parts": lambda body: list(iter(lambda: body.readline(3), b"")),
    "readlines": lambda body: body.readlines(),
    "iteration": lambda body: list(body),
}


@pytest.mark.parametrize("chunked", [False, True], ids=["Content-Length", "chunked"])
@pytest.mark.parametrize("reader", READERS)
async def test_the_body_is_read_like_a_file(running: Running, reader: str, chunked: bool) -> None:
    body = b"first line\n\nthird line\n" * 10_000 + b"no end of line"

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        parts = READERS[reader](environ["wsgi.input"])
        assert environ["wsgi.input"].read() == b""
        assert parts == READERS[reader](io.BytesIO(body))
        start_response("200 OK", PLAIN)
        return [b"as a file"]

    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 9999):
            yield body[start : start + 9999]

    async with running(app) as client:
        response = await client.post("/", content=parts() if chunked else body)
        assert response.text == "as a file"


async def test_contextvars_of_one_request_are_not_seen_by_the_next(running: Running) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    def answer(environ: Environ) -> bytes:
        before = variable.get()
        variable.set("set")
        return before.encode()

    async with running(answering(answer)) as client:
        assert [(await client.get("/")).text for _ in range(3)] == ["unset"] * 3


# What it may return.


async def test_a_list_has_a_length(running: Running) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", PLAIN)
        return [b"one ", b"", b"two"]

    async with running(app) as client:
        response = await client.get("/")
        assert (response.text, response.headers["content-length"]) == ("one two", "7")


@pytest.mark.parametrize("nothing", [[], [b""], [b"", b""]], ids=repr)
@pytest.mark.parametrize("kind", [list, tuple, iter])
async def test_a_response_may_have_no_body(
    running: Running, kind: Callable[[Iterable[bytes]], Iterable[bytes]], nothing: Iterable[bytes]
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("404 Not Found", PLAIN)
        return kind(nothing)

    async with running(app) as client:
        response = await client.get("/")
        assert (response.status_code, response.content) == (404, b"")


async def test_parts_that_fill_the_declared_length_are_all_sent(running: Running) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [*PLAIN, ("Content-Length", "6")])
        yield b"one"
        yield b""
        yield b"two"

    async with running(app) as client:
        assert [(await client.get("/")).text for _ in range(2)] == ["onetwo", "onetwo"]
        head = await client.head("/")
        assert (head.content, head.headers["content-length"]) == (b"", "6")


async def test_write_sends_before_what_is_returned(running: Running) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        write(b"one ")
        write(b"two ")
        return [b"three"]

    async with running(app) as client:
        assert (await client.get("/")).text == "one two three"


async def test_a_generator_may_start_its_response_late(running: Running) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("418 I'm a Teapot", PLAIN)
        yield b"short and stout"

    async with running(app) as client:
        response = await client.get("/")
        assert (response.status_code, response.text) == (418, "short and stout")


async def test_what_it_returned_is_closed(running: Running) -> None:
    closed = threading.Event()

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"some"])

        def close(self) -> None:
            closed.set()

    def app(environ: Environ, start_response: StartResponse) -> Parts:
        start_response("200 OK", PLAIN)
        return Parts()

    async with running(app) as client:
        assert (await client.get("/")).text == "some"
    assert closed.is_set()


async def test_an_error_page_replaces_a_response_that_was_not_sent(running: Running) -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", PLAIN)
        try:
            raise ValueError("too late to be fine")
        except ValueError as error:
            start_response("503 Later", PLAIN, (ValueError, error, error.__traceback__))
        return [b"later"]

    async with running(app) as client:
        response = await client.get("/")
        assert (response.status_code, response.text) == (503, "later")


# What becomes of its mistakes, and of its clients'.


async def test_an_error_page_can_not_replace_what_is_sent(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"this much"
        try:
            raise ValueError("in the middle")
        except ValueError as error:
            start_response("503 Later", PLAIN, (ValueError, error, error.__traceback__))

    async with running(app) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/")
    assert "ValueError: in the middle" in caplog.text


def starts_twice(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", PLAIN)
    start_response("200 OK", PLAIN)
    return [b""]


def never_starts(environ: Environ, start_response: StartResponse) -> list[bytes]:
    return [b"body"]


def raises(environ: Environ, start_response: StartResponse) -> list[bytes]:
    raise LookupError("nothing found")


def raises_stop_iteration(environ: Environ, start_response: StartResponse) -> list[bytes]:
    return [next(iter([]))]


def exits(environ: Environ, start_response: StartResponse) -> list[bytes]:
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("app", "complaint"),
    [
        (starts_twice, "start_response was called twice"),
        (never_starts, "without calling start_response"),
        (raises, "LookupError: nothing found"),
        (raises_stop_iteration, "StopIteration"),
        (exits, "SystemExit"),
    ],
)
async def test_a_mistake_is_answered_with_500_and_reported(
    running: Running, caplog: pytest.LogCaptureFixture, app: Application, complaint: str
) -> None:
    async with running(app) as client:
        assert (await client.get("/")).status_code == 500
    assert complaint in caplog.text


@pytest.mark.parametrize(("length", "complaint"), [("10", "shorter"), ("3", "longer")])
async def test_a_body_of_another_length_than_declared_never_looks_complete(
    running: Running, caplog: pytest.LogCaptureFixture, length: str, complaint: str
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", length)])
        yield b"so"
        yield b"me"

    async with running(app) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/")
    assert f"{complaint} than its content-length" in caplog.text


async def test_a_client_that_leaves_ends_the_response_and_closes_it(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    closed = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        try:
            while True:
                yield b"more and more" * 1000
        finally:
            closed.set()

    async with running(app) as client, client.stream("GET", "/") as response:
        async for _ in response.aiter_bytes():
            break
    assert await asyncio.to_thread(closed.wait, 10)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_body_that_breaks_off_is_an_exception(running: Running) -> None:
    outcome: list[BaseException] = []
    raised = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            outcome.append(error)
            raised.set()
        start_response("200 OK", PLAIN)
        return [b"nobody reads this"]

    async with asgiworker.running(app) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert await asyncio.to_thread(raised.wait, 10)
    assert isinstance(outcome[0], asgiworker.ClientDisconnected)


async def test_more_requests_than_threads_wait_for_their_turn(running: Running) -> None:
    enough = threading.Barrier(40)  # as many as there are threads

    def answer(environ: Environ) -> bytes:
        enough.wait(10)
        return b"done"

    async with running(answering(answer), backlog=200) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(80)))
    assert [response.text for response in answers] == ["done"] * 80


async def test_a_request_that_still_waits_for_a_thread_when_the_server_stops_is_left_out() -> None:
    released = threading.Event()
    entered = {"/busy": asyncio.Event(), "/left-out": asyncio.Event()}
    called: list[str] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        called.append(environ["PATH_INFO"])
        released.wait(30)
        start_response("200 OK", PLAIN)
        return [b"late"]

    adapter = WSGIAdapter(app, threads=1)

    async def observed(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            entered[scope["path"]].set()
        await adapter(scope, receive, send)

    async with httpx.AsyncClient() as client:
        async with asgiworker.running(observed, graceful_timeout=0.1) as server:
            requests = []
            for path, event in entered.items():
                requests.append(asyncio.create_task(client.get(server.url + path)))
                await asyncio.wait_for(event.wait(), 10)
        released.set()
        await asyncio.gather(*requests, return_exceptions=True)
        # One thread takes one call after the other: when this one is through, those before it are, too.
        async with asgiworker.running(adapter) as server:
            assert (await client.get(f"{server.url}/afterwards")).text == "late"
    assert called == ["/busy", "/afterwards"]


def test_a_thread_may_end_after_the_loop_was_closed() -> None:
    entered, released, closed = threading.Event(), threading.Event(), threading.Event()

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            yield b"too late"

        def close(self) -> None:
            closed.set()

    def app(environ: Environ, start_response: StartResponse) -> Parts:
        entered.set()
        released.wait(30)
        start_response("200 OK", PLAIN)
        return Parts()

    async def ask() -> None:
        async with asgiworker.running(app, graceful_timeout=0.1) as server, httpx.AsyncClient() as client:
            request = asyncio.create_task(client.get(server.url))
            assert await asyncio.to_thread(entered.wait, 10)
            request.cancel()

    asyncio.run(ask())
    released.set()
    assert closed.wait(10)


async def test_a_thread_that_waits_for_ever_does_not_hold_the_server_when_it_stops(
    caplog: pytest.LogCaptureFixture,
) -> None:
    entered, released = threading.Event(), threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        entered.set()
        released.wait(30)
        start_response("200 OK", PLAIN)
        return [b"too late"]

    async with asgiworker.running(app, graceful_timeout=0.1) as server, httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(server.url))
        assert await asyncio.to_thread(entered.wait, 10)
    released.set()
    try:
        assert (await request).status_code == 500
    except httpx.TransportError:
        pass
