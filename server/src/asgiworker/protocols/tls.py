"""The TLS of one connection: its context, plain HTTP where TLS was due, and what the application may know.

Source of the `tls` extension: ASGI TLS extension 0.2.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from typing import Any

TLS_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}

# RFC 4514 §3: attribute types that have a short name; the others keep the name that OpenSSL gives them.
SHORT_NAMES = {
    "commonName": "CN",
    "countryName": "C",
    "domainComponent": "DC",
    "localityName": "L",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "stateOrProvinceName": "ST",
    "streetAddress": "STREET",
    "userId": "UID",
}


# OpenSSL's words for a client that begins with GET, POST, HEAD or PUT; and with CONNECT.
PLAIN_HTTP = frozenset(("HTTP_REQUEST", "HTTPS_PROXY_REQUEST"))


class TLSContext(ssl.SSLContext):
    """A server's context that knows the certificate it presents.

    It is Python's own in all other respects. A connection made from it may turn out to be plain HTTP: see
    `ServerTLS`.
    """

    certificate: str | None = None
    """The server's own certificate, as PEM."""

    def load_cert_chain(
        self,
        certfile: str | bytes | os.PathLike[str] | os.PathLike[bytes],
        keyfile: str | bytes | os.PathLike[str] | os.PathLike[bytes] | None = None,
        password: Callable[[], str | bytes | bytearray] | str | bytes | bytearray | None = None,
    ) -> None:
        """As Python's."""
        super().load_cert_chain(certfile, keyfile, password)
        self.certificate = first_certificate(certfile)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """What a loop calls for each connection."""
        connection = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        if isinstance(connection, ServerTLS):
            connection.outgoing = outgoing
        return connection


class Door(ssl.SSLContext):
    """What a loop holds for as long as it listens; each connection is of the context that is current then.

    So certificates change without a moment in which nobody is let in.
    """

    current: ssl.SSLContext

    def __new__(cls, current: ssl.SSLContext) -> Door:
        """A door to `current`, which may be replaced."""
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made.current = current
        return made

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """What a loop calls for each connection."""
        return self.current.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class ServerTLS(ssl.SSLObject):
    """A connection's TLS, or none of it, where the client speaks HTTP instead.

    The loops drop a connection whose handshake fails, and nobody gets to answer it. So here it doesn't fail:
    the protocol sees that there is no TLS, writes its answer, and closes.

    PERF: nothing is added to a handshake that succeeds, and to what follows it.
    """

    outgoing: ssl.MemoryBIO
    plain = False
    """The client speaks HTTP."""

    def do_handshake(self) -> None:
        """A step of the handshake."""
        try:
            super().do_handshake()
        except ssl.SSLError as error:
            if error.reason not in PLAIN_HTTP:
                raise
            self.plain = True
            # Not public, but the same since Python 3.5: what all methods of an SSLObject call. (They can't
            # be overridden for this one: uvloop has taken hold of some by now.)
            self._sslobj = PlainText(self.outgoing)


class PlainText:
    """In place of OpenSSL's connection: what is written goes out as it is, and nothing is read."""

    __slots__ = ("outgoing",)

    def __init__(self, outgoing: ssl.MemoryBIO) -> None:
        self.outgoing = outgoing

    def write(self, data: Any) -> int:
        """Send `data`."""
        return self.outgoing.write(data)

    def read(self, *_: object) -> bytes:
        """What the client sends stays unread."""
        raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "plain HTTP is not read")

    def nothing(self, *_: object) -> None:
        """What the loops ask after a handshake, and call at the end."""

    getpeercert = cipher = compression = version = selected_alpn_protocol = shutdown = nothing


_suites: dict[str, int] = {}  # IANA's numbers of the cipher suites met so far


def tls_extension(connection: ssl.SSLObject) -> dict[str, Any]:
    """The six keys of the extension. `connection` is the transport's `ssl_object`, its handshake complete."""
    cipher = connection.cipher()
    context = connection.context
    chain = _peer_chain(connection)
    # Without a certificate there is nothing to decode; and OpenSSL tells of none that it wasn't to verify.
    certificate = (connection.getpeercert() or {}) if chain else {}
    return {
        "server_cert": getattr(context, "certificate", None),
        "client_cert_chain": chain,
        "client_cert_name": distinguished_name(certificate.get("subject", ())) or None,  # type: ignore[arg-type]
        "client_cert_error": None,  # a client whose certificate doesn't verify is refused in the handshake
        "tls_version": TLS_VERSIONS.get(connection.version() or ""),
        "cipher_suite": _suite(cipher[0], context) if cipher else None,
    }


def _suite(name: str, context: ssl.SSLContext) -> int | None:
    """The number of a cipher suite. PERF: to list a context's takes a sixth of a whole handshake."""
    if name not in _suites:
        _suites.update((suite["name"], suite["id"] & 0xFFFF) for suite in context.get_ciphers())
    return _suites.get(name)


def first_certificate(path: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str | None:
    """The first certificate in a PEM file: the server's own."""
    with open(path, encoding="ascii", errors="replace") as file:
        text = file.read()
    begin, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    return text[begin : end + len(ssl.PEM_FOOTER)] + "\n" if 0 <= begin < end else None


def _peer_chain(connection: ssl.SSLObject) -> list[str]:
    leaf = connection.getpeercert(binary_form=True)
    if leaf is None:
        return []  # and get_unverified_chain() would raise
    chain = [leaf]
    if hasattr(connection, "get_unverified_chain"):  # Python >= 3.13
        chain = connection.get_unverified_chain()
    return [ssl.DER_cert_to_PEM_cert(certificate) for certificate in chain]


def distinguished_name(subject: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """A subject as `ssl` gives it, in the string form of RFC 4514: the most specific part first."""
    return ",".join(
        "+".join(f"{SHORT_NAMES.get(kind, kind)}={_escape(value)}" for kind, value in part)
        for part in reversed(subject)
    )


def _escape(value: str) -> str:
    """RFC 4514 §2.4."""
    escaped = "".join(f"\\{character}" if character in '"+,;<>\\' else character for character in value)
    escaped = escaped.replace("\0", "\\00")
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    if value.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped
