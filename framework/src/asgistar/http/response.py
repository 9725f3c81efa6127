"""Responses, and the statuses of what a view returns (RFC 9110)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import quote

T = TypeVar("T")

Headers = list[tuple[bytes, bytes]]

Reply = tuple[int, Headers, bytes]
"""A whole response: status, headers, body."""

JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Status:
    """The status of what a view returns: `-> Annotated[Note, Status(202)]`."""

    code: int


Created = Annotated[T, Status(201)]
"""`-> Created[Note]`: a Note, with the status 201."""

Accepted = Annotated[T, Status(202)]
"""`-> Accepted[Job]`: a Job, with the status 202."""


class Response:
    """A response as it is.

    Args:
        content: the body; text is encoded as UTF-8.
        status: its status.
        headers: its headers; a length is added.
        content_type: the type of the body; for text it should say the charset.
    """

    __slots__ = ("content", "headers", "status")

    content_type: str | None = None

    def __init__(
        self,
        content: bytes | str = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        content_type: str | None = None,
    ) -> None:
        self.content = content.encode() if isinstance(content, str) else content
        self.status = status
        self.headers: Headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in (headers or {}).items()
        ]
        given = content_type or self.content_type
        if given is not None:
            self.headers.append((b"content-type", given.encode("latin-1")))

    def reply(self) -> Reply:
        """Status, headers and body. No length where there can be no body (RFC 9110 §8.6)."""
        if self.status in BODILESS:
            return self.status, self.headers, b""
        return self.status, [*self.headers, (b"content-length", b"%d" % len(self.content))], self.content


BODILESS = frozenset((204, 304))
"""Statuses of responses that have no body."""


class Text(Response):
    """Plain text."""

    __slots__ = ()
    content_type = "text/plain; charset=utf-8"


class HTML(Response):
    """A page."""

    __slots__ = ()
    content_type = "text/html; charset=utf-8"


class Redirect(Response):
    """A redirect to `location`. By default the client goes there with GET, whatever it came with.

    Args:
        location: a URL reference; what may not stand in one is quoted.
        status: 301, 302, 303, 307 or 308. With 307 and 308 it sends there what it sent here.
        headers: further headers.
    """

    __slots__ = ()

    def __init__(self, location: str, status: int = 303, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(
            b"", status, {"location": quote(location, "!#$%&'()*+,/:;=?@[]~"), **(headers or {})}
        )
