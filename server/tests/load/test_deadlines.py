"""Slow clients: each stage of a connection has its deadline, and 0 switches it off.

Time is measured by other connections here: where one has met a deadline, another that waits as long for
something without a deadline has been given at least that time.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

import asgiworker
from asgiworker.asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.load.conftest import Until

pytestmark = pytest.mark.every_python

SHORT = 0.1  # seconds
LONG = 60.0

# Nothing is late but what a test makes late.
PATIENT: dict[str, Any] = {
    "timeout_first_byte": LONG,
    "timeout_head": LONG,
    "timeout_body": LONG,
    "timeout_stall": LONG,
    "keepalive": LONG,
    "timeout_handshake": LONG,
    "lifespan": "off",
    "graceful_timeout": 1,
}

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
PART = bytes(65536)

Serve = Callable[..., Awaitable[asgiworker.Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve an application with deadlines that never pass, but for those that are given."""
    async with AsyncExitStack() as stack:

        async def start(app: Any, **settings: Any) -> asgiworker.Server:
            return await stack.enter_async_context(asgiworker.running(app, **{**PATIENT, **settings}))

        yield start


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, and answers with it."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body or b"hello"})


def rejected(received: bytes, status: int) -> bool:
    """Whether `received` is one whole error answer, and nothing else."""
    head, _, body = received.partition(b"\r\n\r\n")
    return (
        head.startswith(b"HTTP/1.1 %d " % status)
        and b"\r\nconnection: close" in head.lower()
        and b"\r\ncontent-length: %d" % len(body) in head.lower()
    )


# --- what the client is to send -----------------------------------------------------------------------------


async def test_a_client_that_sends_nothing_is_disconnected_without_a_word(serve: Serve, connect: Any) -> None:
    server = await serve(hello, timeout_first_byte=SHORT)
    client = await connect(server.url)
    assert await client.rest() == b""


async def test_a_head_that_does_not_come_to_its_end_is_answered_408(serve: Serve, connect: Any) -> None:
    server = await serve(hello, timeout_head=SHORT)
    client = await connect(server.url)
    await client.send(b"GET / HTTP/1.1\r\nhost: a\r\n")
    assert rejected(await client.rest(), 408)


async def test_a_head_that_drips_in_is_answered_408_however_busy_the_client_is(
    serve: Serve, connect: Any
) -> None:
    server = await serve(hello, timeout_head=SHORT)
    client = await connect(server.url)
    await client.send(b"GET / HTTP/1.1\r\nhost: a\r\n")

    async def drip() -> None:
        while True:
            await client.send(b"x: y\r\n")
            await asyncio.sleep(SHORT / 20)

    dripping = asyncio.create_task(drip())
    try:
        assert rejected(await client.rest(), 408)
    finally:
        dripping.cancel()
        await asyncio.wait({dripping})


async def test_the_second_head_of_a_connection_has_the_same_deadline(serve: Serve, connect: Any) -> None:
    server = await serve(hello, timeout_head=SHORT)
    client = await connect(server.url)
    await client.send(GET)
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    assert await client.exactly(5) == b"hello"
    await client.send(b"GET / HTTP")
    assert rejected(await client.rest(), 408)


async def test_a_body_that_stops_coming_is_answered_408(serve: Serve, connect: Any) -> None:
    server = await serve(hello, timeout_body=SHORT)
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nsome")
    assert rejected(await client.rest(), 408)


@pytest.mark.parametrize("framing", [b"content-length: 100000", b"transfer-encoding: chunked"])
async def test_a_body_that_drips_in_below_the_rate_is_answered_408(
    serve: Serve, connect: Any, framing: bytes
) -> None:
    server = await serve(hello, timeout_body=SHORT, body_rate=1_000_000)
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\n" + framing + b"\r\n\r\n")

    async def drip() -> None:
        while True:
            await client.send(b"1\r\nx\r\n" if b"chunked" in framing else b"x")
            await asyncio.sleep(SHORT / 20)

    dripping = asyncio.create_task(drip())
    try:
        assert rejected(await client.rest(), 408)
    finally:
        dripping.cancel()
        await asyncio.wait({dripping})


async def test_a_body_above_the_rate_may_take_as_long_as_it_likes(
    serve: Serve, connect: Any, until: Until
) -> None:
    server = await serve(hello, timeout_body=SHORT, body_rate=10)
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
    began = seen = server.service.now
    while seen < began + 4 * SHORT:
        await client.send(b"64\r\n" + bytes(100) + b"\r\n")
        await until(lambda seen=seen: server.service.now > seen)  # type: ignore[misc]
        seen = server.service.now
    await client.send(b"0\r\n\r\n")
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_an_application_whose_body_does_not_come_is_told_that_the_client_has_gone(
    serve: Serve, connect: Any
) -> None:
    messages: asyncio.Queue[Any] = asyncio.Queue()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            messages.put_nowait(message)
        try:
            await send({"type": "http.response.start", "status": 200})
        except OSError as error:
            messages.put_nowait(error)

    server = await serve(app, timeout_body=SHORT)
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nsome")
    assert rejected(await client.rest(), 408)
    assert (await messages.get())["body"] == b"some"
    assert isinstance(await messages.get(), asgiworker.ClientDisconnected)


async def test_a_body_that_stops_coming_when_the_response_has_begun_ends_the_connection(
    serve: Serve, connect: Any
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    server = await serve(app, timeout_body=SHORT)
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nsome")
    received = await client.rest()
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\n4\r\nsome\r\n")


async def test_a_client_does_not_pay_for_an_application_that_reads_late(
    serve: Serve, connect: Any, until: Until
) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await hello(scope, receive, send)

    server = await serve(app, timeout_body=SHORT, body_rate=1_000_000)
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2000000\r\n\r\n")
    sending = asyncio.create_task(client.send(bytes(2_000_000)))
    began = server.service.now
    await until(lambda: server.service.now > began + 4 * SHORT)
    go.set()
    await sending
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_an_idle_connection_is_closed_after_its_time(serve: Serve, connect: Any) -> None:
    server = await serve(hello, keepalive=SHORT)
    client = await connect(server.url)
    await client.send(GET)
    received = await client.rest()
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\nhello")


async def test_each_request_gives_a_connection_its_time_anew(serve: Serve, connect: Any) -> None:
    server = await serve(hello, keepalive=3 * SHORT)
    client, clock = await connect(server.url), asyncio.get_running_loop().time
    began = clock()
    while clock() < began + 4 * SHORT:
        await client.send(GET)
        await client.head()
        assert await client.exactly(5) == b"hello"
    assert (await client.rest()) == b""
    assert clock() > began + 4 * SHORT


async def test_an_application_may_think_as_long_as_it_likes(serve: Serve, connect: Any, until: Until) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await hello(scope, receive, send)

    server = await serve(
        app,
        timeout_first_byte=SHORT,
        timeout_head=SHORT,
        timeout_body=SHORT,
        timeout_stall=SHORT,
        keepalive=SHORT,
    )
    client = await connect(server.url)
    await client.send(GET)
    began = server.service.now
    await until(lambda: server.service.now > began + 4 * SHORT)
    go.set()
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


# --- what the client is to read -----------------------------------------------------------------------------


class Flood:
    """Sends until it is stopped (or half of eternity is over), and notes by what."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.stopped = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200})
            for _ in range(100_000):
                await send({"type": "http.response.body", "body": PART, "more_body": True})
        except Exception as error:
            self.error = error
            raise
        finally:
            self.stopped.set()


async def test_a_client_that_does_not_read_its_response_is_cut_off(serve: Serve, connect: Any) -> None:
    app = Flood()
    server = await serve(app, timeout_stall=SHORT)
    client = await connect(server.url)
    await client.send(GET)
    await app.stopped.wait()
    assert isinstance(app.error, asgiworker.ClientDisconnected)


async def test_a_client_that_does_not_read_a_complete_response_is_cut_off(
    serve: Serve, connect: Any, until: Until
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": bytes(24_000_000)})

    server = await serve(app, timeout_stall=SHORT)
    client = await connect(server.url)
    await client.send(GET)
    await client.head()
    await until(lambda: not server.service.connections and not server.service.running)


async def test_a_client_that_reads_slowly_gets_its_whole_response(serve: Serve, connect: Any) -> None:
    size = 16_000_000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]}
        )
        await send({"type": "http.response.body", "body": bytes(size)})

    server = await serve(app, timeout_stall=4 * SHORT)
    client, clock = await connect(server.url), asyncio.get_running_loop().time
    await client.send(GET)
    await client.head()
    began, received = clock(), 0
    while received < size:
        received += len(await client.reader.read(65536))
        while clock() < began + 8 * SHORT * received / size:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert received == size


async def test_a_refusal_does_not_cut_off_a_response_that_is_still_being_read(
    serve: Serve, connect: Any, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asgiworker.protocols.lingering.LINGER", SHORT)
    size = 16_000_000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]}
        )
        await send({"type": "http.response.body", "body": bytes(size)})

    server = await serve(app, timeout_first_byte=SHORT)
    client = await connect(server.url)
    # A body that is announced, unread, and larger than what is read away: the connection can't go on.
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n")
    await client.head()
    began = server.service.now
    await until(lambda: server.service.now > began + 4 * SHORT)
    assert len(await client.rest()) == size


# --- TLS ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sends", [b"", b"\x16\x03\x01"], ids=["nothing", "the beginning of a hello"])
async def test_a_tls_handshake_that_does_not_come_to_its_end_is_cut_off(
    serve: Serve, certificate: dict[str, str], sends: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = await serve(hello, timeout_handshake=SHORT, **certificate)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    writer.write(sends)
    try:
        assert await asyncio.wait_for(reader.read(), 10) == b""
    except ConnectionResetError:
        pass
    writer.close()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_tls_client_that_sends_nothing_after_its_handshake_is_disconnected(
    serve: Serve, certificate: dict[str, str], trust: Any
) -> None:
    server = await serve(hello, timeout_first_byte=SHORT, **certificate)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(server.url.rpartition(":")[2]), ssl=trust, server_hostname="localhost"
    )
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    await writer.wait_closed()


# --- 0 switches off -----------------------------------------------------------------------------------------


async def three_deadlines_later(server: asgiworker.Server, connect: Any, sends: bytes, answer: bytes) -> None:
    """Let three clients, one after the other, meet the deadline of a server that has only one."""
    for _ in range(3):
        client = await connect(server.url)
        await client.send(sends)
        assert (await client.rest()).startswith(answer)


async def test_without_a_deadline_for_the_first_byte_it_may_come_any_time(serve: Serve, connect: Any) -> None:
    server = await serve(hello, timeout_first_byte=0, timeout_head=SHORT)
    client = await connect(server.url)
    await three_deadlines_later(server, connect, b"GET /", b"HTTP/1.1 408 ")
    await client.send(GET)
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_without_a_deadline_for_heads_they_may_come_any_time(serve: Serve, connect: Any) -> None:
    server = await serve(hello, timeout_head=0, timeout_first_byte=SHORT)
    client = await connect(server.url)
    await client.send(GET[:10])
    await three_deadlines_later(server, connect, b"", b"")
    await client.send(GET[10:])
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("off", ["timeout_body", "body_rate"])
async def test_without_a_deadline_for_bodies_they_may_come_any_time(
    serve: Serve, connect: Any, off: str
) -> None:
    server = await serve(hello, **{"timeout_head": SHORT, "timeout_body": SHORT, off: 0})
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nh")
    await three_deadlines_later(server, connect, b"GET /", b"HTTP/1.1 408 ")
    await client.send(b"ello")
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_without_a_deadline_for_idle_connections_they_stay(serve: Serve, connect: Any) -> None:
    server = await serve(hello, keepalive=0, timeout_head=SHORT)
    client = await connect(server.url)
    await client.send(GET)
    await client.head()
    assert await client.exactly(5) == b"hello"
    await three_deadlines_later(server, connect, b"GET /", b"HTTP/1.1 408 ")
    await client.send(GET)
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")


async def test_without_a_deadline_for_responses_a_client_may_read_them_any_time(
    serve: Serve, connect: Any
) -> None:
    app = Flood()
    server = await serve(app, timeout_stall=0, timeout_head=SHORT)
    client = await connect(server.url)
    await client.send(GET)
    await client.head()
    await three_deadlines_later(server, connect, b"GET /", b"HTTP/1.1 408 ")
    assert await client.exactly(32 * 1024 * 1024)
    assert not app.stopped.is_set()
    client.writer.transport.abort()
    await app.stopped.wait()
    assert isinstance(app.error, asgiworker.ClientDisconnected)


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_without_a_deadline_for_handshakes_they_may_take_any_time(
    serve: Serve, connect: Any, certificate: dict[str, str], trust: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # asyncio's own deadline, which would hold if none were given.
    monkeypatch.setattr("asyncio.constants.SSL_HANDSHAKE_TIMEOUT", SHORT)
    server = await serve(hello, timeout_handshake=0, timeout_first_byte=SHORT, **certificate)
    port = int(server.url.rpartition(":")[2])
    silent = socket.create_connection(("127.0.0.1", port))
    silent.setblocking(False)
    for _ in range(3):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trust, server_hostname="localhost", ssl_handshake_timeout=LONG
        )
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    with pytest.raises(BlockingIOError):  # neither data nor an end
        silent.recv(1)
    silent.close()
