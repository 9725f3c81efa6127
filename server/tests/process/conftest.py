"""What the tests of the process floor share: the command and Gunicorn as processes, and deadlines."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.tests.conftest import Command

if TYPE_CHECKING:
    from server.tests.conftest import Launch

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
        with self.changed:
            before = self.output.count(noticed)
            while self.output.count(noticed) == before:
                # Once is not enough: what is saved before it looks for the first time isn't new to it.
                later += 1
                os.utime(path, (later, later))
                self.changed.wait_for(lambda: self.output.count(noticed) > before, 1.5)
                assert later < time.time() + DEADLINE, self.output

    def serving(self) -> set[int]:
        """Those of them that serve."""
        return {int(pid) for pid in re.findall(r"^startup (\d+)", self.output, re.MULTILINE)} & self.workers()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with an application: `main:app` answers "hello"."""
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "main.py").write_text(APPLICATION)
    return directory


@pytest.fixture
def command(launch: Launch, project: Path) -> Callable[..., Command]:
    """Start the command in `project`: `command("main:app", "--port", "0", PORT="1")`."""

    def start(*arguments: str, **environ: str) -> Command:
        return launch(Command, *arguments, directory=project, environ=environ)

    return start


@pytest.fixture
def gunicorn(launch: Launch, project: Path) -> Callable[..., Gunicorn]:
    """Start Gunicorn in `project`: `gunicorn("--workers", "2", config="timeout = 2", ASGIWORKER_LOOP="x")`.

    It serves `probe:app` unless another application is named. `config` is the text of its configuration file,
    `keep` are file descriptors to inherit.
    """
    (project / "probe.py").write_text(PROBE)

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
        return launch(Gunicorn, *own, app, directory=project, environ=environ, keep=keep)

    return start


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until a condition holds."""

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, f"{condition} did not come true in {DEADLINE:g} s"
            time.sleep(0.005)

    return wait
