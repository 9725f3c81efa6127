"""Names and time of a certificate, as they are read from its DER (RFC 5280)."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from asgiworker.process.x509 import Certificate, read_certificate

BEGIN, END = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2027, 6, 7, 8, 9, 10, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def make(
    names: Sequence[x509.GeneralName] = (),
    begin: datetime = BEGIN,
    end: datetime = END,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = KEY,
) -> str:
    """A certificate, as PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "someone")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


DER = ssl.PEM_cert_to_DER_cert(make([x509.DNSName("a.example")]))


def test_a_certificate_is_for_the_names_and_addresses_that_it_has():
    pem = make([
        x509.DNSName("Shop.Example"),
        x509.DNSName("*.shop.example"),
        x509.RFC822Name("someone@shop.example"),
        x509.UniformResourceIdentifier("https://shop.example/"),
        x509.IPAddress(ipaddress.ip_address("192.0.2.1")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
    ])  # fmt: skip
    names = ("shop.example", "*.shop.example", "192.0.2.1", "2001:db8::1")
    assert read_certificate(pem) == Certificate(names, BEGIN, END)


def test_its_subject_is_no_name_of_a_host():
    """RFC 9525 §2: the common name hasn't been one since 2011."""
    assert read_certificate(make()).names == ()


def test_a_large_certificate_has_long_lengths():
    names = [x509.DNSName(f"{number}.shop.example") for number in range(5000)]
    key = rsa.generate_private_key(65537, 2048)
    assert len(read_certificate(make(names, key=key)).names) == 5000


@pytest.mark.parametrize("year", [1950, 1999, 2000, 2049, 2050, 9999])
def test_years_have_two_digits_up_to_2049_and_four_from_then_on(year: int):
    end = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    begin = datetime(1950, 1, 1, tzinfo=UTC)
    assert read_certificate(make(begin=begin, end=end)).not_after == end


@given(st.data())
def test_what_is_no_certificate_is_a_value_error(data: st.DataObject):
    der = bytearray(DER)
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(der)))
    for broken in (bytes(der), bytes(der[:cut]), data.draw(st.binary(max_size=40))):
        try:
            found = read_certificate(ssl.DER_cert_to_PEM_cert(broken))
        except ValueError:
            continue
        assert isinstance(found, Certificate)


def test_what_is_no_pem_is_a_value_error():
    with pytest.raises(ValueError, match="PEM"):
        read_certificate("nothing")
