"""Which routes can never match, because one before them takes every path that they would take.

Where that can't be told for certain, such as for converters of an application's own, a route is given the
benefit of the doubt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asgistar.routing.converters import PathConverter, StrConverter
from asgistar.routing.endpoint import Endpoint, HostName
from asgistar.routing.matcher import matcher
from asgistar.routing.pattern import Parts, Slot, merged
from asgistar.routing.route import WEBSOCKET


class _Level:
    """What was seen after the same segments."""

    __slots__ = ("dynamic", "ends", "mounts", "static", "tails")

    def __init__(self) -> None:
        # Empty containers are shared, as those of the router's tree.
        self.static: dict[str, _Level] = _NONE
        self.dynamic: dict[Parts, _Level] = _NONE
        self.ends: tuple[Endpoint, ...] = ()
        self.tails: tuple[tuple[Parts, Endpoint], ...] = ()
        self.mounts: tuple[Endpoint, ...] = ()

    def below(self, segment: Parts) -> _Level:
        """The level after a segment, made if it isn't there."""
        text = _literal(segment)
        if text is not None:
            if text not in self.static:
                self.static = self.static or {}
                self.static[text] = _Level()
            return self.static[text]
        nameless = _nameless(segment)
        if nameless not in self.dynamic:
            self.dynamic = self.dynamic or {}
            self.dynamic[nameless] = _Level()
        return self.dynamic[nameless]


_NONE: dict[Any, Any] = {}


class Seen:
    """The endpoints seen so far, in the order of the table."""

    def __init__(self) -> None:
        self._top = _Level()

    def add(self, endpoint: Endpoint, head: list[Parts], tail: Parts) -> None:
        """Note `endpoint`, whose path is made of the segments `head` and the `tail`."""
        level = self._top
        for segment in head if endpoint.path else ():
            level = level.below(segment)
        if endpoint.mounted:
            level.mounts += (endpoint,)
        elif tail:
            level.tails += ((tail, endpoint),)
        else:
            level.ends += (endpoint,)

    def hidden(self, endpoint: Endpoint, head: list[Parts], tail: Parts) -> str:
        """Why `endpoint` can never match, with both places; empty if it can."""
        for other in self._covering(endpoint, head, tail):
            if other.host is not None and not _same_host(other.host, endpoint.host):
                continue
            if other.mounted:
                lost = ""
            elif both := other.views.keys() & endpoint.views.keys():
                lost = " " + " or ".join("WebSockets" if name == WEBSOCKET else name for name in sorted(both))
            else:
                continue
            if other.parts == endpoint.parts and other.entry.path == endpoint.entry.path:
                why = "is declared before it, for the same path"
            else:
                why = "is declared before it and takes every path that it would take; swap them"
            return f"{endpoint} can never match{lost}: {other} {why}."
        return ""

    def _covering(self, endpoint: Endpoint, head: list[Parts], tail: Parts) -> Iterator[Endpoint]:
        """Endpoints that take every path that `endpoint` takes, as far as patterns and converters go."""
        segments = head if endpoint.path else []
        levels = [self._top]
        for index, segment in enumerate(segments):
            for level in levels:
                yield from level.mounts
                if level.tails and not endpoint.mounted:
                    rest = _joined(segments[index:], tail)
                    yield from (other for parts, other in level.tails if _tail_covers(parts, rest))
            text = _literal(segment)
            below = [level.static[text] for level in levels if text is not None and text in level.static]
            for level in levels:
                below += [lower for parts, lower in level.dynamic.items() if _covers(parts, segment)]
            levels = below
            if not levels:
                return
        for level in levels:
            yield from level.mounts
            if endpoint.mounted:
                continue
            if tail:
                yield from (other for parts, other in level.tails if _tail_covers(parts, tail))
            else:
                yield from level.ends


def _literal(segment: Parts) -> str | None:
    """The text of a segment without parameters."""
    if not segment:
        return ""
    return segment[0] if len(segment) == 1 and isinstance(segment[0], str) else None


def _nameless(segment: Parts) -> Parts:
    """The segment with nameless parameters: names don't change what matches."""
    return tuple(part if isinstance(part, str) else Slot("", part.kind) for part in segment)


def _joined(segments: list[Parts], tail: Parts) -> Parts:
    """The parts of some segments and the tail, one after the other."""
    parts: list[str | Slot] = []
    for index, segment in enumerate(segments):
        parts += ["/", *segment] if index else segment
    if tail:
        parts += ["/", *tail]
    return merged(parts)


def _same_host(one: HostName, other: HostName | None) -> bool:
    return other is not None and _nameless(one.parts) == _nameless(other.parts)


def _takes(parts: Parts, text: str) -> bool:
    """Whether `parts` match `text` and every converter takes its share."""
    values = matcher(parts)(text)
    slots = [part for part in parts if isinstance(part, Slot)]
    return values is not None and all(
        slot.kind.converts(value) for slot, value in zip(slots, values, strict=True)
    )


def _alike(one: Parts, other: Parts) -> bool:
    """Whether part by part the one takes all that the other takes."""
    if len(one) != len(other):
        return False
    for mine, its in zip(one, other, strict=True):
        if isinstance(mine, str) or isinstance(its, str):
            if mine != its:
                return False
        elif not mine.kind.covers(its.kind):
            return False
    certain = all(part.kind.total for part in one if isinstance(part, Slot))
    return certain or _nameless(one) == _nameless(other)


def _nonempty(parts: Parts) -> bool:
    """Whether every text that matches `parts` has a character at least."""
    return any(isinstance(part, str) or part.kind.fullmatch("") is None for part in parts)


def _covers(one: Parts, other: Parts) -> bool:
    """Whether a segment takes every text that another one takes."""
    text = _literal(other)
    if text is not None:
        return _takes(one, text)
    first = one[0]
    if len(one) == 1 and isinstance(first, Slot) and first.kind.regex == StrConverter.regex:
        return first.kind.total and _nonempty(other)
    return _alike(one, other)


def _tail_covers(one: Parts, rest: Parts) -> bool:
    """Whether a tail takes every text that the rest of another path takes."""
    if not rest:
        return False
    if len(rest) == 1 and isinstance(rest[0], str):
        return _takes(one, rest[0])
    slots = [part for part in one if isinstance(part, Slot)]
    if len(slots) == 1 and slots[0].kind.regex == PathConverter.regex and slots[0].kind.total:
        before = one[0] if isinstance(one[0], str) else ""
        after = one[-1] if isinstance(one[-1], str) else ""
        first = rest[0] if isinstance(rest[0], str) else ""
        last = rest[-1] if isinstance(rest[-1], str) else ""
        return first.startswith(before) and last.endswith(after) and _nonempty(_between(rest, before, after))
    return _alike(one, rest)


def _between(parts: Parts, before: str, after: str) -> Parts:
    """`parts` without a text at their beginning and one at their end."""
    middle = list(parts)
    if isinstance(middle[0], str):
        middle[0] = middle[0].removeprefix(before)
    if isinstance(middle[-1], str):
        middle[-1] = middle[-1].removesuffix(after)
    return tuple(part for part in middle if part != "")
