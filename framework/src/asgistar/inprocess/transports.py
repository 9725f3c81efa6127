"""Transports for httpx that lead into an application instead of a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Literal, Self

import httpx

from asgistar.inprocess.conversation import Late
from asgistar.inprocess.exchange import Exchange, Incomplete
from asgistar.inprocess.portal import Portal
from asgistar.inprocess.running import Running
from asgistar.types import Scope

WHOLE = "asgistar.whole"
"""An extension of a request: its timeout is that of the whole response, which is not a stream."""

PLAIN = (b"content-type", b"text/plain; charset=utf-8")


def scope_of(
    running: Running, request: httpx.Request, mark: object, type: Literal["http", "websocket"] = "http"
) -> Scope:
    """The scope of a request, or of a WebSocket by the request that asks for it.

    Args:
        mark: by which the application can tell requests from others:
            `scope["extensions"]["asgistar.client"]["mark"]`; None for none.
    """
    url = request.url
    scheme = _OF_WEBSOCKETS.get(url.scheme, url.scheme) if type == "websocket" else url.scheme
    scope = running.scope(type, scheme, url.host, url.port, url.raw_path, request.headers.raw)
    if mark is not None:
        scope["extensions"]["asgistar.client"] = {"mark": mark}
    return scope


_OF_WEBSOCKETS = {"http": "ws", "https": "wss"}


class Transport(httpx.AsyncBaseTransport):
    """Requests run in the loop of the caller; the lifespan is from its entry to its exit.

    Args:
        running: the application.
        mark: by which the application can tell the requests of this transport from others.
        owned: the lifespan is that of this transport.
    """

    def __init__(self, running: Running, mark: object = None, owned: bool = True) -> None:
        self.running = running
        self.mark = mark
        self._owned = owned

    async def __aenter__(self) -> Self:
        if self._owned:
            await self.running.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        if self._owned:
            await self.running.stop()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeout = request.extensions.get("timeout", {}).get("read")
        whole = request.extensions.get(WHOLE, False)
        exchange = self.begin(request)
        try:
            status, headers = await exchange.head(timeout)
        except BaseException as error:
            await exchange.leave()
            if isinstance(error, Incomplete) and not exchange.raises:
                return _response(500, [PLAIN], httpx.ByteStream(b"Internal Server Error"))
            if isinstance(error, Late | Incomplete):
                raise _translated(error, request, timeout, whole) from None
            raise
        return _response(status, headers, _Stream(exchange, request, whole))

    def begin(self, request: httpx.Request) -> Exchange:
        """Call the application with a request."""
        running = self.running
        scope = scope_of(running, request, self.mark)
        scope["method"] = request.method
        stream = request.stream
        body: bytes | AsyncIterator[bytes]
        if isinstance(stream, httpx.ByteStream):
            body = b"".join(stream)
        elif isinstance(stream, httpx.AsyncByteStream):
            body = aiter(stream)
        else:
            assert isinstance(stream, httpx.SyncByteStream)
            body = _in_threads(iter(stream))
        return Exchange(running.app, scope, body, running.raises)


class ThreadedTransport(httpx.BaseTransport):
    """The same for callers without a loop: requests run in the loop of a portal.

    Args:
        transport: what runs there.
        portal: the loop.
        owned: lifespan and loop are those of this transport.
    """

    def __init__(self, transport: Transport, portal: Portal, owned: bool = True) -> None:
        self.transport = transport
        self.portal = portal
        self._owned = owned

    def __enter__(self) -> Self:
        if self._owned:
            self.portal.start()
            try:
                self.portal.call(self.transport.__aenter__())
            except BaseException:
                self.portal.stop()
                raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        if self._owned:
            try:
                self.portal.call(self.transport.__aexit__(exc_type, exc_value, traceback))
            finally:
                self.portal.stop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self.portal.call(self.transport.handle_async_request(request))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _ThreadedStream(response.stream, self.portal)
        return response


class _Stream(httpx.AsyncByteStream):
    """The body of a response. Closed before its end, the client has left."""

    def __init__(self, exchange: Exchange, request: httpx.Request, whole: bool) -> None:
        self._exchange = exchange
        self._request = request
        self._whole = whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # As in httpx itself, it may have been changed after the head of the response.
        timeout = self._request.extensions.get("timeout", {}).get("read")
        try:
            async for chunk in self._exchange.chunks(timeout, self._whole):
                yield chunk
        except (Late, Incomplete) as error:
            raise _translated(error, self._request, timeout, self._whole) from None

    async def aclose(self) -> None:
        await self._exchange.leave()


class _ThreadedStream(httpx.SyncByteStream):
    """A stream of a portal's loop, for those outside."""

    def __init__(self, stream: httpx.AsyncByteStream, portal: Portal) -> None:
        self._stream = stream
        self._portal = portal

    def __iter__(self) -> Iterator[bytes]:
        chunks = aiter(self._stream)

        async def following() -> bytes | None:
            return await anext(chunks, None)

        while (chunk := self._portal.call(following())) is not None:
            yield chunk

    def close(self) -> None:
        self._portal.call(self._stream.aclose())


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """An iterator that may block, for a loop that may not."""
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk


def _response(
    status: int, headers: list[tuple[bytes, bytes]], stream: httpx.AsyncByteStream
) -> httpx.Response:
    return httpx.Response(status, headers=headers, stream=stream, extensions={"http_version": b"HTTP/1.1"})


def _translated(
    error: Late | Incomplete, request: httpx.Request, timeout: float | None, whole: bool
) -> httpx.TransportError:
    """An error as httpx has it."""
    if isinstance(error, Late):
        hint = " If it is a stream, read it with `stream` or `events`." if whole else ""
        return httpx.ReadTimeout(
            f"{request.method} {request.url} wasn't answered completely within {timeout} s.{hint}",
            request=request,
        )
    return httpx.RemoteProtocolError(str(error), request=request)
