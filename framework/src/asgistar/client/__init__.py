"""Clients of an API, made by its OpenAPI document.

`Client` and `AsyncClient` are made by it when they run; `generate` writes a typed one, in Python or
TypeScript. Only the clients that run need httpx.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from asgistar.client.document import Document, DocumentError
from asgistar.client.events import Event
from asgistar.client.generation import LANGUAGES, generate

if TYPE_CHECKING:
    from asgistar.client.answers import AsyncStream, Stream
    from asgistar.client.auth import ApiKey, Basic, Bearer
    from asgistar.client.clients import AsyncClient, Client
    from asgistar.client.errors import (
        BadRequest,
        Conflict,
        ContentTooLarge,
        Forbidden,
        Gone,
        MethodNotAllowed,
        NotAcceptable,
        NotFound,
        PreconditionFailed,
        Problem,
        ServerProblem,
        ServiceUnavailable,
        TooManyRequests,
        Unauthorized,
        UnprocessableContent,
        UnsupportedMediaType,
    )

__all__ = [
    "LANGUAGES",
    "ApiKey",
    "AsyncClient",
    "AsyncStream",
    "BadRequest",
    "Basic",
    "Bearer",
    "Client",
    "Conflict",
    "ContentTooLarge",
    "Document",
    "DocumentError",
    "Event",
    "Forbidden",
    "Gone",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "PreconditionFailed",
    "Problem",
    "ServerProblem",
    "ServiceUnavailable",
    "Stream",
    "TooManyRequests",
    "Unauthorized",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "generate",
]

PLACES = {
    "answers": ("AsyncStream", "Stream"),
    "auth": ("ApiKey", "Basic", "Bearer"),
    "clients": ("AsyncClient", "Client"),
}
"""Module -> the names that are taken from it when they are asked for; all others are errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = next((each for each, names in PLACES.items() if name in names), "errors")
    try:
        return getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as error:
        if error.name != "httpx":
            raise
        raise ModuleNotFoundError(
            "asgistar.client needs httpx: pip install 'asgistar[client]'", name=error.name
        ) from None
