"""The plan of a view: all that can be known of its requests before the first one comes, as Python source.

The source has a step for what the view asks for, and none for what it doesn't.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from asgistar import signature as signatures
from asgistar.components import AppValues, Component, Components, named
from asgistar.http.response import Reply
from asgistar.routing.endpoint import Endpoint
from asgistar.signature import Signature
from asgistar.types import Receive, Scope, Send
from asgistar.views.answering import write_answer
from asgistar.views.asking import Asking
from asgistar.views.parameters import Input, check_bodies, inputs, with_rest
from asgistar.views.returns import returns
from asgistar.views.source import Source
from asgistar.views.unit import Unit

Run = Callable[[Scope, Receive, Send, tuple[Any, ...]], Awaitable[Reply | None]]
"""Answers a request; the last argument is the values of the parameters of the path.

It returns the response, or None if it has sent it itself.
"""

InThread = Callable[..., Awaitable[Any]]
"""Calls a function, with keyword arguments, in a thread."""


class Plan:
    """The plan of a view for a method of an endpoint.

    Args:
        endpoint: where the view stands.
        method: which it is for.
        in_thread: runs views that aren't `async def`.
        components: what the view may ask for.
        app_values: the values of the components that live as long as the application.

    Attributes:
        units: what is called, in its order: components, each after what it needs, then the view.
        returns: what the view returns.
        source: what is run.
        run: runs it.

    Raises:
        ConfigurationError: a parameter can come from nowhere, or what is returned can't be sent.
    """

    __slots__ = ("returns", "run", "source", "units")

    def __init__(
        self,
        endpoint: Endpoint,
        method: str,
        in_thread: InThread,
        components: Components,
        app_values: AppValues,
    ) -> None:
        view = endpoint.views[method]
        self.units = _units(endpoint, method, components)
        self.returns = returns(endpoint.signatures[method])
        self.run: Run = self._first_run
        name = str(getattr(view, "__name__", ""))
        name = f"plan_of_{name}" if name.isidentifier() else "plan"
        self.source = Source(name, "scope, receive, send, values", f"{method} {endpoint.path}")
        self.source.names |= {"view": view, "in_thread": in_thread, "app_values": app_values}
        Asking(self.source, endpoint, self.units).write()
        self._write_components()
        self._write_call(signatures.is_async(view))
        write_answer(self.source, self.returns)
        if self.source.depth > 1:
            self.source.depth = 1
            self.source.write("raise swallowed()", swallowed=_swallowed)

    async def _first_run(
        self, scope: Scope, receive: Receive, send: Send, values: tuple[Any, ...]
    ) -> Reply | None:
        """Compile the source, then run it; from then on `run` is what was compiled."""
        return await self.compiled()(scope, receive, send, values)

    def compiled(self) -> Run:
        """What `run` is from now on: the source, compiled."""
        self.run = self.source.compiled()
        return self.run

    def _write_components(self) -> None:
        """Make the values of components, each in the context of those before it."""
        write = self.source.write
        for unit in self.units:
            component = unit.component
            if component is None:
                continue
            variable = unit.name.removesuffix("_")
            if component.lifetime == "app":
                write(f"{variable} = app_values[{variable}_key]", **{f"{variable}_key": component})
                continue
            self.source.names[f"provide_{variable}"] = component.entered()
            call = f"provide_{variable}({unit.arguments()})"
            if component.cleans_up:
                write(f"{'async ' if component.is_async else ''}with {call} as {variable}:")
                self.source.depth += 1
            else:
                write(f"{variable} = {'await ' if component.is_async else ''}{call}")

    def _write_call(self, is_async: bool) -> None:
        """Call the view."""
        arguments = self.units[-1].arguments()
        if is_async:
            self.source.write(f"result = await view({arguments})")
        else:
            self.source.write(f"result = await in_thread(view{arguments and ', ' + arguments})")


def _units(endpoint: Endpoint, method: str, components: Components) -> list[Unit]:
    """What is called for a request: components, each after what it needs, then the view."""
    units: list[Unit] = []
    variables: dict[Component[..., Any], str] = {}

    def add(signature: Signature, component: Component[..., Any] | None) -> None:
        needed = components.needed(signature)
        found: list[Input] = []
        if component is None or component.lifetime == "request":
            for each in needed.values():
                if each not in variables:
                    variables[each] = _variable(each, len(variables) + 1)
                    add(each.signature, each)
            found = inputs(endpoint, method, signature, needed)
        name = f"{variables[component]}_" if component else ""
        given = {argument: variables[each] for argument, each in needed.items() if each in variables}
        units.append(Unit(name, signature, found, component, given))

    signature = endpoint.signatures[method]
    add(signature, None)
    taken = {each.name for unit in units for each in unit.inputs if each.where == "path"}
    units[-1].inputs[:] = with_rest(units[-1].inputs, endpoint, signature, taken)
    check_bodies((each, unit.signature) for unit in units for each in unit.inputs)
    return units


def _variable(component: Component[..., Any], number: int) -> str:
    """What the source calls the value of a component."""
    name = re.sub(r"\W+", "_", named(component.key)).strip("_").lower()
    return f"{name}_{number}" if name.isidentifier() else f"component_{number}"


def _swallowed() -> Exception:
    return RuntimeError("A component took the error of the view for its own, and raised nothing.")
