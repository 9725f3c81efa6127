"""A client that speaks HTTP/2 frame by frame, right or wrong as a test wants it, over real sockets.

What it sends is written as a tuple: `("HEADERS", 1, GET, "END_HEADERS", "END_STREAM")` is a frame of this
type on stream 1. A payload is bytes, or a list of fields that HPACK encodes, or a mapping of settings, or a
number (an error code, a window's increment). What comes back is read strictly: every frame has to be one that
a server may send, and every block of fields is decoded in its turn.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hpack
import hyperframe.frame
import pytest
import trustme
from h2.errors import ErrorCodes

import asgiworker
from asgiworker.asgi.types import ASGIApplication

DEADLINE = 5.0  # seconds after which a test that waits for the server has failed

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Fields = list[tuple[bytes, bytes]]
FrameArguments = Sequence[Any]

KINDS = {
    "DATA": 0, "HEADERS": 1, "PRIORITY": 2, "RST_STREAM": 3, "SETTINGS": 4, "PUSH_PROMISE": 5, "PING": 6,
    "GOAWAY": 7, "WINDOW_UPDATE": 8, "CONTINUATION": 9, "ALTSVC": 10, "ORIGIN": 12, "PRIORITY_UPDATE": 16,
}  # fmt: skip
NAMES = {number: name for name, number in KINDS.items()}
FLAGS = {"ACK": 0x1, "END_STREAM": 0x1, "END_HEADERS": 0x4, "PADDED": 0x8, "PRIORITY": 0x20}
SETTINGS = {
    "HEADER_TABLE_SIZE": 1, "ENABLE_PUSH": 2, "MAX_CONCURRENT_STREAMS": 3, "INITIAL_WINDOW_SIZE": 4,
    "MAX_FRAME_SIZE": 5, "MAX_HEADER_LIST_SIZE": 6, "ENABLE_CONNECT_PROTOCOL": 8, "NO_RFC7540_PRIORITIES": 9,
}  # fmt: skip
SETTING_NAMES = {number: name for name, number in SETTINGS.items()}


@dataclass
class Frame:
    """A frame that the server sent."""

    kind: str
    stream: int
    flags: frozenset[str]
    length: int  # of the payload, padding and all: what flow control counts
    payload: bytes = b""  # of DATA, PING, GOAWAY (its debug data)
    fields: Fields = field(default_factory=list)  # of HEADERS and PUSH_PROMISE, with their CONTINUATIONs
    settings: dict[str, int] = field(default_factory=dict)
    number: int = 0  # error code of RST_STREAM and GOAWAY, increment of WINDOW_UPDATE
    other: int = 0  # last stream of GOAWAY, promised stream of PUSH_PROMISE

    @property
    def ends(self) -> bool:
        """Whether it is the last of its stream."""
        return "END_STREAM" in self.flags or self.kind == "RST_STREAM"


@dataclass
class Answer:
    """What came on a stream."""

    status: int = 0
    headers: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    interim: list[Fields] = field(default_factory=list)
    complete: bool = False  # it ended by END_STREAM
    reset: int | None = None  # the error of an RST_STREAM
    sizes: list[int] = field(default_factory=list)  # of its DATA frames

    def __getitem__(self, name: bytes) -> bytes | None:
        """The value of the field `name`; None if there is none."""
        return dict(self.headers).get(name)


class Client:
    """One HTTP/2 connection.

    Attributes:
        unread: frames that came and that nobody has asked for.
        log: all frames that came.
        settings: of the server, by name.
        replenishes: what was read of DATA is given back as window at once.
    """

    def __init__(
        self, server: asgiworker.Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 24
        self.unread: list[Frame] = []
        self.log: list[Frame] = []
        self.settings: dict[str, int] = {}
        self.replenishes = True
        self.next_stream = 1
        self.acknowledges = True
        # What may be sent: on the connection (0), on each stream that DATA was sent on.
        self.room: dict[int, int] = {0: 65535}

    # --- what is sent

    async def start(self, settings: Mapping[str, int] | None = None) -> None:
        """Preface and SETTINGS, up to where both sides have acknowledged the other's."""
        await self.send(PREFACE, ("SETTINGS", 0, settings or {}))
        first = await self.frame()
        assert (first.kind, first.flags) == ("SETTINGS", frozenset()), "the server's preface is SETTINGS"
        await self.take("SETTINGS", flag="ACK")

    def encode(self, frame: FrameArguments) -> bytes:
        """The bytes of a frame."""
        kind, stream, *rest = frame
        payload: Any = b""
        if rest and not isinstance(rest[0], str):
            payload, *rest = rest
        number = kind if isinstance(kind, int) else KINDS[kind]
        flags = 0
        for flag in rest:
            flags |= flag if isinstance(flag, int) else FLAGS[flag]
        if isinstance(payload, list):
            payload = self.block(payload)
        elif isinstance(payload, Mapping):
            pairs = ((SETTINGS.get(name, name), value) for name, value in payload.items())
            payload = b"".join(struct.pack(">HI", *pair) for pair in pairs)
        elif isinstance(payload, int):
            payload = struct.pack(">I", payload)
        if kind == "DATA":
            self.room[0] -= len(payload)
            self.room[stream] = self.left(stream) - len(payload)
        return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 255, number, flags, stream) + payload

    def block(self, fields: Fields, **options: Any) -> bytes:
        """A block of fields, encoded by HPACK."""
        return bytes(self.encoder.encode(fields, **options))

    async def send(self, *frames: FrameArguments | bytes) -> None:
        """Send frames in one write; bytes as they are."""
        self.write(*frames)
        await self.writer.drain()

    def write(self, *frames: FrameArguments | bytes) -> None:
        """Send frames in one write, without waiting for anything."""
        self.writer.write(
            b"".join(frame if isinstance(frame, bytes) else self.encode(frame) for frame in frames)
        )

    def fields(
        self,
        method: bytes = b"GET",
        path: bytes = b"/",
        *more: tuple[bytes, bytes],
        authority: bytes = b"example.com",
    ) -> Fields:
        """The fields of a request."""
        scheme = b"https" if self.writer.get_extra_info("ssl_object") else b"http"
        pseudo = [(b":method", method), (b":scheme", scheme), (b":path", path), (b":authority", authority)]
        return [*pseudo, *more]

    def left(self, stream: int) -> int:
        """How much DATA the stream's window takes."""
        return self.room.get(stream, self.settings.get("INITIAL_WINDOW_SIZE", 65535))

    async def room_for(self, size: int, stream: int) -> None:
        """Wait until both windows take so much DATA."""
        while min(self.room[0], self.left(stream)) < size:
            self.unread.append(await self.frame())

    async def upload(self, stream: int, size: int, *, ends: bool = True) -> None:
        """Send a body of so many bytes, as the server's windows open."""
        while size:
            await self.room_for(1, stream)
            part = min(size, 16384, self.room[0], self.left(stream))
            size -= part
            await self.send(("DATA", stream, bytes(part), *["END_STREAM"] * (ends and not size)))

    async def settle(self) -> None:
        """Let the server read what was sent, before more is."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def request(
        self,
        method: bytes = b"GET",
        path: bytes = b"/",
        *more: tuple[bytes, bytes],
        body: bytes | None = None,
        ends: bool = True,
    ) -> int:
        """Send a request on the next stream, and say which it is. Unless it `ends`, more is to come."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        flags = ["END_HEADERS"] + ["END_STREAM"] * (ends and body is None)
        frames: list[FrameArguments] = [("HEADERS", stream, self.fields(method, path, *more), *flags)]
        if body is not None:
            frames.append(("DATA", stream, body, *["END_STREAM"] * ends))
        await self.send(*frames)
        return stream

    # --- what comes

    async def frame(self, deadline: float = DEADLINE) -> Frame:
        """The next frame from the server.

        Raises:
            asyncio.IncompleteReadError, ConnectionError: the connection has ended.
        """
        async with asyncio.timeout(deadline):
            frame = await self._frame()
            self.log.append(frame)
            if frame.kind == "DATA" and frame.length and self.replenishes:
                self.write(("WINDOW_UPDATE", 0, frame.length))
                if not frame.ends:
                    self.write(("WINDOW_UPDATE", frame.stream, frame.length))
            elif frame.kind == "WINDOW_UPDATE":
                self.room[frame.stream] = self.left(frame.stream) + frame.number
            elif frame.kind == "SETTINGS" and "ACK" not in frame.flags:
                self.settings.update(frame.settings)
                if self.acknowledges:
                    self.write(("SETTINGS", 0, "ACK"))
            return frame

    async def rest(self) -> bytes:
        """Everything until the server closes, as bytes: for what is no HTTP/2."""
        return await asyncio.wait_for(self.reader.read(), DEADLINE)

    async def _frame(self) -> Frame:
        header = await self.reader.readexactly(9)
        parsed, length = hyperframe.frame.Frame.parse_frame_header(memoryview(header), strict=True)
        assert length <= 16384, "RFC 9113 §4.2: larger than SETTINGS_MAX_FRAME_SIZE"
        assert header[5] < 128, "RFC 9113 §4.1: the reserved bit must be unset"
        payload = await self.reader.readexactly(length)
        parsed.parse_body(memoryview(payload))
        kind = NAMES[header[3]]
        frame = Frame(kind, parsed.stream_id, frozenset(parsed.flags), length)
        if kind in ("DATA", "PING"):
            frame.payload = bytes(getattr(parsed, "data", b"") or getattr(parsed, "opaque_data", b""))
        elif kind == "SETTINGS":
            frame.settings = {
                SETTING_NAMES.get(key, str(key)): value for key, value in parsed.settings.items()
            }
        elif kind == "RST_STREAM":
            frame.number = parsed.error_code
        elif kind == "GOAWAY":
            frame.number, frame.other = parsed.error_code, parsed.last_stream_id
            frame.payload = bytes(parsed.additional_data)
        elif kind == "WINDOW_UPDATE":
            frame.number = parsed.window_increment
        elif kind in ("HEADERS", "PUSH_PROMISE"):
            frame.other = getattr(parsed, "promised_stream_id", 0)
            block = parsed.data
            while "END_HEADERS" not in parsed.flags:
                header = await self.reader.readexactly(9)
                parsed, length = hyperframe.frame.Frame.parse_frame_header(memoryview(header), strict=True)
                assert (NAMES[header[3]], parsed.stream_id) == ("CONTINUATION", frame.stream)
                parsed.parse_body(memoryview(await self.reader.readexactly(length)))
                block += parsed.data
            frame.fields = [(bytes(n), bytes(v)) for n, v in self.decoder.decode(block, raw=True)]
        return frame

    async def take(self, kind: str, stream: int | None = None, *, flag: str | None = None) -> Frame:
        """The first frame of this kind that wasn't taken yet; whatever comes before stays in `unread`."""

        def fits(frame: Frame) -> bool:
            return (
                frame.kind == kind
                and stream in (None, frame.stream)
                and (flag is None or flag in frame.flags)
            )

        for frame in self.unread:
            if fits(frame):
                self.unread.remove(frame)
                return frame
        while True:
            try:
                frame = await self.frame()
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise AssertionError(f"no {kind} came; {self.summary()}") from error
            except TimeoutError as error:
                raise AssertionError(f"no {kind} came in time; {self.summary()}") from error
            if fits(frame):
                return frame
            self.unread.append(frame)

    def summary(self) -> str:
        """What has come, for the message of a failed test."""
        return "the last frames were " + repr(self.log[-5:])

    async def answer(
        self,
        stream: int,
        answer: Answer | None = None,
        *,
        until: Callable[[Answer], object] = lambda _: False,
    ) -> Answer:
        """What comes on a stream up to its end, or until a condition holds; it adds to `answer`."""
        answer = Answer() if answer is None else answer
        while not (answer.complete or answer.reset is not None or until(answer)):
            frame = await self._next_of(stream)
            if frame.kind == "RST_STREAM":
                answer.reset = frame.number
            elif frame.kind == "DATA":
                assert answer.status, "DATA before HEADERS"
                answer.body += frame.payload
                answer.sizes.append(len(frame.payload))
            elif frame.kind == "HEADERS":
                self._take_fields(answer, frame)
            answer.complete = "END_STREAM" in frame.flags
        return answer

    async def _next_of(self, stream: int) -> Frame:
        kinds = ("HEADERS", "DATA", "RST_STREAM")
        for frame in self.unread:
            if frame.stream == stream and frame.kind in kinds:
                self.unread.remove(frame)
                return frame
        while True:
            try:
                frame = await self.frame()
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise AssertionError(f"stream {stream} never ended; {self.summary()}") from error
            if frame.stream == stream and frame.kind in kinds:
                return frame
            self.unread.append(frame)

    def _take_fields(self, answer: Answer, frame: Frame) -> None:
        names = [name for name, _ in frame.fields]
        assert all(name == name.lower() for name in names), f"upper case in {names}"
        assert not {b"connection", b"transfer-encoding", b"keep-alive", b"upgrade"} & set(names)
        if answer.status:
            assert "END_STREAM" in frame.flags, "trailers end the stream"
            assert not any(name.startswith(b":") for name in names)
            answer.trailers = frame.fields
            return
        assert names.count(b":status") == 1 and names[0] == b":status", names  # noqa: PT018
        assert not any(name.startswith(b":") for name in names[1:])
        status = int(frame.fields[0][1])
        if status < 200:
            answer.interim.append(frame.fields)
        else:
            answer.status, answer.headers = status, frame.fields[1:]

    async def get(self, path: bytes = b"/", *more: tuple[bytes, bytes]) -> Answer:
        """The answer to a GET."""
        return await self.answer(await self.request(b"GET", path, *more))

    async def ping(self, data: bytes = b"are you?") -> None:
        """A round trip: all that was sent before has been read by the server when this returns."""
        await self.send(("PING", 0, data))
        while (await self.take("PING", flag="ACK")).payload != data:
            pass

    # --- what is expected

    async def goes_on(self) -> None:
        """The connection is as good as new: it answers a PING, then a request; nothing else was wrong."""
        await self.ping()
        answer = await self.get(b"/goes-on")
        assert (answer.status, answer.complete) == (200, True)
        assert not any(frame.kind == "GOAWAY" for frame in self.log), self.summary()

    async def resets(self, stream: int, *errors: ErrorCodes) -> None:
        """The server resets the stream with one of these errors, and the connection goes on."""
        frame = await self.take("RST_STREAM", stream)
        assert frame.number in errors, self.summary()
        self.next_stream = max(self.next_stream, stream + 1 + stream % 2)
        await self.goes_on()

    async def fails(self, *errors: ErrorCodes) -> Frame:
        """The server ends the connection with one of these errors."""
        frame = await self.take("GOAWAY")
        assert frame.number in errors, self.summary()
        await self.ended()
        return frame

    async def refusal(self, stream: int) -> int | str:
        """How the server refuses a request: the status of its answer, or RST_STREAM or GOAWAY."""
        while True:
            frame = await self.frame()
            if frame.kind == "GOAWAY":
                await self.ended()
                return "GOAWAY"
            if frame.stream == stream and frame.kind == "RST_STREAM":
                return "RST_STREAM"
            if frame.stream == stream and frame.kind == "HEADERS":
                return int(frame.fields[0][1])

    async def breaks(self, stream: int, *errors: ErrorCodes) -> None:
        """The server ends the stream, or the whole connection, with one of these errors.

        RFC 9113 §5.4.1: an endpoint may treat a stream error as a connection error.
        """
        while True:
            frame = await self.frame()
            if frame.kind == "GOAWAY" or (frame.kind == "RST_STREAM" and frame.stream == stream):
                break
        assert frame.number in errors, self.summary()
        if frame.kind == "GOAWAY":
            await self.ended()
        else:
            self.next_stream = max(self.next_stream, stream + 1 + stream % 2)
            await self.ping()

    async def ended(self, deadline: float = DEADLINE) -> None:
        """The server closes the connection."""
        partial = b""
        try:
            while True:
                self.unread.append(await self.frame(deadline))
        except asyncio.IncompleteReadError as error:
            partial = error.partial
        except (ConnectionError, ssl.SSLError):
            pass
        assert not partial, "the connection ended inside a frame"

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        try:
            await asyncio.wait_for(self.writer.wait_closed(), DEADLINE)
        except (OSError, ssl.SSLError):
            pass

    def abort(self) -> None:
        """Reset the connection."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Opener:
    """Serves an application, and opens connections to it: `client = await http2(app, keepalive=1)`."""

    def __init__(self, stack: AsyncExitStack, certificate: dict[str, str], trust: ssl.SSLContext) -> None:
        self.stack = stack
        self.certificate = certificate
        self.trust = trust
        self.clients: list[Client] = []
        self.servers: list[asgiworker.Server] = []

    async def __call__(
        self,
        app: ASGIApplication,
        *,
        tls: bool = False,
        announces: Mapping[str, int] | None = None,
        starts: bool = True,
        **settings: Any,
    ) -> Client:
        """Serve `app` with these settings, and connect; over TLS, with ALPN.

        `announces` are the client's own settings; unless it `starts`, it sends nothing yet.
        """
        server = await self.serve(app, tls=tls, **settings)
        return await self.connect(server, announces=announces, starts=starts)

    async def serve(self, app: ASGIApplication, tls: bool = False, **settings: Any) -> asgiworker.Server:
        """Serve `app` until the test ends."""
        settings.setdefault("lifespan", "off")
        settings.setdefault("graceful_timeout", 1)
        if tls:
            settings.update(self.certificate)
        server = await self.stack.enter_async_context(asgiworker.running(app, **settings))
        self.servers.append(server)
        return server

    async def connect(
        self,
        server: asgiworker.Server,
        *,
        announces: Mapping[str, int] | None = None,
        starts: bool = True,
        protocols: Sequence[str] = ("h2",),
    ) -> Client:
        """One more connection to a server."""
        parts = urlsplit(server.url)
        if server.url.startswith("unix:"):
            reader, writer = await asyncio.open_unix_connection(server.url.removeprefix("unix:"))
        elif parts.scheme == "https":
            context = self.trust
            context.set_alpn_protocols(list(protocols))
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port, ssl=context, server_hostname="localhost"
            )
        else:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        client = Client(server, reader, writer)
        self.clients.append(client)
        if starts:
            await client.start(announces)
        return client


@pytest.fixture
async def http2(certificate: dict[str, str], trust: ssl.SSLContext) -> AsyncIterator[Opener]:
    """Serves applications and opens connections.

    At the end, whatever a test sent, nothing has broken in the server, and nothing of it was left behind.
    """
    surprises: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: surprises.append(context))
    # A test that hangs fails, and lets the others run.
    hanging = loop.call_later(6 * DEADLINE, lambda: [task.cancel() for task in asyncio.all_tasks()])
    async with AsyncExitStack() as stack:
        opener = Opener(stack, certificate, trust)
        yield opener
        hanging.cancel()
        for client in opener.clients:
            await client.close()
        for server in opener.servers:
            await until(lambda server=server: not server.service.connections)
            assert server.service.failures == 0
            assert not [each for each in server.service.running if each.task is None or each.task.done()]
    assert surprises == []


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a server with a certificate for localhost."""
    file: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(file))
    return {"certfile": str(file), "keyfile": str(file)}


@pytest.fixture
def trust(authority: trustme.CA) -> ssl.SSLContext:
    """A client's TLS context that trusts it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


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
