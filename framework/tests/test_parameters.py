"""Where the parameters of views come from, what they are made of, and what is told when they aren't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, Self, TypedDict
from uuid import UUID

import pytest

from asgistar import (
    App,
    Body,
    ConfigurationError,
    Cookie,
    Environment,
    Form,
    Header,
    In,
    Include,
    Meta,
    Path,
    Query,
    Route,
    Struct,
)

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Note(Struct):
    title: str
    done: bool = False


class Filter(Struct, rename="camel"):
    name: str
    max_price: Decimal | None = None
    tags: list[str] = []  # noqa: RUF012


class Strict(Struct, forbid_unknown_fields=True):
    a: int = 0


@dataclass
class Page:
    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    offset: int = 0


class Options(TypedDict, total=False):
    deep: bool


Positive = Annotated[int, Meta(gt=0)]
UserId = NewType("UserId", int)


async def seen(client: Connect, annotation: Any, target: str, **options: Any) -> Any:
    """What a view gets for a parameter `x` of this annotation; or what is told to be wrong."""
    got: list[Any] = []

    async def view(x: Any) -> None:
        got.append(x)

    view.__annotations__["x"] = annotation
    if "default" in options:
        view.__defaults__ = (options.pop("default"),)
    path = options.pop("path", "/")
    method = options.pop("method", "GET")
    answer = await client(Route(path, method, view))(method, target, **options)
    if answer.status == 204:
        return got[0]
    return answer.status if answer.status != 422 else answer.errors


# --- query ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "query", "value"),
    [
        (str, "x=abc", "abc"),
        (str, "x=", ""),
        (str, "x", ""),
        (str, "x=a%20b+c%2B%26", "a b c+&"),
        (str, "%78=a", "a"),
        (str, "x=%C3%BC", "ü"),
        (str, "x=ü", "ü"),
        (str, "x=null", "null"),
        (str, "a=1&&x=2&", "2"),
        (str, "x=a=b", "a=b"),
        (int, "x=7", 7),
        (int, "x=-7", -7),
        (float, "x=1.5", 1.5),
        (bool, "x=true", True),
        (bool, "x=0", False),
        (Decimal, "x=1.50", Decimal("1.50")),
        (UUID, "x=" + str(UUID(int=7)), UUID(int=7)),
        (date, "x=2026-11-22", date(2026, 11, 22)),
        (datetime, "x=2026-11-22T15:30:00Z", datetime(2026, 11, 22, 15, 30, tzinfo=UTC)),
        (time, "x=15:30:00", time(15, 30)),
        (timedelta, "x=PT5M", timedelta(minutes=5)),
        (Colour, "x=red", Colour.RED),
        (Size, "x=2", Size.LARGE),
        (Literal["a", "b"], "x=b", "b"),
        (Literal[1, 2], "x=2", 2),
        (int | None, "x=7", 7),
        (int | None, "x=null", None),
        (int | float, "x=1.5", 1.5),
        (int | Literal["all"], "x=all", "all"),
        (UserId, "x=7", 7),
        (Positive, "x=7", 7),
        (list[int], "x=1&x=2", [1, 2]),
        (list[int], "x=1", [1]),
        (Sequence[str], "x=a&x=b", ["a", "b"]),
        (set[int], "x=1&x=1", {1}),
        (tuple[int, ...], "x=1&x=2", (1, 2)),
        (list[Colour], "x=red&x=blue", [Colour.RED, Colour.BLUE]),
        (list[int] | None, "x=1&x=2", [1, 2]),
        (Annotated[list[str], Meta(max_length=2)], "x=1&x=2", ["1", "2"]),
        (Query[int], "x=7", 7),
        (Query[Annotated[int, Meta(ge=7)]], "x=7", 7),
        (Annotated[int, In("query", "other")], "other=7", 7),
        (Any, "x=7", "7"),
    ],
)
async def test_simple_types_come_from_the_query(
    annotation: Any, query: str, value: Any, client: Connect
) -> None:
    got = await seen(client, annotation, "/?" + query)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("annotation", "query", "expected"),
    [
        (int, "", [("query", "x", "missing")]),
        (int, "y=1", [("query", "x", "missing")]),
        (int, "x=", [("query", "x", "type")]),
        (int, "x=1.5", [("query", "x", "type")]),
        (Positive, "x=0", [("query", "x", "gt")]),
        (Colour, "x=green", [("query", "x", "choice")]),
        (Literal["a"], "x=b", [("query", "x", "choice")]),
        (list[int], "", [("query", "x", "missing")]),
        (list[int], "x=1&x=b&x=c", [("query", "x", 1, "type"), ("query", "x", 2, "type")]),
        (Annotated[list[str], Meta(max_length=2)], "x=1&x=2&x=3", [("query", "x", "max_length")]),
        (date, "x=22.11.2026", [("query", "x", "type")]),
        (Annotated[int, In("query", "other")], "x=1", [("query", "other", "missing")]),
        (int, "x=1&x=2", 400),
        (str, "x=%FF", 400),
        (str, "x=\xff", 204),
        (int, "x=" + "9" * 5000, [("query", "x", "type")]),
    ],
)
async def test_what_the_query_lacks_is_told(
    annotation: Any, query: str, expected: Any, client: Connect
) -> None:
    if expected == 204:
        # A byte that isn't UTF-8, and isn't quoted: our client sends it in Latin-1.
        expected = 400
        options: dict[str, Any] = {"query_string": b"x=\xff"}
    else:
        options = {"query_string": query.encode()}
    assert await seen(client, annotation, "/", **options) == expected


async def test_a_default_is_what_is_given_where_nothing_is(client: Connect) -> None:
    assert await seen(client, int, "/", default=7) == 7
    assert await seen(client, int | None, "/", default=None) is None
    assert await seen(client, list[str], "/", default=["x"]) == ["x"]
    assert await seen(client, Sequence[str], "/", default=()) == ()
    # It isn't checked: views may have their reasons.
    assert await seen(client, int, "/", default="x") == "x"


async def test_every_argument_that_is_wrong_is_told_at_once(client: Connect) -> None:
    async def view(id: Path[int], a: int, b: Colour, note: Note, c: Header[int], d: Cookie[int]) -> None: ...

    answer = await client(Route("/<id>", "POST", view)).post(
        "/7?a=x&b=green", {"title": 7, "done": "no"}, headers={"c": "x", "cookie": "d=y"}
    )
    assert answer.errors == [
        ("query", "a", "type"),
        ("query", "b", "choice"),
        ("header", "c", "type"),
        ("cookie", "d", "type"),
        ("body", "title", "type"),
        ("body", "done", "type"),
    ]
    assert answer.json["detail"] == "6 values are not valid."
    assert answer.json["errors"][0] == {
        "in": "query",
        "path": ["a"],
        "code": "type",
        "message": "Must be an integer.",
    }


# --- structs of the query, of headers and cookies -------------------------------------------------------


async def test_an_object_of_a_method_without_a_body_is_taken_apart_into_the_query(client: Connect) -> None:
    assert await seen(client, Filter, "/?name=a&maxPrice=1.5&tags=x&tags=y") == Filter(
        "a", Decimal("1.5"), ["x", "y"]
    )
    assert await seen(client, Filter, "/?name=a") == Filter("a")
    assert await seen(client, Page, "/?limit=5", method="DELETE") == Page(5)
    assert await seen(client, Options, "/?deep=true") == {"deep": True}
    assert await seen(client, Filter, "/?maxPrice=x") == [
        ("query", "name", "missing"),
        ("query", "maxPrice", "type"),
    ]
    assert await seen(client, Page, "/?limit=500") == [("query", "limit", "le")]
    assert await seen(client, Query[Page], "/?limit=5", method="POST") == Page(5)


async def test_an_object_that_takes_no_other_arguments_says_so(client: Connect) -> None:
    assert await seen(client, Strict, "/?a=1") == Strict(1)
    assert await seen(client, Strict, "/?a=1&b=2&&c=%FF") == 400
    assert await seen(client, Strict, "/?a=1&b=2&") == [("query", "b", "unknown")]


async def test_an_object_and_single_values_share_the_query(client: Connect) -> None:
    async def view(page: Page, where: Filter, q: str = "") -> dict[str, Any]:
        return {"page": page, "where": where, "q": q}

    ask = client(Route("/", "GET", view))
    assert (await ask.get("/?limit=5&name=n&q=x")).json == {
        "page": {"limit": 5, "offset": 0},
        "where": {"name": "n", "maxPrice": None, "tags": []},
        "q": "x",
    }
    assert (await ask.get("/?limit=0")).errors == [("query", "limit", "ge"), ("query", "name", "missing")]


class Trace(Struct):
    x_request_id: str
    accept: list[str] = []  # noqa: RUF012


@pytest.mark.parametrize(
    ("annotation", "headers", "value"),
    [
        (Header[str], [("x", "a")], "a"),
        (Header[str], [("X", "a"), ("X", "b")], "a, b"),
        (Header[int], [("x", "7")], 7),
        (Header[str | None], [("x", "7")], "7"),
        (Header[list[str]], [("x", "a, b,,c"), ("x", "d")], ["a", "b", "c", "d"]),
        (Annotated[str, In("header", "X-Token")], [("x-token", "a")], "a"),
        (Header[str], [("x", "\xe9")], "é"),
        (Header[Trace], [("x-request-id", "1"), ("accept", "a, b")], Trace("1", ["a", "b"])),
        (Header[Trace], [], [("header", "x-request-id", "missing")]),
        (Header[str], [], [("header", "x", "missing")]),
        (Header[int], [("x", "b")], [("header", "x", "type")]),
        (Cookie[str], [("cookie", "a=1; x=2; b=3")], "2"),
        (Cookie[int], [("cookie", 'x="7"')], 7),
        (Cookie[str], [("cookie", "x=1; x=2")], "1"),
        (Cookie[str], [("cookie", "a=1"), ("cookie", "x=2")], "2"),
        (Cookie[list[str]], [("cookie", "x=1; x=2")], ["1", "2"]),
        (Annotated[str, In("cookie", "session-id")], [("cookie", "session-id=1=2")], "1=2"),
        (Cookie[str], [("accept", "x=1")], [("cookie", "x", "missing")]),
        (Cookie[Page], [("cookie", "limit=5")], Page(5)),
    ],
)
async def test_headers_and_cookies_are_marked(
    annotation: Any, headers: Any, value: Any, client: Connect
) -> None:
    assert await seen(client, annotation, "/", headers=headers) == value


async def test_underscores_in_the_name_of_a_header_are_hyphens(client: Connect) -> None:
    async def view(user_agent: Header[str], if_none_match: Header[str] = "none") -> list[str]:
        return [user_agent, if_none_match]

    assert (await client(Route("/", "GET", view)).get("/", headers={"User-Agent": "me"})).json == [
        "me",
        "none",
    ]


# --- path -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "path", "target", "value"),
    [
        (int, "/<x>", "/7", 7),
        (float, "/<int:x>", "/7", 7.0),
        (Positive, "/<x>", "/7", 7),
        (Positive, "/<x>", "/0", 404),
        (Positive, "/<int:x>", "/0", 404),
        (Colour, "/<x>", "/red", Colour.RED),
        (Colour, "/<x>", "/green", 404),
        (Size, "/<int:x>", "/2", Size.LARGE),
        (Literal[1, 2], "/<x>", "/2", 2),
        (Literal[1, 2], "/<x>", "/3", 404),
        (Decimal, "/<x>", "/1.50", Decimal("1.50")),
        (Decimal, "/<x>", "/x", 404),
        (int | None, "/<int:x>", "/7", 7),
        (Positive | None, "/<int:x>", "/0", 404),
        (UserId, "/<x>", "/7", 7),
        (Any, "/<int:x>", "/7", 7),
        (object, "/<int:x>", "/7", 7),
        (Path[int], "/<x>", "/7", 7),
        (Path[Positive], "/<x>", "/0", 404),
        (date, "/<x>", "/2026-11-22", date(2026, 11, 22)),
        (date, "/<datetime:x>", "/2026-11-22T15:30:00Z", datetime(2026, 11, 22, 15, 30, tzinfo=UTC)),
        (Annotated[str, Meta(max_length=3)], "/<x>", "/abcd", 404),
        (Annotated[int, In("path", "y")], "/<int:y>", "/7", 7),
    ],
)
async def test_what_is_in_the_path_comes_from_the_path(
    annotation: Any, path: str, target: str, value: Any, client: Connect
) -> None:
    if "<int:y>" in path:

        async def view(x: Annotated[int, In("path", "y")]) -> int:
            return x

        assert (await client(Route(path, "GET", view)).get(target)).json == value
        return
    got = await seen(client, annotation, target, path=path)
    assert got == value
    assert type(got) is type(value)


async def test_a_parameter_of_an_include_may_be_left_to_others(client: Connect) -> None:
    async def with_tenant(tenant: str, id: int) -> list[Any]:
        return [tenant, id]

    async def without(id: int) -> int:
        return id

    async def everything(**rest: Any) -> dict[str, Any]:
        return rest

    ask = client(
        Include(
            "/<tenant>",
            [
                Route("/a/<id>", "GET", with_tenant),
                Route("/b/<id>", "GET", without),
                Route("/c/<int:id>", "GET", everything, defaults={"more": True}),
                Route("/d/<_slug>/<id>", "GET", without),
            ],
            defaults={"extra": 1},
        )
    )
    assert (await ask.get("/acme/a/7")).json == ["acme", 7]
    assert (await ask.get("/acme/b/7")).json == 7
    assert (await ask.get("/acme/c/7")).json == {"tenant": "acme", "id": 7, "extra": 1, "more": True}
    assert (await ask.get("/acme/d/any/7")).json == 7


async def test_the_inner_one_of_two_parameters_of_a_name_is_given(client: Connect) -> None:
    async def view(x: str) -> str:
        return x

    assert (await client(Include("/<x>", [Route("/<x>", "GET", view)])).get("/a/b")).json == "b"


async def test_defaults_of_a_route_are_arguments_of_the_view(client: Connect) -> None:
    async def page(num: int = 1) -> int:
        return num

    ask = client(
        Route("/blog/", "GET", page, defaults={"num": 1}),
        Route("/blog/page<int:num>/", "GET", page),
        Route("/q", "GET", page),
    )
    assert [(await ask.get(path)).json for path in ("/blog/?num=3", "/blog/page7/", "/q?num=3")] == [1, 7, 3]


async def test_parameters_may_be_positional_only(client: Connect) -> None:
    async def view(a: int, b: str = "b", /, *, c: int = 3) -> list[Any]:
        return [a, b, c]

    assert (await client(Route("/<a>", "GET", view)).get("/7?c=4")).json == [7, "b", 4]


async def test_annotations_may_name_classes_of_the_function_around(client: Connect) -> None:
    class Local(Struct):
        a: int

    async def view(local: Local) -> Local:
        return local

    assert (await client(Route("/", "POST", view)).post("/", {"a": 1})).json == {"a": 1}


# --- mistakes -------------------------------------------------------------------------------------------


class Session: ...


class Mailer:
    def __init__(self, host: str) -> None: ...

    def resolve(self) -> Mailer:
        return self


class Clock:
    def resolve(self) -> Self:
        return self


class Variables(Environment):
    HOST: str = "a"


class Nested(Struct):
    inner: Note


def mistake(annotation: Any, path: str = "/", method: str = "GET", default: Any = ...) -> str:
    """The error that an application is refused with for a parameter `x` of this annotation."""

    async def view(x): ...  # type: ignore[no-untyped-def]

    if annotation is not ...:
        view.__annotations__["x"] = annotation
    if default is not ...:
        view.__defaults__ = (default,)
    with pytest.raises(ConfigurationError) as raised:
        App([Route(path, method, view)])
    message = str(raised.value)
    assert "view() at framework/tests/test_parameters.py:" in message
    return message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"annotation": ...}, "The parameter x of"),
        ({"annotation": ...}, "has no annotation, and isn't in the path"),
        ({"annotation": Session}, "is Session: neither data that can come from a request, nor in the path"),
        ({"annotation": Annotated[Decimal, Meta(gt=0)]}, "raise FieldError('price', 'Must be above 0.')."),
        ({"annotation": Session}, "Add one to App(components=[…]), or make it a Struct or a dataclass."),
        ({"annotation": Mailer}, "Add it to App(components=[Mailer(…)])."),
        ({"annotation": Clock}, "Add it to App(components=[Clock()])."),
        ({"annotation": Variables}, "Add it to App(components=[Variables])."),
        ({"annotation": Session | None}, "neither data"),
        ({"annotation": list[Session]}, "neither data"),
        ({"annotation": Note | dict[str, int]}, "neither data"),
        ({"annotation": Annotated[Decimal, Meta(ge=0)]}, "msgspec says: Can only set `ge` on a numeric type"),
        ({"annotation": list[Note]}, "which can only come from a body, and GET has none"),
        ({"annotation": dict[str, int]}, "write Body[…]"),
        ({"annotation": Note | None}, "can only come from a body"),
        ({"annotation": list[list[int]]}, "can only come from a body"),
        ({"annotation": Query[list[Note]], "method": "POST"}, "which can't come from the query"),
        ({"annotation": Header[dict[str, str]]}, "which can't come from the header"),
        ({"annotation": Nested}, "but its field inner can't come from the query"),
        (
            {"annotation": Page, "default": Page()},
            "has a default. Give defaults to the fields of its type instead",
        ),
        ({"annotation": Path[int]}, "is to come from the path, but Route('/') at"),
        ({"annotation": Annotated[int, In("query"), In("header")]}, "has two markers"),
        ({"annotation": Header[str] | None}, "has a marker inside of its type"),
        ({"annotation": Header}, "has a marker without a type. Write Header[str]."),
        ({"annotation": str, "path": "/<int:x>"}, "gives int, but"),
        (
            {"annotation": Annotated[int, Meta(min_length=5)], "path": "/<int:x>"},
            "which is no data, for msgspec says: Can only set `min_length` on a str",
        ),
        (
            {"annotation": Path[Annotated[int, Meta(min_length=5)] | None], "path": "/<int:x>"},
            "msgspec says: Can only set `min_length` on a str",
        ),
        ({"annotation": int, "path": "/<y>"}, "has a parameter y, but"),
    ],
)
def test_a_parameter_that_can_come_from_nowhere_is_an_error_at_start_up(
    options: dict[str, Any], said: str
) -> None:
    assert said in mistake(**options)


def test_two_bodies_are_one_too_many() -> None:
    async def view(a: Note, b: Filter) -> None: ...

    with pytest.raises(
        ConfigurationError, match=r"The parameters a of .* and b of .* both would be the body"
    ):
        App([Route("/", "POST", view)])


def test_two_parameters_cannot_have_one_name() -> None:
    async def view(limit: int, page: Page) -> None: ...
    async def other(a: Header[str], b: Annotated[str, In("header", "A")]) -> None: ...
    async def neither(a: Header[str], b: Annotated[str, In("query", "a")]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"limit and page of .* both are 'limit' in the query"):
        App([Route("/", "GET", view)])
    with pytest.raises(ConfigurationError, match=r"a and b of .* both are 'a' in the header"):
        App([Route("/", "GET", other)])
    App([Route("/", "GET", neither)])


def test_a_marker_for_the_body_is_taken_by_every_method() -> None:
    async def view(x: Body[list[Note]]) -> None: ...

    App([Route("/", "GET", view)])


@pytest.mark.parametrize(("marker", "name"), [(Header, "Header"), (Query, "Query"), (Path, "Path")])
def test_a_marker_is_not_called_as_in_other_frameworks(marker: Any, name: str) -> None:
    with pytest.raises(TypeError, match=rf"{name} stands around a type, .* write `name: {name}\[str\] = …`"):
        marker(None, alias="x")


class Changing(Struct):
    tags: list[str]


async def test_a_default_that_a_view_changes_is_another_one_in_the_next_request(client: Connect) -> None:
    async def view(tags: list[str] = ["first"], note: Body[Changing] = Changing([])) -> list[str]:  # noqa: B006, B008
        tags.append("more")
        note.tags.append("more")
        return tags + note.tags

    ask = client(Route("/", "POST", view))
    for _ in range(2):
        assert (await ask.post("/")).json == ["first", "more", "more"]


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "+Infinity", "%20inf"])
@pytest.mark.parametrize("type", [float, float | None, Decimal, list[float], Annotated[float, Meta(ge=0)]])
async def test_what_is_no_number_in_json_is_none_in_a_query(client: Connect, text: str, type: Any) -> None:
    async def view(x: type) -> None: ...  # type: ignore[valid-type]

    answer = await client(Route("/", "GET", view)).get(f"/?x={text}")
    assert answer.status == 422
    assert answer.errors[0][:2] == ("query", "x")


async def test_a_text_may_be_called_like_no_number(client: Connect) -> None:
    async def view(x: float | str, y: list[str]) -> list[Any]:
        return [x, y]

    assert (await client(Route("/", "GET", view)).get("/?x=inf&y=nan")).json[1] == ["nan"]


async def test_what_is_no_number_is_none_in_a_form(client: Connect) -> None:
    class Bid(Struct):
        price: Annotated[float, Meta(ge=0)]

    async def view(bid: Form[Bid]) -> None: ...

    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client(Route("/", "POST", view)).post("/", body=b"price=inf", headers=headers)
    assert answer.errors == [("form", "price", "type")]
