"""A call of an ASGI application, and the messages that go to and fro."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from asgistar.types import ASGIApplication, Message, Scope

GRACE = 1.0
"""How many seconds an application may go on after its client has left, before it is cancelled."""


class ClientLeft(OSError):
    """What `send` raises once the client has left (ASGI, HTTP messages 2.4)."""


class Late(TimeoutError):
    """The application took longer than it may."""


class LifespanFailed(Exception):
    """The application said that it can't start, or couldn't stop in peace."""


class Conversation:
    """A call of an application.

    What it sends waits until it is taken: `room` messages at most, then `send` waits as it would for a slow
    client.

    Args:
        app: the application.
        scope: its scope; an extension by which it tells of errors is added if they are to be raised.
        raises: errors of the application are raised by those who wait for it.

    Attributes:
        ended: the application has returned.
        left: the client has left.
        failures: what the application raised, and what it told of.
    """

    room = 1

    def __init__(self, app: ASGIApplication, scope: Scope, raises: bool) -> None:
        self._app = app
        self.scope = scope
        self.raises = raises
        self.ended = False
        self.left = False
        self.failures: list[BaseException] = []
        if raises:
            tell = {"tell": self.failures.append}
            scope["extensions"] = {**scope.get("extensions", {}), "asgistar.errors": tell}
        self._messages: deque[Message] = deque()
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._run())

    async def next(self, timeout: float | None) -> Message | None:
        """What the application sends next; None if it has ended instead.

        Raises:
            Late: it took more than `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self._messages or self.ended)
        except TimeoutError:
            raise Late from None
        message = self._messages.popleft() if self._messages else None
        await self.notify()
        return message

    async def finish(self, timeout: float | None) -> None:
        """Wait until the application has returned, and raise what it raised.

        Raises:
            Late: it took more than `timeout` seconds.
        """
        _, unfinished = await asyncio.wait({self._task}, timeout=timeout)
        if unfinished:
            raise Late
        self.raise_failure()

    async def leave(self) -> None:
        """The client leaves. What doesn't end then is cancelled."""
        self.left = True
        try:
            await self.notify()
            _, unfinished = await asyncio.wait({self._task}, timeout=GRACE)
            if unfinished:
                self._task.cancel()
                await asyncio.wait({self._task}, timeout=GRACE)
        finally:
            self._task.cancel()

    def raise_failure(self) -> None:
        """Raise the first error of the application, if errors are to be raised."""
        if self.raises and self.failures:
            raise self.failures[0]

    async def notify(self) -> None:
        """Let those who wait look again."""
        async with self._changed:
            self._changed.notify_all()

    async def receive(self) -> Message:
        """What the application gets."""
        raise NotImplementedError

    def check(self, message: Message) -> None:
        """See that the application may send this now; take note of it.

        Raises:
            RuntimeError: it may not.
        """
        raise NotImplementedError

    async def send(self, message: Message) -> None:
        """Take a message of the application.

        Raises:
            ClientLeft: nobody is there any more.
        """
        if self.left:
            raise ClientLeft("The client has left.")
        self.check(message)
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._messages) < self.room or self.left)
            if self.left:
                raise ClientLeft("The client has left.")
            self._messages.append(message)
            self._changed.notify_all()

    async def _run(self) -> None:
        try:
            await self._app(self.scope, self.receive, self.send)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # what pytest.fail() raises is no Exception
            if own := _without_leaving(error):
                self.failures.append(own)
        finally:
            self.ended = True
            await self.notify()


def _without_leaving(error: BaseException) -> BaseException | None:
    """The error without those that only say that the client has left; None if nothing is left of it."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(ClientLeft)[1]
    return None if isinstance(error, ClientLeft) else error


class Lifespan(Conversation):
    """The lifespan of an application (ASGI, Lifespan 2.0).

    Args:
        app: the application.
        state: what it may put things into, for its requests.
        raises: see `Conversation`.
    """

    def __init__(self, app: ASGIApplication, state: dict[str, Any], raises: bool) -> None:
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._supported = False
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": state,
            "extensions": {},
        }
        super().__init__(app, scope, raises)

    async def start(self, timeout: float | None) -> None:
        """Start the application. One that knows no lifespan is none the worse for it.

        Raises:
            LifespanFailed: it can't start; or the error itself, if errors are to be raised and it told of it.
            Late: it took more than `timeout` seconds.
        """
        answer = await self._asked("lifespan.startup", timeout)
        if answer is None:
            self.failures.clear()  # "the server must continue but not send any lifespan events"
            return
        if answer["type"] == "lifespan.startup.failed":
            await self.finish(timeout)
            raise LifespanFailed(answer.get("message") or "The application can't start.")
        self._supported = True

    async def stop(self, timeout: float | None) -> None:
        """Stop the application.

        Raises:
            LifespanFailed: it couldn't stop in peace; or its error, see `start`.
            Late: it took more than `timeout` seconds.
        """
        if not self._supported:
            return
        answer = await self._asked("lifespan.shutdown", timeout)
        await self.finish(timeout)
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            raise LifespanFailed(answer.get("message") or "The application couldn't stop in peace.")

    async def receive(self) -> Message:
        return await self._to_app.get()

    def check(self, message: Message) -> None:
        if message["type"] not in _LIFESPAN:
            raise RuntimeError(f"There is no message {message['type']!r} in a lifespan.")

    async def _asked(self, type: str, timeout: float | None) -> Message | None:
        self._to_app.put_nowait({"type": type})
        try:
            return await self.next(timeout)
        except Late:
            await self.leave()
            raise Late(f"The application hasn't answered {type} within {timeout} s.") from None


_LIFESPAN = frozenset(
    f"lifespan.{phase}.{outcome}" for phase in ("startup", "shutdown") for outcome in ("complete", "failed")
)
