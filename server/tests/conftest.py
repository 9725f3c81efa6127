"""What the tests share: a raw client, and servers in processes of their own."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

import pytest

DEADLINE = 10.0  # seconds after which a test that waits for the server has failed
PATIENCE = 30.0  # the same, where processes are started


class Command:
    """A command that serves, in a process of its own; what it prints is read as it comes, into `output`.

    Args:
        arguments: of `program`, by default of `python -m asgiworker`.
        directory: where it is started.
        environ: further variables of its environment, which has none that a server would read.
        keep: file descriptors that it inherits.
    """

    program: tuple[str, ...] = (sys.executable, "-m", "asgiworker")

    def __init__(
        self,
        *arguments: str,
        directory: Path,
        environ: Mapping[str, str] | None = None,
        keep: tuple[int, ...] = (),
    ) -> None:
        self.process = subprocess.Popen(
            [*self.program, *arguments],
            cwd=directory,
            env={**clean_environment(), **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,
            pass_fds=keep,
        )
        self.output = ""
        self.changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="output")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self.changed:
                    self.output += line
                    self.changed.notify_all()

    def prints(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until `pattern` has been printed so many times; the last match."""

        def found() -> list[re.Match[str]]:
            return list(re.finditer(pattern, self.output, re.MULTILINE))

        with self.changed:
            assert self.changed.wait_for(lambda: len(found()) >= times, PATIENCE), (
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
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"It doesn't end:\n{self.output}")
        self._reader.join(PATIENCE)
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
        self._reader.join(PATIENCE)


def clean_environment() -> dict[str, str]:
    """Our environment, without what a server would read from it."""
    read = ("ASGIWORKER_", "GUNICORN_", "PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(read)}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}


def get(url: str, path: str = "/") -> bytes:
    """The body of the answer to a GET, over TCP or a UNIX socket."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port, timeout=PATIENCE)
    try:
        if parts.scheme == "unix":
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(parts.path)
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


C = TypeVar("C", bound=Command)


class Launch(Protocol):
    """Starts a command: `launch(Command, "main:app", directory=project)`."""

    def __call__(self, kind: type[C], /, *arguments: str, **keywords: object) -> C: ...


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Start commands; they end with the test, whatever happens in it."""
    with ExitStack() as started:

        def start(kind: type[C], /, *arguments: str, **keywords: object) -> C:
            command = kind(*arguments, **keywords)  # type: ignore[arg-type]
            started.callback(command.close)
            return command

        yield start


@dataclass
class RawClient:
    """A connection that sends exactly the bytes it is told to, and shows exactly those that come back."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send `data`."""
        self.writer.write(data)
        await self.writer.drain()

    def finish(self) -> None:
        """Close the sending side: a half-close."""
        self.writer.write_eof()

    async def head(self) -> bytes:
        """The next bytes up to the end of a head."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), DEADLINE)

    async def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        return await asyncio.wait_for(self.reader.readexactly(size), DEADLINE)

    async def rest(self, deadline: float = DEADLINE) -> bytes:
        """Everything until the server closes."""
        return await asyncio.wait_for(self.reader.read(), deadline)

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass


Connect = Callable[[str], Coroutine[None, None, RawClient]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens raw connections to a server's URL; they are closed when the test ends."""
    clients: list[RawClient] = []

    async def open_connection(url: str) -> RawClient:
        if url.startswith("unix:"):
            reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix:"))
        else:
            parts = urlsplit(url)
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        client = RawClient(reader, writer)
        clients.append(client)
        return client

    yield open_connection
    for client in clients:
        await client.close()
