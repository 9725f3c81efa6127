"""asgistar: a typed Web API framework for any ASGI server.

Views are plain functions; what their annotations say is what they are given, and what is checked.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from asgistar.app import App
from asgistar.background import Background
from asgistar.components import Component, component
from asgistar.errors import (
    BadRequest,
    ConfigurationError,
    Conflict,
    ContentTooLarge,
    FieldError,
    Forbidden,
    Gone,
    MethodNotAllowed,
    NoReverseMatch,
    NotAcceptable,
    NotFound,
    PreconditionFailed,
    Problem,
    RangeNotSatisfiable,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    UnprocessableContent,
    UnsupportedMediaType,
)
from asgistar.http.events import Event, Events, Lines
from asgistar.http.headers import ResponseHeaders
from asgistar.http.request import Request
from asgistar.http.response import HTML, Accepted, Created, Instead, Redirect, Response, Status, Text
from asgistar.http.uploads import File
from asgistar.info import Info
from asgistar.invalid import Invalid
from asgistar.markers import Body, Cookie, Form, Header, In, Path, Query
from asgistar.problems import ErrorRenderer, ProblemDetails
from asgistar.routing.converters import Converter, register_converter
from asgistar.routing.route import Host, Include, Mount, Route, WebSocketRoute
from asgistar.websocket import Disconnected, WebSocket

if TYPE_CHECKING:
    from asgistar.commands import Command
    from asgistar.environment import Environment
    from asgistar.http.files import FileResponse
    from asgistar.patch import Patch
    from asgistar.static import Static

__version__ = "0.1.0"

__all__ = [
    "HTML",
    "UNSET",
    "Accepted",
    "App",
    "Background",
    "BadRequest",
    "Body",
    "Command",
    "Component",
    "ConfigurationError",
    "Conflict",
    "ContentTooLarge",
    "Converter",
    "Cookie",
    "Created",
    "Disconnected",
    "Environment",
    "ErrorRenderer",
    "Event",
    "Events",
    "FieldError",
    "File",
    "FileResponse",
    "Forbidden",
    "Form",
    "Gone",
    "Header",
    "Host",
    "In",
    "Include",
    "Info",
    "Instead",
    "Invalid",
    "Lines",
    "Meta",
    "MethodNotAllowed",
    "Mount",
    "NoReverseMatch",
    "NotAcceptable",
    "NotFound",
    "Patch",
    "Path",
    "PreconditionFailed",
    "Problem",
    "ProblemDetails",
    "Query",
    "RangeNotSatisfiable",
    "Redirect",
    "Request",
    "Response",
    "ResponseHeaders",
    "Route",
    "ServiceUnavailable",
    "Static",
    "Status",
    "Struct",
    "Text",
    "TooManyRequests",
    "Unauthorized",
    "UnprocessableContent",
    "UnsetType",
    "UnsupportedMediaType",
    "WebSocket",
    "WebSocketRoute",
    "__version__",
    "component",
    "field",
    "register_converter",
]

PLACES = {
    "Command": "asgistar.commands",
    "Environment": "asgistar.environment",
    "FileResponse": "asgistar.http.files",
    "Patch": "asgistar.patch",
    "Static": "asgistar.static",
}
"""What an application is made without -> its module, which is imported when the name is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(PLACES[name]), name)
    return found
