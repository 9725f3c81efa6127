"""RFC 9218: extensible priorities. What is urgent overtakes; what is incremental is shared out."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

from asgiworker.asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.http2.conftest import Client, Opener

pytestmark = pytest.mark.every_python

START = {"type": "http.response.start", "status": 200}
WINDOW = 65535
SIZE = 40_000  # of a response: less than a window


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    """`/fill` takes the whole window of the connection, any other path 40,000 bytes of it."""
    await send(START)
    size = WINDOW if scope["path"] == "/fill" else SIZE
    await send({"type": "http.response.body", "body": bytes(size)})


async def narrow(http2: Opener) -> Client:
    """A connection on which nothing more can be sent until the test opens its window."""
    client = await http2(large, announces={"INITIAL_WINDOW_SIZE": 1 << 20})
    client.replenishes = False
    assert len((await client.get(b"/fill")).body) == WINDOW
    return client


async def asked(client: Client, *priorities: bytes | None) -> list[int]:
    """Requests with these priorities, all waiting for the window to open."""
    streams = []
    for priority in priorities:
        more = [(b"priority", priority)] if priority is not None else []
        streams.append(await client.request(b"GET", b"/", *more))
    await client.ping()
    return streams


async def order(client: Client, streams: list[int]) -> list[int]:
    """Open the window of the connection, and say in which order DATA came, each run of frames once."""
    seen = len(client.log)
    await client.send(("WINDOW_UPDATE", 0, 1 << 20))
    for stream in streams:
        assert (await client.answer(stream)).complete
    runs: list[int] = []
    for frame in client.log[seen:]:
        if frame.kind == "DATA" and frame.length and runs[-1:] != [frame.stream]:
            runs.append(frame.stream)
    return runs


async def test_the_server_says_that_the_old_priorities_mean_nothing(http2: Opener, mirror: Mirror) -> None:
    """§2.1."""
    client = await http2(mirror)
    assert client.settings["NO_RFC7540_PRIORITIES"] == 1


async def test_what_is_urgent_overtakes(http2: Opener) -> None:
    client = await narrow(http2)
    streams = await asked(client, b"u=7", b"u=3", b"u=0", b"u=5")
    first, second, third, fourth = streams
    assert await order(client, streams) == [third, second, fourth, first]


async def test_urgency_3_is_the_default(http2: Opener) -> None:
    client = await narrow(http2)
    streams = await asked(client, b"u=4", None, b"u=2")
    assert await order(client, streams) == streams[::-1]


async def test_without_i_streams_are_sent_one_after_the_other(http2: Opener) -> None:
    client = await narrow(http2)
    streams = await asked(client, b"u=3", b"u=3", None)
    assert await order(client, streams) == streams


async def test_with_i_streams_are_sent_side_by_side(http2: Opener) -> None:
    client = await narrow(http2)
    streams = await asked(client, b"u=3, i", b"u=3, i")
    runs = await order(client, streams)
    assert runs[:4] in (streams * 2, streams[::-1] * 2)


@pytest.mark.parametrize(
    "value",
    [b"", b"u", b"u=8", b"u=-1", b"u=a", b"u=1.5", b"i=?2", b"u=1;;", b"nonsense=", b"\xff", b"i=1, u=9"],
)
async def test_a_priority_that_makes_no_sense_is_none(http2: Opener, value: bytes) -> None:
    client = await narrow(http2)
    streams = await asked(client, b"u=4", value, b"u=2")
    assert await order(client, streams) == streams[::-1]


@pytest.mark.parametrize("value", [b"u=1,x=y", b"i=?0, u=1", b"u=1;x=y", b"x, u=1", b"u=5, u=1"])
async def test_what_is_unknown_in_a_priority_is_ignored(http2: Opener, value: bytes) -> None:
    client = await narrow(http2)
    streams = await asked(client, b"u=2", value)
    assert await order(client, streams) == streams[::-1]


async def test_a_priority_may_be_changed_on_the_way(http2: Opener) -> None:
    """§7.1."""
    client = await narrow(http2)
    streams = await asked(client, b"u=3", b"u=3", b"u=3")
    await client.send(("PRIORITY_UPDATE", 0, struct.pack(">I", streams[2]) + b"u=0"))
    await client.send(("PRIORITY_UPDATE", 0, struct.pack(">I", streams[0]) + b"u=7"))
    await client.ping()
    assert await order(client, streams) == [streams[2], streams[1], streams[0]]


async def test_a_priority_may_come_before_its_stream(http2: Opener) -> None:
    """§7."""
    client = await narrow(http2)
    coming = client.next_stream + 2
    await client.send(("PRIORITY_UPDATE", 0, struct.pack(">I", coming) + b"u=0"))
    streams = await asked(client, b"u=3", None)
    assert streams[1] == coming
    assert await order(client, streams) == streams[::-1]


async def test_a_priority_of_a_stream_that_is_over_is_ignored(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    assert (await client.get()).status == 200
    await client.send(("PRIORITY_UPDATE", 0, struct.pack(">I", 1) + b"u=0"))
    await client.goes_on()


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        pytest.param(
            ("PRIORITY_UPDATE", 1, struct.pack(">I", 1) + b"u=1"), ErrorCodes.PROTOCOL_ERROR, id="on a stream"
        ),
        pytest.param(
            ("PRIORITY_UPDATE", 0, struct.pack(">I", 0) + b"u=1"), ErrorCodes.PROTOCOL_ERROR, id="of stream 0"
        ),
        pytest.param(
            ("PRIORITY_UPDATE", 0, struct.pack(">I", 2) + b"u=1"),
            ErrorCodes.PROTOCOL_ERROR,
            id="of an idle push",
        ),
        pytest.param(("PRIORITY_UPDATE", 0, b"\0\0\0"), ErrorCodes.FRAME_SIZE_ERROR, id="too short"),
        pytest.param(
            ("SETTINGS", 0, {"NO_RFC7540_PRIORITIES": 2}), ErrorCodes.PROTOCOL_ERROR, id="a setting of 2"
        ),
    ],
)
async def test_a_priority_update_that_is_wrong_in_itself(
    http2: Opener, mirror: Mirror, frame: tuple[Any, ...], error: ErrorCodes
) -> None:
    client = await http2(mirror)
    await client.request(b"POST", ends=False)
    await client.send(frame)
    await client.fails(error)
