# ruff: noqa: E501
"""Every error of a value at once: where it is, a code for programs, a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from asgistar.errors import FieldError
from asgistar.validation import checks
from asgistar.validation.errors import errors_of

T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Address(Struct, rename="camel"):
    zip_code: Annotated[str, Meta(pattern="^[0-9]{5}$")]
    city: str = ""


class Person(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=5)]
    age: Annotated[int, Meta(ge=0, le=150)] | None = None
    addresses: list[Address] = []
    born: date | None = None


class Cat(Struct, tag="cat"):
    lives: int


class Dog(Struct, tag="dog", tag_field="type"):
    name: str


class Row(Struct, array_like=True):
    a: int
    b: str = ""


class Exact(Struct, array_like=True, forbid_unknown_fields=True):
    a: int


class Tagged(Struct, array_like=True, tag="tagged"):
    a: int


class Exact2(Struct, array_like=True, tag="exact"):
    a: str


@attrs.define
class Even:
    number: int = attrs.field(validator=lambda _, __, value: even(value))


def even(number: int) -> None:
    if number % 2:
        raise ValueError("must be even")


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass
class Item:
    price: float


class Options(TypedDict, total=False):
    deep: bool


class Box(Struct, Generic[T]):
    content: T


class Ordered(Struct):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low must not be above high")


class Tree(Struct):
    children: list[Tree] = []


def told(type: Any, data: Any, **options: Any) -> list[tuple[Any, ...]]:
    return [
        (*each["path"], each["code"], each["message"]) for each in errors_of(type, data, "body", **options)
    ]


@pytest.mark.parametrize(
    ("type", "data", "errors"),
    [
        # simple types
        (int, "7", [("type", "Must be an integer.")]),
        (int, 1.5, [("type", "Must be an integer.")]),
        (int, None, [("type", "Must be an integer.")]),
        (float, "x", [("type", "Must be a number.")]),
        (str, 7, [("type", "Must be a string.")]),
        (bool, 1, [("type", "Must be a boolean.")]),
        (None, 7, [("type", "Must be null.")]),
        (bytes, "!", [("type", "Must be text in base64.")]),
        (UUID, "x", [("type", "Must be a UUID.")]),
        (date, "x", [("type", "Must be a date.")]),
        (datetime, "x", [("type", "Must be a date with a time.")]),
        (msgspec.Raw | None, None, []),
        (Colour, "green", [("choice", "Must be one of 'red', 'blue'.")]),
        (Size, 3, [("choice", "Must be one of 1, 2.")]),
        (Literal["a", 1], "b", [("choice", "Must be one of 1, 'a'.")]),
        # limits
        (Annotated[int, Meta(ge=1)], 0, [("ge", "Must be greater than or equal to 1.")]),
        (Annotated[int, Meta(gt=1)], 1, [("gt", "Must be greater than 1.")]),
        (Annotated[float, Meta(le=1)], 1.5, [("le", "Must be less than or equal to 1.")]),
        (Annotated[float, Meta(lt=1)], 1, [("lt", "Must be less than 1.")]),
        (Annotated[float, Meta(ge=1)], float("nan"), [("ge", "Must be greater than or equal to 1.")]),
        (Annotated[float, Meta(ge=1)], 0, [("ge", "Must be greater than or equal to 1.")]),
        (Annotated[float, Meta(multiple_of=0.5)], 0.7, [("multiple_of", "Must be a multiple of 0.5.")]),
        (Annotated[int, Meta(multiple_of=5)], 7, [("multiple_of", "Must be a multiple of 5.")]),
        (Annotated[int, Meta(ge=10, multiple_of=5)], 7, [("ge", "Must be greater than or equal to 10."), ("multiple_of", "Must be a multiple of 5.")]),
        (Annotated[str, Meta(min_length=1)], "", [("min_length", "Must have at least 1 character.")]),
        (Annotated[str, Meta(max_length=2)], "abc", [("max_length", "Must have no more than 2 characters.")]),
        (Annotated[str, Meta(pattern="^a")], "b", [("pattern", "Must match the pattern ^a")]),
        (Annotated[datetime, Meta(tz=True)], "2026-01-01T00:00:00", [("tz", "Must have an offset from UTC.")]),
        (Annotated[datetime, Meta(tz=False)], "2026-01-01T00:00:00Z", [("tz", "Must have no offset from UTC.")]),
        # arrays
        (list[int], 7, [("type", "Must be an array.")]),
        (list[int], [1, "2", 3, "4"], [(1, "type", "Must be an integer."), (3, "type", "Must be an integer.")]),
        (set[int], ["a"], [(0, "type", "Must be an integer.")]),
        (tuple[int, ...], ["a"], [(0, "type", "Must be an integer.")]),
        (Annotated[list[int], Meta(min_length=2)], ["a"], [("min_length", "Must have at least 2 items."), (0, "type", "Must be an integer.")]),
        (Annotated[list[int], Meta(max_length=1)], [1, 2], [("max_length", "Must have no more than 1 item.")]),
        (tuple[int, str], [1], [("length", "Must have 2 items.")]),
        (tuple[int, str], ["a", 1], [(0, "type", "Must be an integer."), (1, "type", "Must be a string.")]),
        (Row, [], [("length", "Must have 1 to 2 items.")]),
        (Row, ["a"], [(0, "type", "Must be an integer.")]),
        (Row, ["a", "b", "passed over"], [(0, "type", "Must be an integer.")]),
        (Row, {}, [("type", "Must be an array.")]),
        (Exact, [1, 2], [("length", "Must have 1 items.")]),
        (Tagged, ["tagged", "a"], [(1, "type", "Must be an integer.")]),
        (Tagged, ["other", 1], [(0, "invalid", "Invalid value 'other'")]),
        (Tagged | Exact2, ["other", 1], [(0, "choice", "Must be 'tagged' or 'exact'.")]),
        (Tagged | Exact2, [], [(0, "choice", "Must be 'tagged' or 'exact'.")]),
        (list[Tagged | Exact2], [["tagged", "a"]], [(0, 1, "type", "Must be an integer.")]),
        (Point, ["a", "b", 3], [("length", "Must have 1 to 2 items."), (0, "type", "Must be an integer."), (1, "type", "Must be an integer.")]),
        # objects
        (dict[str, int], [], [("type", "Must be an object.")]),
        (dict[str, int], {"a": "x", "b": 1}, [("a", "type", "Must be an integer.")]),
        (dict[int, int], {"a": 1, "1": "b"}, [("a", "key", "Its name must be an integer."), ("1", "type", "Must be an integer.")]),
        (Annotated[dict[str, int], Meta(max_length=1)], {"a": 1, "b": 2}, [("max_length", "Must have no more than 1 member.")]),
        (Person, [], [("type", "Must be an object.")]),
        (Person, {}, [("name", "missing", "Is missing.")]),
        (
            Person,
            {"name": "", "age": 151, "addresses": [{"zipCode": "1"}, {}], "born": "x", "extra": 1},
            [
                ("name", "min_length", "Must have at least 1 character."),
                ("age", "le", "Must be less than or equal to 150."),
                ("addresses", 0, "zipCode", "pattern", "Must match the pattern ^[0-9]{5}$"),
                ("addresses", 1, "zipCode", "missing", "Is missing."),
                ("born", "type", "Must be a date."),
                ("extra", "unknown", "Is not known."),
            ],
        ),
        (Item, {"price": "x"}, [("price", "type", "Must be a number.")]),
        (Item, {}, [("price", "missing", "Is missing.")]),
        (Options, {"deep": 1}, [("deep", "type", "Must be a boolean.")]),
        (Box[int], {"content": "x"}, [("content", "type", "Must be an integer.")]),
        (list[Box[list[int]]], [{"content": ["x"]}], [(0, "content", 0, "type", "Must be an integer.")]),
        # unions
        (int | None, "x", [("type", "Must be an integer.")]),
        (int | str, None, [("type", "Must be an integer or a string.")]),
        (int | bool | None, "x", [("type", "Must be an integer or a boolean or null.")]),
        (Annotated[int, Meta(ge=1)] | str, 0, [("ge", "Must be greater than or equal to 1.")]),
        (int | list[int], ["x"], [(0, "type", "Must be an integer.")]),
        (int | list[int], {}, [("type", "Must be an integer or an array.")]),
        (int | dict[str, int], {"a": "x"}, [("a", "type", "Must be an integer.")]),
        (int | Address, {}, [("zipCode", "missing", "Is missing.")]),
        (int | Address, [], [("type", "Must be an integer or an object.")]),
        (Cat | Dog, {"type": "cat"}, [("lives", "missing", "Is missing.")]),
        (Cat | Dog, {"type": "cow"}, [("type", "choice", "Must be 'cat' or 'dog'.")]),
        (Cat | Dog, {}, [("type", "choice", "Must be 'cat' or 'dog'.")]),
        (list[Cat | Dog], [{"type": "dog", "name": 1}], [(0, "name", "type", "Must be a string.")]),
        (Cat, {"type": "dog", "lives": 1}, [("type", "invalid", "Invalid value 'dog'")]),
        # rules that are code
        (Ordered, {"low": 2, "high": 1}, [("invalid", "low must not be above high")]),
        (Ordered, {"low": "2", "high": 1}, [("low", "type", "Must be an integer.")]),
        (list[Ordered], [{"low": 2, "high": 1}], [(0, "invalid", "low must not be above high")]),
        (list[Ordered], [{"low": 2, "high": 1}, {}], [(0, "invalid", "low must not be above high"), (1, "low", "missing", "Is missing."), (1, "high", "missing", "Is missing.")]),
        (Even, {"number": 3}, [("invalid", "must be even")]),
        (set[int], [1, "a", 1], [(1, "type", "Must be an integer.")]),
    ],
)  # fmt: skip
def test_errors_say_where_and_what(type: Any, data: Any, errors: list[Any]) -> None:
    assert told(type, data) == errors


def test_what_is_right_has_no_errors() -> None:
    assert (
        told(Person, {"name": "a", "age": 7, "addresses": [{"zipCode": "12345"}], "born": "2026-01-01"}) == []
    )
    assert told(datetime, datetime.now(UTC)) == []


def test_texts_are_taken_for_numbers_where_there_is_nothing_but_text() -> None:
    assert told(int, "7", strict=False) == []
    assert told(list[int], ["7", "x"], strict=False) == [(1, "type", "Must be an integer.")]
    assert told(Annotated[int, Meta(ge=8)], "7", strict=False) == [
        ("ge", "Must be greater than or equal to 8.")
    ]


def test_null_may_be_a_text_where_there_is_nothing_but_text() -> None:
    assert told(int | None, "null", strict=False) == []
    assert told(list[int | None], ["null", "x"], strict=False) == [(1, "type", "Must be an integer.")]


def test_what_json_has_no_word_for_may_be_right() -> None:
    """From msgpack come bytes, from the path what converters made."""
    assert told(list[int], (1, "a")) == [("type", "Must be an array.")]
    assert told(tuple[list[int], Point, int], [(1,), (1, 2), "a"]) == [(2, "type", "Must be an integer.")]
    assert told(dict[str, int], {b"a": 1, "b": "c"}) == [
        (b"a", "key", "Its name must be a string."),
        ("b", "type", "Must be an integer."),
    ]


def test_why_a_value_was_refused_is_not_asked_twice() -> None:
    refused = msgspec.ValidationError("Expected `int`, got `float` - at `$[1]`")
    assert errors_of(list[int], [1, 2], "body", known=refused) == [
        {"in": "body", "path": [1], "code": "invalid", "message": "Expected int, got float"}
    ]


def test_rules_that_are_code_are_not_asked_of_much_in_much() -> None:
    """Each would be asked about all that is in it, and about that again what it is in."""

    right = {"type": "Ruled"}
    data: Any = {"type": "Ruled", "children": [right] * 100}
    for _ in range(30):
        data = {"type": "Ruled", "children": [data, *[right] * 100]}
    wrong = {"type": "Ruled", "children": 7}
    for _ in range(40):
        wrong = {"type": "Ruled", "children": [data, wrong]}
    Ruled.made = 0
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Ruled)
    once, Ruled.made = Ruled.made, 0
    assert told(Ruled, wrong)
    assert Ruled.made < once + 2 * checks.VISITS


class Ruled(Struct, tag=True):
    children: list[Ruled | Cat] = []
    made: ClassVar[int] = 0

    def __post_init__(self) -> None:
        Ruled.made += 1


def test_names_are_those_of_the_request() -> None:
    assert told(Address, {}, names={"zipCode": "x-zip"}) == [("x-zip", "missing", "Is missing.")]


def test_a_type_that_is_not_hashable_is_looked_into_too() -> None:
    assert told(Annotated[int, Meta(ge=1, extra={"a": []}), []], 0) == [
        ("ge", "Must be greater than or equal to 1.")
    ]


def test_no_more_errors_are_told_than_anyone_reads() -> None:
    assert len(told(list[int], ["x"] * 1000)) == checks.MAXIMUM


class Priced(Struct, rename="camel"):
    unit_price: Decimal
    in_words: str = ""

    def __post_init__(self) -> None:
        if self.unit_price <= 0:
            raise FieldError("unit_price", "Must be above `0` - at `$.x`.", code="gt")
        if self.in_words == "else":
            raise FieldError("other", "Isn't told.")


class PricedRow(Struct, array_like=True, tag=True):
    name: str
    unit_price: Decimal

    def __post_init__(self) -> None:
        raise FieldError("unit_price", "Isn't ours.")


@dataclass
class PricedItem:
    price: int

    def __post_init__(self) -> None:
        raise FieldError("price", "n" * 1000)


def test_a_rule_of_ones_own_says_which_field_does_not_keep_it() -> None:
    message = "Must be above `0` - at `$.x`."
    assert told(Priced, {"unitPrice": "0"}) == [("unitPrice", "gt", message)]
    assert told(dict[str, list[Priced]], {"a": [{"unitPrice": 1}, {"unitPrice": "-1"}]}) == [
        ("a", 1, "unitPrice", "gt", message)
    ]
    assert told(Priced | None, {"unitPrice": 0}, names={"unitPrice": "price"}) == [("price", "gt", message)]
    assert told(Priced, {"unitPrice": 1, "inWords": "else"}) == [("other", "invalid", "Isn't told.")]
    assert told(PricedRow, ["PricedRow", "a", 1]) == [(2, "invalid", "Isn't ours.")]
    assert told(PricedItem, {"price": 1}) == [("price", "invalid", "n" * 499 + "…")]


class Picky(Struct):
    word: str

    def __post_init__(self) -> None:
        raise ValueError(f"{self.word} is not a word")


def test_what_a_client_made_long_is_told_shortly() -> None:
    long = "n" * 1_000_000
    assert told(dict[str, dict[str, int]], {long: {long: "x"}}) == [
        ("n" * 99 + "…", "n" * 99 + "…", "type", "Must be an integer.")
    ]
    assert told(Person, {"name": "Ada", long: 1}) == [("n" * 99 + "…", "unknown", "Is not known.")]
    assert told(Picky, {"word": long}) == [("invalid", "n" * 499 + "…")]


def test_large_data_is_not_gone_through_for_long() -> None:
    # The last of many is wrong: msgspec's own word for it has to do.
    data = [1] * (checks.VISITS * 2) + ["x"]
    assert told(list[int], data) == [(len(data) - 1, "invalid", "Expected int, got str")]


def test_deep_data_is_told_to_be_too_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    data: Any = {"children": [7]}
    for _ in range(100):
        data = {"children": [data]}
    (error,) = errors_of(Tree, data, "body")
    assert error["path"] == [*["children", 0] * 8, "…", 0, *["children", 0] * 7]
    for _ in range(2000):
        data = {"children": [data]}
    assert told(Tree, data) == [("invalid", "Is nested too deeply.")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 200) | st.floats(allow_nan=False) | st.sampled_from(["", "a", "red", "12345", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["name", "age", "addresses", "zipCode", "type", "lives", "low", "high"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    JSON,
    st.sampled_from(
        [Person, list[Person], Cat | Dog | None, Ordered, Row, Point, dict[str, Address], int | list[Person] | str, Box[Address]]
    ),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_there_are_errors_exactly_where_msgspec_has_one(data: Any, type: Any) -> None:
    try:
        msgspec.convert(data, type, str_keys=True)
        right = True
    except msgspec.ValidationError:
        right = False
    errors = errors_of(type, data, "body")
    assert bool(errors) is not right
    for error in errors:
        # Each is told of a place that there is, but for what is missing.
        place = data
        for key in error["path"][: -1 if error["code"] in ("missing", "choice") else None]:
            place = place[key]
