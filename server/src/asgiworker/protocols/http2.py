"""HTTP/2 on one connection (RFC 9113): many requests at a time, each on a stream, in an exchange of its own.

nghttp2 frames, compresses and schedules (`nghttp2`). This module joins it to the exchanges: a request that
has come begins one, its body's windows are opened as the application takes it, and what all of a connection's
applications send in one turn of the loop leaves in one write.

The classes read in the order in which things happen: a connection begins, bytes come, a request begins on a
stream, its body arrives, it is answered, the stream ends, the connection ends.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable
from enum import Enum
from typing import Any

from asgiworker.asgi.exchange import CLOSED, COMPLETE, STARTED, STREAMING, Exchange
from asgiworker.asgi.scope import ASGI_VERSION, decode_path
from asgiworker.asgi.session import Opening
from asgiworker.asgi.types import Scope
from asgiworker.protocols.connection import Connection, Ends
from asgiworker.protocols.frame_headers import COMPLETED, OUTPUT, RESET, SIZE, FrameHeaders, Violation
from asgiworker.protocols.handshake import check_connect
from asgiworker.protocols.head import PLAIN, Refusal
from asgiworker.protocols.header_list import HeaderList, MalformedRequest
from asgiworker.protocols.nghttp2 import (
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
from asgiworker.protocols.service import IDLE_PATIENCE, NEVER, Service
from asgiworker.protocols.stream import LOW_WATER, Stream
from asgiworker.protocols.tunnel import Tunnel

logger = logging.getLogger("asgiworker.server")

WRITE = 65536  # bytes taken from nghttp2 at a time
BUFFERED = 4 * WRITE  # bytes that may wait for a client to read them, beside what waits in its streams
SLICE = 32768  # bytes given to nghttp2 at a time, so that what they cause is looked at in between
LINGER = 2.0  # seconds for a client to see a GOAWAY before its connection is closed
LINGER_BOUND = 4 * 1024 * 1024  # bytes read away meanwhile

EXTENSIONS: dict[str, object] = {
    "http.response.trailers": {},
    "http.response.early_hint": {},
    "http.response.push": {},
    "http.response.pathsend": {},
    "http.response.zerocopysend": {},
}


class Leaving(Enum):
    """How far a graceful end has come (RFC 9113 §6.8)."""

    NO = "new requests are welcome"
    NOTICE = "the client was told to send no more; what is on its way is still taken"
    FINAL = "what was taken is answered, no more is taken"


class HTTP2Connection(Connection):
    """One HTTP/2 connection. It begins as an `HTTP1Connection`, which hands it over."""

    __slots__ = (
        "acknowledge",
        "begun",
        "engine",
        "flush_due",
        "frames",
        "head_due",
        "heard_at",
        "idle_until",
        "last_stream",
        "leaving",
        "lingered",
        "lingering",
        "look",
        "orphans",
        "patience",
        "peer_finished",
        "pending",
        "pinged_at",
        "queued",
        "receive",
        "sent",
        "sent_seen",
        "started",
        "streams",
        "take_events",
        "take_output",
        "uncalled",
        "unread",
        "waiting",
    )

    engine: Engine

    def __init__(self, service: Service, proxied: Ends = (None, None)) -> None:
        super().__init__(service, proxied)
        self.streams: dict[int, Stream] = {}  # open, or half closed
        # Applications that were called, and may be done by the end of this turn of the loop.
        self.begun: list[tuple[Exchange, asyncio.Task[None]]] = []
        self.uncalled: list[Stream] = []  # their requests came with the latest bytes
        self.started: list[Stream] = []  # their responses have started, maybe without a body yet
        self.waiting: set[Stream] = set()  # their applications wait for a window
        self.unread: list[Stream] = []  # to be reset as soon as their answers are sent
        self.orphans = 0  # applications at work whose clients have reset their streams
        self.last_stream = 0
        self.frames = FrameHeaders(service.now)
        self.leaving = Leaving.NO
        self.peer_finished = False  # the client has closed its sending side
        self.head_due = NEVER  # when a head, or the preface, has to be complete
        self.sent = 0  # bytes that were written
        self.sent_seen = 0  # of these, when the sweep last looked
        self.idle_until = NEVER  # when an idle connection is closed
        self.patience = NEVER  # when the end of a graceful end is due, or a PING
        self.heard_at = service.now  # when the client last sent something
        self.pinged_at = 0.0  # when it was last asked to; 0 if it has answered
        self.pending = False  # of those that have begun with the latest bytes, applications are at work
        self.flush_due = False  # the loop will flush, or the one who has set this
        self.lingering = False  # nothing that the client still sends matters
        self.lingered = 0  # bytes read away since

    # --- the connection begins

    def begin(self, data: bytes) -> None:
        """Take over from HTTP/1.1, with the bytes that it has received."""
        service = self.service
        self.engine = engine = service.sessions.open()
        # PERF: what is called for each request is looked up once.
        self.receive, self.take_events = engine.receive_data, engine.events
        self.take_output, self.acknowledge = engine.data_to_send, engine.acknowledge_received_data
        self.queued = engine.queued_body_size
        self.look = self.frames.look
        # PERF: each pause of the transport costs a turn of the loop, for all streams.
        self.transport.set_write_buffer_limits(high=BUFFERED)
        self.idle_until = self.deadline  # for its first bytes
        if service.policy.http2_ping_interval:
            self.patience = service.deadline(service.policy.http2_ping_interval)
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
        held, self.flush_due = self.flush_due, True
        self.heard_at = self.service.now
        try:
            if len(data) > SLICE or self.lingering:
                self.receive_slices(data)
            else:
                seen = self.look(data, 0, self.streams)
                if seen == len(data):
                    self.receive(data)
                else:
                    self.receive_apart(data, seen)
                self.handle(self.take_events())
            if self.uncalled:
                self.call_applications()
            frames = self.frames
            if frames.budget < 0 and frames.exhausted(self.service.now):
                raise Violation(ErrorCode.ENHANCE_YOUR_CALM, "too many frames without progress")
            if frames.unfinished or self.head_due is not NEVER:
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
            if self.lingering:
                self.lingered += len(data) - start
                if self.lingered > LINGER_BOUND:
                    self.abort()
                return
            part = data[start : start + SLICE]
            self.receive_apart(part, self.look(part, 0, self.streams))
            self.handle(self.take_events())
            if self.frames.budget < 0 and self.frames.exhausted(self.service.now):
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
        elif self.head_due is NEVER and not self.lingering:
            self.head_due = self.service.deadline(self.service.policy.timeout_head)
            self.deadline = min(self.deadline, self.head_due)

    def handle(self, events: list[Any]) -> None:
        """Do what nghttp2's events ask for."""
        for event in events:
            kind = type(event)
            if kind is RequestReceived:
                self.begin_request(event.stream_id, event.headers, event.end_stream)
            elif kind is StreamClosed:
                self.stream_closed(event.stream_id, event.error_code)
            elif kind is DataReceived:
                self.receive_body(event.stream_id, event.data, event.end_stream)
            else:
                handler = HANDLERS.get(kind)
                if handler is not None:
                    handler(self, event)

    # --- a request begins

    def begin_request(self, stream_id: int, fields: HeaderList, complete: bool) -> None:
        """A request's head has come: begin its exchange, and call the application."""
        service = self.service
        if not self.streams:
            self.deadline = self.patience if self.head_due is NEVER else min(self.patience, self.head_due)
        self.last_stream = stream_id
        if self.orphans >= service.policy.http2_max_concurrent_streams:
            self.engine.reset_stream(stream_id, ErrorCode.REFUSED_STREAM)
            return
        stream = self.streams[stream_id] = Stream(self, stream_id, complete)
        try:
            stream.head = head = service.header_lists.read(fields)
            method, target, headers, names, routing = head
            if routing is not PLAIN and 0 < service.policy.limit_body < routing.length:
                raise Refusal(413, f"request body longer than {service.policy.limit_body} bytes")
            if service.limit_requests <= len(service.running) + len(self.uncalled):
                raise Refusal(503, "too many requests at once")
            if method == "CONNECT":
                self.begin_websocket(stream, complete)
                return
        except Refusal as refusal:
            stream.refuse(refusal, fields)
            return
        except MalformedRequest as error:
            logger.info("%s: malformed request: %s", self.peer(), error)
            self.engine.reset_stream(stream_id, ErrorCode.PROTOCOL_ERROR)
            return
        raw_path, _, query = target.partition(b"?")
        scope: Scope = {
            "type": "http",
            "asgi": ASGI_VERSION.copy(),
            "http_version": "2",
            "method": method,
            "scheme": self.scheme,
            "path": decode_path(raw_path) if raw_path.find(b"%") >= 0 else raw_path.decode("ascii"),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": service.root_path,
            "headers": headers,
            "client": self.client,
            "server": self.server,
            "state": service.state.copy(),
            "extensions": EXTENSIONS.copy(),
        }
        stream.client = self.complete_scope(scope, headers, names) if self.unusual else self.client
        exchange = stream.exchange = Exchange(stream, scope, method == "HEAD", not complete)
        if service.record is not None:
            exchange.started_at = time.perf_counter()
        if not complete:
            stream.expect_body()
        self.uncalled.append(stream)

    def call_applications(self) -> None:
        """Call the applications of the requests that have come.

        What came of their bodies together with their heads is there before they ask for it.
        """
        service = self.service
        uncalled, self.uncalled = self.uncalled, []
        for stream in uncalled:
            exchange = stream.exchange
            if exchange is None or exchange.state is CLOSED:
                continue  # it was reset meanwhile, or refused for its body
            # A fresh copy of the service's context: nothing leaks from request to request.
            task = service.start(exchange.run(service.app), context=service.context.copy())
            if not task.done():
                self.pending = True
                if service.defers:
                    # PERF: most are done when their first step is; only of the others is note taken, then.
                    self.begun.append((exchange, task))
                else:
                    exchange.task = task
                    service.running.add(exchange)
                    if exchange.state is STARTED:
                        self.started.append(stream)

    def begin_websocket(self, stream: Stream, complete: bool) -> None:
        """The request is an extended CONNECT (RFC 8441): call the application, which answers it.

        Raises:
            Refusal: it asks for another protocol, is no handshake in order, or there are too many.
        """
        service = self.service
        _, target, headers, names, _ = stream.head
        if names[b":protocol"] != b"websocket":
            raise Refusal(501, "the only protocol of an extended CONNECT is websocket")
        if complete:
            raise Refusal(400, "a WebSocket handshake doesn't end its stream")
        handshake = check_connect(headers, names, service.policy)
        if service.limit_websockets <= len(service.websockets):
            raise Refusal(503, "too many WebSockets at once")
        raw_path, _, query = target.partition(b"?")
        tunnel = self.streams[stream.id] = Tunnel(self, stream.id, handshake)
        tunnel.head = stream.head
        scope, tunnel.client = self.websocket_scope(
            "2", decode_path(raw_path), raw_path, query, headers, names, handshake
        )
        opening = tunnel.exchange = tunnel.opening = Opening(
            tunnel, scope, handshake.subprotocols, service.policy.ws_max_queue
        )
        opening.started_at = time.perf_counter()
        service.open(opening.session)
        self.pending = True

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
        return self.leaving is Leaving.NO and push_enabled(self.engine)

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
                    self.take_note(exchange, task)
        if self.started:
            started, self.started = self.started, []
            for stream in started:
                head_due = stream.exchange
                if head_due is not None and head_due.state is STARTED:
                    stream.send_head(head_due)
                    head_due.state = STREAMING
        self.flush()

    def take_note(self, exchange: Exchange, task: asyncio.Task[None]) -> None:
        """An application has made its first step, and isn't done."""
        stream: Stream = exchange.carrier  # type: ignore[assignment]
        exchange.task = task
        self.service.running.add(exchange)
        if exchange.state is STARTED:
            self.started.append(stream)
        elif exchange.state is CLOSED:
            stream.abandon(exchange)  # again, for now there is a task to be cancelled

    def flush(self) -> None:
        """Write what there is, as far as the client reads and its windows are open."""
        if self.transport.is_closing():
            return
        while self.drain_waiter is None:
            output = self.take_output(WRITE)
            if output:
                self.sent += len(output)
                self.frames.budget += len(output) >> OUTPUT
                self.transport.write(output)
            events = self.take_events()
            if events:
                self.handle(events)
            if len(output) < WRITE:
                break
        if self.unread:
            self.reset_unread()
        if self.waiting:
            self.resume_streams()
        if self.write_deadline is NEVER and self.queued():
            self.watch_windows()
        if self.peer_finished and self.drain_waiter is None:
            self.give_up_streams()

    def reset_unread(self) -> None:
        """Let clients send no more of requests that are answered already (RFC 9113 §8.1)."""
        unread, self.unread = self.unread, []
        for stream in unread:
            if self.streams.get(stream.id) is stream and not stream.request_complete:
                if stream.is_sent():
                    stream.reset(ErrorCode.NO_ERROR)
                else:
                    self.unread.append(stream)  # the answer comes first

    def give_up_streams(self) -> None:
        """The client has closed its sending side: windows that are closed stay closed."""
        for stream in list(self.streams.values()):
            exchange = stream.exchange
            done = exchange is None or exchange.state is COMPLETE
            if not stream.was_reset and (self.queued(stream.id) or (done and not stream.is_sent())):
                stream.reset(ErrorCode.CANCEL)

    def resume_streams(self) -> None:
        """Let those applications go on whose streams have room again."""
        for stream in list(self.waiting):
            if self.queued(stream.id) <= LOW_WATER:
                stream.resume()

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
        frames = self.frames
        if stream is None:
            if code:
                frames.budget -= RESET  # a malformed request
        else:
            if code:
                if not stream.was_reset:
                    frames.budget -= RESET  # the client made nghttp2 reset it
            elif stream.request_complete:
                frames.ended.add(stream_id)
                frames.budget += COMPLETED
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
        if self.leaving is Leaving.FINAL or self.peer_finished:
            self.close()
        elif not self.lingering:
            self.idle_until = self.service.now + self.service.idle
            self.deadline = self.idle_until
            if self.patience is not NEVER or self.head_due is not NEVER:
                self.deadline = min(self.idle_until, self.patience, self.head_due)

    # --- other frames

    def settings_received(self, event: SettingsReceived) -> None:
        """The client has told its settings: the connection is established."""
        if not self.streams:
            self.idle()

    def ping_acknowledged(self, event: PingAcknowledged) -> None:
        """A round trip is over: in a graceful end, what was on its way has come."""
        if self.leaving is Leaving.NOTICE:
            self.leave()

    def connection_closed(self, event: ConnectionClosed) -> None:
        """nghttp2 has ended the connection, and said so to the client, or has nothing left to do on it."""
        if self.leaving is Leaving.FINAL:
            self.close()
        else:
            self.linger()

    # --- deadlines

    def sweep(self, now: float) -> None:
        """A deadline has passed."""
        if self.write_deadline <= now and not self.transport.get_write_buffer_size() and not self.lingering:
            self.sweep_windows()
        super().sweep(now)

    def watch_windows(self) -> None:
        """What is queued waits for windows: see how much of it, and when to look again."""
        self.sent_seen = self.sent
        for stream in self.streams.values():
            stream.queue_seen = self.queued(stream.id)
            stream.taken_seen = stream.written - stream.queue_seen
        self.write_deadline = self.service.deadline(self.service.policy.timeout_stall)

    def sweep_windows(self) -> None:
        """Reset the streams that the client has hardly read since the last look.

        One that only waits for the others of its connection is left alone, as long as they make progress.
        """
        self.write_deadline = NEVER
        policy = self.service.policy
        enough = int(policy.body_rate * policy.timeout_stall) or 1
        reading = self.sent - self.sent_seen >= enough
        for stream in list(self.streams.values()):
            queued = self.queued(stream.id)
            if not queued or not stream.queue_seen:
                continue
            taken = stream.written - queued - stream.taken_seen
            if taken >= min(enough, stream.queue_seen):
                continue
            if not reading or self.engine.stream_remote_window_size(stream.id) <= 0:
                logger.info("%s doesn't read a response; stream reset", self.peer())
                stream.reset(ErrorCode.CANCEL)
        self.flush()

    def overdue(self, now: float) -> None:
        """A deadline for the client's sending has passed."""
        if self.lingering:
            if self.transport.get_write_buffer_size():
                self.deadline = self.service.deadline(LINGER)
            else:
                self.abort()
            return
        if self.head_due <= now:
            self.break_off(ErrorCode.NO_ERROR, "a request's head took too long")
            return
        if self.patience <= now:
            self.patience = NEVER
            if self.leaving is Leaving.NO:
                self.ask(now)
            elif self.leaving is Leaving.NOTICE:
                self.leave()
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
            self.deadline = min(self.head_due, self.patience, *deadlines)

    def ask(self, now: float) -> None:
        """Send a PING to a client that has open requests, and hasn't been heard of for a while."""
        policy = self.service.policy
        if self.pinged_at > self.heard_at:
            logger.info("%s doesn't answer a PING; connection aborted", self.peer())
            self.abort()
            return
        self.pinged_at = 0.0
        quiet_until = self.heard_at + policy.http2_ping_interval
        if quiet_until <= now and self.streams:
            self.pinged_at = now
            self.engine.ping()
            self.flush()
            self.patience = now + (policy.http2_ping_timeout or NEVER)
        else:
            self.patience = max(quiet_until, now + policy.http2_ping_interval / 4)

    # --- the connection ends

    def retire(self) -> None:
        """The server stops: the client is told, and what it has sent by then is answered."""
        self.take_leave()
        for stream in list(self.streams.values()):
            stream.retire()

    def take_leave(self) -> None:
        """The first step of a graceful end: ask the client to send nothing new."""
        if self.leaving is Leaving.NO and not self.lingering:
            self.leaving = Leaving.NOTICE
            self.engine.send_shutdown_notice()
            self.engine.ping()
            self.patience = self.service.now + IDLE_PATIENCE
            self.deadline = min(self.deadline, self.patience)
            self.flush_later()

    def leave(self) -> None:
        """The second step of a graceful end: from now on nothing new is taken."""
        self.leaving = Leaving.FINAL
        self.engine.send_goaway(ErrorCode.NO_ERROR)
        self.flush()
        if not self.streams:
            self.close()

    def violated(self, error: EngineError) -> None:
        """The client broke the connection's rules in a way that nghttp2 doesn't live on."""
        code = ErrorCode.ENHANCE_YOUR_CALM if isinstance(error, Flooded) else ErrorCode.PROTOCOL_ERROR
        logger.info("%s: %s", self.peer(), error)
        if not self.lingering and not self.transport.is_closing():
            self.transport.write(goaway_frame(self.last_stream, code))
            self.linger()

    def break_off(self, code: ErrorCode, reason: str) -> None:
        """End the connection for what the client does on it."""
        logger.info("%s: %s", self.peer(), reason)
        try:
            self.engine.terminate_connection(code)
            self.flush()
        except EngineError:
            pass  # nghttp2 has ended it before
        self.linger()

    def linger(self) -> None:
        """Close our side, and read away for a while what the client still sends.

        Closing with unread data would reset the connection, and could take the GOAWAY with it.
        """
        if self.lingering or self.transport.is_closing():
            return
        self.lingering = True
        self.lose_streams()
        if not self.transport.can_write_eof():
            self.close()
            return
        service = self.service
        self.deadline = service.deadline(LINGER)
        self.write_deadline = service.deadline(service.policy.timeout_stall)
        self.write_mark = self.transport.get_write_buffer_size()
        self.transport.write_eof()

    def lose_streams(self) -> None:
        """Tell the applications that their clients are gone."""
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            stream.lost()

    def eof_received(self) -> bool:
        """The client has closed its sending side; it may still read the answers to what it has asked."""
        if self.lingering or self.tls is not None or not self.streams:
            return False
        self.peer_finished = True
        for stream in list(self.streams.values()):
            stream.half_closed()
        self.flush()
        return bool(self.streams)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.lingering = True
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


def takes_prior_knowledge(connection: Connection) -> bool:
    """Whether a client may begin with HTTP/2 on a connection without TLS."""
    policy = connection.service.policy
    if not policy.http2 or policy.h2c == "off" or connection.tls is not None:
        return False
    return policy.h2c == "on" or is_local(connection.transport.get_extra_info("sockname"))


def is_local(address: object) -> bool:
    """Whether a socket's own address is one of the loopback, or a path."""
    if not isinstance(address, tuple):
        return True
    try:
        host = ipaddress.ip_address(address[0].partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(host, "ipv4_mapped", None)
    return (mapped or host).is_loopback
