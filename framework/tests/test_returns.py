# ruff: noqa: E501
"""What views return, and what becomes of it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import pytest

from asgistar import (
    HTML,
    Accepted,
    App,
    ConfigurationError,
    Created,
    Events,
    FileResponse,
    Lines,
    Meta,
    Redirect,
    Response,
    Route,
    Status,
    Struct,
    Text,
    WebSocket,
    WebSocketRoute,
)
from asgistar.signature import EMPTY
from asgistar.testing import TestClient

if TYPE_CHECKING:
    from framework.tests.conftest import Answer, Connect

T = TypeVar("T")


class Note(Struct):
    title: str
    done: bool = False


class Secret(Note):
    """A Note with something that clients must not see."""

    password: str = "1234"


class Page(Struct, Generic[T]):
    items: list[T]


@dataclass
class Item:
    name: str
    price: float = 0


@dataclass
class Basket:
    items: list[Item]
    by_name: dict[str, Item]
    note: Note | None = None


class Team(Struct, rename="camel"):
    users: list[Note]
    by_name: dict[str, Note]
    lead: Note | None = None


@dataclass
class Bag:
    notes: list[Note]
    tag: Tag


class Chain(Struct):
    note: Note
    next: Chain | None = None


class Cat(Struct, tag=True):
    lives: int


class Puss(Cat, tag="Cat"):
    password: str = "1234"


class Dog(Struct, tag=True):
    note: Note


class Pair(NamedTuple):
    note: Note
    number: int


class Line(Struct, array_like=True):
    note: Note


class Tag(TypedDict):
    name: str


class Point(NamedTuple):
    x: int
    y: int


class Row:
    """As an ORM has them."""

    def __init__(self, **values: Any) -> None:
        self.password = "1234"
        vars(self).update(values)


async def returned(client: Connect, annotation: Any, value: Any) -> Answer:
    async def view() -> Any:
        return value

    if annotation is ...:
        del view.__annotations__["return"]
    else:
        view.__annotations__["return"] = annotation
    return await client(Route("/", "GET", view)).get("/")


NOTE = {"title": "a", "done": False}


@pytest.mark.parametrize(
    ("annotation", "value", "json"),
    [
        (..., {"a": [1, None]}, {"a": [1, None]}),
        (Any, Note("a"), NOTE),
        (Note, Note("a"), NOTE),
        (str, "a", "a"),
        (int, 7, 7),
        (list[int], [1, 2], [1, 2]),
        (dict[str, Any], {"a": None}, {"a": None}),
        (float, float("nan"), None),
        (Note | None, None, None),
        (Note | None, Note("a"), NOTE),
        (list[Note], [Note("a")], [NOTE]),
        (dict[str, Note], {"x": Note("a")}, {"x": NOTE}),
        (tuple[Note, int], (Note("a"), 1), [NOTE, 1]),
        (tuple[str, int], ("a", 1), ["a", 1]),
        (list[Team], [Team([Note("a")], {}, Note("a"))], [{"users": [NOTE], "byName": {}, "lead": NOTE}]),
        (int | str, 7, 7),
        (Page[Note], Page([Note("a")]), {"items": [NOTE]}),
        (Item, Item("a"), {"name": "a", "price": 0}),
        (Tag, {"name": "a"}, {"name": "a"}),
        (Point, Point(1, 2), [1, 2]),
        (datetime, datetime(2026, 11, 22), "2026-11-22T00:00:00"),
        (Annotated[Note, Meta(description="x")], Note("a"), NOTE),
        (Note | Response, Note("a"), NOTE),
    ],
)
async def test_what_msgspec_encodes_is_sent_as_json(
    annotation: Any, value: Any, json: Any, client: Connect
) -> None:
    answer = await returned(client, annotation, value)
    assert (answer.status, answer.json) == (200, json)


@pytest.mark.parametrize(
    ("annotation", "value", "json"),
    [
        (Note, Secret("a"), NOTE),
        (Note, Row(title="a", done=False), NOTE),
        (Note, {"title": "a", "password": "1234"}, NOTE),
        (Note | None, Secret("a"), NOTE),
        (list[Note], [Secret("a"), Row(title="a"), Note("a")], [NOTE] * 3),
        (list[Note], (Note("a"),), [NOTE]),
        (dict[str, Note], {"x": Secret("a")}, {"x": NOTE}),
        (tuple[Note, int], (Secret("a"), 1), [NOTE, 1]),
        (Tag, {"name": "a", "password": "1234"}, {"name": "a"}),
        (list[Tag], [{"name": "a", "password": "1234"}], [{"name": "a"}]),
        (Item, Row(name="a"), {"name": "a", "price": 0}),
        (Page[Note], Page([Row(title="a")]), {"items": [NOTE]}),
        (Created[Note], Row(title="a"), NOTE),
        (Note | Response, Secret("a"), NOTE),
        (Page[Note], Page([Secret("a"), Note("a")]), {"items": [NOTE, NOTE]}),
        (Team, Team([Secret("a")], {}), {"users": [NOTE], "byName": {}, "lead": None}),
        (Team, Team([], {"a": Secret("a")}), {"users": [], "byName": {"a": NOTE}, "lead": None}),
        (Team, Team([], {}, Secret("a")), {"users": [], "byName": {}, "lead": NOTE}),
        (list[Team | None], [Team([], {}, Secret("a"))], [{"users": [], "byName": {}, "lead": NOTE}]),
        (Bag, Bag([Secret("a")], {"name": "b", "password": "1234"}), {"notes": [NOTE], "tag": {"name": "b"}}),
        (Chain, Chain(Note("a"), Chain(Secret("a"))), {"note": NOTE, "next": {"note": NOTE, "next": None}}),
        (Cat | Dog, Puss(9), {"type": "Cat", "lives": 9}),
        (
            list[Cat | Dog],
            [Puss(9), Dog(Secret("a"))],
            [{"type": "Cat", "lives": 9}, {"type": "Dog", "note": NOTE}],
        ),
        (Pair, Pair(Secret("a"), 1), [NOTE, 1]),
        (Line, Line(Secret("a")), [NOTE]),
    ],
)
async def test_only_what_is_declared_is_sent(annotation: Any, value: Any, json: Any, client: Connect) -> None:
    answer = await returned(client, annotation, value)
    assert b"1234" not in answer.body
    assert answer.json == json


async def test_what_stands_beyond_a_tuple_is_not_sent(client: Connect) -> None:
    answer = await returned(client, tuple[Note, int], (Note("a"), 1, "1234"))
    assert (answer.status, b"1234" in answer.body) == (500, False)


async def test_a_dataclass_keeps_its_defaults(client: Connect) -> None:
    async def echo(item: Item) -> Item:
        return item

    async def basket(basket: Basket) -> Basket:
        assert vars(basket)["note"] is None
        return basket

    async def query(item: Item) -> Item:
        return item

    ask = client(Route("/", "POST", echo), Route("/basket", "POST", basket), Route("/", "GET", query))
    assert (await ask.post("/", {"name": "a"})).json == {"name": "a", "price": 0}
    assert (await ask.get("/?name=a")).json == {"name": "a", "price": 0}
    item = {"name": "a", "price": 0}
    sent = {"items": [{"name": "a"}], "by_name": {"a": {"name": "a"}}}
    assert (await ask.post("/basket", sent)).json == {"items": [item], "by_name": {"a": item}, "note": None}


@pytest.mark.parametrize(
    ("annotation", "value", "status"),
    [
        (None, None, 204),
        (..., None, 204),
        (Any, None, 204),
        (Created[Note], Note("a"), 201),
        (Accepted[Note], Note("a"), 202),
        (Annotated[Note, Status(203)], Note("a"), 203),
        (Created[None], None, 201),
        (Created, Note("a"), 201),
        (Annotated[None, Status(205)], None, 205),
        (Annotated[Note, Status(204)], None, 204),
        (Created[Annotated[Note, Meta(description="x")]], Note("a"), 201),
    ],
)
async def test_the_annotation_says_the_status(
    annotation: Any, value: Any, status: int, client: Connect
) -> None:
    answer = await returned(client, annotation, value)
    assert answer.status == status
    if value is None:
        assert (answer.body, answer.headers) == (b"", {})
    else:
        assert answer.json == NOTE


@pytest.mark.parametrize("status", [Created, Accepted])
def test_a_status_is_said_in_the_annotation_and_not_called(status: Any) -> None:
    with pytest.raises(TypeError) as told:
        status(Note("a"))
    assert str(told.value) == (
        f"{status} isn't called: the status stands in what the view says that it gives. Write "
        f"`-> {status}[Note]`, and `return note`."
    )


@pytest.mark.parametrize(
    "annotation", [..., Response, Note, None, Created[Note], Note | Response, str, list[Note]]
)
async def test_a_response_is_sent_as_it_is_whatever_is_declared(annotation: Any, client: Connect) -> None:
    answer = await returned(client, annotation, Response(b"x", 418, {"X-Own": "1"}))
    assert (answer.status, answer.body) == (418, b"x")
    assert answer.headers == {"x-own": "1", "content-length": "1"}


@pytest.mark.parametrize(
    ("response", "status", "headers", "body"),
    [
        (Response(), 200, {"content-length": "0"}, b""),
        (Response("ü", content_type="text/plain; charset=utf-8"), 200, {"content-length": "2", "content-type": "text/plain; charset=utf-8"}, b"\xc3\xbc"),
        (Text("a"), 200, {"content-length": "1", "content-type": "text/plain; charset=utf-8"}, b"a"),
        (HTML("<p>", 404), 404, {"content-length": "3", "content-type": "text/html; charset=utf-8"}, b"<p>"),
        (HTML("x", content_type="application/xhtml+xml"), 200, {"content-length": "1", "content-type": "application/xhtml+xml"}, b"x"),
        (Response("ignored", 304, {"ETag": '"x"'}), 304, {"etag": '"x"'}, b""),
        (Redirect("/a b?c=ü#d"), 303, {"location": "/a%20b?c=%C3%BC#d", "content-length": "0"}, b""),
        (Redirect("https://example.com/%2F", 308), 308, {"location": "https://example.com/%2F", "content-length": "0"}, b""),
        (Redirect("/\r\nX: y", headers={"X-Own": "1"}), 303, {"location": "/%0D%0AX:%20y", "x-own": "1", "content-length": "0"}, b""),
    ],
)  # fmt: skip
async def test_responses(response: Response, status: int, headers: Any, body: bytes, client: Connect) -> None:
    answer = await returned(client, ..., response)
    assert (answer.status, answer.headers, answer.body) == (status, headers, body)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Note, {"titel": "a"}),
        (Note, None),
        (list[Note], None),
        (Note, Row(title=7)),
        (..., object()),
        (dict[str, Any], {"a": object()}),
        (None, Note("a")),
        (Created[None], "x"),
        (Response, Note("a")),
        (HTML, "<p>"),
        (str, Note("a")),
        (str | Response, Note("a")),
        (str, 1),
        (int, "1"),
        (int | None, 1.5),
        (bool, 1),
        (list[int], {"a": 1}),
        (list[int], "ab"),
        (dict[str, int], [1]),
        (date, "tomorrow"),
        (Literal["a", 1], Note("a")),
    ],
)
async def test_what_is_not_declared_is_an_error_of_ours(
    annotation: Any, value: Any, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await returned(client, annotation, value)
    assert (answer.status, answer.json["title"]) == (500, "Internal Server Error")
    assert caplog.records[0].exc_info is not None
    assert f" gave {type(value).__name__}" in str(caplog.records[0].exc_info[1])


class Shade(StrEnum):
    DARK = "dark"


@pytest.mark.parametrize(
    ("annotation", "value", "json"),
    [
        (str, Shade.DARK, "dark"),
        (int, True, True),
        (float, 1, 1),
        (dict[str, int], OrderedDict(a=1), {"a": 1}),
        (list[int], (1, 2), [1, 2]),
        (tuple[int, ...], [1, 2], [1, 2]),
        (set[int], [1], [1]),
        (date, datetime(2026, 11, 22, 1), "2026-11-22T01:00:00"),
        (date, "2026-11-22", "2026-11-22"),
        (Shade, Shade.DARK, "dark"),
        (Literal["a", 1], 1, 1),
        (int | str | None, None, None),
    ],
)
async def test_what_is_of_the_declared_kind_is_sent(
    annotation: Any, value: Any, json: Any, client: Connect
) -> None:
    assert (await returned(client, annotation, value)).json == json


class Engine: ...


class Holder(Struct):
    inner: list[Engine]


class Loop(Struct):
    next: Loop | None = None
    engine: Engine | None = None


@pytest.mark.parametrize(
    "annotation", [Engine, list[Engine], dict[str, Engine], Engine | None, Holder, tuple[int, Engine], Loop]
)
def test_a_type_that_cannot_be_sent_is_an_error_at_start_up(annotation: Any) -> None:
    def view() -> Any: ...

    view.__annotations__["return"] = annotation
    with pytest.raises(
        ConfigurationError, match=r"What .*view\(\) at .*test_returns.py:\d+ returns can't be sent"
    ) as error:
        App([Route("/", "GET", view)])
    assert "Engine isn't a type of data. Make it a Struct" in str(error.value)


def test_a_union_that_cannot_be_told_apart_is_an_error_at_start_up() -> None:
    def view() -> Note | Secret: ...  # type: ignore[empty-body]

    with pytest.raises(ConfigurationError, match="all Struct types must be tagged"):
        App([Route("/", "GET", view)])


async def numbers() -> Lines[int]:
    yield 1


async def happenings() -> Events[Note | None]:
    yield None


def page() -> HTML | Note: ...  # type: ignore[empty-body]
def only_page() -> HTML: ...  # type: ignore[empty-body]
def file() -> FileResponse: ...  # type: ignore[empty-body]
def nothing() -> None: ...
def anything(): ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("view", "media_type", "type", "responses"),
    [
        (numbers, "application/jsonl", int, ()),
        (happenings, "text/event-stream", Note | None, ()),
        (page, "application/json", Note, (HTML,)),
        (only_page, "text/html; charset=utf-8", EMPTY, (HTML,)),
        (file, None, EMPTY, (FileResponse,)),
        (nothing, None, None, ()),
        (anything, "application/json", EMPTY, ()),
    ],
)
def test_a_plan_says_what_is_sent(view: Any, media_type: str | None, type: Any, responses: Any) -> None:
    (endpoint,) = App([Route("/", "GET", view)]).router.endpoints
    returns = endpoint.handlers["GET"].returns
    assert (returns.media_type, returns.type, returns.responses) == (media_type, type, responses)


async def test_object_is_any_data(client: Connect) -> None:
    async def view(body: dict[str, object], q: object = None) -> dict[str, object]:
        return {**body, "q": q}

    answer = await client(Route("/", "POST", view)).post("/?q=1", {"a": [1, None]})
    assert answer.json == {"a": [1, None], "q": "1"}


def test_what_is_sent_piece_by_piece_is_what_is_declared_too() -> None:
    async def lines() -> Lines[int]:
        yield Note("a")  # type: ignore[misc]

    async def talk(socket: WebSocket[None, int]) -> None:
        await socket.send(1)
        await socket.send(Note("a"))  # type: ignore[arg-type]

    app = App([Route("/lines", "GET", lines), WebSocketRoute("/talk", talk)])
    with TestClient(app) as client:
        with pytest.raises(TypeError, match=r"lines\(\) at .* gave Note, which can't be sent"):
            client.get("/lines")
        heard = []

        def listen() -> None:
            with client.websocket("/talk") as socket:
                heard.extend(socket)

        with pytest.raises(TypeError, match=r"talk\(\) at .* gave Note, which can't be sent"):
            listen()
        assert heard == ["1"]
