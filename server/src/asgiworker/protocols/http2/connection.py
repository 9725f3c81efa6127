"""HTTP/2 on one connection (RFC 9113): many requests at a time, each on a stream, in an exchange of its own.

nghttp2 frames, compresses and schedules (`nghttp2`). This module joins it to the streams (`stream`): each
request that has come begins one (`requests`), and what all of a connection's applications send in one turn of
the loop leaves in one write.

The class reads in the order in which things happen: a connection begins, bytes come, bytes leave, a stream
ends, the connection ends. What is kept of a client meanwhile stands apart: what it may make the server do for
nothing (`floods`), what waits for its windows (`windows`), whether it is still there and how far the graceful
end has come (`pings`), and what it still sends when all is said (`lingering`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from asgiworker.asgi.exchange import COMPLETE, STARTED, STREAMING, Exchange
from asgiworker.protocols.connection import Connection, Ends
from asgiworker.protocols.http2.floods import COMPLETED, OUTPUT, RESET, Budget
from asgiworker.protocols.http2.frame_headers import SIZE, FrameHeaders, Violation
from asgiworker.protocols.http2.header_list import HeaderList
from asgiworker.protocols.http2.nghttp2 import (
    ConnectionClosed,
    DataReceived,
    Engine,
    EngineError,
    ErrorCode,
    Flooded,
    PingAcknowledged,
    RequestReceived,
    SettingsReceived,
    StreamClosed,
    StreamReset,
    TrailersReceived,
    goaway_frame,
    push_enabled,
    window_overflows,
)
from asgiworker.protocols.http2.pings import FAREWELL, Leaving, Pings
from asgiworker.protocols.http2.requests import begin_request, call_applications, take_note
from asgiworker.protocols.http2.stream import Stream
from asgiworker.protocols.http2.windows import Windows
from asgiworker.protocols.lingering import Lingering
from asgiworker.protocols.service import NEVER, Service

logger = logging.getLogger("asgiworker.server")

WRITE = 65536  # bytes taken from nghttp2 at a time
BUFFERED = 4 * WRITE  # bytes that may wait for a client to read them, beside what waits in its streams
SLICE = 32768  # bytes given to nghttp2 at a time, so that what they cause is looked at in between


class HTTP2Connection(Connection):
    """One HTTP/2 connection. It begins as an `HTTP1Connection`, which hands it over."""

    __slots__ = (
        "acknowledge",
        "begun",
        "budget",
        "engine",
        "flush_due",
        "frames",
        "head_due",
        "idle_until",
        "last_stream",
        "look",
        "orphans",
        "over",
        "peer_finished",
        "pending",
        "pings",
        "queued",
        "receive",
        "started",
        "streams",
        "take_events",
        "take_output",
        "uncalled",
        "windows",
    )

    engine: Engine
    pings: Pings
    windows: Windows

    def __init__(self, service: Service, proxied: Ends = (None, None)) -> None:
        super().__init__(service, proxied)
        self.streams: dict[int, Stream] = {}  # open, or half closed
        self.last_stream = 0
        # Applications that were called, and may be done by the end of this turn of the loop.
        self.begun: list[tuple[Exchange, asyncio.Task[None]]] = []
        self.uncalled: list[Stream] = []  # their requests came with the latest bytes
        self.started: list[Stream] = []  # their responses have started, maybe without a body yet
        self.pending = False  # of those that have begun with the latest bytes, applications are at work
        self.flush_due = False  # the loop will flush, or the one who has set this
        self.orphans = 0  # applications at work whose clients have reset their streams
        self.budget = Budget(service.now)
        self.frames = FrameHeaders(self.budget)
        self.head_due = NEVER  # when a head, or the preface, has to be complete
        self.idle_until = NEVER  # when an idle connection is closed
        self.peer_finished = False  # the client has closed its sending side
        self.over = False  # nothing that the client still sends matters, and nothing more is sent to it

    # --- the connection begins

    def begin(self, data: bytes) -> None:
        """Take over from HTTP/1.1, with the bytes that it has received."""
        service, policy = self.service, self.service.policy
        self.engine = engine = service.sessions.open()
        self.windows = Windows(engine)
        self.pings = Pings(engine, policy.http2_ping_interval, policy.http2_ping_timeout, service.now)
        # PERF: what is called for each request is looked up once.
        self.receive, self.take_events = engine.receive_data, engine.events
        self.take_output, self.acknowledge = engine.data_to_send, engine.acknowledge_received_data
        self.queued = engine.queued_body_size
        self.look = self.frames.look
        # PERF: each pause of the transport costs a turn of the loop, for all streams.
        self.transport.set_write_buffer_limits(high=BUFFERED)
        self.idle_until = self.deadline  # for its first bytes
        if not self.admitted:
            self.break_off(ErrorCode.ENHANCE_YOUR_CALM, "too many connections")
            return
        if service.draining:
            self.retire()
        if data:
            self.data_received(data)
        else:
            self.flush()

    # --- bytes come

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self.over:
            return
        held, self.flush_due = self.flush_due, True
        self.pings.heard_at = self.service.now
        try:
            if len(data) > SLICE:
                self.receive_slices(data)
            else:
                seen = self.look(data, 0, self.streams)
                if seen == len(data):
                    self.receive(data)
                else:
                    self.receive_apart(data, seen)
                self.handle(self.take_events())
            if self.uncalled:
                call_applications(self)
            budget = self.budget
            if budget.left < 0 and budget.exhausted(self.service.now):
                raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "too many frames without progress")
            if self.frames.unfinished or self.head_due is not NEVER:
                self.await_head()
            if held:
                return
            if self.pending:
                # After the first steps of the tasks that began with this data.
                self.pending = False
                self.service.flush_later(self)
            else:
                self.flush_due = False
                self.flush()
        except Violation as violation:
            self.break_off(violation.code, str(violation))
        except EngineError as error:
            self.violated(error)
        except Exception as error:
            self.failed(error)

    def receive_slices(self, data: bytes) -> None:
        """Much has come at once."""
        for start in range(0, len(data), SLICE):
            if self.over:
                return
            part = data[start : start + SLICE]
            self.receive_apart(part, self.look(part, 0, self.streams))
            self.handle(self.take_events())
            if self.budget.left < 0 and self.budget.exhausted(self.service.now):
                raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "too many frames without progress")

    def receive_apart(self, data: bytes, seen: int) -> None:
        """Give nghttp2 what it may have; a window that overflows resets its stream (RFC 9113 §6.9.1)."""
        start = 0
        while seen < len(data):
            self.receive(data[start:seen])
            self.handle(self.take_events())
            start, update = seen + SIZE + 4, data[seen : seen + SIZE + 4]
            stream_id = int.from_bytes(update[5:9], "big")
            if stream_id in self.streams and window_overflows(self.engine, stream_id, update[SIZE:]):
                self.engine.reset_stream(stream_id, ErrorCode.FLOW_CONTROL_ERROR)
            else:
                self.receive(update)
            seen = self.look(data, start, self.streams)
        self.receive(data[start:])

    def await_head(self) -> None:
        """A head has begun, and gets its time; or it is complete."""
        if not self.frames.unfinished:
            self.head_due = NEVER
        elif self.head_due is NEVER:
            self.head_due = self.service.deadline(self.service.policy.timeout_head)
            self.deadline = min(self.deadline, self.head_due)

    def handle(self, events: list[Any]) -> None:
        """Do what nghttp2's events ask for."""
        for event in events:
            kind = type(event)
            if kind is RequestReceived:
                if not self.streams:  # it is idle no more
                    due = self.pings.due
                    self.deadline = due if self.head_due is NEVER else min(due, self.head_due)
                self.last_stream = event.stream_id
                begin_request(self, event.stream_id, event.headers, event.end_stream)
            elif kind is StreamClosed:
                self.stream_closed(event.stream_id, event.error_code)
            elif kind is DataReceived:
                self.receive_body(event.stream_id, event.data, event.end_stream)
            else:
                handler = HANDLERS.get(kind)
                if handler is not None:
                    handler(self, event)

    def receive_body(self, stream_id: int, data: bytes, complete: bool) -> None:
        """A part of a request's body has come."""
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.receive(data, complete)
        elif data:
            self.acknowledge(len(data), stream_id)

    def trailers_received(self, event: TrailersReceived) -> None:
        """A request's body has ended with trailers, for which ASGI has no message."""
        self.receive_body(event.stream_id, b"", True)

    def takes_pushes(self) -> bool:
        """Whether the client may be sent responses that it hasn't asked for; none after a GOAWAY."""
        return self.pings.leaving is Leaving.NO and push_enabled(self.engine)

    def push(self, promised: int, fields: HeaderList) -> None:
        """Have a response made that was promised on this stream, as if these fields had come."""
        begin_request(self, promised, fields, True)
        call_applications(self)
        self.flush_later()

    # --- what leaves

    def flush_later(self) -> None:
        """Send at the end of this turn of the loop what is there by then."""
        if not self.flush_due:
            self.flush_due = True
            self.service.flush_later(self)

    def end_turn(self) -> None:
        """The turn of the loop is over."""
        self.flush_due = False
        if self.begun:
            begun, self.begun = self.begun, []
            for exchange, task in begun:
                if not task.done():
                    take_note(self, exchange, task)
        if self.started:
            started, self.started = self.started, []
            for stream in started:
                begins = stream.exchange
                if begins is not None and begins.state is STARTED:
                    stream.send_head(begins)
                    begins.state = STREAMING
        self.flush()

    def flush(self) -> None:
        """Write what there is, as far as the client reads and its windows are open."""
        if self.over or self.transport.is_closing():
            return
        windows = self.windows
        while self.drain_waiter is None:
            output = self.take_output(WRITE)
            if output:
                windows.sent += len(output)
                self.budget.left += len(output) >> OUTPUT
                self.transport.write(output)
            events = self.take_events()
            if events:
                self.handle(events)
            if len(output) < WRITE:
                break
        if windows.unread:
            windows.reset_unread(self.streams)
        if windows.waiting:
            windows.resume()
        if self.write_deadline is NEVER and self.queued():
            self.watch_windows()
        if self.peer_finished and self.drain_waiter is None:
            windows.give_up(self.streams.values())

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        try:
            self.flush()
        except Exception as error:
            self.failed(error)

    # --- a stream ends

    def stream_closed(self, stream_id: int, code: int) -> None:
        """Both sides of a stream are closed, or it was reset by either."""
        stream = self.streams.pop(stream_id, None)
        if stream is None:
            if code:
                self.budget.left -= RESET  # a malformed request
        else:
            if code:
                if not stream.was_reset:
                    self.budget.left -= RESET  # the client made nghttp2 reset it
            elif stream.request_complete:
                self.frames.ended.add(stream_id)
                self.budget.left += COMPLETED
            exchange = stream.exchange
            if (
                exchange is None
                or exchange.state is not COMPLETE
                or stream.unacknowledged
                or stream.drain_waiter is not None
            ):
                stream.lost()
            # PERF: without this circle both are freed at once, and not by the garbage collector.
            stream.exchange = None
        if not self.streams:
            self.idle()

    def stream_reset(self, event: StreamReset) -> None:
        """The client has reset a stream."""
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.was_reset = True

    def idle(self) -> None:
        """No stream is left."""
        if self.over:
            return
        if self.pings.leaving is Leaving.FINAL or self.peer_finished:
            self.close()
        else:
            self.idle_until = self.service.now + self.service.idle
            self.deadline = self.idle_until
            if self.pings.due is not NEVER or self.head_due is not NEVER:
                self.deadline = min(self.idle_until, self.pings.due, self.head_due)

    # --- other frames

    def settings_received(self, event: SettingsReceived) -> None:
        """The client has told its settings: the connection is established."""
        if not self.streams:
            self.idle()

    def ping_acknowledged(self, event: PingAcknowledged) -> None:
        """A round trip is over: in a graceful end, what was on its way has come."""
        if self.pings.leaving is Leaving.NOTICE and event.opaque_data == FAREWELL:
            self.leave()

    def connection_closed(self, event: ConnectionClosed) -> None:
        """nghttp2 has ended the connection, and said so to the client, or has nothing left to do on it."""
        if self.pings.leaving is Leaving.FINAL:
            self.close()
        else:
            self.linger()

    # --- deadlines

    def sweep(self, now: float) -> None:
        """A deadline has passed."""
        if self.write_deadline <= now and not self.transport.get_write_buffer_size():
            self.sweep_windows()
        super().sweep(now)

    def watch_windows(self) -> None:
        """What is queued waits for windows: see how much of it, and when to look again."""
        self.windows.look(self.streams.values())
        self.write_deadline = self.service.deadline(self.service.policy.timeout_stall)

    def sweep_windows(self) -> None:
        """Reset the streams that the client has hardly read since the last look."""
        self.write_deadline = NEVER
        policy = self.service.policy
        enough = int(policy.body_rate * policy.timeout_stall) or 1
        for stream in self.windows.stalled(self.streams.values(), enough):
            logger.info("%s doesn't read a response; stream reset", self.peer())
            stream.reset(ErrorCode.CANCEL)
        self.flush()

    def overdue(self, now: float) -> None:
        """A deadline for the client's sending has passed."""
        if self.head_due <= now:
            self.break_off(ErrorCode.NO_ERROR, "a request's head took too long")
            return
        if self.pings.due <= now:
            self.ping_due(now)
        if self.streams:
            for stream in [stream for stream in self.streams.values() if stream.deadline <= now]:
                stream.overdue(now)
            self.flush()
        elif self.idle_until <= now:
            self.engine.terminate_connection(ErrorCode.NO_ERROR)
            self.flush()
            self.close()
        if not self.transport.is_closing():
            deadlines = [stream.deadline for stream in self.streams.values()] or [self.idle_until]
            self.deadline = min(self.head_due, self.pings.due, *deadlines)

    def ping_due(self, now: float) -> None:
        """It is time for a PING, or one wasn't answered in time."""
        pings = self.pings
        if pings.leaving is Leaving.NOTICE:
            self.leave()
        elif pings.unanswered():
            logger.info("%s doesn't answer a PING; connection aborted", self.peer())
            self.abort()
        elif pings.ask(now, busy=bool(self.streams)):
            self.flush()

    # --- the connection ends

    def retire(self) -> None:
        """The server stops: the client is told, and what it has sent by then is answered."""
        pings = self.pings
        try:
            if pings.leaving is Leaving.NO and not self.over and not self.transport.is_closing():
                pings.give_notice(self.service.now)
                self.flush()
                pings.follow_notice()
                self.deadline = min(self.deadline, pings.due)
                self.flush_later()
            for stream in list(self.streams.values()):
                stream.retire()
        except Exception as error:
            self.failed(error)

    def leave(self) -> None:
        """The second step of a graceful end: from now on nothing new is taken."""
        self.pings.leave()
        self.flush()
        if not self.streams:
            self.close()

    def violated(self, error: EngineError) -> None:
        """The client broke the connection's rules in a way that nghttp2 doesn't live on."""
        code = ErrorCode.ENHANCE_YOUR_CALM if isinstance(error, Flooded) else ErrorCode.PROTOCOL_ERROR
        logger.info("%s: %s", self.peer(), error)
        if not self.over and not self.transport.is_closing():
            self.transport.write(goaway_frame(self.last_stream, code))
            self.linger()

    def break_off(self, code: ErrorCode, reason: str) -> None:
        """End the connection for what the client does on it."""
        logger.info("%s: %s", self.peer(), reason)
        try:
            self.engine.terminate_connection(code)
            self.flush()
            if self.drain_waiter is not None:
                self.transport.write(self.take_output(WRITE))  # the GOAWAY goes behind what waits
        except EngineError:
            pass  # nghttp2 has ended it before
        self.linger()

    def linger(self) -> None:
        """All is said. On TLS there is no half-close: it has an end of its own."""
        if self.over or self.transport.is_closing():
            return
        self.over = True
        self.lose_streams()
        if self.transport.can_write_eof() and not self.peer_finished:
            Lingering(self)
        else:
            self.close()

    def lose_streams(self) -> None:
        """Tell the applications that their clients are gone."""
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            stream.lost()

    def eof_received(self) -> bool:
        """The client has closed its sending side; it may still read the answers to what it has asked."""
        if self.tls is not None or not self.streams:
            return False
        self.peer_finished = True
        for stream in list(self.streams.values()):
            stream.half_closed()
        self.flush()
        return bool(self.streams)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.over = True
        super().connection_lost(exc)
        self.lose_streams()

    def end(self) -> None:
        """The server has stopped: what isn't all sent is aborted, what was sent may be read."""
        if not self.streams and not self.transport.get_write_buffer_size():
            self.close()
        else:
            self.abort()


HANDLERS: dict[type, Callable[[HTTP2Connection, Any], None]] = {
    TrailersReceived: HTTP2Connection.trailers_received,
    StreamReset: HTTP2Connection.stream_reset,
    SettingsReceived: HTTP2Connection.settings_received,
    PingAcknowledged: HTTP2Connection.ping_acknowledged,
    ConnectionClosed: HTTP2Connection.connection_closed,
}
