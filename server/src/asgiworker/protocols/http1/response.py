"""The response side of an HTTP/1.x connection: how an exchange's messages become bytes (RFC 9112 §6, §7).

`HTTP1Connection` is the request side; it decides what follows when a response is complete.
"""

from __future__ import annotations

import asyncio
import os
from http import HTTPStatus

from asgiworker.asgi.exchange import (
    COMPLETE,
    SENDING_FILE,
    STARTED,
    STREAMING,
    TRAILERS,
    WAITING,
    Exchange,
    Wait,
)
from asgiworker.asgi.types import Headers
from asgiworker.protocols.connection import Connection, Ends
from asgiworker.protocols.http1.chunked import ChunkedDecoder
from asgiworker.protocols.http1.head import Head
from asgiworker.protocols.request import PLAIN, Routing
from asgiworker.protocols.sendfile import announce, measure, open_file, send_region
from asgiworker.protocols.service import Service

HIGH_WATER = 65536  # bytes of a response that are held back in one turn of the loop, at most
DRAIN_BOUND = 262144  # bytes of unread request body that are read away to keep a connection alive
JOIN_BOUND = 16384  # PERF: a body up to this size is copied behind its head, a larger one written beside it
SMALL_FILE = 131072  # bytes up to which a file is read at once, from the page cache nearly always


def _phrase(code: int) -> bytes:
    return HTTPStatus(code).phrase.encode() if code in set(HTTPStatus) else b""


STATUS_LINES = {code: b"HTTP/1.1 %d %b\r\n" % (code, _phrase(code)) for code in range(100, 600)}


class ResponseSide(Connection):
    """What a connection needs to know of its request to answer it, and the answering."""

    __slots__ = (
        "body_left",
        "buffer",
        "chunking",
        "continue_due",
        "decoder",
        "exchange",
        "flush_due",
        "head",
        "held",
        "held_size",
        "keep_alive",
        "peer_finished",
        "routing",
    )

    def __init__(self, service: Service, proxied: Ends = (None, None)) -> None:
        super().__init__(service, proxied)
        self.buffer = b""  # received, and not yet understood
        self.peer_finished = False  # the client has closed its sending side
        # The request at hand; the exchange is None between requests.
        self.head: Head | None = None
        self.routing: Routing = PLAIN
        self.exchange: Exchange | None = None
        self.keep_alive = True
        self.body_left = 0  # bytes still to come of a declared length
        self.decoder: ChunkedDecoder | None = None  # of a chunked body still to come
        self.continue_due = False  # the client waits for 100 Continue
        # Its response.
        self.chunking = False
        self.held: list[bytes] = []  # a streamed response's head and parts, until the loop's turn is over
        self.held_size = 0  # bytes of body in `held`
        self.flush_due = False  # the loop will flush

    def finish(self, exchange: Exchange) -> None:
        """A response is complete."""
        raise NotImplementedError

    def send_response(self, exchange: Exchange, body: bytes) -> Wait:
        """Head and body in one write."""
        service = self.service
        bodyless = exchange.status in (204, 304)
        framing = b""
        if exchange.remaining is None and not bodyless and (body or not exchange.is_head):
            framing = b"content-length: %d\r\n" % len(body)
        if self.routing is PLAIN and service.plain and not exchange.own_fields and not self.peer_finished:
            # PERF: the usual case of `render_head`, without the call.
            head = b"".join(
                [STATUS_LINES[exchange.status], *exchange.lines, service.common_fields, framing, b"\r\n"]
            )
        else:
            head = self.render_head(exchange, framing)
        if exchange.is_head or bodyless:
            self.transport.write(head)
        elif len(body) <= JOIN_BOUND:
            self.transport.write(head + body)
        else:
            self.write_parts([head, body])
        self.finish(exchange)
        return None if self.drain_waiter is None else self.drained()

    def render_head(self, exchange: Exchange, framing: bytes) -> bytes:
        """The head of a response, to its empty line, with the fields that the server adds."""
        service = self.service
        lines = [STATUS_LINES[exchange.status], *exchange.lines]
        if service.default_fields or exchange.own_fields:
            lines.append(service.fields_without({name.lower() for name, _ in exchange.headers}))
        else:
            lines.append(service.common_fields)
        lines.append(framing)
        if (
            exchange.close
            or service.draining
            or self.body_is_too_much()
            or (self.peer_finished and not self.buffer)
        ):
            self.keep_alive = False
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        elif self.head is not None and self.head[2] == "1.0":
            lines.append(b"connection: keep-alive\r\n")
        lines.append(b"\r\n")
        return b"".join(lines)

    def body_is_too_much(self) -> bool:
        """Whether the request has more body to come than is worth reading away, or may have none at all."""
        return self.body_left > DRAIN_BOUND or self.continue_due

    def send_head(self, exchange: Exchange) -> None:
        """The head of a response in parts; it leaves with the first of them."""
        assert self.head is not None
        framing = b""
        self.chunking = False
        if exchange.remaining is None and exchange.sends_body():
            if self.head[2] == "1.1":
                self.chunking = True
                framing = b"transfer-encoding: chunked\r\n"
            else:
                self.keep_alive = False  # RFC 9112 §6.3: on 1.0, the end of the connection ends the body
        self.held.append(self.render_head(exchange, framing))

    def flush_later(self) -> None:
        """Send at the end of this turn of the loop what is held back by then."""
        if not self.flush_due:
            self.flush_due = True
            self.service.flush_later(self)

    def end_turn(self) -> None:
        """The turn of the loop is over."""
        self.flush_due = False
        exchange = self.exchange
        if exchange is not None and exchange.state is STARTED:
            self.send_head(exchange)
            exchange.state = STREAMING
        if self.held:
            self.flush()

    def send_data(self, exchange: Exchange, data: bytes, last: bool) -> Wait:
        """A part of the body. What an application sends in one turn of the loop leaves in one write."""
        held = self.held
        size = len(data)
        if size and exchange.sends_body():
            if self.chunking:
                held += (b"%x\r\n" % size, data, b"\r\n")
            else:
                held.append(data)
            self.held_size += size
        if last and not exchange.trailers_expected:
            if self.chunking:
                held.append(b"0\r\n\r\n")
            self.flush()
            self.finish(exchange)
        elif self.held_size > HIGH_WATER:
            self.flush()
            return self.next_turn()
        else:
            self.flush_later()
        return None if self.drain_waiter is None else self.drained()

    async def next_turn(self) -> None:
        """Let the loop turn: an application that sends without a pause must not keep it from all others."""
        await asyncio.sleep(0)
        await self.drained()

    def flush(self) -> None:
        """Write what is held back."""
        held, self.held = self.held, []
        size, self.held_size = self.held_size, 0
        if not held or self.transport.is_closing():
            return
        if size <= HIGH_WATER:
            self.transport.write(
                b"".join(held)
            )  # PERF: copying so little costs less than a vector of buffers
        else:
            self.write_parts(held)

    def send_trailers(self, exchange: Exchange, trailers: Headers) -> Wait:
        """The end of a response with trailers; only a client that asked gets them (RFC 9110 §6.5.1)."""
        if self.chunking:
            fields = trailers if self.routing.takes_trailers else []
            self.held += (b"0\r\n", *(b"%b: %b\r\n" % field for field in fields), b"\r\n")
        self.flush()
        self.finish(exchange)
        return None if self.drain_waiter is None else self.drained()

    def send_early_hints(self, exchange: Exchange, links: list[bytes]) -> None:
        """103 (RFC 8297): only before the head, and only to a client of HTTP/1.1."""
        if links and exchange.state in (WAITING, STARTED) and self.head is not None and self.head[2] == "1.1":
            fields = b"".join([b"link: %b\r\n" % link for link in links])
            self.transport.write(b"HTTP/1.1 103 Early Hints\r\n" + fields + b"\r\n")

    async def send_path(self, exchange: Exchange, path: str) -> None:
        """The file at `path`, as the whole body."""
        file, size = open_file(path)
        try:
            small = size <= SMALL_FILE and exchange.sends_body() and not exchange.trailers_expected
            if small and exchange.remaining in (None, size):
                body = os.pread(file, size, 0)
                if len(body) == size:
                    exchange.state, exchange.sent = COMPLETE, size
                    if wait := self.send_response(exchange, body):
                        await wait
                    return
            await self.send_file(exchange, file, 0, None, last=True)
        finally:
            os.close(file)

    async def send_file(
        self, exchange: Exchange, file: int, offset: int | None, count: int | None, last: bool
    ) -> None:
        """`count` bytes of an open file, as a part of the body."""
        _, count = measure(file, offset, count)
        first = exchange.state is STARTED
        if first and announce(exchange, count, last):
            exchange.lines.append(b"content-length: %d\r\n" % count)
        exchange.count(count, last)
        if first:
            self.send_head(exchange)
        if not exchange.sends_body():
            count = 0
        if self.chunking and count:
            self.held.append(b"%x\r\n" % count)
        exchange.state = SENDING_FILE
        self.flush()
        if count:
            await send_region(self, file, offset, count)
        if exchange.state is not SENDING_FILE:
            return  # the client has gone meanwhile
        if self.chunking:
            self.held.append(
                (b"\r\n" if count else b"")
                + (b"0\r\n\r\n" if last and not exchange.trailers_expected else b"")
            )
            self.flush()
        if not last:
            exchange.state = STREAMING
        elif exchange.trailers_expected:
            exchange.state = TRAILERS
        else:
            exchange.state = COMPLETE
            self.finish(exchange)
