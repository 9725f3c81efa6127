"""The TLS context, made from the settings; what is wrong with a certificate or key becomes one sentence."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from asgiworker.process.mistakes import Mistake

if TYPE_CHECKING:
    from asgiworker.process.settings import Settings

VERIFICATION = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class CertificateError(Mistake):
    """A certificate, a key, a list of authorities or of ciphers that can't be used."""

    __slots__ = ()


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The context for the listening sockets; None without a certificate. TLS 1.2 is the oldest spoken.

    Raises `CertificateError`.
    """
    if settings.certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    _load_chain(context, settings.certfile, settings.keyfile, settings.keyfile_password)
    if settings.ciphers:
        try:
            context.set_ciphers(settings.ciphers)
        except ssl.SSLError:
            raise CertificateError(
                f"OpenSSL knows none of the ciphers {settings.ciphers!r}.", "See: openssl ciphers -v"
            ) from None
    if settings.ca_certs:
        try:
            context.load_verify_locations(settings.ca_certs)
        except OSError as error:  # ssl.SSLError is one
            raise _explained("The authorities", "--ca-certs", settings.ca_certs, error) from None
    elif settings.cert_reqs != "none":
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = VERIFICATION[settings.cert_reqs]
    return context


def _load_chain(context: ssl.SSLContext, certfile: str, keyfile: str | None, password: str | None) -> None:
    key = keyfile or certfile
    asked = False

    def given_password() -> str:
        nonlocal asked
        asked = True
        if password is None:  # OpenSSL would ask on the terminal, and a server has none
            raise CertificateError(
                f"The private key {key} is encrypted.", "Give its password with --keyfile-password."
            )
        return password

    # Each file is looked at alone: OpenSSL's own error does not tell which it means.
    for what, flag, path in (("certificate", "--certfile", certfile), ("private key", "--keyfile", key)):
        try:
            open(path, "rb").close()
        except OSError as error:
            raise _explained(f"The {what}", flag, path, error) from None
    try:
        context.load_cert_chain(certfile, keyfile, given_password)
    except ssl.SSLError as error:
        raise _mismatch(error, certfile, keyfile, password_used=asked) from None


def _mismatch(
    error: ssl.SSLError, certfile: str, keyfile: str | None, *, password_used: bool
) -> CertificateError:
    if error.reason == "KEY_VALUES_MISMATCH":
        return CertificateError(
            f"The private key {keyfile or certfile} does not belong to the certificate {certfile}.",
            "The server's own certificate comes first in the file, then those of the authorities.",
        )
    if password_used:
        return CertificateError(
            f"The password does not open the private key {keyfile or certfile}.", "See --keyfile-password."
        )
    files = certfile if keyfile is None else f"{certfile} and {keyfile}"
    return CertificateError(
        f"No certificate with its private key can be read from {files}.",
        "Both must be PEM; they may share one file.",
    )


def _explained(what: str, flag: str, path: str, error: OSError) -> CertificateError:
    reason = "it is not PEM" if isinstance(error, ssl.SSLError) else error.strerror
    return CertificateError(f"{what} {path} can't be read: {reason}.", f"See {flag}.")
