"""An application answers requests: views of both colours, statuses, errors, methods, slashes, mounts."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from asgistar import (
    App,
    BadRequest,
    ConfigurationError,
    Conflict,
    Environment,
    Forbidden,
    Gone,
    Host,
    Include,
    MethodNotAllowed,
    Mount,
    NotAcceptable,
    NotFound,
    PreconditionFailed,
    Problem,
    Route,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    UnprocessableContent,
    component,
)
from asgistar.http import Request

if TYPE_CHECKING:
    from framework.tests.conftest import Client, Connect

# --- views ------------------------------------------------------------------------------------------------


async def hello() -> dict[str, str]:
    return {"hello": "world"}


def plain(name: str = "world") -> dict[str, str]:
    return {"hello": name, "thread": threading.current_thread().name}


async def test_a_view_is_a_function(client: Connect) -> None:
    answer = await client(Route("/", "GET", hello)).get("/")
    assert (answer.status, answer.json) == (200, {"hello": "world"})
    assert answer.headers == {"content-type": "application/json", "content-length": "17"}


async def test_a_view_that_is_not_async_runs_in_a_thread(client: Connect) -> None:
    answer = await client(Route("/<name>", "GET", plain)).get("/tom")
    assert answer.json["hello"] == "tom"
    assert answer.json["thread"].startswith("asgistar")


async def test_a_view_in_a_thread_sees_the_context_of_its_request(client: Connect) -> None:
    variable = contextvars.ContextVar("variable", default="nothing")

    def view() -> str:
        seen = variable.get()
        variable.set("changed")
        return seen

    variable.set("set")
    assert (await client(Route("/", "GET", view)).get("/")).json == "set"
    assert variable.get() == "set"


async def test_as_many_views_run_in_threads_at_a_time_as_are_allowed(client: Connect) -> None:
    together = threading.Barrier(3)

    def view() -> int:
        return together.wait(10)

    ask = client([Route("/", "GET", view)], threads=3)
    answers = await asyncio.gather(*(ask.get("/") for _ in range(3)))
    assert sorted(answer.json for answer in answers) == [0, 1, 2]


async def test_a_stop_iteration_in_a_thread_is_an_error_like_another(client: Connect) -> None:
    def view() -> str:
        return next(iter(()))

    assert (await client(Route("/", "GET", view)).get("/")).status == 500


async def test_views_stay_callable() -> None:
    assert await hello() == {"hello": "world"}
    assert plain("tom")["hello"] == "tom"


async def test_an_object_and_a_method_can_be_views(client: Connect) -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0

        async def __call__(self) -> int:
            self.count += 1
            return self.count

        async def add(self, number: int) -> int:
            self.count += number
            return self.count

    counter = Counter()
    ask = client(Route("/", "GET", counter), Route("/<number>", "POST", counter.add))
    assert (await ask.get("/")).json == 1
    assert (await ask.post("/7")).json == 8


# --- methods ----------------------------------------------------------------------------------------------


@pytest.fixture
def notes(client: Connect) -> Client:
    async def detail(id: int) -> dict[str, int]:
        return {"id": id}

    async def remove(id: int) -> None: ...

    return client(
        Route("/", "GET", hello),
        Route("/<int:id>/", {"GET": detail, "DELETE": remove}),
        Route("/<int:id>/", "PUT", detail),
        Route("/options", "OPTIONS", hello),
        Route("/head", {"GET": hello, "HEAD": remove}, defaults={"id": 1}),
    )


async def test_head_is_get_without_the_body(notes: Client) -> None:
    for path in ("/", "/7/"):
        get, head = await notes.get(path), await notes("HEAD", path)
        assert (head.status, head.headers, head.body) == (200, get.headers, b"")


async def test_a_view_of_its_own_may_answer_head(notes: Client) -> None:
    assert (await notes("HEAD", "/head")).status == 204
    assert (await notes("GET", "/head")).status == 200


async def test_options_tells_the_methods_of_all_routes_of_the_path(notes: Client) -> None:
    answer = await notes("OPTIONS", "/7/")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers == {"allow": "DELETE, GET, HEAD, OPTIONS, PUT"}
    assert (await notes("OPTIONS", "/")).headers == {"allow": "GET, HEAD, OPTIONS"}
    assert (await notes("OPTIONS", "/nothing")).status == 404
    assert (await notes("OPTIONS", "/options")).json == {"hello": "world"}


async def test_a_method_that_there_is_not_is_405_with_those_that_there_are(notes: Client) -> None:
    answer = await notes("PATCH", "/7/")
    assert answer.status == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert answer.json == {
        "title": "Method Not Allowed",
        "status": 405,
        "detail": "There is DELETE, GET, HEAD, OPTIONS, PUT here, but no PATCH.",
    }
    assert (await notes("POST", "/")).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await notes("POST", "/x/")).status == 404


# --- errors -----------------------------------------------------------------------------------------------


async def test_what_there_is_not_is_404(notes: Client) -> None:
    answer = await notes.get("/nothing")
    assert (answer.status, answer.json) == (404, {"title": "Not Found", "status": 404})
    assert answer.headers["content-type"] == "application/problem+json"


class Teapot(Problem):
    status = 418
    type = "https://example.com/teapot"
    title = "Tea only"


class Unsendable(Problem):
    status = 409


@pytest.mark.parametrize(
    ("problem", "status", "headers", "document"),
    [
        (BadRequest("What?"), 400, {}, {"title": "Bad Request", "detail": "What?"}),
        (Unauthorized(), 401, {"www-authenticate": "Bearer"}, {"title": "Unauthorized"}),
        (Unauthorized(challenge='Basic realm="x"'), 401, {"www-authenticate": 'Basic realm="x"'}, {}),
        (Forbidden(), 403, {}, {"title": "Forbidden"}),
        (NotFound("No note 7"), 404, {}, {"detail": "No note 7"}),
        (MethodNotAllowed(allowed=["GET"]), 405, {"allow": "GET"}, {}),
        (NotAcceptable(), 406, {}, {}),
        (Conflict("Taken", code="taken", by=7), 409, {}, {"detail": "Taken", "code": "taken", "by": 7}),
        (Gone(), 410, {}, {}),
        (PreconditionFailed(), 412, {}, {}),
        (UnprocessableContent(), 422, {}, {"title": "Unprocessable Content"}),
        (TooManyRequests(), 429, {}, {"title": "Too Many Requests"}),
        (TooManyRequests(retry_after=30), 429, {"retry-after": "30"}, {}),
        (ServiceUnavailable(headers={"Retry-After": "5"}), 503, {"retry-after": "5"}, {}),
        (Teapot(), 418, {}, {"type": "https://example.com/teapot", "title": "Tea only"}),
    ],
)
@pytest.mark.parametrize("colour", ["async", "thread"])
async def test_a_problem_that_is_raised_is_the_answer(
    problem: Problem,
    status: int,
    headers: dict[str, str],
    document: dict[str, Any],
    colour: str,
    client: Connect,
) -> None:
    async def view() -> None:
        raise problem

    def in_thread() -> None:
        raise problem

    answer = await client(Route("/", "GET", view if colour == "async" else in_thread)).get("/")
    assert answer.status == status
    assert answer.headers.items() >= headers.items()
    assert answer.json["status"] == status
    assert answer.json.items() >= document.items()


async def test_an_unexpected_exception_is_500_and_nothing_of_it_is_told(
    client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def view(x: int) -> None:
        raise RuntimeError("the password is 1234")

    with caplog.at_level(logging.ERROR, "asgistar"):
        answer = await client(Route("/<x>", "GET", view)).get("/7")
    assert answer.status == 500
    assert answer.json == {"title": "Internal Server Error", "status": 500}
    (record,) = caplog.records
    assert record.getMessage() == "GET '/7' failed"
    assert record.exc_info is not None
    # The traceback shows the lines of the plan.
    assert "result = await view(x=values[0])" in caplog.text
    assert "the password is 1234" in caplog.text


async def test_a_problem_with_a_member_that_cannot_be_sent_is_500(
    client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def view() -> None:
        raise Conflict(member=object())

    answer = await client(Route("/", "GET", view)).get("/")
    assert (answer.status, answer.json["title"]) == (500, "Internal Server Error")
    assert "can't be sent" in caplog.text


async def test_a_cancelled_request_stays_cancelled(client: Connect) -> None:
    started = asyncio.Event()

    async def view() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(client(Route("/", "GET", view)).get("/"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_server_in_send_is_not_taken_for_one_of_the_view() -> None:
    async def send(message: Any) -> None:
        raise OSError("the client has gone")

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(OSError, match="the client has gone"):
        await App([Route("/", "GET", hello)])(scope, None, send)  # type: ignore[arg-type]


# --- paths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/p/a%2Fb", {"p": "a/b"}),  # decoded by the server: it is a slash like another
        ("/p/a//b", {"p": "a//b"}),
        ("/p/../x", {"p": "../x"}),
        ("/p/%C3%BC%00", {"p": "ü\0"}),
        ("/s/a%2Fb", None),
        ("/s//", None),
        ("/n/" + "9" * 5000, None),
        ("//p/x", None),
    ],
)
async def test_odd_paths_are_taken_as_the_server_decoded_them(
    target: str, expected: Any, client: Connect
) -> None:
    async def echo(p: str) -> dict[str, str]:
        return {"p": p}

    async def number(p: int) -> dict[str, int]:
        return {"p": p}

    ask = client(
        Route("/p/<path:p>", "GET", echo), Route("/s/<p>", "GET", echo), Route("/n/<p>", "GET", number)
    )
    answer = await ask.get(target)
    assert (answer.json if answer.status == 200 else None) == expected


async def test_undecodable_bytes_in_a_path_do_no_harm(client: Connect) -> None:
    async def echo(p: str) -> dict[str, str]:
        return {"p": p}

    answer = await client(Route("/<p>", "GET", echo)).get("/x", path="/\udcff")
    assert answer.status == 500


async def test_the_root_path_is_not_of_the_routes(client: Connect) -> None:
    ask = client(Route("/", "GET", hello), Route("/x", "GET", plain))
    for root in ("", "/api", "/api/v1"):
        assert (await ask.get(root + "/", root_path=root)).status == 200
        assert (await ask.get(root + "/x", root_path=root)).status == 200
    assert (await ask.get("/api", root_path="/api")).status == 200
    # Some servers give the path without it.
    assert (await ask.get("/x", root_path="/api")).status == 200
    assert (await ask.get("/apix", root_path="/api")).status == 404


async def test_slashes_are_strict_unless_the_client_is_to_be_sent_on(client: Connect) -> None:
    routes = [
        Route("/notes/", {"GET": hello, "POST": hello}),
        Route("/<_x>/y", "GET", plain),
    ]
    assert (await client(routes).get("/notes")).status == 404
    ask = client(routes, slashes="redirect")
    answer = await ask.get("/notes?a=%20b")
    assert (answer.status, answer.headers) == (308, {"location": "./notes/?a=%20b", "content-length": "0"})
    assert (await ask.post("/notes")).headers["location"] == "./notes/"
    assert (await ask.get("/x/y/")).headers["location"] == "../y"
    assert (await ask("PUT", "/notes")).status == 404
    assert (await ask("PUT", "/notes/")).status == 405
    assert (await ask.get("/other")).status == 404


async def test_a_redirect_is_quoted(client: Connect) -> None:
    async def echo(x: str) -> str:
        return x

    answer = await client([Route("/<x>/", "GET", echo)], slashes="redirect").get("/%C3%BC%0D%0Aa:b")
    assert answer.headers["location"] == "./%C3%BC%0D%0Aa:b/"


def test_slashes_are_one_or_the_other() -> None:
    with pytest.raises(ConfigurationError, match="slashes are 'strict' or 'redirect', not 'both'"):
        App([], slashes="both")  # type: ignore[arg-type]


async def test_a_host_has_routes_of_its_own(client: Connect) -> None:
    async def tenant_home(tenant: str) -> str:
        return tenant

    ask = client(Host("<tenant>.example.com", [Route("/", "GET", tenant_home)]), Route("/", "GET", hello))
    assert (await ask.get("/", headers={"Host": "acme.example.com"})).json == "acme"
    assert (await ask.get("/", headers={"Accept": "*/*", "Host": "example.com"})).json == {"hello": "world"}
    assert (await ask.get("/")).json == {"hello": "world"}


def test_addresses_are_made_of_names() -> None:
    async def detail(id: int) -> None: ...

    app = App([Include("/notes", [Route("/<int:id>/", "GET", detail, name="detail")], name="notes")])
    assert (
        app.url_for("notes:detail", id=7, _query={"lang": "en"}, _fragment="top") == "/notes/7/?lang=en#top"
    )
    assert app.url_for(detail, id=7, _root_path="/api") == "/api/notes/7/"


# --- mounts -----------------------------------------------------------------------------------------------


async def echo_scope(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan here")
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    if scope["path"].endswith("fail"):
        raise NotFound("of the mounted application")
    body = json.dumps({key: scope[key] for key in ("path", "root_path", "path_params")}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    ("target", "root", "root_path", "params"),
    [
        ("/m", "", "/m", {}),
        ("/m/", "", "/m", {}),
        ("/m/a/b", "", "/m", {}),
        ("/t/acme/x", "", "/t/acme", {"tenant": "acme"}),
        ("/api/t/acme/x", "/api", "/api/t/acme", {"tenant": "acme"}),
        ("/other", "", "", {}),
    ],
)
async def test_a_mounted_application_is_told_where_it_is(
    target: str, root: str, root_path: str, params: dict[str, str], client: Connect
) -> None:
    ask = client(Mount("/m", echo_scope), Mount("/t/<tenant>", echo_scope), Mount("", echo_scope))
    answer = await ask("PATCH", target, root_path=root)
    assert answer.json == {"path": target, "root_path": root_path, "path_params": params}


async def test_an_application_can_be_mounted_in_one_that_is_mounted(client: Connect) -> None:
    async def show(number: int) -> int:
        return number

    inner = App([Route("/n/<number>", "GET", show)])
    outer = App([Mount("/inner", inner)])
    assert (await client(Mount("/outer", outer)).get("/outer/inner/n/7")).json == 7


async def test_an_error_of_a_mounted_application_is_its_own(client: Connect) -> None:
    with pytest.raises(NotFound):
        await client(Mount("/m", echo_scope)).get("/m/fail")


async def websocket(app: App, path: str) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "websocket", "path": path, "headers": []}, receive, send)
    return sent


async def test_a_websocket_is_for_what_is_mounted_there_or_refused() -> None:
    app = App(
        [Route("/x", "GET", hello), Mount("/m", echo_scope), Host("a.example", [Route("/y", "GET", hello)])]
    )
    assert await websocket(app, "/m/x") == [{"type": "websocket.accept"}]
    assert await websocket(app, "/x") == [{"type": "websocket.close", "code": 1000}]


async def test_a_scope_of_another_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="no scope of the type 'smtp'"):
        await App([])({"type": "smtp"}, None, None)  # type: ignore[arg-type]


# --- lifespan ---------------------------------------------------------------------------------------------


class Living:
    """An application that notes its lifespan."""

    def __init__(self, name: str, log: list[str], fails: str = "") -> None:
        self.name, self.log, self.fails = name, log, fails

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"][self.name] = True
        if self.fails == "start":
            await send({"type": "lifespan.startup.failed", "message": f"{self.name} can't"})
            return
        self.log.append(f"{self.name} starts")
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        self.log.append(f"{self.name} stops")
        if self.fails == "stop":
            raise RuntimeError(self.name)
        await send({"type": "lifespan.shutdown.complete"})


async def lifespan(app: App, state: dict[str, Any]) -> list[Any]:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "lifespan", "asgi": {}, "state": state}, receive, send)
    return sent


COMPLETE = [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


async def test_mounted_applications_live_as_long_as_the_application() -> None:
    log: list[str] = []
    state: dict[str, Any] = {}
    a, b = Living("a", log), Living("b", log, fails="stop")
    app = App([Mount("/a", a), Mount("/b", b), Mount("/c", echo_scope), Mount("/again", a)])
    assert await lifespan(app, state) == COMPLETE
    assert log == ["a starts", "b starts", "b stops", "a stops"]
    assert state == {"a": True, "b": True}


async def test_if_one_cannot_start_those_that_have_are_stopped() -> None:
    log: list[str] = []
    app = App(
        [Mount("/a", Living("a", log)), Mount("/b", Living("b", log, "start")), Mount("/c", Living("c", log))]
    )
    assert await lifespan(app, {}) == [{"type": "lifespan.startup.failed", "message": "b can't"}]
    assert log == ["a starts", "a stops"]


async def test_if_those_cannot_stop_either_the_start_has_failed_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def stubborn(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "a can't stop"})

    app = App([Mount("/a", stubborn), Mount("/b", Living("b", [], "start"))])
    assert await lifespan(app, {}) == [{"type": "lifespan.startup.failed", "message": "b can't"}]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a can't stop"]


async def test_one_that_says_only_that_it_has_failed_is_named() -> None:
    async def terse(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})

    (failed,) = await lifespan(App([Mount("/a", terse)]), {})
    assert "Mount('/a') at framework/tests/test_app.py:" in failed["message"]
    assert failed["message"].endswith(
        " answered lifespan.startup with lifespan.startup.failed, and says no more."
    )


@pytest.mark.parametrize("seconds", [None, "x", 0, -1, float("inf"), float("nan")])
def test_the_time_that_one_may_take_is_a_number_of_seconds(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Mount\('/a'\) at .*lifespan_timeout is .*above 0\."):
        App([Mount("/a", echo_scope, lifespan_timeout=seconds)])


async def test_a_setting_that_is_missing_is_told_to_the_server_alone_and_an_error_has_its_traceback_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Env(Environment, prefix="NOBODY_SETS_"):
        this: int

    @component(scope="app")
    def broken() -> Living:
        raise OSError("no route to the host")

    for provided, traceback in [(Env, False), (broken, True)]:
        caplog.clear()
        (failed,) = await lifespan(App([], components=[provided]), {})
        assert failed["type"] == "lifespan.startup.failed"
        assert ("NOBODY_SETS_THIS is missing" in failed["message"]) is not traceback
        assert [bool(record.exc_info) for record in caplog.records] == ([True] if traceback else [])


class Silent:
    """An application that doesn't say what it ought to."""

    def __init__(self, answers: int = 0) -> None:
        self.answers = answers
        self.cancelled = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.answers:
            await send({"type": "lifespan.startup.complete"})
        if self.answers > 1:
            await send({"type": "lifespan.shutdown.complete"})
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True


async def test_one_that_says_nothing_holds_nobody_up() -> None:
    log: list[str] = []
    silent = Silent()
    app = App([Mount("/a", Living("a", log)), Mount("/b", silent, lifespan_timeout=0.01)])
    (failed,) = await lifespan(app, {})
    assert failed["type"] == "lifespan.startup.failed"
    assert "Mount('/b') at framework/tests/test_app.py:" in failed["message"]
    assert "hasn't answered lifespan.startup for 0.01 seconds" in failed["message"]
    assert log == ["a starts", "a stops"]
    assert silent.cancelled


async def test_one_that_says_nothing_is_cancelled_at_once_and_has_a_second_to_clean_up() -> None:
    seconds = 0.5
    cancelled = 0.0
    clean = False

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        nonlocal cancelled, clean
        try:
            await asyncio.Event().wait()
        finally:
            cancelled = asyncio.get_running_loop().time()
            await asyncio.to_thread(threading.Event().wait, 0.2)
            clean = True

    for timeout in (seconds, 0.01):
        clean = False
        begun = asyncio.get_running_loop().time()
        await lifespan(App([Mount("/a", silent, lifespan_timeout=timeout)]), {})
        assert timeout <= cancelled - begun < timeout + seconds * 0.9
        assert clean


@pytest.mark.parametrize(("answers", "last"), [(1, "failed"), (2, "complete")])
async def test_one_that_does_not_end_is_cancelled(answers: int, last: str) -> None:
    log: list[str] = []
    silent = Silent(answers)
    app = App([Mount("/a", Living("a", log)), Mount("/b", silent, lifespan_timeout=0.01)])
    assert [each["type"] for each in await lifespan(app, {})] == [
        "lifespan.startup.complete",
        f"lifespan.shutdown.{last}",
    ]
    assert log == ["a starts", "a stops"]
    assert silent.cancelled


async def test_threads_end_with_the_application() -> None:
    app = App([Route("/", "GET", plain)])

    assert await lifespan(app, {}) == COMPLETE
    started = asyncio.Event()
    stop = asyncio.Event()

    async def receive() -> Any:
        if not started.is_set():
            return {"type": "lifespan.startup"}
        await stop.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Any) -> None:
        started.set()

    task = asyncio.ensure_future(app({"type": "lifespan"}, receive, send))
    await started.wait()
    before = set(threading.enumerate())
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await app(scope, None, send)  # type: ignore[arg-type]
    (ours,) = set(threading.enumerate()) - before
    stop.set()
    await task
    assert not ours.is_alive()


async def test_a_problem_out_of_a_task_group_is_the_answer(client: Connect) -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def view(twice: bool = False) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(NotFound("There is none.")))
            if twice:
                group.create_task(fail(LookupError()))

    ask = client(Route("/", "GET", view))
    assert (await ask.get("/")).json["detail"] == "There is none."
    assert (await ask.get("/?twice=true")).status == 500


async def test_a_client_that_leaves_while_a_task_group_reads_is_no_error(
    client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def view(request: Request) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(request.body())

    answer = await client(Route("/", "POST", view))("POST", "/", body=[b"x", None])
    assert answer.status == 0
    assert caplog.records == []
