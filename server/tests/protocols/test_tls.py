"""TLS as the application sees it: the six keys of the extension, over real handshakes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

import asgiworker
from asgiworker.protocols.tls import distinguished_name, first_certificate

if TYPE_CHECKING:
    from server.tests.conftest import Connect
    from server.tests.protocols.conftest import Application, Mirror, Response

    Read = Callable[..., list[Response]]

pytestmark = pytest.mark.every_python

GET = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
DEADLINE = 10.0

# IANA's numbers of what OpenSSL negotiates by default.
SUITES = {
    "TLS_AES_128_GCM_SHA256": 0x1301,
    "TLS_AES_256_GCM_SHA384": 0x1302,
    "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
    "ECDHE-ECDSA-AES128-GCM-SHA256": 0xC02B,
    "ECDHE-ECDSA-AES256-GCM-SHA384": 0xC02C,
    "ECDHE-RSA-AES128-GCM-SHA256": 0xC02F,
    "ECDHE-RSA-AES256-GCM-SHA384": 0xC030,
    "ECDHE-ECDSA-CHACHA20-POLY1305": 0xCCA9,
    "ECDHE-RSA-CHACHA20-POLY1305": 0xCCA8,
}


class Certificates:
    """An authority, a server's certificate, and what a client needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.server = self.authority.issue_cert("127.0.0.1")
        self.certfile, self.keyfile = folder / "server.pem", folder / "server.key"
        self.ca_certs = folder / "authority.pem"
        for number, blob in enumerate(self.server.cert_chain_pems):
            blob.write_to_path(self.certfile, append=number > 0)
        self.server.private_key_pem.write_to_path(self.keyfile)
        self.authority.cert_pem.write_to_path(self.ca_certs)

    @property
    def settings(self) -> dict[str, Any]:
        """Of a server."""
        return {"certfile": str(self.certfile), "keyfile": str(self.keyfile)}

    @property
    def mutual(self) -> dict[str, Any]:
        """Of a server that wants its clients' certificates."""
        return {**self.settings, "ca_certs": str(self.ca_certs), "cert_reqs": "required"}

    def client(self, certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """The context of a client."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if certificate is not None:
            certificate.configure_cert(context)
        return context


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Certificates of this test's own."""
    return Certificates(tmp_path)


async def exchange(url: str, context: ssl.SSLContext, data: bytes = GET) -> tuple[bytes, ssl.SSLObject]:
    """What the server answers to `data` over TLS, and the client's view of the connection."""
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        writer.write(data)
        return await asyncio.wait_for(reader.read(), DEADLINE), connection
    finally:
        writer.close()
        try:
            await writer.wait_closed()
        except (OSError, ssl.SSLError):
            pass


async def refused(url: str, context: ssl.SSLContext) -> bool:
    """Whether the server doesn't answer. (In TLS 1.3 a client learns of it only after its own handshake.)"""
    try:
        received, _ = await exchange(url, context)
    except (ssl.SSLError, OSError):
        return True
    return received == b""


def tls_of(mirror: Mirror) -> dict[str, Any]:
    """The extension as the application saw it in the last request."""
    extension: dict[str, Any] = mirror.seen[-1].scope["extensions"]["tls"]
    return extension


# --- the six keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_application_sees_the_version_the_cipher_and_the_servers_certificate(
    read: Read, mirror: Mirror, certificates: Certificates, version: ssl.TLSVersion
):
    context = certificates.client()
    context.minimum_version = context.maximum_version = version
    async with asgiworker.running(mirror, **certificates.settings) as server:
        assert server.url.startswith("https://")
        received, connection = await exchange(server.url, context)
        assert read(received)[0].text == "/a"
    cipher = connection.cipher()
    assert cipher is not None
    assert tls_of(mirror) == {
        "server_cert": certificates.server.cert_chain_pems[0].bytes().decode(),
        "client_cert_chain": [],
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}[str(connection.version())],
        "cipher_suite": SUITES[cipher[0]],
    }
    assert mirror.seen[0].scope["scheme"] == "https"


async def test_plain_connections_have_no_such_extension(connect: Connect, mirror: Mirror):
    async with asgiworker.running(mirror) as server:
        client = await connect(server.url)
        await client.send(GET)
        await client.rest()
    assert "tls" not in mirror.seen[0].scope["extensions"]


async def test_a_clients_certificate_is_shown_with_its_name(mirror: Mirror, certificates: Certificates):
    certificate = certificates.authority.issue_cert(
        "someone@example.org",
        common_name="Some, One",
        organization_name="Ex+ample",
        organization_unit_name="#1",
    )
    async with asgiworker.running(mirror, **certificates.mutual) as server:
        await exchange(server.url, certificates.client(certificate))
    extension = tls_of(mirror)
    assert extension["client_cert_name"] == r"CN=Some\, One,OU=\#1,O=Ex\+ample"
    assert extension["client_cert_chain"][0] == certificate.cert_chain_pems[0].bytes().decode()
    assert extension["client_cert_error"] is None


async def test_a_chain_of_authorities_is_shown_as_far_as_python_knows_it(
    mirror: Mirror, certificates: Certificates
):
    department = certificates.authority.create_child_ca()
    certificate = department.issue_cert("someone@example.org", common_name="Someone")
    # aiofastnet's transport knows the whole chain on each Python.
    async with asgiworker.running(mirror, transport="loop", **certificates.mutual) as server:
        await exchange(server.url, certificates.client(certificate))
    chain = tls_of(mirror)["client_cert_chain"]
    sent = [blob.bytes().decode() for blob in certificate.cert_chain_pems]
    assert chain == sent[: len(chain)]
    has_chain = hasattr(ssl.SSLObject, "get_unverified_chain")  # Python >= 3.13
    assert len(chain) == (len(sent) if has_chain else 1)


async def test_where_a_certificate_is_optional_a_client_may_come_without(
    mirror: Mirror, certificates: Certificates
):
    certificate = certificates.authority.issue_cert("someone@example.org", common_name="Someone")
    settings = {**certificates.mutual, "cert_reqs": "optional"}
    async with asgiworker.running(mirror, **settings) as server:
        await exchange(server.url, certificates.client())
        assert tls_of(mirror)["client_cert_name"] is None
        assert tls_of(mirror)["client_cert_chain"] == []
        await exchange(server.url, certificates.client(certificate))
        assert tls_of(mirror)["client_cert_name"].startswith("CN=Someone,")


@pytest.mark.parametrize("requirement", ["required", "optional"])
async def test_a_certificate_of_a_stranger_is_refused_in_the_handshake(
    mirror: Mirror, certificates: Certificates, requirement: str
):
    stranger = trustme.CA().issue_cert("someone@example.org", common_name="Admin")
    settings = {**certificates.mutual, "cert_reqs": requirement}
    async with asgiworker.running(mirror, **settings) as server:
        assert await refused(server.url, certificates.client(stranger))
        assert server.service.failures == 0
    assert mirror.seen == []


async def test_where_a_certificate_is_required_nobody_is_served_without(
    mirror: Mirror, certificates: Certificates
):
    async with asgiworker.running(mirror, **certificates.mutual) as server:
        assert await refused(server.url, certificates.client())
    assert mirror.seen == []


async def test_each_request_has_an_extension_of_its_own(
    read: Read, mirror: Mirror, certificates: Certificates
):
    async with asgiworker.running(mirror, **certificates.settings) as server:
        await exchange(server.url, certificates.client(), GET.replace(b"Connection: close\r\n", b"") + GET)
    first, second = (seen.scope["extensions"]["tls"] for seen in mirror.seen)
    assert first == second
    first.clear()
    assert second


# --- the connection -----------------------------------------------------------------------------------------


async def test_large_bodies_pass_both_ways(read: Read, mirror: Mirror, certificates: Certificates):
    body = bytes(range(256)) * 8192
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})

    async with asgiworker.running(echo, **certificates.settings) as server:
        received, _ = await exchange(server.url, certificates.client(), head + body)
    assert read(received)[0].body == body


async def test_pipelined_requests_are_answered_in_order(
    read: Read, mirror: Mirror, certificates: Certificates
):
    requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(50)) + GET
    async with asgiworker.running(mirror, **certificates.settings) as server:
        received, _ = await exchange(server.url, certificates.client(), requests)
    assert [response.text for response in read(received)] == [f"/{number}" for number in range(50)] + ["/a"]


async def test_the_answer_to_a_refused_body_can_be_read(
    read: Read, answer: Callable[..., Application], certificates: Certificates
):
    """TLS has no half-close to linger with; the answer has to come through all the same."""
    head = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n"
    async with asgiworker.running(answer(b"no uploads here", status=403), **certificates.settings) as server:
        received, _ = await exchange(server.url, certificates.client(), head + b"x" * 3_000_000)
    (response,) = read(received)
    assert (response.status, response.text) == (403, "no uploads here")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "CONNECT"])
async def test_plain_http_on_a_port_of_tls_is_told_so_in_plain_text(
    connect: Connect, read: Read, mirror: Mirror, certificates: Certificates, method: str
):
    hsts = {"hsts": "3600"}  # which has no meaning there (RFC 6797 §7.2)
    async with asgiworker.running(mirror, **certificates.settings, **hsts) as server:
        client = await connect(server.url)
        await client.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        (response,) = read(await client.rest())
        assert response.status == 400
        assert response.text == "400 this port speaks HTTPS, and the request came in plain HTTP\n"
        assert response.all("strict-transport-security") == []
        received, _ = await exchange(server.url, certificates.client())
        assert b"200 OK" in received
        assert server.service.failures == 0
    assert len(mirror.seen) == 1


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes(100)])
async def test_what_is_neither_tls_nor_http_is_not_answered_and_harms_nobody(
    connect: Connect, mirror: Mirror, certificates: Certificates, data: bytes
):
    async with asgiworker.running(mirror, **certificates.settings) as server:
        client = await connect(server.url)
        await client.send(data)
        try:
            assert b"HTTP" not in await client.rest()
        except ConnectionError:
            pass
        received, _ = await exchange(server.url, certificates.client())
        assert b"200 OK" in received
        assert server.service.failures == 0


async def test_a_handshake_that_does_not_come_has_its_deadline(
    connect: Connect, mirror: Mirror, certificates: Certificates
):
    async with asgiworker.running(mirror, timeout_handshake=0.2, **certificates.settings) as server:
        client = await connect(server.url)
        await client.send(b"\x16\x03\x01")
        try:
            assert b"HTTP" not in await client.rest(5)
        except ConnectionError:
            pass
        assert server.service.failures == 0


async def test_a_client_that_leaves_in_the_middle_of_the_handshake_harms_nobody(
    connect: Connect, mirror: Mirror, certificates: Certificates
):
    async with asgiworker.running(mirror, **certificates.settings) as server:
        client = await connect(server.url)
        await client.send(b"\x16\x03\x01\x02\x00")
        await client.close()
        received, _ = await exchange(server.url, certificates.client())
        assert b"200 OK" in received
        assert server.service.failures == 0


# --- names and certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ((), ""),
        (((("commonName", "Someone"),),), "CN=Someone"),
        # RFC 4514 §2.1: the last part first. §4, the examples.
        (
            ((("domainComponent", "net"),), (("domainComponent", "example"),), (("userId", "jsmith"),)),
            "UID=jsmith,DC=example,DC=net",
        ),
        (
            (
                (("domainComponent", "net"),),
                (("domainComponent", "example"),),
                (("organizationalUnitName", "Sales"), ("commonName", "J.  Smith")),
            ),
            "OU=Sales+CN=J.  Smith,DC=example,DC=net",
        ),
        (
            ((("domainComponent", "net"),), (("commonName", 'James "Jim" Smith, III'),)),
            r"CN=James \"Jim\" Smith\, III,DC=net",
        ),
        (((("commonName", "Lučić"),),), "CN=Lučić"),
        # §2.4.
        (((("commonName", " a"),),), r"CN=\ a"),
        (((("commonName", "a "),),), r"CN=a\ "),
        (((("commonName", " "),),), r"CN=\ "),
        (((("commonName", "  "),),), r"CN=\ \ "),
        (((("commonName", " a b "),),), r"CN=\ a b\ "),
        (((("commonName", "#a"),),), r"CN=\#a"),
        (((("commonName", "a#"),),), "CN=a#"),
        (((("commonName", 'a+b;c<d>e\\f"g,h'),),), r"CN=a\+b\;c\<d\>e\\f\"g\,h"),
        (((("commonName", "a=b"),),), "CN=a=b"),
        (((("commonName", "a\0b"),),), r"CN=a\00b"),
        (((("commonName", ""),),), "CN="),
        # §3: the short names that every implementation knows; others as they are.
        (
            (
                (("countryName", "DE"),),
                (("stateOrProvinceName", "Hessen"),),
                (("localityName", "Fulda"),),
                (("streetAddress", "Weg 1"),),
                (("organizationName", "Org"),),
                (("emailAddress", "a@b"),),
            ),
            "emailAddress=a@b,O=Org,STREET=Weg 1,L=Fulda,ST=Hessen,C=DE",
        ),
    ],
)
def test_a_name_is_written_as_rfc_4514_has_it(subject: Any, name: str):
    assert distinguished_name(subject) == name


def test_the_first_certificate_of_a_file_is_the_servers_own(certificates: Certificates, tmp_path: Path):
    pem = certificates.server.cert_chain_pems[0].bytes().decode()
    other = certificates.authority.cert_pem.bytes().decode()
    file = tmp_path / "chain.pem"
    file.write_text(f"a comment\n{pem}{other}")
    assert first_certificate(str(file)) == pem
    key = certificates.server.private_key_pem.bytes().decode()
    file.write_text(f"{key}{pem}")
    assert first_certificate(str(file)) == pem


def test_a_file_without_a_certificate_has_none(tmp_path: Path):
    for text in ("", "-----BEGIN CERTIFICATE-----\nabc", "-----BEGIN PRIVATE KEY-----\n"):
        (tmp_path / "file").write_text(text)
        assert first_certificate(str(tmp_path / "file")) is None
