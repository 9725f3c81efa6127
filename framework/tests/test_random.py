"""Models and tables of routes that nobody has thought of: what is so for all of them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from asgistar import Body, ConfigurationError, Route, Struct
from asgistar.routing.converters import known_converters
from asgistar.routing.router import Router

if TYPE_CHECKING:
    from framework.tests.conftest import Connect

JSON = {"content-type": "application/json"}
T = TypeVar("T")

quickly = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Cat(Struct, tag="cat", tag_field="kind"):
    lives: int


class Dog(Struct, tag="dog", tag_field="kind"):
    name: str = ""


class Box(Struct, Generic[T]):
    item: T
    more: list[T] = []  # noqa: RUF012  # msgspec copies it


# Type -> its values.
SINGLE: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**70), 2**70),
    Annotated[int, Meta(ge=0, le=10)]: st.integers(0, 10),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    Annotated[str, Meta(min_length=1, max_length=3, pattern="^a")]: st.sampled_from(["a", "ab", "abc"]),
    bytes: st.binary(max_size=5),
    date: st.dates(),
    datetime: st.datetimes(),
    Annotated[datetime, Meta(tz=True)]: st.datetimes(timezones=st.just(timezone(timedelta(hours=1)))),
    timedelta: st.timedeltas(timedelta(days=-9), timedelta(days=9)),
    Decimal: st.decimals(-1000, 1000, places=2),
    UUID: st.uuids(),
    Color: st.sampled_from(Color),
    Level: st.sampled_from(Level),
    Literal["a", "b"]: st.sampled_from(["a", "b"]),
    Cat | Dog: st.one_of(st.builds(Cat, st.integers(0, 9)), st.builds(Dog, st.just("x"))),
    int | str | None: st.one_of(st.integers(0, 9), st.text("ab", max_size=3), st.none()),
}

NAMES = ["a", "b", "value", "snake_case", "body", "query", "scope", "receive", "send", "view", "result"]

Typed = tuple[Any, st.SearchStrategy[Any]]


def _struct(fields: dict[str, Any], **options: Any) -> Any:
    return msgspec.defstruct("Made", list(fields.items()), **options)


MAKERS: list[Callable[[dict[str, Any]], Any]] = [
    _struct,
    lambda fields: _struct(fields, rename="camel", forbid_unknown_fields=True, kw_only=True),
    lambda fields: _struct(fields, frozen=True, omit_defaults=True, rename="kebab"),
    lambda fields: _struct(fields, array_like=True),
    lambda fields: dataclasses.make_dataclass("Made", list(fields.items())),
    lambda fields: attrs.make_class("Made", {name: attrs.field(type=each) for name, each in fields.items()}),
    lambda fields: NamedTuple("Made", list(fields.items())),
    lambda fields: TypedDict("Made", fields),
]


@st.composite
def typed(draw: Any, depth: int) -> Typed:
    """A type, and a strategy for its values."""
    kind = draw(st.integers(0, 6 if depth else 0))
    if kind == 0:
        single = draw(st.sampled_from(list(SINGLE)))
        return single, SINGLE[single]
    if kind == 1:
        return draw(model(depth - 1))  # type: ignore[no-any-return]
    inner, values = draw(typed(depth - 1))
    made: dict[int, Typed] = {
        2: (list[inner], st.lists(values, max_size=3)),
        3: (dict[str, inner], st.dictionaries(st.text("abc", max_size=3), values, max_size=3)),
        4: (tuple[inner, int], st.tuples(values, st.integers(0, 9))),
        5: (inner | None, st.one_of(st.none(), values)),
        6: (Box[inner], st.builds(Box, values, st.lists(values, max_size=2))),
    }
    return made[kind]


@st.composite
def model(draw: Any, depth: int = 2) -> Typed:
    """A type of many fields, and a strategy for its values."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    fields = {name: draw(typed(depth)) for name in names}
    cls = draw(st.sampled_from(MAKERS))({name: each for name, (each, _) in fields.items()})
    return cls, st.builds(cls, **{name: values for name, (_, values) in fields.items()})


@st.composite
def spoilt(draw: Any, data: Any) -> Any:
    """The same with something else in one place."""
    if isinstance(data, dict | list) and data and draw(st.booleans()):
        changed: Any = data.copy()
        key = draw(st.sampled_from(sorted(data) if isinstance(data, dict) else range(len(data))))
        if draw(st.booleans()):
            changed[key] = draw(spoilt(data[key]))
        else:
            del changed[key]
        return changed
    return draw(st.sampled_from([None, True, -1, 10**30, 0.5, "x", "red", [], [1], {}, {"x": 1}]))


def is_there(data: Any, path: list[Any]) -> bool:
    """Whether a path leads to a value, or to one that is missing where it leads."""
    *before, last = path or [None]
    for key in before:
        data = data[key]
    return last is None or (isinstance(data, dict) if isinstance(last, str) else 0 <= last < len(data))


@quickly
@given(st.data())
async def test_what_comes_goes_as_it_came_and_what_is_wrong_is_told_where(client: Connect, data: Any) -> None:
    made, values = data.draw(model())
    try:
        decoder = msgspec.json.Decoder(made)
    except TypeError:
        return  # a union that nobody could tell apart

    async def view(value: Any) -> Any:
        return value

    view.__annotations__.update({"value": Body[made], "return": made})
    ask = client(Route("/", "POST", view))

    sent = msgspec.json.encode(data.draw(values))
    answer = await ask.post("/", body=sent, headers=JSON)
    assert answer.status == 200
    assert decoder.decode(answer.body) == decoder.decode(sent)

    wrong = data.draw(spoilt(json.loads(sent)))
    sent = json.dumps(wrong).encode()
    answer = await ask.post("/", body=sent, headers=JSON)
    try:
        decoder.decode(sent)
    except msgspec.ValidationError:
        assert answer.status == 422
        assert answer.json["errors"]
        for error in answer.json["errors"]:
            assert is_there(wrong, error["path"]), error
    else:
        assert answer.status == 200


# --- routes -----------------------------------------------------------------------------------------------


class Even:
    regex = "[0-9]+"
    type = int

    def to_python(self, value: str) -> int:
        if int(value) % 2:
            raise ValueError
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


class Letters:
    """It may be empty, and isn't one class of characters."""

    regex = "a?b*"
    type = str
    to_python = to_url = staticmethod(str)


CONVERTERS: dict[str, Any] = {"even": Even, "letters": Letters}
KINDS = known_converters(CONVERTERS)
PARAMETER = re.compile(r"<(\w+):(\w+)>")


def naive(table: list[str], path: str) -> tuple[str, dict[str, Any]] | None:
    """What DEP 0201 says: the routes in their order, each as a regular expression."""
    for route in table:
        texts = PARAMETER.split(route)
        regex = re.escape(texts[0])
        for converter, name, text in zip(texts[1::3], texts[2::3], texts[3::3], strict=True):
            regex += f"(?P<{name}>{KINDS[converter].regex})" + re.escape(text)
        found = re.fullmatch(regex, path)
        if found is None:
            continue
        values: dict[str, Any] = found.groupdict()
        try:
            for converter, name in PARAMETER.findall(route):
                convert = KINDS[converter].to_python
                values[name] = values[name] if convert is None else convert(values[name])
        except ValueError:
            continue
        return route, values
    return None


PIECES = ["a", "ab", "b", "1", "12", "13", "-", ".", "/", "/", "//", "x", "é", "0.5", "\n", ""]


@st.composite
def route(draw: Any) -> str:
    """A path of the grammar."""
    made = "/"
    for number in range(draw(st.integers(1, 4))):
        converter = draw(st.sampled_from(["", "str", "int", "path", "slug", "float", "even", "letters"]))
        made += f"<{converter}:p{number}>" if converter else draw(st.sampled_from(PIECES))
        made += draw(st.sampled_from(["", "", "/", "-"]))
    return made


@settings(quickly, max_examples=150)
@given(st.lists(route(), min_size=1, max_size=6), st.data())
def test_a_table_is_read_from_top_to_bottom_as_django_does(routes: list[str], data: Any) -> None:
    def view(**parameters: Any) -> None: ...

    table: list[str] = []
    hidden: list[tuple[str, list[str]]] = []
    for each in routes:
        try:
            Router([Route(path, "GET", view) for path in [*table, each]], CONVERTERS)
        except ConfigurationError as error:
            assert "can never match" in str(error)  # noqa: PT017
            hidden.append((each, [*table]))
        else:
            table.append(each)
    router = Router([Route(path, "GET", view) for path in table], CONVERTERS)
    for _ in range(8):
        # One that a route is likely to take, or any.
        likely = PARAMETER.sub(
            lambda _: data.draw(st.sampled_from(PIECES)), data.draw(st.sampled_from(routes))
        )
        anything = "/" + "".join(data.draw(st.lists(st.sampled_from(PIECES), max_size=6)))
        for path in (likely, anything):
            found = router.match("GET", path)
            told = found and (found[0].path, found[0].arguments(found[1]))
            assert told == naive(table, path)
            # The one character that a `path` doesn't take doesn't make a route behind it worth its line.
            for each, before in hidden if "\n" not in path else ():
                assert naive([each], path) is None or naive(before, path) is not None
