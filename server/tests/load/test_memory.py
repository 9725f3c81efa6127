"""Memory stays: idle connections are small, and requests leave nothing behind."""

from __future__ import annotations

import itertools
import resource
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from server.tests.load.conftest import ServedProcess, Serving, Settled

KIB = 1024

HELLO = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"
# Each way in which a request can live, as it leaves the connection open.
REQUESTS = (
    HELLO,
    b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
    b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /hello HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
    b"HEAD /hello HTTP/1.1\r\nhost: a\r\nx-one: 1\r\nx-two: 2\r\n\r\n",
)


@pytest.fixture(autouse=True)
def _enough_descriptors() -> Iterator[None]:
    """Room for the connections of a test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def receive(sock: socket.socket, heads: int) -> bytes:
    """Read until so many responses have begun, and what came with the last of them."""
    received = b""
    while received.count(b"HTTP/1.1 ") < heads or not received.endswith((b"hello", b"\r\n\r\n")):
        data = sock.recv(1 << 20)
        assert data, received[-500:]
        received += data
    return received


def exchange(server: ServedProcess, requests: int, pipelined: int = 60) -> None:
    """Send so many requests over ten connections, and read every response."""
    clients = [server.connect() for _ in range(10)]
    batch = b"".join(itertools.islice(itertools.cycle(REQUESTS), pipelined))
    for _, client in zip(range(requests // pipelined), itertools.cycle(clients), strict=False):
        client.sendall(batch)
        assert receive(client, pipelined).count(b"HTTP/1.1 200 ") == pipelined
    for client in clients:
        client.close()


def idle_connections(server: ServedProcess, number: int) -> list[socket.socket]:
    """Connections that have had one answer each."""
    clients = [server.connect() for _ in range(number)]
    for client in clients:
        client.sendall(HELLO)
        receive(client, 1)
    return clients


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_an_idle_connection_costs_little(serving: Serving, settled: Settled, tls: bool) -> None:
    server = serving(tls=tls)
    many = 500 if not tls else 100
    for client in idle_connections(server, 20):  # the first few are there for what comes with them
        client.close()
    before = settled(server.memory)
    clients = idle_connections(server, many)
    assert (settled(server.memory) - before) / many < (300 if tls else 8) * KIB
    for client in clients:
        client.close()


def test_connections_that_have_gone_leave_nothing_behind(serving: Serving, settled: Settled) -> None:
    server = serving()
    counts = []
    for _ in range(3):
        clients = [server.connect() for _ in range(300)]
        for number, client in enumerate(clients):
            client.sendall(HELLO if number % 2 else HELLO[:-2])
        for client in clients[1::2]:
            receive(client, 1)
        for client in clients:
            client.close()
        counts.append(settled(lambda: int(server.get("/objects"))))
    assert counts[-1] - counts[0] < 50


def test_twenty_thousand_requests_leave_nothing_behind(serving: Serving) -> None:
    server = serving()
    exchange(server, 4_000)
    objects, memory = int(server.get("/objects")), server.memory()
    exchange(server, 20_000)
    assert int(server.get("/objects")) - objects < 50
    assert server.memory() - memory < 1024 * KIB


def test_requests_that_go_wrong_leave_nothing_behind(serving: Serving) -> None:
    server = serving()
    wrong = (
        b"GET /missing HTTP/1.1\r\nhost: a\r\n\r\n",  # the application raises
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"nonsense\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nnot all of it",
        b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
        b"GET /flood?size=10000000 HTTP/1.1\r\nhost: a\r\n\r\n",  # not read to its end
    )

    def go_wrong(times: int) -> int:
        for request in itertools.chain.from_iterable(itertools.repeat(wrong, times)):
            with server.connect() as client:
                client.sendall(request)
                if not request.endswith(b"not all of it"):
                    assert client.recv(1000)
        return int(server.get("/objects"))

    before = go_wrong(50)
    assert go_wrong(150) - before < 100
