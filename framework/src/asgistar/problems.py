"""How problems become responses: the renderer of an application, and the one that there is otherwise.

A renderer makes the body of every error that the application tells of, and says what it looks like; the
documentation says what the renderer says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from asgistar import signature as signatures
from asgistar.data import alternatives
from asgistar.errors import ConfigurationError, InternalServerError, Problem, ValidationFailed, phrase
from asgistar.http.fields import varied
from asgistar.http.headers import ResponseHeaders
from asgistar.http.request import Client, Cookies, Headers, Request, client_of
from asgistar.http.response import Instead, Reply, Response
from asgistar.signature import EMPTY, Argument, Signature, named
from asgistar.types import Message, Scope
from asgistar.url import URL

logger = logging.getLogger("asgistar")

RENDERING = "asgistar.rendering"
"""The key of a scope under which middleware finds how the application tells of problems."""


class ErrorRenderer(Protocol):
    """Makes the bodies of error responses: `App(routes, errors=MyErrors())`.

        class MyErrors:
            media_type = "application/json"

            def render(self, problem: Problem) -> bytes:
                return json.dumps({"error": problem.document()["title"]}).encode()

            def schema(self, problem: type[Problem]) -> dict[str, Any]:
                return {"type": "object", "properties": {"error": {"type": "string"}}}

    Attributes:
        media_type: of the bytes that it makes.
    """

    @property
    def media_type(self) -> str: ...

    def render(self, problem: Problem, /, *args: Any, **kwargs: Any) -> bytes | Response:
        """The body of the response that tells of a problem; or a whole response, such as a page.

        What else it needs to know of the request it asks for by type, as views do: `request: Request`,
        `headers: Headers`, and likewise Cookies, URL, Client and App. A response has the status of the
        problem if it says none of its own but 200, and the headers of the problem too. If there may be
        either, the client chooses by its header `Accept`, and the response says so.
        """
        ...

    def schema(self, problem: type[Problem]) -> dict[str, Any]:
        """The JSON Schema of what `render` makes of problems of a class; without references out of it."""
        ...


class ProblemDetails:
    """Problem documents: `application/problem+json` (RFC 9457)."""

    media_type = "application/problem+json"  # RFC 9457 §3

    def render(self, problem: Problem) -> bytes:
        """The problem document."""
        return _encode(problem.document())

    def schema(self, problem: type[Problem]) -> dict[str, Any]:
        """The JSON Schema of the problem documents of a class."""
        properties: dict[str, Any] = {}
        required = ["title", "status"]
        if problem.type != "about:blank":
            properties["type"] = {"type": "string", "const": problem.type}
            required.insert(0, "type")
        properties["title"] = {"type": "string", "const": problem.title or phrase(problem.status)}
        properties["status"] = {"type": "integer", "const": problem.status}
        properties["detail"] = {"type": "string"}
        if issubclass(problem, ValidationFailed):
            properties["errors"] = {"type": "array", "minItems": 1, "items": _ERROR_ITEM}
            required += ["detail", "errors"]
        return {"type": "object", "properties": properties, "required": required}


_ERROR_ITEM = {
    "type": "object",
    "properties": {
        "in": {"type": "string", "enum": ["path", "query", "header", "cookie", "form", "body"]},
        "path": {"type": "array", "items": {"type": ["string", "integer"]}},
        "code": {"type": "string"},
        "message": {"type": "string"},
    },
    "required": ["in", "path", "code", "message"],
}

_encode = msgspec.json.Encoder().encode


# --- how an application tells of problems ----------------------------------------------------------------


async def _no_body() -> Message:  # renderers can't wait for it
    return {"type": "http.disconnect"}  # pragma: no cover


_GIVEN: Mapping[Any, Callable[[Scope], Any]] = {
    Request: lambda scope: Request(scope, _no_body),
    Headers: lambda scope: Headers(scope["headers"]),
    Cookies: lambda scope: Cookies(scope["headers"]),
    URL: URL.of,
    Client: client_of,
}
"""What a renderer may ask for -> what makes it of a scope."""


class Rendering:
    """How an application tells of problems: its renderer, and what that asks for.

    Args:
        renderer: makes the bodies.
        others: further types that it may ask for -> their values.

    Raises:
        ConfigurationError: it asks for something that can't be given.
    """

    __slots__ = ("_asked", "_content_type", "_renderer", "_varies")

    def __init__(self, renderer: ErrorRenderer, others: Mapping[Any, Any] | None = None) -> None:
        signature = signatures.read(renderer.render)
        given = {**_GIVEN, **{type: _always(value) for type, value in (others or {}).items()}}
        if signatures.is_async(renderer.render):
            raise ConfigurationError(f"{signature.where} makes errors: it can't wait. Make it `def`.")
        arguments = list(signature.arguments.values())
        if not arguments:
            raise ConfigurationError(f"{signature.where} makes errors: it needs a parameter for the problem.")
        for each in arguments[1:]:
            if not each.keyword:
                raise ConfigurationError(
                    f"The parameter {each.name} of {signature.where} is given by name: write no slash after "
                    "it."
                )
        self._asked = [(each.name, _maker(each, signature, given)) for each in arguments[1:]]
        self._renderer = renderer
        self._content_type = renderer.media_type.encode("latin-1")
        self._varies = ("accept",) if _pages(signature) and bytes in alternatives(signature.returns) else ()

    def reply(self, problem: Problem, scope: Scope) -> Reply:
        """The response that tells of a problem."""
        if isinstance(problem, Instead):
            return problem.response.reply()
        status = problem.status
        try:
            asked = {name: make(scope) for name, make in self._asked} if self._asked else {}
            made = self._renderer.render(problem, **asked)
            headers = ResponseHeaders(problem.headers) if problem.headers else None
            if isinstance(made, Response):
                status = made.status if made.status != 200 else status
                _, own, content = made.reply()
                if not isinstance(content, bytes):
                    raise TypeError("A stream can't tell of a problem.")
            else:
                content = made
                own = [(b"content-type", self._content_type), (b"content-length", b"%d" % len(content))]
            said = "" if headers is None else headers.get("vary", "")
            for each in (*self._varies, *said.split(",")):
                if name := each.strip():
                    own = varied(own, name)
        except Exception:  # a member that can't be encoded; no header; a renderer of the application
            logger.exception("%r can't be sent", problem)
            return DETAILS.reply(InternalServerError(), scope)
        return status, own if headers is None else headers.join(own), content


def _maker(
    argument: Argument, signature: Signature, given: Mapping[Any, Callable[[Scope], Any]]
) -> Callable[[Scope], Any]:
    """What makes the argument of a renderer of a scope."""
    for member in alternatives(argument.annotation):
        if member in given:
            return given[member]
    wanted = "no type" if argument.annotation is EMPTY else named(argument.annotation)
    raise ConfigurationError(
        f"The parameter {argument.name} of {signature.where} is {wanted}; whatever makes errors is given "
        f"{', '.join(map(named, given))}, and nothing else."
    )


def _always(value: Any) -> Callable[[Scope], Any]:
    return lambda _: value


def pages_of(renderer: ErrorRenderer) -> list[str]:
    """The media types of the responses that a renderer says it makes, beside its own."""
    return _pages(signatures.read(renderer.render))


def _pages(signature: Signature) -> list[str]:
    found = (
        (each.content_type or "").partition(";")[0].strip()
        for each in alternatives(signature.returns)
        if isinstance(each, type) and issubclass(each, Response)
    )
    return [each for each in found if each]


DETAILS = Rendering(ProblemDetails())
"""How problems are told of where no application says otherwise."""
