"""Headers that tell browsers to be careful with what is sent. An application's own ones are left alone."""

from __future__ import annotations

from collections.abc import Mapping

from asgistar.errors import ConfigurationError
from asgistar.http.fields import Fields
from asgistar.http.headers import ResponseHeaders
from asgistar.types import ASGIApplication, Message, Middleware, Receive, Scope, Send


def security_headers(
    *,
    content_security_policy: str | None = "base-uri 'self'; frame-ancestors 'none'; object-src 'none'",
    referrer_policy: str | None = "strict-origin-when-cross-origin",
    cross_origin_opener_policy: str | None = "same-origin",
    cross_origin_resource_policy: str | None = "same-origin",
    permissions_policy: str | None = None,
    frame_options: str | None = "DENY",
    hsts: int = 0,
    others: Mapping[str, str] | None = None,
) -> Middleware:
    """Add headers for browsers to every response; `X-Content-Type-Options: nosniff` among them.

    Args:
        content_security_policy: what pages may load (CSP Level 3); None for none, as with all that follow.
        referrer_policy: what other sites are told of where their visitors come from.
        cross_origin_opener_policy: who shares a group of windows with pages.
        cross_origin_resource_policy: who may embed what is sent; "cross-origin" for pictures for all.
        permissions_policy: what pages may use: `camera=(), microphone=()`.
        frame_options: for browsers that don't know `frame-ancestors`.
        hsts: seconds for which browsers shall use HTTPS alone (RFC 6797), with subdomains; said over HTTPS
            only. 0 for nothing: it can't be taken back.
        others: more headers.

    Raises:
        ConfigurationError: a value can't be sent in a header, or `hsts` is negative.
    """
    named = {
        "x-content-type-options": "nosniff",
        "content-security-policy": content_security_policy,
        "referrer-policy": referrer_policy,
        "cross-origin-opener-policy": cross_origin_opener_policy,
        "cross-origin-resource-policy": cross_origin_resource_policy,
        "permissions-policy": permissions_policy,
        "x-frame-options": frame_options,
        **{name.lower(): text for name, text in (others or {}).items()},
    }
    try:
        fields = ResponseHeaders({name: text for name, text in named.items() if text is not None}).fields
    except ValueError as error:
        raise ConfigurationError(f"security_headers: {error}") from None
    if hsts < 0:
        raise ConfigurationError(f"security_headers: hsts is a number of seconds, not {hsts}.")
    secure = [*fields]
    if hsts:
        secure.append((b"strict-transport-security", b"max-age=%d; includeSubDomains" % hsts))
    return lambda app: SecurityHeaders(app, fields, secure)


class SecurityHeaders:
    """The middleware; see `security_headers`."""

    def __init__(self, app: ASGIApplication, fields: Fields, secure: Fields) -> None:
        self.app = app
        self.fields = fields
        self.secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to the response of a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        added = self.secure if scope.get("scheme") == "https" else self.fields

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                own = {name for name, _ in headers}
                headers += [field for field in added if field[0] not in own]
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, sending)
