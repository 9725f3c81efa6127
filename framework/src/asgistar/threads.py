"""Threads for the views that are plain `def`."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


async def finished(awaitable: Awaitable[T], drop: Callable[[T], object] | None = None) -> T:
    """What `awaitable` gives. Who is cancelled while it is under way waits for its end all the same.

    What runs in a thread can't be cancelled: what it works with must not be taken away before.

    Args:
        drop: called with a result that nobody gets, because of that.
    """
    future = asyncio.ensure_future(awaitable)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        if not future.cancelled() and future.exception() is None and drop is not None:
            drop(future.result())
        raise


class Threads:
    """A pool of threads, made when the first one is needed.

    Args:
        number: how many there are at most.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._pool: ThreadPoolExecutor | None = None

    async def __call__(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What `call` returns in a thread, with the context variables of here."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._number, "asgistar")
        context = contextvars.copy_context()

        def run() -> Any:
            try:
                return context.run(call, *arguments, **named)
            except StopIteration as error:
                # A future can't hold it: before Python 3.12, who waits for it would wait for ever.
                raise RuntimeError(f"{call!r} raised StopIteration") from error

        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    async def start(self) -> None:
        """Nothing: threads start when they are needed."""

    async def stop(self) -> None:
        """End the threads, after what they are doing."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await asyncio.to_thread(pool.shutdown)
