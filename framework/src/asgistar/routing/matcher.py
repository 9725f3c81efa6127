"""Matching a text against literals and parameters: a segment of a path, the tail of one, the name of a host.

Like a regular expression in which each parameter takes as much as it can, the leftmost first, but never with
its worst case: where the end of one parameter can't be told at once, the ends that lead to a match are
marked from right to left first, in time proportional to the text. So no path, and no pattern, makes a
matcher try for long.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from asgistar.routing.pattern import Parts, Slot

Match = Callable[[str], tuple[str, ...] | None]
"""The texts of the parameters, or None where the text doesn't match."""

# A parameter that isn't one class of characters is tried between some starts and some ends; so often at most.
_TRIES = 20_000


def matcher(parts: Parts) -> Match:
    """A function that matches a text against `parts`, of which one at least is a parameter."""
    if pattern := _determined(parts):
        fullmatch = pattern.fullmatch

        def match(text: str) -> tuple[str, ...] | None:
            found = fullmatch(text)
            return None if found is None else found.groups()

        return match
    return Ambiguous(parts).match


def _determined(parts: Parts) -> re.Pattern[str] | None:
    """A regex for `parts`, if it never has to go back: each parameter ends where the next literal begins."""
    regex = ""
    for part, following in zip(parts, (*parts[1:], ""), strict=True):
        if isinstance(part, str):
            regex += re.escape(part)
            continue
        if part.kind.run is None or not isinstance(following, str):
            return None
        if following and part is not _last(parts) and part.kind.run.match(following) is not None:
            return None
        regex += f"({part.kind.regex})"
    return re.compile(regex)


def _last(parts: Parts) -> Slot:
    return [part for part in parts if isinstance(part, Slot)][-1]


class Ambiguous:
    """Parameters of which one can't be told to end before it is known how the text goes on."""

    __slots__ = ("parts",)

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def match(self, text: str) -> tuple[str, ...] | None:
        """The texts of the parameters; None if `text` doesn't match."""
        # tables[i][p]: the parts from i on match the text from p on, to its end.
        tables = [bytearray(len(text) + 1)]
        tables[0][-1] = 1
        for index in range(len(self.parts) - 1, -1, -1):
            part = self.parts[index]
            if isinstance(part, str):
                tables.insert(0, _before_literal(part, text, tables[0]))
            elif part.kind.run is not None:
                tables.insert(0, _before_run(part.kind.run, text, tables[0]))
            else:
                tables.insert(0, self._before_other(part, text, tables[0], self._starts(index, text)))
        if not tables[0][0]:
            return None
        values = []
        position = 0
        for part, table in zip(self.parts, tables[1:], strict=True):
            if isinstance(part, str):
                position += len(part)
                continue
            end = table.rfind(1, position, _longest(part, text, position) + 1)
            while not _fits(part, text, position, end):
                end = table.rfind(1, position, end)
            values.append(text[position:end])
            position = end
        return tuple(values)

    def _starts(self, index: int, text: str) -> list[int]:
        """Where the part of this index can begin, as far as the part before it says."""
        before = self.parts[index - 1] if index else ""
        if not isinstance(before, str):
            return list(range(len(text) + 1))
        if index < 2:
            return [len(before)] if text.startswith(before) else []
        return [found.start() + len(before) for found in re.finditer(f"(?={re.escape(before)})", text)]

    def _before_other(self, slot: Slot, text: str, after: bytearray, starts: list[int]) -> bytearray:
        """Where a parameter of any regex can begin so that what follows it matches."""
        ends = [end for end, good in enumerate(after) if good]
        table = bytearray(len(text) + 1)
        if len(starts) * len(ends) <= _TRIES:
            for start in starts:
                table[start] = any(slot.kind.fullmatch(text[start:end]) for end in ends if end >= start)
        return table


def _before_literal(literal: str, text: str, after: bytearray) -> bytearray:
    """Where `literal` can begin so that what follows it matches."""
    table = bytearray(len(text) + 1)
    start = text.find(literal)
    while start >= 0:
        table[start] = after[start + len(literal)]
        start = text.find(literal, start + 1)
    return table


def _before_run(run: re.Pattern[str], text: str, after: bytearray) -> bytearray:
    """Where a run of one class of characters can begin so that what follows it matches."""
    table = bytearray(len(text) + 1)
    for found in run.finditer(text):
        last_end = after.rfind(1, found.start() + 1, found.end() + 1)
        if last_end > 0:
            table[found.start() : last_end] = b"\x01" * (last_end - found.start())
    return table


def _longest(slot: Slot, text: str, start: int) -> int:
    """The last position at which the parameter could end, if it begins at `start`."""
    if slot.kind.run is None:
        return len(text)
    found = slot.kind.run.match(text, start)
    return found.end() if found else start


def _fits(slot: Slot, text: str, start: int, end: int) -> bool:
    return slot.kind.run is not None or slot.kind.fullmatch(text[start:end]) is not None
