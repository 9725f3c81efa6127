"""The dynamic clients, against a server and against an application in process."""

from __future__ import annotations

import datetime
import io
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import asgiworker
from asgistar.client import (
    ApiKey,
    AsyncClient,
    Basic,
    Bearer,
    Client,
    Conflict,
    DocumentError,
    NotFound,
    Problem,
    ServerProblem,
    Stream,
    Unauthorized,
    UnprocessableContent,
)

if TYPE_CHECKING:
    from asgistar import App


@pytest.fixture(params=["url", "document url", "application"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of a server, by its URL or that of its document, and of the application in process."""
    if request.param == "application":
        target = request.getfixturevalue("app")
    else:
        target = request.getfixturevalue("url")
        target += "/docs/openapi.json" if request.param == "document url" else ""
    with Client(target) as client:
        yield client


def test_operations_are_called_by_their_names(client: Client) -> None:
    made = client.notes.create(title="Milk", tags=["a"])
    assert made["id"] == 1
    assert made["note"]["title"] == "Milk"
    assert client.notes.listing(q="il") == [made]
    assert client.request("notes:detail", id=1) == client.request("notes.detail", id=1) == made
    assert client.notes.remove(id=1) is None
    assert client.notes.listing() == []


def test_the_body_can_be_given_as_a_whole(client: Client) -> None:
    assert client.notes.create(body={"title": "Milk"})["note"]["title"] == "Milk"
    tree = {"name": "a", "children": [{"name": "b", "children": []}]}
    assert client.tree(body=tree) == client.tree(**tree) == tree


def test_arguments_go_where_the_document_has_them(client: Client) -> None:
    seen = client.seen(
        path="a/b c/ü?#",
        day=datetime.date(2026, 11, 22),
        flag=True,
        order="down",
        tags=["x", "y&z"],
        x_token="t",
        session="s",
    )
    assert seen == {
        "path": "a/b c/ü?#",
        "day": "2026-11-22",
        "flag": True,
        "order": "down",
        "tags": ["x", "y&z"],
        "token": "t",
        "session": "s",
    }
    assert client.seen(path="a", day=None, **{"x-token": "u"})["token"] == "u"


def test_files_are_sent_from_bytes_paths_and_open_files(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    path.write_bytes(b"12345")
    with path.open("rb") as opened:
        for file in (path, opened, ("note.txt", b"12345", "text/plain"), ("note.txt", io.BytesIO(b"12345"))):
            sent = client.bodies.upload(file=file, title="t")
            assert (sent["name"], sent["type"], sent["size"], sent["title"]) == (
                "note.txt",
                "text/plain",
                5,
                "t",
            )
    sent = client.bodies.upload(file=b"12", title="ü")
    assert (sent["name"], sent["size"], sent["title"]) == ("upload", 2, "ü")


def test_forms_are_sent(client: Client) -> None:
    assert client.bodies.form(title="a&b", number=7) == {"title": "a&b", "number": 7}
    assert client.bodies.form(title="a") == {"title": "a", "number": 1}


def test_bodies_as_they_are_come_back_as_they_are(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_bytes(b"abc")
    for body in (b"abc", bytearray(b"abc"), path, io.BytesIO(b"abc"), iter([b"ab", b"c"]), "abc"):
        assert client.raw(body=body) == b"cba"
    assert client.text() == "grün\u2028"


def test_lines_are_a_stream_of_values(client: Client) -> None:
    with client.lines(number=3) as lines:
        assert isinstance(lines, Stream)
        assert [line["title"] for line in lines] == ["line 0\u2028", "line 1\u2028", "line 2\u2028"]


def test_events_are_a_stream_that_can_be_left(client: Client, left: threading.Event) -> None:
    with client.events(start=6) as events:
        first, second = next(events), next(events)
    assert (first.event, first.id, first.json()["title"]) == ("note", "7", "event 7")
    assert second.id == "8"
    assert left.wait(10)


def test_errors_are_exceptions_by_their_status(client: Client) -> None:
    with pytest.raises(
        NotFound, match=r"GET http://.*/notes/9/: 404 Not Found: There is no note 9\."
    ) as found:
        client.notes.detail(id=9)
    assert (found.value.status, found.value.detail) == (404, "There is no note 9.")
    assert found.value.headers["content-type"] == "application/problem+json"
    with pytest.raises(UnprocessableContent, match=r"body\.title: Must be a string\.") as invalid:
        client.notes.create(title=7)
    assert invalid.value.errors[0]["path"] == ["title"]
    client.notes.create(title="Milk")
    with pytest.raises(Conflict):
        client.notes.create(title="Milk")


def test_an_error_of_a_server_is_one_of_another_kind(url: str) -> None:
    with Client(url) as client, pytest.raises(ServerProblem) as failed:
        client.broken()
    assert failed.value.status == 500


def test_an_error_of_an_application_in_process_is_raised(app: App) -> None:
    with Client(app) as client, pytest.raises(RuntimeError, match="broken"):
        client.broken()


def test_redirects_are_followed(client: Client) -> None:
    assert client.away() == []


@pytest.mark.parametrize(
    ("auth", "seen"),
    [
        (Bearer("t"), "Bearer t"),
        (Basic("anna", "secret"), "Basic YW5uYTpzZWNyZXQ="),
        (("a", "b"), "Basic YTpi"),
    ],
)
def test_clients_authenticate(url: str, auth: Any, seen: str) -> None:
    with Client(url, auth=auth) as client:
        assert client.who.me() == seen


async def test_a_server_that_is_not_there_is_told_by_its_address(app: App) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        base = f"http://127.0.0.1:{taken.getsockname()[1]}"
        key = ApiKey("secret", "key", "query")
        with (
            Client(base, auth=key) as unknown,
            pytest.raises(httpx.ConnectError, match=rf"^{base}/docs/openapi.json: .+") as told,
        ):
            unknown.who.me()
        assert "secret" not in str(told.value)
        with (
            Client(app.openapi(), base_url=base, auth=key) as known,
            pytest.raises(httpx.ConnectError, match=rf"^{base}/who/me: .+") as told,
        ):
            known.who.me()
        assert "secret" not in str(told.value)
        with pytest.raises(httpx.ConnectError, match=rf"^{base}/docs/openapi.json: .+"):
            async with AsyncClient(base):
                pass
        async with AsyncClient(app.openapi(), base_url=base) as aknown:
            with pytest.raises(httpx.ConnectError, match=rf"^{base}/who/me: .+"):
                await aknown.who.me()


def test_a_key_goes_where_the_document_has_it(url: str) -> None:
    with Client(url, auth=ApiKey("k")) as client:
        assert client.who.key() == "k"
    with Client(url, auth=ApiKey("k", "X-Key")) as client:
        assert client.who.key() == "k"
    with Client(url, auth=[Bearer("a"), ApiKey("k")]) as client:
        assert (client.who.key(), client.who.me()) == ("k", "Bearer a")
    with Client(url) as client, pytest.raises(Unauthorized, match="Who are you"):
        client.who.me()


class Asked(httpx.Auth):
    """Waits for a token."""

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["authorization"] = "Bearer asked"
        yield request


async def test_a_way_with_a_flow_of_its_own_stands_alone(url: str) -> None:
    with pytest.raises(TypeError, match="Asked can't be one of several ways"):
        AsyncClient(url, auth=[Asked(), ApiKey("k")])
    async with AsyncClient(url, auth=[Asked()]) as client:
        assert await client.who.me() == "Bearer asked"
        with pytest.raises(TypeError, match="Asked can't open a WebSocket"):
            await client.live.chat(room="a")


def test_a_client_says_what_there_is(client: Client) -> None:
    assert {"listing", "create", "detail", "remove"} == set(dir(client.notes))
    assert {"notes", "tree", "request"} <= set(dir(client))
    assert "<notes.create of http" in repr(client.notes.create)
    assert client.document.title == "Notes"


def test_what_there_is_not_is_an_error_with_a_hint(client: Client) -> None:
    with pytest.raises(AttributeError, match=r"Notes has no nodes\. Did you mean notes"):
        _ = client.nodes
    with pytest.raises(AttributeError, match=r"has no notes\.craete\. Did you mean notes\.create"):
        _ = client.notes.craete
    with pytest.raises(AttributeError, match=r"notes can't be called; in it are notes\.listing"):
        client.notes()
    with pytest.raises(LookupError, match=r"Notes has no notes:craete\. Did you mean notes:create"):
        client.request("notes:craete")
    with pytest.raises(TypeError, match=r"notes:create has no argument 'titel'\. Did you mean title"):
        client.notes.create(titel="a")
    with pytest.raises(TypeError, match="It takes no arguments"):
        client.text(zzz=1)
    with pytest.raises(TypeError, match="seen needs path"):
        client.seen(day=datetime.date.today())
    with pytest.raises(TypeError, match="is given the whole body, and members of it: title"):
        client.notes.create(body={}, title="a")
    with pytest.raises(ValueError, match=r"can't be 'a/\.\./b' in a path"):
        client.seen(path="a/../b")


def test_a_client_without_with_is_fine_with_a_url_and_not_with_an_application(url: str, app: App) -> None:
    client = Client(url)
    assert client.notes.listing() == []
    client.close()
    with pytest.raises(RuntimeError, match="Use it inside of `with`"):
        Client(app).notes.listing()


# --- the document -----------------------------------------------------------------------------------------


def test_a_document_can_be_given(url: str, app: App) -> None:
    document = app.openapi()
    with pytest.raises(DocumentError, match="doesn't say where its server is"):
        Client(document)
    with Client(document, base_url=url) as client:
        assert client.notes.listing() == []
    with Client({**document, "servers": [{"url": url}]}) as client:
        assert client.notes.listing() == []
    with Client(url, document=document) as client:
        assert client.notes.listing() == []


def test_where_there_is_no_document_is_an_error(url: str) -> None:
    with (
        Client(f"{url}/below") as client,
        pytest.raises(DocumentError, match=r"no document at .*/below/docs/openapi"),
    ):
        client.document  # noqa: B018
    with pytest.raises(ValueError, match=r"'example\.com' is no URL"):
        Client("example.com")

    async def raw(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(TypeError, match=r"has no method `openapi`\. Give its `document`"):
        Client(raw)


def test_a_document_that_names_another_server_is_not_believed() -> None:
    from asgistar.client.table import Destination

    destination = Destination("https://good.example/openapi.json", None, None)
    request = httpx.Request("GET", "https://good.example/openapi.json")
    elsewhere = b'{"openapi": "3.1.0", "servers": [{"url": "https://evil.example"}]}'
    with pytest.raises(DocumentError, match=r"says that its server is https://evil\.example: another one"):
        destination.read(httpx.Response(200, content=elsewhere, request=request))
    with pytest.raises(DocumentError, match="is no JSON"):
        destination.read(httpx.Response(200, content=b"<html>", request=request))
    with pytest.raises(DocumentError, match="no document of OpenAPI 3"):
        destination.read(httpx.Response(200, content=b"[]", request=request))
    below = b'{"openapi": "3.1.0", "servers": [{"url": "../v1/"}]}'
    assert destination.read(httpx.Response(200, content=below, request=request)) is not None
    assert destination.base_url == "https://good.example/v1/"


@pytest.mark.parametrize(("where", "header"), [("header", "x-key"), ("cookie", "cookie")])
def test_a_key_stays_with_its_server(where: Any, header: str) -> None:
    from asgistar.client.table import Settings

    document = {"openapi": "3.1.0"}
    settings = Settings(document, None, "https://good.example/", ApiKey("k", "x-key", where))
    for url, kept in (("https://good.example/a", True), ("https://evil.example/a", False)):
        request = httpx.Request("GET", url, headers={header: "k"})
        settings.keep_key(request)
        assert (header in request.headers) is kept


# --- async ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["server", "application"])
async def aclient(request: pytest.FixtureRequest, app: App) -> AsyncIterator[AsyncClient]:
    async with AsyncExitStack() as stack:
        target: Any = app
        if request.param == "server":
            running = asgiworker.running(app, lifespan="on", graceful_timeout=1)
            target = (await stack.enter_async_context(running)).url
        yield await stack.enter_async_context(AsyncClient(target))


async def test_operations_are_awaited(aclient: AsyncClient) -> None:
    made = await aclient.notes.create(title="Milk")
    assert await aclient.request("notes:detail", id=1) == made
    with pytest.raises(NotFound):
        await aclient.notes.detail(id=2)
    assert (await aclient.bodies.upload(file=b"12", title="a"))["size"] == 2
    assert await aclient.raw(body=io.BytesIO(b"abc")) == b"cba"
    assert await aclient.raw(body=iter([b"a", b"bc"])) == b"cba"
    assert (await aclient.document()).title == "Notes"
    assert "create" in dir(aclient.notes)
    assert "notes" in dir(aclient)
    with pytest.raises(AttributeError, match="has no nodes"):
        _ = aclient.nodes


async def test_a_body_may_be_an_iterator_of_the_loop(aclient: AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"c"

    assert await aclient.raw(body=pieces()) == b"cba"


async def test_streams_are_awaited_and_left(aclient: AsyncClient, left: threading.Event) -> None:
    async with await aclient.lines(number=2) as lines:
        assert [line["title"] async for line in lines] == ["line 0\u2028", "line 1\u2028"]
    async with await aclient.events() as events:
        assert (await anext(events)).id == "1"
    assert left.is_set() or aclient.base_url != "http://app"


async def test_the_document_is_asked_for_with_the_first_call(async_url: str) -> None:
    client = AsyncClient(async_url, auth=ApiKey("k"))
    assert dir(client.notes) == []
    assert await client.who.key() == "k"
    await client.close()
    with pytest.raises(DocumentError, match="no document at"):
        await AsyncClient(f"{async_url}/below").__aenter__()


def test_problems_that_are_no_documents_are_problems_too() -> None:
    from asgistar.client.errors import problem

    request = httpx.Request("GET", "http://example.com/")

    def of(status: int, **options: Any) -> Problem:
        return problem(httpx.Response(status, request=request, **options))

    html = of(404, text="<h1>Not here</h1>")
    assert (type(html), html.title, html.detail, html.errors) == (
        NotFound,
        "Not Found",
        "<h1>Not here</h1>",
        [],
    )
    assert type(of(418)) is Problem
    assert type(of(599)) is ServerProblem
    assert of(599).title == "Status 599"
    assert of(400, json=["a"]).detail == '["a"]'
    assert of(400, content=b"{", headers={"content-type": "application/json"}).detail == "{"
    odd = of(422, json={"title": 7, "errors": [{"path": "x", "message": "m"}, 7], "type": "u"})
    assert (odd.type, odd.title) == ("u", "7")
    assert str(odd) == "GET http://example.com/: 422 7\n  : m"
    assert of(400, json={"errors": {}}).errors == []
