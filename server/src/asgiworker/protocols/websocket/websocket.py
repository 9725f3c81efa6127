"""A WebSocket on its way: joins a session to the pipe of bytes that carries it (RFC 6455 §5 to §7).

`WebSocket` turns frames into messages and messages into frames, answers pings and sends its own, closes with
a handshake and in time, and holds either side back when the other is slow. What its bytes travel in is a
`Pipe`: what an HTTP/1.1 connection becomes (`upgrade`), or a stream of HTTP/2 (`tunnel`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected
from asgiworker.asgi.session import (
    ABNORMAL,
    HIGH_WATER,
    INTERNAL_ERROR,
    INVALID_DATA,
    POLICY_VIOLATION,
    SERVICE_RESTART,
    Session,
    Wait,
)
from asgiworker.asgi.types import Message
from asgiworker.protocols.service import NEVER, Service
from asgiworker.protocols.websocket.deflate import SMALL, Deflate
from asgiworker.protocols.websocket.frames import (
    FINAL_BINARY,
    FINAL_TEXT,
    PING,
    PONG,
    RSV1,
    SMALL_HEADS,
    WHOLE,
    Closed,
    Control,
    Failure,
    Reader,
    apply_mask,
    close_frame,
    control_frame,
    head,
)

logger = logging.getLogger("asgiworker.server")

WHOLE_BOUND = (
    65535  # PERF: bytes of a message up to which a frame that came alone is understood without a call
)
JOIN_BOUND = 16384  # PERF: a message up to this size is copied behind its head, others are written beside it
READ_AHEAD = 64  # events that are read at a time where none of them is kept
TURN_BOUND = 81920  # bytes that are sent without the loop turning: one message of 64 KiB, at least
OVERHEAD = 64  # bytes that a message counts for beside its own, in what is sent without the loop turning
UNHEARD = -NEVER  # nothing came from the peer since the ping
CONTROL_RATE = 1000  # pings and pongs a second that a peer may send


class Pipe(Protocol):
    """What a WebSocket asks of what carries its bytes.

    It calls `data_received`, `resumed` when `drain_waiter` is done, `eof_received` and `connection_lost`
    (that always, and once), `sweep` when the moment given to `watch` has come, and `retire` in a stop.
    """

    service: Service
    drain_waiter: asyncio.Future[None] | None  # set while the peer reads too slowly

    def write(self, data: bytes) -> None:
        """Send; at the end of the loop's turn at the latest."""

    def write_parts(self, parts: list[bytes]) -> None:
        """Send several buffers, large ones among them."""

    async def drained(self) -> None:
        """Wait until the peer has read enough."""

    def is_closing(self) -> bool:
        """Whether nothing that is written now gets anywhere."""

    def unsent(self) -> int:
        """Bytes that were written and couldn't be sent yet."""

    def pause_reading(self) -> None:
        """Hold the peer back."""

    def resume_reading(self) -> None:
        """Read on."""

    def watch(self, deadline: float) -> None:
        """Call `sweep` once the sweep's clock is there; this replaces what was said before."""

    def close(self) -> None:
        """End our side after what was written, and read the other's away until it ends, too."""

    def abort(self) -> None:
        """End both sides at once."""

    def failed(self, error: Exception) -> None:
        """Our own code broke: end the pipe, and say so in the log."""

    def peer(self) -> str:
        """The client, for the log."""


class State(Enum):
    """Where the closing handshake stands (RFC 6455 §7.1)."""

    OPEN = "open"
    FAILING = "the peer failed; its last messages are still to be answered"
    CLOSING = "our close is sent, the peer's is awaited"
    CLOSED = "nothing more is said, nothing more is heard"


OPEN, FAILING, CLOSING, CLOSED = State


class WebSocket:
    """One WebSocket, once it is accepted: the channel of its session.

    Args:
        pipe: carries the bytes.
        session: gets the messages.
        deflate: the compression agreed on.
        ended: called once when it is over, with the bytes of messages that were sent.
    """

    __slots__ = (
        "controls",
        "controls_since",
        "credit",
        "deadline",
        "deflate",
        "ended",
        "failure",
        "flush_due",
        "heard_at",
        "held",
        "is_closing",
        "pinged",
        "pipe",
        "pong_due",
        "reader",
        "sent",
        "service",
        "session",
        "state",
        "unsent",
        "whole_bound",
        "write",
    )

    def __init__(
        self,
        pipe: Pipe,
        session: Session,
        deflate: Deflate | None = None,
        ended: Callable[[int], None] | None = None,
    ) -> None:
        service = pipe.service
        policy = service.policy
        self.pipe = pipe
        self.service = service
        self.session = session
        self.deflate = deflate
        self.ended = ended
        self.state = OPEN
        self.reader = Reader(policy.ws_max_size, policy.ws_max_fragments, deflate)
        self.whole_bound = min(WHOLE_BOUND + 8, (policy.ws_max_size or WHOLE_BOUND) + 6)
        # PERF: a look-up less for each message.
        self.write, self.is_closing = pipe.write, pipe.is_closing
        self.sent = 0  # bytes of messages
        self.credit = TURN_BOUND  # bytes that may be sent before the loop is given its turn
        self.held: list[bytes] = []  # frames that leave together
        self.flush_due = False  # the loop will flush
        # Life signs, on the sweep's clock.
        self.heard_at = service.now
        self.pinged = False  # a ping waits for its pong, or any other sign of life
        self.controls = 0  # pings and pongs that came since `controls_since`
        self.controls_since = service.now
        self.pong_due: bytes | None = None  # the ping to answer when the peer reads again
        # The end.
        self.failure: tuple[int, str] | None = None  # what the peer did wrong, while that isn't told yet
        self.unsent = 0  # bytes that waited to be sent when the sweep last looked
        self.deadline = NEVER
        self.watch(service.deadline(policy.ws_ping_interval))

    # --- bytes come

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        try:
            self.heard_at = self.service.now
            self.credit = TURN_BOUND  # the loop has turned
            # PERF: nearly always this is one message in one frame, and not a large one: its head says so.
            size, body = len(data), 0
            if 5 < size <= self.whole_bound and data[0] in WHOLE and self.reader.between:
                if size < 132:
                    if data[1] == size + 122:
                        body = 6
                elif data[1] == 0xFE and (data[2] << 8) + data[3] == size - 8 and size > 133:
                    body = 8
            if body and self.state is OPEN:
                payload = apply_mask(data[body:], data[body - 4 : body])
                if data[0] == FINAL_BINARY:
                    message: Message = {"type": "websocket.receive", "bytes": payload}
                else:
                    try:
                        message = {"type": "websocket.receive", "text": payload.decode()}
                    except UnicodeDecodeError:
                        self.peer_failed(INVALID_DATA, "text is not UTF-8")
                        return
                if not self.session.feed(message, size):
                    self.pipe.pause_reading()
            else:
                self.read(data)
        except Exception as error:
            self.failed(error)

    def read(self, data: bytes) -> None:
        """Understand what has come, as far as there is room for its messages."""
        reader, session = self.reader, self.session
        fed = False
        while self.state is OPEN or self.state is CLOSING:
            if self.state is OPEN:
                room, size = session.queue - len(session.messages), HIGH_WATER - session.queued
            else:
                room, size = READ_AHEAD, HIGH_WATER  # messages are dropped
            events = reader.read(data, room, size)
            data = b""
            for event in events:
                kind = type(event)
                if kind is str:
                    if self.state is OPEN:
                        fed = True
                        session.feed({"type": "websocket.receive", "text": event}, len(event))
                elif kind is bytes:
                    if self.state is OPEN:
                        fed = True
                        session.feed({"type": "websocket.receive", "bytes": event}, len(event))
                elif isinstance(event, Control):
                    self.control_received(event)
                elif isinstance(event, Closed):
                    self.close_received(event)
                elif isinstance(event, Failure):
                    self.peer_failed(event.code, event.reason, unanswered=fed)
            if not (events and reader.pending):
                break
        if self.held and not session.messages:
            self.flush()
        if session.full and self.state is OPEN:
            self.pipe.pause_reading()

    def control_received(self, event: Control) -> None:
        """A ping is answered; a pong was heard, which is all that matters."""
        service = self.service
        if service.now - self.controls_since >= 1:
            self.controls_since = service.now
            self.controls = 0
        self.controls += 1
        if self.state is not OPEN:
            return
        if self.controls > CONTROL_RATE:
            self.peer_failed(POLICY_VIOLATION, "too many pings", unanswered=False)
        elif event.opcode == PING:
            if self.pipe.drain_waiter is None:
                self.hold(control_frame(PONG, event.payload))
            else:
                self.pong_due = event.payload  # RFC 6455 §5.5.3: to answer the latest is enough

    def resumed(self) -> None:
        """The peer reads again."""
        if self.pong_due is not None and self.state is OPEN:
            self.write(control_frame(PONG, self.pong_due))
        self.pong_due = None

    # --- the session's side: its channel

    def send(self, message: str | bytes) -> Wait:
        """Send a message.

        Raises:
            ApplicationError: for a text that UTF-8 can't say.
            ClientDisconnected: the peer has gone.
        """
        if type(message) is bytes:
            data, first = message, FINAL_BINARY
        else:
            try:
                data, first = message.encode(), FINAL_TEXT  # type: ignore[union-attr]
            except UnicodeEncodeError as error:
                raise ApplicationError(f"text of websocket.send is no text: {error}") from None
        if self.is_closing():  # and our own end of it is still to be told
            self.settle(ABNORMAL)
            raise ClientDisconnected("the peer has disconnected")
        pipe = self.pipe
        size = len(data)
        self.credit -= size + OVERHEAD
        if self.deflate is not None and size >= SMALL:
            data = self.deflate.deflate(data)
            size = len(data)
            first |= RSV1
        self.sent += size
        if size > JOIN_BOUND:
            if self.held:
                self.flush()
            pipe.write_parts([head(first, size), data])
        else:
            # PERF: the usual case of `head`, without the call.
            frame = (SMALL_HEADS[first][size] if size < 126 else head(first, size)) + data
            if self.session.messages:
                self.hold(frame)  # the application will go on to them, and answer these as well
            elif self.held:
                self.held.append(frame)
                self.flush()
            else:
                self.write(frame)
        if self.credit < 0:
            self.credit = TURN_BOUND
            return self.next_turn()
        return None if pipe.drain_waiter is None else pipe.drained()

    async def next_turn(self) -> None:
        """Let the loop turn: an application that sends without a pause must not keep it from all others."""
        await asyncio.sleep(0)
        await self.pipe.drained()

    def hold(self, frame: bytes) -> None:
        """Send together with what else this turn of the loop brings."""
        self.held.append(frame)
        if not self.flush_due:
            self.flush_due = True
            self.service.flush_later(self)

    def end_turn(self) -> None:
        """The turn of the loop is over."""
        self.flush_due = False
        if self.held:
            self.flush()

    def flush(self) -> None:
        """Write what is held back."""
        held, self.held = self.held, []
        self.write(held[0] if len(held) == 1 else b"".join(held))

    def demand(self) -> None:
        """The application has taken all messages there were, of as many as may wait: let more come."""
        try:
            if self.state is OPEN:
                if self.reader.pending:
                    self.read(b"")
                if not self.session.full and self.state is OPEN:
                    self.pipe.resume_reading()
        except Exception as error:
            self.failed(error)

    def close(self, code: int, reason: bytes) -> None:
        """Begin the closing handshake; what still comes from the peer is dropped."""
        if self.state is FAILING:
            self.fail()
        elif self.state is OPEN:
            self.hold(close_frame(code, reason))
            self.flush()
            self.state = CLOSING
            self.unsent = self.pipe.unsent()
            self.watch(self.service.deadline(self.service.policy.ws_close_timeout))
            if self.reader.pending:
                self.read(b"")
            self.pipe.resume_reading()

    # --- it ends

    def close_received(self, closed: Closed) -> None:
        """The peer closes: its close is answered, and the server ends the connection (RFC 6455 §7.1.1)."""
        if self.state is OPEN:
            self.hold(close_frame(closed.code))
            self.flush()
        self.settle(closed.code, closed.reason)
        self.pipe.close()

    def peer_failed(self, code: int, reason: str, unanswered: bool = False) -> None:
        """The peer broke the protocol or a limit, after messages that may still be `unanswered`.

        The application gets to answer those first: the end must not depend on how the bytes were split.
        """
        logger.info("%s: WebSocket failed with %d: %s", self.pipe.peer(), code, reason)
        if self.state is CLOSING:
            self.settle(ABNORMAL)
            self.pipe.close()
            return
        self.failure = (code, reason)
        self.state = FAILING
        if unanswered or self.session.messages:
            self.session.all_answered = self.fail
            self.pipe.pause_reading()
            self.watch(self.service.deadline(self.service.policy.ws_close_timeout))
        else:
            self.fail()

    def fail(self) -> None:
        """Tell the peer what it did wrong, and end without waiting for its close (RFC 6455 §7.1.7)."""
        if self.state is FAILING and self.failure is not None:
            code, reason = self.failure
            self.hold(close_frame(code, reason.encode()))
            self.flush()
            self.settle(code, reason)
            self.pipe.close()

    def settle(self, code: int, reason: str = "") -> None:
        """There is nothing more to say or to hear."""
        self.state = CLOSED
        self.held.clear()
        self.watch(NEVER)
        session = self.session
        session.disconnect(code, reason)
        if self.service.policy.cancel_on_disconnect and not session.waiters:
            session.cancel()  # one that waits in `receive()` hears of it there

    def eof_received(self) -> None:
        """The peer has ended its side without a close."""
        if self.state is not CLOSED:
            self.settle(ABNORMAL)
            self.pipe.close()

    def connection_lost(self) -> None:
        """The pipe is gone."""
        if self.state is not CLOSED:
            self.settle(ABNORMAL)
        ended, self.ended = self.ended, None
        if ended is not None:
            ended(self.sent)

    def failed(self, error: Exception) -> None:
        """Our own code broke."""
        if self.state is not CLOSED:
            self.settle(INTERNAL_ERROR)
        self.pipe.failed(error)

    def retire(self) -> None:
        """The server stops: the peer is told to come back, and the application that it has gone."""
        if self.state is OPEN or self.state is FAILING:
            self.session.disconnect(SERVICE_RESTART)
            self.close(SERVICE_RESTART, b"")

    # --- deadlines

    def watch(self, deadline: float) -> None:
        """Have `sweep` called at `deadline`."""
        self.deadline = deadline
        self.pipe.watch(deadline)

    def sweep(self, now: float) -> None:
        """The deadline has passed."""
        policy, service = self.service.policy, self.service
        if self.state is OPEN:
            if self.session.full or self.pipe.drain_waiter is not None:
                self.heard_at = now  # it is held back, or hasn't read so far: what it says can't be heard
            if self.pinged and self.heard_at == UNHEARD:
                self.failure, self.state = (INTERNAL_ERROR, "keepalive ping timeout"), FAILING
                logger.info("%s doesn't answer the ping of its WebSocket", self.pipe.peer())
                self.fail()
                return
            self.pinged = False
            due = self.heard_at + policy.ws_ping_interval
            if due > now:
                self.watch(due)
                return
            self.write(control_frame(PING))
            if policy.ws_ping_timeout:
                self.pinged, self.heard_at = True, UNHEARD
                self.watch(service.deadline(policy.ws_ping_timeout))
            else:
                self.watch(service.deadline(policy.ws_ping_interval))
        elif self.state is FAILING:
            self.fail()
        elif self.state is CLOSING:
            unsent = self.pipe.unsent()
            if 0 < unsent < self.unsent:  # it still reads what came before the close
                self.unsent = unsent
                self.watch(service.deadline(policy.ws_close_timeout))
            else:
                logger.info("%s doesn't answer the close of its WebSocket", self.pipe.peer())
                self.settle(ABNORMAL)
                self.pipe.abort()
