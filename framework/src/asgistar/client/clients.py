"""The dynamic clients: what there is to be called they know from the document of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from asgistar.client.answers import AsyncStream, Stream, addressed, value
from asgistar.client.calling import Asked, asking
from asgistar.client.document import WEBSOCKET, Document, Operation
from asgistar.client.reconnecting import Reconnect, parser
from asgistar.client.sockets import Socket, Wire, opened, wire
from asgistar.client.table import Call, Settings, Table, Target, parts
from asgistar.inprocess import Portal, Running, ThreadedTransport, Transport


class Described:
    """What the clients have in common: what there is to be called they know from the document.

    It takes what `Client` takes.
    """

    _http: httpx.Client | httpx.AsyncClient

    def __init__(
        self,
        target: Target,
        *,
        document: Mapping[str, Any] | None = None,
        base_url: str | None = None,
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 10,
        reconnect: Reconnect | None = Reconnect(),  # noqa: B008, it is frozen
    ) -> None:
        self._settings = Settings(target, document, base_url, auth)
        self._timeout = timeout
        self._reconnect = reconnect
        self._open(self._settings.target.running, headers)

    @property
    def base_url(self) -> str | None:
        """What the paths stand below of; None while that isn't known."""
        return self._settings.target.base_url

    def __getattr__(self, name: str) -> Call:
        if name.startswith("_"):
            raise AttributeError(name)
        return Call(self, self._known((name,)))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(each[0] for each in self._below(()))]

    def _open(self, running: Running | None, headers: Mapping[str, str] | None) -> None:
        """Make the client of httpx."""
        raise NotImplementedError

    def _at_hand(self) -> Table | None:
        """What there is to be called, as far as it can be said at once."""
        return self._settings.table

    def _known(self, levels: tuple[str, ...]) -> tuple[str, ...]:
        if (table := self._at_hand()) is not None:
            table.check(levels)
        return levels

    def _below(self, levels: tuple[str, ...]) -> list[tuple[str, ...]]:
        table = self._at_hand()
        return [] if table is None else table.below(levels)

    def _request(self, asked: Asked) -> httpx.Request:
        return self._http.build_request(asked.method, self._settings.url(asked), **parts(asked))

    def _wire(self, asked: Asked) -> Wire:
        self._http.auth = self._settings.auth
        asked.method = "GET"
        return wire(self._settings.target.running, self._request(asked), self._timeout, self._http)


class Client(Described):
    """A client of an API, made by its document.

        with Client("https://example.com") as client:
            note = client.notes.create(title="Milk")
            client.request("notes:detail", id=note["id"])

    Arguments go where the document has them: into path, query, headers, cookies; all others are members of
    the body, and `body` is the whole of it. What comes back is what JSON is decoded to, a text, bytes or
    None; a `Stream` of values for JSON lines, of `Event`s for server-sent events; a `Socket` for a WebSocket.

    Args:
        target: the URL of an API or of its document (…​.json), the document itself, or an ASGI application,
            which then runs in a thread inside of the `with`.
        document: the document, where it isn't told by the target.
        base_url: what the paths stand below of, where that isn't told by the target or the document.
        auth: `Bearer(token)`, `Basic(username, password)`, `ApiKey(key)`, or what httpx takes; or a list of
            several.
        headers: of all requests.
        timeout: seconds to wait for the server: for a connection, for each piece of an answer. A stream may
            be silent for a minute, and a WebSocket for as long as it likes.
        reconnect: when events that break off are asked for again; None for never.

    Raises:
        DocumentError: there is no document, or it can't be read.
    """

    _http: httpx.Client

    def _open(self, running: Running | None, headers: Mapping[str, str] | None) -> None:
        self._portal: Portal | None = None
        transport: httpx.BaseTransport | None = None
        if running is not None:
            self._portal = Portal()
            transport = ThreadedTransport(Transport(running), self._portal)
        self._http = httpx.Client(
            headers=headers,
            timeout=self._timeout,
            transport=transport,
            follow_redirects=True,
            event_hooks={"request": [self._settings.keep_key]},
        )

    @cached_property
    def document(self) -> Document:
        """The document of the API, asked for if it isn't there yet."""
        return self._table.document

    @property
    def _table(self) -> Table:
        settings = self._settings
        if settings.table is None:
            with addressed():
                found = any(
                    settings.took(self._http.get(url, auth=settings.asking_auth))
                    for url in settings.target.asked
                )
            if not found:
                raise settings.target.missed()
        assert settings.table is not None
        return settings.table

    def request(self, operation: str, /, **arguments: Any) -> Any:
        """Ask for an operation by its id, as in `client.request("notes:create", title="Milk")`.

        Raises:
            LookupError: there is none.
            TypeError: an argument is missing, or there is none of such a name.
            Problem: the answer has a status of 400 or above; see `asgistar.client.errors`.
            httpx.TransportError: there is no answer.
        """
        return self.send(self._table.named(operation), arguments)

    def send(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        type: Any = Any,
        body: Any = msgspec.UNSET,
    ) -> Any:
        """Ask for an operation; see `request`.

        Args:
            type: what the answer must be, as msgspec knows it; of a stream, what each item must be.
            body: the whole body.
        """
        asked = asking(self._table.document, operation, arguments, body)
        if operation.method == WEBSOCKET:
            return self._connected(operation, asked, type)

        def again(headers: httpx.Headers) -> httpx.Response:
            request = self._request(asked)
            request.headers.encoding = "utf-8"  # it is ASCII otherwise, which the id of an event may not be
            request.headers.update(headers)
            with addressed():
                response = self._http.send(request, stream=True, auth=self._settings.auth)
                if parser(response) is None:
                    try:
                        response.read()
                    finally:
                        response.close()
            return response

        with asked.open:
            response = again(httpx.Headers())
        if parser(response) is not None:
            return Stream(response, again, self._reconnect if asked.repeatable else None, type)
        return value(response, type)

    def _connected(self, operation: Operation, asked: Asked, type: Any) -> Socket[Any, Any]:
        opening = opened(self._wire(asked), operation, type)
        if self._portal is not None:
            return Socket(self._portal.call(opening), self._portal, owned=False)
        portal = Portal()
        portal.start()
        try:
            return Socket(portal.call(opening), portal, owned=True)
        except BaseException:
            portal.stop()
            raise

    def close(self) -> None:
        """Close it, and what it has open."""
        self._http.close()

    def __enter__(self) -> Self:
        self._http.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.__exit__(exc_type, exc_value, traceback)

    def _at_hand(self) -> Table:
        return self._table

    def _called(self, levels: tuple[str, ...], arguments: Mapping[str, Any]) -> Any:
        return self.send(self._table.called(levels), arguments)


class AsyncClient(Described):
    """A client of an API, made by its document, for `async`.

        async with AsyncClient("https://example.com") as client:
            note = await client.notes.create(title="Milk")

    It is what `Client` is; calls are awaited, and give an `AsyncStream` for streams. An application runs in
    the loop of the caller. The document is asked for at the entry, or with the first call.
    """

    _http: httpx.AsyncClient

    def _open(self, running: Running | None, headers: Mapping[str, str] | None) -> None:
        async def keep_key(request: httpx.Request) -> None:
            self._settings.keep_key(request)

        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=self._timeout,
            transport=None if running is None else Transport(running),
            follow_redirects=True,
            event_hooks={"request": [keep_key]},
        )

    async def document(self) -> Document:
        """The document of the API, asked for if it isn't there yet."""
        return (await self._table()).document

    async def _table(self) -> Table:
        settings = self._settings
        if settings.table is None:
            for url in settings.target.asked:
                with addressed():
                    response = await self._http.get(url, auth=settings.asking_auth)
                if settings.took(response):
                    break
            else:
                raise settings.target.missed()
        assert settings.table is not None
        return settings.table

    async def request(self, operation: str, /, **arguments: Any) -> Any:
        """See `Client.request`."""
        return await self.send((await self._table()).named(operation), arguments)

    async def send(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        type: Any = Any,
        body: Any = msgspec.UNSET,
    ) -> Any:
        """See `Client.send`."""
        asked = asking((await self._table()).document, operation, arguments, body)
        if operation.method == WEBSOCKET:
            return await opened(self._wire(asked), operation, type)
        asked.content = _readable(asked.content)

        async def again(headers: httpx.Headers) -> httpx.Response:
            request = self._request(asked)
            request.headers.encoding = "utf-8"  # it is ASCII otherwise, which the id of an event may not be
            request.headers.update(headers)
            with addressed():
                response = await self._http.send(request, stream=True, auth=self._settings.auth)
                if parser(response) is None:
                    try:
                        await response.aread()
                    finally:
                        await response.aclose()
            return response

        with asked.open:
            response = await again(httpx.Headers())
        if parser(response) is not None:
            return AsyncStream(response, again, self._reconnect if asked.repeatable else None, type)
        return value(response, type)

    async def close(self) -> None:
        """Close it, and what it has open."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        try:
            await self._table()
        except BaseException as error:
            await self._http.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.__aexit__(exc_type, exc_value, traceback)

    async def _called(self, levels: tuple[str, ...], arguments: Mapping[str, Any]) -> Any:
        return await self.send((await self._table()).called(levels), arguments)


def _readable(content: Any) -> Any:
    """Content that isn't there yet, for a loop."""
    if content is None or isinstance(content, bytes) or hasattr(content, "__aiter__"):
        return content
    return _pieces(content)


async def _pieces(content: Any) -> AsyncIterator[bytes]:
    pieces: Iterator[bytes] = (
        iter(lambda: content.read(65536), b"") if hasattr(content, "read") else iter(content)
    )
    for piece in pieces:
        yield piece
