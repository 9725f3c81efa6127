"""What a client of HTTP/2 may make the server do for nothing (RFC 9113 §10.5): a budget.

A frame that brings no request any further has its cost. Time, requests that are answered and responses that
are read bring something in. Whoever has nothing left is told to calm down, and disconnected.
"""

from __future__ import annotations

BUDGET = 2000  # what a client may use up at once
INCOME = 100  # what it gets again in a second
COMPLETED = 4  # for each request that it lets be answered
OUTPUT = 9  # and one for so many bytes that it lets be sent to it, as a power of two
SAVINGS = 50 * BUDGET  # what it can save up
# By type of frame. A HEADERS frame costs an exchange, and their number is limited otherwise.
COSTS = (0, 0, 1, 4, 4, 4, 2, 4, 1, 2) + (1,) * 246
EMPTY = 1  # for a DATA frame without data, which else costs nothing
RESET = 4  # for each stream that we are driven to reset


class Budget:
    """What one client has left. PERF: it is spent and earned where that happens, without a call."""

    __slots__ = ("_counted_at", "left")

    def __init__(self, now: float) -> None:
        self.left = BUDGET
        self._counted_at = now

    def exhausted(self, now: float) -> bool:
        """Whether the client has used it up, with what time has brought by `now`."""
        self.left = min(BUDGET, self.left + int((now - self._counted_at) * INCOME))
        self._counted_at = now
        return self.left < 0
