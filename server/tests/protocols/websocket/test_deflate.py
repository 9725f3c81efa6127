"""permessage-deflate (RFC 7692): what is agreed on, and the coding."""

from __future__ import annotations

import os
import tracemalloc
import zlib

import pytest

from asgiworker.protocols.websocket.deflate import STEP, Deflate, agree
from asgiworker.protocols.websocket.frames import (
    BINARY,
    CONTINUATION,
    FIN,
    RSV1,
    TEXT,
    Event,
    Failure,
    Reader,
    head,
)

MEBIBYTE = 1024 * 1024


def agreed(offers: bytes = b"permessage-deflate; client_max_window_bits") -> Deflate:
    """What comes of `offers`, if anything."""
    deflate = agree(offers)
    assert deflate is not None
    return deflate


class Client:
    """The client's side of the coding."""

    def __init__(self, *, bits: int = 12, takeover: bool = True) -> None:
        self.bits = bits
        self.takeover = takeover
        self.deflater = zlib.compressobj(wbits=-bits)
        self.inflater = zlib.decompressobj(wbits=-bits)

    def deflate(self, data: bytes) -> bytes:
        """A message, compressed."""
        if not self.takeover:
            self.deflater = zlib.compressobj(wbits=-self.bits)
        return (self.deflater.compress(data) + self.deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]

    def inflate(self, data: bytes) -> bytes:
        """A message of the server."""
        if not self.takeover:
            self.inflater = zlib.decompressobj(wbits=-self.bits)
        return self.inflater.decompress(data + b"\x00\x00\xff\xff")


def frame(first: int, payload: bytes = b"") -> bytes:
    """A frame of a client, masked with zeros."""
    written = head(first, len(payload))
    return bytes((written[0], written[1] | 0x80)) + written[2:] + bytes(4) + payload


def read(deflate: Deflate, *pieces: bytes, max_size: int = 0) -> list[Event]:
    """What a reader makes of frames."""
    reader = Reader(max_size, 0, deflate)
    return [event for piece in pieces for event in reader.read(piece, 1000, 1 << 40)]


# --- agreement ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offers", "field"),
    [
        (b"permessage-deflate", b"permessage-deflate; server_max_window_bits=12"),
        (
            b"permessage-deflate; client_max_window_bits",
            b"permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (
            b"permessage-deflate; client_max_window_bits=9; server_max_window_bits=10",
            b"permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
        ),
        (
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover;"
            b" server_max_window_bits=12",
        ),
        (b"x-other, permessage-deflate", b"permessage-deflate; server_max_window_bits=12"),
        (
            b"permessage-deflate; unknown=1, permessage-deflate",
            b"permessage-deflate; server_max_window_bits=12",
        ),
    ],
)
def test_the_first_offer_that_can_be_met_is_taken(offers: bytes, field: bytes) -> None:
    assert agreed(offers).field == field


@pytest.mark.parametrize(
    "offers", [b"x-other", b"permessage-deflate; server_max_window_bits=8", b"permessage-deflate; what"]
)
def test_without_one_there_is_no_compression(offers: bytes) -> None:
    assert agree(offers) is None


@pytest.mark.parametrize(
    "offers", [b"permessage-deflate;", b"=", b"a b", b'permessage-deflate; a="', b"\xff"]
)
def test_a_malformed_field_is_an_error(offers: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        agree(offers)


# --- the server's messages ----------------------------------------------------------------------------------


def test_a_message_remembers_those_before_it() -> None:
    deflate, client = agreed(), Client()
    message = os.urandom(500)
    first, second = deflate.deflate(message), deflate.deflate(message)
    assert len(second) < 50 < len(first)
    assert [client.inflate(first), client.inflate(second)] == [message, message]


def test_unless_the_client_can_not() -> None:
    deflate, client = agreed(b"permessage-deflate; server_no_context_takeover"), Client(takeover=False)
    message = os.urandom(500)
    first, second = deflate.deflate(message), deflate.deflate(message)
    assert first == second
    assert client.inflate(second) == message


def test_a_small_window_is_kept_to() -> None:
    deflate, client = agreed(b"permessage-deflate; server_max_window_bits=9"), Client(bits=9)
    message = os.urandom(400) * 20
    assert client.inflate(deflate.deflate(message)) == message


# --- the client's messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("takeover", [True, False])
def test_messages_are_inflated(takeover: bool) -> None:
    offer = b"permessage-deflate" + (b"" if takeover else b"; client_no_context_takeover")
    client = Client(takeover=takeover)
    wire = [frame(FIN | RSV1 | TEXT, client.deflate(b"hello " * count)) for count in (1, 100, 1000)]
    assert read(agreed(offer), *wire) == ["hello " * count for count in (1, 100, 1000)]


def test_a_message_may_come_as_it_is() -> None:
    client = Client()
    wire = (
        frame(FIN | TEXT, b"plain") + frame(FIN | RSV1 | BINARY, client.deflate(b"not")) + frame(FIN | TEXT)
    )
    assert read(agreed(), wire) == ["plain", b"not", ""]


def test_a_compressed_message_may_be_fragmented_anywhere() -> None:
    whole = Client().deflate("grüß ".encode() * 50)
    for cut in range(len(whole) + 1):
        wire = frame(RSV1 | TEXT, whole[:cut]) + frame(FIN | CONTINUATION, whole[cut:])
        assert read(agreed(), wire) == ["grüß " * 50]


def test_a_compressed_message_may_be_empty() -> None:
    assert read(agreed(), frame(FIN | RSV1 | TEXT, Client().deflate(b""))) == [""]
    assert read(agreed(), frame(FIN | RSV1 | TEXT, b"\x00")) == [""]  # RFC 7692 §7.2.3.6


def test_messages_may_end_with_a_last_block() -> None:
    hello = bytes.fromhex("f348cdc9c9070000")  # RFC 7692 §7.2.3.4
    assert read(agreed(), frame(FIN | RSV1 | TEXT, hello) * 3) == ["Hello"] * 3


@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 3 * STEP])
def test_a_message_larger_than_what_is_inflated_at_a_time_is_whole(size: int) -> None:
    message = os.urandom(1000) * (size // 1000 + 1)
    wire = frame(FIN | RSV1 | BINARY, Client().deflate(message[:size]))
    assert read(agreed(), wire) == [message[:size]]


def test_what_is_no_deflated_data_fails() -> None:
    (failure,) = read(agreed(), frame(FIN | RSV1 | TEXT, b"\xff\xff\xff\xff"))
    assert isinstance(failure, Failure)
    assert failure.code == 1007


def test_text_is_checked_within_the_fragment() -> None:
    (failure,) = read(agreed(), frame(RSV1 | TEXT, Client().deflate(b"abc\xff") + b"\x00\x00\xff\xff"))
    assert isinstance(failure, Failure)
    assert failure.code == 1007


@pytest.mark.parametrize("first", [FIN | RSV1 | 0x9, RSV1 | CONTINUATION])
def test_only_the_first_frame_of_a_message_says_that_it_is_compressed(first: int) -> None:
    (failure,) = read(agreed(), frame(RSV1 | TEXT, b""), frame(first))
    assert isinstance(failure, Failure)
    assert failure.code == 1002


# --- bombs --------------------------------------------------------------------------------------------------


def test_a_message_is_held_against_the_bound_when_it_is_inflated() -> None:
    client = Client()
    exact, over = (
        frame(FIN | RSV1 | BINARY, client.deflate(bytes(size))) for size in (MEBIBYTE, MEBIBYTE + 1)
    )
    *events, failure = read(agreed(), exact, over, max_size=MEBIBYTE)
    assert events == [bytes(MEBIBYTE)]
    assert isinstance(failure, Failure)
    assert failure.code == 1009


def test_a_message_that_can_not_be_compressed_may_reach_the_bound() -> None:
    message = os.urandom(MEBIBYTE)
    assert read(agreed(), frame(FIN | RSV1 | BINARY, Client().deflate(message)), max_size=MEBIBYTE) == [
        message
    ]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_bomb_takes_no_more_memory_than_a_message_may(opcode: int) -> None:
    bomb = frame(FIN | RSV1 | opcode, Client().deflate(bytes(200 * MEBIBYTE)))
    deflate = agreed()
    tracemalloc.start()
    try:
        (failure,) = read(deflate, bomb, max_size=MEBIBYTE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(failure, Failure)
    assert failure.code == 1009
    assert peak < 4 * MEBIBYTE
