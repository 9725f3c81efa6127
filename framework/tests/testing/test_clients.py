"""Clients for tests: requests, bodies, errors, cookies, the lifespan, streams; any ASGI application."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route as StarletteRoute
from starlette.routing import WebSocketRoute as StarletteWebSocketRoute
from starlette.websockets import WebSocket as StarletteWebSocket

from asgistar import App, Body, Cookie, Header, Redirect, Route, component
from asgistar.client import ApiKey, Bearer
from asgistar.testing import AsyncClient, LifespanFailed, TestClient

# --- applications -----------------------------------------------------------------------------------------


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with what it was asked."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    said = {**scope, "body": body, "extensions": sorted(scope["extensions"])}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-body", body[:99])]})
    await send({"type": "http.response.body", "body": repr(said).encode()})


def answering(*messages: dict[str, Any], then: Exception | None = None) -> Any:
    """An application that sends these messages, and then fails, if it is to."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        for message in messages:
            await send({"headers": [], **message} if message["type"].endswith("start") else message)
        if then is not None:
            raise then

    return app


START = {"type": "http.response.start", "status": 200}
END = {"type": "http.response.body", "body": b"end"}


class Endless:
    """Sends without an end, and takes note of how it went."""

    def __init__(self, watches: bool = False, heeds: bool = True) -> None:
        self.watches = watches
        self.heeds = heeds
        self.heard: list[str] = []
        self.over = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await receive()
        try:
            await send({**START, "headers": [(b"content-type", b"text/plain")]})
            if self.watches:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                self.heard.append((await receive())["type"])
            while not self.watches or not self.heeds:
                if not self.heeds:
                    await asyncio.sleep(3600)
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
        except OSError:
            self.heard.append("OSError")
            raise
        except asyncio.CancelledError:
            self.heard.append("cancelled")
            raise
        finally:
            self.over.set()


# --- requests ---------------------------------------------------------------------------------------------


def test_an_application_sees_a_request_as_a_server_gives_it() -> None:
    with TestClient(echo, root_path="/below", client=("10.0.0.1", 7)) as client:
        answer = client.put("/gr%C3%BCn%2F/?q=%20a", content=b"body", headers={"X-A": "b"})
        scope = eval(answer.text)
    assert scope["type"] == "http"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert (scope["method"], scope["scheme"], scope["http_version"]) == ("PUT", "http", "1.1")
    assert scope["path"] == "/below/grün//"
    assert scope["raw_path"] == b"/below/gr%C3%BCn%2F/"
    assert (scope["query_string"], scope["root_path"]) == (b"q=%20a", "/below")
    assert (scope["client"], scope["server"]) == (("10.0.0.1", 7), ("testserver", 80))
    assert (b"host", b"testserver") in scope["headers"]
    assert (b"x-a", b"b") in scope["headers"]
    assert scope["body"] == b"body"
    assert scope["extensions"] == ["asgistar.errors"]


async def test_requests_run_in_the_loop_of_the_test() -> None:
    loops = []

    async def view() -> None:
        loops.append(asyncio.get_running_loop())

    async with AsyncClient(App([Route("/", "GET", view)])) as client:
        assert (await client.get("/")).status_code == 204
    assert loops == [asyncio.get_running_loop()]


def test_requests_of_a_test_that_is_no_coroutine_see_its_context() -> None:
    variable = contextvars.ContextVar("variable", default="nothing")
    seen = []

    async def view() -> None:
        seen.append(variable.get())

    with TestClient(App([Route("/", "GET", view)])) as client:
        variable.set("set")
        client.get("/")
    assert seen == ["set"]


async def test_a_body_in_pieces_is_a_stream_in_both_clients() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    def blocking() -> Iterator[bytes]:
        yield b"c"
        yield b"d"

    async with AsyncClient(echo) as client:
        assert (await client.post("/", content=pieces())).headers["x-body"] == "ab"
        files = {"file": ("name.txt", b"text")}
        assert "multipart/form-data" in (await client.post("/", files=files)).text
    with TestClient(echo) as client_:
        assert client_.post("/", content=blocking()).headers["x-body"] == "cd"
        assert client_.post("/", json={"a": 1}).headers["x-body"] == '{"a":1}'


async def test_an_error_of_who_makes_the_body_is_raised_and_the_application_sees_a_client_that_left() -> None:
    heard = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            heard.extend([(await receive())["type"], (await receive())["type"], (await receive())["type"]])

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        raise LookupError("mine")

    async with AsyncClient(app) as client:
        with pytest.raises(LookupError, match="mine"):
            await client.post("/", content=pieces())
    assert heard == ["http.request", "http.disconnect", "http.disconnect"]


async def test_after_its_answer_an_application_hears_that_the_client_is_gone() -> None:
    heard = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({**START, "headers": []})
            await send(END)
            heard.append(await receive())

    async with AsyncClient(app) as client:
        assert (await client.get("/")).text == "end"
    assert heard == [{"type": "http.disconnect"}]


def logging_in() -> App:
    async def log_in() -> Redirect:
        response = Redirect("/me")
        response.set_cookie("session", "ada")
        return response

    async def me(session: Cookie[str] = "") -> str:
        return session

    return App([Route("/login", "POST", log_in), Route("/me", "GET", me)])


@pytest.mark.parametrize("follow", [True, False])
def test_a_cookie_for_https_is_sent_as_to_localhost(follow: bool) -> None:
    with TestClient(logging_in(), follow_redirects=follow) as client:
        assert client.post("/login").url.path == ("/me" if follow else "/login")
        assert client.get("/me").json() == "ada"


@pytest.mark.parametrize("follow", [True, False])
async def test_a_cookie_for_https_is_sent_by_the_client_for_async_tests_too(follow: bool) -> None:
    async with AsyncClient(logging_in(), follow_redirects=follow) as client:
        answer = await client.post("/login")
        assert answer.text == ('"ada"' if follow else "")
        assert (await client.get("/me")).json() == "ada"


def test_cookies_are_kept_and_redirects_followed_if_asked_for() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        headers = [(b"set-cookie", b"sid=1; Path=/"), (b"location", b"/there")]
        at_start = scope["path"] == "/"
        cookies = dict(scope["headers"]).get(b"cookie", b"")
        await send({**START, "status": 303 if at_start else 200, "headers": headers if at_start else []})
        await send({"type": "http.response.body", "body": cookies})

    with TestClient(app, follow_redirects=True) as client:
        assert client.get("/").text == "sid=1"
        assert client.cookies["sid"] == "1"
    with TestClient(app) as client:
        assert client.get("/").status_code == 303


async def test_there_is_no_body_where_there_can_be_none() -> None:
    async with AsyncClient(answering(START, END)) as client:
        assert (await client.head("/")).content == b""
    async with AsyncClient(answering({**START, "status": 204}, END)) as client:
        assert (await client.get("/")).content == b""


# --- errors -----------------------------------------------------------------------------------------------


class Broken(Exception):
    pass


async def fails() -> str:
    raise Broken("of the view")


async def test_both_clients_authenticate_in_several_ways_at_once() -> None:
    async def seen(authorization: Header[str], x_key: Header[str]) -> list[str]:
        return [authorization, x_key]

    app = App([Route("/", "GET", seen)])
    auth = [Bearer("t"), ApiKey("k", "x-key")]
    with TestClient(app, auth=auth) as client:
        assert client.get("/").json() == ["Bearer t", "k"]
    async with AsyncClient(app, auth=auth) as aclient:
        assert (await aclient.get("/")).json() == ["Bearer t", "k"]


def test_an_error_of_a_view_is_raised_in_the_test() -> None:
    with TestClient(App([Route("/", "GET", fails)])) as client, pytest.raises(Broken, match="of the view"):
        client.get("/")


def test_errors_are_answers_if_they_are_not_to_be_raised() -> None:
    with TestClient(App([Route("/", "GET", fails)]), raise_errors=False) as client:
        assert client.get("/").status_code == 500
    with TestClient(answering(then=Broken()), raise_errors=False) as client:
        assert (client.get("/").status_code, client.get("/").text) == (500, "Internal Server Error")
    with TestClient(answering(), raise_errors=False) as client:
        assert client.get("/").status_code == 500


@pytest.mark.parametrize("before", [(), (START,), (START, END)])
def test_an_error_of_any_application_is_raised_whenever_it_comes(before: Any) -> None:
    with TestClient(answering(*before, then=Broken("late"))) as client, pytest.raises(Broken, match="late"):
        client.get("/")


def test_what_ends_a_test_ends_it_from_inside_of_the_application_too() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            pytest.fail("said the view")

    with TestClient(app) as client, pytest.raises(pytest.fail.Exception, match="said the view"):
        client.get("/")


def test_an_answer_that_is_cut_off_is_an_error() -> None:
    with (
        TestClient(answering()) as client,
        pytest.raises(httpx.RemoteProtocolError, match="returned before it"),
    ):
        client.get("/x")
    with TestClient(answering(START)) as client, pytest.raises(httpx.RemoteProtocolError, match="GET /x"):
        client.get("/x")
    cut = answering(START, then=Broken())
    with TestClient(cut, raise_errors=False) as client, pytest.raises(httpx.RemoteProtocolError):
        client.get("/")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ((END,), "what comes next in the answer to GET / is http.response.start"),
        ((START, START), "what comes next in the answer to GET / is http.response.body"),
        ((START, END, END), "what comes next in the answer to GET / is nothing"),
        (
            ({**START, "headers": [(b"content-length", b"2")]}, END),
            "has 3 bytes, but its content-length is 2",
        ),
        (
            ({**START, "headers": [(b"content-length", b"9")]}, END),
            "has 3 bytes, but its content-length is 9",
        ),
    ],
)
def test_an_application_that_breaks_the_protocol_is_told_so(messages: Any, said: str) -> None:
    with TestClient(answering(*messages)) as client, pytest.raises(RuntimeError, match=said):
        client.get("/")


async def test_an_answer_that_does_not_come_is_an_error_in_time() -> None:
    never = asyncio.Event()

    async def view() -> None:
        await never.wait()

    async with AsyncClient(App([Route("/", "GET", view)])) as client:
        with pytest.raises(httpx.ReadTimeout, match="GET http://testserver/ wasn't answered"):
            await client.get("/", timeout=0.05)


async def test_a_timeout_of_the_application_is_its_own_error() -> None:
    async def view() -> None:
        raise TimeoutError("of the database")

    async with AsyncClient(App([Route("/", "GET", view)])) as client:
        with pytest.raises(TimeoutError, match="of the database"):
            await client.get("/")


# --- streams ----------------------------------------------------------------------------------------------


async def test_a_stream_is_read_as_it_comes_and_left_at_will() -> None:
    app = Endless()
    async with AsyncClient(app) as client:
        async with client.stream("GET", "/") as answer:
            assert answer.headers["content-type"] == "text/plain"
            chunks = answer.aiter_bytes()
            assert [await anext(chunks), await anext(chunks)] == [b"x", b"x"]
        assert app.heard == ["OSError"]


def test_a_stream_can_be_left_by_a_test_that_is_no_coroutine() -> None:
    app = Endless()
    with TestClient(app) as client:
        with client.stream("GET", "/") as answer:
            assert next(answer.iter_bytes()) == b"x"
        assert app.heard == ["OSError"]


async def test_an_application_that_waits_hears_that_its_client_left() -> None:
    app = Endless(watches=True)
    async with AsyncClient(app) as client:
        async with client.stream("GET", "/") as answer:
            assert await anext(answer.aiter_bytes()) == b"x"
        assert app.heard == ["http.disconnect"]


async def test_an_application_that_goes_on_regardless_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgistar.inprocess.conversation.GRACE", 0.01)
    app = Endless(watches=True, heeds=False)
    async with AsyncClient(app) as client:
        async with client.stream("GET", "/") as answer:
            assert await anext(answer.aiter_bytes()) == b"x"
        assert app.heard == ["http.disconnect", "cancelled"]


def test_a_stream_without_an_end_that_is_read_as_a_whole_is_an_error_in_time() -> None:
    app = Endless()
    with (
        TestClient(app) as client,
        pytest.raises(httpx.ReadTimeout, match="If it is a stream, read it with `stream` or `events`"),
    ):
        client.get("/", timeout=0.05)
    assert app.over.is_set()


async def test_several_requests_run_at_once() -> None:
    together = asyncio.Barrier(3)

    async def view() -> int:
        return await together.wait()

    async with AsyncClient(App([Route("/", "GET", view)])) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(3)))
    assert sorted(answer.json() for answer in answers) == [0, 1, 2]


async def test_background_work_of_an_application_is_done_when_its_answer_is_there() -> None:
    done = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({**START, "headers": []})
            await send(END)
            await asyncio.sleep(0)
            done.append(True)

    async with AsyncClient(app) as client:
        await client.get("/")
        assert done == [True]


# --- the lifespan -----------------------------------------------------------------------------------------


class Engine:
    open = False


@component(scope="app")
async def engine() -> AsyncIterator[Engine]:
    made = Engine()
    made.open = True
    yield made
    made.open = False


async def is_open(engine: Engine) -> bool:
    return engine.open


def test_the_lifespan_is_that_of_the_client() -> None:
    app = App([Route("/", "GET", is_open)], components=[engine])
    with TestClient(app) as client:
        assert client.get("/").json() is True
    with TestClient(app) as client:
        assert client.get("/").json() is True


async def test_outside_of_with_there_is_no_application() -> None:
    app = App([Route("/", "GET", is_open)], components=[engine])
    with pytest.raises(RuntimeError, match="Use it inside of `with`"):
        TestClient(app).get("/")
    with pytest.raises(RuntimeError, match="its lifespan is that of the client"):
        await AsyncClient(app).get("/")


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["answer"] = 42
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    state = scope["state"]
    await send({**START, "headers": []})
    await send({"type": "http.response.body", "body": str(state["answer"]).encode()})
    state["answer"] = 0


def test_each_request_has_a_copy_of_the_state_of_the_lifespan() -> None:
    with TestClient(lifespan) as client:
        assert [client.get("/").text, client.get("/").text] == ["42", "42"]


def of_lifespan(*messages: str, error: Exception | None = None) -> Any:
    """An application of which the lifespan sends these messages, one for each that it gets."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await receive()
            if message:
                await send({"type": message, "message": "no database"})
        if error is not None:
            raise error

    return app


def test_an_application_that_can_not_start_says_why() -> None:
    app = of_lifespan("lifespan.startup.failed")
    with pytest.raises(LifespanFailed, match="no database"), TestClient(app):
        raise AssertionError

    @component(scope="app")
    async def broken() -> Engine:
        raise Broken("of the engine")

    for raises, error in ((True, Broken), (False, LifespanFailed)):
        app = App([Route("/", "GET", is_open)], components=[broken])
        with pytest.raises(error, match="of the engine"), TestClient(app, raise_errors=raises):
            raise AssertionError


def test_an_application_that_can_not_stop_says_why() -> None:
    app = of_lifespan("lifespan.startup.complete", "lifespan.shutdown.failed")
    with pytest.raises(LifespanFailed, match="no database"), TestClient(app):
        pass
    app = of_lifespan("lifespan.startup.complete", "", error=Broken("at the end"))
    with pytest.raises(Broken, match="at the end"), TestClient(app):
        pass


def test_an_application_that_does_not_start_is_an_error_in_time() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match=r"hasn't answered lifespan\.startup within 0\.05 s"):
        TestClient(app, timeout=0.05).__enter__()


def test_a_message_that_is_none_of_the_lifespan_is_an_error_of_the_application() -> None:
    said = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "lifespan.begin"})
        except RuntimeError as error:
            said.append(str(error))

    with TestClient(app):
        assert said == ["There is no message 'lifespan.begin' in a lifespan."]


def test_the_thread_of_a_client_ends_with_it() -> None:
    before = threading.active_count()
    with TestClient(echo):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


async def test_a_body_reaches_a_view() -> None:
    async def view(body: Body[dict[str, int]]) -> int:
        return sum(body.values())

    async with AsyncClient(App([Route("/", "POST", view)])) as client:
        assert (await client.post("/", json={"a": 1, "b": 2})).json() == 3


# --- an application of another framework ------------------------------------------------------------------


async def test_an_application_of_another_framework_is_tested_as_well() -> None:
    done = []

    async def numbers() -> AsyncIterator[str]:
        number = 0
        while True:
            number += 1
            yield f"{number}\n"

    async def endless(request: Request) -> StreamingResponse:
        return StreamingResponse(numbers())

    async def background(request: Request) -> PlainTextResponse:
        return PlainTextResponse("later", background=BackgroundTask(done.append, 1))

    async def fails(request: Request) -> PlainTextResponse:
        raise Broken("of Starlette")

    async def socket(socket: StarletteWebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close(4000)

    app = Starlette(
        routes=[
            StarletteRoute("/endless", endless),
            StarletteRoute("/background", background),
            StarletteRoute("/fails", fails),
            StarletteWebSocketRoute("/ws", socket),
        ]
    )
    async with AsyncClient(app) as client:
        async with client.stream("GET", "/endless") as answer:
            assert await anext(answer.aiter_lines()) == "1"
        assert (await client.get("/background")).text == "later"
        assert done == [1]
        with pytest.raises(Broken, match="of Starlette"):
            await client.get("/fails")
        async with client.websocket("/ws") as peer:
            await peer.send("a")
            assert [message async for message in peer] == ["a"]
            assert peer.close_code == 4000


async def test_what_says_only_that_the_client_left_is_no_error_of_the_application() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def sends() -> None:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})

        if scope["type"] == "http":
            await send({**START, "headers": []})
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(sends())

    async with AsyncClient(app) as client, client.stream("GET", "/") as answer:
        assert await anext(answer.aiter_bytes()) == b"x"
