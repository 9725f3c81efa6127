"""Threads for views that are plain `def`, and for components that wait for something."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
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
        await _ended(future)
        if not future.cancelled() and future.exception() is None and drop is not None:
            drop(future.result())
        raise


async def _ended(future: asyncio.Future[Any]) -> None:
    """Wait for the end of a future, however often the one who waits is cancelled."""
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({future})


@asynccontextmanager
async def in_threads(
    in_thread: Callable[..., Awaitable[Any]], context: AbstractContextManager[T]
) -> AsyncIterator[T]:
    """A context that is entered and left in threads; once entered it is left, whoever is cancelled."""
    entering = asyncio.ensure_future(in_thread(context.__enter__))
    try:
        yield await finished(entering)
    except BaseException as error:
        if entering.cancelled() or entering.exception() is not None:
            raise
        if not await finished(in_thread(context.__exit__, type(error), error, error.__traceback__)):
            raise
    else:
        await finished(in_thread(context.__exit__, None, None, None))


_END = object()


async def iterated(in_thread: Callable[..., Awaitable[Any]], items: Iterator[T]) -> AsyncIterator[T]:
    """The items of an iterator that is no async one: each is made in a thread.

    Whoever doesn't want them any more waits for the one that is being made.
    """
    try:
        while (item := await finished(in_thread(next, items, _END))) is not _END:
            yield item
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            await finished(in_thread(close))


class Threads:
    """A pool of threads, made when the first one is needed.

    Args:
        number: how many there are at most.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._pool: concurrent.futures.Executor | None = None

    async def __call__(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What `call` returns in a thread, with the context variables of here.

        Who is cancelled waits for its end all the same, unless it hasn't begun.
        """
        if self._pool is None:
            # Python imports what this needs when it is first asked for.
            self._pool = concurrent.futures.ThreadPoolExecutor(self._number, "asgistar")
        context = contextvars.copy_context()

        def run() -> Any:
            try:
                return context.run(call, *arguments, **named)
            except StopIteration as error:
                # A future can't hold it: before Python 3.12, who waits for it would wait for ever.
                raise RuntimeError(f"{call!r} raised StopIteration") from error

        running = self._pool.submit(run)
        try:
            return await asyncio.wrap_future(running)
        except asyncio.CancelledError:
            # What is being done can't be stopped, and what it works with must stay until it is done.
            ending = asyncio.wrap_future(running)
            await _ended(ending)
            if not ending.cancelled():
                ending.exception()  # nobody wants to know
            raise

    async def start(self) -> None:
        """Nothing: threads start when they are needed."""

    async def stop(self) -> None:
        """End the threads, after what they are doing."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await asyncio.to_thread(pool.shutdown)
