"""From HTTP to HTTPS (RFC 9110 §15.4.9).

The scheme is what the server says; behind a proxy, the server has to trust it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import quote

from asgistar.errors import BadRequest, ConfigurationError, Forbidden
from asgistar.http.fields import value
from asgistar.http.response import Instead, Redirect, Status, send_reply
from asgistar.middleware.refusal import refuse
from asgistar.mounting import below
from asgistar.types import ASGIApplication, Middleware, Receive, Scope, Send
from asgistar.url import SAFE

_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~[]:%")


def https_redirect(*, host: str | None = None, port: int = 443, exempt: Sequence[str] = ()) -> Middleware:
    """Send requests that came over HTTP to the same address over HTTPS, with 308.

    A WebSocket without TLS is refused: browsers follow no redirects there.

    Args:
        host: where to send them; without it, to the host that they asked for.
        port: of HTTPS.
        exempt: paths that are answered over HTTP too, such as "/health/"; without the root path.

    Raises:
        ConfigurationError: a path doesn't begin with a slash, or the port is none.
    """
    if isinstance(exempt, str) or any(not path.startswith("/") for path in exempt):
        raise ConfigurationError(
            f"https_redirect: exempt is a list of paths with a slash first, not {exempt!r}."
        )
    if not 0 < port < 65536:
        raise ConfigurationError(f"https_redirect: {port} is no port.")
    return lambda app: HTTPSRedirect(app, host, port, frozenset(exempt))


class HTTPSRedirect:
    """The middleware; see `https_redirect`."""

    raises = (Instead[Annotated[Redirect, Status(308)]], BadRequest)

    def __init__(self, app: ASGIApplication, host: str | None, port: int, exempt: frozenset[str]) -> None:
        self.app = app
        self.host = host
        self.port = port
        self.exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request over TLS through, and redirect others."""
        secure = scope["type"] == "lifespan" or scope.get("scheme", "http") in ("https", "wss")
        if secure or below(scope.get("root_path", ""), scope["path"]) in self.exempt:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse(Forbidden("WebSockets are served over TLS: wss://."), scope, receive, send)
        else:
            await self._redirect(scope, receive, send)

    async def _redirect(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = self.host
        if host is None:
            named = (value(scope["headers"], b"host") or b"").decode("latin-1")
            host, colon, port = named.rpartition(":")
            if not colon or port.endswith("]"):
                host = named
            if not host or not _HOST_CHARACTERS.issuperset(host):
                await refuse(BadRequest("The Host field is missing, or is no host."), scope, receive, send)
                return
        if self.port != 443:
            host = f"{host}:{self.port}"
        raw: bytes = scope.get("raw_path") or quote(scope["path"], SAFE).encode()
        target = b"https://" + host.encode("latin-1") + raw
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        headers = [(b"location", target), (b"content-length", b"0")]
        await send_reply((308, headers, b""), scope, receive, send)
