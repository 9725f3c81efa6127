"""The lifespan of an application: startup before the first request, shutdown after the last.

Source: ASGI Lifespan 2.0.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from typing import Any, Literal

from asgiworker.asgi.errors import ApplicationError, LifespanFailed
from asgiworker.asgi.types import ASGIApplication, Message, Scope

logger = logging.getLogger("asgiworker.asgi")

CANCEL_PATIENCE = 1.0  # seconds that a cancelled lifespan gets to end

LAST_PATIENCE = 1.0  # seconds that one has to return after its last answer

Mode = Literal["auto", "on", "off"]


class State(Enum):
    """Where the conversation with the application stands."""

    STARTING = "starting"
    STARTED = "started"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"


# What the application may send in each state, and the state that follows.
TRANSITIONS: dict[tuple[State, str], State] = {
    (State.STARTING, "lifespan.startup.complete"): State.STARTED,
    (State.STARTING, "lifespan.startup.failed"): State.FAILED,
    (State.STOPPING, "lifespan.shutdown.complete"): State.STOPPED,
    (State.STOPPING, "lifespan.shutdown.failed"): State.FAILED,
}


class Lifespan:
    """One application's lifespan. `state` is what the application put there; each request gets a copy.

    Args:
        app: the ASGI application.
        mode: `auto` goes on without lifespan when the application raises on it; `on` makes that an
            error; `off` never calls the application with a lifespan scope.
        startup_timeout: seconds for `lifespan.startup`; 0 waits for ever.
        shutdown_timeout: seconds for `lifespan.shutdown`; 0 waits for ever.
    """

    def __init__(
        self,
        app: ASGIApplication,
        mode: Mode = "auto",
        startup_timeout: float = 0,
        shutdown_timeout: float = 0,
    ) -> None:
        self.app = app
        self.mode = mode
        self.startup_timeout = startup_timeout
        self.shutdown_timeout = shutdown_timeout
        self.state: dict[str, Any] = {}
        self.stage = State.STARTING
        self.message = ""
        self._misuse: ApplicationError | None = (
            None  # raised in an application that speaks of lifespan, wrongly
        )
        self._task: asyncio.Task[None] | None = None
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answered = asyncio.Event()
        self._heard = False  # it has asked for a message
        self._asks_on = asyncio.Event()  # it waits for a message after the last

    async def startup(self) -> None:
        """Run the application's startup.

        Raises:
            LifespanFailed: the application reported a failure, raised (mode `on`), or took too long.
        """
        if self.mode == "off":
            self.stage = State.UNSUPPORTED
            return
        self._events.put_nowait({"type": "lifespan.startup"})
        self._task = asyncio.get_running_loop().create_task(self._run(), name="asgiworker lifespan")
        try:
            answered = await self._answer(self.startup_timeout)
        except asyncio.CancelledError:
            await self._cancel()
            raise
        if not answered:
            await self._cancel()
            raise LifespanFailed(f"application startup took longer than {self.startup_timeout:g} s")
        if self.stage is State.FAILED:
            await self._cancel()
            raise LifespanFailed(self.message or "application startup failed")

    async def shutdown(self) -> None:
        """Run the application's shutdown; what goes wrong is logged, for the server stops all the same."""
        if self.stage is not State.STARTED:
            return
        self.stage = State.STOPPING
        self._answered.clear()
        self._events.put_nowait({"type": "lifespan.shutdown"})
        if not await self._answer(self.shutdown_timeout):
            logger.error("Application shutdown took longer than %g s; cancelled", self.shutdown_timeout)
        elif self.stage is State.FAILED:
            logger.error("Application shutdown failed%s", f": {self.message}" if self.message else "")
        if self._task is not None:
            # It may have something left to do after its answer; if it asks for another message, it hasn't.
            asking = asyncio.ensure_future(self._asks_on.wait())
            patience = LAST_PATIENCE if self._answered.is_set() else 0
            await asyncio.wait({self._task, asking}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            asking.cancel()
            await self._cancel()

    async def _answer(self, timeout: float) -> bool:
        try:
            await asyncio.wait_for(self._answered.wait(), timeout or None)
        except TimeoutError:
            return False
        return True

    async def _cancel(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            # A task that swallows its cancellation must not hold the server: it is left behind.
            await asyncio.wait({self._task}, timeout=CANCEL_PATIENCE)

    async def _run(self) -> None:
        scope: Scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self.app(scope, self._receive, self._send)
        except asyncio.CancelledError:
            self.stage = State.FAILED
            raise
        except BaseException as error:
            self._raised(error)
        else:
            self._returned()
        finally:
            self._answered.set()

    def _raised(self, error: BaseException) -> None:
        deaf = not isinstance(error, SystemExit) and error is not self._misuse
        if self.stage is State.STARTING and self.mode == "auto" and deaf:
            # ASGI: an exception on the lifespan scope means that the application doesn't support it.
            self.stage = State.UNSUPPORTED
            if not self._heard:
                logger.debug("The application doesn't support lifespan: %r", error)
                return
            # It seemed to understand: maybe its startup has failed, and nobody would know.
            logger.warning(
                "The application raised in its startup, and is taken for one without lifespan;"
                " with lifespan 'on' that is an error",
                exc_info=error,
            )
            return
        if self.stage is State.STARTING:
            logger.error("Exception in the application's startup", exc_info=error)
        elif self.stage is State.STARTED:
            # It serves all the same, and there is nobody left to tell of the shutdown.
            logger.error("Exception in the application's lifespan", exc_info=error)
            self.stage = State.STOPPED
            return
        elif self.stage is not State.FAILED:
            logger.error("Exception in the application's shutdown", exc_info=error)
        self.message = self.message or f"{type(error).__name__}: {error}"
        self.stage = State.FAILED

    def _returned(self) -> None:
        if self.stage is State.STARTING:
            if self.mode == "on":
                self.stage, self.message = (
                    State.FAILED,
                    "the application returned before startup was complete",
                )
            else:
                self.stage = State.UNSUPPORTED
        elif self.stage in (State.STARTED, State.STOPPING):
            self.stage = State.STOPPED

    async def _receive(self) -> Message:
        if self.stage in (State.STOPPED, State.FAILED):
            self._asks_on.set()
        self._heard = True
        return await self._events.get()

    async def _send(self, message: Message) -> None:
        kind = message.get("type") if isinstance(message, dict) else None
        following = TRANSITIONS.get((self.stage, kind)) if isinstance(kind, str) else None
        if following is None:
            sent = f"ASGI message {kind!r}" if kind is not None else f"object {message!r} for an ASGI message"
            misuse = ApplicationError(f"unexpected {sent}: the lifespan is {self.stage.value}")
            if not str(kind).startswith("http."):  # one that takes every scope for a request is just deaf
                self._misuse = misuse
            raise misuse
        self.stage = following
        self.message = str(message.get("message", ""))
        self._answered.set()
