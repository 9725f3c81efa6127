"""The URL of a request, and what URLs are made of (RFC 3986)."""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast
from urllib.parse import quote, urlsplit

from asgistar.types import Scope

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""The ports that a URL doesn't name (RFC 9110 §4.2, RFC 6455 §3)."""

SAFE = "/~:@!$&'()*+,;="
"""What may stand in a path unquoted, beside letters, digits and `-._` (RFC 3986 §3.3)."""


class URL(str):
    """A URL: a text, and the parts of it.

    Attributes:
        scheme: in lower case.
        host: without the port; an IPv6 address without brackets. Empty if there is none.
        port: the one that is written, or that of the scheme.
        path: with its percent-encoding.
        query: without the question mark, with its percent-encoding.
        fragment: without the hash sign.
    """

    @classmethod
    def of(cls, scope: Scope) -> URL:
        """The URL of a request, with its path as the client wrote it where the server tells."""
        raw = scope.get("raw_path")
        path = quote(scope["path"], SAFE) if raw is None else raw.decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        return cls(f"{scheme_of(scope)}://{authority_of(scope)}{path}{'?' if query else ''}{query}")

    @cached_property
    def _parts(self) -> Any:
        return urlsplit(self)

    @property
    def scheme(self) -> str:
        return cast(str, self._parts.scheme)

    @property
    def host(self) -> str:
        return self._parts.hostname or ""

    @property
    def port(self) -> int | None:
        try:
            written = self._parts.port
        except ValueError:  # the client may have written anything
            return None
        return written or PORTS.get(self.scheme)

    @property
    def path(self) -> str:
        return cast(str, self._parts.path)

    @property
    def query(self) -> str:
        return cast(str, self._parts.query)

    @property
    def fragment(self) -> str:
        return cast(str, self._parts.fragment)


def scheme_of(scope: Scope) -> str:
    """The scheme of a request or a WebSocket, in lower case."""
    scheme: str = scope.get("scheme") or ("ws" if scope["type"] == "websocket" else "http")
    return scheme


def authority_of(scope: Scope) -> str:
    """Host and port: what the client wrote into Host, else what the server says."""
    if authority := host_of(scope):
        return authority
    server = scope.get("server")
    if server is None or server[1] is None:
        return "localhost"
    host, port = server
    host = f"[{host}]" if ":" in host else host
    return host if PORTS.get(scheme_of(scope)) == port else f"{host}:{port}"


def host_of(scope: Scope) -> str:
    """The value of the Host field; empty if there is none."""
    for name, value in scope["headers"]:
        if name == b"host":
            host: str = value.decode("latin-1")
            return host
    return ""
