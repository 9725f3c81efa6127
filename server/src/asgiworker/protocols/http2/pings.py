"""What PING is for (RFC 9113 §6.7): to see whether a client is still there, and when a round trip is over.

The latter is the middle of a graceful end (§6.8). The first GOAWAY asks for nothing new, and what is on its
way is still taken; when the PING behind it comes back, that has come; the second one says which stream was
the last.
"""

from __future__ import annotations

from enum import Enum

from asgiworker.protocols.http2.nghttp2 import Engine, ErrorCode
from asgiworker.protocols.service import IDLE_PATIENCE, NEVER

FAREWELL = b"farewell"  # the PING behind the first GOAWAY, to tell its answer from that of another


class Leaving(Enum):
    """How far a graceful end has come."""

    NO = "new requests are welcome"
    NOTICE = "the client was told to send no more; what is on its way is still taken"
    FINAL = "what was taken is answered, no more is taken"


class Pings:
    """The PINGs of one connection, and how far its graceful end has come.

    Args:
        engine: sends the frames.
        interval: seconds of silence after which a client with open requests is pinged; 0 for never.
        timeout: seconds for its answer; 0 for ever.
        now: on the sweep's clock, as all times here.
    """

    __slots__ = ("_asked_at", "_engine", "_interval", "_timeout", "due", "heard_at", "leaving")

    def __init__(self, engine: Engine, interval: float, timeout: float, now: float) -> None:
        self._engine = engine
        self._interval = interval
        self._timeout = timeout or NEVER
        self._asked_at = 0.0  # 0 if the client has answered
        self.heard_at = now  # when it last sent something
        self.leaving = Leaving.NO
        self.due = now + interval if interval else NEVER  # when to `ask`, or to `leave`

    def unanswered(self) -> bool:
        """Whether nothing was heard of the client since it was asked. To be looked at when `due`."""
        return self._asked_at > self.heard_at

    def ask(self, now: float, busy: bool) -> bool:
        """Send a PING if it is time, and the client is `busy`; whether it was sent."""
        self._asked_at = 0.0
        quiet_until = self.heard_at + self._interval
        if quiet_until > now or not busy:
            self.due = max(quiet_until, now + self._interval / 4)
            return False
        self._asked_at = now
        self.due = now + self._timeout
        self._engine.ping()
        return True

    def give_notice(self, now: float) -> None:
        """The first step of a graceful end: ask the client to send nothing new."""
        self.leaving = Leaving.NOTICE
        self.due = now + IDLE_PATIENCE
        self._engine.send_shutdown_notice()

    def follow_notice(self) -> None:
        """Send a PING behind it. Not before it has left: nghttp2 sends a PING before all else."""
        self._engine.ping(FAREWELL)

    def leave(self) -> None:
        """The second step: from now on nothing new is taken."""
        self.leaving = Leaving.FINAL
        self.due = NEVER
        self._engine.send_goaway(ErrorCode.NO_ERROR)
