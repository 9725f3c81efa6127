"""One WebSocket as ASGI messages: the same for every protocol that carries WebSockets.

A WebSocket begins as an HTTP exchange: until the application accepts, its answer is an HTTP response, and
that is the business of an `Exchange` (`Opening`) and its carrier. Only `websocket.accept` leaves HTTP: the
carrier answers that the protocol is switched, and gives the session a `Channel` for what follows.

Two rules hold the file together:

1. What an application may send is a table (`TRANSITIONS`): state x message type -> the step that handles it.
   A message that has no entry, or that its step finds wrong, has one outcome: `ApplicationError` in the
   application, and for the peer a close with 1011; before the handshake is answered, 500.
2. Whatever ends a WebSocket, the application hears of it in order: first `receive()` gives the messages that
   came before, then `websocket.disconnect`, as often as it asks. `send()` raises at once.

Source: ASGI HTTP & WebSocket 2.5, and the extension `websocket.http.response`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Protocol

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected
from asgiworker.asgi.exchange import CLOSED as BROKEN
from asgiworker.asgi.exchange import COMPLETE, Carrier, Exchange, stems_from_disconnect, unexpected
from asgiworker.asgi.fields import BLANKS, check_field, pairs
from asgiworker.asgi.types import ASGIApplication, Headers, Message, Scope

logger = logging.getLogger("asgiworker.asgi")

HIGH_WATER = 262144  # bytes of unread messages beyond which no more are taken, however few they are
REASON_BOUND = 123  # bytes of a close reason (RFC 6455 §5.5: 125 in all, two of them the code)

# RFC 6455 §7.4 and IANA's registry. The others are never sent: they stand for what happened without a close.
NORMAL, PROTOCOL_ERROR, NO_STATUS, ABNORMAL = 1000, 1002, 1005, 1006
INVALID_DATA, POLICY_VIOLATION, TOO_BIG, INTERNAL_ERROR, SERVICE_RESTART = 1007, 1008, 1009, 1011, 1012
SENDABLE = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)))


class State(Enum):
    """Where a session stands."""

    CONNECTING = "handshake not answered"
    DENYING = "handshake denied, its response under way"
    OPEN = "accepted"
    CLOSED = "closed by the application"
    GONE = "peer gone"

    steps: dict[str, Step]
    """The row of `TRANSITIONS`: what may be sent in this state."""


# PERF: a global is found faster than an attribute of an Enum.
CONNECTING, DENYING, OPEN, CLOSED, GONE = State

Wait = Awaitable[None] | None


class Channel(Protocol):
    """What an open session asks of the protocol that carries it.

    Methods that return an awaitable want it awaited before the application goes on (backpressure).
    """

    def send(self, message: str | bytes) -> Wait:
        """Send a message, as text or binary. Raises `ApplicationError` for a text that UTF-8 can't say."""

    def close(self, code: int, reason: bytes) -> None:
        """Begin the closing handshake; what still comes from the peer is dropped."""

    def demand(self) -> None:
        """The application has taken all messages, after there were as many as may wait: let more come."""

    def failed(self, error: Exception) -> None:
        """The server's own code broke: end the WebSocket, and say so in the log."""


class OpeningCarrier(Carrier, Protocol):
    """What the exchange that a WebSocket begins as asks of its protocol, beside what any exchange does."""

    def accept_websocket(self, session: Session, subprotocol: str | None, headers: Headers) -> Channel:
        """Answer the handshake with a yes, and carry the messages from now on.

        Args:
            session: whose `feed` and `disconnect` are called from now on.
            subprotocol: the one chosen of those that were offered.
            headers: checked, and without those that are the server's to send.
        """


class Opening(Exchange):
    """The HTTP exchange that a WebSocket begins as. What ends it, its session hears."""

    __slots__ = ("session",)

    carrier: OpeningCarrier

    def __init__(self, carrier: OpeningCarrier, scope: Scope, subprotocols: list[str], queue: int) -> None:
        super().__init__(carrier, scope, is_head=False, has_body=False)
        self.session = Session(self, subprotocols, queue)

    def disconnect(self) -> None:
        """The client closed its sending side, or is gone."""
        super().disconnect()
        self.session.disconnect(ABNORMAL)

    def cancel(self) -> None:
        """Cancel the application, unless it waits in `receive()` and hears of it there."""
        if not self.session.waiters:
            self.session.cancel()


class Session:
    """One WebSocket.

    Args:
        opening: the exchange that it begins as; its carrier can accept WebSockets.
        subprotocols: those that the client offers.
        queue: how many messages may wait unread.
    """

    __slots__ = (
        "all_answered",
        "channel",
        "disconnect_told",
        "disconnected",
        "full",
        "messages",
        "misuse",
        "opening",
        "queue",
        "queued",
        "scope",
        "state",
        "subprotocols",
        "task",
        "waiters",
    )

    channel: Channel  # from `websocket.accept` on

    def __init__(self, opening: Opening, subprotocols: list[str], queue: int) -> None:
        self.opening = opening
        self.subprotocols = subprotocols
        self.scope = opening.scope
        self.queue = queue
        self.state = CONNECTING
        # Messages that came and were not yet taken; the first is that there is somebody who wants to connect.
        self.messages: deque[Message] = deque(({"type": "websocket.connect"},))
        self.queued = 0  # their bytes, and of those taken since there were last none
        self.full = False  # no more may come until there are none
        # What `receive()` says when there are no more messages to come.
        self.disconnected: dict[str, Any] | None = None
        self.disconnect_told = False  # and it has said so
        self.waiters: list[asyncio.Future[None]] = []  # one for each task that waits in `receive()`
        # What the channel wants to know: the application has asked for more than there is to come.
        self.all_answered: Callable[[], None] | None = None
        self.misuse: ApplicationError | None = None  # what ended the session
        self.task: asyncio.Task[None] | None = None  # set while the application is suspended

    # --- the application's run

    async def run(self, app: ASGIApplication) -> None:
        """Call the application, and settle what its end means for the WebSocket."""
        try:
            try:
                await app(self.scope, self.receive, self.send)
            except GeneratorExit:
                raise  # the loop is closed over it
            except BaseException as error:
                self._raised(error)
                self._end(INTERNAL_ERROR)
            else:
                self._returned()
                self._end(NORMAL)
        except Exception as error:  # not the application's: ours
            self.failed(error)
        finally:
            self.task = None

    def _raised(self, error: BaseException) -> None:
        name = f"WebSocket {self.scope.get('path')}"
        if isinstance(error, asyncio.CancelledError):
            # By us (shutdown, cancel_on_disconnect) or by itself: either way, there is no more to come.
            if self.disconnected is None:
                logger.error("%s: the application was cancelled before it closed the WebSocket", name)
        elif self.disconnected is not None and stems_from_disconnect(error):
            logger.debug("%s: the peer went away", name, exc_info=error)
        elif self.disconnect_told and self.misuse is None and isinstance(error, Exception):
            # Frameworks answer websocket.disconnect with exceptions of their own: no news, maybe a mistake.
            logger.info("%s: the WebSocket was closed, and the application raised %r", name, error)
            logger.debug("%s: that was", name, exc_info=error)
        else:
            logger.error("Exception in ASGI application: %s", name, exc_info=error)

    def _returned(self) -> None:
        path = self.scope.get("path")
        if self.misuse is not None:
            logger.error("WebSocket %s: %s", path, self.misuse)  # the application swallowed it
        elif self.state is CONNECTING:
            logger.error("WebSocket %s: the application returned without answering the handshake", path)
        elif self.state is DENYING and self.opening.state not in (COMPLETE, BROKEN):
            logger.error("WebSocket %s: the application returned without completing its response", path)

    def _end(self, code: int) -> None:
        """The application has ended; so does the WebSocket."""
        opening, state = self.opening, self.state
        if state is OPEN:
            self._finish(code, "")
        elif state is CONNECTING or state is DENYING:
            self.state = CLOSED
            if opening.state is not COMPLETE and opening.state is not BROKEN:
                opening.carrier.application_failed(opening)
        elif state is GONE and opening.state is not COMPLETE and opening.state is not BROKEN:
            # The peer has closed its side only, and may wait for an answer that nobody makes any more.
            opening.carrier.application_failed(opening, answer=False)

    # --- receive

    async def receive(self) -> Message:
        """The next ASGI message for the application: what came, then `websocket.disconnect`, ever again."""
        messages = self.messages
        while not messages:
            if self.disconnected is not None:
                self.disconnect_told = True
                return self.disconnected.copy()
            if self.all_answered is not None:
                all_answered, self.all_answered = self.all_answered, None
                all_answered()
                continue
            # A future for each task that waits: cancelling one leaves the others waiting, and no message is
            # lost with it, for the messages stay in the queue until they are taken.
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            try:
                await waiter
            finally:
                self.waiters.remove(waiter)
        message = messages.popleft()
        if not messages:
            self.queued = 0
            if self.full:
                self.full = False
                self.channel.demand()
        return message

    def _wake(self) -> None:
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    # --- what the channel tells

    def feed(self, message: Message, size: int) -> bool:
        """A message of `size` bytes has come; says whether there is room for one more."""
        self.messages.append(message)
        self.queued = queued = self.queued + size
        # PERF: `_wake` without the call.
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        if queued < HIGH_WATER and len(self.messages) < self.queue:
            return True
        self.full = True
        return False

    def disconnect(self, code: int, reason: str = "") -> None:
        """The peer has closed, or is gone, or the server ends the WebSocket. Only the first time counts.

        The code is that of the close frame (RFC 6455 §7.4), whoever sent it; 1005 for one without a code,
        1006 for a connection that broke.
        """
        if self.state is CONNECTING or self.state is OPEN:
            self.state = GONE
        if self.disconnected is None:
            self.disconnected = {"type": "websocket.disconnect", "code": code, "reason": reason}
            self._wake()

    def cancel(self) -> None:
        """Cancel the application if it is still at work."""
        if self.task is not None:
            self.task.cancel()

    def failed(self, error: Exception) -> None:
        """The server's own code broke."""
        if self.opening.state is COMPLETE and hasattr(self, "channel"):
            self.channel.failed(error)
        else:
            self.opening.carrier.failed(error)

    # --- send

    async def send(self, message: Message) -> None:
        """Take one ASGI message from the application.

        Raises:
            ApplicationError: the message is not allowed now, or malformed.
            ClientDisconnected: the peer has gone.
        """
        try:
            try:
                step = self.state.steps[message["type"]]
            except (KeyError, TypeError):
                raise self._unexpected(message) from None
            wait = step(self, message)
            if wait is not None:
                await wait
        except ApplicationError as error:
            self._misused(error)
            raise
        except (ClientDisconnected, asyncio.CancelledError):
            raise
        except Exception as error:  # not the application's: ours
            self.failed(error)
            raise
        if wait is not None and self.state is GONE:
            raise ClientDisconnected("the peer has disconnected")

    def _unexpected(self, message: object) -> Exception:
        if self.state is GONE:
            return ClientDisconnected("the peer has disconnected")
        return unexpected(message, self.state)

    def _misused(self, error: ApplicationError) -> None:
        """The application broke the contract: that ends the WebSocket, whatever it makes of the exception."""
        if self.state is OPEN:
            self.misuse = error
            self._finish(INTERNAL_ERROR, "")
        elif self.state is CONNECTING:
            self.misuse = error
            self.state = CLOSED
            self.opening.carrier.application_failed(self.opening)
            self.disconnect(ABNORMAL)

    def _finish(self, code: int, reason: str) -> None:
        """Close an open WebSocket from our side."""
        self.state = CLOSED
        self.messages.clear()
        self.channel.close(code, reason.encode())
        self.disconnect(code, reason)

    def _accept(self, message: Message) -> Wait:
        subprotocol = message.get("subprotocol")
        if subprotocol is not None and subprotocol not in self.subprotocols:
            offered = ", ".join(self.subprotocols) or "none"
            raise ApplicationError(f"subprotocol {subprotocol!r} was not offered by the client ({offered})")
        headers = []
        for name, value in pairs(message.get("headers") or (), "headers of websocket.accept"):
            special = check_field(name, value)[1]
            if name.lower().startswith(b"sec-websocket-"):
                hint = "; the key 'subprotocol' is for that" if name.lower().endswith(b"protocol") else ""
                raise ApplicationError(f"header {name!r} of websocket.accept is the server's to send{hint}")
            # Of the connection and of framing there is nothing to say: it is a WebSocket's now.
            if special is None or special.value in ("date", "server"):
                headers.append((name, value.strip(BLANKS)))
        self.state = OPEN
        self.channel = self.opening.carrier.accept_websocket(self, subprotocol, headers)
        return None

    def _send(self, message: Message) -> Wait:
        text, data = message.get("text"), message.get("bytes")
        if text is not None and data is None:
            if not isinstance(text, str):
                raise ApplicationError(f"text of websocket.send must be str, not {type(text).__name__}")
            return self.channel.send(text)
        if data is None or text is not None:
            found = "neither" if text is None else "both"
            raise ApplicationError(f"websocket.send takes either text or bytes; it has {found}")
        if type(data) is not bytes:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise ApplicationError(f"bytes of websocket.send must be bytes, not {type(data).__name__}")
            data = bytes(data)
        return self.channel.send(data)

    def _close(self, message: Message) -> Wait:
        code, reason = message.get("code"), message.get("reason")
        code = NORMAL if code is None else code
        reason = "" if reason is None else reason
        if not isinstance(code, int) or code not in SENDABLE:
            raise ApplicationError(
                f"code of websocket.close must be one that is sent, as 1000 or 3000 to 4999, not {code!r}"
            )
        if not isinstance(reason, str):
            raise ApplicationError(f"reason of websocket.close must be str, not {type(reason).__name__}")
        try:
            size = len(reason.encode())
        except UnicodeEncodeError as error:
            raise ApplicationError(f"reason of websocket.close is no text: {error}") from None
        if size > REASON_BOUND:
            raise ApplicationError(
                f"reason of websocket.close has {size} bytes, and may have {REASON_BOUND} (RFC 6455 §5.5)"
            )
        self._finish(int(code), reason)
        return None

    # --- denial: the answer is an HTTP response

    def _reject(self, message: Message) -> Wait:
        # ASGI: 403, whatever code and reason say.
        return self._respond(
            {"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]},
            {"type": "http.response.body"},
        )

    def _deny(self, message: Message) -> Wait:
        # The same messages as of HTTP, but for the prefix: the exchange knows what may be wrong with them.
        kind = message["type"].removeprefix("websocket.")
        return self._respond({**message, "type": kind})

    async def _respond(self, *messages: Message) -> None:
        opening = self.opening
        for message in messages:
            await opening.send(message)
        if opening.state is not COMPLETE:
            self.state = DENYING
        elif self.state is not GONE:
            self.state = CLOSED
        if opening.state is COMPLETE:
            self.disconnect(ABNORMAL)


Step = Callable[[Session, Message], Wait]

# State x message type -> step. Derived from ASGI WebSocket 2.5: the handshake is answered once, with accept,
# with close (403), or with an HTTP response; then messages until either side closes. After a denial has begun
# only its body may follow; after `websocket.close` nothing.
TRANSITIONS: dict[State, dict[str, Step]] = {
    CONNECTING: {
        "websocket.accept": Session._accept,
        "websocket.close": Session._reject,
        "websocket.http.response.start": Session._deny,
    },
    DENYING: {
        "websocket.http.response.body": Session._deny,
    },
    OPEN: {
        "websocket.send": Session._send,
        "websocket.close": Session._close,
    },
    CLOSED: {},
    GONE: {},
}
for _state, _steps in TRANSITIONS.items():
    _state.steps = _steps
