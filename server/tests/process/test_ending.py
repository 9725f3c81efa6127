"""The command ends when it is told to, whatever the application does: with its lifespan, and soon."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from server.tests.process.conftest import Command

pytestmark = pytest.mark.every_python

SOON = 10.0  # seconds: with less patience than that, a deployment would kill it

APPLICATION = """
import asyncio, sys, time

tasks = []

async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("stays", flush=True)

async def exits_late(code):
    try:
        await asyncio.sleep(60)
    finally:
        sys.exit(code)

async def leaving(code):
    sys.exit(code)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("shutdown", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    print("called", scope["path"], flush=True)
    if scope["path"] == "/stubborn":
        await stubborn()
    elif scope["path"] == "/task":
        tasks.append(asyncio.create_task(stubborn()))
    elif scope["path"] == "/exit-late":
        tasks.append(asyncio.create_task(exits_late(7)))
    elif scope["path"] == "/task-and-exit":
        tasks.append(asyncio.create_task(stubborn()))
        tasks.append(asyncio.create_task(leaving(7)))
    elif scope["path"] == "/thread":
        await asyncio.to_thread(time.sleep, 60)
    elif scope["path"] == "/block":
        while True:
            time.sleep(0.1)
    elif scope["path"].startswith("/exit/"):
        code = scope["path"][6:]
        tasks.append(asyncio.create_task(leaving(int(code) if code.isdigit() else code or None)))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""

Ask = Callable[..., "Command"]


@pytest.fixture(params=["asyncio", "uvloop"])
def ask(command: Any, project: Path, request: pytest.FixtureRequest) -> Ask:
    """Serve the application above, and have a request on its way there: `ask("/path", "--option")`."""
    (project / "main.py").write_text(APPLICATION)

    def start(path: str, *options: str) -> Command:
        server: Command = command(
            "main:app", "--port", "0", "--loop", request.param, "--graceful-timeout", "0.5", *options
        )
        url = server.url

        def get() -> None:
            try:
                server.get(path)
            except Exception:
                pass

        threading.Thread(target=get, daemon=True).start()
        server.prints(f"called {path}")
        assert url
        return server

    return start


@pytest.mark.parametrize("path", ["/stubborn", "/task"])
def test_a_task_that_swallows_its_cancellation_is_left_behind(ask: Ask, path: str) -> None:
    server = ask(path)
    began = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() < began + SOON
    assert "stays" in server.output
    assert "\nshutdown\n" in server.output


def test_a_thread_that_blocks_is_left_behind_and_named(ask: Ask) -> None:
    server = ask("/thread")
    began = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() < began + SOON
    assert "\nshutdown\n" in server.output
    assert "Threads that don't end are left behind: " in server.output


def test_a_second_signal_interrupts_what_blocks_the_loop(ask: Ask) -> None:
    server = ask("/block")
    server.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert server.end(signal.SIGTERM) == 0
    assert time.monotonic() < began + SOON
    assert "\nshutdown\n" in server.output


@pytest.mark.parametrize(("wish", "code"), [("7", 7), ("0", 0), ("", 0), ("enough", 1)])
def test_a_task_of_the_application_that_exits_stops_the_server_in_good_order(
    ask: Ask, wish: str, code: int
) -> None:
    server = ask(f"/exit/{wish}")
    assert server.wait() == code
    assert "\nshutdown\n" in server.output


def test_a_task_that_exits_when_it_is_cancelled_keeps_nothing_else_from_its_end(ask: Ask) -> None:
    server = ask("/exit-late")
    assert server.end() == 0
    assert "\nshutdown\n" in server.output


def test_a_signal_at_the_end_is_not_heard_any_more(ask: Ask) -> None:
    server = ask("/task-and-exit")
    server.prints("stays")
    assert server.end(signal.SIGTERM) == 7
    assert "Told" not in server.output


def test_what_is_registered_with_atexit_has_its_time(command: Any, project: Path) -> None:
    late = "\nimport atexit\n\n@atexit.register\ndef late():\n    time.sleep(4)\n    print('late')\n"
    (project / "main.py").write_text(APPLICATION + late)
    server = command("main:app", "--port", "0")
    assert server.url
    assert server.end() == 0
    assert "\nlate\n" in server.output
    assert "left behind" not in server.output


def test_run_puts_the_handlers_of_signals_back(project: Path) -> None:
    program = (
        "import asgiworker, main, os, signal\n"
        "async def app(scope, receive, send):\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.startup.complete'})\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await receive()\n"
        "    await send({'type': 'lifespan.shutdown.complete'})\n"
        "numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGALRM)\n"
        "before = [signal.getsignal(number) for number in numbers]\n"
        "asgiworker.run(app, port=0)\n"
        "print('restored' if before == [signal.getsignal(number) for number in numbers] else 'lost')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True)
    assert "restored" in done.stdout, done


def test_a_terminal_that_is_closed_stops_the_server_in_good_order(ask: Ask) -> None:
    server = ask("/")
    assert server.end(signal.SIGHUP) == 0
    assert "\nshutdown\n" in server.output


def test_a_signal_while_the_application_is_imported_is_not_lost(command: Any, project: Path) -> None:
    (project / "main.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    server = command("main:app", "--port", "0")
    server.prints("importing")
    assert server.end(signal.SIGTERM) == 0
    assert "Traceback" not in server.output


def test_under_nohup_it_goes_on(command: Any, project: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which is inherited
    try:
        server = command("main:app", "--port", "0")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert server.get() == b"hello"
    server.process.send_signal(signal.SIGHUP)
    assert server.get() == b"hello"
    assert server.end() == 0


def test_in_another_thread_run_says_what_to_do_instead(project: Path) -> None:
    program = (
        "import asgiworker, main, threading\n"
        "def serve():\n"
        "    try:\n"
        "        asgiworker.run(main.app, port=0)\n"
        "    except Exception as error:\n"
        "        print(error.report())\n"
        "thread = threading.Thread(target=serve)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=project, capture_output=True, text=True)
    assert "Signals can be taken in the main thread only" in done.stdout, done
    assert "asgiworker.serve" in done.stdout
