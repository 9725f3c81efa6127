"""A loop in a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Portal:
    """Runs coroutines in a loop of its own, one after the other or at once, for whoever waits for them.

    They see the context (`contextvars`) of the caller. It is started and stopped by `start` and `stop`; what
    still runs at the stop is cancelled.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> None:
        """Start the thread, and wait until its loop runs."""
        running = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(running,), name="asgistar portal", daemon=True
        )
        self._thread.start()
        running.wait()

    def stop(self) -> None:
        """End the loop, and wait for its thread."""
        assert self._loop is not None
        assert self._stop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop = None

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine, run in the loop; interrupted, it is cancelled.

        Raises:
            RuntimeError: the loop doesn't run.
        """
        if self._loop is None:
            coroutine.close()
            raise RuntimeError("The client isn't open. Use it inside of `with`.")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _run(self, running: threading.Event) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            running.set()
            await self._stop.wait()

        asyncio.run(main())
