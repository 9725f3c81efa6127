"""What one client may send: message size, fragments, pings. What waits unread is bounded by backpressure."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest

from asgiworker.asgi.types import ASGIApplication

if TYPE_CHECKING:
    from server.tests.protocols.websocket.conftest import Meet, Serve

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


@pytest.mark.parametrize("kind", [TEXT, BINARY], ids=["text", "binary"])
async def test_a_message_of_the_greatest_size_gets_through_and_one_byte_more_is_1009(
    serve: Serve, echo: ASGIApplication, kind: int
) -> None:
    served = await serve(echo, ws_max_size=1000)
    peer = await served.open()
    await peer.send(peer.frame(kind, b"x" * 1000))
    assert len(await peer.message()) == 1000
    await peer.send(peer.frame(kind, b"x" * 1001))
    assert (await peer.closed())[0] == 1009


async def test_size_is_counted_in_bytes_not_in_characters(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo, ws_max_size=1000)
    peer = await served.open()
    await peer.text("ä" * 500)
    assert await peer.message() == "ä" * 500
    await peer.text("ä" * 500 + "x")
    assert (await peer.closed())[0] == 1009


async def test_the_fragments_of_a_message_count_together(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo, ws_max_size=1000)
    peer = await served.open()
    for _ in range(2):  # it is a limit of a message, not of the connection
        await peer.send(peer.frame(BINARY, bytes(600), fin=False), peer.frame(CONTINUATION, bytes(400)))
        assert await peer.message() == bytes(1000)
    await peer.send(peer.frame(BINARY, bytes(600), fin=False), peer.frame(CONTINUATION, bytes(401)))
    assert (await peer.closed())[0] == 1009


@pytest.mark.parametrize("length", [1001, 65536, 1 << 40, (1 << 63) - 1])
async def test_a_frame_that_announces_too_much_is_refused_before_it_has_come(meet: Meet, length: int) -> None:
    peer, call = await meet(ws_max_size=1000)
    await peer.send(peer.frame(BINARY, b"", length=length))
    assert (await peer.closed())[0] == 1009
    assert (await call.receive())["type"] == "websocket.disconnect"
    await peer.ended()


async def test_sixteen_mebibytes_get_through_by_default_and_no_byte_more(meet: Meet) -> None:
    peer, call = await meet(ws_ping_interval=0)
    sending = asyncio.ensure_future(peer.binary(bytes(1 << 24)))
    assert len((await call.receive())["bytes"]) == 1 << 24
    await sending
    await peer.send(peer.frame(BINARY, b"", length=(1 << 24) + 1))
    assert (await peer.closed())[0] == 1009


async def test_without_a_limit_any_size_is_taken(meet: Meet) -> None:
    peer, call = await meet(ws_max_size=0)
    sending = asyncio.ensure_future(peer.binary(bytes((1 << 24) + 1)))
    assert len((await call.receive())["bytes"]) == (1 << 24) + 1
    await sending


async def test_a_message_may_have_so_many_fragments_and_no_more(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo, ws_max_fragments=3)
    peer = await served.open()
    first, middle, last = (
        peer.frame(TEXT, b"a", fin=False),
        peer.frame(CONTINUATION, b"b", fin=False),
        peer.frame(CONTINUATION, b"c"),
    )
    for _ in range(2):
        await peer.send(first, middle, last)
        assert await peer.message() == "abc"
    await peer.send(first, middle, middle, last)
    assert (await peer.closed())[0] == 1008


async def test_empty_fragments_without_end_are_bounded(meet: Meet) -> None:
    peer, call = await meet()
    await peer.send(peer.frame(BINARY, b"", fin=False))
    empty = peer.frame(CONTINUATION, b"", fin=False) * 10_000
    try:
        for _ in range(100):
            await peer.send(empty)
    except ConnectionError:
        pass
    assert (await call.receive())["type"] == "websocket.disconnect"


async def test_a_ping_is_answered_with_its_payload(meet: Meet) -> None:
    peer, call = await meet()
    for payload in (b"", b"x", bytes(125)):
        await peer.send(peer.frame(PING, payload))
        assert await peer.receive() == (PONG, payload, True, False)
    await peer.send(peer.frame(PONG, b"nobody asked"))
    await peer.text("still there")
    assert (await call.receive())["text"] == "still there"


async def test_a_flood_of_pings_from_a_client_that_does_not_read_ends(meet: Meet) -> None:
    peer, call = await meet()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    pings = peer.frame(PING, bytes(125)) * 500
    try:
        for _ in range(1000):
            await asyncio.wait_for(peer.send(pings), 5)
    except (ConnectionError, TimeoutError):
        pass
    assert (await call.receive())["type"] == "websocket.disconnect"


async def test_pings_among_messages_are_no_flood(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo)
    peer = await served.open()
    for number in range(100):
        await peer.send(peer.frame(PING, struct.pack("!H", number)), peer.frame(TEXT, b"x"))
    frames = [await peer.receive() for _ in range(200)]
    assert [frame.payload for frame in frames if frame.opcode == PONG] == [
        struct.pack("!H", number) for number in range(100)
    ]
    assert sum(frame.opcode == TEXT for frame in frames) == 100
