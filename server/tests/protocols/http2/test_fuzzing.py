"""Whatever bytes come, and however they are cut: the server answers or closes, and nothing of it breaks.

Each example is one connection's bytes, put together by Hypothesis: frames in any order on few streams, good
requests with bits turned over, good requests cut anywhere. They go over a real socket; then the client ends
its side, and the server has to end the connection, too. What comes back has to be HTTP/2.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import hpack
import hyperframe.exceptions
import hyperframe.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asgiworker
from asgiworker.asgi.types import Receive, Scope, Send

pytestmark = pytest.mark.every_python

Run = Callable[[Coroutine[Any, Any, Any]], Any]

DEADLINE = 10.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS: dict[str, Any] = {
    "lifespan": "off",
    "graceful_timeout": 1,
    "timeout_head": 0.06,
    "timeout_body": 0.06,
    "timeout_stall": 0.06,
    "keepalive": 0.06,
    "http2_max_concurrent_streams": 10,
}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends the body back, a part for each part, with all that a response may have."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
        return
    await send({"type": "http.response.early_hint", "links": [b"</a>"]})
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    while (message := await receive())["type"] == "http.request":
        part = {"type": "http.response.body", "body": message["body"]}
        await send({**part, "more_body": message["more_body"]})
        if not message["more_body"]:
            break
    else:
        return
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})


# --- what is sent -------------------------------------------------------------------------------------------


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame."""
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def block(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Fields, in literals that change no table."""
    encoder = hpack.Encoder()
    encoder.header_table_size = 0
    return bytes(encoder.encode(list(fields)))[1:]


GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]
CONNECT = [
    (b":method", b"CONNECT"),
    (b":protocol", b"websocket"),
    *GET[1:],
    (b"sec-websocket-version", b"13"),
]
TRAILERS = [(b"te", b"trailers"), (b"priority", b"u=1, i"), (b"cookie", b"a=b"), (b"cookie", b"c=d")]
BLOCKS = [
    block(GET),
    block([*GET, *TRAILERS]),
    block(CONNECT),
    block([(b":method", b"POST"), *GET[1:]]),
    block([*GET, (b"content-length", b"5")]),
    block([*GET, (b"expect", b"100-continue")]),
    block([*GET, (b"connection", b"close")]),
    block([(b"x-trailer", b"1")]),
    block(GET[:2]),
    block([(b":method", b"HEAD"), *GET[1:]]),
    block([(b":method", b"OPTIONS"), GET[1], (b":path", b"*"), GET[3]]),
    b"\x82\x86\x84\x41\x01a\x40\x01x\x01y",
    b"\x82\x86\x84\xbe",
    b"\x3f\xff\xff\xff\xff\x07\x82",
    b"\x80",
    b"",
]

streams = st.sampled_from([0, 1, 1, 1, 3, 3, 5, 7, 2, 2**31 - 1])
numbers = st.sampled_from([0, 1, 8, 100, 16384, 65535, 2**31 - 1, 2**32 - 1])
flags = st.sampled_from([0, 0, 1, 4, 5, 5, 5, 8, 0x20, 0x25, 0xFF])

pair = st.tuples(st.sampled_from([1, 2, 3, 4, 4, 5, 6, 8, 9, 99]), numbers)
settings_payload = st.lists(pair, max_size=5).map(
    lambda pairs: b"".join(struct.pack(">HI", *each) for each in pairs)
)
websocket_payload = st.sampled_from(
    [
        b"\x81\x85\0\0\0\0hello",
        b"\x88\x82\0\0\0\0\x03\xe8",
        b"\x89\x80\0\0\0\0",
        b"\x81\x85",
        b"\xf1\x80\0\0\0\0",
    ]
)

frames = st.one_of(
    st.builds(frame, st.just(0), flags, streams, st.binary(max_size=40) | websocket_payload),
    st.builds(frame, st.just(1), flags, streams, st.sampled_from(BLOCKS) | st.binary(max_size=40)),
    st.builds(
        frame, st.just(1), st.sampled_from([4, 5]), st.sampled_from([1, 3, 5, 7]), st.sampled_from(BLOCKS)
    ),
    st.builds(frame, st.just(2), flags, streams, st.binary(min_size=5, max_size=5)),
    st.builds(frame, st.just(3), flags, streams, numbers.map(lambda n: struct.pack(">I", n))),
    st.builds(frame, st.just(4), st.sampled_from([0, 0, 0, 1]), st.just(0), settings_payload),
    st.builds(frame, st.just(5), flags, streams, st.binary(max_size=10)),
    st.builds(frame, st.just(6), st.sampled_from([0, 1]), st.just(0), st.binary(min_size=8, max_size=8)),
    st.builds(frame, st.just(7), flags, st.just(0), st.binary(min_size=8, max_size=12)),
    st.builds(frame, st.just(8), flags, streams, numbers.map(lambda n: struct.pack(">I", n))),
    st.builds(frame, st.just(9), flags, streams, st.sampled_from(BLOCKS)),
    st.builds(
        frame,
        st.just(16),
        flags,
        st.just(0),
        st.sampled_from([b"\0\0\0\1u=0", b"\0\0\0\5i", b"\0\0\0\0", b""]),
    ),
    st.builds(frame, st.integers(0, 255), st.integers(0, 255), streams, st.binary(max_size=20)),
)

# A connection on which all is well: requests, an upload, a WebSocket, and frames between them.
GOOD = b"".join(
    [
        PREFACE,
        frame(4, 0, 0, b"\0\4\0\1\0\0"),
        frame(4, 1, 0, b""),
        frame(1, 5, 1, BLOCKS[1]),
        frame(1, 4, 3, BLOCKS[3]),
        frame(0, 0, 3, b"hello"),
        frame(6, 0, 0, bytes(8)),
        frame(0, 9, 3, b"\1x\0"),
        frame(1, 4, 5, BLOCKS[2]),
        frame(0, 0, 5, b"\x81\x85\0\0\0\0hello"),
        frame(8, 0, 0, b"\0\0\1\0"),
        frame(16, 0, 0, b"\0\0\0\7u=0"),
        frame(1, 0x25, 7, bytes(5) + BLOCKS[0]),
        frame(3, 0, 7, b"\0\0\0\x08"),
        frame(1, 1, 9, BLOCKS[0][:3]),
        frame(9, 4, 9, BLOCKS[0][3:]),
        frame(0, 1, 5, b"\x88\x82\0\0\0\0\x03\xe8"),
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good connection's bytes, in which some bits are turned over."""
    data = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        data[draw(st.integers(len(PREFACE), len(data) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


@st.composite
def cut(draw: st.DrawFn) -> bytes:
    """A good connection's bytes, up to anywhere, or with a part left out or repeated."""
    first = draw(st.integers(0, len(GOOD)))
    second = draw(st.integers(0, len(GOOD)))
    way = draw(st.sampled_from(["end", "gap", "again"]))
    if way == "end":
        return GOOD[:first]
    if way == "gap":
        return GOOD[: min(first, second)] + GOOD[max(first, second) :]
    return GOOD[: max(first, second)] + GOOD[min(first, second) :]


anything = st.lists(frames, max_size=20).map(lambda each: PREFACE + frame(4, 0, 0, b"") + b"".join(each))
pieces = st.lists(st.integers(1, 200), max_size=20)


# --- what becomes of it -------------------------------------------------------------------------------------


def check(received: bytes) -> None:
    """What came is HTTP/2, up to where the connection was cut off."""
    if received.startswith(b"HTTP/1.1 "):
        return  # of a preface that is none
    decoder = hpack.Decoder()
    decoder.max_header_list_size = 1 << 20
    first = True
    while len(received) >= 9:
        parsed, length = hyperframe.frame.Frame.parse_frame_header(memoryview(received[:9]), strict=True)
        payload, received = received[9 : 9 + length], received[9 + length :]
        if len(payload) < length:
            return
        parsed.parse_body(memoryview(payload))
        assert not first or isinstance(parsed, hyperframe.frame.SettingsFrame | hyperframe.frame.GoAwayFrame)
        first = False
        if isinstance(parsed, hyperframe.frame.HeadersFrame):
            assert "END_HEADERS" in parsed.flags
            decoder.decode(parsed.data, raw=True)


async def converse(server: asgiworker.Server, data: bytes, sizes: Sequence[int]) -> bytes:
    """Send `data` in pieces of these sizes, the rest at once, end, and return all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    reading = asyncio.ensure_future(reader.read())
    try:
        with contextlib.suppress(OSError):
            for size in sizes:
                writer.write(data[:size])
                data = data[size:]
                await asyncio.sleep(0)
            writer.write(data)
            writer.write_eof()
        try:
            return await asyncio.wait_for(reading, DEADLINE)
        except ConnectionError:
            return b""
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def survives(run: Run, data: bytes, sizes: Sequence[int]) -> None:
    """The server does, and leaves nothing behind."""

    async def attempt() -> None:
        surprises: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
        async with asgiworker.running(echo, **SETTINGS) as server:
            check(await converse(server, data, sizes))
            async with asyncio.timeout(DEADLINE):
                while server.service.connections or server.service.running:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            assert server.service.failures == 0
        assert surprises == []

    run(attempt())


@given(data=anything, sizes=pieces)
def test_frames_in_any_order(run: Run, data: bytes, sizes: list[int]) -> None:
    survives(run, data, sizes)


@given(data=damaged(), sizes=pieces)
def test_bits_that_are_turned_over(run: Run, data: bytes, sizes: list[int]) -> None:
    survives(run, data, sizes)


@settings(max_examples=60)
@given(data=cut(), sizes=pieces)
def test_a_connection_that_is_cut_anywhere(run: Run, data: bytes, sizes: list[int]) -> None:
    survives(run, data, sizes)


@settings(max_examples=50)
@given(data=st.binary(max_size=300))
def test_noise(run: Run, data: bytes) -> None:
    survives(run, PREFACE + data, [])


def test_what_is_turned_over_was_good(run: Run) -> None:
    async def attempt() -> None:
        async with asgiworker.running(echo, **SETTINGS) as server:
            received = await converse(server, GOOD, [])
            assert received.count(b"\x88") >= 1
            check(received)
            assert server.service.failures == 0

    run(attempt())


def test_what_is_no_http_2_is_seen_by_these_tests() -> None:
    with pytest.raises((AssertionError, hyperframe.exceptions.HyperframeError)):
        check(frame(6, 0, 0, bytes(8)))
