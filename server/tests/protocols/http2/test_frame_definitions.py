"""RFC 9113 §6: each type of frame, what may stand in it, and what it does. Flow control (§5.2, §6.9) too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

from asgiworker.asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.http2.conftest import Client, Opener, Until

pytestmark = pytest.mark.every_python

# A GET of / from "a", in literals and static entries alone: it means the same whatever was sent before.
BLOCK = b"\x82\x86\x84\x01\x01a"
POST_BLOCK = b"\x83\x86\x84\x01\x01a"
WHOLE = ("END_HEADERS", "END_STREAM")

START = {"type": "http.response.start", "status": 200}

PROTOCOL_ERROR = ErrorCodes.PROTOCOL_ERROR
FRAME_SIZE_ERROR = ErrorCodes.FRAME_SIZE_ERROR
FLOW_CONTROL_ERROR = ErrorCodes.FLOW_CONTROL_ERROR

# Frames that are wrong whatever came before: what, on which stream, with what in it, and the error. On
# stream 1, a request is under way.
WRONG: list[tuple[str, tuple[Any, ...], ErrorCodes]] = [
    # §6.1
    ("DATA on stream 0", ("DATA", 0, b"x"), PROTOCOL_ERROR),
    ("DATA with padding as long as the frame", ("DATA", 1, b"\x05" + bytes(4), "PADDED"), PROTOCOL_ERROR),
    ("DATA with padding longer than the frame", ("DATA", 1, b"\x06" + bytes(4), "PADDED"), PROTOCOL_ERROR),
    # §6.2
    ("HEADERS on stream 0", ("HEADERS", 0, BLOCK, *WHOLE), PROTOCOL_ERROR),
    (
        "HEADERS with padding longer than the frame",
        ("HEADERS", 3, b"\x10" + BLOCK, "PADDED", *WHOLE),
        PROTOCOL_ERROR,
    ),
    ("HEADERS too short for its priority", ("HEADERS", 3, b"\0\0\0\0", "PRIORITY", *WHOLE), FRAME_SIZE_ERROR),
    # §6.3
    ("PRIORITY on stream 0", ("PRIORITY", 0, bytes(5)), PROTOCOL_ERROR),
    # §6.4
    ("RST_STREAM on stream 0", ("RST_STREAM", 0, 8), PROTOCOL_ERROR),
    ("RST_STREAM of an idle stream", ("RST_STREAM", 3, 8), PROTOCOL_ERROR),
    ("RST_STREAM of 3 octets", ("RST_STREAM", 1, bytes(3)), FRAME_SIZE_ERROR),
    ("RST_STREAM of 5 octets", ("RST_STREAM", 1, bytes(5)), FRAME_SIZE_ERROR),
    # §6.5
    ("an acknowledgement with settings", ("SETTINGS", 0, {3: 1}, "ACK"), FRAME_SIZE_ERROR),
    ("SETTINGS on a stream", ("SETTINGS", 1, {3: 1}), PROTOCOL_ERROR),
    ("SETTINGS of 3 octets", ("SETTINGS", 0, bytes(3)), FRAME_SIZE_ERROR),
    ("SETTINGS of 7 octets", ("SETTINGS", 0, bytes(7)), FRAME_SIZE_ERROR),
    # §6.5.2
    ("ENABLE_PUSH of 2", ("SETTINGS", 0, {"ENABLE_PUSH": 2}), PROTOCOL_ERROR),
    ("a window of 2^31", ("SETTINGS", 0, {"INITIAL_WINDOW_SIZE": 2**31}), FLOW_CONTROL_ERROR),
    ("a window of 2^32 - 1", ("SETTINGS", 0, {"INITIAL_WINDOW_SIZE": 2**32 - 1}), FLOW_CONTROL_ERROR),
    ("frames of 16383", ("SETTINGS", 0, {"MAX_FRAME_SIZE": 16383}), PROTOCOL_ERROR),
    ("frames of 0", ("SETTINGS", 0, {"MAX_FRAME_SIZE": 0}), PROTOCOL_ERROR),
    ("frames of 2^24", ("SETTINGS", 0, {"MAX_FRAME_SIZE": 2**24}), PROTOCOL_ERROR),
    ("extended CONNECT neither on nor off", ("SETTINGS", 0, {"ENABLE_CONNECT_PROTOCOL": 2}), PROTOCOL_ERROR),
    # §6.6, §8.4
    ("PUSH_PROMISE from a client", ("PUSH_PROMISE", 1, b"\0\0\0\2" + BLOCK, "END_HEADERS"), PROTOCOL_ERROR),
    # §6.7
    ("PING on a stream", ("PING", 1, bytes(8)), PROTOCOL_ERROR),
    ("PING of 7 octets", ("PING", 0, bytes(7)), FRAME_SIZE_ERROR),
    ("PING of 9 octets", ("PING", 0, bytes(9)), FRAME_SIZE_ERROR),
    ("PING of nothing", ("PING", 0, b""), FRAME_SIZE_ERROR),
    # §6.8
    ("GOAWAY on a stream", ("GOAWAY", 1, bytes(8)), PROTOCOL_ERROR),
    ("GOAWAY of 7 octets", ("GOAWAY", 0, bytes(7)), FRAME_SIZE_ERROR),
    # §6.9
    ("WINDOW_UPDATE of 0 on the connection", ("WINDOW_UPDATE", 0, 0), PROTOCOL_ERROR),
    ("WINDOW_UPDATE of 3 octets", ("WINDOW_UPDATE", 0, bytes(3)), FRAME_SIZE_ERROR),
    ("WINDOW_UPDATE of 5 octets", ("WINDOW_UPDATE", 1, bytes(5)), FRAME_SIZE_ERROR),
    ("WINDOW_UPDATE beyond 2^31 - 1", ("WINDOW_UPDATE", 0, 2**31 - 1), FLOW_CONTROL_ERROR),
    # §6.10
    ("CONTINUATION on stream 0", ("CONTINUATION", 0, BLOCK, "END_HEADERS"), PROTOCOL_ERROR),
    ("CONTINUATION after nothing", ("CONTINUATION", 1, BLOCK, "END_HEADERS"), PROTOCOL_ERROR),
]


@pytest.mark.parametrize(("frame", "error"), [pytest.param(*case[1:], id=case[0]) for case in WRONG])
async def test_a_frame_that_is_wrong_in_itself_ends_the_connection(
    http2: Opener, mirror: Mirror, frame: tuple[Any, ...], error: ErrorCodes
) -> None:
    client = await http2(mirror)
    await client.request(b"POST", ends=False)
    await client.send(frame)
    await client.fails(error)
    assert mirror.seen == []


@pytest.mark.parametrize("kind", ["DATA", "HEADERS"])
async def test_padding_without_its_length_ends_the_connection(
    http2: Opener, mirror: Mirror, kind: str
) -> None:
    """§4.2 says how: a frame too small for what it must have. nghttp2 looks at the padding first."""
    client = await http2(mirror)
    await client.request(b"POST", ends=False)
    await client.send((kind, 1 if kind == "DATA" else 3, b"", "PADDED"))
    await client.fails(FRAME_SIZE_ERROR, PROTOCOL_ERROR)


@pytest.mark.parametrize("size", [4, 6, 0])
async def test_priority_of_another_length_than_5_is_a_frame_size_error(
    http2: Opener, mirror: Mirror, size: int
) -> None:
    """§6.3: of the stream; it may be taken for one of the connection."""
    client = await http2(mirror)
    await client.request(b"POST", ends=False)
    await client.send(("PRIORITY", 1, bytes(size)))
    await client.breaks(1, FRAME_SIZE_ERROR)


# --- §6.1: DATA ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [[b"hello"], [b"hel", b"lo"], [b"", b"hello", b""], [b"h", *[b""] * 5]])
async def test_a_body_comes_in_any_number_of_frames(
    http2: Opener, mirror: Mirror, parts: list[bytes]
) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", ends=False)
    for part in parts[:-1]:
        await client.send(("DATA", stream, part))
    await client.send(("DATA", stream, parts[-1], "END_STREAM"))
    assert (await client.answer(stream)).status == 200
    assert mirror.seen[0].body == b"".join(parts)


@pytest.mark.parametrize("padding", [0, 1, 6, 255])
async def test_padding_is_not_part_of_the_body(http2: Opener, mirror: Mirror, padding: int) -> None:
    client = await http2(mirror)
    await client.send(
        ("HEADERS", 1, POST_BLOCK, "END_HEADERS"),
        ("DATA", 1, bytes([padding]) + b"hello" + bytes(padding), "PADDED", "END_STREAM"),
    )
    assert (await client.answer(1)).status == 200
    assert mirror.seen[0].body == b"hello"


async def test_padding_is_flow_controlled_and_given_back(http2: Opener, mirror: Mirror) -> None:
    """§6.1: the whole payload counts. A server that forgets the padding starves its client in the end."""
    client = await http2(mirror, http2_initial_window_size=65535)
    stream = await client.request(b"POST", ends=False)
    for _ in range(2 * client.left(stream) // 256):
        await client.room_for(256, stream)
        await client.send(("DATA", stream, b"\xff" + bytes(255), "PADDED"))
    await client.send(("DATA", stream, b"", "END_STREAM"))
    assert (await client.answer(stream)).status == 200
    assert mirror.seen[0].body == b""


# --- §6.2: HEADERS ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [0, 1, 255])
@pytest.mark.parametrize("priority", [b"", b"\x80\0\0\3\xff"], ids=["", "with priority"])
async def test_headers_may_be_padded_and_prioritised(
    http2: Opener, mirror: Mirror, padding: int, priority: bytes
) -> None:
    client = await http2(mirror)
    payload = bytes([padding]) + priority + BLOCK + bytes(padding)
    await client.send(("HEADERS", 1, payload, "PADDED", *(["PRIORITY"] if priority else []), *WHOLE))
    assert (await client.answer(1)).status == 200


# --- §6.4: RST_STREAM ---------------------------------------------------------------------------------------


async def test_a_reset_tells_the_application_that_its_client_has_gone(http2: Opener) -> None:
    events: asyncio.Queue[str] = asyncio.Queue()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        await send({"type": "http.response.body", "body": b"data", "more_body": True})
        await events.put((await receive())["type"])
        try:
            await send({"type": "http.response.body", "body": b"more", "more_body": True})
        except OSError as error:
            await events.put(type(error).__name__)

    client = await http2(app)
    stream = await client.request()
    await client.answer(stream, until=lambda answer: answer.body)
    await client.send(("RST_STREAM", stream, ErrorCodes.CANCEL))
    assert await events.get() == "http.disconnect"
    assert await events.get() == "ClientDisconnected"
    await client.ping()


# --- §6.5: SETTINGS -----------------------------------------------------------------------------------------


async def test_each_settings_frame_is_acknowledged_once_and_in_order(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(*(("SETTINGS", 0, {"MAX_CONCURRENT_STREAMS": n}) for n in range(20)))
    await client.ping()
    acknowledged = [f for f in client.log if f.kind == "SETTINGS" and "ACK" in f.flags]
    assert len(acknowledged) == 1 + 20


async def test_the_last_value_of_a_setting_given_twice_counts(http2: Opener, mirror: Mirror) -> None:
    """§6.5.3: processed in the order they appear."""
    client = await http2(mirror)
    client.replenishes = False
    payload = b"\0\4\0\0\0\1" + b"\0\4\0\0\0\3"
    await client.send(("SETTINGS", 0, payload))
    await client.take("SETTINGS", flag="ACK")
    stream = await client.request(b"GET", b"/hello")
    answer = await client.answer(stream, until=lambda answer: answer.body)
    assert answer.sizes == [3]


async def test_the_servers_encoder_keeps_to_the_table_that_the_client_allows(
    http2: Opener, mirror: Mirror
) -> None:
    client = await http2(mirror, announces={"HEADER_TABLE_SIZE": 0})
    client.decoder.max_allowed_table_size = 0
    for _ in range(3):
        assert (await client.get()).status == 200
    assert client.decoder.header_table_size == 0


async def test_a_table_that_shrinks_is_told_by_the_servers_next_block(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    assert (await client.get()).status == 200
    await client.send(("SETTINGS", 0, {"HEADER_TABLE_SIZE": 100}))
    await client.take("SETTINGS", flag="ACK")
    client.decoder.max_allowed_table_size = 100
    assert (await client.get()).status == 200
    assert client.decoder.header_table_size <= 100


async def test_a_response_is_cut_to_the_frames_that_the_client_takes(http2: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": bytes(200_000)})

    client = await http2(app)
    answer = await client.get()
    assert len(answer.body) == 200_000
    assert max(answer.sizes) <= 16384


async def test_a_client_may_leave_our_settings_unacknowledged_for_a_while(
    http2: Opener, mirror: Mirror
) -> None:
    client = await http2(mirror, starts=False)
    client.acknowledges = False
    await client.start()
    for _ in range(3):
        assert (await client.get()).status == 200


@pytest.mark.parametrize("size", [100, 10_000_000], ids=["smaller", "larger"])
async def test_a_client_that_announces_a_limit_on_fields_still_gets_them(
    http2: Opener, mirror: Mirror, size: int
) -> None:
    """§10.5.1: the setting is advisory."""
    client = await http2(mirror, announces={"MAX_HEADER_LIST_SIZE": size})
    assert (await client.get()).status == 200


# --- §6.7: PING ---------------------------------------------------------------------------------------------


async def test_a_ping_is_answered_with_what_it_carried(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    for data in (b"12345678", bytes(8), b"\xff" * 8):
        await client.send(("PING", 0, data))
        assert (await client.take("PING", flag="ACK")).payload == data


async def test_an_answer_to_a_ping_that_was_never_sent_is_ignored(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(("PING", 0, b"unasked!", "ACK"))
    await client.goes_on()
    assert len([frame for frame in client.log if frame.kind == "PING"]) == 1


async def test_a_ping_is_answered_while_an_application_works(http2: Opener) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await send(START)
        await send({"type": "http.response.body"})

    client = await http2(app)
    stream = await client.request()
    await client.ping()
    go.set()
    assert (await client.answer(stream)).status == 200


# --- §6.8: GOAWAY -------------------------------------------------------------------------------------------


async def test_a_client_that_says_goodbye_gets_what_it_has_asked_for_and_then_the_end(http2: Opener) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        await send(START)
        await send({"type": "http.response.body", "body": b"last"})

    client = await http2(app)
    stream = await client.request()
    await client.send(("GOAWAY", 0, bytes(8)))
    await client.ping()
    go.set()
    assert (await client.answer(stream)).body == b"last"
    await client.ended()


async def test_a_client_that_says_goodbye_with_nothing_under_way_is_let_go(
    http2: Opener, mirror: Mirror
) -> None:
    client = await http2(mirror)
    assert (await client.get()).status == 200
    await client.send(("GOAWAY", 0, bytes(4) + b"\0\0\0\0" + b"debug data"))
    await client.ended()


# --- §5.2, §6.9: flow control, the client's windows ---------------------------------------------------------


class Large:
    """An application that answers with `size` bytes, and counts what it has handed over."""

    def __init__(self, size: int, part: int = 10_000) -> None:
        self.size = size
        self.part = part
        self.sent = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        if scope["path"] != "/large":
            await send({"type": "http.response.body", "body": b"small"})
            return
        while self.sent < self.size:
            part = min(self.part, self.size - self.sent)
            await send({"type": "http.response.body", "body": bytes(part), "more_body": True})
            self.sent += part
        await send({"type": "http.response.body"})


async def received(client: Client, stream: int) -> int:
    """How many bytes of DATA have come on a stream, once nothing more comes."""
    size, quiet = -1, 0
    while quiet < 3:
        await client.ping()
        data = [frame for frame in client.log if frame.kind == "DATA" and frame.stream == stream]
        now = sum(len(frame.payload) for frame in data)
        size, quiet = now, quiet + 1 if now == size else 0
    return size


async def test_no_more_is_sent_than_the_window_of_the_stream_allows(http2: Opener) -> None:
    client = await http2(Large(300_000), announces={"INITIAL_WINDOW_SIZE": 1000})
    client.replenishes = False
    stream = await client.request(b"GET", b"/large")
    await client.take("DATA", stream)
    assert await received(client, stream) == 1000
    for total in (1001, 3000):
        await client.send(("WINDOW_UPDATE", stream, total - await received(client, stream)))
        assert await received(client, stream) == total


async def test_no_more_is_sent_than_the_window_of_the_connection_allows(http2: Opener) -> None:
    client = await http2(Large(300_000), announces={"INITIAL_WINDOW_SIZE": 2**31 - 1})
    client.replenishes = False
    stream = await client.request(b"GET", b"/large")
    answer = await client.answer(stream, until=lambda answer: len(answer.body) == 65535)
    assert await received(client, stream) == 65535
    other = await client.request()
    assert await received(client, other) == 0
    await client.send(("WINDOW_UPDATE", 0, 2**31 - 1 - 65535))
    assert len((await client.answer(stream, answer)).body) == 300_000
    assert (await client.answer(other)).body == b"small"


async def test_a_window_of_one_byte_gets_one_byte(http2: Opener) -> None:
    client = await http2(Large(5), announces={"INITIAL_WINDOW_SIZE": 1})
    client.replenishes = False
    stream = await client.request(b"GET", b"/large")
    for size in range(1, 6):
        assert await received(client, stream) == size
        await client.send(("WINDOW_UPDATE", stream, 1))
    assert (await client.answer(stream)).complete
    assert {frame.length for frame in client.log if frame.kind == "DATA"} <= {0, 1}


async def test_the_end_of_a_body_needs_no_window(http2: Opener) -> None:
    """§6.9: an empty DATA frame with END_STREAM may be sent without room in the window."""
    client = await http2(Large(5), announces={"INITIAL_WINDOW_SIZE": 5})
    client.replenishes = False
    assert (await client.get(b"/large")).complete


async def test_a_response_without_a_body_needs_no_window(http2: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "status": 204})
        await send({"type": "http.response.body"})

    client = await http2(app, announces={"INITIAL_WINDOW_SIZE": 0})
    answer = await client.get()
    assert (answer.status, answer.complete) == (204, True)


async def test_the_application_waits_while_the_window_is_shut(http2: Opener, until: Until) -> None:
    app = Large(50_000_000, part=100_000)
    client = await http2(app, announces={"INITIAL_WINDOW_SIZE": 10_000})
    client.replenishes = False
    stream = await client.request(b"GET", b"/large")
    assert await received(client, stream) == 10_000
    stopped = app.sent
    await client.ping()
    assert app.sent == stopped < 1_000_000
    await client.send(("RST_STREAM", stream, ErrorCodes.CANCEL))
    await until(lambda: not client.server.service.running)


async def test_a_stream_whose_window_is_shut_does_not_hold_the_others(http2: Opener) -> None:
    client = await http2(Large(1_000_000), announces={"INITIAL_WINDOW_SIZE": 0})
    client.replenishes = False
    shut = await client.request(b"GET", b"/large")
    for _ in range(3):
        stream = await client.request()
        await client.send(("WINDOW_UPDATE", stream, 100))
        assert (await client.answer(stream)).body == b"small"
    assert await received(client, shut) == 0


async def test_a_larger_initial_window_opens_those_of_streams_under_way(http2: Opener) -> None:
    """§6.9.2."""
    client = await http2(Large(5000), announces={"INITIAL_WINDOW_SIZE": 0})
    client.replenishes = False
    stream = await client.request(b"GET", b"/large")
    assert await received(client, stream) == 0
    await client.send(("SETTINGS", 0, {"INITIAL_WINDOW_SIZE": 1}))
    assert await received(client, stream) == 1
    await client.send(("SETTINGS", 0, {"INITIAL_WINDOW_SIZE": 5000}))
    assert len((await client.answer(stream)).body) == 5000


async def test_a_window_may_become_negative_and_has_to_be_filled_up_first(http2: Opener) -> None:
    """§6.9.2."""
    client = await http2(Large(5000), announces={"INITIAL_WINDOW_SIZE": 100})
    client.replenishes = False
    stream = await client.request(b"GET", b"/large")
    await client.take("DATA", stream)
    await client.send(("SETTINGS", 0, {"INITIAL_WINDOW_SIZE": 10}))  # now at -90
    await client.send(("WINDOW_UPDATE", stream, 90))
    assert await received(client, stream) == 100
    await client.send(("WINDOW_UPDATE", stream, 1))
    await client.take("DATA", stream)
    assert await received(client, stream) == 101


async def test_windows_that_overflow_by_a_new_setting_are_a_flow_control_error(http2: Opener) -> None:
    """§6.9.2."""
    client = await http2(Large(5000), announces={"INITIAL_WINDOW_SIZE": 0})
    stream = await client.request(b"GET", b"/large")
    await client.send(("WINDOW_UPDATE", stream, 2**31 - 1 - 5000 + 4999))
    await client.answer(stream)
    stream = await client.request(b"POST", b"/large", ends=False)
    await client.send(("WINDOW_UPDATE", stream, 2**31 - 1), ("SETTINGS", 0, {"INITIAL_WINDOW_SIZE": 10}))
    await client.fails(FLOW_CONTROL_ERROR)


async def test_a_windows_increment_of_0_is_an_error_of_the_stream(http2: Opener) -> None:
    client = await http2(Large(5000), announces={"INITIAL_WINDOW_SIZE": 0})
    stream = await client.request(b"GET", b"/large")
    await client.send(("WINDOW_UPDATE", stream, 0))
    await client.breaks(stream, PROTOCOL_ERROR)


async def test_a_streams_window_beyond_its_maximum_is_a_flow_control_error_of_the_stream(
    http2: Opener,
) -> None:
    client = await http2(Large(5000), announces={"INITIAL_WINDOW_SIZE": 0})
    stream = await client.request(b"GET", b"/large")
    await client.ping()
    await client.send(("WINDOW_UPDATE", stream, 2**31 - 1 - 5000), ("WINDOW_UPDATE", stream, 2**31 - 1))
    await client.breaks(stream, FLOW_CONTROL_ERROR)


# --- §5.2, §6.9: flow control, the server's windows ---------------------------------------------------------


class Reader:
    """An application that takes a part of the body each time it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Semaphore(0)
        self.received = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/reads":
            more = True
            while more:
                await self.go.acquire()
                message = await receive()
                self.received += len(message.get("body", b""))
                more = message.get("more_body", False)
        await send(START)
        await send({"type": "http.response.body", "body": b"%d" % self.received})


async def fill(client: Client, stream: int) -> int:
    """Send as much DATA as the stream's window takes, and say how much that was."""
    size = client.left(stream)
    await client.upload(stream, size, ends=False)
    await client.ping()
    return size


async def test_the_window_opens_as_the_application_reads(http2: Opener) -> None:
    app = Reader()
    client = await http2(app)
    stream = await client.request(b"POST", b"/reads", ends=False)
    sent = await fill(client, stream)
    assert client.left(stream) == 0, "nobody has read"
    app.go.release()
    await client.take("WINDOW_UPDATE", stream)
    assert client.left(stream) <= sent
    for _ in range(100):
        app.go.release()
    await client.send(("DATA", stream, b"", "END_STREAM"))
    assert (await client.answer(stream)).body == b"%d" % sent


async def test_a_body_of_many_windows_comes_whole(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", ends=False)
    await client.upload(stream, 3_000_000)
    assert (await client.answer(stream)).status == 200
    assert len(mirror.seen[0].body) == 3_000_000


async def test_applications_that_do_not_read_do_not_stall_the_other_streams(http2: Opener) -> None:
    """However many streams are full: the connection's window is not theirs to keep."""
    app = Reader()
    client = await http2(app)
    stalled = [await client.request(b"POST", b"/reads", ends=False) for _ in range(50)]
    for stream in stalled:
        await fill(client, stream)
    other = await client.request(b"POST", b"/other", ends=False)
    assert (await client.answer(other)).complete
    for stream in stalled:
        await client.send(("RST_STREAM", stream, ErrorCodes.CANCEL))
    await client.ping()
    for _ in range(100):
        app.go.release()


async def test_data_beyond_the_window_of_a_stream_is_a_flow_control_error(http2: Opener) -> None:
    app = Reader()
    client = await http2(app)
    stream = await client.request(b"POST", b"/reads", ends=False)
    await fill(client, stream)
    await client.room_for(0, stream)
    await client.send(("DATA", stream, b"x"))
    await client.breaks(stream, FLOW_CONTROL_ERROR)
    app.go.release()


async def test_data_beyond_the_window_of_the_connection_is_a_flow_control_error(http2: Opener) -> None:
    app = Reader()
    client = await http2(app, http2_initial_window_size=65535, http2_connection_window_size=65535)
    streams = [await client.request(b"POST", b"/reads", ends=False) for _ in range(5)]
    await client.send(*[("DATA", stream, bytes(16384)) for stream in streams])
    await client.fails(FLOW_CONTROL_ERROR)


async def test_the_body_of_a_response_that_came_early_is_not_waited_for(http2: Opener) -> None:
    """§8.1: the server answers, and asks the client to stop sending by a reset without error."""
    client = await http2(Reader())
    stream = await client.request(b"POST", b"/early", ends=False)
    answer = await client.answer(stream)
    assert (answer.status, answer.body, answer.complete) == (200, b"0", True)
    assert (await client.take("RST_STREAM", stream)).number == ErrorCodes.NO_ERROR
    await client.send(("DATA", stream, bytes(16384)), ("DATA", stream, b"", "END_STREAM"))
    await client.goes_on()


@pytest.mark.parametrize("fate", ["reset", "answered", "malformed"])
async def test_data_of_streams_that_are_gone_does_not_use_up_the_connections_window(
    http2: Opener, mirror: Mirror, fate: str
) -> None:
    client = await http2(Reader() if fate == "answered" else mirror, http2_connection_window_size=1 << 18)
    for _ in range(3 * client.room[0] // 16384):
        more = [(b"connection", b"close")] if fate == "malformed" else []
        stream = await client.request(b"POST", b"/", *more, ends=False)
        await client.room_for(16384, stream)
        await client.send(("DATA", stream, bytes(16384)))
        if fate == "reset":
            await client.send(("RST_STREAM", stream, ErrorCodes.CANCEL))
        if client.room[0] < 3 * 16384:
            await client.ping()
    await client.goes_on()


# --- §6.10: CONTINUATION ------------------------------------------------------------------------------------


async def test_a_block_may_have_several_continuations(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(
        ("HEADERS", 1, BLOCK[:2], "END_STREAM"),
        ("CONTINUATION", 1, BLOCK[2:3]),
        ("CONTINUATION", 1, b""),
        ("CONTINUATION", 1, BLOCK[3:], "END_HEADERS"),
    )
    assert (await client.answer(1)).status == 200


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([("HEADERS", 1, POST_BLOCK, "END_HEADERS")], id="a whole HEADERS"),
        pytest.param(
            [("HEADERS", 1, POST_BLOCK[:3]), ("CONTINUATION", 1, POST_BLOCK[3:], "END_HEADERS")],
            id="a CONTINUATION that ended the block",
        ),
        pytest.param([("HEADERS", 1, POST_BLOCK, "END_HEADERS"), ("DATA", 1, b"x")], id="DATA"),
    ],
)
async def test_a_continuation_without_an_unfinished_block_is_a_protocol_error(
    http2: Opener, mirror: Mirror, before: list[tuple[Any, ...]]
) -> None:
    client = await http2(mirror)
    await client.send(*before, ("CONTINUATION", 1, BLOCK, "END_HEADERS"))
    await client.fails(PROTOCOL_ERROR)
