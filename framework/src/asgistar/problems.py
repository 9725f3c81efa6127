"""How problems become responses: the renderer of an application, and the one that there is otherwise.

A renderer makes the body of every error that the application tells of, and says what it looks like; the
documentation says what the renderer says.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

import msgspec

from asgistar.errors import InternalServerError, Problem, ValidationFailed, phrase
from asgistar.http.headers import ResponseHeaders
from asgistar.http.response import Instead, Reply

logger = logging.getLogger("asgistar")


class ErrorRenderer(Protocol):
    """Makes the bodies of error responses: `App(routes, errors=MyErrors())`.

        class MyErrors:
            media_type = "application/json"

            def render(self, problem: Problem) -> bytes:
                return json.dumps({"error": problem.document()["title"]}).encode()

            def schema(self, problem: type[Problem]) -> dict[str, Any]:
                return {"type": "object", "properties": {"error": {"type": "string"}}}

    Attributes:
        media_type: of what it makes.
    """

    @property
    def media_type(self) -> str: ...

    def render(self, problem: Problem) -> bytes:
        """The body of the response that tells of a problem."""
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


def reply_to(problem: Problem, renderer: ErrorRenderer) -> Reply:
    """The response that tells of a problem."""
    if isinstance(problem, Instead):
        return problem.response.reply()
    try:
        content = renderer.render(problem)
        headers = ResponseHeaders(problem.headers) if problem.headers else None
    except Exception:  # a member that can't be encoded; no header; a renderer of the application
        logger.exception("%r can't be sent", problem)
        problem = InternalServerError()
        content, media_type = ProblemDetails().render(problem), ProblemDetails.media_type
        headers = None
    else:
        media_type = renderer.media_type
    own = [
        (b"content-type", media_type.encode("latin-1")),
        (b"content-length", b"%d" % len(content)),
    ]
    return problem.status, own if headers is None else headers.join(own), content
