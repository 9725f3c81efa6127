"""The command as a whole: its help, its version, what isn't there."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from asgistar import __version__
from asgistar.cli.table import COMMANDS
from asgistar.commands import RESERVED

if TYPE_CHECKING:
    from framework.tests.cli.conftest import Project


def test_the_names_of_commands_are_reserved() -> None:
    assert set(COMMANDS) == RESERVED


def test_the_help_lists_the_commands_and_imports_no_application(empty: Project) -> None:
    empty.write("main.py", "print('imported')\napp = 1")
    for arguments in ([], ["--help"], ["-h"]):
        ended = empty(*arguments)
        assert (ended.code, ended.err) == (0, "")
        assert all(f"  {name} " in ended.out and text in ended.out for name, text in COMMANDS.items())
        assert "The application's own commands: asgistar --app module:attribute --help" in ended.out


def test_the_help_for_an_application_lists_its_commands(shop: Project) -> None:
    assert "commands of main:app:\n  add_item  Add an item.\n" in shop("--app", "main:app", "--help").out
    told = shop("--app", "mian:app", "--help")
    assert told.code == 0
    assert "commands of mian:app:\n  They can't be told. There is no module mian" in told.out
    shop.write("none.py", "from asgistar import App\napp = App([])")
    assert "commands of none:app:\n  It has none.\n" in shop("--app", "none:app", "--help").out


def test_every_command_has_help(empty: Project) -> None:
    for name, text in COMMANDS.items():
        ended = empty(name, "--help")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.startswith(f"usage: asgistar {name}")
        assert text[:40] in ended.out


def test_the_help_imports_little(empty: Project) -> None:
    source = (
        "import sys; from asgistar.cli import main; main(['--help']);"
        "print(*sorted({'httpx', 'jinja2', 'ssl', 'http.client', 'asgistar.openapi', 'asgistar.client',"
        " 'asgistar.testing', 'asgistar.cli.shell', 'code'} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, cwd=empty.folder)
    assert set(ended.stderr.split()) <= {"ssl"}  # asyncio has it


def test_the_version(empty: Project) -> None:
    assert empty("--version").out == f"asgistar {__version__}\n"


def test_an_unknown_command(empty: Project, shop: Project) -> None:
    ended = empty("--app", "main:app", "rutes")
    assert ended.code == 2
    assert ended.err == "Error: There is no command rutes.\nHint: Did you mean routes?\n"
    assert "Did you mean add_item?" in shop("add-itm").err
    told = shop("zzz").err
    assert told.startswith("Error: There is no command zzz.\nHint: There is new, run,")
    assert told.endswith("test, add_item.\n")


def test_an_unknown_command_where_there_is_no_application(empty: Project) -> None:
    assert "Did you mean routes?" in empty("rutes").err
    ended = empty("create_user")
    assert ended.code == 2
    assert ended.err == (
        "Error: There is no command create_user.\n"
        "Hint: For a command of an application, name it with --app module:attribute\n"
    )
    told = empty("--app", "shop:app", "create_user").err
    assert "create_user that every application has; and shop:app can't be asked: There is no module" in told


def test_an_unknown_option(empty: Project) -> None:
    ended = empty("--ap", "main:app", "routes")
    assert ended.code == 2
    assert "Error: There is no option --ap.\nHint: Did you mean --app" in ended.err
    assert "Did you mean --json?" in empty("routes", "--jsn").err
    assert (
        "Error: There is nothing to do with more.\nHint: asgistar routes --help\n"
        in empty("routes", "more").err
    )
    told = empty("run", "--workers", "4").err
    assert "Hint: Options of the server stand behind --, as in: asgistar run -- --workers 4" in told
    told = empty("test", "-x").err
    assert "Hint: Options of pytest stand behind --, as in: asgistar test -- -x" in told
    told = empty("run", "shop:app").err
    assert "Hint: The application stands before the command: asgistar --app shop:app run" in told
    assert "usage: asgistar client" in empty("client").err
    assert "Error: --lang is missing.\n" in empty("client").err
    assert "invalid choice: 'xml'" in empty("schema", "--format", "xml").err


def test_a_reader_that_leaves_is_no_error(shop: Project) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as out:
        ended = subprocess.run(
            shop.command("routes"), cwd=shop.folder, env=shop.environment, stdout=out, stderr=subprocess.PIPE
        )
    assert (ended.returncode, ended.stderr) == (1, b"")
