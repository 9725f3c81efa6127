"""From the command line to one command, or to one clear sentence.

Exit codes: 0 it did what was asked; 1 something is wrong outside of the command line; 2 the command line is
wrong; a command of the application has its own.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from asgistar import __version__
from asgistar.cli.loading import Application
from asgistar.cli.mistakes import USAGE, Mistake, near
from asgistar.cli.parser import Parser

COMMANDS = {
    "new": "Make a project in a new folder: application, tests, README.",
    "run": "Serve the application, and start anew when a file changes.",
    "routes": "Show the table of routes, or the source that runs for one of them.",
    "schema": "Write the OpenAPI document.",
    "client": "Write a typed client, in Python or TypeScript.",
    "check": "Say whether the application can work, and what is wrong with it.",
    "shell": "A prompt with the application and its components, where await works.",
    "test": "Run the tests of the project with pytest.",
}


class Module(Protocol):
    """What a module of a command has."""

    def declare(self, parser: Parser) -> None:
        """Say which arguments there are."""

    def run(self, application: Application, options: argparse.Namespace, rest: list[str]) -> int:
        """Do it; the exit code."""


PASSES_ON = frozenset(("run", "test"))
"""The commands that hand what stands behind `--` to another program."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: do what the arguments say; the exit code.

    Args:
        arguments: those of the process, if not given.
    """
    try:
        code = _main(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except Mistake as mistake:
        sys.stderr.write(mistake.report())
        return mistake.code
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells have it
    except BrokenPipeError:
        # Who reads has gone, as `head` does. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _main(arguments: list[str]) -> int:
    words, name, after = _split(arguments)
    top = _top()
    before = top.parsed(words)
    application = Application(before.app, before.app_dir)
    if not name or before.help:
        print(_help(top, application))
        return 0
    if name not in COMMANDS:
        from asgistar.cli import own

        return own.run(application, name, after)
    module = cast(Module, importlib.import_module(f"asgistar.cli.{name}"))
    rest: list[str] = []
    if name in PASSES_ON and "--" in after:
        where = after.index("--")
        after, rest = after[:where], after[where + 1 :]
    parser = Parser(f"asgistar {name}", COMMANDS[name])
    _declare(parser, argparse.SUPPRESS)
    module.declare(parser)
    hint = f"Options of the server stand behind --, as in: asgistar run -- {' '.join(after)}"
    options = parser.parsed(after, hint if name == "run" else "")
    for key, value in vars(before).items():
        vars(options).setdefault(key, value)
    application = Application(options.app, options.app_dir)
    return module.run(application, options, rest)


def _split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    """The options before the command, the command, and what comes after it."""
    place = 0
    while place < len(arguments) and arguments[place].startswith("-"):
        place += 2 if arguments[place] in ("--app", "--app-dir") else 1
    return arguments[:place], "".join(arguments[place : place + 1]), arguments[place + 1 :]


def _top() -> Parser:
    usage = "asgistar [options] COMMAND …"
    top = Parser("asgistar", "A typed Web API framework.", usage=usage, add_help=False)
    top.add_argument("-h", "--help", action="store_true", help="show this, and end")
    top.add_argument("--version", action="version", version=f"asgistar {__version__}")
    _declare(top, None)
    return top


def _declare(parser: Parser, default: str | None) -> None:
    """The options that say which application is meant."""
    parser.add_argument(
        "--app",
        metavar="MODULE:ATTRIBUTE",
        default=default,
        help="the application; else $ASGISTAR_APP, `app` of [tool.asgistar], app:app or main:app",
    )
    parser.add_argument(
        "--app-dir",
        metavar="FOLDER",
        default=default,
        help="where to import it from; else the current folder",
    )


def _help(top: Parser, application: Application) -> str:
    """What there is, with the application's own commands if one is named."""
    lines = [top.format_help(), "commands:"]
    lines += [f"  {name:<10} {text}" for name, text in COMMANDS.items()]
    if application.named:
        lines += ["", f"commands of {application.named}:"]
        try:
            own = application.app.commands
        except Mistake as mistake:
            lines.append(f"  They can't be told. {mistake.message}")
        else:
            width = max(map(len, own), default=0)
            lines += [f"  {name:<{width}}  {each.docstring.summary}".rstrip() for name, each in own.items()]
            lines += [] if own else ["  It has none."]
    else:
        lines += ["", "The application's own commands: asgistar --app module:attribute --help"]
    return "\n".join(lines)


def unknown(name: str, names: Sequence[str]) -> Mistake:
    """The mistake that there is no such command."""
    there = f"There is {', '.join(names)}."
    return Mistake(f"There is no command {name}.", near(name, names) or there, code=USAGE)
