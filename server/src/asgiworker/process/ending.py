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

TASK_PATIENCE = 1.0  # seconds that the application's own tasks get to end
THREAD_PATIENCE = 3.0  # seconds that its threads get

Warn = Callable[[str, str], object]


def close(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop after its work: what still runs in it is cancelled, and may clean up."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=TASK_PATIENCE))
    generators = loop.create_task(loop.shutdown_asyncgens())
    loop.run_until_complete(asyncio.wait({generators}, timeout=TASK_PATIENCE))
    loop.close()


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
    warn("Threads that don't end are left behind: %s", ", ".join(names))
    os._exit(code)
