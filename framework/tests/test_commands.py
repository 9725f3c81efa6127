"""The application's own commands: what stands on the command line for which parameter."""

from __future__ import annotations

import enum
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest

from asgistar import App, Command, ConfigurationError, Struct, component
from asgistar.commands import Spelling


class Session:
    """Provided by a component."""


class Role(enum.Enum):
    ADMIN = "admin"
    USER = "user"


class Address(Struct):
    street: str


@component
def session() -> Session:
    return Session()


def create_user(
    session: Session,
    app: App,
    email: str,
    born: date,
    tags: list[str],
    role: Role = Role.USER,
    kind: Literal["a", "b"] | None = None,
    home: Path = Path("/home"),
    groups: tuple[int, ...] = (),
    is_active: bool = True,
    send_mail: bool = False,
    sure: bool | None = None,
) -> None:
    """Make a user.

    And tell
    everybody.

    Args:
        email: where it is
            to be reached.
        born: the day.
        role (Role): what it may do.

    Raises:
        Conflict: there is one.
    """


def words(call: Any) -> list[Any]:
    """What stands on the command line of a command."""
    app = App([], components=[session], commands=[Command("it", call)])
    return app.commands["it"].words(app.components, App)


def test_the_default_of_a_parameter_says_how_it_is_written() -> None:
    assert [(each.parameter, each.name, each.spelling.value) for each in words(create_user)] == [
        ("email", "email", "VALUE"),
        ("born", "born", "VALUE"),
        ("tags", "tags", "VALUE"),
        ("role", "role", "--name VALUE"),
        ("kind", "kind", "--name VALUE"),
        ("home", "home", "--name VALUE"),
        ("groups", "groups", "--name VALUE"),
        ("is_active", "is-active", "--no-name"),
        ("send_mail", "send-mail", "--name"),
        ("sure", "sure", "--name VALUE"),
    ]


def test_lists_take_many_and_enums_have_choices() -> None:
    found = {each.parameter: each.texts for each in words(create_user)}
    assert {name for name, texts in found.items() if texts.many} == {"tags", "groups"}
    assert found["role"].choices == ("admin", "user")
    assert found["kind"].choices == ("a", "b")
    assert found["email"].choices == ()


def test_the_docstring_is_the_help() -> None:
    text = Command("it", create_user).docstring
    assert text.summary == "Make a user."
    assert text.description == "And tell\neverybody."
    assert [each.help for each in words(create_user)][:4] == [
        "where it is to be reached.",
        "the day.",
        "",
        "what it may do.",
    ]


def test_a_class_derived_from_app_is_given_as_well() -> None:
    class Own(App):
        pass

    def call(app: App, own: Own, count: int) -> None: ...

    app = Own([], commands=[Command("it", call)])
    assert [each.parameter for each in app.commands["it"].words(app.components, Own)] == ["count"]


def test_hyphens_and_underscores_are_the_same_in_names() -> None:
    def other() -> None: ...

    app = App([], commands=[Command("create-user", other)])
    assert list(app.commands) == ["create_user"]
    with pytest.raises(
        ConfigurationError,
        match=r"^The command create_user of .*other\(\) at .*py:\d+ has the name of the command create-user",
    ):
        App([], commands=[Command("create-user", other), Command("create_user", other)])


@pytest.mark.parametrize("name", ["", "Create", "create user", "-x", "create_", "1st", "a--b"])
def test_names_are_plain(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"can't be the name of a command, for create_user\(\) at"):
        Command(name, create_user)


def test_names_of_asgistars_own_commands_are_taken() -> None:
    with pytest.raises(
        ConfigurationError, match=r"The command run of create_user\(\) at .* Choose another\."
    ):
        Command("run", create_user)


def test_what_is_no_command() -> None:
    with pytest.raises(ConfigurationError, match=r"The command 'it' is a function, not 7\."):
        Command("it", 7)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"is no command\. Write Command\('name', function\)\."):
        App([], commands=[create_user])  # type: ignore[list-item]


def _bare(thing) -> None: ...  # type: ignore[no-untyped-def]


def _position(a: int, /) -> None: ...


def _object(address: Address) -> None: ...


def _class(other: Spelling.__class__) -> None: ...  # type: ignore[valid-type]


def _two_lists(a: list[int], b: list[str]) -> None: ...


def _twice(no_mail: bool = False, mail: bool = True) -> None: ...


def _help(help: bool = False) -> None: ...


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (_bare, "its parameter thing has no annotation"),
        (_position, "its parameter a can't be given by name"),
        (
            _class,
            "its parameter other is .*: neither data that can be written on a command line, nor is there",
        ),
        (_two_lists, "has several lists without a default, a and b, and nothing tells where one ends"),
        (_twice, "its parameter mail would be --no-mail, which is there already"),
        (_help, "--help is its help"),
    ],
)
def test_a_parameter_that_can_not_be_is_an_error_at_start_up(call: Any, message: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"The command it of {call.__name__}\(\) at .*py:\d+:? {message}"
    ):
        words(call)


def test_what_has_fields_is_json() -> None:
    (word,) = words(_object)
    assert word.texts.value('{"street": "a"}') == Address("a")
