"""The commands of an application, on the command line."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from framework.tests.cli.conftest import Project

MAIN = """
import asyncio
from collections.abc import AsyncIterator
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Literal

from asgistar import App, Command, ConfigurationError, Conflict, Header, component
from asgistar.errors import ValidationFailed


class Session:
    pass


class Token:
    pass


class Role(Enum):
    ADMIN = "admin"
    USER = "user"


@component
async def session() -> AsyncIterator[Session]:
    try:
        yield Session()
    except BaseException:
        print("rolled back")
        raise
    print("committed")


@component
def token(authorization: Header[str]) -> Token:
    return Token()


async def create(
    session: Session, app: App, email: str, born: date, nicknames: list[str],
    role: Role = Role.USER, home: Path = Path("/home"), share: Literal[50, 100] = 100,
    number: int = 1, groups: list[str] = [], active: bool = True, mail: bool = False,
) -> None:
    \"\"\"Make a user, 100 % at once.

    Nothing is sent.

    Args:
        email: where it is reached.
        role: what it may do.
    \"\"\"
    await asyncio.sleep(0)
    print(type(session).__name__, type(app).__name__)
    print([email, born, nicknames, role, home, share, number, groups, active, mail])


def returns(kind: Literal["none", "zero", "seven", "true", "text", "large"]) -> object:
    return {"none": None, "zero": 0, "seven": 7, "true": True, "text": "done", "large": 256}[kind]


def raises(session: Session, kind: str) -> None:
    if kind == "problem":
        raise Conflict("There is a user with this address.")
    if kind == "bare":
        raise Conflict
    if kind == "validation":
        raise ValidationFailed([{"in": "", "path": ["a", 0], "code": "missing", "message": "Is missing."}])
    if kind == "configuration":
        raise ConfigurationError("APP_KEY is missing.")
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "exit":
        raise SystemExit(9)
    raise OSError("no disk")


def needs(token: Token) -> None: ...


app = App([], components=[session, token], commands=[
    Command("create_user", create), Command("returns", returns), Command("raises", raises),
    Command("needs", needs),
])
"""


@pytest.fixture
def project(empty: Project) -> Project:
    empty.write("main.py", MAIN)
    return empty


def test_arguments_come_from_annotations_and_components_by_type(project: Project) -> None:
    ended = project("create_user", "a@b.example", "2000-02-29", "ada", "countess")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "Session App",
        "['a@b.example', datetime.date(2000, 2, 29), ['ada', 'countess'], <Role.USER: 'user'>, "
        "PosixPath('/home'), 100, 1, [], True, False]",
        "committed",
    ]


def test_options_are_of_the_types_of_their_parameters(project: Project) -> None:
    ended = project(
        *("--app", "main:app", "create-user", "a@b.example", "2000-02-29", "ada", "--role", "admin"),
        *("--home", "a/b", "--share", "50", "--number=-2", "--groups", "x", "--groups", "y"),
        *("--no-active", "--mail"),
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[1] == (
        "['a@b.example', datetime.date(2000, 2, 29), ['ada'], <Role.ADMIN: 'admin'>, PosixPath('a/b'), "
        "50, -2, ['x', 'y'], False, True]"
    )


def test_what_begins_with_a_hyphen_stands_behind_two(project: Project) -> None:
    ended = project("create_user", "--mail", "--", "-a", "2000-02-29", "--mail")
    assert "['-a', datetime.date(2000, 2, 29), ['--mail']" in ended.out


def test_all_that_is_wrong_is_told_at_once(project: Project) -> None:
    ended = project("create_user", "a", "yesterday", "b", "--number", "many", "--role=king", "--share", "7")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("usage: asgistar create_user ")
    assert ended.err.endswith(
        textwrap.dedent("""\
            Error: 4 arguments are wrong:
              born 'yesterday': Must be a date.
              --role 'king': Must be one of 'admin', 'user'.
              --share '7': Must be one of 50, 100.
              --number 'many': Must be an integer.
            Hint: asgistar create_user --help
            """)
    )
    assert "Error: An argument is wrong:\n  born" in project("create_user", "a", "b", "c").err


def test_missing_and_unknown_arguments(project: Project) -> None:
    ended = project("create_user", "a")
    assert ended.code == 2
    assert "Error: born, nicknames are missing." in ended.err
    assert (
        "There is no option --actve.\nHint: Did you mean"
        in project("create_user", "a", "b", "c", "--actve").err
    )
    assert "Error: Argument --number: expected one argument." in project("create_user", "--number").err


def test_the_help_is_the_docstring(project: Project) -> None:
    ended = project("create_user", "--help")
    assert (ended.code, ended.err) == (0, "")
    said = " ".join(ended.out.split())
    assert "Make a user, 100 % at once. Nothing is sent." in said
    assert "email where it is reached." in said
    assert "--role {admin,user} what it may do. (default: user)" in said
    assert "--share {50,100} (default: 100)" in said
    assert "--groups VALUE --no-active --mail" in said
    assert "nicknames [nicknames ...]" in said


@pytest.mark.parametrize(("kind", "code"), [("none", 0), ("zero", 0), ("seven", 7)])
def test_what_is_returned_is_the_exit_code(project: Project, kind: str, code: int) -> None:
    ended = project("returns", kind)
    assert (ended.code, ended.out, ended.err) == (code, "", "")


@pytest.mark.parametrize(("kind", "said"), [("true", "True"), ("text", "'done'"), ("large", "256")])
def test_anything_else_can_not_be_returned(project: Project, kind: str, said: str) -> None:
    ended = project("returns", kind)
    assert ended.code == 1
    assert ended.err.startswith(
        f"Error: returns() at main.py:59 returned {said}.\nHint: A command returns its"
    )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("problem", "Error: There is a user with this address.\n"),
        ("bare", "Error: Conflict\n"),
        ("validation", "Error: One value is not valid.\n  a.0: Is missing.\n"),
        ("configuration", "Error: APP_KEY is missing.\n"),
    ],
)
def test_a_problem_is_told_in_a_sentence_and_rolls_back(project: Project, kind: str, message: str) -> None:
    ended = project("raises", kind)
    assert (ended.code, ended.out, ended.err) == (1, "rolled back\n", message)


def test_any_other_error_comes_with_the_traceback_of_the_command(project: Project) -> None:
    ended = project("raises", "other")
    assert ended.code == 1
    files = [line.strip() for line in ended.err.splitlines() if line.startswith("  File")]
    assert files[0] == f'File "{project.folder}/main.py", line 76, in raises'
    assert "asgistar/cli" not in ended.err
    assert ended.err.endswith("Error: The command raises failed: OSError.\nHint: The traceback is above.\n")


def test_ctrl_c_and_sys_exit_have_their_exit_codes(project: Project) -> None:
    assert project("raises", "interrupt").code == 130
    assert project("raises", "exit").code == 9


def test_a_component_that_needs_a_request_is_told(project: Project) -> None:
    ended = project("needs")
    assert ended.code == 1
    assert ended.err.startswith("Error: The parameter authorization of token() at main.py:")
    assert "no request" in ended.err
