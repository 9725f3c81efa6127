"""`--dev-tls`: a certificate for this machine, made once, by an authority that makes no other.

The authority's private key is forgotten at once: it would let whoever finds it pass for any site, to whoever
trusts it. So a renewed certificate has a new authority, which is to be trusted anew.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import socket
import stat
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asgiworker.process.certificates import CertificateError
from asgiworker.process.x509 import read_certificate
from asgiworker.protocols.tls import first_certificate

if TYPE_CHECKING:
    from asgiworker.process.settings import Settings

NAMES = ("localhost", "127.0.0.1", "::1")
HOST_NAME = re.compile(r"(?!.*\.$)[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
LIFETIME = timedelta(days=820)  # Apple's systems take 825 at most
REMAINING = timedelta(days=1)  # with less it is renewed

CERTIFICATE, AUTHORITY = "localhost.pem", "authority.pem"


def with_certificate(settings: Settings, log: Any) -> Settings:
    """The settings with the development certificate in place of `dev_tls`. Raises `CertificateError`."""
    folder = cache_folder() / "dev-tls"
    try:
        if not _usable(folder):
            _make(folder)
            log.info("A certificate for development was made: %s", folder / CERTIFICATE)
    except OSError as error:
        raise CertificateError(
            f"The certificate for development can't be kept in {folder}: {error.strerror}.",
            "XDG_CACHE_HOME names another folder for it.",
        ) from None
    authority = folder / AUTHORITY
    log.info(
        "Its authority is %s: import that into the browser; or curl --cacert %s https://localhost/",
        authority,
        authority,
    )
    return dataclasses.replace(settings, dev_tls=False, certfile=(str(folder / CERTIFICATE),))


def cache_folder() -> Path:
    """The user's folder for what can be made again."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
    return base / "asgiworker"


def _usable(folder: Path) -> bool:
    """Whether there is a certificate that lasts; one that others could have made or read is an error."""
    try:
        state = os.stat(folder)
        pem = first_certificate(folder / CERTIFICATE)
    except FileNotFoundError:
        return False
    if os.name == "posix" and (state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o077):
        raise CertificateError(
            f"The folder {folder} isn't this user's alone, and its private key can't be trusted.",
            "Remove it; it is made anew.",
        )
    try:
        certificate = read_certificate(pem or "")
    except ValueError:
        return False
    return (folder / AUTHORITY).exists() and certificate.not_after - datetime.now(UTC) > REMAINING


def _make(folder: Path) -> None:
    """Make the folder with all that is in it, at one stroke."""
    try:
        import trustme
    except ImportError:
        raise CertificateError(
            "The certificate for development is made by trustme, which is not installed.",
            'Install it: pip install "asgiworker[dev-tls]"',
        ) from None
    host = socket.gethostname().lower()
    names = dict.fromkeys((*NAMES, host) if HOST_NAME.fullmatch(host) else NAMES)
    authority = trustme.CA(path_length=0, organization_name="asgiworker", organization_unit_name=f"on {host}")
    issued = authority.issue_cert(
        *names,
        common_name="localhost",
        organization_name="asgiworker",
        not_before=datetime.now(UTC) - timedelta(days=1),
        not_after=datetime.now(UTC) + LIFETIME,
    )
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent))  # readable by its owner only
    try:
        _write(made / CERTIFICATE, issued.private_key_and_cert_chain_pem.bytes())
        _write(made / AUTHORITY, authority.cert_pem.bytes())
        if folder.exists():
            folder.rename(made / "replaced")
        try:
            made.rename(folder)
        except OSError:
            if not _usable(folder):  # else another server was faster: its certificate is as good
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(folder / "replaced", ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
