"""One HTTP/1.x connection: in which order, in how many writes, and until when (RFC 9112 §9)."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

import asgiworker
from asgiworker.protocols.http1.connection import HIGH_WATER
from asgiworker.protocols.http1.response import DRAIN_BOUND
from asgiworker.protocols.lingering import LINGER_BOUND

if TYPE_CHECKING:
    from asgiworker.asgi.types import Message, Receive, Scope, Send
    from server.tests.conftest import Connect
    from server.tests.protocols.conftest import Application, Mirror, OpenWire, Response

    Make = Callable[..., Application]

pytestmark = pytest.mark.every_python

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def get(path: str = "/", *lines: str, version: str = "1.1", method: str = "GET") -> bytes:
    """A request without a body."""
    fields = "".join(f"{line}\r\n" for line in ("Host: a", *lines))
    return f"{method} {path} HTTP/{version}\r\n{fields}\r\n".encode()


def post(body: bytes, *lines: str, length: int | None = None, version: str = "1.1") -> bytes:
    """A request with `body`, or with the first part of one that is `length` bytes long."""
    size = len(body) if length is None else length
    return get("/", f"Content-Length: {size}", *lines, method="POST", version=version) + body


class Gate:
    """An application that answers with its path, each request only when it is let through."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        path = scope["path"]
        self.started.append(path)
        await self.gate(path).wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": path.encode()})

    def gate(self, path: str) -> asyncio.Event:
        """What holds the request for `path`."""
        return self.gates.setdefault(path, asyncio.Event())


def app_of(handle: Callable[[Scope, Receive, Send], Awaitable[None]]) -> Application:
    """`handle` as an application that knows no lifespan."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await handle(scope, receive, send)

    return app


async def answer_ok(send: Send, body: bytes = b"ok") -> None:
    """Send a plain response."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


# --- pipelining ---------------------------------------------------------------------------------------------


async def test_pipelined_requests_are_answered_in_order_whichever_would_be_ready_first(open_wire: OpenWire):
    gate = Gate()
    wire = open_wire(gate)
    await wire.send(get("/slow") + get("/quick"))
    gate.gate("/quick").set()
    await wire.settle()
    assert gate.started == ["/slow"]
    assert wire.sent == b""
    gate.gate("/slow").set()
    await wire.settle()
    assert [response.text for response in wire.responses()] == ["/slow", "/quick"]


async def test_a_pipelined_request_is_not_begun_before_the_response_to_the_one_before_it(open_wire: OpenWire):
    wire_open: list[int] = []

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        wire_open.append(len(wire.sent))
        await answer_ok(send)

    wire = open_wire(app_of(handle))
    await wire.send(get("/a") + get("/b"))
    (first, second) = wire_open
    assert first == 0
    assert wire.sent[:second].endswith(b"ok")
    assert len(wire.sent) == 2 * second


async def test_what_a_client_pipelines_ahead_of_a_slow_application_is_bounded(open_wire: OpenWire):
    gate = Gate()
    wire = open_wire(gate)
    await wire.send(get("/first"))
    piece = GET * 100
    sent = 0
    while not wire.paused_reading:
        wire.feed(piece)
        sent += 100
        assert len(wire.connection.buffer) <= HIGH_WATER + len(piece)
    assert gate.started == ["/first"]
    gate.gate("/").set()
    gate.gate("/first").set()
    await wire.settle()
    assert not wire.paused_reading
    assert [response.text for response in wire.responses()] == ["/first"] + ["/"] * sent


async def test_a_pipelining_client_that_reads_nothing_makes_no_memory_grow(open_wire: OpenWire, answer: Make):
    called = 0
    respond = answer(b"x" * 40_000)

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal called
        called += 1
        await respond(scope, receive, send)

    wire = open_wire(app_of(handle))
    wire.reads = False
    request = get("/", "X: " + "x" * 4000)
    sent = 0
    while not wire.paused_reading and sent < 100:
        await wire.send(request)
        sent += 1
    # No more than what the transport holds, and one response above it.
    assert called <= 3
    assert wire.waiting < 3 * 41_000
    assert wire.paused_reading
    assert len(wire.connection.buffer) <= HIGH_WATER + len(request)
    wire.take()
    await wire.settle()
    assert len(wire.responses()) == called == sent


async def test_a_client_that_never_reads_is_cut_off_though_it_goes_on_sending(
    open_wire: OpenWire, answer: Make
):
    wire = open_wire(answer(b"x" * 40_000), timeout_stall=5)
    wire.reads = False
    await wire.send(GET * 10)
    await wire.overdue()
    assert wire.aborted
    assert wire.lost


async def test_one_request_does_not_see_the_context_of_another_on_its_connection(open_wire: OpenWire):
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    found: list[str] = []

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(variable.get())
        variable.set(scope["path"])
        await answer_ok(send)

    wire = open_wire(app_of(handle))
    await wire.send(get("/a") + get("/b") + get("/c"), get("/d"))
    assert found == ["unset"] * 4


# --- what a response looks like on the wire -----------------------------------------------------------------


async def test_a_whole_response_leaves_in_one_write(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b"hello", headers=[(b"x", b"y")]))
    await wire.send(GET)
    assert len(wire.writes) == 1
    (response,) = wire.responses()
    assert (response.status, response.phrase, response.body) == (200, "OK", b"hello")
    assert [name for name, _ in response.headers] == ["x", "date", "server", "content-length"]


async def test_the_parts_that_an_application_streams_at_once_leave_in_one_write_each_in_its_chunk(
    open_wire: OpenWire, stream: Make
):
    wire = open_wire(stream(b"one", b"", b"two and more"))
    await wire.send(GET)
    assert len(wire.writes) == 1
    assert bytes(wire.sent).partition(b"\r\n\r\n")[2] == b"3\r\none\r\nc\r\ntwo and more\r\n0\r\n\r\n"
    (response,) = wire.responses()
    assert response["transfer-encoding"] == "chunked"
    assert response.all("content-length") == []


async def test_a_part_leaves_before_the_application_makes_the_next(open_wire: OpenWire):
    go_on = asyncio.Event()

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"two"})

    wire = open_wire(app_of(handle))
    await wire.send(GET)
    assert wire.sent.endswith(b"\r\n\r\n3\r\none\r\n")
    go_on.set()
    await wire.settle()
    assert wire.sent.endswith(b"3\r\ntwo\r\n0\r\n\r\n")


async def test_the_head_leaves_while_the_application_thinks_about_the_body(open_wire: OpenWire):
    go_on = asyncio.Event()

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"at last"})

    wire = open_wire(app_of(handle))
    await wire.send(GET)
    assert wire.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.sent.endswith(b"\r\n\r\n")
    go_on.set()
    await wire.settle()
    (response,) = wire.responses()
    assert response.body == b"at last"


async def test_a_streamed_response_with_a_length_is_not_chunked(open_wire: OpenWire, stream: Make):
    wire = open_wire(stream(b"hello, ", b"world", headers=[(b"Content-Length", b"12")]))
    await wire.send(GET + GET)
    for response in wire.responses():
        assert response["content-length"] == "12"
        assert response.body == b"hello, world"
    assert not wire.ended


async def test_a_large_response_arrives_whole(
    connect: Connect, read: Callable[..., list[Response]], answer: Make
):
    body = os.urandom(1 << 16) * 48
    async with asgiworker.running(answer(body)) as server:
        client = await connect(server.url)
        await client.send(get("/", "Connection: close"))
        (response,) = read(await client.rest())
    assert response.body == body


async def test_large_parts_of_a_stream_arrive_whole_and_in_order(
    connect: Connect, read: Callable[..., list[Response]], stream: Make
):
    parts = [bytes([number]) * (number * 20_011) for number in range(1, 30)]
    async with asgiworker.running(stream(*parts)) as server:
        client = await connect(server.url)
        await client.send(get("/", "Connection: close"))
        (response,) = read(await client.rest())
    assert response.body == b"".join(parts)


@pytest.mark.parametrize("status", [200, 201, 206, 299, 301, 400, 404, 418, 451, 500, 599])
async def test_a_status_has_its_phrase_where_it_is_registered(open_wire: OpenWire, answer: Make, status: int):
    wire = open_wire(answer(b"", status=status))
    await wire.send(GET)
    (response,) = wire.responses()
    assert response.status == status
    assert bool(response.phrase) == (status not in (299, 599))
    assert response["content-length"] == "0"


# --- responses without a body -------------------------------------------------------------------------------


async def test_head_has_the_length_that_get_would_have_and_no_body(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b"hello"))
    await wire.send(get(method="HEAD") + GET)
    head, whole = wire.responses("HEAD", "GET")
    assert head.body == b""
    assert head["content-length"] == whole["content-length"] == "5"


async def test_head_keeps_the_length_that_the_application_names(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b"", headers=[(b"content-length", b"1000")]))
    await wire.send(get(method="HEAD") + GET[:0])
    (response,) = wire.responses("HEAD")
    assert response["content-length"] == "1000"
    assert not wire.ended


async def test_head_of_an_empty_response_does_not_claim_that_get_would_be_empty(
    open_wire: OpenWire, answer: Make
):
    """Many applications leave the body out themselves; a length of 0 would be a lie (RFC 9110 §8.6)."""
    wire = open_wire(answer(b""))
    await wire.send(get(method="HEAD"))
    (response,) = wire.responses("HEAD")
    assert response.all("content-length") == []


async def test_head_of_a_stream_has_no_chunks(open_wire: OpenWire, stream: Make):
    wire = open_wire(stream(b"one", b"two"))
    await wire.send(get(method="HEAD") + get(method="HEAD"))
    assert [response.body for response in wire.responses("HEAD", "HEAD")] == [b"", b""]
    assert bytes(wire.sent).endswith(b"\r\n\r\n")
    assert not wire.ended


@pytest.mark.parametrize("status", [204, 304])
async def test_no_content_and_not_modified_have_no_body_even_if_the_application_sends_one(
    open_wire: OpenWire, answer: Make, stream: Make, status: int
):
    for app in (answer(b"what?", status=status), stream(b"what?", b"no", status=status)):
        wire = open_wire(app)
        await wire.send(GET + GET)
        assert [response.status for response in wire.responses()] == [status, status]
        assert b"what" not in wire.sent
        assert not wire.ended


async def test_no_content_has_no_length_even_if_the_application_names_one(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b"", status=204, headers=[(b"content-length", b"0")]))
    await wire.send(GET)
    (response,) = wire.responses()
    assert response.all("content-length") == []


async def test_not_modified_may_have_the_length_that_the_representation_has(
    open_wire: OpenWire, answer: Make
):
    wire = open_wire(answer(b"", status=304, headers=[(b"content-length", b"512"), (b"etag", b'"a"')]))
    await wire.send(GET + GET)
    assert [response["content-length"] for response in wire.responses()] == ["512", "512"]


# --- keep-alive ---------------------------------------------------------------------------------------------


async def test_a_connection_of_1_0_that_asked_to_be_kept_is_told_so(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b"hello"))
    await wire.send(get("/", "Connection: keep-alive", version="1.0"))
    (response,) = wire.responses()
    assert response["connection"] == "keep-alive"
    assert not wire.ended


async def test_a_connection_of_1_1_is_kept_without_a_word(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b"hello"))
    await wire.send(get("/", "Connection: keep-alive"))
    (response,) = wire.responses()
    assert response.all("connection") == []


@pytest.mark.parametrize("lines", [[], ["Connection: keep-alive"]])
async def test_a_stream_without_length_is_never_chunked_for_1_0_but_ends_with_the_connection(
    open_wire: OpenWire, stream: Make, lines: list[str]
):
    wire = open_wire(stream(b"one", b"two"))
    await wire.send(get("/", *lines, version="1.0"))
    (response,) = wire.responses()
    assert response.all("transfer-encoding") == []
    assert response.closes
    assert response.body == b"onetwo"
    assert wire.closing


async def test_a_stream_with_length_keeps_a_connection_of_1_0(open_wire: OpenWire, stream: Make):
    wire = open_wire(stream(b"one", b"two", headers=[(b"content-length", b"6")]))
    await wire.send(get("/", "Connection: keep-alive", version="1.0"))
    (response,) = wire.responses()
    assert response["connection"] == "keep-alive"
    assert response.body == b"onetwo"
    assert not wire.ended


@pytest.mark.parametrize("value", [b"close", b"Close", b"keep-alive, close"])
async def test_an_application_may_have_the_connection_closed(open_wire: OpenWire, answer: Make, value: bytes):
    wire = open_wire(answer(b"bye", headers=[(b"Connection", value)]))
    await wire.send(GET + GET)
    (response,) = wire.responses()
    assert response["connection"] == "close"
    assert wire.ended


@pytest.mark.parametrize(
    "field",
    [
        (b"Connection", b"keep-alive"),
        (b"connection", b"x-closed"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"transfer-encoding", b"gzip"),
    ],
)
async def test_the_framing_and_the_connection_are_the_servers_own(
    open_wire: OpenWire, answer: Make, stream: Make, field: tuple[bytes, bytes]
):
    for app in (answer(b"hello", headers=[field]), stream(b"hello", headers=[field])):
        wire = open_wire(app)
        await wire.send(GET)
        (response,) = wire.responses()
        assert response.body == b"hello"
        assert response.all("connection") == response.all("keep-alive") == []
        assert response.all("transfer-encoding") in ([], ["chunked"])
        assert not wire.ended


async def test_what_a_client_sends_after_it_asked_to_close_is_not_read_as_a_request(
    open_wire: OpenWire, mirror: Mirror
):
    wire = open_wire(mirror)
    await wire.send(get("/last", "Connection: close"), GET, GET)
    assert [seen.scope["path"] for seen in mirror.seen] == ["/last"]


async def test_a_closing_response_can_be_read_by_a_client_that_has_sent_on(
    connect: Connect, read: Callable[..., list[Response]], answer: Make
):
    """To close a socket with unread bytes resets the connection, and takes what wasn't read yet (§9.6)."""
    app = answer(b"x" * 100_000, headers=[(b"connection", b"close")])
    async with asgiworker.running(app) as server:
        client = await connect(server.url)
        try:
            await client.send(GET + GET * 20_000)
        except ConnectionError:
            pytest.fail("the connection was reset while the client was sending")
        (response,) = read(await client.rest())
        await client.close()
    assert response.body == b"x" * 100_000


# --- 100 Continue -------------------------------------------------------------------------------------------

EXPECT = "Expect: 100-continue"


async def test_continue_is_sent_when_the_application_first_asks_for_the_body(open_wire: OpenWire):
    asks = asyncio.Event()

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await asks.wait()
        message = await receive()
        await answer_ok(send, message["body"])

    wire = open_wire(app_of(handle))
    await wire.send(post(b"", EXPECT, length=5))
    assert wire.sent == b""
    asks.set()
    await wire.settle()
    assert wire.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(b"hello")
    assert [response.status for response in wire.responses()] == [100, 200]
    assert wire.responses()[1].body == b"hello"
    assert not wire.ended


async def test_continue_is_sent_once(open_wire: OpenWire, mirror: Mirror):
    wire = open_wire(mirror)
    await wire.send(post(b"", EXPECT, length=5), b"h", b"e", b"llo")
    assert [response.status for response in wire.responses()] == [100, 200]
    assert mirror.seen[0].body == b"hello"


async def test_continue_is_not_sent_to_a_client_that_did_not_wait_for_it(open_wire: OpenWire, mirror: Mirror):
    wire = open_wire(mirror)
    await wire.send(post(b"hello", EXPECT))
    assert [response.status for response in wire.responses()] == [200]


async def test_continue_is_not_sent_after_the_response_has_begun(open_wire: OpenWire):
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"no need", "more_body": True})
        await receive()

    wire = open_wire(app_of(handle))
    await wire.send(post(b"", EXPECT, length=5))
    head = bytes(wire.sent)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in head
    assert b"100 Continue" not in head


@pytest.mark.parametrize("framing", ["Content-Length: 5", "Transfer-Encoding: chunked"])
async def test_a_body_that_was_never_asked_for_closes_the_connection(
    open_wire: OpenWire, answer: Make, framing: str
):
    """The client may or may not send it now; so nobody knows where the next request would begin (§10.1.1)."""
    wire = open_wire(answer(b"no, thanks", status=403))
    await wire.send(get("/", framing, EXPECT, method="POST"))
    (response,) = wire.responses()
    assert response.status == 403
    assert response.closes
    assert wire.ended


async def test_a_stream_that_leaves_the_body_unasked_for_closes_the_connection(
    open_wire: OpenWire, stream: Make
):
    wire = open_wire(stream(b"no", b", ", b"thanks"))
    await wire.send(post(b"", EXPECT, length=5))
    (response,) = wire.responses()
    assert response.closes
    assert response.body == b"no, thanks"
    assert wire.ended


# --- bodies that nobody reads -------------------------------------------------------------------------------


async def test_a_body_that_came_with_its_head_and_is_not_read_leaves_the_connection_open(
    open_wire: OpenWire, answer: Make
):
    wire = open_wire(answer(b"fine"))
    await wire.send(post(b"x" * 1000) + GET)
    assert [response.closes for response in wire.responses()] == [False, False]


async def test_a_body_that_is_not_read_is_read_away_before_the_next_request(
    open_wire: OpenWire, answer: Make
):
    size = DRAIN_BOUND
    wire = open_wire(answer(b"fine"))
    await wire.send(post(b"", length=size))
    assert len(wire.responses()) == 1
    await wire.send(*[b"GET " * 1024] * (size // 4096), GET)
    assert [response.closes for response in wire.responses()] == [False, False]
    assert not wire.ended


async def test_a_chunked_body_that_is_not_read_is_read_away_up_to_its_end(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b"fine"))
    await wire.send(get("/", "Transfer-Encoding: chunked", method="POST"))
    await wire.send(b"5\r\nhe", b"llo\r\n0\r\n", b"Trailer: x\r\n\r\n" + GET, GET)
    assert len(wire.responses()) == 3


async def test_a_body_too_long_to_be_read_away_closes_the_connection(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b"fine"))
    await wire.send(post(b"", length=DRAIN_BOUND + 1))
    (response,) = wire.responses()
    assert response.closes
    assert wire.finished


async def test_a_chunked_body_is_read_away_only_up_to_the_bound(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b"fine"))
    await wire.send(get("/", "Transfer-Encoding: chunked", method="POST"))
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    for _ in range(DRAIN_BOUND // 65536):
        await wire.send(chunk)
        assert not wire.ended
    await wire.send(chunk)
    assert wire.finished
    assert len(wire.responses()) == 1


async def test_the_client_can_read_the_response_to_a_body_that_was_refused_while_it_was_sending(
    connect: Connect, read: Callable[..., list[Response]], answer: Make
):
    async with asgiworker.running(answer(b"no uploads here", status=403)) as server:
        client = await connect(server.url)
        await client.send(post(b"x" * 3_000_000))
        (response,) = read(await client.rest())
        await client.close()
    assert (response.status, response.text) == (403, "no uploads here")
    assert response.closes


async def test_the_client_can_read_that_its_body_is_too_large_while_it_was_sending(
    connect: Connect, read: Callable[..., list[Response]], mirror: Mirror
):
    async with asgiworker.running(mirror, limit_body=100_000) as server:
        for request in (post(b"x" * 3_000_000), get("/", "Transfer-Encoding: chunked", method="POST")):
            client = await connect(server.url)
            await client.send(request)
            if b"chunked" in request:
                await client.send(b"2dc6c0\r\n" + b"x" * 3_000_000)
            (response,) = read(await client.rest())
            assert response.status == 413
            await client.close()
    assert mirror.seen == []


async def test_a_client_that_goes_on_sending_after_the_end_is_cut_off_at_a_bound(
    open_wire: OpenWire, answer: Make
):
    wire = open_wire(answer(b"fine"))
    await wire.send(post(b"", length=1 << 40))
    piece = b"x" * 262_144
    sent = 0
    while not wire.aborted:
        wire.feed(piece)
        sent += len(piece)
        assert sent <= LINGER_BOUND + len(piece)
    assert wire.connection.buffer == b""


async def test_a_client_that_does_not_leave_after_the_end_is_cut_off_at_a_deadline(
    open_wire: OpenWire, answer: Make
):
    wire = open_wire(answer(b"fine"))
    await wire.send(post(b"", length=1 << 40))
    assert wire.finished
    await wire.overdue()
    assert wire.lost


async def test_a_response_that_the_client_is_still_reading_is_not_cut_off(open_wire: OpenWire, answer: Make):
    """It takes the client longer than the moment for which what it sends is read away."""
    wire = open_wire(answer(b"x" * 200_000))
    wire.reads = False
    await wire.send(post(b"", length=1 << 40))
    for _ in range(5):
        assert wire.waiting > 20_000
        wire.waiting -= 20_000
        await wire.overdue()
        assert not wire.aborted
    wire.take()
    await wire.settle()
    (response,) = wire.responses()
    assert response.body == b"x" * 200_000


async def test_a_broken_chunk_in_a_body_that_nobody_reads_ends_the_connection_and_not_the_response(
    open_wire: OpenWire, answer: Make
):
    entries: list[Any] = []
    wire = open_wire(answer(b"fine"), record=entries.append)
    await wire.send(get("/", "Transfer-Encoding: chunked", method="POST"), b"5\r\nhello", b"oh no\r\n" + GET)
    (response,) = wire.responses()
    assert response.text == "fine"
    assert wire.ended
    assert not wire.aborted
    assert len(entries) == 1


async def test_a_body_that_nobody_reads_and_that_stops_coming_ends_the_connection_and_not_the_response(
    open_wire: OpenWire, answer: Make
):
    entries: list[Any] = []
    wire = open_wire(answer(b"fine"), record=entries.append)
    await wire.send(post(b"12345", length=10))
    await wire.overdue()
    (response,) = wire.responses()
    assert response.text == "fine"
    assert wire.ended
    assert not wire.aborted
    assert len(entries) == 1


# --- bodies that are read slowly ----------------------------------------------------------------------------


async def test_a_client_is_held_back_while_the_application_does_not_take_its_body(open_wire: OpenWire):
    take = asyncio.Semaphore(0)
    parts: list[bytes] = []

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            await take.acquire()
            message = await receive()
            parts.append(message["body"])
            more = message["more_body"]
        await answer_ok(send)

    wire = open_wire(app_of(handle))
    piece, size, fed = b"x" * 10_000, 500_000, 0
    await wire.send(post(b"", length=size))
    while fed < size:
        while fed < size and not wire.paused_reading:
            wire.feed(piece)
            fed += len(piece)
            assert fed - len(b"".join(parts)) <= HIGH_WATER + len(piece)
        take.release()
        await wire.settle()
    take.release()
    take.release()
    await wire.settle()
    assert b"".join(parts) == b"x" * size
    assert len(wire.responses()) == 1


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_comes_to_the_application_as_it_arrives(open_wire: OpenWire, chunked: bool):
    messages: list[Message] = []

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        while not messages or messages[-1]["more_body"]:
            messages.append(await receive())
        await answer_ok(send)

    wire = open_wire(app_of(handle))
    if chunked:
        await wire.send(get("/", "Transfer-Encoding: chunked", method="POST"))
        await wire.send(b"3\r\none\r\n", b"3\r\ntwo\r\n5\r\nthree\r\n", b"0\r\n\r\n")
    else:
        await wire.send(post(b"", length=11), b"one", b"twothree")
    assert b"".join(message["body"] for message in messages) == b"onetwothree"
    assert messages[0] == {"type": "http.request", "body": b"one", "more_body": True}
    assert messages[-1]["more_body"] is False


# --- half-closed clients ------------------------------------------------------------------------------------


async def test_a_client_that_has_said_all_gets_its_response_when_it_is_ready(open_wire: OpenWire):
    gate = Gate()
    wire = open_wire(gate)
    await wire.send(get("/a"))
    wire.half_close()
    await wire.settle()
    assert not wire.closing
    gate.gate("/a").set()
    await wire.settle()
    (response,) = wire.responses()
    assert response.text == "/a"
    assert response.closes
    assert wire.lost


async def test_a_client_that_has_said_all_gets_every_pipelined_response(open_wire: OpenWire):
    gate = Gate()
    wire = open_wire(gate)
    await wire.send(get("/a") + get("/b"))
    wire.half_close()
    for path in ("/a", "/b"):
        await wire.settle()
        assert not wire.closing
        gate.gate(path).set()
    await wire.settle()
    assert [(response.text, response.closes) for response in wire.responses()] == [
        ("/a", False),
        ("/b", True),
    ]
    assert wire.lost


async def test_an_application_is_told_that_the_client_has_said_all_and_may_go_on(open_wire: OpenWire):
    told = asyncio.Event()
    go_on = asyncio.Event()

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        told.set()
        await go_on.wait()
        await answer_ok(send)

    wire = open_wire(app_of(handle))
    await wire.send(GET)
    wire.half_close()
    await wire.settle()
    assert told.is_set()
    go_on.set()
    await wire.settle()
    assert wire.responses()[0].text == "ok"


async def test_a_half_closed_client_over_a_socket_gets_a_response_that_takes_long(
    connect: Connect, read: Callable[..., list[Response]]
):
    gate = Gate()
    async with asgiworker.running(gate) as server:
        client = await connect(server.url)
        await client.send(get("/a") + get("/b"))
        client.finish()
        answer = asyncio.ensure_future(client.rest())
        gate.gate("/a").set()
        gate.gate("/b").set()
        assert [response.text for response in read(await answer)] == ["/a", "/b"]


async def test_a_client_that_stops_in_the_middle_of_its_body_is_let_go(open_wire: OpenWire):
    told: list[str] = []

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        while told[-1:] != ["http.disconnect"]:
            told.append((await receive())["type"])

    wire = open_wire(app_of(handle))
    await wire.send(post(b"123", length=5))
    wire.half_close()
    await wire.settle()
    assert wire.lost
    assert told == ["http.request", "http.disconnect"]


# --- the fields that the server adds ------------------------------------------------------------------------


async def names_in_order(open_wire: OpenWire, app: Application, **settings: Any) -> list[tuple[str, str]]:
    """The fields of a response, without their dates."""
    wire = open_wire(app, **settings)
    await wire.send(GET)
    (response,) = wire.responses()
    return [(name, value if name != "date" else "…") for name, value in response.headers]


async def test_date_and_server_are_added(open_wire: OpenWire, answer: Make):
    fields = await names_in_order(open_wire, answer(b""))
    assert fields == [("date", "…"), ("server", "asgiworker"), ("content-length", "0")]


async def test_date_and_server_can_be_switched_off(open_wire: OpenWire, answer: Make, stream: Make):
    fields = await names_in_order(open_wire, answer(b""), date_header=False, server_header=False)
    assert fields == [("content-length", "0")]
    fields = await names_in_order(open_wire, stream(b"a"), date_header=False, server_header=False)
    assert fields == [("transfer-encoding", "chunked")]


async def test_errors_obey_the_switches_too(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b""), date_header=False, server_header=False)
    await wire.send(b"GET / HTTP/1.1\r\n\r\n")
    (response,) = wire.responses()
    assert sorted(name for name, _ in response.headers) == ["connection", "content-length", "content-type"]


@pytest.mark.parametrize("name", [b"Date", b"date", b"Server", b"SERVER"])
async def test_an_applications_own_date_and_server_win(
    open_wire: OpenWire, answer: Make, stream: Make, name: bytes
):
    own = (name, b"Thu, 01 Jan 1970 00:00:00 GMT")
    for app in (answer(b"", headers=[own]), stream(b"a", headers=[own])):
        wire = open_wire(app)
        await wire.send(GET)
        (response,) = wire.responses()
        assert response[name.decode().lower()] == "Thu, 01 Jan 1970 00:00:00 GMT"
        assert len(response.all("date")) == len(response.all("server")) == 1


async def test_default_fields_are_added_to_every_response(open_wire: OpenWire, answer: Make, stream: Make):
    defaults = (("X-Frame-Options", "DENY"), ("Link", "<a>"), ("Link", "<b>"))
    for app in (answer(b"hello"), stream(b"hello"), answer(b"", status=204)):
        wire = open_wire(app, headers=defaults)
        await wire.send(GET)
        (response,) = wire.responses()
        assert response["x-frame-options"] == "DENY"
        assert response.all("link") == ["<a>", "<b>"]


async def test_default_fields_are_added_to_errors(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b""), headers=(("X-Frame-Options", "DENY"), ("Content-Type", "text/html")))
    await wire.send(b"GET / HTTP/1.1\r\n\r\n")
    (response,) = wire.responses()
    assert response["x-frame-options"] == "DENY"
    assert response["content-type"] == "text/plain; charset=utf-8"


async def test_an_applications_own_field_wins_over_the_default(
    open_wire: OpenWire, answer: Make, stream: Make
):
    own = (b"x-frame-OPTIONS", b"SAMEORIGIN")
    for app in (answer(b"", headers=[own]), stream(b"a", headers=[own])):
        wire = open_wire(app, headers=(("X-Frame-Options", "DENY"), ("X-Other", "1")))
        await wire.send(GET)
        (response,) = wire.responses()
        assert response["x-frame-options"] == "SAMEORIGIN"
        assert response["x-other"] == "1"


async def test_a_default_server_replaces_the_servers_own(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b""), headers=(("Server", "teapot"),))
    await wire.send(GET, b"GET / HTTP/1.1\r\n\r\n")
    assert [response["server"] for response in wire.responses()] == ["teapot", "teapot"]


# --- what the access log gets -------------------------------------------------------------------------------


async def test_each_response_is_recorded_once_with_all_that_a_log_wants(open_wire: OpenWire, answer: Make):
    entries: list[Any] = []
    wire = open_wire(answer(b"hello", status=201, headers=[(b"x", b"y")]), record=entries.append)
    await wire.send(get("/a?b=c", "User-Agent: test"))
    ((time, duration, client, method, target, version, status, size, request, response),) = entries
    assert time > 1.7e9
    assert 0 <= duration < 10
    assert client == ("192.0.2.7", 50000)
    assert (method, target, version, status, size) == ("GET", b"/a?b=c", "1.1", 201, 5)
    assert list(request) == [(b"host", b"a"), (b"user-agent", b"test")]
    assert list(response) == [(b"x", b"y")]


async def test_a_head_request_and_a_stream_are_recorded_with_what_was_sent(open_wire: OpenWire, stream: Make):
    entries: list[Any] = []
    wire = open_wire(stream(b"one", b"three"), record=entries.append)
    await wire.send(GET)
    assert entries[0][6:8] == (200, 8)


@pytest.mark.parametrize(
    ("request_bytes", "method", "target", "version", "status"),
    [
        (b"GET /a HTTP/1.1\r\n\r\n", "GET", b"/a", "1.1", 400),
        (b"\r\nGET /a HTTP/1.1\r\n\r\n", "GET", b"/a", "1.1", 400),
        (b"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", "BREW", b"/pot", "1.1", 501),
        (b"GET /a HTTP/2.0\r\nHost: a\r\n\r\n", "GET", b"/a", "2.0", 505),
        (b"GET /a HTTP/1.0\r\nHost: a b\r\n\r\n", "GET", b"/a", "1.0", 400),
        (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "GET", b"/a#b", "1.1", 400),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", "GET", b"/a", "1.1", 400),
        (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", "POST", b"/a", "1.1", 413),
        (post(b"", "Transfer-Encoding: chunked"), "POST", b"/", "1.1", 400),
        (
            b"POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "POST",
            b"/a",
            "1.0",
            400,
        ),
    ],
)
async def test_an_error_answer_is_recorded_once(
    open_wire: OpenWire,
    mirror: Mirror,
    request_bytes: bytes,
    method: str,
    target: bytes,
    version: str,
    status: int,
):
    entries: list[Any] = []
    wire = open_wire(mirror, record=entries.append, limit_body=10)
    await wire.send(request_bytes)
    (entry,) = entries
    assert entry[2] == ("192.0.2.7", 50000)
    assert entry[3:7] == (method, target, version, status)
    assert entry[7] == len(wire.responses()[0].text)


async def test_an_error_in_the_middle_of_a_body_is_recorded_with_the_request_it_belongs_to(
    open_wire: OpenWire, mirror: Mirror
):
    entries: list[Any] = []
    wire = open_wire(mirror, record=entries.append)
    await wire.send(
        get("/up", "Transfer-Encoding: chunked", "User-Agent: test", method="PUT"), b"5\r\nhello", b"!"
    )
    (entry,) = entries
    assert entry[3:7] == ("PUT", b"/up", "1.1", 400)
    assert (b"user-agent", b"test") in entry[8]
    assert entry[1] > 0
    assert mirror.seen == []


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01", b"\x00", b"hello\r\n\r\n", b"GET /\r\n\r\n"]
)
async def test_what_is_no_request_at_all_is_recorded_as_what_came(
    open_wire: OpenWire, mirror: Mirror, garbage: bytes
):
    entries: list[Any] = []
    wire = open_wire(mirror, record=entries.append)
    await wire.send(garbage)
    (entry,) = entries
    assert isinstance(entry[3], str)
    assert garbage.startswith(entry[4])
    assert entry[6] == 400


async def test_a_client_that_leaves_before_its_response_is_recorded_as_499(open_wire: OpenWire):
    entries: list[Any] = []
    wire = open_wire(Gate(), record=entries.append)
    await wire.send(get("/a"))
    wire.leave()
    await wire.settle()
    (entry,) = entries
    assert entry[3:8] == ("GET", b"/a", "1.1", 499, 0)


async def test_a_refusal_is_logged_for_who_wants_to_know_with_its_reason(
    open_wire: OpenWire, mirror: Mirror, caplog: pytest.LogCaptureFixture
):
    wire = open_wire(mirror)
    with caplog.at_level(logging.INFO, "asgiworker.server"):
        await wire.send(b"GET / HTTP/1.1\r\n\r\n")
    (record,) = [record for record in caplog.records if record.name == "asgiworker.server"]
    assert record.levelno == logging.INFO
    assert record.getMessage() == "192.0.2.7:50000: 400 no Host field"


# --- too much at once ---------------------------------------------------------------------------------------


async def test_a_request_beyond_the_limit_on_requests_is_told_to_come_back(open_wire: OpenWire):
    gate = Gate()
    service = open_wire.service(gate, limit_requests=2)
    first, second, third = (open_wire(service) for _ in range(3))
    await first.send(get("/a"))
    await second.send(get("/b"))
    await third.send(get("/c"))
    (response,) = third.responses()
    assert response.status == 503
    assert int(response["retry-after"]) > 0
    assert response.closes
    gate.gate("/a").set()
    await first.settle()
    await first.send(get("/a"))
    assert [response.status for response in first.responses()] == [200, 200]
    gate.gate("/b").set()
    await second.settle()


async def test_a_connection_beyond_the_limit_on_connections_is_told_to_come_back(
    open_wire: OpenWire, answer: Make
):
    service = open_wire.service(answer(b"fine"), limit_connections=2)
    first, second, third = (open_wire(service) for _ in range(3))
    (response,) = third.responses()
    assert response.status == 503
    assert response.closes
    assert "retry-after" in [name for name, _ in response.headers]
    await first.send(GET)
    assert len(first.responses()) == 1
    for wire in (second, third):
        wire.leave()
    fourth = open_wire(service)
    await fourth.send(GET)
    assert fourth.responses()[0].status == 200


# --- deadlines ----------------------------------------------------------------------------------------------


async def test_a_client_that_says_nothing_is_let_go_without_a_word(open_wire: OpenWire, mirror: Mirror):
    wire = open_wire(mirror)
    await wire.overdue()
    assert wire.lost
    assert wire.sent == b""


async def test_a_client_that_begins_a_head_and_does_not_end_it_gets_408(open_wire: OpenWire, mirror: Mirror):
    entries: list[Any] = []
    wire = open_wire(mirror, record=entries.append, timeout_first_byte=10, timeout_head=20)
    before = wire.service.now
    await wire.send(b"GET /a HTTP/1.1\r\nHo")
    assert wire.connection.deadline == pytest.approx(before + 20)
    await wire.send(b"st: a\r\n")
    assert wire.connection.deadline == pytest.approx(before + 20)
    await wire.overdue()
    (response,) = wire.responses()
    assert response.status == 408
    assert entries[0][3:7] == ("GET", b"/a", "1.1", 408)


async def test_a_body_that_stops_coming_gets_408(open_wire: OpenWire, mirror: Mirror):
    wire = open_wire(mirror)
    await wire.send(post(b"12345", length=10))
    await wire.overdue()
    (response,) = wire.responses()
    assert response.status == 408
    assert response.closes


async def test_a_body_that_comes_at_the_least_rate_is_given_time(open_wire: OpenWire, mirror: Mirror):
    wire = open_wire(mirror, timeout_body=10, body_rate=100)
    await wire.send(post(b"", length=3000))
    for _ in range(2):
        await wire.send(b"x" * 1000)
        await wire.overdue()
        assert not wire.ended
    await wire.send(b"x" * 999)
    await wire.overdue()
    assert wire.responses()[0].status == 408


async def test_a_client_that_is_held_back_is_not_blamed_for_its_body(open_wire: OpenWire):
    wire = open_wire(Gate())
    await wire.send(post(b"", length=1 << 20))
    while not wire.paused_reading:
        wire.feed(b"x" * 60_000)
    await wire.overdue()
    await wire.overdue()
    assert not wire.ended


async def test_a_slow_application_is_not_the_clients_fault(open_wire: OpenWire):
    gate = Gate()
    wire = open_wire(gate)
    await wire.send(get("/a"))
    assert wire.connection.deadline == float("inf")
    gate.gate("/a").set()
    await wire.settle()


async def test_an_idle_connection_is_closed_without_a_word(open_wire: OpenWire, answer: Make):
    wire = open_wire(answer(b"fine"), keepalive=7)
    await wire.send(GET)
    assert wire.connection.deadline == pytest.approx(wire.service.now + 7)
    await wire.overdue()
    assert wire.lost
    assert len(wire.responses()) == 1


async def test_a_client_that_reads_slowly_is_given_time_and_one_that_does_not_read_is_cut_off(
    open_wire: OpenWire, answer: Make
):
    wire = open_wire(answer(b"x" * 300_000))
    wire.reads = False
    await wire.send(GET)
    for _ in range(3):
        wire.waiting -= 1000
        await wire.overdue()
        assert not wire.closing
    await wire.overdue()
    assert wire.aborted


async def test_every_deadline_can_be_switched_off(open_wire: OpenWire, mirror: Mirror):
    off = dict.fromkeys(
        ("timeout_first_byte", "timeout_head", "timeout_body", "timeout_stall", "keepalive"), 0
    )
    wire = open_wire(mirror, **off)
    for piece in (b"", b"GET / HT", b"TP/1.1\r\nHost: a\r\n\r\n", post(b"1", length=2)):
        await wire.send(piece)
        assert wire.connection.deadline == float("inf")
    assert wire.connection.write_deadline == float("inf")


async def test_a_client_that_stays_behind_on_a_real_socket_gets_its_408(
    connect: Connect, read: Callable[..., list[Response]], mirror: Mirror
):
    async with asgiworker.running(mirror, timeout_head=0.1) as server:
        client = await connect(server.url)
        await client.send(b"GET / HTTP/1.1\r\n")
        (response,) = read(await client.rest())
        await client.close()
    assert response.status == 408


# --- what it costs to be patient ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n" * 131_072,
        b"GET /" + b"a" * 8000,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: aaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 2000,
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 65_000,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 40_000,
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * 8000,
    ],
    ids=["empty-lines", "line", "fields", "field", "chunks", "trailer"],
)
@pytest.mark.parametrize("size", [1, 64, 262_144])
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_twice_as_much_in_small_pieces_or_many_costs_about_twice_as_much(
    open_wire: OpenWire, answer: Make, data: bytes, size: int
):
    data = data[: 20_000 if size == 1 else None]

    async def cost(part: bytes) -> float:
        wire = open_wire(answer(b"fine"))
        began = time.process_time()
        for start in range(0, len(part), size):
            if not wire.paused_reading:
                wire.feed(part[start : start + size])
        spent = time.process_time() - began
        wire.leave()
        await wire.settle()
        return spent

    # Looked at with all before it, each piece would cost more than the last: four times in all. The least of
    # several runs is what the work itself costs, and 2 ms are below what can be told from noise.
    for attempt in range(10):
        half, whole = [
            min([await cost(part) for _ in range(1 + attempt)]) for part in (data[: len(data) // 2], data)
        ]
        if whole < max(3 * half, 0.002):
            return
    pytest.fail(f"{half:.4f} s for half of it, {whole:.4f} s for all")


# --- the end ------------------------------------------------------------------------------------------------


async def test_while_the_server_drains_each_response_is_the_last_of_its_connection(
    open_wire: OpenWire, answer: Make
):
    wire = open_wire(answer(b"fine"))
    await wire.send(GET)
    wire.service.drain()
    await wire.send(GET + GET)
    assert [response.closes for response in wire.responses()] == [False, True]
    assert wire.ended


async def test_a_reached_number_of_requests_is_told_once(open_wire: OpenWire, answer: Make):
    service = open_wire.service(answer(b"fine"))
    told: list[None] = []
    service.requests_left, service.exhausted = 3, lambda: told.append(None)
    wire = open_wire(service)
    await wire.send(GET + GET)
    assert told == []
    await wire.send(GET + GET + GET)
    assert told == [None]
    # The next is told to be the last; whoever sends on all the same isn't answered.
    responses = wire.responses()
    assert len(responses) == 4
    assert responses[-1]["connection"] == "close"


async def test_a_client_that_leaves_while_the_application_works_is_told_to_the_application(
    open_wire: OpenWire,
):
    events: list[str] = []

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        events.append((await receive())["type"])
        events.append((await receive())["type"])
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"late"})
        except asgiworker.ClientDisconnected:
            events.append("raised")

    wire = open_wire(app_of(handle))
    await wire.send(GET)
    wire.leave()
    await wire.settle()
    assert events == ["http.request", "http.disconnect", "raised"]
    assert wire.service.running == set()
    assert wire.sent == b""


def not_to_be_asked() -> bool:
    """Raises where nothing should."""
    raise AttributeError("broken")


async def test_an_exception_of_our_own_ends_one_connection_and_is_counted(
    open_wire: OpenWire, answer: Make, caplog: pytest.LogCaptureFixture
):
    service = open_wire.service(answer(b"fine"))
    broken, sound = open_wire(service, peer="", local="/run/app"), open_wire(service)
    broken.is_closing = not_to_be_asked  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR, "asgiworker.server"):
        await broken.send(GET[:5])
    assert broken.aborted
    assert service.failures == 1
    assert "a client on a UNIX socket aborted" in caplog.text
    assert "AttributeError" in caplog.text
    await sound.send(GET)
    assert sound.responses()[0].status == 200
    service.failures = 0  # it was asked for
