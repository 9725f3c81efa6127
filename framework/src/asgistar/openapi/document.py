"""The document itself (OpenAPI 3.1, §4.8.1): what an application says of itself, and its operations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

from asgistar.errors import Problem
from asgistar.info import Info
from asgistar.openapi.paths import Paths
from asgistar.openapi.shared import Shared
from asgistar.openapi.yaml import dumped
from asgistar.problems import ErrorRenderer
from asgistar.routing.endpoint import Endpoint

VERSION = "3.1.0"


class Routed(Protocol):
    """What has the routes of an application."""

    @property
    def endpoints(self) -> Iterable[Endpoint]: ...


class Described(Protocol):
    """An application that a document can be made of.

    Attributes:
        info: what it says of itself.
        router: its routes.
        errors: what its errors look like.
        raises: what its middleware may raise.
    """

    info: Info
    errors: ErrorRenderer
    raises: Sequence[type[Problem]]

    @property
    def router(self) -> Routed: ...

    def openapi(self) -> dict[str, Any]:
        """Its document, made once."""


def document(app: Described) -> dict[str, Any]:
    """The OpenAPI 3.1 document of an application, made anew; `app.openapi()` makes it once."""
    shared = Shared(app.errors, app.raises)
    paths = Paths(shared)
    for endpoint in app.router.endpoints:
        if endpoint.options.get("documented", True):
            paths.add(endpoint)
    made: dict[str, Any] = {"openapi": VERSION, "info": _info(app.info)}
    if app.info.servers:
        made["servers"] = [_given(url=each.url, description=each.description) for each in app.info.servers]
    made["paths"] = paths.items
    if paths.others:
        made["x-paths"] = paths.others
    if components := shared.components():
        made["components"] = components
    if paths.tags:
        made["tags"] = [{"name": tag} for tag in paths.tags]
    return made


def encoded(app: Described, format: Literal["json", "yaml"] = "json") -> bytes:
    """The OpenAPI document of an application as a file has it.

    Args:
        format: JSON, indented, or YAML.

    Raises:
        ValueError: there is no such format.
    """
    if format == "json":
        return json.dumps(app.openapi(), indent=2, ensure_ascii=False).encode() + b"\n"
    if format == "yaml":
        return dumped(app.openapi()).encode()
    raise ValueError(f"The document can be had as 'json' or 'yaml', not as {format!r}.")


def _info(info: Info) -> dict[str, Any]:
    """The Info Object."""
    made = _given(
        title=info.title,
        version=info.version,
        summary=info.summary,
        description=info.description,
        termsOfService=info.terms_of_service,
    )
    if info.contact is not None:
        made["contact"] = _given(name=info.contact.name, url=info.contact.url, email=info.contact.email)
    if info.license is not None:
        made["license"] = _given(
            name=info.license.name, identifier=info.license.identifier, url=info.license.url
        )
    return made


def _given(**members: str) -> dict[str, Any]:
    """Those members that aren't empty."""
    return {name: value for name, value in members.items() if value}
