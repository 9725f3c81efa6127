"""Streams of events that break off are asked for again (HTML Standard §9.2.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

import asgiworker
from asgistar.client import AsyncClient, BadRequest, Client, Event, Reconnect, ServiceUnavailable
from asgistar.client.reconnecting import Course

EVENTS = "text/event-stream; charset=utf-8"
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {"/feed": {"get": {"operationId": "feed"}, "post": {"operationId": "ask"}}},
}
AT_ONCE = Reconnect(attempts=4, delay=0)


class Feed:
    """An application that answers as it is told, one turn after the other; the last one is for all others."""

    def __init__(self) -> None:
        self.turns: list[tuple[Any, ...]] = []
        self.last_ids: list[bytes | None] = []
        self.silence = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.last_ids.append(dict(scope["headers"]).get(b"last-event-id"))
        content, *more = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        status, media = 200, EVENTS
        if more and isinstance(more[0], int):
            status, media = more[0], "text/plain"
        headers = [(b"content-type", media.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content.encode(), "more_body": True})
        if "silent" in more:
            await asyncio.sleep(0.5)
            await send({"type": "http.response.body", "body": b"data: late\n\n", "more_body": True})
        if "breaks" in more:
            raise ConnectionResetError("as told")
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
async def feed_url(feed: Feed) -> AsyncIterator[str]:
    async with asgiworker.running(feed, lifespan="off", graceful_timeout=1) as server:
        yield server.url


Read = Callable[..., Awaitable[list[Any]]]


@pytest.fixture(params=["sync", "async"])
def read(request: pytest.FixtureRequest, feed_url: str) -> Read:
    """`await read()`: data and id of all events, by either client."""

    async def of(reconnect: Reconnect | None = AT_ONCE, operation: str = "feed", timeout: float = 10) -> Any:
        options: dict[str, Any] = {"base_url": feed_url, "reconnect": reconnect, "timeout": timeout}
        if request.param == "async":
            async with AsyncClient(DOCUMENT, **options) as client:
                return [(event.data, event.id) async for event in await client.request(operation)]

        def collected() -> list[Any]:
            with Client(DOCUMENT, **options) as client:
                return [(event.data, event.id) for event in client.request(operation)]

        return await asyncio.to_thread(collected)

    return of


async def test_events_that_break_off_are_taken_up_behind_the_last_one(feed: Feed, read: Read) -> None:
    feed.turns = [
        ("id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: lo", "breaks"),
        ("data: c\n\nid: ü\n\n", "breaks"),
        ("data: d\n\n",),
    ]
    assert await read() == [("a", "1"), ("b", "2"), ("c", "2"), ("d", "ü")]
    assert feed.last_ids == [None, b"2", "ü".encode()]


async def test_a_stream_that_ends_is_over(feed: Feed, read: Read) -> None:
    feed.turns = [("id: 1\ndata: a\n\n",)]
    assert await read() == [("a", "1")]
    assert len(feed.last_ids) == 1


async def test_a_stream_that_says_when_to_come_back_is_asked_for_until_there_is_no_more(
    feed: Feed, read: Read
) -> None:
    feed.turns = [("retry: 1\nid: 1\ndata: a\n\n",), ("id: 2\ndata: b\n\n",), ("", 204)]
    assert await read() == [("a", "1"), ("b", "2")]
    assert feed.last_ids == [None, b"1", b"2"]


async def test_a_server_that_is_away_for_a_moment_is_asked_again(feed: Feed, read: Read) -> None:
    feed.turns = [("data: a\n\n", "breaks"), ("", 503), ("", "breaks"), ("", 502), ("data: b\n\n",)]
    assert await read() == [("a", ""), ("b", "")]


async def test_other_answers_are_errors(feed: Feed, read: Read) -> None:
    feed.turns = [("data: a\n\n", "breaks"), ("no such feed", 400)]
    with pytest.raises(BadRequest, match="no such feed"):
        await read()
    feed.turns = [("away", 503)]
    with pytest.raises(ServiceUnavailable):  # the first answer is an answer
        await read()


async def test_attempts_that_bring_nothing_are_counted(feed: Feed, read: Read) -> None:
    feed.turns = [("data: a\n\n", "breaks"), ("", "breaks")]
    with pytest.raises(httpx.TransportError):
        await read()
    assert len(feed.last_ids) == 1 + AT_ONCE.attempts
    feed.turns = [("data: a\n\n", "breaks"), ("no events", 200)]
    with pytest.raises(httpx.RemoteProtocolError, match="gave events before, and gives 200 now"):
        await read()


async def test_it_can_be_switched_off_and_what_does_something_is_not_done_twice(
    feed: Feed, read: Read
) -> None:
    feed.turns = [("data: a\n\n", "breaks")]
    with pytest.raises(httpx.TransportError):
        await read(None)
    with pytest.raises(httpx.TransportError):
        await read(AT_ONCE, "ask")
    assert len(feed.last_ids) == 2


async def test_a_stream_may_be_silent_for_longer_than_an_answer(feed: Feed, read: Read) -> None:
    feed.turns = [("data: a\n\n", "silent")]
    assert await read(None, timeout=0.2) == [("a", ""), ("late", "")]


def test_the_wait_grows_to_its_longest_unless_the_server_says_how_long() -> None:
    response = httpx.Response(200, headers={"content-type": EVENTS}, request=httpx.Request("GET", "http://a"))
    error = httpx.ReadError("broken")
    course = Course(response, Reconnect(attempts=5, delay=1, longest=3))
    waits = [course.broken(error) for _ in range(5)]
    for wait, least in zip(waits, (1.0, 2.0, 3.0, 3.0, 3.0), strict=True):
        assert least <= wait <= least * 1.25
    with pytest.raises(httpx.ReadError):
        course.broken(error)
    endless = Course(response, Reconnect(attempts=2000, delay=1, longest=3))
    assert max(endless.broken(error) for _ in range(2000)) <= 3.75
    assert [event.data for event in course.feed(b"retry: 5000\ndata: a\n\n")] == ["a"]
    assert 5 <= course.broken(error) <= 6.25
    for said, least in ((b"0", 0.1), (b"999999999", 300.0)):
        assert list(course.feed(b"retry: " + said + b"\n\n")) == []
        assert least <= course.broken(error) <= least * 1.25


def test_an_event_says_when_to_come_back() -> None:
    response = httpx.Response(200, headers={"content-type": EVENTS}, request=httpx.Request("GET", "http://a"))
    course = Course(response, None)
    assert list(course.feed(b"retry: 7\ndata: a\n\n")) == [Event("a", retry=7)]
    assert course.ended(response) is None
