"""A connection on which all is said: what becomes of it while its client sends on, reads, or does neither."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from asgiworker.protocols.lingering import LINGER, LINGER_BOUND, Lingering

if TYPE_CHECKING:
    from asgiworker.asgi.types import Receive, Scope, Send
    from server.tests.protocols.conftest import Mirror, OpenWire, Wire

pytestmark = pytest.mark.every_python

WRONG = b"GET / HTTP/1.1\r\nno field\r\n\r\n"


async def refused(open_wire: OpenWire, mirror: Mirror, *, reads: bool = True) -> Wire:
    """A connection whose client was told that it is wrong, and that the server says no more."""
    wire = open_wire(mirror)
    wire.reads = reads
    await wire.send(WRONG)
    assert isinstance(wire.protocol, Lingering)
    assert wire.finished
    return wire


async def test_it_is_the_same_connection(open_wire: OpenWire, mirror: Mirror):
    wire = await refused(open_wire, mirror)
    assert wire.service.connections == {wire.protocol}
    assert wire.service.admitted == 1
    wire.leave()
    assert wire.service.connections == set()
    assert wire.service.admitted == 0


async def test_what_is_sent_on_is_read_away_up_to_a_bound(open_wire: OpenWire, mirror: Mirror):
    wire = await refused(open_wire, mirror)
    said = bytes(wire.sent)
    await wire.send(bytes(LINGER_BOUND - 1))
    assert not wire.closing
    await wire.send(b"xy")
    assert wire.aborted
    assert bytes(wire.sent) == said
    assert mirror.seen == []


async def test_it_ends_with_its_clients_side(open_wire: OpenWire, mirror: Mirror):
    wire = await refused(open_wire, mirror)
    wire.half_close()
    await wire.settle()
    assert wire.lost
    assert not wire.aborted


async def test_a_client_that_does_not_close_has_a_moment(open_wire: OpenWire, mirror: Mirror):
    wire = await refused(open_wire, mirror)
    assert wire.protocol.deadline == pytest.approx(wire.service.now + LINGER)
    await wire.overdue()
    assert wire.aborted


async def test_one_that_still_reads_has_another(open_wire: OpenWire, mirror: Mirror):
    wire = await refused(open_wire, mirror, reads=False)
    wire.protocol.write_deadline = float("inf")
    await wire.overdue()
    assert not wire.aborted
    wire.take()
    await wire.overdue()
    assert wire.aborted


async def test_one_that_reads_nearly_all_and_no_more_is_cut_off(open_wire: OpenWire, mirror: Mirror):
    wire = await refused(open_wire, mirror, reads=False)
    wire.protocol.resume_writing()
    due = wire.protocol.write_deadline
    assert due < float("inf")
    wire.protocol.sweep(due)
    assert wire.aborted


@pytest.mark.parametrize("reads", [True, False], ids=["all is read", "not all is read"])
async def test_the_end_of_the_server_is_its_end(open_wire: OpenWire, mirror: Mirror, reads: bool):
    wire = await refused(open_wire, mirror, reads=reads)
    wire.protocol.retire()
    assert not wire.closing, "its moment isn't over"
    wire.protocol.end()
    await wire.settle()
    assert wire.lost
    assert wire.aborted is not reads


async def test_nobody_lingers_for_a_client_that_has_closed_its_side_before(open_wire: OpenWire):
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    wire = open_wire(app)
    await wire.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" + WRONG)
    wire.half_close()
    go.set()
    await wire.settle()
    assert [each.status for each in wire.responses()] == [200, 400]
    assert wire.lost
    assert not wire.aborted
