"""What the tests of the process floor share: the command and Gunicorn as processes, and deadlines."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

DEADLINE = 20.0

APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""


class Command:
    """`python -m asgiworker`, running in a directory; what it prints is read as it comes."""

    program: tuple[str, ...] = ("-m", "asgiworker")

    def __init__(
        self, arguments: tuple[str, ...], directory: Path, environ: dict[str, str], keep: tuple[int, ...] = ()
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *self.program, *arguments],
            cwd=directory,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
            pass_fds=keep,
        )
        self.output = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                with self._changed:
                    self.output += line
                    self._changed.notify_all()

    def prints(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until `pattern` has been printed so many times; the last match."""

        def found() -> list[re.Match[str]]:
            return list(re.finditer(pattern, self.output, re.MULTILINE))

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= times, DEADLINE), (
                f"{pattern!r} was not printed {times} times:\n{self.output}"
            )
            return found()[times - 1]

    @property
    def url(self) -> str:
        """Where it listens, as its banner says."""
        return self.prints(r"Listening (?:on|at):? (https?://[^\s,]+|unix:[^\s,]+)")[1]

    def get(self, path: str = "/") -> bytes:
        """The body of the answer to a GET."""
        return get(self.url, path)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self.process.send_signal(number)
        return self.wait()

    def interrupt(self) -> int:
        """Ctrl-C: the terminal sends SIGINT to every process of the group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end by itself, and return the exit code."""
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def close(self) -> None:
        """Whatever happened, leave nothing running."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(DEADLINE)


# An application that tells of itself: prints go to the server's output.
PROBE = """
import asyncio, json, os, time
from pathlib import Path

def say(word):
    os.write(1, f"{word} {os.getpid()}\\n".encode())  # in one piece, for others write there, too

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        say("startup")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        say("shutdown")
        await send({"type": "lifespan.shutdown.complete"})
        return
    start = {"type": "http.response.start", "status": 200, "headers": [(b"x-probe", b"on")]}
    body = b""
    path = scope["path"].removeprefix(scope["root_path"])
    if path == "/pid":
        body = b"%d" % os.getpid()
    elif path == "/scope":
        fields = {name.decode(): value.decode() for name, value in scope["headers"]}
        keys = "type scheme path root_path client server http_version extensions".split()
        body = json.dumps({key: scope[key] for key in keys} | {"fields": fields}).encode()
    elif path == "/wait":
        say("waiting")
        while not Path("go").exists():
            await asyncio.sleep(0.01)
        body = b"done"
    elif path == "/forever":
        say("waiting")
        await asyncio.sleep(60)
    elif path == "/block":
        say("blocking")
        time.sleep(60)
    elif path == "/thread":
        say("waiting")
        await asyncio.to_thread(time.sleep, 60)
    elif path == "/events":
        await send(start)
        await send({"type": "http.response.body", "body": b"data: 1\\n\\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        say("told")
        await send({"type": "http.response.body", "body": b"data: bye\\n\\n"})
        return
    await send(start)
    await send({"type": "http.response.body", "body": body})
"""


class Gunicorn(Command):
    """`gunicorn -k asgiworker.ASGIWorker`, on a free port unless it is told otherwise."""

    # Not -m: a binary upgrade starts what argv names, and would find Gunicorn's modules in Python's place.
    program = (str(Path(sys.executable).with_name("gunicorn")),)

    @property
    def url(self) -> str:
        """Where it listens, as soon as the first worker serves."""
        self.prints(r"Listening on (https?://[^\s,]+|unix:[^\s,]+) ?.*worker")
        return super().url

    def workers(self) -> set[int]:
        """The processes of the workers that have been started and not ended yet."""
        booted, ended = (
            {int(pid) for pid in re.findall(pattern, self.output)}
            for pattern in (r"Booting worker with pid: (\d+)", r"Worker exiting \(pid: (\d+)\)")
        )
        return booted - ended

    def save(self, path: Path, text: str) -> None:
        """Write a file that the reloader watches, and wait until it has noticed."""
        noticed = f"{path.name} modified"
        path.write_text(text)
        later = time.time()
        with self._changed:
            before = self.output.count(noticed)
            while self.output.count(noticed) == before:
                # Once is not enough: what is saved before it looks for the first time isn't new to it.
                later += 1
                os.utime(path, (later, later))
                self._changed.wait_for(lambda: self.output.count(noticed) > before, 1.5)
                assert later < time.time() + DEADLINE, self.output

    def serving(self) -> set[int]:
        """Those of them that serve."""
        return {int(pid) for pid in re.findall(r"^startup (\d+)", self.output, re.MULTILINE)} & self.workers()


def get(url: str, path: str = "/") -> bytes:
    """The body of the answer to a GET, over TCP or a UNIX socket."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port, timeout=DEADLINE)
    try:
        if parts.scheme == "unix":
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(parts.path)
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with an application: `main:app` answers "hello"."""
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "main.py").write_text(APPLICATION)
    return directory


@pytest.fixture
def command(project: Path) -> Iterator[Callable[..., Command]]:
    """Start the command in `project`: `command("main:app", "--port", "0", PORT="1")`."""
    started: list[Command] = []

    def start(*arguments: str, **environ: str) -> Command:
        started.append(Command(arguments, project, {**clean_environment(), **environ}))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def gunicorn(project: Path) -> Iterator[Callable[..., Gunicorn]]:
    """Start Gunicorn in `project`: `gunicorn("--workers", "2", config="timeout = 2", ASGIWORKER_LOOP="x")`.

    It serves `probe:app` unless another application is named. `config` is the text of its configuration file,
    `keep` are file descriptors to inherit.
    """
    (project / "probe.py").write_text(PROBE)
    started: list[Gunicorn] = []

    def start(
        *arguments: str,
        app: str = "probe:app",
        config: str = "",
        keep: tuple[int, ...] = (),
        **environ: str,
    ) -> Gunicorn:
        (project / "gunicorn.conf.py").write_text(config)
        own = ("-k", "asgiworker.ASGIWorker", "--no-control-socket", *arguments)
        if "bind" not in config and not {"-b", "--bind"} & set(arguments):
            own += ("--bind", "127.0.0.1:0")
        started.append(Gunicorn((*own, app), project, {**clean_environment(), **environ}, keep))
        return started[-1]

    yield start
    for each in started:
        each.close()


def clean_environment() -> dict[str, str]:
    """The environment without what the command would read from it."""
    ours = ("ASGIWORKER_", "PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition holds."""

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, f"{condition} did not come true in {DEADLINE:g} s"
            time.sleep(0.005)

    return wait
