"""TLS: certificates, who is asked for one, and what becomes of plain HTTP beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from asgiworker.process.kinds import FACTORY, FILES, HSTS, NAME, PATH, PORT_ADDRESS, SWITCH, choice
from asgiworker.process.mistakes import SettingsError
from asgiworker.process.options import option, option_group


@option_group
class TLSSettings:
    """Certificates, and what TLS is spoken."""

    __slots__ = ()

    certfile: tuple[str, ...] = option(
        (),
        "--certfile",
        "--ssl-certfile",
        kind=FILES,
        gunicorn="certfile",
        help="certificate chain (PEM), or a folder of them; may be repeated: a client gets the one for the"
        " name it asks for, or the first",
    )
    keyfile: tuple[str, ...] = option(
        (),
        "--keyfile",
        "--ssl-keyfile",
        kind=FILES,
        gunicorn="keyfile",
        help="private key (PEM), unless it stands in the certificate's file; repeated as certfile is",
    )
    keyfile_password: str | None = option(
        None,
        "--keyfile-password",
        "--ssl-keyfile-password",
        kind=NAME,
        secret=True,
        help="password of the private keys",
    )
    ca_certs: str | None = option(
        None,
        "--ca-certs",
        "--ssl-ca-certs",
        kind=PATH,
        gunicorn="ca_certs",
        help="authorities that client certificates are checked against (PEM)",
    )
    cert_reqs: Literal["none", "optional", "required"] = option(
        "none",
        "--cert-reqs",
        "--ssl-cert-reqs",
        kind=choice(
            "none",
            "optional",
            "required",
            also={0: "none", 1: "optional", 2: "required", "0": "none", "1": "optional", "2": "required"},
        ),
        gunicorn="cert_reqs",
        help="whether clients must show a certificate",
    )
    ciphers: str | None = option(
        None,
        "--ciphers",
        "--ssl-ciphers",
        kind=NAME,
        gunicorn="ciphers",
        help="OpenSSL cipher list, for TLS 1.2",
    )
    curves: str | None = option(
        None,
        kind=NAME,
        help="group for the key exchange, such as X25519; several, with colons between, need Python 3.15",
    )
    crl: str | None = option(
        None,
        "--crl",
        "--ssl-crl",
        kind=PATH,
        help="revocation lists that client certificates are checked against (PEM)",
    )
    tls_minimum: Literal["1.2", "1.3"] = option(
        "1.2",
        kind=choice("1.2", "1.3", also={1.2: "1.2", 1.3: "1.3"}),
        help="oldest version of TLS that is spoken",
    )
    ssl_context: Callable[..., Any] | str | None = option(  # as all the others
        None,
        kind=FACTORY,
        help="function that makes the SSLContext; called with the settings and a function that makes ours",
    )
    dev_tls: bool = option(
        False,
        kind=SWITCH,
        help="TLS with a certificate for development, which is made for localhost and this machine's name",
    )
    redirect_http: str | None = option(
        None,
        kind=PORT_ADDRESS,
        help="also listen here in plain HTTP, and send clients to HTTPS; the host is bind's unless given",
    )
    hsts: str | None = option(
        None,
        kind=HSTS,
        help="Strict-Transport-Security for every response that has none: browsers shall come by HTTPS only",
    )

    @property
    def tls(self) -> bool:
        """Whether the listening sockets speak TLS."""
        return bool(self.certfile or self.dev_tls or self.ssl_context)

    def check_tls(self) -> None:
        """Refuse what contradicts itself. Raises `SettingsError`."""
        if self.keyfile and not self.certfile:
            raise SettingsError(
                "keyfile is given without certfile.", "The certificate is given with --certfile."
            )
        if len(self.keyfile) > len(self.certfile):
            raise SettingsError(
                "There are more private keys (keyfile) than certificates (certfile).",
                "Each key belongs to the certificate at its place in the list.",
            )
        if self.dev_tls and self.certfile:
            raise SettingsError(
                "dev_tls is given with certfile.", "It makes a certificate of its own: give one of the two."
            )
        if self.tls:
            return
        if self.redirect_http:
            raise SettingsError(
                "redirect_http is given without a certificate.",
                "Nothing here speaks HTTPS; give --certfile and --keyfile, or --dev-tls.",
            )
        if self.hsts:
            raise SettingsError(
                "hsts is given without a certificate.",
                "It is sent over TLS only. Where a proxy speaks TLS, let the proxy send it.",
            )
