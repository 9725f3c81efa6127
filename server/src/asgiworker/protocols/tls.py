"""What an application may know of a connection's TLS: the `tls` extension of its scope.

Source: ASGI TLS extension 0.2.
"""

from __future__ import annotations

import ssl
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


def tls_extension(connection: ssl.SSLObject, server_cert: str | None) -> dict[str, Any]:
    """The six keys of the extension.

    Args:
        connection: the transport's `ssl_object`, its handshake complete.
        server_cert: the certificate that was presented, as PEM; None if it isn't known.
    """
    version, cipher = connection.version(), connection.cipher()
    suites = {suite["name"]: suite["id"] & 0xFFFF for suite in connection.context.get_ciphers()}
    certificate = connection.getpeercert() or {}
    return {
        "server_cert": server_cert,
        "client_cert_chain": _peer_chain(connection),
        "client_cert_name": distinguished_name(certificate.get("subject", ())) or None,  # type: ignore[arg-type]
        "client_cert_error": None,  # a client whose certificate doesn't verify is refused in the handshake
        "tls_version": TLS_VERSIONS.get(version or ""),
        "cipher_suite": suites.get(cipher[0]) if cipher else None,
    }


def first_certificate(path: str) -> str | None:
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
