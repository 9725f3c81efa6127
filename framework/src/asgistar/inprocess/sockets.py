"""WebSockets of an application in process, for those who write to it and read from it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from asgistar.inprocess.portal import Portal
from asgistar.inprocess.running import Running
from asgistar.inprocess.transports import scope_of
from asgistar.inprocess.websocket import NORMAL, Session
from asgistar.types import Message

GOING_AWAY = 1001  # RFC 6455 §7.4.1

Open = Callable[[], Session]
"""Calls the application with a WebSocket."""


def handshake(request: httpx.Request, protocols: Iterable[str], auth: httpx.Auth | None) -> httpx.Request:
    """A request for a WebSocket (RFC 6455 §4.1).

    Raises:
        TypeError: the authentication waits for something, which can't be done here.
    """
    if auth is not None:
        kind, plain = type(auth), httpx.Auth
        if kind.async_auth_flow != plain.async_auth_flow and kind.sync_auth_flow == plain.sync_auth_flow:
            raise TypeError(
                f"{kind.__name__} can't open a WebSocket: it has an async_auth_flow only. Give it an "
                "auth_flow or a sync_auth_flow too."
            )
        request = next(auth.sync_auth_flow(request))
    request.headers.update(
        {
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": b64encode(bytes(16)).decode(),
        }
    )
    if protocols := ", ".join(protocols):
        request.headers["sec-websocket-protocol"] = protocols
    return request


def session(running: Running, request: httpx.Request, protocols: Iterable[str], mark: object) -> Session:
    """Call an application with a WebSocket.

    Args:
        protocols: the subprotocols that are offered.
        mark: see `scope_of`.
    """
    scope = scope_of(running, request, mark, "websocket")
    scope["subprotocols"] = list(protocols)
    return Session(running.app, scope, running.raises)


class WebSocketDenied(Exception):
    """The application didn't accept the WebSocket.

    Attributes:
        response: what it answered instead; 403 if it has just closed it.
    """

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"The WebSocket was denied with {response.status_code}: {response.text[:200]}")
        self.response = response


class WebSocketClosed(Exception):
    """The WebSocket is closed.

    Attributes:
        code: as in RFC 6455 §7.4.1.
        reason: a text.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"The WebSocket was closed with {code}{reason and f': {reason}'}")
        self.code = code
        self.reason = reason


class AsyncWebSocket:
    """A WebSocket: `async with client.websocket("/ws/1/") as socket: ...`. Iterated over, it gives messages.

    Args:
        open: calls the application.
        request: the handshake.
        timeout: seconds for the answer to it.
        patience: seconds for each message.
        cookies: of the client.

    Attributes:
        subprotocol: the one that the application chose.
        headers: those that it accepted with.
        close_code: the code that it was closed with; None while it is open.
        close_reason: the reason, with it.
    """

    def __init__(
        self,
        open: Open,
        request: httpx.Request,
        timeout: float | None,
        patience: float | None,
        cookies: httpx.Cookies,
    ) -> None:
        self._open = open
        self._request = request
        self._timeout = timeout
        self._patience = patience
        self._cookies = cookies
        self._session: Session | None = None
        self.subprotocol: str | None = None
        self.headers = httpx.Headers()
        self.close_code: int | None = None
        self.close_reason = ""

    async def __aenter__(self) -> Self:
        self._session = session = self._open()
        try:
            message = await session.opened(self._timeout)
            if message["type"] == "websocket.accept":
                response = self._response(101, message)
                self.headers = response.headers
                self.subprotocol = message.get("subprotocol")
                return self
            if message["type"] == "websocket.close":
                response = self._response(403, {})
            else:
                response = self._response(message["status"], message, await session.denial(self._timeout))
        except BaseException:
            await session.leave()
            raise
        await session.leave()
        session.raise_failure()
        raise WebSocketDenied(response)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        assert self._session is not None
        if exc_value is None:
            await self.close()
            self._session.raise_failure()
        else:
            await self._session.put({"type": "websocket.disconnect", "code": GOING_AWAY, "reason": ""})
            await self._session.leave()

    async def send(self, message: str | bytes) -> None:
        """Send a message: text, or bytes.

        Raises:
            WebSocketClosed: it is closed.
        """
        key = "text" if isinstance(message, str) else "bytes"
        self._see_open()
        assert self._session is not None
        await self._session.put({"type": "websocket.receive", key: message})

    async def send_json(self, value: object) -> None:
        """Send a value as text: JSON, of anything that msgspec encodes."""
        await self.send(msgspec.json.encode(value).decode())

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            WebSocketClosed: the application closed it.
            TimeoutError: there was none within the timeout of the client.
            Exception: the application failed.
        """
        self._see_open()
        assert self._session is not None
        message = await self._session.message(self._patience)
        if message.get("type") != "websocket.send":
            self.close_code = message.get("code", NORMAL)
            self.close_reason = message.get("reason") or ""
            self._see_open()
        text: str | None = message.get("text")
        return message["bytes"] if text is None else text

    async def receive_text(self) -> str:
        """The next message, which must be text; see `receive`."""
        message = await self.receive()
        assert isinstance(message, str), f"The message is bytes, not text: {message!r}"
        return message

    async def receive_bytes(self) -> bytes:
        """The next message, which must be bytes; see `receive`."""
        message = await self.receive()
        assert isinstance(message, bytes), f"The message is text, not bytes: {message!r}"
        return message

    async def receive_json(self, type: Any = Any) -> Any:
        """The next message, decoded as JSON.

        Args:
            type: what it must be, as msgspec knows it.

        Raises:
            msgspec.DecodeError: it isn't JSON, or not of the type.
        """
        return msgspec.json.decode(await self.receive(), type=type)

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close it, and wait until the application has ended."""
        assert self._session is not None
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason
        await self._session.disconnect(code, reason)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        try:
            while True:
                yield await self.receive()
        except WebSocketClosed:
            return

    def _see_open(self) -> None:
        if self.close_code is not None:
            raise WebSocketClosed(self.close_code, self.close_reason)

    def _response(self, status: int, message: Message, body: bytes = b"") -> httpx.Response:
        headers = list(message.get("headers", ()))
        response = httpx.Response(status, headers=headers, content=body, request=self._request)
        self._cookies.extract_cookies(response)
        return response


class WebSocket:
    """A WebSocket: `with client.websocket("/ws/1/") as socket: ...`. Iterated over, it gives messages.

    It is an `AsyncWebSocket` for those who have no loop.
    """

    def __init__(self, socket: AsyncWebSocket, portal: Portal) -> None:
        self._socket = socket
        self._call = portal.call

    @property
    def subprotocol(self) -> str | None:
        """The one that the application chose."""
        return self._socket.subprotocol

    @property
    def headers(self) -> httpx.Headers:
        """Those that the application accepted with."""
        return self._socket.headers

    @property
    def close_code(self) -> int | None:
        """The code that it was closed with; None while it is open."""
        return self._socket.close_code

    @property
    def close_reason(self) -> str:
        """The reason that it was closed with."""
        return self._socket.close_reason

    def __enter__(self) -> Self:
        self._call(self._socket.__aenter__())
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._call(self._socket.__aexit__(exc_type, exc_value, traceback))

    def send(self, message: str | bytes) -> None:
        """See `AsyncWebSocket.send`."""
        self._call(self._socket.send(message))

    def send_json(self, value: object) -> None:
        """See `AsyncWebSocket.send_json`."""
        self._call(self._socket.send_json(value))

    def receive(self) -> str | bytes:
        """See `AsyncWebSocket.receive`."""
        return self._call(self._socket.receive())

    def receive_text(self) -> str:
        """See `AsyncWebSocket.receive_text`."""
        return self._call(self._socket.receive_text())

    def receive_bytes(self) -> bytes:
        """See `AsyncWebSocket.receive_bytes`."""
        return self._call(self._socket.receive_bytes())

    def receive_json(self, type: Any = Any) -> Any:
        """See `AsyncWebSocket.receive_json`."""
        return self._call(self._socket.receive_json(type))

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """See `AsyncWebSocket.close`."""
        self._call(self._socket.close(code, reason))

    def __iter__(self) -> Iterator[str | bytes]:
        try:
            while True:
                yield self.receive()
        except WebSocketClosed:
            return
