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
from asgistar.extras import Extra

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
    from asgistar.client.reconnecting import Reconnect
    from asgistar.client.sockets import AsyncSocket, Socket, WebSocketClosed

__all__ = [
    "LANGUAGES",
    "ApiKey",
    "AsyncClient",
    "AsyncSocket",
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
    "Reconnect",
    "ServerProblem",
    "ServiceUnavailable",
    "Socket",
    "Stream",
    "TooManyRequests",
    "Unauthorized",
    "UnprocessableContent",
    "UnsupportedMediaType",
    "WebSocketClosed",
    "generate",
]

PLACES = {
    "answers": ("AsyncStream", "Stream"),
    "auth": ("ApiKey", "Basic", "Bearer"),
    "clients": ("AsyncClient", "Client"),
    "reconnecting": ("Reconnect",),
    "sockets": ("AsyncSocket", "Socket", "WebSocketClosed"),
}
"""Module -> the names that are taken from it when they are asked for; all others are errors."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = next((each for each, names in PLACES.items() if name in names), "errors")
    with Extra("client", "asgistar.client"):
        return getattr(import_module(f"{__name__}.{module}"), name)
