"""What goes wrong under Gunicorn: loops that hang, applications that can't start, bad settings."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Eventually = Callable[[Callable[[], bool]], None]


def ask(server: Any, path: str) -> threading.Thread:
    """A GET whose answer doesn't matter."""

    def get() -> None:
        try:
            server.get(path)
        except Exception:
            pass

    thread = threading.Thread(target=get)
    thread.start()
    return thread


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_worker_whose_loop_hangs_is_replaced_and_its_stack_is_logged_before(
    gunicorn: Any, eventually: Eventually, loop: str
):
    config = "timeout = 1\ndef worker_abort(worker): worker.log.info('worker_abort %s', worker.pid)"
    server = gunicorn("--asgi-loop", loop, config=config)
    worker = int(server.get("/pid"))
    asking = ask(server, "/block")
    server.prints(
        r"The event loop has been blocked for \d\.\d s by:(\n    .*)+probe.py.*\n.*time.sleep\(60\)"
    )
    assert "run_until_complete" not in server.output  # the stack is the application's
    assert "WORKER TIMEOUT" not in server.output
    server.prints(rf"WORKER TIMEOUT \(pid:{worker}\)")
    server.prints(f"worker_abort {worker}")
    server.prints(f"^shutdown {worker}")  # there was still time
    eventually(lambda: bool(server.serving() - {worker}))
    asking.join()
    assert f"Worker (pid:{worker}) exited with code 1" in server.output
    assert server.end() == 0


def test_the_stack_is_logged_where_nothing_but_a_signal_gets_through(gunicorn: Any, project: Path):
    (project / "backtracking.py").write_text(
        "import re\n"
        "from probe import app as probe\n"
        "async def app(scope, receive, send):\n"
        "    if scope['type'] == 'http':\n"
        "        re.match('(a+)+$', 'a' * 40 + 'b')\n"
        "    await probe(scope, receive, send)\n"
    )
    server = gunicorn("--timeout", "1", app="backtracking:app")
    assert server.url
    asking = ask(server, "/")
    server.prints(r"The event loop has been blocked for .*(\n    .*)+re\.match")
    server.prints(r"^shutdown \d+")
    server.prints("exited with code 1")
    server.prints(r"^startup \d+", times=2)
    asking.join()


def test_a_worker_that_swallows_the_abort_ends_all_the_same(gunicorn: Any, project: Path):
    (project / "stubborn.py").write_text(
        "import time\n"
        "from probe import app as probe\n"
        "async def app(scope, receive, send):\n"
        "    while scope['type'] == 'http' and scope['path'] == '/hang':\n"
        "        try:\n"
        "            time.sleep(60)\n"
        "        except BaseException:\n"
        "            print('swallowed\\n', end='', flush=True)\n"
        "    await probe(scope, receive, send)\n"
    )
    server = gunicorn("--timeout", "1", app="stubborn:app")
    worker = int(server.get("/pid"))
    asking = ask(server, "/hang")
    server.prints("^swallowed")
    server.prints(rf"Worker \(pid:{worker}\) was sent SIGKILL")
    server.prints(r"^startup \d+", times=2)
    asking.join()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_worker_that_is_sent_abrt_ends_with_its_lifespan(gunicorn: Any, loop: str):
    config = "def worker_abort(worker): worker.log.info('worker_abort %s', worker.pid)"
    server = gunicorn("--asgi-loop", loop, config=config)
    worker = int(server.get("/pid"))
    os.kill(worker, signal.SIGABRT)
    server.prints(f"worker_abort {worker}")
    server.prints(f"^shutdown {worker}")
    server.prints(rf"Worker \(pid:{worker}\) exited with code 1")
    server.prints(r"^startup \d+", times=2)


def test_a_startup_that_takes_longer_than_the_timeout_is_left_alone_while_the_loop_turns(
    gunicorn: Any, project: Path
):
    (project / "slow.py").write_text(
        "import asyncio\n"
        "from probe import app as probe\n"
        "async def app(scope, receive, send):\n"
        "    if scope['type'] == 'lifespan':\n"
        "        await asyncio.sleep(2.5)\n"
        "    await probe(scope, receive, send)\n"
    )
    server = gunicorn("--timeout", "1", app="slow:app")
    worker = int(server.get("/pid"))
    assert server.workers() == {worker}
    assert "TIMEOUT" not in server.output


def test_a_startup_that_blocks_is_not_left_alone(gunicorn: Any, project: Path):
    (project / "slow.py").write_text(
        "import time\n"
        "async def app(scope, receive, send):\n"
        "    print('starting\\n', end='', flush=True)\n"
        "    time.sleep(60)\n"
    )
    server = gunicorn("--timeout", "1", app="slow:app")
    server.prints(r"The event loop has been blocked for .*(\n    .*)+time.sleep\(60\)")
    server.prints("WORKER TIMEOUT")
    server.prints("exited with code 1")
    server.prints("^starting", times=2)
    assert server.end(signal.SIGQUIT) == 0


def test_quit_gets_through_to_a_loop_that_hangs(gunicorn: Any):
    server = gunicorn()
    asking = ask(server, "/block")
    server.prints("^blocking")
    began = time.monotonic()
    assert server.end(signal.SIGQUIT) == 0
    assert time.monotonic() - began < 5
    server.prints(r"^shutdown \d+")
    asking.join()


# Applications that can't start: Gunicorn ends, for the next worker couldn't either.


FAILING = """
async def app(scope, receive, send):
    await receive()
    {startup}
"""


@pytest.mark.parametrize(
    ("startup", "complaint"),
    [
        ("raise OSError('no database')", "no database"),
        ("await send({'type': 'lifespan.startup.failed', 'message': 'no database'})", "no database"),
        ("import asyncio; await asyncio.sleep(60)", "application startup took longer than 0.2 s"),
    ],
)
def test_a_lifespan_that_fails_stops_gunicorn(gunicorn: Any, project: Path, startup: str, complaint: str):
    (project / "failing.py").write_text(FAILING.format(startup=startup))
    config = "def worker_exit(server, worker): worker.log.info('worker_exit')"
    server = gunicorn(
        "--asgi-lifespan", "on", app="failing:app", config=config, ASGIWORKER_TIMEOUT_STARTUP="0.2"
    )
    assert server.wait() == 3
    server.prints(f"Application startup failed: .*{complaint}")
    server.prints("Reason: Worker failed to boot")
    server.prints("worker_exit")
    assert len(re.findall("Booting worker", server.output)) == 1


@pytest.mark.parametrize(
    ("source", "code", "complaint"),
    [
        ("1 / 0", 3, "ZeroDivisionError"),
        ("def app(:", 3, "SyntaxError"),
        ("import nothing_of_this_name", 3, "nothing_of_this_name"),
        ("other = 1", 4, "Failed to find attribute 'app'"),
    ],
)
def test_an_application_that_cannot_be_imported_stops_gunicorn(
    gunicorn: Any, project: Path, source: str, code: int, complaint: str
):
    (project / "failing.py").write_text(source)
    server = gunicorn(app="failing:app")
    assert server.wait() == code
    assert complaint in server.output
    assert len(re.findall("Booting worker", server.output)) == 1


def test_settings_that_cannot_be_read_stop_gunicorn_in_good_order(gunicorn: Any, project: Path):
    pid_file = project / "pid"
    config = "def on_exit(server): server.log.info('on_exit')"
    server = gunicorn("--pid", str(pid_file), config=config, ASGIWORKER_KEEPALIVE="long")
    assert server.wait() == 1
    server.prints("Reason: ASGIWORKER_KEEPALIVE takes a number of seconds, 0 or more, not 'long'.")
    server.prints("on_exit")
    assert "Traceback" not in server.output
    assert "Booting worker" not in server.output
    assert not pid_file.exists()


def test_a_certificate_that_cannot_be_used_is_one_sentence(gunicorn: Any, project: Path):
    (project / "cert.pem").write_text("no certificate")
    server = gunicorn("--certfile", str(project / "cert.pem"))
    assert server.wait() == 3
    server.prints("No certificate with its private key can be read from .*cert.pem. Both must be PEM")
    assert "Traceback" not in server.output


def test_an_access_log_format_that_is_none_is_one_sentence(gunicorn: Any):
    server = gunicorn("--access-logfile", "-", "--access-logformat", "%(h)s %h")
    assert server.wait() == 3
    server.prints("The access log format has '%h' at position 6")
    assert "Traceback" not in server.output


def test_a_thread_that_an_application_started_does_not_hide_that_it_failed(gunicorn: Any, project: Path):
    (project / "failing.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), name='busy').start()\n"
        "async def app(scope, receive, send):\n"
        "    raise OSError('no database')\n"
    )
    began = time.monotonic()
    server = gunicorn("--asgi-lifespan", "on", app="failing:app")
    assert server.wait() == 3
    assert time.monotonic() - began < 10
    server.prints("Threads that don't end are left behind: busy$")
