"""asgistar: a typed Web API framework for any ASGI server.

Views are plain functions; what their annotations say is what they are given, and what is checked.
"""

from __future__ import annotations

from msgspec import UNSET, Meta, Struct, UnsetType

from asgistar.app import App
from asgistar.components import Component, component
from asgistar.errors import (
    BadRequest,
    ConfigurationError,
    Conflict,
    ContentTooLarge,
    Forbidden,
    Gone,
    MethodNotAllowed,
    NoReverseMatch,
    NotAcceptable,
    NotFound,
    PreconditionFailed,
    Problem,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    UnprocessableContent,
    UnsupportedMediaType,
)
from asgistar.http.response import HTML, Accepted, Created, Redirect, Response, Status, Text
from asgistar.markers import Body, Cookie, Header, In, Path, Query
from asgistar.routing.converters import Converter, register_converter
from asgistar.routing.route import Host, Include, Mount, Route, WebSocketRoute

__version__ = "0.1.0"

__all__ = [
    "HTML",
    "UNSET",
    "Accepted",
    "App",
    "BadRequest",
    "Body",
    "Component",
    "ConfigurationError",
    "Conflict",
    "ContentTooLarge",
    "Converter",
    "Cookie",
    "Created",
    "Forbidden",
    "Gone",
    "Header",
    "Host",
    "In",
    "Include",
    "Meta",
    "MethodNotAllowed",
    "Mount",
    "NoReverseMatch",
    "NotAcceptable",
    "NotFound",
    "Path",
    "PreconditionFailed",
    "Problem",
    "Query",
    "Redirect",
    "Response",
    "Route",
    "ServiceUnavailable",
    "Status",
    "Struct",
    "Text",
    "TooManyRequests",
    "Unauthorized",
    "UnprocessableContent",
    "UnsetType",
    "UnsupportedMediaType",
    "WebSocketRoute",
    "__version__",
    "component",
    "register_converter",
]
