"""The joint between a session and its pipe, without a network: writes, deadlines, faults of our own.

What a peer sees over real sockets stands in `websocket/`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from asgiworker.asgi.exchange import COMPLETE
from asgiworker.asgi.session import Opening, Session
from asgiworker.asgi.types import Message, Scope
from asgiworker.process.settings import Settings
from asgiworker.protocols.service import NEVER, Service
from asgiworker.protocols.websocket.frames import FIN, PING, PONG, TEXT, close_frame, control_frame, head
from asgiworker.protocols.websocket.websocket import CONTROL_RATE, JOIN_BOUND, WebSocket

ACCEPT: Message = {"type": "websocket.accept"}


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """A frame of a client, masked with zeros."""
    written = head(FIN | opcode, len(payload))
    return bytes((written[0], written[1] | 0x80)) + written[2:] + bytes(4) + payload


def text(payload: bytes) -> bytes:
    """A text message of the server."""
    return head(FIN | TEXT, len(payload)) + payload


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """The tests speak for the application."""


class Recorder:
    """A pipe that keeps what is asked of it, and the session at its other end."""

    def __init__(self, **settings: Any) -> None:
        self.service = Service(nothing, Settings(**settings), asyncio.get_running_loop())
        self.drain_waiter: asyncio.Future[None] | None = None
        self.written: list[bytes] = []
        self.asked: list[str] = []
        self.left = 0
        self.deadline = NEVER
        self.ended: list[int] = []
        scope: Scope = {"type": "websocket", "path": "/", "subprotocols": []}
        self.session = Opening(self, scope, [], 4).session  # type: ignore[arg-type]
        self.websocket: WebSocket

    async def open(self) -> WebSocket:
        """The application accepts."""
        await self.session.receive()
        await self.session.send(ACCEPT)
        return self.websocket

    def accept_websocket(self, session: Session, *_: object) -> WebSocket:
        session.opening.state = COMPLETE
        self.websocket = WebSocket(self, session, None, self.ended.append)
        return self.websocket

    def pass_by(self, seconds: float) -> None:
        """Time goes on, and the sweep with it."""
        self.service.now += seconds
        if self.deadline <= self.service.now:
            self.websocket.sweep(self.service.now)

    # --- the pipe

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def write_parts(self, parts: list[bytes]) -> None:
        self.written.append(b"".join(parts))

    async def drained(self) -> None:
        if self.drain_waiter is not None:
            await self.drain_waiter

    def is_closing(self) -> bool:
        return False

    def unsent(self) -> int:
        return self.left

    def watch(self, deadline: float) -> None:
        self.deadline = deadline

    def pause_reading(self) -> None:
        self.asked.append("pause")

    def resume_reading(self) -> None:
        self.asked.append("resume")

    def close(self) -> None:
        self.asked.append("close")

    def abort(self) -> None:
        self.asked.append("abort")

    def failed(self, error: Exception) -> None:
        self.asked.append(f"failed: {error}")

    def peer(self) -> str:
        return "a client"


# --- writes -------------------------------------------------------------------------------------------------


async def test_a_message_leaves_at_once() -> None:
    pipe = Recorder()
    await pipe.open()
    await pipe.session.send({"type": "websocket.send", "text": "now"})
    assert pipe.written == [text(b"now")]


async def test_answers_to_messages_that_came_together_leave_together() -> None:
    pipe = Recorder()
    websocket = await pipe.open()
    websocket.data_received(frame(TEXT, b"one") + frame(TEXT, b"two"))
    for _ in range(2):
        message = await pipe.session.receive()
        await pipe.session.send({"type": "websocket.send", "text": message["text"]})
    assert pipe.written == [text(b"one") + text(b"two")]


async def test_what_is_held_back_leaves_at_the_end_of_the_turn_and_before_what_follows() -> None:
    pipe = Recorder()
    websocket = await pipe.open()
    websocket.data_received(frame(TEXT, b"one") + frame(TEXT, b"two"))
    await pipe.session.send({"type": "websocket.send", "text": "held"})
    assert pipe.written == []
    await asyncio.sleep(0)
    assert pipe.written == [text(b"held")]
    await pipe.session.send({"type": "websocket.send", "text": "first"})
    large = b"x" * (JOIN_BOUND + 1)
    await pipe.session.send({"type": "websocket.send", "text": large.decode()})
    assert pipe.written[1:] == [text(b"first"), text(large)]


async def test_pings_are_answered_in_one_write_and_only_the_latest_if_the_peer_does_not_read() -> None:
    pipe = Recorder()
    websocket = await pipe.open()
    websocket.data_received(frame(PING, b"1") + frame(PING, b"2"))
    assert pipe.written == [control_frame(PONG, b"1") + control_frame(PONG, b"2")]
    pipe.drain_waiter = asyncio.get_running_loop().create_future()
    websocket.data_received(frame(PING, b"3"))
    websocket.data_received(frame(PING, b"4"))
    pipe.drain_waiter = None
    websocket.resumed()
    websocket.resumed()
    assert pipe.written[1:] == [control_frame(PONG, b"4")]


async def test_a_flood_of_pings_ends_with_1008() -> None:
    pipe = Recorder()
    websocket = await pipe.open()
    websocket.data_received(frame(PING) * CONTROL_RATE)
    pipe.pass_by(1)
    websocket.data_received(frame(PONG) * CONTROL_RATE)
    assert pipe.asked == []
    websocket.data_received(frame(PONG) * 2)
    assert pipe.written[-1] == close_frame(1008, b"too many pings")
    assert pipe.asked[-1] == "close"


# --- deadlines ----------------------------------------------------------------------------------------------


async def test_silence_is_pinged_and_more_of_it_closes_with_1011() -> None:
    pipe = Recorder(ws_ping_interval=20, ws_ping_timeout=5)
    await pipe.open()
    pipe.pass_by(19)
    assert pipe.written == []
    pipe.pass_by(1)
    assert pipe.written == [control_frame(PING)]
    pipe.pass_by(5)
    assert pipe.written[1:] == [close_frame(1011, b"keepalive ping timeout")]
    assert pipe.asked == ["close"]
    assert (await pipe.session.receive())["code"] == 1011


async def test_whatever_comes_is_a_sign_of_life() -> None:
    pipe = Recorder(ws_ping_interval=20, ws_ping_timeout=5)
    websocket = await pipe.open()
    for _ in range(3):
        pipe.pass_by(20)
        websocket.data_received(frame(TEXT, b"x"))
        await pipe.session.receive()
        pipe.pass_by(5)
    assert pipe.written == [control_frame(PING)] * 3
    assert pipe.asked == []


async def test_without_a_timeout_pings_go_on_and_end_nothing() -> None:
    pipe = Recorder(ws_ping_interval=20, ws_ping_timeout=0)
    await pipe.open()
    for _ in range(3):
        pipe.pass_by(20)
    assert pipe.written == [control_frame(PING)] * 3
    assert pipe.asked == []


async def test_a_peer_that_is_held_back_is_not_expected_to_answer() -> None:
    pipe = Recorder(ws_ping_interval=20, ws_ping_timeout=5)
    websocket = await pipe.open()
    pipe.pass_by(20)
    websocket.data_received(frame(TEXT, b"x") * 4)
    assert pipe.asked == ["pause"]
    for _ in range(10):
        pipe.pass_by(20)
    assert pipe.asked == ["pause"]
    assert pipe.written == [control_frame(PING)]


async def test_a_close_has_its_time_and_more_of_it_while_the_peer_still_reads() -> None:
    pipe = Recorder(ws_close_timeout=10)
    await pipe.open()
    pipe.left = 1000
    await pipe.session.send({"type": "websocket.close"})
    for left in (800, 500, 1):
        pipe.left = left
        pipe.pass_by(10)
    assert pipe.asked == ["resume"]
    pipe.pass_by(10)
    assert pipe.asked == ["resume", "abort"]


async def test_a_failure_waits_for_the_answer_to_what_came_before_but_not_for_ever() -> None:
    pipe = Recorder(ws_close_timeout=10)
    websocket = await pipe.open()
    websocket.data_received(frame(TEXT, b"good") + b"\xff")
    assert pipe.written == []
    pipe.pass_by(10)
    assert pipe.written[0][2:4] == (1002).to_bytes(2, "big")
    assert pipe.asked == ["pause", "close"]


async def test_nobody_is_failed_who_is_closed_already() -> None:
    pipe = Recorder()
    websocket = await pipe.open()
    await pipe.session.send({"type": "websocket.close"})
    websocket.data_received(b"\xff\xff")
    assert pipe.written == [close_frame(1000)]
    assert pipe.asked == ["resume", "close"]


# --- the end ------------------------------------------------------------------------------------------------


async def test_what_was_sent_is_told_once_at_the_end() -> None:
    pipe = Recorder()
    websocket = await pipe.open()
    await pipe.session.send({"type": "websocket.send", "text": "12345"})
    websocket.connection_lost()
    websocket.connection_lost()
    assert pipe.ended == [5]


async def test_the_application_that_waits_elsewhere_is_cancelled_if_that_is_wanted() -> None:
    pipe = Recorder(cancel_on_disconnect=True)
    websocket = await pipe.open()
    pipe.session.task = asyncio.ensure_future(asyncio.Event().wait())  # type: ignore[assignment]
    await asyncio.sleep(0)
    websocket.eof_received()
    await asyncio.sleep(0)
    assert pipe.session.task is not None
    assert pipe.session.task.cancelled()


# --- faults of our own --------------------------------------------------------------------------------------


def breaks(*_: object) -> None:
    """A mistake in our own code."""
    raise RuntimeError("a fault")


@pytest.mark.parametrize(
    ("name", "happens"),
    [
        ("feed", lambda pipe: pipe.websocket.data_received(frame(TEXT, b"x"))),
        ("feed", lambda pipe: pipe.websocket.data_received(frame(TEXT, b"x") * 2)),
    ],
)
async def test_a_fault_while_reading_ends_the_pipe(
    name: str, happens: Callable[[Recorder], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = Recorder()
    await pipe.open()
    monkeypatch.setattr(Session, name, breaks)
    happens(pipe)
    assert pipe.asked == ["failed: a fault"]
    assert (await pipe.session.receive())["code"] == 1011


async def test_a_fault_while_reading_on_is_not_the_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Recorder()
    websocket = await pipe.open()
    websocket.data_received(frame(TEXT, b"x") * 5)
    monkeypatch.setattr(Session, "feed", breaks)
    for _ in range(4):
        assert (await pipe.session.receive())["text"] == "x"
    assert pipe.asked == ["pause", "failed: a fault"]


async def test_a_fault_while_sending_ends_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Recorder()
    websocket = await pipe.open()
    monkeypatch.setattr(websocket, "write", breaks)
    with pytest.raises(RuntimeError):
        await pipe.session.send({"type": "websocket.send", "text": "x"})
    assert pipe.asked == ["failed: a fault"]


async def test_a_fault_at_the_applications_end_ends_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Recorder()
    await pipe.open()
    monkeypatch.setattr(WebSocket, "close", breaks)
    await pipe.session.run(nothing)
    assert pipe.asked == ["failed: a fault"]


async def test_a_fault_in_accepting_ends_the_carrier(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Recorder()
    monkeypatch.setattr(pipe, "accept_websocket", breaks)
    with pytest.raises(RuntimeError):
        await pipe.session.send(ACCEPT)
    assert pipe.asked == ["failed: a fault"]
