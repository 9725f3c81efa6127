"""Bodies: what they are made of, how large they may be, of which type, and how they come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import pytest

from asgistar import UNSET, App, Body, Form, Meta, Route, Struct, UnsetType, WebSocket, WebSocketRoute
from asgistar.routing.options import HASHED_LIMIT
from asgistar.testing import TestClient, WebSocketClosed

if TYPE_CHECKING:
    from framework.tests.conftest import Client, Connect


class Note(Struct):
    title: str
    done: bool = False


@dataclass
class Item:
    name: str
    price: float = 0


class Tag(TypedDict):
    name: str


class Point(NamedTuple):
    x: int
    y: int


class Cat(Struct, tag=True):
    lives: int


class Dog(Struct, tag=True):
    name: str


class Change(Struct):
    title: str | UnsetType = UNSET
    done: bool | UnsetType = UNSET


class Sums(Struct):
    a: int
    b: int

    def __post_init__(self) -> None:
        if self.a > self.b:
            raise ValueError("a must not be greater than b")


class Tree(Struct):
    children: list[Tree] = []  # noqa: RUF012


async def posted(client: Connect, annotation: Any, json: Any = None, **options: Any) -> Any:
    """What a view gets as its body; or what is told to be wrong."""
    got: list[Any] = []

    async def view(x: Any) -> None:
        got.append(x)

    view.__annotations__["x"] = annotation
    if "default" in options:
        view.__defaults__ = (options.pop("default"),)
    answer = await client(Route("/", "POST", view)).post("/", json, **options)
    if answer.status == 204:
        return got[0]
    return answer.status if answer.status != 422 else answer.errors


@pytest.mark.parametrize(
    ("annotation", "json", "value"),
    [
        (Note, {"title": "a"}, Note("a")),
        (Note, {"title": "a", "unknown": 1}, Note("a")),
        (Item, {"name": "a", "price": 1.5}, Item("a", 1.5)),
        (Tag, {"name": "a", "other": 1}, {"name": "a"}),
        (list[Note], [{"title": "a"}], [Note("a")]),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (Note | None, {"title": "a"}, Note("a")),
        (Note | None, None, "null"),
        (Cat | Dog, {"type": "Cat", "lives": 9}, Cat(9)),
        (Change, {"done": True}, Change(done=True)),
        (Point, [1, 2], Point(1, 2)),
        (Body[int], 7, 7),
        (Body[list[str]], ["a"], ["a"]),
        (Body[Annotated[int, Meta(ge=0)]], 7, 7),
        (Body[Any], {"a": [1]}, {"a": [1]}),
        (list[list[int]], [[1], []], [[1], []]),
    ],
)
async def test_types_of_many_fields_come_from_the_body(
    annotation: Any, json: Any, value: Any, client: Connect
) -> None:
    if value == "null":
        options = {"body": b"null", "headers": {"content-type": "application/json"}}
        assert await posted(client, annotation, **options) is None
        return
    assert await posted(client, annotation, json) == value


@pytest.mark.parametrize(
    ("annotation", "json", "errors"),
    [
        (Note, {}, [("body", "title", "missing")]),
        (Note, {"title": None, "done": 1}, [("body", "title", "type"), ("body", "done", "type")]),
        (Note, [], [("body", "type")]),
        (list[Note], [{"title": "a"}, {}, 7], [("body", 1, "title", "missing"), ("body", 2, "type")]),
        (Cat | Dog, {"type": "Cat", "lives": "x"}, [("body", "lives", "type")]),
        (Cat | Dog, {"type": "Cow"}, [("body", "type", "choice")]),
        (Sums, {"a": 2, "b": 1}, [("body", "invalid")]),
        (list[Sums], [{"a": 1, "b": 1}, {"a": 2, "b": 1}], [("body", 1, "invalid")]),
        (Body[Annotated[int, Meta(ge=0)]], -1, [("body", "ge")]),
        (Point, [1, "x", 3], [("body", "length"), ("body", 1, "type")]),
        (Body[float], "1.5", [("body", "type")]),
    ],
)
async def test_what_is_wrong_with_a_body_is_told(
    annotation: Any, json: Any, errors: Any, client: Connect
) -> None:
    assert await posted(client, annotation, json) == errors


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "QUERY", "SEARCH"])
async def test_methods_with_a_body_have_one(method: str, client: Connect) -> None:
    async def view(note: Note) -> Note:
        return note

    assert (await client(Route("/", method, view))(method, "/", json={"title": "a"})).json["title"] == "a"


# --- JSON -----------------------------------------------------------------------------------------------

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"title": "a"', 400),
        (b'{"title": "a"}x', 400),
        (b'{"title": "\xff"}', 400),
        (b'\xef\xbb\xbf{"title": "a"}', 400),
        (b'{"title": NaN}', 400),
        (b'{"title": "a", "title": "b"}', 204),
        (b'{"title": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b'{"title":' * 100_000, 400),
        (b" ", 400),
        (b"", 400),
        (b"null", 422),
    ],
)
async def test_what_is_not_json_is_400(body: bytes, status: int, client: Connect) -> None:
    expected: Any = {204: Note("b"), 422: [("body", "type")]}.get(status, status)
    assert await posted(client, Note, body=body, headers=JSON) == expected


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[" * 100_000, "it is nested too deeply."),
        (b'{"title": "\xff"}', "it is not UTF-8."),
        (b'{"title": 1e999}', "Number out of range."),
        (b'{"title": ', "Input data was truncated."),
    ],
)
async def test_who_sent_it_is_told_why_it_is_no_json_and_nothing_of_python(
    body: bytes, why: str, client: Connect
) -> None:
    async def view(note: Note) -> None: ...

    answer = await client(Route("/", "POST", view)).post("/", body=body, headers=JSON)
    assert answer.json["detail"] == f"The body is not JSON that can be read: {why}"


class Branch(Struct):
    branches: dict[str, Branch] = {}  # noqa: RUF012


async def test_an_answer_with_all_errors_is_small_whatever_the_client_has_made(client: Connect) -> None:
    async def view(branch: Branch) -> None: ...

    name = "n" * 1000
    tree: Any = {"branches": {f"{index}{name}": 1 for index in range(1000)}}
    for _ in range(100):
        tree = {"branches": {name: tree}}
    answer = await client(Route("/", "POST", view)).post("/", tree)
    assert len(answer.errors) == 100
    assert len(answer.body) < 500_000


@pytest.mark.parametrize("depth", [500, 5_000, 100_000])
async def test_json_may_be_as_deep_as_it_likes_without_harm(depth: int, client: Connect) -> None:
    body = b'{"children": [' * depth + b"]}" * depth
    assert await posted(client, Tree, body=body, headers=JSON) == 400 or depth == 500
    wrong = b'{"children": [' * 300 + b"7" + b"]}" * 300
    assert await posted(client, Tree, body=wrong, headers=JSON) in (
        [("body", *["children", 0] * 8, "…", 0, *["children", 0] * 7, "type")],
        [("body", "invalid")],
    )


async def test_a_number_that_no_type_holds_is_told(client: Connect) -> None:
    assert await posted(client, Body[float], body=b"1e999", headers=JSON) == 400


async def test_more_errors_than_anyone_reads_are_not_told(client: Connect) -> None:
    errors = await posted(client, list[Note], [{}] * 1000)
    assert errors == [("body", index, "title", "missing") for index in range(100)]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 204),
        ("application/json; charset=utf-8", 204),
        ("Application/JSON ;x=y", 204),
        ("application/merge-patch+json", 204),
        ("application/vnd.api+json; ext=x", 204),
        ("text/json", 415),
        ("application/jsonx", 415),
        ("application/json, text/plain", 415),
        ("text/plain; application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
        (None, 415),
    ],
)
async def test_a_body_must_say_that_it_is_json(
    content_type: str | None, status: int, client: Connect
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    got = await posted(client, Note, body=b'{"title": "a"}', headers=headers)
    assert got == (Note("a") if status == 204 else status)


async def test_415_tells_what_would_be_taken(client: Connect) -> None:
    async def view(note: Note) -> None: ...

    answer = await client(Route("/", "POST", view)).post(
        "/", body=b"a=b", headers={"content-type": "text/plain"}
    )
    assert answer.headers["accept"] == "application/json"
    assert answer.json["detail"] == "The body must be application/json; it is text/plain."


async def test_a_body_with_a_default_may_be_missing(client: Connect) -> None:
    for headers in ({}, JSON):
        assert await posted(client, Note | None, headers=headers, default=None) is None
        assert await posted(client, Body[bytes], headers=headers, default=b"none") == b"none"
        assert await posted(client, Note, headers=headers) == 400
    assert await posted(client, Note | None, {"title": "a"}, default=None) == Note("a")
    assert await posted(client, Note | None, {"title": 1}, default=None) == [("body", "title", "type")]


async def test_a_body_of_bytes_is_what_came(client: Connect) -> None:
    assert (
        await posted(client, Body[bytes], body=b"\xff\x00", headers={"content-type": "image/png"})
        == b"\xff\x00"
    )
    assert await posted(client, Body[bytes]) == b""
    assert await posted(client, Body[bytes], body=b"x", default=b"") == b"x"


async def test_errors_of_the_rest_are_told_when_an_optional_body_is_missing(client: Connect) -> None:
    async def view(a: int, note: Note | None = None) -> None: ...

    answer = await client(Route("/", "POST", view)).post("/?a=x")
    assert answer.errors == [("query", "a", "type")]


# --- sizes and parts ------------------------------------------------------------------------------------


@pytest.fixture
def limited(client: Connect) -> Client:
    async def size(body: Body[bytes]) -> int:
        return len(body)

    async def note(note: Note) -> str:
        return note.title

    return client(
        [
            Route("/bytes", "POST", size),
            Route("/json", "POST", note),
            Route("/more", "POST", size, body_limit=200),
            Route("/any", "POST", size, body_limit=0),
        ],
        body_limit=100,
    )


@pytest.mark.parametrize("path", ["/bytes", "/json"])
@pytest.mark.parametrize(
    ("parts", "length", "status"),
    [
        ([b'{"title":"' + b"a" * 88 + b'"}'], None, 200),
        ([b'{"title":"' + b"a" * 89 + b'"}'], None, 413),
        ([b'{"title":"', b"a" * 88, b"", b'"}'], None, 200),
        ([b'{"title":"', b"a" * 89, b'"}'], None, 413),
        ([b"a" * 60, b"a" * 60, None], None, 413),
        ([], "101", 413),
        ([], "9" * 5000, 413),
        ([b'{"title":""}'], "12", 200),
        ([b'{"title":""}'], "x", 200),
    ],
)
async def test_a_body_is_limited_whether_it_says_its_length_or_not(
    path: str, parts: list[bytes | None], length: str | None, status: int, limited: Client
) -> None:
    headers = {"content-type": "application/json", **({} if length is None else {"content-length": length})}
    answer = await limited("POST", path, body=parts, headers=headers)
    assert answer.status == status
    if status == 413:
        assert answer.json == {
            "title": "Content Too Large",
            "status": 413,
            "detail": "The body may have 100 bytes at most.",
        }


async def test_a_route_may_have_a_limit_of_its_own(limited: Client) -> None:
    assert (await limited.post("/more", body=b"a" * 200)).json == 200
    assert (await limited.post("/more", body=b"a" * 201)).status == 413
    assert (await limited.post("/any", body=[b"a" * 1000, b"b"])).json == 1001
    assert (await limited.post("/any", body=b"a" * 1000, headers={"content-length": "1000"})).json == 1000


async def test_a_client_that_leaves_in_the_middle_gets_no_answer_and_the_view_is_not_called(
    client: Connect,
) -> None:
    called = False

    async def view(note: Note) -> None:
        nonlocal called
        called = True

    for body in ([b'{"title"', None], [None]):
        answer = await client(Route("/", "POST", view)).post("/", body=body, headers=JSON)
        assert answer.status == 0
    assert not called


async def test_a_body_is_not_read_where_none_is_asked_for(client: Connect) -> None:
    async def view() -> str:
        return "done"

    assert (await client(Route("/", "POST", view)).post("/", body=[])).json == "done"


# --- numbers whose hashes someone chose ---------------------------------------------------------------------


class Ids(Struct):
    ids: set[int] = set()  # noqa: RUF012
    more: list[Ids] = []  # noqa: RUF012


class Boxes(Struct):
    ids: list[Ids]
    text: str = ""


class Held(Struct):
    held: dict[str, list[Ids]]


Small = Annotated[int, Meta(ge=0, lt=2**31)]


@pytest.mark.parametrize(
    "annotation",
    [
        Body[set[int]],
        Body[frozenset[int | str]],
        Body[set[UUID]],
        Body[set[Decimal]],
        Body[set[Any]],
        Body[set[tuple[int, int]]],
        Body[set[Annotated[int, Meta(ge=0)]]],
        dict[int, str],
        list[dict[UUID, str]],
        Ids,
        Held,
        Held | None,
    ],
)
async def test_a_body_with_sets_of_numbers_is_small_if_nothing_else_is_said(
    annotation: Any, client: Connect
) -> None:
    async def view(x: Any) -> None: ...

    view.__annotations__["x"] = annotation
    ask = client(Route("/", "POST", view), Route("/large", "POST", view, body_limit=100_000))
    body = b" " * (HASHED_LIMIT + 1)
    assert (await ask.post("/", body=body[:-1], headers=JSON)).status == 400
    answer = await ask.post("/", body=body, headers=JSON)
    assert (answer.status, answer.json["detail"]) == (413, "The body may have 65536 bytes at most.")
    assert (await ask.post("/large", body=body, headers=JSON)).status == 400


@pytest.mark.parametrize(
    "annotation",
    [
        Body[set[str]],
        Body[set[Small]],
        Body[set[date]],
        Body[list[int]],
        Body[set[Literal[1, 2]]],
        dict[str, int],
        dict[Small, str],
        dict[Any, int],
        Tree,
    ],
)
async def test_other_sets_are_as_large_as_other_bodies(annotation: Any, client: Connect) -> None:
    assert await posted(client, annotation, body=b" " * 1_000_000, headers=JSON) == 400


async def test_so_are_the_texts_of_a_form_with_sets_of_numbers_as_json(client: Connect) -> None:
    async def nested(form: Form[Boxes]) -> int:
        return len(form.text)

    async def flat(ids: Form[set[int]], text: Form[str] = "") -> int:
        return len(text)

    ask = client(
        Route("/nested", "POST", nested),
        Route("/flat", "POST", flat),
        Route("/large", "POST", nested, body_limit=0),
    )
    headers = {"content-type": "application/x-www-form-urlencoded"}
    body = b"ids=[]&text=" + b"x" * HASHED_LIMIT
    assert (await ask.post("/nested", body=body[:1000], headers=headers)).json == 988
    assert (await ask.post("/nested", body=body, headers=headers)).status == 413
    assert (await ask.post("/large", body=body, headers=headers)).json == HASHED_LIMIT
    assert (await ask.post("/flat", body=body.replace(b"[]", b"1"), headers=headers)).json == HASHED_LIMIT


def test_so_are_messages_of_a_websocket() -> None:
    async def view(socket: WebSocket[set[int], int]) -> None:
        async for numbers in socket:
            await socket.send(len(numbers))

    app = App([WebSocketRoute("/", view), WebSocketRoute("/large", view, body_limit=0)])
    message = "[1" + " " * HASHED_LIMIT + "]"
    with TestClient(app) as client:
        with client.websocket("/large") as socket:
            socket.send(message)
            assert socket.receive() == "1"
        with client.websocket("/") as socket:
            socket.send("[1, 1]")
            assert socket.receive() == "1"
            socket.send(message)
            with pytest.raises(WebSocketClosed) as closed:
                socket.receive()
    assert closed.value.code == 1009
