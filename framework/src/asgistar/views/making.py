"""What a plan makes for the functions that it calls: what is given by type, and components, as source."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from msgspec import Struct, field

from asgistar.components import Components
from asgistar.hooks import Hook
from asgistar.http.response import Reply
from asgistar.routing.endpoint import Endpoint
from asgistar.routing.options import BODY_LIMIT
from asgistar.threads import in_threads
from asgistar.types import Scope
from asgistar.values import AppValues
from asgistar.views.given import given
from asgistar.views.parameters import is_stream
from asgistar.views.source import Source
from asgistar.views.unit import Unit

InThread = Callable[..., Awaitable[Any]]
"""Calls a function, with keyword arguments, in a thread."""

Failed = Callable[[Scope, Exception], Reply]
"""The response to a request that an error ended; who handles it tells of it too."""


class Around(Struct, frozen=True):
    """What is around all plans of an application.

    Attributes:
        app: the application.
        in_thread: runs views that aren't `async def`.
        components: what can be asked for by type.
        app_values: the values of the components that live as long as the application.
        failed: makes responses of errors.
        hooks: what has been found out of hooks, by the id of what they were made of.
    """

    app: Any
    in_thread: InThread
    components: Components
    app_values: AppValues
    failed: Failed
    hooks: dict[int, Hook] = field(default_factory=dict)


def write_given(
    source: Source, endpoint: Endpoint, units: Iterable[Unit], around: Around, shared: Iterable[str] = ()
) -> set[str]:
    """Make what is given by its type, once.

    Args:
        shared: variables that are there already.

    Returns:
        the variables that have been made.
    """
    made: set[str] = set()
    for unit in units:
        for each in unit.inputs:
            found = given(each.type) if each.where == "given" else None
            if found is None:
                continue
            unit.given[each.argument] = found.variable
            if found.variable not in made and found.variable not in shared:
                made.add(found.variable)
                source.give(
                    endpoint=endpoint,
                    body_limit=endpoint.options.get("body_limit", BODY_LIMIT),
                    application=around.app,
                    **found.names,
                )
                source.write(f"{found.variable} = {found.expression}")
    return made


def swallowed() -> Exception:
    """What is raised where a component has let nobody know of an error."""
    return RuntimeError("A component took the error of the view for its own, and raised nothing.")


def used(units: Iterable[Unit]) -> set[str]:
    """The variables that functions are given; and the request, if they read its body."""
    variables = set()
    for unit in units:
        variables |= set(unit.given.values())
        for each in unit.inputs:
            if each.where in ("body", "form"):
                variables.add("request")
            elif each.where == "given" and (found := given(each.type)) is not None:
                variables.add(found.variable)
    return variables


def write_sharing(source: Source, units: Iterable[Unit]) -> None:
    """Let a request and other parameters have the same body."""
    wheres = {each.where: each for unit in units for each in unit.inputs}
    body = wheres.get("body")
    if body is not None:
        source.write(f"receive = request.{'passed' if is_stream(body.type) else 'kept'}")
    elif "form" in wheres:
        source.write("receive = request.passed")


def write_components(source: Source, units: Iterable[Unit], around: Around) -> None:
    """Make the values of components, each in the context of those before it."""
    for unit in units:
        component = unit.component
        if component is None:
            continue
        variable = unit.name.removesuffix("_")
        if component.lifetime == "app":
            source.write(
                f"{variable} = app_values[{variable}_key]",
                **{"app_values": around.app_values, f"{variable}_key": component},
            )
            continue
        source.give(**{f"provide_{variable}": component.entered()})
        arguments = unit.arguments()
        call = f"provide_{variable}({arguments})"
        if component.in_thread:
            source.give(in_thread=around.in_thread, in_threads=in_threads)
            if component.cleans_up:
                call = f"in_threads(in_thread, {call})"
            else:
                call = f"in_thread(provide_{variable}{arguments and ', ' + arguments})"
        waits = component.is_async or component.in_thread
        if component.cleans_up:
            source.write(f"{'async ' if waits else ''}with {call} as {variable}:")
            source.depth += 1
        else:
            source.write(f"{variable} = {'await ' if waits else ''}{call}")
