"""One way to speak to the server, whatever the HTTP version: a driver. And both event loops.

The tests of this folder say what an application may do and what its client then sees; none of that depends
on the HTTP version. So they talk through a `Driver`; a further HTTP version is a further class like `HTTP11`,
and an entry in `DRIVERS`. What is particular to one version belongs to the tests of its protocol.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import h11
import pytest
import trustme
import uvloop

import asgiworker
from asgiworker.asgi.types import ASGIApplication, Headers

DEADLINE = 10.0  # seconds after which a test that waits has failed


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder runs on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@dataclass
class Answer:
    """A response as the client sees it.

    Attributes:
        parts: the body, as it came.
        hints: the Link fields of each 103 before it.
        complete: it came to its proper end; if not, the rest is what was seen until it broke off.
    """

    status: int = 0
    headers: Headers = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    trailers: Headers = field(default_factory=list)
    hints: list[list[bytes]] = field(default_factory=list)
    complete: bool = False

    @property
    def body(self) -> bytes:
        """The body as far as it has come."""
        return b"".join(self.parts)

    def __getitem__(self, name: bytes) -> bytes | None:
        """The value of the field `name`; None if there is none."""
        return dict(self.headers).get(name)


class Stream(Protocol):
    """One request on its way, and its response."""

    async def send(self, data: bytes) -> None:
        """Send a part of the request's body."""

    async def end(self) -> None:
        """The request's body is complete."""

    async def hint(self) -> list[bytes]:
        """Wait for the Link fields of the next early hint."""

    async def head(self) -> Answer:
        """Wait for the head of the response."""

    async def data(self) -> bytes:
        """The next part of the response's body; empty at its end."""

    async def answer(self) -> Answer:
        """Wait for the whole response, or for its breaking off."""

    async def leave(self) -> None:
        """Go away without a word: reset the stream or its connection."""

    async def follow(self, path: str) -> Answer | None:
        """The answer to a further request on the same connection; None if that was closed in good order."""


class Driver(Protocol):
    """Speaks one version of HTTP to a server."""

    version: str
    server: asgiworker.Server

    async def open(
        self,
        method: str = "GET",
        path: str = "/",
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: bool = False,
    ) -> Stream:
        """Send a request on a connection of its own; with `body`, one that `send` and `end` complete."""

    async def request(
        self,
        method: str = "GET",
        path: str = "/",
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: bytes | None = None,
    ) -> Answer:
        """The answer to a request."""

    async def close(self) -> None:
        """Close what was opened."""


# --- HTTP/1.1 -----------------------------------------------------------------------------------------------


class HTTP11Stream:
    """One connection. Its state is kept by h11, which takes no response that isn't framed by the book."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.http = h11.Connection(h11.CLIENT)
        self.seen = Answer()

    async def begin(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], body: bool) -> None:
        """Send the head of a request."""
        fields = [(b"host", b"example.com"), *headers]
        if body and not any(name == b"content-length" for name, _ in fields):
            fields.append((b"transfer-encoding", b"chunked"))
        await self._write(h11.Request(method=method, target=path, headers=fields))
        if not body:
            await self.end()

    async def _write(self, event: h11.Event) -> None:
        if data := self.http.send(event):
            self.writer.write(data)
            await self.writer.drain()

    async def send(self, data: bytes) -> None:
        await self._write(h11.Data(data=data))

    async def end(self) -> None:
        await self._write(h11.EndOfMessage())

    async def _event(self) -> h11.Event | None:
        """The next event; None when the connection ended before the response did."""
        while True:
            try:
                event = self.http.next_event()
                if event is h11.NEED_DATA:
                    self.http.receive_data(await asyncio.wait_for(self.reader.read(65536), DEADLINE))
                    continue
            except (h11.RemoteProtocolError, ConnectionError):
                assert self.reader.at_eof() or self.reader.exception(), "a malformed response"
                return None
            return None if isinstance(event, h11.ConnectionClosed) else event  # type: ignore[return-value]

    async def _before_body(self) -> h11.Event | None:
        event = await self._event()
        if isinstance(event, h11.Response):
            self.seen.status, self.seen.headers = event.status_code, list(event.headers)
        elif isinstance(event, h11.InformationalResponse) and event.status_code == 103:
            self.seen.hints.append([value for name, value in event.headers if name == b"link"])
        return event

    async def hint(self) -> list[bytes]:
        assert isinstance(await self._before_body(), h11.InformationalResponse)
        return self.seen.hints[-1]

    async def head(self) -> Answer:
        while not self.seen.status and await self._before_body() is not None:
            pass
        return self.seen

    async def data(self) -> bytes:
        await self.head()
        event = await self._event() if self.seen.status and not self.seen.complete else None
        if isinstance(event, h11.Data):
            self.seen.parts.append(bytes(event.data))
            return self.seen.parts[-1]
        if isinstance(event, h11.EndOfMessage):
            self.seen.trailers, self.seen.complete = list(event.headers), True
        return b""

    async def answer(self) -> Answer:
        while await self.data():
            pass
        return self.seen

    async def leave(self) -> None:
        sock = self.writer.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        await self.close()

    async def follow(self, path: str) -> Answer | None:
        if self.http.their_state is h11.MUST_CLOSE or self.http.our_state is h11.MUST_CLOSE:
            assert await asyncio.wait_for(self.reader.read(), DEADLINE) == b"", (
                "bytes after the last response"
            )
            return None
        self.http.start_next_cycle()
        self.seen = Answer()
        await self.begin("GET", path, (), body=False)
        return await self.answer()

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass


class HTTP11:
    """Speaks HTTP/1.1: a connection for each request that isn't said to follow another."""

    version = "1.1"
    stream: type[HTTP11Stream | HTTP2Stream] = HTTP11Stream
    protocols = ("http/1.1",)

    def __init__(self, server: asgiworker.Server, trust: ssl.SSLContext | None = None) -> None:
        self.server = server
        self.url = server.url
        self.tls = trust
        if trust is not None:
            trust.set_alpn_protocols(self.protocols)
        self.streams: list[HTTP11Stream | HTTP2Stream] = []

    async def open(
        self,
        method: str = "GET",
        path: str = "/",
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: bool = False,
    ) -> HTTP11Stream | HTTP2Stream:
        if self.url.startswith("unix:"):
            ends = await asyncio.open_unix_connection(self.url.removeprefix("unix:"))
        else:
            parts = urlsplit(self.url)
            name = "localhost" if self.tls else None
            ends = await asyncio.open_connection(
                parts.hostname, parts.port, ssl=self.tls, server_hostname=name
            )
        stream = self.stream(*ends)
        self.streams.append(stream)
        await stream.begin(method, path, headers, body)
        return stream

    async def request(
        self,
        method: str = "GET",
        path: str = "/",
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: bytes | None = None,
    ) -> Answer:
        if body is None:
            stream = await self.open(method, path, headers)
        else:
            length = (b"content-length", b"%d" % len(body))
            stream = await self.open(method, path, [*headers, length], body=True)
            await stream.send(body)
            await stream.end()
        return await stream.answer()

    async def close(self) -> None:
        for stream in self.streams:
            await stream.close()


# --- HTTP/2 -------------------------------------------------------------------------------------------------


class HTTP2Stream:
    """One connection, with one stream at a time. Its state is kept by h2, which takes nothing but the book.

    What comes is read when a test asks for it, and window is given back for what was read.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        # What the tests send is theirs to get right; what comes back is h2's to check.
        self.http = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.http.local_settings = h2.settings.Settings(
            client=True, initial_values={h2.settings.SettingCodes.ENABLE_PUSH: 0}
        )
        self.http.initiate_connection()
        self.events: list[h2.events.Event] = []
        self.reading: asyncio.Task[bool] | None = None
        self.stream = 0
        self.goes_away = self.bodyless = False
        self.over = False  # of this stream, nothing more can come
        self.seen = Answer()

    async def begin(self, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], body: bool) -> None:
        """Send the head of a request."""
        fields = [(name.lower(), value) for name, value in headers]
        authority = dict(fields).get(b"host", b"example.com")
        scheme = b"https" if self.writer.get_extra_info("ssl_object") else b"http"
        pseudo = [
            (b":method", method.encode()), (b":scheme", scheme), (b":path", path.encode("latin-1")),
            (b":authority", authority),
        ]  # fmt: skip
        fields = [field for field in fields if field[0] != b"host"]
        self.stream, self.over = self.http.get_next_available_stream_id(), False
        self.http.send_headers(self.stream, [*pseudo, *fields], end_stream=not body)
        # h2 wants a 304 to be as long as its Content-Length (RFC 9110 §8.6 doesn't); we look at it ourselves.
        self.http.streams[self.stream]._track_content_length = lambda length, ends: None
        self.bodyless = method == "HEAD"
        await self._write()

    async def _write(self) -> None:
        if (data := self.http.data_to_send()) and not self.writer.is_closing():
            self.writer.write(data)
            await self.writer.drain()

    async def send(self, data: bytes) -> None:
        while data:
            try:
                size = self.http.local_flow_control_window(self.stream)
                size = min(size, self.http.max_outbound_frame_size, len(data))
                if size > 0:
                    self.http.send_data(self.stream, data[:size])
                    data = data[size:]
            except h2.exceptions.ProtocolError:
                return  # the server doesn't want it any more
            await self._write()
            if not size and not await self._receive():
                raise ConnectionResetError("the server has closed the connection")

    async def end(self) -> None:
        try:
            self.http.end_stream(self.stream)
        except h2.exceptions.ProtocolError:
            return  # the server has ended it
        await self._write()

    async def _receive(self) -> bool:
        """Read once, and say whether anything came. Several tasks may wait for it: one sends, one reads."""
        if self.reading is None or self.reading.done():
            self.reading = asyncio.create_task(self._read())
        return await asyncio.shield(self.reading)

    async def _read(self) -> bool:
        try:
            data = await asyncio.wait_for(self.reader.read(65536), DEADLINE)
        except ConnectionError:
            data = b""
        try:
            events = self.http.receive_data(data) if data else []
        except h2.exceptions.ProtocolError as error:
            raise AssertionError("a malformed response") from error
        for event in events:
            self.goes_away |= isinstance(event, h2.events.ConnectionTerminated)
            if getattr(event, "stream_id", None) == self.stream:
                self.events.append(event)
        await self._write()
        return bool(data)

    async def _event(self) -> h2.events.Event | None:
        """The next event of the stream; None when it or the connection ended before the response did."""
        while not self.events:
            if self.over or not await self._receive():
                return None
        event = self.events.pop(0)
        self.over |= isinstance(event, h2.events.StreamEnded | h2.events.StreamReset)
        if isinstance(event, h2.events.ResponseReceived):
            [(status, code), *headers] = event.headers
            assert status == b":status"
            self.seen.status, self.seen.headers = int(code), [(bytes(n), bytes(v)) for n, v in headers]
        elif isinstance(event, h2.events.InformationalResponseReceived):
            if event.headers[0] == (b":status", b"103"):
                self.seen.hints.append([bytes(value) for name, value in event.headers if name == b"link"])
        elif isinstance(event, h2.events.TrailersReceived):
            self.seen.trailers = [(bytes(name), bytes(value)) for name, value in event.headers]
        elif isinstance(event, h2.events.StreamEnded):
            self.seen.complete = True
            length = self.seen[b"content-length"]
            if length is not None and not self.bodyless and self.seen.status != 304:
                assert len(self.seen.body) == int(length), "RFC 9113 §8.1.1"
        return event

    async def hint(self) -> list[bytes]:
        hints = len(self.seen.hints)
        while len(self.seen.hints) == hints:
            assert await self._event() is not None
        return self.seen.hints[-1]

    async def head(self) -> Answer:
        while not self.seen.status and await self._event() is not None:
            pass
        return self.seen

    async def data(self) -> bytes:
        while (event := await self._event()) is not None:
            if isinstance(event, h2.events.DataReceived):
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                await self._write()
                if event.data:
                    self.seen.parts.append(bytes(event.data))
                    return self.seen.parts[-1]
        return b""

    async def answer(self) -> Answer:
        while await self.data():
            pass
        return self.seen

    async def leave(self) -> None:
        sock = self.writer.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        await self.close()

    async def follow(self, path: str) -> Answer | None:
        self.seen = Answer()
        if not self.goes_away:
            self.events.clear()
            await self.begin("GET", path, (), body=False)
            answer = await self.answer()
            if answer.status or not self.goes_away:
                return answer
        while await self._receive():
            pass
        return None

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass


class HTTP2(HTTP11):
    """Speaks HTTP/2: by ALPN on TLS, by prior knowledge elsewhere."""

    version = "2"
    stream = HTTP2Stream
    protocols = ("h2",)


DRIVERS: list[type[HTTP11]] = [HTTP11, HTTP2]

Serve = Callable[..., Awaitable[Driver]]


@pytest.fixture(params=DRIVERS, ids=lambda driver: f"http{driver.version}")
async def serve(request: pytest.FixtureRequest, authority: trustme.CA) -> AsyncIterator[Serve]:
    """Serve an application: `driver = await serve(app, keepalive=1)`. With `tls=True` over TLS."""
    async with AsyncExitStack() as stack:

        async def start(app: ASGIApplication, tls: bool = False, **settings: Any) -> Driver:
            trust = None
            settings.setdefault("lifespan", "off")
            settings.setdefault("graceful_timeout", 1)
            if tls:
                settings.update(request.getfixturevalue("certificate"))
                trust = ssl.create_default_context()
                authority.configure_trust(trust)
            server = await stack.enter_async_context(asgiworker.running(app, **settings))
            driver = await stack.enter_async_context(driving(request.param, server, trust))
            return driver

        yield start


@asynccontextmanager
async def driving(
    kind: type[HTTP11], server: asgiworker.Server, trust: ssl.SSLContext | None
) -> AsyncIterator[Driver]:
    """A driver; at the end its connections are closed, and nothing is left of them in the server."""
    driver = kind(server, trust)
    surprises: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
    try:
        yield driver
    finally:
        await driver.close()
        await until(lambda: not server.service.connections)
    # Whatever an application did: nothing broke in the server, and nothing was left behind.
    assert server.service.failures == 0
    assert [
        exchange for exchange in server.service.running if exchange.task is None or exchange.task.done()
    ] == []
    assert surprises == []


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a server with a certificate for localhost."""
    directory: Path = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(directory / "key.pem"))
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(directory / "certificate.pem"), append=number > 0)
    return {"certfile": str(directory / "certificate.pem"), "keyfile": str(directory / "key.pem")}


async def until(condition: Callable[[], object]) -> None:
    """Give way until `condition` holds: for what has no event to wait for."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture(name="until")
def _until() -> Until:
    """Wait until a condition holds."""
    return until
