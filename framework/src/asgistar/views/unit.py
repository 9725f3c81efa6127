"""A function that a plan calls, and how it is given its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asgistar.components import Component
from asgistar.signature import Signature
from asgistar.views.parameters import Input


@dataclass(frozen=True, slots=True)
class Unit:
    """A function that a plan calls: the view, or a component.

    Attributes:
        name: what the source calls it; empty for the view.
        signature: its signature.
        inputs: where its parameters come from.
        component: the component; None for the view.
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
