"""What runs for a view, written: the source of its plan, with a step for what the view asks for, and none for
what it doesn't.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from asgistar.errors import ConfigurationError
from asgistar.routing.endpoint import Endpoint
from asgistar.views.answering import Answering
from asgistar.views.asking import Asking
from asgistar.views.bodies import Content
from asgistar.views.handler import ARGUMENTS, called, source_for
from asgistar.views.hooking import Hooked, Hooking
from asgistar.views.making import Around, swallowed, used, write_components, write_given, write_sharing
from asgistar.views.returns import STREAMED, Returns
from asgistar.views.source import Source
from asgistar.views.unit import Unit


class Written:
    """The source of a plan.

    Args:
        endpoint: where the view stands.
        method: which it is for.
        around: the application's.
        hooks: from the outside in.
        units: of the plan.
        of_hooks: so many of them are for hooks.
        first: so many come before the view and its components: those of hooks, and who clients authenticate
            to.
        returns: what the view returns.

    Attributes:
        source: what is run.
        view_source: what is run for the view itself; the same, if nothing comes before it.
        content: what the body of a request may be; None if none is read.

    Raises:
        ConfigurationError: functions contradict each other in what they ask of a request.
    """

    __slots__ = ("content", "source", "view_source")

    def __init__(
        self,
        endpoint: Endpoint,
        method: str,
        around: Around,
        hooks: Sequence[Hooked],
        units: Sequence[Unit],
        of_hooks: int,
        first: int,
        returns: Returns,
    ) -> None:
        view = endpoint.views[method]
        title = f"{method} {endpoint.path}"
        before, of_view = list(units[:first]), list(units[first:])
        self.source = self.view_source = source_for(view, title)
        self.content: Content | None = None
        answering = Answering(units, returns, endpoint.options)
        answering.listen(self.source)
        if before:
            # Hooks come first, then who asks: nothing is read, and told to be wrong, for those who may not.
            made = self._write_asking(self.source, endpoint, before, around)
            shared = sorted(used(of_view) & (made | _made(before)))
            shared += answering.shared(made, shared)
            arguments = ", ".join((ARGUMENTS, *shared))
            name = called("view", view)
            self.view_source = Source(name, arguments, title)
            call = f"{name}({arguments})"
            sends_itself = returns.way in STREAMED
            Hooking(self.source, hooks, before[of_hooks:], around, call, sends_itself).write()
            self._write_view(endpoint, view, of_view, around, answering, set(shared))
        else:
            self._write_view(endpoint, view, of_view, around, answering, set())

    def _write_asking(
        self,
        source: Source,
        endpoint: Endpoint,
        units: list[Unit],
        around: Around,
        shared: Iterable[str] = (),
    ) -> set[str]:
        """Make what is given to functions, and read what they ask for.

        Args:
            shared: what has been given to others already.

        Returns:
            what has been given.
        """
        made = write_given(source, endpoint, units, around, shared)
        if "request" in made or "request" in shared:
            write_sharing(source, units)
        if not any(unit.inputs for unit in units):
            return made
        asking = Asking(source, endpoint, units)
        asking.write()
        if self.content is not None and asking.content is not None:
            raise ConfigurationError(
                f"{endpoint}: its view and its hooks both read the body. It comes once: let a component that "
                "both ask for read it."
            )
        self.content = self.content or asking.content
        return made

    def _write_view(
        self,
        endpoint: Endpoint,
        view: Any,
        units: list[Unit],
        around: Around,
        answering: Answering,
        shared: set[str],
    ) -> None:
        """Read what the view and its components ask for, call them, and make the response."""
        source = self.view_source
        source.give(view=view, in_thread=around.in_thread)
        self._write_asking(source, endpoint, units, around, shared)
        answering.begin(source)
        depth = source.depth
        write_components(source, units, around)
        answering.write(source, units[-1].arguments())
        if source.depth > depth:
            source.depth = depth
            source.write("raise swallowed()", swallowed=swallowed)
        answering.end(source)


def _made(units: Iterable[Unit]) -> set[str]:
    """The variables of components."""
    return {unit.name.removesuffix("_") for unit in units if unit.component is not None}
