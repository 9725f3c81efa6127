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
from asgistar.cli import own
from asgistar.cli.loading import Application
from asgistar.cli.mistakes import Mistake
from asgistar.cli.parser import Parser
from asgistar.cli.table import COMMANDS, PASSES_ON


class Module(Protocol):
    """What a module of a command has."""

    def declare(self, parser: Parser) -> None:
        """Say which arguments there are."""

    def run(self, application: Application, options: argparse.Namespace, rest: list[str]) -> int:
        """Do it; the exit code."""


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
        return own.run(application, name, after)
    module = cast(Module, importlib.import_module(f"asgistar.cli.{name}"))
    rest: list[str] = []
    if name in PASSES_ON and "--" in after:
        where = after.index("--")
        after, rest = after[:where], after[where + 1 :]
    parser = Parser(f"asgistar {name}", COMMANDS[name])
    _declare(parser, argparse.SUPPRESS)
    module.declare(parser)
    options = parser.parsed(after, _hint(name, after) if name in PASSES_ON else "")
    for key, value in vars(before).items():
        vars(options).setdefault(key, value)
    application = Application(options.app, options.app_dir)
    return module.run(application, options, rest)


def _hint(name: str, arguments: list[str]) -> str:
    """What is meant by arguments that a command doesn't know, but what it becomes may."""
    if name == "run" and arguments and ":" in arguments[0]:
        return f"The application stands before the command: asgistar --app {arguments[0]} run"
    what = "the server" if name == "run" else "pytest"
    return f"Options of {what} stand behind --, as in: asgistar {name} -- {' '.join(arguments)}"


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
            commands = application.app.commands
        except Mistake as mistake:
            lines.append(f"  They can't be told. {mistake.message}")
        else:
            width = max(map(len, commands), default=0)
            lines += [
                f"  {name:<{width}}  {each.docstring.summary}".rstrip() for name, each in commands.items()
            ]
            lines += [] if commands else ["  It has none."]
    else:
        lines += ["", "The application's own commands: asgistar --app module:attribute --help"]
    return "\n".join(lines)
