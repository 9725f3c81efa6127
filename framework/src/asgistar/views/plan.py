"""The plan of a view: all that can be known of its requests before the first one comes.

It becomes Python source, see `views.writing`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from threading import Lock

from asgistar.data import codec_of
from asgistar.routing.endpoint import Endpoint
from asgistar.views.bodies import Content
from asgistar.views.handler import Handler, Run, raised
from asgistar.views.hooking import hooks_of
from asgistar.views.making import Around
from asgistar.views.parameters import Input, is_stream
from asgistar.views.returns import Returns, returns
from asgistar.views.source import Source
from asgistar.views.unit import Unit, Units
from asgistar.views.writing import Written


class Plan(Handler):
    """The plan of a view for a method of an endpoint.

    Args:
        endpoint: where the view stands.
        method: which it is for.
        around: the application's.

    Attributes:
        units: what is called, in its order: components, each after what it needs, and methods of hooks; the
            last one is the view.
        returns: what the view returns.
        raises: the problems that the route, its components and its hooks say they raise.
        run: runs it.

    Raises:
        ConfigurationError: a parameter can come from nowhere, or what is returned can't be sent.
    """

    __slots__ = ("_written", "returns")

    def __init__(self, endpoint: Endpoint, method: str, around: Around) -> None:
        signature = endpoint.signatures[method]
        units = Units(endpoint, method, around.components)
        hooks = hooks_of(endpoint, units, around)
        of_hooks = len(units.all)
        units.add_guards(signature)
        first = len(units.all)
        units.add_view(signature)
        problems = [problem for each in hooks for problem in each.hook.raises]
        super().__init__(units.all, raised(endpoint, units.all, problems))
        self.returns: Returns = returns(signature)
        write = partial(Written, endpoint, method, around, hooks, units.all, of_hooks, first, self.returns)
        # PERF: a thousand routes start in half the time if each is written when its first request comes.
        self._written: Written | partial[Written] = write if _is_sound(units.all) else write()

    @property
    def written(self) -> Written:
        """What it has become; in whichever threads the first requests come, this is written once."""
        if isinstance(self._written, partial):
            with _writing:
                if isinstance(self._written, partial):  # no other thread was first
                    self._written = self._written()
        return self._written

    @property
    def source(self) -> Source:
        """What is run; where there are hooks, or components that clients authenticate to, it is around
        `view_source`, else it is the same.
        """
        return self.written.source

    @property
    def view_source(self) -> Source:
        """What is run for the view itself."""
        return self.written.view_source

    @property
    def content(self) -> Content | None:
        """What the body of a request may be; None if none is read."""
        return self.written.content

    def compiled(self) -> Run:
        """What `run` is from now on: the source, compiled."""
        if self.view_source is self.source:
            return super().compiled()
        view = self.view_source.compiled()
        self.run = self.source.compiled(**{view.__name__: view})
        return self.run

    @property
    def text(self) -> str:
        """The source, with that of the view behind that of hooks."""
        if self.view_source is self.source:
            return self.source.text
        return f"{self.source.text}\n\n{self.view_source.text}"


_writing = Lock()

_NOT_READ = frozenset(("component", "given", "defaults"))


def _is_sound(units: Iterable[Unit]) -> bool:
    """Whether there is nothing left that could be refused when it is written.

    Several functions that read a request may contradict each other, and some parameters are looked at closely
    only then.
    """
    reader = None
    for unit in units:
        for each in unit.inputs:
            if each.where not in _NOT_READ:
                if not _is_plain(each) or (reader is not None and reader is not unit):
                    return False
                reader = unit
    return True


def _is_plain(each: Input) -> bool:
    return (
        each.where in ("path", "query", "body")
        and (each.where != "path" or each.name == each.argument)
        and not each.argument.startswith("__")
        and not each.rejected
        and not (each.where == "body" and is_stream(each.type))
        and codec_of(each.type) is None
    )
