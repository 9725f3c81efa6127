"""From a response to a value, to a stream of values, or to an error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, get_args, get_origin

import httpx
import msgspec

from asgistar.client.document import is_json, media_type
from asgistar.client.errors import Problem, problem
from asgistar.client.events import Event
from asgistar.client.reconnecting import Course, Reconnect

T = TypeVar("T")


@contextmanager
def addressed() -> Iterator[None]:
    """Tell in the errors of httpx who hasn't answered; without the query, where a key may stand."""
    try:
        yield
    except httpx.TransportError as error:
        url = error.request.url.copy_with(userinfo=b"", query=None)
        error.args = (f"{url}: {str(error) or type(error).__name__}",)
        raise


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


Again = Callable[[httpx.Headers], httpx.Response]
AgainAsync = Callable[[httpx.Headers], Awaitable[httpx.Response]]
"""Asks for a stream once more, with some more headers. An answer that is no stream has been read."""


class Stream(Generic[T]):
    """A stream: events, or the values of lines. To be iterated over, and closed: by its end, by `close`, or
    by `with`. Events that break off are asked for again, see `Reconnect`.

    Attributes:
        response: it comes from; the last one, if there were several.
    """

    def __init__(
        self, response: httpx.Response, again: Again, reconnect: Reconnect | None, type: Any = Any
    ) -> None:
        self.response = response
        self._items = self._parsed(Course(response, reconnect), again, convert(type))

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

    def _parsed(self, course: Course, again: Again, convert: Callable[[Any], T]) -> Any:
        wait: float | None = None
        while True:
            try:
                if wait is not None:
                    time.sleep(wait)
                    self.response = again(course.headers)
                    course.resumed(self.response)
                for chunk in self.response.iter_bytes():
                    yield from map(convert, course.feed(chunk))
                yield from map(convert, course.end())
                wait = course.ended(self.response)
            except (httpx.TransportError, Problem) as error:
                wait = course.broken(error)
            finally:
                self.response.close()
            if wait is None:
                return


class AsyncStream(Generic[T]):
    """A stream, see `Stream`, for `async for` and `async with`."""

    def __init__(
        self, response: httpx.Response, again: AgainAsync, reconnect: Reconnect | None, type: Any = Any
    ) -> None:
        self.response = response
        self._items = self._parsed(Course(response, reconnect), again, convert(type))

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

    async def _parsed(self, course: Course, again: AgainAsync, convert: Callable[[Any], T]) -> Any:
        wait: float | None = None
        while True:
            try:
                if wait is not None:
                    await asyncio.sleep(wait)
                    self.response = await again(course.headers)
                    course.resumed(self.response)
                async for chunk in self.response.aiter_bytes():
                    for item in course.feed(chunk):
                        yield convert(item)
                for item in course.end():
                    yield convert(item)
                wait = course.ended(self.response)
            except (httpx.TransportError, Problem) as error:
                wait = course.broken(error)
            finally:
                await self.response.aclose()
            if wait is None:
                return
