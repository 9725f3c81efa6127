"""Files as responses: what is said of them, and how their bytes are sent (RFC 9110 §14, RFC 6266)."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable, Mapping
from email.utils import formatdate
from mimetypes import MimeTypes
from typing import BinaryIO, NamedTuple
from urllib.parse import quote

from asgistar.errors import NotFound
from asgistar.http.conditions import Range, conditions, not_modified, wanted
from asgistar.http.fields import Fields
from asgistar.http.response import Reply, Response
from asgistar.http.streams import STARTED
from asgistar.threads import finished
from asgistar.types import Receive, Scope, Send

PIECE = 256 * 1024
"""Bytes that are read at a time, each time in a thread."""

SMALL = 64 * 1024
"""A file of no more bytes is read at once when it is opened, and sent in one message."""

TYPES = MimeTypes()
"""Suffix -> type, the same on every machine: those of Python, and what it lacks."""

for _type, _suffixes in {
    "text/javascript": ".js .mjs",
    "text/markdown": ".md",
    "application/wasm": ".wasm",
    "application/manifest+json": ".webmanifest",
    "application/jsonl": ".jsonl",
    "image/avif": ".avif",
    "image/webp": ".webp",
    "font/woff": ".woff",
    "font/woff2": ".woff2",
}.items():
    for _suffix in _suffixes.split():
        TYPES.add_type(_type, _suffix)

_ENCODED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def content_type_of(name: str) -> str:
    """The type of a file, told by its name; text is said to be UTF-8."""
    type, encoding = TYPES.guess_type(name)
    if encoding is not None:
        return _ENCODED.get(encoding, "application/octet-stream")
    if type is None:
        return "application/octet-stream"
    return f"{type}; charset=utf-8" if type.startswith("text/") else type


class FileResponse(Response):
    """A file. Its client may have a part of it, or be told that it has it already.

    It answers `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, `If-Range` and
    `Range`, where the request is a GET or a HEAD and the status 200. Its entity tag is made of size and time.

    Args:
        path: of the file. One that isn't there, or is no file, is a 404.
        filename: what the client shall call it; it then saves it, and doesn't show it.
        within: a folder that it must be in, also once all symbolic links are followed; elsewhere, it is a
            404. For paths that clients have a say in.
        status: its status.
        headers: further headers.
        content_type: its type; told by the name if not given.

    Raises:
        ValueError: a header that can't be one.
    """

    __slots__ = ("_path", "_within")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        filename: str | None = None,
        within: str | os.PathLike[str] | None = None,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        content_type: str | None = None,
    ) -> None:
        self._path = os.fspath(path)
        self._within = None if within is None else os.fspath(within)
        super().__init__(b"", status, headers, content_type=content_type or content_type_of(self._path))
        if filename is not None:
            self.headers["content-disposition"] = _attachment(filename)

    def reply(self) -> Reply:
        """Status, headers, and the file as what sends itself."""
        return self.status, self.headers.fields, self

    async def send(self, status: int, headers: Fields, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or what the client wants of it.

        Raises:
            NotFound: there is no such file.
            PreconditionFailed: a condition of the request isn't met.
            RangeNotSatisfiable: the file has nothing where the client wants something.
            ClientDisconnected: the client has gone.
        """
        opening = asyncio.to_thread(_opened, self._path, self._within)
        opened = await finished(opening, drop=lambda opened: opened.file.close())
        with opened.file:
            await _Sending(opened, status, headers, scope, send).run()


def _attachment(filename: str) -> str:
    """The value of Content-Disposition (RFC 6266 §4.3): a plain name, and the true one where it isn't."""
    plain = re.sub(r"[^ !#-\[\]-~]|[/%]", "_", filename)
    if plain == filename:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, '', errors='replace')}"


class Opened(NamedTuple):
    """An open file.

    Attributes:
        path: where it is, whatever links led there.
        content: the whole of it, if it is small.
        size: in bytes.
        modified: when it was changed, in nanoseconds.
    """

    file: BinaryIO
    path: str
    content: bytes | None
    size: int
    modified: int


_MISSING = frozenset(
    getattr(errno, name)
    for name in ["ENOENT", "ENOTDIR", "EACCES", "EPERM", "EISDIR", "ELOOP", "ENAMETOOLONG", "ENXIO", "EINVAL"]
)
"""Errors of a path under which there is no file for us."""


def _opened(path: str, within: str | None) -> Opened:
    if path.endswith(("/", os.sep)):
        raise NotFound
    try:
        real = os.path.realpath(path)
        if within is not None:
            folder = os.path.realpath(within)
            if os.path.commonpath((folder, real)) != folder:
                raise NotFound
        flags = os.O_RDONLY
        for name in ("O_CLOEXEC", "O_BINARY", "O_NOFOLLOW", "O_NONBLOCK"):  # to open a FIFO would wait
            flags |= getattr(os, name, 0)
        descriptor = os.open(real, flags)
    except ValueError:  # a null character; a folder on another drive
        raise NotFound from None
    except OSError as error:
        if error.errno in _MISSING:
            raise NotFound from None
        raise
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotFound
        content = _whole(descriptor, found.st_size) if found.st_size <= SMALL else None
        file = os.fdopen(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise
    size = found.st_size if content is None else len(content)
    return Opened(file, real, content, size, found.st_mtime_ns)


def _whole(descriptor: int, size: int) -> bytes:
    """The first `size` bytes, or what there is of them."""
    content = b""
    while piece := os.read(descriptor, size - len(content)):
        content += piece
    return content


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


class _Sending:
    """One file on its way to one client."""

    def __init__(self, opened: Opened, status: int, headers: Fields, scope: Scope, send: Send) -> None:
        self._opened = opened
        self._status = status
        self._headers = headers
        self._scope = scope
        self._send = send
        self._is_get = scope["method"] == "GET"

    async def run(self) -> None:
        """Send the file, what is wanted of it, or that the client has it."""
        opened, modified = self._opened, self._opened.modified // 1_000_000_000
        etag = self._own(b"etag") or f'"{opened.modified:x}-{opened.size:x}"'
        told = {
            b"etag": etag.encode("latin-1"),
            b"last-modified": formatdate(modified, usegmt=True).encode(),
            b"accept-ranges": b"bytes",
        }
        if self._status == 200:
            own = {name for name, _ in self._headers}
            self._headers = [*self._headers, *(each for each in told.items() if each[0] not in own)]
        asked = conditions(self._scope["headers"])
        if asked and self._status == 200 and self._scope["method"] in ("GET", "HEAD"):
            if not_modified(asked, etag, modified):
                # RFC 9110 §15.4.5: nothing that tells of a content
                unsaid = (b"content-type", b"content-disposition", b"accept-ranges")
                headers = [each for each in self._headers if each[0] not in unsaid]
                await self._start(304, headers)
                await self._body(b"")
                return
            ranges = wanted(asked, etag, modified, opened.size) if self._is_get else None
            if ranges is not None:
                await (self._part(ranges[0]) if len(ranges) == 1 else self._parts(ranges))
                return
        await self._whole()

    def _own(self, name: bytes) -> str | None:
        """What the response says itself."""
        return next((value.decode("latin-1") for each, value in self._headers if each == name), None)

    async def _whole(self) -> None:
        opened = self._opened
        await self._start(self._status, [*self._headers, (b"content-length", b"%d" % opened.size)])
        if self._scope["method"] == "HEAD":
            await self._body(b"")
        elif opened.content is not None:
            await self._body(opened.content)
        elif "http.response.pathsend" in (self._scope.get("extensions") or {}):
            await self._send({"type": "http.response.pathsend", "path": opened.path})
        else:
            await self._pieces((0, opened.size))
            await self._body(b"")

    async def _part(self, range: Range) -> None:
        """One range (RFC 9110 §15.3.7.1)."""
        start, stop = range
        length = b"%d" % (stop - start)
        await self._start(
            206, [*self._headers, (b"content-range", self._place(range)), (b"content-length", length)]
        )
        await self._pieces(range)
        await self._body(b"")

    async def _parts(self, ranges: list[Range]) -> None:
        """Several (RFC 9110 §15.3.7.2)."""
        boundary = secrets.token_hex(16).encode()
        type = (self._own(b"content-type") or "application/octet-stream").encode("latin-1")
        heads = [
            b"\r\n--%b\r\nContent-Type: %b\r\nContent-Range: %b\r\n\r\n" % (boundary, type, self._place(each))
            for each in ranges
        ]
        tail = b"\r\n--%b--\r\n" % boundary
        length = sum(map(len, heads)) + sum(stop - start for start, stop in ranges) + len(tail)
        headers = [each for each in self._headers if each[0] != b"content-type"]
        await self._start(
            206,
            [
                *headers,
                (b"content-type", b"multipart/byteranges; boundary=" + boundary),
                (b"content-length", b"%d" % length),
            ],
        )
        for head, each in zip(heads, ranges, strict=True):
            await self._body(head, more=True)
            await self._pieces(each)
        await self._body(tail)

    def _place(self, range: Range) -> bytes:
        """The value of Content-Range."""
        return b"bytes %d-%d/%d" % (range[0], range[1] - 1, self._opened.size)

    async def _pieces(self, range: Range) -> None:
        start, stop = range
        while start < stop:
            if self._opened.content is not None:
                piece = self._opened.content[start:stop]
            else:
                size = min(PIECE, stop - start)
                piece = await finished(asyncio.to_thread(_read, self._opened.file, start, size))
            if not piece:
                raise RuntimeError(f"{self._opened.path} became shorter while it was sent.")
            start += len(piece)
            await self._body(piece, more=True)

    async def _start(self, status: int, headers: Fields) -> None:
        self._scope[STARTED] = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _body(self, body: bytes, more: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
