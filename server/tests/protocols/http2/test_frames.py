"""RFC 9113 §4: the format of frames, their size, and blocks of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.http2.conftest import Opener

pytestmark = pytest.mark.every_python

MAXIMUM = 16384  # SETTINGS_MAX_FRAME_SIZE, unless something else is said

# A GET of / from "a", in literals and static entries alone: it means the same whatever was sent before.
BLOCK = b"\x82\x86\x84\x01\x01a"


# --- §4.1: the format of a frame ----------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [0, 1, 2, 101])
@pytest.mark.parametrize("kind", [11, 13, 15, 22, 128, 255])
async def test_a_frame_of_unknown_type_is_ignored(
    http2: Opener, mirror: Mirror, kind: int, stream: int
) -> None:
    client = await http2(mirror)
    await client.send((kind, stream, bytes(8), 0xFF))
    await client.goes_on()


@pytest.mark.parametrize(
    "frame",
    [
        ("PING", 0, b"expected", 0x16),
        ("SETTINGS", 0, {}, 0xFE),
        ("WINDOW_UPDATE", 0, 1, 0xFF),
        ("PRIORITY", 1, bytes(5), 0xFF),
    ],
    ids=lambda frame: frame[0],
)
async def test_flags_that_mean_nothing_on_a_frame_are_ignored(
    http2: Opener, mirror: Mirror, frame: tuple[Any, ...]
) -> None:
    client = await http2(mirror)
    await client.send(frame)
    await client.ping()


async def test_flags_that_mean_nothing_on_a_request_are_ignored(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, client.fields(b"POST"), "END_HEADERS", 0xD2))
    await client.send(("DATA", 1, b"x", "END_STREAM", 0xF6))
    assert (await client.answer(1)).status == 200
    assert mirror.seen[0].body == b"x"


async def test_the_reserved_bit_before_the_stream_is_ignored(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(("PING", 1 << 31, b"reserved"))
    assert (await client.take("PING", flag="ACK")).payload == b"reserved"
    await client.send(("HEADERS", 1 << 31 | 1, client.fields(), "END_HEADERS", "END_STREAM"))
    assert (await client.answer(1)).status == 200


# --- §4.2: the size of a frame ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, MAXIMUM - 1, MAXIMUM])
async def test_a_frame_may_be_as_large_as_announced(http2: Opener, mirror: Mirror, size: int) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", body=bytes(size))
    assert (await client.answer(stream)).status == 200
    assert len(mirror.seen[0].body) == size


async def test_a_larger_size_may_be_announced(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror, http2_max_frame_size=40_000)
    stream = await client.request(b"POST", body=bytes(40_000))
    assert (await client.answer(stream)).status == 200
    await client.send(("DATA", 3, bytes(40_001)))
    await client.fails(ErrorCodes.FRAME_SIZE_ERROR)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(("DATA", 1, bytes(MAXIMUM + 1)), id="DATA"),
        pytest.param(("HEADERS", 3, BLOCK + bytes(MAXIMUM), "END_HEADERS"), id="HEADERS"),
        pytest.param((99, 0, bytes(MAXIMUM + 1)), id="unknown"),
        pytest.param(("SETTINGS", 0, bytes(6 * 2731)), id="SETTINGS"),
    ],
)
async def test_a_frame_larger_than_announced_is_a_frame_size_error(
    http2: Opener, mirror: Mirror, frame: tuple[Any, ...]
) -> None:
    client = await http2(mirror)
    await client.request(b"POST", ends=False)
    await client.send(frame)
    await client.fails(ErrorCodes.FRAME_SIZE_ERROR)


async def test_a_frame_of_sixteen_megabytes_is_refused_at_its_head(http2: Opener, mirror: Mirror) -> None:
    """Nothing of it has to come for that."""
    client = await http2(mirror)
    await client.request(b"POST", ends=False)
    await client.send(b"\xff\xff\xff\0\0\0\0\0\1")
    await client.fails(ErrorCodes.FRAME_SIZE_ERROR)


# --- §4.3: blocks of fields ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(len(BLOCK) + 1))
async def test_a_block_may_be_cut_anywhere(http2: Opener, mirror: Mirror, cut: int) -> None:
    client = await http2(mirror)
    await client.send(
        ("HEADERS", 1, BLOCK[:cut], "END_STREAM"), ("CONTINUATION", 1, BLOCK[cut:], "END_HEADERS")
    )
    assert (await client.answer(1)).status == 200
    assert mirror.seen[0].header("host") == [b"a"]


async def test_a_block_may_come_byte_by_byte(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, BLOCK[:1], "END_STREAM"))
    for byte in BLOCK[1:-1]:
        await client.send(("CONTINUATION", 1, bytes([byte])))
        await client.settle()
    await client.send(("CONTINUATION", 1, BLOCK[-1:], "END_HEADERS"))
    assert (await client.answer(1)).status == 200


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"\x82\x86\x84\x7f\xff\xff\xff\xff\xff\xff", id="an integer without end"),
        pytest.param(b"\x82\x86\x84\x40\x01", id="a name that is missing"),
        pytest.param(b"\x82\x86\x84\x40\x7f", id="cut in an integer"),
    ],
)
async def test_a_block_that_cannot_be_decoded_is_a_compression_error(
    http2: Opener, mirror: Mirror, block: bytes
) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, block, "END_HEADERS", "END_STREAM"))
    await client.fails(ErrorCodes.COMPRESSION_ERROR)
    assert mirror.seen == []


INTRUDERS = [
    pytest.param(("PRIORITY", 1, bytes(4) + b"\x0f"), id="PRIORITY of the same stream"),
    pytest.param(("HEADERS", 3, BLOCK, "END_HEADERS", "END_STREAM"), id="HEADERS of another stream"),
    pytest.param(("HEADERS", 1, BLOCK, "END_HEADERS", "END_STREAM"), id="HEADERS of the same stream"),
    pytest.param(("CONTINUATION", 3, b"", "END_HEADERS"), id="CONTINUATION of another stream"),
    pytest.param(("DATA", 1, b"x"), id="DATA"),
    pytest.param(("PING", 0, bytes(8)), id="PING"),
    pytest.param(("SETTINGS", 0), id="SETTINGS"),
    pytest.param(("WINDOW_UPDATE", 0, 1), id="WINDOW_UPDATE"),
    pytest.param(("RST_STREAM", 1, 8), id="RST_STREAM"),
    pytest.param(("GOAWAY", 0, bytes(8)), id="GOAWAY"),
    pytest.param((99, 0, b"unknown"), id="an extension"),
]


@pytest.mark.parametrize("intruder", INTRUDERS)
@pytest.mark.parametrize("continued", [False, True], ids=["after HEADERS", "after CONTINUATION"])
async def test_nothing_may_come_between_the_frames_of_a_block(
    http2: Opener, mirror: Mirror, intruder: tuple[Any, ...], continued: bool
) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, BLOCK[:3], "END_STREAM"))
    if continued:
        await client.send(("CONTINUATION", 1, BLOCK[3:4]))
    await client.send(intruder)
    await client.fails(ErrorCodes.PROTOCOL_ERROR)
    assert mirror.seen == []


async def test_what_a_refused_block_said_is_known_to_the_next(http2: Opener, mirror: Mirror) -> None:
    """The compression context is the connection's: a malformed request is decoded, too."""
    client = await http2(mirror)
    malformed = [*client.fields(), (b"connection", b"close"), (b"x-learned", b"from a malformed request")]
    await client.send(("HEADERS", 1, malformed, "END_HEADERS", "END_STREAM"))
    await client.resets(1, ErrorCodes.PROTOCOL_ERROR)
    fields = client.fields(b"GET", b"/", (b"x-learned", b"from a malformed request"))
    assert len(client.block(fields)) < 12, "the second time, all of it is in the table"
    await client.send(("HEADERS", 101, fields, "END_HEADERS", "END_STREAM"))
    assert (await client.answer(101)).status == 200
    assert mirror.seen[-1].header("x-learned") == [b"from a malformed request"]


async def test_fields_of_a_stream_that_was_reset_are_known_to_the_next(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    first = client.fields(b"POST", b"/", (b"x-learned", b"from a stream that is gone"))
    trailers = [(b"x-trailer", b"from trailers that nobody reads")]
    await client.send(
        ("HEADERS", 1, first, "END_HEADERS"),
        ("HEADERS", 1, trailers, "END_HEADERS", "END_STREAM"),
        ("RST_STREAM", 1, 8),
    )
    again = client.fields(b"GET", b"/", first[-1], *trailers)
    await client.send(("HEADERS", 3, again, "END_HEADERS", "END_STREAM"))
    answer = await client.answer(3)
    assert answer.status == 200
    # The application of the first may end before or after.
    (seen,) = [seen for seen in mirror.seen if seen.scope["method"] == "GET"]
    assert seen.header("x-trailer") == [b"from trailers that nobody reads"]
