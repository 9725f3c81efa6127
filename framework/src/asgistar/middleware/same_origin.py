"""Against cross-site request forgery: what changes something is asked for by our own pages only.

A browser sends cookies along with whatever any page asks for. What it says of the page can't be forged by
that page: `Sec-Fetch-Site` (Fetch Metadata, §2.4), which all browsers send to HTTPS since 2023, and before
that `Origin` (Fetch Standard, §3.1). Clients that are no browsers say neither, and need no protection. The
rules are those of Go's `http.CrossOriginProtection`, and of RFC 6455 §10.2 for WebSockets.
"""

from __future__ import annotations

from collections.abc import Sequence

from asgistar.errors import ConfigurationError, Forbidden
from asgistar.http.fields import value
from asgistar.middleware.cors import ORIGIN
from asgistar.middleware.refusal import refuse
from asgistar.mounting import below
from asgistar.types import ASGIApplication, Middleware, Receive, Scope, Send
from asgistar.url import PORTS

SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods that change nothing (RFC 9110 §9.2.1); any page may link to what they ask for."""

_OURS = (b"same-origin", b"none")
"""What `Sec-Fetch-Site` says of our pages; and of what a person has typed or has as a bookmark."""


def same_origin(*, origins: Sequence[str] = (), exempt: Sequence[str] = ()) -> Middleware:
    """Answer 403 to requests of other origins' pages, but for those that only read; also to WebSockets.

    Args:
        origins: of other pages that may, as browsers write them: `https://app.example.com`.
        exempt: paths that pages of any origin may ask, such as "/saml/acs"; without the root path.

    Raises:
        ConfigurationError: an origin isn't one, or a path doesn't begin with a slash.
    """
    for name, given in (("origins", origins), ("exempt", exempt)):
        if isinstance(given, str):
            raise ConfigurationError(f"same_origin: {name} are a list, not {given!r}.")
    for origin in origins:
        if ORIGIN.fullmatch(origin) is None or origin == "null":
            raise ConfigurationError(
                f"same_origin: {origin!r} is no origin. Write scheme and host in lower case, without a slash "
                "at the end: 'https://example.com'."
            )
    for path in exempt:
        if not path.startswith("/"):
            raise ConfigurationError(f"same_origin: {path!r} is no path. Write it with a slash first.")
    return lambda app: SameOrigin(app, frozenset(map(str.encode, origins)), frozenset(exempt))


class SameOrigin:
    """The middleware; see `same_origin`."""

    raises = (Forbidden,)

    def __init__(self, app: ASGIApplication, origins: frozenset[bytes], exempt: frozenset[str]) -> None:
        self.app = app
        self.origins = origins
        self.exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        kind = scope["type"]
        # A WebSocket is opened with GET, and can do anything then.
        if kind == "lifespan" or (kind == "http" and scope["method"] in SAFE) or self._allows(scope):
            await self.app(scope, receive, send)
            return
        await refuse(Forbidden("Pages of other origins may not do this."), scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        headers = scope["headers"]
        site, origin = value(headers, b"sec-fetch-site"), value(headers, b"origin")
        path = below(scope.get("root_path", ""), scope["path"])
        if site in _OURS or origin in self.origins or path in self.exempt:
            return True
        # A browser always says the origin of a WebSocket (RFC 6455 §4.1), but not always the site.
        if site is not None and (origin is None or scope["type"] == "http"):
            return False
        # Without these headers there is no browser; without the first it is an old one, or asks over HTTP.
        return origin is None or _is_of(origin.decode("latin-1"), value(headers, b"host"))


def _is_of(origin: str, host: bytes | None) -> bool:
    """Whether a host is that of an origin.

    The scheme isn't compared: a proxy may have ended TLS before us.
    """
    scheme, _, authority = origin.lower().partition("://")
    if scheme not in ("http", "https"):
        return False
    port = f":{PORTS[scheme]}"
    named = (host or b"").decode("latin-1").lower()
    return authority != "" and authority.removesuffix(port) == named.removesuffix(port)
