"""What the tests of TLS share: certificates in files, and a client that tells what it was shown."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

import asgiworker

DEADLINE = 10.0  # seconds after which a test that waits has failed
GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this travels over the wire."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.every_python)


class Authority:
    """A certificate authority whose certificates are files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.ca.cert_pem.write_to_path(str(folder / "authority.pem"))

    @property
    def pem(self) -> str:
        """The file with its own certificate."""
        return str(self.folder / "authority.pem")

    def issue(
        self,
        *names: str,
        file: str | Path = "server.pem",
        keyfile: str | Path | None = None,
        **keywords: Any,
    ) -> str:
        """Write a certificate and its key to one file, or to two; the path of the certificate."""
        issued = self.ca.issue_cert(*names, **keywords)
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        key = issued.private_key_pem.bytes()
        path.write_bytes(chain if keyfile else key + chain)
        if keyfile:
            (self.folder / keyfile).write_bytes(key)
        return str(path)

    def revoke(self, *certificates: trustme.LeafCert) -> str:
        """Write a list of revoked certificates; its path."""
        now = datetime.now(UTC)
        key = serialization.load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        issuer = x509.load_pem_x509_certificate(self.ca.cert_pem.bytes()).subject
        builder = x509.CertificateRevocationListBuilder(
            issuer, now - timedelta(hours=1), now + timedelta(days=1)
        )
        for each in certificates:
            serial = x509.load_pem_x509_certificate(each.cert_chain_pems[0].bytes()).serial_number
            revoked = x509.RevokedCertificateBuilder(serial, now - timedelta(hours=1)).build()
            builder = builder.add_revoked_certificate(revoked)
        path = self.folder / "revoked.pem"
        listed = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
        path.write_bytes(listed.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def client(self, certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
        """The context of a client that trusts it, and may show a certificate."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if certificate is not None:
            certificate.configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority of this test's own."""
    return Authority(tmp_path)


@dataclass(frozen=True)
class Shown:
    """What a client saw of the server: its certificate, and the session."""

    pem: str
    answer: bytes
    connection: ssl.SSLObject

    @property
    def names(self) -> set[str]:
        """What the certificate is for."""
        certificate = x509.load_pem_x509_certificate(self.pem.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return {str(name.value) for name in names}


class Shake:
    """Connects, and says what it was shown: `shown = await shake(server.url, "a.example")`."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.open = AsyncExitStack()

    async def connect(
        self, url: str, name: str | None = None, context: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection with its handshake done, whoever the server says it is."""
        if context is None:
            context = self.authority.client()
            context.check_hostname = False
        parts = urlsplit(url)
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(
                parts.hostname, parts.port, ssl=context, server_hostname=name or parts.hostname
            ),
            DEADLINE,
        )
        self.open.push_async_callback(closed, writer)
        return reader, writer

    async def __call__(
        self, url: str, name: str | None = None, context: ssl.SSLContext | None = None, request: bytes = GET
    ) -> Shown:
        """Connect, ask, and wait for the end of the answer."""
        reader, writer = await self.connect(url, name, context)
        connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
        der = connection.getpeercert(binary_form=True)
        assert der is not None
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), DEADLINE)
        return Shown(ssl.DER_cert_to_PEM_cert(der), answer, connection)

    async def until(self, url: str, names: set[str], name: str | None = None) -> None:
        """Connect again and again, until the certificate is for these names."""
        async with asyncio.timeout(DEADLINE):
            while (await self(url, name)).names != names:
                pass


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close it, in whatever state it is."""
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), DEADLINE)
    except (OSError, ssl.SSLError):
        pass


@pytest.fixture
async def shake(authority: Authority) -> AsyncIterator[Shake]:
    """A client that trusts the authority."""
    made = Shake(authority)
    async with made.open:
        yield made


Serve = Callable[..., Coroutine[None, None, asgiworker.Server]]


@pytest.fixture
async def serve(mirror: Any) -> AsyncIterator[Serve]:
    """Serves until the test ends: `server = await serve(certfile=...)`. The application is `mirror`."""
    async with AsyncExitStack() as servers:

        async def start(**settings: Any) -> asgiworker.Server:
            app = settings.pop("app", mirror)
            settings.setdefault("graceful_timeout", 0.1)  # a stop waits for whoever has just shaken hands
            server = await servers.enter_async_context(asgiworker.running(app, **settings))
            servers.callback(lambda: check(server))
            return server

        def check(server: asgiworker.Server) -> None:
            assert server.service.failures == 0

        yield start
