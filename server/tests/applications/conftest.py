"""What the tests of real applications share: a server in a process of its own, and curl.

The server inherits a listening socket. So its port is known before it runs and nobody else can take it, and
whoever connects early simply waits until the server accepts.
"""

from __future__ import annotations

import re
import socket
import struct
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.tests.conftest import Command

APPS = Path(__file__).parent / "apps"
SCRIPTS = Path(sysconfig.get_path("scripts"))
DEADLINE = 30.0  # seconds for what normally takes milliseconds

COMMANDS = {
    "asgiworker": [str(SCRIPTS / "asgiworker")],
    # Its control socket has one path for all servers of a user, who would fight for it.
    "gunicorn": [str(SCRIPTS / "gunicorn"), "--no-control-socket"],
}

# A record of the server's error log at one of these levels, with the indented lines that belong to it; or a
# traceback that came from elsewhere.
TROUBLE = re.compile(
    r"^\[[^]]+\] \[\d+\] \[(?:WARNING|ERROR|CRITICAL)\] .*\n(?:[ \t]+.*\n)*"
    r"|^[ |+]*Traceback \(most recent call last\):\n(?:[ \t|+].*\n|\n)*.*\n",
    re.MULTILINE,
)
# What asyncio says of things that went wrong where nobody was looking.
UNSEEN = re.compile(r"was never (?:awaited|retrieved)|Task was destroyed|unclosed ")


class RawConnection:
    """A connection that sends exactly the bytes it is told to."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send `data`."""
        self._socket.sendall(data)

    def until(self, words: bytes) -> bytes:
        """What comes, up to the part with `words`."""
        received = b""
        while words not in received:
            part = self._socket.recv(65536)
            assert part, f"The server closed the connection after {received!r}"
            received += part
        return received

    def rest(self) -> bytes:
        """Everything until the server closes."""
        return b"".join(iter(lambda: self._socket.recv(65536), b""))

    def reset(self) -> None:
        """Break the connection: an RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


class Served(Command):
    """An application, served by a process of its own.

    Args:
        arguments: the application, as `module:attribute`, and options.
        command: what starts the server; a key of `COMMANDS`.
        directory: where it is started; the application's module is found there.
        environ: further variables of its environment.
    """

    url = ""

    def __init__(
        self, *arguments: str, command: str = "asgiworker", directory: Path = APPS, **environ: str
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
            self.url = f"http://127.0.0.1:{self.port}"
            self.program = (*COMMANDS[command], "--bind", f"fd://{listener.fileno()}")
            super().__init__(*arguments, directory=directory, environ=environ, keep=(listener.fileno(),))
        self.provoked: list[str] = []  # words of the trouble that tests asked for

    def wait_until_ready(self) -> None:
        """Wait for the first answer, whatever it is."""
        try:
            httpx.get(self.url, timeout=DEADLINE)
        except httpx.HTTPError as error:
            self.close()
            pytest.fail(f"The server doesn't answer: {error!r}\n{self.output}")

    def reports(self, trouble: str) -> None:
        """Wait until the log has these words, of an exception or error that a test has provoked."""
        self.provoked.append(trouble)
        self.prints(re.escape(trouble))

    def connect(self) -> RawConnection:
        """A connection, for those who speak HTTP themselves."""
        return RawConnection(self.port)

    def complaints(self) -> list[str]:
        """What the log shouldn't have: trouble that nobody provoked."""
        troubles = [match[0] for match in TROUBLE.finditer(self.output)]
        return [
            *(each for each in troubles if not any(words in each for words in self.provoked)),
            *(line for line in self.output.splitlines() if UNSEEN.search(line)),
        ]


@contextmanager
def served(*arguments: str, **keywords: Any) -> Iterator[Served]:
    """An application that answers. In the end it is told to stop, and looked at."""
    server = Served(*arguments, **keywords)
    try:
        server.wait_until_ready()
        yield server
        code = server.process.returncode if server.process.poll() is not None else server.end()
    finally:
        server.close()
    assert code == 0, f"The server ended with {code}:\n{server.output}"
    assert server.complaints() == [], server.output


Serve = Callable[..., Served]


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Start servers for the tests of a module: `serve("flask_app:app", "--loop", "asyncio", DEBUG="1")`.

    They answer when the call returns. At the end each gets SIGTERM, must end with code 0, and must have
    logged no trouble that no test asked for.
    """
    with ExitStack() as servers:
        yield lambda *arguments, **keywords: servers.enter_context(served(*arguments, **keywords))


@pytest.fixture(scope="module")
def client(server: Served) -> Iterator[httpx.Client]:
    """A client of the module's server. Its connections stay open from one test to the next."""
    with httpx.Client(base_url=server.url, timeout=DEADLINE) as client:
        yield client


@dataclass(frozen=True)
class Curled:
    """What a run of curl brought: the body, and its trace of what went over the wire."""

    body: bytes
    trace: str

    @property
    def statuses(self) -> list[int]:
        """The status of each response, 100 Continue included."""
        return [int(status) for status in re.findall(r"^< HTTP/1\.[01] (\d{3})", self.trace, re.MULTILINE)]

    @property
    def status(self) -> int:
        """The status of the last response."""
        return self.statuses[-1]

    def fields(self, name: str) -> list[str]:
        """The values of the field `name` in all responses."""
        return re.findall(rf"^< {name}: (.*?)\r?$", self.trace, re.MULTILINE | re.IGNORECASE)


Curl = Callable[..., Curled]


@pytest.fixture(scope="session")
def curl() -> Curl:
    """Run curl: `curl(url, "--http1.0", stdin=b"...")`. It must succeed unless `code` says otherwise."""

    def run(*arguments: str, stdin: bytes = b"", code: int = 0) -> Curled:
        done = subprocess.run(
            ["curl", "--disable", "--silent", "--show-error", "--verbose", "--max-time", "30", *arguments],
            input=stdin,
            capture_output=True,
            timeout=DEADLINE + 5,
            check=False,
        )
        trace = done.stderr.decode("utf-8", "replace")
        assert done.returncode == code, trace
        return Curled(done.stdout, trace)

    return run


@pytest.fixture(scope="session")
def scripts() -> Path:
    """Where the commands of this environment are."""
    return SCRIPTS
