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
from types import CodeType, FrameType

logger = logging.getLogger("asgiworker.server")


class Watchdog:
    """Logs the stack of the loop's thread once the loop hasn't turned for most of `timeout` seconds.

    A timeout of 0 watches nothing. Where C code holds the interpreter lock, as a regular expression does that
    backtracks for ever, this thread can't run either; a signal handler can then still call `report`.
    """

    def __init__(self, timeout: float) -> None:
        # Early enough to be heard before the arbiter, which looks once a second.
        self.patience = max(timeout - 2.0, timeout / 2)
        self._thread: threading.Thread | None = None
        self._watched = 0
        self._below: list[tuple[CodeType, int]] = []  # the calls that lead to the loop: they tell nothing
        self._last_beat = 0.0
        self._reported = False
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch the calling thread, in which the loop runs."""
        if not self.patience:
            return
        self._watched = threading.get_ident()
        self._below = [(frame.f_code, line) for frame, line in _calls(sys._getframe())]
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

    def report(self, frame: FrameType | None = None) -> None:
        """Log the stack, up to `frame` if that is known, once for each time that the loop hangs too long."""
        blocked = time.monotonic() - self._last_beat
        if self._thread is None or blocked < self.patience or self._reported:
            return
        self._reported = True
        stack = self._stack(frame or sys._current_frames().get(self._watched))
        logger.error("The event loop has been blocked for %.1f s by:\n%s", blocked, stack)

    def _watch(self) -> None:
        look = self.patience
        while not self._stopped.wait(look):
            self.report()
            # When a loop that hangs since its last beat will have done so for too long, and not much later.
            left = self._last_beat + self.patience - time.monotonic()
            look = left if left > 0 else self.patience / 4

    def _stack(self, frame: FrameType | None) -> str:
        """The calls from the loop on."""
        calls = _calls(frame)
        start = 0
        for (frame, line), below in zip(calls, self._below, strict=False):
            if (frame.f_code, line) != below:
                break
            start += 1
        return "".join(traceback.StackSummary.extract(iter(calls[start:])).format()).rstrip()


def _calls(frame: FrameType | None) -> list[tuple[FrameType, int]]:
    """The calls that lead to `frame`, the outermost first, each with the line it has come to."""
    return list(traceback.walk_stack(frame))[::-1] if frame else []
