"""The application's own commands: functions whose annotations say what stands on the command line.

    def create_user(session: Session, email: str, admin: bool = False) -> None: ...

    App(routes, components=[session], commands=[Command("create_user", create_user)])

is called as `asgistar create_user ada@example.com --admin`; components come by type, as in views.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Enum
from functools import cached_property
from typing import Any

from msgspec import Struct

from asgistar import docstring
from asgistar import signature as signatures
from asgistar.components import Components
from asgistar.docstring import Docstring
from asgistar.errors import ConfigurationError
from asgistar.signature import EMPTY, Argument, named
from asgistar.texts import Texts

RESERVED = frozenset(("check", "client", "new", "routes", "run", "schema", "shell", "test"))
"""The names of the commands that every application has."""

_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")


class Spelling(Enum):
    """How an argument is written."""

    POSITIONAL = "VALUE"
    OPTION = "--name VALUE"
    ON = "--name"
    OFF = "--no-name"


class Word(Struct, frozen=True):
    """A parameter of a command that is given on the command line.

    Attributes:
        parameter: its name in the function.
        name: its name on the command line.
        spelling: how it is written.
        texts: what makes its value.
        default: `EMPTY` if it must be given.
        help: its text in the docstring.
    """

    parameter: str
    name: str
    spelling: Spelling
    texts: Texts
    default: Any
    help: str


class Command:
    """A command of an application: `asgistar create_user …`.

    A parameter that a component provides by its type, or that is the application itself, is given. Of the
    others, one without a default is positional; one that is False by default is `--flag`, and one that is
    True `--no-flag`; every other one is `--option VALUE`. Lists take several values: positional ones all that
    are left, options one at a time (`--tag a --tag b`).

    What it returns is the exit code; None is 0. A Problem or a ConfigurationError that it raises is told in
    one sentence, and the exit code is 1.

    Args:
        name: lower case; underscores and hyphens are the same.
        call: the function, `def` or `async def`. Its docstring is the help, line by line of its Args.

    Raises:
        ConfigurationError: it can't be called so, or is no function.
    """

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        if not callable(call):
            raise ConfigurationError(f"The command {name!r} is a function, not {call!r}.")
        self.signature = signatures.read(call)
        self.name = name
        self.call = call
        if _NAME.fullmatch(name) is None:
            raise ConfigurationError(
                f"{name!r} can't be the name of a command, for {self.signature.where}. Write it in lower "
                "case, as in 'create_user'."
            )
        if name in RESERVED:
            raise ConfigurationError(
                f"{self} has the name of a command that every application has. Choose another."
            )

    def __str__(self) -> str:
        return f"The command {self.name} of {self.signature.where}"

    @cached_property
    def docstring(self) -> Docstring:
        """What its help says."""
        return docstring.read(self.call)

    def words(self, components: Components, app: type) -> list[Word]:
        """What stands on the command line, in the order of the parameters.

        Args:
            components: of the application; what they provide doesn't stand there.
            app: the class of the application; neither does this.

        Raises:
            ConfigurationError: a parameter can't stand there.
        """
        needed = components.needed(self.signature)
        words = [
            self._word(argument)
            for argument in self.signature.arguments.values()
            if argument.name not in needed and not is_app(argument, app)
        ]
        taken: dict[str, str] = {"help": "help"}
        for each in words:
            if each.spelling is not Spelling.POSITIONAL:
                name = f"no-{each.name}" if each.spelling is Spelling.OFF else each.name
                if taken.setdefault(name, each.parameter) != each.parameter:
                    raise ConfigurationError(
                        f"{self}: its parameter {each.parameter} would be --{name}, which is there already."
                    )
                if name == "help":
                    raise ConfigurationError(f"{self}: --help is its help. Call the parameter otherwise.")
        rest = [each.parameter for each in words if each.spelling is Spelling.POSITIONAL and each.texts.many]
        if len(rest) > 1:
            raise ConfigurationError(
                f"{self} has several lists without a default, {' and '.join(rest)}, and nothing tells where "
                "one ends. Give one of them a default: it becomes an option."
            )
        return words

    def _word(self, argument: Argument) -> Word:
        def error(what: str) -> ConfigurationError:
            return ConfigurationError(f"{self}: its parameter {argument.name} {what}.")

        if argument.annotation is EMPTY:
            raise error("has no annotation")
        if not argument.keyword:
            raise error("can't be given by name. Write it without the slash")
        try:
            texts = Texts(argument.annotation)
        except TypeError:
            raise error(
                f"is {named(argument.annotation)}: neither data that can be written on a command line, nor "
                "is there a component for it"
            ) from None
        spelling = Spelling.POSITIONAL if argument.default is EMPTY else Spelling.OPTION
        if isinstance(argument.default, bool):
            spelling = Spelling.OFF if argument.default else Spelling.ON
        help = self.docstring.arguments.get(argument.name, "")
        name = argument.name.replace("_", "-")
        return Word(argument.name, name, spelling, texts, argument.default, help)


def is_app(argument: Argument, app: type) -> bool:
    """Whether a parameter is the application itself."""
    return argument.annotation in app.__mro__[:-1]


def by_name(commands: Iterable[Command], components: Components, app: type) -> dict[str, Command]:
    """The commands by their names, with underscores in them.

    Raises:
        ConfigurationError: two have the same name, or a parameter can't stand on the command line.
    """
    found: dict[str, Command] = {}
    for each in commands:
        if not isinstance(each, Command):
            raise ConfigurationError(f"{each!r} is no command. Write Command('name', function).")
        other = found.setdefault(each.name.replace("-", "_"), each)
        if other is not each:
            raise ConfigurationError(f"{each} has the name of {str(other)[0].lower()}{str(other)[1:]}.")
        each.words(components, app)
    return found
