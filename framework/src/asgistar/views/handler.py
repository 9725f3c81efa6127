"""What runs for the requests of an endpoint: source, see `views.source`, for one method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, get_origin

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

    Attributes:
        run: runs it; the source is compiled when this is first asked for.
    """

    __slots__ = ("raises", "run", "units")

    run: Run

    def __init__(self, units: list[Unit], raises: list[type[Problem]]) -> None:
        self.units = units
        self.raises = raises

    def __getattr__(self, name: str) -> Any:
        if name != "run":
            return object.__getattribute__(self, name)  # tells of what was missing inside of a property, too
        return self.compiled()

    @property
    def source(self) -> Source:
        """What is run."""
        raise NotImplementedError

    def compiled(self) -> Run:
        """What `run` is from now on: the source, compiled."""
        self.run = self.source.compiled()
        return self.run

    @property
    def text(self) -> str:
        """The source."""
        return self.source.text


def source_for(view: View, title: str) -> Source:
    """The source of a plan, with nothing in it.

    Args:
        title: what it is for, for tracebacks.
    """
    return Source(called("plan", view), ARGUMENTS, title)


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
        check_raised(each, endpoint)
    return list(dict.fromkeys(declared))


def check_raised(declared: Any, by: object) -> None:
    """Check what something says it raises: a class of Problem, or `Instead[Redirect]`.

    Raises:
        ConfigurationError: it is neither.
    """
    cls = get_origin(declared) or declared
    if not (isinstance(cls, type) and issubclass(cls, Problem)):
        raise ConfigurationError(
            f"{by} says that it raises {declared!r}, which is no class of Problem. Write "
            "raises=[NotFound], for example, or raises=[Instead[Redirect]]."
        )
