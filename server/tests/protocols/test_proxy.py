"""Who the client is when a proxy stands between: what is believed, of whom, and what never is."""

from __future__ import annotations

import ipaddress
import struct
import time
from typing import TYPE_CHECKING

import pytest

from asgiworker.protocols.proxy import (
    V2_SIGNATURE,
    ProxyHeader,
    ProxyHeaderError,
    TrustedPeers,
    read_forwarding,
    read_proxy_header,
)

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror, OpenWire

pytestmark = pytest.mark.every_python

# --- trusted peers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "trusted", "others"),
    [
        ("", [], [None, "127.0.0.1", "::1"]),
        ("unix", [None], ["127.0.0.1", "::1"]),
        ("127.0.0.1", ["127.0.0.1", "::ffff:127.0.0.1"], [None, "127.0.0.2", "::1"]),
        ("10.0.0.0/8, ::1", ["10.0.0.1", "10.255.255.255", "::1"], [None, "11.0.0.1", "::2"]),
        ("10.1.2.3/8", ["10.9.9.9"], ["9.9.9.9"]),  # host bits are no mistake
        ("2001:db8::/32,unix", ["2001:db8:ffff::1", None], ["2001:db9::1", "10.0.0.1"]),
        ("fe80::/10", ["fe80::1%eth0", "fe80::1"], ["fec0::1"]),
        ("*", [None, "127.0.0.1", "2001:db8::1", "anything"], []),
        (" 127.0.0.1 ,, 10.0.0.1 ", ["127.0.0.1", "10.0.0.1"], ["10.0.0.2"]),
    ],
)
def test_who_is_trusted(text: str, trusted: list[str | None], others: list[str | None]):
    peers = TrustedPeers.parse(text)
    assert [host for host in trusted if host not in peers] == []
    assert [host for host in others if host in peers] == []


@pytest.mark.parametrize("text", ["localhost", "10.0.0.0/33", "10.0.0", "127.0.0.1;10.0.0.1", "unix:/path"])
def test_what_is_no_address_can_not_be_trusted(text: str):
    with pytest.raises(ValueError, match=r"."):
        TrustedPeers.parse(text)


@pytest.mark.parametrize("host", ["", "unknown", "localhost", "10.0.0.256", "::g"])
def test_a_peer_without_an_address_is_trusted_by_no_network(host: str):
    assert host not in TrustedPeers.parse("0.0.0.0/0,::/0")


# --- header fields ------------------------------------------------------------------------------------------

PROXIES = TrustedPeers.parse("10.0.0.0/8,2001:db8::/32")


def origin(*lines: str) -> tuple[object, str | None]:
    """The client and the scheme that these fields name."""
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name.lower().encode(), value.strip(" ").encode("latin-1")))
    found = read_forwarding(headers, PROXIES)
    return found.client, found.scheme


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        ("192.0.2.1", ("192.0.2.1", 0)),
        ("192.0.2.1:1234", ("192.0.2.1", 1234)),
        ("2001:db9::1", ("2001:db9::1", 0)),
        ("[2001:db9::1]", ("2001:db9::1", 0)),
        ("[2001:db9::1]:1234", ("2001:db9::1", 1234)),
        ("192.0.2.1, 10.0.0.1", ("192.0.2.1", 0)),
        ("192.0.2.1,10.0.0.1 ,\t10.0.0.2", ("192.0.2.1", 0)),
        # What stands further left, the client may have made up.
        ("198.51.100.1, 192.0.2.1", ("192.0.2.1", 0)),
        ("10.9.9.9, 192.0.2.1, 10.0.0.1", ("192.0.2.1", 0)),
        ("127.0.0.1, 192.0.2.1", ("192.0.2.1", 0)),
        # All of them are ours: the one that is farthest away.
        ("10.0.0.3, 10.0.0.2", ("10.0.0.3", 0)),
        # Nothing behind what can't be read counts.
        ("192.0.2.1, unknown", None),
        ("192.0.2.1, unknown, 10.0.0.1", ("10.0.0.1", 0)),
        ("192.0.2.1, ", None),
        ("", None),
        ("localhost", None),
        ("192.0.2.1:http", ("192.0.2.1", 0)),
        ("192.0.2.1:999999", ("192.0.2.1", 0)),
        ("192.0.2.1 198.51.100.1", None),
        ("192.0.2.1\n198.51.100.1", None),
        ("[2001:db9::1", None),
        ("fe80::1%<script>", None),
    ],
)
def test_x_forwarded_for_is_read_from_its_right_end(hops: str, client: object):
    assert origin(f"X-Forwarded-For: {hops}") == (client, None)


def test_several_lines_are_one_list():
    assert origin("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.1")[
        0
    ] == (*("192.0.2.1", 0),)


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("https", "https"),
        ("HTTP", "http"),
        ("http, https", "https"),
        ("https,http", "http"),
        ("wss", "https"),
        ("ws", "http"),
        ("javascript", None),
        ("", None),
    ],
)
def test_x_forwarded_proto_is_what_the_nearest_proxy_says(value: str, scheme: str | None):
    assert origin(f"X-Forwarded-Proto: {value}") == (None, scheme)


@pytest.mark.parametrize(
    ("value", "client", "scheme"),
    [
        ("for=192.0.2.1", ("192.0.2.1", 0), None),
        ("For=192.0.2.1;Proto=https;by=10.0.0.1", ("192.0.2.1", 0), "https"),
        ('for="192.0.2.1:47011"', ("192.0.2.1", 47011), None),
        ('for="[2001:db9::17]:4711" ; proto=http', ("2001:db9::17", 4711), "http"),
        ('for="[2001:db9::17]"', ("2001:db9::17", 0), None),
        ("for=192.0.2.43, for=198.51.100.17;proto=https, for=10.1.2.3", ("198.51.100.17", 0), "https"),
        ("for=_hidden, for=10.0.0.1", ("10.0.0.1", 0), None),
        ("for=unknown", None, None),
        ('for="_gazonk"', None, None),
        ("proto=https", None, "https"),
        ("by=203.0.113.43", None, None),
        # Between quotes, a comma and a semicolon are part of the value: no element stands inside of another.
        ('for=192.0.2.1;host="a,for=1.1.1.1"', ("192.0.2.1", 0), None),
        ('for=192.0.2.1;host="a;for=1.1.1.1"', ("192.0.2.1", 0), None),
        (r'for=192.0.2.1;host="a\",for=1.1.1.1"', ("192.0.2.1", 0), None),
        (r'for=192.0.2.1;host="a\\", for=198.51.100.1', ("198.51.100.1", 0), None),
    ],
)
def test_forwarded_is_read_from_its_right_end(value: str, client: object, scheme: str | None):
    assert origin(f"Forwarded: {value}") == (client, scheme)


@pytest.mark.parametrize("forged", ['for="1.1.1.1', 'for=1.1.1.1;x="', '"', 'host="a\\"', "=;=,", 'a="b"c"'])
def test_what_a_client_puts_before_the_word_of_the_proxy_changes_nothing(forged: str):
    """A proxy that appends to a line doesn't look whether the line makes sense."""
    assert origin(f"Forwarded: {forged}, for=192.0.2.1;proto=https") == (("192.0.2.1", 0), "https")
    assert origin(f"Forwarded: {forged}", "Forwarded: for=192.0.2.1;proto=https") == (
        ("192.0.2.1", 0),
        "https",
    )


def test_forwarded_counts_only_where_no_x_forwarded_field_came():
    forwarded = "Forwarded: for=198.51.100.1;proto=http"
    assert origin(forwarded, "X-Forwarded-For: 192.0.2.1") == (("192.0.2.1", 0), None)
    assert origin(forwarded, "X-Forwarded-Proto: https") == (None, "https")
    assert origin(forwarded) == (("198.51.100.1", 0), "http")


@pytest.mark.parametrize("field", ["Forwarded", "X-Forwarded-For"])
@pytest.mark.parametrize("piece", ['"', '\\"', '"\\', ",", 'for="', ';"', "a", " ", '"a"', 'for="\\",'])
def test_no_field_takes_long_to_read(field: str, piece: str):
    for value in (piece * 8000, piece * 4000 + "\\", '"' + piece * 4000, piece * 4000 + '"'):
        began = time.process_time()
        origin(f"{field}: {value[:8000]}")
        assert time.process_time() - began < 0.25


# --- who is asked -------------------------------------------------------------------------------------------

FORWARDED = b"X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: https\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n" + FORWARDED + b"\r\n"


@pytest.mark.parametrize(
    ("peer", "allowed", "client", "scheme"),
    [
        (("192.0.2.7", 5), "192.0.2.7", ("203.0.113.5", 0), "https"),
        (("192.0.2.7", 5), "*", ("203.0.113.5", 0), "https"),
        (("192.0.2.7", 5), "192.0.2.8", ("192.0.2.7", 5), "http"),
        (("127.0.0.1", 5), "unix", ("127.0.0.1", 5), "http"),
        (("127.0.0.1", 5), "", ("127.0.0.1", 5), "http"),
        ("", "unix", ("203.0.113.5", 0), "https"),
        ("", "127.0.0.1", None, "http"),
    ],
)
async def test_only_a_trusted_peer_says_who_the_client_is(
    open_wire: OpenWire, mirror: Mirror, peer: object, allowed: str, client: object, scheme: str
):
    wire = open_wire(mirror, peer=peer, local="/run/server.sock", forwarded_allow_ips=allowed)
    await wire.send(GET)
    (seen,) = mirror.seen
    assert (seen.scope["client"], seen.scope["scheme"]) == (client, scheme)
    # Whether believed or not, the fields themselves are the application's to see.
    assert seen.header("x-forwarded-for") == [b"203.0.113.5"]


async def test_what_a_proxy_says_of_one_request_does_not_hold_for_the_next(
    open_wire: OpenWire, mirror: Mirror
):
    wire = open_wire(mirror, forwarded_allow_ips="*")
    await wire.send(GET, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", GET.replace(b"203.0.113.5", b"203.0.113.6"))
    assert [seen.scope["client"] for seen in mirror.seen] == [
        ("203.0.113.5", 0),
        ("192.0.2.7", 50000),
        ("203.0.113.6", 0),
    ]
    assert [seen.scope["scheme"] for seen in mirror.seen] == ["https", "http", "https"]


async def test_the_access_log_names_the_client_that_the_proxy_named(open_wire: OpenWire, mirror: Mirror):
    entries: list[tuple[object, ...]] = []
    wire = open_wire(mirror, record=entries.append, forwarded_allow_ips="*")
    await wire.send(GET)
    assert entries[0][2] == ("203.0.113.5", 0)


async def test_a_field_with_an_underscore_speaks_for_nobody(open_wire: OpenWire, mirror: Mirror):
    wire = open_wire(mirror, forwarded_allow_ips="*")
    await wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 203.0.113.5\r\n\r\n")
    assert mirror.seen[0].scope["client"] == ("192.0.2.7", 50000)


# --- the PROXY protocol: version 1 --------------------------------------------------------------------------


def header_of(data: bytes, version: str = "auto") -> ProxyHeader:
    """The header at the start of `data`; every beginning of it asks for more."""
    header = read_proxy_header(data, version)
    assert header is not None
    for size in range(1, header.size):
        assert read_proxy_header(data[:size], version) is None
    assert read_proxy_header(data[: header.size], version) == header
    return header


@pytest.mark.parametrize(
    ("line", "client", "server"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 80", ("192.0.2.1", 5000), ("198.51.100.1", 80)),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", ("255.255.255.255", 65535), None),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 0 443", ("2001:db8::1", 0), ("2001:db8::2", 443)),
        (b"PROXY TCP6 ffff:f:f:f:f:f:f:ffff ::1 1 2", ("ffff:f:f:f:f:f:f:ffff", 1), ("::1", 2)),
        (b"PROXY UNKNOWN", None, None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535", None, None),
    ],
)
def test_a_line_of_version_1_is_read(line: bytes, client: object, server: object):
    for version in ("v1", "auto"):
        header = header_of(line + b"\r\nGET / HTTP/1.1\r\n\r\n", version)
        assert header.size == len(line) + 2
        assert header.client == client
        assert server is None or header.server == server


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY \r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 5000\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 80 90\r\n",
        b"PROXY TCP4  192.0.2.1 198.51.100.1 5000 80\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 80 \r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 80\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 -1 80\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 a 80\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 000080 80\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 5000 80\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 5000 80\r\n",
        b"PROXY TCP6 192.0.2.1 198.51.100.1 5000 80\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 5000 80\r\n",
        b"PROXY TCP4 localhost 198.51.100.1 5000 80\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.1 5000 80\r\n",
        b"PROXY UNIX /a /b\r\n",
        b"PROXY tcp4 192.0.2.1 198.51.100.1 5000 80\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 80\n" + b"x" * 100,
        b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
        b"PROXY TCP4 192.0.2.\xb2 198.51.100.1 5000 80\r\n",
        b"PROXX",
        b"GET / HTTP/1.1\r\n",
        b"\r\n",
        V2_SIGNATURE,
    ],
)
def test_what_is_no_header_of_version_1_is_refused(data: bytes):
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(data, "v1")


def test_a_line_of_version_1_may_have_107_bytes():
    line = b"PROXY UNKNOWN ".ljust(105, b"x") + b"\r\n"
    assert header_of(line, "v1").size == 107
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(line.replace(b"\r\n", b"x\r\n"), "v1")


# --- the PROXY protocol: version 2 --------------------------------------------------------------------------


def version_2(
    *parts: bytes, command: int = 0x21, family: int = 0x11, length: int | None = None, more: bytes = b""
) -> bytes:
    """A header of version 2."""
    body = b"".join(parts)
    size = len(body) if length is None else length
    return V2_SIGNATURE + struct.pack("!BBH", command, family, size) + body + more


def addresses(source: str, destination: str, *ports: int) -> bytes:
    """The addresses of a header of version 2."""
    packed = [ipaddress.ip_address(host).packed for host in (source, destination)]
    return b"".join(packed) + struct.pack("!HH", *ports)


V4 = addresses("192.0.2.1", "198.51.100.1", 5000, 80)
V6 = addresses("2001:db8::1", "2001:db8::2", 65535, 443)
TLV = b"\x04\x00\x03abc"


@pytest.mark.parametrize(
    ("data", "client", "server"),
    [
        (version_2(V4), ("192.0.2.1", 5000), ("198.51.100.1", 80)),
        (version_2(V6, family=0x21), ("2001:db8::1", 65535), ("2001:db8::2", 443)),
        (version_2(V4, TLV, TLV), ("192.0.2.1", 5000), ("198.51.100.1", 80)),
        (version_2(V4, b"x" * 4000), ("192.0.2.1", 5000), ("198.51.100.1", 80)),
        # A health check of the proxy itself, addresses or not.
        (version_2(command=0x20, family=0), None, None),
        (version_2(V4, command=0x20), None, None),
        # Families that are none of TCP over IP: the connection is the proxy's own.
        (version_2(family=0), None, None),
        (version_2(V4, family=0x12), None, None),
        (version_2(b"/a".ljust(108, b"\0") + b"/b".ljust(108, b"\0"), family=0x31), None, None),
    ],
)
def test_a_header_of_version_2_is_read(data: bytes, client: object, server: object):
    for version in ("v2", "auto"):
        header = header_of(data + b"GET / HTTP/1.1\r\n\r\n", version)
        assert (header.size, header.client, header.server) == (len(data), client, server)


@pytest.mark.parametrize(
    "data",
    [
        version_2(V4, command=0x11),
        version_2(V4, command=0x31),
        version_2(V4, command=0x22),
        version_2(V4[:-1]),
        version_2(V4, family=0x21),
        version_2(V4, length=5000),
        version_2(V4, length=65535),
        V2_SIGNATURE[:-1] + b"x",
        b"\r\n\r\n\x00\r\nQUIX",
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 80\r\n",
    ],
)
def test_what_is_no_header_of_version_2_is_refused(data: bytes):
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(data, "v2")


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"\r\n\r\nG", b"PROXYTCP4"])
def test_what_is_a_header_of_neither_version_is_refused(data: bytes):
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(data, "auto")
