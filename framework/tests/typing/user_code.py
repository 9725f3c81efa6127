"""What somebody writes with asgistar, as type checkers see it. `test_typing.py` has them look at it.

Lines that are wrong are marked with what a checker must say of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Generic, TypeVar, assert_type

import httpx

from asgistar import (
    HTML,
    UNSET,
    Accepted,
    App,
    Background,
    Body,
    Command,
    Cookie,
    Created,
    Environment,
    Event,
    Events,
    File,
    FileResponse,
    Form,
    Header,
    Include,
    Info,
    Instead,
    Invalid,
    Lines,
    Meta,
    NotFound,
    Patch,
    Path,
    Problem,
    Query,
    Redirect,
    Request,
    Response,
    ResponseHeaders,
    Route,
    Static,
    Status,
    Struct,
    UnsetType,
    WebSocket,
    WebSocketRoute,
    component,
    field,
)
from asgistar.docs import docs
from asgistar.http import URL, Client, Cookies, Headers, QueryParams
from asgistar.middleware import compression, cors, request_id, same_origin
from asgistar.security import Bearer
from asgistar.templates import Templates
from asgistar.testing import AsyncClient, TestClient

T = TypeVar("T")


class Note(Struct):
    title: Annotated[str, Meta(min_length=1)]
    done: bool = False
    tags: list[str] = field(default_factory=list[str])


class StoredNote(Note, kw_only=True):
    id: int


class Page(Struct, Generic[T]):
    items: list[T]
    next: int | None = None


class NoteChange(Struct):
    title: str | UnsetType = UNSET


class User(Struct):
    name: str


class Session:
    def add(self, thing: object) -> None: ...


# --- parameters: markers are seen through ---------------------------------------------------------------


async def markers(
    id: Path[int],
    q: Query[str],
    page: Query[Annotated[int, Meta(ge=1)]] = 1,
    agent: Header[str | None] = None,
    theme: Cookie[str] = "light",
    content: Body[bytes] = b"",
) -> None:
    assert_type(id, int)
    assert_type(q, str)
    assert_type(page, int)
    assert_type(agent, str | None)
    assert_type(theme, str)
    assert_type(content, bytes)


async def forms(form: Form[Note], word: Form[str], file: File, stream: Body[AsyncIterator[bytes]]) -> None:
    assert_type(form, Note)
    assert_type(word, str)
    assert_type(await file.read(), bytes)
    assert_type(await file.save("a.txt"), int)
    async for chunk in file:
        assert_type(chunk, bytes)
    async for part in stream:
        assert_type(part, bytes)


async def again(form: Form[Note | Invalid], templates: Templates) -> Annotated[HTML, Status(422)] | Redirect:
    assert_type(form, Note | Invalid)
    if not isinstance(form, Invalid) and form.title == "taken":
        form = Invalid.of(form).add("title", "Is taken.", "unique")
    if isinstance(form, Invalid):
        assert_type(form.values["title"], Any)
        assert_type(form.errors["title"][0]["message"], str)
        return templates("note.html", 422, form=form)
    assert_type(form, Note)
    return Redirect("/")


async def by_json(note: Note | Invalid) -> Note:
    if isinstance(note, Invalid):
        raise note.problem()
    assert_type(note, Note)
    return note


async def careless(form: Form[Note | Invalid]) -> str:
    return form.title  # type: ignore[union-attr]


async def given(
    request: Request, headers: Headers, query: QueryParams, cookies: Cookies, url: URL, client: Client
) -> None:
    assert_type(request.method, str)
    assert_type(request.url, URL)
    assert_type(request.headers.get("accept"), str | None)
    assert_type(await request.body(), bytes)
    assert_type(query.get_list("q"), list[str])
    assert_type(cookies["a"], str)
    assert_type(url.port, int | None)
    assert_type(client.host, str)


# --- what views return ----------------------------------------------------------------------------------


async def create(note: Note, headers: ResponseHeaders, background: Background) -> Created[StoredNote]:
    headers.set_cookie("a", "b", max_age=5, same_site="strict")
    headers.set_cookie("a", "b", same_site="sometimes")  # type: ignore[arg-type]
    background.add(print, note.title)
    return StoredNote(id=1, title=note.title)


async def listing(page: int = 1) -> Page[Note]:
    return Page([Note("a")], page + 1)


async def later() -> Accepted[None]: ...


async def odd() -> Annotated[Note, Status(299)]:
    return Note("a")


async def wrong() -> Created[Note]:
    return User("a")  # type: ignore[return-value]


async def either() -> Note | Redirect:
    return Redirect("/")


async def page(templates: Templates) -> HTML:
    assert_type(templates.render("a.html"), str)
    return templates("a.html", note=Note("a"))


async def lines() -> Lines[Note]:
    yield Note("a")


async def events(last_event_id: Header[int] = 0) -> Events[Note]:
    yield Note("a")
    yield Event(data=Note("b"), id=last_event_id + 1)


async def wrong_events() -> Events[Note]:
    yield "a"  # type: ignore[misc]


async def called(background: Background) -> None:
    assert_type(await create(Note("a"), ResponseHeaders(), background), StoredNote)
    assert_type(await listing(), Page[Note])
    async for note in lines():
        assert_type(note, Note)
    async for each in events():
        assert_type(each, Note | Event[Note])


async def change(id: int, changes: Patch[Note], plain: NoteChange) -> Note:
    assert_type(changes.apply(Note("a")), Note)
    assert_type(changes.changes(), dict[str, Any])
    assert_type(plain.title, str | UnsetType)
    assert_type(changes.apply(StoredNote("a", id=1)), StoredNote)
    changes.apply("a")  # type: ignore[type-var]
    return changes.apply(Note("a"))


def blocking() -> FileResponse:
    raise NotFound("There is none.", hint="no")


# --- WebSockets -----------------------------------------------------------------------------------------


async def chat(socket: WebSocket[Note, User]) -> None:
    assert_type(await socket.receive(), Note)
    async for message in socket:
        assert_type(message, Note)
        await socket.send(User(message.title))
        await socket.send(message)  # type: ignore[arg-type]
    await socket.close(4000, "enough")


async def silent(socket: WebSocket[None, str]) -> None:
    await socket.send("a")


# --- components, hooks, commands, settings --------------------------------------------------------------


class Settings(Environment, prefix="NOTES_"):
    database: str = "notes.db"
    workers: int


@component
async def user(authorization: Header[str] = "") -> User:
    return User(authorization)


@component(scope="app", raises=[NotFound])
async def session(settings: Settings) -> AsyncIterator[Session]:
    assert_type(settings.database, str)
    assert_type(settings.workers, int)
    yield Session()


@component(security=Bearer())
def templates_of_old() -> Iterator[Templates]:
    yield Templates("templates")


class Visitor: ...


@component(raises=[Instead[Redirect], NotFound])
def visitor() -> Visitor:
    raise Instead(Redirect("/login"))


component(raises=[Instead[str]])  # type: ignore[type-var]
component(scope="never")  # type: ignore[call-overload]


async def components_can_be_called() -> None:
    assert_type(await user("a"), User)
    await user(5)  # type: ignore[arg-type]


class Timing:
    def on_request(self) -> None: ...

    def on_response(self, response: Response) -> None:
        response.headers["server-timing"] = "view;dur=1"
        assert_type(response.status, int)

    def on_error(self, error: Exception) -> None: ...


class OurErrors:
    media_type = "application/json"

    def render(self, problem: Problem) -> bytes:
        return problem.detail.encode()

    def schema(self, problem: type[Problem]) -> dict[str, Any]:
        return {"type": "object"}


class Pages:
    media_type = "application/problem+json"

    def render(self, problem: Problem, request: Request, app: App) -> bytes | HTML:
        assert_type(request.headers.get("accept"), str | None)
        return HTML("<h1>Sorry</h1>")

    def schema(self, problem: type[Problem]) -> dict[str, Any]:
        return {"type": "object"}


async def add(session: Session, titles: list[str], done: bool = False) -> None: ...


# --- the table ------------------------------------------------------------------------------------------

app = App(
    [
        Include(
            "/notes",
            [
                Route("/", {"GET": listing, "POST": create}, body_limit=1000),
                Route("/<id>/", "PATCH", change, name="detail", raises=[NotFound]),
            ],
            name="notes",
            tags=["notes"],
            hooks=[Timing],
        ),
        WebSocketRoute("/chat", chat),
        Static("/static", "static"),
        docs("/docs"),
    ],
    components=[Settings, session, user],
    middleware=[cors(origins=["https://example.com"]), request_id(), compression()],
    commands=[Command("add", add)],
    errors=OurErrors(),
    info=Info(title="Notes", version="1.0"),
)

Route("/", "GET", listing, nmae="a")  # type: ignore[call-overload]
App([], body_limit="10 MB")  # type: ignore[arg-type]
App([], errors=Timing())  # type: ignore[arg-type]
App([], errors=Pages(), middleware=[same_origin(origins=["https://example.com"])])
App(["/"])  # type: ignore[list-item]


async def outside() -> None:
    assert_type(app.url_for("notes:detail", id=7), str)
    assert_type(app.openapi(), dict[str, Any])
    with app.override({User: User("a")}):
        pass
    async with app.scope() as scope:
        assert_type(await scope.get(Session), Session)


# --- tests ----------------------------------------------------------------------------------------------


def test() -> None:
    with TestClient(app, conforms=True) as client:
        assert_type(client, TestClient)
        assert_type(client.get("/notes/"), httpx.Response)
        assert_type(client.as_(User("a")), TestClient)
        with client.websocket("/chat") as socket:
            assert_type(socket.receive_text(), str)
        with client.events("/changes") as events:
            for event in events:
                assert_type(event.data, str)


async def test_async() -> None:
    async with AsyncClient(app) as client:
        assert_type(await client.get("/notes/"), httpx.Response)
        async with client.websocket("/chat") as socket:
            assert_type(await socket.receive(), str | bytes)
