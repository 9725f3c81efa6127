"""Types of data of all kinds, in all the places of a request: a text means the same value everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NewType, TypedDict
from urllib.parse import quote
from uuid import UUID

import attrs
import pytest

from asgistar import Body, ConfigurationError, Cookie, Form, Header, Meta, Query, Route, Struct

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    L = 3


UserId = NewType("UserId", int)
Positive = Annotated[int, Meta(gt=0)]


class InStruct(Struct):
    number: int
    tags: list[str] = []  # noqa: RUF012
    colour: Colour = Colour.RED


@dataclass
class InDataclass:
    number: int
    tags: list[str]
    colour: Colour = Colour.RED


@attrs.define
class InAttrs:
    number: int
    tags: list[str] = attrs.field(factory=list)
    colour: Colour = Colour.RED


class InTypedDict(TypedDict):
    number: int
    tags: list[str]
    colour: Colour


class InNamedTuple(NamedTuple):
    number: int
    tags: list[str] = []  # noqa: RUF012
    colour: Colour = Colour.RED


class A(Struct, tag=True):
    number: int


class B(Struct, tag=True):
    number: str


FORM = {"content-type": "application/x-www-form-urlencoded"}
SIMPLE: list[tuple[Any, str, Any]] = [
    (int, "7", 7),
    (int, "-7", -7),
    (int, str(2**64), 2**64),
    (float, "1.5", 1.5),
    (bool, "true", True),
    (Decimal, "1.50", Decimal("1.50")),
    (date, "2026-11-22", date(2026, 11, 22)),
    (datetime, "2026-11-22T18:30:00Z", datetime(2026, 11, 22, 18, 30, tzinfo=UTC)),
    (datetime, "2026-11-22T18:30:00", datetime(2026, 11, 22, 18, 30)),
    (Annotated[datetime, Meta(tz=True)], "2026-11-22T18:30:00", "tz"),
    (time, "18:30:00", time(18, 30)),
    (timedelta, "PT90S", timedelta(seconds=90)),
    (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
    (Colour, "red", Colour.RED),
    (Colour, "blue", "choice"),
    (Size, "3", Size.L),
    (Literal["a", "b"], "a", "a"),
    (Literal[1, 2], "2", 2),
    (Literal["a", "b"], "c", "choice"),
    (int | None, "7", 7),
    (int | Colour, "red", Colour.RED),
    (UserId, "7", 7),
    (Positive, "7", 7),
    (Positive, "0", "gt"),
    (Annotated[str, Meta(pattern="^a+$")], "aaa", "aaa"),
    (Annotated[str, Meta(pattern="^a+$")], "b", "pattern"),
    (int, "7.5", "type"),
    (float, "x", "type"),
    (int, "9" * 5000, "type"),
    (date, "2026-02-30", "type"),
]


async def asked(client: Connect, annotation: Any, target: str, text: Any = "", **options: Any) -> Any:
    """What a view gets as its `x`; or the code of what is wrong with it."""
    got: list[Any] = []

    async def view(x: Any) -> None:
        got.append(x)

    view.__annotations__["x"] = annotation
    answer = await client(Route("/", "POST", view)).post(target, text or None, **options)
    if answer.status == 204:
        return got[0]
    assert answer.status == 422
    (error,) = answer.json["errors"]
    assert error["message"]
    return error["code"]


@pytest.mark.parametrize(("annotation", "text", "value"), SIMPLE)
async def test_a_text_means_the_same_in_all_places(
    annotation: Any, text: str, value: Any, client: Connect
) -> None:
    quoted = quote(text)
    assert await asked(client, Query[annotation], f"/?x={quoted}") == value
    assert await asked(client, Header[annotation], "/", headers={"x": text}) == value
    assert await asked(client, Cookie[annotation], "/", headers={"cookie": f"x={text}"}) == value
    assert await asked(client, Form[annotation], "/", body=f"x={quoted}".encode(), headers=FORM) == value


@pytest.mark.parametrize(("annotation", "text", "value"), SIMPLE)
async def test_in_json_it_means_the_same_but_numbers_are_no_texts(
    annotation: Any, text: str, value: Any, client: Connect
) -> None:
    numbers = annotation in (int, float, bool, Size, Literal[1, 2], int | None, UserId, Positive)
    if numbers:
        if len(text) < 4000 and text != "x":
            assert await asked(client, Body[annotation], "/", body=text.encode(), headers=JSON) == value
        assert await asked(client, Body[annotation], "/", text) in ("type", "choice")
    else:
        assert await asked(client, Body[annotation], "/", text) == value


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("cls", [InStruct, InDataclass, InAttrs, InTypedDict])
async def test_objects_of_all_kinds_come_from_all_places(cls: Any, client: Connect) -> None:
    query = "number=7&tags=a&tags=b&colour=red"
    given = {"number": 7, "tags": ["a", "b"], "colour": Colour.RED}
    expected = given if cls is InTypedDict else cls(**given)
    assert await asked(client, Query[cls], f"/?{query}") == expected
    headers = {"number": "7", "tags": "a, b", "colour": "red"}
    assert await asked(client, Header[cls], "/", headers=headers) == expected
    cookie = "number=7; tags=a; tags=b; colour=red"
    assert await asked(client, Cookie[cls], "/", headers={"cookie": cookie}) == expected
    assert await asked(client, Form[cls], "/", body=query.encode(), headers=FORM) == expected
    assert await asked(client, cls, "/", {**given, "colour": "red"}) == expected
    assert await asked(client, dict[str, list[cls]], "/", {"a": [{**given, "colour": "red"}]}) == {
        "a": [expected]
    }
    assert await asked(client, cls, "/", {**given, "colour": "blue"}) == "choice"
    assert await asked(client, Query[cls], f"/?{query.replace('7', 'x')}") == "type"


async def test_named_tuples_are_arrays(client: Connect) -> None:
    assert await asked(client, InNamedTuple, "/", [7, ["a"]]) == InNamedTuple(7, ["a"])
    assert await asked(client, list[InNamedTuple], "/", [[7], []]) == "length"

    async def view(x: Any) -> None: ...

    view.__annotations__["x"] = Query[InNamedTuple]
    with pytest.raises(ConfigurationError, match="which can't come from the query"):
        client(Route("/", "GET", view))


async def test_unions_are_told_apart_by_their_tags(client: Connect) -> None:
    assert await asked(client, A | B, "/", {"type": "B", "number": "x"}) == B("x")
    assert await asked(client, A | B, "/", {"type": "A", "number": "x"}) == "type"
    assert await asked(client, A | B | None, "/", {"type": "C"}) == "choice"
    assert await asked(client, list[A | B], "/", [{"type": "A", "number": 1}]) == [A(1)]
    assert await asked(client, int | list[int] | A, "/", {"type": "A", "number": 1}) == A(1)


async def test_integers_of_any_size_stay_exact(client: Connect) -> None:
    for number in (2**53 + 1, -(2**63), 2**64 - 1):
        assert await asked(client, Body[int], "/", number) == number
        assert await asked(client, Query[int], f"/?x={number}") == number


async def test_local_classes_are_found_though_annotations_are_texts(client: Connect) -> None:
    class Local(Struct):
        a: int

    async def view(local: Local) -> Local:
        return local

    assert (await client(Route("/", "POST", view)).post("/", {"a": 1})).json == {"a": 1}


async def test_a_class_with_a_local_class_in_it_is_an_error_that_says_what_to_do(client: Connect) -> None:
    class Inner(Struct):
        a: int

    class Outer(Struct):
        inner: Inner

    async def view(outer: Outer) -> None: ...

    with pytest.raises(ConfigurationError, match="Define the name at the level of the module"):
        client(Route("/", "POST", view))
