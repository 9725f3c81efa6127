"""The clients: wrk for HTTP/1.1, h2load for HTTP/2 and handshakes, our own for messages and what is idle."""

import json
import math
import re
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import trustme

from benchmarks.peers import Workload

#: Where `python -m benchmarks.messages` is found.
REPOSITORY = Path(__file__).resolve().parent.parent
IDLE_CONNECTIONS = 5_000
#: How many of the idle connections are opened at a time: fewer than the shortest backlog of any server holds.
ROUND = 32
#: Above this answer size, answers under way at the end count too, by their bytes.
SIZEABLE = 1_000_000

#: wrk builds the request once; its own summary is printed as JSON.
SCRIPT = """
wrk.method = "{method}"
wrk.body = {body}
done = function(summary, latency, requests)
  local errors = summary.errors
  print("SUMMARY " .. string.format(
    '{{"requests": %d, "bytes": %d, "microseconds": %d, "failed": %d, "refused": %d, "p50": %d, "p99": %d}}',
    summary.requests, summary.bytes, summary.duration,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(99)))
end
"""


class LoadFailed(Exception):
    """A client that couldn't do its work, or got wrong answers."""


@dataclass(frozen=True)
class Answers:
    """What one run of a client saw. Latencies are in seconds; None where the client doesn't tell."""

    requests: float
    seconds: float
    failed: int
    p50: float | None
    p99: float | None


def write_files(directory: Path) -> None:
    """The two files of the file rows; their content doesn't matter, but it isn't sparse."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, size in (("50k", 51_200), ("10m", 10_485_760)):
        path = directory / name
        if not path.exists() or path.stat().st_size != size:
            path.write_bytes(bytes(range(256)) * (size // 256))


def write_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate of P-256 for this machine, as most have them today, and its key."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    if not key.exists():
        made = trustme.CA().issue_cert("127.0.0.1", "localhost")
        certificate.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))
        made.private_key_pem.write_to_path(str(key))
    return certificate, key


def run(workload: Workload, port: int, seconds: float) -> Answers:
    """Load that port with that workload. Raises `LoadFailed` if anything but 200 comes back."""
    if workload.websocket:
        return run_messages(workload, port, seconds)
    if workload.handshakes:
        return run_handshakes(workload, port, seconds)
    if workload.streams:
        return run_h2load(workload, port, seconds)
    return run_wrk(workload, port, seconds)


def url(workload: Workload, port: int) -> str:
    """What is asked for."""
    return f"{'https' if workload.tls else 'http'}://127.0.0.1:{port}{workload.path}"


def run_wrk(workload: Workload, port: int, seconds: float) -> Answers:
    """HTTP/1.1 by wrk, one thread."""
    script = SCRIPT.format(
        method="POST" if workload.posts else "GET",
        body=f'string.rep("x", {workload.posts})' if workload.posts else "nil",
    )
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as written:
        written.write(script)
        written.flush()
        command = [
            *("wrk", "--threads", "1", "--connections", str(workload.connections)),
            *("--duration", f"{math.ceil(seconds) + 1}s", "--timeout", "10s", "--script", written.name),
            url(workload, port),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
            try:
                printed, complaints = client.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                client.send_signal(
                    signal.SIGINT
                )  # wrk counts whole seconds only; it sums up when interrupted
                printed, complaints = client.communicate(timeout=30)
    summaries = [line[8:] for line in printed.splitlines() if line.startswith("SUMMARY ")]
    if not summaries:
        raise LoadFailed(f"wrk: {complaints.strip() or printed.strip()}")
    summary = json.loads(summaries[0])
    requests = float(summary["requests"])
    if workload.answers > SIZEABLE:
        requests = summary["bytes"] / workload.answers
    if summary["refused"] or not requests:
        raise LoadFailed(f"wrk: {summary['refused']} of {summary['requests']} answers were errors")
    return Answers(
        requests=requests,
        seconds=summary["microseconds"] / 1e6,
        failed=summary["failed"],
        p50=summary["p50"] / 1e6,
        p99=summary["p99"] / 1e6,
    )


def run_h2load(workload: Workload, port: int, seconds: float) -> Answers:
    """HTTP/2 by h2load, one thread; with prior knowledge, on TLS by ALPN."""
    with (
        tempfile.NamedTemporaryFile("r", suffix=".tsv") as log,
        tempfile.NamedTemporaryFile("wb", suffix=".body") as posted,
    ):
        posted.write(b"x" * workload.posts)
        posted.flush()
        printed = h2load(
            *("--clients", str(workload.connections), "--max-concurrent-streams", str(workload.streams)),
            *("--duration", str(math.ceil(seconds)), "--log-file", log.name),
            *(("--data", posted.name) if workload.posts else ()),
            url(workload, port),
        )
        # Each line: when it began, the status, how many microseconds it took.
        times = sorted(int(line.split()[2]) / 1e6 for line in log)
    if not times:
        raise LoadFailed(f"h2load: {printed.strip()}")
    if workload.tls and "Application protocol: h2" not in printed:
        raise LoadFailed("HTTP/2 was not chosen")
    done, failed, took = h2load_summary(printed)
    return Answers(
        requests=done,
        seconds=took,
        failed=failed,
        p50=times[len(times) // 2],
        p99=times[len(times) * 99 // 100],
    )


def run_handshakes(workload: Workload, port: int, seconds: float) -> Answers:
    """Connections that make one request each, so many at a time, by h2load, which resumes no session."""
    count = str(workload.connections)
    requests, failed, began = 0, 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        printed = h2load("--h1", "--clients", count, "--requests", count, url(workload, port))
        more, lost, _ = h2load_summary(printed)
        requests, failed = requests + more, failed + lost
    return Answers(requests=requests, seconds=took, failed=failed, p50=None, p99=None)


def h2load(*arguments: str) -> str:
    """What h2load prints; it runs on one thread."""
    finished = subprocess.run(
        ["h2load", "--threads", "1", *arguments], capture_output=True, text=True, timeout=60
    )
    if finished.returncode:
        raise LoadFailed(f"h2load: {finished.stderr.strip() or finished.stdout.strip()}")
    return finished.stdout


def h2load_summary(printed: str) -> tuple[int, int, float]:
    """Requests that were answered, those that weren't, and the seconds that all took."""
    done = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", printed)
    took = re.search(r"finished in ([\d.]+)(m?s)", printed)
    if done is None or took is None or done[1] == "0":
        raise LoadFailed(f"h2load: {printed.strip()}")
    return int(done[1]), int(done[2]) + int(done[3]), float(took[1]) / (1000 if took[2] == "ms" else 1)


def run_messages(workload: Workload, port: int, seconds: float) -> Answers:
    """WebSocket messages by `benchmarks.messages`."""
    options = ["--broadcast"] if workload.websocket == "broadcast" else []
    options += ["--deflate"] if workload.deflate else []
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.messages", str(port), workload.path),
            *("--clients", str(workload.connections), "--size", str(workload.answers)),
            *("--seconds", str(seconds), *options),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=seconds + 30,
    )
    if finished.returncode:
        raise LoadFailed(finished.stderr.strip())
    return Answers(**json.loads(finished.stdout))


class IdleConnections:
    """Connections that have had one answer each and now wait. A context manager; leaving it resets them all.

    Each round of them comes from a loopback address of its own, so that no range of ports can run out.
    """

    def __init__(self, port: int, count: int = IDLE_CONNECTIONS) -> None:
        self.port = port
        self.count = count
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> "IdleConnections":
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < self.count + 200:
            raise LoadFailed(f"{self.count} connections need that many open files; the limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            while len(self._sockets) < self.count:
                self._open(min(ROUND, self.count - len(self._sockets)))
        except OSError as error:
            self.__exit__()
            raise LoadFailed(f"after {len(self._sockets)} idle connections: {error}") from error
        return self

    def _open(self, count: int) -> None:
        fresh = []
        with selectors.DefaultSelector() as selector:
            for _ in range(count):
                opened = socket.socket()
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                opened.bind((f"127.0.1.{1 + len(self._sockets) // ROUND}", 0))
                opened.connect(("127.0.0.1", self.port))
                opened.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                selector.register(opened, selectors.EVENT_READ)
                fresh.append(opened)
                self._sockets.append(opened)
            waiting = set(fresh)
            while waiting:
                ready = selector.select(10)
                if not ready:
                    raise TimeoutError("no answer")
                for key, _ in ready:
                    answered = key.fileobj
                    assert isinstance(answered, socket.socket)
                    if not answered.recv(65536):
                        raise ConnectionError("closed by the server")
                    selector.unregister(answered)
                    waiting.discard(answered)

    def closed(self) -> int:
        """How many of them the server has closed meanwhile."""
        count = 0
        for opened in self._sockets:
            try:
                count += not opened.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
            except ConnectionError:
                count += 1
        return count

    def __exit__(self, *_: object) -> None:
        for opened in self._sockets:
            opened.close()
        self._sockets.clear()
