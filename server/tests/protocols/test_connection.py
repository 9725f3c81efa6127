"""What every connection has, whatever it speaks: addresses, flow control, deadlines, an end."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

import asgiworker
from asgiworker.protocols.connection import Connection

if TYPE_CHECKING:
    from asgiworker.asgi.types import Receive, Scope, Send
    from server.tests.conftest import Connect, RawClient
    from server.tests.protocols.conftest import Application, Mirror, OpenWire, Wire

pytestmark = pytest.mark.every_python

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
LARGE = b"x" * 100_000


# --- addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "local", "client", "server", "named"),
    [
        (("192.0.2.7", 5), ("198.51.100.1", 80), ("192.0.2.7", 5), ("198.51.100.1", 80), "192.0.2.7:5"),
        (
            *(("2001:db8::7", 5, 0, 0), ("2001:db8::1", 80, 0, 0)),
            *(("2001:db8::7", 5), ("2001:db8::1", 80), "[2001:db8::7]:5"),
        ),
        ("", "/run/server.sock", None, ("/run/server.sock", None), "a client on a UNIX socket"),
        ("", b"\0abstract", None, ("\0abstract", None), "a client on a UNIX socket"),
    ],
)
async def test_the_ends_of_a_connection(
    open_wire: OpenWire,
    mirror: Mirror,
    peer: object,
    local: object,
    client: object,
    server: object,
    named: str,
):
    wire = open_wire(mirror, peer=peer, local=local)
    await wire.send(GET)
    scope = mirror.seen[0].scope
    assert (scope["client"], scope["server"]) == (client, server)
    assert wire.connection.peer() == named


async def test_the_ends_of_a_connection_over_tcp(connect: Connect, mirror: Mirror):
    async with asgiworker.running(mirror) as server:
        client = await connect(server.url)
        await client.send(GET)
        await client.rest()
        scope = mirror.seen[0].scope
        assert scope["client"] == client.writer.get_extra_info("sockname")
        assert scope["server"] == client.writer.get_extra_info("peername")
        assert [type(part) for part in (*scope["client"], *scope["server"])] == [str, int, str, int]


@pytest.mark.parametrize("local", [("198.51.100.1", 80), None])
async def test_a_client_of_whom_nothing_is_known_any_more_is_not_served(
    open_wire: OpenWire, mirror: Mirror, local: object
):
    wire = open_wire(mirror, peer=None, local=local)
    assert wire.connection.transport.is_closing()
    assert wire.connection.peer() == "a client that has gone"
    assert not mirror.seen


async def test_nor_is_it_told_that_too_many_have_come(open_wire: OpenWire, mirror: Mirror):
    wire = open_wire(mirror, peer=None, limit_connections=1)
    assert not open_wire(wire.service, peer=None).finished


async def test_a_client_that_resets_at_once_does_not_pass_for_a_trusted_proxy_on_a_unix_socket(
    connect: Connect, mirror: Mirror
):
    async with asgiworker.running(mirror) as server:
        url = urlsplit(server.url)
        for _ in range(20):
            # All of it before the loop turns: the server sees a connection that is reset by then.
            with socket.create_connection((url.hostname or "", url.port or 0)) as hasty:
                hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                hasty.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
        client = await connect(server.url)
        await client.send(GET)
        await client.rest()
        assert [seen.scope["client"] for seen in mirror.seen] == [client.writer.get_extra_info("sockname")]


async def test_the_ends_of_a_connection_over_a_unix_socket(connect: Connect, mirror: Mirror, tmp_path: Path):
    async with asgiworker.running(mirror, bind=[f"unix:{tmp_path}/s"]) as server:
        client = await connect(server.url)
        await client.send(GET)
        await client.rest()
    scope = mirror.seen[0].scope
    assert (scope["client"], scope["server"]) == (None, (f"{tmp_path}/s", None))


# --- the client reads slowly --------------------------------------------------------------------------------


def reading(state: dict[str, int]) -> Application:
    """An application that sends a large part whenever `send` lets it, and counts them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(10):
            await send({"type": "http.response.body", "body": LARGE, "more_body": True})
            state["sent"] = state.get("sent", 0) + 1
        await send({"type": "http.response.body", "body": b""})

    return app


async def stalled(open_wire: OpenWire, state: dict[str, int]) -> Wire:
    """A connection whose client doesn't read, so that the application waits in `send`."""
    wire = open_wire(reading(state))
    wire.reads = False
    await wire.send(GET)
    return wire


async def test_an_application_waits_while_the_client_does_not_read(open_wire: OpenWire):
    state: dict[str, int] = {}
    wire = await stalled(open_wire, state)
    before = state.get("sent", 0)
    assert before <= 1
    assert wire.waiting <= 2 * len(LARGE) + 1000
    await wire.settle()
    assert state.get("sent", 0) == before
    wire.take()
    await wire.settle()
    assert state["sent"] == 10
    assert wire.responses()[0].body == LARGE * 10


async def test_an_application_that_waits_is_told_when_the_client_goes(open_wire: OpenWire):
    ended: list[str] = []
    respond = reading({})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await respond(scope, receive, send)
        except asgiworker.ClientDisconnected:
            ended.append("told")

    wire = open_wire(app)
    wire.reads = False
    await wire.send(GET)
    assert ended == []
    wire.leave()
    await wire.settle()
    assert ended == ["told"]


async def test_one_that_is_cancelled_while_it_waits_leaves_the_others_waiting(open_wire: OpenWire):
    wire = await stalled(open_wire, {})
    first, second = (asyncio.ensure_future(wire.connection.drained()) for _ in range(2))
    await wire.settle()
    first.cancel()
    await wire.settle()
    assert first.cancelled()
    assert not second.done()
    wire.take()
    await second


async def test_nobody_waits_where_the_client_reads(open_wire: OpenWire, mirror: Mirror):
    wire = open_wire(mirror)
    await wire.connection.drained()


async def test_reading_is_paused_and_resumed_once(open_wire: OpenWire, mirror: Mirror):
    """The transports of both loops take a second call for a mistake; the wire of these tests does, too."""
    connection = open_wire(mirror).connection
    for _ in range(2):
        connection.pause_reading()
        connection.pause_reading()
        connection.resume_reading()
        connection.resume_reading()


async def test_progress_in_reading_moves_the_deadline(open_wire: OpenWire):
    wire = await stalled(open_wire, {})
    first = wire.connection.write_deadline
    wire.service.now += 10
    wire.waiting -= 1
    wire.connection.sweep(first)
    assert wire.connection.write_deadline == pytest.approx(first + 10)
    wire.connection.sweep(first + 10)
    await wire.settle()
    assert wire.aborted


async def test_a_closed_connection_whose_client_does_not_read_is_cut_off(
    open_wire: OpenWire, answer: Callable[..., Application]
):
    wire = open_wire(answer(LARGE))
    wire.reads = False
    await wire.send(GET)
    assert wire.closing
    assert not wire.lost
    await wire.overdue()
    assert wire.aborted
    assert wire.lost


async def test_so_is_one_whose_client_stops_when_it_has_read_nearly_all(
    open_wire: OpenWire, answer: Callable[..., Application]
):
    wire = open_wire(answer(LARGE))
    wire.reads = False
    await wire.send(GET)
    wire.waiting = 1000  # below the low-water mark
    wire.protocol.resume_writing()
    await wire.overdue()
    assert wire.aborted


# --- the end ------------------------------------------------------------------------------------------------


def broken_off(framing: list[tuple[bytes, bytes]]) -> Application:
    """An application that raises in the middle of its response, after its parts have left."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await send({"type": "http.response.start", "status": 200, "headers": framing})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await go_on.wait()
        raise RuntimeError("broken")

    go_on = asyncio.Event()
    app.go_on = go_on  # type: ignore[attr-defined]
    return app


async def part_and_end(client: RawClient, app: Application) -> tuple[bytes, bool]:
    """What came of a response that broke off after its first part, and whether the end was a reset."""
    received = await client.head()
    received += await client.exactly(4)
    app.go_on.set()  # type: ignore[attr-defined]
    try:
        return received + await client.rest(), False
    except ConnectionResetError:
        return received, True


async def test_a_response_without_a_length_that_breaks_off_ends_in_a_reset(
    connect: Connect, caplog: pytest.LogCaptureFixture
):
    """To a client of 1.0 a plain end would say that the response is complete (RFC 9112 §8)."""
    app = broken_off([])
    async with asgiworker.running(app) as server:
        client = await connect(server.url)
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        received, reset = await part_and_end(client, app)
    assert received.endswith(b"\r\n\r\npart")
    assert reset


@pytest.mark.parametrize("framing", [[], [(b"content-length", b"100")]])
async def test_a_response_with_a_length_or_chunks_that_breaks_off_is_incomplete_for_its_client(
    connect: Connect, caplog: pytest.LogCaptureFixture, framing: list[tuple[bytes, bytes]]
):
    app = broken_off(framing)
    async with asgiworker.running(app) as server:
        client = await connect(server.url)
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        received, _ = await part_and_end(client, app)
    assert received.partition(b"\r\n\r\n")[2].rstrip(b"\r\n") in (b"part", b"4\r\npart", b"4\r\np")


async def test_a_connection_is_forgotten_when_it_has_ended(open_wire: OpenWire, mirror: Mirror):
    service = open_wire.service(mirror)
    wires = [open_wire(service) for _ in range(3)]
    assert service.connections == {wire.connection for wire in wires}
    for wire in wires:
        wire.leave()
    assert service.connections == set()


async def test_a_client_that_resets_the_connection_harms_nobody(connect: Connect, mirror: Mirror):
    async with asgiworker.running(mirror) as server:
        for data in (b"", b"GET / HT", GET, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"):
            client = await connect(server.url)
            await client.send(data)
            sock = client.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.writer.transport.abort()
        client = await connect(server.url)
        await client.send(GET)
        assert b"200 OK" in await client.rest()
        await client.close()
        assert server.service.failures == 0


async def test_what_a_protocol_has_to_bring_is_demanded_of_it(open_wire: OpenWire, mirror: Mirror):
    connection = Connection(open_wire.service(mirror))
    for demanded in (lambda: connection.overdue(0.0), connection.retire):
        with pytest.raises(NotImplementedError):
            demanded()
