"""Python source that is written step by step, and compiled when it is first run.

It is written when the application is made, so that every mistake is found then, and compiled when its first
request comes, so that an application of a thousand routes starts at once. Tracebacks show its lines.
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
        file: what tracebacks call it.
        names: name -> object.
        depth: how deep the next line is indented.
    """

    __slots__ = ("_function", "_lines", "depth", "file", "names")

    def __init__(self, function: str, parameters: str, title: str) -> None:
        self._function = function
        self._lines = [f"async def {function}({parameters}):"]
        self.names: dict[str, Any] = {}
        self.file = f"<asgistar {next(_numbers)}: {title}>"
        self.depth = 1

    def write(self, line: str, deeper: int = 0, /, **names: Any) -> None:
        """Write a line; `names` are the objects that it speaks of."""
        for name, value in names.items():
            assert self.names.setdefault(name, value) is value, f"{name} would stand for two things."
        self._lines.append("    " * (self.depth + deeper) + line)

    def filled(self, made: str, type: Any) -> str:
        """The expression `made`, whose value is of `type`, with what msgspec may have left out of it."""
        if type_info(type) is None or not lacks_defaults(type):
            return made
        self.names["filled"] = filled
        return f"filled({made})"

    @property
    def text(self) -> str:
        """What has been written."""
        return "\n".join(self._lines) + "\n"

    def compiled(self) -> Any:
        """The function."""
        text = self.text
        exec(compile(text, self.file, "exec"), self.names)
        function = self.names[self._function]
        linecache.cache[self.file] = (len(text), None, text.splitlines(True), self.file)
        # Tests make many: their lines end with them.
        weakref.finalize(function, linecache.cache.pop, self.file, None).atexit = False
        return function
