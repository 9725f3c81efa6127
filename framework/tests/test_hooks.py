"""Hooks: called before a view, after it, and when it fails; given what they ask for by type."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from asgistar import (
    App,
    Body,
    ConfigurationError,
    Conflict,
    Events,
    Forbidden,
    Form,
    Header,
    Include,
    NotFound,
    Redirect,
    Response,
    Route,
    Struct,
    Text,
    WebSocket,
    WebSocketRoute,
    component,
)
from asgistar.http import Request
from asgistar.testing import AsyncClient, WebSocketClosed, WebSocketDenied

if TYPE_CHECKING:
    from framework.tests.conftest import Connect

LOG: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    LOG.clear()


class Noting:
    """Notes in the log when it is called."""

    def __init__(self, name: str) -> None:
        self.name = name

    def on_request(self) -> None:
        LOG.append(f"{self.name} request")

    async def on_response(self, response: Response) -> None:
        LOG.append(f"{self.name} response {response.status}")

    def on_error(self, error: Exception) -> None:
        LOG.append(f"{self.name} error {error!r}")


async def view() -> str:
    LOG.append("view")
    return "seen"


async def missing() -> None:
    raise NotFound("Not that one")


async def broken() -> None:
    raise ZeroDivisionError


ROUTES = [Route("/", "GET", view), Route("/missing", "GET", missing), Route("/broken", "GET", broken)]


# --- order ------------------------------------------------------------------------------------------------


async def test_hooks_are_around_the_view_the_first_is_the_outermost(client: Connect) -> None:
    ask = client(ROUTES, hooks=[Noting("a"), Noting("b")])
    assert (await ask.get("/")).json == "seen"
    assert LOG == ["a request", "b request", "view", "b response 200", "a response 200"]


async def test_a_problem_is_a_response_and_not_an_error(client: Connect) -> None:
    ask = client(ROUTES, hooks=[Noting("a"), Noting("b")])
    assert (await ask.get("/missing")).json["detail"] == "Not that one"
    assert LOG == ["a request", "b request", "b response 404", "a response 404"]


async def test_what_nobody_handled_is_an_error_and_then_a_response(client: Connect) -> None:
    ask = client(ROUTES, hooks=[Noting("a"), Noting("b")])
    answer = await ask.get("/broken")
    assert (answer.status, answer.json) == (500, {"title": "Internal Server Error", "status": 500})
    assert LOG == [
        "a request",
        "b request",
        "b error ZeroDivisionError()",
        "b response 500",
        "a error ZeroDivisionError()",
        "a response 500",
    ]


async def test_a_hook_may_refuse_a_request_and_those_inside_of_it_do_not_see_it(client: Connect) -> None:
    class Closed:
        def on_request(self) -> None:
            raise Forbidden("Closed")

        def on_response(self) -> None:
            LOG.append("closed response")

    ask = client(ROUTES, hooks=[Noting("a"), Closed(), Noting("b")])
    assert (await ask.get("/")).status == 403
    assert LOG == ["a request", "a response 403"]


async def test_hooks_add_up_from_the_application_to_the_route(client: Connect) -> None:
    routes = [Include("/x", [Route("/", "GET", view, hooks=[Noting("c")])], hooks=[Noting("b")]), *ROUTES]
    ask = client(routes, hooks=[Noting("a")])
    await ask.get("/x/")
    assert [line for line in LOG if "request" in line] == ["a request", "b request", "c request"]
    LOG.clear()
    await ask.get("/")
    assert [line for line in LOG if "request" in line] == ["a request"]


# --- what they are ----------------------------------------------------------------------------------------


class Counting:
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.number = type(self).made

    def on_request(self, request: Request) -> None:
        self.path = request.url.path

    def on_response(self, response: Response) -> None:
        response.headers["x-number"] = f"{self.number} {self.path}"


async def test_a_class_is_made_anew_for_each_request(client: Connect) -> None:
    Counting.made = 0
    ask = client(ROUTES, hooks=[Counting])
    numbers = [(await ask.get(path)).headers["x-number"] for path in ("/", "/missing", "/broken")]
    assert numbers == ["1 /", "2 /missing", "3 /broken"]


async def test_an_object_is_shared(client: Connect) -> None:
    Counting.made = 0
    ask = client(ROUTES, hooks=[Counting()])
    numbers = [(await ask.get(path)).headers["x-number"] for path in ("/", "/missing")]
    assert numbers == ["1 /", "1 /missing"]


async def test_a_hook_has_one_method_or_all_of_them(client: Connect) -> None:
    class Before:
        @staticmethod
        async def on_request() -> None:
            LOG.append("before")

    class After:
        @classmethod
        def on_response(cls, response: Response | None, error: Exception | None) -> None:
            LOG.append(f"after {cls.__name__} {response and response.status} {error!r}")

    class Failed:
        def on_error(self) -> None:
            LOG.append("failed")

    ask = client(ROUTES, hooks=[Before, After, Failed])
    for path in ("/", "/missing", "/broken"):
        await ask.get(path)
    assert LOG == [
        "before",
        "view",
        "after After 200 None",
        "before",
        "after After 404 NotFound('Not that one')",
        "before",
        "failed",
        "after After 500 ZeroDivisionError()",
    ]


async def test_a_hook_that_only_comes_before_costs_nothing_after(client: Connect) -> None:
    class Before:
        def on_request(self) -> None:
            LOG.append("before")

    ask = client(ROUTES, hooks=[Before])
    assert (await ask.get("/")).status == 200
    assert (await ask.get("/missing")).status == 404
    assert LOG == ["before", "view", "before"]


async def test_a_hook_may_change_the_response(client: Connect) -> None:
    class Changing:
        def on_response(self, response: Response) -> None:
            response.status = 202
            response.content = b"more of it"
            response.headers["content-type"] = "text/plain"
            response.set_cookie("seen", "yes")

    answer = await client(ROUTES, hooks=[Changing]).get("/")
    assert (answer.status, answer.body) == (202, b"more of it")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["content-length"] == "10"
    assert answer.headers["set-cookie"].startswith("seen=yes")


async def test_a_hook_may_put_text_in_the_place_of_the_content(client: Connect) -> None:
    class Changing:
        def on_response(self, response: Response) -> None:
            response.content = "grün"  # type: ignore[assignment]

    answer = await client(ROUTES, hooks=[Changing]).get("/")
    assert (answer.body.decode(), answer.headers["content-length"]) == ("grün", "5")


async def test_a_class_of_an_extension_may_be_a_hook(client: Connect) -> None:
    class Keeping(dict[str, str]):
        def on_request(self) -> None:
            LOG.append(f"has {len(self)}")

    await client(ROUTES, hooks=[Keeping]).get("/")
    assert LOG == ["has 0", "view"]


async def test_a_response_of_a_view_comes_to_hooks_as_it_is(client: Connect) -> None:
    async def text() -> Text:
        return Text("hi", headers={"x-a": "b"})

    class Reading:
        def on_response(self, response: Response) -> None:
            LOG.append(f"{response.status} {response.headers['x-a']} {response.content!r}")

    answer = await client([Route("/", "GET", text)], hooks=[Reading]).get("/")
    assert (answer.body, answer.headers["content-length"]) == (b"hi", "2")
    assert LOG == ["200 b b'hi'"]


async def test_a_stream_begins_with_what_hooks_say(client: Connect) -> None:
    async def events() -> Events[int]:
        yield 1
        LOG.append("view goes on")
        yield 2

    class Heading:
        def on_response(self, response: Response) -> None:
            LOG.append(f"response {response.status}")
            response.headers["x-a"] = "b"

    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "extensions": {},
    }
    app = App([Route("/", "GET", events)], hooks=[Heading, Noting("inside")])
    await app(scope, _waiting(), send)
    assert (b"x-a", b"b") in sent[0]["headers"]
    assert LOG == ["inside request", "inside response 200", "response 200", "view goes on"]
    assert b"".join(message.get("body", b"") for message in sent).count(b"data:") == 2


async def test_a_stream_that_fails_before_it_begins_is_a_response_like_another(client: Connect) -> None:
    async def events() -> Events[int]:
        if LOG:
            raise NotFound
        yield 1

    ask = client([Route("/", "GET", events)], hooks=[Noting("a")])
    assert (await ask.get("/")).status == 404
    assert LOG == ["a request", "a response 404"]


async def test_a_stream_that_breaks_off_is_an_error_but_no_other_response() -> None:
    async def events() -> Events[int]:
        yield 1
        raise ZeroDivisionError

    sent = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope: Any = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(ZeroDivisionError):
        await App([Route("/", "GET", events)], hooks=[Noting("a")])(scope, _waiting(), send)
    assert sent.count("http.response.start") == 1
    assert LOG == ["a request", "a response 200", "a error ZeroDivisionError()"]


def _waiting() -> Any:
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()

    return receive


# --- what they are given ----------------------------------------------------------------------------------


class Session:
    def __init__(self) -> None:
        self.open = True


@component
def session() -> Iterator[Session]:
    made = Session()
    LOG.append("begin")
    try:
        yield made
    except BaseException as error:
        LOG.append(f"rollback for {type(error).__name__}")
        raise
    else:
        LOG.append("commit")
    finally:
        made.open = False


class Auditing:
    def on_response(self, session: Session, response: Response) -> None:
        LOG.append(f"audit {response.status} {'in' if session.open else 'out of'} the session")


async def test_a_hook_shares_components_with_the_view(client: Connect) -> None:
    sessions = []

    async def writes(session: Session) -> None:
        sessions.append(session)

    class Before:
        def on_request(self, session: Session) -> None:
            sessions.append(session)

    ask = client([Route("/", "GET", writes)], components=[session], hooks=[Before])
    assert (await ask.get("/")).status == 204
    assert sessions[0] is sessions[1]
    assert LOG == ["begin", "commit"]


@pytest.mark.parametrize(
    ("path", "log"),
    [
        ("/", ["begin", "view", "audit 200 in the session", "commit"]),
        ("/missing", ["begin", "audit 404 in the session", "rollback for NotFound"]),
        ("/broken", ["begin", "audit 500 in the session", "rollback for ZeroDivisionError"]),
    ],
)
async def test_what_a_hook_asks_for_lives_around_it_and_knows_of_errors(
    path: str, log: list[str], client: Connect
) -> None:
    await client(ROUTES, components=[session], hooks=[Auditing]).get(path)
    assert log == LOG


async def test_hooks_outside_see_what_becomes_of_components_of_those_inside(client: Connect) -> None:
    class Committing: ...

    @component
    def committing() -> Iterator[Committing]:
        yield Committing()
        raise Conflict("Somebody was faster")

    class Inside:
        def on_response(self, committing: Committing, response: Response) -> None:
            LOG.append(f"inside {response.status}")

    ask = client(ROUTES, components=[committing], hooks=[Noting("outside"), Inside])
    assert (await ask.get("/")).status == 409
    assert LOG == ["outside request", "view", "inside 200", "outside response 409"]
    LOG.clear()
    assert (await client(ROUTES, components=[committing], hooks=[Inside]).get("/")).status == 409


async def test_a_component_of_a_hook_that_fails_is_seen_by_those_outside(client: Connect) -> None:
    class User: ...

    @component
    def user(token: Header[str | None] = None) -> User:
        if token is None:
            raise Forbidden("Who?")
        return User()

    class Inside:
        def on_request(self, user: User) -> None:
            LOG.append("inside request")

    ask = client(ROUTES, components=[user], hooks=[Noting("outside"), Inside])
    assert (await ask.get("/")).status == 403
    assert LOG == ["outside request", "outside response 403"]
    assert (await ask.get("/", headers={"token": "x"})).status == 200


async def test_hooks_come_before_the_body_is_read(client: Connect) -> None:
    class Note(Struct):
        title: str

    class Signed:
        async def on_request(self, request: Request, x_key: Header[str] = "") -> None:
            if x_key != (await request.body()).decode()[-2:]:
                raise Forbidden("The signature is wrong")

    async def create(note: Note) -> str:
        return note.title

    ask = client([Route("/", "POST", create)], hooks=[Signed])
    assert (await ask.post("/", json={"title": "a"})).status == 403
    signed = {"content-type": "application/json", "x-key": '"}'}
    assert (await ask.post("/", body=[b'{"title"', b':"a"}'], headers=signed)).json == "a"
    wrong = {"content-type": "application/json", "x-key": "1}"}
    assert (await ask.post("/", body=b'{"title":1}', headers=wrong)).errors == [("body", "title", "type")]


async def test_a_hook_may_take_the_body(client: Connect) -> None:
    class Reading:
        def on_request(self, body: Body[bytes]) -> None:
            LOG.append(body.decode())

    await client([Route("/", "POST", view)], hooks=[Reading]).post("/", body=b"abc")
    assert LOG == ["abc", "view"]


async def test_components_in_the_place_of_others_are_those_of_hooks_too(client: Connect) -> None:
    ask = client(ROUTES, components=[session], hooks=[Auditing])
    other = Session()
    app: Any = ask.app
    with app.override({Session: other}):
        await ask.get("/")
    assert LOG == ["view", "audit 200 in the session"]


# --- hooks that fail --------------------------------------------------------------------------------------


async def test_an_on_error_that_fails_changes_nothing(
    client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        def on_error(self) -> None:
            raise RuntimeError("on_error is broken")

    ask = client(ROUTES, hooks=[Noting("a"), Failing, Noting("b")])
    assert (await ask.get("/broken")).status == 500
    assert LOG[-4:] == [
        "b error ZeroDivisionError()",
        "b response 500",
        "a error ZeroDivisionError()",
        "a response 500",
    ]
    assert "on_error is broken" in caplog.text


async def test_an_on_response_that_fails_is_the_error_of_the_request(client: Connect) -> None:
    class Failing:
        def on_response(self) -> None:
            raise RuntimeError("on_response is broken")

    assert (await client(ROUTES, hooks=[Failing]).get("/")).status == 500
    ask = client(ROUTES, hooks=[Noting("a"), Failing])
    assert (await ask.get("/missing")).status == 500
    assert LOG[-2:] == ["a error RuntimeError('on_response is broken')", "a response 500"]


async def test_nobody_is_called_for_a_client_that_has_left(client: Connect) -> None:
    async def reads(body: Body[bytes]) -> None: ...

    ask = client([Route("/", "POST", reads)], hooks=[Noting("a")])
    assert (await ask.post("/", body=[b"a", None])).status == 0
    assert LOG == ["a request"]


# --- at start-up ------------------------------------------------------------------------------------------


class Nothing: ...


class Needing:
    def __init__(self, x: int) -> None: ...

    def on_request(self) -> None: ...


class NotAMethod:
    on_request = 7


class Early:
    def on_request(self, response: Response) -> None: ...


class EarlyError:
    def on_request(self, error: Exception | None) -> None: ...


class Late:
    def on_error(self, response: Response) -> None: ...


class Elsewhere:
    def on_request(self) -> Redirect:
        return Redirect("/login")


class Unknown:
    def on_request(self, thing: Nothing) -> None: ...


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        (
            Elsewhere,
            r"Elsewhere.on_request\(\) at .*test_hooks.py:\d+ returns Redirect, and nothing becomes of",
        ),
        (Nothing, "The hook Nothing has no method that is called: on_request, on_response or on_error"),
        (Needing, "The hook Needing is made for each request, without arguments: missing .*'x'.* share one"),
        (NotAMethod, "on_request of the hook .*NotAMethod.* is not a method"),
        (Early, r"The parameter response of Early.on_request\(\) at .*test_hooks.py:\d+ is there after the"),
        (EarlyError, "The parameter error of .* is there after the view only"),
        (Late, "on_error has the error. Ask for the response in on_response"),
        (Unknown, r"The parameter thing of Unknown.on_request\(\) at .* is Nothing: neither data"),
    ],
)
def test_hooks_that_cannot_work_are_found_at_start_up(hook: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        App(ROUTES, hooks=[hook])


def test_the_body_comes_once_for_hooks_and_views() -> None:
    class Reading:
        def on_request(self, body: Body[bytes]) -> None: ...

    async def whole(body: Body[bytes]) -> None: ...

    async def form(title: Form[str]) -> None: ...

    for reading in (whole, form):
        with pytest.raises(ConfigurationError, match=r"both|body"):
            App([Route("/", "POST", reading)], hooks=[Reading])


def test_what_hooks_say_that_they_raise_is_among_the_problems_of_a_route() -> None:
    class Limited:
        raises = (Conflict,)

        def on_request(self) -> None: ...

    app = App([Route("/", "GET", view, raises=[NotFound])], hooks=[Limited], raises=[NotFound])
    (endpoint,) = app.router.endpoints
    assert endpoint.handlers["GET"].raises == [NotFound, Conflict]


def test_what_is_raised_is_a_class_of_problem() -> None:
    with pytest.raises(ConfigurationError, match="says that it raises <class 'ValueError'>"):
        App([Route("/", "GET", view, raises=[ValueError])])  # type: ignore[list-item]


# --- the source -------------------------------------------------------------------------------------------


def test_the_source_of_a_view_with_hooks() -> None:
    class Timing:
        def on_request(self) -> None: ...

        def on_response(self, response: Response) -> None: ...

        async def on_error(self, error: Exception) -> None: ...

    (endpoint,) = App([Route("/", "GET", view)], hooks=[Timing]).router.endpoints
    assert endpoint.handlers["GET"].text == (
        "async def plan_of_view(scope, receive, send, values):\n"
        "    outcome = Outcome(scope, failed)\n"
        "    timing_1 = timing_1_class()\n"
        "    timing_1.on_request()\n"
        "    try:\n"
        "        outcome.reply = await view_of_view(scope, receive, send, values)\n"
        "    except Exception as error:\n"
        "        outcome.fail(error)\n"
        "    if outcome.unhandled:\n"
        "        try:\n"
        "            await timing_1.on_error(error=outcome.error)\n"
        "        except Exception as error:\n"
        "            outcome.contain(error)\n"
        "    timing_1.on_response(response=outcome.response)\n"
        "    return outcome.end()\n"
        "\n\n"
        "async def view_of_view(scope, receive, send, values):\n"
        "    result = await view()\n"
        "    if type(result) not in KINDS:\n"
        "        return reply(result)\n"
        "    try:\n"
        "        content = encode(result)\n"
        "    except (TypeError, ValueError):\n"
        "        return reply(result)\n"
        '    return 200, [JSON, (b"content-length", b"%d" % len(content))], content\n'
    )


async def test_a_hook_shares_what_it_is_given(client: Connect) -> None:
    class Before:
        def on_request(self, request: Request, session: Session) -> None: ...

    async def plain(request: Request, session: Session) -> str:
        return request.method

    app = client([Route("/", "GET", plain)], components=[session], hooks=[Before])
    assert (await app.get("/")).json == "GET"
    made: Any = app.app
    (endpoint,) = made.router.endpoints
    assert "receive, send, values, request, session_1)" in endpoint.handlers["GET"].view_source.text


# --- WebSockets -------------------------------------------------------------------------------------------


async def talking(socket: WebSocket[str, str]) -> None:
    LOG.append("view")
    async for message in socket:
        if message == "break":
            raise LookupError("broken")
        await socket.send(message)


async def test_hooks_stand_around_a_websocket_and_see_no_response() -> None:
    app = App([WebSocketRoute("/", talking)], hooks=[Noting("outer"), Noting("inner")])
    async with AsyncClient(app) as client, client.websocket("/") as socket:
        await socket.send("hello")
        assert await socket.receive() == "hello"
    assert LOG == ["outer request", "inner request", "view"]


async def test_a_guard_refuses_a_websocket_before_it_is_accepted() -> None:
    class Guard:
        async def on_request(self, word: Header[str] = "") -> None:
            if word != "please":
                raise Forbidden("Say please.")

    app = App([Include("/in", [WebSocketRoute("/", talking)], hooks=[Guard])])
    async with AsyncClient(app) as client:
        with pytest.raises(WebSocketDenied, match="403"):
            async with client.websocket("/in/"):
                pass
        assert LOG == []
        async with client.websocket("/in/", headers={"word": "please"}):
            pass
        assert LOG == ["view"]


async def test_hooks_are_told_of_the_error_of_a_websocket_while_their_components_live() -> None:
    class Log(list[str]):
        pass

    @component
    def log() -> Iterator[Log]:
        yield Log()
        LOG.append("log ended")

    class Telling:
        def on_error(self, error: Exception, log: Log) -> None:
            LOG.append(f"told {error!r}")

    class Failing:
        def on_error(self, error: Exception) -> None:
            raise ValueError

    app = App([WebSocketRoute("/", talking)], components=[log], hooks=[Noting("outer"), Telling, Failing])
    async with AsyncClient(app, raise_errors=False) as client, client.websocket("/") as socket:
        await socket.send("break")
        with pytest.raises(WebSocketClosed, match="1011"):
            await socket.receive()
    error = "LookupError('broken')"
    assert ["outer request", "view", f"told {error}", f"outer error {error}"] == LOG


async def test_a_client_that_leaves_is_no_error_for_hooks() -> None:
    app = App([WebSocketRoute("/", talking)], hooks=[Noting("only")])
    async with AsyncClient(app) as client:
        async with client.websocket("/") as socket:
            await socket.send("hello")
        async with client.websocket("/"):
            pass
    assert LOG == ["only request", "view", "only request", "view"]


def test_a_hook_of_a_websocket_has_no_body() -> None:
    class Reading:
        def on_request(self, body: Body[bytes]) -> None: ...

    with pytest.raises(ConfigurationError, match="a WebSocket has none"):
        App([WebSocketRoute("/", talking)], hooks=[Reading])
