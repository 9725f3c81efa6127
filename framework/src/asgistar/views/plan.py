"""The plan of a view: all that can be known of its requests before the first one comes, as Python source.

The source has a step for what the view asks for, and none for what it doesn't.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asgistar.errors import ConfigurationError
from asgistar.routing.endpoint import Endpoint
from asgistar.views.answering import Answering
from asgistar.views.asking import Asking
from asgistar.views.bodies import Content
from asgistar.views.handler import ARGUMENTS, Handler, Run, called, raised
from asgistar.views.hooking import Hooking, hooks_of
from asgistar.views.making import Around, swallowed, used, write_components, write_given, write_sharing
from asgistar.views.returns import STREAMED, returns
from asgistar.views.source import Source
from asgistar.views.unit import Unit, Units


class Plan(Handler):
    """The plan of a view for a method of an endpoint.

    Args:
        endpoint: where the view stands.
        method: which it is for.
        around: the application's.

    Attributes:
        units: what is called, in its order: components, each after what it needs, and methods of hooks; the
            last one is the view.
        content: what the body of a request may be; None if none is read.
        returns: what the view returns.
        raises: the problems that the route, its components and its hooks say they raise.
        source: what is run; where there are hooks, or components that clients authenticate to, it is around
            `view_source`, else it is the same.
        view_source: what is run for the view itself.
        run: runs it.

    Raises:
        ConfigurationError: a parameter can come from nowhere, or what is returned can't be sent.
    """

    __slots__ = ("content", "returns", "view_source")

    def __init__(self, endpoint: Endpoint, method: str, around: Around) -> None:
        view = endpoint.views[method]
        signature = endpoint.signatures[method]
        units = Units(endpoint, method, around.components)
        hooks = hooks_of(endpoint, units, around)
        of_hooks = len(units.all)
        units.add_guards(signature)
        first = list(units.all)
        units.add_view(signature)
        of_view = units.all[len(first) :]
        title = f"{method} {endpoint.path}"
        declared = [problem for each in hooks for problem in each.hook.raises]
        super().__init__(units.all, raised(endpoint, units.all, declared), title)
        self.view_source = self.source
        self.returns = returns(signature)
        self.content: Content | None = None

        answering = Answering(self.units, self.returns, endpoint.options)
        answering.listen(self.source)
        if first:
            # Hooks come first, then who asks: nothing is read, and told to be wrong, for those who may not.
            made = self._write_asking(self.source, endpoint, first, around)
            shared = sorted(used(of_view) & (made | _made(first)))
            shared += answering.shared(made, shared)
            arguments = ", ".join((ARGUMENTS, *shared))
            name = called("view", view)
            self.view_source = Source(name, arguments, title)
            call = f"{name}({arguments})"
            sends_itself = self.returns.way in STREAMED
            Hooking(self.source, hooks, first[of_hooks:], around, call, sends_itself).write()
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
        source.names |= {"view": view, "in_thread": around.in_thread}
        self._write_asking(source, endpoint, units, around, shared)
        answering.begin(source)
        depth = source.depth
        write_components(source, units, around)
        answering.write(source, units[-1].arguments())
        if source.depth > depth:
            source.depth = depth
            source.write("raise swallowed()", swallowed=swallowed)
        answering.end(source)

    def compiled(self) -> Run:
        """What `run` is from now on: the source, compiled."""
        if self.view_source is not self.source:
            view = self.view_source.compiled()
            self.source.names[view.__name__] = view
        return super().compiled()

    @property
    def text(self) -> str:
        """The source, with that of the view behind that of hooks."""
        if self.view_source is self.source:
            return self.source.text
        return f"{self.source.text}\n\n{self.view_source.text}"


def _made(units: Iterable[Unit]) -> set[str]:
    """The variables of components."""
    return {unit.name.removesuffix("_") for unit in units if unit.component is not None}
