"""Models of pydantic in all the places where a Struct can be."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from asgistar import App, ConfigurationError, Created, Form, Header, Query, Route, Struct
from asgistar.data import codec_of

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


class Kind(Enum):
    A = "a"


class Note(BaseModel):
    title: str = Field(min_length=2)
    done: bool = False
    day: date | None = None

    @field_validator("title")
    @classmethod
    def quiet(cls, title: str) -> str:
        if title.isupper():
            raise ValueError("don't shout")
        return title


class Secret(Note):
    password: str = "secret"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Filter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    q: str = ""
    page: int = Field(1, ge=1)
    tags: list[str] = []
    kind: Kind = Kind.A
    from_day: date | None = Field(None, alias="from")
    link: pydantic.AnyUrl | None = None


@pydantic.dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Loud(BaseModel):
    word: str

    @field_validator("word")
    @classmethod
    def quiet(cls, word: str) -> str:
        raise ValueError(f"{word} is loud")


async def test_what_a_client_made_long_is_told_shortly(client: Connect) -> None:
    async def view(words: dict[str, Loud]) -> None: ...

    long = "n" * 100_000
    answer = await client(Route("/", "POST", view)).post("/", {long: {"word": long}})
    (error,) = answer.json["errors"]
    assert error["path"] == ["n" * 99 + "…", "word"]
    assert error["message"] == "n" * 499 + "…"


async def posted(client: Connect, annotation: Any, json: Any = None, **options: Any) -> Any:
    """What a view gets as its body; or what is told to be wrong."""
    got: list[Any] = []

    async def view(x: Any) -> None:
        got.append(x)

    view.__annotations__["x"] = annotation
    answer = await client(Route("/", "POST", view, msgpack=True)).post("/", json, **options)
    return got[0] if answer.status == 204 else answer.errors if answer.status == 422 else answer.status


@pytest.mark.parametrize(
    ("annotation", "json", "value"),
    [
        (Note, {"title": "ab", "day": "2026-11-22"}, Note(title="ab", day=date(2026, 11, 22))),
        (list[Note], [{"title": "ab"}], [Note(title="ab")]),
        (dict[str, Note], {"a": {"title": "ab"}}, {"a": Note(title="ab")}),
        (Note | None, {"title": "ab"}, Note(title="ab")),
        (Pet, {"kind": "cat", "lives": 9}, Cat(kind="cat", lives=9)),
        (Cat | Dog, {"kind": "dog", "name": "a"}, Dog(kind="dog", name="a")),
        (Point, {"x": 1}, Point(1)),
    ],
)
async def test_models_come_from_bodies(annotation: Any, json: Any, value: Any, client: Connect) -> None:
    assert await posted(client, annotation, json) == value
    packed = {"body": msgspec.msgpack.encode(json), "headers": {"content-type": "application/msgpack"}}
    assert await posted(client, annotation, **packed) == value


@pytest.mark.parametrize(
    ("annotation", "json", "errors"),
    [
        (Note, {"title": "a", "done": [], "day": "x"}, ["title min_length", "done type", "day type"]),
        (Note, {}, ["title missing"]),
        (Note, {"title": "AB"}, ["title invalid"]),
        (Note, [], ["type"]),
        (list[Note], [{"title": "ab"}, {}], ["1 title missing"]),
        (Pet, {"kind": "cow"}, ["choice"]),
        (Pet, {"kind": "cat"}, ["cat lives missing"]),
        (Filter, {"a": 1, "page": 0, "kind": "b"}, ["page ge", "kind choice", "a unknown"]),
        (Point, {"x": "a"}, ["x type"]),
    ],
)
async def test_what_is_wrong_is_told_as_of_our_own(
    annotation: Any, json: Any, errors: Any, client: Connect
) -> None:
    found = await posted(client, annotation, json)
    assert [" ".join(map(str, each[1:])) for each in found] == errors


async def test_errors_have_words_and_tell_nothing_else(client: Connect) -> None:
    async def view(note: Note) -> None: ...

    answer = await client(Route("/", "POST", view)).post("/", {"title": "AB", "done": "perhaps"})
    assert answer.json["errors"] == [
        {"in": "body", "path": ["title"], "code": "invalid", "message": "don't shout."},
        {
            "in": "body",
            "path": ["done"],
            "code": "type",
            "message": "Input should be a valid boolean, unable to interpret input.",
        },
    ]


@pytest.mark.parametrize("body", [b"", b"{", b'{"title": "\xff"}', b"[" * 10_000])
async def test_what_is_not_json_is_400(body: bytes, client: Connect) -> None:
    headers = {"content-type": "application/json"}
    assert await posted(client, Note, body=body, headers=headers) == 400


async def test_models_come_from_queries_forms_and_headers(client: Connect) -> None:
    class Agent(BaseModel):
        user_agent: str
        x_number: int = 0

    async def view(filter: Filter, agent: Header[Agent]) -> list[Any]:
        return [filter.q, filter.page, filter.tags, str(filter.from_day), str(filter.link), agent.x_number]

    view.__annotations__["agent"] = Header[Agent]

    async def post(form: Form[Note], filter: Query[Filter]) -> list[Any]:
        return [form.title, form.done, filter.page]

    app = client(Route("/", {"GET": view, "POST": post}))
    agent = {"user-agent": "a", "x-number": "7"}
    answer = await app.get("/?q=a&page=2&tags=x&tags=y&from=2026-11-22&link=http://a", headers=agent)
    assert answer.json == ["a", 2, ["x", "y"], "2026-11-22", "http://a/", 7]
    answer = await app.get("/?page=0&other=1&from=x", headers={"x-number": "b"})
    assert sorted(answer.errors) == [
        ("header", "user-agent", "missing"),
        ("header", "x-number", "type"),
        ("query", "from", "type"),
        ("query", "other", "unknown"),
        ("query", "page", "ge"),
    ]
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = await app.post("/?page=3", body=b"title=ab&done=on&day=", headers=form)
    assert answer.json == ["ab", True, 3]
    answer = await app.post("/", body=b"title=a", headers=form)
    assert answer.errors == [("form", "title", "min_length")]


@pytest.mark.parametrize(
    ("annotation", "value", "json"),
    [
        (Note, Note(title="ab"), {"title": "ab", "done": False, "day": None}),
        (Note, Secret(title="ab"), {"title": "ab", "done": False, "day": None}),
        (list[Note], [Secret(title="ab")], [{"title": "ab", "done": False, "day": None}]),
        (Note | None, None, None),
        (Note, {"title": "ab", "x": 1}, {"title": "ab", "done": False, "day": None}),
        (Filter, Filter(), {"q": "", "page": 1, "tags": [], "kind": "a", "from": None, "link": None}),
        (Point, Point(1), {"x": 1, "y": 0}),
    ],
)
async def test_what_is_declared_is_sent_and_no_more(
    annotation: Any, value: Any, json: Any, client: Connect
) -> None:
    async def view() -> Any:
        return value

    view.__annotations__["return"] = Created[annotation]
    answer = await client(Route("/", "GET", view)).get("/")
    assert (answer.status, answer.json) == (201, json)


async def test_what_is_not_declared_is_an_error_of_ours(client: Connect) -> None:
    async def view() -> Note:
        return 7  # type: ignore[return-value]

    assert (await client(Route("/", "GET", view)).get("/")).status == 500


def test_a_struct_with_a_model_in_it_is_an_error_at_start_up(client: Connect) -> None:
    async def view(x: Any) -> None: ...

    view.__annotations__["x"] = Both
    with pytest.raises(ConfigurationError, match="there is Note in it, which no JSON is"):
        client(Route("/", "POST", view))


class Both(Struct):
    note: Note


def test_schemas_are_those_of_pydantic() -> None:
    codec = codec_of(list[Note])
    assert codec is not None
    (note, many), shared = codec.schemas([Note, list[Note]], "out", "#/components/schemas/{name}")
    assert note == {"$ref": "#/components/schemas/Note"}
    assert many == {"type": "array", "items": {"$ref": "#/components/schemas/Note"}}
    assert shared["Note"]["required"] == ["title"]


KEYS = st.sampled_from(["title", "done", "day", "x"])


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.floats() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    )
)
async def test_whatever_comes_is_read_or_refused(data: Any) -> None:
    from framework.tests.conftest import Client

    async def view(note: Note) -> None: ...

    client = Client(App([Route("/", "POST", view)]))
    assert (await client.post("/", data)).status in (204, 400, 422)
