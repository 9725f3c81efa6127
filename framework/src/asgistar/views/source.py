"""Python source that is written step by step, and compiled when it is first run.

It is written and compiled when its first request comes, so that an application of a thousand routes starts at
once; what could be found wrong in writing it is written when the application is made. Tracebacks show its
lines.
"""

from __future__ import annotations

import itertools
import linecache
import weakref
from typing import Any

from asgistar.data import type_info
from asgistar.views.defaults import filled, lacks_defaults

_numbers = itertools.count(1)


class Source:
    """The source of one function, and the objects that it speaks of.

    Args:
        function: its name.
        parameters: its parameters, as they are written.
        title: what it is for, for tracebacks.

    Attributes:
        depth: how deep the next line is indented.
    """

    __slots__ = ("_function", "_lines", "_names", "_title", "depth")

    def __init__(self, function: str, parameters: str, title: str) -> None:
        self._function = function
        self._lines = [f"async def {function}({parameters}):"]
        self._names: dict[str, Any] = {}
        self._title = title
        self.depth = 1

    def write(self, line: str, deeper: int = 0, /, **names: Any) -> None:
        """Write a line; `names` are the objects that it speaks of."""
        self._lines.append("    " * (self.depth + deeper) + line)
        self.give(**names)

    def give(self, **names: Any) -> None:
        """Note objects that lines speak of."""
        for name, value in names.items():
            stands = self._names.setdefault(name, value)
            assert stands is value, f"{name} would stand for two things."

    def filled(self, made: str, type: Any) -> str:
        """The expression `made`, whose value is of `type`, with what msgspec may have left out of it."""
        if type_info(type) is None or not lacks_defaults(type):
            return made
        self.give(filled=filled)
        return f"filled({made})"

    @property
    def text(self) -> str:
        """What has been written."""
        return "\n".join(self._lines) + "\n"

    def compiled(self, **names: Any) -> Any:
        """The function.

        Args:
            names: further objects that it speaks of.
        """
        text = self.text
        # Several threads may compile the same at once: the lines of one end without those of another.
        file = f"<asgistar {next(_numbers)}: {self._title}>"
        names |= self._names
        exec(compile(text, file, "exec"), names)
        function = names[self._function]
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)
        # Tests make many: their lines end with them.
        weakref.finalize(function, linecache.cache.pop, file, None).atexit = False
        return function
