"""Work after the response."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.client import connect

import asgiworker
from asgistar import (
    App,
    Background,
    Lines,
    NotFound,
    Response,
    Route,
    Struct,
    WebSocketRoute,
    background,
    component,
)
from asgistar.websocket import WebSocket

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


class Note(Struct):
    title: str


class Session:
    def __init__(self, number: int) -> None:
        self.number = number


class Log:
    """What has happened."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.ended = asyncio.Event()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def sessions(log: Log) -> Any:
    numbers = iter(range(1, 10))

    @component
    async def session() -> AsyncIterator[Session]:
        number = next(numbers)
        yield Session(number)
        log.seen.append(f"session {number} closed")

    return session


async def test_work_begins_after_the_response_with_components_of_its_own(log: Log, sessions: Any) -> None:
    async def job(text: str, session: Session, *, number: int) -> None:
        log.seen.append((text, session.number, number))

    def last(session: Session) -> None:
        log.seen.append(threading.current_thread() is not threading.main_thread())
        loop.call_soon_threadsafe(log.ended.set)

    async def view(session: Session, background: Background) -> Note:
        background.add(job, "a", number=7)
        background.add(last)
        log.seen.append("view")
        return Note("a")

    loop = asyncio.get_running_loop()
    app = App([Route("/", "GET", view)], components=[sessions])
    async with asgiworker.running(app) as server, httpx.AsyncClient() as http:
        assert (await http.get(server.url)).json() == {"title": "a"}
        await asyncio.wait_for(log.ended.wait(), 10)
    assert log.seen == [
        "view",
        "session 1 closed",
        ("a", 2, 7),
        "session 2 closed",
        True,
        "session 3 closed",
    ]


async def test_the_response_does_not_wait_for_it(log: Log, client: Connect) -> None:
    go_on = asyncio.Event()

    async def job() -> None:
        await go_on.wait()
        log.ended.set()

    async def view(background: Background) -> Note:
        background.add(job)
        return Note("a")

    ask = client(Route("/", "GET", view))
    assert (await ask.get("/")).json == {"title": "a"}
    assert (await ask("HEAD", "/")).headers["content-length"] == "13"
    assert not log.ended.is_set()
    go_on.set()
    await asyncio.wait_for(log.ended.wait(), 10)


@pytest.mark.parametrize("kind", ["nothing", "response", "iterator", "stream", "left", "subclass"])
async def test_it_follows_every_kind_of_response(kind: str, log: Log) -> None:
    async def job() -> None:
        log.seen.append("job")
        log.ended.set()

    async def content() -> AsyncIterator[bytes]:
        yield b"x"
        log.seen.append("content")

    async def stream(background: Background) -> Lines[int]:
        background.add(job)
        yield 1
        if kind == "left":
            await asyncio.Event().wait()
        log.seen.append("content")

    async def view(background: Background) -> Any:
        background.add(job)
        log.seen.append("content")
        return None if kind == "nothing" else Response(b"x")

    async def later(background: Background) -> Response:
        background.add(job)
        return Response(content())

    async def note(background: Background) -> Note:
        background.add(job)
        log.seen.append("content")

        class More(Note): ...

        return More("a")

    chosen = {"stream": stream, "left": stream, "iterator": later, "subclass": note}.get(kind, view)
    async with asgiworker.running(App([Route("/", "GET", chosen)])) as server, httpx.AsyncClient() as http:
        if kind == "left":
            async with http.stream("GET", server.url) as answer:
                await anext(answer.aiter_bytes())
            log.seen.append("content")
        else:
            assert (await http.get(server.url)).is_success
        await asyncio.wait_for(log.ended.wait(), 10)
    assert log.seen == ["content", "job"]


async def test_it_follows_a_websocket_too(log: Log) -> None:
    async def job() -> None:
        log.seen.append("job")
        log.ended.set()

    async def view(socket: WebSocket[str, str], background: Background) -> None:
        background.add(job)
        async for message in socket:
            log.seen.append(message)

    app = App([WebSocketRoute("/", view)])
    async with asgiworker.running(app) as server:
        async with connect(server.url.replace("http", "ws")) as socket:
            await socket.send("a")
        await asyncio.wait_for(log.ended.wait(), 10)
    assert log.seen == ["a", "job"]


async def test_nothing_is_done_if_the_view_raises(log: Log, client: Connect) -> None:
    async def job() -> None:
        log.seen.append("job")

    async def view(background: Background) -> None:
        background.add(job)
        raise NotFound

    assert (await client(Route("/", "GET", view)).get("/")).status == 404
    await asyncio.sleep(0)
    assert log.seen == []


async def test_what_fails_is_logged_and_the_next_is_done(
    log: Log, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    told = []

    async def fails() -> None:
        raise RuntimeError("broken")

    async def job() -> None:
        log.ended.set()

    async def view(background: Background) -> None:
        background.add(fails)
        background.add(job)

    extensions = {"asgistar.errors": {"tell": told.append}}
    assert (await client(Route("/", "GET", view)).get("/", extensions=extensions)).status == 204
    await asyncio.wait_for(log.ended.wait(), 10)
    assert "fails() at framework/tests/test_background.py" in caplog.text
    assert "RuntimeError: broken" in caplog.text
    assert [str(error) for error in told] == ["broken"]


async def test_a_call_that_cannot_be_made_is_an_error_of_the_view(
    client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def job(session: Session, *, number: int = 1) -> None: ...

    async def missing(background: Background) -> None:
        background.add(job)

    async def unknown(background: Background) -> None:
        background.add(job, Session(1), other=2)

    ask = client(Route("/missing", "GET", missing), Route("/unknown", "GET", unknown))
    assert (await ask.get("/missing")).status == 500
    assert "The parameter session of" in caplog.text
    assert "is Session, which no component provides. Give it to background.add()." in caplog.text
    assert (await ask.get("/unknown")).status == 500
    assert "unexpected keyword argument 'other'" in caplog.text


async def test_a_server_that_stops_waits_for_it(log: Log) -> None:
    go_on = asyncio.Event()

    async def job() -> None:
        await go_on.wait()
        log.seen.append("job")

    @component(scope="app")
    async def session() -> AsyncIterator[Session]:
        yield Session(1)
        log.seen.append("closed")

    async def view(background: Background) -> None:
        background.add(job)

    app = App([Route("/", "GET", view)], components=[session])
    async with httpx.AsyncClient() as http, asgiworker.running(app, lifespan="on") as server:
        assert (await http.get(server.url)).status_code == 204
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    assert log.seen == ["job", "closed"]


async def test_work_that_takes_too_long_is_cancelled_when_the_application_stops(
    log: Log, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "PATIENCE", 0.01)

    async def job() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.seen.append("cancelled")

    async def view(background: Background) -> None:
        background.add(job)

    app = App([Route("/", "GET", view)])
    async with httpx.AsyncClient() as http, asgiworker.running(app, lifespan="on") as server:
        await http.get(server.url)
    assert log.seen == ["cancelled"]
    assert "background work of 1 requests was cancelled" in caplog.text


async def test_who_leaves_too_much_of_it_waits(
    client: Connect, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    monkeypatch.setattr(background, "MAXIMUM", 1)
    go_on = asyncio.Event()

    async def view(background: Background) -> None:
        background.add(go_on.wait)

    ask = client(Route("/", "GET", view))
    await ask.get("/")
    second = asyncio.create_task(ask.get("/"))
    done, _ = await asyncio.wait({second}, timeout=0.05)
    assert not done
    go_on.set()
    assert (await second).status == 204


def test_the_source_of_a_stream_with_work_after_it() -> None:
    async def feed(background: Background) -> Lines[int]:
        yield 1

    (endpoint,) = App([Route("/", "GET", feed)]).router.endpoints
    assert endpoint.handlers["GET"].text == (
        "async def plan_of_feed(scope, receive, send, values):\n"
        "    receive = ahead = Ahead(receive)\n"
        "    background = Background(application.jobs, scope)\n"
        "    try:\n"
        "        result = view(background=background)\n"
        "        return await send_stream(result, written, 200, [*HEADERS], scope, ahead, send)\n"
        "    finally:\n"
        "        await background.start()\n"
    )
