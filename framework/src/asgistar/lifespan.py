"""The lifespan of an application (ASGI Lifespan 2.0): what is there before the first request.

Applications that are mounted get a lifespan of their own each, for no server knows of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

from asgistar.errors import tell
from asgistar.types import ASGIApplication, Message, Receive, Scope, Send

logger = logging.getLogger("asgistar")


class StartFailed(Exception):
    """A mounted application said that it can't start."""


class Mounted:
    """The lifespan of one mounted application.

    Args:
        app: the application.
        scope: the scope of our own lifespan; its state is shared.
    """

    def __init__(self, app: ASGIApplication, scope: Scope) -> None:
        self._app = app
        self._scope = {**scope, "state": scope.get("state", {})}
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message | None] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._lives = False

    async def start(self) -> None:
        """Start it. An application that has no lifespan is none the worse for it.

        Raises:
            StartFailed: it can't start.
        """
        self._task = asyncio.create_task(self._run())
        answer = await self._ask("lifespan.startup")
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            await self._task
            raise StartFailed(answer.get("message", ""))
        self._lives = answer is not None

    async def stop(self) -> None:
        """Stop it, once it was started."""
        assert self._task is not None
        if self._lives:
            await self._ask("lifespan.shutdown")
        await self._task

    async def _ask(self, type: str) -> Message | None:
        """The answer to a message; None if it has ended instead."""
        self._to_app.put_nowait({"type": type})
        return await self._from_app.get()

    async def _run(self) -> None:
        async def send(message: Message) -> None:
            self._from_app.put_nowait(message)

        try:
            await self._app(self._scope, self._to_app.get, send)
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
        logger.error("The application can't start", exc_info=error)
        tell(scope, error)
        await _stop(started)
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
