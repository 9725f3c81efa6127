"""Work after the response: what a view leaves to be done when its client has been answered.

It runs in the process that answered, and is lost if that dies: what must not be lost belongs into a queue.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Any

from msgspec import Struct

from asgistar import signature as signatures
from asgistar.errors import tell
from asgistar.http.fields import Fields
from asgistar.http.response import Reply, Sender, send_reply
from asgistar.http.streams import STARTED
from asgistar.signature import described
from asgistar.threads import Threads
from asgistar.types import Receive, Scope, Send
from asgistar.values import Living, Supply, supply
from asgistar.values import Scope as ComponentScope

logger = logging.getLogger("asgistar")

MAXIMUM = 1000
"""So many requests may have work left at most; the next one isn't over before there is room."""

PATIENCE = 20.0
"""Seconds that the work has when the application stops; then it is cancelled."""


class Job(Struct, frozen=True):
    """A call that is still to be made.

    Attributes:
        call: what is called.
        arguments: given by position.
        named: given by name.
        supply: what is given to the others by their type.
    """

    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    supply: Supply


class Jobs:
    """The work that is left in an application: a part of its lifespan.

    Args:
        living: its components.
        in_thread: runs functions that aren't `async def`.
    """

    def __init__(self, living: Living, in_thread: Threads) -> None:
        self._living = living
        self._in_thread = in_thread
        self._running: set[asyncio.Task[None]] = set()

    def job(self, call: Callable[..., Any], arguments: tuple[Any, ...], given: dict[str, Any]) -> Job:
        """A call with these arguments, and components for what they leave over.

        Raises:
            TypeError: it doesn't take these arguments.
            ConfigurationError: it asks for what no component provides.
        """
        bound = inspect.signature(call).bind_partial(*arguments, **given).arguments
        living, hint = self._living, ". Give it to background.add()"
        found = supply(signatures.read(call), bound, living.components, living.values, hint)
        return Job(call, arguments, given, found)

    async def run(self, jobs: list[Job], scope: Scope) -> None:
        """Have the work of a request begin; wait only if there is too much of it already."""
        while len(self._running) >= MAXIMUM:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._run(jobs, scope), name="asgistar background")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, jobs: Iterable[Job], scope: Scope) -> None:
        for job in jobs:
            try:
                await self._do(job)
            except Exception as error:
                logger.error("%s failed in the background", described(job.call), exc_info=error)
                tell(scope, error)

    async def _do(self, job: Job) -> None:
        async with AsyncExitStack() as stack:
            scope = ComponentScope(self._living.components, self._living.values, stack)
            found = await scope.supplied(job.supply)
            if signatures.is_async(job.call):
                await job.call(*job.arguments, **job.named, **found)
            else:
                await self._in_thread(job.call, *job.arguments, **job.named, **found)

    async def start(self) -> None:
        """Nothing: work begins after a request."""

    async def stop(self) -> None:
        """Wait for what is being done; what takes too long is cancelled."""
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=PATIENCE)
        for task in late:
            task.cancel()
        if late:
            logger.error("The application stops; background work of %d requests was cancelled", len(late))
            await asyncio.wait(late)


class Background:
    """Work after the response: a view has it as a parameter of this type.

        async def sign_up(user: User, background: Background) -> Created[User]:
            background.add(send_welcome, user.email)

    It begins when the response has been sent; one call after the other, each with components of its own. A
    call that fails is logged, and the next one is made. Nothing is done if the view raises.
    """

    __slots__ = ("_jobs", "_left", "_scope")

    def __init__(self, jobs: Jobs, scope: Scope) -> None:
        self._jobs = jobs
        self._scope = scope
        self._left: list[Job] = []

    def add(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> None:
        """Have something called after the response: an `async def` on the loop, a `def` in a thread.

        Parameters that aren't given here are given components.

        Raises:
            TypeError: it doesn't take these arguments.
            ConfigurationError: it asks for what no component provides.
        """
        self._left.append(self._jobs.job(call, arguments, named))

    async def start(self) -> None:
        """The response is over: begin."""
        if self._left:
            jobs, self._left = self._left, []
            await self._jobs.run(jobs, self._scope)

    def after(self, status: int, headers: Fields, content: bytes | Sender) -> Reply:
        """A reply, with the work after it. What components add when they end is done too."""
        return status, headers, _Followed(content, self)


class _Followed:
    """Content that is followed by work."""

    __slots__ = ("_background", "_content")

    def __init__(self, content: bytes | Sender, background: Background) -> None:
        self._content = content
        self._background = background

    def instead(self, content: bytes | Sender) -> _Followed:
        """Other content, followed by the same work."""
        return _Followed(content, self._background)

    async def send(self, status: int, headers: Fields, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, then have the work begin: even if the client hasn't waited for it."""
        try:
            if isinstance(self._content, bytes):
                scope[STARTED] = True
            await send_reply((status, headers, self._content), scope, receive, send)
        finally:
            await self._background.start()
