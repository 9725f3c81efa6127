"""A graceful stop: what is in flight finishes, what streams without end is told, the lifespan ends last."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import asgiworker
from asgiworker.asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.load.conftest import Serving, Until

pytestmark = pytest.mark.every_python

GET = b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n"
PROMPT = 5.0  # seconds: far less than the deadline of a stop that isn't hurried


class Station:
    """An application whose requests wait to be let go; it notes what happens to it, in order.

    `/whole` answers in one message, `/parts` begins before it waits, `/stream` goes on until it is told to
    stop, `/deaf` until `send()` raises, `/declared` waits with a part of a declared length sent, `/after`
    when it has answered, `/late` begins to stream when it is let go, and `/stubborn` swallows its
    cancellation until then. `/hello` answers at once, and `/large` with more than fits into any buffer.
    """

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.events: list[str] = []
        self.arrived = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.events.append("lifespan.shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            return
        try:
            await getattr(self, scope["path"].strip("/"))(receive, send)
        except BaseException as error:
            self.events.append(type(error).__name__)
            raise

    async def start(self, send: Send, *headers: tuple[bytes, bytes]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})

    async def part(self, send: Send, content: bytes, more: bool = True) -> None:
        await send({"type": "http.response.body", "body": content, "more_body": more})

    async def waiting(self) -> None:
        self.arrived.set()
        await self.go.wait()
        self.events.append("let go")

    async def hello(self, receive: Receive, send: Send) -> None:
        self.arrived.set()
        await self.start(send)
        await self.part(send, b"hello", more=False)

    async def large(self, receive: Receive, send: Send) -> None:
        self.arrived.set()
        await self.start(send)
        await self.part(send, bytes(24_000_000), more=False)

    async def stubborn(self, receive: Receive, send: Send) -> None:
        self.arrived.set()
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                pass

    async def whole(self, receive: Receive, send: Send) -> None:
        await self.waiting()
        await self.hello(receive, send)

    async def parts(self, receive: Receive, send: Send) -> None:
        await self.start(send)
        await self.part(send, b"one")
        await self.waiting()
        await self.part(send, b"two", more=False)

    async def stream(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.start(send)
        await self.part(send, b"one")
        self.arrived.set()
        message = await receive()
        self.events.append(message["type"])
        await self.part(send, b"two", more=False)

    async def late(self, receive: Receive, send: Send) -> None:
        await self.waiting()
        await self.stream(receive, send)

    async def deaf(self, receive: Receive, send: Send) -> None:
        await self.start(send)
        self.arrived.set()
        while True:
            await self.part(send, b".")
            await asyncio.sleep(0.001)

    async def declared(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.start(send, (b"content-length", b"6"))
        await self.part(send, b"one")
        told = asyncio.ensure_future(receive())
        await self.waiting()
        self.events.append("told" if told.done() else "not told")
        await self.part(send, b"two", more=False)
        await told

    async def after(self, receive: Receive, send: Send) -> None:
        await self.hello(receive, send)
        await self.waiting()

    async def upload(self, receive: Receive, send: Send) -> None:
        self.arrived.set()
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        await self.start(send)
        await self.part(send, body, more=False)


async def everything(sock: socket.socket) -> bytes:
    """What comes until the other end closes."""
    received, loop = b"", asyncio.get_running_loop()
    while data := await asyncio.wait_for(loop.sock_recv(sock, 65536), PROMPT):
        received += data
    return received


class Stopping:
    """A server of a `Station`, maybe with a client at it, and its stop."""

    client: Any  # a `RawClient`

    def __init__(self, app: Station, server: asgiworker.Server, stack: AsyncExitStack) -> None:
        self.app = app
        self.server = server
        self._stack = stack
        self._began = 0.0
        self.task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where the server listens, or has listened."""
        return int(self.server.url.rpartition(":")[2])

    async def shake(self, trust: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One more client, over TLS."""
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=trust, server_hostname="localhost")

    def call(self) -> None:
        """Have it begin to stop in the next turn of the loop."""
        self._began = time.monotonic()
        self.task = asyncio.create_task(self._stack.aclose())

    async def begin(self) -> None:
        """Begin to stop: on return, nothing is accepted any more."""
        self.call()
        async with asyncio.timeout(PROMPT):
            while not self.server.service.draining:  # noqa: ASYNC110
                await asyncio.sleep(0)

    async def goes_on(self, seconds: float) -> None:
        """Let so much of it pass, on the clock of its deadlines."""
        began = self.server.service.now
        async with asyncio.timeout(PROMPT):
            while self.server.service.now <= began + seconds:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def end(self, within: float = PROMPT) -> float:
        """Wait for the end of the stop; how long it took."""
        assert self.task is not None
        await asyncio.wait_for(self.task, within)
        return time.monotonic() - self._began


Serve = Callable[..., Awaitable[Stopping]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve a `Station` with half a minute for its stop, and never a word to its streams."""
    async with AsyncExitStack() as outer:

        async def start(**settings: Any) -> Stopping:
            settings = {"graceful_timeout": 30, "drain_delay": 30, **settings}
            app = Station()
            stack = await outer.enter_async_context(AsyncExitStack())
            server = await stack.enter_async_context(asgiworker.running(app, **settings))
            return Stopping(app, server, stack)

        yield start


@pytest.fixture
def visit(serve: Serve, connect: Any) -> Serve:
    """The same with a client whose request has arrived: `visit(GET % b"/whole", graceful_timeout=1)`."""

    async def start(request: bytes, **settings: Any) -> Stopping:
        stopping = await serve(**settings)
        stopping.client = await connect(stopping.server.url)
        await stopping.client.send(request)
        if request:
            await stopping.app.arrived.wait()
        return stopping

    return start


# --- what is in flight --------------------------------------------------------------------------------------


async def test_a_response_in_flight_finishes_and_is_the_last_of_its_connection(visit: Serve) -> None:
    stopping = await visit(GET % b"/whole")
    await stopping.begin()
    stopping.app.go.set()
    received = await stopping.client.rest()
    assert b"\r\nconnection: close\r\n" in received
    assert received.endswith(b"\r\n\r\nhello")
    await stopping.end()
    assert stopping.app.events == ["let go", "lifespan.shutdown"]


async def test_a_response_whose_head_was_sent_before_finishes_and_does_not_hold_the_stop(
    visit: Serve,
) -> None:
    stopping = await visit(GET % b"/parts")
    await stopping.client.head()
    await stopping.begin()
    stopping.app.go.set()
    assert (await stopping.client.rest()).endswith(b"3\r\ntwo\r\n0\r\n\r\n")
    await stopping.end()
    assert stopping.app.events == ["let go", "lifespan.shutdown"]


async def test_an_upload_in_flight_finishes(visit: Serve) -> None:
    stopping = await visit(b"POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 7\r\n\r\ncon")
    await stopping.begin()
    await stopping.client.send(b"tent")
    assert (await stopping.client.rest()).endswith(b"\r\n\r\ncontent")
    await stopping.end()


async def test_a_request_that_waits_behind_a_response_without_close_is_still_answered(visit: Serve) -> None:
    stopping = await visit(GET % b"/parts" + GET % b"/hello")
    assert b"connection: close" not in await stopping.client.head()
    await stopping.begin()
    stopping.app.go.set()
    received = await stopping.client.rest()
    assert received.count(b"HTTP/1.1 200 OK\r\n") == 1
    assert b"\r\nconnection: close\r\n" in received
    assert received.endswith(b"\r\n\r\nhello")
    await stopping.end()


async def test_what_an_application_still_does_after_its_response_is_waited_for(visit: Serve) -> None:
    stopping = await visit(GET % b"/after")
    await stopping.client.head()
    await stopping.begin()
    stopping.app.go.set()
    await stopping.end()
    assert stopping.app.events == ["let go", "lifespan.shutdown"]


# --- connections without a request --------------------------------------------------------------------------


@pytest.mark.parametrize("sends", [b"", GET % b"/hello"], ids=["new", "kept alive"])
async def test_an_idle_connection_is_closed_soon(visit: Serve, sends: bytes) -> None:
    stopping = await visit(sends)
    if sends:
        await stopping.client.head()
        await stopping.client.exactly(5)
    await stopping.begin()
    assert await stopping.client.rest() == b""
    await stopping.end()


async def test_a_request_that_was_on_its_way_to_an_idle_connection_is_still_answered(visit: Serve) -> None:
    stopping = await visit(GET % b"/hello")
    await stopping.client.head()
    await stopping.client.exactly(5)
    await stopping.begin()
    await stopping.client.send(GET % b"/hello")
    received = await stopping.client.rest()
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in received
    await stopping.end()


@pytest.mark.parametrize("turns", range(8))
async def test_whoever_could_connect_in_a_turn_of_the_loop_in_which_it_stops_is_still_served(
    serve: Serve, turns: int
) -> None:
    stopping = await serve()
    stopping.call()
    for _ in range(turns):
        await asyncio.sleep(0)
    # The kernel answers at once, or there is nobody left to answer; the server learns of it in a later turn.
    with socket.socket() as sock:
        refused = sock.connect_ex(("127.0.0.1", stopping.port))
        if not refused:
            sock.sendall(GET % b"/hello")
            sock.setblocking(False)
            assert (await everything(sock)).endswith(b"\r\n\r\nhello")
    assert not refused or turns > 1
    await stopping.end()


async def test_nothing_is_accepted_any_more(visit: Serve, connect: Any) -> None:
    stopping = await visit(GET % b"/whole")
    await stopping.begin()
    with pytest.raises(ConnectionRefusedError):
        await connect(stopping.server.url)
    stopping.app.go.set()
    await stopping.end()


async def test_a_tls_handshake_that_had_begun_does_not_hold_the_stop(
    serve: Serve, certificate: dict[str, str]
) -> None:
    stopping = await serve(**certificate)
    _, writer = await asyncio.open_connection("127.0.0.1", stopping.port)
    await stopping.begin()
    await stopping.end()
    writer.close()


async def test_a_tls_client_is_served_to_its_end(
    serve: Serve, certificate: dict[str, str], trust: Any
) -> None:
    stopping = await serve(**certificate)
    reader, writer = await stopping.shake(trust)
    writer.write(GET % b"/whole")
    await stopping.app.arrived.wait()
    await stopping.begin()
    stopping.app.go.set()
    assert (await reader.read()).endswith(b"\r\n\r\nhello")
    writer.close()
    await writer.wait_closed()
    await stopping.end()


@pytest.mark.parametrize("transport", ["loop", "aiofastnet"])
async def test_a_tls_client_that_never_answers_the_end_of_tls_does_not_hold_the_stop(
    serve: Serve, certificate: dict[str, str], trust: Any, transport: str
) -> None:
    """As browsers, which look at an idle connection only when they need it again."""
    stopping = await serve(graceful_timeout=600, transport=transport, **certificate)
    stopping.app.go.set()
    reader, writer = await stopping.shake(trust)
    writer.write(GET % b"/whole")
    await reader.readuntil(b"hello")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await stopping.begin()
    await stopping.end()
    writer.transport.abort()


async def test_a_stop_with_nothing_to_do_is_over_at_once(serve: Serve) -> None:
    stopping = await serve()
    await stopping.begin()
    assert await stopping.end() < 1


# --- streams ------------------------------------------------------------------------------------------------


async def test_a_stream_sees_a_disconnect_after_the_drain_delay_and_ends_properly(visit: Serve) -> None:
    stopping = await visit(GET % b"/stream", drain_delay=0.1)
    await stopping.client.head()
    await stopping.begin()
    assert (await stopping.client.rest()).endswith(b"3\r\ntwo\r\n0\r\n\r\n")
    assert await stopping.end() >= 0.1
    assert stopping.app.events == ["http.disconnect", "lifespan.shutdown"]


async def test_a_stream_sees_nothing_before_the_drain_delay(visit: Serve) -> None:
    stopping = await visit(GET % b"/stream")
    await stopping.client.head()
    await stopping.begin()
    await stopping.goes_on(0.2)
    assert stopping.app.events == []
    stopping.server.hurry()
    await stopping.end()


async def test_a_response_that_begins_to_stream_after_the_drain_delay_is_told_as_well(visit: Serve) -> None:
    stopping = await visit(GET % b"/late", drain_delay=0.05)
    await stopping.begin()
    await stopping.goes_on(0.2)
    stopping.app.go.set()
    assert (await stopping.client.rest()).endswith(b"3\r\ntwo\r\n0\r\n\r\n")
    await stopping.end()
    assert stopping.app.events == ["let go", "http.disconnect", "lifespan.shutdown"]


async def test_a_stream_that_does_not_listen_is_told_by_send(visit: Serve) -> None:
    stopping = await visit(GET % b"/deaf", drain_delay=0.05)
    await stopping.client.head()
    await stopping.begin()
    assert not (await stopping.client.rest()).endswith(b"0\r\n\r\n")
    await stopping.end()
    assert stopping.app.events == ["ClientDisconnected", "lifespan.shutdown"]


async def test_a_body_of_a_declared_length_is_left_to_end_by_itself(visit: Serve) -> None:
    stopping = await visit(GET % b"/declared", drain_delay=0.05)
    await stopping.client.head()
    await stopping.begin()
    await stopping.goes_on(0.2)
    stopping.app.go.set()
    assert await stopping.client.rest() == b"onetwo"
    await stopping.end()
    assert stopping.app.events == ["let go", "not told", "lifespan.shutdown"]


# --- the deadline -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"/whole", b"/parts", b"/after"])
async def test_at_the_deadline_what_still_runs_is_cancelled_and_the_lifespan_ends_all_the_same(
    visit: Serve, path: bytes
) -> None:
    stopping = await visit(GET % path, graceful_timeout=0.1)
    await stopping.begin()
    received = await stopping.client.rest()
    assert await stopping.end() >= 0.1
    assert stopping.app.events == ["CancelledError", "lifespan.shutdown"]
    if path == b"/whole":
        assert received == b"" or received.startswith(b"HTTP/1.1 500 ")
    elif path == b"/parts":
        assert not received.endswith(b"0\r\n\r\n")


async def test_an_application_that_swallows_its_cancellation_does_not_hold_the_stop(visit: Serve) -> None:
    stopping = await visit(GET % b"/stubborn", graceful_timeout=0.1)
    await stopping.begin()
    await stopping.end()
    assert stopping.app.events == ["lifespan.shutdown"]
    stopping.app.go.set()


async def test_a_client_that_does_not_read_the_end_of_its_response_is_cut_off_at_the_deadline(
    visit: Serve, until: Until
) -> None:
    stopping = await visit(GET % b"/large", graceful_timeout=0.2)
    await stopping.client.head()
    await stopping.begin()
    await stopping.end()
    await until(lambda: not stopping.server.service.connections)


async def test_hurry_waits_no_longer(visit: Serve) -> None:
    stopping = await visit(GET % b"/whole")
    await stopping.begin()
    stopping.server.hurry()
    await stopping.end()
    assert stopping.app.events == ["CancelledError", "lifespan.shutdown"]


# --- serve() ------------------------------------------------------------------------------------------------


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True)
class Called:
    """`asgiworker.serve()` at work: its application, a client, and its task."""

    app: Station
    client: Any  # a `RawClient`
    task: asyncio.Task[None]

    async def begin(self, request: bytes) -> None:
        """Send a request, up to where it has arrived."""
        await self.client.send(request)
        await self.app.arrived.wait()


@asynccontextmanager
async def called(connect: Any, port: int, **settings: Any) -> AsyncIterator[Called]:
    """`asgiworker.serve()` of a `Station` in a task of its own, and a client of it."""
    app = Station()
    task = asyncio.create_task(asgiworker.serve(app, port=port, **settings))
    try:
        async with asyncio.timeout(PROMPT):
            while True:
                try:
                    client = await connect(f"http://127.0.0.1:{port}")
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.001)
        yield Called(app, client, task)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_serve_returns_drained_when_its_event_is_set(connect: Any, free_port: int) -> None:
    shutdown = asyncio.Event()
    async with called(connect, free_port, shutdown=shutdown, drain_delay=30) as served:
        await served.begin(GET % b"/whole")
        shutdown.set()
        served.app.go.set()
        assert (await served.client.rest()).endswith(b"\r\n\r\nhello")
        await asyncio.wait_for(served.task, PROMPT)
    assert served.app.events == ["let go", "lifespan.shutdown"]


async def test_serve_that_is_cancelled_drains_all_the_same(connect: Any, free_port: int) -> None:
    async with called(connect, free_port) as served:
        await served.begin(GET % b"/whole")
        served.task.cancel()
        served.app.go.set()
        assert (await served.client.rest()).endswith(b"\r\n\r\nhello")
        await asyncio.wait({served.task}, timeout=PROMPT)
        assert served.task.cancelled()
    assert served.app.events == ["let go", "lifespan.shutdown"]


async def test_serve_that_is_cancelled_twice_hurries_and_ends_the_lifespan_all_the_same(
    connect: Any, free_port: int
) -> None:
    async with called(connect, free_port) as served:
        await served.begin(GET % b"/whole")
        served.task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        served.task.cancel()
        await asyncio.wait({served.task}, timeout=PROMPT)
        assert served.task.cancelled()
    assert served.app.events == ["CancelledError", "lifespan.shutdown"]


async def test_serve_returns_when_its_requests_are_used_up_and_drops_none(
    connect: Any, free_port: int
) -> None:
    async with called(connect, free_port, max_requests=3) as served:
        for _ in range(3):
            await served.client.send(GET % b"/hello")
            await served.client.head()
            assert await served.client.exactly(5) == b"hello"
        await served.client.send(GET % b"/hello")
        received = await served.client.rest()
        assert received.endswith(b"\r\n\r\nhello")
        assert b"\r\nconnection: close\r\n" in received
        await asyncio.wait_for(served.task, PROMPT)


# --- the command --------------------------------------------------------------------------------------------


def ask(server: Any, target: str, body: bytes = b"", length: int = 0) -> socket.socket:
    """A connection with a request on its way."""
    sock: socket.socket = server.connect()
    sock.sendall(f"POST {target} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n".encode() + body)
    return sock


def rest(sock: socket.socket) -> bytes:
    """Everything until the server closes."""
    with sock:
        return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_command_gracefully(serving: Serving, number: int) -> None:
    server = serving("--graceful-timeout", "30", "--drain-delay", "0.1")
    upload = ask(server, "/slow", b"con", 7)
    server.prints("slow has begun")
    events, received = ask(server, "/events"), b""
    while b"data: hello" not in received:
        received += events.recv(65536)
    server.process.send_signal(number)
    assert b"data: goodbye" in rest(events)
    upload.sendall(b"tent")
    received = rest(upload)
    assert b"\r\nconnection: close\r\n" in received
    assert received.endswith(b"\r\n\r\ncontent")
    assert server.wait() == 0
    assert "the lifespan has shut down" in server.output
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_a_second_signal_ends_the_command_soon_and_with_its_lifespan(serving: Serving) -> None:
    server = serving("--graceful-timeout", "60")
    with ask(server, "/stubborn") as client:
        assert client.recv(65536)
        began = time.monotonic()
        server.process.terminate()
        server.prints("Stopping")
        assert server.end() == 0
        assert time.monotonic() - began < 20
    assert "stubborn was cancelled" in server.output
    assert "the lifespan has shut down" in server.output


def test_the_deadline_ends_the_command_with_its_lifespan(serving: Serving) -> None:
    server = serving("--graceful-timeout", "0.2")
    with ask(server, "/stubborn") as client:
        assert client.recv(65536)
        assert server.end() == 0
    assert "stubborn was cancelled" in server.output
    assert "the lifespan has shut down" in server.output
