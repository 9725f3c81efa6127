"""What a docstring says, in the style of Google: a first line, a description, a text for each argument."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Attributes|Returns|Raises|Yields|Examples?|Notes?|Warnings?|See Also|Todo):$"
)
_ARGUMENT = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


class Docstring(Struct, frozen=True):
    """A docstring, taken apart.

    Attributes:
        summary: its first paragraph, as one line.
        description: what comes after it, up to the first section; Markdown, as far as anyone cares.
        arguments: the name of a parameter -> its text under "Args:", as one line; of a class, those under
            "Attributes:" too.
        returns: the text under "Returns:" or "Yields:", as one line.
        raises: the name of an exception -> its text under "Raises:", as one line.
    """

    summary: str
    description: str
    arguments: dict[str, str]
    returns: str
    raises: dict[str, str]


def read(call: Callable[..., Any]) -> Docstring:
    """The docstring of a function; without one, all is empty."""
    return parsed(inspect.getdoc(call) or "")


def parsed(text: str) -> Docstring:
    """A docstring as `inspect.cleandoc` gives it."""
    lines = text.splitlines()
    prose: list[str] = []
    arguments: dict[str, str] = {}
    returns = ""
    raises: dict[str, str] = {}
    section = ""
    body: list[str] = []
    for line in [*lines, "End:"]:
        found = _SECTION.match(line)
        if found is None and line != "End:":
            (body if section else prose).append(line)
            continue
        if section in ("Args", "Arguments", "Parameters", "Attributes"):
            arguments |= _arguments(body)
        elif section in ("Returns", "Yields"):
            returns = " ".join(" ".join(body).split())
        elif section == "Raises":
            raises |= _arguments(body)
        section, body = found[1] if found else "", []
    summary, _, description = "\n".join(prose).strip().partition("\n\n")
    return Docstring(" ".join(summary.split()), description.strip(), arguments, returns, raises)


def _arguments(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The entries of a section: what is indented deeper than the first one goes on with the one before."""
    depth: int | None = None
    name, words = "", [""]
    for line in filter(str.strip, lines):
        indent = len(line) - len(line.lstrip())
        depth = indent if depth is None else depth
        found = _ARGUMENT.match(line.strip()) if indent <= depth else None
        if found is None:
            words.append(line.strip())
            continue
        if name:
            yield name, " ".join(words).strip()
        name, words = found[1], [found[2]]
    if name:
        yield name, " ".join(words).strip()
