"""Converters: what `<int:year>` takes from a path and what the view gets for it (DEP 0201).

A converter has a `regex` for the text, `to_python` from text to value and `to_url` back. `to_python` raises
ValueError for a text that it doesn't want after all: then the next route is tried. No other exception is
caught. Converters must always give the same answer to the same text, for they are also asked at start-up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol, get_type_hints
from uuid import UUID

from asgistar.errors import ConfigurationError
from asgistar.regex import regex


class Converter(Protocol):
    """What an object must have to be a converter.

    A converter may also have a `type`, the type of its values; else the return annotation of `to_python` says
    it. Views are checked against it when the application is made.
    """

    regex: str
    """The texts that are taken, as an `re` pattern; matched against the whole of the text."""

    def to_python(self, value: str, /) -> Any:
        """The value of a text that matches `regex`; ValueError if there is none."""

    def to_url(self, value: Any, /) -> str:
        """The text of `value`, not quoted; ValueError if there is none."""


class StrConverter:
    """Any text without a slash."""

    regex = "[^/]+"
    type = str
    to_python = staticmethod(str)
    to_url = staticmethod(str)


class PathConverter:
    """Any text, slashes too, as long as possible; not a line break, as in Django."""

    regex = ".+"
    type = str
    to_python = staticmethod(str)
    to_url = staticmethod(str)


class SlugConverter:
    """ASCII letters, digits, hyphens and underscores."""

    regex = "[-a-zA-Z0-9_]+"
    type = str
    to_python = staticmethod(str)
    to_url = staticmethod(str)


class IntConverter:
    """Whole numbers from 0. Python's limit on the digits of a number (4,300) holds here too."""

    regex = "[0-9]+"
    type = int
    to_python = staticmethod(int)
    to_url = staticmethod(str)


class FloatConverter:
    """Decimal numbers, with a sign or without, not in exponent notation."""

    regex = r"-?[0-9]+(?:\.[0-9]+)?"
    type = float

    def to_python(self, value: str) -> float:
        """The number; ValueError if it is too large for a float."""
        number = float(value)
        if math.isinf(number):
            raise ValueError(f"{value[:20]}… is too large for a float")
        return number

    def to_url(self, value: Any) -> str:
        """The shortest text that is read as the same number; ValueError if it is none."""
        float(value)
        return f"{Decimal(str(value)):f}"


class UUIDConverter:
    """UUIDs in their canonical form, in lower case: one address for one thing."""

    regex = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    type = UUID
    to_python = staticmethod(UUID)
    to_url = staticmethod(str)


class DateConverter:
    """Dates as RFC 3339 writes them: 2026-11-22."""

    regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
    type = date
    to_python = staticmethod(date.fromisoformat)
    to_url = staticmethod(str)


class DateTimeConverter:
    """Moments as RFC 3339 writes them, seconds and offset optional: 2026-11-22T15:30:00Z."""

    regex = (
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}"
        r"(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
    )
    type = datetime
    to_python = staticmethod(datetime.fromisoformat)

    def to_url(self, value: Any) -> str:
        """The text, with the offset if the moment has one."""
        return value.isoformat() if isinstance(value, datetime) else str(value)


# --- what the regex of a converter says of itself -------------------------------------------------------

# One or more characters of one class: `[0-9]+`, `\d+`, `.+`.
_CLASS = regex(r"(\[\^?\]?(?:[^\]\[\\]|\\.)*\]|\\[dw]|\.)\+", re.DOTALL)

# A regex of which every piece is known never to take a slash. What isn't listed is held to be able to: that
# costs a little time at a request, the contrary would cost an answer.
_RANGE = r"[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]"
_NO_SLASH = regex(
    r"(?:"
    rf"\[-?(?:{_RANGE}|[A-Za-z0-9_ .,:;=@~!$&'()*+%#|](?!-[^\]])|\\[dws.+\-])+-?\]"  # a class
    r"|\[\^[^\]\\]*/[^\]\\]*\]"  # a class that says: anything but a slash, and perhaps other characters
    r"|\\[dwsbB.\-+*?()\[\]{}|^$@:,]"  # escapes
    r"|\(\?:|[()|*+?]|\{[0-9]*,?[0-9]*\}"  # groups, alternatives, repetitions
    r"|[A-Za-z0-9_ \-:@,=~!%&';#<>]"  # plain characters
    r")*"
)


class Kind:
    """A converter under its name, with what its regex says of itself.

    Attributes:
        to_python: from text to value; None if the value is the text.
        type: the type of the values; None if the converter doesn't say.
        total: `to_python` takes every text that `regex` takes, as far as we know.
    """

    def __init__(self, name: str, converter: Converter | type[Converter]) -> None:
        self.name = name
        made: Any = converter
        if isinstance(converter, type):
            try:
                made = converter()
            except TypeError as error:
                raise ConfigurationError(
                    f"The converter {name!r}, {converter!r}, can't be made without arguments: {error}. "
                    "Give an object of it instead of the class."
                ) from error
        for attribute, what in (("regex", "a `regex`"), ("to_python", "to_python()"), ("to_url", "to_url()")):
            if not hasattr(made, attribute):
                raise ConfigurationError(f"The converter {name!r}, {converter!r}, must have {what}.")
        self.regex: str = made.regex
        to_python: Callable[[str], Any] = made.to_python
        self.to_python = None if to_python is str else to_python
        self.to_url: Callable[[Any], str] = made.to_url
        self.type: Any = getattr(made, "type", None) or _returned(to_python)
        self.total = self.to_python is None or self.to_python is int

    @cached_property
    def fullmatch(self) -> Callable[[str], re.Match[str] | None]:
        """Whether the whole of a text is one that the converter takes."""
        try:
            return re.compile(self.regex).fullmatch
        except (re.error, TypeError) as error:
            raise ConfigurationError(
                f"The regex of the converter {self.name!r}, {self.regex!r}, is not a pattern: {error}."
            ) from error

    @cached_property
    def run(self) -> re.Pattern[str] | None:
        """Where `regex` is one class of characters, one or more of them: the regex compiled; else None."""
        return re.compile(self.regex) if _CLASS.fullmatch(self.regex) else None

    @cached_property
    def crosses(self) -> bool:
        """It may take a text with a slash in it."""
        return _NO_SLASH.fullmatch(self.regex) is None

    def converts(self, text: str) -> bool:
        """Whether a text that matches has a value."""
        try:
            if self.to_python is not None:
                self.to_python(text)
        except ValueError:
            return False
        return True

    def covers(self, other: Kind) -> bool:
        """Whether it takes every text that `other` takes. No is also the answer where we can't tell."""
        if other is self or (other.regex == self.regex and (self.total or other.to_python == self.to_python)):
            return True
        if not self.total or self.run is None or other.fullmatch("") is not None:
            return False
        if self.regex == PathConverter.regex:
            return True
        if self.regex == StrConverter.regex:
            return not other.crosses
        alphabet = _ALPHABETS.get(other.regex)
        return alphabet is not None and self.fullmatch(alphabet) is not None

    def __repr__(self) -> str:
        return f"<converter {self.name}: {self.regex}>"


# Every character that a text of these can have.
_ALPHABETS = {
    IntConverter.regex: "0123456789",
    FloatConverter.regex: "0123456789-.",
    UUIDConverter.regex: "0123456789abcdef-",
    DateConverter.regex: "0123456789-",
    DateTimeConverter.regex: "0123456789-T:.Z+",
    SlugConverter.regex: "-_09azAZ",
}


def _returned(to_python: Callable[[str], Any]) -> Any:
    """The return annotation of `to_python`; None if there is none or it can't be told."""
    try:
        hint = get_type_hints(to_python).get("return")
    except (NameError, TypeError, AttributeError):
        return None
    return hint if isinstance(hint, type) else None


# --- the names ------------------------------------------------------------------------------------------

_BUILT_IN: dict[str, type[Converter]] = {
    "str": StrConverter,
    "int": IntConverter,
    "path": PathConverter,
    "slug": SlugConverter,
    "uuid": UUIDConverter,
    "float": FloatConverter,
    "date": DateConverter,
    "datetime": DateTimeConverter,
}
BUILT_IN: Mapping[str, Kind] = {name: Kind(name, converter) for name, converter in _BUILT_IN.items()}

_registered: dict[str, Kind] = {}


def register_converter(converter: Converter | type[Converter], name: str) -> None:
    """Let every application know `converter` as `<name:…>`. For one application: `App(converters={…})`.

    Raises:
        ConfigurationError: the name is taken or not an identifier, or the converter isn't one.
    """
    _registered[name] = checked(name, converter, _registered)


def checked(name: str, converter: Converter | type[Converter], taken: Mapping[str, Kind]) -> Kind:
    """`converter` under `name`, if it may have it."""
    if not name.isidentifier():
        raise ConfigurationError(f"{name!r} can't be the name of a converter: it isn't an identifier.")
    if other := BUILT_IN.get(name) or taken.get(name):
        raise ConfigurationError(
            f"The converter {name!r} is already registered, for {other.regex!r}. Choose another name."
        )
    made = Kind(name, converter)
    made.fullmatch  # noqa: B018  # is it a pattern?
    return made


def known_converters(own: Mapping[str, Converter | type[Converter]] | None = None) -> dict[str, Kind]:
    """The converters of an application: those of the house, those registered, and its `own`."""
    known = {**BUILT_IN, **_registered}
    for name, converter in (own or {}).items():
        known[name] = checked(name, converter, _registered)
    return known
