"""What goes wrong: in the making of an application, in a request, in the making of an address.

The errors of a request are problems in the sense of RFC 9457. A view raises them; the client gets their
document as `application/problem+json`, and its status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, TypedDict


class ConfigurationError(Exception):
    """An application can't be made of what it was given; says what, where, and what to do."""


class NoReverseMatch(LookupError):
    """There is no address for what `url_for` was given."""


class FieldError(ValueError):
    """A rule of one's own isn't kept by one field; raised by the `__post_init__` of a Struct or a dataclass:

        if self.price <= 0:
            raise FieldError("price", "Must be above 0.")

    Args:
        field: its name in the class.
        message: what is wrong, for people.
        code: the same for programs.
    """

    def __init__(self, field: str, message: str, code: str = "invalid") -> None:
        super().__init__(message)
        self.field = field
        self.code = code


def tell(scope: Mapping[str, Any], error: BaseException) -> None:
    """Tell of an error that nobody handled, if someone wants to know: a test, by an extension of a scope."""
    wants = (scope.get("extensions") or {}).get("asgistar.errors")
    if wants is not None:
        wants["tell"](error)


# --- problems -------------------------------------------------------------------------------------------

ErrorItem = TypedDict(  # `in` is a keyword, so a class can't declare it.
    "ErrorItem", {"in": str, "path": list[str | int], "code": str, "message": str}
)
"""One thing that is wrong with a request.

`in` is `path`, `query`, `header`, `cookie`, `form` or `body`; `path` says where in it: names, keys and
positions down to the value; `code` is for programs, `message` for people.
"""


_PHRASES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
}
"""Names of RFC 9110 §15 that Python has since 3.13 only."""


def phrase(status: int) -> str:
    """The name of a status; one that has none is called by its class (RFC 9110 §15)."""
    try:
        return _PHRASES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return "Server Error" if status >= 500 else "Client Error"


_SAID_BY_CLASS = frozenset({"type", "title", "status"})


class Problem(Exception):
    """An error response (RFC 9457). Raise one of its subclasses, or make your own with a `status`.

    Args:
        detail: what went wrong this time, for a person.
        headers: further headers of the response.
        members: further members of the document.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "about:blank"
    title: ClassVar[str | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        status: object = cls.status
        if not isinstance(status, int) or not 400 <= status <= 599:
            raise ConfigurationError(
                f"The status of {cls.__qualname__} is a number from 400 to 599, not {status!r}."
            )
        for name in ("type", "title"):
            value = getattr(cls, name)
            if not isinstance(value, str | None):
                raise ConfigurationError(f"The {name} of {cls.__qualname__} is text, not {value!r}.")

    def __init__(
        self, detail: str = "", *, headers: Mapping[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(detail)
        if not _SAID_BY_CLASS.isdisjoint(members):
            said = min(_SAID_BY_CLASS & members.keys())
            raise TypeError(f"{said} is that of {type(self).__name__}: make a class of Problem with another")
        self.detail = detail
        self.headers: dict[str, str] = dict(headers) if headers else {}
        self.members = members

    def document(self) -> dict[str, Any]:
        """The members of the problem document."""
        document: dict[str, Any] = {} if self.type == "about:blank" else {"type": self.type}
        document["title"] = self.title or phrase(self.status)
        document["status"] = self.status
        if self.detail:
            document["detail"] = self.detail
        document.update(self.members)
        return document


class BadRequest(Problem):
    """400: the request can't be read."""

    status = 400


class Unauthorized(Problem):
    """401: it isn't known who asks.

    Args:
        challenge: what to authenticate with, for the header `WWW-Authenticate` (RFC 9110 §11.6.1).
    """

    status = 401

    def __init__(
        self,
        detail: str = "",
        *,
        challenge: str = "Bearer",
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail, headers={"www-authenticate": challenge, **(headers or {})}, **members)


class Forbidden(Problem):
    """403: it is known who asks, and it isn't allowed."""

    status = 403


class NotFound(Problem):
    """404: there is nothing here."""

    status = 404


class MethodNotAllowed(Problem):
    """405: there is something here, but not for this method.

    Args:
        allowed: the methods that there are, for the header `Allow`.
    """

    status = 405

    def __init__(
        self,
        detail: str = "",
        *,
        allowed: Iterable[str],
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail, headers={"allow": ", ".join(allowed), **(headers or {})}, **members)


class NotAcceptable(Problem):
    """406: it can't be given in a form that the client takes."""

    status = 406


class Conflict(Problem):
    """409: the state of things doesn't allow it."""

    status = 409


class Gone(Problem):
    """410: there was something here."""

    status = 410


class PreconditionFailed(Problem):
    """412: what the client took for granted isn't so."""

    status = 412


class ContentTooLarge(Problem):
    """413: the body is larger than we take."""

    status = 413
    title = "Content Too Large"  # RFC 9110 §15.5.14; Python 3.11 has the name of an older RFC


class UnsupportedMediaType(Problem):
    """415: the body is of a type that we don't take."""

    status = 415


class RangeNotSatisfiable(Problem):
    """416: there is nothing in the range that is asked for.

    Args:
        size: of the whole, in bytes, for the header `Content-Range`.
    """

    status = 416
    title = "Range Not Satisfiable"  # RFC 9110 §15.5.17; Python 3.11 has the name of an older RFC

    def __init__(
        self,
        detail: str = "",
        *,
        size: int,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail, headers={"content-range": f"bytes */{size}", **(headers or {})}, **members)


class UnprocessableContent(Problem):
    """422: the request can be read, and makes no sense."""

    status = 422
    title = "Unprocessable Content"  # RFC 9110 §15.5.21


class ValidationFailed(UnprocessableContent):
    """422: parts of the request aren't what they should be.

    Args:
        errors: all of them.
    """

    def __init__(self, errors: list[ErrorItem]) -> None:
        number = "One value is" if len(errors) == 1 else f"{len(errors)} values are"
        super().__init__(f"{number} not valid.", errors=errors)
        self.errors = errors


class TooManyRequests(Problem):
    """429: this client has asked too often.

    Args:
        retry_after: seconds after which it may ask again, for the header `Retry-After`.
    """

    status = 429

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        own = {} if retry_after is None else {"retry-after": str(retry_after)}
        super().__init__(detail, headers={**own, **(headers or {})}, **members)


class InternalServerError(Problem):
    """500: something broke, and the client is told no more than that."""

    status = 500


class ServiceUnavailable(Problem):
    """503: not now."""

    status = 503
