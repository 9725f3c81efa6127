"""Certificates that change while the server runs: who comes next sees the new one, and nobody is cut off."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from asgiworker.process import certificates

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.tls.conftest import Authority, Serve, Shake

DEADLINE = 10.0
FAST = {"timeout_head": 0.2}  # which makes the server look at everything more often
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the files is a twentieth of a second after the one before."""
    monkeypatch.setattr(certificates, "LOOK", 0.05)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something holds."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


async def test_a_new_certificate_is_shown_to_new_connections(
    authority: Authority, serve: Serve, shake: Shake, mirror: Mirror, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    certfile = authority.issue("old.example")
    server = await serve(certfile=certfile, **FAST)
    reader, writer = await shake.connect(server.url)
    writer.write(GET)
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n/"), DEADLINE)
    old = mirror.seen[-1].scope["extensions"]["tls"]["server_cert"]
    authority.issue("new.example")
    await shake.until(server.url, {"new.example"})
    new = mirror.seen[-1].scope["extensions"]["tls"]["server_cert"]
    assert new != old
    assert f"Certificates reloaded: {certfile}" in caplog.text
    # Who was connected still is, and the application sees what that connection was shown.
    writer.write(GET)
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n/"), DEADLINE)
    assert mirror.seen[-1].scope["extensions"]["tls"]["server_cert"] == old


async def test_certificate_and_key_in_two_files_may_come_one_after_the_other(
    authority: Authority, serve: Serve, shake: Shake, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    certfile = authority.issue("old.example", file="a.pem", keyfile="a.key")
    server = await serve(certfile=certfile, keyfile=str(tmp_path / "a.key"), **FAST)
    authority.issue("new.example", file="b.pem", keyfile="b.key")
    os.replace(tmp_path / "b.pem", tmp_path / "a.pem")
    await until(lambda: "does not belong to the certificate" in caplog.text)
    assert (await shake(server.url)).names == {"old.example"}
    os.replace(tmp_path / "b.key", tmp_path / "a.key")
    await shake.until(server.url, {"new.example"})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "No certificate with its private key can be read from"),
        ("-----BEGIN CERTIFICATE-----\nMIIB", "No certificate with its private key can be read from"),
        (None, "can't be read: No such file or directory"),
    ],
    ids=["empty", "half", "missing"],
)
async def test_a_broken_file_keeps_the_certificate_and_is_reported_once(
    authority: Authority,
    serve: Serve,
    shake: Shake,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: str | None,
    reason: str,
):
    certfile = Path(authority.issue("old.example"))
    server = await serve(certfile=str(certfile), **FAST)
    certfile.unlink()
    if content is not None:
        certfile.write_text(content)
    await until(lambda: "The certificates stay as they were. " in caplog.text)
    looks = server.service.now + 0.5
    await until(lambda: server.service.now > looks)
    reports = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(reports) == 1
    assert reason in reports[0]
    assert str(certfile) in reports[0]
    assert (await shake(server.url)).names == {"old.example"}
    authority.issue("new.example")
    await shake.until(server.url, {"new.example"})


async def test_a_key_of_another_kind_is_no_obstacle(authority: Authority, serve: Serve, shake: Shake):
    authority.issue("ec.example", key_type=trustme.KeyType.ECDSA)
    server = await serve(certfile=str(authority.folder / "server.pem"), **FAST)
    assert (await shake(server.url)).names == {"ec.example"}
    authority.issue("rsa.example", key_type=trustme.KeyType.RSA)
    await shake.until(server.url, {"rsa.example"})
    context = authority.client()
    context.check_hostname = False
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    with pytest.raises((ssl.SSLError, OSError)):  # nothing is left of the old one
        await shake(server.url, context=context)


async def test_certificates_of_several_names_change_too_and_come_and_go(
    authority: Authority, serve: Serve, shake: Shake, tmp_path: Path
):
    authority.issue("a.example", file="all/a.pem")
    authority.issue("b.example", file="all/b.pem")
    server = await serve(certfile=str(tmp_path / "all"), **FAST)
    authority.issue("b.example", "www.b.example", file="all/b.pem")
    authority.issue("c.example", file="all/c.pem")
    await shake.until(server.url, {"c.example"}, "c.example")
    assert (await shake(server.url, "www.b.example")).names == {"b.example", "www.b.example"}
    (tmp_path / "all" / "c.pem").unlink()
    await shake.until(server.url, {"a.example"}, "c.example")


async def test_a_client_whose_certificate_is_revoked_meanwhile_is_refused(
    authority: Authority, serve: Serve, shake: Shake
):
    """Also one that has a session to resume: that would spare it the look at its certificate."""
    someone = authority.ca.issue_cert("someone@example.org", common_name="Someone")
    settings = {"ca_certs": authority.pem, "cert_reqs": "required", "crl": authority.revoke()}
    server = await serve(certfile=authority.issue("a.example"), **settings, **FAST)
    context = authority.client(someone)
    context.check_hostname = False
    shown = await shake(server.url, context=context)
    assert b"200 OK" in shown.answer
    session = shown.connection.session
    before = server.tls
    authority.revoke(someone)
    await until(lambda: server.tls is not before)

    def again(session: ssl.SSLSession | None) -> bytes:
        host, port = server.url.removeprefix("https://").split(":")
        try:
            with (
                socket.create_connection((host, int(port)), timeout=DEADLINE) as plain,
                context.wrap_socket(plain, session=session) as client,
            ):
                client.sendall(GET)
                return client.recv(100)
        except OSError:
            return b""

    for each in (None, session):
        assert await asyncio.to_thread(again, each) == b""


@pytest.mark.parametrize(("transport", "proxy"), [("loop", "off"), ("auto", "off"), ("auto", "v1")])
async def test_no_connection_fails_while_certificates_change(
    authority: Authority, serve: Serve, shake: Shake, transport: str, proxy: str
):
    """A crowd that connects without a pause, on as many reloads as fit in."""
    settings = {"certfile": authority.issue("a.example"), "proxy_protocol": proxy, "transport": transport}
    server = await serve(**settings, **FAST)
    changed = False
    count = 0
    context = authority.client()
    context.check_hostname = False
    host, port = server.url.removeprefix("https://").split(":")
    loop = asyncio.get_running_loop()

    async def come_and_go() -> None:
        nonlocal count
        while not changed:
            if proxy == "off":
                shown = await shake(server.url, context=context)
                assert b"200 OK" in shown.answer
            else:
                sock = socket.create_connection((host, int(port)))
                sock.setblocking(False)
                await loop.sock_sendall(sock, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
                reader, writer = await asyncio.open_connection(
                    sock=sock, ssl=context, server_hostname="a.example"
                )
                writer.write(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                assert b"200 OK" in await asyncio.wait_for(reader.read(), DEADLINE)
                writer.close()
            count += 1

    crowd = [asyncio.create_task(come_and_go()) for _ in range(4)]
    for number in range(3):
        before = server.tls
        authority.issue(f"a{number}.example")
        await until(lambda: server.tls is not before)  # noqa: B023 - called at once
    changed = True
    await asyncio.gather(*crowd)
    assert count > 4


# --- their time ---------------------------------------------------------------------------------------------

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("begin", "end", "warning"),
    [
        (-90 * DAY, -DAY, "The certificate {} expired on "),
        (DAY, 90 * DAY, "The certificate {} is not valid before "),
        (-80 * DAY, 10 * DAY, "The certificate {} will expire on "),
        (-30 * DAY, 60 * DAY, None),
        # One that never lasts longer than six days is warned about later.
        (-1 * DAY, 5 * DAY, None),
        (-5 * DAY, 1 * DAY, "The certificate {} will expire on "),
    ],
)
async def test_a_certificate_whose_time_is_over_or_nearly_is_warned_about(
    authority: Authority,
    serve: Serve,
    caplog: pytest.LogCaptureFixture,
    begin: timedelta,
    end: timedelta,
    warning: str | None,
):
    now = datetime.now(UTC)
    certfile = authority.issue("a.example", not_before=now + begin, not_after=now + end)
    await serve(certfile=certfile)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    if warning is None:
        assert warnings == []
    else:
        (told,) = warnings
        assert told.startswith(warning.format(certfile))
        assert f"{now + (begin if 'before' in warning else end):%Y-%m-%d}" in told


async def test_the_warning_comes_again_every_day(
    authority: Authority, serve: Serve, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(certificates, "REMINDER", 0.05)
    now = datetime.now(UTC)
    await serve(certfile=authority.issue("a.example", not_after=now - DAY, not_before=now - 9 * DAY), **FAST)
    await until(lambda: caplog.text.count("expired on") >= 3)
