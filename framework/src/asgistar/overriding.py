"""Others in the place of some components, for tests: of all requests, or of those of one client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from asgistar.components import Components
from asgistar.http.response import Reply
from asgistar.routing.endpoint import Endpoint
from asgistar.types import Receive, Scope, Send
from asgistar.values import Living
from asgistar.views.handler import Handler, Run

When = Callable[[Scope], bool]
"""Whether a request is one of those that are meant."""

Planned = Callable[[Endpoint, str, Components], Handler]
"""Makes the plan for a method of an endpoint, with these components."""


class Override(Struct, frozen=True, eq=False):
    """One override that is in force.

    Attributes:
        replacements: type -> what provides it instead.
        when: which requests it is for; None for all.
    """

    replacements: Mapping[Any, Any]
    when: When | None


class Overrides:
    """The overrides of an application. They may end in another order than they began in.

    Args:
        living: the components of the application.
        endpoints: its endpoints, with their plans.
        planned: makes a plan.
    """

    def __init__(self, living: Living, endpoints: Iterable[Endpoint], planned: Planned) -> None:
        self._living = living
        self._endpoints = list(endpoints)
        self._planned = planned
        self._original = living.components
        self._active: list[Override] = []
        self._runs: dict[Handler, Run] = {}  # what was run before the first override

    @contextmanager
    def override(self, replacements: Mapping[Any, Any], when: When | None) -> Iterator[None]:
        """Have an override in force. See `App.override`."""
        added = Override(dict(replacements), when)
        self._put_in_force([*self._active, added])
        try:
            yield
        finally:
            self._put_in_force([each for each in self._active if each is not added])

    def _put_in_force(self, active: list[Override]) -> None:
        everywhere: dict[Any, Any] = {}
        for each in active:
            if each.when is None:
                everywhere |= each.replacements
        base = self._original.replaced(everywhere) if everywhere else self._original
        sometimes = [
            (each.when, set(each.replacements), base.replaced(each.replacements))
            for each in reversed(active)
            if each.when is not None
        ]
        # All are planned anew before the first one is replaced: an error leaves everything as it was.
        changed: list[tuple[Handler, Run]] = []
        for endpoint in self._endpoints:
            for method, plan in endpoint.handlers.items():
                keys = {unit.component.key for unit in plan.units if unit.component is not None}
                run = None
                if keys & everywhere.keys():
                    run = self._planned(endpoint, method, base).compiled()
                cases = [
                    (when, self._planned(endpoint, method, components).compiled())
                    for when, replaced, components in sometimes
                    if keys & replaced
                ]
                if run is not None or cases:
                    if plan not in self._runs:
                        self._runs[plan] = plan.compiled()
                    run = run or self._runs[plan]
                    changed.append((plan, _chosen(cases, run) if cases else run))
        for plan, original in self._runs.items():
            plan.run = original
        for plan, run in changed:
            plan.run = run
        self._living.components = base
        self._active = active


def _chosen(cases: list[tuple[When, Run]], otherwise: Run) -> Run:
    """What runs the first case that a request is of."""

    async def run(scope: Scope, receive: Receive, send: Send, values: tuple[Any, ...]) -> Reply | None:
        for when, instead in cases:
            if when(scope):
                return await instead(scope, receive, send, values)
        return await otherwise(scope, receive, send, values)

    return run
