"""The measuring: rows, rounds, and what comes out of each.

In each round of a row all servers have one run, one after the other, so that whatever the machine is busy
with meets all of them. Each run starts its server anew: where a process happens to lie in memory and on the
processors changes its speed by several per cent, and only other processes can average that out. Medians over
the rounds are what counts.
"""

import os
import resource
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import load
from benchmarks.peers import Launch, Peer, Workload
from benchmarks.processes import TICK, Server, ServerFailed, free_port

REPOSITORY = Path(__file__).resolve().parent.parent
WARM_UP = 0.25
#: On a busy machine, wrk needs longer for its handshakes than that.
TLS_WARM_UP = 0.6


@dataclass(frozen=True)
class Run:
    """One run of one server in one row. Times are in seconds, memory in bytes."""

    startup: float
    requests: float
    seconds: float
    cpu: float
    p50: float | None
    p99: float | None
    failed: int
    peak_memory: int
    #: Lines in the access log per request, in the row that asks for one.
    logged: float | None
    #: CPUs that everything else on the machine kept busy meanwhile; steal counts.
    disturbance: float


@dataclass
class Cell:
    """All runs of one server in one row, or why there are none."""

    peer: str
    workload: str
    runs: list[Run] = field(default_factory=list)
    absent: str = ""

    def median(self, figure: Callable[[Run], float | None]) -> float | None:
        """The median of that figure over the runs that have it."""
        known = [known for run in self.runs if (known := figure(run)) is not None]
        return statistics.median(known) if known else None

    @property
    def cpu_per_request(self) -> float | None:
        """CPU microseconds of the whole process tree per request."""
        return self.median(lambda run: run.cpu / run.requests * 1e6)

    @property
    def rate(self) -> float | None:
        """Requests per second."""
        return self.median(lambda run: run.requests / run.seconds)


@dataclass(frozen=True)
class Idle:
    """Memory of one server without and with idle connections, in bytes."""

    peer: str
    connections: int
    before: int
    after: int
    absent: str = ""

    @property
    def per_connection(self) -> float | None:
        """Bytes that one idle connection keeps resident."""
        return (self.after - self.before) / self.connections if self.connections else None


class Bench:
    """The servers of one Python environment, ready to be measured."""

    def __init__(self, executables: Path, *, say: Callable[[str], None] | None = None) -> None:
        self.executables = executables
        self.say = say or (lambda line: print(line, file=sys.stderr, flush=True))

    def row(self, workload: Workload, peers: Sequence[Peer], *, rounds: int, seconds: float) -> list[Cell]:
        """Measure these servers at that work."""
        peers = [peer for peer in peers if not workload.among or peer.name in workload.among]
        cells = {peer.name: Cell(peer.name, workload.name, absent=missing(peer, workload)) for peer in peers}
        for turn in range(rounds):
            for peer in rotated(peers, turn):
                cell = cells[peer.name]
                if not cell.absent:
                    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
                        self._run(peer, workload, cell, seconds, Path(directory))
        return list(cells.values())

    def _run(self, peer: Peer, workload: Workload, cell: Cell, seconds: float, directory: Path) -> None:
        server = self.server(peer, workload, directory)
        try:
            server.start()
            check(server, workload)
            warm_up = load.run(workload, server.port, TLS_WARM_UP if workload.tls else WARM_UP)
            busy, client, before = machine_cpu(), client_cpu(), server.usage()
            answers = load.run(workload, server.port, seconds)
            busy, client, after = machine_cpu() - busy, client_cpu() - client, server.usage()
        except (ServerFailed, load.LoadFailed, OSError) as error:
            cell.absent = f"failed: {last_line(error)}"
            self.say(f"  {peer.title} is out of this row: {error}")
            return
        finally:
            server.stop()
        cpu = after.cpu - before.cpu
        logged = None
        if workload.access_log:
            logged = lines_written(server) / (warm_up.requests + answers.requests)
        cell.runs.append(
            Run(
                startup=server.startup_seconds,
                requests=answers.requests,
                seconds=answers.seconds,
                cpu=cpu,
                p50=answers.p50,
                p99=answers.p99,
                failed=answers.failed,
                peak_memory=after.peak_memory,
                logged=logged,
                disturbance=max(0.0, busy - client - cpu) / answers.seconds,
            )
        )

    def server(self, peer: Peer, workload: Workload, directory: Path) -> Server:
        """That server, arranged for that work, not yet started."""
        launch = Launch(
            executables=self.executables,
            port=free_port(),
            workers=workload.workers,
            http2=bool(workload.streams),
            websocket=bool(workload.websocket),
            certificate=load.write_certificate(directory) if workload.tls else None,
            access_log=directory / f"{peer.name}.log" if workload.access_log else None,
        )
        environment = {
            "PATH": f"{self.executables}:{os.environ.get('PATH', os.defpath)}",
            "PYTHONPATH": str(REPOSITORY),
            "BENCHMARK_FILES": str(files()),
            "HOME": os.environ.get("HOME", "/"),
        }
        return Server(
            peer.command(launch),
            launch.port,
            tls=workload.tls,
            environment=environment,
            output=directory / f"{peer.name}.out",
        )

    def idle(self, peer: Peer, workload: Workload, count: int = load.IDLE_CONNECTIONS) -> Idle:
        """What idle connections cost that server in memory. Each has had one answer to that workload."""
        with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
            server = self.server(peer, workload, Path(directory))
            try:
                server.start()
                for _ in range(100):
                    server.ask("GET", "/")
                before = server.usage().memory
                with load.IdleConnections(server.port, count) as connections:
                    after = server.usage().memory
                    if closed := connections.closed():
                        raise load.LoadFailed(f"{closed} of {count} idle connections were closed")
                return Idle(peer.name, count, before, after)
            except (ServerFailed, load.LoadFailed, OSError) as error:
                self.say(f"  {peer.name} is out of idle connections: {error}")
                return Idle(peer.name, 0, 0, 0, absent=f"failed: {last_line(error)}")
            finally:
                server.stop()


def last_line(error: Exception) -> str:
    """What a failure comes down to: the last line of a traceback, if there is one."""
    return (str(error).splitlines() or [repr(error)])[-1]


def files() -> Path:
    """The directory of the file rows' files."""
    directory = Path(tempfile.gettempdir()) / "asgiworker-benchmark-files"
    load.write_files(directory)
    return directory


def rotated(peers: Sequence[Peer], turn: int) -> Iterable[Peer]:
    """The same servers, another one first each turn."""
    shift = turn % len(peers)
    return (*peers[shift:], *peers[:shift])


def missing(peer: Peer, workload: Workload) -> str:
    """Why that server can't take part in that row; empty if it can."""
    if workload.name in peer.lacks:
        return peer.lacks[workload.name]
    if workload.access_log and not peer.logs_access:
        return "has no access log"
    if workload.workers > 1 and not peer.forks:
        return "has one process only"
    if workload.streams and not peer.speaks_http2:
        return "doesn't speak HTTP/2"
    return ""


def check(server: Server, workload: Workload) -> None:
    """One request, whose answer must be right: a fast wrong answer isn't measured. Raises `LoadFailed`.

    The client of the WebSockets looks at the first answers itself.
    """
    if workload.websocket:
        return
    posted = b"x" * workload.posts if workload.posts else None
    try:
        status, content = server.ask("POST" if posted else "GET", workload.path, posted)
    except OSError as error:
        raise load.LoadFailed(f"no answer to {workload.path}: {error}") from error
    if status != 200 or len(content) != workload.answers or (posted and content != posted):
        raise load.LoadFailed(f"wrong answer to {workload.path}: {status}, {len(content)} bytes")


def lines_written(server: Server) -> int:
    """Lines of a stopped server's access log; without a file for it, it is what the server printed."""
    log = server.output.with_suffix(".log")
    with (log if log.exists() else server.output).open("rb") as lines:
        return sum(1 for _ in lines)


def machine_cpu() -> float:
    """CPU seconds that the whole machine has been busy since it started."""
    with open("/proc/stat") as statistics_file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(
            int, statistics_file.readline().split()[1:9]
        )
    return (user + nice + system + irq + softirq + steal) / TICK


def client_cpu() -> float:
    """CPU seconds of the clients so far: the children that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
