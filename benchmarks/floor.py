"""The floor: a bare uvloop protocol that looks for the end of a head and answers a constant.

No parser, no application, no HTTP to speak of; files go out by ``sendfile``. What a server costs above this
is what it does; what the floor costs is the kernel, the event loop, TLS, and a Python call or two. On HTTP/2
and in WebSockets it finds where frames end, and answers with frames that were made before.

    python -m benchmarks.floor PORT [CERTIFICATE KEY]
"""

import asyncio
import base64
import hashlib
import os
import ssl
import sys
from typing import ClassVar, cast

import hpack
import uvloop

from benchmarks.app import CHUNK, CHUNKS, FILES, HELLO, LARGE

ECHO_LENGTH = 10_240


def answer(content: bytes) -> bytes:
    """A whole response with its Content-Length."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (
        len(content),
        content,
    )


def chunked(chunk: bytes, count: int) -> bytes:
    """A whole response in chunks."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%b\r\n" % (len(chunk), chunk) * count + b"0\r\n\r\n"


ANSWERS = {
    b"/": answer(HELLO),
    b"/large": answer(LARGE),
    b"/stream": chunked(CHUNK, CHUNKS),
    b"/echo": answer(b"x" * ECHO_LENGTH),
}


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Floor(asyncio.Protocol):
    """One connection. Requests come whole or, the echo's, in pieces; they are not pipelined."""

    __slots__ = ("left", "missing", "opened", "socket", "transport", "watched")

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is not a subclass
        self.socket = transport.get_extra_info("socket").fileno()
        self.watched = -1  # uvloop lets nobody else watch a transport's own descriptor
        self.missing = 0
        self.left = 0
        self.opened = -1

    def data_received(self, data: bytes) -> None:
        if self.missing:
            self.missing -= len(data)
            if not self.missing:
                self.transport.write(ANSWERS[b"/echo"])
            return
        if data.startswith(PREFACE):
            self.transport.set_protocol(HTTP2(self.transport, data[len(PREFACE) :]))
            return
        target = data[data.index(b" ") + 1 : data.index(b" HTTP/1.1\r\n")]
        if target.startswith(b"/file/"):
            self.send_file(target[6:].decode())
            return
        if target in (b"/ws", b"/broadcast"):
            self.transport.set_protocol(Messages(self.transport, data, to_all=target == b"/broadcast"))
            return
        if target == b"/echo":
            self.missing = ECHO_LENGTH - (len(data) - data.index(b"\r\n\r\n") - 4)
            if self.missing:
                return
        self.transport.write(ANSWERS[target])

    def send_file(self, name: str) -> None:
        self.opened = os.open(os.path.join(FILES, name), os.O_RDONLY)
        self.left = os.fstat(self.opened).st_size
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % self.left)
        self.send_rest()
        if self.left:
            self.watched = os.dup(self.socket)
            asyncio.get_running_loop().add_writer(self.watched, self.send_rest)

    def send_rest(self) -> None:
        try:
            while self.left:
                self.left -= os.sendfile(self.socket, self.opened, None, self.left)
        except BlockingIOError:
            return
        self.close_file()

    def close_file(self) -> None:
        os.close(self.opened)
        self.opened = -1
        if self.watched >= 0:
            asyncio.get_running_loop().remove_writer(self.watched)
            os.close(self.watched)
            self.watched = -1

    def connection_lost(self, error: Exception | None) -> None:
        if self.opened >= 0:
            self.close_file()


class Messages(asyncio.Protocol):
    """A WebSocket whose client sends messages of one length (RFC 6455 §5.2), each when the last came back."""

    __slots__ = ("answer", "buffer", "length", "received", "to_all", "transport")

    listening: ClassVar["set[Messages]"] = set()

    def __init__(self, transport: asyncio.Transport, request: bytes, *, to_all: bool) -> None:
        self.transport = transport
        self.to_all = to_all
        self.buffer = b""  # the first message, as far as it has come
        self.answer = b""  # it, as the server's frame: the first answer is compared
        self.length = 0  # of a client's frame
        self.received = 0  # bytes of the one that comes
        self.listening.add(self)
        key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-accept: %b\r\n\r\n" % accept
        )

    def data_received(self, data: bytes) -> None:
        if not self.answer:
            self.buffer += data
            self.learn(self.buffer)
        self.received += len(data)
        if self.received < self.length:
            return
        self.received = 0
        if self.to_all:
            for listener in self.listening:
                listener.transport.write(self.answer)
        else:
            self.transport.write(self.answer)

    def learn(self, data: bytes) -> None:
        """The length of all messages is the first one's, and so is the answer to each."""
        width = {126: 2, 127: 8}.get(data[1] & 0x7F, 0)
        self.length = 2 + width + 4 + (int.from_bytes(data[2 : 2 + width]) if width else data[1] & 0x7F)
        if len(data) >= self.length:
            key, payload = data[2 + width : 6 + width], data[6 + width : self.length]
            plain = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
            self.answer = bytes((data[0], data[1] & 0x7F)) + data[2 : 2 + width] + plain

    def connection_lost(self, error: Exception | None) -> None:
        self.listening.discard(self)


# RFC 9113 §4.1, §6: a frame's head is 9 bytes; these are the types and flags that a row needs.
DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0x0, 0x1, 0x4, 0x6, 0x8
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4
LARGEST_FRAME = 16_384
WIDE_OPEN = 2**31 - 1 - 65_535


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """An HTTP/2 frame."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def pieces(content: bytes) -> list[tuple[bytes, bytes]]:
    """A response's frames, each cut where its stream's number goes."""
    block = hpack.Encoder().encode([(":status", "200"), ("content-length", str(len(content)))])
    cut = [frame(HEADERS, END_HEADERS, 0, block)]
    for begin in range(0, len(content), LARGEST_FRAME):
        last = begin + LARGEST_FRAME >= len(content)
        cut.append(frame(DATA, END_STREAM if last else 0, 0, content[begin : begin + LARGEST_FRAME]))
    return [(made[:5], made[9:]) for made in cut]


STREAMED = {"/": pieces(HELLO), "/large": pieces(LARGE), "/echo": pieces(b"x" * ECHO_LENGTH)}


class HTTP2(asyncio.Protocol):
    """A connection by prior knowledge, whose client asks for one path, and has opened its windows wide."""

    __slots__ = ("answer", "buffer", "transport")

    def __init__(self, transport: asyncio.Transport, data: bytes) -> None:
        self.transport = transport
        self.answer: list[tuple[bytes, bytes]] = []
        self.buffer = b""
        transport.write(
            frame(SETTINGS, 0, 0, b"\x00\x04" + (2**31 - 1).to_bytes(4))
            + frame(WINDOW_UPDATE, 0, 0, WIDE_OPEN.to_bytes(4))
        )
        self.data_received(data)

    def data_received(self, data: bytes) -> None:
        data, begin = self.buffer + data, 0
        out: list[bytes] = []
        while len(data) - begin >= 9:
            end = begin + 9 + int.from_bytes(data[begin : begin + 3])
            if end > len(data):
                break
            kind, flags = data[begin + 3], data[begin + 4]
            if kind == HEADERS and not self.answer:
                self.choose(data[begin + 9 : end], flags)
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                stream = data[begin + 5 : begin + 9]
                for head, payload in self.answer:
                    out += (head, stream, payload)
            elif kind in (SETTINGS, PING) and not flags & ACK:
                out.append(frame(kind, ACK, 0, data[begin + 9 : end] if kind == PING else b""))
            begin = end
        self.buffer = data[begin:]
        if out:
            self.transport.writelines(out)

    def choose(self, block: bytes, flags: int) -> None:
        if flags & 0x20:  # a priority
            block = block[5:]
        fields = {str(name): str(value) for name, value in hpack.Decoder().decode(block)}
        self.answer = STREAMED[fields[":path"]]


async def serve(port: int, *certificate: str) -> None:
    """Accept connections until the process is told to go."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
        context.num_tickets = 1
        context.set_alpn_protocols(["h2", "http/1.1"])
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Floor, "127.0.0.1", port, backlog=2048, ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), *sys.argv[2:]))
