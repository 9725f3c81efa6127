"""How an HTTP/2 connection ends in good order (RFC 9113 §6.8), and the limits it shares with HTTP/1.1."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

from asgiworker.asgi.types import Receive, Scope, Send
from asgiworker.protocols.http2.connection import HTTP2Connection
from asgiworker.protocols.http2.pings import Leaving

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.http2.conftest import Client, Opener, Until

pytestmark = pytest.mark.every_python

START = {"type": "http.response.start", "status": 200}
LAST_OF_ALL = 2**31 - 1


class Held:
    """An application that answers `/hold` when it is let go, and all else at once."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.calls = 0
        self.events: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        if scope["path"] == "/stream":
            await receive()
            await send(START)
            await send({"type": "http.response.body", "body": b"first ", "more_body": True})
            self.events.append((await receive())["type"])
            await send({"type": "http.response.body", "body": b"last"})
            return
        if scope["path"] == "/hold":
            await self.go.wait()
        await send(START)
        await send({"type": "http.response.body", "body": b"hello"})


@dataclass(frozen=True)
class Holding:
    """A connection with a request whose application waits to be let go."""

    app: Held
    client: Client
    stream: int

    def stop(self) -> asyncio.Future[None]:
        """Have the server stop."""
        return asyncio.ensure_future(self.client.server.stop())


Hold = Callable[..., Awaitable[Holding]]


@pytest.fixture
def hold(http2: Opener, until: Until) -> Hold:
    """Serve `Held` with these settings, and open a connection of that kind."""

    async def start(**settings: Any) -> Holding:
        app = Held()
        client = await http2(app, **settings)
        stream = await client.request(b"GET", b"/hold")
        await until(lambda: app.calls == 1)
        return Holding(app, client, stream)

    return start


# --- the stop -----------------------------------------------------------------------------------------------


async def test_a_stop_says_goodbye_twice_and_lets_streams_finish(hold: Hold) -> None:
    held = await hold(graceful_timeout=10)
    client, stopping = held.client, held.stop()
    first = await client.take("GOAWAY")
    assert (first.number, first.other) == (ErrorCodes.NO_ERROR, LAST_OF_ALL)
    second = await client.take("GOAWAY")
    assert (second.number, second.other) == (ErrorCodes.NO_ERROR, held.stream)
    # The answer to a PING before the first one would say nothing of what the client sends until it has come.
    assert [each.kind for each in client.log if each.kind in ("GOAWAY", "PING")] == [
        "GOAWAY",
        "PING",
        "GOAWAY",
    ]
    held.app.go.set()
    assert (await client.answer(held.stream)).body == b"hello"
    await client.ended()
    await stopping


async def test_a_request_that_crosses_the_first_goodbye_is_served(hold: Hold, until: Until) -> None:
    """That is what the first one is for: its sender could not know."""
    held = await hold(graceful_timeout=10)
    client, stopping = held.client, held.stop()
    await until(lambda: client.server.service.draining)
    crossing = await client.request()
    assert (await client.take("GOAWAY")).other == LAST_OF_ALL
    assert (await client.answer(crossing)).body == b"hello"
    assert (await client.take("GOAWAY")).other == crossing
    held.app.go.set()
    assert (await client.answer(held.stream)).body == b"hello"
    await client.ended()
    await stopping


async def test_the_answer_to_an_earlier_ping_says_nothing_of_what_is_on_its_way(hold: Hold) -> None:
    held = await hold(graceful_timeout=10)
    client, stopping = held.client, held.stop()
    farewell = await client.take("PING")
    await client.send(("PING", 0, bytes(8), "ACK"), ("PING", 0, b"roundtri"))
    await client.take("PING", flag="ACK")
    (connection,) = client.server.service.connections
    assert isinstance(connection, HTTP2Connection)
    assert connection.pings.leaving is Leaving.NOTICE
    await client.send(("PING", 0, farewell.payload, "ACK"), ("PING", 0, b"roundtri"))
    await client.take("PING", flag="ACK")
    assert connection.pings.leaving is Leaving.FINAL
    held.app.go.set()
    await client.ended()
    await stopping


async def test_a_request_behind_the_second_goodbye_is_not_served(hold: Hold) -> None:
    held = await hold(graceful_timeout=10)
    client, stopping = held.client, held.stop()
    await client.take("GOAWAY")
    await client.take("GOAWAY")
    late = await client.request()
    held.app.go.set()
    assert (await client.answer(held.stream)).body == b"hello"
    await client.ended()
    assert held.app.calls == 1
    assert not [f for f in client.log if f.stream == late and f.kind == "HEADERS"]
    await stopping


async def test_an_idle_connection_is_closed_in_a_stop(http2: Opener) -> None:
    client = await http2(Held(), graceful_timeout=10)
    assert (await client.get()).status == 200
    stopping = asyncio.ensure_future(client.server.stop())
    assert (await client.take("GOAWAY")).number == ErrorCodes.NO_ERROR
    await client.ended()
    await asyncio.wait_for(stopping, 5)


async def test_one_that_is_closed_already_is_not_told_of_a_stop(http2: Opener) -> None:
    client = await http2(Held(), graceful_timeout=10)
    assert (await client.get()).status == 200
    service = client.server.service
    (connection,) = service.connections
    assert isinstance(connection, HTTP2Connection)
    connection.pause_writing()  # its client doesn't read
    connection.idle_until = 0.0
    connection.overdue(service.now)
    connection.retire()
    assert connection.transport.is_closing()
    assert service.failures == 0


async def test_a_client_that_pings_on_does_not_hold_up_a_stop(http2: Opener) -> None:
    client = await http2(Held(), graceful_timeout=10)
    stopping = asyncio.ensure_future(client.server.stop())
    try:
        while not client.writer.is_closing():
            await client.send(("PING", 0, bytes(8)))
            client.unread.append(await client.frame())
            await asyncio.sleep(0.01)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    await asyncio.wait_for(stopping, 5)


async def test_an_upload_is_read_to_its_end_in_a_stop(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror, graceful_timeout=10)
    stream = await client.request(b"POST", ends=False)
    await client.send(("DATA", stream, b"begun"))
    stopping = asyncio.ensure_future(client.server.stop())
    await client.take("GOAWAY")
    await client.take("GOAWAY")
    await client.upload(stream, 300_000)
    assert (await client.answer(stream)).status == 200
    assert len(mirror.seen[0].body) == 300_005
    await client.ended()
    await stopping


async def test_a_stream_without_end_is_told_and_may_say_goodbye(http2: Opener) -> None:
    app = Held()
    client = await http2(app, graceful_timeout=10, drain_delay=0.1)
    stream = await client.request(b"GET", b"/stream")
    await client.answer(stream, until=lambda answer: answer.body)
    stopping = asyncio.ensure_future(client.server.stop())
    frame = await client.take("DATA", stream)
    assert (frame.payload, frame.ends) == (b"last", True)
    assert app.events == ["http.disconnect"]
    await client.ended()
    await stopping


async def test_what_takes_too_long_is_cut_off(hold: Hold) -> None:
    held = await hold(graceful_timeout=0.2)
    client, stream = held.client, held.stream
    await asyncio.wait_for(held.stop(), 5)
    await client.ended()
    assert not [
        f for f in client.log if f.stream == stream and f.kind == "HEADERS" and "END_STREAM" in f.flags
    ]


async def test_after_max_requests_the_connection_is_told_to_go(http2: Opener) -> None:
    app = Held()
    client = await http2(app, max_requests=3)
    for _ in range(3):
        assert (await client.get()).body == b"hello"
    assert (await client.take("GOAWAY")).number == ErrorCodes.NO_ERROR
    assert client.server.exhausted.is_set()


# --- limits -------------------------------------------------------------------------------------------------


async def test_a_request_too_many_is_503_and_the_connection_goes_on(http2: Opener, until: Until) -> None:
    app = Held()
    client = await http2(app, limit_requests=2)
    held = [await client.request(b"GET", b"/hold") for _ in range(2)]
    await until(lambda: app.calls == 2)
    answer = await client.get()
    assert (answer.status, answer[b"retry-after"]) == (503, b"1")
    assert app.calls == 2
    app.go.set()
    for stream in held:
        assert (await client.answer(stream)).body == b"hello"
    await client.goes_on()


async def test_requests_are_counted_over_all_connections(http2: Opener, hold: Hold) -> None:
    held = await hold(limit_requests=1)
    other = await http2.connect(held.client.server)
    assert (await other.get()).status == 503
    held.app.go.set()
    assert (await held.client.answer(held.stream)).status == 200
    assert (await other.get()).status == 200


async def test_a_connection_too_many_is_refused(http2: Opener, until: Until) -> None:
    app = Held()
    client = await http2(app, limit_connections=1)
    assert (await client.get()).status == 200
    other = await http2.connect(client.server, starts=False)
    received = await other.rest()
    assert received.startswith(b"HTTP/1.1 503 ")
    await client.goes_on()


async def test_a_connection_too_many_is_refused_on_tls_in_its_own_words(http2: Opener) -> None:
    app = Held()
    client = await http2(app, tls=True, limit_connections=1)
    assert (await client.get()).status == 200
    other = await http2.connect(client.server, starts=False)
    await other.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ("SETTINGS", 0))
    stream = await other.request()
    refusal = await other.refusal(stream)
    assert refusal in (503, "GOAWAY", "RST_STREAM")
    assert app.calls == 1
    await client.goes_on()


# --- the client goes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["reset", "connection"])
async def test_cancel_on_disconnect_cancels_the_application(http2: Opener, way: str) -> None:
    cancelled = asyncio.Event()
    begun = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/":
            await Held()(scope, receive, send)
            return
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    client = await http2(app, cancel_on_disconnect=True)
    stream = await client.request()
    await begun.wait()
    if way == "reset":
        await client.send(("RST_STREAM", stream, ErrorCodes.CANCEL))
    else:
        client.abort()
    await asyncio.wait_for(cancelled.wait(), 10)
    if way == "reset":
        await client.goes_on()


async def test_without_cancel_on_disconnect_an_application_may_finish_its_work(http2: Opener) -> None:
    app = Held()
    client = await http2(app)
    stream = await client.request(b"GET", b"/hold")
    await client.ping()
    await client.send(("RST_STREAM", stream, ErrorCodes.CANCEL))
    await client.ping()
    assert len(client.server.service.running) == 1
    app.go.set()
    await client.goes_on()


async def test_a_client_that_shuts_its_sending_side_still_gets_its_answers(http2: Opener) -> None:
    app = Held()
    client = await http2(app)
    stream = await client.request(b"GET", b"/hold")
    await client.ping()
    client.replenishes = False
    client.writer.write_eof()
    await client.settle()
    app.go.set()
    assert (await client.answer(stream)).body == b"hello"
    await client.ended()


async def test_a_client_that_shuts_its_sending_side_with_its_window_shut_has_gone(
    http2: Opener, until: Until
) -> None:
    """It can't open the window any more: nobody has to wait for that."""
    client = await http2(Held(), announces={"INITIAL_WINDOW_SIZE": 1})
    client.replenishes = False
    await client.request()
    await client.ping()
    client.writer.write_eof()
    await until(lambda: not client.server.service.connections)


# --- the access log -----------------------------------------------------------------------------------------


async def test_each_stream_has_its_line_in_the_access_log(
    http2: Opener, until: Until, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    settings: dict[str, Any] = {"accesslog": str(log), "access_log_format": "%(m)s %(U)s %(H)s %(s)s %(B)s"}
    client = await http2(Held(), **settings)
    await client.get(b"/one")
    await client.answer(await client.request(b"POST", b"/two"))
    stream = await client.request(b"GET", b"/stream")
    await client.answer(stream, until=lambda answer: answer.body)
    await client.send(("RST_STREAM", stream, ErrorCodes.CANCEL))
    await until(lambda: log.exists() and log.read_text().count("\n") == 3)
    assert log.read_text().splitlines() == [
        "GET /one HTTP/2 200 5",
        "POST /two HTTP/2 200 5",
        "GET /stream HTTP/2 200 6",
    ]
