"""RFC 9113 §8: what a request may say, what becomes of it in ASGI, and what a response looks like."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

from asgiworker.asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Application, Mirror
    from server.tests.protocols.http2.conftest import Client, Fields, Opener

pytestmark = pytest.mark.every_python

WHOLE = ("END_HEADERS", "END_STREAM")
START = {"type": "http.response.start", "status": 200}

METHOD, SCHEME, PATH = (b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")
AUTHORITY = (b":authority", b"example.com")
GET = [METHOD, SCHEME, PATH, AUTHORITY]


async def is_malformed(client: Client, stream: int) -> None:
    """§8.1.1: a stream error, before which there may be an answer of 400."""
    answer = await client.answer(stream)
    assert answer.status == 400 or answer.reset == ErrorCodes.PROTOCOL_ERROR
    client.next_stream = stream + 2


# --- §8.1: requests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_methods(http2: Opener, mirror: Mirror, method: str) -> None:
    client = await http2(mirror)
    answer = await client.answer(await client.request(method.encode()))
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body == (b"" if method == "HEAD" else b"/")
    assert mirror.seen[0].scope["method"] == method


async def test_a_body_with_trailers(http2: Opener, mirror: Mirror) -> None:
    """ASGI has no place for a request's trailers: they are checked and dropped."""
    client = await http2(mirror)
    stream = await client.request(b"POST", body=b"hello", ends=False)
    await client.send(("HEADERS", stream, [(b"x-trailer", b"1")], *WHOLE))
    assert (await client.answer(stream)).status == 200
    assert mirror.seen[0].body == b"hello"
    assert mirror.seen[0].header("x-trailer") == []


async def test_trailers_without_a_body(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", ends=False)
    await client.send(("HEADERS", stream, [(b"x-trailer", b"1")], *WHOLE))
    assert (await client.answer(stream)).status == 200
    assert mirror.seen[0].body == b""


async def test_trailers_that_do_not_end_the_stream_are_malformed(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", body=b"hello", ends=False)
    await client.send(("HEADERS", stream, [(b"x-trailer", b"1")], "END_HEADERS"))
    await client.breaks(stream, ErrorCodes.PROTOCOL_ERROR)
    assert mirror.seen == []


@pytest.mark.parametrize(
    "trailer",
    [
        (b":method", b"GET"), (b":path", b"/"), (b":status", b"200"), (b":unknown", b"x"), (b"X-Upper", b"x"),
        (b"x y", b"x"), (b"x", b"a\nb"), (b"connection", b"close"), (b"transfer-encoding", b"chunked"),
    ],
    ids=str,
)  # fmt: skip
async def test_malformed_trailers(http2: Opener, mirror: Mirror, trailer: tuple[bytes, bytes]) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", body=b"hello", ends=False)
    await client.send(("HEADERS", stream, [trailer], *WHOLE))
    await is_malformed(client, stream)
    assert mirror.seen == []
    await client.goes_on()


# --- §8.2: fields -------------------------------------------------------------------------------------------

MALFORMED_FIELDS: dict[str, tuple[bytes, bytes]] = {
    # §8.2: names
    "a name in upper case": (b"X-Test", b"v"),
    "a name with one upper case letter": (b"x-tesT", b"v"),
    "no name": (b"", b"v"),
    "a blank in a name": (b"x test", b"v"),
    "a blank behind a name": (b"x-test ", b"v"),
    "a colon in a name": (b"x:test", b"v"),
    "a colon behind a name": (b"x-test:", b"v"),
    "NUL in a name": (b"x\0test", b"v"),
    "LF in a name": (b"x\ntest", b"v"),
    "CRLF in a name": (b"x\r\ntest", b"v"),
    "DEL in a name": (b"x\x7f", b"v"),
    "an octet beyond ASCII in a name": (b"x-\xe4", b"v"),
    "a parenthesis in a name": (b"x(", b"v"),
    # §8.2.1: values
    "NUL in a value": (b"x-test", b"a\0b"),
    "CR in a value": (b"x-test", b"a\rb"),
    "LF in a value": (b"x-test", b"a\nb"),
    "a smuggled field": (b"x-test", b"a\r\ntransfer-encoding: chunked"),
    "a smuggled request": (b"x-test", b"a\r\n\r\nGET /admin HTTP/1.1\r\nhost: a"),
    "a blank before a value": (b"x-test", b" v"),
    "a blank behind a value": (b"x-test", b"v "),
    "a tab before a value": (b"x-test", b"\tv"),
    "a tab behind a value": (b"x-test", b"v\t"),
    "a control character in a value": (b"x-test", b"a\x01b"),
    "DEL in a value": (b"x-test", b"a\x7fb"),
    # §8.2.2: fields of the connection
    "connection": (b"connection", b"close"),
    "connection, keep-alive": (b"connection", b"keep-alive"),
    "connection, another": (b"connection", b"x-test"),
    "keep-alive": (b"keep-alive", b"timeout=5"),
    "proxy-connection": (b"proxy-connection", b"keep-alive"),
    "transfer-encoding": (b"transfer-encoding", b"chunked"),
    "transfer-encoding, identity": (b"transfer-encoding", b"identity"),
    "upgrade": (b"upgrade", b"websocket"),
    "te of something else": (b"te", b"gzip"),
    "te of trailers and more": (b"te", b"trailers, deflate;q=0.5"),
    # §8.3: pseudo-header fields
    "an unknown pseudo-header": (b":test", b"v"),
    "a pseudo-header of responses": (b":status", b"200"),
    "a pseudo-header behind the fields": (b":path", b"/"),
    "a protocol without CONNECT": (b":protocol", b"websocket"),
    # §8.1.1
    "content-length of letters": (b"content-length", b"five"),
    "content-length empty": (b"content-length", b""),
    "content-length negative": (b"content-length", b"-1"),
    "content-length with a sign": (b"content-length", b"+0"),
    "content-length of two": (b"content-length", b"0, 0"),
    "content-length beyond 2^64": (b"content-length", b"99999999999999999999999"),
    "content-length of a body that doesn't come": (b"content-length", b"1"),
}


@pytest.mark.parametrize("field", MALFORMED_FIELDS.values(), ids=MALFORMED_FIELDS.keys())
async def test_a_request_with_a_malformed_field(
    http2: Opener, mirror: Mirror, field: tuple[bytes, bytes]
) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, [*GET, (b"x-before", b"v"), field], *WHOLE))
    await is_malformed(client, 1)
    assert mirror.seen == []
    await client.goes_on()


@pytest.mark.parametrize(
    "field",
    [
        (b"te", b"trailers"), (b"x-empty", b""), (b"x-tab", b"a\tb"), (b"x-utf", "grüße".encode()),
        (b"!#$%&'*+-.^`|~0", b"v"),
        (b"x-latin", b"\xe4"), (b"x-percent", b"%0d%0a"), (b"content-length", b"0"),
    ],
    ids=str,
)  # fmt: skip
async def test_fields_that_are_odd_and_allowed(
    http2: Opener, mirror: Mirror, field: tuple[bytes, bytes]
) -> None:
    client = await http2(mirror)
    assert (await client.get(b"/", field)).status == 200
    assert field in mirror.seen[0].scope["headers"]


async def test_a_name_with_an_underscore_is_dropped_as_on_http_1_1(http2: Opener, mirror: Mirror) -> None:
    """It could pass for its twin with a hyphen."""
    client = await http2(mirror)
    assert (await client.get(b"/", (b"x_forwarded_for", b"1.2.3.4"), (b"x-kept", b"v"))).status == 200
    assert mirror.seen[0].scope["headers"] == [(b"host", b"example.com"), (b"x-kept", b"v")]


async def test_fields_keep_their_order_and_their_number(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    fields = [(b"x-b", b"1"), (b"x-a", b"2"), (b"x-b", b"3")]
    assert (await client.get(b"/", *fields)).status == 200
    assert mirror.seen[0].scope["headers"] == [(b"host", b"example.com"), *fields]


@pytest.mark.parametrize(
    ("crumbs", "cookie"),
    [
        ([b"a=b"], b"a=b"),
        ([b"a=b", b"c=d"], b"a=b; c=d"),
        ([b"a=b; c=d", b"e=f", b"g=h"], b"a=b; c=d; e=f; g=h"),
    ],
)
async def test_cookies_are_joined(http2: Opener, mirror: Mirror, crumbs: list[bytes], cookie: bytes) -> None:
    """§8.2.3."""
    client = await http2(mirror)
    fields: Fields = [(b"x-before", b"v")]
    for crumb in crumbs:
        fields += [(b"cookie", crumb), (b"x-between", b"v")]
    assert (await client.get(b"/", *fields)).status == 200
    assert mirror.seen[0].header("cookie") == [cookie]
    assert len(mirror.seen[0].header("x-between")) == len(crumbs)


# --- §8.3: pseudo-header fields -----------------------------------------------------------------------------

MALFORMED_HEADS: dict[str, Fields] = {
    "no method": [SCHEME, PATH, AUTHORITY],
    "no scheme": [METHOD, PATH, AUTHORITY],
    "no path": [METHOD, SCHEME, AUTHORITY],
    "nothing": [],
    "fields alone": [(b"host", b"a")],
    "an empty method": [(b":method", b""), SCHEME, PATH, AUTHORITY],
    "an empty scheme": [METHOD, (b":scheme", b""), PATH, AUTHORITY],
    "an empty path": [METHOD, SCHEME, (b":path", b""), AUTHORITY],
    "two methods": [METHOD, METHOD, SCHEME, PATH, AUTHORITY],
    "two methods that differ": [METHOD, (b":method", b"POST"), SCHEME, PATH, AUTHORITY],
    "two schemes": [METHOD, SCHEME, SCHEME, PATH, AUTHORITY],
    "two paths": [METHOD, SCHEME, PATH, (b":path", b"/admin"), AUTHORITY],
    "two authorities": [METHOD, SCHEME, PATH, AUTHORITY, (b":authority", b"other.example")],
    "no authority, no host": [METHOD, SCHEME, PATH],
    "an empty authority": [METHOD, SCHEME, PATH, (b":authority", b"")],
    "an authority that isn't the host": [*GET, (b"host", b"other.example")],
    "two hosts": [METHOD, SCHEME, PATH, (b"host", b"example.com"), (b"host", b"example.com")],
    "a user in the authority": [METHOD, SCHEME, PATH, (b":authority", b"user@example.com")],
    "an authority that is no host": [METHOD, SCHEME, PATH, (b":authority", b"a/b")],
    "a blank in the authority": [METHOD, SCHEME, PATH, (b":authority", b"a b")],
    "a port of letters": [METHOD, SCHEME, PATH, (b":authority", b"a:b")],
    "a host that is none": [METHOD, SCHEME, PATH, (b"host", b"a/b")],
    "a blank in the method": [(b":method", b"GET /admin"), SCHEME, PATH, AUTHORITY],
    "CRLF in the method": [(b":method", b"GET / HTTP/1.1\r\nx: y\r\n"), SCHEME, PATH, AUTHORITY],
    "a blank in the path": [METHOD, SCHEME, (b":path", b"/a b"), AUTHORITY],
    "a request in the path": [METHOD, SCHEME, (b":path", b"/ HTTP/1.1\r\nhost: a\r\n\r\n"), AUTHORITY],
    "a tab in the path": [METHOD, SCHEME, (b":path", b"/\t"), AUTHORITY],
    "NUL in the path": [METHOD, SCHEME, (b":path", b"/\0"), AUTHORITY],
    "octets beyond ASCII in the path": [METHOD, SCHEME, (b":path", "/ü".encode()), AUTHORITY],
    "a fragment": [METHOD, SCHEME, (b":path", b"/#top"), AUTHORITY],
    "a relative path": [METHOD, SCHEME, (b":path", b"a/b"), AUTHORITY],
    "a URL as path": [METHOD, SCHEME, (b":path", b"http://example.com/"), AUTHORITY],
    "an asterisk without OPTIONS": [METHOD, SCHEME, (b":path", b"*"), AUTHORITY],
    "a scheme that is none": [METHOD, (b":scheme", b"ht tp"), PATH, AUTHORITY],
    "CONNECT with a path": [(b":method", b"CONNECT"), PATH, AUTHORITY],
    "CONNECT with a scheme": [(b":method", b"CONNECT"), SCHEME, AUTHORITY],
    "CONNECT without an authority": [(b":method", b"CONNECT")],
    "a pseudo-header behind a field": [METHOD, SCHEME, (b"x", b"y"), PATH, AUTHORITY],
    "a method in upper case letters of its name": [(b":Method", b"GET"), *GET],
}


@pytest.mark.parametrize("fields", MALFORMED_HEADS.values(), ids=MALFORMED_HEADS.keys())
async def test_a_request_with_a_malformed_head(http2: Opener, mirror: Mirror, fields: Fields) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, fields, *WHOLE))
    await is_malformed(client, 1)
    assert mirror.seen == []
    await client.goes_on()


async def test_pseudo_headers_may_come_in_any_order(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, [AUTHORITY, PATH, SCHEME, METHOD], *WHOLE))
    assert (await client.answer(1)).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        [METHOD, SCHEME, PATH, AUTHORITY],
        [METHOD, SCHEME, PATH, (b"x-before", b"v"), (b"host", b"example.com")],
        [METHOD, SCHEME, PATH, AUTHORITY, (b"x-before", b"v"), (b"host", b"example.com")],
    ],
    ids=[":authority", "host", "both"],
)
async def test_the_host_comes_first_and_once(http2: Opener, mirror: Mirror, fields: Fields) -> None:
    client = await http2(mirror)
    await client.send(("HEADERS", 1, fields, *WHOLE))
    assert (await client.answer(1)).status == 200
    assert mirror.seen[0].header("host") == [b"example.com"]
    if AUTHORITY in fields:
        assert mirror.seen[0].scope["headers"][0] == (b"host", b"example.com")
    assert not any(name.startswith(b":") for name, _ in mirror.seen[0].scope["headers"])


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/", "/", b"/", b""),
        (b"/a/b?c=d&e", "/a/b", b"/a/b", b"c=d&e"),
        (b"/a%20b%2Fc", "/a b/c", b"/a%20b%2Fc", b""),
        (b"/gr%C3%BC%C3%9Fe", "/grüße", b"/gr%C3%BC%C3%9Fe", b""),
        (b"//double//", "//double//", b"//double//", b""),
        (b"/a/../b", "/a/../b", b"/a/../b", b""),
        (b"/?", "/", b"/", b""),
        (b"/a?b?c", "/a", b"/a", b"b?c"),
    ],
)
async def test_the_target(
    http2: Opener, mirror: Mirror, target: bytes, path: str, raw_path: bytes, query: bytes
) -> None:
    client = await http2(mirror)
    assert (await client.get(target)).status == 200
    scope = mirror.seen[0].scope
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)


async def test_options_may_ask_of_the_whole_server(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    answer = await client.answer(await client.request(b"OPTIONS", b"*"))
    assert answer.status == 200
    assert mirror.seen[0].scope["path"] == "*"


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
@pytest.mark.parametrize("claimed", [b"http", b"https", b"ftp"])
async def test_the_scheme_is_the_connections_whatever_the_client_says(
    http2: Opener, mirror: Mirror, tls: bool, claimed: bytes
) -> None:
    client = await http2(mirror, tls=tls)
    await client.send(("HEADERS", 1, [METHOD, (b":scheme", claimed), PATH, AUTHORITY], *WHOLE))
    answer = await client.answer(1)
    if answer.status == 200:
        assert mirror.seen[0].scope["scheme"] == ("https" if tls else "http")
    else:
        assert claimed != (b"https" if tls else b"http")


async def test_connect_without_a_protocol_is_not_implemented(http2: Opener, mirror: Mirror) -> None:
    """§8.5: this is no proxy."""
    client = await http2(mirror)
    await client.send(("HEADERS", 1, [(b":method", b"CONNECT"), (b":authority", b"a:443")], *WHOLE))
    assert (await client.answer(1)).status == 501
    client.next_stream = 3
    await client.goes_on()


# --- §8.1.1: Content-Length and DATA ------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [[b"1234"], [b"123456"], [b"12", b"34"], [b"123", b"456"], [b""]], ids=str)
async def test_a_body_that_is_not_as_long_as_its_content_length_is_malformed(
    http2: Opener, mirror: Mirror, sent: list[bytes]
) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", b"/", (b"content-length", b"5"), ends=False)
    for part in sent[:-1]:
        await client.send(("DATA", stream, part))
    await client.send(("DATA", stream, sent[-1], "END_STREAM"))
    await is_malformed(client, stream)
    assert mirror.seen == []
    await client.goes_on()


async def test_a_body_that_grows_beyond_its_content_length_is_refused_before_its_end(
    http2: Opener, mirror: Mirror
) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", b"/", (b"content-length", b"5"), ends=False)
    await client.send(("DATA", stream, b"123456"))
    await is_malformed(client, stream)
    assert mirror.seen == []


async def test_trailers_end_a_body_that_is_too_short_as_well(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", b"/", (b"content-length", b"5"), body=b"1234", ends=False)
    await client.send(("HEADERS", stream, [(b"x", b"y")], *WHOLE))
    await is_malformed(client, stream)
    assert mirror.seen == []


async def test_a_body_as_long_as_its_content_length(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", b"/", (b"content-length", b"5"), ends=False)
    await client.send(("DATA", stream, b"12"), ("DATA", stream, b"345"), ("DATA", stream, b"", "END_STREAM"))
    assert (await client.answer(stream)).status == 200
    assert mirror.seen[0].body == b"12345"
    assert mirror.seen[0].header("content-length") == [b"5"]


async def test_two_lengths_are_malformed(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    stream = await client.request(
        b"POST", b"/", (b"content-length", b"5"), (b"content-length", b"5"), body=b"12345"
    )
    await is_malformed(client, stream)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_beyond_the_limit_is_413(http2: Opener, mirror: Mirror, declared: bool) -> None:
    client = await http2(mirror, limit_body=1000)
    more = [(b"content-length", b"1001")] if declared else []
    stream = await client.request(b"POST", b"/", *more, body=bytes(1001))
    assert (await client.answer(stream)).status == 413
    assert mirror.seen == []
    await client.goes_on()


# --- §8.1: Expect -------------------------------------------------------------------------------------------


async def test_the_body_is_asked_for_when_the_application_asks(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", b"/", (b"expect", b"100-continue"), ends=False)
    frame = await client.take("HEADERS", stream)
    assert frame.fields[0] == (b":status", b"100")
    assert "END_STREAM" not in frame.flags
    await client.send(("DATA", stream, b"hello", "END_STREAM"))
    assert (await client.answer(stream)).status == 200
    assert mirror.seen[0].body == b"hello"


async def test_who_does_not_read_does_not_ask(http2: Opener, answer: Any) -> None:
    client = await http2(answer(b"no"))
    stream = await client.request(b"POST", b"/", (b"expect", b"100-continue"), ends=False)
    received = await client.answer(stream)
    assert (received.status, received.interim) == (200, [])


async def test_another_expectation_fails(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    stream = await client.request(b"GET", b"/", (b"expect", b"a miracle"))
    assert (await client.answer(stream)).status == 417
    await client.goes_on()


# --- responses ----------------------------------------------------------------------------------------------


async def test_a_response_has_the_servers_fields(http2: Opener, answer: Any) -> None:
    client = await http2(answer(b"hello", headers=[(b"content-type", b"text/plain")]), headers=("X-Own: 1",))
    received = await client.get()
    names = [name for name, _ in received.headers]
    assert received[b"server"] == b"asgiworker"
    assert received[b"content-length"] == b"5"
    assert received[b"content-type"] == b"text/plain"
    assert received[b"x-own"] == b"1"
    assert names.count(b"date") == 1


async def test_the_applications_own_date_and_server_take_the_place_of_ours(
    http2: Opener, answer: Any
) -> None:
    own = [(b"Date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"Server", b"mine")]
    client = await http2(answer(b"hello", headers=own))
    received = await client.get()
    assert [field for field in received.headers if field[0] in (b"date", b"server")] == [
        (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"server", b"mine"),
    ]  # fmt: skip


async def test_names_are_sent_in_lower_case_and_fields_of_the_connection_not_at_all(
    http2: Opener, answer: Any
) -> None:
    headers = [
        (b"X-Upper", b"Kept"), (b"Transfer-Encoding", b"chunked"), (b"Connection", b"keep-alive"),
        (b"Keep-Alive", b"timeout=5"), (b"Proxy-Connection", b"keep-alive"), (b"Upgrade", b"h2c"),
    ]  # fmt: skip
    client = await http2(answer(b"hello", headers=headers))
    received = await client.get()
    assert received[b"x-upper"] == b"Kept"
    names = {name for name, _ in received.headers}
    assert not names & {b"transfer-encoding", b"connection", b"keep-alive", b"proxy-connection", b"upgrade"}
    await client.goes_on()


async def test_fields_of_a_response_keep_their_order_and_number(http2: Opener, answer: Any) -> None:
    cookies = [(b"set-cookie", b"a=1"), (b"x", b"y"), (b"set-cookie", b"b=2")]
    received = await (await http2(answer(b"", headers=cookies))).get()
    assert [field for field in received.headers if field[0] in (b"set-cookie", b"x")] == cookies


@pytest.mark.parametrize("status", [204, 304])
async def test_a_response_that_has_no_body(http2: Opener, answer: Any, status: int) -> None:
    received = await (await http2(answer(b"dropped", status=status))).get()
    assert (received.status, received.body, received.sizes, received.complete) == (status, b"", [], True)
    if status == 204:
        assert received[b"content-length"] is None


async def test_head_has_the_length_and_no_body(http2: Opener, answer: Any) -> None:
    client = await http2(answer(b"hello"))
    received = await client.answer(await client.request(b"HEAD"))
    assert (received.status, received[b"content-length"], received.sizes) == (200, b"5", [])


async def test_an_empty_response_ends_with_its_head(http2: Opener, answer: Any) -> None:
    received = await (await http2(answer(b""))).get()
    assert (received.complete, received.sizes) == (True, [])


async def test_a_response_in_parts_has_no_made_up_length(http2: Opener, stream: Any) -> None:
    received = await (await http2(stream(b"one", b"two"))).get()
    assert (received.body, received[b"content-length"]) == (b"onetwo", None)


async def test_the_output_of_several_streams_leaves_in_few_writes(
    http2: Opener, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What several streams send in one turn of the loop is written once."""
    client = await http2(answer(b"hello"))
    [connection] = client.server.service.connections
    writes: list[int] = []
    transport = connection.transport

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(transport, name)

        def write(self, data: bytes) -> None:
            writes.append(len(data))
            transport.write(data)

        def writelines(self, parts: list[bytes]) -> None:
            writes.append(sum(map(len, parts)))
            transport.writelines(parts)

    connection.transport = Counting()  # type: ignore[assignment]
    await client.send(*(("HEADERS", stream, GET, *WHOLE) for stream in range(1, 61, 2)))
    for stream in range(1, 61, 2):
        assert (await client.answer(stream)).body == b"hello"
    assert len(writes) <= 3


async def test_early_hints_and_trailers(http2: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
        await send({**START, "trailers": True})
        await send({"type": "http.response.body", "body": b"hello"})
        await send({"type": "http.response.trailers", "headers": [(b"X-Sum", b"1")]})

    client = await http2(app)
    received = await client.get(b"/", (b"te", b"trailers"))
    assert received.interim == [[(b":status", b"103"), (b"link", b"</style.css>; rel=preload")]]
    assert (received.body, received.trailers, received.complete) == (b"hello", [(b"x-sum", b"1")], True)


# --- §8.4: push ---------------------------------------------------------------------------------------------


def pushing(path: str = "/style.css", headers: Any = ()) -> Application:
    """An application that pushes `path` with each answer but those that are pushed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":
            assert "http.response.push" in scope["extensions"]
            await send({"type": "http.response.push", "path": path, "headers": headers})
        await send(START)
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    return app


async def test_a_push_is_promised_and_answered_by_the_application(http2: Opener) -> None:
    client = await http2(pushing(), announces={"ENABLE_PUSH": 1})
    stream = await client.request()
    answer = await client.answer(stream)
    assert answer.body == b"/"
    promise = await client.take("PUSH_PROMISE", stream)
    assert promise.other == 2
    promised = dict(promise.fields)
    assert (promised[b":method"], promised[b":path"], promised[b":scheme"]) == (
        b"GET",
        b"/style.css",
        b"http",
    )
    assert promised[b":authority"] == b"example.com"
    assert (await client.answer(2)).body == b"/style.css"
    kinds = [frame.kind for frame in client.log if frame.stream == stream]
    assert kinds[0] == "PUSH_PROMISE", "§8.4.1: before anything that refers to what is pushed"


async def test_a_push_to_a_client_that_does_not_want_any_is_dropped(http2: Opener) -> None:
    client = await http2(pushing(), announces={"ENABLE_PUSH": 0})
    assert (await client.get()).body == b"/"
    await client.goes_on()
    assert not any(frame.kind == "PUSH_PROMISE" for frame in client.log)


async def test_a_client_may_refuse_what_is_promised(http2: Opener) -> None:
    client = await http2(pushing(), announces={"ENABLE_PUSH": 1})
    stream = await client.request()
    promise = await client.take("PUSH_PROMISE", stream)
    await client.send(("RST_STREAM", promise.other, ErrorCodes.CANCEL))
    assert (await client.answer(stream)).body == b"/"
    await client.goes_on()


async def test_pushes_are_limited_by_the_clients_concurrent_streams(http2: Opener) -> None:
    client = await http2(pushing(), announces={"ENABLE_PUSH": 1, "MAX_CONCURRENT_STREAMS": 0})
    assert (await client.get()).body == b"/"
    await client.goes_on()
    assert not any(frame.stream == 2 and frame.kind == "HEADERS" for frame in client.log)


# --- applications in parallel -------------------------------------------------------------------------------


async def test_a_slow_application_does_not_keep_the_others_of_its_connection_waiting(http2: Opener) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await go.wait()
        await send(START)
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    client = await http2(app)
    slow = await client.request(b"GET", b"/slow")
    for _ in range(5):
        assert (await client.get(b"/quick")).body == b"/quick"
    go.set()
    assert (await client.answer(slow)).body == b"/slow"
