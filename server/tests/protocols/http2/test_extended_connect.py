"""RFC 8441: WebSockets on streams, by extended CONNECT; the session is HTTP/1.1's, and no other protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

from asgiworker.asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.http2.conftest import Client, Fields, Opener, Until

pytestmark = pytest.mark.every_python


class Echo:
    """Accepts, sends back what it gets, and notes every message it receives."""

    def __init__(self, **accept: Any) -> None:
        self.accept = accept
        self.scopes: list[Scope] = []
        self.received: list[Message] = []
        self.done = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"http"})
            return
        self.scopes.append(scope)
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                self.received.append(message)
                if message["type"] == "websocket.connect":
                    await send({"type": "websocket.accept", **self.accept})
                else:
                    await send({**message, "type": "websocket.send"})
            self.received.append(message)
        finally:
            self.done.set()


class WebSocket:
    """The client's end of a WebSocket on a stream; its frames are kept by `websockets`."""

    def __init__(self, client: Client, stream: int) -> None:
        self.client = client
        self.stream = stream
        self.protocol = Protocol(Side.CLIENT, state=OPEN)
        self.frames: list[Frame] = []

    async def send(self, opcode: Opcode, data: bytes, fin: bool = True) -> None:
        """Send a frame."""
        frame = Frame(opcode, data, fin=fin)
        await self.write(frame.serialize(mask=True, extensions=self.protocol.extensions))

    async def write(self, data: bytes, ends: bool = False) -> None:
        """Send bytes, as the windows open."""
        while data:
            await self.client.room_for(1, self.stream)
            size = min(len(data), 16384, self.client.room[0], self.client.left(self.stream))
            await self.client.send(("DATA", self.stream, data[:size]))
            data = data[size:]
        if ends:
            await self.client.send(("DATA", self.stream, b"", "END_STREAM"))

    async def frame(self) -> Frame:
        """The next frame from the server."""
        while not self.frames:
            data = await self.client.take("DATA", self.stream)
            self.protocol.receive_data(data.payload)
            self.frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]
        return self.frames.pop(0)

    async def ended(self) -> None:
        """The server ends the stream, in good order."""
        frame = self.client.log[-1]
        while not (frame.stream == self.stream and frame.ends):
            frame = await self.client.frame()
        assert frame.kind == "DATA"


VERSION = (b"sec-websocket-version", b"13")
ORIGIN = (b"origin", b"http://example.com")


def connecting(client: Client, *more: tuple[bytes, bytes], protocol: bytes = b"websocket") -> Fields:
    """The fields of an extended CONNECT."""
    fields = client.fields(b"CONNECT", b"/chat?room=1")
    return [fields[0], (b":protocol", protocol), *fields[1:], VERSION, *more]


async def connect(client: Client, *more: tuple[bytes, bytes]) -> tuple[WebSocket, dict[bytes, bytes]]:
    """A WebSocket that the server has accepted, and the fields of its answer."""
    stream, client.next_stream = client.next_stream, client.next_stream + 2
    await client.send(("HEADERS", stream, connecting(client, *more), "END_HEADERS"))
    head = await client.take("HEADERS", stream)
    assert head.fields[0] == (b":status", b"200")
    assert "END_STREAM" not in head.flags
    return WebSocket(client, stream), dict(head.fields)


async def denied(client: Client, fields: Fields) -> Any:
    """The answer to an extended CONNECT that isn't accepted."""
    stream, client.next_stream = client.next_stream, client.next_stream + 2
    await client.send(("HEADERS", stream, fields, "END_HEADERS"))
    return await client.answer(stream)


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
async def test_a_websocket_is_opened_used_and_closed(http2: Opener, tls: bool) -> None:
    app = Echo()
    client = await http2(app, tls=tls)
    socket, fields = await connect(client)
    # §5: none of the handshake of HTTP/1.1
    assert not fields.keys() & {b"connection", b"upgrade", b"sec-websocket-accept", b"content-length"}
    await socket.send(Opcode.TEXT, b"hello")
    assert (await socket.frame()).data == b"hello"
    await socket.send(Opcode.BINARY, b"\x00\xff")
    assert (await socket.frame()).data == b"\x00\xff"
    await socket.send(Opcode.CLOSE, CloseCode.NORMAL_CLOSURE.to_bytes(2, "big") + b"bye")
    closing = await socket.frame()
    assert (closing.opcode, closing.data[:2]) == (Opcode.CLOSE, b"\x03\xe8")
    await socket.ended()
    assert app.received[-1] == {"type": "websocket.disconnect", "code": 1000, "reason": "bye"}
    [scope] = app.scopes
    assert scope["type"] == "websocket"
    assert scope["http_version"] == "2"
    assert scope["scheme"] == ("wss" if tls else "ws")
    assert (scope["path"], scope["query_string"]) == ("/chat", b"room=1")
    assert scope["headers"] == [(b"host", b"example.com"), VERSION]
    assert (await client.get()).body == b"http"


async def test_several_websockets_and_requests_share_a_connection(http2: Opener) -> None:
    client = await http2(Echo())
    sockets = [(await connect(client))[0] for _ in range(5)]
    for number, socket in enumerate(sockets):
        await socket.send(Opcode.TEXT, b"%d" % number)
    assert (await client.get()).body == b"http"
    for number, socket in reversed(list(enumerate(sockets))):
        assert (await socket.frame()).data == b"%d" % number
    for socket in sockets:
        await socket.send(Opcode.CLOSE, b"\x03\xe8")
        assert (await socket.frame()).opcode is Opcode.CLOSE
        await socket.ended()


async def test_frames_need_not_match_those_of_http_2(http2: Opener) -> None:
    client = await http2(Echo())
    socket, _ = await connect(client)
    data = b"".join(Frame(Opcode.TEXT, b"message %d" % n).serialize(mask=True) for n in range(3))
    for byte in data:
        await client.send(("DATA", socket.stream, bytes([byte])))
    assert [(await socket.frame()).data for _ in range(3)] == [b"message %d" % n for n in range(3)]
    await socket.write(data)
    assert [(await socket.frame()).data for _ in range(3)] == [b"message %d" % n for n in range(3)]


async def test_a_message_larger_than_all_windows(http2: Opener) -> None:
    client = await http2(Echo())
    socket, _ = await connect(client)
    message = bytes(range(256)) * 4096
    await socket.send(Opcode.BINARY, message)
    received = b""
    while len(received) < len(message):
        received += (await socket.frame()).data
    assert received == message


async def test_a_ping_is_answered(http2: Opener) -> None:
    socket, _ = await connect(await http2(Echo()))
    await socket.send(Opcode.PING, b"are you?")
    pong = await socket.frame()
    assert (pong.opcode, pong.data) == (Opcode.PONG, b"are you?")


async def test_a_subprotocol_is_offered_and_chosen(http2: Opener) -> None:
    app = Echo(subprotocol="chat", headers=[(b"x-own", b"1")])
    _, fields = await connect(await http2(app), (b"sec-websocket-protocol", b"soap, chat"))
    assert app.scopes[0]["subprotocols"] == ["soap", "chat"]
    assert (fields[b"sec-websocket-protocol"], fields[b"x-own"]) == (b"chat", b"1")


async def test_messages_are_compressed_where_both_agree(http2: Opener) -> None:
    client = await http2(Echo())
    offer = (b"sec-websocket-extensions", b"permessage-deflate; client_max_window_bits")
    socket, fields = await connect(client, offer)
    assert fields[b"sec-websocket-extensions"].startswith(b"permessage-deflate")
    parts = fields[b"sec-websocket-extensions"].decode().split(";")[1:]
    parameters: Sequence[Any] = [[*p.strip().split("="), None][:2] for p in parts]
    factory = ClientPerMessageDeflateFactory()
    socket.protocol.extensions = [factory.process_response_params(parameters, [])]
    message = b"again and again " * 1000
    await socket.send(Opcode.TEXT, message)
    assert (await socket.frame()).data == message
    data = [frame for frame in client.log if frame.kind == "DATA"]
    assert sum(frame.length for frame in data) < 1000


# --- what is no WebSocket -----------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [b"connect-udp", b"webtransport", b"WebSocket2", b"", b"h2c"])
async def test_no_other_protocol_is_spoken(http2: Opener, protocol: bytes) -> None:
    app = Echo()
    client = await http2(app)
    answer = await denied(client, connecting(client, protocol=protocol))
    assert answer.status in ((501,) if protocol else (400, 501, 0))
    assert app.scopes == []
    await client.goes_on()


@pytest.mark.parametrize("method", [b"GET", b"POST"])
async def test_a_protocol_is_for_connect_alone(http2: Opener, method: bytes) -> None:
    app = Echo()
    client = await http2(app)
    fields = [(b":method", method), *connecting(client)[1:]]
    answer = await denied(client, fields)
    assert answer.status == 400 or answer.reset == ErrorCodes.PROTOCOL_ERROR
    assert app.scopes == []
    await client.goes_on()


@pytest.mark.parametrize("missing", [b":scheme", b":path", b":authority"])
async def test_scheme_path_and_authority_are_needed(http2: Opener, missing: bytes) -> None:
    """§4."""
    app = Echo()
    client = await http2(app)
    answer = await denied(client, [field for field in connecting(client) if field[0] != missing])
    assert answer.status == 400 or answer.reset == ErrorCodes.PROTOCOL_ERROR
    assert app.scopes == []


@pytest.mark.parametrize("version", [None, b"8", b"14", b"thirteen"])
async def test_another_version_is_told_which_one_is_spoken(http2: Opener, version: bytes | None) -> None:
    app = Echo()
    client = await http2(app)
    fields = [field for field in connecting(client) if field != VERSION]
    if version is not None:
        fields.append((b"sec-websocket-version", version))
    answer = await denied(client, fields)
    assert answer.status in (400, 426)
    if version is not None:
        assert answer[b"sec-websocket-version"] == b"13"
    assert app.scopes == []
    await client.goes_on()


async def test_the_handshake_of_http_1_1_has_no_place_here(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    more = [(b"upgrade", b"websocket"), (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="), VERSION]
    stream = await client.request(b"GET", b"/chat", *more)
    answer = await client.answer(stream)
    assert answer.status == 400 or answer.reset == ErrorCodes.PROTOCOL_ERROR
    assert mirror.seen == []


async def test_without_websockets_extended_connect_is_not_announced(http2: Opener) -> None:
    app = Echo()
    client = await http2(app, ws=False)
    assert client.settings.get("ENABLE_CONNECT_PROTOCOL", 0) == 0
    answer = await denied(client, connecting(client))
    assert answer.status in (400, 501) or answer.reset == ErrorCodes.PROTOCOL_ERROR
    assert app.scopes == []


async def test_an_origin_that_is_not_allowed_is_403(http2: Opener) -> None:
    app = Echo()
    client = await http2(app, ws_origins=("https://good.example",))
    assert (await denied(client, connecting(client, (b"origin", b"https://evil.example")))).status == 403
    assert app.scopes == []
    await connect(client, (b"origin", b"https://good.example"))


# --- denial -------------------------------------------------------------------------------------------------


async def test_a_close_before_accept_is_403(http2: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close"})

    client = await http2(app)
    answer = await denied(client, connecting(client))
    assert answer.status == 403
    await client.ping()


async def test_an_exception_before_accept_is_500(http2: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    client = await http2(app)
    assert (await denied(client, connecting(client))).status == 500
    await client.ping()


async def test_a_denial_may_be_a_response_of_the_applications(http2: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert "websocket.http.response" in scope["extensions"]
        await receive()
        headers = [(b"x-reason", b"full")]
        await send({"type": "websocket.http.response.start", "status": 409, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"come ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"back"})

    client = await http2(app)
    answer = await denied(client, connecting(client))
    assert (answer.status, answer[b"x-reason"], answer.body) == (409, b"full", b"come back")


async def test_a_websocket_beyond_the_limit_is_503(http2: Opener) -> None:
    client = await http2(Echo(), limit_websockets=2)
    sockets = [(await connect(client))[0] for _ in range(2)]
    assert (await denied(client, connecting(client))).status == 503
    await sockets[0].send(Opcode.CLOSE, b"\x03\xe8")
    await sockets[0].frame()
    await sockets[0].ended()
    await connect(client)


# --- ends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["reset", "end", "connection"])
async def test_a_client_that_leaves_without_a_word_is_1006(http2: Opener, way: str) -> None:
    app = Echo()
    client = await http2(app)
    socket, _ = await connect(client)
    if way == "reset":
        await client.send(("RST_STREAM", socket.stream, ErrorCodes.CANCEL))
    elif way == "end":
        await client.send(("DATA", socket.stream, b"", "END_STREAM"))
    else:
        client.abort()
    await asyncio.wait_for(app.done.wait(), 10)
    assert app.received[-1]["code"] == 1006
    if way != "connection":
        assert (await client.get()).body == b"http"


async def test_the_application_closes(http2: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000, "reason": "enough"})

    client = await http2(app)
    socket, _ = await connect(client)
    closing = await socket.frame()
    assert closing.data == (4000).to_bytes(2, "big") + b"enough"
    await socket.send(Opcode.CLOSE, closing.data)
    await socket.ended()


async def test_an_application_that_fails_is_1011(http2: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise RuntimeError

    socket, _ = await connect(await http2(app))
    assert (await socket.frame()).data[:2] == (1011).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(Frame(Opcode.TEXT, b"hello").serialize(mask=False), 1002, id="a frame without a mask"),
        pytest.param(b"\xf1\x80\0\0\0\0", 1002, id="reserved bits"),
        pytest.param(b"\x83\x80\0\0\0\0", 1002, id="a reserved opcode"),
        pytest.param(Frame(Opcode.TEXT, b"\xff").serialize(mask=True), 1007, id="text that isn't UTF-8"),
        pytest.param(Frame(Opcode.BINARY, bytes(1001)).serialize(mask=True), 1009, id="too large a message"),
    ],
)
async def test_a_frame_that_is_wrong_fails_the_websocket_and_not_the_connection(
    http2: Opener, data: bytes, code: int
) -> None:
    client = await http2(Echo(), ws_max_size=1000)
    socket, _ = await connect(client)
    await socket.write(data)
    closing = await socket.frame()
    assert (closing.opcode, closing.data[:2]) == (Opcode.CLOSE, code.to_bytes(2, "big"))
    assert (await client.get()).body == b"http"


async def test_a_client_that_does_not_read_holds_its_websocket_back_and_no_other_stream(
    http2: Opener, until: Until
) -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        if scope["type"] == "http":
            await Echo()(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "bytes": bytes(10_000)})
            sent += 10_000

    client = await http2(app, announces={"INITIAL_WINDOW_SIZE": 20_000})
    client.replenishes = False
    socket, _ = await connect(client)
    await client.take("DATA", socket.stream)
    await client.ping()
    stopped = sent
    assert (await client.get()).body == b"http"
    assert sent == stopped < 1_000_000
    await client.send(("RST_STREAM", socket.stream, ErrorCodes.CANCEL))
    await until(lambda: not client.server.service.running)


async def test_the_servers_stop_is_1012(http2: Opener) -> None:
    client = await http2(Echo(), graceful_timeout=5)
    socket, _ = await connect(client)
    stopping = asyncio.ensure_future(client.server.stop())
    closing = await socket.frame()
    assert (closing.opcode, closing.data[:2]) == (Opcode.CLOSE, (1012).to_bytes(2, "big"))
    await socket.send(Opcode.CLOSE, closing.data)
    await client.ended()
    await stopping
