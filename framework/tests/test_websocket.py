"""Views for WebSockets, on a server: typed messages, parameters and components, every way that it can end."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import asgiworker
from asgistar import (
    App,
    Body,
    ConfigurationError,
    Cookie,
    Forbidden,
    Header,
    Include,
    Meta,
    Problem,
    Route,
    ServiceUnavailable,
    Struct,
    WebSocketRoute,
    component,
)
from asgistar.http import Headers, Request
from asgistar.websocket import Disconnected, WebSocket

if TYPE_CHECKING:
    from collections.abc import Callable

LOG: list[Any] = []
ENDED = asyncio.Event()


@pytest.fixture(autouse=True)
def _begin_anew() -> None:
    global ENDED
    LOG.clear()
    ENDED = asyncio.Event()  # one belongs to one loop


class Said(Struct):
    text: Annotated[str, Meta(min_length=1)]


class Heard(Struct):
    by: str
    text: str


class Secret(Heard):
    password: str = "hunter2"


async def chat(socket: WebSocket[Said, Heard], room: str, number: int = 0) -> None:
    async for message in socket:
        await socket.send(Secret(f"{room} {number}", message.text))
    LOG.append("over")
    ENDED.set()


async def raw(socket: WebSocket) -> None:  # type: ignore[type-arg]
    async for message in socket:
        await socket.send(message)


async def texts(socket: WebSocket[str, str]) -> None:
    async for message in socket:
        await socket.send(message.upper())


async def binary(socket: WebSocket[bytes, bytes]) -> None:
    async for message in socket:
        await socket.send(message[::-1])


async def told(
    socket: WebSocket[None, dict[str, Any]],
    request: Request,
    headers: Headers,
    id: Annotated[int, Meta(ge=1)],
    x_a: Header[str] = "",
    session: Cookie[str] = "",
    tag: list[str] | None = None,
) -> None:
    values = [id, x_a, session, tag, headers["x-a"], request.path_params["id"], request.method]
    await socket.send({"values": values, "url": str(request.url)})


class Session:
    pass


@component
async def session() -> AsyncIterator[Session]:
    LOG.append("begin")
    try:
        yield Session()
    except BaseException as error:
        LOG.append(f"rollback for {type(error).__name__}")
        raise
    else:
        LOG.append("commit")
    finally:
        ENDED.set()


async def writes(socket: WebSocket[str, str], session: Session) -> None:
    async for message in socket:
        LOG.append(message)
        await socket.send(message)
        if message == "end":
            return
        if message == "forbid":
            raise Forbidden("Not this word")
        if message == "unavailable":
            raise ServiceUnavailable
        if message == "break":
            raise ZeroDivisionError


async def waits(socket: WebSocket[None, str], session: Session) -> None:
    await socket.send("begun")
    await asyncio.Event().wait()


async def receives(socket: WebSocket[str, str], session: Session) -> None:
    while True:
        await socket.send(await socket.receive())


async def subprotocols(socket: WebSocket[str, list[str | None]]) -> None:
    await socket.accept(socket.subprotocols[-1], {"X-Chosen": "yes"})
    await socket.accept()
    await socket.send([*socket.subprotocols, socket.subprotocol])


async def refuses(socket: WebSocket[str, str], how: str) -> None:
    if how == "problem":
        raise Forbidden("Members only", code="members")
    if how == "error":
        raise ZeroDivisionError
    if how == "close":
        await socket.close()
    if how == "subprotocol":
        await socket.accept("mqtt")


async def closes(socket: WebSocket[str, str], code: int = 1000, reason: str = "") -> None:
    await socket.accept()
    await socket.close(code, reason)
    await socket.close()
    LOG.append([message async for message in socket])
    try:
        await socket.send("too late")
    except Disconnected as error:
        LOG.append((error.code, error.reason))
    ENDED.set()


async def hears(socket: WebSocket[str, str]) -> None:
    try:
        await socket.receive()
    except Disconnected as error:
        LOG.append((error.code, error.reason))
        ENDED.set()


async def wrong(socket: WebSocket[str, str]) -> None:
    await socket.accept()
    await socket.send(7)  # type: ignore[arg-type]


async def page(room: str) -> str:
    return room


APP = App(
    [
        Include(
            "/chat",
            [WebSocketRoute("/<room>", chat), Route("/<room>", "GET", page)],
        ),
        *(
            WebSocketRoute(f"/{view.__name__}", view)
            for view in (raw, texts, binary, writes, waits, receives, subprotocols, closes, hears, wrong)
        ),
        WebSocketRoute("/told/<id>", told),
        WebSocketRoute("/refuses/<how>", refuses),
    ],
    components=[session],
)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with asgiworker.running(APP, graceful_timeout=1) as server:
        yield server.url.replace("http", "ws")


async def ended() -> None:
    await asyncio.wait_for(ENDED.wait(), 10)


async def closed(client: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as info:
        await asyncio.wait_for(client.recv(), 10)
    assert info.value.rcvd is not None
    return info.value.rcvd.code, info.value.rcvd.reason


# --- messages ---------------------------------------------------------------------------------------------


async def test_messages_have_types_and_views_have_parameters(url: str) -> None:
    async with connect(f"{url}/chat/tea%20room?number=7") as client:
        for text in ("a", "grüße"):
            await client.send(json.dumps({"text": text}))
            assert json.loads(await client.recv()) == {"by": "tea room 7", "text": text}
    await ended()
    assert LOG == ["over"]


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ('{"text": 7}', 1007, "text: Must be a string."),
        ('{"text": ""}', 1007, "text: Must have at least 1 character."),
        ("{}", 1007, "text: Is missing."),
        ("[]", 1007, "Must be an object."),
        ("not JSON", 1007, "The message is not JSON."),
        ("[" * 10_000, 1007, "The message is not JSON."),
        (b"{}", 1003, "Messages must be JSON, as text."),
    ],
)
async def test_a_message_of_another_type_closes_with_the_reason(
    message: str | bytes, code: int, reason: str, url: str
) -> None:
    async with connect(f"{url}/chat/a") as client:
        await client.send(message)
        assert await closed(client) == (code, reason)
    await ended()
    assert LOG == ["over"]


async def test_text_and_bytes_come_as_they_are(url: str) -> None:
    async with connect(f"{url}/raw") as client:
        for message in ("text", b"bytes", ""):
            await client.send(message)
            assert await client.recv() == message
    async with connect(f"{url}/texts") as client:
        await client.send("ä")
        assert await client.recv() == "Ä"
        await client.send(b"a")
        assert await closed(client) == (1003, "Messages must be text.")
    async with connect(f"{url}/binary") as client:
        await client.send(b"abc")
        assert await client.recv() == b"cba"
        await client.send("a")
        assert await closed(client) == (1003, "Messages must be binary.")


async def test_messages_may_be_models_of_pydantic() -> None:
    pydantic = pytest.importorskip("pydantic")
    Model: Any = pydantic.create_model("Model", number=(int, ...))  # noqa: N806

    async def doubles(socket: Any) -> None:
        async for message in socket:
            await socket.send(message.number * 2)

    doubles.__annotations__["socket"] = WebSocket[Model, int]
    app = App([WebSocketRoute("/", doubles)])
    texts = [{"type": "websocket.receive", "text": text} for text in ('{"number": 2}', '{"number": "x"}')]
    sent = await talk(app, "/", *texts)
    assert sent[1]["text"] == "4"
    assert (sent[2]["code"], sent[2]["reason"].partition(":")[0]) == (1007, "number")


async def test_what_a_view_sends_must_be_what_it_says(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with connect(f"{url}/wrong") as client:
        assert (await closed(client))[0] == 1011
    assert "sends str, not int" in caplog.text


# --- parameters -------------------------------------------------------------------------------------------


async def test_parameters_come_from_everywhere_but_a_body(url: str) -> None:
    headers = {"x-a": "b", "cookie": "session=s"}
    async with connect(f"{url}/told/7?tag=1&tag=2", additional_headers=headers) as client:
        answer = json.loads(await client.recv())
        assert answer == {
            "values": [7, "b", "s", ["1", "2"], "b", 7, "GET"],
            "url": f"{url}/told/7?tag=1&tag=2",
        }
        assert await closed(client) == (1000, "")


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/told/0", 404, None),
        ("/told/x", 404, None),
        ("/nothing", 404, None),
        ("/chat/a?number=x", 422, {"in": "query", "path": ["number"]}),
    ],
)
async def test_a_handshake_that_is_wrong_is_answered_as_a_request(
    path: str, status: int, error: Any, url: str
) -> None:
    with pytest.raises(InvalidStatus) as info:
        await connect(url + path)
    response = info.value.response
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    document = json.loads(response.body or b"")
    assert document["status"] == status
    if error is not None:
        assert error.items() <= document["errors"][0].items()


# --- how it begins ----------------------------------------------------------------------------------------


async def test_a_view_may_choose_a_subprotocol_and_send_headers(url: str) -> None:
    async with connect(f"{url}/subprotocols", subprotocols=["a", "b"]) as client:  # type: ignore[list-item]
        assert client.subprotocol == "b"
        assert client.response is not None
        assert client.response.headers["x-chosen"] == "yes"
        assert json.loads(await client.recv()) == ["a", "b", "b"]


@pytest.mark.parametrize(
    ("how", "status", "document"),
    [
        ("problem", 403, {"title": "Forbidden", "status": 403, "detail": "Members only", "code": "members"}),
        ("error", 500, {"title": "Internal Server Error", "status": 500}),
        ("subprotocol", 500, {"title": "Internal Server Error", "status": 500}),
        ("close", 403, None),
        ("return", 403, None),
    ],
)
async def test_what_was_not_accepted_is_refused(how: str, status: int, document: Any, url: str) -> None:
    with pytest.raises(InvalidStatus) as info:
        await connect(f"{url}/refuses/{how}")
    assert info.value.response.status_code == status
    if document is not None:
        assert json.loads(info.value.response.body or b"") == document


# --- how it ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "code", "reason", "log"),
    [
        ("end", 1000, "", "commit"),
        ("forbid", 1008, "Forbidden: Not this word", "rollback for Forbidden"),
        ("unavailable", 1011, "", "rollback for ServiceUnavailable"),
        ("break", 1011, "", "rollback for ZeroDivisionError"),
    ],
)
async def test_the_end_of_a_view_is_the_end_of_its_components_and_of_the_websocket(
    message: str, code: int, reason: str, log: str, url: str
) -> None:
    async with connect(f"{url}/writes") as client:
        await client.send(message)
        await client.recv()
        assert await closed(client) == (code, reason)
    assert ["begin", message, log] == LOG


async def test_components_end_when_the_client_leaves(url: str) -> None:
    async with connect(f"{url}/writes"):
        pass
    await ended()
    assert LOG == ["begin", "commit"]


async def test_a_view_that_receives_one_by_one_is_ended_by_the_exception(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(f"{url}/receives") as client:
        await client.send("a")
        assert await client.recv() == "a"
    await ended()
    assert LOG == ["begin", "rollback for Disconnected"]
    assert not caplog.records


async def test_a_view_that_only_sends_is_ended_when_the_client_leaves(url: str) -> None:
    async with connect(f"{url}/waits") as client:
        assert await client.recv() == "begun"
    await ended()
    assert LOG == ["begin", "rollback for Disconnected"]


async def test_a_view_that_only_sends_takes_no_messages(url: str) -> None:
    async with connect(f"{url}/waits") as client:
        assert await client.recv() == "begun"
        await client.send("hello?")
        assert await closed(client) == (1003, "No messages are taken here.")
    await ended()


@pytest.mark.parametrize(("query", "code", "reason"), [("", 1000, ""), ("?code=4001&reason=so", 4001, "so")])
async def test_a_view_may_close(query: str, code: int, reason: str, url: str) -> None:
    async with connect(f"{url}/closes{query}") as client:
        assert await closed(client) == (code, reason)
    await ended()
    assert [[], (code, reason)] == LOG


async def test_a_long_reason_is_cut_between_characters(url: str) -> None:
    async with connect(f"{url}/closes?reason={'ä' * 100}") as client:
        assert await closed(client) == (1000, "ä" * 61)


async def test_a_code_that_cannot_be_sent_is_an_error(url: str) -> None:
    async with connect(f"{url}/closes?code=1006") as client:
        assert (await closed(client))[0] == 1011


async def test_a_view_may_know_why_the_client_left(url: str) -> None:
    async with connect(f"{url}/hears") as client:
        await client.close(4002, "bored")
    await ended()
    assert LOG == [(4002, "bored")]


async def test_a_server_that_stops_ends_views() -> None:
    async with asgiworker.running(APP, graceful_timeout=1) as server:
        client = await connect(f"{server.url.replace('http', 'ws')}/waits")
        assert await client.recv() == "begun"
    await ended()
    assert LOG == ["begin", "rollback for Disconnected"]
    await client.close()


# --- without a server: what one may do to us --------------------------------------------------------------


async def talk(app: App, path: str, *messages: Any, fails: bool = False, **scope: Any) -> list[Any]:
    """What an application sends to one who sends these messages."""
    waiting = [{"type": "websocket.connect"}, *messages]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        if fails:
            raise OSError
        sent.append(message)

    base = {"type": "websocket", "path": path, "query_string": b"", "headers": [], "root_path": ""}
    await app({**base, **scope}, receive, send)
    return sent


async def test_a_server_that_cannot_answer_a_handshake_refuses_it() -> None:
    assert await talk(APP, "/nothing") == [{"type": "websocket.close", "code": 1000}]
    assert [each["type"] for each in await talk(APP, "/refuses/problem")] == ["websocket.close"]


@pytest.mark.parametrize("path", ["/chat/a", "/subprotocols", "/refuses/problem", "/waits", "/nothing"])
async def test_a_client_that_left_before_it_was_accepted_ends_it(path: str) -> None:
    waiting = [{"type": "websocket.disconnect", "code": 1006}]

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        LOG.append(message)

    scope: Any = {"type": "websocket", "path": path, "query_string": b"", "headers": []}
    await APP(scope, receive, send)
    assert [each for each in LOG if isinstance(each, dict)] == []


@pytest.mark.parametrize("path", ["/chat/a", "/closes", "/refuses/problem", "/refuses/close", "/wrong"])
async def test_a_server_that_cannot_send_any_more_ends_it_quietly(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    extensions: dict[str, Any] = {"websocket.http.response": {}}
    assert await talk(APP, path, fails=True, extensions=extensions) == []
    assert not caplog.records


async def test_a_view_that_is_cancelled_stays_cancelled() -> None:
    begun = asyncio.Event()
    waiting = [{"type": "websocket.connect"}]

    async def receive() -> Any:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            begun.set()

    scope: Any = {"type": "websocket", "path": "/waits", "query_string": b"", "headers": []}
    task = asyncio.create_task(APP(scope, receive, send))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert LOG == ["begin", "rollback for CancelledError"]


async def test_a_view_that_only_sends_may_end_while_its_client_leaves() -> None:
    """Who catches the cancellation and returns isn't cancelled once more."""

    async def stubborn(socket: WebSocket[None, str]) -> None:
        await socket.send("begun")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            LOG.append("left")

    sent = await talk(App([WebSocketRoute("/", stubborn)]), "/", {"type": "websocket.disconnect"})
    assert [each["type"] for each in sent] == ["websocket.accept", "websocket.send"]
    task = asyncio.current_task()
    assert task is not None
    assert (LOG, task.cancelling()) == (["left"], 0)


async def test_others_in_the_place_of_components() -> None:
    async def asks(socket: WebSocket[str, str], session: Session) -> None:
        await socket.send(type(session).__name__)

    class Fake(Session): ...

    app = App([WebSocketRoute("/", asks)], components=[session])
    with app.override({Session: Fake()}):
        assert (await talk(app, "/"))[1]["text"] == "Fake"
    assert (await talk(app, "/"))[1]["text"] == "Session"


async def test_a_component_that_cannot_end_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    class Broken: ...

    @component
    async def broken() -> AsyncIterator[Broken]:
        yield Broken()
        raise ZeroDivisionError

    async def asks(socket: WebSocket[str, str], broken: Broken) -> None:
        await socket.send("a")

    sent = await talk(App([WebSocketRoute("/", asks)], components=[broken]), "/")
    assert sent[-1]["code"] == 1011
    assert caplog.records[0].levelno == logging.ERROR


async def test_a_problem_of_the_application_may_have_no_words() -> None:
    class Odd(Problem):
        status = 499

    async def odd(socket: WebSocket[str, str]) -> None:
        await socket.accept()
        raise Odd

    assert (await talk(App([WebSocketRoute("/", odd)]), "/"))[-1] == {
        "type": "websocket.close",
        "code": 1008,
        "reason": "Client Error",
    }


# --- at start-up ------------------------------------------------------------------------------------------


class Unsendable: ...


async def without(room: str) -> None: ...


async def twice(one: WebSocket[str, str], two: WebSocket[str, str]) -> None: ...


def plain(socket: WebSocket[str, str]) -> None: ...


async def with_body(socket: WebSocket[str, str], body: Body[bytes]) -> None: ...


async def takes(socket: WebSocket[Unsendable, str]) -> None: ...


async def sends(socket: WebSocket[str, Unsendable]) -> None: ...


async def unknown(socket: WebSocket[str, str], thing: Unsendable) -> None: ...


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (without, r"without\(\) at .*:\d+ is a view for WebSockets, and has no parameter that is the Web"),
        (twice, "has several parameters that are the WebSocket"),
        (plain, r"plain\(\) at .* make it `async def`"),
        (with_body, "The parameter body of .* would be the body of a request; a WebSocket has none"),
        (takes, r"takes\(\).* Unsendable"),
        (sends, r"sends\(\).* Unsendable"),
        (unknown, "The parameter thing of .* is Unsendable"),
    ],
)
def test_views_that_cannot_work_are_found_at_start_up(view: Callable[..., Any], message: str) -> None:
    path = "/<room>" if view is without else "/"
    with pytest.raises(ConfigurationError, match=message):
        App([WebSocketRoute(path, view)])


def test_the_plan_knows_the_types_of_messages() -> None:
    plans = {
        endpoint.path: next(iter(endpoint.handlers.values()))
        for endpoint in APP.router.endpoints
        if not endpoint.path.startswith("/chat/") or "<websocket>" in endpoint.views
    }
    assert (plans["/chat/<room>"].incoming, plans["/chat/<room>"].outgoing) == (Said, Heard)
    assert (plans["/raw"].incoming, plans["/raw"].outgoing) == (str | bytes, str | bytes)
    assert plans["/waits"].incoming is None


def test_the_source_of_a_view_for_websockets() -> None:
    (endpoint,) = App([WebSocketRoute("/<room>", chat)]).router.endpoints
    assert next(iter(endpoint.handlers.values())).text == (
        "async def plan_of_chat(scope, receive, send, values):\n"
        "    socket = WebSocket(scope, receive, send, coding)\n"
        "    try:\n"
        '        text = scope["query_string"]\n'
        "        in_query = read_query(text, WANTED_QUERY) if text else {}\n"
        "        try:\n"
        "            query = convert(in_query, Query, strict=False)\n"
        "        except INVALID as error:\n"
        "            raise explain(error, query=in_query) from None\n"
        "        await view(socket=socket, room=values[0], number=query.number)\n"
        "    except Exception as error:\n"
        "        await socket.fail(error, failed)\n"
        "    else:\n"
        "        await socket.close()\n"
    )
