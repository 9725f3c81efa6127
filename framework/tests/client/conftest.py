"""The application that clients are tried on, and a server for it."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import enum
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

import msgspec
import pytest

import asgiworker
from asgistar import (
    UNSET,
    App,
    Body,
    Conflict,
    Cookie,
    Created,
    Event,
    Events,
    File,
    Form,
    Header,
    Include,
    Info,
    Lines,
    Meta,
    NotFound,
    Patch,
    Redirect,
    Response,
    Route,
    Struct,
    Text,
    Unauthorized,
    UnsetType,
    WebSocket,
    WebSocketRoute,
    component,
)
from asgistar.docs import docs
from asgistar.security import ApiKey, Basic, Bearer


class Cat(Struct, tag="cat", tag_field="kind"):
    lives: int = 9


class Dog(Struct, tag="dog", tag_field="kind"):
    name: str


class Note(Struct, rename={"made_at": "madeAt"}):
    title: Annotated[str, Meta(min_length=1, description="What it is about.")]
    done: bool = False
    tags: list[str] = []  # noqa: RUF012
    made_at: datetime.datetime | None = None
    pet: Cat | Dog | None = None


class Mood(enum.Enum):
    GLAD = "happy & glad"
    CLASS = "class"
    NONE = ""
    ODD = 'it\'s "odd" \\ */'


class Odd(Struct, rename={"class_": "class", "from_": "from", "dash": "a-b", "space": "a b", "first": "1st"}):
    """What is called as languages don't like it, or has values that they write otherwise."""

    class_: str
    from_: datetime.date
    dash: int = 3
    space: list[Mood] = []  # noqa: RUF012
    first: bool = True
    mood: Mood = Mood.GLAD
    price: decimal.Decimal = decimal.Decimal("1.50")
    content: bytes = b"\0\xff"
    pair: tuple[int, str] = (1, "a")
    map: dict[str, list[int | None]] = {}  # noqa: RUF012
    pet: Cat | Dog | None = None
    constructor: str = "c"
    self: int = 0
    any: Any = None


class Change(Struct):
    title: str | UnsetType = UNSET
    day: datetime.date | UnsetType | None = UNSET


class Stored(Struct):
    id: int
    note: Note


class Tree(Struct):
    name: str
    children: list[Tree] = []  # noqa: RUF012


class Seen(Struct):
    """What a view was given."""

    path: str
    day: datetime.date | None
    flag: bool
    order: Literal["up", "down"]
    tags: list[str]
    token: str | None
    session: str | None


class Sent(Struct):
    name: str | None
    type: str | None
    size: int
    title: str


NOTES: dict[int, Note] = {}
LEFT = threading.Event()


async def listing(q: str = "", limit: Annotated[int, Meta(ge=1)] = 100) -> list[Stored]:
    """All notes.

    Args:
        q: a text that is in the title.
        limit: how many at most.
    """
    return [Stored(id, note) for id, note in NOTES.items() if q in note.title][:limit]


async def create(note: Note) -> Created[Stored]:
    if any(note.title == each.title for each in NOTES.values()):
        raise Conflict("There is one of that title.")
    id = len(NOTES) + 1
    NOTES[id] = note
    return Stored(id, note)


async def detail(id: int) -> Stored:
    if id not in NOTES:
        raise NotFound(f"There is no note {id}.")
    return Stored(id, NOTES[id])


async def remove(id: int) -> None:
    NOTES.pop(id, None)


async def seen(
    path: str,
    day: datetime.date | None = None,
    flag: bool = False,
    order: Literal["up", "down"] = "up",
    tags: list[str] = [],  # noqa: B006
    x_token: Header[str | None] = None,
    session: Cookie[str | None] = None,
) -> Seen:
    return Seen(path, day, flag, order, tags, x_token, session)


async def odd(odd: Odd, x_class: Header[Mood], level: Literal[-1, 10] = -1) -> tuple[Odd, Mood, int]:
    return odd, x_class, level


async def change(change: Patch[Change]) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(change)
    return told


async def attach(moods: Form[list[Mood]], files: list[File], day: Form[datetime.date]) -> list[str]:
    return [*(each.value for each in moods), *(str(each.filename) for each in files), str(day)]


async def either(kind: Literal["cat", "dog", "none", "text"]) -> Cat | Dog | str | None:
    return {"cat": Cat(), "dog": Dog("Rex"), "none": None}.get(kind, "text")


async def pets() -> Lines[Cat | Dog]:
    yield Cat(7)
    yield Dog("Rex")


async def tree(tree: Tree) -> Tree:
    return tree


async def upload(file: File, title: Form[str]) -> Sent:
    return Sent(file.filename, file.content_type, len(await file.read()), title)


async def form(title: Form[str], number: Form[int] = 1) -> dict[str, str | int]:
    return {"title": title, "number": number}


async def raw(body: Body[bytes]) -> Response:
    return Response(body[::-1], content_type="application/octet-stream")


async def text() -> Text:
    return Text("grün\u2028")


async def lines(number: int) -> Lines[Note]:
    for index in range(number):
        yield Note(f"line {index}\u2028")


async def events(start: int = 0) -> Events[Note]:
    try:
        while True:
            start += 1
            yield Event(data=Note(f"event {start}"), event="note", id=str(start))
    finally:
        LEFT.set()


async def feed(last_event_id: Header[int] = 0) -> Events[int]:
    """Five events. It breaks off after each second one."""
    for number in range(last_event_id + 1, 6):
        yield Event(data=number, id=str(number), retry=1)
        if number % 2 == 0:
            raise ConnectionResetError("as told")
    yield Event(data=6, id="6")


async def words() -> Events[str]:
    yield "a word"
    yield "7"


async def broken() -> Note:
    raise RuntimeError("broken")


async def away() -> Redirect:
    return Redirect("/notes/", 307)


class Visitor:
    def __init__(self, name: str) -> None:
        self.name = name


class Keyed(Visitor):
    pass


@component(security=[Bearer(), Basic()])
async def visitor(authorization: Header[str | None] = None) -> Visitor:
    if authorization is None:
        raise Unauthorized("Who are you?")
    return Visitor(authorization)


@component(security=ApiKey(header="x-key"))
async def keyed(x_key: Header[str | None] = None) -> Keyed:
    if x_key is None:
        raise Unauthorized
    return Keyed(x_key)


async def me(visitor: Visitor) -> str:
    return visitor.name


async def key(keyed: Keyed) -> str:
    return keyed.name


async def chat(socket: WebSocket[Note, Stored], room: str, key: Keyed, first: int = 1) -> None:
    if room == "closed":
        raise NotFound("There is no such room.")
    async for note in socket:
        if note.title == "leave":
            await socket.close(4000, "as you wish")
            break
        await socket.send(Stored(first, Note(f"{room}: {note.title} by {key.name}")))
        first += 1


async def echo(socket: WebSocket[Note, Note]) -> None:
    async for note in socket:
        await socket.send(note)


async def plain(socket: WebSocket[str | bytes, bytes]) -> None:
    async for message in socket:
        await socket.send(message.encode() if isinstance(message, str) else message[::-1])


async def loose(socket: WebSocket, x_token: Header[str | None] = None) -> None:
    async for message in socket:
        await socket.send(message)


def made() -> App:
    return App(
        [
            Include(
                "/notes",
                [
                    Route("/", {"GET": listing, "POST": create}, raises=[Conflict]),
                    Route("/<int:id>/", {"GET": detail, "DELETE": remove}),
                ],
                name="notes",
            ),
            Route("/seen/<path:path>", "GET", seen),
            Route("/tree", "POST", tree),
            Route("/odd", "POST", odd, name="import"),
            Route("/change", "PATCH", change, name="close"),
            Route("/attach", "POST", attach, name="constructor"),
            Route("/either/<kind>", "GET", either),
            Route("/pets", "GET", pets),
            Include(
                "/bodies", [Route("/upload", "POST", upload), Route("/form", "POST", form)], name="bodies"
            ),
            Route("/raw", "POST", raw),
            Route("/text", "GET", text),
            Route("/lines", "GET", lines),
            Route("/events", "GET", events),
            Route("/feed", "GET", feed),
            Route("/words", "GET", words),
            Route("/broken", "GET", broken),
            Route("/away", "GET", away),
            Include("/who", [Route("/me", "GET", me), Route("/key", "GET", key)], name="who"),
            Include(
                "/live",
                [
                    WebSocketRoute("/chat/<room>", chat),
                    WebSocketRoute("/echo", echo),
                    WebSocketRoute("/plain", plain),
                    WebSocketRoute("/loose", loose),
                ],
                name="live",
            ),
            docs("/docs"),
        ],
        components=[visitor, keyed],
        info=Info(title="Notes", version="1.2"),
    )


@pytest.fixture
def app() -> App:
    """The application, with no notes in it."""
    NOTES.clear()
    LEFT.clear()
    return made()


@pytest.fixture
def left() -> threading.Event:
    """Set when a stream of events was left."""
    return LEFT


@pytest.fixture
def url(app: App) -> Iterator[str]:
    """The URL of a server in a loop of its own, for clients that block."""
    started, stop = threading.Event(), asyncio.Event()
    found: list[Any] = []

    async def serve() -> None:
        async with asgiworker.running(app, lifespan="on", graceful_timeout=1) as server:
            found.extend([asyncio.get_running_loop(), server.url])
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(30)
    yield found[1]
    found[0].call_soon_threadsafe(stop.set)
    thread.join(30)


@pytest.fixture
async def async_url(app: App) -> AsyncIterator[str]:
    """The URL of a server in the loop of the test."""
    async with asgiworker.running(app, lifespan="on", graceful_timeout=1) as server:
        yield server.url


# --- a document of somebody else --------------------------------------------------------------------------


def schema(**of: Any) -> dict[str, Any]:
    return {"description": "", "content": {"application/json": {"schema": of}}}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


NASTY: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": 'Nasty """ */ \\ \u2028', "version": "1\n2"},
    "servers": [{"url": "https://example.com/v1"}],
    "paths": {
        "/lists": {
            "get": {
                "operationId": "lists:list",
                "description": 'Ends with "',
                "parameters": [
                    {"name": "str", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
                    {"name": "self", "in": "query", "schema": {"type": ["integer", "null"], "default": 1}},
                    {"name": "from", "in": "query", "schema": {}, "description": 'Where */ """ \\N{x}'},
                    {"name": "id", "in": "query", "schema": {"type": "integer"}, "explode": False},
                    {"name": "id", "in": "header", "required": True, "schema": {"type": "integer"}},
                    {"name": "deep", "in": "query", "style": "deepObject", "schema": {"type": "object"}},
                    {"name": "json", "in": "query", "content": {"application/json": {"schema": ref("Any")}}},
                    {"$ref": "#/components/parameters/Class"},
                ],
                "responses": {"200": schema(type="array", items=ref("class"))},
            },
            "post": {
                "operationId": "lists:int",
                "deprecated": True,
                "requestBody": {"required": True, "content": {"application/json": {"schema": ref("class")}}},
                "responses": {"200": schema(**ref("Mixed")), "204": {"description": ""}},
            },
        },
        "/": {
            "get": {"operationId": "lists", "responses": {"200": schema(anyOf=[ref("Cat"), ref("Dog")])}},
            "delete": {"operationId": "close", "responses": {"200": schema(**ref("Plain"))}},
            "put": {
                "operationId": "v1:deep:constructor",
                "requestBody": {"content": {"application/json": {"schema": ref("All")}}},
                "responses": {"200": schema(oneOf=[ref("A"), ref("B")])},
            },
            "patch": {
                "operationId": "v1:whole",
                "parameters": [{"name": "body", "in": "query", "schema": {"type": "string"}}],
                "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Mixed")}}},
                "responses": {"200": {"description": "", "content": {"image/png": {}, "text/plain": {}}}},
            },
        },
        "/{a}/{b}": {
            "get": {
                "parameters": [
                    {"name": "b", "in": "path", "schema": {"type": "string"}},
                    {"name": "a", "in": "path", "schema": {"type": "string", "format": "uuid"}},
                ],
                "responses": {"default": {"description": ""}},
            },
            "x-websocket": {"operationId": "socket"},
        },
        "/x'; import os": {"get": {"operationId": "x'\n; import os", "responses": {}}},
    },
    "x-paths": {
        "/{a}/{c}#other": {"get": {"operationId": "other", "responses": {"200": {"description": ""}}}}
    },
    "components": {
        "parameters": {"Class": {"name": "x-class", "in": "header", "schema": {"type": "boolean"}}},
        "securitySchemes": {"k": {"type": "apiKey", "name": "x-k", "in": "query"}},
        "schemas": {
            "class": {
                "type": "object",
                "description": 'Ends with a quote"',
                "properties": {
                    "class": {"type": "string", "description": "A\nclass"},
                    "x-y": {"type": "integer", "default": 7},
                    "list": {"type": "array", "items": {"type": "number"}, "default": [1]},
                    "datetime": {"type": "string", "format": "date-time", "default": "2026-01-01T00:00:00Z"},
                    "str": {"type": "string", "default": 7},
                    "map": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {}},
                    "own": {"type": "object", "properties": {"a": {"type": "object", "properties": {}}}},
                    "pair": {"type": "array", "prefixItems": [{"type": "string"}, {}], "items": False},
                    "many": {
                        "type": "array",
                        "prefixItems": [{"type": "string"}],
                        "items": {"type": "integer"},
                    },
                    "self": ref("class"),
                    "size": {"enum": [1.5, 2.5]},
                    "on": {"enum": [True, None]},
                    "one": {"const": "one"},
                    "none": {"const": None},
                    "odd": {"enum": [{}]},
                    "old": {"type": "string", "nullable": True, "default": None},
                    "bytes": {"type": "string", "contentEncoding": "base64"},
                    "union": {
                        "anyOf": [{"type": "string"}, {"type": "string", "format": "uuid"}, ref("Size")]
                    },
                    "numbers": {"anyOf": [{"type": "integer"}, {"enum": [1, 2]}, {"type": "number"}]},
                    "lists": {"oneOf": [{"type": "array"}, {"type": "array", "items": {"type": "string"}}]},
                    "loose": {"anyOf": [ref("A"), ref("B"), {"type": "null"}]},
                    "elsewhere": {"$ref": "#/paths/~1/delete/responses/200/content/application~1json/schema"},
                    "alone": {"allOf": [ref("Size")]},
                    "no object": {"allOf": [{"type": "string"}, {"maxLength": 1}]},
                    "vague": {"anyOf": [ref("Whatever"), {"type": "string"}]},
                    "lists_": ref("ListsOperations"),
                    "ping": ref("Ping"),
                    "nil": {"allOf": [{"allOf": [ref("A"), {"type": "string"}]}], "properties": {"d": True}},
                    "anything": {"anyOf": [{"type": "string"}, True]},
                },
                "required": ["class", "pair"],
            },
            "Ping": {"anyOf": [ref("Pong"), {"type": "null"}]},
            "Pong": {"type": "array", "items": ref("Ping")},
            "ListsOperations": {"type": "object", "properties": {"a": {"const": "a", "default": "a"}}},
            "Size": {"enum": ["s", "m"], "description": "How large."},
            "Plain": {"$ref": "#/components/schemas/Size"},
            "Whatever": {"x": "y"},
            "Any": {"anyOf": [{"type": "string"}, {"type": "array", "items": ref("Any")}]},
            "Mixed": {"anyOf": [{"type": "integer"}, {"type": "string", "format": "date"}, ref("class")]},
            "A": {"type": "object", "properties": {"a": {"type": "string"}}},
            "B": {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]},
            "All": {"allOf": [ref("A"), {"allOf": [ref("B")], "properties": {"c": {"type": "integer"}}}]},
            "Client": {"type": "object", "properties": {}},
            "Cat": {"type": "object", "properties": {"kind": {"enum": ["cat"]}, "x": ref("Client")}},
            "Dog": {"type": "object", "properties": {"kind": {"const": "dog"}}},
            "Pet": {"oneOf": [ref("Cat"), ref("Dog")], "discriminator": {"propertyName": "kind"}},
        },
    },
}


@pytest.fixture
def nasty() -> dict[str, Any]:
    """A document with whatever may be in one."""
    return NASTY
