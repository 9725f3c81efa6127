"""Debug mode: what a browser and a client are told of an error that nobody handled, and nobody else is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from asgistar import App, NotFound, Problem, Route, WebSocketRoute, component, debug
from asgistar.testing import TestClient
from asgistar.websocket import WebSocket

if TYPE_CHECKING:
    from framework.tests.conftest import Answer, Connect

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "user-agent": "<b>Browser</b>"}


async def broken(q: str = "") -> None:
    try:
        dict[str, int]()["a"]
    except KeyError as error:
        raise ValueError(f"<script>{q}</script> is wrong") from error


async def while_handling() -> None:
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second")  # noqa: B904


async def missing() -> None:
    raise NotFound


def deep(number: int) -> None:
    if number == 0:
        raise RecursionError("deep enough")
    deep(number - 1)


async def quiet() -> None:
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second") from None


async def chained() -> None:
    error: Exception = ValueError("the last")
    for number in range(50):
        outer = ValueError(f"number {number}")
        outer.__cause__ = error
        error = outer
    raise error


ROUTES = [
    Route("/broken", "GET", broken),
    Route("/missing", "GET", missing),
    Route("/deep/<int:number>", "GET", deep),
    Route("/handling", "GET", while_handling),
    Route("/quiet", "GET", quiet),
    Route("/chained", "GET", chained),
]


class Page(HTMLParser):
    """Reads a page: its tags must be closed in their order; what it says is its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.open: list[str] = []
        self.sources: list[list[str]] = []
        self.here: list[str] = []
        self._in_here = False
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        if tag != "meta":
            self.open.append(tag)
        self._in_here = self._in_here or (tag == "li" and ("class", "here") in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "li":
            self._in_here = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_here:
            self.here.append(data)


async def page(client: Connect, target: str, **headers: str) -> tuple[Answer, Page]:
    answer = await client(ROUTES, debug=True).get(target, headers={**BROWSER, **headers})
    return answer, Page(answer.body.decode())


async def test_a_browser_is_shown_where_it_happened(client: Connect) -> None:
    answer, shown = await page(client, "/broken?q=x")
    assert answer.status == 500
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    for text in ("ValueError", "<script>x</script> is wrong", "GET", "test_debug.py:", "KeyError: 'a'"):
        assert text in shown.text
    assert "It was raised because of this one:" in shown.text
    assert any('raise ValueError(f"<script>' in line for line in shown.here)
    assert any('dict[str, int]()["a"]' in line for line in shown.here)


async def test_the_plan_of_the_view_is_shown_in_full(client: Connect) -> None:
    _, shown = await page(client, "/broken")
    assert "the plan of GET /broken" in shown.text
    assert "async def plan_of_broken(scope, receive, send, values):" in shown.text
    assert any("await view(q=query.q)" in line for line in shown.here)


async def test_the_request_is_shown_but_no_secrets(client: Connect) -> None:
    secrets = {
        "authorization": "Bearer hunter2",
        "cookie": "session=hunter2",
        "x-api-key": "hunter2",
        "x-csrf-token": "hunter2",
        "referer": "http://localhost/?token=hunter2",
    }
    _, shown = await page(client, "/broken?q=1%202&password=hunter2&access_token=hunter2", **secrets)
    assert "<b>Browser</b>" in shown.text
    assert "1 2" in shown.text
    assert "127.0.0.1:1234" in shown.text
    assert "x-api-key" in shown.text
    assert "hunter2" not in shown.text
    _, unknown = await page(client, "/broken")
    assert "hunter2" not in unknown.text


async def test_a_client_that_is_not_known_is_told_to_be_unknown(client: Connect) -> None:
    answer = await client(ROUTES, debug=True).get("/broken", headers=BROWSER, client=None)
    assert "unknown" in Page(answer.body.decode()).text


async def test_nothing_on_the_page_can_be_loaded_or_run(client: Connect) -> None:
    answer, _ = await page(client, "/broken")
    body = answer.body.decode()
    (style,) = re.findall("<style>(.*?)</style>", body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert not re.search(r"<script|src=|href=|style=|\son\w+=", body)


async def test_long_and_chained_errors_are_cut(client: Connect) -> None:
    _, deep_one = await page(client, "/deep/500")
    assert len(deep_one.here) <= 60
    _, chain = await page(client, "/chained")
    assert chain.text.count("It was raised because of this one:") == 9


async def test_errors_that_came_of_others_are_shown_with_them(client: Connect) -> None:
    _, both = await page(client, "/handling")
    assert "It was raised while this one was handled:" in both.text
    _, one = await page(client, "/quiet")
    assert "KeyError" not in one.text.partition("As text")[2]


async def test_a_client_that_is_not_a_browser_is_told_as_a_problem(client: Connect) -> None:
    answer = await client(ROUTES, debug=True).get("/broken?q=x")
    assert answer.status == 500
    assert answer.json["title"] == "Internal Server Error"
    assert answer.json["detail"] == "ValueError: <script>x</script> is wrong"
    assert "test_debug.py" in "".join(answer.json["traceback"])


async def test_problems_are_what_they_are(client: Connect) -> None:
    answer = await client(ROUTES, debug=True).get("/missing", headers=BROWSER)
    assert answer.json == {"title": "Not Found", "status": 404}


async def test_without_debug_mode_nobody_is_told_anything(client: Connect) -> None:
    for headers in (BROWSER, {}):
        answer = await client(ROUTES).get("/broken?q=x", headers=headers)
        assert answer.json == {"title": "Internal Server Error", "status": 500}


async def test_a_head_request_has_the_head_of_the_page(client: Connect) -> None:
    answer = await client(ROUTES, debug=True)("HEAD", "/broken", headers=BROWSER)
    assert (answer.status, answer.body) == (500, b"")


async def test_the_renderer_of_the_application_tells_clients(client: Connect) -> None:
    class Short:
        media_type = "application/json"

        def render(self, problem: Problem) -> bytes:
            return b'"%s"' % problem.detail.encode()

        def schema(self, problem: type[Problem]) -> dict[str, Any]:
            return {}

    answer = await client(ROUTES, debug=True, errors=Short()).get("/quiet")
    assert answer.json == "ValueError: second"


async def test_a_handshake_is_told_as_a_problem() -> None:
    async def talks(socket: WebSocket[str, str]) -> None:
        raise ZeroDivisionError

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "websocket",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "extensions": {"websocket.http.response": {}},
    }
    await App([WebSocketRoute("/", talks)], debug=True)(scope, receive, send)
    assert sent[0]["status"] == 500
    assert b"ZeroDivisionError" in sent[1]["body"]


@pytest.mark.parametrize("debug", [True, False])
async def test_every_error_is_logged(debug: bool, client: Connect, caplog: pytest.LogCaptureFixture) -> None:
    await client(ROUTES, debug=debug).get("/quiet", headers=BROWSER)
    assert "GET '/quiet' failed" in caplog.text
    assert "ValueError: second" in caplog.text


# --- the loop ---------------------------------------------------------------------------------------------


class Told(logging.Handler):
    """Lets go who holds the loop, once that has been told of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []
        self.free = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self.free.set()


@pytest.fixture
def told() -> Iterator[Told]:
    handler = Told()
    logger = logging.getLogger("asgistar")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


class Session: ...


class Slow:
    def __init__(self, told: Told) -> None:
        self.told = told

    def on_request(self) -> None:
        assert self.told.free.wait(10)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/view", "test_what_holds_the_loop_is_told_of.view"),
        ("/inner", "test_what_holds_the_loop_is_told_of.inner"),
        ("/component", "test_what_holds_the_loop_is_told_of.session"),
        ("/hook", "Slow.on_request"),
    ],
)
def test_what_holds_the_loop_is_told_of(path: str, name: str, told: Told) -> None:
    def wait() -> None:
        assert told.free.wait(10)

    async def view() -> None:
        wait()

    async def inner() -> None:
        await asyncio.sleep(0)
        await view()

    @component
    def session() -> Iterator[Session]:
        wait()
        yield Session()

    async def quick(session: Session) -> None: ...

    async def nothing() -> None: ...

    app = App(
        [
            Route("/view", "GET", view),
            Route("/inner", "GET", inner),
            Route("/component", "GET", quick),
            Route("/hook", "GET", nothing, hooks=[Slow(told)]),
        ],
        components=[session],
        debug=True,
    )
    with TestClient(app) as client:
        client.get(path)
    (message,) = told.messages
    assert message.startswith(f"{name}() at framework/tests/test_debug.py:")
    assert f"for GET {path}, holds the event loop" in message
    assert message.count("framework/tests/test_debug.py:") == 2


def test_what_waits_in_a_thread_or_with_await_holds_nobody(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debug, "HELD", 0.05)
    turns = 0

    async def waits() -> None:
        nonlocal turns
        while turns < 15:
            turns += 1
            await asyncio.sleep(0.01)

    def in_thread() -> None:
        asyncio.run(waits())

    app = App([Route("/await", "GET", waits), Route("/thread", "GET", in_thread)], debug=True)
    with TestClient(app) as client:
        client.get("/thread")
        turns = 0
        client.get("/await")
    assert told.messages == []


def test_what_is_not_of_the_application_is_not_told_of(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug, "HELD", 0.02)

    async def view() -> None:
        asyncio.get_running_loop().call_soon(told.free.wait, 0.2)

    with TestClient(App([Route("/", "GET", view)], debug=True)) as client:
        client.get("/")
        client.get("/")
    assert told.messages == []


def test_who_runs_the_loop_does_not_hold_it(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug, "HELD", 0.02)

    async def main() -> None:
        watch = debug.Watch()
        await watch.start()
        asyncio.get_running_loop().call_soon(told.free.wait, 0.2)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await watch.stop()

    asyncio.run(main())
    assert told.messages == []


def test_who_stops_the_watch_does_not_hold_the_loop(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug, "HELD", 0.05)

    async def main() -> None:
        looked = threading.Event()
        loop = asyncio.get_running_loop()
        call = loop.call_soon_threadsafe

        def noted(*given: Any) -> Any:
            looked.set()
            return call(*given)

        monkeypatch.setattr(loop, "call_soon_threadsafe", noted)
        watch = debug.Watch()
        await watch.start()
        assert looked.wait(10)  # it waits for the loop to turn
        await watch.stop()

    asyncio.run(main())
    assert told.messages == []


def test_who_watches_a_loop_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug, "HELD", 0.01)
    before = set(threading.enumerate())
    asyncio.run(debug.Watch().start())
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
