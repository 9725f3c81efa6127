"""Heads of requests: what they come apart into, and with which status they are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asgiworker.process.settings import Settings
from asgiworker.protocols.http1 import head
from asgiworker.protocols.http1.head import Head, HeadParser, read_routing, resolve_target
from asgiworker.protocols.request import PLAIN, Refusal, Routing

pytestmark = pytest.mark.every_python

LINES = b"Host: a.example\r\nAccept: */*\r\n\r\n"
PLAIN_HEAD = b"GET /a?b=c HTTP/1.1\r\n" + LINES


@pytest.fixture
def parser() -> HeadParser:
    """A parser with the default limits."""
    return HeadParser(Settings())


def limited(**limits: int) -> HeadParser:
    """A parser with other limits."""
    return HeadParser(Settings(**limits))  # type: ignore[arg-type]


def refusal(parser: HeadParser, data: bytes) -> Refusal:
    """What `data` is refused with."""
    with pytest.raises(Refusal) as caught:
        parser.parse(data)
    return caught.value


def outcome(parser: HeadParser, data: bytes) -> object:
    """What the parser makes of `data`, in a form that can be compared."""
    try:
        method, target, version, headers, names, routing, *parts = parser.parse(data)
    except Refusal as refused:
        return refused.status
    return method, target, version, headers, names, described(routing), parts


def described(routing: Routing) -> dict[str, Any]:
    """The attributes of `routing`."""
    return {name: getattr(routing, name) for name in Routing.__slots__}


# --- the parts ----------------------------------------------------------------------------------------------


def test_a_head_comes_apart(parser: HeadParser):
    method, target, version, headers, names, routing, path, raw_path, query = parser.parse(PLAIN_HEAD)
    assert (method, target, version) == ("GET", b"/a?b=c", "1.1")
    assert (path, raw_path, query) == ("/a", b"/a", b"b=c")
    assert headers == [(b"host", b"a.example"), (b"accept", b"*/*")]
    assert names == {b"host": b"a.example", b"accept": b"*/*"}
    assert routing is PLAIN


def test_the_parts_have_the_types_that_asgi_wants(parser: HeadParser):
    for _ in range(2):
        method, target, version, headers, _, _, path, raw_path, query = parser.parse(PLAIN_HEAD)
        assert type(method) is str
        assert type(target) is bytes
        assert type(version) is str
        assert [type(part) for part in (path, raw_path, query)] == [str, bytes, bytes]
        assert type(headers) is list
        assert all(
            type(field) is tuple and [type(part) for part in field] == [bytes, bytes] for field in headers
        )


@pytest.mark.parametrize(
    "method",
    [
        "DELETE",
        "GET",
        "HEAD",
        "LOCK",
        "MKCOL",
        "OPTIONS",
        "PATCH",
        "POST",
        "PROPFIND",
        "PUT",
        "QUERY",
        "TRACE",
    ],
)
def test_the_methods_that_are_known(parser: HeadParser, method: str):
    data = PLAIN_HEAD.replace(b"GET", method.encode())
    assert parser.parse(data)[0] == method
    assert parser.parse(data)[0] == method


def test_an_upgrade_keeps_the_method_it_came_with(parser: HeadParser):
    for method in (b"GET", b"POST", b"PUT"):
        data = method + b" / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        assert parser.parse(data)[0] == method.decode()


# --- what a parser remembers --------------------------------------------------------------------------------

AFTER = [
    PLAIN_HEAD,
    b"POST /b HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
]


@pytest.mark.parametrize(
    "before",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: x\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\x00\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"\r\n\r\n\r\nGET",
    ],
)
def test_no_request_leaves_anything_behind_for_the_next(before: bytes):
    fresh = [outcome(HeadParser(Settings()), data) for data in AFTER]
    parser = HeadParser(Settings())
    outcome(parser, before)
    for data, expected in zip(AFTER, fresh, strict=True):
        assert outcome(parser, data) == expected
        outcome(parser, before)
    assert [outcome(parser, data) for data in AFTER] == fresh


@pytest.mark.parametrize("place", ["/{}", "/a{}b?c", "/?{}", "/?a={}b"])
def test_a_target_fares_the_same_whether_the_fields_after_it_are_known_or_not(place: str):
    experienced = HeadParser(Settings())
    experienced.parse(PLAIN_HEAD)
    for code in range(256):
        data = b"GET %b HTTP/1.1\r\n" % place.format(chr(code)).encode("latin-1") + LINES
        expected = outcome(HeadParser(Settings()), data)
        assert outcome(experienced, data) == expected
        assert outcome(experienced, data) == expected


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET / HTTP/1.2\r\n", 505),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"GET / http/1.1\r\n", 400),
        (b"GET  / HTTP/1.1\r\n", 400),
        (b"GET /  HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1 \r\n", 400),
        (b"GET /a b HTTP/1.1\r\n", 400),
        (b"GET /#a HTTP/1.1\r\n", 400),
        (b"GET a HTTP/1.1\r\n", 400),
        (b"GET * HTTP/1.1\r\n", 400),
        (b"GET http://u@b/ HTTP/1.1\r\n", 400),
        (b"get / HTTP/1.1\r\n", 501),
        (b"BREW / HTTP/1.1\r\n", 501),
        (b"PRI / HTTP/1.1\r\n", 501),
        (b"DESCRIBE / HTTP/1.1\r\n", 501),
        (b"CONNECT / HTTP/1.1\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\n", 501),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n", 414),
        (b"", 400),
        (b"GET / HTTP/1.1\r\nHost: b\r\n", 400),
    ],
)
def test_a_line_is_refused_alike_whether_the_fields_after_it_are_known_or_not(
    parser: HeadParser, line: bytes, status: int
):
    assert refusal(parser, line + LINES).status == status
    parser.parse(PLAIN_HEAD)
    parser.parse(PLAIN_HEAD)
    assert refusal(parser, line + LINES).status == status


def test_the_same_fields_are_read_anew_for_another_version(parser: HeadParser):
    for _ in range(2):
        assert parser.parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")[2:] == (
            *("1.1", [(b"host", b"a")], {b"host": b"a"}, PLAIN, "/", b"/", b""),
        )
        old = parser.parse(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        assert old[2] == "1.0"
        assert old[5].keep_alive is False


def test_the_same_fields_have_another_host_after_an_absolute_target(parser: HeadParser):
    for _ in range(2):
        assert parser.parse(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")[3] == [(b"host", b"a")]
        assert parser.parse(b"GET http://b/a HTTP/1.1\r\nHost: a\r\n\r\n")[3] == [(b"host", b"b")]


def test_what_an_application_does_to_its_headers_is_not_there_in_the_next_request(parser: HeadParser):
    for _ in range(3):
        headers = parser.parse(PLAIN_HEAD)[3]
        assert headers == [(b"host", b"a.example"), (b"accept", b"*/*")]
        headers.append((b"x", b"y"))
        headers[0] = (b"host", b"elsewhere")


@pytest.mark.parametrize("name", [b"Authorization", b"Cookie", b"Proxy-Authorization", b"COOKIE"])
def test_secrets_are_not_remembered(parser: HeadParser, name: bytes):
    parser.parse(b"GET / HTTP/1.1\r\nHost: a\r\n" + name + b": s3cr3t\r\n\r\n")
    assert not any(b"s3cr3t" in block for block in parser._blocks)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", b""),
        (b"/a?b=c", "/a", b"b=c"),
        (b"/a?", "/a", b""),
        (b"/?a?b", "/", b"a?b"),
        (b"/%C3%A4%2F?%C3%A4", "/ä/", b"%C3%A4"),
        (b"/a" + b"b" * 1000, "/a" + "b" * 1000, b""),
    ],
)
def test_a_line_that_comes_often_says_the_same_each_time(
    parser: HeadParser, target: bytes, path: str, query: bytes
):
    for _ in range(3 * head._ADMITTED):
        parts = parser.parse(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target)
        assert parts[:2] == ("GET", target)
        assert parts[6:] == (path, target.partition(b"?")[0], query)
    assert len(parser._lines) == (len(target) < head._LINE_SIZE)


def test_what_is_remembered_is_bounded_in_number_and_size(parser: HeadParser):
    for number in range(2000):
        parser.parse(b"GET / HTTP/1.1\r\nHost: host%d\r\nX: %d\r\n\r\n" % (number, number))
    parser.parse(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 5000 + b"\r\n\r\n")
    for number in range(2 * head._ADMITTED * head._LINES_BOUND):
        parser.parse(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    assert 0 < len(parser._lines) <= head._LINES_BOUND
    assert len(parser._blocks) <= head._BLOCKS_BOUND
    assert max(map(len, parser._blocks)) <= head._BLOCK_SIZE
    assert len(parser._valid_hosts) <= head._VALID_HOSTS_BOUND
    # And it still reads what it no longer, or never, remembers.
    assert parser.parse(b"GET / HTTP/1.1\r\nHost: host1\r\nX: 1\r\n\r\n")[3][1] == (b"x", b"1")


# --- limits -------------------------------------------------------------------------------------------------

Sized = Callable[[int], bytes]


def line_of(size: int) -> bytes:
    """A head whose request line has `size` bytes, its CRLF counted."""
    return b"GET /" + b"a" * (size - 16) + b" HTTP/1.1\r\nHost: a\r\n\r\n"


def field_of(size: int) -> bytes:
    """A head with a field line of `size` bytes, its CRLF counted."""
    return b"GET / HTTP/1.1\r\nHost: a\r\nX:" + b"a" * (size - 4) + b"\r\n\r\n"


def fields_of(number: int) -> bytes:
    """A head with so many fields."""
    return b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * (number - 1) + b"\r\n"


@pytest.mark.parametrize("limit", [40, 100, 8192, 20_000])
@pytest.mark.parametrize(
    ("setting", "sized", "status"),
    [
        ("limit_request_line", line_of, 414),
        ("limit_request_field_size", field_of, 431),
        ("limit_request_fields", fields_of, 431),
    ],
)
def test_a_limit_is_the_largest_size_that_passes(setting: str, sized: Sized, status: int, limit: int):
    parser = limited(**{setting: limit})
    for _ in range(2):
        parser.parse(sized(limit))
        assert refusal(parser, sized(limit + 1)).status == status


@pytest.mark.parametrize(
    ("setting", "sized"),
    [
        ("limit_request_line", line_of),
        ("limit_request_field_size", field_of),
        ("limit_request_fields", fields_of),
    ],
)
def test_a_limit_of_zero_is_none(setting: str, sized: Sized):
    limited(**{setting: 0}).parse(sized(30_000))


def test_a_line_that_came_with_known_fields_is_held_against_the_limit(parser: HeadParser):
    parser.parse(line_of(8192))
    parser.parse(line_of(8192))
    assert refusal(parser, line_of(8193)).status == 414


# --- targets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "path", "authority"),
    [
        (b"GET", b"http://a", b"/", b"a"),
        (b"GET", b"http://a/", b"/", b"a"),
        (b"GET", b"HTTPS://A:8/b/c?d=e:/f", b"/b/c?d=e:/f", b"A:8"),
        (b"GET", b"http://a?b", b"/?b", b"a"),
        (b"OPTIONS", b"http://a?b", b"/?b", b"a"),
        (b"OPTIONS", b"http://a", b"*", b"a"),
        (b"OPTIONS", b"http://a/", b"/", b"a"),
        (b"OPTIONS", b"*", b"*", None),
        (b"GET", b"http://[::1]:80/", b"/", b"[::1]:80"),
    ],
)
def test_a_target_that_is_no_path_is_taken_apart(
    method: bytes, target: bytes, path: bytes, authority: bytes | None
):
    assert resolve_target(method, target) == (path, authority)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        (b"GET", b"*", 400),
        (b"GET", b"a:80", 400),
        (b"GET", b"http://", 400),
        (b"GET", b"http:///a", 400),
        (b"GET", b"http://a@b/", 400),
        (b"GET", b"http://a:b/", 400),
        (b"GET", b"http://[::1/", 400),
        (b"GET", b"http://[v1.x]:8/#", 400),
        (b"GET", b"ws://a/", 400),
        (b"GET", b"/a#b", 400),
        (b"CONNECT", b"a:80", 501),
        (b"CONNECT", b"[::1]:80", 501),
        (b"CONNECT", b"a", 400),
        (b"CONNECT", b"a:", 400),
        (b"CONNECT", b"/", 400),
        (b"CONNECT", b"*", 400),
    ],
)
def test_a_target_that_is_no_target_is_refused(method: bytes, target: bytes, status: int):
    with pytest.raises(Refusal) as caught:
        resolve_target(method, target)
    assert caught.value.status == status


# --- the fields that speak to the server --------------------------------------------------------------------


def routing_of(version: str, *lines: bytes) -> Routing:
    """What these fields say."""
    headers = []
    for line in lines:
        name, _, value = line.partition(b": ")
        headers.append((name, value))
    return read_routing(version, headers, dict(headers))


@pytest.mark.parametrize(
    ("version", "lines", "keep_alive"),
    [
        ("1.1", [], True),
        ("1.1", [b"connection: close"], False),
        ("1.1", [b"connection: Close , x"], False),
        ("1.1", [b"connection: x", b"connection: close"], False),
        ("1.1", [b"connection: keep-alive"], True),
        ("1.1", [b"connection: closed"], True),
        ("1.1", [b"connection: "], True),
        ("1.0", [], False),
        ("1.0", [b"connection: keep-alive"], True),
        ("1.0", [b"connection: x,KEEP-ALIVE"], True),
        ("1.0", [b"connection: keep-alive", b"connection: close"], False),
        ("1.0", [b"connection: keep-alive;a=b"], False),
        ("1.0", [b"connection: keepalive"], False),
    ],
)
def test_whether_the_connection_is_kept(version: str, lines: list[bytes], keep_alive: bool):
    assert routing_of(version, *lines).keep_alive is keep_alive


@pytest.mark.parametrize(
    ("value", "takes_trailers"),
    [
        (b"trailers", True),
        (b"gzip;q=1, Trailers", True),
        (b"trailers;q=1", True),
        (b"gzip", False),
        (b"", False),
    ],
)
def test_whether_the_client_takes_trailers(value: bytes, takes_trailers: bool):
    assert routing_of("1.1", b"te: " + value).takes_trailers is takes_trailers


@pytest.mark.parametrize(
    ("lines", "length", "chunked", "expects_continue"),
    [
        ([b"content-length: 0"], 0, False, False),
        ([b"content-length: 7"], 7, False, False),
        ([b"content-length: 9223372036854775807"], 2**63 - 1, False, False),
        ([b"transfer-encoding: Chunked"], 0, True, False),
        ([b"content-length: 7", b"expect: 100-Continue"], 7, False, True),
        ([b"transfer-encoding: chunked", b"expect: 100-continue"], 0, True, True),
        ([b"content-length: 0", b"expect: 100-continue"], 0, False, False),
        ([b"expect: 100-continue"], 0, False, False),
    ],
)
def test_how_the_body_is_framed(lines: list[bytes], length: int, chunked: bool, expects_continue: bool):
    routing = routing_of("1.1", *lines)
    assert (routing.length, routing.chunked, routing.expects_continue) == (length, chunked, expects_continue)


@pytest.mark.parametrize(
    ("version", "lines", "status"),
    [
        ("1.1", [b"content-length: -1"], 400),
        ("1.1", [b"content-length: "], 400),
        ("1.1", [b"content-length: 9223372036854775808"], 400),
        ("1.1", [b"content-length: 5", b"transfer-encoding: chunked"], 400),
        ("1.1", [b"transfer-encoding: gzip"], 501),
        ("1.1", [b"transfer-encoding: "], 501),
        ("1.0", [b"transfer-encoding: chunked"], 400),
        ("1.1", [b"expect: x"], 417),
        ("1.1", [b"expect: "], 417),
    ],
)
def test_framing_that_can_not_be_trusted_is_refused(version: str, lines: list[bytes], status: int):
    with pytest.raises(Refusal) as caught:
        routing_of(version, *lines)
    assert caught.value.status == status


# --- reasons ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "no Host field"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "invalid Host field"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "Host field given more than once"),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "HTTP/3.0 is not spoken here"),
        (b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "fragment in the request target"),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "the target * is for OPTIONS only"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501, "CONNECT is not implemented"),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method not implemented"),
        (line_of(9000), 414, "request line longer than 8192 bytes"),
        (field_of(9000), 431, "header field longer than 8192 bytes"),
        (fields_of(101), 431, "more than 100 header fields"),
    ],
)
def test_a_refusal_says_what_is_wrong(parser: HeadParser, data: bytes, status: int, reason: str):
    refused = refusal(parser, data)
    assert (refused.status, refused.reason, str(refused)) == (status, reason, reason)


def test_a_reason_holds_nothing_that_the_client_sent(parser: HeadParser):
    """It stands in an answer and in the log."""
    for data in (b"GET / HTTP/1.1\r\nHost: a\r\nX\x00<script>: a\r\n\r\n", b"<script> / HTTP/1.1\r\n\r\n"):
        assert "script" not in refusal(parser, data).reason


def test_head_is_a_tuple_that_a_connection_takes_apart(parser: HeadParser):
    parsed: Head = parser.parse(PLAIN_HEAD)
    assert len(parsed) == 9
