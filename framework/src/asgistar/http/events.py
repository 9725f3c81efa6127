"""Lines and events: what a view says of the items that it yields, and how they are written.

Lines are JSON, one value a line (JSON Lines). Events are server-sent events (the HTML Standard, §9.2).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from enum import Enum
from typing import Annotated, Any, Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

from asgistar.regex import regex

T = TypeVar("T")

_BREAK = regex(rb"\r\n|\r|\n")


class Event(Struct, Generic[T], frozen=True, kw_only=True):
    """An event with more than its data.

    Args:
        data: encoded as JSON; without it clients take note of `id` and `retry`, and tell of no event.
        text: the data as it is, in the place of `data`.
        event: its name; "message" for clients if not given.
        id: what the client says in `Last-Event-ID` when it comes again.
        retry: milliseconds after which the client shall come again when the connection breaks.

    Raises:
        ValueError: a name or an id that can't be one.
    """

    data: T | UnsetType = UNSET
    text: str | None = None
    event: str | None = None
    id: str | int | None = None
    retry: int | None = None

    def __post_init__(self) -> None:
        for what, value in (("event", self.event), ("id", self.id)):
            if value is not None and re.search("[\r\n\0]", str(value)):
                raise ValueError(f"The {what} of an event can't be {value!r}: it is one line.")
        if self.retry is not None and self.retry < 0:
            raise ValueError(f"retry of an event is milliseconds, not {self.retry!r}.")
        if self.text is not None and self.data is not UNSET:
            raise ValueError("An event has data or text, not both.")


class Streamed(Enum):
    """How items become the body of a response."""

    LINES = "application/jsonl"
    EVENTS = "text/event-stream"


Lines = Annotated[AsyncIterator[T], Streamed.LINES]
"""`-> Lines[Note]`, for a view that yields: each Note is sent at once, as a line of JSON."""

Events = Annotated[AsyncIterator[T | Event[T]], Streamed.EVENTS]
"""`-> Events[Note]`, for a view that yields: each Note is the data of an event; an Event says more."""

PING = b":\n\n"
"""A comment: a sign of life that clients don't tell of."""


def line(encode: Callable[[Any], bytes], item: Any) -> bytes:
    """An item as a line."""
    encoded = encode(item)
    # Only what was JSON before (msgspec.Raw) can have line breaks; there they are but white space.
    return (_BREAK.sub(b" ", encoded) if b"\n" in encoded or b"\r" in encoded else encoded) + b"\n"


def event(encode: Callable[[Any], bytes], item: Any) -> bytes:
    """An item as an event."""
    if not isinstance(item, Event):
        return _data(encode(item)) + b"\n"
    written = b""
    for name, value in ((b"event", item.event), (b"id", item.id), (b"retry", item.retry)):
        if value is not None:
            written += b"%b: %b\n" % (name, str(value).encode())
    if item.text is not None:
        written += _data(item.text.encode())
    elif item.data is not UNSET:
        written += _data(encode(item.data))
    return written + b"\n"


def _data(data: bytes) -> bytes:
    if b"\n" in data or b"\r" in data:
        return b"".join(b"data: %b\n" % part for part in _BREAK.split(data))
    return b"data: %b\n" % data
