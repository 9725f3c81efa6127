"""How a client says who it is."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Literal

import httpx

from asgistar.client.document import Document, DocumentError


class Bearer(httpx.Auth):
    """A token in the header `Authorization` (RFC 6750 §2.1).

    Args:
        token: the token.
    """

    def __init__(self, token: str) -> None:
        self._value = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["authorization"] = self._value
        yield request


class Basic(httpx.BasicAuth):
    """A name and a password (RFC 7617).

    Args:
        username: the name.
        password: the password.
    """


class ApiKey(httpx.Auth):
    """A key in a header, a cookie or the query.

    Args:
        key: the key.
        name: the name of the header, cookie or argument; as the document says, if it isn't given.
        where: `header`, `cookie` or `query`.
    """

    def __init__(
        self, key: str, name: str | None = None, where: Literal["header", "cookie", "query"] = "header"
    ) -> None:
        self.key = key
        self.name = name
        self.where: str = where

    def found(self, document: Document) -> ApiKey:
        """The same, with the name that the document has for it.

        Raises:
            DocumentError: it has none, or several.
        """
        if self.name is not None:
            return self
        schemes = [
            document.resolved(each)
            for each in document.schemes.values()
            if document.resolved(each).get("type") == "apiKey"
        ]
        if len(schemes) != 1:
            number = "several API keys" if schemes else "no API key"
            raise DocumentError(
                f"The document knows {number}. Say which is meant, as in ApiKey(key, 'x-key')."
            )
        found = ApiKey(self.key, str(schemes[0]["name"]))
        found.where = str(schemes[0]["in"])
        return found

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        assert self.name is not None
        if self.where == "query":
            request.url = request.url.copy_merge_params({self.name: self.key})
        elif self.where == "cookie":
            others = request.headers.get("cookie")
            own = f"{self.name}={self.key}"
            request.headers["cookie"] = f"{others}; {own}" if others else own
        else:
            request.headers[self.name] = self.key
        yield request


_FLOWS = (httpx.Auth.sync_auth_flow, httpx.Auth.async_auth_flow)


class Several(httpx.Auth):
    """Several ways to say who it is, for one request.

    Args:
        ways: all of them, in the order in which they change a request.

    Raises:
        TypeError: one has more than its `auth_flow`, which is all that can be mixed with others.
    """

    def __init__(self, ways: Sequence[httpx.Auth]) -> None:
        for each in ways:
            kind = type(each)
            if (kind.sync_auth_flow, kind.async_auth_flow) != _FLOWS:
                raise TypeError(
                    f"{kind.__name__} can't be one of several ways: it has a sync_auth_flow or an "
                    "async_auth_flow of its own. Give it alone, or write an auth_flow instead."
                )
        self._ways = ways
        self.requires_request_body = any(each.requires_request_body for each in ways)
        self.requires_response_body = any(each.requires_response_body for each in ways)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        flows = [each.auth_flow(request) for each in self._ways]
        for flow in flows:
            request = next(flow)
        response = yield request
        for flow in flows:  # one that is asked to prove more, such as httpx.DigestAuth
            try:
                while True:
                    response = yield flow.send(response)
            except StopIteration:
                pass


def ways(auth: Any) -> tuple[Any, ...]:
    """The ways in what `auth=` was given: one, or a list of them.

    Raises:
        TypeError: something else is in the list.
    """
    if auth is None:
        return ()
    is_list = isinstance(auth, list | tuple) and not (len(auth) == 2 and isinstance(auth[0], str | bytes))
    if not is_list:  # httpx takes a name and a password too
        return (auth,)
    for each in auth:
        if not isinstance(each, httpx.Auth):
            raise TypeError(
                f"auth is a list with {each!r} in it. Give Bearer, Basic, ApiKey, or another httpx.Auth."
            )
    return tuple(auth)


def together(ways: Sequence[Any]) -> Any:
    """All of them, as httpx takes it; None for none."""
    return Several(ways) if len(ways) > 1 else ways[0] if ways else None
