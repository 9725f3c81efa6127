"""HTTP: what is read of a request, and what a response is made of."""

from __future__ import annotations

from asgistar.http.request import Client, Cookies, Headers, QueryParams, Request
from asgistar.http.response import HTML, Accepted, Created, Redirect, Response, Status, Text
from asgistar.url import URL

__all__ = [
    "HTML",
    "URL",
    "Accepted",
    "Client",
    "Cookies",
    "Created",
    "Headers",
    "QueryParams",
    "Redirect",
    "Request",
    "Response",
    "Status",
    "Text",
]
