"""A WebSocket on a connection of its own: what an upgrade leaves of HTTP/1.1 (RFC 6455 §4)."""

from __future__ import annotations

from collections.abc import Callable

from asgiworker.asgi.session import Session
from asgiworker.protocols.connection import Connection
from asgiworker.protocols.lingering import LINGER
from asgiworker.protocols.websocket.deflate import Deflate
from asgiworker.protocols.websocket.websocket import WebSocket


class WebSocketConnection(Connection):
    """What an HTTP/1.1 connection becomes when it is upgraded: the pipe of one WebSocket.

    Args:
        predecessor: the connection that was upgraded; from now on everything is this one's.
        session: the WebSocket, accepted.
        deflate: the compression agreed on.
        ended: called once when it is over, with the bytes of messages that were sent.
    """

    __slots__ = ("data_received", "is_closing", "lingering", "unread", "websocket", "write")

    websocket: WebSocket
    write: Callable[[bytes], None]
    is_closing: Callable[[], bool]
    data_received: Callable[[bytes], None]  # type: ignore[assignment]

    def __init__(
        self,
        predecessor: Connection,
        session: Session,
        deflate: Deflate | None = None,
        ended: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(predecessor.service, predecessor.proxied)
        self.lingering = False  # all is said
        self.unread = 0  # bytes of that which waited to be sent when the sweep last looked
        self.transport = predecessor.transport
        self.write, self.is_closing = self.transport.write, self.transport.is_closing
        self.websocket = WebSocket(self, session, deflate, ended)
        self.data_received = self.websocket.data_received  # PERF: not one call more than it takes
        predecessor.hand_over(self)
        self.deadline = self.websocket.deadline

    def begin(self, data: bytes) -> None:
        """The handshake is answered; `data` is what the client has sent meanwhile."""
        if data:
            self.data_received(data)
        if not self.websocket.session.full:
            self.resume_reading()
        if self.service.draining:
            self.websocket.retire()

    def unsent(self) -> int:
        """Bytes that the kernel hasn't taken yet."""
        return self.transport.get_write_buffer_size()

    def watch(self, deadline: float) -> None:
        """Call `sweep` of the WebSocket then."""
        if not self.lingering:
            self.deadline = deadline

    def resume_writing(self) -> None:
        """The client has read enough, or is gone."""
        super().resume_writing()
        if not self.transport.is_closing():
            self.websocket.resumed()

    def eof_received(self) -> bool:
        """The client has closed its sending side: there are no half-open WebSockets."""
        if not self.lingering:
            self.websocket.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        self.websocket.connection_lost()

    def close(self) -> None:
        """Close our side, and read away for a moment what the client still sends.

        Closing with unread data would reset the connection, and could take our close frame with it. Not as
        a `Lingering`: the WebSocket is over only when the connection is, and has to hear of that.
        """
        if self.lingering or self.transport.is_closing():
            return
        self.lingering = True
        if not self.transport.can_write_eof():
            super().close()
            return
        self.transport.write_eof()
        self.resume_reading()
        self.unread = self.unsent()
        self.deadline = self.service.deadline(LINGER)

    def overdue(self, now: float) -> None:
        """A deadline has passed: the WebSocket's, or that of the client to take its leave."""
        if not self.lingering:
            self.websocket.sweep(now)
            return
        unread = self.unsent()
        if 0 < unread < self.unread:
            self.unread = unread
            self.deadline = self.service.deadline(LINGER)
        else:
            self.abort()

    def retire(self) -> None:
        """The server stops."""
        self.websocket.retire()

    def end(self) -> None:
        """The server has stopped: what was said may be read, nothing else counts."""
        if self.unsent():
            self.abort()
        else:
            self.transport.close()

    def failed(self, error: Exception) -> None:
        """Our own code broke."""
        self.lingering = True
        super().failed(error)
