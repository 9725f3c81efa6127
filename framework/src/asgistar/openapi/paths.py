"""Paths: from endpoints to path items, each operation under a template (OpenAPI 3.1, §4.8.8).

Two templates that differ in the names of their parameters alone are the same for OpenAPI, and a path has one
operation for a method. So parameters get the names that the first route of a shape has; and what can't stand
beside another operation, of another converter or another host, goes to an extension, `x-paths`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from asgistar.openapi.operations import operation
from asgistar.openapi.shared import Shared
from asgistar.openapi.sockets import socket
from asgistar.routing.endpoint import Endpoint
from asgistar.routing.pattern import Slot
from asgistar.routing.route import WEBSOCKET
from asgistar.url import SAFE

METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
"""Those that a path item has (§4.8.9); others go to extensions, as `x-query`."""

_Shape = tuple[str | None, ...]


class Paths:
    """The paths of a document.

    Attributes:
        items: template -> path item.
        others: what can't stand among them: template, a hash sign and operationId -> path item.
        tags: of the operations, in their order.
    """

    def __init__(self, shared: Shared) -> None:
        self.items: dict[str, dict[str, Any]] = {}
        self.others: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, None] = {}
        self._shared = shared
        self._ids: set[str] = set()
        self._known: dict[_Shape, list[str]] = {}

    def add(self, endpoint: Endpoint) -> None:
        """Add the operations of an endpoint; what is mounted has a document of its own."""
        if endpoint.mounted:
            return
        own = _own_names(endpoint)
        shape = tuple(part if isinstance(part, str) else None for part in endpoint.parts)
        known = self._known.setdefault(shape, own)
        for method, plan in endpoint.handlers.items():
            key = _key(method)
            operation_id = self._operation_id(endpoint, method)
            names = known
            item = self.items.setdefault(_template(endpoint, known), {})
            if key in item:
                names = own
                item = self.others.setdefault(f"{_template(endpoint, own)}#{operation_id}", {})
            write = socket if method == WEBSOCKET else operation
            item[key] = made = write(self._shared, endpoint, plan, operation_id, names)
            for tag in made.get("tags", ()):
                self.tags.setdefault(tag)

    def _operation_id(self, endpoint: Endpoint, method: str) -> str:
        """The name of the route, if it is a name for this operation alone; else that of the view."""
        view = getattr(endpoint.views[method], "__name__", "")
        if not view.isidentifier():
            path = "".join(part if isinstance(part, str) else part.name for part in endpoint.parts)
            view = "_".join([_word(method), *re.findall(r"\w+", path)])
        name = endpoint.name if endpoint.name and len(endpoint.views) == 1 else endpoint.namespace + view
        candidate = name if name not in self._ids else f"{name}_{_word(method)}"
        self._ids.add(candidate := candidate if candidate not in self._ids else _free(candidate, self._ids))
        return candidate


def _own_names(endpoint: Endpoint) -> list[str]:
    """The names of the parameters of a path, in their order, each once.

    Of two of one name the inner one counts: the outer one is called something else.
    """
    names: list[str] = []
    for name in reversed([part.name for part in endpoint.parts if isinstance(part, Slot)]):
        names.append(name if name not in names else _free(name, names))
    return names[::-1]


def _free(name: str, taken: Any) -> str:
    """`name` with the first number that makes it one that isn't taken."""
    return next(each for number in range(2, 10_000) if (each := f"{name}_{number}") not in taken)


def _word(method: str) -> str:
    return "websocket" if method == WEBSOCKET else method.lower()


def _key(method: str) -> str:
    """Where an operation stands in a path item."""
    return method.lower() if method in METHODS else f"x-{_word(method)}"


def _template(endpoint: Endpoint, names: list[str]) -> str:
    """The path, with the names of parameters in braces."""
    rest = iter(names)
    return "".join(
        quote(part, SAFE) if isinstance(part, str) else f"{{{next(rest)}}}" for part in endpoint.parts
    )
