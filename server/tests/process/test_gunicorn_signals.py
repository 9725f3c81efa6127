"""Signals under Gunicorn: what each of them does to the arbiter, the workers and the requests in flight."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

Eventually = Callable[[Callable[[], bool]], None]

LOOPS = ["asyncio", "uvloop"]


class Answer(threading.Thread):
    """A GET in a thread of its own; `body` is the answer, or None if the connection broke."""

    def __init__(self, url: str, path: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        self.path = path
        self.status = 0
        self.fields: dict[str, str] = {}
        self.body: bytes | None = None
        self.start()

    def run(self) -> None:
        try:
            self.connection.request("GET", self.path)
            response = self.connection.getresponse()
            self.status = response.status
            self.fields = {name.lower(): value for name, value in response.getheaders()}
            self.body = response.read()
        except (OSError, http.client.HTTPException):
            pass
        finally:
            self.connection.close()

    def result(self) -> bytes | None:
        """Wait for it."""
        self.join(20)
        return self.body


def is_refused(url: str) -> bool:
    """Whether nobody listens there any more."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port)).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("loop", LOOPS)
def test_term_lets_requests_in_flight_finish_and_ends_with_0(
    gunicorn: Any, project: Path, eventually: Eventually, loop: str
):
    server = gunicorn("--asgi-loop", loop)
    answer = Answer(server.url, "/wait")
    server.prints("^waiting")
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: is_refused(server.url))
    (project / "go").touch()
    assert answer.result() == b"done"
    assert answer.fields["connection"] == "close"
    assert server.wait() == 0
    server.prints(r"^shutdown \d+")
    for complaint in ("Traceback", "was sent", "exited with code"):
        assert complaint not in server.output


@pytest.mark.parametrize(("name", "loop"), [("SIGINT", "asyncio"), ("SIGQUIT", "uvloop")])
def test_int_and_quit_do_not_wait_for_requests_but_for_the_lifespan(gunicorn: Any, name: str, loop: str):
    config = "def worker_int(worker): worker.log.info('worker_int %s', worker.pid)"
    server = gunicorn("--asgi-loop", loop, config=config)
    answer = Answer(server.url, "/forever")
    server.prints("^waiting")
    began = time.monotonic()
    assert server.end(getattr(signal, name)) == 0
    assert time.monotonic() - began < 5
    assert answer.result() is None or answer.status == 500
    assert len(re.findall("worker_int", server.output)) == 1
    assert server.prints(r"^shutdown \d+")


def test_quit_after_term_cuts_the_graceful_stop_short(gunicorn: Any):
    server = gunicorn()
    answer = Answer(server.url, "/forever")
    server.prints("^waiting")
    server.process.send_signal(signal.SIGTERM)
    server.prints("Stopping$")
    began = time.monotonic()
    assert server.end(signal.SIGQUIT) == 0
    assert time.monotonic() - began < 5
    answer.result()
    server.prints(r"^shutdown \d+")


def test_a_request_that_does_not_end_is_cancelled_in_time_for_the_lifespan_shutdown(gunicorn: Any):
    server = gunicorn("--graceful-timeout", "2")
    answer = Answer(server.url, "/forever")
    server.prints("^waiting")
    began = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - began < 4
    answer.result()
    server.prints("Cancelling 1 requests that are still running")
    server.prints(r"^shutdown \d+")
    assert "SIGKILL" not in server.output


def test_an_event_stream_ends_after_the_drain_delay(gunicorn: Any):
    server = gunicorn(ASGIWORKER_DRAIN_DELAY="0.2")
    answer = Answer(server.url, "/events")
    while answer.status == 0 and answer.is_alive():
        answer.join(0.01)
    began = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - began < 5
    assert answer.result() == b"data: 1\n\ndata: bye\n\n"
    server.prints(r"^told \d+")
    server.prints(r"^shutdown \d+")


def test_ttin_and_ttou_change_the_number_of_workers(gunicorn: Any, eventually: Eventually):
    server = gunicorn("--workers", "1")
    server.prints(r"^startup \d+")
    first = server.serving()
    server.process.send_signal(signal.SIGTTIN)
    eventually(lambda: len(server.serving()) == 2)
    server.process.send_signal(signal.SIGTTOU)
    eventually(lambda: len(server.workers()) == 1)
    assert server.workers().isdisjoint(first)
    server.process.send_signal(signal.SIGTTOU)  # the last one stays
    server.prints("Handling signal: ttou", times=2)
    assert int(server.get("/pid")) in server.workers()
    assert server.end() == 0


def test_term_again_is_no_reason_to_hurry(gunicorn: Any, project: Path):
    # The arbiter repeats it once a second to a worker that is to go.
    server = gunicorn("--log-level", "debug")
    worker = int(server.get("/pid"))
    answer = Answer(server.url, "/wait")
    server.prints("^waiting")
    os.kill(worker, signal.SIGTERM)
    server.prints("Stopping$")
    os.kill(worker, signal.SIGTERM)
    os.kill(worker, signal.SIGWINCH)
    server.prints("worker: SIGWINCH ignored")  # so TERM has been seen, too
    (project / "go").touch()
    assert answer.result() == b"done"


def test_winch_is_ignored(gunicorn: Any):
    server = gunicorn("--log-level", "debug")
    worker = int(server.get("/pid"))
    os.kill(worker, signal.SIGWINCH)
    server.prints("worker: SIGWINCH ignored")
    server.process.send_signal(signal.SIGWINCH)
    server.prints("SIGWINCH ignored. Not daemonized")
    assert int(server.get("/pid")) == worker


def test_a_worker_whose_arbiter_is_gone_stops(gunicorn: Any, eventually: Eventually):
    server = gunicorn()
    worker = int(server.get("/pid"))
    server.process.kill()
    server.prints("Parent changed, shutting down")
    server.prints(f"^shutdown {worker}")
    server.wait()


def test_a_signal_before_the_application_is_ready_ends_the_worker_at_once(gunicorn: Any, project: Path):
    (project / "slow.py").write_text(
        "import asyncio\n"
        "async def app(scope, receive, send):\n"
        "    print('starting\\n', end='', flush=True)\n"
        "    try:\n"
        "        await asyncio.sleep(60)\n"
        "    finally:\n"
        "        print('given up\\n', end='', flush=True)\n"
    )
    server = gunicorn(app="slow:app")
    server.prints("^starting")
    assert server.end() == 0
    server.prints("^given up")


def test_a_signal_while_the_application_is_imported_ends_the_worker_before_it_serves(
    gunicorn: Any, project: Path, eventually: Eventually
):
    (project / "slow.py").write_text(
        "import pathlib, time\n"
        "from probe import app\n"
        "print('importing\\n', end='', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)\n"
    )
    server = gunicorn(app="slow:app")
    server.prints("^importing")
    (worker,) = server.workers()
    server.process.send_signal(signal.SIGTERM)
    server.prints("Handling signal: term")
    os.kill(worker, signal.SIGTERM)
    (project / "go").touch()
    assert server.wait() == 0
    assert "startup" not in server.output


def test_a_signal_that_is_not_the_end_leaves_the_import_alone(gunicorn: Any, project: Path):
    (project / "slow.py").write_text(
        "import pathlib, time\n"
        "from probe import app\n"
        "print('importing\\n', end='', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)\n"
    )
    server = gunicorn(app="slow:app")
    server.prints("^importing")
    (worker,) = server.workers()
    os.kill(worker, signal.SIGUSR1)
    (project / "go").touch()
    assert int(server.get("/pid")) == worker


def test_a_binary_upgrade_serves_throughout(gunicorn: Any, project: Path, eventually: Eventually):
    pid_file = project / "pid"
    server = gunicorn("--pid", str(pid_file))
    url = server.url
    old = server.serving()
    server.process.send_signal(signal.SIGUSR2)
    upgraded = project / "pid.2"
    eventually(lambda: upgraded.exists() and bool(upgraded.read_text()))
    new = int(upgraded.read_text())
    eventually(lambda: len(server.serving()) == 2)
    try:
        server.process.send_signal(signal.SIGQUIT)
        assert server.process.wait(20) == 0
        eventually(lambda: pid_file.exists() and pid_file.read_text().strip() == str(new))
        server.prints("Master has been promoted")
        assert server.url == url
        assert int(server.get("/pid")) not in old
    finally:
        os.kill(new, signal.SIGTERM)
    server.prints(r"^shutdown \d+", times=2)
    server.prints("Shutting down: Master", times=2)


def test_no_task_of_the_application_is_left_hanging(gunicorn: Any, project: Path):
    (project / "busy.py").write_text(
        "import asyncio\n"
        "from probe import app as probe\n"
        "tasks = []\n"
        "async def work():\n"
        "    try:\n"
        "        await asyncio.sleep(60)\n"
        "    finally:\n"
        "        print('cleaned up\\n', end='', flush=True)\n"
        "async def app(scope, receive, send):\n"
        "    tasks.append(asyncio.create_task(work()))\n"
        "    await probe(scope, receive, send)\n"
    )
    server = gunicorn(app="busy:app")
    server.prints(r"^startup \d+")
    assert server.end() == 0
    server.prints("^cleaned up")


def test_no_thread_of_the_application_holds_up_the_end(gunicorn: Any):
    server = gunicorn("--graceful-timeout", "1")
    worker = int(server.get("/pid"))
    answer = Answer(server.url, "/thread")
    server.prints("^waiting")
    began = time.monotonic()
    os.kill(worker, signal.SIGTERM)
    server.prints("Threads that don't end are left behind: \\w+_0$")
    server.prints("Booting worker", times=2)
    assert time.monotonic() - began < 8
    answer.result()
    server.prints(r"^startup \d+", times=2)
    assert server.end() == 0


def test_a_signal_that_comes_before_a_worker_listens_to_it_is_not_lost(
    gunicorn: Any, project: Path, eventually: Eventually
):
    config = """
import pathlib, time

def post_fork(server, worker):
    pathlib.Path("forked").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.01)
"""
    server = gunicorn("--graceful-timeout", "600", config=config)
    eventually((project / "forked").exists)
    server.process.send_signal(signal.SIGTERM)
    server.prints("Handling signal: term")
    (project / "go").touch()
    assert server.wait() == 0
