"""What the tests of WebSocket share: a client that sends any bytes, an application under the test's control.

The client (`Peer`) sends what no library would, and reads strictly: a frame that a server must not send fails
the test. The application (`Application`) hands `receive` and `send` to the test, which so stands at both ends
of one connection and says in which order things happen.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import trustme
from websockets.asyncio.client import connect

import asgiworker
from asgiworker.asgi.types import ASGIApplication, Message, Receive, Scope, Send

DEADLINE = 10.0  # seconds after which a test that waits has failed

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RSV1 = 0x80, 0x40

Headers = Iterable[tuple[str, str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this travels over the wire."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.every_python)


# --- the client ---------------------------------------------------------------------------------------------


def make_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x37\xfa\x21\x3d",
    width: int | None = None,
    length: int | None = None,
) -> bytes:
    """A frame as it stands on the wire (RFC 6455 §5.2), right or wrong.

    Args:
        opcode: of four bits.
        payload: before it is masked.
        fin: it ends its message.
        rsv: the reserved bits, as they stand in the first byte.
        mask: the key; None for an unmasked frame.
        width: bytes of the extended length (0, 2 or 8); the shortest form unless given.
        length: the length it claims to have, if that isn't the payload's.
    """
    size = len(payload) if length is None else length
    if width is None:
        width = 0 if size < 126 else 2 if size < 65536 else 8
    second = {0: size, 2: 126, 8: 127}[width]
    head = bytes((fin * FIN | rsv | opcode, second | (0x80 if mask is not None else 0)))
    head += size.to_bytes(width, "big") if width else b""
    if mask is None:
        return head + payload
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
    return head + mask + masked.to_bytes(len(payload), "big")


class Frame(NamedTuple):
    """A frame that the server sent."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv1: bool = False


class Peer:
    """One connection to a server, from before the handshake to the end of TCP."""

    KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3
    ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.head = ""  # the answer to the handshake
        self.compresses = False  # permessage-deflate was agreed
        self.frame = make_frame

    # --- the handshake

    @classmethod
    def request(
        cls, target: str = "/", *headers: tuple[str, str], method: str = "GET", **fields: str
    ) -> bytes:
        """A request for a WebSocket.

        `fields` replace those of a good one (`sec_websocket_version="12"`, or "" to leave it out); `headers`
        come on top of them.
        """
        good = {
            "host": "example.com",
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec_websocket_key": cls.KEY,
            "sec_websocket_version": "13",
        }
        version = fields.pop("version", "HTTP/1.1")
        lines = [
            *((name.replace("_", "-"), value) for name, value in {**good, **fields}.items() if value),
            *headers,
        ]
        text = f"{method} {target} {version}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
        return f"{text}\r\n".encode("latin-1")

    async def answer(self) -> tuple[int, dict[str, str]]:
        """Status and fields of the answer to the handshake."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), DEADLINE)
        self.head = head.decode("latin-1")
        first, *lines = self.head.removesuffix("\r\n\r\n").split("\r\n")
        assert first.startswith("HTTP/1.1 ")
        fields = dict(line.lower().split(": ", 1) for line in lines)
        self.compresses = "permessage-deflate" in fields.get("sec-websocket-extensions", "")
        return int(first.split(" ")[1]), fields

    async def open(self, target: str = "/", *headers: tuple[str, str], **fields: str) -> dict[str, str]:
        """Ask for a WebSocket, and get it."""
        await self.send(self.request(target, *headers, **fields))
        status, answered = await self.answer()
        assert status == 101, self.head
        return answered

    # --- what it sends

    async def send(self, *data: bytes) -> None:
        """Send these bytes."""
        self.writer.write(b"".join(data))
        await self.writer.drain()

    async def text(self, text: str) -> None:
        """Send a text message in one frame."""
        await self.send(make_frame(TEXT, text.encode()))

    async def binary(self, data: bytes) -> None:
        """Send a binary message in one frame."""
        await self.send(make_frame(BINARY, data))

    async def close(self, code: int | None = None, reason: str = "") -> None:
        """Send a Close frame."""
        payload = b"" if code is None else struct.pack("!H", code) + reason.encode()
        await self.send(make_frame(CLOSE, payload))

    def finish(self) -> None:
        """Close the sending side: a half-close."""
        self.writer.write_eof()

    def reset(self) -> None:
        """Break the connection: an RST."""
        sock = self.writer.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    # --- what it gets

    async def receive(self, deadline: float = DEADLINE) -> Frame:
        """The next frame: well-formed, and as a server may send it."""
        async with asyncio.timeout(deadline):
            first, second = await self.reader.readexactly(2)
            opcode, fin = first & 0xF, bool(first & FIN)
            assert not first & 0x30, "a reserved bit is set"
            assert not first & RSV1 or (self.compresses and opcode in (TEXT, BINARY)), "RSV1 is set"
            assert opcode in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
            assert not second & 0x80, "a server's frame is masked"
            size = second
            if second > 125:
                assert opcode < CLOSE, "a control frame is too long"
                width = 2 if second == 126 else 8
                size = int.from_bytes(await self.reader.readexactly(width), "big")
                assert size > (125 if width == 2 else 65535), "a length isn't in its shortest form"
            assert fin or opcode < CLOSE, "a control frame is fragmented"
            return Frame(opcode, await self.reader.readexactly(size), fin, bool(first & RSV1))

    async def message(self) -> str | bytes:
        """The next message; it must not have been compressed."""
        first = frame = await self.receive()
        assert first.opcode in (TEXT, BINARY), first
        assert not first.rsv1
        payload = first.payload
        while not frame.fin:
            frame = await self.receive()
            assert frame.opcode == CONTINUATION
            payload += frame.payload
        return payload.decode() if first.opcode == TEXT else payload

    async def closed(self) -> tuple[int | None, str]:
        """Code and reason of the Close frame that comes next."""
        frame = await self.receive()
        assert frame.opcode == CLOSE, frame
        if not frame.payload:
            return None, ""
        (code,) = struct.unpack("!H", frame.payload[:2])
        assert code not in (1005, 1006, 1015), "a code that is never sent"
        return code, frame.payload[2:].decode()

    async def rest(self) -> bytes:
        """Everything until the server closes the connection in good order."""
        return await asyncio.wait_for(self.reader.read(), DEADLINE)

    async def ended(self) -> bool:
        """The server closes the connection in good order, and sends nothing before."""
        return await self.rest() == b""

    async def gone(self) -> bool:
        """The connection ends, in good order or not."""
        try:
            await self.rest()
        except ConnectionError:
            pass
        return True

    async def leave(self) -> None:
        """Close the connection without a word, and forget what the server hasn't read."""
        if self.writer.transport.get_write_buffer_size():
            self.writer.transport.abort()
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass


# --- the application ----------------------------------------------------------------------------------------


class Call:
    """One call of the application; what it receives and sends is up to the test."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.cancelled = False

    async def play(self) -> None:
        """Do nothing, until the test says what to end with."""
        try:
            await self._end
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.ended.set()

    async def receive(self) -> Message:
        """The next message."""
        return await asyncio.wait_for(self._receive(), DEADLINE)

    def receiving(self) -> asyncio.Task[Message]:
        """Begin to wait for the next message, and go on."""
        return asyncio.ensure_future(self._receive())  # type: ignore[arg-type]

    async def send(self, kind: str, **values: Any) -> None:
        """Send `websocket.<kind>`."""
        await asyncio.wait_for(self._send({"type": f"websocket.{kind}", **values}), DEADLINE)

    async def send_raw(self, message: Any) -> None:
        """Send this, whatever it is."""
        await asyncio.wait_for(self._send(message), DEADLINE)

    def sending(self, kind: str, **values: Any) -> asyncio.Task[None]:
        """Begin to send `websocket.<kind>`, and go on."""
        sending = self._send({"type": f"websocket.{kind}", **values})
        return asyncio.ensure_future(sending)  # type: ignore[arg-type]

    async def accept(self, **values: Any) -> None:
        """Receive `websocket.connect`, and accept."""
        assert await self.receive() == {"type": "websocket.connect"}
        await self.send("accept", **values)

    async def returns(self) -> None:
        """The application returns."""
        await self._finish(None)

    async def raises(self, error: BaseException) -> None:
        """The application raises `error`."""
        await self._finish(error)

    async def _finish(self, error: BaseException | None) -> None:
        if self._end.done():
            return
        if error is None:
            self._end.set_result(None)
        else:
            self._end.set_exception(error)
        await asyncio.wait_for(self.ended.wait(), DEADLINE)


class Application:
    """An application whose calls are played by the test."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[Call] = asyncio.Queue()
        self.played: list[Call] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = Call(scope, receive, send)
        self.played.append(call)
        self.calls.put_nowait(call)
        await call.play()

    async def call(self) -> Call:
        """Wait for the next call."""
        return await asyncio.wait_for(self.calls.get(), DEADLINE)


@pytest.fixture
def application() -> Application:
    """An application that is called, and does then what the test says."""
    return Application()


async def repeat(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends every message back as it came."""
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


@pytest.fixture
def echo() -> ASGIApplication:
    """An application that sends every message back as it came."""
    return repeat


# --- the server ---------------------------------------------------------------------------------------------


@dataclass
class Served:
    """A server, and the clients that a test has opened."""

    server: asgiworker.Server
    trust: ssl.SSLContext | None = None
    peers: list[Peer] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return self.server.url.replace("http", "ws", 1)

    async def connect(self) -> Peer:
        """A connection on which nothing was sent."""
        if self.server.url.startswith("unix:"):
            ends = await asyncio.open_unix_connection(self.server.url.removeprefix("unix:"))
        else:
            parts = urlsplit(self.server.url)
            name = "localhost" if self.trust else None
            ends = await asyncio.open_connection(
                parts.hostname, parts.port, ssl=self.trust, server_hostname=name, limit=2**20
            )
        peer = Peer(*ends)
        self.peers.append(peer)
        return peer

    async def open(self, target: str = "/", *headers: tuple[str, str], **fields: str) -> Peer:
        """A WebSocket that was accepted."""
        peer = await self.connect()
        await peer.open(target, *headers, **fields)
        return peer

    def client(self, path: str = "/", **options: Any) -> connect:
        """A client as people use it: `async with served.client() as client`."""
        if self.trust is not None:
            options["ssl"] = self.trust
            options["server_hostname"] = "localhost"
        options = {"ping_interval": None, "proxy": None, **options}
        return connect(self.url + path, **options)


Serve = Callable[..., Awaitable[Served]]


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


@pytest.fixture
async def serve(request: pytest.FixtureRequest) -> AsyncIterator[Serve]:
    """Serve an application: `served = await serve(app, ws_max_size=100)`. With `tls=True` over TLS.

    At the end the clients leave. Whatever they and the application did, nothing broke in the server, and
    nothing is left of them in it.
    """
    surprises: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
    all_served: list[Served] = []
    async with AsyncExitStack() as stack:

        async def start(app: ASGIApplication, tls: bool = False, **settings: Any) -> Served:
            trust = None
            settings.setdefault("lifespan", "off")
            settings.setdefault("graceful_timeout", 1)
            if tls:
                settings.update(request.getfixturevalue("certificate"))
                trust = request.getfixturevalue("trust")
            server = await stack.enter_async_context(asgiworker.running(app, **settings))
            served = Served(server, trust)
            all_served.append(served)
            stack.push_async_callback(settle, served, app)
            return served

        yield start
    for served in all_served:
        assert served.server.service.failures == 0
        assert not served.server.service.running
        assert not served.server.service.websockets
    assert surprises == []


Meet = Callable[..., Awaitable[tuple[Peer, Call]]]


@pytest.fixture
def meet(serve: Serve, application: Application) -> Meet:
    """Both ends of a WebSocket that was accepted: `peer, call = await meet(ws_max_size=100)`."""

    async def open_both(**settings: Any) -> tuple[Peer, Call]:
        served = await serve(application, **settings)
        peer = await served.connect()
        await peer.send(peer.request())
        call = await application.call()
        await call.accept()
        assert (await peer.answer())[0] == 101
        return peer, call

    return open_both


async def settle(served: Served, app: ASGIApplication) -> None:
    """The clients leave, the application ends, and the server lets go of them."""
    for peer in served.peers:
        await peer.leave()
    if isinstance(app, Application):
        for call in app.played:
            await call.returns()
    await until(lambda: not served.server.service.connections)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    """A client's TLS context that trusts it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a server with a certificate for localhost."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
    return {"certfile": str(path), "keyfile": str(path)}


# --- compression --------------------------------------------------------------------------------------------


class Deflate:
    """Compresses and decompresses the messages of one side of permessage-deflate (RFC 7692 §7.2)."""

    TAIL = b"\x00\x00\xff\xff"

    def __init__(self, bits: int = 15) -> None:
        self._compressor = zlib.compressobj(wbits=-bits)
        self._decompressor = zlib.decompressobj(wbits=-bits)

    def compress(self, data: bytes) -> bytes:
        """A message's payload."""
        made = self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        assert made.endswith(self.TAIL)
        return made[:-4]

    def decompress(self, data: bytes) -> bytes:
        """The message that this payload stands for."""
        return self._decompressor.decompress(data + self.TAIL)


@pytest.fixture
def frame() -> Callable[..., bytes]:
    """Makes frames as they stand on the wire, right or wrong: see `make_frame`."""
    return make_frame


@pytest.fixture
def from_socket() -> Callable[[str], Awaitable[Peer]]:
    """Connects to a server's URL."""

    async def connect_to(url: str) -> Peer:
        parts = urlsplit(url)
        return Peer(*await asyncio.open_connection(parts.hostname, parts.port, limit=2**20))

    return connect_to


@pytest.fixture
def deflate() -> type[Deflate]:
    """Makes a compressor of one's own: `deflate(bits=10)`."""
    return Deflate
