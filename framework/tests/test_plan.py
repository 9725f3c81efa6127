"""The source that is run for a view: what it says, and what it costs."""

from __future__ import annotations

import asyncio
import gc
import linecache
import subprocess
import sys
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from asgistar import App, Created, Header, In, Include, Meta, Route, Struct
from asgistar.views.asking import Asking

if TYPE_CHECKING:
    from framework.tests.conftest import Client, Connect


class Note(Struct):
    title: str
    done: bool = False


async def constant() -> dict[str, str]:
    return {"hello": "world"}


async def archive(year: int, q: str = "", page: int = 1) -> list[Note]:
    return [Note(q, page > 1)]


async def create(note: Note) -> Created[Note]:
    return note


def everything(
    id: Annotated[int, Meta(ge=1)], where: Note, x_id: Header[str], n: int = 1, more: bool = False
) -> None: ...


def source(*routes: Any) -> str:
    (endpoint,) = App(routes).router.endpoints
    (plan,) = endpoint.handlers.values()
    text: str = plan.source.text
    return text


def test_a_view_that_asks_for_nothing_is_only_called() -> None:
    assert source(Route("/", "GET", constant)) == (
        "async def plan_of_constant(scope, receive, send, values):\n"
        "    result = await view()\n"
        "    if type(result) not in KINDS:\n"
        "        return reply(result)\n"
        "    try:\n"
        "        content = encode(result)\n"
        "    except (TypeError, ValueError):\n"
        "        return reply(result)\n"
        '    return 200, [JSON, (b"content-length", b"%d" % len(content))], content\n'
    )


def test_path_and_query() -> None:
    assert source(Route("/<year>/", "GET", archive)) == (
        "async def plan_of_archive(scope, receive, send, values):\n"
        '    text = scope["query_string"]\n'
        "    in_query = read_query(text, WANTED_QUERY) if text else {}\n"
        "    try:\n"
        "        query = convert(in_query, Query, strict=False)\n"
        "    except INVALID as error:\n"
        "        raise explain(error, query=in_query) from None\n"
        "    result = await view(year=values[0], q=query.q, page=query.page)\n"
        "    if not is_declared(result):\n"
        "        return reply(result)\n"
        "    content = encode(result)\n"
        '    return 200, [JSON, (b"content-length", b"%d" % len(content))], content\n'
    )


def test_a_body() -> None:
    assert source(Route("/", "POST", create, body_limit=1000)) == (
        "async def plan_of_create(scope, receive, send, values):\n"
        "    content = await read_json(scope, receive, 1000, True)\n"
        "    try:\n"
        "        body = decode(content)\n"
        "    except INVALID as error:\n"
        "        raise explain(error, body=content) from None\n"
        "    result = await view(note=body)\n"
        "    if not is_declared(result):\n"
        "        return reply(result)\n"
        "    content = encode(result)\n"
        '    return 201, [JSON, (b"content-length", b"%d" % len(content))], content\n'
    )


def test_everything_there_is() -> None:
    assert source(Include("/<tenant>", [Route("/<id>", "GET", everything, defaults={"more": True})])) == (
        "async def plan_of_everything(scope, receive, send, values):\n"
        "    in_path = {'id': values[1]}\n"
        '    text = scope["query_string"]\n'
        "    in_query = read_query(text, WANTED_QUERY) if text else {}\n"
        '    in_header = read_header(scope["headers"], WANTED_HEADER)\n'
        "    try:\n"
        "        path = convert(in_path, Path, strict=False)\n"
        "        query = convert(in_query, Query, strict=False)\n"
        "        where_ = convert(in_query, Type_where, strict=False)\n"
        "        header = convert(in_header, Header, strict=False)\n"
        "    except INVALID as error:\n"
        "        raise explain(error, path=in_path, query=in_query, header=in_header) from None\n"
        "    result = await in_thread(view, id=path.id, where=where_, x_id=header.x_id, n=query.n, "
        "more=default_more)\n"
        "    if result is not None:\n"
        "        return reply(result)\n"
        '    return 204, [], b""\n'
    )


def test_a_view_without_a_name_has_a_plan_too() -> None:
    assert source(Route("/", "GET", lambda: 1)).startswith("async def plan(scope, receive, send, values):\n")


# --- when it is written -----------------------------------------------------------------------------------


def files_of_plans() -> set[str]:
    return {file for file in linecache.cache if file.startswith("<asgistar ")}


async def test_it_is_written_and_compiled_when_its_first_request_comes(client: Connect) -> None:
    before = files_of_plans()
    ask = client(Route("/one/<int:id>", "GET", lambda id: id), Route("/other/<int:id>", "GET", lambda id: id))
    assert files_of_plans() == before
    assert (await ask.get("/one/7")).json == 7
    (file,) = files_of_plans() - before
    assert file.endswith(": GET /one/<int:id>>")


async def test_first_requests_in_several_threads_at_once_have_one_plan() -> None:
    views = [Route(f"/{number}/<int:id>", "GET", archive_of) for number in range(30)]
    plans = [endpoint.handlers["GET"] for endpoint in App(views).router.endpoints]
    at_once = Barrier(6)
    written: list[Any] = []
    errors: list[BaseException] = []

    def first_requests() -> None:
        try:
            for plan in plans:
                at_once.wait(10)
                reply = asyncio.run(plan.run({"query_string": b"page=3"}, None, None, (2026,)))
                assert reply[2] == b"[2026,3]"
                written.append(plan.source)
        except BaseException as error:
            at_once.abort()
            errors.append(error)

    threads = [Thread(target=first_requests) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert not hasattr(plans[0], "ran")
    assert set(map(id, written)) == {id(plan.source) for plan in plans}


async def test_lines_of_a_function_stay_when_another_of_the_same_source_ends(client: Connect) -> None:
    (plan,) = App([Route("/<int:id>", "GET", archive_of)]).router.endpoints[0].handlers.values()
    kept, other = plan.source.compiled(), plan.source.compiled()
    del other
    gc.collect()
    assert linecache.getline(kept.__code__.co_filename, 1).startswith("async def plan_of_archive_of(")


def test_what_was_missing_while_a_plan_was_written_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    (plan,) = App([Route("/<int:id>", "GET", archive_of)]).router.endpoints[0].handlers.values()

    def failing(*given: Any) -> None:
        raise AttributeError("nothing of that name")

    monkeypatch.setattr(Asking, "write", failing)
    with pytest.raises(AttributeError, match="nothing of that name"):
        plan.run  # noqa: B018


def test_views_are_written_with_assertions_switched_off() -> None:
    lines = [
        "from asgistar import App, Route",
        "from asgistar.testing import TestClient",
        "async def view(id: int, page: int = 1) -> list[int]: return [id, page]",
        "with TestClient(App([Route('/<int:id>', 'GET', view)])) as client:",
        "    print(client.get('/7?page=3').json())",
    ]
    ran = subprocess.run([sys.executable, "-O", "-c", "\n".join(lines)], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("[7, 3]\n", "")


async def archive_of(id: int, page: int = 1) -> list[int]:
    return [id, page]


def twice(
    a: Annotated[int, Meta(ge=1), In("path", "id")], b: Annotated[int, Meta(ge=2), In("path", "id")]
) -> int:
    return a + b


def test_what_could_be_refused_while_it_is_written_is_written_at_the_start() -> None:
    with pytest.raises(ValueError, match="Multiple fields rename to the same name"):
        App([Route("/<int:id>", "GET", twice)])


# --- what it costs ----------------------------------------------------------------------------------------


@pytest.fixture
def ask(client: Connect) -> Client:
    return client(
        Route("/", "GET", constant),
        Include("/notes", [Route("/<int:year>/", "GET", archive), Route("/", "POST", create)]),
        *(Route(f"/other{number}/<int:id>", "GET", lambda id: id) for number in range(100)),
    )


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "budget"),
    [
        ("GET", "/", b"", b"", 6),
        ("GET", "/notes/2026/", b"q=some+words&page=3", b"", 14),
        ("POST", "/notes/", b"", b'{"title": "a"}', 11),
        ("POST", "/notes/", b"", b'{"title": 1.25}', 27),  # all errors are told
    ],
)
async def test_a_request_takes_no_more_python_calls_than_its_budget(
    method: str, path: str, query: bytes, body: bytes, budget: int, ask: Client
) -> None:
    """A call is one of a Python function, or a coroutine that goes on; the view's are among them."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": query,
        "headers": [(b"host", b"x"), (b"content-type", b"application/json"), (b"content-length", b"14")],
    }
    statuses = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    calls: list[str] = []

    def note_calls(frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            calls.append(frame.f_code.co_name)

    await ask.app(scope, receive, send)
    sys.setprofile(note_calls)
    try:
        await ask.app(scope, receive, send)
    finally:
        sys.setprofile(None)
    assert statuses[0] in (200, 201, 422)
    assert len(calls) <= budget, calls


def test_a_route_starts_with_no_more_python_calls_than_its_budget() -> None:
    """What runs for it is written later. The annotations here are texts; those that aren't take fewer."""

    def calls(number: int) -> int:
        made = 0

        def note_calls(frame: Any, event: str, argument: Any) -> None:
            nonlocal made
            made += event == "call"

        sys.setprofile(note_calls)
        try:
            App([Route(f"/things{each}/<int:year>", "GET", archive) for each in range(number)])
        finally:
            sys.setprofile(None)
        return made

    calls(1)  # what is found out of types is kept
    assert (calls(101) - calls(1)) / 100 <= 210
