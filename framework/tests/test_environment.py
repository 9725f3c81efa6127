"""Settings of the environment: variables in, typed attributes out, everything wrong told at once."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest

from asgistar import App, ConfigurationError, Environment, Meta, Struct, component


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Limits(Struct):
    size: int
    files: int = 1


class Env(Environment, prefix="APP_"):
    debug: bool = False
    database_url: str


class Database:
    def __init__(self, url: str) -> None:
        self.url = url


def told(error: pytest.ExceptionInfo[ConfigurationError]) -> list[str]:
    """The lines of an error after the first."""
    return [line.strip() for line in str(error.value).splitlines()[1:]]


def test_each_attribute_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", "sqlite:///notes.db")
    env = Env()
    assert (env.debug, env.database_url) == (False, "sqlite:///notes.db")
    monkeypatch.setenv("APP_DEBUG", "1")
    assert Env().debug is True
    assert Env() != env
    assert Env() == Env()


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (int, "7", 7),
        (float, "0.5", 0.5),
        (Decimal, "0.10", Decimal("0.10")),
        (bool, "true", True),
        (bool, "0", False),
        (bool, "Yes", True),
        (bool, "off", False),
        (bool | None, "no", False),
        (str, "no", "no"),
        (str, "", ""),
        (str, " a, b ", " a, b "),
        (int | None, "3", 3),
        (date, "2026-11-22", date(2026, 11, 22)),
        (timedelta, "PT1M", timedelta(minutes=1)),
        (Level, "high", Level.HIGH),
        (Literal["a", "b"], "b", "b"),
        (Path, "a/b", Path("a/b")),
        (Path | None, "a/b", Path("a/b")),
        (list[Path], "a, b", [Path("a"), Path("b")]),
        (list[str], "a.example, b.example,", ["a.example", "b.example"]),
        (frozenset[int], "1,2,2", frozenset((1, 2))),
        (tuple[int, ...], "1,2", (1, 2)),
        (list[bool], "on,off", [True, False]),
        (list[str] | None, "a", ["a"]),
        (Limits, '{"size": 5}', Limits(5)),
        (dict[str, int], '{"a": 1}', {"a": 1}),
    ],
)
def test_a_text_becomes_a_value_of_the_type(type: Any, text: str, value: Any) -> None:
    made = _class(type)({"VALUE": text}).value
    assert made == value
    assert made.__class__ is value.__class__


def _class(type: Any, **default: Any) -> Any:
    """A class with one attribute of this type."""
    return Environment.__class__("One", (Environment,), {"__annotations__": {"value": type}, **default})


@pytest.mark.parametrize(
    ("type", "text", "wrong"),
    [
        (int, "many", "VALUE is 'many': Must be an integer."),
        (bool, "perhaps", "VALUE is 'perhaps': Must be a boolean."),
        (Annotated[int, Meta(ge=1, le=9)], "0", "VALUE is '0': Must be greater than or equal to 1."),
        (Level, "middle", "VALUE is 'middle': Must be one of 'low', 'high'."),
        (list[int], "1,x", "VALUE is '1,x': 2: Must be an integer."),
        (Annotated[str, Meta(min_length=9)], "hunter2", "VALUE: Must have at least 9 characters."),
        (Limits, '{"size": "hunter2"', "VALUE: Must be JSON: Input data was truncated."),
        (Limits, "{}", "VALUE: size: Is missing."),
    ],
)
def test_what_is_wrong_is_told_but_no_text_that_may_be_secret(type: Any, text: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        _class(type)({"VALUE": text})
    assert told(error) == [wrong]


def test_all_that_is_wrong_is_told_at_once_with_the_place_of_the_class() -> None:
    class Wrong(Environment, prefix="shop_"):
        workers: int
        debug: bool
        secret: str

    with pytest.raises(ConfigurationError, match=r"Wrong at .*test_environment.py:\d+ needs") as error:
        Wrong({"SHOP_WORKERS": "x", "SHOP_DEBUG": "", "SHOP_SECRETS": "1"})
    assert told(error) == [
        "SHOP_WORKERS is 'x': Must be an integer.",
        "SHOP_DEBUG is set to nothing.",
        "SHOP_SECRET is missing. SHOP_SECRETS is set: is it meant?",
    ]


def test_a_variable_that_is_set_to_nothing_has_the_default() -> None:
    assert _class(int, value=3)({"VALUE": ""}).value == 3


def test_defaults_are_not_shared() -> None:
    several = _class(list[str], value=[])
    several({}).value.append("a")
    assert several({}).value == []


def test_what_is_derived_has_the_variables_of_both_under_their_own_prefixes() -> None:
    class More(Env, prefix="MORE_"):
        size: int = 1
        known: ClassVar[int] = 7

    more = More({"APP_DATABASE_URL": "a", "MORE_SIZE": "2"})
    assert (more.database_url, more.size, more.known) == ("a", 2, 7)
    assert more != Env({"APP_DATABASE_URL": "a"})


def test_it_can_not_be_changed_and_does_not_show_texts() -> None:
    env = Env({"APP_DATABASE_URL": "postgres://me:hunter2@localhost/"})
    with pytest.raises(AttributeError, match="debug of Env can't be changed"):
        env.debug = True
    with pytest.raises(AttributeError, match="debug of Env can't be changed"):
        del env.debug
    assert repr(env) == "Env(debug=False, database_url=…)"


def test_a_type_that_no_text_can_be_made_into_is_an_error_of_the_class() -> None:
    with pytest.raises(ConfigurationError, match=r"database of Odd at .*py:\d+ is Database: no type of data"):

        class Odd(Environment):
            database: Database

    with pytest.raises(ConfigurationError, match=r"value of One at .* no type of data"):
        _class(Annotated[Path, Meta(min_length=1)])


def test_a_name_that_is_not_there_yet_is_an_error_of_the_class() -> None:
    with pytest.raises(ConfigurationError, match=r"'Later' is not defined. Define it above of the class"):

        class Early(Environment):
            later: Later  # type: ignore[name-defined]  # noqa: F821


# --- files ------------------------------------------------------------------------------------------------


def test_a_file_is_for_what_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    assert _class(str, value="none")(file=file).value == "none"
    file.write_text("APP_DATABASE_URL=of the file\nAPP_DEBUG=1\n")
    monkeypatch.setenv("APP_DEBUG", "0")
    env = Env(file=file)
    assert (env.debug, env.database_url) == (False, "of the file")


def test_a_file_may_have_comments_quotes_and_exports(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# a comment\n\n"
        "URL=postgres://localhost/shop#1   # another\n"
        "export DEBUG = 1\n"
        "GREETING='taken # literally \\n'\n"
        'BANNER="with \\"escapes\\" and\\nline breaks" # so\n'
        "EMPTY=\n"
    )

    class Shop(Environment):
        url: str
        debug: bool
        greeting: str
        banner: str
        empty: str

    shop = Shop({}, file=file)
    assert shop.url == "postgres://localhost/shop#1"
    assert shop.debug is True
    assert shop.greeting == "taken # literally \\n"
    assert shop.banner == 'with "escapes" and\nline breaks'
    assert shop.empty == ""


def test_a_line_that_is_something_else_is_an_error_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\nand so on\n")
    with pytest.raises(ConfigurationError, match=r"\.env:2 isn't a line of NAME=value"):
        Env(file=file)
    with pytest.raises(ConfigurationError, match="can't be read"):
        Env(file=tmp_path)
    file.write_bytes(b"A=\xff")
    with pytest.raises(ConfigurationError, match="can't be read"):
        Env(file=file)


# --- components -------------------------------------------------------------------------------------------


@component(scope="app")
async def database(env: Env) -> AsyncIterator[Database]:
    yield Database(env.database_url)


async def test_the_class_is_a_component_that_lives_as_long_as_the_application(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = App([], components=[Env, database])
    monkeypatch.setenv("APP_DATABASE_URL", "a")
    async with app.scope() as scope:
        assert (await scope.get(Database)).url == "a"
        assert await scope.get(Env) is await scope.get(Env)
    monkeypatch.delenv("APP_DATABASE_URL")
    with pytest.raises(ConfigurationError, match="APP_DATABASE_URL is missing"):
        async with app.scope():
            pass


async def test_an_object_is_a_component_too() -> None:
    env = Env({"APP_DATABASE_URL": "b"})
    async with App([], components=[database, env]).scope() as scope:
        assert await scope.get(Env) is env


def test_errors_of_components_name_the_class() -> None:
    with pytest.raises(ConfigurationError, match=r"Env at .*test_environment\.py:\d+ provides Env, and"):
        App([], components=[Env, Env({"APP_DATABASE_URL": "b"})])
