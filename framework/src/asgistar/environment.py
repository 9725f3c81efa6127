"""Settings of the environment (https://12factor.net/config), as a class with a type for each of them.

    class Env(Environment, prefix="APP_"):
        debug: bool = False
        database_url: str

`Env()` reads `APP_DEBUG` and `APP_DATABASE_URL`. Whatever is wrong with any of them is told at once.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import replace

from asgistar import signature as signatures
from asgistar.components import Component
from asgistar.errors import ConfigurationError
from asgistar.signature import EMPTY
from asgistar.texts import Texts, Unfit


class _Variable(Struct, frozen=True):
    """One variable, and the attribute that its value becomes."""

    name: str
    texts: Texts
    default: Any


class _Provided:
    """How a class or an object stands among the components of an application: see `components.made`."""

    def __get__(self, instance: Environment | None, owner: type[Environment]) -> Callable[[], Any]:
        def provide() -> Environment:
            return owner() if instance is None else instance

        def component() -> Component[..., Any]:
            made = Component(provide, "app", owner)
            made.signature = replace(made.signature, called=owner._where)
            return made

        return component


class Environment:
    """Settings that are read from the environment. Derive a class from it, with an annotation for each.

    The variables are called as the attributes, in upper case, after the prefix. Numbers, dates, enums and so
    on are what msgspec makes of texts; booleans are true, false, 1, 0, yes, no, on, off; the items of lists
    stand between commas; types with fields are JSON. A variable that is set to nothing counts as not set,
    unless its type has room for an empty text. Attributes without a default must be set. Nothing can be
    changed later.

    The class can stand among the components of an application, which then reads it in its lifespan; so can
    an object of it.

    Args:
        values: read these in the place of `os.environ`.
        file: a file with lines of `NAME=value`, for what isn't set otherwise, such as ".env". None is read if
            it isn't there.

    Raises:
        ConfigurationError: variables are missing, or not what they should be; names all of them.
    """

    __component__: ClassVar[Any] = _Provided()
    _variables: ClassVar[Mapping[str, _Variable]] = {}
    _where: ClassVar[str] = "Environment"

    def __init_subclass__(cls, *, prefix: str = "") -> None:
        super().__init_subclass__()
        frame = signatures.caller()
        cls._where = f"{cls.__name__} at {signatures.place(frame.f_code.co_filename, frame.f_lineno)}"
        try:
            hints = get_type_hints(cls, None, frame.f_locals, include_extras=True)
        except NameError as error:
            raise ConfigurationError(
                f"An annotation of {cls._where} can't be resolved: {error}. Define it above of the class."
            ) from error
        variables = dict(cls._variables)
        for name in inspect.get_annotations(cls):
            hint = hints[name]
            if name in Environment.__annotations__ or get_origin(hint) is ClassVar:
                continue
            try:
                texts = Texts(hint)
            except TypeError:
                raise ConfigurationError(
                    f"{name} of {cls._where} is {signatures.named(hint)}: no type of data that "
                    "could be made of a text."
                ) from None
            variables[name] = _Variable((prefix + name).upper(), texts, getattr(cls, name, EMPTY))
        cls._variables = variables

    def __init__(
        self, values: Mapping[str, str] | None = None, *, file: str | os.PathLike[str] | None = None
    ) -> None:
        given = os.environ if values is None else values
        if file is not None:
            given = {**read(file), **given}
        wrong: list[str] = []
        for attribute, variable in self._variables.items():
            text = given.get(variable.name)
            if not text and not (text == "" and variable.texts.secret):
                if variable.default is EMPTY:
                    wrong.append(_missing(variable.name, given))
                # Lists and the like are everyone's own.
                self.__dict__[attribute] = copy.copy(variable.default)
                continue
            try:
                self.__dict__[attribute] = variable.texts.value(_items(text) if variable.texts.many else text)
            except Unfit as error:
                said = "" if variable.texts.secret else f" is {text[:60]!r}"
                wrong += [f"{variable.name}{said}: {reason}" for reason in error.reasons]
        if wrong:
            told = "".join(f"\n  {each}" for each in wrong)
            raise ConfigurationError(f"The environment isn't what {self._where} needs:{told}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} of {type(self).__name__} can't be changed: it is of the environment.")

    def __delattr__(self, name: str) -> NoReturn:
        self.__setattr__(name, None)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # lists may be in it

    def __repr__(self) -> str:
        """Its values, but no text: that may be a secret."""
        said = (
            f"{name}={'…' if variable.texts.secret else repr(getattr(self, name))}"
            for name, variable in self._variables.items()
        )
        return f"{type(self).__name__}({', '.join(said)})"


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _missing(name: str, given: Mapping[str, str]) -> str:
    if name in given:
        return f"{name} is set to nothing."
    near = difflib.get_close_matches(name, given, 1, 0.8)
    return f"{name} is missing." + (f" {near[0]} is set: is it meant?" if near else "")


# --- files ------------------------------------------------------------------------------------------------

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*
    (?: '(?P<literal>[^']*)' | "(?P<escaped>(?:[^"\\]|\\.)*)" | (?P<plain>.*?) )
    \s*(?:(?<=\s)\#.*)?$""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read(file: str | os.PathLike[str]) -> dict[str, str]:
    """The variables of a file with lines of `NAME=value`; none if there is no such file.

    Values may stand in quotes: in single ones as they are, in double ones with `\\n` and the like. `export`
    before a name, empty lines and what follows a `#` at the beginning or after a space are passed over.

    Raises:
        ConfigurationError: a line is something else, or the file can't be read.
    """
    try:
        lines = Path(file).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{os.fspath(file)} can't be read: {error}.") from None
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line)
        if found is None:
            place = signatures.place(os.fspath(file), number)
            raise ConfigurationError(f"{place} isn't a line of NAME=value.")
        literal, escaped, plain = found["literal"], found["escaped"], found["plain"]
        if escaped is not None:
            literal = re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), escaped)
        values[found["name"]] = plain if literal is None else literal
    return values
