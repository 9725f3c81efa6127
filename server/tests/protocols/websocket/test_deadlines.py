"""Pings of the server's own, and every deadline that a peer may let pass."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from asgiworker.asgi.types import ASGIApplication

if TYPE_CHECKING:
    from server.tests.protocols.websocket.conftest import Meet, Serve

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


async def test_a_silent_peer_is_pinged_and_may_stay_as_long_as_it_answers(meet: Meet) -> None:
    peer, call = await meet(ws_ping_interval=0.1, ws_ping_timeout=0.3)
    for _ in range(8):
        frame = await peer.receive()
        assert frame.opcode == PING
        await peer.send(peer.frame(PONG, frame.payload))
    await peer.text("still there")
    assert (await call.receive())["text"] == "still there"


async def test_a_peer_that_does_not_answer_is_closed(meet: Meet) -> None:
    peer, call = await meet(ws_ping_interval=0.1, ws_ping_timeout=0.1, ws_close_timeout=0.1)
    assert (await peer.receive()).opcode == PING
    message = await call.receive()
    assert message["type"] == "websocket.disconnect"
    assert message["code"] in (1006, 1011)
    assert (await peer.closed())[0] == 1011
    assert await peer.gone()


async def test_messages_are_signs_of_life_too(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo, ws_ping_interval=0.2, ws_ping_timeout=0.2)
    peer = await served.open()
    loop = asyncio.get_running_loop()
    end = loop.time() + 1.0  # longer than interval and timeout together
    while loop.time() < end:
        await peer.text("x")
        frame = await peer.receive()
        while frame.opcode == PING:  # not answered
            frame = await peer.receive()
        assert frame.opcode == TEXT
        await asyncio.sleep(0.02)


async def test_without_an_interval_nobody_is_pinged(meet: Meet) -> None:
    peer, call = await meet(ws_ping_interval=0, ws_ping_timeout=0.1, keepalive=0.1, timeout_head=0.1)
    with pytest.raises(TimeoutError):
        await peer.receive(deadline=0.5)
    await peer.text("still there")  # and no deadline of HTTP's applies any more
    assert (await call.receive())["text"] == "still there"


async def test_without_a_timeout_it_is_only_pinged(meet: Meet) -> None:
    peer, _ = await meet(ws_ping_interval=0.05, ws_ping_timeout=0)
    for _ in range(8):
        assert (await peer.receive()).opcode == PING


async def test_a_peer_that_is_held_back_is_not_blamed_for_its_silence(meet: Meet) -> None:
    """Its pong would wait behind the messages that the application doesn't read."""
    peer, call = await meet(ws_ping_interval=0.05, ws_ping_timeout=0.05, ws_max_queue=2)
    for number in range(10):
        await peer.text(str(number))

    async def read_on() -> None:
        while (await peer.receive()).opcode == PING:  # not answered
            pass

    reading = asyncio.ensure_future(read_on())
    done, _ = await asyncio.wait([reading], timeout=0.5)
    assert not done, "it was closed"
    for number in range(10):
        assert (await call.receive())["text"] == str(number)
    await call.send("send", text="fine")
    await asyncio.wait_for(reading, 5)


async def test_an_accept_has_no_deadline_of_the_servers(meet: Meet) -> None:
    """An application may think as long as it likes; the deadlines are the client's."""
    peer, call = await meet(timeout_head=0.1, timeout_first_byte=0.1, keepalive=0.1, timeout_body=0.1)
    with pytest.raises(TimeoutError):
        await peer.receive(deadline=0.5)
    await call.send("send", text="hello")
    assert await peer.message() == "hello"
