"""RFC 6455 §5: what a reader makes of bytes, however they are cut, and a writer of messages."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies

from asgiworker.protocols.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    FINAL_TEXT,
    PING,
    PONG,
    RSV1,
    TEXT,
    Closed,
    Control,
    Event,
    Failure,
    Reader,
    close_frame,
    control_frame,
    head,
)

MASK = b"\x37\xfa\x21\x3d"
EVERYTHING = 1_000_000


def masked(payload: bytes, mask: bytes = MASK) -> bytes:
    """RFC 6455 §5.3."""
    return bytes(byte ^ mask[position % 4] for position, byte in enumerate(payload))


def frame(first: int, payload: bytes = b"") -> bytes:
    """A frame of a client; `first` is its first byte."""
    written = head(first, len(payload))
    return bytes((written[0], written[1] | 0x80)) + written[2:] + MASK + masked(payload)


def text(payload: str) -> bytes:
    """A text message in one frame."""
    return frame(FIN | TEXT, payload.encode())


def read(*pieces: bytes, max_size: int = 0, max_fragments: int = 0) -> list[Event]:
    """What a reader makes of `pieces`."""
    reader = Reader(max_size, max_fragments)
    return [event for piece in pieces for event in reader.read(piece, EVERYTHING, EVERYTHING)]


def code(*pieces: bytes, max_size: int = 0, max_fragments: int = 0) -> int | None:
    """The close code that `pieces` end with; None if they are in order."""
    events = read(*pieces, max_size=max_size, max_fragments=max_fragments)
    failures = [event.code for event in events if isinstance(event, Failure)]
    return failures[0] if failures else None


# --- messages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 3, 4, 125, 126, 127, 4096, 4097, 65535, 65536, 100_000])
def test_a_message_of_any_length_is_read(size: int) -> None:
    assert read(frame(FIN | BINARY, b"x" * size)) == [b"x" * size]
    assert read(text("y" * size)) == ["y" * size]


def test_what_the_rfc_shows_is_read() -> None:
    hello = bytes.fromhex("818537fa213d7f9f4d5158")  # RFC 6455 §5.7
    assert read(hello) == ["Hello"]


def test_many_messages_of_one_read_keep_their_order() -> None:
    assert read(text("a") + frame(FIN | BINARY, b"b") + text("") + text("d")) == ["a", b"b", "", "d"]


def test_fragments_make_one_message() -> None:
    fragments = frame(TEXT, b"a\xc3") + frame(CONTINUATION) + frame(FIN | CONTINUATION, b"\xa4b")
    assert read(fragments) == ["aäb"]


def test_control_frames_may_come_between_fragments() -> None:
    fragments = frame(BINARY, b"a") + frame(FIN | PING, b"p") + frame(FIN | CONTINUATION, b"b")
    assert read(fragments) == [Control(PING, b"p"), b"ab"]


def test_a_message_after_a_fragmented_one_begins_afresh() -> None:
    fragmented = frame(TEXT, b"a") + frame(FIN | CONTINUATION, b"b")
    assert read(fragmented + frame(FIN | BINARY, b"c") + fragmented) == ["ab", b"c", "ab"]


messages = strategies.lists(
    strategies.one_of(strategies.text(max_size=200), strategies.binary(max_size=200)), max_size=8
)


@hypothesis.given(messages, strategies.data())
def test_how_the_bytes_were_cut_and_fragmented_makes_no_difference(
    sent: list[str | bytes], data: strategies.DataObject
) -> None:
    wire = b""
    for message in sent:
        payload, opcode = (message, BINARY) if isinstance(message, bytes) else (message.encode(), TEXT)
        cut = data.draw(strategies.integers(0, len(payload)))
        if data.draw(strategies.booleans()):
            wire += frame(opcode, payload[:cut]) + frame(FIN | CONTINUATION, payload[cut:])
        else:
            wire += frame(FIN | opcode, payload)
    cuts = sorted(data.draw(strategies.lists(strategies.integers(0, len(wire)), max_size=10)))
    pieces = [wire[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    assert read(*pieces) == sent


def test_byte_by_byte_is_no_different() -> None:
    wire = text("grüß " * 100) + frame(FIN | PING, b"!") + frame(BINARY, b"a" * 70_000) + frame(FIN, b"b")
    whole = read(wire)
    assert read(*(wire[position : position + 1] for position in range(len(wire)))) == whole
    assert whole == ["grüß " * 100, Control(PING, b"!"), b"a" * 70_000 + b"b"]


@hypothesis.given(strategies.binary(max_size=400), strategies.integers(1, 40))
def test_rubbish_is_understood_the_same_way_however_it_is_cut(wire: bytes, step: int) -> None:
    pieces = [wire[position : position + step] for position in range(0, len(wire), step)]
    assert read(*pieces, max_size=1000) == read(wire, max_size=1000)


# --- control frames -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [PING, PONG])
@pytest.mark.parametrize("size", [0, 1, 125])
def test_a_ping_or_a_pong_has_up_to_125_bytes(opcode: int, size: int) -> None:
    assert read(frame(FIN | opcode, b"x" * size)) == [Control(opcode, b"x" * size)]


@pytest.mark.parametrize(
    ("payload", "closed"),
    [
        (b"", Closed(1005, "")),
        (b"\x03\xe8", Closed(1000, "")),
        (b"\x03\xe8bye", Closed(1000, "bye")),
        (b"\x0f\xa1" + "grüß".encode(), Closed(4001, "grüß")),
    ],
)
def test_a_close_has_a_code_and_a_reason_or_neither(payload: bytes, closed: Closed) -> None:
    assert read(frame(FIN | CLOSE, payload)) == [closed]


def test_nothing_is_read_after_a_close() -> None:
    assert read(frame(FIN | CLOSE) + text("more"), text("and more")) == [Closed(1005, "")]


@pytest.mark.parametrize("number", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_a_code_that_is_never_sent_fails(number: int) -> None:
    assert code(frame(FIN | CLOSE, number.to_bytes(2, "big"))) == 1002


@pytest.mark.parametrize("number", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_a_code_that_may_be_sent_does_not(number: int) -> None:
    assert read(frame(FIN | CLOSE, number.to_bytes(2, "big"))) == [Closed(number, "")]


def test_half_a_code_fails() -> None:
    assert code(frame(FIN | CLOSE, b"\x03")) == 1002


def test_a_reason_that_is_not_utf8_fails() -> None:
    assert code(frame(FIN | CLOSE, b"\x03\xe8\xff")) == 1007


# --- what a peer must not send ------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_a_reserved_opcode_fails_with_its_first_byte(opcode: int) -> None:
    assert code(bytes((FIN | opcode,))) == 1002


@pytest.mark.parametrize("bit", [0x40, 0x20, 0x10])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_a_reserved_bit_fails_with_its_first_byte(bit: int, opcode: int) -> None:
    assert code(bytes((FIN | bit | opcode,))) == 1002


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_a_fragmented_control_frame_fails_with_its_first_byte(opcode: int) -> None:
    assert code(bytes((opcode,))) == 1002


def test_a_continuation_of_nothing_fails_with_its_first_byte() -> None:
    assert code(bytes((FIN | CONTINUATION,))) == 1002
    assert code(text("a"), bytes((CONTINUATION,))) == 1002


def test_a_message_within_a_message_fails_with_its_first_byte() -> None:
    assert code(frame(TEXT, b"a"), bytes((FIN | TEXT,))) == 1002


def test_a_frame_that_is_not_masked_fails_with_its_second_byte() -> None:
    assert code(bytes((FIN | TEXT, 0x05))) == 1002


def test_a_control_frame_that_is_too_long_fails_with_its_second_byte() -> None:
    assert code(bytes((FIN | PING, 0xFE))) == 1002


@pytest.mark.parametrize(
    "length", [b"\xfe\x00\x7d", b"\xfe\x00\x00", b"\xff" + bytes(6) + b"\xff\xff", b"\xff\x80" + bytes(7)]
)
def test_a_length_that_is_not_as_short_as_can_be_or_negative_fails(length: bytes) -> None:
    assert code(bytes((FIN | TEXT,)) + length) == 1002


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"a\x80",
        b"\xf8\x88\x80\x80\x80",
    ],
)
def test_text_that_is_not_utf8_fails(payload: bytes) -> None:
    assert code(frame(FIN | TEXT, payload)) == 1007
    assert code(frame(FIN | TEXT, payload + b"x" * 200)) == 1007
    assert code(frame(TEXT, payload)) == 1007
    assert code(frame(TEXT, b"a") + frame(CONTINUATION, payload)) == 1007


def test_it_fails_within_a_frame_that_is_not_complete() -> None:
    wire = frame(FIN | TEXT, b"a\xff" + b"b" * 1000)
    assert code(wire[: 8 + 1]) is None
    assert code(wire[: 8 + 2]) == 1007


def test_a_character_that_is_cut_off_fails_where_the_message_ends() -> None:
    assert code(frame(TEXT, b"a\xe2\x82")) is None
    assert code(frame(FIN | TEXT, b"a\xe2\x82")) == 1007
    assert code(frame(TEXT, b"a\xe2\x82") + frame(FIN | CONTINUATION)) == 1007


def test_what_came_before_a_failure_was_said() -> None:
    (first, failure) = read(text("good") + b"\xff")
    assert first == "good"
    assert isinstance(failure, Failure)


def test_nothing_is_read_after_a_failure() -> None:
    events = read(text("good") + b"\xff" + text("more"), text("and more"))
    assert len(events) == 2


# --- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 125, 126, 1000, 65535, 65536])
def test_a_message_up_to_the_bound_is_read_and_a_longer_one_fails_by_its_head(size: int) -> None:
    wire = frame(FIN | BINARY, b"x" * size)
    assert read(wire, max_size=size) == [b"x" * size]
    assert code(wire[: len(wire) - size - 4], max_size=size - 1) == 1009


def test_the_bound_is_for_all_fragments_together() -> None:
    wire = frame(TEXT, b"x" * 60) + frame(CONTINUATION, b"x" * 40)
    assert code(wire, max_size=100) is None
    assert code(wire + frame(CONTINUATION, b"x"), max_size=100) == 1009


def test_fragments_are_counted_empty_ones_too() -> None:
    wire = frame(TEXT) + frame(CONTINUATION) * 9
    assert code(wire, max_fragments=10) is None
    assert code(wire + frame(CONTINUATION), max_fragments=10) == 1008
    assert code((frame(TEXT) + frame(FIN | CONTINUATION)) * 10, max_fragments=2) is None


def test_reading_stops_where_there_is_no_room_and_goes_on_later() -> None:
    reader = Reader(0, 0)
    assert reader.read(text("a") * 5, 2, EVERYTHING) == ["a", "a"]
    assert reader.pending
    assert reader.read(text("b"), 0, EVERYTHING) == []
    assert reader.read(b"", 10, 3) == ["a", "a", "a"]
    assert reader.read(b"", 10, 3) == ["b"]
    assert not reader.pending
    assert reader.between


def test_a_reader_is_between_messages_when_all_was_read() -> None:
    reader = Reader(0, 0)
    for piece, between in [
        (text("a"), True),
        (frame(TEXT, b"b"), False),
        (frame(FIN | PING), False),
        (frame(FIN | CONTINUATION), True),
        (text("c")[:5], False),
        (text("c")[5:], True),
        (frame(FIN | CLOSE), False),
    ]:
        reader.read(piece, EVERYTHING, EVERYTHING)
        assert reader.between is between


# --- what the server writes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_length_is_written_as_short_as_can_be(size: int, written: bytes) -> None:
    assert head(FINAL_TEXT, size) == written


def test_a_compressed_message_begins_with_its_bit() -> None:
    assert head(FINAL_TEXT | RSV1, 1) == b"\xc1\x01"


def test_a_control_frame_is_written_whole() -> None:
    assert control_frame(PONG, b"abc") == b"\x8a\x03abc"


def test_a_close_is_written_with_code_and_reason_or_empty() -> None:
    assert close_frame(1000, b"bye") == b"\x88\x05\x03\xe8bye"
    assert close_frame(1005) == b"\x88\x00"
    assert len(close_frame(1002, b"x" * 200)) == 127
