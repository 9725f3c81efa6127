"""The application's own commands: their arguments read, their components made, the function called."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from enum import Enum
from typing import Any

from asgistar.app import App
from asgistar.cli.loading import Application
from asgistar.cli.mistakes import USAGE, WRONG, Mistake, failure, near
from asgistar.cli.parser import Parser
from asgistar.cli.table import COMMANDS, unknown
from asgistar.commands import Command, Spelling, Word, is_app
from asgistar.errors import ConfigurationError, Problem


def run(application: Application, name: str, arguments: Sequence[str]) -> int:
    """Run the command of the application that is called so.

    Raises:
        Mistake: there is none; its arguments are wrong; it failed.
    """
    try:
        app = application.app
    except Mistake as mistake:
        if not application.named:
            hint = (
                near(name, COMMANDS) or "For a command of an application, name it with --app module:attribute"
            )
            raise Mistake(f"There is no command {name}.", hint, code=USAGE) from None
        raise Mistake(
            f"There is no command {name} that every application has; and {application.named} can't be asked: "
            f"{mistake.message}",
            near(name, COMMANDS) or mistake.hint,
            mistake.detail,
            mistake.code,
        ) from None
    command = app.commands.get(name.replace("-", "_"))
    if command is None:
        raise unknown(name, [*COMMANDS, *(each.name for each in app.commands.values())])
    words = command.words(app.components, type(app))
    parser = _parser(command, words)
    given = _values(words, vars(parser.parsed(arguments)), parser)
    signature = command.signature
    given |= {each.name: app for each in signature.arguments.values() if is_app(each, type(app))}
    return _code(command, _called(app, command, given))


def _parser(command: Command, words: Sequence[Word]) -> Parser:
    text = command.docstring
    parser = Parser(f"asgistar {command.name}", f"{text.summary}\n\n{text.description}".strip())
    for each in words:
        options: dict[str, Any] = {"help": _help(each)}
        if each.spelling is Spelling.POSITIONAL:
            options |= {"metavar": _choices(each) or each.name}
            if each.texts.many:
                options |= {"nargs": "+"}
            parser.add_argument(each.parameter, **options)
            continue
        options |= {"dest": each.parameter, "default": argparse.SUPPRESS}
        if each.spelling is Spelling.OPTION:
            options |= {
                "metavar": _choices(each) or "VALUE",
                "action": "append" if each.texts.many else "store",
            }
        else:
            options |= {"action": "store_const", "const": each.spelling is Spelling.ON}
        parser.add_argument(
            f"--no-{each.name}" if each.spelling is Spelling.OFF else f"--{each.name}", **options
        )
    return parser


def _choices(word: Word) -> str:
    return f"{{{','.join(word.texts.choices)}}}" if word.texts.choices else ""


def _help(word: Word) -> str:
    default = word.default
    if word.spelling is not Spelling.OPTION or default is None or default in ("", (), []):
        return word.help.replace("%", "%%")
    default = default.value if isinstance(default, Enum) else default
    return f"{word.help} (default: {default})".strip().replace("%", "%%")


def _values(words: Sequence[Word], texts: dict[str, Any], parser: Parser) -> dict[str, Any]:
    """What the texts of the command line mean.

    Raises:
        Mistake: nothing; says of all of them why.
    """
    given: dict[str, Any] = {}
    wrong: list[str] = []
    for word in words:
        if word.parameter not in texts:
            continue
        text = texts[word.parameter]
        if isinstance(text, bool):
            given[word.parameter] = text
            continue
        try:
            given[word.parameter] = word.texts.value(text)
        except ValueError as error:
            name = word.name if word.spelling is Spelling.POSITIONAL else f"--{word.name}"
            said = " ".join(text) if isinstance(text, list) else text
            wrong.append(f"{name} {said!r}: {error}")
    if wrong:
        told = "".join(f"\n  {each}" for each in wrong)
        many = f"{len(wrong)} arguments are" if len(wrong) > 1 else "An argument is"
        raise Mistake(f"{many} wrong:{told}", f"{parser.prog} --help", parser.format_usage(), USAGE)
    return given


def _called(app: App, command: Command, given: dict[str, Any]) -> Any:
    """What the command returns."""

    async def call() -> Any:
        async with app.scope() as scope:
            return await scope.call(command.call, **given)

    try:
        return asyncio.run(call())
    except ConfigurationError as error:
        raise Mistake(str(error)) from error
    except Problem as problem:
        document = problem.document()
        message = str(document.get("detail") or document["title"])
        for each in document.get("errors", ()):
            message += f"\n  {'.'.join(map(str, each['path']))}: {each['message']}"
        raise Mistake(message) from problem
    except Exception as error:
        raise failure(f"The command {command.name} failed", error) from error


def _code(command: Command, returned: Any) -> int:
    if returned is None:
        return 0
    if isinstance(returned, int) and not isinstance(returned, bool) and 0 <= returned <= 255:
        return returned
    sys.stdout.flush()
    raise Mistake(
        f"{command.signature.where} returned {returned!r}.",
        "A command returns its exit code, from 0 to 255, or None; what is to be read it prints.",
        code=WRONG,
    )
