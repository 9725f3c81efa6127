"""One HTTP request and its response, as ASGI messages: the same for every HTTP version.

Two rules hold the file together:

1. What an application may send is a table (`TRANSITIONS`): state x message type -> the step that handles it.
   A message that has no entry, or that its step finds wrong, raises `ApplicationError` in the application
   and changes nothing: the exchange still knows exactly what stands on the wire.
2. The exchange decides *what* is sent, its carrier (the protocol) *how*. So the head of a response is held
   back until the first part of the body: then both leave in one write, and a response that breaks before
   that can still be replaced by an honest 500.

Source: ASGI HTTP & WebSocket 2.5, and the extensions of `asgiref`'s documentation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from enum import Enum
from typing import Any, Protocol

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected
from asgiworker.asgi.fields import BLANKS, FIELDS, Special, check_field, check_trailers, pairs
from asgiworker.asgi.types import ASGIApplication, Headers, Message, Scope

logger = logging.getLogger("asgiworker.asgi")


class State(Enum):
    """What the application has said so far."""

    WAITING = "no response started"
    STARTED = "response started, its head not yet sent"
    STREAMING = "head sent, body under way"
    SENDING_FILE = "a file is being sent"
    TRAILERS = "body complete, trailers expected"
    COMPLETE = "response complete"
    CLOSED = "client gone"

    steps: dict[str, Step]
    """The row of `TRANSITIONS`: what may be sent in this state."""


# PERF: a global is found faster than an attribute of an Enum.
WAITING, STARTED, STREAMING = State.WAITING, State.STARTED, State.STREAMING
SENDING_FILE, TRAILERS, COMPLETE, CLOSED = State.SENDING_FILE, State.TRAILERS, State.COMPLETE, State.CLOSED

_known_field = FIELDS.get

Wait = Awaitable[None] | None


class Carrier(Protocol):
    """What an exchange asks of the protocol that carries it.

    Methods that return an awaitable want it awaited before the application goes on (backpressure).
    """

    def send_response(self, exchange: Exchange, body: bytes) -> Wait:
        """Send the whole response: head and `body` in one write."""

    def send_head(self, exchange: Exchange) -> None:
        """Send the head of a response whose body follows in parts."""

    def send_data(self, exchange: Exchange, data: bytes, last: bool) -> Wait:
        """Send the next part of the body; `last` ends it."""

    def send_trailers(self, exchange: Exchange, trailers: Headers) -> Wait:
        """End the response with `trailers`."""

    def send_early_hints(self, exchange: Exchange, links: list[bytes]) -> None:
        """Send a 103 with a Link field for each of `links`, where the protocol and the client allow it."""

    def send_file(
        self, exchange: Exchange, file: int, offset: int | None, count: int | None, last: bool
    ) -> Wait:
        """Send `count` bytes of the open file descriptor `file`, from `offset` or from where it stands."""

    def send_path(self, exchange: Exchange, path: str) -> Wait:
        """Send the file at `path` as the whole body."""

    def demand_body(self, exchange: Exchange) -> None:
        """The application waits for the request body: let it come (100 Continue, reading resumed)."""

    def flush_later(self) -> None:
        """Send at the end of this turn of the loop what is held back, unless more takes it along before.

        So an application that thinks before its first part, as event streams do, gets its head out meanwhile.
        """

    def failed(self, error: Exception) -> None:
        """The server's own code broke: end the connection, and say so in the log."""

    def application_done(self, exchange: Exchange) -> None:
        """An application that was suspended in between has returned, and its response is settled."""

    def application_failed(self, exchange: Exchange, answer: bool = True) -> None:
        """The response will never be completed: answer 500 if nothing was sent, else break off.

        Not to `answer` is for a client that has gone, and whose application knew.
        """


# --- the exchange ---------------------------------------------------------------------------------------


class Exchange:
    """One request and its response.

    Args:
        carrier: the protocol that carries this exchange.
        scope: the ASGI scope of the request.
        is_head: the method is HEAD (noted here, since an application may change its scope).
        has_body: a request body is still to come; `feed` delivers it.
    """

    __slots__ = (
        "body",
        "body_complete",
        "body_taken",
        "buffered",
        "carrier",
        "close",
        "disconnect_told",
        "disconnected",
        "headers",
        "is_head",
        "lines",
        "own_fields",
        "remaining",
        "scope",
        "sent",
        "started_at",
        "state",
        "status",
        "task",
        "trailers",
        "trailers_expected",
        "waiter",
    )

    # The response.
    status: int
    headers: Headers
    lines: list[bytes]  # the headers as HTTP/1 writes them, those that the server frames left out
    remaining: int | None  # bytes that the declared Content-Length still allows
    sent: int  # bytes of body handed to the carrier
    close: bool  # the application wants the connection closed
    own_fields: bool  # it sent Date, Server or Connection itself
    trailers_expected: bool
    trailers: Headers
    # The request's body.
    body: list[bytes]  # parts that came and were not yet taken
    buffered: int  # bytes in `body`
    body_complete: bool  # the last part has come
    body_taken: bool  # the last http.request was delivered
    # The application.
    disconnected: bool  # the client closed its side, or is gone
    disconnect_told: bool  # and the application was told so by http.disconnect
    waiter: asyncio.Future[None] | None  # set while it waits in `receive()`
    task: asyncio.Task[None] | None  # set while it is suspended
    started_at: float

    def __init__(self, carrier: Carrier, scope: Scope, is_head: bool, has_body: bool) -> None:
        # PERF: what `_start` or `feed` sets before anyone reads it isn't set here.
        self.carrier = carrier
        self.scope = scope
        self.is_head = is_head
        self.state = WAITING
        self.status = 0
        self.sent = 0
        self.trailers_expected = False
        self.body_complete = not has_body
        self.body_taken = False
        self.disconnected = self.disconnect_told = False
        self.waiter = None
        self.task = None
        if has_body:
            self.body = []
            self.buffered = 0

    # --- the application's run

    async def run(self, app: ASGIApplication) -> None:
        """Call the application, and settle what its end means for the response."""
        try:
            try:
                await app(self.scope, self.receive, self.send)
            except GeneratorExit:
                raise  # the loop is closed over it
            except BaseException as error:
                self._raised(error)
            else:
                if self.state is not COMPLETE:
                    self._unfinished(
                        f"the application returned without completing its response ({self.state.value})"
                    )
        except Exception as error:  # not the application's: ours
            self.carrier.failed(error)
        finally:
            if self.task is not None:
                self.task = None
                self.carrier.application_done(self)

    def _raised(self, error: BaseException) -> None:
        request = f"{self.scope.get('method')} {self.scope.get('path')}"
        if isinstance(error, asyncio.CancelledError):
            # By us (shutdown, cancel_on_disconnect) or by itself: either way, there is no more to come.
            self._unfinished("the application was cancelled before its response was complete")
        elif self.disconnected and stems_from_disconnect(error):
            logger.debug("%s: the client went away", request, exc_info=error)
            self._unfinished("")
        elif self.disconnect_told and isinstance(error, Exception):
            # Frameworks answer http.disconnect with exceptions of their own: no news, but maybe a mistake.
            logger.info("%s: the client went away, and the application raised %r", request, error)
            logger.debug("%s: that was", request, exc_info=error)
            self._unfinished("")
        else:
            logger.error("Exception in ASGI application: %s", request, exc_info=error)
            self._unfinished("")

    def _unfinished(self, complaint: str) -> None:
        if self.state is COMPLETE or self.state is CLOSED:
            return
        gone = self.disconnected and bool(complaint)
        if complaint and not gone:
            logger.error("%s %s: %s", self.scope.get("method"), self.scope.get("path"), complaint)
        self.carrier.application_failed(self, answer=not gone)

    # --- receive

    async def receive(self) -> Message:
        """The next ASGI message for the application: parts of the body, then `http.disconnect`."""
        while not self.body_taken:
            if self.body_complete:
                self.body_taken = True
                return {"type": "http.request", "body": self._take(), "more_body": False}
            if self.disconnected or self.state is COMPLETE:
                break
            if self.body:
                body = self._take()
                self.carrier.demand_body(self)
                return {"type": "http.request", "body": body, "more_body": True}
            self.carrier.demand_body(self)
            await self._wait()
        while not (self.disconnected or self.state is COMPLETE):
            await self._wait()
        self.disconnect_told = True
        return {"type": "http.disconnect"}

    def _take(self) -> bytes:
        """What has come of the body and wasn't taken yet."""
        if not hasattr(self, "body"):
            return b""
        parts, self.body = self.body, []
        self.buffered = 0
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _wait(self) -> None:
        """Until something happens to the exchange. Several tasks may wait; cancelling one loses nothing."""
        if self.waiter is None:
            self.waiter = asyncio.get_running_loop().create_future()
        # A shield, for one waiting task that is cancelled must not cancel the others' future.
        await asyncio.shield(self.waiter)

    def _wake(self) -> None:
        if self.waiter is not None:
            if not self.waiter.done():
                self.waiter.set_result(None)
            self.waiter = None

    # --- what the carrier tells

    def feed(self, data: bytes, complete: bool) -> None:
        """A part of the request's body has come; `complete` says that it was the last one."""
        if data:
            self.body.append(data)
            self.buffered += len(data)
        self.body_complete = complete
        if self.waiter is not None:
            self._wake()

    def disconnect(self) -> None:
        """The client closed its sending side: `receive()` says so. Its receiving side may still be open."""
        self.disconnected = True
        self._wake()

    def closed(self) -> None:
        """The connection or stream is gone: `send()` raises from now on."""
        if self.state is not COMPLETE:
            self.state = CLOSED
        self.disconnect()

    def cancel(self) -> None:
        """Cancel the application if it is still at work."""
        if self.task is not None:
            self.task.cancel()

    # --- send

    async def send(self, message: Message) -> None:
        """Take one ASGI message from the application.

        Raises:
            ApplicationError: the message is not allowed now, or malformed.
            ClientDisconnected: the client has gone.
        """
        try:
            step = self.state.steps[message["type"]]
        except (KeyError, TypeError):
            raise self._misuse(message) from None
        try:
            wait = step(self, message)
            if wait is not None:
                await wait
        except ClientDisconnected:
            self.closed()  # what carries the response may know before it is told to us
            raise
        except (ApplicationError, asyncio.CancelledError):
            raise
        except Exception as error:  # not the application's: ours
            self.carrier.failed(error)
            raise
        if wait is not None and self.state is CLOSED:
            raise ClientDisconnected("the client has disconnected")

    def _misuse(self, message: object) -> Exception:
        if self.state is CLOSED:
            return ClientDisconnected("the client has disconnected")
        return unexpected(message, self.state)

    def _start(self, message: Message) -> Wait:
        status = message.get("status")
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ApplicationError(
                f"status of http.response.start must be an int from 200 to 599, not {status!r}"
            )
        headers = message.get("headers")
        if headers is None:
            headers = []
        elif type(headers) is not list:
            headers = pairs(headers, "headers of http.response.start")
        lines = []
        length: int | None = None
        close = own_fields = False
        for pair in headers:
            try:
                field = _known_field(pair)
            except TypeError:  # a list, or bytearrays: nothing to look up
                field = None
            if field is None:
                field = check_field(*pairs((pair,), "headers of http.response.start")[0])
            line, special, value = field
            if special is not None:
                if special is Special.CONTENT_LENGTH:
                    if length is not None:
                        raise ApplicationError("content-length was given twice")
                    length = value
                elif special is Special.DATE or special is Special.SERVER:
                    own_fields = True
                else:
                    # ASGI: the server ignores the application's transfer-encoding. It manages the connection
                    # as well: of what the application says of it, only `close` counts.
                    close = close or bool(value)
                    continue
            lines.append(line)
        if status == 204 and length is not None:  # RFC 9110 §8.6: no Content-Length on 204
            lines = [line for line in lines if not line.lower().startswith(b"content-length:")]
            length = None
        self.status = status
        self.headers = headers
        self.lines = lines
        self.remaining = length
        self.close = close
        self.own_fields = own_fields or close
        if "trailers" in message:
            self.trailers_expected = bool(message["trailers"])
        self.state = STARTED
        if self.task is not None:
            self.carrier.flush_later()
        return None

    def _first_body(self, message: Message) -> Wait:
        body = message.get("body", b"")
        if type(body) is not bytes:
            body = as_bytes(body)
        more = message.get("more_body") or self.trailers_expected
        remaining = self.remaining
        if remaining is not None and len(body) != remaining and self.sends_body():
            complaint = self._wrong_length(len(body), not message.get("more_body"))
            if complaint:  # nothing was sent yet: the application may put it right, or is answered with 500
                raise ApplicationError(complaint)
        if more:
            self.carrier.send_head(self)
            self.state = STREAMING
            return self._more_body(message)
        self.state = COMPLETE
        self.sent = len(body)
        return self.carrier.send_response(self, body)

    def _more_body(self, message: Message) -> Wait:
        body = message.get("body", b"")
        if type(body) is not bytes:
            body = as_bytes(body)
        last = not message.get("more_body", False)
        self.count(len(body), last)
        if last:
            self.state = TRAILERS if self.trailers_expected else COMPLETE
        return self.carrier.send_data(self, body, last)

    def count(self, size: int, last: bool) -> None:
        """Hold the body against the declared Content-Length (RFC 9112 §6.2: never a byte more or less)."""
        if self.remaining is not None and self.sends_body():
            complaint = self._wrong_length(size, last)
            if complaint:
                # The head is out, and not true: only a broken connection tells the client so.
                self.carrier.application_failed(self)
                raise ApplicationError(complaint)
            self.remaining -= size
        self.sent += size

    def _wrong_length(self, size: int, last: bool) -> str:
        """What is wrong with `size` more bytes of body, by the declared Content-Length; "" if nothing is."""
        declared, total = self.sent + (self.remaining or 0), self.sent + size
        if total <= declared and not (last and total < declared):
            return ""
        problem = "longer" if total > declared else "shorter"
        return (
            f"response body of {total} bytes is {problem} than its content-length {declared}"
            f" by {abs(total - declared)} bytes"
        )

    def sends_body(self) -> bool:
        """Whether this response has content on the wire (RFC 9110 §6.4.1)."""
        return not self.is_head and self.status not in (204, 304)

    def _trailers(self, message: Message) -> Wait:
        fields = check_trailers(message.get("headers", ()), "headers of http.response.trailers")
        self.trailers = [*getattr(self, "trailers", ()), *fields]
        if message.get("more_trailers", False):
            return None
        self.state = COMPLETE
        return self.carrier.send_trailers(self, self.trailers)

    def _early_hint(self, message: Message) -> Wait:
        links = message.get("links", ())
        if isinstance(links, (bytes, str)) or not isinstance(links, Iterable):
            raise ApplicationError(
                f"links of http.response.early_hint must be an iterable of bytes, not {links!r}"
            )
        try:
            values = list(links)
        except Exception as error:
            raise ApplicationError("links of http.response.early_hint can't be iterated over") from error
        for value in values:
            check_field(b"link", value)
        self.carrier.send_early_hints(self, [value.strip(BLANKS) for value in values])
        return None

    def _push(self, message: Message) -> Wait:
        send_push = getattr(self.carrier, "send_push", None)
        if send_push is None:
            raise ApplicationError(
                "http.response.push is for connections that have it in their scope's extensions: HTTP/2"
            )
        path = message.get("path")
        if not isinstance(path, str) or not path.startswith("/"):
            raise ApplicationError(f"path of http.response.push must be an absolute path, not {path!r}")
        headers = pairs(message.get("headers", ()), "headers of http.response.push")
        for field in headers:
            check_field(*field)
        send_push(self, path, [(name, value.strip(BLANKS)) for name, value in headers])
        return None

    def _path(self, message: Message) -> Wait:
        path = message.get("path")
        if not isinstance(path, str) or not path.startswith("/"):
            raise ApplicationError(f"path of http.response.pathsend must be an absolute path, not {path!r}")
        return self.carrier.send_path(self, path)

    def _zero_copy(self, message: Message) -> Wait:
        file, offset, count = message.get("file"), message.get("offset"), message.get("count")
        try:
            descriptor = file if isinstance(file, int) else file.fileno()  # type: ignore[union-attr]
        except (AttributeError, OSError, ValueError):
            raise ApplicationError(
                f"file of http.response.zerocopysend must have an open file descriptor, not {file!r}"
            ) from None
        for name, value in (("offset", offset), ("count", count)):
            if value is not None and (type(value) is not int or value < 0):
                raise ApplicationError(
                    f"{name} of http.response.zerocopysend must be an int >= 0, not {value!r}"
                )
        return self.carrier.send_file(self, descriptor, offset, count, not message.get("more_body", False))


def unexpected(message: object, state: Enum) -> ApplicationError:
    """What is wrong with a message that has no entry in the row of `state`."""
    if not isinstance(message, dict) or "type" not in message:
        return ApplicationError(f"an ASGI message is a dict with a 'type', not {message!r}")
    steps: dict[str, Any] = state.steps  # type: ignore[attr-defined]  # of each state: its row of a table
    expected = ", ".join(repr(kind) for kind in steps) or "nothing"
    return ApplicationError(
        f"unexpected ASGI message {message['type']!r} ({state.value}; expected: {expected})"
    )


def stems_from_disconnect(error: BaseException) -> bool:
    """Whether `error` is a `ClientDisconnected`, was raised over one, or is a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(stems_from_disconnect(member) for member in error.exceptions)
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ClientDisconnected):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def forgo(wait: Wait) -> None:
    """Don't wait for the client to read: nothing is to be sent after that."""
    if asyncio.iscoroutine(wait):
        wait.close()


def as_bytes(body: Any) -> bytes:
    """`body` as bytes, from the types that hold bytes."""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise ApplicationError(f"body of http.response.body must be bytes, not {type(body).__name__}")


Step = Callable[[Exchange, Message], Wait]

# State x message type -> step. Derived from ASGI HTTP 2.5: start, then body until `more_body` is false, then
# trailers if they were announced; early hints any time before the head is on the wire (afterwards they can't
# be sent any more, and are checked and dropped); a file in the place of a body.
TRANSITIONS: dict[State, dict[str, Step]] = {
    WAITING: {
        "http.response.start": Exchange._start,
        "http.response.early_hint": Exchange._early_hint,
        "http.response.push": Exchange._push,  # the extension allows it later only; Starlette sends it here
    },
    STARTED: {
        "http.response.body": Exchange._first_body,
        "http.response.pathsend": Exchange._path,
        "http.response.zerocopysend": Exchange._zero_copy,
        "http.response.early_hint": Exchange._early_hint,
        "http.response.push": Exchange._push,
    },
    STREAMING: {
        "http.response.body": Exchange._more_body,
        "http.response.zerocopysend": Exchange._zero_copy,
        "http.response.early_hint": Exchange._early_hint,
        "http.response.push": Exchange._push,
    },
    SENDING_FILE: {},
    TRAILERS: {
        "http.response.trailers": Exchange._trailers,
    },
    COMPLETE: {},
    CLOSED: {},
}
for _state, _steps in TRANSITIONS.items():
    _state.steps = _steps
