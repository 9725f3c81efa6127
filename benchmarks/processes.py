"""A server as a process tree: started, awaited, measured from ``/proc``, stopped. Linux only.

Every server gets a session of its own, and the session is the tree: the arbiter counts as well as its
workers.
"""

import http.client
import os
import select
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TICK = os.sysconf("SC_CLK_TCK")
#: How long a server may take until its first answer.
PATIENCE = 20.0
#: How long it may take to go before it is killed.
FAREWELL = 1.0


class ServerFailed(Exception):
    """A server that didn't start, or stopped answering. The message has the end of what it printed."""


@dataclass(frozen=True)
class Usage:
    """What a process tree has used so far: CPU time in seconds, memory in bytes."""

    cpu: float
    memory: int
    peak_memory: int


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One running server."""

    def __init__(
        self, command: list[str], port: int, *, tls: bool, environment: dict[str, str], output: Path
    ) -> None:
        self.command = command
        self.port = port
        self.tls = tls
        self.environment = environment
        #: What the server prints goes here.
        self.output = output
        self.startup_seconds = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._printed: IO[bytes] | None = None

    def start(self) -> None:
        """Start it and wait for its first answer; the time between is `startup_seconds`.

        Raises `ServerFailed`.
        """
        self._printed = self.output.open("wb")
        began = time.perf_counter()
        self._process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        gone = os.pidfd_open(self._process.pid)
        try:
            while not self._answers():
                exited, _, _ = select.select([gone], [], [], 0.002)
                if exited:
                    raise ServerFailed(f"it exited: {self.last_words()}")
                if time.perf_counter() - began > PATIENCE:
                    raise ServerFailed(f"no answer within {PATIENCE:.0f} s: {self.last_words()}")
        except ServerFailed:
            self.stop()
            raise
        finally:
            os.close(gone)
        self.startup_seconds = time.perf_counter() - began

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/")[0] == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of the answer to one request on a connection of its own. Raises `OSError`."""
        if self.tls:
            trusting = ssl._create_unverified_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=5, context=trusting
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(repr(error)) from error
        finally:
            connection.close()

    def last_words(self) -> str:
        """The last lines that it printed."""
        return "\n".join(self.output.read_text(errors="replace").splitlines()[-12:]) or "it printed nothing"

    def usage(self) -> Usage:
        """The sum over the session's processes, and over their children that have been waited for."""
        cpu, memory, peak = 0, 0, 0
        for directory in self._processes():
            try:
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
                status = (directory / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            cpu += sum(map(int, fields[11:15]))
            for line in status.splitlines():
                if line.startswith("VmRSS:"):
                    memory += int(line.split()[1])
                elif line.startswith("VmHWM:"):
                    peak += int(line.split()[1])
        return Usage(cpu / TICK, memory * 1024, peak * 1024)

    def _processes(self) -> Iterator[Path]:
        assert self._process is not None, "not started"
        session = str(self._process.pid)
        for directory in Path("/proc").iterdir():
            if directory.name.isdigit():
                try:
                    fields = (directory / "stat").read_text().rpartition(")")[2].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                if fields[3] == session:
                    yield directory

    def stop(self) -> None:
        """Ask it to go, then make it go, with all its processes."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        if self._printed is not None:
            self._printed.close()
