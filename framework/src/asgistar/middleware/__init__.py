"""Middleware: ASGI applications around an ASGI application.

Each is made by a function with options: `App(routes, middleware=[cors(origins=[…]), compression()])`. The
first one is the outermost. They know nothing of the application that they stand around, but what its errors
look like.
"""

from __future__ import annotations

from asgistar.middleware.compression import compression
from asgistar.middleware.cors import cors
from asgistar.middleware.https_redirect import https_redirect
from asgistar.middleware.refusal import refuse
from asgistar.middleware.request_id import RequestIDFilter, current_request_id, request_id
from asgistar.middleware.same_origin import same_origin
from asgistar.middleware.security_headers import security_headers
from asgistar.middleware.trusted_hosts import trusted_hosts
from asgistar.types import Middleware

__all__ = [
    "Middleware",
    "RequestIDFilter",
    "compression",
    "cors",
    "current_request_id",
    "https_redirect",
    "refuse",
    "request_id",
    "same_origin",
    "security_headers",
    "trusted_hosts",
]
