"""Servers in processes of their own, whose memory and progress can be watched; and both event loops."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
import uvloop

DEADLINE = 30.0  # seconds after which a test that waits has failed
PAGE = os.sysconf("SC_PAGE_SIZE")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every asynchronous test of this folder runs on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class ServedProcess:
    """`python -m asgiworker served:app` on a free port.

    What it prints is in `output`, and read as it comes.
    """

    def __init__(self, loop: str, trust: ssl.SSLContext | None, *options: str) -> None:
        self.trust = trust
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "asgiworker", "served:app", "--app-dir", str(Path(__file__).parent),
                "--port", "0", "--loop", loop, "--no-access-log", *options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("ASGIWORKER_")},
            text=True,
        )  # fmt: skip
        self.output = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.url = ""

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._changed:
                    self.output += line
                    self._changed.notify_all()

    def prints(self, pattern: str) -> re.Match[str]:
        """Wait until `pattern` has been printed."""
        with self._changed:
            self._changed.wait_for(lambda: re.search(pattern, self.output), DEADLINE)
            found = re.search(pattern, self.output)
        assert found is not None, f"{pattern!r} was not printed:\n{self.output}"
        return found

    def connect(self, protocol: str = "http/1.1") -> socket.socket:
        """A connection; over TLS with the handshake done, and this protocol negotiated."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        sock = socket.create_connection((parts.hostname, parts.port or 0), DEADLINE)
        if self.trust is None:
            return sock
        self.trust.set_alpn_protocols([protocol])
        return self.trust.wrap_socket(sock, server_hostname="localhost")

    def get(self, target: str) -> bytes:
        """The body of the answer to a GET, on a connection of its own."""
        with self.connect() as sock:
            sock.sendall(b"GET %b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" % target.encode())
            received = b"".join(iter(lambda: sock.recv(65536), b""))
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), received[:200]
        return body

    def progress(self) -> dict[str, int]:
        """How far the requests have come."""
        report: dict[str, int] = json.loads(self.get("/progress"))
        return report

    def memory(self) -> int:
        """Bytes of memory in use."""
        statm = Path(f"/proc/{self.process.pid}/statm").read_text()
        return int(statm.split()[1]) * PAGE

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end, and return the exit code."""
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def close(self) -> None:
        """Whatever happened, leave nothing running."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()


Serving = Callable[..., ServedProcess]


@pytest.fixture(params=["asyncio", "uvloop"])
def serving(request: pytest.FixtureRequest) -> Iterator[Serving]:
    """Serve `served.py` in a process: `serving("--keep-alive", "1", tls=True)`. On both loops."""
    started: list[ServedProcess] = []

    def start(*options: str, tls: bool = False) -> ServedProcess:
        trust = None
        if tls:
            certificate = request.getfixturevalue("certificate")
            options += ("--certfile", certificate["certfile"], "--keyfile", certificate["keyfile"])
            trust = request.getfixturevalue("trust")
        server = ServedProcess(request.param, trust, *options)
        started.append(server)
        server.url = server.prints(r"(https?://[^\s,]+)")[1]
        return server

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    """A client's TLS context that trusts it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a server with a certificate for localhost."""
    directory = tmp_path_factory.mktemp("tls")
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
    return {"certfile": str(directory / "server.pem"), "keyfile": str(directory / "server.pem")}


Settled = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def settled() -> Settled:
    """Look at something until it doesn't change any more: not in fifty looks, nor in half a second."""

    def watch(look: Callable[[], Any]) -> Any:
        end = time.monotonic() + DEADLINE
        seen, since, looks = look(), time.monotonic(), 0
        while looks < 50 or time.monotonic() < since + 0.5:
            assert time.monotonic() < end, "it moves on and on"
            now = look()
            if now == seen:
                looks += 1
            else:
                seen, since, looks = now, time.monotonic(), 0
        return seen

    return watch


@pytest.fixture
def push() -> Callable[[socket.socket, bytes, int], int]:
    """Send `data` so many times, until the server takes no more for half a second; how much it took."""

    def send(sock: socket.socket, data: bytes, times: int) -> int:
        sock.setblocking(False)
        sent, view = 0, memoryview(data)
        size = len(data) * times
        while sent < size:
            try:
                sent += sock.send(view[sent % len(data) :])
            except (BlockingIOError, ssl.SSLWantWriteError):
                if not select.select([], [sock], [], 0.5)[1]:
                    break
        return sent

    return send


Until = Callable[[Callable[[], object]], Any]


@pytest.fixture
def until() -> Until:
    """Give way until a condition holds: for what has no event to wait for."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    return wait
