"""Compressed responses (RFC 9110 §8.4, §12.5.3): gzip, and brotli and zstd where their libraries are.

What a response is made of piece by piece is flushed with each piece: events and lines arrive when they are
sent.
A secret and something that an attacker chooses should not be in one compressed response (the BREACH attack).
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from asgistar.errors import ConfigurationError
from asgistar.extras import Extra, MissingExtra
from asgistar.http.fields import Fields, value, varied, without
from asgistar.http.negotiation import qualities
from asgistar.types import ASGIApplication, Message, Middleware, Receive, Scope, Send

IN_A_THREAD = 64 * 1024  # bytes from which on compressing would hold up the loop for a millisecond
CHUNK = 256 * 1024  # bytes of a file that are read at a time

TYPES = (
    "text/", "application/json", "application/javascript", "application/xml", "application/wasm",
    "application/jsonl", "application/x-ndjson", "application/msgpack", "image/svg+xml", "font/ttf",
)  # fmt: skip
SUFFIXES = ("+json", "+xml")


class Encoder(Protocol):
    """One content coding at work."""

    def piece(self, data: bytes) -> bytes:
        """Compress a piece, all that can be read of it."""

    def last(self, data: bytes) -> bytes:
        """Compress the last piece, and end."""


class _Zlib:
    def __init__(self, level: int) -> None:
        self._compress = zlib.compressobj(level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def piece(self, data: bytes) -> bytes:
        return self._compress.compress(data) + self._compress.flush(zlib.Z_SYNC_FLUSH)

    def last(self, data: bytes) -> bytes:
        return self._compress.compress(data) + self._compress.flush()


class _Brotli:
    def __init__(self, make: Callable[[], Any]) -> None:
        self._compress = make()

    def piece(self, data: bytes) -> bytes:
        made: bytes = self._compress.process(data) + self._compress.flush()
        return made

    def last(self, data: bytes) -> bytes:
        made: bytes = self._compress.process(data) + self._compress.finish()
        return made


class _Zstandard:
    def __init__(self, make: Callable[[], Any], flush: int) -> None:
        self._compress = make()
        self._flush = flush

    def piece(self, data: bytes) -> bytes:
        made: bytes = self._compress.compress(data) + self._compress.flush(self._flush)
        return made

    def last(self, data: bytes) -> bytes:
        made: bytes = self._compress.compress(data) + self._compress.flush()
        return made


Coding = tuple[str, Callable[[], Encoder]]


def _zstd() -> Callable[[], Encoder]:
    import zstandard

    # A window of 8 MB is what browsers take at most (RFC 9659).
    made = zstandard.ZstdCompressor(level=3)
    return lambda: _Zstandard(made.compressobj, zstandard.COMPRESSOBJ_FLUSH_BLOCK)


def _br() -> Callable[[], Encoder]:
    import brotli  # type: ignore[import-untyped]  # it has no types

    return lambda: _Brotli(lambda: brotli.Compressor(quality=4))


def _gzip() -> Callable[[], Encoder]:
    return lambda: _Zlib(5)


_CODINGS: dict[str, Callable[[], Callable[[], Encoder]]] = {"zstd": _zstd, "br": _br, "gzip": _gzip}


def _available(names: Sequence[str] | None) -> Iterator[Coding]:
    for name in _CODINGS if names is None else names:
        if name not in _CODINGS:
            raise ConfigurationError(
                f"compression: there is no coding {name!r}; there are {', '.join(_CODINGS)}."
            )
        try:
            with Extra("compression", f"The coding {name}"):
                made = _CODINGS[name]()
        except MissingExtra:
            if names is not None:
                raise
        else:
            yield name, made


def compression(
    *, codings: Sequence[str] | None = None, minimum: int = 500, types: Sequence[str] = ()
) -> Middleware:
    """Compress responses for clients that take it.

    Args:
        codings: of `zstd`, `br` and `gzip`, the best first; by default all that are installed.
        minimum: a body of fewer bytes stays as it is.
        types: media types to compress beside text, JSON, XML and the like.

    Raises:
        ConfigurationError: there is no such coding.
        MissingExtra: its package isn't installed.
    """
    if isinstance(codings, str) or isinstance(types, str):
        raise ConfigurationError("compression: codings and types are lists.")
    available = tuple(_available(codings))
    wanted = (*TYPES, *types)
    return lambda app: Compression(app, available, minimum, wanted)


class Compression:
    """The middleware; see `compression`."""

    def __init__(
        self, app: ASGIApplication, codings: Sequence[Coding], minimum: int, types: tuple[str, ...]
    ) -> None:
        self.app = app
        self.codings = codings
        self.minimum = minimum
        self.types = types

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Compress the response to a request, if its client takes that."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        accepted = value(scope["headers"], b"accept-encoding") or b""
        coding = best(accepted, self.codings)
        responding = Responding(self, coding, scope["method"] == "HEAD", send)
        extensions = scope.get("extensions")
        if extensions and "http.response.zerocopysend" in extensions:
            # What the kernel sends, nobody compresses. A file by its path is compressed here.
            others = {name: each for name, each in extensions.items() if name != "http.response.zerocopysend"}
            scope = {**scope, "extensions": others}
        await self.app(scope, receive, responding.send)

    def compressible(self, status: int, headers: Fields) -> bool:
        """Whether a response gains by it, and may be changed."""
        content_type = (value(headers, b"content-type") or b"").decode("latin-1")
        media_type = content_type.partition(";")[0].strip().lower()
        return (
            (media_type.startswith(self.types) or media_type.endswith(SUFFIXES))
            and status >= 200
            and status not in (204, 206, 304)
            and value(headers, b"content-encoding") is None
            and value(headers, b"content-range") is None
            and b"no-transform" not in (value(headers, b"cache-control") or b"").lower()
        )


def best(accepted: bytes, codings: Sequence[Coding]) -> Coding | None:
    """The coding that a client likes best, of several the one that we do; None for none."""
    liked = qualities(accepted)
    rest = liked.get(b"*", 0.0)
    most = max((liked.get(name.encode(), rest) for name, _ in codings), default=0.0)
    if most <= 0 or most < liked.get(b"identity", 0.0):
        return None
    return next(coding for coding in codings if liked.get(coding[0].encode(), rest) == most)


class Responding:
    """One response on its way."""

    __slots__ = ("_coding", "_compression", "_encoder", "_is_head", "_send", "_start")

    def __init__(self, compression: Compression, coding: Coding | None, is_head: bool, send: Send) -> None:
        self._compression = compression
        self._coding = coding
        self._is_head = is_head
        self._send = send
        self._start: Message | None = None
        """Waits for the first piece of the body, which says whether it is long enough."""
        self._encoder: Encoder | None = None

    async def send(self, message: Message) -> None:
        """Send a message of the application on, changed or not."""
        kind = message["type"]
        if kind == "http.response.start":
            headers = list(message.get("headers", ()))
            if not self._compression.compressible(message["status"], headers):
                await self._send(message)
                return
            message = {**message, "headers": varied(headers, "Accept-Encoding")}
            if self._coding is None:
                await self._send(message)
            else:
                self._start = message
        elif kind == "http.response.body":
            await self._body(message.get("body", b""), message.get("more_body", False), message)
        elif kind == "http.response.pathsend" and self._start is not None:
            await self._file(message["path"])
        else:
            await self._send(message)

    async def _body(self, data: bytes, more: bool, message: Message) -> None:
        if self._start is not None:
            await self._begin(more or self._length(len(data)) >= self._compression.minimum)
        if self._encoder is None:
            await self._send(message)
            return
        if self._is_head:
            compressed = b""
        else:
            compress = self._encoder.piece if more else self._encoder.last
            if len(data) > IN_A_THREAD:
                compressed = await asyncio.to_thread(compress, data)
            else:
                compressed = compress(data)
        await self._send({**message, "body": compressed})

    def _length(self, sent: int) -> int:
        """The length of the whole body; to HEAD it is only said."""
        assert self._start is not None
        said = value(self._start["headers"], b"content-length")
        return int(said) if self._is_head and said is not None and said.isdigit() else sent

    async def _begin(self, compressed: bool) -> None:
        """Send the start of the response."""
        assert self._start is not None
        assert self._coding is not None
        start, self._start = self._start, None
        if compressed:
            name, make = self._coding
            self._encoder = make()
            headers = without(start["headers"], b"content-length", b"accept-ranges", b"etag")
            if tag := value(start["headers"], b"etag"):
                # The bytes are others: the same only in what they mean (RFC 9110 §8.8.1).
                headers.append((b"etag", tag if tag.startswith(b"W/") else b"W/" + tag))
            start = {**start, "headers": [*headers, (b"content-encoding", name.encode())]}
        await self._send(start)

    async def _file(self, path: str) -> None:
        """Send a file that the application only named."""
        if self._is_head:
            await self._body(b"", False, {"type": "http.response.body", "body": b""})
            return
        file = await asyncio.to_thread(open, path, "rb")
        try:
            piece = await asyncio.to_thread(file.read, CHUNK)
            while True:
                following = await asyncio.to_thread(file.read, CHUNK)
                more = bool(following)
                body = {"type": "http.response.body", "body": piece, "more_body": more}
                await self._body(piece, more, body)
                if not more:
                    return
                piece = following
        finally:
            file.close()
