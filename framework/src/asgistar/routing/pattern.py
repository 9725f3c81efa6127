"""The grammar of paths (DEP 0201): `/articles/<int:year>/<slug:slug>/`.

    parameter = "<" [ converter ":" ] name ">"

Everything else stands for itself. What is said here of paths holds for the names of hosts too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from keyword import iskeyword

from msgspec import Struct

from asgistar.errors import ConfigurationError
from asgistar.routing.converters import Kind

_PARAMETER = re.compile(r"<(?:([^>:]*):)?([^>]*)>")
_WHITESPACE = re.compile(r"\s")


class Parameter(Struct, frozen=True):
    """A parameter as it is written; without a converter, the annotation of the view says which."""

    name: str
    converter: str | None

    def __str__(self) -> str:
        return f"<{self.converter}:{self.name}>" if self.converter else f"<{self.name}>"


class Slot(Struct, frozen=True, gc=False):
    """A parameter with its converter."""

    name: str
    kind: Kind


Written = tuple[str | Parameter, ...]
"""A path as it is written: literal text and parameters."""

Parts = tuple[str | Slot, ...]
"""A path with its converters: literal text and parameters; never two literals in a row."""


def parse(path: str, where: object) -> Written:
    """The parts of `path`.

    Args:
        where: what to call it in an error: "app.py:12: Route('/users/<name>')".

    Raises:
        ConfigurationError: it isn't of the grammar.
    """
    if "(?P<" in path:
        raise ConfigurationError(
            f"{where} is written as a regular expression. Write <name>, or <converter:name>."
        )
    parts: list[str | Parameter] = []
    names: set[str] = set()
    position = 0
    for token in _PARAMETER.finditer(path):
        parts.append(_literal(path[position : token.start()], where))
        position = token.end()
        converter, name = token.groups()
        if _WHITESPACE.search(token[0]):
            raise ConfigurationError(f"{where} has whitespace in angle brackets: {token[0]!r}.")
        if not name.isidentifier() or iskeyword(name):
            raise ConfigurationError(
                f"{where} has a parameter {name!r}, which can't be the name of a parameter in Python."
            )
        if converter == "":
            raise ConfigurationError(f"{where} has no converter before the colon in {token[0]!r}.")
        if name in names:
            raise ConfigurationError(f"{where} has two parameters named {name!r}.")
        names.add(name)
        parts.append(Parameter(name, converter))
    parts.append(_literal(path[position:], where))
    return tuple(part for part in parts if part != "")


def _literal(text: str, where: object) -> str:
    if "<" in text or ">" in text:
        raise ConfigurationError(f"{where} has an angle bracket without its counterpart, in {text!r}.")
    return text


def merged(parts: Iterable[str | Slot]) -> Parts:
    """`parts` with literals that meet made one."""
    result: list[str | Slot] = []
    for part in parts:
        if isinstance(part, str) and result and isinstance(result[-1], str):
            result[-1] += part
        else:
            result.append(part)
    return tuple(result)


def segments(parts: Parts) -> tuple[list[Parts], Parts]:
    """The segments of an absolute path, and its tail.

    The tail begins with the segment in which a parameter may take a slash, and goes to the end of the path;
    it is empty if there is none such. The segment before the first slash is left out.
    """
    done: list[Parts] = []
    current: list[str | Slot] = []
    for index, part in enumerate(parts):
        if isinstance(part, Slot):
            current.append(part)
            if part.kind.crosses:
                return done[1:], merged((*current, *parts[index + 1 :]))
            continue
        first, *others = part.split("/")
        if first:
            current.append(first)
        for text in others:
            done.append(tuple(current))
            current = [text] if text else []
    return [*done[1:], tuple(current)], ()
