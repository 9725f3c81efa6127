"""Servers in processes of their own, whose memory and progress can be watched; and both event loops."""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trustme
import uvloop

from server.tests.conftest import PATIENCE, Command

if TYPE_CHECKING:
    from server.tests.conftest import Launch

FOLDER = Path(__file__).parent
PAGE = os.sysconf("SC_PAGE_SIZE")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every asynchronous test of this folder runs on both loops."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class ServedProcess(Command):
    """`python -m asgiworker served:app` on a free port.

    Args:
        options: of the command.
        trust: a client's TLS context for it; None for plain HTTP.
    """

    def __init__(self, *options: str, trust: ssl.SSLContext | None = None) -> None:
        super().__init__("served:app", "--port", "0", "--no-access-log", *options, directory=FOLDER)
        self.trust = trust

    def connect(self, protocol: str = "http/1.1") -> socket.socket:
        """A connection; over TLS with the handshake done, and this protocol negotiated."""
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        sock = socket.create_connection((parts.hostname, parts.port or 0), PATIENCE)
        if self.trust is None:
            return sock
        self.trust.set_alpn_protocols([protocol])
        return self.trust.wrap_socket(sock, server_hostname="localhost")

    def get(self, path: str = "/") -> bytes:
        """The body of the answer to a GET, on a connection of its own."""
        with self.connect() as sock:
            sock.sendall(b"GET %b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" % path.encode())
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


Serving = Callable[..., ServedProcess]


@pytest.fixture(params=["asyncio", "uvloop"])
def serving(request: pytest.FixtureRequest, launch: Launch) -> Serving:
    """Serve `served.py` in a process: `serving("--keep-alive", "1", tls=True)`. On both loops."""

    def start(*options: str, tls: bool = False) -> ServedProcess:
        trust = None
        if tls:
            certificate = request.getfixturevalue("certificate")
            options += ("--certfile", certificate["certfile"], "--keyfile", certificate["keyfile"])
            trust = request.getfixturevalue("trust")
        server = launch(ServedProcess, "--loop", request.param, *options, trust=trust)
        assert server.url  # it listens
        return server

    return start


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
        end = time.monotonic() + PATIENCE
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
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    return wait
