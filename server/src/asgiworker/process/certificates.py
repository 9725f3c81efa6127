"""The certificates of the listening sockets: the TLS contexts made of them, anew when the files change.

What is wrong with a certificate or a key becomes one sentence. At the start that ends the server; later the
certificates that it has stay in use.

Tickets for the resumption of a session (RFC 8446 §4.6.1) can be read by whoever has the keys that they were
made with, and those belong to a context from its creation on. So contexts that several processes are to share
are made before the fork, those for later certificates too.
"""

from __future__ import annotations

import hashlib
import logging
import os
import ssl
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asgiworker.process.mistakes import Mistake
from asgiworker.process.sni import NameTable
from asgiworker.process.x509 import Certificate, read_certificate
from asgiworker.protocols.tls import ServerTLS, TLSContext

if TYPE_CHECKING:
    from asgiworker.process.settings import Settings

logger = logging.getLogger("asgiworker.server")

VERIFICATION = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

LOOK = 1.0  # seconds between two looks at the files
NEAR = timedelta(days=14)  # so long before its end a certificate is warned about; a short-lived one later
REMINDER = 86400.0  # seconds until the next such warning
TICKETS = 1  # made in each handshake; OpenSSL's two cost 5 % of it, and a client that wants another asks anew
SPARES = 8  # certificates that a set of workers may get, one after the other, and share their sessions

# Which key belongs to which certificate in a folder, by their names.
CERTIFICATE_ENDINGS = (".pem", ".crt", ".cer")
KEY_ENDINGS = (".key", "-key.pem", ".key.pem")
LINEAGE = ("fullchain.pem", "privkey.pem")  # as ACME clients have it, in a folder for each certificate

Signature = tuple[tuple[str, int, int, int], ...]


class CertificateError(Mistake):
    """A certificate, a key, a list of authorities or of ciphers that can't be used."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a certificate is, and its private key; None where one file has both."""

    certfile: str
    keyfile: str | None


class Certificates:
    """The certificates that the settings name, as they are now.

    Args:
        settings: all settings; `settings.tls` is true.
        make: makes each context, given what makes ours; `ssl_context` of the settings.
        shared: forks will serve with it.
        log: where changes, failures and warnings are told.

    Attributes:
        context: for the next connection.

    Raises:
        CertificateError: something can't be used.
    """

    def __init__(
        self,
        settings: Settings,
        make: Callable[[Callable[[], ssl.SSLContext]], ssl.SSLContext] | None = None,
        *,
        shared: bool = False,
        log: Any = logger,
    ) -> None:
        self.settings = settings
        self.make = make
        self.log = log
        self.found: list[tuple[str, Certificate]] = []  # the certificates in use, and their files
        self._spares = [_blank() for _ in range(SPARES)] if shared else []
        self._tried = self._seen = self._signature()
        self._next_look = self._next_reminder = 0.0
        self.context = self._contexts(None)
        self._remind()

    # --- changes

    def look(self, now: float) -> None:
        """See, at most once a second, whether a file has changed; `now` is any clock of seconds.

        What has changed is left alone until it comes to rest, for certificate and key are two files.
        """
        if now < self._next_look:
            return
        self._next_look = now + LOOK
        if now >= self._next_reminder:
            if self._next_reminder:
                self._remind()
            self._next_reminder = now + REMINDER
        before, self._seen = self._seen, self._signature()
        if self._seen not in (self._tried, before):
            return
        if self._seen != self._tried:
            self.reload()

    def refresh(self) -> None:
        """Reload at once if a file has changed."""
        if self._signature() != self._tried:
            self.reload()

    def reload(self) -> None:
        """Read all files again. If they can't be used, those in use stay, and the log says why."""
        self._tried = self._seen = self._signature()
        try:
            self.context = self._contexts(self._fingerprint())
        except Mistake as mistake:
            reason = f"{mistake.message} {mistake.hint}".rstrip()
            self.log.error("The certificates stay as they were. %s", reason)
            return
        self.log.info("Certificates reloaded: %s", ", ".join(path for path, _ in self.found) or "no files")
        self._remind()

    def _signature(self) -> Signature:
        """What changes with the files: names, times, sizes."""
        return tuple(_signed(self._watched()))

    def _watched(self) -> Iterator[str]:
        settings = self.settings
        yield from (path for path in (settings.ca_certs, settings.crl) if path)
        for path in (*settings.certfile, *settings.keyfile):
            yield path
            if os.path.isdir(path):
                yield from _below(path)

    def _fingerprint(self) -> bytes:
        """The same in each process that reads the same files."""
        digest = hashlib.sha256()
        for path in self._watched():
            with suppress(OSError):
                digest.update(Path(path).read_bytes())
        return digest.digest()

    def _remind(self) -> None:
        """Warn of certificates that have expired, or soon will."""
        now = datetime.now(UTC)
        for path, certificate in self.found:
            end, begin = certificate.not_after, certificate.not_before
            if now >= end:
                self.log.warning("The certificate %s expired on %s", path, f"{end:%Y-%m-%d %H:%M} UTC")
            elif now < begin:
                self.log.warning(
                    "The certificate %s is not valid before %s", path, f"{begin:%Y-%m-%d %H:%M} UTC"
                )
            elif end - now < min(NEAR, (end - begin) / 4):
                self.log.warning("The certificate %s will expire on %s", path, f"{end:%Y-%m-%d %H:%M} UTC")

    # --- contexts

    def _contexts(self, fingerprint: bytes | None) -> ssl.SSLContext:
        """The context to listen with; with several certificates it hands over to the others, by name."""
        pairs: Sequence[KeyPair | None] = key_pairs(self.settings) or [None]
        contexts: list[ssl.SSLContext] = []
        rows: list[tuple[ssl.SSLContext, Sequence[str]]] = []
        found: list[tuple[str, Certificate]] = []
        for pair in pairs:
            # Only the context that is listened with makes tickets.
            context = self._made(pair, _blank() if contexts else self._spare(fingerprint))
            pem = getattr(context, "certificate", None)
            names: Sequence[str] = ()
            if pair and pem:
                try:
                    certificate = read_certificate(pem)
                except ValueError as error:  # OpenSSL can make something of it, and may present it
                    self.log.warning(
                        "The names of the certificate %s can't be read: %s", pair.certfile, error
                    )
                else:
                    names = certificate.names
                    found.append((pair.certfile, certificate))
            contexts.append(context)
            rows.append((context, names))
        listening = contexts[0]
        if len(contexts) > 1 and listening.sni_callback is None:
            listening.sni_callback = NameTable(rows).choose
        self.found = found
        return listening

    def _spare(self, fingerprint: bytes | None) -> TLSContext:
        """A blank context; of several processes that read the same files, each takes the same."""
        if fingerprint is None or not self._spares:
            return _blank()
        return self._spares.pop(int.from_bytes(fingerprint) % len(self._spares))

    def _made(self, pair: KeyPair | None, context: TLSContext) -> ssl.SSLContext:
        """`context` with all that the settings say, as its maker wants it."""

        def default() -> ssl.SSLContext:
            if pair is not None:
                _load_chain(context, pair, self.settings.keyfile_password)
            _configure(context, self.settings)
            return context

        if self.make is None:
            return default()
        try:
            made = self.make(default)
        except Mistake:
            raise
        except Exception as error:
            raise CertificateError(
                f"ssl_context has failed with {type(error).__name__}: {error}.", detail=traceback.format_exc()
            ) from error
        if not isinstance(made, ssl.SSLContext):
            raise CertificateError(
                f"ssl_context has returned no ssl.SSLContext, but {made!r}.",
                "It may return what its second argument makes: that is a function.",
            )
        return made


def open_certificates(settings: Settings, **keywords: Any) -> Certificates | None:
    """The certificates that the settings name; None without TLS.

    With `dev_tls` the certificate is made if it is missing. Raises `Mistake`.
    """
    if not settings.tls:
        return None
    if settings.dev_tls:
        from asgiworker.process.development import with_certificate

        settings = with_certificate(settings, keywords.get("log", logger))
    factory = settings.ssl_context
    if isinstance(factory, str):
        from asgiworker.process.loading import load_function

        factory = load_function(factory, app_dir=settings.app_dir)
    if factory is not None:
        make = factory
        keywords.setdefault("make", lambda default: make(settings, default))
    return Certificates(settings, **keywords)


def alpn_protocols(settings: Settings) -> list[str]:
    """What is offered in the handshake (RFC 7301), the best first."""
    return ["h2", "http/1.1"] if settings.http2 else ["http/1.1"]


def _blank() -> TLSContext:
    context = TLSContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = ServerTLS
    context.num_tickets = TICKETS
    return context


def _configure(context: ssl.SSLContext, settings: Settings) -> None:
    """All but the certificate."""
    context.minimum_version = VERSIONS[settings.tls_minimum]
    context.options |= (
        ssl.OP_NO_RENEGOTIATION
    )  # RFC 9113 §9.2.1; and it costs the server more than the client
    context.set_alpn_protocols(alpn_protocols(settings))
    if not settings.ciphers:
        # All of OpenSSL's own are good ones, and the client knows what its processor is fast at.
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        try:
            context.set_ciphers(settings.ciphers)
        except ssl.SSLError:
            raise CertificateError(
                f"OpenSSL knows none of the ciphers {settings.ciphers!r}.", "See: openssl ciphers -v"
            ) from None
    if settings.curves:
        _set_curves(context, settings.curves)
    if settings.ca_certs:
        try:
            context.load_verify_locations(settings.ca_certs)
        except OSError as error:  # ssl.SSLError is one
            raise _explained("The authorities", "--ca-certs", settings.ca_certs, error) from None
    elif settings.cert_reqs != "none":
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    if settings.crl:
        try:
            context.load_verify_locations(settings.crl)
        except OSError as error:
            raise _explained("The revocation list", "--crl", settings.crl, error) from None
        if not context.cert_store_stats()["crl"]:
            raise CertificateError(f"There is no revocation list in {settings.crl}.", "See --crl.")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.verify_mode = VERIFICATION[settings.cert_reqs]


def _set_curves(context: ssl.SSLContext, curves: str) -> None:
    several = getattr(context, "set_groups", None)  # Python >= 3.15
    try:
        if several is not None:
            several(curves)
        elif ":" in curves:
            raise CertificateError(
                f"Several curves ({curves}) can't be set with this version of Python.",
                "Name one with --curves, or none: OpenSSL's own choice is a good one.",
            )
        else:
            context.set_ecdh_curve(curves)
    except (ValueError, ssl.SSLError):
        raise CertificateError(
            f"OpenSSL can't use the curves {curves!r}.", "X25519, prime256v1 and secp384r1 are usual."
        ) from None


# --- where they are -----------------------------------------------------------------------------------------


def key_pairs(settings: Settings) -> list[KeyPair]:
    """The certificates and keys that the settings name. Raises `CertificateError`."""
    pairs: list[KeyPair] = []
    for certfile, keyfile in zip_longest(settings.certfile, settings.keyfile):
        if not os.path.isdir(certfile):
            pairs.append(KeyPair(certfile, keyfile))
            continue
        if keyfile:
            raise CertificateError(
                f"{certfile} is a folder, and has no use for the private key {keyfile}.",
                "In a folder the key of shop.pem is shop.key, or stands in shop.pem itself.",
            )
        try:
            found = list(_pairs_in(Path(certfile)))
        except OSError as error:
            raise _explained("The folder", "--certfile", certfile, error) from None
        if not found:
            raise CertificateError(
                f"There is no certificate with its private key in the folder {certfile}.",
                "It may have shop.pem with shop.key, or folders with fullchain.pem and privkey.pem.",
            )
        pairs += found
    return pairs


def _pairs_in(folder: Path) -> Iterator[KeyPair]:
    """The pairs in a folder and in the folders within it, by name."""
    chain, key = (folder / name for name in LINEAGE)
    if chain.exists() and key.exists():
        yield KeyPair(str(chain), str(key))
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            own = [path / name for name in LINEAGE]
            if all(each.exists() for each in own):
                yield KeyPair(*map(str, own))
        elif path.suffix in CERTIFICATE_ENDINGS and not path.name.endswith(KEY_ENDINGS):
            keys = [path.with_name(path.stem + ending) for ending in KEY_ENDINGS]
            keyfile = next((key for key in keys if key.exists()), None)
            text = path.read_text("ascii", "replace")
            if ssl.PEM_HEADER in text and (keyfile or "PRIVATE KEY-----" in text):
                yield KeyPair(str(path), str(keyfile) if keyfile else None)


def _below(folder: str) -> Iterator[str]:
    """The files of a folder, and of those within it."""
    with suppress(OSError):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            yield entry.path
            if entry.is_dir():
                with suppress(OSError):
                    yield from sorted(each.path for each in os.scandir(entry.path))


def _signed(paths: Iterator[str]) -> Iterator[tuple[str, int, int, int]]:
    for path in paths:
        try:
            state = os.stat(path)
        except OSError:
            yield path, 0, 0, 0
        else:
            yield path, state.st_mtime_ns, state.st_size, state.st_ino


def _load_chain(context: ssl.SSLContext, pair: KeyPair, password: str | None) -> None:
    certfile, keyfile = pair.certfile, pair.keyfile
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
