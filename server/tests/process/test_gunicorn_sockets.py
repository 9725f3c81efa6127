"""Where a worker serves under Gunicorn, and what comes before HTTP there: the PROXY protocol, TLS."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

Eventually = Callable[[Callable[[], bool]], None]

LOOPS = ["asyncio", "uvloop"]
REQUEST = b"GET /scope HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def answer(connection: socket.socket, request: bytes = REQUEST) -> bytes:
    """All that comes back for some bytes."""
    connection.settimeout(20)
    connection.sendall(request)
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> tuple[str, str]:
    """A certificate for localhost: the paths of the chain and of the key."""
    issued = authority.issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return str(chain), str(key)


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context that trusts the certificate."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def encrypted(url: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection with its handshake done."""
    with socket.create_connection(address(url), timeout=20) as plain:
        return context.wrap_socket(plain, server_hostname="localhost")


@pytest.mark.parametrize("loop", LOOPS)
def test_several_addresses_are_served_at_once(gunicorn: Any, project: Path, loop: str):
    path = project / "app.sock"
    server = gunicorn(
        "--asgi-loop", loop, "--bind", "127.0.0.1:0", "--bind", "127.0.0.1:0", "--bind", f"unix:{path}"
    )
    banner = server.prints(r"Listening on (\S+), (\S+), (\S+) \(1 worker, \w+, HTTP/1.1, HTTP/2, ")
    assert banner[3] == f"unix:{path}"
    for url in (banner[1], banner[2]):
        with socket.create_connection(address(url)) as client:
            assert b'"client": ["127.0.0.1",' in answer(client)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        response = answer(client)
    assert json.loads(response.partition(b"\r\n\r\n")[2])["server"] == [str(path), None]
    server.process.send_signal(signal.SIGHUP)
    server.prints("^shutdown")
    assert path.exists()  # it is the arbiter's
    assert server.end() == 0
    assert not path.exists()


@pytest.mark.parametrize("loop", LOOPS)
def test_a_socket_is_inherited_by_its_descriptor(project: Path, gunicorn: Any, loop: str):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        os.set_inheritable(listening.fileno(), True)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = gunicorn(
            "--asgi-loop", loop, "--bind", f"fd://{listening.fileno()}", keep=(listening.fileno(),)
        )
        assert server.url == url
        assert server.get("/pid")
        assert server.end() == 0


def test_workers_can_share_a_port_by_the_kernel(gunicorn: Any):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = gunicorn("--reuse-port", "--workers", "2", "--bind", f"127.0.0.1:{port}")
    server.prints(rf"Listening on http://127.0.0.1:{port} \(2 workers")
    server.prints(r"^startup \d+", times=2)
    with socket.create_connection(("127.0.0.1", port)) as client:
        assert answer(client).startswith(b"HTTP/1.1 200")
    assert server.end() == 0


def test_umask_is_for_the_socket(gunicorn: Any, project: Path):
    path = project / "app.sock"
    server = gunicorn("--umask", "0117", "--bind", f"unix:{path}")
    assert server.url
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_workers_run_as_the_user_that_is_named(gunicorn: Any):
    # Only root can become somebody else.
    user, group = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    with tempfile.TemporaryDirectory() as name:  # pytest's own are closed to others
        directory = Path(name)
        directory.chmod(0o755)
        log = directory / "access.log"
        (directory / "who.py").write_text(
            "import os\n"
            "async def app(scope, receive, send):\n"
            "    assert scope['type'] == 'http'\n"
            "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
            "    await send({'type': 'http.response.body', 'body': b'%d %d' % (os.getuid(), os.getgid())})\n"
        )
        options = f"--user {user} --group {group} --chdir {directory} --access-logfile {log}"
        # That user may not be able to read this Python, and Gunicorn imports this one late.
        server = gunicorn(*options.split(), app="who:app", config="import hashlib")
        assert server.get() == b"%d %d" % (user, group)
        assert server.end() == 0
        assert "200" in log.read_text()


@pytest.mark.parametrize("mode", ["v1", "v2", "auto"])
def test_proxy_protocol_names_the_client(gunicorn: Any, mode: str):
    server = gunicorn("--proxy-protocol", mode)
    text = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
    binary = (
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
        + bytes((192, 0, 2, 1, 198, 51, 100, 1))
        + b"\xdc\x04\x01\xbb"
    )
    for version, header in (("v1", text), ("v2", binary)):
        with socket.create_connection(address(server.url)) as client:
            if mode in (version, "auto"):
                assert b'"client": ["192.0.2.1", 56324]' in answer(client, header + REQUEST)


def test_proxy_protocol_is_taken_from_those_that_are_allowed(gunicorn: Any):
    server = gunicorn("--proxy-protocol", "v1", "--proxy-allow-from", "10.0.0.1")
    with socket.create_connection(address(server.url)) as client:
        with contextlib.suppress(ConnectionError):
            assert answer(client, b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n" + REQUEST) == b""
        server.prints("127.0.0.1 may not send a PROXY header")


@pytest.mark.parametrize("loop", LOOPS)
def test_tls_is_1_2_at_least_and_offers_what_is_spoken(
    gunicorn: Any, certificate: tuple[str, str], trusting: ssl.SSLContext, loop: str
):
    chain, key = certificate
    server = gunicorn("--certfile", chain, "--keyfile", key, "--ciphers", "ECDHE+AESGCM", "--asgi-loop", loop)
    assert server.url.startswith("https://")
    trusting.set_alpn_protocols(["http/1.1", "h2"])
    with encrypted(server.url, trusting) as client:
        assert client.selected_alpn_protocol() == "h2"
    trusting.set_alpn_protocols(["http/1.1"])
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    with encrypted(server.url, trusting) as client:
        assert client.selected_alpn_protocol() == "http/1.1"
        assert "GCM" in str(client.cipher())
        response = answer(client)
    scope = json.loads(response.partition(b"\r\n\r\n")[2])
    assert scope["scheme"] == "https"
    assert scope["extensions"]["tls"]["server_cert"] in Path(chain).read_text()
    trusting.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        trusting.minimum_version = trusting.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError, match=r"(?i)protocol|alert|reset"):
        encrypted(server.url, trusting)


def test_clients_can_be_asked_for_a_certificate(
    gunicorn: Any,
    certificate: tuple[str, str],
    authority: trustme.CA,
    trusting: ssl.SSLContext,
    tmp_path: Path,
):
    chain, key = certificate
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    server = gunicorn("--certfile", chain, "--keyfile", key, "--ca-certs", str(ca), "--cert-reqs", "2")
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2  # where the refusal is a part of the handshake
    with pytest.raises(OSError, match=r"(?i)handshake|certificate|reset|eof"):
        encrypted(server.url, trusting)
    authority.issue_cert("client@example.org", common_name="somebody").configure_cert(trusting)
    with encrypted(server.url, trusting) as client:
        response = answer(client)
    scope = json.loads(response.partition(b"\r\n\r\n")[2])
    assert "CN=somebody" in scope["extensions"]["tls"]["client_cert_name"]


def test_the_ssl_context_hook_has_the_last_word(
    gunicorn: Any, certificate: tuple[str, str], trusting: ssl.SSLContext
):
    chain, key = certificate
    config = f"""
certfile, keyfile = {chain!r}, {key!r}
def ssl_context(conf, default_ssl_context_factory):
    import ssl
    context = default_ssl_context_factory()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
"""
    server = gunicorn(config=config)
    with encrypted(server.url, trusting) as client:
        assert client.version() == "TLSv1.3"
        assert answer(client).startswith(b"HTTP/1.1 200")
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError, match=r"(?i)protocol|alert|reset"):
        encrypted(server.url, trusting)


def test_the_password_of_the_key_comes_from_our_environment(
    gunicorn: Any, certificate: tuple[str, str], tmp_path: Path
):
    chain, key = certificate
    locked = tmp_path / "locked.pem"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", key, "-out", str(locked), "-passout", "pass:secret"],
        check=True,
        capture_output=True,
    )
    server = gunicorn("--certfile", chain, "--keyfile", str(locked), ASGIWORKER_KEYFILE_PASSWORD="secret")
    assert server.url.startswith("https://")


def test_importing_the_package_does_not_import_gunicorn():
    code = (
        "import sys, asgiworker; sys.exit(any(name.partition('.')[0] == 'gunicorn' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
