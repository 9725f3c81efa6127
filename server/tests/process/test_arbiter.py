"""Several workers: what Gunicorn is told, and that its arbiter serves, reloads and ends as it should."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.errors import HaltServer

from asgiworker.process.arbiter import _run, gunicorn_settings
from asgiworker.process.settings import TABLE, Settings

Eventually = Callable[[Callable[[], bool]], None]

PID = """
import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan here")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d of %d" % (os.getpid(), os.getppid())})
"""


@pytest.fixture
def project(project: Path) -> Path:
    (project / "main.py").write_text(PID)
    return project


def configured(**settings: Any) -> Config:
    config = Config()
    for name, value in gunicorn_settings(Settings(**settings)).items():
        config.set(name, value)
    return config


# What Gunicorn is told.


def test_every_setting_that_gunicorn_has_is_handed_to_it():
    told = gunicorn_settings(Settings())
    assert {row.gunicorn for row in TABLE if row.gunicorn} <= told.keys()


def test_gunicorn_takes_every_default():
    config = configured()
    assert config.bind == ["127.0.0.1:8000"]
    assert config.keepalive == 75
    assert config.accesslog == "-"
    assert config.reload is False
    assert config.worker_class_str == "asgiworker.ASGIWorker"


def test_values_are_put_as_gunicorn_wants_them():
    config = configured(
        app="main:app",
        bind=["unix:/run/x", "[::1]:80"],
        timeout=0.5,
        graceful_timeout=2.5,
        cert_reqs="required",
        certfile="c",
        forwarded_allow_ips="10.0.0.0/8,unix",
        accesslog=None,
        reload=True,
        umask=0o22,
        log_level="error",
        loop="asyncio",
    )
    assert config.address == ["/run/x", ("::1", 80)]
    assert (config.timeout, config.graceful_timeout) == (1, 3)
    assert config.cert_reqs == ssl.CERT_REQUIRED
    assert config.forwarded_allow_ips == ["10.0.0.0/8"]
    assert config.accesslog is None
    assert config.reload is False
    assert (config.umask, config.loglevel, config.asgi_loop) == (0o22, "error", "asyncio")
    assert config.proc_name == "main:app"


# The arbiter.


def pids(server: Any) -> tuple[int, int]:
    worker, _, arbiter = server.get().decode().partition(" of ")
    return int(worker), int(arbiter)


def all_answer(server: Any, workers: int, eventually: Eventually) -> None:
    """Wait until each worker has answered: before it can, a signal may be lost on it."""
    seen: set[int] = set()

    def all_seen() -> bool:
        worker, arbiter = pids(server)
        assert arbiter == server.process.pid
        seen.add(worker)
        return len(seen) == workers

    eventually(all_seen)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_two_workers_serve_until_they_are_told_to_stop(command: Any, eventually: Eventually):
    server = command("main:app", "--workers", "2", "--port", str(free_port()))
    all_answer(server, 2, eventually)
    assert server.end() == 0
    assert "Traceback" not in server.output


def test_preload_user_group_and_pid_need_the_arbiter_as_well(command: Any, project: Path):
    pid = project / "pid"
    server = command("main:app", "--preload", "--pid", str(pid), "--port", str(free_port()))
    assert pids(server)[1] == server.process.pid
    assert int(pid.read_text()) == server.process.pid
    assert server.end() == 0
    assert not pid.exists()


def test_it_serves_on_a_unix_socket(command: Any, project: Path, eventually: Eventually):
    path = project / "app.sock"
    server = command("main:app", "-w2", "--uds", str(path))
    all_answer(server, 2, eventually)
    assert server.end() == 0
    assert not path.exists()


def test_the_settings_are_read_again_on_hup(command: Any, project: Path, eventually: Eventually):
    settings = project / "asgiworker.toml"
    settings.write_text("workers = 1\npreload = true\n")
    server = command("main:app", "--port", str(free_port()), "--chdir", "../project")
    _, arbiter = pids(server)
    settings.write_text("workers = 2\npreload = true\n")
    server.process.send_signal(signal.SIGHUP)
    server.prints("Booting worker", times=3)
    settings.write_text("wrokers = 2\n")
    server.process.send_signal(signal.SIGHUP)
    server.prints("The settings stay as they were: asgiworker.toml, line 1: there is no setting wrokers")
    server.prints("Booting worker", times=5)
    all_answer(server, 2, eventually)
    assert pids(server)[1] == arbiter
    assert server.end() == 0


def test_a_port_in_use_is_one_sentence_at_once(command: Any):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = command("main:app", "-w2", "--port", str(port))
        assert server.wait() == 1
    assert server.output.splitlines()[0] == f"Error: 127.0.0.1:{port} is in use by another process."


@pytest.mark.parametrize("option", ["--workers=2", "--preload"])
def test_an_application_that_cannot_be_imported_ends_the_command_with_1(command: Any, option: str):
    server = command("mian:app", option, "--port", str(free_port()))
    assert server.wait() == 1
    assert "Error: There is no module mian.\nHint: In " in server.output
    assert "Traceback" not in server.output


def test_workers_that_cannot_boot_end_the_command_with_3(command: Any, project: Path):
    (project / "main.py").write_text(
        "async def app(scope, receive, send):\n    raise OSError('no database')\n"
    )
    pid = project / "pid"
    server = command("main:app", "-w4", "--lifespan", "on", "--pid", str(pid), "--port", str(free_port()))
    assert server.wait() == 3
    assert "Traceback (most recent call last):\n  File" not in server.output.rpartition("Shutting down")[2]
    assert not pid.exists()


def test_failures_to_boot_one_after_the_other_end_the_arbiter_all_the_same():
    class Halting:
        def run(self) -> None:
            raise HaltServer("first", 3)

        def halt(self, reason: str, code: int) -> None:
            if reason == "first":
                raise HaltServer("second", 4)
            raise SystemExit(code)

    with pytest.raises(SystemExit) as end:
        _run(Halting())
    assert end.value.code == 4


def test_what_gunicorn_refuses_is_one_sentence(command: Any, project: Path):
    pid = project / "pid"
    pid.write_text(str(os.getpid()))
    server = command("main:app", "--pid", str(pid), "--port", str(free_port()))
    assert server.wait() == 1
    assert f"Error: Gunicorn can't start: Already running on PID {os.getpid()}" in server.output
    assert "Traceback" not in server.output
    server = command("main:app", "--user", "nobody-of-this-name", "--port", str(free_port()))
    assert server.wait() == 1
    assert "Traceback" not in server.output


def test_a_binary_upgrade_starts_where_the_command_was_started(
    command: Any, project: Path, eventually: Eventually
):
    port = free_port()
    server = command("main:app", "-w1", "--pid", str(project / "pid"), "--chdir", ".", "--port", str(port))
    _, old = pids(server)
    server.process.send_signal(signal.SIGUSR2)
    upgraded = project / "pid.2"
    eventually(lambda: upgraded.exists() and bool(upgraded.read_text()))
    new = int(upgraded.read_text())
    server.prints("Booting worker", times=2)
    os.kill(old, signal.SIGTERM)
    assert server.process.wait(20) == 0
    try:
        eventually(lambda: pids(server)[1] == new)
    finally:
        os.kill(new, signal.SIGTERM)
    server.prints("Shutting down: Master", times=2)
