"""The end of a process that has served: what would keep it alive gets a moment, and is then left behind.

asyncio would wait for ever for a task that doesn't end when it is cancelled, and Python for a thread that
blocks, such as those of the default executor. A server that was told to stop has to be gone.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

TASK_PATIENCE = 1.0  # seconds that the application's own tasks get to end
THREAD_PATIENCE = 3.0  # seconds that its threads get

Warn = Callable[[str, str], object]


def close(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop after its work: what still runs in it is cancelled, and may clean up."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        _await_end(loop, tasks)
    _await_end(loop, {loop.create_task(loop.shutdown_asyncgens())})
    loop.close()


def _await_end(loop: asyncio.AbstractEventLoop, tasks: set[asyncio.Task[Any]]) -> None:
    waiting = loop.create_task(asyncio.wait(tasks, timeout=TASK_PATIENCE))
    while not waiting.done():
        with suppress(SystemExit):  # of a task that exits when it is cancelled, as we do
            loop.run_until_complete(waiting)


def leave_threads(code: int, warn: Warn) -> None:
    """See that the process, which is at its end, does end with `code`, even where its threads don't.

    `warn` is told which those are: a message, and what to put into it.
    """
    threading.Thread(target=_leave, args=(code, warn), name="farewell", daemon=True).start()
    with suppress(Exception):  # what the application has printed; there may be nobody who reads it
        sys.stdout.flush()


def _leave(code: int, warn: Warn) -> None:
    time.sleep(THREAD_PATIENCE)
    held = [thread for thread in threading.enumerate() if not thread.daemon]
    names = [thread.name for thread in held if thread is not threading.main_thread()]
    if not names:
        return  # what takes its time is the work of `atexit`
    warn("Threads that don't end are left behind: %s", ", ".join(names))
    os._exit(code)
