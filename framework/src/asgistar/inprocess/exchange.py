"""A request and its response, without a server (ASGI, HTTP messages 2.5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum
from time import monotonic

from asgistar.http.response import BODILESS
from asgistar.inprocess.conversation import Conversation, Late
from asgistar.types import ASGIApplication, Message, Scope


class Phase(Enum):
    """What the application has to send next."""

    HEAD = "http.response.start"
    BODY = "http.response.body"
    NOTHING = "nothing"


class Incomplete(ConnectionError):
    """The application ended before its response did."""


class Exchange(Conversation):
    """A request and its response.

    Args:
        app: the application.
        scope: of the request.
        body: of the request; None if it has none, and bytes if it comes as a whole.
        raises: see `Conversation`.

    Attributes:
        status: of the response, once `head` has given it.
    """

    def __init__(
        self, app: ASGIApplication, scope: Scope, body: AsyncIterator[bytes] | bytes | None, raises: bool
    ) -> None:
        self._body = body
        self._has_body = True
        self._phase = Phase.HEAD
        self._length: int | None = None
        self._sent = 0
        self.status = 0
        self.body_failure: Exception | None = None
        super().__init__(app, scope, raises)

    async def head(self, timeout: float | None) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Status and headers of the response.

        Raises:
            Exception: the application failed, if its errors are to be raised.
            Incomplete: it ended without an answer.
            Late: there was none within `timeout` seconds.
        """
        message = await self.next(timeout)
        if self.body_failure is not None:
            raise self.body_failure
        self.raise_failure()
        if message is None:
            what = "failed" if self.failures else "returned"
            raise Incomplete(f"The application {what} before it answered {_named(self.scope)}.")
        self.status = message["status"]
        return self.status, [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]

    async def chunks(self, timeout: float | None, whole: bool) -> AsyncIterator[bytes]:
        """The body of the response. It ends when the application has returned.

        Args:
            timeout: how many seconds to wait for each message.
            whole: it is how many seconds there are for the whole body instead.

        Raises:
            Exception: the application failed, if its errors are to be raised.
            Incomplete: the application ended before the body did.
            Late: it took longer.
        """
        deadline = None if timeout is None or not whole else monotonic() + timeout
        bodiless = self.scope["method"] == "HEAD" or self.status in BODILESS
        more = True
        while more:
            message = await self.next(_left(timeout, deadline))
            if message is None:
                self.raise_failure()
                raise Incomplete(f"The application ended before its answer to {_named(self.scope)} did.")
            if (body := message.get("body", b"")) and not bodiless:
                yield bytes(body)
            more = message.get("more_body", False)
        await self.finish(_left(timeout, deadline))

    async def receive(self) -> Message:
        if self._has_body and self._phase is not Phase.NOTHING and not self.left:
            try:
                return await self._next_of_body()
            except Exception as error:  # of those who make the body: it ends as if the client left
                self.body_failure = error
                self.left = True
        async with self._changed:
            await self._changed.wait_for(lambda: self._phase is Phase.NOTHING or self.left)
        return {"type": "http.disconnect"}

    async def _next_of_body(self) -> Message:
        if self._body is None or isinstance(self._body, bytes):
            self._has_body = False
            return {"type": "http.request", "body": self._body or b"", "more_body": False}
        chunk = await anext(self._body, None)
        self._has_body = chunk is not None
        return {"type": "http.request", "body": chunk or b"", "more_body": self._has_body}

    def check(self, message: Message) -> None:
        type = message["type"]
        if type != self._phase.value:
            raise RuntimeError(
                f"{type} can't be sent now: what comes next in the answer to {_named(self.scope)} is "
                f"{self._phase.value}."
            )
        if self._phase is Phase.HEAD:
            self._phase = Phase.BODY
            for name, value in message.get("headers", ()):
                if name == b"content-length":
                    self._length = int(value)
            if self.scope["method"] == "HEAD" or message["status"] in BODILESS:
                self._length = None
            return
        self._sent += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if self._length is not None and (
            self._sent > self._length or (complete and self._sent != self._length)
        ):
            raise RuntimeError(
                f"The answer to {_named(self.scope)} has {self._sent} bytes, but its content-length is "
                f"{self._length}."
            )
        if complete:
            self._phase = Phase.NOTHING


def _named(scope: Scope) -> str:
    return f"{scope['method']} {scope['path']}"


def _left(timeout: float | None, deadline: float | None) -> float | None:
    """How many seconds are left. What never has to be waited for is late, too, in the end."""
    if deadline is None:
        return timeout
    left = deadline - monotonic()
    if left <= 0:
        raise Late
    return left
