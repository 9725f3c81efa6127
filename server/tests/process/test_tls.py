"""TLS as it is started and kept: signals, sessions over workers, redirects, the development certificate."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

Eventually = Callable[[Callable[[], bool]], None]

DEADLINE = 20.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


class Certificate:
    """A certificate in a file, and a client that trusts whoever made it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.ca = trustme.CA()
        self.context = ssl.create_default_context()
        self.ca.configure_trust(self.context)
        self.issue()

    def issue(self, *names: str) -> None:
        """Make a new one, in place of the old."""
        issued = self.ca.issue_cert("localhost", "127.0.0.1", *names)
        fresh = self.path + ".new"
        issued.private_key_and_cert_chain_pem.write_to_path(fresh)
        os.replace(fresh, self.path)

    def ask(
        self, url: str, path: str = "/pid", session: ssl.SSLSession | None = None
    ) -> tuple[bytes, ssl.SSLSocket]:
        """The body of an answer, and the connection that it came by, closed."""
        parts = urlsplit(url)
        with (
            socket.create_connection((parts.hostname, parts.port), timeout=DEADLINE) as plain,  # type: ignore[arg-type]
            self.context.wrap_socket(plain, server_hostname=parts.hostname, session=session) as client,
        ):
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            received = b""
            while data := client.recv(65536):
                received += data
            client.session_of_it = client.session  # type: ignore[attr-defined]
            client.reused = client.session_reused  # type: ignore[attr-defined]
            return received.partition(b"\r\n\r\n")[2], client

    def names(self, url: str) -> set[str]:
        """What the certificate is for that the server shows."""
        parts = urlsplit(url)
        with (
            socket.create_connection((parts.hostname, parts.port), timeout=DEADLINE) as plain,  # type: ignore[arg-type]
            self.context.wrap_socket(plain, server_hostname=parts.hostname) as client,
        ):
            certificate = client.getpeercert()
            assert certificate is not None
            return {value for _, value in certificate["subjectAltName"]}  # type: ignore[misc]


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """A certificate for localhost."""
    return Certificate(tmp_path / "server.pem")


# --- sessions over workers ----------------------------------------------------------------------------------


def resumed_by(certificate: Certificate, url: str, workers: int, eventually: Eventually) -> None:
    """Have a session resumed by each of several workers, whoever made it."""
    _, first = certificate.ask(url)
    session = first.session_of_it  # type: ignore[attr-defined]
    assert not first.reused  # type: ignore[attr-defined]
    met: set[bytes] = set()

    def all_met() -> bool:
        pid, client = certificate.ask(url, session=session)
        assert client.reused, f"{pid!r} doesn't know the session"  # type: ignore[attr-defined]
        met.add(pid)
        return len(met) == workers

    eventually(all_met)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_each_worker_resumes_the_sessions_of_the_others(
    gunicorn: Any, certificate: Certificate, eventually: Eventually, version: ssl.TLSVersion
):
    certificate.context.minimum_version = certificate.context.maximum_version = version
    server = gunicorn("--workers", "3", "--certfile", certificate.path)
    eventually(lambda: len(server.serving()) == 3)
    resumed_by(certificate, server.url, 3, eventually)
    # Also one that takes the place of another,
    os.kill(next(iter(server.serving())), signal.SIGTERM)
    eventually(lambda: server.output.count("startup") == 4 and len(server.serving()) == 3)
    resumed_by(certificate, server.url, 3, eventually)
    # and those that have loaded a new certificate, each for itself,
    certificate.issue("new.example")
    server.prints("Certificates reloaded", times=3)
    eventually(lambda: certificate.names(server.url) == {"localhost", "127.0.0.1", "new.example"})
    resumed_by(certificate, server.url, 3, eventually)
    # which may be older than a worker that comes later.
    os.kill(next(iter(server.serving())), signal.SIGTERM)
    eventually(lambda: server.output.count("startup") == 5 and len(server.serving()) == 3)
    resumed_by(certificate, server.url, 3, eventually)
    # And all of that begins anew with HUP.
    before = server.workers()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(server.serving()) == 3 and server.workers().isdisjoint(before))
    resumed_by(certificate, server.url, 3, eventually)
    assert server.end() == 0


def test_openssl_resumes_with_the_command_too(
    command: Any, certificate: Certificate, tmp_path: Path, eventually: Eventually
):
    server = command("main:app", "--workers", "2", "--port", "0", "--certfile", certificate.path)
    address = server.url.removeprefix("https://")

    def shake(*options: str) -> str:
        return subprocess.run(
            ["openssl", "s_client", "-connect", address, "-tls1_3", "-ign_eof", *options],
            input="GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        ).stdout

    session = str(tmp_path / "session")
    assert "\nNew, TLSv1.3" in shake("-sess_out", session)
    for _ in range(6):
        assert "\nReused, TLSv1.3" in shake("-sess_in", session)


# --- new certificates, broken ones --------------------------------------------------------------------------


def test_a_new_certificate_is_found_by_the_command(
    command: Any, certificate: Certificate, eventually: Eventually
):
    server = command("main:app", "--port", "0", "--certfile", certificate.path)
    assert certificate.ask(server.url)[0] == b"hello"
    certificate.issue("new.example")
    server.prints(f"Certificates reloaded: {certificate.path}")
    eventually(lambda: "new.example" in certificate.names(server.url))
    assert server.end() == 0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_has_the_command_look_at_once(
    command: Any, certificate: Certificate, number: signal.Signals, eventually: Eventually
):
    server = command("main:app", "--port", "0", "--certfile", certificate.path)
    url = server.url
    certificate.issue("new.example")
    server.process.send_signal(number)
    server.prints("Certificates reloaded")
    eventually(lambda: "new.example" in certificate.names(url))
    assert server.end() == 0


def test_a_certificate_that_breaks_does_not_end_gunicorn_on_hup(
    gunicorn: Any, certificate: Certificate, eventually: Eventually
):
    server = gunicorn("--certfile", certificate.path)
    url = server.url
    names = certificate.names(url)
    Path(certificate.path).write_text("no certificate")
    before = server.workers()
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(server.serving()) == 1 and server.workers().isdisjoint(before))
    assert certificate.names(url) == names
    server.prints("The certificates stay as they were. No certificate with its private key can be read from")
    assert "Traceback" not in server.output
    certificate.issue("new.example")
    eventually(lambda: "new.example" in certificate.names(url))
    assert server.end() == 0


def test_gunicorns_hook_makes_the_new_context_too(
    gunicorn: Any, certificate: Certificate, eventually: Eventually
):
    config = """
import ssl
def ssl_context(conf, default_ssl_context_factory):
    print("asked with", conf.certfile)
    context = default_ssl_context_factory()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context
"""
    server = gunicorn("--certfile", certificate.path, config=config)
    server.prints(f"asked with {certificate.path}")
    url = server.url
    certificate.issue("new.example")
    server.prints("asked with", times=2)
    eventually(lambda: "new.example" in certificate.names(url))
    certificate.context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError, match=r"(?i)protocol|alert|reset"):
        certificate.names(url)
    assert server.end() == 0


def test_several_workers_of_the_command_need_a_certificate_that_can_be_used(command: Any, project: Path):
    (project / "cert.pem").write_text("no certificate")
    server = command("main:app", "--workers", "2", "--port", "0", "--certfile", "cert.pem")
    assert server.wait() == 1
    assert server.output.startswith("Error: No certificate with its private key can be read from cert.pem.\n")


def test_an_old_certificate_is_warned_about_once(
    command: Any, certificate: Certificate, eventually: Eventually
):
    now = datetime.now(UTC)
    issued = certificate.ca.issue_cert(
        "localhost", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1)
    )
    issued.private_key_and_cert_chain_pem.write_to_path(certificate.path)
    server = command("main:app", "--workers", "2", "--port", "0", "--certfile", certificate.path)
    server.prints("Listening on https")
    assert server.end() == 0
    assert server.output.count("expired on") == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make workers another user's")
def test_a_key_that_only_root_can_read_is_read_by_the_arbiter(
    gunicorn: Any, certificate: Certificate, project: Path, eventually: Eventually
):
    for folder in (project, *project.parents):  # the way to the application
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    Path(certificate.path).chmod(0o600)
    server = gunicorn("--certfile", certificate.path, "--user", "nobody", "--group", "nogroup")
    url = server.url
    names = certificate.names(url)
    certificate.issue("new.example")
    Path(certificate.path).chmod(0o600)
    server.prints("The certificates stay as they were. The certificate .* can't be read: Permission denied")
    assert certificate.names(url) == names
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "new.example" in certificate.names(url))
    assert server.end() == 0


def test_with_reload_the_certificate_and_the_redirect_stay(
    command: Any, certificate: Certificate, project: Path, eventually: Eventually
):
    port = free_port()
    options = ("--certfile", certificate.path, "--redirect-http", str(port), "--reload")
    server = command("main:app", "--bind", "127.0.0.1:0", *options)
    assert certificate.ask(server.url)[0] == b"hello"
    main = project / "main.py"
    main.write_text(main.read_text().replace("hello", "bonjour"))
    eventually(lambda: certificate.ask(server.url)[0] == b"bonjour")
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b" 308 " in client.recv(1000)


# --- the settings from outside ------------------------------------------------------------------------------


def test_a_maker_of_contexts_can_be_named_on_the_command_line(
    command: Any, certificate: Certificate, project: Path
):
    (project / "secure.py").write_text(
        "import ssl\n"
        "def make(settings, default):\n"
        "    context = default()\n"
        "    context.maximum_version = ssl.TLSVersion.TLSv1_2\n"
        "    return context\n"
    )
    server = command(
        "main:app", "--port", "0", "--certfile", certificate.path, "--ssl-context", "secure:make"
    )
    assert certificate.ask(server.url)[1].version() is None  # closed
    certificate.context.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(OSError, match=r"(?i)protocol|alert|reset"):
        certificate.names(server.url)


@pytest.mark.parametrize(
    ("maker", "message"),
    [
        ("nothing:make", "There is no module nothing."),
        ("main:make", "The module main has no attribute make."),
        ("main:__name__", "main:__name__ is not callable"),
    ],
)
def test_a_maker_that_is_not_there_is_one_sentence(
    command: Any, certificate: Certificate, maker: str, message: str
):
    server = command("main:app", "--check-config", "--certfile", certificate.path, "--ssl-context", maker)
    assert server.wait() == 1
    assert f"Error: {message}" in server.output


def test_the_command_redirects(command: Any, certificate: Certificate):
    port = free_port()
    for workers in ("1", "2"):
        options = ("--workers", workers, "--certfile", certificate.path, "--redirect-http", str(port))
        server = command("main:app", "--bind", "127.0.0.1:0", *options)
        https = server.url
        server.prints(f"Sending plain HTTP to HTTPS: http://127.0.0.1:{port}")
        location = subprocess.run(
            ["curl", "-s", "-o", "-", "-w", "%{http_code} %{redirect_url}", f"http://127.0.0.1:{port}/a?b"],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=True,
        ).stdout
        assert location == f"308 {https}/a?b"
        assert server.end() == 0


def test_gunicorn_redirects_from_an_address_that_is_bound_for_it(gunicorn: Any, certificate: Certificate):
    port = free_port()
    bound = ("--bind", "127.0.0.1:0", "--bind", f"127.0.0.1:{port}")
    server = gunicorn("--certfile", certificate.path, *bound, ASGIWORKER_REDIRECT_HTTP=str(port))
    assert certificate.ask(server.url)[0].isdigit()
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as client:
        client.sendall(b"GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        answer = client.recv(1000)
    assert b" 308 " in answer
    assert f"location: https://shop.example:{urlsplit(server.url).port}/a".encode() in answer
    assert server.end() == 0


def test_gunicorn_says_so_if_none_is(gunicorn: Any, certificate: Certificate):
    server = gunicorn("--certfile", certificate.path, ASGIWORKER_REDIRECT_HTTP="8")
    assert server.wait() == 3
    server.prints("Nothing listens on port 8, which redirect_http names. .* bind this address as well")
    assert "Traceback" not in server.output


# --- the development certificate ----------------------------------------------------------------------------


def modes(folder: Path) -> dict[str, int]:
    """What of a folder is whose business."""
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in (folder, *folder.iterdir())}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_development_certificate_is_made_once_and_trusted_by_its_authority(
    command: Any, tmp_path: Path, workers: str
):
    cache = tmp_path / "cache"
    folder = cache / "asgiworker" / "dev-tls"
    options = ("main:app", "--port", "0", "--dev-tls", "--workers", workers)
    made = []
    for _ in range(2):
        server = command(*options, XDG_CACHE_HOME=str(cache))
        port = urlsplit(server.url).port
        authority = server.prints(r"Its authority is (\S+): import that into the browser; or curl")[1]
        for host in ("localhost", "127.0.0.1"):
            answer = subprocess.run(
                ["curl", "-sS", "--cacert", authority, f"https://{host}:{port}/"],
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
            )
            assert (answer.stdout, answer.stderr) == ("hello", "")
        made.append((folder / "localhost.pem").read_bytes())
        assert server.end() == 0
    assert made[0] == made[1]
    assert server.output.count("A certificate for development was made") == 0
    assert modes(folder) == {"dev-tls": 0o700, "localhost.pem": 0o600, "authority.pem": 0o600}
    assert [each.name for each in folder.parent.iterdir()] == ["dev-tls"]
    assert b"PRIVATE KEY" not in (folder / "authority.pem").read_bytes()


def test_a_development_certificate_that_ends_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    from asgiworker import Settings
    from asgiworker.process import certificates, development

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = tmp_path / "asgiworker" / "dev-tls" / "localhost.pem"
    monkeypatch.setattr(development, "LIFETIME", timedelta(hours=1))
    assert certificates.open_certificates(Settings(dev_tls=True))
    first = file.read_bytes()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    opened = certificates.open_certificates(Settings(dev_tls=True))
    assert opened is not None
    assert file.read_bytes() != first
    (path, certificate), *_ = opened.found
    assert path == str(file)
    assert set(certificate.names) >= {"localhost", "127.0.0.1", "::1"}
    assert timedelta(days=800) < certificate.not_after - datetime.now(UTC) < timedelta(days=825)
    file.write_text("broken")
    assert certificates.open_certificates(Settings(dev_tls=True))
    shutil.rmtree(file.parent)
    assert certificates.open_certificates(Settings(dev_tls=True))


def test_a_development_certificate_that_others_could_have_made_is_refused(command: Any, tmp_path: Path):
    folder = tmp_path / "asgiworker" / "dev-tls"
    options = ("main:app", "--check-config", "--dev-tls")
    assert command(*options, XDG_CACHE_HOME=str(tmp_path)).wait() == 0
    folder.chmod(0o755)
    server = command(*options, XDG_CACHE_HOME=str(tmp_path))
    assert server.wait() == 1
    assert re.match(r"Error: The folder .*dev-tls isn't this user's alone", server.output)


def test_a_cache_that_cannot_be_written_is_one_sentence(command: Any, tmp_path: Path):
    (tmp_path / "file").write_text("")
    server = command("main:app", "--check-config", "--dev-tls", XDG_CACHE_HOME=str(tmp_path / "file"))
    assert server.wait() == 1
    assert re.match(r"Error: The certificate for development can't be kept in .*dev-tls: ", server.output)


def test_without_trustme_it_is_said_how_to_get_it(command: Any, project: Path, tmp_path: Path):
    (project / "trustme.py").write_text("raise ImportError('no trustme here')")
    server = command("main:app", "--check-config", "--dev-tls", XDG_CACHE_HOME=str(tmp_path))
    assert server.wait() == 1
    assert 'Hint: Install it: pip install "asgiworker[dev-tls]"' in server.output


def test_of_two_certificates_one_is_enough(command: Any, certificate: Certificate):
    server = command("main:app", "--dev-tls", "--certfile", certificate.path)
    assert server.wait() == 1
    assert server.output.startswith("Error: dev_tls is given with certfile.")
