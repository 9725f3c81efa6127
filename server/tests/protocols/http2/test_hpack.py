"""RFC 7541: every way to write a field, the dynamic table, and what is no HPACK at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hpack
import pytest
from h2.errors import ErrorCodes
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.http2.conftest import Opener

pytestmark = pytest.mark.every_python

WHOLE = ("END_HEADERS", "END_STREAM")

# :method GET, :scheme http, :path /; every block of a request begins with them, in static entries.
GET = b"\x82\x86\x84"
AUTHORITY = b"\x01\x01a"  # a literal without indexing: the table stays as it is

INCREMENTAL, WITHOUT, NEVER = 0x40, 0x00, 0x10
KINDS = {"incremental": (INCREMENTAL, 6), "without": (WITHOUT, 4), "never": (NEVER, 4)}

USER_AGENT = 58  # its place in the static table


def integer(value: int, bits: int, pattern: int = 0) -> bytes:
    """§5.1: an integer behind a pattern of bits."""
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([pattern | value])
    value -= limit
    octets = [pattern | limit]
    while value >= 128:
        octets.append(value % 128 + 128)
        value //= 128
    return bytes([*octets, value])


def string(value: bytes, huffman: bool) -> bytes:
    """§5.2: a string literal."""
    if huffman:
        value = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(value)
        return integer(len(value), 7, 0x80) + value
    return integer(len(value), 7) + value


# --- §6.1, §6.2: the representations ------------------------------------------------------------------------


async def test_fields_of_the_static_table(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    accept_encoding = b"\x90"  # accept-encoding: gzip, deflate
    await client.send(("HEADERS", 1, GET + AUTHORITY + accept_encoding, *WHOLE))
    assert (await client.answer(1)).status == 200
    assert mirror.seen[0].header("accept-encoding") == [b"gzip, deflate"]


@pytest.mark.parametrize("huffman", [False, True], ids=["plain", "huffman"])
@pytest.mark.parametrize("name", ["indexed", "new"])
@pytest.mark.parametrize("kind", KINDS)
async def test_literal_fields(http2: Opener, mirror: Mirror, kind: str, name: str, huffman: bool) -> None:
    client = await http2(mirror)
    pattern, bits = KINDS[kind]
    if name == "indexed":
        field = integer(USER_AGENT, bits, pattern) + string(b"a test", huffman)
    else:
        field = bytes([pattern]) + string(b"x-test", huffman) + string(b"a test", huffman)
    await client.send(("HEADERS", 1, GET + AUTHORITY + field, *WHOLE))
    assert (await client.answer(1)).status == 200
    assert mirror.seen[0].header("user-agent" if name == "indexed" else "x-test") == [b"a test"]
    # Only what was indexed is in the table now, at its first place.
    await client.send(("HEADERS", 3, GET + AUTHORITY + b"\xbe", *WHOLE))
    if kind == "incremental":
        assert (await client.answer(3)).status == 200
        assert mirror.seen[1].header("user-agent" if name == "indexed" else "x-test") == [b"a test"]
    else:
        await client.fails(ErrorCodes.COMPRESSION_ERROR)


async def test_a_field_of_every_octet_that_a_value_may_have(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    value = bytes([*range(0x21, 0x7F), 0x09, 0x20, *range(0x80, 0x100)])
    for stream, huffman in ((1, False), (3, True)):
        field = b"\x00" + string(b"x-all", huffman) + string(value, huffman)
        await client.send(("HEADERS", stream, GET + AUTHORITY + field, *WHOLE))
        assert (await client.answer(stream)).status == 200
    assert [seen.header("x-all") for seen in mirror.seen] == [[value]] * 2


async def test_an_integer_may_be_longer_than_it_need_be(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    padded = b"\x00" + string(b"x-test", False) + b"\x7f\x81\x80\x80\x00" + bytes(128).replace(b"\0", b"v")
    await client.send(("HEADERS", 1, GET + AUTHORITY + padded, *WHOLE))
    assert (await client.answer(1)).status == 200
    assert mirror.seen[0].header("x-test") == [b"v" * 128]


# --- §2.3.3, §5, §6: what can't be decoded ------------------------------------------------------------------

# "test", in Huffman's code, is 49 50 9f: 20 bits and four of padding.
EOS = b"\xff\xff\xff\xff"  # 30 bits of 1 are the symbol that must not occur

UNDECODABLE = {
    "index 0": b"\x80",
    "an index beyond both tables": integer(62, 7, 0x80),
    "an index far beyond both tables": integer(1 << 20, 7, 0x80),
    "a name's index beyond both tables": integer(62, 6, 0x40) + string(b"v", False),
    "an index without end": b"\xff" + b"\xff" * 12,
    "an index beyond 2^62": b"\xff" + b"\xff" * 8 + b"\x7f",
    "a length without end": b"\x00\x7f" + b"\xff" * 12,
    "a name longer than the block": b"\x00\x7e" + b"x",
    "a value that is missing": b"\x00" + string(b"x-test", False),
    "a value longer than the block": b"\x00" + string(b"x-test", False) + b"\x7e" + b"v",
    "padding of Huffman's longer than 7 bits": b"\x00" + string(b"x-test", False) + b"\x84\x49\x50\x9f\xff",
    "padding of Huffman's with zeros": b"\x00" + string(b"x-test", False) + b"\x83\x49\x50\x90",
    "Huffman's end of string": b"\x00" + string(b"x-test", False) + integer(len(EOS), 7, 0x80) + EOS,
    "a change of the table's size behind a field": b"\x20",
}


@pytest.mark.parametrize("block", UNDECODABLE.values(), ids=UNDECODABLE.keys())
async def test_what_cannot_be_decoded_is_a_compression_error(
    http2: Opener, mirror: Mirror, block: bytes
) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, GET + AUTHORITY + block, *WHOLE))
    await client.fails(ErrorCodes.COMPRESSION_ERROR)
    assert mirror.seen == []


# --- §4, §6.3: the dynamic table ----------------------------------------------------------------------------


@pytest.mark.parametrize("beyond", [1, 1 << 20, (1 << 31) - 4097])
async def test_a_table_larger_than_announced_is_a_compression_error(
    http2: Opener, mirror: Mirror, beyond: int
) -> None:
    client = await http2(mirror)
    size = client.settings.get("HEADER_TABLE_SIZE", 4096) + beyond
    await client.send(("HEADERS", 1, integer(size, 5, 0x20) + GET + AUTHORITY, *WHOLE))
    await client.fails(ErrorCodes.COMPRESSION_ERROR)
    assert mirror.seen == []


@pytest.mark.parametrize("sizes", [[0], [4096], [100], [0, 4096], [0, 0], [100, 50, 4000]], ids=str)
async def test_the_table_may_change_its_size_at_the_beginning_of_a_block(
    http2: Opener, mirror: Mirror, sizes: list[int]
) -> None:
    client = await http2(mirror)
    updates = b"".join(integer(size, 5, 0x20) for size in sizes)
    await client.send(("HEADERS", 1, updates + GET + AUTHORITY, *WHOLE))
    assert (await client.answer(1)).status == 200


async def test_a_table_of_size_0_forgets_all(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    field = b"\x40" + string(b"x-test", False) + string(b"v", False)
    await client.send(("HEADERS", 1, GET + AUTHORITY + field, *WHOLE))
    assert (await client.answer(1)).status == 200
    await client.send(("HEADERS", 3, b"\x20" + integer(4096, 5, 0x20) + GET + AUTHORITY + b"\xbe", *WHOLE))
    await client.fails(ErrorCodes.COMPRESSION_ERROR)


async def test_the_table_drops_its_oldest_entries(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    fields = [(b"x-%02d" % number, b"v" * 400) for number in range(12)]
    encoder = hpack.Encoder()
    for _ in range(3):
        stream, client.next_stream = client.next_stream, client.next_stream + 2
        block = encoder.encode([*client.fields(), *fields])
        await client.send(("HEADERS", stream, bytes(block), *WHOLE))
        assert (await client.answer(stream)).status == 200
        assert [field for field in mirror.seen[-1].scope["headers"] if field[0] != b"host"] == fields


async def test_an_entry_larger_than_the_table_empties_it(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    small = b"\x40" + string(b"x-small", False) + string(b"v", False)
    large = b"\x40" + string(b"x-large", False) + string(b"v" * 5000, False)
    await client.send(("HEADERS", 1, GET + AUTHORITY + small + large, *WHOLE))
    assert (await client.answer(1)).status == 200
    assert mirror.seen[0].header("x-large") == [b"v" * 5000]
    await client.send(("HEADERS", 3, GET + AUTHORITY + b"\xbe", *WHOLE))
    await client.fails(ErrorCodes.COMPRESSION_ERROR)


async def test_a_table_may_be_announced_to_be_none(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror, http2_header_table_size=0)
    await client.send(("HEADERS", 1, b"\x20" + GET + AUTHORITY, *WHOLE))
    assert (await client.answer(1)).status == 200
    await client.send(("HEADERS", 3, b"\x21" + GET + AUTHORITY, *WHOLE))
    await client.fails(ErrorCodes.COMPRESSION_ERROR)


# --- §7.3: the limits on what is decoded --------------------------------------------------------------------


async def refused(http2: Opener, mirror: Mirror, block: bytes, **settings: int) -> None:
    """The request with this block, in as many frames as it needs, is refused; the connection may go on."""
    client = await http2(mirror, **settings)
    parts = [block[start : start + 16384] for start in range(0, len(block), 16384)]
    frames = [("HEADERS", 1, parts[0], "END_STREAM")]
    frames += [("CONTINUATION", 1, part) for part in parts[1:]]  # type: ignore[misc]
    frames[-1] = (*frames[-1], "END_HEADERS")  # type: ignore[assignment]
    await client.send(*frames)
    answer = await client.refusal(1)
    assert answer in (431, "RST_STREAM", "GOAWAY")
    assert mirror.seen == []


async def test_a_bomb_of_one_entry_repeated_is_refused(http2: Opener, mirror: Mirror) -> None:
    """A field of 4000 octets, then a reference of one octet, 12,000 times: 48 MB of fields."""
    bomb = (
        GET + AUTHORITY + b"\x40" + string(b"x-bomb", False) + string(b"v" * 4000, False) + b"\xbe" * 12_000
    )
    await refused(http2, mirror, bomb)


async def test_a_bomb_of_empty_fields_is_refused(http2: Opener, mirror: Mirror) -> None:
    """§4.1, §7.3: each field counts 32 octets more than it has, since it costs memory all the same."""
    await refused(http2, mirror, GET + AUTHORITY + b"\x00\x01x\x00" * 4_000)


async def test_a_bomb_of_cookies_is_refused(http2: Opener, mirror: Mirror) -> None:
    cookie = integer(32, 6, 0x40) + string(b"v" * 3000, False)
    await refused(http2, mirror, GET + AUTHORITY + cookie + b"\xbe" * 10_000)


async def test_fields_beyond_the_announced_list_size_are_refused(http2: Opener, mirror: Mirror) -> None:
    field = b"\x00" + string(b"x-test", False) + string(b"v" * 2000, False)
    await refused(http2, mirror, GET + AUTHORITY + field, limit_request_head=2000)


async def test_fields_up_to_the_announced_list_size_are_taken(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror, limit_request_field_size=0)
    fields = client.fields()
    used = sum(len(name) + len(value) + 32 for name, value in fields)
    value = b"v" * (65536 - used - 32 - len(b"x-test"))
    block = client.block([*fields, (b"x-test", value)], huffman=False)
    parts = [block[start : start + 16384] for start in range(0, len(block), 16384)]
    await client.send(
        ("HEADERS", 1, parts[0], "END_STREAM"),
        *(("CONTINUATION", 1, part) for part in parts[1:-1]),
        ("CONTINUATION", 1, parts[-1], "END_HEADERS"),
    )
    assert (await client.answer(1)).status == 200
    assert mirror.seen[0].header("x-test") == [value]


async def test_more_fields_than_are_allowed_are_refused(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror, limit_request_fields=10)
    more = [(b"x-%d" % number, b"v") for number in range(8)]
    assert (await client.get(b"/", *more)).status == 200
    more = [(b"x-%d" % number, b"v") for number in range(11)]
    stream = await client.request(b"GET", b"/", *more)
    assert (await client.answer(stream)).status == 431
    await client.goes_on()


async def test_a_field_larger_than_is_allowed_is_refused(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror, limit_request_field_size=100)
    assert (await client.get(b"/", (b"x-test", b"v" * 101))).status == 431
    await client.goes_on()


# --- the server's own blocks --------------------------------------------------------------------------------


async def test_the_servers_fields_are_compressed(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    sizes = []
    for _ in range(3):
        await client.get()
        [frame] = [f for f in client.log if f.kind == "HEADERS"][-1:]
        sizes.append(frame.length)
    assert sizes[-1] < sizes[0] / 2
