"""Responses that are sent piece by piece, and end when their client leaves (ASGI HTTP 2.5).

What makes the pieces is an async iterator. It runs in the task of the request, so that it may hold what is
bound to a task; beside it, a watch waits for the client to leave, starts a response whose first piece takes
long, and sends a sign of life where there is nothing to send.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

from asgistar.http.fields import Fields
from asgistar.http.reading import ClientDisconnected
from asgistar.types import Message, Receive, Scope, Send

PATIENCE = 1.0
"""Seconds that the first piece may take. Until then a problem can be raised; then the response starts."""

KEEP_ALIVE = 15.0
"""Seconds without a piece after which a stream of events gives a sign of life."""

STARTED = "asgistar.started"
"""Stands in a scope whose response has started: a problem can't be told of any more."""


class Ahead:
    """A `receive` that can say that the client has left, while others still receive the body through it.

    It looks no further than to the next part of the body; only when that has been taken, it looks on.

    Args:
        receive: of ASGI.
    """

    __slots__ = ("_came", "_gone", "_lock", "_receive", "_taken")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._came: deque[Message] = deque()
        self._lock = asyncio.Lock()
        self._taken = asyncio.Event()
        self._gone = False

    async def __call__(self) -> Message:
        async with self._lock:
            message = self._came.popleft() if self._came else await self._receive()
        self._taken.set()
        return message

    async def left(self) -> None:
        """Wait until the client has left."""
        while not self._gone:
            async with self._lock:
                if not self._came or not self._came[-1].get("more_body"):
                    self._came.append(await self._receive())
                last = self._came[-1]
                self._gone = last["type"] == "http.disconnect"
                self._taken.clear()
            if last.get("more_body"):
                await self._taken.wait()


class Connected:
    """What is done in `async with Connected(receive):` is cancelled when the client leaves.

    Args:
        receive: tells of it.

    Attributes:
        left: the client has left.
        complete: the response is: to leave is all that the client has still to do.

    Raises:
        ClientDisconnected: at the end of the block, if the client has left.
    """

    __slots__ = ("_cancelling", "_error", "_receive", "_task", "_watch", "complete", "left")

    def __init__(self, receive: Ahead) -> None:
        self._receive = receive
        self.left = False
        self.complete = False
        self._error: Exception = ClientDisconnected()

    async def __aenter__(self) -> Connected:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._watch = asyncio.create_task(self._watched())
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        self._watch.cancel()
        # It was cancelled by us, or by somebody else as well; as in asyncio.timeout.
        ours = self.left and self._task.uncancel() <= self._cancelling
        if ours and (error is None or isinstance(error, asyncio.CancelledError | OSError)):
            raise self._error from error

    async def _watched(self) -> None:
        try:
            await self.watch()
        except Exception as error:
            self._error = error
        if not self.complete:
            self.left = True
            self._task.cancel()

    async def watch(self) -> None:
        """Wait until the client has left."""
        await self._receive.left()


class Stream(Connected):
    """A response on its way.

    Args:
        start: its first message.
        receive: tells when the client leaves.
        send: of ASGI.
        scope: in which it is noted that the response has started.
        ping: what is sent where there is nothing to send for a while; nothing if empty.
    """

    __slots__ = ("_busy", "_idle_since", "_loop", "_ping", "_scope", "_send", "_start", "started")

    def __init__(self, start: Message, scope: Scope, receive: Ahead, send: Send, ping: bytes = b"") -> None:
        super().__init__(receive)
        self._start = start
        self._scope = scope
        self._send = send
        self._ping = ping
        self._loop = asyncio.get_running_loop()
        self._idle_since = self._loop.time()
        self._busy = asyncio.Lock()
        self.started = False

    async def write(self, data: bytes, more: bool = True) -> None:
        """Send a piece.

        Raises:
            ClientDisconnected: the client has gone.
        """
        if self.left:
            raise ClientDisconnected
        try:
            async with self._busy:
                if not more:
                    self.complete = True
                if not self.started:
                    self.started = self._scope[STARTED] = True
                    await self._send(self._start)
                await self._send({"type": "http.response.body", "body": data, "more_body": more})
        except OSError as error:  # ASGI HTTP 2.4, "Disconnected Client"
            raise ClientDisconnected from error
        self._idle_since = self._loop.time()

    async def watch(self) -> None:
        """Wait until the client has left; start the response meanwhile, and give signs of life."""
        wait: float | None = PATIENCE
        while True:
            try:
                async with asyncio.timeout(wait):
                    await self._receive.left()
                return
            except TimeoutError:
                pass
            wait = await self._live()

    async def _live(self) -> float | None:
        """Start the response, or send a sign of life if it is time; the seconds until it is time again."""
        if not self.started:
            await self.write(b"")
        if not self._ping:
            return None
        rest = self._idle_since + KEEP_ALIVE - self._loop.time()
        if rest > 0:
            return rest
        if not self._busy.locked():  # who is sending, lives
            await self.write(self._ping)
        return KEEP_ALIVE


async def send_stream(
    items: AsyncIterable[Any],
    encode: Callable[[Any], bytes],
    status: int,
    headers: Fields,
    scope: Scope,
    receive: Receive,
    send: Send,
    ping: bytes = b"",
) -> None:
    """Send a response of which each item is a piece, and close what makes them, however it ends.

    A client that leaves cancels it. So does a server that stops; where there are signs of life (`ping`) the
    response then ends properly, for whoever listens to events comes again. Otherwise it is cut off, for half
    of it must not pass for the whole.

    Raises:
        ClientDisconnected: the client has gone.
    """
    start = {"type": "http.response.start", "status": status, "headers": headers}
    iterator = aiter(items)
    try:
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        ahead = receive if isinstance(receive, Ahead) else Ahead(receive)
        stream = Stream(start, scope, ahead, send, ping)
        try:
            async with stream:
                async for item in iterator:
                    await stream.write(encode(item))
                await stream.write(b"", more=False)
        except ClientDisconnected:
            if ping and stream.started and not stream.complete:
                stream.left = False
                await stream.write(b"", more=False)
            raise
    finally:
        await _close(iterator)


async def _close(iterator: AsyncIterator[Any]) -> None:
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()


def _as_bytes(piece: bytes | str) -> bytes:
    return piece.encode() if isinstance(piece, str) else bytes(piece)


class Chunks:
    """The content of a Response that comes piece by piece.

    Args:
        pieces: text is encoded as UTF-8.
    """

    __slots__ = ("_pieces",)

    def __init__(self, pieces: AsyncIterable[bytes | str]) -> None:
        self._pieces = pieces

    async def send(self, status: int, headers: Fields, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        await send_stream(self._pieces, _as_bytes, status, headers, scope, receive, send)
