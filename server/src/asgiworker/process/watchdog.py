"""Watches the event loop from a thread of its own, and says where it hangs.

A loop that is blocked can't say so itself. Under Gunicorn the arbiter kills a worker whose heartbeat stops,
and then nobody can tell what blocked it: so the stack is logged before that.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback

logger = logging.getLogger("asgiworker.server")


class Watchdog:
    """Logs the stack of the loop's thread once the loop hasn't turned for most of `timeout` seconds.

    A timeout of 0 watches nothing. Where C code holds the interpreter lock, this thread can't run either, and
    says nothing.
    """

    def __init__(self, timeout: float) -> None:
        # Early enough to be heard before the arbiter, which looks once a second.
        self.patience = max(timeout - 2.0, timeout / 2)
        self._thread: threading.Thread | None = None
        self._watched = 0
        self._last_beat = 0.0
        self._reported = False
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch the calling thread."""
        if not self.patience:
            return
        self._watched = threading.get_ident()
        self.beat()
        self._thread = threading.Thread(target=self._watch, name="asgiworker watchdog", daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """The loop turns."""
        self._last_beat = time.monotonic()
        self._reported = False

    def stop(self) -> None:
        """Watch no longer."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self.patience / 4):
            blocked = time.monotonic() - self._last_beat
            if blocked > self.patience and not self._reported:
                self._reported = True
                frame = sys._current_frames().get(self._watched)
                stack = "".join(traceback.format_stack(frame)) if frame else "unknown\n"
                logger.error("The event loop has been blocked for %.1f s by:\n%s", blocked, stack.rstrip())
