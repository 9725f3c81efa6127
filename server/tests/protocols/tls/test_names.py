"""Several certificates: which of them a client is shown (SNI, RFC 6066 §3; names, RFC 9525 §6)."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgiworker.process.certificates import CertificateError
from asgiworker.process.sni import NameTable

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.tls.conftest import Authority, Serve, Shake


async def test_the_name_that_a_client_asks_for_chooses_the_certificate(
    authority: Authority, serve: Serve, shake: Shake
):
    first = authority.issue("a.example", "www.a.example", file="a.pem")
    second = authority.issue("b.example", file="b.pem")
    server = await serve(certfile=[first, second])
    for name in ("a.example", "www.a.example"):
        assert (await shake(server.url, name)).names == {"a.example", "www.a.example"}
    shown = await shake(server.url, "b.example", authority.client())
    assert shown.names == {"b.example"}
    assert b"200 OK" in shown.answer


async def test_the_first_certificate_is_for_whoever_asks_for_none_of_them(
    authority: Authority, serve: Serve, shake: Shake
):
    first = authority.issue("a.example", file="a.pem")
    second = authority.issue("b.example", file="b.pem")
    server = await serve(certfile=[first, second])
    assert (await shake(server.url, "c.example")).names == {"a.example"}
    assert (await shake(server.url, "127.0.0.1")).names == {"a.example"}  # an address is not asked for


async def test_the_application_sees_the_certificate_of_its_connection(
    authority: Authority, serve: Serve, shake: Shake, mirror: Mirror
):
    first = authority.issue("a.example", file="a.pem")
    second = authority.issue("b.example", file="b.pem")
    server = await serve(certfile=[first, second])
    for name in ("b.example", "a.example"):
        shown = await shake(server.url, name)
        assert mirror.seen[-1].scope["extensions"]["tls"]["server_cert"] == shown.pem


async def test_each_certificate_may_have_its_key_in_a_file_of_its_own(
    authority: Authority, serve: Serve, shake: Shake, tmp_path: Path
):
    first = authority.issue("a.example", file="a.pem", keyfile="a.key")
    second = authority.issue("b.example", file="b.pem", keyfile="b.key")
    third = authority.issue("c.example", file="c.pem")
    keys = [str(tmp_path / "a.key"), str(tmp_path / "b.key")]
    server = await serve(certfile=[first, second, third], keyfile=keys)
    for name in ("a.example", "b.example", "c.example"):
        assert (await shake(server.url, name)).names == {name}


async def test_a_folder_stands_for_all_certificates_in_it(
    authority: Authority, serve: Serve, shake: Shake, tmp_path: Path
):
    """Pairs, files with both, and folders as ACME clients have them; other files are left alone."""
    folder = tmp_path / "all"
    authority.issue("b.example", file="all/b.pem", keyfile="all/b.key")
    authority.issue("c.example", file="all/c.pem", keyfile="all/c-key.pem")
    authority.issue("a.example", file="all/a.crt")
    (folder / "d.example").mkdir()
    authority.issue("d.example", file="all/d.example/fullchain.pem", keyfile="all/d.example/privkey.pem")
    (folder / "d.example" / "cert.pem").write_text("not looked at")
    (folder / "README").write_text("about these files")
    (folder / ".hidden.pem").write_text("not looked at")
    (folder / "authority.pem").write_bytes(authority.ca.cert_pem.bytes())  # has no key
    (folder / "empty").mkdir()
    server = await serve(certfile=str(folder))
    for name in ("a.example", "b.example", "c.example", "d.example"):
        assert (await shake(server.url, name)).names == {name}
    assert (await shake(server.url, "unknown.example")).names == {"a.example"}


async def test_a_folder_of_one_certificate_is_that(
    authority: Authority, serve: Serve, shake: Shake, tmp_path: Path
):
    (tmp_path / "live").mkdir()
    authority.issue("a.example", file="live/fullchain.pem", keyfile="live/privkey.pem")
    server = await serve(certfile=str(tmp_path / "live"))
    assert (await shake(server.url)).names == {"a.example"}


@pytest.mark.parametrize(
    ("files", "keyfile", "message"),
    [
        ([], (), "There is no certificate with its private key in the folder"),
        (["a.pem"], ("some.key",), "is a folder, and has no use for the private key some.key"),
    ],
)
async def test_a_folder_that_cannot_be_used_is_one_sentence(
    serve: Serve, tmp_path: Path, files: list[str], keyfile: tuple[str, ...], message: str
):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in files:
        (folder / name).write_text("")
    with pytest.raises(CertificateError, match=message) as refused:
        await serve(certfile=str(folder), keyfile=keyfile)
    assert refused.value.hint


async def test_one_certificate_needs_no_look_at_the_name(authority: Authority, serve: Serve):
    """A callback costs time, and keeps transports away that don't know of it."""
    server = await serve(certfile=authority.issue("a.example"))
    assert isinstance(server.tls, ssl.SSLContext)
    assert server.tls.sni_callback is None


# --- the table ----------------------------------------------------------------------------------------------

ROWS: list[tuple[Any, list[str]]] = [
    ("default", ["example.org", "*.example.org", "127.0.0.1"]),
    ("shop", ["shop.example.org", "example.org"]),
    ("deep", ["*.shop.example.org"]),
    ("odd", ["f*.odd.example", "a.*.odd.example", "*"]),
]


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("example.org", "default"),  # which two have: the first
        ("shop.example.org", "shop"),  # a name beats a pattern
        ("www.example.org", "default"),
        ("WWW.Example.ORG", "default"),
        ("a.shop.example.org", "deep"),
        ("A.Shop.Example.Org.", "deep"),
        ("a.b.shop.example.org", "default"),  # RFC 9525 §6.3: a star is one label
        ("foo.odd.example", "default"),  # and nothing less
        ("a.b.odd.example", "default"),  # and the leftmost
        ("localhost", "default"),  # and not all there is
        ("127.0.0.1", "default"),
        (None, "default"),
    ],
)
def test_a_name_finds_its_certificate(name: str | None, chosen: str):
    found: object = NameTable(ROWS).find(name)
    assert found == chosen
