"""Backpressure both ways: who doesn't read holds the other side back, and no memory fills meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from server.tests.load.conftest import Serving, Settled

pytestmark = pytest.mark.every_python

MIB = 1024 * 1024
GIB = 1024 * MIB
BOUND = 8 * MIB

KINDS = pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])

Push = Callable[[socket.socket, bytes, int], int]


@KINDS
def test_a_gigabyte_streamed_to_a_client_that_does_not_read_stays_with_the_application(
    serving: Serving, settled: Settled, tls: bool
) -> None:
    server = serving(tls=tls)
    assert len(server.get("/flood?size=4194304")) > 4 * MIB  # what a first response needs is there by now
    before = server.memory()
    with server.connect() as client:
        client.sendall(b"GET /flood?size=%d HTTP/1.1\r\nhost: a\r\n\r\n" % GIB)
        sent = settled(lambda: server.progress()["sent"]) - 4 * MIB
        assert 0 < sent < GIB // 16
        assert server.memory() - before < BOUND
        assert server.get("/hello") == b"hello"
        for _ in range(64):  # when it reads, it goes on, and still nothing fills
            assert client.recv(MIB)
        assert settled(lambda: server.progress()["sent"]) > sent
        assert server.memory() - before < BOUND


@pytest.mark.parametrize(
    ("tls", "coding", "parts"),
    [(False, "content-length", 0), (False, "chunked", 1), (True, "content-length", 1)],
)
def test_a_gigabyte_sent_to_an_application_that_does_not_read_stays_with_the_client(
    serving: Serving, push: Push, tls: bool, coding: str, parts: int
) -> None:
    server = serving(tls=tls)
    server.get("/hello")
    with server.connect() as client:  # what a first body needs is there afterwards
        client.sendall(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % MIB + bytes(MIB))
        assert client.recv(12) == b"HTTP/1.1 200"
    before = server.memory()
    with server.connect() as client:
        framing = b"transfer-encoding: chunked" if coding == "chunked" else b"content-length: %d" % GIB
        client.sendall(b"POST /deaf?parts=%d HTTP/1.1\r\nhost: a\r\n%b\r\n\r\n" % (parts, framing))
        body = b"10000\r\n" + bytes(65536) + b"\r\n" if coding == "chunked" else bytes(65536)
        sent = push(client, body, GIB // 65536)
        assert 0 < sent < GIB // 8
        assert server.progress()["deaf"] == 1
        assert server.memory() - before < BOUND
        assert server.get("/hello") == b"hello"


def test_tiny_parts_of_a_body_that_nobody_reads_are_bounded_as_well(serving: Serving, push: Push) -> None:
    server = serving()
    server.get("/hello")
    before = server.memory()
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(b"POST /deaf HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        assert push(client, b"1\r\nx\r\n" * 1000, 100_000) < 64 * MIB
        assert server.memory() - before < BOUND


def test_pipelined_requests_whose_responses_nobody_reads_wait(
    serving: Serving, settled: Settled, push: Push
) -> None:
    server = serving()
    server.get("/large")
    before = server.memory()
    with server.connect() as client:
        sent = push(client, b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n" * 100, 10_000)
        calls = settled(lambda: server.progress()["calls"])
        assert 0 < calls < 32
        assert sent < 64 * MIB
        assert server.memory() - before < BOUND
        assert server.get("/hello") == b"hello"


def test_many_clients_that_do_not_read_cost_a_bounded_sum_each(serving: Serving, settled: Settled) -> None:
    server = serving()
    server.get("/flood?size=4194304")
    before = server.memory()
    clients = [server.connect() for _ in range(20)]
    for client in clients:
        client.sendall(b"GET /flood?size=%d HTTP/1.1\r\nhost: a\r\n\r\n" % GIB)
    settled(lambda: server.progress()["sent"])
    assert server.memory() - before < BOUND + len(clients) * 512 * 1024
    for client in clients:
        client.close()
