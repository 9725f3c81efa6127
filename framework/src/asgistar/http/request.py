"""The request as it came, for views that want more of it than parameters: a lazy view of the ASGI scope.

What stands here is given to views, components and hooks by type, see `views.given`. Nothing is read before
it is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from asgistar.errors import BadRequest
from asgistar.http.reading import Stream, read_body
from asgistar.types import Message, Receive, Scope
from asgistar.url import URL, authority_of, scheme_of


class _Several(Mapping[str, str]):
    """Pairs of which several may have one name; as a mapping it has the first of each name."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def _key(self, name: str) -> str:
        return name

    def __getitem__(self, name: str) -> str:
        key = self._key(name)
        for each, value in self._pairs:
            if each == key:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._pairs))

    def __len__(self) -> int:
        return len(dict(self._pairs))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._pairs!r})"

    def get_list(self, name: str) -> list[str]:
        """All values of a name, in their order; none if there is none."""
        key = self._key(name)
        return [value for each, value in self._pairs if each == key]

    def pairs(self) -> list[tuple[str, str]]:
        """All of them, in their order."""
        return list(self._pairs)


class Headers(_Several):
    """The header fields of a request (RFC 9110 §5). Names are the same in any case.

    `headers["accept"]` are all fields of the name, with commas between them (§5.2); `get_list` has each field
    for itself.

    Args:
        raw: names in lower case and values, as in an ASGI scope.
    """

    __slots__ = ()

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        super().__init__([(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw])

    def _key(self, name: str) -> str:
        return name.lower()

    def __getitem__(self, name: str) -> str:
        values = self.get_list(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_list(name))


class QueryParams(_Several):
    """The arguments of a query string, decoded: `query["q"]` is the first of the name, `get_list` has all.

    Args:
        query: as in an ASGI scope.

    Raises:
        BadRequest: it isn't UTF-8.
    """

    __slots__ = ()

    def __init__(self, query: bytes) -> None:
        try:
            pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
        except UnicodeDecodeError:
            raise BadRequest("The query string is not UTF-8.") from None
        super().__init__(pairs)


class Cookies(_Several):
    """The cookies of a request (RFC 6265 §4.2); of two of one name the first counts.

    Args:
        headers: as in an ASGI scope.
    """

    __slots__ = ()

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        pairs = []
        for field, line in headers:
            if field == b"cookie":
                for pair in line.decode("latin-1").split(";"):
                    name, equals, value = pair.partition("=")
                    if equals:
                        pairs.append((name.strip(), value.strip().removeprefix('"').removesuffix('"')))
        super().__init__(pairs)


class Client(NamedTuple):
    """Where a request came from, as far as the server tells.

    Attributes:
        host: the address.
        port: 0 if it isn't known.
    """

    host: str
    port: int


def client_of(scope: Scope) -> Client | None:
    """The client of a request; None where there is none to be told, as on a Unix socket."""
    client = scope.get("client")
    return None if client is None else Client(client[0], client[1] or 0)


class Request:
    """The request: a view has it as a parameter of this type.

    The opening handshake of a WebSocket is one too: without a body.

    Args:
        scope: of ASGI.
        receive: of ASGI.
        path_params: the parameters of the path.
        body_limit: bytes that the body may have; 0 is no limit.

    Attributes:
        scope: the ASGI scope.
        path_params: the parameters of the path, with those that stand in the table.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        path_params: Mapping[str, Any] | None = None,
        body_limit: int = 0,
    ) -> None:
        self.scope = scope
        self.path_params: Mapping[str, Any] = {} if path_params is None else path_params
        self._receive = receive
        self._limit = body_limit
        self._body: bytes | None = None
        self._waiting: list[Message] = []  # what came while nobody wanted it
        self._parts: list[bytes] = []
        self._left = False
        self._taken = scope["type"] != "http"

    @property
    def method(self) -> str:
        """In upper case; that of the opening handshake of a WebSocket is told as GET."""
        method: str = self.scope.get("method", "GET")
        return method

    @property
    def scheme(self) -> str:
        """ "http" or "https", "ws" or "wss"."""
        return scheme_of(self.scope)

    @cached_property
    def url(self) -> URL:
        """As the client asked for it."""
        return URL.of(self.scope)

    @property
    def host(self) -> str:
        """The host that the client asked for, with a port if it named one."""
        return authority_of(self.scope)

    @cached_property
    def headers(self) -> Headers:
        """The header fields."""
        return Headers(self.scope["headers"])

    @cached_property
    def query(self) -> QueryParams:
        """The arguments of the query string.

        Raises:
            BadRequest: it isn't UTF-8.
        """
        return QueryParams(self.scope["query_string"])

    @cached_property
    def cookies(self) -> Cookies:
        """The cookies."""
        return Cookies(self.scope["headers"])

    @property
    def client(self) -> Client | None:
        """Where it came from; None if the server doesn't know."""
        return client_of(self.scope)

    @property
    def state(self) -> dict[str, Any]:
        """What the lifespan and middleware keep for requests; the scope's own."""
        state: dict[str, Any] = self.scope.setdefault("state", {})
        return state

    async def body(self) -> bytes:
        """The whole body. It is kept: parameters of the view that come from it have it, too.

        Raises:
            ContentTooLarge: it is larger than the `body_limit` of the route.
            ClientDisconnected: the client left before its end.
            RuntimeError: it has been read in parts already, and nobody kept it.
        """
        if self._body is None:
            self._check_untaken()
            self._body = await read_body(self.scope, self._next, self._limit)
        return self._body

    async def stream(self) -> AsyncIterator[bytes]:
        """The body in parts, as they come.

        Raises:
            ContentTooLarge: it is larger than the `body_limit` of the route.
            ClientDisconnected: the client left before its end.
            RuntimeError: it has been read in parts already, and nobody kept it.
        """
        if self._body is not None:
            if self._body:
                yield self._body
            return
        self._check_untaken()
        self._taken = True
        async for chunk in Stream(self.scope, self._next, self._limit):
            yield chunk

    async def is_disconnected(self) -> bool:
        """Whether the client has left, as far as is known by now. Doesn't wait."""
        if not self._left and self.scope["type"] == "http":
            try:
                async with asyncio.timeout(0):
                    message = await self._receive()
            except TimeoutError:
                return False
            self._waiting.append(message)
            self._left = message["type"] == "http.disconnect"
        return self._left

    def _check_untaken(self) -> None:
        if self._taken:
            raise RuntimeError(
                "There is no body, for this is a WebSocket."
                if self.scope["type"] != "http"
                else "The body has been read already, by another parameter or as a stream. Ask for it once, "
                "or call Request.body() in a hook's on_request, before it is read."
            )

    async def _next(self) -> Message:
        return self._waiting.pop(0) if self._waiting else await self._receive()

    # --- for plans of which other parameters come from the body ---

    async def passed(self) -> Message:
        """Receive the body for another parameter; what `body` has read comes again."""
        if self._body is not None and not self._taken:
            self._taken = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        self._taken = True
        return await self._next()

    async def kept(self) -> Message:
        """Receive the body for a parameter that needs it whole, and keep it."""
        message = await self.passed()
        if self._body is None and message["type"] == "http.request":
            self._parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                self._body = b"".join(self._parts)
        return message
