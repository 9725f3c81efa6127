"""A WSGI application as an ASGI one (PEP 3333): each call runs in a thread, and reads and sends from there.

What the thread asks of the loop, it waits for. So a slow client holds the application back, and one that
leaves is an exception in it, `ClientDisconnected`, after which the iterable it returned is closed. That is
why this isn't left to a2wsgi: there, the thread of a client that left waits for ever, a request that breaks
off reads as a whole one, and one without Content-Length as empty.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
import queue
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected
from asgiworker.asgi.types import Message, Receive, Scope, Send

THREADS = 40  # calls at the same time in one worker; further ones wait
BUFFER = 65536  # bytes of request body read ahead

Environ = dict[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
WSGIApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
P = ParamSpec("P")
T = TypeVar("T")


class WSGIAdapter:
    """An ASGI 3 application that calls `app`, a WSGI application, in one of at most `threads` threads."""

    def __init__(self, app: WSGIApplication, threads: int = THREADS) -> None:
        self.app = app
        self.threads = Threads(threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; on the lifespan scope, do nothing in the right way."""
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        if scope["type"] == "websocket":
            scope, receive, send = as_request(scope, receive, send)
        loop = asyncio.get_running_loop()
        call = Call(self.app, environ_of(scope), loop, receive, send)
        context = contextvars.copy_context()
        await self.threads.call(loop, lambda: context.run(call.run))


def as_request(scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send]:
    """The handshake of a WebSocket as the GET that it is to whoever speaks no WebSocket (RFC 9110 §7.8)."""
    scheme = "https" if scope["scheme"] == "wss" else "http"

    async def no_body() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def deny(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return {**scope, "type": "http", "method": "GET", "scheme": scheme}, no_body, deny


class Call:
    """One call of a WSGI application. All but its creation happens in a thread."""

    __slots__ = ("app", "complete", "environ", "head", "loop", "remaining", "send", "started")

    def __init__(
        self,
        app: WSGIApplication,
        environ: Environ,
        loop: asyncio.AbstractEventLoop,
        receive: Receive,
        send: Send,
    ) -> None:
        self.app = app
        self.environ = environ
        self.loop = loop
        self.send = send
        self.environ["wsgi.input"] = io.BufferedReader(Body(lambda: self.wait(receive)), BUFFER)
        self.head: Message | None = None
        self.started = False  # the head has been sent
        self.complete = False  # so has the last part of the body
        self.remaining = -1  # bytes that the declared Content-Length still wants; negative if there is none

    def wait(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function` comes to in the loop.

        Raises:
            ClientDisconnected: the loop has been closed; also whatever `function` raises.
        """

        async def outcome() -> T:
            return await function(*args, **kwargs)

        coroutine = outcome()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:
            coroutine.close()
            raise ClientDisconnected("the server has stopped") from None
        return future.result()

    def run(self) -> None:
        """Call the application, and send what it returns."""
        parts = self.app(self.environ, self.start_response)
        try:
            whole = isinstance(parts, (list, tuple))
            for part in [b"".join(parts)] if whole else parts:
                if part:
                    self.write(part, last=whole)
            if not self.complete:
                self._send(b"", last=True)
        finally:
            if close := getattr(parts, "close", None):
                close()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """Note the head; it is sent with the first part of the body that isn't empty."""
        if exc_info is not None:
            try:
                if self.started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # PEP 3333: avoid a circular reference
        elif self.head is not None:
            raise ApplicationError("start_response was called twice, the second time without exc_info")
        fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self.head = {"type": "http.response.start", "status": int(status[:3]), "headers": fields}
        length = dict(fields).get(b"content-length", b"")
        self.remaining = int(length) if length.isdigit() else -1
        return self.write

    def write(self, part: bytes, last: bool = False) -> None:
        """Send a part of the body."""
        # PERF: the part that fills the Content-Length is the last one, which saves a crossing to the loop.
        self.remaining -= len(part)
        self._send(part, last=last or self.remaining == 0)

    def _send(self, part: bytes, last: bool) -> None:
        if self.head is None:
            raise ApplicationError("the WSGI application sent a body without calling start_response")
        body = {"type": "http.response.body", "body": part, "more_body": not last}
        if self.started:
            self.wait(self.send, body)
        else:
            self.started = True
            self.wait(self._send_both, self.head, body)
        self.complete = last

    async def _send_both(self, head: Message, body: Message) -> None:
        await self.send(head)
        await self.send(body)


class Body(io.RawIOBase):
    """The request's body as a file; `receive` waits for the next ASGI message."""

    def __init__(self, receive: Callable[[], Message]) -> None:
        self._receive = receive
        self._part = memoryview(b"")
        self._more = True

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes, at least one; 0 at the end.

        Raises:
            ClientDisconnected: the client left before the end.
        """
        while not self._part and self._more:
            message = self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected("the client left before its request was complete")
            self._part = memoryview(message.get("body", b""))
            self._more = message.get("more_body", False)
        size = min(len(buffer), len(self._part))
        buffer[:size] = self._part[:size]
        self._part = self._part[size:]
        return size


def environ_of(scope: Scope) -> Environ:
    """The environ of a request, but for `wsgi.input` (PEP 3333, "environ Variables"; RFC 3875 §4.1)."""
    root_path = scope.get("root_path", "")
    scheme = scope.get("scheme", "http")
    host, port = scope.get("server") or ("", None)
    if port is None:  # a UNIX socket, and PEP 3333 wants a name
        host, port = "localhost", 443 if scheme == "https" else 80
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": as_wsgi(root_path),
        "PATH_INFO": as_wsgi(scope["path"].removeprefix(root_path)),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,  # reading ends with the body, also where no Content-Length says so
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "asgi.scope": scope,
    }
    if client := scope.get("client"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if key in environ:  # RFC 9110 §5.3; RFC 6265 §5.4 for Cookie
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        environ[key] = value
    return environ


def as_wsgi(text: str) -> str:
    """`text` in PEP 3333's form: its UTF-8 bytes, read as Latin-1."""
    return text.encode("utf-8", "replace").decode("latin-1")


class Threads:
    """At most `limit` threads, started as they are needed.

    They are daemons: one in which an application waits for ever must not keep the process from ending, as
    those of `concurrent.futures` do.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._count = 0
        self._idle = threading.Semaphore(0)
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def call(self, loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> asyncio.Future[None]:
        """Call `function` in a thread; the future tells `loop` how it ended.

        A call whose future is cancelled before it began is left out; one that has begun goes on.
        """
        future: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        def work() -> None:
            if future.cancelled():
                return
            error: BaseException | None = None
            try:
                function()
            except StopIteration as raised:  # no future takes it
                error = RuntimeError(f"the application raised {raised!r}")
            except BaseException as raised:
                error = raised
            try:
                loop.call_soon_threadsafe(settle, error)
            except RuntimeError:
                pass  # the loop has been closed: nobody wants to know

        self._work.put(work)
        if not self._idle.acquire(blocking=False) and self._count < self._limit:
            self._count += 1
            threading.Thread(target=self._run, name=f"WSGI {self._count}", daemon=True).start()
        return future

    def _run(self) -> None:
        while True:
            self._work.get()()
            self._idle.release()
