"""What is seen in the headers of HTTP/2's frames, however their bytes are split."""

from __future__ import annotations

import pytest

from asgiworker.protocols.http2.floods import BUDGET, SAVINGS, Budget
from asgiworker.protocols.http2.frame_headers import (
    CONTINUATION,
    DATA,
    HEADERS,
    HUGE,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    REMEMBERED,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    FrameHeaders,
    Violation,
)
from asgiworker.protocols.http2.nghttp2 import PREFACE, ErrorCode

pytestmark = pytest.mark.every_python

END_STREAM, END_HEADERS = 0x1, 0x4


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """A frame as it is on the wire."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def begun() -> FrameHeaders:
    """One that has seen the preface and the first SETTINGS."""
    frames = FrameHeaders(Budget(0.0))
    data = PREFACE + frame(SETTINGS)
    assert frames.look(data, 0, ()) == len(data)
    frames.budget.left = BUDGET
    return frames


def look(frames: FrameHeaders, data: bytes, size: int | None = None) -> None:
    """Look at `data`, in pieces of `size`."""
    size = size or len(data)
    for start in range(0, len(data), size):
        part = data[start : start + size]
        assert frames.look(part, 0, ()) == len(part)


def request(stream: int) -> bytes:
    """A request without a body, whatever it asks for."""
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, b"\x82\x84\x86")


@pytest.mark.parametrize("size", [1, 2, 8, 9, 10, 13, 24, 100, 1000])
def test_the_costs_dont_depend_on_how_the_bytes_are_split(size: int):
    data = PREFACE + frame(SETTINGS) + frame(PING, payload=bytes(8)) * 3 + request(1)
    data += frame(DATA, 0, 3) + frame(DATA, 0, 3, b"body") + frame(RST_STREAM, 0, 1, bytes(4))
    whole, split = FrameHeaders(Budget(0.0)), FrameHeaders(Budget(0.0))
    look(whole, data)
    look(split, data, size)
    assert whole.budget.left == split.budget.left == BUDGET - 4 - 3 * 2 - 1 - 4
    assert whole.ended == split.ended == {1}


@pytest.mark.parametrize("size", [1, 5, 100])
def test_nothing_may_follow_on_a_stream_that_the_client_has_reset(size: int):
    for late in (frame(DATA, 0, 1, b"x"), request(1)):
        with pytest.raises(Violation) as violation:
            look(begun(), request(1) + frame(RST_STREAM, 0, 1, bytes(4)) + late, size)
        assert violation.value.code is ErrorCode.STREAM_CLOSED


def test_trailers_and_later_streams_are_in_order():
    frames = begun()
    look(frames, frame(HEADERS, END_HEADERS, 1) + request(3) + request(1) + request(5))
    assert frames.budget.left == BUDGET


def test_a_stream_opened_out_of_order_is_a_violation():
    for first in (5, 7):
        with pytest.raises(Violation) as violation:
            look(begun(), request(first) + request(3))
        assert violation.value.code is ErrorCode.PROTOCOL_ERROR


def test_a_client_that_leaves_numbers_out_may_still_send_trailers():
    look(begun(), frame(HEADERS, END_HEADERS, 5) + request(9) + request(5))


def test_what_is_remembered_of_streams_is_bounded():
    frames = begun()
    for stream in range(1, 20_000, 4):
        look(frames, request(stream) + frame(RST_STREAM, 0, stream, bytes(4)))
    assert len(frames.ended) <= REMEMBERED + 2
    assert frames._used is not None
    assert len(frames._used) <= REMEMBERED


def test_a_priority_needs_a_stream_and_not_itself():
    look(begun(), frame(PRIORITY, 0, 3, (5).to_bytes(4, "big") + b"\x00"))
    wrong = [
        frame(PRIORITY, 0, 0, bytes(5)),
        frame(PRIORITY, 0, 3, (3).to_bytes(4, "big") + b"\x00"),
        frame(PRIORITY, 0, 3, (3 | 1 << 31).to_bytes(4, "big") + b"\x00"),
        frame(PRIORITY_UPDATE, 0, 0, bytes(4) + b"u=1"),
    ]
    for data in wrong:
        with pytest.raises(Violation) as violation:
            look(begun(), data)
        assert violation.value.code is ErrorCode.PROTOCOL_ERROR


def test_a_huge_window_of_a_stream_is_to_be_looked_at_alone():
    frames = begun()
    before, after = request(1), request(3)
    update = frame(WINDOW_UPDATE, 0, 1, HUGE.to_bytes(4, "big"))
    data = before + update + after
    assert frames.look(data, 0, ()) == len(before)
    assert frames.look(data, len(before) + len(update), ()) == len(data)
    small = frame(WINDOW_UPDATE, 0, 1, (HUGE - 1).to_bytes(4, "big"))
    connection = frame(WINDOW_UPDATE, 0, 0, HUGE.to_bytes(4, "big"))
    look(frames, small + connection)


@pytest.mark.parametrize("size", [1, 3, 9, 100])
def test_it_is_known_whether_a_head_is_under_way(size: int):
    frames = FrameHeaders(Budget(0.0))
    look(frames, PREFACE, size)
    assert frames.unfinished, "SETTINGS belongs to the preface"
    look(frames, frame(SETTINGS), size)
    assert not frames.unfinished
    whole = request(1)
    look(frames, whole[:-1], size)
    assert frames.unfinished
    look(frames, whole[-1:], size)
    assert not frames.unfinished
    look(frames, frame(HEADERS, END_STREAM, 3, b"\x82"), size)
    assert frames.unfinished
    look(frames, frame(CONTINUATION, 0, 3, b"\x84"), size)
    assert frames.unfinished
    look(frames, frame(CONTINUATION, END_HEADERS, 3, b"\x86"), size)
    assert not frames.unfinished
    look(frames, frame(DATA, 0, 1, b"a body, split")[:-3], size)
    assert not frames.unfinished


def test_what_was_saved_up_has_a_bound():
    frames = begun()
    frames.budget.left = 10 * SAVINGS
    look(frames, request(1))
    assert frames.budget.left == SAVINGS
