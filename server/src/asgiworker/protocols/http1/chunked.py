"""The chunked transfer coding of requests (RFC 9112 §7.1), decoded piece by piece.

llhttp is not used for bodies: here the end of a body has to be known to the byte, extensions are bounded,
and trailers count into the limits of the head.
"""

from __future__ import annotations

import re
from enum import Enum

from asgiworker.protocols.request import HeadLimits, Refusal

# chunk-size [chunk-ext]: an extension is discarded, but it must not hide control characters.
SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t -~\x80-\xff]*)?")
TRAILER_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*)")
# What no byte to come can put right: a chunk size that doesn't begin with a digit, and in any line
# a bare LF, a bare CR or a NUL.
NO_SIZE = re.compile(rb"[^0-9A-Fa-f]")
BROKEN_LINE = re.compile(rb"\n|\r(?!\Z)|\x00")

EXTENSIONS_BOUND = 4096  # bytes of chunk extensions in one request


class Part(Enum):
    """Which part of the coding comes next."""

    SIZE = "chunk size"
    DATA = "chunk data"
    DATA_END = "end of chunk data"
    TRAILERS = "trailers"
    END = "nothing"


class ChunkedDecoder:
    """Decodes one chunked body.

    Args:
        limits: the limits of a head, into which trailers count.
        fields, size: the fields of the head itself, and its bytes.

    `decode` takes bytes as they come; `rest` holds what has come after the end of the body.
    """

    __slots__ = (
        "_buffer",
        "_extensions",
        "_fields",
        "_left",
        "_limits",
        "_part",
        "_scanned",
        "_size",
        "rest",
    )

    def __init__(self, limits: HeadLimits, fields: int = 0, size: int = 0) -> None:
        self._limits = limits
        self._buffer = b""  # an incomplete line
        self._scanned = 0  # bytes of it that were looked through
        self._part = Part.SIZE
        self._left = 0  # bytes of the current chunk still to come
        self._extensions = 0
        self._fields = fields
        self._size = size
        self.rest = b""

    @property
    def complete(self) -> bool:
        """Whether the whole body and its trailers have come."""
        return self._part is Part.END

    def decode(self, data: bytes) -> list[bytes]:
        """The pieces of content in `data`, which goes on where the last call's ended.

        Raises:
            Refusal: the coding is broken, or a limit is.
        """
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        pieces = []
        position, end = 0, len(data)
        while position < end:
            if self._part is Part.DATA:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._part = Part.DATA_END
            elif self._part is Part.DATA_END:
                if end - position < 2:
                    if data[position:end] != b"\r":
                        raise Refusal(400, "chunk data doesn't end with CRLF")
                    break
                if data[position : position + 2] != b"\r\n":
                    raise Refusal(400, "chunk data doesn't end with CRLF")
                position += 2
                self._part = Part.SIZE
            elif self._part is Part.END:
                self.rest = data[position:]
                return pieces
            else:
                newline = data.find(b"\r\n", position)
                if newline < 0:
                    self._check_incomplete(data[position:])
                    break
                line = data[position:newline]
                position = newline + 2
                self._scanned = 0
                if self._part is Part.SIZE:
                    self._size_line(line)
                else:
                    self._trailer_line(line)
        self._buffer = data[position:]
        if self._part is Part.END:
            self.rest, self._buffer = self._buffer, b""
        return pieces

    def _size_line(self, line: bytes) -> None:
        match = SIZE_LINE.fullmatch(line)
        if match is None:
            raise Refusal(400, "invalid chunk header")
        self._extensions += len(line) - match.end(1)
        if self._extensions > EXTENSIONS_BOUND:
            raise Refusal(400, f"more than {EXTENSIONS_BOUND} bytes of chunk extensions")
        self._left = int(match[1], 16)
        self._part = Part.DATA if self._left else Part.TRAILERS

    def _trailer_line(self, line: bytes) -> None:
        """Trailers are checked and dropped, as RFC 9110 §6.5.1 allows: ASGI has no place for a request's."""
        if not line:
            self._part = Part.END
            return
        if TRAILER_LINE.fullmatch(line) is None:
            raise Refusal(400, "invalid trailer field")
        self._fields += 1
        self._size += len(line) + 2
        limits = self._limits
        if 0 < limits.limit_request_fields < self._fields:
            raise Refusal(431, f"more than {limits.limit_request_fields} header and trailer fields")
        if 0 < limits.limit_request_field_size < len(line) + 2:
            raise Refusal(431, f"trailer field longer than {limits.limit_request_field_size} bytes")
        if 0 < limits.limit_request_head < self._size:
            raise Refusal(431, f"more than {limits.limit_request_head} bytes of head and trailers")

    def _check_incomplete(self, line: bytes) -> None:
        """A line that has not ended yet: refuse what can't become one, and what is too long already."""
        if BROKEN_LINE.search(line, max(0, self._scanned - 1)):
            raise Refusal(400, "a line of the chunked coding doesn't end with CRLF")
        self._scanned = len(line)
        if self._part is Part.SIZE:
            if NO_SIZE.match(line):
                raise Refusal(400, "invalid chunk header")
            if len(line) > 16 + EXTENSIONS_BOUND:
                raise Refusal(400, f"more than {EXTENSIONS_BOUND} bytes of chunk extensions")
        else:
            limit = self._limits.limit_request_field_size or self._limits.limit_request_head
            if 0 < limit < len(line):
                raise Refusal(431, f"trailer field longer than {limit} bytes")
