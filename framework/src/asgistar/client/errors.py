"""Errors that a server answered with, as exceptions: a class for each status.

They are called as those that a view raises, and are none of them: what another server says of our request is
not what we say to our own clients. An error of this module that a view doesn't handle is a 500.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from asgistar.client.document import is_json, media_type
from asgistar.errors import ErrorItem

if TYPE_CHECKING:
    import httpx


class Problem(Exception):
    """An answer with a status of 400 or above. It has the members of RFC 9457 that the server gives.

    Attributes:
        status: of the answer.
        type: a URI for the kind of problem.
        title: the kind of problem in words.
        detail: what went wrong this time; the text of the answer, if it is no problem document.
        errors: all that is wrong with the request.
        document: the whole problem document; empty if there is none.
        response: the answer.
    """

    of: ClassVar[int] = 0

    def __init__(self, response: httpx.Response, document: Mapping[str, Any], text: str = "") -> None:
        self.response = response
        self.status = response.status_code
        self.document = dict(document)
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title") or _phrase(self.status))
        self.detail = str(document.get("detail") or text)
        errors = document.get("errors")
        self.errors: list[ErrorItem] = errors if isinstance(errors, list) else []
        super().__init__(self.detail)

    @property
    def headers(self) -> httpx.Headers:
        """The headers of the answer."""
        return self.response.headers

    def __str__(self) -> str:
        request = self.response.request
        lines = [f"{request.method} {request.url}: {self.status} {self.title}"]
        if self.detail:
            lines[0] += f": {self.detail}"
        for each in self.errors[:20]:
            if isinstance(each, Mapping):
                where = ".".join(map(str, [each.get("in", ""), *_listed(each.get("path"))]))
                lines.append(f"  {where}: {each.get('message', '')}")
        return "\n".join(lines)


class BadRequest(Problem):
    """400."""

    of = 400


class Unauthorized(Problem):
    """401."""

    of = 401


class Forbidden(Problem):
    """403."""

    of = 403


class NotFound(Problem):
    """404."""

    of = 404


class MethodNotAllowed(Problem):
    """405."""

    of = 405


class NotAcceptable(Problem):
    """406."""

    of = 406


class Conflict(Problem):
    """409."""

    of = 409


class Gone(Problem):
    """410."""

    of = 410


class PreconditionFailed(Problem):
    """412."""

    of = 412


class ContentTooLarge(Problem):
    """413."""

    of = 413


class UnsupportedMediaType(Problem):
    """415."""

    of = 415


class UnprocessableContent(Problem):
    """422; `errors` tells what is wrong."""

    of = 422


class TooManyRequests(Problem):
    """429."""

    of = 429


class ServerProblem(Problem):
    """500 and above."""

    of = 500


class ServiceUnavailable(ServerProblem):
    """503."""

    of = 503


CLASSES: dict[int, type[Problem]] = {
    each.of: each for each in (*Problem.__subclasses__(), *ServerProblem.__subclasses__())
}


def problem(response: httpx.Response) -> Problem:
    """The exception for an answer that has been read."""
    cls = CLASSES.get(response.status_code) or (ServerProblem if response.status_code >= 500 else Problem)
    document: Any = None
    if is_json(media_type(response.headers.get("content-type", ""))):
        try:
            document = msgspec.json.decode(response.content)
        except msgspec.DecodeError:
            pass
    if isinstance(document, dict):
        return cls(response, document)
    return cls(response, {}, response.text[:1000])


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
