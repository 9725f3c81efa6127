"""What the server has to know of its own certificates: their names, and how long they are valid (RFC 5280).

Python's `ssl` reads that of a peer's certificate only. So this reads DER (X.690), as far as it is needed.
Whether a certificate is good for anything is OpenSSL's business.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

# X.690 §8.1.2: the tags that are looked at.
SEQUENCE, OCTET_STRING, OBJECT_IDENTIFIER, UTC_TIME = 0x30, 0x04, 0x06, 0x17
VERSION, EXTENSIONS = 0xA0, 0xA3  # RFC 5280 §4.1: [0] and [3] of the certificate
DNS_NAME, IP_ADDRESS = 0x82, 0x87  # §4.2.1.6: [2] and [7] of a GeneralName

SUBJECT_ALT_NAME = b"\x55\x1d\x11"  # 2.5.29.17


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate: the host names and IP addresses it is for, in lower case, and its time."""

    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime


def read_certificate(pem: str) -> Certificate:
    """The certificate in `pem`, a single block. Raises `ValueError` if it can't be read."""
    try:
        return _certificate(ssl.PEM_cert_to_DER_cert(pem))
    except (IndexError, StopIteration):
        raise ValueError("the certificate ends too early") from None


def _certificate(der: bytes) -> Certificate:
    (whole,) = _elements(der)
    tbs_certificate = next(_elements(whole[1]))
    fields = [field for field in _elements(tbs_certificate[1]) if field[0] != VERSION]
    # serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo, and what is optional
    not_before, not_after = (_time(*time) for time in _elements(fields[3][1]))
    names: list[str] = []
    for tag, value in fields[6:]:
        if tag == EXTENSIONS:
            (extensions,) = _elements(value)
            for _, extension in _elements(extensions[1]):
                (_, identifier), *_, (_, content) = _elements(extension)
                if identifier == SUBJECT_ALT_NAME:
                    names += _names(content)
    return Certificate(tuple(names), not_before, not_after)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that stand one after the other in `data`: tag and content of each."""
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:  # §8.1.3.5, the long form
            size = length & 0x7F
            length = int.from_bytes(data[position : position + size])
            position += size
        if position + length > len(data):
            raise ValueError("the certificate ends too early")
        yield tag, data[position : position + length]
        position += length


def _time(tag: int, value: bytes) -> datetime:
    """RFC 5280 §4.1.2.5: two digits of the year up to 2049, four from then on."""
    text = value.decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _names(content: bytes) -> Iterator[str]:
    (names,) = _elements(content)
    for tag, value in _elements(names[1]):
        if tag == DNS_NAME:
            yield value.decode("ascii", "replace").lower()
        elif tag == IP_ADDRESS:
            yield str(ipaddress.ip_address(value))
