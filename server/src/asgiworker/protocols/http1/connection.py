"""HTTP/1.1 and 1.0 on one connection (RFC 9112): one request after the other, each in an exchange of its own.

A connection keeps what it hasn't understood yet in `buffer`, and works on one request at a time: what a
pipelining client sends ahead stays there, unparsed and bounded, until the response before it is complete and
the client has read enough of it.

The class reads in the order in which a request lives: bytes come, a head is read, the exchange begins, its
body arrives, and the connection goes on to the next request or ends. How it is answered stands in `response`.
"""

from __future__ import annotations

import logging
import time
from functools import partial

from asgiworker.asgi.exchange import (
    COMPLETE,
    STARTED,
    WAITING,
    Exchange,
    forgo,
)
from asgiworker.asgi.scope import ASGI_VERSION
from asgiworker.asgi.session import Opening, Session
from asgiworker.asgi.types import Address, Headers, Scope
from asgiworker.protocols.connection import Ends
from asgiworker.protocols.http1.chunked import ChunkedDecoder
from asgiworker.protocols.http1.head import EMPTY_LINES, REQUEST_LINE, Head
from asgiworker.protocols.http1.response import DRAIN_BOUND, STATUS_LINES, ResponseSide
from asgiworker.protocols.http2.connection import HTTP2Connection
from asgiworker.protocols.http2.nghttp2 import PREFACE
from asgiworker.protocols.http2.prior_knowledge import takes_prior_knowledge
from asgiworker.protocols.lingering import Lingering
from asgiworker.protocols.request import PLAIN, Refusal, Routing
from asgiworker.protocols.service import NEVER, Service
from asgiworker.protocols.websocket.handshake import Handshake, check_upgrade
from asgiworker.protocols.websocket.upgrade import WebSocketConnection
from asgiworker.protocols.websocket.websocket import WebSocket

logger = logging.getLogger("asgiworker.server")

HIGH_WATER = 65536  # bytes of request that may wait before reading pauses
HTTP2_HEAD = PREFACE[: PREFACE.index(b"SM")]  # what of HTTP/2's preface looks like a request


EXTENSIONS: dict[str, object] = {
    "http.response.trailers": {},
    "http.response.early_hint": {},
    "http.response.pathsend": {},
    "http.response.zerocopysend": {},
}


class HTTP1Connection(ResponseSide):
    """One HTTP/1.x connection; also the carrier of its current exchange."""

    speaks_http2 = True  # if it is asked to, and the settings allow it

    __slots__ = (
        "awaiting_head",
        "body_received",
        "body_seen",
        "discard_left",
        "handshake",
        "head_size",
        "over",
        "ready",
        "request_client",
        "scanned",
    )

    handshake: Handshake  # of the WebSocket that is asked for

    def __init__(self, service: Service, proxied: Ends = (None, None)) -> None:
        super().__init__(service, proxied)
        self.ready = True  # between requests, with nothing received, nothing unsent and nothing wrong
        self.awaiting_head = False  # a head has begun, and its deadline runs
        self.scanned = 0  # bytes of it that were looked through
        self.over = False  # another protocol has taken over, or there is nothing more to say
        # The request at hand.
        self.head_size = 0
        self.request_client: Address | None = None  # who sent it, by the word of a trusted proxy
        # Its body.
        self.body_received = 0
        self.body_seen = 0  # of these, when the sweep last looked
        self.discard_left = 0  # bytes that may still be read away, after a response that came early

    # --- bytes come

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        try:
            # PERF: nearly always this is one whole head without a body, from a client that awaits the answer.
            if self.ready:
                end = data.find(b"\r\n\r\n", 0, self.service.head_bound)
                if end > 0 and end + 4 == len(data):
                    self.begin(data)
                    return
            self.ready = False
            self.buffer = self.buffer + data if self.buffer else data
            self.advance()
        except Exception as error:
            self.failed(error)

    def advance(self) -> None:
        """Understand as much of the buffer as can be understood now."""
        while self.buffer and not self.transport.is_closing():
            if self.over:
                self.buffer = b""
            elif self.body_left or self.decoder is not None:
                self.receive_body()
            elif self.exchange is not None or self.drain_waiter is not None:
                # Pipelined: it waits until the response before it is complete, and the client reads.
                if len(self.buffer) > HIGH_WATER:
                    self.pause_reading()
                return
            elif not self.receive_head():
                return

    def resume(self) -> None:
        """Go on with what has come meanwhile; called by the loop, in the context of no request."""
        try:
            self.advance()
            if self.exchange is None and self.drain_waiter is None:
                self.resume_reading()
                self.ready = not (self.buffer or self.over)
                if self.peer_finished and not self.transport.is_closing():
                    self.close()
        except Exception as error:
            self.failed(error)

    def receive_head(self) -> bool:
        """Begin the next exchange if its head is complete; say whether there was anything to do."""
        buffer = self.buffer
        if empty := EMPTY_LINES.match(buffer):
            self.buffer = buffer[empty.end() :]
            return True
        end = buffer.find(b"\r\n\r\n", max(0, self.scanned - 3), self.service.head_bound)
        if end < 0:
            self.wait_for_head()
            return False
        data, self.buffer = buffer[: end + 4], buffer[end + 4 :]
        self.begin(data)
        return True

    def wait_for_head(self) -> None:
        """A head has begun: refuse at once what can't become one, and give the rest its time."""
        buffer, service = self.buffer, self.service
        if buffer == b"\r":
            return  # an empty line, as yet
        try:
            service.parser.check_beginning(buffer, self.scanned)
        except Refusal as refusal:
            self.refuse(refusal, buffer)
            return
        self.scanned = len(buffer)
        if not self.awaiting_head:
            self.awaiting_head = True
            self.deadline = service.deadline(service.policy.timeout_head)

    # --- the exchange begins

    def begin(self, data: bytes) -> None:
        """A head is complete: begin its exchange, and call the application."""
        service = self.service
        self.ready = self.awaiting_head = False
        self.scanned = 0
        self.head_size = len(data)
        try:
            self.head = head = service.parser.parse(data)
            method, _, version, headers, names, routing, path, raw_path, query = head
            if routing is not PLAIN:
                if 0 < service.policy.limit_body < routing.length:
                    raise Refusal(413, f"request body longer than {service.policy.limit_body} bytes")
                # Any other protocol that the client would rather speak is ignored (RFC 9110 §7.8).
                if b"websocket" in routing.upgrade and service.policy.ws:
                    self.begin_websocket(head)
                    return
            if service.limit_requests <= len(service.running):
                raise Refusal(503, "too many requests at once")
        except Refusal as refusal:
            if data == HTTP2_HEAD and self.head is None and self.speaks_http2 and takes_prior_knowledge(self):
                self.continue_as_http2(data + self.buffer)
            else:
                self.refuse(refusal, data)
            return
        self.routing = routing
        self.keep_alive = routing.keep_alive
        self.request_client = self.client
        scope: Scope = {
            "type": "http",
            "asgi": ASGI_VERSION.copy(),
            "http_version": version,
            "method": method,
            "scheme": self.scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": service.root_path,
            "headers": headers,
            "client": self.client,
            "server": self.server,
            "state": service.state.copy(),
            "extensions": EXTENSIONS.copy(),
        }
        if self.unusual:
            self.request_client = self.complete_scope(scope, headers, names)
        has_body = routing is not PLAIN and (routing.chunked or routing.length > 0)
        exchange = self.exchange = Exchange(self, scope, method == "HEAD", has_body)
        if service.record is not None:
            exchange.started_at = time.perf_counter()
        self.deadline = NEVER
        if has_body:
            self.expect_body(routing)
            if self.exchange is not exchange:
                return  # its body was refused
        # A fresh copy of the service's context: nothing leaks from request to request.
        task = service.start(exchange.run(service.app), context=service.context.copy())
        if not task.done():
            exchange.task = task
            service.running.add(exchange)
            if exchange.state is STARTED:
                self.flush_later()

    # --- or another protocol

    def continue_as_http2(self, data: bytes) -> None:
        """The client speaks HTTP/2 from here on; these are its first bytes."""
        successor = HTTP2Connection(self.service)
        self.buffer = b""
        self.over = True
        self.hand_over(successor)
        successor.begin(data)

    # --- or a WebSocket

    def begin_websocket(self, head: Head) -> None:
        """The request is the opening handshake of a WebSocket: call the application, which answers it.

        Raises:
            Refusal: it is none that is in order, or there are too many.
        """
        service = self.service
        method, _, version, headers, names, routing, path, raw_path, query = head
        handshake = check_upgrade(method, headers, names, routing, service.policy)
        if service.limit_websockets <= len(service.websockets):
            raise Refusal(503, "too many WebSockets at once")
        self.routing = routing
        self.keep_alive = False  # what follows is a WebSocket or, after another answer, nothing
        scope, self.request_client = self.websocket_scope(
            version, path, raw_path, query, headers, names, handshake
        )
        opening = self.exchange = Opening(self, scope, handshake.subprotocols, service.policy.ws_max_queue)
        self.handshake = handshake
        opening.started_at = time.perf_counter()
        self.deadline = NEVER
        if self.peer_finished:
            opening.disconnect()  # it was in a hurry, and is gone before its turn came
        service.open(opening.session)

    def accept_websocket(self, session: Session, subprotocol: str | None, headers: Headers) -> WebSocket:
        """The application accepts: from here on this is another protocol's connection."""
        service, opening, handshake = self.service, session.opening, self.handshake
        fields = handshake.fields(subprotocol) + headers
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n%b%b\r\n"
            % (
                b"".join([b"%b: %b\r\n" % field for field in fields]),
                service.fields_without({name.lower() for name, _ in headers}),
            )
        )
        opening.status, opening.headers, opening.state = 101, fields, COMPLETE
        ended = partial(self.websocket_ended, opening)
        data, self.buffer, self.exchange = self.buffer, b"", None
        connection = WebSocketConnection(self, session, handshake.deflate, ended)
        self.over = True
        connection.begin(data)
        return connection.websocket

    def websocket_ended(self, opening: Exchange, sent: int) -> None:
        """A WebSocket is over, of so many bytes: that was one request, and a long one."""
        opening.sent = sent
        self.record(opening)
        self.service.answered()

    # --- its body arrives

    def expect_body(self, routing: Routing) -> None:
        """A body follows the head; what has come of it is there before the application asks."""
        self.body_left = routing.length
        self.decoder = None
        if routing.chunked and self.head is not None:
            self.decoder = ChunkedDecoder(self.service.policy, len(self.head[3]), self.head_size)
        self.body_received = self.body_seen = 0
        self.continue_due = routing.expects_continue
        self.deadline = self.service.deadline(self.service.policy.timeout_body)
        if self.buffer:
            self.receive_body()

    def receive_body(self) -> None:
        """Give the exchange what the buffer has of its body; once its response is complete, read it away."""
        exchange, data = self.exchange, self.buffer
        assert exchange is not None
        self.buffer = b""
        self.continue_due = False
        if self.decoder is None:
            if len(data) > self.body_left:
                data, self.buffer = data[: self.body_left], data[self.body_left :]
            self.body_left -= len(data)
            complete = not self.body_left
        else:
            try:
                data = b"".join(self.decoder.decode(data))
            except Refusal as refusal:
                self.refuse(refusal)
                return
            complete = self.decoder.complete
            if complete:
                self.buffer, self.decoder = self.decoder.rest, None
        self.body_received += len(data)
        if exchange.state is COMPLETE:
            self.discard_left -= len(data)
            if complete:
                self.next_exchange()
            elif self.discard_left < 0:
                self.linger()
            return
        if 0 < self.service.policy.limit_body < self.body_received:
            self.refuse(Refusal(413, f"request body longer than {self.service.policy.limit_body} bytes"))
            return
        exchange.feed(data, complete)
        if complete:
            self.deadline = NEVER
        elif exchange.buffered > HIGH_WATER:
            self.pause_reading()

    def demand_body(self, exchange: Exchange) -> None:
        """The application wants more body: send 100 Continue if the client waits for it, and read on."""
        if self.continue_due:
            self.continue_due = False
            if exchange.state is WAITING or exchange.state is STARTED:  # RFC 9110 §10.1.1: not after the head
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.reading_paused:
            # The client was held back: its time begins anew.
            self.body_seen = self.body_received
            self.deadline = self.service.deadline(self.service.policy.timeout_body)
            self.resume_reading()

    def application_done(self, exchange: Exchange) -> None:
        """An application that was suspended in between has returned."""
        self.service.running.discard(exchange)

    def application_failed(self, exchange: Exchange, answer: bool = True) -> None:
        """The response will never be completed: 500 if nothing of it was sent, else it is broken off."""
        unanswered = exchange.state is WAITING or exchange.state is STARTED
        if unanswered and answer:
            exchange.status = 500
            exchange.headers = [(b"content-type", b"text/plain; charset=utf-8")]
            exchange.lines = [b"content-type: text/plain; charset=utf-8\r\n"]
            exchange.remaining = None
            exchange.own_fields = exchange.close = exchange.trailers_expected = False
            exchange.state = COMPLETE
            body = b"Internal Server Error"
            exchange.sent = len(body)
            forgo(self.send_response(exchange, body))
        else:
            if unanswered:
                exchange.status = 0  # for the access log: whatever it was to be, nobody got it
            self.record(exchange)
            self.flush()
            exchange.closed()
            self.exchange = None
            # The end of the connection says enough, but where it would have ended the body anyway.
            if unanswered or self.chunking or exchange.remaining is not None:
                self.close()
            else:
                self.abort()

    # --- the connection goes on, or ends

    def finish(self, exchange: Exchange) -> None:
        """A response is complete."""
        service = self.service
        if service.record is not None:
            self.record(exchange)
        if exchange.waiter is not None:
            exchange.disconnect()  # whoever still waits in receive() learns that it is over
        if service.requests_left is not NEVER:
            service.answered()
        if self.body_left or self.decoder is not None:
            self.discard_left = DRAIN_BOUND
            if self.keep_alive:
                self.resume_reading()
            else:
                self.linger()
        elif not self.keep_alive:
            if self.buffer or self.reading_paused:
                self.linger()  # the client has sent on
            else:
                self.exchange = None
                self.close()
        elif self.buffer or self.reading_paused or self.peer_finished or self.drain_waiter is not None:
            self.next_exchange()
        else:
            # PERF: `next_exchange`, with nothing to go on with.
            self.exchange = None
            self.deadline = service.now + service.idle
            self.ready = True

    def next_exchange(self) -> None:
        """Request and response are complete: go on with what has come meanwhile, or wait."""
        service = self.service
        self.exchange = None
        self.deadline = service.now + service.idle
        if self.drain_waiter is None:
            # Not at once: this may be the application's `send()`, and its context isn't the next request's.
            service.loop.call_soon(self.resume, context=service.context)

    def resume_writing(self) -> None:
        """The client has read enough: go on with a request that waited for that, too."""
        super().resume_writing()
        if self.exchange is None and not self.over:
            self.service.loop.call_soon(self.resume, context=self.service.context)

    def refuse(self, refusal: Refusal, data: bytes = b"") -> None:
        """Answer a request with an error, and close: what follows can't be trusted to be a request.

        Args:
            refusal: the status and the reason.
            data: the head of the request, or what came of it, if it has no exchange yet.
        """
        exchange, service = self.exchange, self.service
        logger.info("%s: %d %s", self.peer(), refusal.status, refusal.reason)
        if exchange is not None and exchange.state is COMPLETE:
            self.linger()  # it has its response; only what followed it was wrong
            return
        if exchange is not None and exchange.state not in (WAITING, STARTED):
            self.application_failed(exchange)  # its response is under way: only a broken connection says so
            return
        data = data.lstrip(b"\r\n")
        line = REQUEST_LINE.match(data)
        is_head = exchange.is_head if exchange is not None else data.startswith(b"HEAD ")
        body = b"" if is_head else f"{refusal.status} {refusal.reason}\n".encode()
        fields = b"" if is_head else b"content-length: %d\r\n" % len(body)
        if refusal.status == 503:
            fields += b"retry-after: 1\r\n"
        fields += b"".join([b"%b: %b\r\n" % field for field in refusal.headers])
        own = [b"content-type", b"content-length", b"connection", b"retry-after"]
        if self.tls is None and service.policy.hsts:
            own.append(b"strict-transport-security")  # RFC 6797 §7.2
        fields += service.fields_without(own)
        # RFC 9110 §7.8: who sends Upgrade, names it in Connection.
        options = b"close, upgrade" if refusal.status == 426 else b"close"
        self.transport.write(
            b"%bcontent-type: text/plain; charset=utf-8\r\n%bconnection: %b\r\n\r\n%b"
            % (STATUS_LINES[refusal.status], fields, options, body)
        )
        if exchange is not None:
            exchange.status, exchange.headers, exchange.sent = refusal.status, [], len(body)
            self.record(exchange)
            self.exchange = None
            exchange.closed()
            if service.policy.cancel_on_disconnect:
                exchange.cancel()
        elif service.record is not None:
            method, target, version = "-", data[:64].partition(b"\r")[0], "1.1"
            headers: Headers = []
            if line is not None:
                method, target, version = line[1].decode("ascii"), line[2], line[3].decode("ascii")
            service.record(
                (
                    time.time(),
                    0.0,
                    self.client,
                    method,
                    target,
                    version,
                    refusal.status,
                    len(body),
                    headers,
                    [],
                )
            )
        self.linger()

    def record(self, exchange: Exchange) -> None:
        """Note the exchange for the access log."""
        if self.service.record is not None and self.head is not None:
            method, target, version, headers, _, _, _, _, _ = self.head
            status = exchange.status or 499  # the client went away before there was a status
            answered = exchange.headers if exchange.status else []
            duration = time.perf_counter() - exchange.started_at
            self.service.record(
                (time.time(), duration, self.request_client, method, target, version, status, exchange.sent,
                 headers, answered)
            )  # fmt: skip

    def linger(self) -> None:
        """All is said. On TLS there is no half-close: it has an end of its own."""
        self.over = True
        self.ready = self.keep_alive = False
        self.exchange = None
        self.buffer = b""
        self.body_left, self.decoder = 0, None
        if self.transport.can_write_eof() and not self.peer_finished:
            Lingering(self)
        else:
            self.close()

    def connection_made(self, transport: object) -> None:
        """A client has connected; what breaks in our own code is its end alone."""
        self.transport = transport  # type: ignore[assignment]
        try:
            self.greet()
        except Exception as error:
            self.failed(error)

    def greet(self) -> None:
        """See who has connected, and what it speaks."""
        super().connection_made(self.transport)
        if self.transport.is_closing():
            return  # it has gone
        if getattr(self.transport.get_extra_info("ssl_object"), "plain", False):
            self.refuse(Refusal(400, "this port speaks HTTPS, and the request came in plain HTTP"))
            return
        if self.tls is not None and self.service.policy.http2:
            encrypted = self.transport.get_extra_info("ssl_object")
            if encrypted.selected_alpn_protocol() == "h2":
                self.continue_as_http2(b"")
                return
        if not self.admitted:
            self.refuse(Refusal(503, "too many connections"))

    def eof_received(self) -> bool:
        """The client has closed its sending side; it may still read (RFC 9112 §9.6 allows a half-close)."""
        self.peer_finished = True
        exchange = self.exchange
        if self.over or self.tls is not None or self.body_left or self.decoder is not None:
            return False  # nothing more can be made of it
        if exchange is None:
            # A whole request may wait for `resume`, or the end of the last response for its reader.
            return (bool(self.buffer) or self.drain_waiter is not None) and not self.awaiting_head
        exchange.disconnect()
        if self.service.policy.cancel_on_disconnect:
            exchange.cancel()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        exchange, self.exchange = self.exchange, None
        self.over = True
        super().connection_lost(exc)
        if exchange is not None:
            if exchange.state is not COMPLETE:
                self.record(exchange)
            exchange.closed()
            if self.service.policy.cancel_on_disconnect:
                exchange.cancel()

    def overdue(self, now: float) -> None:
        """A deadline for the client's sending has passed."""
        policy, service = self.service.policy, self.service
        if self.exchange is not None:
            received = self.body_received - self.body_seen
            if self.reading_paused or received >= policy.body_rate * policy.timeout_body:
                self.body_seen = self.body_received
                self.deadline = service.deadline(policy.timeout_body)
            else:
                self.refuse(Refusal(408, f"request body slower than {policy.body_rate} bytes a second"))
        elif self.awaiting_head:
            self.refuse(Refusal(408, "request head took too long"), self.buffer)
        else:
            self.close()

    def retire(self) -> None:
        """The server stops: an idle connection ends soon, a busy one with its response."""
        if self.exchange is None and not self.awaiting_head and not self.over:
            service = self.service
            self.deadline = min(self.deadline, service.now + service.idle)

    def end(self) -> None:
        """The server has stopped: a response that isn't all sent is aborted, what was sent may be read."""
        if self.exchange is None and not self.transport.get_write_buffer_size():
            self.close()
        else:
            self.abort()
