"""Cross-origin resource sharing (Fetch Standard, §3.2): which pages of other origins may read the answers.

It protects people's browsers, not the server: who may do what is for the application to say.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from asgistar.errors import ConfigurationError, Forbidden
from asgistar.http.fields import TOKEN, Fields, value, varied
from asgistar.http.response import send_reply
from asgistar.middleware.refusal import refuse
from asgistar.types import ASGIApplication, Message, Middleware, Receive, Scope, Send

ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s*]+|null")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Policy(Struct, frozen=True):
    """What is allowed to whom; see `cors`.

    Attributes:
        allow_methods: the methods, as a preflight is told of them.
    """

    origins: frozenset[str] | None
    pattern: re.Pattern[str] | None
    methods: frozenset[str]
    allow_methods: bytes
    headers: frozenset[str] | None
    expose: bytes
    credentials: bool
    max_age: bytes
    private_network: bool

    def origin(self, origin: bytes | None) -> bytes | None:
        """What `Access-Control-Allow-Origin` says to this origin; None if it may not read."""
        if self.origins is None:
            return b"*"
        text = (origin or b"").decode("latin-1")
        if text in self.origins or (self.pattern is not None and self.pattern.fullmatch(text)):
            return origin
        return None


def cors(
    *,
    origins: Sequence[str] | Literal["*"] = (),
    origin_pattern: str | None = None,
    methods: Sequence[str] = METHODS,
    headers: Sequence[str] | Literal["*"] = "*",
    expose: Sequence[str] = (),
    credentials: bool = False,
    max_age: int = 600,
    private_network: bool = False,
) -> Middleware:
    """Let pages of other origins read the answers.

    Args:
        origins: as browsers write them, `https://example.com`; "*" for all.
        origin_pattern: a regular expression for more of them; the whole origin has to match.
        methods: what they may ask with.
        headers: the headers that they may send; "*" for all.
        expose: headers of the response that they may read, beyond the harmless ones.
        credentials: the browser sends cookies along. The origins must be named then.
        max_age: seconds for which a browser may remember what it was told.
        private_network: public pages may ask, too, where the server is in a private network.

    Raises:
        ConfigurationError: an origin or a name isn't one, or everybody would get credentials.
    """
    if isinstance(origins, str) and origins != "*":
        raise ConfigurationError(f"cors: origins are a list, or '*', not {origins!r}.")
    if origins == "*" and (credentials or origin_pattern is not None):
        raise ConfigurationError("cors: name the origins; '*' allows no credentials, and needs no pattern.")
    for origin in () if origins == "*" else origins:
        if ORIGIN.fullmatch(origin) is None:
            raise ConfigurationError(
                f"cors: {origin!r} is no origin. Write scheme and host in lower case, without a slash at the "
                "end: 'https://example.com'."
            )
    names = [*methods, *expose, *(() if headers == "*" else headers)]
    for name in names:
        if TOKEN.fullmatch(name) is None:
            raise ConfigurationError(f"cors: {name!r} is no name of a method or a header.")
    policy = Policy(
        origins=None if origins == "*" else frozenset(origins),
        pattern=None if origin_pattern is None else re.compile(origin_pattern),
        methods=frozenset(methods),
        allow_methods=", ".join(sorted(set(methods))).encode(),
        headers=None if headers == "*" else frozenset(name.lower() for name in headers),
        expose=", ".join(expose).encode(),
        credentials=credentials,
        max_age=b"%d" % max_age,
        private_network=private_network,
    )
    return lambda app: CORS(app, policy)


class CORS:
    """The middleware; see `cors`."""

    def __init__(self, app: ASGIApplication, policy: Policy) -> None:
        self.app = app
        self.policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; let the answer to anything else say who may read it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        origin = value(scope["headers"], b"origin")
        if scope["method"] == "OPTIONS" and origin is not None:
            wanted = value(scope["headers"], b"access-control-request-method")
            if wanted is not None:
                await self._preflight(scope, receive, send, origin, wanted)
                return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._allowing(list(message.get("headers", ())), origin)}
            await send(message)

        await self.app(scope, receive, sending)

    def _allowing(self, headers: Fields, origin: bytes | None) -> Fields:
        """The headers of a response with what the policy says to an origin."""
        # Whoever asks first, a cache must not give the answer to others.
        if self.policy.origins is not None:
            headers = varied(headers, "Origin")
        allowed = self.policy.origin(origin)
        if origin is None or allowed is None or value(headers, b"access-control-allow-origin") is not None:
            return headers
        headers.append((b"access-control-allow-origin", allowed))
        if self.policy.credentials:
            headers.append((b"access-control-allow-credentials", b"true"))
        if self.policy.expose:
            headers.append((b"access-control-expose-headers", self.policy.expose))
        return headers

    async def _preflight(
        self, scope: Scope, receive: Receive, send: Send, origin: bytes, wanted: bytes
    ) -> None:
        policy = self.policy
        allowed = policy.origin(origin)
        method = wanted.decode("latin-1")
        asked = value(scope["headers"], b"access-control-request-headers") or b""
        names = {name.strip().lower() for name in asked.decode("latin-1").split(",") if name.strip()}
        wrong = None
        if allowed is None:
            wrong = f"The origin {origin.decode('latin-1')} may not read the answers."
        elif method not in policy.methods:
            wrong = f"The method {method} is not allowed across origins."
        elif policy.headers is not None and (unknown := sorted(names - policy.headers - SAFELISTED)):
            wrong = f"The header {unknown[0]} is not allowed across origins."
        vary = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
        if wrong is not None:
            await refuse(Forbidden(wrong, headers={"vary": ", ".join(vary)}), scope, receive, send)
            return
        assert allowed is not None
        headers = [
            (b"access-control-allow-origin", allowed),
            (b"access-control-allow-methods", policy.allow_methods),
            (b"access-control-max-age", policy.max_age),
        ]
        if names and all(map(TOKEN.fullmatch, names)):
            headers.append((b"access-control-allow-headers", ", ".join(sorted(names)).encode("latin-1")))
        if policy.credentials:
            headers.append((b"access-control-allow-credentials", b"true"))
        if policy.private_network and value(scope["headers"], b"access-control-request-private-network"):
            headers.append((b"access-control-allow-private-network", b"true"))
        await send_reply((204, varied(headers, *vary), b""), scope, receive, send)


SAFELISTED = frozenset(("accept", "accept-language", "content-language", "content-type"))
"""Headers that need no permission, but may be asked for (Fetch Standard, §2.2.2)."""
