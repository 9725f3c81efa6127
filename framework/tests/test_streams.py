"""Lines, events and iterators as content: over sockets, with clients that stay and clients that leave."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import msgspec
import pydantic
import pytest

import asgiworker
from asgistar import (
    App,
    Background,
    ConfigurationError,
    Event,
    Events,
    Header,
    Lines,
    NotFound,
    Response,
    ResponseHeaders,
    Route,
    Status,
    Struct,
    component,
)
from asgistar.http import Request, events, streams

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


class Note(Struct):
    title: str


class Secret(Note):
    password: str = "1234"


@asynccontextmanager
async def served(*routes: Any, http2: bool = False, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with these routes, on a server."""
    async with (
        asgiworker.running(App(routes, **options), lifespan="on", graceful_timeout=1) as server,
        httpx.AsyncClient(base_url=server.url, timeout=10, http1=not http2, http2=http2) as client,
    ):
        yield client


class Steps:
    """What has happened, and until when to wait for more of it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._change = asyncio.Event()

    def add(self, step: str) -> None:
        self.seen.append(step)
        self._change.set()

    async def until(self, step: str) -> None:
        async with asyncio.timeout(10):
            while step not in self.seen:
                self._change.clear()
                await self._change.wait()


@pytest.fixture
def steps() -> Steps:
    return Steps()


# --- what is sent -----------------------------------------------------------------------------------------


async def test_lines_are_json_and_disclose_no_more_than_is_declared() -> None:
    async def view() -> Lines[Note]:
        yield Note("a")
        yield Secret("b")
        yield {"title": "ü", "password": "1234"}  # type: ignore[misc]

    async with served(Route("/", "GET", view)) as http:
        answer = await http.get("/")
    assert answer.headers["content-type"] == "application/jsonl"
    assert "content-length" not in answer.headers
    assert answer.content.endswith(b"\n")
    assert [json.loads(line) for line in answer.content.splitlines()] == [
        {"title": "a"},
        {"title": "b"},
        {"title": "ü"},
    ]


async def test_events_have_data_a_name_an_id_and_a_time_to_come_again() -> None:
    async def view(last_event_id: Header[str] = "") -> Events[Note]:
        yield Note("a")
        yield Event(data=Secret("b"), event="added", id=int(last_event_id or 0) + 1, retry=500)
        yield Event(text="one\ntwo\r\nthree")
        yield Event(id="only")

    async with served(Route("/", "GET", view)) as http:
        answer = await http.get("/", headers={"last-event-id": "6"})
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.text == (
        'data: {"title":"a"}\n\n'
        'event: added\nid: 7\nretry: 500\ndata: {"title":"b"}\n\n'
        "data: one\ndata: two\ndata: three\n\n"
        "id: only\n\n"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"event": "a\nb"},
        {"id": "a\rb"},
        {"id": "a\0"},
        {"retry": -1},
        {"data": 1, "text": "1"},
    ],
)
def test_an_event_that_would_be_read_otherwise_cannot_be_made(wrong: Any) -> None:
    with pytest.raises(ValueError, match="event"):
        Event(**wrong)


def test_json_with_line_breaks_stays_one_line_and_one_event() -> None:
    raw = msgspec.Raw(b'{"a":\r\n1}')
    encode = msgspec.json.Encoder().encode
    assert events.line(encode, raw) == b'{"a": 1}\n'
    assert events.event(encode, raw) == b'data: {"a":\ndata: 1}\n\n'


async def test_the_annotation_says_the_status_and_the_view_may_say_headers() -> None:
    async def view(headers: ResponseHeaders) -> Annotated[Lines[int], Status(203)]:
        headers["x-own"] = "1"
        yield 1

    async with served(Route("/", "GET", view)) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.headers["x-own"], answer.text) == (203, "1", "1\n")


async def test_anything_can_be_an_item_where_anything_is_declared() -> None:
    async def view() -> Lines[Any]:
        yield 1
        yield {"a": None}

    async with served(Route("/", "GET", view)) as http:
        assert (await http.get("/")).text == '1\n{"a":null}\n'


async def test_a_view_may_return_an_iterator_or_a_response_instead() -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1

    async def view(stop: bool = False) -> Any:
        return Response(status=204) if stop else numbers()

    def threaded() -> Any:
        return numbers()

    view.__annotations__["return"] = threaded.__annotations__["return"] = Events[int]
    async with served(Route("/", "GET", view), Route("/threaded", "GET", threaded)) as http:
        assert (await http.get("/")).text == "data: 1\n\n"
        assert (await http.get("/?stop=true")).status_code == 204
        assert (await http.get("/threaded")).text == "data: 1\n\n"


async def test_a_generator_that_is_not_async_runs_in_threads() -> None:
    ended = []

    def view() -> Any:
        try:
            for number in range(3):
                yield [number, threading.current_thread() is threading.main_thread()]
        finally:
            ended.append(threading.current_thread() is threading.main_thread())

    view.__annotations__["return"] = Lines[Any]
    async with served(Route("/", "GET", view)) as http:
        assert (await http.get("/")).text == "[0,false]\n[1,false]\n[2,false]\n"
    assert ended == [False]


async def test_an_iterator_without_an_end_of_its_own_will_do() -> None:
    class Numbers:
        def __init__(self) -> None:
            self.left = [b"a", "ü"]

        def __aiter__(self) -> Numbers:
            return self

        async def __anext__(self) -> Any:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    async def view() -> Response:
        return Response(Numbers(), content_type="text/plain")

    async with served(Route("/", "GET", view)) as http:
        answer = await http.get("/")
        head = await http.head("/")
    assert (answer.content, answer.headers["content-type"]) == ("aü".encode(), "text/plain")
    assert (head.content, head.headers["content-type"]) == (b"", "text/plain")


async def test_head_gets_the_headers_and_the_view_does_not_begin(steps: Steps) -> None:
    async def view() -> Events[int]:
        steps.add("begun")
        yield 1

    async with served(Route("/", "GET", view)) as http:
        answer = await http.head("/")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        assert (await http.get("/")).text == "data: 1\n\n"
    assert steps.seen == ["begun"]


async def test_each_item_is_sent_at_once() -> None:
    go_on = asyncio.Event()

    async def view() -> Lines[int]:
        yield 1
        await go_on.wait()
        yield 2

    async with served(Route("/", "GET", view)) as http, http.stream("GET", "/") as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "1"
        go_on.set()
        assert await anext(lines) == "2"


async def test_a_body_that_streams_in_can_stream_out() -> None:
    async def view(request: Request) -> Lines[str]:
        async for part in request.stream():
            yield part.decode()

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 10
            await asyncio.sleep(0)

    async with served(Route("/", "POST", view)) as http:
        answer = await http.post("/", content=parts())
    assert "".join(json.loads(line) for line in answer.text.splitlines()) == "x" * 30


# --- the scope of a stream --------------------------------------------------------------------------------


class Session: ...


async def test_components_live_as_long_as_the_stream(steps: Steps) -> None:
    @component
    async def session() -> AsyncIterator[Session]:
        yield Session()
        steps.add("closed")

    async def view(session: Session) -> Lines[int]:
        yield 1
        steps.add("second")
        yield 2

    async with served(Route("/", "GET", view), components=[session]) as http:
        assert (await http.get("/")).text == "1\n2\n"
        await steps.until("closed")
    assert steps.seen == ["second", "closed"]


async def test_components_end_before_the_content_of_a_response_starts(steps: Steps) -> None:
    @component
    def session() -> Iterator[Session]:
        yield Session()
        steps.add("closed")

    async def content() -> AsyncIterator[bytes]:
        steps.add("content")
        yield b"x"

    async def view(session: Session) -> Response:
        return Response(content())

    async with served(Route("/", "GET", view), components=[session]) as http:
        assert (await http.get("/")).text == "x"
    assert steps.seen == ["closed", "content"]


# --- clients that leave -----------------------------------------------------------------------------------


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("kind", ["lines", "events", "content"])
async def test_the_generator_ends_when_the_client_leaves(
    kind: str, http2: bool, steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    @component
    async def session() -> AsyncIterator[Session]:
        try:
            yield Session()
        except Exception as error:
            steps.add(type(error).__name__)
            raise
        finally:
            steps.add("closed")

    async def numbers() -> AsyncIterator[Any]:
        try:
            yield "1"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.add("ended")

    async def content(session: Session) -> Response:
        return Response(numbers())

    async def view(session: Session) -> Any:
        return numbers()

    view.__annotations__["return"] = Lines[str] if kind == "lines" else Events[str]
    route = Route("/", "GET", content if kind == "content" else view)
    tasks = asyncio.all_tasks()
    with caplog.at_level(logging.INFO):
        async with served(route, components=[session], http2=http2) as http:
            async with http.stream("GET", "/") as answer:
                await anext(answer.aiter_bytes())
            if http2:
                await http.aclose()  # httpx doesn't reset a stream that it doesn't want any more
            await steps.until("ended")
            if kind == "content":
                assert steps.seen == ["closed", "ended"]
            else:
                await steps.until("closed")
                assert steps.seen == ["ended", "ClientDisconnected", "closed"]
    assert asyncio.all_tasks() == tasks
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_a_thread_is_waited_for_when_the_client_leaves(steps: Steps) -> None:
    loop = asyncio.get_running_loop()
    go_on = threading.Event()

    def view() -> Any:
        try:
            yield 1
            loop.call_soon_threadsafe(steps.add, "in thread")
            go_on.wait(10)
            yield 2
        finally:
            loop.call_soon_threadsafe(steps.add, "ended")

    view.__annotations__["return"] = Lines[int]
    async with served(Route("/", "GET", view)) as http:
        async with http.stream("GET", "/") as answer:
            await anext(answer.aiter_bytes())
            await steps.until("in thread")
        go_on.set()
        await steps.until("ended")


async def test_who_goes_on_after_being_cancelled_is_stopped_at_the_next_item(steps: Steps) -> None:
    async def view() -> Lines[int]:
        try:
            yield 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                steps.add("cancelled")
            yield 2
            steps.add("never")
        finally:
            steps.add("ended")

    async with served(Route("/", "GET", view)) as http:
        async with http.stream("GET", "/") as answer:
            await anext(answer.aiter_bytes())
        await steps.until("ended")
    assert steps.seen == ["cancelled", "ended"]


async def test_a_client_that_reads_nothing_holds_the_stream_and_leaving_ends_it(steps: Steps) -> None:
    kept = []  # else it would be ended for nobody wants it any more

    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "x" * 100_000
        finally:
            steps.add("ended")

    async def view() -> Lines[str]:
        kept.append(endless())
        return kept[0]

    async with served(Route("/", "GET", view)) as http:
        async with http.stream("GET", "/") as answer:
            await anext(answer.aiter_bytes())
        await steps.until("ended")


async def test_a_server_that_stops_ends_events_properly(steps: Steps) -> None:
    async def view() -> Events[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            steps.add("ended")

    async with httpx.AsyncClient(timeout=10) as http:
        async with asgiworker.running(
            App([Route("/", "GET", view)]), drain_delay=0.1, graceful_timeout=5
        ) as server:
            request = http.build_request("GET", server.url)
            answer = await http.send(request, stream=True)
            text = answer.aiter_text()
            assert await anext(text) == "data: 1\n\n"
        assert [part async for part in text] == []  # and no RemoteProtocolError
    assert steps.seen == ["ended"]


async def test_a_server_that_stops_cuts_lines_off(steps: Steps) -> None:
    async def view() -> Lines[int]:
        yield 1
        await asyncio.Event().wait()

    async with httpx.AsyncClient(timeout=10) as http:
        async with asgiworker.running(
            App([Route("/", "GET", view)]), drain_delay=0.1, graceful_timeout=5
        ) as server:
            answer = await http.send(http.build_request("GET", server.url), stream=True)
            text = answer.aiter_text()
            assert await anext(text) == "1\n"
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(text)


# --- errors -----------------------------------------------------------------------------------------------


async def test_a_problem_before_the_first_item_is_answered() -> None:
    async def view(id: int) -> Lines[int]:
        if id == 0:
            raise NotFound("There is nothing")
        if id == 1:
            raise RuntimeError
        yield id

    async with served(Route("/<id>", "GET", view)) as http:
        missing = await http.get("/0")
        assert (missing.status_code, missing.json()["detail"]) == (404, "There is nothing")
        assert (await http.get("/1")).status_code == 500
        assert (await http.get("/2")).text == "2\n"


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("problem", [NotFound, RuntimeError])
async def test_an_error_after_the_start_cuts_the_connection_and_is_logged_once(
    problem: type[Exception], http2: bool, steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    @component
    async def session() -> AsyncIterator[Session]:
        try:
            yield Session()
        except problem:
            steps.add("seen")
            raise

    async def view(session: Session) -> Lines[int]:
        yield 1
        raise problem("too late")

    async with served(Route("/", "GET", view), components=[session], http2=http2) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/")
        assert (await http.get("/missing")).status_code == 404  # the server lives
    assert steps.seen == ["seen"]
    assert len([each for each in caplog.records if each.levelno >= logging.ERROR]) == 1
    assert "too late" in caplog.text


async def test_an_item_that_cannot_be_sent_is_an_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async def view() -> Lines[Note]:
        yield {"titel": "a"}  # type: ignore[misc]

    async with served(Route("/", "GET", view)) as http:
        assert (await http.get("/")).status_code == 500
    assert "missing required field `title`" in caplog.text


@pytest.mark.parametrize("annotation", [..., AsyncIterator[Note], None])
def test_a_view_that_yields_must_say_how_it_is_sent(annotation: Any) -> None:
    async def view() -> Any:
        yield 1

    if annotation is ...:
        del view.__annotations__["return"]
    else:
        view.__annotations__["return"] = annotation
    with pytest.raises(ConfigurationError, match=r"view\(\) at .* gives one value after the other. .*Lines"):
        App([Route("/", "GET", view)])


def test_items_of_a_type_that_cannot_be_sent_are_an_error_at_start_up() -> None:
    async def view() -> Lines[Session]:
        yield Session()

    with pytest.raises(ConfigurationError, match="Session isn't a type of data"):
        App([Route("/", "GET", view)])


# --- time -------------------------------------------------------------------------------------------------


async def test_a_stream_whose_first_item_takes_long_starts_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "PATIENCE", 0.01)
    go_on = asyncio.Event()

    async def view() -> Lines[int]:
        await go_on.wait()
        yield 1

    async with served(Route("/", "GET", view)) as http, http.stream("GET", "/") as answer:
        assert answer.status_code == 200
        go_on.set()
        assert await answer.aread() == b"1\n"


async def test_events_give_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PATIENCE", 0.01)
    monkeypatch.setattr(streams, "KEEP_ALIVE", 0.02)
    go_on = asyncio.Event()

    async def view() -> Events[int]:
        yield 1
        await go_on.wait()
        yield 2

    async with served(Route("/", "GET", view)) as http, http.stream("GET", "/") as answer:
        lines = answer.aiter_lines()
        seen = [await anext(lines) for _ in range(6)]
        assert seen == ["data: 1", "", ":", "", ":", ""]
        go_on.set()
        rest = [line async for line in lines]
    assert [line for line in rest if line not in ("", ":")] == ["data: 2"]


class Marked:
    """A hook that asks for what views can ask for."""

    def on_request(self, headers: ResponseHeaders, background: Background) -> None:
        headers["x-hook"] = "1"
        background.add(DONE.append, "hook")


DONE: list[str] = []


async def test_hooks_have_a_say_in_headers_and_work_of_streams_too() -> None:
    async def lines(background: Background) -> Lines[int]:
        background.add(DONE.append, "view")
        yield 1

    async def whole() -> int:
        return 1

    DONE.clear()
    app = App([Route("/lines", "GET", lines), Route("/whole", "GET", whole)], hooks=[Marked])
    async with (
        asgiworker.running(app, lifespan="on") as server,
        httpx.AsyncClient(base_url=server.url) as http,
    ):
        for path in ("/lines", "/whole"):
            assert (await http.get(path)).headers["x-hook"] == "1"
    assert sorted(DONE) == ["hook", "hook", "view"]


# --- cancel -----------------------------------------------------------------------------------------------


async def test_a_view_is_cancelled_when_its_client_leaves_if_the_route_says_so(steps: Steps) -> None:
    @component
    async def session() -> AsyncIterator[Session]:
        try:
            yield Session()
        except Exception as error:
            steps.add(type(error).__name__)
            raise

    async def slow(session: Session) -> int:
        steps.add("begun")
        try:
            await asyncio.Event().wait()
        finally:
            steps.add("cancelled")
        return 1

    async def quick(request: Request) -> str:
        return (await request.body()).decode()

    routes = (Route("/", "GET", slow), Route("/quick", "POST", quick))
    async with served(*routes, components=[session], cancel=True) as http:
        asking = asyncio.create_task(http.get("/"))
        await steps.until("begun")
        asking.cancel()
        await asyncio.wait({asking})
        await steps.until("ClientDisconnected")
        assert (await http.post("/quick", content=b"abc")).json() == "abc"
    assert steps.seen == ["begun", "cancelled", "ClientDisconnected"]


async def test_a_view_goes_on_when_its_client_leaves_if_nobody_says_otherwise(steps: Steps) -> None:
    go_on = asyncio.Event()

    async def view() -> int:
        steps.add("begun")
        await go_on.wait()
        steps.add("done")
        return 1

    async with served(Route("/", "GET", view)) as http:
        asking = asyncio.create_task(http.get("/"))
        await steps.until("begun")
        asking.cancel()
        await asyncio.wait({asking})
        go_on.set()
        await steps.until("done")


def source(*routes: Any, **options: Any) -> str:
    (endpoint,) = App(routes, **options).router.endpoints
    (plan,) = endpoint.handlers.values()
    text: str = plan.text
    return text


def test_the_source_of_a_stream() -> None:
    @component
    async def session() -> AsyncIterator[Session]:
        yield Session()

    async def feed(session: Session) -> Events[Note]:
        yield Note("a")

    assert source(Route("/", "GET", feed), components=[session]) == (
        "async def plan_of_feed(scope, receive, send, values):\n"
        "    receive = ahead = Ahead(receive)\n"
        "    async with provide_session_1() as session_1:\n"
        "        result = view(session=session_1)\n"
        "        return await send_stream(result, written, 200, [*HEADERS], scope, ahead, send, PING)\n"
        "    raise swallowed()\n"
    )


def test_the_source_of_a_view_that_is_cancelled() -> None:
    async def view() -> int:
        return 1

    assert source(Route("/", "GET", view, cancel=True)).splitlines()[1:4] == [
        "    receive = ahead = Ahead(receive)",
        "    async with Connected(ahead):",
        "        result = await view()",
    ]


async def test_a_part_of_the_body_that_nobody_takes_is_looked_at_but_not_lost() -> None:
    messages = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b", "more_body": False},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return messages.pop(0)

    ahead = streams.Ahead(receive)
    left = asyncio.create_task(ahead.left())
    await asyncio.sleep(0)
    assert len(messages) == 2
    assert [(await ahead())["body"] for _ in range(2)] == [b"a", b"b"]
    await left
    assert (await ahead())["type"] == "http.disconnect"
    await ahead.left()


async def test_pydantic_models_are_sent_as_they_are_declared(client: Connect) -> None:
    class User(pydantic.BaseModel):
        name: str

    class Hidden(User):
        password: str = "1234"

    async def one() -> User:
        return Hidden(name="a")

    async def lines() -> Lines[User]:
        yield User(name="a")
        yield Hidden(name="b")

    async with served(Route("/", "GET", one, msgpack=True), Route("/lines", "GET", lines)) as http:
        assert (await http.get("/", headers={"accept": "application/msgpack"})).json() == {"name": "a"}
        assert (await http.get("/lines")).text == '{"name":"a"}\n{"name":"b"}\n'


async def test_a_server_that_fails_in_the_middle_ends_the_stream(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PATIENCE", 0.01)

    async def view() -> Events[int]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            steps.add("ended")

    async def send(message: Any) -> None:
        raise RuntimeError("broken")

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(RuntimeError, match="broken"):
        await App([Route("/", "GET", view)])(scope, receive, send)
    assert steps.seen == ["ended"]


async def test_a_client_that_is_gone_before_the_first_sign_of_life_ends_the_stream(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PATIENCE", 0.01)

    async def view() -> Events[int]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            steps.add("ended")

    async def send(message: Any) -> None:
        raise BrokenPipeError

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await App([Route("/", "GET", view)])(scope, receive, send)
    assert steps.seen == ["ended"]


async def test_who_cancels_a_stream_is_told_so(steps: Steps) -> None:
    async def view() -> Events[int]:
        try:
            steps.add("begun")
            await asyncio.Event().wait()
            yield 1
        finally:
            steps.add("ended")

    async def send(message: Any) -> None: ...

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    asking = asyncio.create_task(App([Route("/", "GET", view)])(scope, receive, send))  # type: ignore[arg-type]
    await steps.until("begun")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert steps.seen == ["begun", "ended"]
