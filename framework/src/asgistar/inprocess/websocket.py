"""A WebSocket of an application, without a server (ASGI, WebSocket messages 2.5)."""

from __future__ import annotations

from collections import deque
from enum import Enum

from asgistar.inprocess.conversation import Conversation, Late
from asgistar.types import ASGIApplication, Message, Scope

INTERNAL_ERROR = 1011  # RFC 6455 §7.4.1
NORMAL = 1000


class Phase(Enum):
    """Where a WebSocket is, and what its application may send then."""

    CONNECTING = frozenset(("websocket.accept", "websocket.close", "websocket.http.response.start"))
    OPEN = frozenset(("websocket.send", "websocket.close"))
    DENYING = frozenset(("websocket.http.response.body",))
    CLOSED = frozenset[str]()


class Session(Conversation):
    """A WebSocket.

    Args:
        app: the application.
        scope: of the WebSocket; the extension for denial responses is added.
        raises: see `Conversation`.

    Attributes:
        phase: where it is, as the application knows it.
    """

    room = 100

    def __init__(self, app: ASGIApplication, scope: Scope, raises: bool) -> None:
        self.phase = Phase.CONNECTING
        self._to_app: deque[Message] = deque([{"type": "websocket.connect"}])
        self._close: Message | None = None
        scope["extensions"] = {**scope["extensions"], "websocket.http.response": {}}
        super().__init__(app, scope, raises)

    async def opened(self, timeout: float | None) -> Message:
        """The first answer of the application: that it accepts, closes, or begins a response.

        Raises:
            Exception: the application failed, if its errors are to be raised.
            Late: there was no answer within `timeout` seconds.
        """
        message = await self._next(timeout, "answer to the handshake")
        return message or {"type": "websocket.close", "code": NORMAL}

    async def denial(self, timeout: float | None) -> bytes:
        """The body of the response that denies it."""
        parts: list[bytes] = []
        more = True
        while more and (message := await self._next(timeout, "body of the response")) is not None:
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        return b"".join(parts)

    async def message(self, timeout: float | None) -> Message:
        """What the application sends next: a message, or that it closes.

        Raises:
            Exception: the application failed, if its errors are to be raised.
            Late: there was none within `timeout` seconds.
        """
        if self._close is None:
            message = await self._next(timeout, "message")
            if message is not None and message["type"] == "websocket.send":
                return message
            self.raise_failure()  # an application may close after an error that it tells of
            failed = message is None and self.failures
            self._close = message or {"code": INTERNAL_ERROR if failed else NORMAL}
        return self._close

    async def put(self, message: Message) -> None:
        """Send the application a message."""
        self._to_app.append(message)
        await self.notify()

    async def disconnect(self, code: int, reason: str) -> None:
        """Close it from this side, and wait until the application has returned; raise what it raised."""
        await self.put({"type": "websocket.disconnect", "code": code, "reason": reason})
        await self.leave()
        self.raise_failure()

    async def receive(self) -> Message:
        async with self._changed:
            await self._changed.wait_for(lambda: self._to_app)
            return self._to_app.popleft()

    def check(self, message: Message) -> None:
        type = message["type"]
        if type not in self.phase.value:
            may = " or ".join(sorted(self.phase.value)) or "nothing"
            raise RuntimeError(
                f"{type} can't be sent now: what the WebSocket at {self.scope['path']} may send is {may}."
            )
        if type == "websocket.accept":
            chosen, offered = message.get("subprotocol"), self.scope["subprotocols"]
            if chosen is not None and chosen not in offered:  # RFC 6455 §4.2.2
                raise RuntimeError(
                    f"The client offers the subprotocols {offered}, and {chosen!r} is none of them."
                )
            self.phase = Phase.OPEN
        elif type == "websocket.http.response.start":
            self.phase = Phase.DENYING
        elif type == "websocket.close" or (
            type == "websocket.http.response.body" and not message.get("more_body", False)
        ):
            self.phase = Phase.CLOSED
            code = message.get("code", NORMAL)
            self._to_app.append({"type": "websocket.disconnect", "code": code, "reason": ""})
        elif type == "websocket.send" and (message.get("text") is None) == (message.get("bytes") is None):
            raise RuntimeError("A message is either text or bytes.")

    async def _next(self, timeout: float | None, what: str) -> Message | None:
        try:
            message = await self.next(timeout)
        except Late:
            raise Late(f"There was no {what} from {self.scope['path']} within {timeout} s.") from None
        if message is None:
            self.raise_failure()
        return message
