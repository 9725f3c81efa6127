"""Streams, taken apart: server-sent events (HTML Standard §9.2.6) and lines of JSON.

Bytes in, events and lines out. Of the line ends that Unicode has only CR and LF count.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

LONGEST = 16_000_000


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Event(Generic[T]):
    """A server-sent event.

    Attributes:
        data: its text; or what a typed client made of it.
        event: its kind.
        id: the last id that the server gave, of this event or one before; empty if it gave none.
        retry: after how many milliseconds to connect again, if the server has said so with this event.
    """

    data: T
    event: str = "message"
    id: str = ""
    retry: int | None = None

    def json(self, type: Any = Any) -> Any:
        """The data, decoded as JSON.

        Args:
            type: what it must be, as msgspec knows it.

        Raises:
            msgspec.DecodeError: it isn't JSON, or not of the type.
        """
        assert isinstance(self.data, str)
        return msgspec.json.decode(self.data, type=type)


class TooLong(ValueError):
    """A line or an event is longer than what is kept of one."""


class Lines:
    """Takes a stream of UTF-8 apart at its line ends: CR LF, LF, and CR too if `carriage_returns`.

    Args:
        carriage_returns: a CR alone ends a line (as in events; JSON lines know only LF).
        longest: how many characters a line may have.
    """

    def __init__(self, carriage_returns: bool = False, longest: int = LONGEST) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        self._carriage_returns = carriage_returns
        self._longest = longest
        self._parts: list[str] = []
        self._size = 0
        self._after_return = False

    def feed(self, chunk: bytes) -> Iterator[str]:
        """The lines that a chunk completes, without their ends.

        Raises:
            TooLong: a line is longer than `longest`.
        """
        text = self._decode(chunk)
        if self._carriage_returns and text:
            if self._after_return and text[0] == "\n":
                text = text[1:]
                self._after_return = False
                if not text:
                    return
            self._after_return = text[-1] == "\r"
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        *complete, rest = text.split("\n")
        for line in complete:
            self._add(line)
            whole = "".join(self._parts)
            self._parts, self._size = [], 0
            yield whole if self._carriage_returns else whole.removesuffix("\r")
        self._add(rest)

    def end(self) -> str:
        """What came after the last line end."""
        self._add(self._decode(b"", True))
        return "".join(self._parts)

    def _add(self, text: str) -> None:
        self._size += len(text)
        if self._size > self._longest:
            raise TooLong(f"A line is longer than {self._longest} characters.")
        if text:
            self._parts.append(text)


class Events:
    """Takes a stream of server-sent events apart.

    Args:
        before: what took the stream apart that this one goes on with.
        longest: how many characters a line, and the data of an event, may have.

    Attributes:
        last_id: of the last event that was complete; empty if there was none.
        retry: after how many milliseconds to connect again; None if the server hasn't said.
    """

    def __init__(self, before: Events | None = None, longest: int = LONGEST) -> None:
        self.last_id: str = "" if before is None else before.last_id
        self.retry: int | None = None if before is None else before.retry
        self._lines = Lines(carriage_returns=True, longest=longest)
        self._longest = longest
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._id = self.last_id
        self._retry: int | None = None

    def feed(self, chunk: bytes) -> Iterator[Event[str]]:
        """The events that a chunk completes; what is no complete event at the end of the stream is none.

        Raises:
            TooLong: a line or an event is longer than `longest`.
        """
        for line in self._lines.feed(chunk):
            if line:
                self._field(line)
            elif event := self._dispatched():
                yield event

    def end(self) -> Iterator[Event[str]]:
        """Nothing: an event ends with an empty line."""
        return iter(())

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._size += len(value) + 1
            if self._size > self._longest:
                raise TooLong(f"An event is longer than {self._longest} characters.")
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) < 10:
            self.retry = self._retry = int(value)

    def _dispatched(self) -> Event[str] | None:
        data, event, retry = self._data, self._event, self._retry
        self._data, self._event, self._retry, self._size = [], "", None, 0
        self.last_id = self._id
        return Event("\n".join(data), event or "message", self._id, retry) if data else None


class JSONLines:
    """Takes a stream of JSON lines (application/jsonl, application/x-ndjson) apart, and decodes them."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._lines = Lines(longest=longest)

    def feed(self, chunk: bytes) -> Iterator[Any]:
        """The values of the lines that a chunk completes; empty lines are left out.

        Raises:
            msgspec.DecodeError: a line isn't JSON.
            TooLong: a line is longer than `longest`.
        """
        for line in self._lines.feed(chunk):
            if line.strip():
                yield msgspec.json.decode(line)

    def end(self) -> Iterator[Any]:
        """The value of a last line that has no end."""
        rest = self._lines.end()
        if rest.strip():
            yield msgspec.json.decode(rest)
