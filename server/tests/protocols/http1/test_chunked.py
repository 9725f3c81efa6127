"""The chunked coding, piece by piece (RFC 9112 §7.1)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from asgiworker.process.settings import Settings
from asgiworker.protocols.http1.chunked import EXTENSIONS_BOUND, ChunkedDecoder
from asgiworker.protocols.request import Refusal

pytestmark = pytest.mark.every_python


def decoder(**limits: int) -> ChunkedDecoder:
    """A decoder, with the default limits unless others are given."""
    return ChunkedDecoder(Settings(**limits))  # type: ignore[arg-type]


def decoded(data: bytes, size: int = 0) -> tuple[bytes, bytes]:
    """The body in `data`, fed in pieces of `size` (0: whole), and what follows it."""
    decoding = decoder()
    body = b""
    pieces = [data[start : start + size] for start in range(0, len(data), size)] if size else [data]
    for number, piece in enumerate(pieces):
        body += b"".join(decoding.decode(piece))
        if decoding.complete:
            return body, decoding.rest + b"".join(pieces[number + 1 :])
    raise AssertionError("the body has no end")


def feed(decoding: ChunkedDecoder, pieces: Iterable[bytes]) -> None:
    """Decode all of `pieces`."""
    for piece in pieces:
        decoding.decode(piece)


def refusal(data: bytes, **limits: int) -> Refusal:
    """What `data` is refused with, the same whole and byte by byte."""
    whole = decoder(**limits)
    with pytest.raises(Refusal) as caught:
        whole.decode(data)
    with pytest.raises(Refusal) as caught_split:
        feed(decoder(**limits), (data[place : place + 1] for place in range(len(data))))
    assert caught.value.status == caught_split.value.status
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 7, 16])
@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n7\r\n, world\r\n000\r\n\r\n", b"hello, world"),
        (b"1a\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n", b"x" * 26),
        (b"1A\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n", b"x" * 26),
        (b"00000000000000ff\r\n" + b"y" * 255 + b"\r\n0\r\n\r\n", b"y" * 255),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
        (b'3;a=b;c="d e"\r\nabc\r\n0;z\r\n\r\n', b"abc"),
        (b"3\t ; a\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"3\r\nabc\r\n0\r\nX: y\r\nEmpty:\r\n\r\n", b"abc"),
    ],
)
def test_a_body_is_decoded_however_it_is_split(data: bytes, body: bytes, size: int):
    assert decoded(data, size) == (body, b"")
    assert decoded(data + b"GET / HTTP/1.1", size) == (body, b"GET / HTTP/1.1")
    assert decoded(data + b"\r\n\r\n0\r\n", size) == (body, b"\r\n\r\n0\r\n")


def test_content_is_passed_on_before_its_chunk_is_complete():
    decoding = decoder()
    assert decoding.decode(b"ff\r\nhel") == [b"hel"]
    assert decoding.decode(b"lo") == [b"lo"]
    assert not decoding.complete


def test_a_chunk_may_be_as_long_as_its_size_line_can_say():
    decoding = decoder()
    assert decoding.decode(b"ffffffffffffffff\r\nx") == [b"x"]
    for _ in range(10):
        assert decoding.decode(b"y" * 100_000) == [b"y" * 100_000]
    assert not decoding.complete


@pytest.mark.parametrize(
    "line",
    [b"", b"g", b"-1", b"+1", b" 1", b"1 ", b"1\t", b"0x1", b"1_0", b"1 1", b"1,1", b"1=a", b'"1"', b"\x0b1"],
)
def test_a_size_is_plain_hexadecimal(line: bytes):
    assert refusal(line + b"\r\nx\r\n0\r\n\r\n").status == 400


def test_a_size_has_at_most_16_digits():
    assert refusal(b"0" * 16 + b"1\r\nx\r\n0\r\n\r\n").status == 400


@pytest.mark.parametrize("ending", [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\x85", b"\x0b\r\n"])
@pytest.mark.parametrize(
    "template",
    [b"3%babc\r\n0\r\n\r\n", b"3;a%babc\r\n0\r\n\r\n", b"3\r\nabc%b0\r\n\r\n", b"3\r\nabc\r\n0%b\r\n\r\n"],
)
def test_every_line_ends_with_crlf(template: bytes, ending: bytes):
    assert refusal(template % ending + b"more\r\n\r\n").status == 400


@pytest.mark.parametrize("after", [b"x", b"xx", b"\rx", b"x\n", b"0\r\n\r\n", b"\n\r"])
def test_content_that_is_longer_than_its_size_is_refused(after: bytes):
    assert refusal(b"3\r\nabc" + after + b"\r\n").status == 400


@pytest.mark.parametrize("byte", [0, 1, 7, 8, 10, 11, 12, 13, 27, 31, 127])
def test_an_extension_hides_no_control_character(byte: int):
    assert refusal(b"1;a%cb\r\nx\r\n0\r\n\r\n" % byte).status == 400


def test_extensions_are_bounded_together():
    extension = b";" + b"e" * (EXTENSIONS_BOUND // 2 - 1)
    assert decoded(2 * (b"1" + extension + b"\r\nx\r\n") + b"0\r\n\r\n") == (b"xx", b"")
    assert refusal(2 * (b"1" + extension + b"\r\nx\r\n") + b"0;\r\n\r\n").status == 400


def test_an_extension_without_end_is_refused_before_it_has_filled_memory():
    with pytest.raises(Refusal):
        feed(decoder(), [b"1;", *[b"x" * 100] * (2 * EXTENSIONS_BOUND // 100)])


@pytest.mark.parametrize(
    "line",
    [b"X", b": y", b"X : y", b" X: y", b"\tX: y", b"X Y: z", b"X: \x00", b"X: a\x7f", b"X(: y", b"\xe9: y"],
)
def test_a_trailer_is_a_field_line(line: bytes):
    assert refusal(b"0\r\n" + line + b"\r\n\r\n").status == 400


@pytest.mark.parametrize(
    "name", [b"Content-Length", b"Transfer-Encoding", b"Host", b"Trailer", b"Authorization"]
)
def test_a_trailer_that_would_frame_or_route_has_no_effect(name: bytes):
    assert decoded(b"1\r\nx\r\n0\r\n" + name + b": 5\r\n\r\nrest") == (b"x", b"rest")


def test_trailers_are_bounded_in_number():
    fields = Settings().limit_request_fields
    decoding = decoder()
    decoding.decode(b"0\r\n" + b"X: y\r\n" * (fields - 10) + b"\r\n")
    assert decoding.complete
    assert refusal(b"0\r\n" + b"X: y\r\n" * (fields + 1) + b"\r\n").status == 431


def test_a_trailer_is_bounded_in_size():
    decoding = decoder(limit_request_field_size=50)
    decoding.decode(b"0\r\nX: " + b"y" * 45 + b"\r\n\r\n")
    assert decoding.complete
    assert refusal(b"0\r\nX: " + b"y" * 46 + b"\r\n\r\n", limit_request_field_size=50).status == 431


def test_trailers_are_bounded_in_size_together():
    field = b"X: " + b"y" * 1000 + b"\r\n"
    assert refusal(b"0\r\n" + field * 10 + b"\r\n", limit_request_head=5000).status == 431


@pytest.mark.parametrize("limits", [{}, {"limit_request_field_size": 0}])
def test_a_trailer_without_end_is_refused_before_it_has_filled_memory(limits: dict[str, int]):
    with pytest.raises(Refusal):
        feed(decoder(**limits), [b"0\r\nX: ", *[b"y" * 100] * 700])


def test_without_limits_trailers_may_be_as_many_and_as_long_as_they_like():
    decoding = decoder(limit_request_fields=0, limit_request_field_size=0, limit_request_head=0)
    decoding.decode(b"0\r\n" + (b"X: " + b"y" * 10_000 + b"\r\n") * 300 + b"\r\n")
    assert decoding.complete
