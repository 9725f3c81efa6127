"""The head of a request in any version of HTTP: its limits, what it asks of the server, or a refusal."""

from __future__ import annotations

import re
from typing import Protocol

from asgiworker.asgi.types import Headers

# RFC 3986 §3.2.2: a registered name, an IPv4 address or an IP literal; the port may be left empty.
NAME = rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+"
LITERAL = rb"\[(?:[0-9A-Fa-f:.]+|v[0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+)\]"
HOST = re.compile(rb"(?:" + LITERAL + rb"|" + NAME + rb")(?::[0-9]{0,5})?")

# The methods of HTTP that llhttp knows; to others it has no more to say than that.
LLHTTP_METHODS = frozenset(
    b"ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK M-SEARCH MERGE MKACTIVITY MKCALENDAR MKCOL"
    b" MOVE NOTIFY OPTIONS PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE"
    b" SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE".split()
)


class Refusal(Exception):
    """A request that the server answers with an error itself; the application never sees it.

    Attributes:
        status: the status of the answer.
        reason: one sentence, for the answer's body and the log.
        headers: fields that belong to it.
    """

    def __init__(self, status: int, reason: str, headers: Headers | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers: Headers = headers or []


class HeadLimits(Protocol):
    """The limits on a request head, in bytes and numbers; 0 is no limit."""

    @property
    def limit_request_line(self) -> int: ...
    @property
    def limit_request_head(self) -> int: ...
    @property
    def limit_request_fields(self) -> int: ...
    @property
    def limit_request_field_size(self) -> int: ...


class Routing:
    """What the fields that speak to the server itself say: framing, connection, expectation.

    Attributes:
        length: the declared Content-Length; 0 if there is none.
        chunked: the body is chunked.
        upgrade: the protocols that the client would like to go on with, lower-case (RFC 9110 §7.8).
    """

    __slots__ = ("chunked", "expects_continue", "keep_alive", "length", "takes_trailers", "upgrade")

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive
        self.chunked = self.expects_continue = self.takes_trailers = False
        self.length = 0
        self.upgrade: frozenset[bytes] | set[bytes] = frozenset()


PLAIN = Routing(keep_alive=True)  # of an HTTP/1.1 head with none of those fields
