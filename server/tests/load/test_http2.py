"""HTTP/2 in a process of its own: whatever a client does or leaves undone, memory stays bounded."""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import hpack
import pytest

if TYPE_CHECKING:
    from server.tests.load.conftest import ServedProcess, Serving, Settled

pytestmark = [pytest.mark.every_python, pytest.mark.slow]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
BOUND = 8 * MIB

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 2, 3, 4, 6, 7, 8, 9,
)  # fmt: skip
ACK = END_STREAM = 1
END_HEADERS = 4
WINDOW = 2**31 - 1
CALM = 11  # ENHANCE_YOUR_CALM


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame."""
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def settings(values: Mapping[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in values.items()))


def window(stream: int, size: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))


def block(path: str, method: str = "GET") -> bytes:
    """The fields of a request, in literals that change no table."""
    fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")]
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    return bytes(encoder.encode(fields))[1:]


def get(stream: int, path: str) -> bytes:
    """A whole request."""
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, block(path))


class Client:
    """A connection; frames are read one by one."""

    def __init__(self, server: ServedProcess, **announced: int) -> None:
        self.sock = server.connect("h2")
        self.received = b""
        self.seen: list[tuple[int, int, int, bytes]] = []
        names = {"window": 4, "push": 2}
        self.sock.sendall(PREFACE + settings({names[name]: value for name, value in announced.items()}))
        self.take(SETTINGS, ACK)
        self.sock.sendall(frame(SETTINGS, ACK, 0))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, *frames: bytes) -> None:
        """Send frames in one write."""
        self.sock.sendall(b"".join(frames))

    def frame(self) -> tuple[int, int, int, bytes]:
        """The next frame: kind, flags, stream, payload."""
        header = self._exactly(9)
        size = int.from_bytes(header[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", header[3:])
        return kind, flags, stream, self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        while len(self.received) < size:
            data = self.sock.recv(MIB)
            if not data:
                raise EOFError
            self.received += data
        taken, self.received = self.received[:size], self.received[size:]
        return taken

    def take(self, kind: int, flags: int = 0, stream: int | None = None) -> tuple[int, int, int, bytes]:
        """The next frame of this kind; the others are passed over."""
        while True:
            each = self.frame()
            if each[0] == kind and each[1] & flags == flags and stream in (None, each[2]):
                return each

    def body(self, stream: int) -> bytes:
        """The body of a response, its window given back as it is read."""
        body = b""
        while True:
            kind, flags, on, payload = self.frame()
            if kind == DATA and payload:
                self.send(window(0, len(payload)), window(on, len(payload)))
            if on == stream and kind == DATA:
                body += payload
            if on == stream and kind in (DATA, HEADERS) and flags & END_STREAM:
                return body

    def goodbye(self) -> int:
        """Read up to GOAWAY, and say with which error it came; the server closes after it."""
        error = int.from_bytes(self.take(GOAWAY)[3][4:8], "big")
        try:
            while True:
                self.frame()
        except (EOFError, ConnectionError):
            return error


def warm(server: ServedProcess) -> int:
    """What a first connection needs is there afterwards: how much memory is in use then."""
    for _ in range(2):
        with Client(server, window=WINDOW) as client:
            client.send(window(0, WINDOW - 65535), get(1, "/flood?size=4194304"))
            assert len(client.body(1)) == 4 * MIB
            client.send(frame(HEADERS, END_HEADERS, 3, block("/echo", "POST")))
            client.send(frame(DATA, 0, 3, bytes(16384)), frame(DATA, END_STREAM, 3, bytes(16384)))
            assert len(client.body(3)) == 32768
    return server.memory()


# --- backpressure -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream_window", "connection_window"),
    [(65535, 65535), (WINDOW, WINDOW), (1, WINDOW), (WINDOW, 65535)],
    ids=["usual windows", "open windows", "a stream's window of 1", "the connection's window shut"],
)
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_a_gigabyte_streamed_to_a_client_that_does_not_read_stays_with_the_application(
    serving: Serving, settled: Settled, stream_window: int, connection_window: int, tls: bool
) -> None:
    server = serving(tls=tls)
    before = warm(server)
    base = server.progress()["sent"]
    with Client(server, window=stream_window) as client:
        if connection_window > 65535:
            client.send(window(0, connection_window - 65535))
        client.send(get(1, f"/flood?size={GIB}"))
        sent = settled(lambda: server.progress()["sent"]) - base
        assert sent < GIB // 16
        assert server.memory() - before < BOUND
        assert server.get("/hello") == b"hello"


def test_as_many_streams_as_may_be_open_are_bounded_together(serving: Serving, settled: Settled) -> None:
    server = serving()
    before = warm(server)
    base = server.progress()["sent"]
    with Client(server, window=WINDOW) as client:
        client.send(*(get(stream, f"/flood?size={GIB}") for stream in range(1, 200, 2)))
        sent = settled(lambda: server.progress()["sent"]) - base
        assert sent < 100 * 4 * 65536
        # 100 streams, each with up to 64 KiB of its own and one part of its application's that waits.
        assert server.memory() - before < 100 * 2 * 65536 + BOUND


def test_a_gigabyte_sent_to_an_application_that_does_not_read_stays_with_the_client(
    serving: Serving,
) -> None:
    """A client that heeds no window is cut off; one that does can send one window."""
    server = serving()
    before = warm(server)
    with Client(server) as client:
        client.send(frame(HEADERS, END_HEADERS, 1, block("/deaf", "POST")))
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < GIB:
                client.send(frame(DATA, 0, 1, bytes(16384)))
                sent += 16384
        assert sent < GIB // 16
        assert server.memory() - before < BOUND
        assert server.get("/hello") == b"hello"


def test_stalled_uploads_on_all_streams_are_bounded_together(serving: Serving, settled: Settled) -> None:
    server = serving()
    before = warm(server)
    with Client(server) as client:
        size = 65536 - 16384
        for stream in range(1, 200, 2):
            client.send(frame(HEADERS, END_HEADERS, stream, block("/deaf", "POST")))
            client.send(*[frame(DATA, 0, stream, bytes(16384))] * (size // 16384))
        assert settled(lambda: server.progress()["deaf"]) == 100
        assert server.memory() - before < 100 * size * 2 + BOUND
        client.send(frame(PING, 0, 0, bytes(8)))
        client.take(PING, ACK)
        assert server.get("/hello") == b"hello"


# --- floods -------------------------------------------------------------------------------------------------

OPEN = block("/deaf", "POST")
NUMBERS = range(1, 200_000, 2)


def each(*make: Callable[[int], bytes]) -> Callable[[], Iterator[bytes]]:
    """The frames that are made for one stream after the other."""
    return lambda: (b"".join(one(stream) for one in make) for stream in NUMBERS)


def same(data: bytes) -> Callable[[], Iterator[bytes]]:
    """The same bytes, a hundred thousand times."""
    return lambda: itertools.repeat(data, len(NUMBERS))


FLOODS: dict[str, tuple[bytes, Callable[[], Iterator[bytes]]]] = {
    "rapid reset": (b"", each(lambda s: get(s, "/deaf"), lambda s: frame(RST_STREAM, 0, s, b"\0\0\0\x08"))),
    "malformed requests": (b"", each(lambda s: frame(HEADERS, 5, s, block("/")[:3]))),
    "PING": (b"", same(frame(PING, 0, 0, bytes(8)))),
    "SETTINGS": (b"", same(frame(SETTINGS, 0, 0))),
    "empty DATA": (frame(HEADERS, END_HEADERS, 1, OPEN), same(frame(DATA, 0, 1))),
    "empty CONTINUATION": (frame(HEADERS, 0, 1, OPEN), same(frame(CONTINUATION, 0, 1))),
    "CONTINUATION of fields": (
        frame(HEADERS, 0, 1, OPEN),
        same(frame(CONTINUATION, 0, 1, b"\0\1x\1y" * 3000)),
    ),
    "PRIORITY": (b"", each(lambda s: frame(PRIORITY, 0, s, bytes(4) + b"\x0f"))),
    "PRIORITY_UPDATE": (b"", each(lambda s: frame(16, 0, 0, struct.pack(">I", s) + b"u=1"))),
    "WINDOW_UPDATE": (b"", same(window(0, 1))),
    "an HPACK bomb": (
        b"",
        each(
            lambda s: frame(
                HEADERS, 5, s, block("/") + b"\x40\1x\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 12_000
            )
        ),
    ),
}


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("reads", [True, False], ids=["who reads", "who doesn't read"])
def test_a_flood_fills_no_memory(serving: Serving, name: str, reads: bool) -> None:
    before, generate = FLOODS[name]
    server = serving()
    base = warm(server)
    rounds = generate()
    with Client(server) as client:
        client.sock.settimeout(5)
        client.sock.setblocking(True)
        try:
            client.send(before)
            for _ in range(200):
                client.send(*itertools.islice(rounds, 500))
        except (OSError, TimeoutError):
            pass
        assert server.memory() - base < BOUND
        if reads:
            try:
                assert client.goodbye() in (CALM, 1)
            except (EOFError, ConnectionError):
                pass  # it sent on, and was reset
    assert server.get("/hello") == b"hello"
    assert server.memory() - base < BOUND


def test_connections_leave_nothing_behind(serving: Serving, settled: Settled) -> None:
    server = serving()

    def converse() -> int:
        for number in range(40):
            with Client(server) as client:
                client.send(*(get(stream, "/hello") for stream in range(1, 21, 2)))
                for _ in range(10 if number % 2 else 0):
                    client.take(DATA, END_STREAM)
                client.send(get(21, "/events"), frame(RST_STREAM, 0, 21, b"\0\0\0\x08"), get(23, "/events"))
        return settled(lambda: int(server.get("/objects")))

    converse()
    before, memory = converse(), server.memory()
    assert converse() - before < 200
    assert server.memory() - memory < MIB


def test_an_idle_connection_costs_little(serving: Serving, settled: Settled) -> None:
    server = serving()
    warm(server)
    before = settled(server.memory)
    clients = [Client(server) for _ in range(200)]
    for client in clients:
        client.send(get(1, "/hello"))
        client.take(DATA, END_STREAM)
    assert (settled(server.memory) - before) / len(clients) < 40 * KIB
    for client in clients:
        client.sock.close()
