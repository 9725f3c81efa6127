"""RFC 9113 §5: the states of a stream, its number, how many there may be, errors, extensions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

from asgiworker.asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.http2.conftest import Opener, Until

pytestmark = pytest.mark.every_python

# A GET of / from "a", in literals and static entries alone: it means the same whatever was sent before.
BLOCK = b"\x82\x86\x84\x01\x01a"
POST_BLOCK = b"\x83\x86\x84\x01\x01a"
WHOLE = ("END_HEADERS", "END_STREAM")

START = {"type": "http.response.start", "status": 200}


class Gate:
    """An application that answers when it is let; `seen` are the paths that were asked for."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.seen: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope["path"])
        await self.open.wait()
        await send(START)
        await send({"type": "http.response.body", "body": scope["path"].encode()})


async def test_a_body_that_comes_with_its_head_is_there_when_the_application_asks(http2: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        content = b"receive() waits"
        try:
            next(iter(receive().__await__()))
        except StopIteration as end:
            content = end.value["body"]
        await send(START)
        await send({"type": "http.response.body", "body": content})

    client = await http2(app)
    await client.send(
        ("HEADERS", 1, POST_BLOCK, "END_HEADERS"), ("DATA", 1, b"all "), ("DATA", 1, b"of it", "END_STREAM")
    )
    assert (await client.answer(1)).body == b"all of it"


async def test_a_request_whose_reset_comes_with_it_never_reaches_the_application(http2: Opener) -> None:
    app = Gate()
    client = await http2(app)
    await client.send(("HEADERS", 1, BLOCK, *WHOLE), ("RST_STREAM", 1, 8), ("HEADERS", 3, BLOCK, *WHOLE))
    app.open.set()
    assert (await client.answer(3)).status == 200
    assert len(app.seen) == 1


# --- §5.1: states -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(("DATA", 1, b"x", "END_STREAM"), id="DATA"),
        pytest.param(("RST_STREAM", 1, 8), id="RST_STREAM"),
        pytest.param(("WINDOW_UPDATE", 1, 100), id="WINDOW_UPDATE"),
        pytest.param(("CONTINUATION", 1, BLOCK, *WHOLE), id="CONTINUATION"),
        pytest.param(("DATA", 2, b"x", "END_STREAM"), id="DATA on a stream of the server's"),
        pytest.param(("RST_STREAM", 2, 8), id="RST_STREAM on a stream of the server's"),
        pytest.param(("WINDOW_UPDATE", 2, 100), id="WINDOW_UPDATE on a stream of the server's"),
    ],
)
async def test_an_idle_stream_takes_only_headers_and_priority(
    http2: Opener, mirror: Mirror, frame: tuple[Any, ...]
) -> None:
    client = await http2(mirror)
    await client.send(frame)
    await client.fails(ErrorCodes.PROTOCOL_ERROR)


@pytest.mark.parametrize("stream", [1, 2, 77])
async def test_an_idle_stream_takes_priority(http2: Opener, mirror: Mirror, stream: int) -> None:
    client = await http2(mirror)
    await client.send(("PRIORITY", stream, bytes(4) + b"\x0f"))
    await client.goes_on()


async def test_priority_of_an_idle_stream_does_not_use_up_lower_ones(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(("PRIORITY", 77, bytes(4) + b"\x0f"))
    await client.send(("HEADERS", 1, BLOCK, *WHOLE))
    assert (await client.answer(1)).status == 200


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(("WINDOW_UPDATE", 1, 100), id="WINDOW_UPDATE"),
        pytest.param(("PRIORITY", 1, bytes(4) + b"\x0f"), id="PRIORITY"),
    ],
)
async def test_a_half_closed_stream_still_takes_what_is_about_the_response(
    http2: Opener, frame: tuple[Any, ...]
) -> None:
    app = Gate()
    client = await http2(app)
    await client.send(("HEADERS", 1, BLOCK, *WHOLE), frame)
    app.open.set()
    assert (await client.answer(1)).status == 200


async def test_a_half_closed_stream_may_be_reset(http2: Opener, until: Until) -> None:
    app = Gate()
    client = await http2(app)
    await client.send(("HEADERS", 1, BLOCK, *WHOLE))
    await until(lambda: app.seen)
    await client.send(("RST_STREAM", 1, ErrorCodes.CANCEL))
    await client.ping()
    app.open.set()
    client.next_stream = 3
    await client.goes_on()
    assert not [frame for frame in client.log if frame.stream == 1]


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(("DATA", 1, b"x", "END_STREAM"), id="DATA"),
        pytest.param(("HEADERS", 1, BLOCK, *WHOLE), id="HEADERS"),
    ],
)
async def test_what_follows_the_end_of_a_request_is_a_stream_closed_error(
    http2: Opener, frame: tuple[Any, ...]
) -> None:
    app = Gate()
    client = await http2(app)
    await client.send(("HEADERS", 1, BLOCK, *WHOLE), frame)
    await client.breaks(1, ErrorCodes.STREAM_CLOSED)
    app.open.set()


async def test_a_continuation_after_the_end_of_a_request_is_a_connection_error(http2: Opener) -> None:
    app = Gate()
    client = await http2(app)
    await client.send(("HEADERS", 1, BLOCK, *WHOLE), ("CONTINUATION", 1, BLOCK, *WHOLE))
    await client.fails(ErrorCodes.PROTOCOL_ERROR, ErrorCodes.STREAM_CLOSED)
    app.open.set()


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        pytest.param(("DATA", 1, b"x", "END_STREAM"), ErrorCodes.STREAM_CLOSED, id="DATA"),
        pytest.param(("HEADERS", 1, BLOCK, *WHOLE), ErrorCodes.STREAM_CLOSED, id="HEADERS"),
    ],
)
async def test_a_client_that_goes_on_after_its_own_reset_is_told_that_the_stream_is_closed(
    http2: Opener, mirror: Mirror, frame: tuple[Any, ...], error: ErrorCodes
) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, POST_BLOCK, "END_HEADERS"), ("RST_STREAM", 1, ErrorCodes.CANCEL), frame)
    await client.breaks(1, error)


@pytest.mark.parametrize("ends", ["reset", "answered"])
async def test_a_continuation_on_a_closed_stream_is_a_connection_error(
    http2: Opener, mirror: Mirror, ends: str
) -> None:
    client = await http2(mirror)
    if ends == "reset":
        await client.send(("HEADERS", 1, POST_BLOCK, "END_HEADERS"), ("RST_STREAM", 1, ErrorCodes.CANCEL))
    else:
        await client.send(("HEADERS", 1, BLOCK, *WHOLE))
        await client.answer(1)
    await client.send(("CONTINUATION", 1, BLOCK, *WHOLE))
    await client.fails(ErrorCodes.PROTOCOL_ERROR, ErrorCodes.STREAM_CLOSED)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(("DATA", 1, b"x", "END_STREAM"), id="DATA"),
        pytest.param(("HEADERS", 1, BLOCK, *WHOLE), id="HEADERS"),
    ],
)
async def test_a_stream_that_is_over_takes_no_more(
    http2: Opener, mirror: Mirror, frame: tuple[Any, ...]
) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, BLOCK, *WHOLE))
    assert (await client.answer(1)).complete
    await client.send(frame)
    await client.breaks(1, ErrorCodes.STREAM_CLOSED)
    assert len(mirror.seen) == 1


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(("PRIORITY", 1, bytes(4) + b"\x0f"), id="PRIORITY"),
        pytest.param(("WINDOW_UPDATE", 1, 100), id="WINDOW_UPDATE"),
        pytest.param(("RST_STREAM", 1, 8), id="RST_STREAM"),
    ],
)
async def test_what_may_cross_the_end_of_a_stream_is_ignored(
    http2: Opener, mirror: Mirror, frame: tuple[Any, ...]
) -> None:
    client = await http2(mirror)
    assert (await client.get()).complete
    await client.send(frame)
    await client.goes_on()


async def test_frames_that_cross_a_reset_of_the_servers_are_ignored(http2: Opener) -> None:
    """RFC 9113 §5.1, closed: who resets a stream has to put up with what was under way."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"1", "more_body": True})
        if scope["path"] == "/breaks":
            raise RuntimeError
        await send({"type": "http.response.body", "body": b"2"})

    client = await http2(app)
    stream = await client.request(b"POST", b"/breaks", ends=False)
    answer = await client.answer(stream)
    assert answer.reset == ErrorCodes.INTERNAL_ERROR
    await client.send(
        ("WINDOW_UPDATE", stream, 5),
        ("DATA", stream, b"late"),
        ("HEADERS", stream, [(b"x", b"late trailer")], *WHOLE),
    )
    await client.goes_on()


# --- §5.1.1: identifiers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [0, 2, 100])
async def test_a_client_has_the_odd_streams_alone(http2: Opener, mirror: Mirror, stream: int) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", stream, BLOCK, *WHOLE))
    await client.fails(ErrorCodes.PROTOCOL_ERROR)
    assert mirror.seen == []


async def test_streams_that_were_skipped_are_closed(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 5, BLOCK, *WHOLE))
    assert (await client.answer(5)).status == 200
    await client.send(("HEADERS", 3, BLOCK, *WHOLE))
    await client.breaks(3, ErrorCodes.PROTOCOL_ERROR, ErrorCodes.STREAM_CLOSED)
    assert len(mirror.seen) == 1


async def test_the_last_stream_of_all_is_served(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 2**31 - 1, BLOCK, *WHOLE))
    assert (await client.answer(2**31 - 1)).status == 200
    await client.ping()


async def test_goaway_names_the_last_stream_that_was_taken(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    for _ in range(3):
        await client.get()
    await client.send(("PING", 0, b"short"))
    assert (await client.fails(ErrorCodes.FRAME_SIZE_ERROR)).other == 5


# --- §5.1.2: concurrency ------------------------------------------------------------------------------------


async def test_streams_run_side_by_side_and_end_in_any_order(http2: Opener) -> None:
    gates = {f"/{number}": asyncio.Event() for number in range(5)}
    begun: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(scope["path"])
        await gates[scope["path"]].wait()
        await send(START)
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    client = await http2(app)
    streams = {path: await client.request(b"GET", path.encode()) for path in gates}
    await client.ping()
    assert begun == list(gates)
    for path in ("/3", "/0", "/4", "/1", "/2"):
        gates[path].set()
        assert (await client.answer(streams[path])).body == path.encode()


@pytest.mark.parametrize("limit", [1, 3])
async def test_a_stream_beyond_the_limit_is_not_served(http2: Opener, limit: int, until: Until) -> None:
    app = Gate()
    client = await http2(app, http2_max_concurrent_streams=limit)
    streams = [await client.request() for _ in range(limit)]
    await until(lambda: len(app.seen) == limit)
    beyond = await client.request()
    await client.breaks(beyond, ErrorCodes.REFUSED_STREAM, ErrorCodes.PROTOCOL_ERROR)
    assert len(app.seen) == limit == len(streams)
    app.open.set()


async def test_a_limit_is_a_limit_even_before_it_was_acknowledged(http2: Opener, until: Until) -> None:
    """A client that fires before it has read the SETTINGS doesn't get more at once."""
    app = Gate()
    client = await http2(app, http2_max_concurrent_streams=3, starts=False)
    client.acknowledges = False
    await client.send(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ("SETTINGS", 0),
        *(("HEADERS", stream, BLOCK, *WHOLE) for stream in range(1, 400, 2)),
    )
    await until(lambda: app.seen)
    await client.ping()
    assert len(app.seen) <= 100
    app.open.set()


async def test_the_place_of_a_stream_that_has_ended_is_free_again(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror, http2_max_concurrent_streams=1)
    for _ in range(5):
        assert (await client.get()).status == 200


async def test_the_place_of_a_stream_that_was_reset_is_not_free_while_its_application_runs(
    http2: Opener, until: Until
) -> None:
    """Rapid reset (CVE-2023-44487): a reset frees the client of a stream, not the server of its work."""
    app = Gate()
    client = await http2(app, http2_max_concurrent_streams=5)
    for _ in range(20):
        stream = await client.request()
        await client.send(("RST_STREAM", stream, ErrorCodes.CANCEL))
    await client.ping()
    assert len(app.seen) <= 10
    app.open.set()
    await until(lambda: not client.server.service.running)
    await client.goes_on()


# --- §5.3: the old priorities, which mean nothing any more --------------------------------------------------

PRIORITIES = {
    "weight 1": bytes(5),
    "weight 256": bytes(4) + b"\xff",
    "a dependency": b"\0\0\0\x05\x0f",
    "an exclusive dependency": b"\x80\0\0\x05\x0f",
}


@pytest.mark.parametrize("priority", PRIORITIES.values(), ids=PRIORITIES.keys())
@pytest.mark.parametrize("carrier", ["PRIORITY", "HEADERS"])
async def test_a_priority_of_the_old_kind_is_read_and_ignored(
    http2: Opener, mirror: Mirror, carrier: str, priority: bytes
) -> None:
    client = await http2(mirror)
    if carrier == "PRIORITY":
        await client.send(("PRIORITY", 1, priority), ("HEADERS", 1, BLOCK, *WHOLE))
    else:
        await client.send(("HEADERS", 1, priority + BLOCK, "PRIORITY", *WHOLE))
    assert (await client.answer(1)).status == 200


@pytest.mark.parametrize("carrier", ["PRIORITY", "HEADERS"])
async def test_a_stream_that_depends_on_itself(http2: Opener, mirror: Mirror, carrier: str) -> None:
    """A stream error by RFC 7540 §5.3.1; RFC 9113 doesn't say, since nobody is to look."""
    client = await http2(mirror)
    if carrier == "PRIORITY":
        await client.send(("PRIORITY", 1, b"\0\0\0\x01\x0f"))
    else:
        await client.send(("HEADERS", 1, b"\0\0\0\x01\x0f" + BLOCK, "PRIORITY", *WHOLE))
    await client.breaks(1, ErrorCodes.PROTOCOL_ERROR)


# --- §5.4: errors -------------------------------------------------------------------------------------------


async def test_a_connection_error_is_told_by_goaway_and_then_the_connection_ends(
    http2: Opener, mirror: Mirror
) -> None:
    client = await http2(mirror)
    await client.send(("PING", 0, b"short"))
    goaway = await client.fails(ErrorCodes.FRAME_SIZE_ERROR)
    assert goaway.stream == 0


async def test_goaway_is_read_even_by_a_client_that_is_still_sending(http2: Opener, mirror: Mirror) -> None:
    """A connection that is closed over unread bytes is reset, and the reset takes the GOAWAY with it."""
    client = await http2(mirror)
    await client.send(
        ("PING", 0, b"short"), *(("HEADERS", stream, BLOCK, *WHOLE) for stream in range(1, 20001, 2))
    )
    await client.take("GOAWAY")
    await client.ended()


async def test_a_connection_error_ends_the_other_streams_for_their_applications(
    http2: Opener, until: Until
) -> None:
    events: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        events.append((await receive())["type"])
        try:
            await send(START)
        except OSError:
            events.append("gone")

    client = await http2(app)
    for _ in range(3):
        await client.request()
    await client.ping()
    await client.send(("PING", 0, b"short"))
    await client.fails(ErrorCodes.FRAME_SIZE_ERROR)
    await until(lambda: len(events) == 6)
    assert sorted(events) == ["gone"] * 3 + ["http.disconnect"] * 3


async def test_a_stream_error_leaves_the_other_streams_alone(http2: Opener) -> None:
    app = Gate()
    client = await http2(app)
    other = await client.request()
    wrong = await client.request(b"GET", b"/", (b"connection", b"close"))
    assert (await client.take("RST_STREAM", wrong)).number == ErrorCodes.PROTOCOL_ERROR
    app.open.set()
    assert (await client.answer(other)).status == 200
    await client.goes_on()


async def test_a_reset_is_not_answered_by_a_reset(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", ends=False)
    await client.send(("RST_STREAM", stream, ErrorCodes.CANCEL))
    await client.goes_on()
    assert not any(frame.kind == "RST_STREAM" for frame in client.log)


# --- §5.5: extensions ---------------------------------------------------------------------------------------


async def test_an_extension_in_the_middle_of_a_request_is_ignored(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(
        ("HEADERS", 1, POST_BLOCK, "END_HEADERS"), (99, 1, b"unknown"), ("DATA", 1, b"x", "END_STREAM")
    )
    assert (await client.answer(1)).status == 200
    assert mirror.seen[0].body == b"x"


async def test_a_setting_that_is_unknown_is_ignored(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(("SETTINGS", 0, {99: 1, 0xFFFF: 2**32 - 1}))
    await client.take("SETTINGS", flag="ACK")
    await client.goes_on()
