"""What waits until a client of HTTP/2 opens its windows (RFC 9113 §5.2), and who waits for that.

An application whose stream has too much queued is resumed when there is room again; a stream whose client
hardly reads it is told apart from one that only waits for the others of its connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from asgiworker.asgi.exchange import COMPLETE
from asgiworker.protocols.http2.nghttp2 import Engine, ErrorCode

if TYPE_CHECKING:
    from asgiworker.protocols.http2.stream import Stream

HIGH_WATER = 65536  # bytes of a stream that may wait for its window before `send()` waits, too
LOW_WATER = 32768  # bytes of a stream that may wait when its application is resumed


class Windows:
    """The windows of one connection's client, and what is queued behind them."""

    __slots__ = ("_engine", "_queued", "_sent_seen", "sent", "unread", "waiting")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queued = engine.queued_body_size
        self.sent = 0  # bytes that were written to the connection
        self._sent_seen = 0  # of these, at the last look
        self.waiting: set[Stream] = set()  # their applications wait for a window
        self.unread: list[Stream] = []  # to be reset as soon as their answers are sent

    def resume(self) -> None:
        """Let those applications go on whose streams have room again."""
        for stream in list(self.waiting):
            if self._queued(stream.id) <= LOW_WATER:
                stream.resume()

    def reset_unread(self, streams: Mapping[int, Stream]) -> None:
        """Let the client send no more of requests that are answered already (RFC 9113 §8.1)."""
        unread, self.unread = self.unread, []
        for stream in unread:
            if streams.get(stream.id) is stream and not stream.request_complete:
                if stream.is_sent():
                    stream.reset(ErrorCode.NO_ERROR)
                else:
                    self.unread.append(stream)  # the answer comes first

    def give_up(self, streams: Iterable[Stream]) -> None:
        """The client has closed its sending side: windows that are closed stay closed."""
        for stream in list(streams):
            exchange = stream.exchange
            done = exchange is None or exchange.state is COMPLETE
            if not stream.was_reset and (self._queued(stream.id) or (done and not stream.is_sent())):
                stream.reset(ErrorCode.CANCEL)

    def look(self, streams: Iterable[Stream]) -> None:
        """Note what is queued, for `stalled` to hold against it later."""
        self._sent_seen = self.sent
        for stream in streams:
            stream.queue_seen = self._queued(stream.id)
            stream.taken_seen = stream.written - stream.queue_seen

    def stalled(self, streams: Iterable[Stream], enough: int) -> list[Stream]:
        """The streams of which the client has hardly read anything since the last look.

        One that only waits for the others of its connection isn't, as long as they make progress.

        Args:
            streams: the open ones.
            enough: bytes that a client has to read meanwhile.
        """
        reading = self.sent - self._sent_seen >= enough
        found = []
        for stream in streams:
            queued = self._queued(stream.id)
            if not queued or not stream.queue_seen:
                continue
            taken = stream.written - queued - stream.taken_seen
            if taken >= min(enough, stream.queue_seen):
                continue
            if not reading or self._engine.stream_remote_window_size(stream.id) <= 0:
                found.append(stream)
        return found
