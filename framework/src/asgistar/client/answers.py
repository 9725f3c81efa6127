"""From a response to a value, to a stream of values, or to an error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar, get_args, get_origin

import httpx
import msgspec

from asgistar.client.document import EVENTS, is_json, is_json_lines, media_type
from asgistar.client.errors import problem
from asgistar.client.events import Event, Events, JSONLines

T = TypeVar("T")


class Parser(Protocol):
    """Takes a stream apart."""

    def feed(self, chunk: bytes) -> Iterator[Any]:
        """What a chunk completes."""

    def end(self) -> Iterator[Any]:
        """What the end completes."""


def parser(response: httpx.Response) -> Parser | None:
    """What takes a response apart that is a stream of events or lines; None if it is none."""
    media = media_type(response.headers.get("content-type", ""))
    if response.is_success and media == EVENTS:
        return Events()
    return JSONLines() if response.is_success and is_json_lines(media) else None


def value(response: httpx.Response, type: Any = Any) -> Any:
    """What a response that has been read gives: what JSON is decoded to, a text, bytes, or None.

    Args:
        type: what JSON must be, as msgspec knows it.

    Raises:
        Problem: its status is 400 or above.
        msgspec.DecodeError: it says that it is JSON, and isn't, or not of the type.
    """
    if response.status_code >= 400:
        raise problem(response)
    if not response.content or type is None:
        return None
    media = media_type(response.headers.get("content-type", ""))
    if is_json(media):
        return msgspec.json.decode(response.content, type=type)
    return response.text if media.startswith("text/") else response.content


def convert(type: Any) -> Callable[[Any], Any]:
    """What makes a value of a type of each item of a stream; for `Event[T]`, of its data."""
    if get_origin(type) is Event:
        (inner,) = get_args(type)

        def converted(event: Event[str]) -> Event[Any]:
            data = _word(event.data) if inner is str else event.json(inner)
            return Event(data, event.event, event.id, event.retry)

        return converted
    return (lambda item: item) if type is Any else (lambda item: msgspec.convert(item, type))


def _word(data: str) -> str:
    """A text, out of data that is a text: in JSON, or as it is."""
    try:
        return msgspec.json.decode(data, type=str)
    except msgspec.DecodeError:
        return data


class Stream(Generic[T]):
    """A stream of a response: events, or the values of lines. To be iterated over, and closed: by its end, by
    `close`, or by `with`.

    Attributes:
        response: it comes from.
    """

    def __init__(self, response: httpx.Response, parser: Parser, type: Any = Any) -> None:
        self.response = response
        self._items = self._parsed(parser, convert(type))

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item: T = next(self._items)
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave it; the server sees that the client is gone."""
        self._items.close()
        self.response.close()

    def _parsed(self, parser: Parser, convert: Callable[[Any], T]) -> Any:
        for chunk in self.response.iter_bytes():
            yield from map(convert, parser.feed(chunk))
        yield from map(convert, parser.end())


class AsyncStream(Generic[T]):
    """A stream of a response, see `Stream`, for `async for` and `async with`."""

    def __init__(self, response: httpx.Response, parser: Parser, type: Any = Any) -> None:
        self.response = response
        self._items = self._parsed(parser, convert(type))

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        item: T = await anext(self._items)
        return item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave it; the server sees that the client is gone."""
        await self._items.aclose()
        await self.response.aclose()

    async def _parsed(self, parser: Parser, convert: Callable[[Any], T]) -> Any:
        async for chunk in self.response.aiter_bytes():
            for item in parser.feed(chunk):
                yield convert(item)
        for item in parser.end():
            yield convert(item)
