"""JSON Schemas of types: they say yes to what is accepted, and no to what isn't."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from msgspec import UNSET, Meta, Struct, UnsetType

from asgistar.openapi.schemas import Schemas

T = TypeVar("T")
Id = NewType("Id", int)


class Color(Enum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    HIGH = 2
    LOW = 1


class Note(Struct):
    """A note.

    It can be long.

    Attributes:
        title: what it is about.
        done: whether it is.
    """

    title: str
    done: Annotated[bool, Meta(description="It is done.")] = False
    tags: list[str] = []
    parent: Note | None = None


class Page(Struct, Generic[T]):
    items: list[T]


class Strict(Struct, forbid_unknown_fields=True, rename="camel"):
    in_use: int


class Pair(Struct, array_like=True):
    first: int
    second: str = "b"


class Closed(Struct, array_like=True, forbid_unknown_fields=True, tag=True):
    first: int


class Cat(Struct, tag="cat"):
    lives: int = 9


class Dog(Struct, tag="dog"):
    name: str = ""


class One(Struct, tag=1, tag_field="kind"):
    a: int = 0


class Changes(Struct):
    title: str | UnsetType = UNSET


@dataclass
class Point:
    x: int
    y: int = 0
    more: list[int] = field(default_factory=lambda: [1])


class Box(TypedDict, total=False):
    width: int


class Size(NamedTuple):
    width: int
    height: int = 1


TYPES: list[tuple[Any, list[Any], list[Any]]] = [
    # type, values that are of it, and values that aren't
    (Any, [1, None, {}], []),
    (None, [None], [0]),
    (bool, [True], [1, "true"]),
    (int, [1, -1, 10**30], [1.5, "1", True, None]),
    (float, [1, 1.5], ["1", True]),
    (str, ["", "a"], [1, None]),
    (Id, [1], ["a"]),
    (Annotated[int, Meta(ge=1, lt=5)], [1, 4], [0, 5]),
    (Annotated[int, Meta(gt=1, le=5, multiple_of=2)], [2, 4], [1, 3, 6]),
    (Annotated[float, Meta(gt=0)], [0.1], [0]),
    (Annotated[str, Meta(min_length=1, max_length=2, pattern="^a")], ["a", "ab"], ["", "b", "abc"]),
    (Annotated[list[int], Meta(min_length=1, max_length=2)], [[1], [1, 2]], [[], [1, 2, 3]]),
    (Annotated[dict[str, int], Meta(min_length=1)], [{"a": 1}], [{}]),
    (Annotated[bytes, Meta(min_length=2, max_length=3)], ["aGk=", "aGlp"], ["", "aGlpaGlp"]),
    (list[int], [[], [1]], [["a"], {}, "a"]),
    (list, [[], [1, "a"]], [{}]),
    (set[int], [[], [1, 2], [1, 1]], [["a"]]),
    (tuple[int, str], [[1, "a"]], [[1], [1, "a", 2], ["a", 1]]),
    (tuple[()], [[]], [[1]]),
    (tuple[int, ...], [[], [1, 2]], [["a"]]),
    (dict[str, int], [{}, {"a": 1}], [{"a": "b"}, []]),
    (dict, [{}, {"a": 1}], [[]]),
    (dict[Annotated[str, Meta(pattern="^a$")], int], [{"a": 1}], [{"b": 1}]),
    (dict[Literal["a"], int], [{"a": 1}], [{"b": 1}]),
    (dict[Color, int], [{"red": 1}], [{"pink": 1}]),
    (dict[int, int], [{"1": 1, "-2": 1}], [{"a": 1}]),
    (dict[UUID, int], [{"12345678-1234-5678-1234-567812345678": 1}], [[]]),
    (int | None, [1, None], ["a"]),
    (int | str, [1, "a"], [None, 1.5]),
    (Literal["a", 1, None], ["a", 1, None], ["b", 2]),
    (Literal[1, 2], [1], [3]),
    (Color, ["red"], ["pink", None]),
    (Level, [1], [3, "HIGH"]),
    (date, ["2026-11-22"], [1]),
    (datetime, ["2026-11-22T10:00:00Z"], [1]),
    (Annotated[datetime, Meta(tz=True)], ["2026-11-22T10:00:00Z"], [1]),
    (Annotated[datetime, Meta(tz=False)], ["2026-11-22T10:00:00"], ["2026-11-22T10:00:00Z"]),
    (Annotated[datetime, Meta(tz=False)], ["2026-11-22T10:00:00.5"], ["2026-13-01T10:00:00"]),
    (time, ["10:00:00", "10:00:00.5Z", "10:00:00+01:00"], ["10:00", "25:00:00", 1]),
    (Annotated[time, Meta(tz=True)], ["10:00:00Z"], [1]),
    (Annotated[time, Meta(tz=False)], ["10:00:00"], ["10:00:00Z"]),
    (timedelta, ["P1D", "PT1.5S", "-P1DT2H", "PT1H2M3S"], ["P", "PT", "P1Y", "P1DT", "1D", 1]),
    (UUID, ["12345678-1234-5678-1234-567812345678"], [1]),
    (Decimal, ["1", "-1.50", "1e5", ".5"], ["", "a", "1.1.1"]),
    (bytes, ["", "aGk="], ["a", "aGk", "!"]),
    (bytearray, ["aGk="], ["a"]),
    (Note, [{"title": "a"}, {"title": "a", "parent": {"title": "b"}, "x": 1}], [{}, {"title": 1}, []]),
    (list[Note], [[{"title": "a"}]], [[{}]]),
    (Page[Note], [{"items": [{"title": "a"}]}], [{"items": [{}]}, {}]),
    (Page[int], [{"items": [1]}], [{"items": ["a"]}]),
    (Strict, [{"inUse": 1}], [{"in_use": 1}, {"inUse": 1, "x": 1}]),
    (Pair, [[1], [1, "a"], [1, "a", 2]], [[], ["a"], {}]),
    (Closed, [["Closed", 1]], [["Closed", 1, 2], [1]]),
    (Cat | Dog, [{"type": "cat"}, {"type": "dog", "name": "a"}], [{}, {"type": "cow"}]),
    (Cat | Dog | None, [{"type": "cat"}, None], [{}, {"type": "cow"}]),
    (Cat | int, [{"type": "cat"}, 1], [{"type": "cow"}, "a"]),
    (One, [{"kind": 1}], [{"kind": 2}]),
    (Changes, [{}, {"title": "a"}], [{"title": None}]),
    (Point, [{"x": 1}, {"x": 1, "y": 2}], [{}, {"x": "a"}]),
    (Box, [{}, {"width": 1}], [{"width": "a"}]),
    (Size, [[1], [1, 2]], [[], [1, 2, 3]]),
    (Annotated[Note | None, Meta(description="Perhaps.")], [None, {"title": "a"}], [1]),
]  # fmt: skip


def validator(annotation: Any) -> Draft202012Validator:
    schemas = Schemas()
    schema = {**schemas.of(annotation), "components": {"schemas": schemas.components}}
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize(("annotation", "good", "bad"), TYPES, ids=[str(each[0]) for each in TYPES])
def test_a_schema_says_of_data_what_msgspec_says(annotation: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        validator(annotation).validate(value)
        msgspec.json.decode(json.dumps(value), type=annotation)
    for value in bad:
        assert not validator(annotation).is_valid(value), value
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(json.dumps(value), type=annotation)


@pytest.mark.parametrize(
    "annotation", [timedelta, Decimal, bytes, time, Annotated[time, Meta(tz=False)]], ids=str
)
def test_patterns_take_only_what_msgspec_takes(annotation: Any) -> None:
    pattern = Schemas().of(annotation)["pattern"]
    decode = msgspec.json.Decoder(annotation).decode

    @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
    @given(st.from_regex(pattern.replace("$", r"\Z"), fullmatch=True, alphabet=st.characters(codec="ascii")))
    def check(text: str) -> None:
        decode(json.dumps(text))

    check()


@settings(deadline=None)
@given(st.timedeltas())
def test_the_pattern_of_durations_takes_what_is_sent(value: timedelta) -> None:
    sent = msgspec.to_builtins(value)
    if abs(value.days) < 10**6:
        validator(timedelta).validate(sent)


def test_a_class_stands_in_the_components_once_with_its_docstring() -> None:
    schemas = Schemas()
    assert schemas.of(Note) == schemas.of(Note) == {"$ref": "#/components/schemas/Note"}
    assert schemas.components == {
        "Note": {
            "title": "Note",
            "description": "A note.\n\nIt can be long.",
            "type": "object",
            "properties": {
                "title": {"type": "string", "description": "what it is about."},
                "done": {"type": "boolean", "description": "It is done.", "default": False},
                "tags": {"type": "array", "items": {"type": "string"}, "default": []},
                "parent": {
                    "anyOf": [{"$ref": "#/components/schemas/Note"}, {"type": "null"}],
                    "default": None,
                },
            },
            "required": ["title"],
        }
    }


def test_metadata_stands_beside_the_schema() -> None:
    schemas = Schemas()
    meta = Meta(
        title="T", description="D", examples=[1], extra_json_schema={"format": "int32", "deprecated": True}
    )
    assert schemas.of(Annotated[int, meta]) == {
        "type": "integer",
        "title": "T",
        "description": "D",
        "examples": [1],
        "format": "int32",
        "deprecated": True,
    }
    assert schemas.of(Annotated[Note, Meta(description="This one.")]) == {
        "$ref": "#/components/schemas/Note",
        "description": "This one.",
    }


def test_values_of_an_enum_stand_in_their_own_order() -> None:
    schemas = Schemas()
    schemas.of(Level)
    assert schemas.components["Level"] == {"title": "Level", "type": "integer", "enum": [2, 1]}


def test_a_generic_class_is_named_for_what_it_is_of() -> None:
    schemas = Schemas()
    assert schemas.of(Page[Note]) == {"$ref": "#/components/schemas/Page_Note"}
    assert schemas.of(Page[list[int]]) == {"$ref": "#/components/schemas/Page_list_int"}
    assert schemas.components["Page_Note"]["title"] == "Page[Note]"


def test_two_classes_of_one_name_have_two_names() -> None:
    def another() -> Any:
        return msgspec.defstruct("Note", [("n", int)], module="shop.models")

    schemas = Schemas()
    names = [schemas.of(each)["$ref"].rpartition("/")[2] for each in (Note, another(), another(), another())]
    assert names == ["Note", "shop.models.Note", "Note_2", "Note_3"]


def test_a_default_that_cant_be_told_is_left_out() -> None:
    class Odd(Struct):
        when: float = float("nan")
        what: Any = object()
        made: list[int] = msgspec.field(default_factory=lambda: [1])

    schemas = Schemas()
    schemas.of(Odd)
    assert "default" not in schemas.components["Odd"]["properties"]["what"]
    assert "default" not in schemas.components["Odd"]["properties"]["made"]


def test_unions_that_a_tag_tells_apart_say_so() -> None:
    schemas = Schemas()
    assert schemas.of(Cat | Dog) == {
        "anyOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
        "discriminator": {
            "propertyName": "type",
            "mapping": {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"},
        },
    }
