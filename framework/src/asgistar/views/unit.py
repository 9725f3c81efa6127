"""The functions that a plan calls, each after what it needs, and how they are given their arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from asgistar.components import Component, Components, chained
from asgistar.errors import ConfigurationError
from asgistar.http.request import Request
from asgistar.routing.endpoint import Endpoint
from asgistar.signature import Signature, named
from asgistar.views.given import GIVEN, given
from asgistar.views.parameters import Input, check_bodies, inputs, rest_of


class Unit(Struct, frozen=True):
    """A function that a plan calls: the view, a component, or a method of a hook.

    Attributes:
        name: what the source calls it; empty for the view.
        signature: its signature.
        inputs: where its parameters come from.
        component: the component; None for the view and for hooks.
        given: parameter -> what stands for it in the call.
    """

    name: str
    signature: Signature
    inputs: list[Input]
    component: Component[..., Any] | None
    given: dict[str, str]

    def arguments(self) -> str:
        """The arguments of the call."""
        return ", ".join(
            f"{each.argument}={self.given[each.argument]}" if each.keyword else self.given[each.argument]
            for each in self.inputs
        )


class Units:
    """Gathers what is called for the requests of an endpoint.

    Args:
        endpoint: where the view stands.
        method: which it is for.
        components: what may be asked for.

    Attributes:
        all: in their order: components, each after what it needs and before who needs it.
    """

    def __init__(self, endpoint: Endpoint, method: str, components: Components) -> None:
        self.all: list[Unit] = []
        self._endpoint = endpoint
        self._method = method
        self._components = components
        self._variables: dict[Component[..., Any], str] = {}
        self._chain: list[Signature] = []  # what is being added, each because of the one before

    def add(
        self,
        signature: Signature,
        name: str = "",
        component: Component[..., Any] | None = None,
        provided: Mapping[str, str] | None = None,
    ) -> Unit:
        """Add a function, after the components that it needs and that aren't there yet.

        Args:
            name: what the source calls it.
            provided: parameters that come from elsewhere -> what stands for them in the source.

        Raises:
            ConfigurationError: a parameter can come from nowhere.
        """
        provided = provided or {}
        needed = {
            parameter: each
            for parameter, each in self._components.needed(signature).items()
            if parameter not in provided
        }
        found: list[Input] = []
        if component is None or component.lifetime == "request":
            self._chain.append(signature)
            for each in needed.values():
                self._add_component(each)
            self._chain.pop()
            try:
                found = inputs(self._endpoint, self._method, signature, {**needed, **provided})
            except ConfigurationError as error:
                raise ConfigurationError(f"{error}{chained([each.where for each in self._chain])}") from None
        stands = {
            parameter: self._variables[each] for parameter, each in needed.items() if each in self._variables
        }
        unit = Unit(name, signature, found, component, {**stands, **provided})
        self.all.append(unit)
        return unit

    def _add_component(self, each: Component[..., Any]) -> None:
        """Add a component, if it isn't there yet."""
        if each not in self._variables:
            self._variables[each] = _variable(each, len(self._variables) + 1)
            self.add(each.signature, f"{self._variables[each]}_", each)

    def add_guards(self, signature: Signature) -> None:
        """Add those components a function needs that say how clients authenticate, with what they need.

        Raises:
            ConfigurationError: a parameter can come from nowhere.
        """
        for each in self._components.needed(signature).values():
            if each.lifetime != "request":
                continue
            if each.security:
                self._add_component(each)
            else:
                self.add_guards(each.signature)

    def add_view(self, signature: Signature, provided: Mapping[str, str] | None = None) -> Unit:
        """Add the view: the last one, which gets what is left of the path.

        Raises:
            ConfigurationError: a parameter can come from nowhere, nobody takes one of the path, or there are
                two bodies.
        """
        if signature.takes_more:
            raise ConfigurationError(
                f"{signature.where} has a parameter with a star, and nothing comes for that. Leave it out; "
                "if it is what a decorator made, let the decorator use functools.wraps."
            )
        unit = self.add(signature, provided=provided)
        every = [each for unit in self.all for each in unit.inputs]
        taken = {each.name for each in every if each.where == "path"}
        if any(each.where == "given" and given(each.type) is GIVEN[Request] for each in every):
            taken |= {slot.name for slot in self._endpoint.slots}  # `request.path_params` has them all
        unit.inputs.extend(rest_of(unit.inputs, self._endpoint, signature, taken))
        check_bodies((each, unit.signature) for unit in self.all for each in unit.inputs)
        return unit


def _variable(component: Component[..., Any], number: int) -> str:
    """What the source calls the value of a component."""
    name = re.sub(r"\W+", "_", named(component.key)).strip("_").lower()
    return f"{name}_{number}" if name.isidentifier() else f"component_{number}"
