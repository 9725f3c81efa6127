"""The scope of a request: every key, its type and its value; and that it belongs to one request alone."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgiworker.asgi.scope import decode_path, mounted_path, normalise_root_path
from asgiworker.asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.asgi.conftest import Serve

pytestmark = pytest.mark.every_python


class Recorder:
    """An application that notes the scope of each request, changes it in every way, and answers "ok"."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"].update(count=1, shared=[])
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        seen = {
            name: value.copy() if isinstance(value, dict | list) else value for name, value in scope.items()
        }
        self.scopes.append(seen)
        scope["state"]["own"] = len(self.scopes)
        scope["extensions"]["own"] = {}
        scope["extensions"].pop("http.response.trailers", None)
        scope["asgi"]["own"] = True
        scope["headers"].append((b"own", b"1"))
        scope["own"] = True
        scope["path"] = "/own"
        scope["server"] = scope["root_path"] = scope["scheme"] = None
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"ok"})


async def scope_of(serve: Serve, path: str = "/", method: str = "GET", **settings: Any) -> dict[str, Any]:
    """The scope of one request."""
    app = Recorder()
    answer = await (await serve(app, **settings)).request(method, path)
    assert answer.status == 200
    return app.scopes[0]


async def test_a_scope_has_every_key_of_the_specification_and_none_else(serve: Serve) -> None:
    app = Recorder()
    driver = await serve(app)
    await driver.request(path="/some/path?a=1&b=2")
    [scope] = app.scopes
    host, port = scope["client"]
    assert isinstance(host, str)
    assert isinstance(port, int)
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": driver.version,
        "method": "GET",
        "scheme": "http",
        "path": "/some/path",
        "raw_path": b"/some/path",
        "query_string": b"a=1&b=2",
        "root_path": "",
        "headers": scope["headers"],
        "client": scope["client"],
        "server": scope["server"],
        "state": {},
        "extensions": {
            "http.response.trailers": {},
            "http.response.early_hint": {},
            **({"http.response.push": {}} if driver.version == "2" else {}),
            "http.response.pathsend": {},
            "http.response.zerocopysend": {},
        },
    }


async def test_the_types_of_a_scope_are_the_plain_ones_that_frameworks_expect(serve: Serve) -> None:
    scope = await scope_of(serve, "/%41?b")
    types = {
        "type": str, "asgi": dict, "http_version": str, "method": str, "scheme": str, "path": str,
        "raw_path": bytes, "query_string": bytes, "root_path": str, "headers": list, "client": tuple,
        "server": tuple, "state": dict, "extensions": dict,
    }  # fmt: skip
    assert {name: type(value) for name, value in scope.items()} == types
    assert all(type(pair) is tuple and list(map(type, pair)) == [bytes, bytes] for pair in scope["headers"])


# --- path and query -----------------------------------------------------------------------------------------

PATHS = [
    ("/", "/"),
    ("/a/b.c", "/a/b.c"),
    ("/a//b///c", "/a//b///c"),
    ("/a/../b/./c", "/a/../b/./c"),
    ("//a", "//a"),
    ("/%41%62%63", "/Abc"),
    ("/a%20b", "/a b"),
    ("/a+b", "/a+b"),
    ("/a%2Bb", "/a+b"),
    ("/a%2Fb", "/a/b"),
    ("/a%2fb", "/a/b"),
    ("/a%3Fb", "/a?b"),
    ("/a%23b", "/a#b"),
    ("/a%25b", "/a%b"),
    ("/a%2541", "/a%41"),
    ("/a;b=c", "/a;b=c"),
    ("/a%00b", "/a\0b"),
    ("/a%0D%0Ab", "/a\r\nb"),
    ("/gr%C3%BC%C3%9Fe", "/grüße"),
    ("/%E2%82%AC", "/€"),
    ("/%F0%9F%90%8D", "/🐍"),
    ("/%FF", "/�"),
    ("/%C3", "/�"),
    ("/%C3/%BC", "/�/�"),
    ("/a%C3%BCb%FFc", "/aüb�c"),
    ("/%ED%A0%80", "/���"),  # a surrogate is no UTF-8
    ("/%", "/%"),
    ("/%4", "/%4"),
    ("/%zz", "/%zz"),
    ("/%u0041", "/%u0041"),
    ("/{a}|b", "/{a}|b"),
]


@pytest.mark.parametrize(("target", "path"), PATHS)
def test_a_path_is_decoded_as_utf_8_after_percent_encoding(target: str, path: str) -> None:
    assert decode_path(target.encode()) == path


@pytest.mark.parametrize(("target", "path"), [case for case in PATHS if case[0] != "/{a}|b"])
async def test_the_path_of_a_request_is_decoded_and_its_raw_path_left_as_it_came(
    serve: Serve, target: str, path: str
) -> None:
    scope = await scope_of(serve, f"{target}?{target}")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (
        path,
        target.encode(),
        target.encode(),
    )


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/", b""),
        ("/?", b""),
        ("/?a", b"a"),
        ("/?a=%20+%2B", b"a=%20+%2B"),
        ("/??", b"?"),
        ("/?a?b", b"a?b"),
        ("/?a=/b", b"a=/b"),
        ("/?%FF", b"%FF"),
        ("/?%", b"%"),
    ],
)
async def test_a_query_string_is_left_as_it_came(serve: Serve, target: str, query: bytes) -> None:
    scope = await scope_of(serve, target)
    assert (scope["path"], scope["query_string"]) == ("/", query)


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
)
async def test_the_method_is_what_the_client_said(serve: Serve, method: str) -> None:
    assert (await scope_of(serve, method=method))["method"] == method


# --- root_path ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("", ""),
        ("/", ""),
        ("//", ""),
        ("api", "/api"),
        ("/api", "/api"),
        ("/api/", "/api"),
        ("/api/v1/", "/api/v1"),
    ],
)
def test_a_root_path_begins_with_a_slash_and_ends_without_one(given: str, normal: str) -> None:
    assert normalise_root_path(given) == normal


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        # The proxy left the prefix on.
        ("/api", "/api"),
        ("/api/", "/api/"),
        ("/api/users", "/api/users"),
        # It took the prefix off.
        ("/", "/api/"),
        ("/users", "/api/users"),
        ("/apis", "/api/apis"),
        ("/ap", "/api/ap"),
        ("/API/users", "/api/API/users"),
        ("//api", "/api//api"),
        # It has none: the whole server is asked.
        ("*", "*"),
    ],
)
def test_a_path_below_a_root_path_is_the_whole_path(path: str, whole: str) -> None:
    assert mounted_path("/api", path) == whole


@pytest.mark.parametrize("root_path", ["/api", "/api/"])
@pytest.mark.parametrize(("target", "path"), [("/users", "/api/users"), ("/api/users", "/api/users")])
async def test_the_path_of_a_scope_includes_the_root_path(
    serve: Serve, root_path: str, target: str, path: str
) -> None:
    scope = await scope_of(serve, f"{target}?a=b", root_path=root_path)
    assert (scope["root_path"], scope["path"]) == ("/api", path)
    assert (scope["raw_path"], scope["query_string"]) == (target.encode(), b"a=b")


async def test_a_root_path_is_compared_with_the_decoded_path(serve: Serve) -> None:
    scope = await scope_of(serve, "/gr%C3%BC%C3%9Fe/a%20b", root_path="/grüße")
    assert (scope["root_path"], scope["path"]) == ("/grüße", "/grüße/a b")


# --- headers ------------------------------------------------------------------------------------------------


async def test_headers_keep_their_order_and_repetitions_and_have_lower_case_names(serve: Serve) -> None:
    sent = [
        (b"X-B", b"1"),
        (b"Cookie", b"a=b; c=d"),
        (b"x-A", b"2"),
        (b"X-b", b"3"),
        (b"x-c", b""),
        (b"X-Case", b"Kept"),
    ]
    app = Recorder()
    await (await serve(app)).request(headers=sent)
    headers = app.scopes[0]["headers"]
    assert [field for field in headers if field[0] in {b"x-a", b"x-b", b"x-c", b"x-case", b"cookie"}] == [
        (name.lower(), value) for name, value in sent
    ]
    assert (b"host", b"example.com") in headers


async def test_octets_beyond_ascii_in_a_header_arrive_as_they_came(serve: Serve) -> None:
    app = Recorder()
    value = b"a" + "grüße".encode() + b"\xff z"
    await (await serve(app)).request(headers=[(b"x-octets", value)])
    assert dict(app.scopes[0]["headers"])[b"x-octets"] == value


# --- client and server --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bind", "host"), [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")])
async def test_client_and_server_are_the_ends_of_the_connection(serve: Serve, bind: str, host: str) -> None:
    app = Recorder()
    driver = await serve(app, bind=bind)
    await driver.request()
    [scope] = app.scopes
    port = int(driver.server.url.rpartition(":")[2])
    assert scope["server"] == (host, port)
    assert scope["client"][0] == host
    assert len(scope["client"]) == 2
    assert scope["client"][1] not in (0, port)


async def test_a_server_on_all_addresses_names_the_one_that_the_client_reached(serve: Serve) -> None:
    app = Recorder()
    driver = await serve(app, bind="0.0.0.0:0")
    await driver.request()
    assert app.scopes[0]["server"][0] == "127.0.0.1"


async def test_on_a_unix_socket_the_server_is_its_path_and_there_is_no_client(
    serve: Serve, tmp_path: Path
) -> None:
    path = str(tmp_path / "s")
    scope = await scope_of(serve, uds=path)
    assert (scope["server"], scope["client"], scope["scheme"]) == ((path, None), None, "http")


# --- state, extensions, and what one request does to its scope ----------------------------------------------


async def test_each_request_has_a_shallow_copy_of_the_state_of_the_lifespan(serve: Serve) -> None:
    app = Recorder()
    driver = await serve(app, lifespan="on")
    for _ in range(2):
        await driver.request()
    first, second = (scope["state"] for scope in app.scopes)
    assert first == second == {"count": 1, "shared": []}
    assert first["shared"] is second["shared"]


async def test_what_a_request_does_to_its_scope_is_not_seen_by_the_next_on_the_same_connection(
    serve: Serve,
) -> None:
    app = Recorder()
    driver = await serve(app, root_path="/api")
    stream = await driver.open(path="/first")
    await stream.answer()
    assert await stream.follow("/second") is not None
    first, second = app.scopes
    for scope in app.scopes:
        assert "own" not in scope
        assert "own" not in scope["asgi"]
        assert (b"own", b"1") not in scope["headers"]
        assert scope["state"] == {}
    assert first["extensions"] == second["extensions"]
    assert "http.response.trailers" in second["extensions"]
    assert (second["path"], second["root_path"], second["scheme"]) == ("/api/second", "/api", "http")
    assert first["server"] == second["server"]


async def test_the_extensions_of_two_requests_are_objects_of_their_own(serve: Serve) -> None:
    kept: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        kept.append((scope["extensions"], scope["asgi"], scope["state"], scope["headers"]))
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    driver = await serve(app)
    for _ in range(2):
        await driver.request()
    assert not {id(value) for value in kept[0]} & {id(value) for value in kept[1]}


# --- TLS ----------------------------------------------------------------------------------------------------


async def test_over_tls_the_scheme_is_https_and_the_tls_extension_is_there(serve: Serve) -> None:
    scope = await scope_of(serve, tls=True)
    assert scope["scheme"] == "https"
    tls = scope["extensions"]["tls"]
    assert set(tls) == {
        "server_cert", "tls_version", "cipher_suite",
        "client_cert_chain", "client_cert_name", "client_cert_error",
    }  # fmt: skip
    assert ssl.PEM_cert_to_DER_cert(tls["server_cert"])
    assert (list(tls["client_cert_chain"]), tls["client_cert_name"], tls["client_cert_error"]) == (
        [],
        None,
        None,
    )
    assert tls["tls_version"] == 0x0304
    assert tls["cipher_suite"] in {0x1301, 0x1302, 0x1303}


async def test_without_tls_there_is_no_tls_extension(serve: Serve) -> None:
    scope = await scope_of(serve)
    assert "tls" not in scope["extensions"]


async def test_all_requests_of_a_tls_connection_have_the_extension(serve: Serve) -> None:
    app = Recorder()
    driver = await serve(app, tls=True)
    stream = await driver.open()
    await stream.answer()
    assert await stream.follow("/second") is not None
    assert [("tls" in scope["extensions"], scope["scheme"]) for scope in app.scopes] == [(True, "https")] * 2
