"""What views, components and hooks are given by type without a component: the request, and parts of it.

A type stands here with the expression that makes its value in the source of a plan. It is made once in a
request, however many ask for it, and not at all if nobody does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from asgistar.background import Background
from asgistar.data import alternatives
from asgistar.http.headers import ResponseHeaders
from asgistar.http.request import Client, Cookies, Headers, QueryParams, Request, client_of
from asgistar.url import URL


class Given(Struct, frozen=True):
    """How the value of a type is made in a plan.

    Attributes:
        variable: what the source calls it.
        expression: makes it; may speak of `scope`, `receive`, `send` and `values`, and of `endpoint` and
            `body_limit`.
        names: further objects that the expression speaks of.
    """

    variable: str
    expression: str
    names: Mapping[str, Any] = field(default_factory=dict)


GIVEN: dict[Any, Given] = {
    Request: Given(
        "request",
        "Request(scope, receive, endpoint.arguments(values), body_limit)",
        {"Request": Request},
    ),
    Headers: Given("headers", 'Headers(scope["headers"])', {"Headers": Headers}),
    QueryParams: Given("query_params", 'QueryParams(scope["query_string"])', {"QueryParams": QueryParams}),
    Cookies: Given("cookies", 'Cookies(scope["headers"])', {"Cookies": Cookies}),
    URL: Given("url", "URL.of(scope)", {"URL": URL}),
    Client: Given("client", "client_of(scope)", {"client_of": client_of}),
    ResponseHeaders: Given("response_headers", "ResponseHeaders()", {"ResponseHeaders": ResponseHeaders}),
    Background: Given("background", "Background(application.jobs, scope)", {"Background": Background}),
}


def given(annotation: Any) -> Given | None:
    """How a value of the type is made, if it is of those that are given; `Client | None` is a Client too."""
    for member in alternatives(annotation):
        try:
            found = GIVEN.get(member)
        except TypeError:  # a type that isn't hashable
            continue
        if found is not None:
            return found
    return None
