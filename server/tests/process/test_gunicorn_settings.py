"""Gunicorn's settings: which of them mean what here, and who is told about the rest."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from gunicorn.config import Config

from asgiworker.process import gunicorn_config
from asgiworker.process.gunicorn import ASGIWorker
from asgiworker.process.mistakes import SettingsError
from asgiworker.process.settings import TABLE, Settings

Eventually = Callable[[Callable[[], bool]], None]

DOCUMENT = Path(__file__).parents[3] / "docs" / "gunicorn.md"


def configured(**settings: Any) -> Config:
    config = Config()
    for name, value in settings.items():
        config.set(name, value)
    return config


def resolved(directory: Path, environ: dict[str, str] | None = None, **settings: Any) -> Settings:
    return gunicorn_config.resolve(configured(**settings), environ or {}, directory)


class Log:
    """What a logger is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, message: str, *args: object) -> None:
        self.warnings.append(message % args)


# Which setting holds.


def test_a_setting_that_gunicorn_was_not_given_has_our_default(tmp_path: Path):
    settings = resolved(tmp_path)
    assert (settings.keepalive, settings.limit_request_line, settings.limit_request_field_size) == (
        75,
        8192,
        8192,
    )


def test_what_would_surprise_has_gunicorns_default(tmp_path: Path):
    settings = resolved(tmp_path)
    assert settings.forwarded_allow_ips == "127.0.0.1,::1,unix"
    assert settings.proxy_allow_ips == "127.0.0.1,::1,unix"
    assert settings.accesslog is None
    assert (settings.timeout, settings.graceful_timeout, settings.backlog) == (30, 30, 2048)


def test_gunicorn_wins_over_our_environment_that_over_the_file_and_that_over_the_default(tmp_path: Path):
    (tmp_path / "asgiworker.toml").write_text("keepalive = 20\nlimit_request_line = 2000\nlimit_body = 200\n")
    environ = {"ASGIWORKER_KEEPALIVE": "10", "ASGIWORKER_LIMIT_REQUEST_LINE": "1000"}
    settings = resolved(tmp_path, environ, keepalive=5)
    assert (settings.keepalive, settings.limit_request_line, settings.limit_body) == (5, 1000, 200)
    assert settings.origin("limit_request_line") == "ASGIWORKER_LIMIT_REQUEST_LINE"


GIVEN = {
    "asgi_lifespan": ("on", "lifespan", "on"),
    "asgi_loop": ("asyncio", "loop", "asyncio"),
    "root_path": ("/api", "root_path", "/api"),
    "backlog": (100, "backlog", 100),
    "max_requests": (100, "max_requests", 100),
    "max_requests_jitter": (10, "max_requests_jitter", 10),
    "timeout": (7, "timeout", 7.0),
    "graceful_timeout": (8, "graceful_timeout", 8.0),
    "keepalive": (9, "keepalive", 9.0),
    "limit_request_line": (1000, "limit_request_line", 1000),
    "limit_request_fields": (10, "limit_request_fields", 10),
    "limit_request_field_size": (500, "limit_request_field_size", 500),
    "forwarded_allow_ips": ("10.0.0.0/8, ::1", "forwarded_allow_ips", "10.0.0.0/8,::1,unix"),
    "proxy_protocol": (True, "proxy_protocol", "auto"),
    "proxy_allow_ips": ("*", "proxy_allow_ips", "*,unix"),
    "http2_max_concurrent_streams": (10, "http2_max_concurrent_streams", 10),
    "http2_initial_window_size": (70000, "http2_initial_window_size", 70000),
    "http2_max_frame_size": (20000, "http2_max_frame_size", 20000),
    "worker_connections": (50, "limit_connections", 50),
    "certfile": ("chain.pem", "certfile", ("chain.pem",)),
    "ca_certs": ("ca.pem", "ca_certs", "ca.pem"),
    "cert_reqs": (ssl.CERT_REQUIRED, "cert_reqs", "required"),
    "ciphers": ("ECDHE", "ciphers", "ECDHE"),
    "accesslog": ("-", "accesslog", "-"),
    "access_log_format": ("%(h)s", "access_log_format", "%(h)s"),
}


@pytest.mark.parametrize(("name", "given", "ours", "expected"), [(key, *row) for key, row in GIVEN.items()])
def test_gunicorns_word_is_heeded(tmp_path: Path, name: str, given: object, ours: str, expected: object):
    assert getattr(resolved(tmp_path, **{name: given}), ours) == expected


def test_the_private_key_comes_with_its_certificate(tmp_path: Path):
    settings = resolved(tmp_path, certfile="chain.pem", keyfile="key.pem")
    assert settings.keyfile == ("key.pem",)


def test_who_is_trusted_can_come_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    environ = {"ASGIWORKER_FORWARDED_ALLOW_IPS": "192.0.2.1"}
    assert resolved(tmp_path, environ).forwarded_allow_ips == "192.0.2.1"
    assert resolved(tmp_path, environ, forwarded_allow_ips="*").forwarded_allow_ips == "*,unix"
    # Gunicorn takes this variable as its default, when it is imported.
    setting = Config().settings["forwarded_allow_ips"]
    monkeypatch.setattr(type(setting), "default", "192.0.2.2")
    environ = {"FORWARDED_ALLOW_IPS": "192.0.2.2"}
    assert resolved(tmp_path, environ).forwarded_allow_ips == "192.0.2.2,unix"


def test_what_the_arbiter_does_is_not_read_from_our_sources(tmp_path: Path):
    (tmp_path / "asgiworker.toml").write_text('workers = 4\nkeepalive = 5\nbind = "0.0.0.0:80"\n')
    environ = {"ASGIWORKER_TIMEOUT": "5", "ASGIWORKER_ACCESSLOG": "-", "ASGIWORKER_DRAIN_DELAY": "1"}
    settings = resolved(tmp_path, environ)
    assert (settings.timeout, settings.accesslog, settings.drain_delay) == (30, None, 1)
    assert gunicorn_config.misplaced(environ, tmp_path) == [
        "ASGIWORKER_TIMEOUT",
        "ASGIWORKER_ACCESSLOG",
        "asgiworker.toml, line 1 (workers)",
        "asgiworker.toml, line 3 (bind)",
    ]


def test_what_gunicorn_takes_and_we_do_not_is_an_error(tmp_path: Path):
    with pytest.raises(SettingsError, match="root_path= takes a path that begins with /, not 'api'"):
        resolved(tmp_path, root_path="api")


# What has no effect.


CHANGED = {
    "threads": 2,
    "http_parser": "python",
    "asgi_disconnect_grace_period": 1,
    "http_protocols": "h2,h1",
    "http2_cleartext": "both",
    "http2_max_header_list_size": 1000,
    "protocol": "uwsgi",
    "uwsgi_allow_ips": "*",
    "permit_obsolete_folding": True,
    "strip_header_spaces": True,
    "permit_unconventional_http_method": True,
    "permit_unconventional_http_version": True,
    "casefold_http_method": True,
    "forwarder_headers": "REMOTE_USER",
    "header_map": "dangerous",
    "secure_scheme_headers": {"X-SCHEME": "https"},
    "sendfile": False,
    "tmp_upload_dir": "/tmp",
    "ssl_version": ssl.PROTOCOL_TLS_SERVER,
    "suppress_ragged_eofs": False,
    "do_handshake_on_connect": True,
}


def test_every_setting_that_means_nothing_here_is_covered():
    assert CHANGED.keys() == gunicorn_config.UNHEEDED.keys()


@pytest.mark.parametrize("name", CHANGED)
def test_a_setting_without_effect_is_reported(name: str):
    log = Log()
    ASGIWorker.check_config(configured(**{name: CHANGED[name]}), log)
    assert len(log.warnings) == 1
    assert log.warnings[0].startswith(f"Gunicorn's setting {name} has no effect here: ")
    assert log.warnings[0].endswith(".")


def test_nothing_is_reported_of_what_was_left_alone():
    log = Log()
    ASGIWorker.check_config(configured(), log)
    assert log.warnings == []


def test_reload_of_an_application_that_is_loaded_once_is_reported():
    (sentence,) = gunicorn_config.unheeded(configured(reload=True, preload_app=True))
    assert sentence.startswith("Gunicorn's setting reload has no effect with preload_app")


def test_reports_come_once_not_from_each_worker(gunicorn: Any):
    server = gunicorn(
        "--threads", "4", "--workers", "3", "--no-sendfile", ASGIWORKER_WORKERS="7", ASGIWORKER_UMASK="0"
    )
    server.prints(r"^startup \d+", times=3)
    assert server.end() == 0
    assert len(re.findall("has no effect here", server.output)) == 2
    assert len(re.findall("Gunicorn's setting threads", server.output)) == 1
    sentence = "Not read under Gunicorn, which has its own: ASGIWORKER_WORKERS, ASGIWORKER_UMASK"
    assert server.output.count(sentence) == 1


def test_the_start_is_announced_once(gunicorn: Any):
    server = gunicorn("--workers", "3")
    server.prints(r"^startup \d+", times=3)
    assert server.end() == 0
    spoken = "HTTP/1.1, HTTP/2, WebSocket"
    assert len(re.findall(rf"Listening on .*\(3 workers, uvloop, {spoken}; asgiworker ", server.output)) == 1


# What the documentation says.


def test_the_documentation_has_each_of_gunicorns_settings_in_one_place():
    text = DOCUMENT.read_text()
    documented: list[str] = []
    for line in text.splitlines():
        if line.startswith("|"):
            documented += re.findall(r"`(\w+)`", line.split("|")[1])
    assert sorted(documented) == sorted(set(documented))
    assert set(documented) == set(Config().settings)


def test_the_documentation_tells_the_same_as_the_code():
    sections = dict(
        re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    )

    def names(section: str) -> set[str]:
        rows = [line.split("|")[1] for line in sections[section].splitlines() if line.startswith("|")]
        return {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    heeded = {row.gunicorn for row in TABLE if row.gunicorn and row.name not in gunicorn_config.ARBITERS}
    assert heeded <= names("Settings that the worker heeds")
    assert names("Settings without effect") == set(gunicorn_config.UNHEEDED)


# On the wire.


def exchange(url: str, request: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as client:
        client.sendall(request)
        received = b""
        while data := client.recv(65536):
            received += data
        return received


@pytest.mark.every_python
def test_limits_are_those_of_gunicorn(gunicorn: Any):
    server = gunicorn(
        "--limit-request-line", "60", "--limit-request-fields", "3", "--limit-request-field_size", "50"
    )
    head = b"GET /pid HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
    assert exchange(server.url, head + b"\r\n").startswith(b"HTTP/1.1 200")
    assert exchange(server.url, b"GET /" + b"x" * 60 + head[8:] + b"\r\n").startswith(b"HTTP/1.1 414")
    assert exchange(server.url, head + b"a: 1\r\nb: 2\r\n\r\n").startswith(b"HTTP/1.1 431")
    assert exchange(server.url, head + b"a: " + b"x" * 60 + b"\r\n\r\n").startswith(b"HTTP/1.1 431")


@pytest.mark.every_python
def test_keepalive_is_the_time_that_an_idle_connection_is_kept(gunicorn: Any):
    server = gunicorn("--keep-alive", "1")
    response = exchange(server.url, b"GET /pid HTTP/1.1\r\nhost: a\r\n\r\n")  # until the server closes
    assert b"connection: close" not in response


@pytest.mark.every_python
def test_forwarded_fields_are_believed_of_the_local_host_as_gunicorn_does(gunicorn: Any):
    request = (
        b"GET /scope HTTP/1.1\r\nhost: a\r\nconnection: close\r\n"
        b"x-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\n\r\n"
    )
    server = gunicorn()
    response = exchange(server.url, request)
    assert b'"client": ["192.0.2.7"' in response
    assert b'"scheme": "https"' in response
    server = gunicorn("--forwarded-allow-ips", "10.0.0.1")
    response = exchange(server.url, request)
    assert b'"client": ["127.0.0.1"' in response
    assert b'"scheme": "http"' in response


@pytest.mark.parametrize("options", [(), ("--preload",)])
def test_the_application_is_loaded_where_gunicorn_loads_it(
    gunicorn: Any, project: Path, options: tuple[str, ...]
):
    (project / "loaded.py").write_text(
        "import os\nfrom probe import app\nprint(f'loaded {os.getpid()}\\n', end='', flush=True)\n"
    )
    server = gunicorn("--workers", "2", *options, app="loaded:app")
    server.prints(r"^startup \d+", times=2)
    loaded = {int(pid) for pid in re.findall(r"^loaded (\d+)", server.output, re.MULTILINE)}
    assert loaded == ({server.process.pid} if options else server.workers())
    assert server.end() == 0


def test_other_interfaces_are_adapted(gunicorn: Any, project: Path):
    (project / "old.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [environ['PATH_INFO'].encode()]\n"
    )
    assert gunicorn(app="old:app").get("/wsgi") == b"/wsgi"
    assert gunicorn(app="old:app", ASGIWORKER_INTERFACE="wsgi").get("/wsgi") == b"/wsgi"


def test_an_event_loop_that_is_not_there_is_one_sentence(gunicorn: Any, project: Path):
    (project / "uvloop.py").write_text("raise ImportError('uvloop')")
    server = gunicorn("--asgi-loop", "uvloop", PYTHONPATH=str(project))
    assert server.wait() == 1
    server.prints("Reason: The event loop uvloop is not installed")
    server = gunicorn(PYTHONPATH=str(project))
    server.prints(r"1 worker, asyncio, HTTP/1.1")


def test_an_application_finds_the_loop_while_it_is_imported(gunicorn: Any, project: Path):
    (project / "early.py").write_text(
        "import asyncio\n"
        "loop = asyncio.get_event_loop()\n"
        "from probe import app as probe\n"
        "async def app(scope, receive, send):\n"
        "    assert asyncio.get_running_loop() is loop\n"
        "    await probe(scope, receive, send)\n"
    )
    assert gunicorn("--asgi-lifespan", "on", app="early:app").get("/pid")
