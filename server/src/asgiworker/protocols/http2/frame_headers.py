"""What stands in the headers of the frames that a client sends (RFC 9113 §4.1), looked at before nghttp2.

nghttp2 lets some frames pass without a word: on streams that are closed, of a priority scheme that it no
longer knows, of types that nobody knows; and it counts few of those that cost a client nothing and the server
some work. So each frame's nine bytes are looked at here: for what RFC 9113 forbids and nghttp2 doesn't, and
for what they cost (`floods`).
"""

from __future__ import annotations

import struct
from collections.abc import Container

from asgiworker.protocols.http2.floods import COSTS, EMPTY, SAVINGS, Budget
from asgiworker.protocols.http2.nghttp2 import PREFACE, ErrorCode

_HEADER = struct.Struct(">BHBBL").unpack_from  # length in two parts, type, flags, stream
_NUMBER = struct.Struct(">L").unpack_from
SIZE = 9

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    range(10)
)
PRIORITY_UPDATE = 0x10  # RFC 9218 §7.1
END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8

REMEMBERED = 1000  # streams that are known to have ended, or nearly
HUGE = 2**30  # a window's increment from which on it may go over its bound at once


class Violation(Exception):
    """The client may not do that: the connection ends with `code`."""

    def __init__(self, code: ErrorCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class FrameHeaders:
    """Follows the frame headers of one connection, from its preface on.

    Args:
        budget: of its client.
    """

    __slots__ = (
        "_goes_on",
        "_latest",
        "_opened",
        "_rest",
        "_skip",
        "_used",
        "budget",
        "ended",
        "unfinished",
    )

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        # Streams on which the client may send nothing more, for it has ended or reset them itself.
        self.ended: set[int] = set()
        self.unfinished = True  # the preface, or a head: part of it has come
        self._goes_on = True  # and what has come of it is whole, but not all
        self._skip = len(PREFACE)  # bytes until the next header begins
        self._rest = b""  # of a header that is split
        self._latest = 0  # the highest stream that was opened
        self._opened = 0  # two for each that was: the number of the next, of a client that leaves none out
        self._used: set[int] | None = None  # which, of a client that leaves numbers out

    def look(self, data: bytes, start: int, streams: Container[int]) -> int:
        """Look at the frame headers in `data`, from `start` on.

        Args:
            data: what has come.
            start: 0, or what was returned before for the same bytes and the length of the frame there.
            streams: the open ones.

        Returns where a frame begins that is to be looked at alone, for its window may overflow; or the end.

        Raises:
            Violation: the connection has to end.
        """
        size, position = len(data), start + self._skip
        shift = 0
        kind, flags = -1, 0
        ended, budget = self.ended, self.budget
        if len(ended) > REMEMBERED:
            ended.clear()
        if budget.left > SAVINGS:
            budget.left = SAVINGS
        if self._rest:
            shift = len(self._rest)
            data = self._rest + data
            self._rest = b""
            position, size = 0, len(data)
        while position + SIZE <= size:
            high, low, kind, flags, stream = _HEADER(data, position)
            length = high << 16 | low
            if kind == HEADERS:
                if stream > self._latest:
                    self._latest = stream
                    self._opened += 2
                    if stream >= self._opened or self._used is not None:
                        self._use(stream)
                elif stream in ended:
                    raise Violation(ErrorCode.STREAM_CLOSED, "HEADERS on a stream that the client had ended")
                elif self._used is not None and stream not in self._used and stream not in streams:
                    raise Violation(ErrorCode.PROTOCOL_ERROR, "a stream is opened out of order")
            elif kind == DATA:
                if stream in ended:
                    raise Violation(ErrorCode.STREAM_CLOSED, "DATA on a stream that the client had ended")
                if (not length or flags & PADDED) and not flags & END_STREAM:
                    budget.left -= EMPTY
            else:
                budget.left -= COSTS[kind]
                if kind == RST_STREAM:
                    ended.add(stream)
                elif kind == PRIORITY:
                    self._check_priority(data, position, size, length, stream)
                elif kind == PRIORITY_UPDATE:
                    if position + SIZE + 4 <= size and not _NUMBER(data, position + SIZE)[0]:
                        raise Violation(ErrorCode.PROTOCOL_ERROR, "PRIORITY_UPDATE of stream 0")
                elif (
                    kind == WINDOW_UPDATE
                    and stream
                    and shift <= position <= size - SIZE - 4
                    and _NUMBER(data, position + SIZE)[0] >= HUGE
                ):
                    self._skip = 0
                    return position - shift
            position += SIZE + length
        if position < size:
            self._rest = data[position:]
            self._skip = 0
        else:
            self._skip = position - size
        if kind >= 0:
            is_head = kind in (HEADERS, CONTINUATION)
            self._goes_on = is_head and not flags & END_HEADERS
            self.unfinished = self._goes_on or (is_head and position > size)
        elif self.unfinished and position <= size:
            self.unfinished = self._goes_on
        return size - shift

    def _use(self, stream: int) -> None:
        if self._used is None or len(self._used) >= REMEMBERED:
            self._used = set()
        self._used.add(stream)

    def _check_priority(self, data: bytes, position: int, size: int, length: int, stream: int) -> None:
        if not stream:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "PRIORITY without a stream")
        whole = length == 5 and position + SIZE + 4 <= size
        if whole and _NUMBER(data, position + SIZE)[0] & 0x7FFFFFFF == stream:
            raise Violation(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")
