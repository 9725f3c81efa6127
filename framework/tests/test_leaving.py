"""Who leaves, is cancelled or comes with many others: what was opened is closed once, after its last use."""

from __future__ import annotations

import asyncio
import gc
import linecache
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.client import connect

from asgistar import (
    Background,
    Body,
    File,
    Lines,
    Response,
    Route,
    WebSocket,
    WebSocketRoute,
    component,
)
from asgistar.threads import Threads, finished, in_threads, iterated

if TYPE_CHECKING:
    from framework.tests.conftest import Connect, Served


class Session:
    """Something that must be given back, by nobody but the last one who has it."""


class Sessions:
    """Counts them."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.changed = asyncio.Event()

    def add(self, step: str) -> None:
        self.steps.append(step)
        self.changed.set()

    async def until(self, step: str) -> None:
        async with asyncio.timeout(10):
            while step not in self.steps:
                self.changed.clear()
                await self.changed.wait()

    def component(self) -> Any:
        @component
        async def session() -> AsyncIterator[Session]:
            self.add("open")
            try:
                yield Session()
                self.add("commit")
            except BaseException:
                self.add("rollback")
                raise
            finally:
                self.add("close")

        return session


UPLOAD = (
    b"content-type: multipart/form-data; boundary=x\r\ncontent-length: 1000\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
)


@pytest.mark.parametrize("cancel_on_disconnect", [False, True])
@pytest.mark.parametrize("kind", ["stream", "file", "lines", "view", "thread"])
async def test_a_component_ends_once_when_the_client_leaves(
    served: Served, kind: str, cancel_on_disconnect: bool
) -> None:
    sessions = Sessions()
    leave = threading.Event()
    loop = asyncio.get_running_loop()

    async def stream(session: Session, body: Body[AsyncIterator[bytes]]) -> None:
        async for _ in body:
            sessions.add("begun")

    async def file(session: Session, file: File) -> None:
        async for _ in file:
            sessions.add("begun")

    async def lines(session: Session) -> Lines[int]:
        sessions.add("begun")
        while True:
            yield 1
            await asyncio.sleep(0)

    async def view(session: Session) -> None:
        sessions.add("begun")
        await asyncio.Event().wait()

    def thread(session: Session) -> None:
        loop.call_soon_threadsafe(sessions.add, "begun")
        leave.wait(10)
        sessions.steps.append("thread ends")

    views: dict[str, Any] = {"stream": stream, "file": file, "lines": lines, "view": view, "thread": thread}
    sent = {"stream": b"content-length: 10\r\n\r\nabc", "file": UPLOAD}.get(kind, b"\r\n")
    method = "POST" if kind in ("stream", "file") else "GET"
    async with served(
        Route("/", method, views[kind], cancel=kind == "view"),
        components=[sessions.component()],
        cancel_on_disconnect=cancel_on_disconnect,
    ) as ask:
        _, writer = await ask.open(method.encode() + b" / HTTP/1.1\r\nhost: a\r\n" + sent)
        await sessions.until("begun")
        writer.close()
        await writer.wait_closed()
        leave.set()
        await sessions.until("close")
    steps = [step for step in sessions.steps if step != "begun"]
    if (
        kind == "thread"
    ):  # it can't be stopped: the component waits, and what was done counts if nobody cancels
        assert steps == ["open", "thread ends", "rollback" if cancel_on_disconnect else "commit", "close"]
    else:
        assert steps == ["open", "rollback", "close"]


async def test_who_is_cancelled_in_a_commit_learns_of_it_and_ends_once(client: Connect) -> None:
    steps: list[str] = []
    committing = asyncio.Event()

    @component
    async def session() -> AsyncIterator[Session]:
        try:
            yield Session()
            committing.set()
            await asyncio.Event().wait()
            steps.append("committed")
        except asyncio.CancelledError:
            steps.append("rolled back")
            raise
        finally:
            steps.append("closed")

    async def view(session: Session) -> str:
        return "x"

    request = asyncio.create_task(client(Route("/", "GET", view), components=[session]).get("/"))
    await committing.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert steps == ["rolled back", "closed"]


async def test_components_wait_for_the_thread_of_a_view_that_is_cancelled(client: Connect) -> None:
    sessions = Sessions()
    begun, go = threading.Event(), threading.Event()

    def view(session: Session) -> None:
        begun.set()
        go.wait(10)
        sessions.steps.append("used")

    ask = client(Route("/", "GET", view), components=[sessions.component()])
    request = asyncio.create_task(ask.get("/"))
    await asyncio.to_thread(begun.wait, 10)
    for _ in range(3):  # however often
        request.cancel()
        await asyncio.sleep(0)
    assert sessions.steps == ["open"]
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert sessions.steps == ["open", "used", "rollback", "close"]


async def test_a_call_that_is_cancelled_before_it_began_is_not_made() -> None:
    threads = Threads(1)
    go = threading.Event()
    made: list[str] = []
    first = asyncio.create_task(threads(go.wait, 10))
    second = asyncio.create_task(threads(made.append, "second"))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go.set()
    await first
    await threads.stop()
    assert made == []


async def test_an_error_of_a_thread_that_nobody_waits_for_is_not_told() -> None:
    threads = Threads(1)
    begun, go = threading.Event(), threading.Event()

    def fails() -> None:
        begun.set()
        go.wait(10)
        raise RuntimeError

    call = asyncio.create_task(threads(fails))
    await asyncio.to_thread(begun.wait, 10)
    call.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    await threads.stop()
    gc.collect()


async def test_what_was_entered_in_a_thread_is_left_in_one_whoever_is_cancelled() -> None:
    threads = Threads(1)
    begun, go = threading.Event(), threading.Event()
    steps: list[str] = []

    class Context:
        def __enter__(self) -> None:
            begun.set()
            go.wait(10)
            steps.append("entered")

        def __exit__(self, kind: Any, *_: object) -> None:
            steps.append(f"left by {kind.__name__}")

    async def enters() -> None:
        async with in_threads(threads, Context()):
            steps.append("inside")

    task = asyncio.create_task(enters())
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await threads.stop()
    assert steps == ["entered", "left by CancelledError"]


async def test_a_context_in_threads_may_fail_to_be_entered_and_may_keep_an_error_to_itself() -> None:
    class Broken:
        def __enter__(self) -> None:
            raise LookupError("not entered")

        def __exit__(self, *_: object) -> None:
            raise AssertionError("it was never entered")

    threads = Threads(1)
    with pytest.raises(LookupError, match="not entered"):
        async with in_threads(threads, Broken()):
            pass
    async with in_threads(threads, suppress(KeyError)):
        raise KeyError
    await threads.stop()


async def test_an_iterator_that_needs_no_end_has_none_in_threads_either() -> None:
    threads = Threads(1)
    assert [each async for each in iterated(threads, iter("ab"))] == ["a", "b"]
    await threads.stop()


async def test_who_is_cancelled_twice_still_waits_for_the_end() -> None:
    ending = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(finished(ending))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    ending.set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await task


# --- many at once -----------------------------------------------------------------------------------------


async def test_views_in_threads_do_not_hold_up_the_others(served: Served) -> None:
    go = threading.Event()

    def slow(number: int) -> int:
        go.wait(10)
        return number

    async def quick() -> str:
        return "x"

    async with (
        served(Route("/slow", "GET", slow), Route("/quick", "GET", quick), threads=4) as ask,
        httpx.AsyncClient(
            base_url=ask.server.url, timeout=20, limits=httpx.Limits(max_connections=250)
        ) as http,
    ):
        waiting = [asyncio.create_task(http.get(f"/slow?number={number}")) for number in range(200)]
        assert (await http.get("/quick")).status_code == 200
        go.set()
        assert [answer.json() for answer in await asyncio.gather(*waiting)] == list(range(200))


async def test_a_request_keeps_the_components_that_it_began_with(client: Connect) -> None:
    sessions = Sessions()
    go = asyncio.Event()

    async def view(session: Session) -> str:
        await go.wait()
        return type(session).__name__

    ask = client(Route("/", "GET", view), components=[sessions.component()])
    before = asyncio.create_task(ask.get("/"))
    await sessions.until("open")
    with ask.app.override({Session: SimpleNamespace()}):
        during = asyncio.create_task(ask.get("/"))
        await asyncio.sleep(0)
    go.set()
    assert [(await each).json for each in (before, during)] == ["Session", "SimpleNamespace"]
    assert sessions.steps == ["open", "commit", "close"]


async def test_nothing_grows_with_requests_and_overrides(client: Connect) -> None:
    async def view(path: str, session: Session, q: str = "") -> str:
        return path

    ask = client(Route("/<path:path>", "GET", view), components=[Sessions().component()])
    await ask.get("/first")
    gc.collect()
    before = len(linecache.cache)
    for number in range(50):
        await ask.get(f"/{number}?q={number}&{number}=1", headers={"x-new": f"{number}"})
        with ask.app.override({Session: Session()}):
            pass
    gc.collect()
    assert len(linecache.cache) <= before


async def test_tasks_of_a_view_that_learn_of_its_end_are_no_error(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    sessions = Sessions()

    async def view(socket: WebSocket[str, str], session: Session) -> None:
        left = asyncio.Event()

        async def talk() -> None:
            await socket.send("x")
            await left.wait()
            await socket.send("y")

        async def listen() -> None:
            async for _ in socket:
                pass
            left.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(talk())
            tasks.create_task(listen())

    async with served(WebSocketRoute("/", view), components=[sessions.component()]) as ask:
        async with connect(ask.server.url.replace("http", "ws")) as socket:
            await socket.recv()
        await sessions.until("close")
    assert sessions.steps == ["open", "rollback", "close"]
    assert not caplog.records


async def test_work_is_not_lost_when_a_hook_puts_other_content(served: Served) -> None:
    sessions = Sessions()

    class Replaces:
        def on_response(self, response: Response) -> None:
            response.content = b"other"

    async def view(background: Background) -> str:
        background.add(sessions.add, "done")
        return "x"

    async with served(Route("/", "GET", view), hooks=[Replaces]) as ask:
        status, head, body = await ask("GET /")
        await sessions.until("done")
    assert (status, body) == (200, b"other")
    assert "content-length: 5" in head
