"""Each request runs in a context of its own: nothing leaks from one to the next, whatever happens between."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

import pytest

from asgiworker.asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.asgi.conftest import Serve, Until

pytestmark = pytest.mark.every_python

user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

START: Message = {"type": "http.response.start", "status": 200}


class Leaky:
    """An application that notes which user it finds at the beginning, and sets its own at each step.

    `/ID/early` answers before it reads; other requests read their body first.
    """

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.kept: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.found[path] = user.get()
        user.set(path)
        if not path.endswith("/early"):
            more = True
            while more:
                more = (await receive())["more_body"]
                user.set(path)
        await send(START)
        user.set(path)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        user.set(path)
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"half"})
        self.kept[path] = user.get()
        await asyncio.sleep(0)

    def check(self, *paths: str) -> None:
        assert self.found == dict.fromkeys(paths, "nobody")
        assert self.kept == {path: path for path in paths}


async def test_nothing_leaks_to_the_next_request_of_a_connection(serve: Serve, until: Until) -> None:
    app = Leaky()
    driver = await serve(app)
    stream = await driver.open(path="/1")
    await stream.answer()
    for path in ("/2", "/3/early", "/4"):
        assert await stream.follow(path) is not None
    await until(lambda: len(app.kept) == 4)
    app.check("/1", "/2", "/3/early", "/4")


async def test_nothing_leaks_after_a_body_whose_reading_paused(serve: Serve, until: Until) -> None:
    app = Leaky()
    driver = await serve(app)
    stream = await driver.open("POST", "/1", [(b"content-length", b"1000000")], body=True)
    await stream.send(bytes(1_000_000))
    await stream.end()
    await stream.answer()
    assert await stream.follow("/2") is not None
    await until(lambda: len(app.kept) == 2)
    app.check("/1", "/2")


async def test_nothing_leaks_after_a_body_that_nobody_read(serve: Serve, until: Until) -> None:
    app = Leaky()
    driver = await serve(app)
    stream = await driver.open("POST", "/1/early", [(b"content-length", b"200000")], body=True)
    await stream.send(bytes(200_000))
    await stream.end()
    await stream.answer()
    assert await stream.follow("/2") is not None
    await until(lambda: len(app.kept) == 2)
    app.check("/1/early", "/2")


async def test_nothing_leaks_after_a_response_that_the_client_read_late(serve: Serve, until: Until) -> None:
    found: dict[str, str] = {}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found[scope["path"]] = user.get()
        user.set(scope["path"])
        await send(START)
        await send({"type": "http.response.body", "body": bytes(16_000_000 if scope["path"] == "/1" else 1)})

    driver = await serve(app)
    stream = await driver.open(path="/1")
    await stream.head()
    assert (await stream.answer()).complete
    assert await stream.follow("/2") is not None
    assert found == {"/1": "nobody", "/2": "nobody"}


async def test_nothing_leaks_between_pipelined_requests(serve: Serve, connect: Any, until: Until) -> None:
    app = Leaky()
    driver = await serve(app)
    client = await connect(driver.server.url)
    upload = b"POST /%d HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n" + bytes(100_000)
    plain = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"
    await client.send(b"".join((plain if number % 2 else upload) % number for number in range(10)))
    await client.send(b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert (await client.rest()).count(b"HTTP/1.1 200 OK\r\n") == 11
    await until(lambda: len(app.kept) == 11)
    app.check(*(f"/{number}" for number in range(10)), "/last")


async def test_nothing_leaks_between_requests_at_the_same_time(serve: Serve, until: Until) -> None:
    found: list[str] = []
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        user.set(scope["path"])
        await go.wait()
        found.append(f"{scope['path']} {user.get()}")
        await send(START)
        await send({"type": "http.response.body"})

    driver = await serve(app)
    streams = [await driver.open(path=f"/{number}") for number in range(5)]
    await until(lambda: len(driver.server.service.running) == 5)
    go.set()
    for stream in streams:
        assert (await stream.answer()).complete
    assert sorted(found) == [f"/{number} /{number}" for number in range(5)]


async def test_requests_see_the_context_in_which_the_server_was_started_and_cannot_change_it(
    serve: Serve,
) -> None:
    token = user.set("starter")
    found: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        found.append(user.get())
        user.set("request")
        await send(START)
        await send({"type": "http.response.body"})

    try:
        driver = await serve(app)
        for _ in range(2):
            await driver.request()
        assert found == ["starter", "starter"]
        assert user.get() == "starter"
    finally:
        user.reset(token)


async def test_what_the_lifespan_sets_stays_there(serve: Serve) -> None:
    found: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            user.set("lifespan")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            found.append(f"lifespan {user.get()}")
            await send({"type": "lifespan.shutdown.complete"})
            return
        found.append(f"request {user.get()}")
        user.set("request")
        await send(START)
        await send({"type": "http.response.body"})

    driver = await serve(app, lifespan="on")
    await driver.request()
    assert found == ["request nobody"]
    await driver.close()
    await driver.server.stop()
    assert found == ["request nobody", "lifespan lifespan"]


async def test_a_task_that_outlives_its_request_keeps_its_context(serve: Serve, until: Until) -> None:
    found: list[str] = []
    tasks: set[asyncio.Task[None]] = set()
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def later() -> None:
            await go.wait()
            found.append(user.get())

        user.set(scope["path"])
        tasks.add(asyncio.create_task(later()))
        await send(START)
        await send({"type": "http.response.body"})

    driver = await serve(app)
    stream = await driver.open(path="/1")
    await stream.answer()
    assert await stream.follow("/2") is not None
    go.set()
    await until(lambda: len(found) == 2)
    assert sorted(found) == ["/1", "/2"]
