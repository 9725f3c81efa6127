"""Plain HTTP beside TLS: each request is answered with where it is over HTTPS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgiworker.process.settings import Settings

if TYPE_CHECKING:
    import asgiworker
    from server.tests.conftest import Connect
    from server.tests.protocols.conftest import Mirror, Response
    from server.tests.protocols.tls.conftest import Authority, Serve

    Read = Callable[..., list[Response]]


@pytest.fixture
async def server(authority: Authority, serve: Serve) -> asgiworker.Server:
    """A server of TLS that redirects, too."""
    return await serve(
        certfile=authority.issue("a.example"), redirect_http="127.0.0.1:0", hsts="600", timeout_head=0.4
    )


def https_port(server: asgiworker.Server) -> str:
    return server.url.rpartition(":")[2]


@pytest.mark.parametrize(
    ("host", "target", "location"),
    [
        ("shop.example", "/", "https://shop.example:{port}/"),
        ("shop.example:80", "/a%20b?c=d&e", "https://shop.example:{port}/a%20b?c=d&e"),
        ("192.0.2.1:8080", "/", "https://192.0.2.1:{port}/"),
        ("[2001:db8::1]", "/", "https://[2001:db8::1]:{port}/"),
        ("[2001:db8::1]:80", "/", "https://[2001:db8::1]:{port}/"),
        ("other.example", "http://shop.example/a", "https://shop.example:{port}/a"),  # RFC 9112 §3.2.2
    ],
)
async def test_a_request_is_sent_to_the_same_place_over_https(
    server: asgiworker.Server, connect: Connect, read: Read, host: str, target: str, location: str
):
    client = await connect(server.redirects[0])
    await client.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    (response,) = read(await client.rest())
    assert response.status == 308
    assert response.all("location") == [location.format(port=https_port(server))]
    assert response.all("connection") == ["close"]
    assert response.all("strict-transport-security") == []  # RFC 6797 §7.2
    assert response.all("server") == ["asgiworker"]


async def test_443_is_where_https_is_and_goes_without_saying(mirror: Mirror, open_wire: Any):
    from asgiworker.protocols.http1.head import HeadParser
    from asgiworker.protocols.redirect import RedirectConnection

    connection = RedirectConnection(open_wire.service(mirror), port=443)
    head = HeadParser(Settings()).parse(b"GET /a HTTP/1.1\r\nHost: shop.example:80\r\n\r\n")
    assert connection.location(head) == b"https://shop.example/a"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "PATCH"])
async def test_each_method_is_redirected_and_none_reaches_the_application(
    server: asgiworker.Server, connect: Connect, read: Read, mirror: Mirror, method: str
):
    client = await connect(server.redirects[0])
    body = "Content-Length: 100000000\r\n\r\nand so on" if method == "POST" else "\r\n"
    await client.send(f"{method} /a HTTP/1.1\r\nHost: a\r\n{body}".encode())
    (response,) = read(await client.rest(), method)
    assert response.status == 308
    assert mirror.seen == []


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: a b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: evil@shop.example\r\n", 400),
        ("GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n", 400),
        ("GET / HTTP/1.0\r\n", 400),
        ("PRI * HTTP/2.0\r\n", 505),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: " + 10000 * "x" + "\r\n", 431),
        ("GET /" + 10000 * "x" + " HTTP/1.1\r\nHost: a\r\n", 414),
    ],
)
async def test_what_is_no_request_with_a_host_is_refused(
    server: asgiworker.Server, connect: Connect, read: Read, request_head: str, status: int
):
    client = await connect(server.redirects[0])
    await client.send(f"{request_head}\r\n".encode())
    (response,) = read(await client.rest())
    assert response.status == status
    assert response.all("strict-transport-security") == []


async def test_the_deadlines_are_the_same(server: asgiworker.Server, connect: Connect, read: Read):
    client = await connect(server.redirects[0])
    await client.send(b"GET / HTTP")
    (response,) = read(await client.rest())
    assert response.status == 408


async def test_a_web_socket_is_redirected_too(server: asgiworker.Server, connect: Connect, read: Read):
    client = await connect(server.redirects[0])
    await client.send(
        b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    (response,) = read(await client.rest())
    assert response.status == 308


async def test_behind_the_proxy_protocol_the_header_comes_first_here_too(
    authority: Authority, serve: Serve, connect: Connect, read: Read
):
    server = await serve(
        certfile=authority.issue("a.example"), redirect_http="127.0.0.1:0", proxy_protocol="v1"
    )
    client = await connect(server.redirects[0])
    await client.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    (response,) = read(await client.rest())
    assert response.status == 308


async def test_a_redirect_is_in_the_access_log(
    authority: Authority, serve: Serve, connect: Connect, tmp_path: Path
):
    log = tmp_path / "access.log"
    server = await serve(
        certfile=authority.issue("a.example"), redirect_http="127.0.0.1:0", accesslog=str(log)
    )
    client = await connect(server.redirects[0])
    await client.send(b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n")
    await client.rest()
    async with asyncio.timeout(10):
        while '"GET /a?b HTTP/1.1" 308 ' not in log.read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("bind", "redirect", "addresses"),
    [
        (["0.0.0.0:443"], "80", ("0.0.0.0:80",)),
        ([":443", "[::]:443"], 80, ("0.0.0.0:80", "[::]:80")),
        (["127.0.0.1:8443", "127.0.0.1:8444"], "8080", ("127.0.0.1:8080",)),
        (["127.0.0.1:8443"], ":80", (":80",)),
        (["127.0.0.1:8443"], "[::1]:80", ("[::1]:80",)),
        (["unix:/run/app.sock"], "80", (":80",)),
        (["fd://3"], "80", ()),  # which is handed over, too
    ],
)
def test_it_listens_where_https_does_unless_told_otherwise(
    bind: list[str], redirect: object, addresses: tuple[str, ...]
):
    settings = Settings.load({"certfile": "a.pem", "bind": bind, "redirect_http": redirect})
    assert settings.redirect_addresses() == addresses


async def test_of_sockets_that_are_handed_over_the_port_tells_the_one_for_plain_http(
    authority: Authority, serve: Serve, connect: Connect, read: Read
):
    with socket.create_server(("127.0.0.1", 0)) as plain, socket.create_server(("127.0.0.1", 0)) as secure:
        port = plain.getsockname()[1]
        server = await serve(
            certfile=authority.issue("a.example"),
            redirect_http=str(port),
            bind=[f"fd://{plain.detach()}", f"fd://{secure.detach()}"],
        )
    assert server.redirects == [f"http://127.0.0.1:{port}"]
    client = await connect(server.redirects[0])
    await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    (response,) = read(await client.rest())
    assert response.all("location") == [f"https://a:{https_port(server)}/"]


async def test_where_none_of_them_has_that_port_it_is_one_sentence(authority: Authority, serve: Serve):
    with socket.create_server(("127.0.0.1", 0)) as secure:
        with pytest.raises(Exception, match="Nothing listens on port 8, which redirect_http names"):
            await serve(
                certfile=authority.issue("a.example"), redirect_http="8", bind=f"fd://{secure.fileno()}"
            )
        secure.detach()
