"""The PROXY header in front of a real connection: with and without TLS, over TCP and UNIX sockets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

import asgiworker
from asgiworker.protocols.proxy import V2_SIGNATURE

if TYPE_CHECKING:
    from server.tests.conftest import Connect, RawClient
    from server.tests.protocols.conftest import Mirror, Response

    Read = Callable[..., list[Response]]

pytestmark = pytest.mark.every_python

GET = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
V1 = b"PROXY TCP4 203.0.113.5 198.51.100.1 5000 80\r\n"
V2 = V2_SIGNATURE + b"\x21\x11\x00\x0c\xcb\x00\x71\x05\xc6\x33\x64\x01\x13\x88\x00\x50"
CLIENT, SERVER = ("203.0.113.5", 5000), ("198.51.100.1", 80)


@pytest.fixture
def tls(tmp_path: Path) -> tuple[dict[str, Any], ssl.SSLContext]:
    """The settings of a server with a certificate, and a context for its clients."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    pem = tmp_path / "server.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(pem)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return {"certfile": str(pem)}, context


async def answer(client: RawClient, read: Read) -> Response:
    """The one answer on a connection that the server closes."""
    (response,) = read(await client.rest())
    await client.close()
    return response


@pytest.mark.parametrize(
    ("version", "header"),
    [("v1", V1), ("v2", V2), ("auto", V1), ("auto", V2)],
    ids=["v1", "v2", "auto1", "auto2"],
)
async def test_the_application_sees_the_ends_that_the_header_names(
    connect: Connect, read: Read, mirror: Mirror, version: str, header: bytes
):
    async with asgiworker.running(mirror, proxy_protocol=version) as server:
        client = await connect(server.url)
        await client.send(header + GET)
        assert (await answer(client, read)).text == "/a"
    (seen,) = mirror.seen
    assert (seen.scope["client"], seen.scope["server"]) == (CLIENT, SERVER)
    assert seen.scope["scheme"] == "http"


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_the_header_may_come_in_pieces(connect: Connect, read: Read, mirror: Mirror, header: bytes):
    async with asgiworker.running(mirror, proxy_protocol="auto") as server:
        for cut in (1, 5, len(header) - 1):
            client = await connect(server.url)
            await client.send(header[:cut])
            # On another connection, a whole turn of the server lies in between.
            other = await connect(server.url)
            await other.send(header + GET)
            assert (await answer(other, read)).status == 200
            await client.send(header[cut:] + GET)
            assert (await answer(client, read)).status == 200
    assert all(seen.scope["client"] == CLIENT for seen in mirror.seen)


async def test_the_header_counts_for_all_requests_of_its_connection_and_for_no_other(
    connect: Connect, read: Read, mirror: Mirror
):
    async with asgiworker.running(mirror, proxy_protocol="v1") as server:
        first = await connect(server.url)
        await first.send(V1 + GET.replace(b"close", b"keep-alive") + GET)
        assert len(read(await first.rest())) == 2
        second = await connect(server.url)
        await second.send(V1.replace(b"203.0.113.5", b"203.0.113.6") + GET)
        await answer(second, read)
        await first.close()
    assert [seen.scope["client"][0] for seen in mirror.seen] == ["203.0.113.5", "203.0.113.5", "203.0.113.6"]


@pytest.mark.parametrize(
    "header", [b"PROXY UNKNOWN\r\n", V2_SIGNATURE + b"\x20\x00\x00\x00"], ids=["unknown", "local"]
)
async def test_a_health_check_of_the_proxy_itself_is_its_own_client(
    connect: Connect, read: Read, mirror: Mirror, header: bytes
):
    async with asgiworker.running(mirror, proxy_protocol="auto") as server:
        client = await connect(server.url)
        await client.send(header + GET)
        await answer(client, read)
    (seen,) = mirror.seen
    assert seen.scope["client"][0] == "127.0.0.1"
    assert seen.scope["server"] == ("127.0.0.1", int(server.url.rpartition(":")[2]))


@pytest.mark.parametrize(
    ("version", "data"),
    [
        ("v1", GET),
        ("v2", GET),
        ("auto", GET),
        ("v1", V2 + GET),
        ("v2", V1 + GET),
        ("auto", b"PROXY TCP4 nonsense\r\n" + GET),
        ("auto", b"\x16\x03\x01\x02\x00\x01"),
    ],
)
async def test_a_connection_without_the_header_is_not_served(
    connect: Connect, mirror: Mirror, version: str, data: bytes
):
    """Where the header is expected it is mandatory: else whoever leaves it out would be what he likes."""
    async with asgiworker.running(mirror, proxy_protocol=version) as server:
        client = await connect(server.url)
        assert await ended(client, data) == b""
        other = await connect(server.url)
        await other.send((V2 if version == "v2" else V1) + GET)
        assert b"200 OK" in await other.rest()
        await other.close()
        assert server.service.failures == 0
    assert len(mirror.seen) == 1


async def ended(client: RawClient, data: bytes) -> bytes:
    """What comes back until the end, be it a reset."""
    try:
        if data:
            await client.send(data)
        return await client.rest()
    except ConnectionError:
        return b""


async def test_a_peer_that_may_not_send_the_header_is_not_served(connect: Connect, mirror: Mirror):
    async with asgiworker.running(mirror, proxy_protocol="v1", proxy_allow_ips="192.0.2.1,unix") as server:
        assert await ended(await connect(server.url), V1 + GET) == b""
    assert mirror.seen == []


async def test_a_header_that_does_not_come_in_time_ends_the_connection(connect: Connect, mirror: Mirror):
    async with asgiworker.running(mirror, proxy_protocol="v1", timeout_first_byte=0.1) as server:
        for data in (b"", b"PROXY TCP4 "):
            assert await ended(await connect(server.url), data) == b""
        assert server.service.failures == 0


async def test_a_connection_that_ends_before_its_header_is_let_go(connect: Connect, mirror: Mirror):
    async with asgiworker.running(mirror, proxy_protocol="v1") as server:
        client = await connect(server.url)
        await client.send(b"PROXY")
        client.finish()
        assert await ended(client, b"") == b""
        assert server.service.failures == 0


async def test_a_server_stops_though_a_header_is_still_to_come(connect: Connect, mirror: Mirror):
    async with asgiworker.running(mirror, proxy_protocol="v1", graceful_timeout=1) as server:
        client = await connect(server.url)
        await client.send(b"PROXY TC")
        other = await connect(server.url)
        await other.send(V1 + GET)
        await other.rest()
        await other.close()
    assert await ended(client, b"") == b""


async def test_the_header_is_read_on_a_unix_socket_too(
    connect: Connect, read: Read, mirror: Mirror, tmp_path: Path
):
    async with asgiworker.running(mirror, bind=[f"unix:{tmp_path}/s"], proxy_protocol="v1") as server:
        client = await connect(server.url)
        await client.send(V1 + GET)
        assert (await answer(client, read)).status == 200
    (seen,) = mirror.seen
    assert (seen.scope["client"], seen.scope["server"]) == (CLIENT, SERVER)


async def test_forwarding_fields_are_believed_of_the_client_that_the_header_names_not_of_the_proxy(
    connect: Connect, read: Read, mirror: Mirror, tmp_path: Path
):
    """A proxy that speaks PROXY passes on what its client says of itself."""
    request = GET.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n")
    forwarded = {"forwarded_allow_ips": "unix,127.0.0.1,203.0.113.5"}
    async with asgiworker.running(
        mirror, bind=["127.0.0.1:0", f"unix:{tmp_path}/s"], proxy_protocol="v1", **forwarded
    ) as server:
        for address in server.addresses:
            for header in (V1, V1.replace(b"203.0.113.5", b"203.0.113.6")):
                client = await connect(address)
                await client.send(header + request)
                await answer(client, read)
    assert [seen.scope["client"][0] for seen in mirror.seen] == ["192.0.2.66", "203.0.113.6"] * 2


# --- before TLS ---------------------------------------------------------------------------------------------


async def encrypted(client: RawClient, context: ssl.SSLContext) -> None:
    """Do the handshake on a connection that has begun in the clear."""
    await client.writer.start_tls(context, server_hostname="127.0.0.1", ssl_handshake_timeout=5)


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_the_header_comes_before_the_handshake(
    connect: Connect,
    read: Read,
    mirror: Mirror,
    tls: tuple[dict[str, Any], ssl.SSLContext],
    header: bytes,
):
    settings, context = tls
    async with asgiworker.running(mirror, proxy_protocol="auto", **settings) as server:
        for _ in range(3):
            client = await connect(server.url)
            await client.send(header)
            await encrypted(client, context)
            await client.send(GET)
            assert (await answer(client, read)).text == "/a"
        assert server.service.failures == 0
    for seen in mirror.seen:
        assert (seen.scope["client"], seen.scope["server"]) == (CLIENT, SERVER)
        assert seen.scope["scheme"] == "https"
        assert seen.scope["extensions"]["tls"]["tls_version"] in (0x0303, 0x0304)


async def test_large_bodies_pass_through_the_handshake_that_came_late(
    connect: Connect, read: Read, mirror: Mirror, tls: tuple[dict[str, Any], ssl.SSLContext]
):
    settings, context = tls
    body = bytes(range(256)) * 8192
    async with asgiworker.running(mirror, proxy_protocol="v1", **settings) as server:
        client = await connect(server.url)
        await client.send(V1)
        await encrypted(client, context)
        head = b"POST /up HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        await client.send(head + body)
        assert (await answer(client, read)).text == "/up"
    assert mirror.seen[0].body == body


async def test_plain_http_after_the_header_of_a_tls_connection_is_told_so(
    connect: Connect, mirror: Mirror, tls: tuple[dict[str, Any], ssl.SSLContext]
):
    async with asgiworker.running(mirror, proxy_protocol="v1", **tls[0]) as server:
        answer = await ended(await connect(server.url), V1 + GET)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.endswith(b"this port speaks HTTPS, and the request came in plain HTTP\n")
    assert mirror.seen == []


async def test_what_is_no_handshake_after_the_header_ends_the_connection(
    connect: Connect, mirror: Mirror, tls: tuple[dict[str, Any], ssl.SSLContext]
):
    async with asgiworker.running(mirror, proxy_protocol="v1", **tls[0]) as server:
        assert b"HTTP" not in await ended(await connect(server.url), V1 + b"SSH-2.0-OpenSSH_9\r\n")
        client = await connect(server.url)
        await client.send(V1)
        client.finish()
        assert await ended(client, b"") == b""
        assert server.service.failures == 0
    assert mirror.seen == []


async def test_a_handshake_after_the_header_has_its_deadline(
    connect: Connect, mirror: Mirror, tls: tuple[dict[str, Any], ssl.SSLContext]
):
    async with asgiworker.running(mirror, proxy_protocol="v1", timeout_handshake=0.2, **tls[0]) as server:
        client = await connect(server.url)
        await client.send(V1)
        assert await asyncio.wait_for(ended(client, b""), 5) == b""
        assert server.service.failures == 0
