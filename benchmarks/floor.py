"""The floor: a bare uvloop protocol that looks for the end of a head and answers a constant.

No parser, no application, no HTTP to speak of; files go out by ``sendfile``. What a server costs above this
is what it does; what the floor costs is the kernel, the event loop and a Python call or two.

    python -m benchmarks.floor PORT
"""

import asyncio
import os
import sys
from typing import cast

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
        target = data[data.index(b" ") + 1 : data.index(b" HTTP/1.1\r\n")]
        if target.startswith(b"/file/"):
            self.send_file(target[6:].decode())
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


async def serve(port: int) -> None:
    """Accept connections until the process is told to go."""
    server = await asyncio.get_running_loop().create_server(Floor, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
