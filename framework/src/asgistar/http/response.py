"""Responses, and the statuses of what a view returns (RFC 9110)."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Generic, NoReturn, Protocol, TypeVar, Unpack
from urllib.parse import quote

from msgspec import Struct

from asgistar.errors import Problem
from asgistar.http.cookies import CookieAttributes
from asgistar.http.fields import Fields
from asgistar.http.headers import ResponseHeaders
from asgistar.http.streams import Chunks
from asgistar.types import Receive, Scope, Send

T = TypeVar("T")


class Sender(Protocol):
    """Content that sends itself: a file, a stream."""

    async def send(self, status: int, headers: Fields, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the whole response, from its start to its end; what answers a HEAD has no body.

        Raises:
            Problem: it can't, before the response has started.
            ClientDisconnected: the client has gone.
        """
        ...


Reply = tuple[int, Fields, bytes | Sender]
"""A whole response: status, headers, content."""

JSON = (b"content-type", b"application/json")


class Status(Struct, frozen=True):
    """The status of what a view returns: `-> Annotated[Note, Status(202)]`."""

    code: int


class Answered:
    """A status that has a name: `Created[Note]` is `Annotated[Note, Status(201)]`."""

    def __init__(self, name: str, status: Status) -> None:
        self._name = name
        self._status = status

    def __getitem__(self, type: Any) -> Any:
        return Annotated[type, self._status]

    def __call__(self, *arguments: object, **named: object) -> NoReturn:
        raise TypeError(
            f"{self} isn't called: the status stands in what the view says that it gives. Write "
            f"`-> {self}[Note]`, and `return note`."
        )

    def __repr__(self) -> str:
        return self._name


if TYPE_CHECKING:
    Created = Annotated[T, Status(201)]
    """`-> Created[Note]`: a Note, with the status 201."""

    Accepted = Annotated[T, Status(202)]
    """`-> Accepted[Job]`: a Job, with the status 202."""
else:
    Created = Answered("Created", Status(201))
    Accepted = Answered("Accepted", Status(202))


class Response:
    """A response as it is.

    Args:
        content: the body; text is encoded as UTF-8. An async iterator is sent piece by piece, after the
            components of the request have ended.
        status: its status.
        headers: its headers; pairs, where several have one name. A length is added where it is known.
        content_type: the type of the body; for text it should say the charset.

    Raises:
        ValueError: a header that can't be one.
    """

    __slots__ = ("content", "headers", "status")

    content_type: str | None = None

    def __init__(
        self,
        content: bytes | str | AsyncIterable[bytes | str] = b"",
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        *,
        content_type: str | None = None,
    ) -> None:
        self.content = content.encode() if isinstance(content, str) else content
        self.status = status
        self.headers = ResponseHeaders(headers)
        given = content_type or self.content_type
        if given is not None:
            self.headers["content-type"] = given

    def set_cookie(self, name: str, value: str = "", **attributes: Unpack[CookieAttributes]) -> None:
        """Let the client keep a cookie, see `ResponseHeaders.set_cookie`."""
        self.headers.set_cookie(name, value, **attributes)

    def delete_cookie(self, name: str, **attributes: Unpack[CookieAttributes]) -> None:
        """Let the client forget a cookie, see `ResponseHeaders.delete_cookie`."""
        self.headers.delete_cookie(name, **attributes)

    def reply(self) -> Reply:
        """Status, headers and content. No length where there can be no body (RFC 9110 §8.6)."""
        if self.status in BODILESS:
            return self.status, self.headers.fields, b""
        if isinstance(self.content, AsyncIterable):
            return self.status, self.headers.fields, Chunks(self.content)
        length = b"%d" % len(self.content)
        for name, _ in self.headers.fields:
            if name == b"content-length":  # taken over from another response; to HEAD it is said without one
                if self.content:
                    self.headers["content-length"] = length.decode()
                return self.status, self.headers.fields, bytes(self.content)
        return self.status, [*self.headers.fields, (b"content-length", length)], bytes(self.content)


def joined(result: object, reply: Reply, headers: ResponseHeaders) -> Reply:
    """A reply with the headers that a view or its components have asked for.

    What a Response says itself counts more; what is made of another result, less.
    """
    status, fields, content = reply
    together = headers.join(fields) if isinstance(result, Response) else headers.complete(*fields)
    return status, together, content


BODILESS = frozenset((204, 304))
"""Statuses of responses that have no body."""


async def send_reply(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a whole response; what answers a HEAD has no body.

    Raises:
        Problem: its content can't be sent, before it has started; see `Sender`.
        ClientDisconnected: likewise.
    """
    status, headers, content = reply
    if not isinstance(content, bytes):
        await content.send(status, headers, scope, receive, send)
        return
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


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

    def __init__(
        self,
        location: str,
        status: int = 303,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        super().__init__(b"", status, headers)
        self.headers["location"] = quote(location, "!#$%&'()*+,/:;=?@[]~")


R = TypeVar("R", bound="Response")


class Instead(Problem, Generic[R]):
    """Answers with a response, from wherever it is raised: `raise Instead(Redirect("/login"))`.

    For components and hooks, which return something else. It is no error: nothing is logged. The
    documentation has the response of `raises=[Instead[Redirect]]`.

    Args:
        response: instead of that of the view.
    """

    def __init__(self, response: R) -> None:
        super().__init__(f"Answered with {response!r} instead.")
        self.response: Response = response
