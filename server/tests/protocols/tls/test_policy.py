"""What a context is told: versions, ciphers, curves, clients' certificates, revocation; and its own maker."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import asgiworker
from asgiworker.process.certificates import CertificateError

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror, Response
    from server.tests.protocols.tls.conftest import Authority, Serve, Shake

    Read = Callable[..., list[Response]]


def client(authority: Authority, **attributes: Any) -> ssl.SSLContext:
    """A client's context."""
    context = authority.client()
    context.check_hostname = False
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


@pytest.mark.parametrize(("minimum", "versions"), [("1.2", {"TLSv1.2", "TLSv1.3"}), ("1.3", {"TLSv1.3"})])
async def test_the_oldest_version_is_a_setting(
    authority: Authority, serve: Serve, shake: Shake, minimum: str, versions: set[str]
):
    server = await serve(certfile=authority.issue("a.example"), tls_minimum=minimum)
    spoken = set()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        try:
            shown = await shake(server.url, context=client(authority, maximum_version=version))
        except (ssl.SSLError, OSError):
            continue
        spoken.add(shown.connection.version())
    assert spoken == versions


async def test_ciphers_are_those_that_are_named(authority: Authority, serve: Serve, shake: Shake):
    name = "ECDHE-ECDSA-CHACHA20-POLY1305"
    server = await serve(certfile=authority.issue("a.example"), ciphers=name)
    context = client(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    cipher = (await shake(server.url, context=context)).connection.cipher()
    assert cipher is not None
    assert cipher[0] == name


@pytest.mark.parametrize(
    ("ciphers", "chosen"),
    [
        pytest.param({}, "ECDHE-ECDSA-AES128-GCM-SHA256", id="the client's order, of the usual ones"),
        pytest.param(
            {"ciphers": "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"},
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            id="the server's, of a list",
        ),
    ],
)
async def test_whose_order_of_ciphers_counts(
    authority: Authority, serve: Serve, shake: Shake, ciphers: dict[str, str], chosen: str
):
    server = await serve(certfile=authority.issue("a.example"), **ciphers)
    context = client(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
    )
    cipher = (await shake(server.url, context=context)).connection.cipher()
    assert cipher is not None
    assert cipher[0] == chosen


async def test_one_curve_can_be_named(authority: Authority, serve: Serve, shake: Shake):
    server = await serve(certfile=authority.issue("a.example"), curves="secp384r1")
    context = client(authority)
    context.set_ecdh_curve("secp384r1")
    assert b"200 OK" in (await shake(server.url, context=context)).answer
    context.set_ecdh_curve("prime256v1")
    with pytest.raises((ssl.SSLError, OSError)):
        await shake(server.url, context=context)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"curves": "curve-of-mine"}, "OpenSSL can't use the curves 'curve-of-mine'."),
        pytest.param(
            {"curves": "X25519:prime256v1"},
            "Several curves (X25519:prime256v1) can't be set with this version of Python.",
            marks=pytest.mark.skipif(sys.version_info >= (3, 15), reason="they can"),
        ),
        ({"ciphers": "NONSENSE"}, "OpenSSL knows none of the ciphers 'NONSENSE'."),
        ({"crl": "no.pem"}, "The revocation list no.pem can't be read: No such file or directory."),
        ({"ssl_context": lambda settings, default: None}, "ssl_context has returned no ssl.SSLContext, but"),
        ({"ssl_context": lambda settings, default: 1 / 0}, "ssl_context has failed with ZeroDivisionError"),
    ],
)
async def test_what_openssl_does_not_know_is_one_sentence(
    authority: Authority, serve: Serve, settings: dict[str, Any], message: str
):
    with pytest.raises(CertificateError) as refused:
        await serve(certfile=authority.issue("a.example"), **settings)
    assert refused.value.message.startswith(message)


async def test_a_file_without_a_revocation_list_is_one_sentence(authority: Authority, serve: Serve):
    with pytest.raises(CertificateError, match=r"There is no revocation list in .*authority\.pem\."):
        await serve(certfile=authority.issue("a.example"), crl=authority.pem)


async def test_a_revoked_client_is_refused_and_no_other(authority: Authority, serve: Serve, shake: Shake):
    good, bad = (authority.ca.issue_cert(f"{name}@example.org") for name in ("good", "bad"))
    settings = {"ca_certs": authority.pem, "cert_reqs": "required", "crl": authority.revoke(bad)}
    server = await serve(certfile=authority.issue("a.example"), **settings)
    for certificate, served in ((good, True), (bad, False)):
        context = authority.client(certificate)
        context.check_hostname = False
        try:
            answer = (await shake(server.url, context=context)).answer
        except (ssl.SSLError, OSError):
            answer = b""
        assert (b"200 OK" in answer) is served


async def test_http_2_is_offered_unless_it_is_switched_off(authority: Authority, serve: Serve, shake: Shake):
    for http2, chosen in ((True, "h2"), (False, "http/1.1")):
        server = await serve(certfile=authority.issue("a.example"), http2=http2)
        context = client(authority)
        context.set_alpn_protocols(["h2", "http/1.1"])
        _, writer = await shake.connect(server.url, context=context)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen


# --- a context of one's own ---------------------------------------------------------------------------------


async def test_a_maker_of_contexts_has_the_last_word(authority: Authority, serve: Serve, shake: Shake):
    seen: list[asgiworker.Settings] = []

    def make(settings: asgiworker.Settings, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        seen.append(settings)
        context = default()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    server = await serve(certfile=authority.issue("a.example"), ssl_context=make, keepalive=17)
    assert (await shake(server.url)).names == {"a.example"}
    assert [settings.keepalive for settings in seen] == [17]
    with pytest.raises((ssl.SSLError, OSError)):
        await shake(server.url, context=client(authority, maximum_version=ssl.TLSVersion.TLSv1_2))


async def test_a_maker_may_take_its_certificate_from_anywhere(
    authority: Authority, serve: Serve, shake: Shake, mirror: Mirror
):
    issued = authority.ca.issue_cert("vault.example")

    def make(settings: asgiworker.Settings, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issued.configure_cert(context)
        return context

    server = await serve(ssl_context=make)
    assert server.url.startswith("https://")
    assert (await shake(server.url)).names == {"vault.example"}
    assert mirror.seen[0].scope["extensions"]["tls"]["server_cert"] is None  # which nobody has told us


async def test_a_maker_may_have_a_callback_of_its_own(authority: Authority, serve: Serve, shake: Shake):
    """Also one for the name, which is then the only one."""
    asked: list[str | None] = []

    def make(settings: asgiworker.Settings, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        context = default()
        context.sni_callback = lambda connection, name, context: asked.append(name)
        return context

    certfile = [authority.issue(f"{name}.example", file=f"{name}.pem") for name in "ab"]
    server = await serve(certfile=certfile, ssl_context=make)
    assert (await shake(server.url, "b.example")).names == {"a.example"}
    assert asked == ["b.example"]


# --- Strict-Transport-Security (RFC 6797) -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hsts", "value"),
    [
        (31536000, "max-age=31536000"),
        ("600", "max-age=600"),
        ("600; includeSubDomains", "max-age=600; includeSubDomains"),
        ("Max-Age=600;preload ; includesubdomains", "max-age=600; preload; includeSubDomains"),
        ("0", "max-age=0"),
    ],
)
async def test_browsers_are_told_to_come_by_https_only(
    authority: Authority, serve: Serve, shake: Shake, read: Read, hsts: object, value: str
):
    server = await serve(certfile=authority.issue("a.example"), hsts=hsts)
    (response,) = read((await shake(server.url)).answer)
    assert response.all("strict-transport-security") == [value]
    (response,) = read((await shake(server.url, request=b"GET / HTTP/1.1\r\n\r\n")).answer)  # no Host
    assert (response.status, response.all("strict-transport-security")) == (400, [value])


async def test_the_word_of_the_application_on_that_holds(
    authority: Authority, serve: Serve, shake: Shake, read: Read, answer: Any
):
    app = answer(headers=[(b"strict-transport-security", b"max-age=1")])
    server = await serve(app=app, certfile=authority.issue("a.example"), hsts="600")
    (response,) = read((await shake(server.url)).answer)
    assert response.all("strict-transport-security") == ["max-age=1"]


@pytest.mark.parametrize("setting", [{"hsts": "600"}, {"redirect_http": "8080"}])
def test_what_belongs_to_tls_needs_a_certificate(setting: dict[str, str]):
    (name,) = setting
    with pytest.raises(asgiworker.process.mistakes.SettingsError, match=f"^{name} is given without") as error:
        asgiworker.Settings(**setting)  # type: ignore[arg-type]
    assert error.value.hint
