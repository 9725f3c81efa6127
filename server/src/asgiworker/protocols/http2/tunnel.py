"""A WebSocket on a stream of HTTP/2: an extended CONNECT (RFC 8441), and the pipe that it becomes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from asgiworker.asgi.exchange import COMPLETE, Exchange
from asgiworker.asgi.session import Opening, Session
from asgiworker.asgi.types import Headers
from asgiworker.protocols.http2.nghttp2 import EngineError, ErrorCode
from asgiworker.protocols.http2.stream import LINGER, STATUSES, Stream
from asgiworker.protocols.http2.windows import HIGH_WATER
from asgiworker.protocols.service import Service
from asgiworker.protocols.websocket.handshake import Handshake
from asgiworker.protocols.websocket.websocket import WebSocket

if TYPE_CHECKING:
    from asgiworker.protocols.http2.connection import HTTP2Connection


class Tunnel(Stream):
    """The stream of an extended CONNECT: first the carrier of its exchange, then the pipe of a WebSocket.

    Args:
        connection: it is on.
        stream_id: its number.
        handshake: what was asked for.
    """

    __slots__ = ("early", "handshake", "lingering", "opening", "reading_paused", "service", "websocket")

    opening: Opening

    def __init__(self, connection: HTTP2Connection, stream_id: int, handshake: Handshake) -> None:
        super().__init__(connection, stream_id, request_complete=False)
        self.service: Service = connection.service
        self.handshake = handshake
        self.websocket: WebSocket | None = None  # once it is accepted
        self.early: list[bytes] = []  # what came before that
        self.reading_paused = False
        self.lingering = False  # all is said
        self.continue_due = False

    def accept_websocket(self, session: Session, subprotocol: str | None, headers: Headers) -> WebSocket:
        """The application accepts: from here on the stream carries frames of WebSocket."""
        opening = session.opening
        fields = self.handshake.fields(subprotocol) + headers
        own = self.server_fields({name.lower() for name, _ in headers})
        lower = [(name.lower(), value) for name, value in (*fields, *own)]
        try:
            self.engine.send_response(self.id, [STATUSES[200], *lower])
        except EngineError:
            pass  # the stream is gone, and its end will be told
        opening.status, opening.headers, opening.state = 200, fields, COMPLETE
        self.exchange = None
        self.websocket = websocket = WebSocket(
            self, session, self.handshake.deflate, partial(self.ended, opening)
        )
        self.connection.flush_later()
        early, self.early = self.early, []
        for data in early:
            websocket.data_received(data)
        if not self.reading_paused:
            self.acknowledge(self.unacknowledged)
        if self.request_complete:
            websocket.eof_received()
        elif self.service.draining:
            websocket.retire()
        return websocket

    def ended(self, opening: Exchange, sent: int) -> None:
        """The WebSocket is over, of so many bytes: that was one request, and a long one."""
        opening.sent = sent
        self.record(opening)
        self.service.answered()

    # --- bytes come

    def receive(self, data: bytes, complete: bool) -> None:
        """Bytes have come, or the end of them."""
        self.request_complete = complete
        self.unacknowledged += len(data)
        if self.websocket is None:
            if data:
                self.early.append(data)
            if complete and self.exchange is not None:
                self.exchange.disconnect()
        elif self.lingering:
            self.acknowledge(self.unacknowledged)
        else:
            if data:
                self.websocket.data_received(data)
            if complete:
                self.websocket.eof_received()
            if not self.reading_paused:
                self.acknowledge(self.unacknowledged)

    def pause_reading(self) -> None:
        """Leave the window closed."""
        self.reading_paused = True

    def resume_reading(self) -> None:
        """Open it again."""
        self.reading_paused = False
        self.acknowledge(self.unacknowledged)

    def half_closed(self) -> None:
        """The client sends nothing more on its connection: there are no half-open WebSockets."""
        self.receive(b"", True)
        if self.websocket is not None:
            self.request_complete = False  # the stream itself isn't ended, and never will be
            self.connection.windows.unread.append(self)

    # --- bytes leave

    def write(self, data: bytes) -> None:
        """Send, at the end of the loop's turn."""
        connection = self.connection
        self.written += len(data)
        try:
            self.engine.send_data(self.id, data)
        except EngineError:
            return
        if not connection.flush_due:
            connection.flush_later()
        if connection.queued(self.id) > HIGH_WATER and self.drain_waiter is None:
            connection.flush()
            if connection.queued(self.id) > HIGH_WATER and self.id in connection.streams:
                self.drain_waiter = self.service.loop.create_future()
                connection.windows.waiting.add(self)

    def write_parts(self, parts: list[bytes]) -> None:
        """Send several buffers."""
        self.write(b"".join(parts))

    async def drained(self) -> None:
        """Wait until the client has opened its window."""
        if self.drain_waiter is not None:
            await asyncio.shield(self.drain_waiter)

    def is_closing(self) -> bool:
        """Whether nothing that is written now gets anywhere."""
        return self.connection.transport.is_closing()

    def resume(self) -> None:
        """There is room again, or nobody to make room for."""
        super().resume()
        if self.websocket is not None:
            self.websocket.resumed()

    def unsent(self) -> int:
        """Bytes that wait for the client's window, and its connection's."""
        return self.connection.queued(self.id) + self.connection.transport.get_write_buffer_size()

    # --- deadlines and the end

    def watch(self, deadline: float) -> None:
        """Call `sweep` of the WebSocket then."""
        if not self.lingering:
            self.deadline = deadline
            self.connection.deadline = min(self.connection.deadline, deadline)

    def overdue(self, now: float) -> None:
        """A deadline has passed: the WebSocket's, or that of the client to take its leave."""
        if self.websocket is None:
            super().overdue(now)
        elif self.lingering:
            self.reset(ErrorCode.CANCEL)
        else:
            self.websocket.sweep(now)

    def drain(self) -> None:
        """The handshake is denied: a tunnel that doesn't come to be has nothing to be read away."""
        self.connection.windows.unread.append(self)

    def close(self) -> None:
        """End our side after what was written, and give the client a moment to end its own."""
        if self.lingering:
            return
        self.due_in(LINGER)
        self.lingering = True
        try:
            self.engine.end_stream(self.id)
        except EngineError:
            pass
        self.acknowledge(self.unacknowledged)
        self.connection.flush_later()

    def abort(self) -> None:
        """End both sides at once."""
        self.lingering = True
        self.reset(ErrorCode.CANCEL)

    def lost(self) -> None:
        """The stream, or its connection, is gone."""
        super().lost()
        self.lingering = True
        websocket, self.websocket = self.websocket, None
        if websocket is not None:
            websocket.connection_lost()

    def abandon(self, exchange: Exchange) -> None:
        """Tell an application that nobody waits for its answer any longer."""
        task = self.opening.session.task
        exchange.closed()
        if task is not None:
            self.connection.orphans += 1
            task.add_done_callback(self.orphan_done, context=self.service.context)
            if self.service.policy.cancel_on_disconnect:
                exchange.cancel()

    def orphan_done(self, task: asyncio.Task[None]) -> None:
        """An application has ended whose client had reset the stream."""
        self.connection.orphans -= 1

    def retire(self) -> None:
        """The server stops."""
        if self.websocket is not None:
            self.websocket.retire()

    def peer(self) -> str:
        """The client, for the log."""
        return self.connection.peer()
