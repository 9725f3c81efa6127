"""Converters of one's own: registered for all or known to one application, and what is found out of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, LiteralString, NewType, TypeVar
from uuid import UUID

import pytest

from asgistar.errors import ConfigurationError
from asgistar.routing import converters
from asgistar.routing.converters import BUILT_IN, Kind, register_converter
from asgistar.routing.route import Include, Route
from asgistar.routing.router import Router

if TYPE_CHECKING:
    from framework.tests.conftest import Resolve


class Year:
    """Says the type of its values by its annotation."""

    regex = "[0-9]{4}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return f"{value:04}"


def view(**arguments: Any) -> None: ...


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is forgotten at its end."""
    monkeypatch.setattr(converters, "_registered", {})
    return iter(())


@pytest.mark.usefixtures("registry")
def test_a_registered_converter_is_known_to_every_table(resolve: Resolve) -> None:
    register_converter(Year, "yyyy")
    assert resolve([Route("/<yyyy:y>/", "GET", view, name="it")], "/0800/") == ("it", {"y": 800})
    assert resolve([Route("/<yyyy:y>/", "GET", view, name="it")], "/800/") is None


@pytest.mark.usefixtures("registry")
def test_a_name_is_registered_once() -> None:
    register_converter(Year(), "yyyy")
    with pytest.raises(
        ConfigurationError, match=r"The converter 'yyyy' is already registered, for '\[0-9\]\{4\}'"
    ):
        register_converter(Year(), "yyyy")
    with pytest.raises(ConfigurationError, match="The converter 'int' is already registered"):
        register_converter(Year(), "int")
    with pytest.raises(ConfigurationError, match="The converter 'yyyy' is already registered"):
        Router([], {"yyyy": Year()})
    with pytest.raises(ConfigurationError, match="The converter 'str' is already registered"):
        Router([], {"str": Year()})


def test_a_converter_of_one_application_is_not_known_to_another() -> None:
    Router([Route("/<yyyy:y>/", "GET", view)], {"yyyy": Year()})
    with pytest.raises(ConfigurationError, match="there is no converter 'yyyy'"):
        Router([Route("/<yyyy:y>/", "GET", view)])


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"regex": None}, "the regex of the converter 'x', None, is not a pattern"),
        ({"regex": "("}, "the regex of the converter 'x', '\\(', is not a pattern"),
        ({"regex": "(?i)a"}, None),
        ({"without": "regex"}, "must have a `regex`"),
        ({"without": "to_python"}, r"must have to_python\(\)"),
        ({"without": "to_url"}, r"must have to_url\(\)"),
    ],
)
def test_what_is_no_converter_is_refused(attributes: dict[str, Any], message: str | None) -> None:
    members: dict[str, Any] = {
        "regex": "x",
        "to_python": lambda self, text: text,
        "to_url": lambda self, value: value,
    }
    members |= attributes
    members.pop(members.pop("without", ""), None)
    if message is None:
        Router([], {"x": type("Own", (), members)})
        return
    with pytest.raises(ConfigurationError, match="(?i)" + message):
        Router([], {"x": type("Own", (), members)})


def test_a_class_that_cannot_be_made_is_refused() -> None:
    class Wants(Year):
        def __init__(self, something: int) -> None: ...

    with pytest.raises(ConfigurationError, match="can't be made without arguments"):
        Router([], {"x": Wants})
    Router([], {"x": Wants(1)})


@pytest.mark.parametrize("name", ["a b", "", "1", "a:b", "a>"])
def test_the_name_of_a_converter_is_an_identifier(name: str) -> None:
    with pytest.raises(ConfigurationError, match="it isn't an identifier"):
        Router([], {name: Year()})


def own(regex: str) -> Kind:
    return Kind("own", type("Own", (Year,), {"regex": regex}))


@pytest.mark.parametrize(
    "regex",
    [
        "[0-9]+", "[^/]+", r"\d{4}", r"\w+", "a|b", "(?:a|b)*", "[a-z][a-z0-9-]*", r"[\w.-]+", "[^/.]+",
        r"[0-9]+(?:\.[0-9]+)?", "[-+]?[0-9]", "[A-Za-z0-9_-]{8,}", r"\$\(x\)",
        *(kind.regex for name, kind in BUILT_IN.items() if name != "path"),
    ],
)  # fmt: skip
def test_regexes_that_take_no_slash_are_known_as_that(regex: str) -> None:
    assert not own(regex).crosses


@pytest.mark.parametrize(
    "regex",
    [
        ".+",
        "[^a]+",
        r"\D",
        r"\S+",
        r"\W",
        "a/b",
        "[a/b]",
        "[+-9]",
        "[!-~]",
        r"\x2f",
        r"[\x2f]",
        r"[^\d]",
        "[ -a]",
    ],
)
def test_regexes_that_may_take_a_slash_are_too(regex: str) -> None:
    assert own(regex).crosses


def test_a_kind_tells_what_it_is() -> None:
    assert repr(BUILT_IN["int"]) == "<converter int: [0-9]+>"


def test_a_converter_that_says_nothing_of_its_type_is_not_checked() -> None:
    class Silent:
        regex = "a"

        def to_python(self, value):  # type: ignore[no-untyped-def]
            return value

        def to_url(self, value: str) -> str:
            return value

    class Unknown(Silent):
        def to_python(self, value: str) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
            return value

    class Generic(Silent):
        def to_python(self, value: str) -> list[int]:
            return [1]

    def wants(x: int) -> None: ...

    for converter in (Silent, Unknown, Generic):
        Router([Route("/<own:x>", "GET", wants)], {"own": converter})


# --- the annotation of the view's parameter ---------------------------------------------------------------


class Colour(Enum):
    RED = "red"


class Size(IntEnum):
    SMALL = 1


class Shade(StrEnum):
    DARK = "dark"


UserId = NewType("UserId", int)
T = TypeVar("T")


def test_a_parameter_without_a_converter_takes_what_its_annotation_says(resolve: Resolve) -> None:
    def typed(
        a: int,
        b: float,
        c: UUID,
        d: date,
        e: datetime,
        f: str,
        g: Annotated[int, "x"],
        h: int | None,
        i: UserId,
    ) -> None: ...
    def others(j: Colour, k: Literal[1, 2], l, m: int | str, n: bool) -> None: ...  # type: ignore[no-untyped-def]  # noqa: E741

    path = "/<a>/<b>/<c>/<d>/<e>/<f>/<g>/<h>/<i>"
    assert resolve(
        [Route(path, "GET", typed, name="it")],
        f"/1/1.5/{UUID(int=1)}/2026-11-22/2026-11-22T15:30:00Z/1/2/3/4",
    ) == (
        "it",
        {
            "a": 1,
            "b": 1.5,
            "c": UUID(int=1),
            "d": date(2026, 11, 22),
            "e": datetime(2026, 11, 22, 15, 30, tzinfo=UTC),
            "f": "1",
            "g": 2,
            "h": 3,
            "i": 4,
        },
    )
    assert resolve([Route("/<j>/<k>/<l>/<m>/<n>", "GET", others, name="it")], "/red/1/x/1/true") == (
        "it",
        {"j": "red", "k": "1", "l": "x", "m": "1", "n": "true"},
    )


def test_a_parameter_of_an_include_is_what_each_view_says(resolve: Resolve) -> None:
    def number(id: int) -> None: ...
    def text(id: str) -> None: ...
    def silent() -> None: ...

    routes = [
        Include(
            "/<id>",
            [
                Route("/n", "GET", number, name="n"),
                Route("/t", "GET", text, name="t"),
                Route("/s", "GET", silent, name="s"),
            ],
        )
    ]
    assert resolve(routes, "/1/n") == ("n", {"id": 1})
    assert resolve(routes, "/x/n") is None
    assert resolve(routes, "/1/t") == ("t", {"id": "1"})
    assert resolve(routes, "/1/s") == ("s", {"id": "1"})


def test_views_of_one_route_must_agree_on_a_parameter_without_a_converter() -> None:
    def number(id: int) -> None: ...
    def text(id: str) -> None: ...

    with pytest.raises(ConfigurationError) as raised:
        Router([Route("/<id>", {"GET": number, "PUT": text})])
    assert "<id> is int for test_views_of" in str(raised.value)
    assert "and str for" in str(raised.value)
    assert str(raised.value).count("test_converters.py:") == 3
    assert "Write the converter, as in <int:id>, or two routes." in str(raised.value)


@pytest.mark.parametrize(
    ("converter", "annotation"),
    [
        ("int", int), ("int", float), ("int", object), ("int", Any), ("int", int | None), ("int", str | int),
        ("int", Annotated[int, 1]), ("int", UserId), ("int", Size), ("int", Literal[1]), ("int", T),
        ("str", str), ("str", Colour), ("str", Shade), ("slug", Literal["a"]), ("path", "str"),
        ("uuid", UUID), ("date", date), ("datetime", datetime), ("datetime", date), ("float", float),
        ("year", int), ("year", float), ("int", LiteralString),
    ],
)  # fmt: skip
def test_a_converter_may_say_what_the_annotation_says(converter: str, annotation: Any) -> None:
    def wants(x): ...  # type: ignore[no-untyped-def]

    wants.__annotations__ = {"x": annotation}
    Router([Route(f"/<{converter}:x>", "GET", wants)], {"year": Year})


@pytest.mark.parametrize(
    ("converter", "annotation", "named"),
    [
        ("int", str, "str"), ("int", UUID, "UUID"), ("int", Colour, "Colour"),
        ("int", Literal["a"], "Literal['a']"),
        ("int", str | None, "str | None"), ("int", bool, "bool"), ("str", int, "int"), ("str", Size, "Size"),
        ("str", UUID, "UUID"), ("slug", list[str], "list[str]"), ("date", datetime, "datetime"),
        ("float", int, "int"),
        ("uuid", str, "str"), ("year", str, "str"),
    ],
)  # fmt: skip
def test_a_converter_that_contradicts_the_annotation_is_an_error(
    converter: str, annotation: Any, named: str
) -> None:
    def wants(x): ...  # type: ignore[no-untyped-def]

    wants.__annotations__ = {"x": annotation}
    with pytest.raises(ConfigurationError) as raised:
        Router([Route(f"/<{converter}:x>", "GET", wants)], {"year": Year})
    assert f"<{converter}:x> gives " in str(raised.value)
    assert f"wants {named} for x. Change one of them." in str(raised.value)
    assert str(raised.value).count("test_converters.py:") == 2


def test_what_a_default_replaces_is_not_checked() -> None:
    def wants(x: str) -> None: ...

    Router([Route("/<int:x>", "GET", wants, defaults={"x": "always"})])
