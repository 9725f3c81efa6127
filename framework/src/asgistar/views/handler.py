"""What runs for the requests of an endpoint: source, see `views.source`, for one method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from asgistar.errors import ConfigurationError, Problem
from asgistar.http.response import Reply
from asgistar.routing.endpoint import Endpoint
from asgistar.types import Receive, Scope, Send, View
from asgistar.views.source import Source
from asgistar.views.unit import Unit

Run = Callable[[Scope, Receive, Send, tuple[Any, ...]], Awaitable[Reply | None]]
"""Answers a request; the last argument is the values of the parameters of the path.

It returns the response, or None if it has sent it itself.
"""

ARGUMENTS = "scope, receive, send, values"


class Handler:
    """What runs for the requests of an endpoint, for one method.

    Args:
        units: what it calls, in its order; the last one is the view.
        raises: the problems that are said to be raised.
        title: what it is for, for tracebacks.

    Attributes:
        source: what is run.
        run: runs it.
    """

    __slots__ = ("raises", "run", "source", "units")

    def __init__(self, units: list[Unit], raises: list[type[Problem]], title: str) -> None:
        self.units = units
        self.raises = raises
        self.source = Source(called("plan", units[-1].signature.call), ARGUMENTS, title)
        self.run: Run = self._first_run

    async def _first_run(
        self, scope: Scope, receive: Receive, send: Send, values: tuple[Any, ...]
    ) -> Reply | None:
        """Compile the source, then run it; from then on `run` is what was compiled."""
        return await self.compiled()(scope, receive, send, values)

    def compiled(self) -> Run:
        """What `run` is from now on: the source, compiled."""
        self.run = self.source.compiled()
        return self.run

    @property
    def text(self) -> str:
        """The source."""
        return self.source.text


def called(what: str, view: View) -> str:
    """What a function for a view is called in the source."""
    name = str(getattr(view, "__name__", ""))
    return f"{what}_of_{name}" if name.isidentifier() else what


def raised(
    endpoint: Endpoint, units: Iterable[Unit], others: Iterable[type[Problem]] = ()
) -> list[type[Problem]]:
    """The problems that a route says it raises, and its components, each once.

    Raises:
        ConfigurationError: one isn't a class of Problem.
    """
    declared: list[Any] = [*endpoint.options.get("raises", ()), *others]
    for unit in units:
        if unit.component is not None:
            declared += unit.component.raises
    for each in declared:
        if not (isinstance(each, type) and issubclass(each, Problem)):
            raise ConfigurationError(
                f"{endpoint} says that it raises {each!r}, which is no class of Problem. Write "
                "raises=[NotFound], for example."
            )
    return list(dict.fromkeys(declared))
