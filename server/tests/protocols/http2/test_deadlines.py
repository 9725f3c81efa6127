"""What takes too long on HTTP/2: each wait of the server has an end, and only what is late ends."""

from __future__ import annotations

import asyncio
import gc
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

from asgiworker.asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.protocols.http2.conftest import Client, Opener, Until

pytestmark = pytest.mark.every_python

SHORT = 0.2  # seconds
LONG = 60.0

# Nothing is late but what a test makes late.
PATIENT: dict[str, Any] = {
    "timeout_first_byte": LONG,
    "timeout_head": LONG,
    "timeout_body": LONG,
    "timeout_stall": LONG,
    "keepalive": LONG,
    "timeout_handshake": LONG,
    "http2_ping_interval": 0.0,
}

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
START = {"type": "http.response.start", "status": 200}
BLOCK = b"\x82\x86\x84\x01\x01a"


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body, and answers with it; `/large` with a megabyte."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    if scope["path"] == "/large":
        body = bytes(1_000_000)
    await send(START)
    await send({"type": "http.response.body", "body": body or b"hello"})


# --- the connection -----------------------------------------------------------------------------------------


async def test_a_client_that_negotiates_http_2_and_sends_nothing_is_disconnected(http2: Opener) -> None:
    client = await http2(hello, tls=True, starts=False, **{**PATIENT, "timeout_first_byte": SHORT})
    await client.ended()


@pytest.mark.parametrize("cut", [1, 17, 18, 20, 23])
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_a_preface_that_does_not_come_to_its_end(http2: Opener, tls: bool, cut: int) -> None:
    client = await http2(hello, tls=tls, starts=False, **{**PATIENT, "timeout_head": SHORT})
    await client.send(PREFACE[:cut])
    await client.rest()


async def test_a_client_that_sends_its_preface_and_no_settings(http2: Opener) -> None:
    client = await http2(hello, starts=False, **{**PATIENT, "timeout_head": SHORT, "keepalive": SHORT})
    await client.send(PREFACE)
    await client.ended()


async def test_an_idle_connection_is_closed_with_a_goodbye(http2: Opener) -> None:
    client = await http2(hello, **{**PATIENT, "keepalive": SHORT})
    assert (await client.get()).status == 200
    goaway = await client.fails(ErrorCodes.NO_ERROR)
    assert goaway.other in (1, 2**31 - 1)


async def test_a_connection_that_never_had_a_request_is_idle_too(http2: Opener) -> None:
    client = await http2(hello, **{**PATIENT, "keepalive": SHORT})
    await client.fails(ErrorCodes.NO_ERROR)


async def test_pings_do_not_keep_an_idle_connection_alive(http2: Opener) -> None:
    client = await http2(hello, **{**PATIENT, "keepalive": SHORT})

    async def chatter() -> None:
        while True:
            await client.send(("PING", 0, bytes(8)), ("WINDOW_UPDATE", 0, 1), ("PRIORITY", 1, bytes(5)))
            await asyncio.sleep(SHORT / 10)

    chattering = asyncio.create_task(chatter())
    try:
        await client.take("GOAWAY")
        await client.ended()
    finally:
        chattering.cancel()
        await asyncio.wait({chattering})


async def test_a_connection_with_a_request_under_way_is_not_idle(http2: Opener) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await hello(scope, receive, send)

    client = await http2(app, **{**PATIENT, "keepalive": SHORT})
    other = await http2.connect(client.server)
    stream = await client.request()
    await other.fails(ErrorCodes.NO_ERROR)  # one that was idle for as long
    go.set()
    assert (await client.answer(stream)).status == 200


async def test_a_head_that_does_not_come_to_its_end(http2: Opener) -> None:
    """Nothing else can come on the connection meanwhile, so it is the connection that ends."""
    client = await http2(hello, **{**PATIENT, "timeout_head": SHORT})
    await client.send(("HEADERS", 1, BLOCK, "END_STREAM"))
    await client.take("GOAWAY")
    await client.ended()


async def test_a_frame_that_does_not_come_to_its_end(http2: Opener) -> None:
    client = await http2(
        hello, **{**PATIENT, "timeout_head": SHORT, "keepalive": SHORT, "timeout_body": SHORT}
    )
    await client.send(client.encode(("HEADERS", 1, client.fields(), "END_HEADERS", "END_STREAM"))[:-1])
    await client.ended()


# --- streams ------------------------------------------------------------------------------------------------


async def late(client: Client, stream: int) -> int | None:
    """How a stream that is too slow ends: 408 or a reset."""
    answer = await client.answer(stream)
    assert answer.status == 408 or answer.reset is not None
    return answer.reset


async def test_a_body_that_does_not_come_ends_its_stream_alone(http2: Opener) -> None:
    client = await http2(hello, **{**PATIENT, "timeout_body": SHORT})
    stream = await client.request(b"POST", ends=False)
    await client.send(("DATA", stream, b"some"))
    await late(client, stream)
    await client.goes_on()


async def test_a_body_that_drips_in_ends_its_stream_however_busy_the_others_are(http2: Opener) -> None:
    client = await http2(hello, **{**PATIENT, "timeout_body": SHORT, "body_rate": 1000})
    stream = await client.request(b"POST", ends=False)

    async def drip() -> None:
        while True:
            await client.send(("DATA", stream, b"x"))
            await client.request()
            await asyncio.sleep(SHORT / 10)

    dripping = asyncio.create_task(drip())
    try:
        await late(client, stream)
    finally:
        dripping.cancel()
        await asyncio.wait({dripping})
    await client.goes_on()


async def test_a_body_that_comes_fast_enough_is_not_late(http2: Opener) -> None:
    client = await http2(hello, **{**PATIENT, "timeout_body": SHORT, "body_rate": 1000})
    slow = await http2.connect(client.server)
    idle = await slow.request(b"POST", ends=False)
    stream = await client.request(b"POST", ends=False)
    waiting = asyncio.ensure_future(late(slow, idle))
    size = 0
    while not waiting.done():
        await client.send(("DATA", stream, bytes(100)))
        size += 100
        await asyncio.sleep(SHORT / 20)
    await client.send(("DATA", stream, b"", "END_STREAM"))
    assert len((await client.answer(stream)).body) == size


async def test_a_body_that_the_application_does_not_read_is_not_late(http2: Opener) -> None:
    """The client has done all that the window lets it do."""
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/waits":
            await go.wait()
        await hello(scope, receive, send)

    client = await http2(app, **{**PATIENT, "timeout_body": SHORT})
    stream = await client.request(b"POST", b"/waits", ends=False)
    await client.upload(stream, client.left(stream), ends=False)
    other = await client.request(b"POST", ends=False)
    await late(client, other)
    go.set()
    await client.send(("DATA", stream, b"", "END_STREAM"))
    assert (await client.answer(stream)).status == 200


async def test_a_response_that_nobody_takes_ends_its_stream(http2: Opener, until: Until) -> None:
    """The stream's window stays shut: only the stream ends."""
    client = await http2(hello, announces={"INITIAL_WINDOW_SIZE": 10}, **{**PATIENT, "timeout_stall": SHORT})
    client.replenishes = False
    stream = await client.request(b"GET", b"/large")
    assert (await client.answer(stream)).reset is not None
    await until(lambda: not client.server.service.running)
    await client.send(("SETTINGS", 0, {"INITIAL_WINDOW_SIZE": 1000}))
    await client.goes_on()


async def test_a_connections_window_that_stays_shut_ends_what_waits_for_it(
    http2: Opener, until: Until
) -> None:
    client = await http2(
        hello, announces={"INITIAL_WINDOW_SIZE": 1 << 20}, **{**PATIENT, "timeout_stall": SHORT}
    )
    client.replenishes = False
    for _ in range(3):
        await client.request(b"GET", b"/large")
    await until(lambda: client.server.service.running)
    await until(lambda: not client.server.service.running)


async def test_a_window_that_is_opened_by_one_byte_now_and_then_does_not_hold_a_response_open(
    http2: Opener, until: Until
) -> None:
    client = await http2(hello, announces={"INITIAL_WINDOW_SIZE": 1}, **{**PATIENT, "timeout_stall": SHORT})
    client.replenishes = False
    stream = await client.request(b"GET", b"/large")

    async def drip() -> None:
        while True:
            await client.send(("WINDOW_UPDATE", stream, 1))
            await asyncio.sleep(SHORT / 10)

    dripping = asyncio.create_task(drip())
    try:
        while not (frame := await client.frame()).ends and frame.kind != "GOAWAY":
            pass
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        dripping.cancel()
        await asyncio.wait({dripping})
    await until(lambda: not client.server.service.running)


async def test_a_client_that_reads_nothing_at_all_is_cut_off(http2: Opener, until: Until) -> None:
    client = await http2(
        hello, announces={"INITIAL_WINDOW_SIZE": 2**31 - 1}, **{**PATIENT, "timeout_stall": SHORT}
    )
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(("WINDOW_UPDATE", 0, 2**31 - 1 - 65535))
    for _ in range(40):
        await client.request(b"GET", b"/large")
    await until(lambda: client.server.service.running)
    await until(lambda: not client.server.service.connections)
    await until(lambda: not client.server.service.running)


async def test_an_application_may_fail_while_its_client_reads_nothing(http2: Opener, until: Until) -> None:
    held_back = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/broken":
            await held_back.wait()
            raise RuntimeError("so it goes")
        await hello(scope, receive, send)

    client = await http2(app, announces={"INITIAL_WINDOW_SIZE": 2**31 - 1}, **PATIENT)
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(("WINDOW_UPDATE", 0, 2**31 - 1 - 65535))
    broken = await client.request(b"GET", b"/broken")
    for _ in range(40):
        await client.request(b"GET", b"/large")
    service = client.server.service
    await until(lambda: any(each.drain_waiter is not None for each in service.connections))
    held_back.set()
    await until(lambda: not any(each.scope["path"] == "/broken" for each in service.running))
    gc.collect()  # what is made and never awaited is found, and is an error
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    assert (await client.answer(broken)).status == 500


async def test_a_response_that_is_read_slowly_but_steadily_is_not_cut_off(http2: Opener) -> None:
    client = await http2(hello, **{**PATIENT, "timeout_stall": SHORT})
    client.replenishes = False
    other = await http2.connect(client.server, announces={"INITIAL_WINDOW_SIZE": 0})
    stalled = await other.request(b"GET", b"/large")
    waiting = asyncio.ensure_future(other.answer(stalled))
    stream = await client.request(b"GET", b"/large")
    size = 0
    while not waiting.done():
        frame = await client.take("DATA", stream)
        size += frame.length
        await client.send(("WINDOW_UPDATE", 0, frame.length), ("WINDOW_UPDATE", stream, frame.length))
        await asyncio.sleep(SHORT / 20)
    assert waiting.result().reset is not None
    client.replenishes = True
    assert len((await client.answer(stream)).body) == 1_000_000 - size


# --- keep-alive by PING -------------------------------------------------------------------------------------


async def test_a_client_that_still_answers_is_pinged_and_kept(http2: Opener) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await hello(scope, receive, send)

    client = await http2(app, **{**PATIENT, "http2_ping_interval": SHORT / 2, "http2_ping_timeout": SHORT})
    stream = await client.request()
    for _ in range(4):
        ping = await client.take("PING")
        assert "ACK" not in ping.flags
        await client.send(("PING", 0, ping.payload, "ACK"))
    go.set()
    assert (await client.answer(stream)).status == 200


async def test_a_client_that_answers_no_ping_has_gone(http2: Opener, until: Until) -> None:
    events: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        events.append((await receive())["type"])

    client = await http2(app, **{**PATIENT, "http2_ping_interval": SHORT / 2, "http2_ping_timeout": SHORT})
    await client.request()
    await client.take("PING")
    await client.ended()
    await until(lambda: events == ["http.disconnect"])


async def test_a_client_that_sends_something_need_not_be_pinged(http2: Opener) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/held":
            await go.wait()
        await hello(scope, receive, send)

    client = await http2(app, **{**PATIENT, "http2_ping_interval": SHORT, "http2_ping_timeout": LONG})
    other = await http2.connect(client.server)
    await other.request(b"GET", b"/held")
    held = await client.request(b"GET", b"/held")
    waiting = asyncio.ensure_future(other.take("PING"))
    while not waiting.done():
        assert (await client.get()).status == 200
        await asyncio.sleep(SHORT / 20)
    assert "ACK" not in waiting.result().flags
    assert not [f for f in client.log if f.kind == "PING"]
    go.set()
    assert (await client.answer(held)).status == 200


async def test_without_an_interval_there_are_no_pings(http2: Opener) -> None:
    client = await http2(hello, **{**PATIENT, "http2_ping_interval": 0, "keepalive": SHORT})
    await client.take("GOAWAY")
    await client.ended()
    assert not [f for f in client.log if f.kind == "PING"]


@pytest.fixture(autouse=True)
def _tls_ends(trust: ssl.SSLContext) -> None:
    """A connection over TLS may end without its goodbye when the server cuts it off."""
    trust.options |= ssl.OP_IGNORE_UNEXPECTED_EOF
