"""The page on HTTP/2: its examples are written to files, started, and asked, as readers do."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.every_python

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "http2.md").read_text(encoding="utf-8")
PYTHON = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
DEADLINE = 20.0


class Server:
    """`asgiworker`, on a port of its own in the place of 8000."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "asgiworker", *arguments, "--bind", f"fd://{listener.fileno()}"],
                cwd=folder,
                pass_fds=[listener.fileno()],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def close(self) -> None:
        """Stop it."""
        self.process.send_signal(signal.SIGTERM)
        watch = threading.Timer(DEADLINE, self.process.kill)
        watch.start()
        assert self.process.wait() == 0
        watch.cancel()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the page's modules."""
    for name, code in PYTHON.findall(PAGE):
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


@pytest.fixture
def started() -> Iterator[list[Server]]:
    """The servers of a test; they are stopped at its end."""
    servers: list[Server] = []
    yield servers
    for server in servers:
        server.close()


@pytest.mark.parametrize("block", CONSOLE.findall(PAGE), ids=lambda block: STEP.findall(block)[-1][0][:40])
def test_an_example_does_what_the_page_says(block: str, folder: Path, started: list[Server]) -> None:
    asked = 0
    environ = {**os.environ, "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"}
    for line, expected in STEP.findall(block):
        command, *arguments = shlex.split(line)
        if command == "asgiworker":
            started.append(Server(arguments, folder))
            continue
        if command == "curl":
            arguments = ["--silent", "--show-error", "--retry-connrefused", "--retry", "5", *arguments]
            arguments[-1] = arguments[-1].replace(":8000", f":{started[-1].port}")
        done = subprocess.run(
            [command, *arguments],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=DEADLINE,
        )
        if command == "curl":
            assert done.stdout == expected
            asked += 1
    assert asked


def test_the_page_names_every_setting() -> None:
    from asgiworker.process.settings import Settings

    names = [name for name in Settings.__slots__ if name.startswith("http2_")]
    assert names
    assert [name for name in names if f"`{name}`" not in PAGE] == []
