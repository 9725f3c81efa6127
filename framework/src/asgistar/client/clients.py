"""The dynamic clients: what there is to be called they know from the document of the API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from asgistar.client.answers import AsyncStream, Stream, parser, value
from asgistar.client.calling import asking
from asgistar.client.document import Document, Operation
from asgistar.client.table import Call, Settings, Table, Target, parts
from asgistar.inprocess import Portal, ThreadedTransport, Transport


class Client:
    """A client of an API, made by its document.

        with Client("https://example.com") as client:
            note = client.notes.create(title="Milk")
            client.request("notes:detail", id=note["id"])

    Arguments go where the document has them: into path, query, headers, cookies; all others are members of
    the body, and `body` is the whole of it. What comes back is what JSON is decoded to, a text, bytes or
    None; a `Stream` of values for JSON lines, of `Event`s for server-sent events.

    Args:
        target: the URL of an API or of its document (…​.json), the document itself, or an ASGI application,
            which then runs in a thread inside of the `with`.
        document: the document, where it isn't told by the target.
        base_url: what the paths stand below of, where that isn't told by the target or the document.
        auth: `Bearer(token)`, `Basic(username, password)`, `ApiKey(key)`, or what httpx takes.
        headers: of all requests.
        timeout: seconds to wait for the server: for a connection, for each piece of an answer.

    Raises:
        DocumentError: there is no document, or it can't be read.
    """

    def __init__(
        self,
        target: Target,
        *,
        document: Mapping[str, Any] | None = None,
        base_url: str | None = None,
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 10,
    ) -> None:
        self._settings = Settings(target, document, base_url, auth)
        running = self._settings.target.running
        transport = None if running is None else ThreadedTransport(Transport(running), Portal())
        self._http = httpx.Client(
            headers=headers,
            timeout=timeout,
            transport=transport,
            follow_redirects=True,
            event_hooks={"request": [self._settings.keep_key]},
        )

    @property
    def base_url(self) -> str | None:
        """What the paths stand below of; None while that isn't known."""
        return self._settings.target.base_url

    @cached_property
    def document(self) -> Document:
        """The document of the API, asked for if it isn't there yet."""
        return self._table.document

    @property
    def _table(self) -> Table:
        settings = self._settings
        if settings.table is None and not any(
            settings.took(self._http.get(url, auth=settings.asking_auth)) for url in settings.target.asked
        ):
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
        with asked.open:
            request = self._http.build_request(asked.method, self._settings.url(asked), **parts(asked))
            response = self._http.send(request, stream=True, auth=self._settings.auth)
        if (taking := parser(response)) is not None:
            return Stream(response, taking, type)
        try:
            response.read()
        finally:
            response.close()
        return value(response, type)

    def close(self) -> None:
        """Close it, and what it has open."""
        self._http.close()

    def __getattr__(self, name: str) -> Call:
        if name.startswith("_"):
            raise AttributeError(name)
        return Call(self, self._known((name,)))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(each[0] for each in self._table.below(()))]

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

    def _known(self, levels: tuple[str, ...]) -> tuple[str, ...]:
        self._table.check(levels)
        return levels

    def _below(self, levels: tuple[str, ...]) -> list[tuple[str, ...]]:
        return self._table.below(levels)

    def _called(self, levels: tuple[str, ...], arguments: Mapping[str, Any]) -> Any:
        return self.send(self._table.called(levels), arguments)


class AsyncClient:
    """A client of an API, made by its document, for `async`.

        async with AsyncClient("https://example.com") as client:
            note = await client.notes.create(title="Milk")

    It is what `Client` is; calls are awaited, and give an `AsyncStream` for streams. An application runs in
    the loop of the caller. The document is asked for at the entry, or with the first call.
    """

    def __init__(
        self,
        target: Target,
        *,
        document: Mapping[str, Any] | None = None,
        base_url: str | None = None,
        auth: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = 10,
    ) -> None:
        self._settings = Settings(target, document, base_url, auth)
        running = self._settings.target.running

        async def keep_key(request: httpx.Request) -> None:
            self._settings.keep_key(request)

        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=timeout,
            transport=None if running is None else Transport(running),
            follow_redirects=True,
            event_hooks={"request": [keep_key]},
        )

    @property
    def base_url(self) -> str | None:
        """See `Client.base_url`."""
        return self._settings.target.base_url

    async def document(self) -> Document:
        """The document of the API, asked for if it isn't there yet."""
        return (await self._table()).document

    async def _table(self) -> Table:
        settings = self._settings
        if settings.table is None:
            for url in settings.target.asked:
                if settings.took(await self._http.get(url, auth=settings.asking_auth)):
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
        asked.content = _readable(asked.content)
        with asked.open:
            request = self._http.build_request(asked.method, self._settings.url(asked), **parts(asked))
            response = await self._http.send(request, stream=True, auth=self._settings.auth)
        if (taking := parser(response)) is not None:
            return AsyncStream(response, taking, type)
        try:
            await response.aread()
        finally:
            await response.aclose()
        return value(response, type)

    async def close(self) -> None:
        """Close it, and what it has open."""
        await self._http.aclose()

    def __getattr__(self, name: str) -> Call:
        if name.startswith("_"):
            raise AttributeError(name)
        return Call(self, self._known((name,)))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(each[0] for each in self._below(()))]

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

    def _known(self, levels: tuple[str, ...]) -> tuple[str, ...]:
        if self._settings.table is not None:
            self._settings.table.check(levels)
        return levels

    def _below(self, levels: tuple[str, ...]) -> list[tuple[str, ...]]:
        return [] if self._settings.table is None else self._settings.table.below(levels)

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
