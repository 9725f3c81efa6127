"""WebSockets of clients: their messages are values, as the document has them (`x-websocket`).

What goes over the network is made by websockets; an application in process is spoken to without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, cast

import httpx
import msgspec

from asgistar.client.document import Operation, Schema, is_json
from asgistar.client.errors import problem
from asgistar.extras import Extra
from asgistar.inprocess import Portal, Running
from asgistar.inprocess.sockets import AsyncWebSocket, WebSocketClosed, WebSocketDenied, handshake, session

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

S = TypeVar("S")
R = TypeVar("R")
T = TypeVar("T")

NORMAL = 1000  # RFC 6455 §7.4.1
GOING_AWAY = 1001
NO_STATUS = 1005
BROKEN = 1006
OWN_CODES = 3000
"""From here on they are those of applications."""

LONGEST = 16_000_000
"""Bytes of a message that is taken."""

NOT_OURS = ("accept", "accept-encoding", "connection", "host", "upgrade")
"""Headers of a handshake that are not ours to say, beside those of the protocol itself: `sec-websocket-…`."""


__all__ = ["AsyncSocket", "Socket", "WebSocketClosed"]


class Wire(Protocol):
    """A WebSocket whose messages are as they come: text and bytes."""

    close_code: int | None
    close_reason: str
    subprotocol: str | None

    async def __aenter__(self) -> Any: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    async def send(self, message: str | bytes) -> None: ...

    async def receive(self) -> str | bytes: ...

    async def close(self, code: int = NORMAL, reason: str = "") -> None: ...


class Remote:
    """A WebSocket over the network.

    Args:
        request: the handshake.
        timeout: seconds for the answer to it.
    """

    def __init__(self, request: httpx.Request, timeout: float | None) -> None:
        self._request = request
        self._timeout = timeout
        self._connection: ClientConnection | None = None
        self.subprotocol: str | None = None
        self.close_code: int | None = None
        self.close_reason = ""

    async def __aenter__(self) -> Self:
        with Extra("client", "A WebSocket of asgistar.client"):
            from websockets.asyncio.client import connect
            from websockets.exceptions import InvalidHandshake, InvalidStatus

        request = self._request
        url = request.url.copy_with(scheme="wss" if request.url.scheme == "https" else "ws")
        headers = [
            (name, value)
            for name, value in request.headers.multi_items()
            if name not in NOT_OURS and not name.startswith("sec-websocket-")
        ]

        class Direct(connect):
            # Browsers follow no redirect, either; what we authenticate with stays with this server.
            def process_redirect(self, exc: Exception) -> Exception | str:
                return exc

        connecting = Direct(
            str(url),
            additional_headers=headers,
            user_agent_header=None,
            open_timeout=self._timeout,
            close_timeout=self._timeout,
            max_size=LONGEST,
        )
        try:
            self._connection = await connecting
        except InvalidStatus as error:
            said = error.response
            answer = httpx.Response(
                said.status_code,
                headers=list(said.headers.raw_items()),
                content=bytes(said.body),
                request=request,
            )
            raise WebSocketDenied(answer) from None
        except TimeoutError:
            raise httpx.ConnectTimeout(
                f"{url} hasn't answered within {self._timeout} s.", request=request
            ) from None
        except (OSError, InvalidHandshake) as error:
            raise httpx.ConnectError(f"{url}: {error}", request=request) from error
        self.subprotocol = self._connection.subprotocol
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close(NORMAL if exc_value is None else GOING_AWAY)

    async def send(self, message: str | bytes) -> None:
        from websockets.exceptions import ConnectionClosed

        assert self._connection is not None
        try:
            await self._connection.send(message)
        except ConnectionClosed:
            raise self._closed() from None

    async def receive(self) -> str | bytes:
        from websockets.exceptions import ConnectionClosed

        assert self._connection is not None
        try:
            return await self._connection.recv()
        except ConnectionClosed:
            raise self._closed() from None

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        assert self._connection is not None
        is_first = self._connection.close_code is None
        await self._connection.close(code, reason)
        self._closed()
        if is_first and self.close_code == code:
            self.close_reason = reason

    def _closed(self) -> WebSocketClosed:
        assert self._connection is not None
        code = self._connection.close_code
        self.close_code = BROKEN if code is None else code
        self.close_reason = self._connection.close_reason or ""
        return WebSocketClosed(self.close_code, self.close_reason)


def wire(
    running: Running | None,
    request: httpx.Request,
    timeout: float | None,
    http: httpx.Client | httpx.AsyncClient,
) -> Wire:
    """A WebSocket to where a request goes.

    Args:
        running: the application, if it is one in process.
        request: for the URL of the WebSocket.
        timeout: seconds for the answer.
        http: the client of httpx, whose authentication and cookies it has.
    """
    asked = handshake(request, (), http.auth)
    if running is None:
        return Remote(asked, timeout)
    return AsyncWebSocket(lambda: session(running, asked, (), None), asked, timeout, None, http.cookies)


class AsyncSocket(Generic[S, R]):
    """A WebSocket: `async with await client.chat(room="a") as socket: ...`. Iterated over, it gives values,
    until it is closed; where the code of that tells of something wrong, it is raised.

    What is sent and received are values where the document says so: JSON; and text or bytes as they are
    otherwise.

    Args:
        wire: that has been opened.
        operation: that it is of.
        type: what is received, as msgspec knows it.
    """

    def __init__(self, wire: Wire, operation: Operation, type: Any = Any) -> None:
        self._wire = wire
        self._writes_json = _is_json(operation.receives)
        self._reads_json = _is_json(operation.sends)
        self._type = type

    @property
    def close_code(self) -> int | None:
        """The code that it was closed with (RFC 6455 §7.4); None while it is open."""
        return self._wire.close_code

    @property
    def close_reason(self) -> str:
        """The reason that it was closed with."""
        return self._wire.close_reason

    async def send(self, value: S) -> None:
        """Send a value.

        Raises:
            WebSocketClosed: it is closed.
        """
        as_it_is = isinstance(value, str | bytes) and not self._writes_json
        await self._wire.send(cast(Any, value) if as_it_is else msgspec.json.encode(value).decode())

    async def receive(self, timeout: float | None = None) -> R:
        """What comes next.

        Args:
            timeout: seconds to wait for it; None for no end.

        Raises:
            WebSocketClosed: it is closed.
            TimeoutError: nothing came.
            msgspec.DecodeError: it isn't JSON, or not of the type.
        """
        async with asyncio.timeout(timeout):
            message = await self._wire.receive()
        return cast(R, msgspec.json.decode(message, type=self._type) if self._reads_json else message)

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close it."""
        if self.close_code is None:
            await self._wire.close(code, reason)

    async def __aiter__(self) -> AsyncIterator[R]:
        try:
            while True:
                yield await self.receive()
        except WebSocketClosed as closed:
            if not _as_meant(closed.code):
                raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._wire.__aexit__(exc_type, exc_value, traceback)


class Socket(Generic[S, R]):
    """A WebSocket: `with client.chat(room="a") as socket: ...`; an `AsyncSocket` for those without a loop.

    Args:
        socket: the same in a loop.
        portal: the loop.
        owned: the portal ends with it.
    """

    def __init__(self, socket: AsyncSocket[S, R], portal: Portal, owned: bool) -> None:
        self._socket = socket
        self._portal = portal
        self._owned = owned
        self._ended = False

    @property
    def close_code(self) -> int | None:
        """See `AsyncSocket.close_code`."""
        return self._socket.close_code

    @property
    def close_reason(self) -> str:
        """See `AsyncSocket.close_reason`."""
        return self._socket.close_reason

    def send(self, value: S) -> None:
        """See `AsyncSocket.send`."""
        self._call(self._socket.send(value))

    def receive(self, timeout: float | None = None) -> R:
        """See `AsyncSocket.receive`."""
        return self._call(self._socket.receive(timeout))

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close it."""
        if not self._ended:
            self._end(self._socket.close(code, reason))

    def __iter__(self) -> Iterator[R]:
        try:
            while True:
                yield self.receive()
        except WebSocketClosed as closed:
            if not _as_meant(closed.code):
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._ended:
            self._end(self._socket.__aexit__(exc_type, exc_value, traceback))

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._ended:
            coroutine.close()
            raise WebSocketClosed(self.close_code or NORMAL, self.close_reason)
        return self._portal.call(coroutine)

    def _end(self, closing: Coroutine[Any, Any, None]) -> None:
        self._ended = True
        try:
            self._portal.call(closing)
        finally:
            if self._owned:
                self._portal.stop()


async def opened(wire: Wire, operation: Operation, type: Any) -> AsyncSocket[Any, Any]:
    """A WebSocket, once it is accepted.

    Raises:
        Problem: it is not.
        httpx.TransportError: there is no answer.
    """
    try:
        await wire.__aenter__()
    except WebSocketDenied as denied:
        raise problem(denied.response) from None
    return AsyncSocket(wire, operation, type)


def _as_meant(code: int) -> bool:
    """Whether a WebSocket was closed because somebody wanted it: all other codes tell of something wrong."""
    return code in (NORMAL, GOING_AWAY, NO_STATUS) or code >= OWN_CODES


def _is_json(content: Mapping[str, Schema]) -> bool:
    return any(map(is_json, content))
