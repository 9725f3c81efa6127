"""WebSockets: what a view for one is given, messages of a type in and out (RFC 6455).

    async def chat(socket: WebSocket[Said, Heard], room: str) -> None:
        async for message in socket:
            await socket.send(Heard(message.text))

    WebSocketRoute("/chat/<room>", chat)

A message is JSON in a text frame; `str` is the text of a text frame, `bytes` what is in a binary one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from enum import Enum
from typing import Any, Generic, TypeVar

from msgspec import Struct

from asgistar.errors import Problem, phrase
from asgistar.http.headers import ResponseHeaders
from asgistar.http.response import Reply
from asgistar.types import Message, Receive, Scope, Send

In = TypeVar("In")
Out = TypeVar("Out")

REASON = 123
"""So many bytes may say why a WebSocket is closed (RFC 6455 §5.5)."""

DENIAL = "websocket.http.response"
"""The extension of ASGI with which the opening handshake is answered by a response of HTTP."""


class Disconnected(ConnectionError):
    """The WebSocket is closed: nothing comes from it any more, and nothing can be sent.

    A view need not catch it.

    Attributes:
        code: why (RFC 6455 §7.4.1); 1005 if the client said nothing, 1006 if it was just gone.
        reason: why, in words.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"closed with {code}{f', {reason}' if reason else ''}")
        self.code = code
        self.reason = reason


class Unreadable(Exception):
    """A message isn't what the view takes.

    Attributes:
        code: 1003 for a frame of the wrong kind, 1007 for data that isn't of the type.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Coding(Struct, frozen=True):
    """How the messages of a view are coded.

    Attributes:
        decode: from text or bytes to a message; raises Unreadable.
        encode: from a message to text or bytes.
        silent: the client has nothing to say: the view ends when it leaves.
    """

    decode: Callable[[str | bytes], Any]
    encode: Callable[[Any], str | bytes]
    silent: bool = False


class State(Enum):
    """Where a WebSocket stands."""

    NEW = "nothing has happened"
    CONNECTING = "the client asks for it"
    OPEN = "accepted"
    CLOSED = "closed by one of both, or refused"


class WebSocket(Generic[In, Out]):
    """A WebSocket, on which the client sends messages of one type and is sent messages of another.

    It is accepted when the view first receives or sends, or says so with `accept`. A Problem that is raised
    before that is the response to the handshake; what is raised after that closes it: a Problem with 1008,
    anything else with 1011. It is closed with 1000 when the view returns.

    A message that isn't of the type closes it, with 1007; with 1003 if text came for bytes, or the reverse.

    `WebSocket[None, Out]` only sends: the view is cancelled when the client leaves. `WebSocket` alone has
    `str` and `bytes`, as they come.

    Attributes:
        scope: the ASGI scope.
        subprotocols: those that the client offers.
        subprotocol: the one that was chosen; None if none was.
    """

    __slots__ = (
        "_cancelling", "_closed", "_coding", "_receive", "_send", "_state", "_task", "_watch",
        "scope", "subprotocol", "subprotocols",
    )  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send, coding: Coding) -> None:
        self.scope = scope
        self.subprotocols: list[str] = list(scope.get("subprotocols") or ())
        self.subprotocol: str | None = None
        self._receive = receive
        self._send = send
        self._coding = coding
        self._state = State.NEW
        self._closed = Disconnected(1006)
        self._task: asyncio.Task[Any] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._cancelling = False

    async def accept(self, subprotocol: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        """Accept it, where there is something to say with that. Does nothing if it is open already.

        Args:
            subprotocol: one of those that the client offers.
            headers: of the response to the handshake.

        Raises:
            ValueError: the client doesn't offer this subprotocol, or a header can't be one.
            Disconnected: the client has left.
        """
        if self._state is State.OPEN:
            return
        if subprotocol is not None and subprotocol not in self.subprotocols:
            offered = ", ".join(self.subprotocols) or "none"
            raise ValueError(f"The client offers {offered}, not the subprotocol {subprotocol!r}.")
        fields = ResponseHeaders(headers).fields
        await self._connect()
        self._check_open()
        await self._put({"type": "websocket.accept", "subprotocol": subprotocol, "headers": fields})
        self._state = State.OPEN
        self.subprotocol = subprotocol
        if self._coding.silent and self._task is not None:
            self._watch = asyncio.create_task(self._cancel_when_left(self._task))

    async def receive(self) -> In:
        """The next message.

        Raises:
            Disconnected: there is none any more, or it wasn't of the type.
        """
        if self._state is not State.OPEN:
            await self.accept()
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise self._left(message)
        text = message.get("text")
        try:
            decoded: In = self._coding.decode(message["bytes"] if text is None else text)
        except Unreadable as error:
            await self.close(error.code, str(error))
            raise self._closed from None
        return decoded

    async def __aiter__(self) -> AsyncIterator[In]:
        """The messages, until the WebSocket is closed."""
        while True:
            try:
                message = await self.receive()
            except Disconnected:
                return
            yield message

    async def send(self, message: Out) -> None:
        """Send a message; waits as long as the client takes nothing.

        Raises:
            Disconnected: the WebSocket is closed.
        """
        if self._state is not State.OPEN:
            await self.accept()
        data = self._coding.encode(message)
        kind = "text" if isinstance(data, str) else "bytes"
        await self._put({"type": "websocket.send", kind: data})

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it; if it wasn't accepted, it is refused with 403. Does nothing if it is closed already.

        Args:
            code: why (RFC 6455 §7.4); 3000 to 4999 are for applications.
            reason: why, in words; 123 bytes of it are sent.

        Raises:
            ValueError: a code that can't be sent.
        """
        if not (code in _CODES or 3000 <= code <= 4999):
            raise ValueError(f"A WebSocket can't be closed with {code!r}. Take 1000, or one of 3000 to 4999.")
        await self._connect()
        if self._state is State.CLOSED:
            return
        self._state = State.CLOSED
        self._closed = Disconnected(code, reason)
        short = reason.encode()[:REASON].decode(errors="ignore")
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": short})
        except OSError:
            pass  # the client has left: closed is closed

    async def _connect(self) -> None:
        """Take the client's wish to connect."""
        if self._state is State.NEW:
            self._state = State.CONNECTING
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._left(message)

    def _check_open(self) -> None:
        if self._state is State.CLOSED:
            raise self._closed

    def _left(self, message: Message) -> Disconnected:
        self._state = State.CLOSED
        self._closed = Disconnected(message.get("code", 1005), message.get("reason") or "")
        return self._closed

    async def _put(self, message: Message) -> None:
        self._check_open()
        try:
            await self._send(message)
        except OSError as error:  # ASGI WebSocket 2.4: "Send"
            self._state = State.CLOSED
            raise self._closed from error

    # --- for the plan: how it ends ---

    async def watched(self, view: Any) -> None:
        """Run a view that only sends; end it when the client leaves.

        Raises:
            Disconnected: the client has left.
        """
        self._task = task = asyncio.current_task()
        assert task is not None
        try:
            await view
        except asyncio.CancelledError:
            if not self._cancelling or task.cancelling() > 1:
                raise
            raise self._closed from None
        finally:
            if self._cancelling:
                task.uncancel()
            if self._watch is not None:
                self._watch.cancel()

    async def _cancel_when_left(self, task: asyncio.Task[Any]) -> None:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._left(message)
        else:
            await self.close(1003, "No messages are taken here.")
        self._cancelling = True
        task.cancel()

    async def fail(self, error: Exception, failed: Callable[[Scope, Exception], Reply]) -> None:
        """End what an error has ended.

        Args:
            failed: makes the response of an error, and tells of it.
        """
        # Of a TaskGroup one task may learn of it, or several.
        if isinstance(error, Disconnected) or (
            isinstance(error, ExceptionGroup) and error.split(Disconnected)[1] is None
        ):
            await self.close()
            return
        reply = failed(self.scope, error)
        if self._state in (State.NEW, State.CONNECTING):
            await self._refuse(reply)
        elif isinstance(error, Problem) and error.status < 500:
            title = error.title or phrase(error.status)
            await self.close(1008, f"{title}: {error.detail}" if error.detail else title)
        else:
            await self.close(1011)

    async def _refuse(self, reply: Reply) -> None:
        await self._connect()
        if self._state is State.CONNECTING:
            self._state = State.CLOSED
            await deny(self.scope, self._send, reply)


async def refuse(scope: Scope, receive: Receive, send: Send, reply: Reply) -> None:
    """Answer the opening handshake of a WebSocket that there is no view for."""
    message = await receive()
    if message["type"] == "websocket.connect":
        await deny(scope, send, reply)


async def deny(scope: Scope, send: Send, reply: Reply) -> None:
    """Answer a handshake with a response, or with 403 if the server can't do that."""
    status, headers, content = reply
    try:
        if DENIAL in (scope.get("extensions") or {}):
            await send({"type": f"{DENIAL}.start", "status": status, "headers": headers})
            await send({"type": f"{DENIAL}.body", "body": content})
        else:
            await send({"type": "websocket.close", "code": 1000})
    except OSError:
        pass  # the client has left


_CODES = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
