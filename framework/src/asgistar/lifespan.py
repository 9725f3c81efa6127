"""The lifespan of an application (ASGI Lifespan 2.0): what is there before the first request.

Applications that are mounted get a lifespan of their own each, for no server knows of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

from asgistar.errors import ConfigurationError, tell
from asgistar.routing.route import Mount
from asgistar.types import Message, Receive, Scope, Send

logger = logging.getLogger("asgistar")

PATIENCE = 1
"""Seconds that a mounted application has to end once it is cancelled."""


class MountFailed(Exception):
    """A mounted application can't start or stop."""


class Mounted:
    """The lifespan of one mounted application.

    Args:
        mount: the application.
        scope: the scope of our own lifespan; its state is shared.
    """

    def __init__(self, mount: Mount, scope: Scope) -> None:
        self._mount = mount
        self._scope = {**scope, "state": scope.get("state", {})}
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._lives = False

    async def start(self) -> None:
        """Start it. An application that has no lifespan is none the worse for it.

        Raises:
            MountFailed: it can't start, or says nothing for too long.
        """
        self._task = asyncio.create_task(self._run())
        try:
            self._lives = await self._ask("lifespan.startup") is not None
        except MountFailed:
            await self._end()
            raise

    async def stop(self) -> None:
        """Stop it, once it was started.

        Raises:
            MountFailed: it can't stop, or says nothing for too long.
        """
        try:
            if self._lives:
                await self._ask("lifespan.shutdown")
        finally:
            await self._end()

    async def _ask(self, type: str) -> Message | None:
        """The answer to a message; None if it has ended instead.

        Raises:
            MountFailed: it has failed, or there is none for too long.
        """
        assert self._task is not None
        self._to_app.put_nowait({"type": type})
        seconds = self._mount.lifespan_timeout
        try:
            answer = await asyncio.wait_for(self._from_app.get(), seconds)
        except TimeoutError:
            self._task.cancel()
            raise MountFailed(
                f"{self._mount} hasn't answered {type} for {seconds:g} seconds. An application that has no "
                "lifespan must return or raise; if it needs longer, give its Mount a lifespan_timeout=…."
            ) from None
        if answer is not None and answer["type"] == f"{type}.failed":
            raise MountFailed(
                answer.get("message")
                or f"{self._mount} answered {type} with {type}.failed, and says no more."
            )
        return answer

    async def _end(self) -> None:
        """Wait for its end; what takes too long is cancelled."""
        assert self._task is not None
        if not self._task.cancelling():
            _, late = await asyncio.wait({self._task}, timeout=self._mount.lifespan_timeout)
            for task in late:
                task.cancel()
        await asyncio.wait({self._task}, timeout=PATIENCE)

    async def _run(self) -> None:
        async def send(message: Message) -> None:
            self._from_app.put_nowait(message)

        try:
            await self._mount.app(self._scope, self._to_app.get, send)
        except Exception:
            # It has no lifespan: "the server must continue but not send any lifespan events".
            pass
        finally:
            self._from_app.put_nowait(None)


async def live(scope: Scope, receive: Receive, send: Send, parts: Iterable[Any]) -> None:
    """Speak the lifespan protocol: start the `parts` in their order, stop them in the contrary one."""
    await receive()
    started = []
    try:
        for part in parts:
            await part.start()
            started.append(part)
    except Exception as error:
        # What is a sentence already, as of a variable that isn't set, the server logs: it is its message.
        if not isinstance(error, ConfigurationError | MountFailed):
            logger.error("The application can't start", exc_info=error)
        tell(scope, error)
        try:
            await _stop(started)
        except Exception as late:
            logger.error("What had started can't stop well", exc_info=late)
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    try:
        await _stop(started)
    except Exception as error:
        logger.error("The application can't stop well", exc_info=error)
        tell(scope, error)
        await send({"type": "lifespan.shutdown.failed", "message": str(error)})
        return
    await send({"type": "lifespan.shutdown.complete"})


async def _stop(started: Iterable[Any]) -> None:
    """Stop what has been started, the last one first; the others too, if one of them fails."""
    async with AsyncExitStack() as stack:
        for part in started:
            stack.push_async_callback(part.stop)
