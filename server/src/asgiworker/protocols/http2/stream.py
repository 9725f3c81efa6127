"""One stream of HTTP/2: a request and its response, the carrier of an exchange (RFC 9113 §5, §8).

`connection` makes the streams, feeds them and tells them of their end.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected
from asgiworker.asgi.exchange import (
    CLOSED,
    COMPLETE,
    SENDING_FILE,
    STARTED,
    STREAMING,
    TRAILERS,
    WAITING,
    Exchange,
    Wait,
    forgo,
)
from asgiworker.asgi.fields import BLANKS
from asgiworker.asgi.types import Address, Headers
from asgiworker.protocols.http2.header_list import HeaderList, RequestHead
from asgiworker.protocols.http2.nghttp2 import EngineError, ErrorCode
from asgiworker.protocols.http2.windows import HIGH_WATER, LOW_WATER
from asgiworker.protocols.request import PLAIN, Refusal
from asgiworker.protocols.sendfile import announce, measure, open_file
from asgiworker.protocols.service import NEVER

if TYPE_CHECKING:
    from asgiworker.protocols.http2.connection import HTTP2Connection

logger = logging.getLogger("asgiworker.server")

DRAIN_BOUND = 65536  # bytes of a request that are read away after its answer, rather than reset its stream
LINGER = 2.0  # seconds for that
PIECE = 131072  # bytes of a file read at a time
END_SEEN = -1  # in the place of a number of bytes: all have gone, only the end of the stream waits

STATUSES = {code: (b":status", b"%d" % code) for code in range(100, 600)}

# PERF: fields as HTTP/2 has them, their names in lower case; looked up, for an application sends the same
# again and again. Bounded in number and size, and only for fields that the server has no hand in.
FIELDS: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = {}
_FIELDS_BOUND = 2048
_SIZE_BOUND = 160
_SECRETS = frozenset((b"set-cookie", b"authorization", b"proxy-authorization", b"www-authenticate"))
_field = FIELDS.get

# RFC 9113 §8.2.2: they speak of a connection of HTTP/1.1.
CONNECTION_SPECIFIC = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)
# Neither may a promised request have these, which frame and route it.
UNPUSHED = CONNECTION_SPECIFIC | {b"host", b"content-length", b"te", b"expect"}

UNREAD: RequestHead = ("", b"", [], {}, PLAIN)  # the head of a request as long as it isn't understood


class Stream:
    """One request and its response on a connection: the carrier of its exchange."""

    __slots__ = (
        "body_received",
        "body_seen",
        "client",
        "connection",
        "continue_due",
        "deadline",
        "drain_waiter",
        "engine",
        "exchange",
        "head",
        "id",
        "orphaned",
        "queue_seen",
        "request_complete",
        "taken_seen",
        "unacknowledged",
        "was_reset",
        "written",
    )

    exchange: Exchange | None
    head: RequestHead
    client: Address | None
    body_seen: int  # bytes of body that had come when the sweep last looked
    continue_due: bool  # the client waits for 100 Continue
    taken_seen: int  # bytes that nghttp2 had taken when the sweep last looked, but for a constant

    def __init__(self, connection: HTTP2Connection, stream_id: int, request_complete: bool) -> None:
        self.connection = connection
        self.engine = connection.engine
        self.id = stream_id
        self.exchange = None
        self.head = UNREAD
        self.request_complete = request_complete
        self.body_received = 0
        self.unacknowledged = 0  # bytes of body that came, and whose window isn't open again
        self.deadline = NEVER
        self.written = 0  # bytes of a response in parts
        self.queue_seen = 0  # bytes that waited for a window when the sweep last looked
        self.drain_waiter: asyncio.Future[None] | None = None  # set while the application waits for a window
        self.was_reset = False  # by the client, or by us for other reasons than what it sent
        self.orphaned = False  # the application is at work though the client has reset the stream

    # --- the request's body

    def expect_body(self) -> None:
        """A body follows the head."""
        policy = self.connection.service.policy
        self.body_seen = 0
        self.continue_due = self.head[4].expects_continue
        self.due_in(policy.timeout_body)

    def due_in(self, seconds: float) -> None:
        """Call `overdue` in so many seconds."""
        connection = self.connection
        self.deadline = connection.service.deadline(seconds)
        connection.deadline = min(connection.deadline, self.deadline)

    def receive(self, data: bytes, complete: bool) -> None:
        """A part of the body has come."""
        exchange, size = self.exchange, len(data)
        self.request_complete = complete
        self.unacknowledged += size
        self.body_received += size
        self.continue_due = False
        if exchange is None or exchange.state is COMPLETE or exchange.state is CLOSED:
            if complete:
                self.acknowledge(self.unacknowledged)
            elif self.unacknowledged > DRAIN_BOUND:
                self.connection.windows.unread.append(self)
            return
        limit = self.connection.service.policy.limit_body
        if 0 < limit < self.body_received:
            self.refuse(Refusal(413, f"request body longer than {limit} bytes"), ())
            return
        if size or complete:
            exchange.feed(data, complete)
        if complete:
            self.deadline = NEVER
            # No more can come than the window let pass, read or not.
            self.acknowledge(self.unacknowledged)

    def acknowledge(self, size: int) -> None:
        """Open the windows again for so many bytes."""
        if size:
            self.unacknowledged -= size
            self.connection.acknowledge(size, self.id)
            self.connection.flush_later()

    def demand_body(self, exchange: Exchange) -> None:
        """The application wants more body: send 100 Continue if the client waits for it, and open windows."""
        if self.continue_due:
            self.continue_due = False
            if exchange.state is WAITING or exchange.state is STARTED:
                self.inform(100, [])
        self.acknowledge(self.unacknowledged - exchange.buffered)

    def overdue(self, now: float) -> None:
        """The body hasn't come in time; or the request is answered, and the client hasn't ended its side."""
        policy, exchange = self.connection.service.policy, self.exchange
        self.deadline = NEVER
        if exchange is None or exchange.state is COMPLETE:
            if not self.is_sent():
                if self.queue_seen == END_SEEN and not self.connection.queued(self.id):
                    self.reset(ErrorCode.CANCEL)
                else:
                    self.queue_seen = END_SEEN
                    self.due_in(policy.timeout_stall)
            elif not self.request_complete:
                self.reset(ErrorCode.NO_ERROR)
        elif not self.request_complete:
            received, self.body_seen = self.body_received - self.body_seen, self.body_received
            if exchange.buffered or received >= policy.body_rate * policy.timeout_body:
                self.due_in(policy.timeout_body)
            else:
                self.refuse(Refusal(408, f"request body slower than {policy.body_rate} bytes a second"), ())

    # --- the response

    def send_response(self, exchange: Exchange, body: bytes) -> Wait:
        """Head and body at once."""
        connection = self.connection
        service = connection.service
        status = exchange.status
        try:
            fields: list[Any] = [STATUSES[status], *map(_field, exchange.headers), *service.common_pairs]
        except TypeError:  # a list in the place of a pair: nothing to look up
            fields = [None]
        if None in fields or status == 204 or exchange.own_fields or service.default_fields:
            fields = self.render_head(exchange)
        bodyless = status == 204 or status == 304
        if exchange.remaining is None and not bodyless and (body or not exchange.is_head):
            fields.append((b"content-length", b"%d" % len(body)))
        try:
            if bodyless or not body or exchange.is_head:
                self.engine.send_response(self.id, fields, end_stream=True)
            else:
                self.engine.send_response(self.id, fields)
                self.engine.send_data(self.id, body, end_stream=True)
        except EngineError:
            pass  # the stream is gone, and its end will be told
        if not connection.flush_due:
            connection.flush_due = True
            service.flush_later(connection)
        self.finish(exchange)
        if connection.drain_waiter is not None or (len(body) > HIGH_WATER and not self.fits(len(body))):
            return self.pressure()
        return None

    def render_head(self, exchange: Exchange) -> Headers:
        """The head of a response, with the fields that the server adds."""
        service = self.connection.service
        fields: Headers = [STATUSES[exchange.status]]
        for name, value in exchange.headers:
            lower = name.lower()
            if lower in CONNECTION_SPECIFIC or (lower == b"content-length" and exchange.status == 204):
                continue
            field = (lower, value.strip(BLANKS))
            fields.append(field)
            if lower not in _SECRETS and len(lower) + len(value) <= _SIZE_BOUND:
                if len(FIELDS) >= _FIELDS_BOUND:
                    FIELDS.clear()
                FIELDS[name, value] = field
        if service.default_fields or exchange.own_fields:
            fields += self.server_fields({name for name, _ in fields})
        else:
            fields += service.common_pairs
        return fields

    def server_fields(self, names: set[bytes]) -> Headers:
        """The fields that the server adds to a response that has those of these names."""
        connection = self.connection
        if connection.tls is None:
            names.add(b"strict-transport-security")  # RFC 6797 §7.2
        return connection.service.pairs_without(names)

    def send_head(self, exchange: Exchange) -> None:
        """The head of a response whose body follows."""
        try:
            self.engine.send_response(self.id, self.render_head(exchange))
        except EngineError:
            pass

    def send_data(self, exchange: Exchange, data: bytes, last: bool) -> Wait:
        """A part of the body."""
        connection = self.connection
        ends = last and not exchange.trailers_expected
        if not exchange.sends_body():
            data = b""
        self.written += len(data)
        try:
            if data or ends:
                self.engine.send_data(self.id, data, end_stream=ends)
        except EngineError:
            pass
        connection.flush_later()
        if ends:
            self.finish(exchange)
            if not data and not self.is_sent():
                self.due_in(connection.service.policy.timeout_stall)
        if connection.drain_waiter is not None or self.engine.queued_body_size(self.id) > HIGH_WATER:
            return self.pressure()
        return None

    def fits(self, size: int) -> bool:
        """Whether the client's windows let so many bytes pass at once."""
        engine = self.engine
        try:
            return size <= engine.remote_window_size and size <= engine.stream_remote_window_size(self.id)
        except EngineError:
            return True  # the stream is gone: nothing holds it up

    async def pressure(self) -> None:
        """Wait until what was sent has gone, or nearly: a client that doesn't read holds its applications."""
        connection = self.connection
        if self.id in connection.streams and connection.queued(self.id) > LOW_WATER:
            # What its windows allow leaves at the end of this turn, together with the other streams'.
            connection.flush_later()
            if self.drain_waiter is None:
                self.drain_waiter = connection.service.loop.create_future()
                connection.windows.waiting.add(self)
            await asyncio.shield(self.drain_waiter)
        if connection.drain_waiter is not None:
            await connection.drained()

    def resume(self) -> None:
        """There is room again, or nobody to make room for."""
        waiter, self.drain_waiter = self.drain_waiter, None
        self.connection.windows.waiting.discard(self)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def send_trailers(self, exchange: Exchange, trailers: Headers) -> Wait:
        """The end of a response with trailers; only a client that asked gets them (RFC 9110 §6.5.1)."""
        try:
            if self.head[4].takes_trailers and trailers and exchange.sends_body():
                self.engine.send_trailers(self.id, [(name.lower(), value) for name, value in trailers])
            else:
                self.engine.end_stream(self.id)
        except EngineError:
            pass
        self.connection.flush_later()
        self.finish(exchange)
        return None

    def send_early_hints(self, exchange: Exchange, links: list[bytes]) -> None:
        """103 (RFC 8297): only before the head."""
        if links and exchange.state in (WAITING, STARTED):
            self.inform(103, [(b"link", link) for link in links])

    def send_push(self, exchange: Exchange, path: str, headers: Headers) -> None:
        """Promise a response that the client hasn't asked for, if it takes one, and have it made."""
        connection = self.connection
        if self.id % 2 == 0 or not connection.takes_pushes():  # RFC 9113 §8.4: not from a push itself
            return
        fields = (
            (b":method", b"GET"),
            (b":scheme", connection.scheme.encode()),
            (b":authority", self.head[2][0][1]),
            (b":path", quote(path, safe="/?=&;:@!$'()*+,~").encode()),
            *((name.lower(), value) for name, value in headers if name.lower() not in UNPUSHED),
        )
        try:
            promised = self.engine.send_push_promise(self.id, fields)
        except EngineError:
            return
        connection.push(promised, fields)

    def inform(self, status: int, fields: Headers) -> None:
        """An informational response."""
        try:
            self.engine.send_informational_response(self.id, [STATUSES[status], *fields])
        except EngineError:
            pass
        self.connection.flush_later()

    async def send_path(self, exchange: Exchange, path: str) -> None:
        """The file at `path`, as the whole body."""
        file, _ = open_file(path)
        try:
            await self.send_file(exchange, file, 0, None, last=True)
        finally:
            os.close(file)

    async def send_file(
        self, exchange: Exchange, file: int, offset: int | None, count: int | None, last: bool
    ) -> None:
        """`count` bytes of an open file, as a part of the body."""
        start, count = measure(file, offset, count)
        if exchange.state is STARTED and announce(exchange, count, last):
            exchange.headers = [*exchange.headers, (b"content-length", b"%d" % count)]
        exchange.count(count, last)
        if exchange.state is STARTED:
            self.send_head(exchange)
        exchange.state = SENDING_FILE
        if exchange.sends_body():
            await self.send_region(exchange, file, start, count)
            if offset is None:
                os.lseek(file, start + count, os.SEEK_SET)
        if exchange.state is not SENDING_FILE:
            return  # the client has gone meanwhile
        if not last:
            exchange.state = STREAMING
        elif exchange.trailers_expected:
            exchange.state = TRAILERS
        else:
            exchange.state = COMPLETE
            if wait := self.send_data(exchange, b"", True):
                await wait

    async def send_region(self, exchange: Exchange, file: int, position: int, count: int) -> None:
        """Read a file piece by piece, in a thread, as fast as the client takes it."""
        loop = self.connection.service.loop
        try:
            while count:
                piece = await loop.run_in_executor(None, os.pread, file, min(count, PIECE), position)
                if not piece:
                    raise ApplicationError(f"the file ended {count} bytes before its announced length")
                if exchange.state is not SENDING_FILE:
                    raise ClientDisconnected("the client has disconnected")
                count -= len(piece)
                position += len(piece)
                self.written += len(piece)
                self.engine.send_data(self.id, piece)
                self.connection.flush_later()
                await self.pressure()
        except BaseException:
            if exchange.state is SENDING_FILE:  # cancelled, or the file fell short: it can't be completed
                self.application_failed(exchange)
            raise

    # --- the stream ends

    def is_sent(self) -> bool:
        """Whether nothing waits for a window: not even the stream's end, which nghttp2 holds back, too."""
        engine = self.engine
        return (
            not self.connection.queued(self.id)
            and engine.remote_window_size > 0
            and engine.stream_remote_window_size(self.id) > 0
        )

    def reset(self, code: ErrorCode) -> None:
        """End the stream at once."""
        self.was_reset = True
        try:
            self.engine.reset_stream(self.id, code)
        except EngineError:
            pass  # the connection is ending
        self.connection.flush_later()

    def finish(self, exchange: Exchange) -> None:
        """A response is complete."""
        service = self.connection.service
        if service.record is not None:
            self.record(exchange)
        if exchange.waiter is not None:
            exchange.disconnect()  # whoever still waits in receive() learns that it is over
        if service.requests_left is not NEVER:
            service.answered()
        if not self.request_complete:
            self.drain()

    def drain(self) -> None:
        """The response is complete, the request isn't: read some of it away, or don't let it come."""
        if self.head[4].length - self.body_received > DRAIN_BOUND:
            self.connection.windows.unread.append(self)
        else:
            self.due_in(LINGER)

    def refuse(self, refusal: Refusal, fields: HeaderList) -> None:
        """Answer a request with an error.

        Args:
            refusal: the status and the reason.
            fields: the head of the request, if it has no exchange yet.
        """
        connection, exchange = self.connection, self.exchange
        service = connection.service
        logger.info("%s: %d %s", connection.peer(), refusal.status, refusal.reason)
        if exchange is not None and exchange.state not in (WAITING, STARTED):
            self.application_failed(exchange)
            return
        names = dict(fields)
        is_head = exchange.is_head if exchange is not None else names.get(b":method") == b"HEAD"
        body = b"" if is_head else f"{refusal.status} {refusal.reason}\n".encode()
        head: Headers = [STATUSES[refusal.status], (b"content-type", b"text/plain; charset=utf-8")]
        if not is_head:
            head.append((b"content-length", b"%d" % len(body)))
        if refusal.status == 503:
            head.append((b"retry-after", b"1"))
        head += [field for field in refusal.headers if field[0] not in CONNECTION_SPECIFIC]
        head += self.server_fields({b"content-type", b"content-length", b"retry-after"})
        try:
            self.engine.send_response(self.id, head, end_stream=is_head)
            if not is_head:
                self.engine.send_data(self.id, body, end_stream=True)
        except EngineError:
            pass
        connection.flush_later()
        if not self.request_complete:
            self.drain()
        if exchange is not None:
            exchange.status, exchange.headers, exchange.sent = refusal.status, [], len(body)
            self.record(exchange)
            self.exchange = None
            self.abandon(exchange)
        elif service.record is not None:
            method = names.get(b":method", b"-").decode("ascii", "replace")
            target = names.get(b":path", b"")[:64]
            headers = [field for field in fields if not field[0].startswith(b":")]
            service.record(
                (time.time(), 0.0, connection.client, method, target, "2", refusal.status, len(body), headers,
                 [])
            )  # fmt: skip

    def lost(self) -> None:
        """The stream, or its connection, is gone."""
        connection, exchange = self.connection, self.exchange
        self.resume()
        if self.unacknowledged:
            # The rest of the connection's window is the other streams'.
            try:
                connection.acknowledge(self.unacknowledged, self.id)
            except EngineError:
                pass
            self.unacknowledged = 0
        self.request_complete = True
        if exchange is not None and exchange.state is not COMPLETE and exchange.state is not CLOSED:
            self.record(exchange)
            self.abandon(exchange)

    def abandon(self, exchange: Exchange) -> None:
        """Tell an application that nobody waits for its response any longer."""
        exchange.closed()
        if exchange.task is not None:
            self.orphaned = True
            self.connection.orphans += 1
            if self.connection.service.policy.cancel_on_disconnect:
                exchange.cancel()

    def half_closed(self) -> None:
        """The client sends nothing more on its connection, but may read."""
        exchange = self.exchange
        if exchange is None or exchange.state is COMPLETE:
            if not self.request_complete:
                self.connection.windows.unread.append(self)
        elif self.request_complete:
            exchange.disconnect()
            if self.connection.service.policy.cancel_on_disconnect:
                exchange.cancel()
        else:
            self.reset(ErrorCode.CANCEL)  # the rest of its request will never come

    def retire(self) -> None:
        """The server stops: what was begun is finished."""

    def application_done(self, exchange: Exchange) -> None:
        """An application that was suspended in between has returned."""
        self.connection.service.running.discard(exchange)
        if self.orphaned:
            self.connection.orphans -= 1

    def application_failed(self, exchange: Exchange, answer: bool = True) -> None:
        """The response will never be completed: 500 if nothing of it was sent, else the stream is reset."""
        unanswered = exchange.state is WAITING or exchange.state is STARTED
        if unanswered and answer:
            exchange.status = 500
            exchange.headers = [(b"content-type", b"text/plain; charset=utf-8")]
            exchange.remaining = None
            exchange.own_fields = exchange.close = exchange.trailers_expected = False
            exchange.state = COMPLETE
            body = b"Internal Server Error"
            exchange.sent = len(body)
            forgo(self.send_response(exchange, body))
            return
        if unanswered:
            exchange.status = 0  # for the access log: whatever it was to be, nobody got it
        self.record(exchange)
        self.reset(ErrorCode.INTERNAL_ERROR if answer else ErrorCode.CANCEL)
        exchange.closed()

    def failed(self, error: Exception) -> None:
        """Our own code broke."""
        self.connection.failed(error)

    def flush_later(self) -> None:
        """Send at the end of this turn of the loop what is there by then, a head without a body included."""
        connection = self.connection
        connection.started.append(self)
        if not connection.flush_due:
            connection.flush_later()

    def record(self, exchange: Exchange) -> None:
        """Note the exchange for the access log."""
        service = self.connection.service
        if service.record is not None:
            status = exchange.status or 499  # the client went away before there was a status
            answered = exchange.headers if exchange.status else []
            duration = time.perf_counter() - exchange.started_at
            method, target, headers, _, _ = self.head
            service.record(
                (time.time(), duration, self.client, method, target, "2", status, exchange.sent, headers,
                 answered)
            )  # fmt: skip
