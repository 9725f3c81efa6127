"""A connection on which all is said: what its client still sends is read away for a while (RFC 9112 §9.6).

Closing with unread data would reset the connection, and could take our last words with it.
"""

from __future__ import annotations

from asgiworker.protocols.connection import Connection

LINGER = 2.0  # seconds for a client to see our last words, and to close
LINGER_BOUND = 4 * 1024 * 1024  # bytes read away meanwhile


class Lingering(Connection):
    """What a connection becomes when it has nothing more to say: our side of it is closed.

    Args:
        predecessor: the connection; from now on everything is this one's.
    """

    __slots__ = ("read_away",)

    def __init__(self, predecessor: Connection) -> None:
        super().__init__(predecessor.service, predecessor.proxied)
        self.read_away = 0  # bytes
        predecessor.hand_over(self)
        self.deadline = self.service.deadline(LINGER)
        self.write_deadline = self.service.deadline(self.service.policy.timeout_stall)
        self.write_mark = self.transport.get_write_buffer_size()
        self.transport.write_eof()
        self.resume_reading()

    def data_received(self, data: bytes) -> None:
        """The client sends on."""
        self.read_away += len(data)
        if self.read_away > LINGER_BOUND:
            self.abort()

    def resume_writing(self) -> None:
        """The client has read some of what was said. The rest has its time, too."""
        super().resume_writing()
        self.progressed()

    def overdue(self, now: float) -> None:
        """Its time is up, unless it still reads what was said: the stall deadline watches over that."""
        if self.transport.get_write_buffer_size():
            self.deadline = self.service.deadline(LINGER)
        else:
            self.abort()

    def retire(self) -> None:
        """The server stops: this ends by itself, and soon."""

    def end(self) -> None:
        """The server has stopped: what isn't all sent is aborted, what was sent may be read."""
        if self.transport.get_write_buffer_size():
            self.abort()
        else:
            self.close()
