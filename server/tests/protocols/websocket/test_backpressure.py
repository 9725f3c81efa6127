"""Who doesn't read holds the other side back. That no memory fills meanwhile is in the load tests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from asgiworker.asgi.errors import ClientDisconnected

if TYPE_CHECKING:
    from asgiworker.asgi.types import Receive, Scope, Send
    from server.tests.protocols.websocket.conftest import Application, Meet, Peer, Serve, Until

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


def read_nothing(peer: Peer) -> None:
    """From now on the client takes nothing; its kernel takes some megabytes."""
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]


async def test_an_application_that_does_not_read_pauses_the_client(meet: Meet) -> None:
    peer, call = await meet(ws_ping_interval=0)
    message = peer.frame(BINARY, bytes(10_000))
    sent = 0

    async def send_on() -> None:
        nonlocal sent
        while sent < 10_000:
            await peer.send(message)
            sent += 1

    sending = asyncio.ensure_future(send_on())
    last = -1
    while sent != last:  # until it is held back
        last = sent
        await asyncio.sleep(0.2)
    assert 0 < sent < 2_000
    assert not sending.done()
    for _ in range(sent):  # when the application reads, it goes on
        assert (await call.receive())["bytes"] == bytes(10_000)
    while sent == last:
        await call.receive()
    sending.cancel()
    await asyncio.wait([sending])


async def test_only_so_many_messages_wait_unread(meet: Meet) -> None:
    peer, call = await meet(ws_max_queue=4)
    for number in range(1000):
        await peer.text(str(number))
    assert [(await call.receive())["text"] for _ in range(1000)] == [str(number) for number in range(1000)]


async def test_messages_that_come_one_by_one_are_held_back_as_well(
    serve: Serve, application: Application
) -> None:
    served = await serve(application, ws_max_queue=4)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.accept()
    await peer.answer()
    (session,) = served.server.service.websockets.values()
    for number in range(20):
        await peer.text(str(number))
        await asyncio.sleep(0.005)  # each is a read of its own
        assert len(session.messages) <= 4
    assert [(await call.receive())["text"] for _ in range(20)] == [str(number) for number in range(20)]


async def test_a_queue_of_one_works_as_well(meet: Meet) -> None:
    peer, call = await meet(ws_max_queue=1)
    await peer.send(*[peer.frame(TEXT, b"%d" % number) for number in range(100)], peer.frame(PING, b"x"))
    assert [(await call.receive())["text"] for _ in range(100)] == [str(number) for number in range(100)]
    waiting = asyncio.ensure_future(call.receive())
    assert (await peer.receive()).opcode == PONG
    await peer.close(1000)
    assert (await waiting)["code"] == 1000


async def test_a_close_behind_messages_that_nobody_reads_is_seen_when_they_are(meet: Meet) -> None:
    peer, call = await meet(ws_max_queue=2)
    await peer.send(*[peer.frame(TEXT, b"x")] * 10, peer.frame(CLOSE, b"\x03\xe8"))
    for _ in range(10):
        assert (await call.receive())["text"] == "x"
    assert (await call.receive())["code"] == 1000
    assert (await peer.closed())[0] == 1000


async def test_a_client_that_does_not_read_makes_send_wait(meet: Meet, until: Until) -> None:
    peer, call = await meet(ws_ping_interval=0)
    read_nothing(peer)
    message, sent = bytes(100_000), 0
    sending = call.sending("send", bytes=message)
    while (await asyncio.wait([sending], timeout=0.5))[0]:
        sent += 1
        assert sent < 200, "it takes and takes"
        sending = call.sending("send", bytes=message)
    peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(sent + 1):
        assert await peer.message() == message
    await sending


async def test_several_tasks_may_wait_in_send_and_one_be_cancelled(meet: Meet) -> None:
    peer, call = await meet(ws_ping_interval=0)
    read_nothing(peer)
    count = 0
    sending = call.sending("send", bytes=bytes(1 << 20))
    while (await asyncio.wait([sending], timeout=0.3))[0]:
        count += 1
        sending = call.sending("send", bytes=bytes(1 << 20))
    others = [call.sending("send", text="x" * 1000) for _ in range(3)]
    await asyncio.sleep(0)
    others[0].cancel()
    peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
    for _ in range(count + 1):
        assert await peer.message() == bytes(1 << 20)
    for _ in range(3):  # it was cancelled in its waiting; what it sent was sent
        assert await peer.message() == "x" * 1000
    await asyncio.wait_for(asyncio.gather(sending, *others[1:]), 5)


async def test_a_client_that_reads_nothing_for_too_long_is_aborted_and_send_raises(meet: Meet) -> None:
    peer, call = await meet(ws_ping_interval=0, timeout_stall=0.3)
    read_nothing(peer)

    async def send_on() -> None:
        while True:
            await call.send("send", bytes=bytes(100_000))

    with pytest.raises(ClientDisconnected):
        await send_on()
    assert await call.receive() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}


async def test_a_client_that_reads_slowly_is_not(meet: Meet) -> None:
    peer, call = await meet(ws_ping_interval=0, timeout_stall=0.4)
    size = 4 << 20
    sending = call.sending("send", bytes=bytes(size))
    received = 0
    while received < size:
        received += len(await peer.reader.read(200_000))
        await asyncio.sleep(0.02)
    await sending
    await peer.text("done")
    assert (await call.receive())["text"] == "done"


async def test_an_application_that_only_sends_leaves_the_loop_its_turns(meet: Meet) -> None:
    peer, call = await meet()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def read() -> None:
        while await peer.reader.read(1 << 16):
            pass

    tasks = [asyncio.ensure_future(count()), asyncio.ensure_future(read())]
    for _ in range(2_000):
        await call._send({"type": "websocket.send", "text": "x" * 1000})
    assert turns > 20
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_ping_that_cannot_be_answered_yet_is_answered_later_once(meet: Meet) -> None:
    """RFC 6455 §5.5.3: to answer the latest is enough; thousands of pongs don't pile up."""
    peer, call = await meet(ws_ping_interval=0)
    read_nothing(peer)
    count = 0
    sending = call.sending("send", bytes=bytes(1 << 20))
    while (await asyncio.wait([sending], timeout=0.3))[0]:
        count += 1
        sending = call.sending("send", bytes=bytes(1 << 20))
    for number in range(500):
        await peer.send(peer.frame(PING, b"%d" % number))
    await peer.text("behind them")
    assert (await call.receive())["text"] == "behind them"
    peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
    pongs = []
    for _ in range(count + 1):
        assert await peer.message() == bytes(1 << 20)
    while not pongs or pongs[-1] != b"499":
        frame = await peer.receive()
        assert frame.opcode == PONG
        pongs.append(frame.payload)
    assert len(pongs) < 10
    await sending


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_sending_to_a_peer_that_is_gone_raises_at_once(
    serve: Serve, caplog: pytest.LogCaptureFixture, tls: bool
) -> None:
    """Not only when the loop has turned: the transports log each write that gets nowhere."""
    sent, raised = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": "tick"})
                sent.set()
        except OSError:
            raised.set()
            assert (await receive())["code"] == 1006
            raise

    served = await serve(app, tls=tls)
    peer = await served.open()
    await asyncio.wait_for(sent.wait(), 10)
    peer.reset()
    await asyncio.wait_for(raised.wait(), 10)
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_what_compresses_well_does_not_keep_the_loop_from_turning(serve: Serve) -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "bytes": bytes(10_000)})
            sent += 1

    served = await serve(app)
    peer = await served.open("/", ("sec-websocket-extensions", "permessage-deflate"))
    for _ in range(20):
        before = sent
        await asyncio.sleep(0)
        assert sent - before <= 20  # of 80 KiB
    peer.reset()
