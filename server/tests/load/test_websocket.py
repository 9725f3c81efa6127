"""What WebSockets cost: idle, in a flood, with bombs, and when nobody reads. Memory stays bounded in each."""

from __future__ import annotations

import itertools
import re
import resource
import socket
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from server.tests.load.conftest import ServedProcess, Serving, Settled

pytestmark = [pytest.mark.every_python, pytest.mark.slow]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
MAX_SIZE = 16 * MIB  # of a message, by default

CONTINUATION, TEXT, BINARY, CLOSE, PING = 0x0, 0x1, 0x2, 0x8, 0x9
FIN, RSV1 = 0x80, 0x40

Push = Callable[[socket.socket, bytes, int], int]


@pytest.fixture(autouse=True)
def _enough_descriptors() -> Iterator[None]:
    """Room for the connections of a test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def frame(first: int, payload: bytes = b"") -> bytes:
    """A frame of a client, with a mask that changes nothing."""
    size = len(payload)
    width = 0 if size < 126 else 2 if size < 65536 else 8
    head = bytes((first, 0x80 | {0: size, 2: 126, 8: 127}[width]))
    return head + (size.to_bytes(width, "big") if width else b"") + bytes(4) + payload


def connect(server: ServedProcess, path: str, deflate: bool = False) -> socket.socket:
    """An open WebSocket."""
    sock = server.connect()
    # As browsers offer it.
    offer = b"sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n"
    sock.sendall(
        b"GET %b HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n%b"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        % (path.encode(), offer if deflate else b"")
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        assert data, head
        head += data
    assert head.startswith(b"HTTP/1.1 101 "), head
    assert not deflate or b"permessage-deflate" in head
    return sock


def exactly(sock: socket.socket, size: int) -> bytes:
    """So many bytes."""
    received = b""
    while len(received) < size:
        data = sock.recv(size - len(received))
        assert data, received
        received += data
    return received


def close_code(sock: socket.socket) -> int:
    """The code of the Close frame that the server ends with."""
    sock.settimeout(30)
    received = b"".join(iter(lambda: sock.recv(65536), b""))
    return int.from_bytes(received[received.index(b"\x88") + 2 :][:2], "big")


def peak(server: ServedProcess) -> int:
    """Bytes of memory that were in use at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * KIB


# --- idle ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["plain", "compressing"])
def test_an_idle_websocket_costs_little(serving: Serving, settled: Settled, kind: str) -> None:
    server = serving()
    compressor = zlib.compressobj(wbits=-12)
    data = (compressor.compress(b"hello " * 100) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def idle(number: int) -> list[socket.socket]:
        clients = [connect(server, "/echo", deflate=kind == "compressing") for _ in range(number)]
        for client in clients:
            if kind == "compressing":
                client.sendall(frame(FIN | RSV1 | TEXT, data))
                size = exactly(client, 2)[1]
                exactly(client, size)
            else:
                client.sendall(frame(FIN | TEXT, b"hello"))
                assert exactly(client, 7) == b"\x81\x05hello"
        return clients

    for client in idle(20):  # the first few are there for what comes with them
        client.close()
    before = settled(server.memory)
    clients = idle(300)
    # Both windows and the state of the compressor count in the second case.
    assert (settled(server.memory) - before) / 300 < (16 if kind == "plain" else 100) * KIB
    for client in clients:
        client.close()


def test_websockets_that_have_gone_leave_nothing_behind(serving: Serving, settled: Settled) -> None:
    server = serving("--ws-close-timeout", "0.2")

    def come_and_go(number: int) -> int:
        for index in range(number):
            with connect(server, "/echo", deflate=bool(index % 2)) as client:
                client.sendall(frame(FIN | TEXT, b"hello"))
                assert exactly(client, 7) == b"\x81\x05hello"
                if index % 3 == 0:
                    client.sendall(frame(FIN | CLOSE, b"\x03\xe8"))
                    assert exactly(client, 4) == b"\x88\x02\x03\xe8"
                elif index % 3 == 1:
                    client.sendall(b"\xff\xff")
                    assert close_code(client) == 1002
        assert settled(lambda: server.progress()["websockets"]) == 0
        return int(settled(lambda: server.get("/objects")))

    before = come_and_go(60)
    assert come_and_go(300) - before < 100


# --- bombs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fragments", [1, 100])
def test_a_bomb_is_defused_within_the_limits_memory(serving: Serving, fragments: int) -> None:
    server = serving()
    server.get("/hello")
    compressor = zlib.compressobj(9, wbits=-12)
    parts = [compressor.compress(bytes(16 * MIB)) for _ in range(32)]
    bomb = b"".join([*parts, compressor.flush(zlib.Z_SYNC_FLUSH)])[:-4]  # half a gigabyte in half a megabyte
    size = len(bomb) // fragments + 1
    pieces = [bomb[begin : begin + size] for begin in range(0, len(bomb), size)]
    wire = b"".join(
        frame((0 if index else RSV1 | BINARY) | (FIN if index == len(pieces) - 1 else 0), piece)
        for index, piece in enumerate(pieces)
    )
    before = peak(server)
    for _ in range(3):
        with connect(server, "/echo", deflate=True) as client:
            try:
                client.sendall(wire)
                assert close_code(client) == 1009
            except ConnectionError:
                pass  # it is closed while there is still something to come
    assert peak(server) - before < 4 * MAX_SIZE
    assert server.get("/hello") == b"hello"


def test_a_message_too_large_is_refused_before_it_fills_memory(serving: Serving, push: Push) -> None:
    server = serving()
    server.get("/hello")
    before = peak(server)
    with connect(server, "/echo") as client:
        client.sendall(bytes((FIN | BINARY, 0xFF)) + (1 << 40).to_bytes(8, "big") + bytes(4))
        assert close_code(client) == 1009
    with connect(server, "/echo") as client:
        client.sendall(frame(BINARY))
        try:
            push(client, frame(CONTINUATION, bytes(MIB)), 64)
        except ConnectionError:
            pass
    assert peak(server) - before < 3 * MAX_SIZE


@pytest.mark.parametrize("piece", [b"", b"x", "é".encode()], ids=["empty", "one byte", "one character"])
@pytest.mark.parametrize("kind", [TEXT, BINARY], ids=["text", "binary"])
def test_a_message_in_countless_fragments_is_bounded(
    serving: Serving, push: Push, piece: bytes, kind: int
) -> None:
    server = serving()
    server.get("/hello")
    before = peak(server)
    with connect(server, "/echo") as client:
        client.sendall(frame(kind))
        try:
            push(client, frame(CONTINUATION, piece) * 1000, 1000)
            assert close_code(client) == 1008
        except ConnectionError:
            pass
    assert peak(server) - before < 2 * MAX_SIZE
    assert server.get("/hello") == b"hello"


# --- nobody reads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "size"),
    [(FIN | BINARY, MIB), (FIN | BINARY, 1000), (FIN | TEXT, 1), (FIN | BINARY, 0)],
    ids=["a mebibyte", "a kilobyte", "a byte", "nothing"],
)
def test_messages_that_the_application_does_not_receive_stay_with_the_client(
    serving: Serving, push: Push, first: int, size: int
) -> None:
    server = serving("--ws-ping-interval", "0")
    server.get("/hello")
    before = server.memory()
    with connect(server, "/deaf") as client:
        message = frame(first, b"x" * size)
        wire = message * (1 + 65536 // len(message))
        assert 0 < push(client, wire, GIB // 8 // len(wire)) < GIB // 8 - len(wire)
        # A message that came is there whole; beside it, what waits is bounded by the queue's bytes.
        assert server.memory() - before < 8 * MIB + size
        assert server.get("/hello") == b"hello"


def test_compressed_messages_that_the_application_does_not_receive_are_bounded_by_what_they_become(
    serving: Serving, push: Push
) -> None:
    server = serving("--ws-ping-interval", "0")
    server.get("/hello")
    compressor = zlib.compressobj(9, wbits=-12)
    data = (compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_FULL_FLUSH))[:-4]
    before = server.memory()
    with connect(server, "/deaf", deflate=True) as client:
        push(client, frame(FIN | RSV1 | BINARY, data) * 50, 200)  # ten gigabytes, if anyone inflated them
        assert server.memory() - before < 16 * MIB
        assert server.get("/hello") == b"hello"


def test_messages_that_the_client_does_not_read_stay_with_the_application(
    serving: Serving, settled: Settled
) -> None:
    server = serving("--ws-ping-interval", "0")
    server.get("/hello")
    before = server.memory()
    with connect(server, "/flood"):
        sent = settled(lambda: server.progress()["sent"])
        assert 0 < sent < GIB // 16
        assert server.memory() - before < 8 * MIB


def test_pings_whose_pongs_nobody_reads_are_bounded(serving: Serving, push: Push) -> None:
    server = serving("--ws-ping-interval", "0")
    server.get("/hello")
    before = server.memory()
    with connect(server, "/echo") as client:
        try:
            push(client, frame(FIN | PING, bytes(125)) * 500, 5000)
        except ConnectionError:
            pass
        assert server.memory() - before < 8 * MIB
        assert server.get("/hello") == b"hello"


def test_thousands_of_messages_leave_nothing_behind(serving: Serving) -> None:
    server = serving()

    def talk(number: int) -> None:
        with connect(server, "/echo") as client:
            batch = frame(FIN | TEXT, b"hello") * 100
            for _ in itertools.repeat(None, number // 100):
                client.sendall(batch)
                assert exactly(client, 700) == b"\x81\x05hello" * 100

    talk(5_000)
    objects, memory = int(server.get("/objects")), server.memory()
    talk(30_000)
    assert int(server.get("/objects")) - objects < 50
    assert server.memory() - memory < MIB
