"""What runs and what it does: every workload and every server with its options, in this one file.

Each server runs at the best setting its own documentation gives for this work: uvloop where it can use it,
its compiled parser, one process and one event loop, no WebSockets, no proxy headers, no access log (except
in the row that measures it). Idle connections are kept for at least a minute, so that none is closed while
it is counted. TLS has a certificate of P-256, and the versions that the server has by default; HTTP/2 is
chosen by prior knowledge, on TLS by ALPN. Only the rows that are about WebSockets have them switched on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

APPLICATION = "benchmarks.app:app"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """One row: what the client asks for, over how many connections, and of which arrangement of a server."""

    name: str
    title: str
    #: The table that it is in.
    group: str = "HTTP/1.1"
    #: Shown in the README.
    headline: bool = False
    #: Who takes part; nobody named is everybody.
    among: frozenset[str] = frozenset()
    path: str
    connections: int = 64
    #: Length of the body that each request posts; 0 makes it a GET.
    posts: int = 0
    #: Length of the answer's body, to check before measuring. Of a WebSocket: the length of each message.
    answers: int
    workers: int = 1
    access_log: bool = False
    tls: bool = False
    #: HTTP/2, by h2load, with as many streams on each connection.
    streams: int = 0
    #: Each request has a connection of its own.
    handshakes: bool = False
    #: WebSocket: "echo" to each its own, or "broadcast" to all what one says.
    websocket: str = ""
    #: The client offers permessage-deflate, and insists on it.
    deflate: bool = False
    #: The CPU time per request we want to stay under, as a ratio to the best peer's.
    target: float | None = None
    #: The same as a ratio to the floor's, which isn't a server.
    floor_target: float | None = None
    #: The CPU time per request of our worker under Gunicorn, as a ratio to our command's.
    gunicorn_target: float | None = None


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a server's command line is made of."""

    executables: Path
    port: int
    workers: int = 1
    http2: bool = False
    websocket: bool = False
    #: Certificate and key, if this row wants TLS.
    certificate: tuple[Path, Path] | None = None
    #: A file, if this row wants an access log. Everything a server prints goes to another file.
    access_log: Path | None = None

    @property
    def bind(self) -> str:
        """The address in the form that most servers take."""
        return f"127.0.0.1:{self.port}"

    def tls(self, certfile: str, keyfile: str) -> list[str]:
        """Certificate and key, by the names that a server has for the options; nothing without TLS."""
        if self.certificate is None:
            return []
        return [certfile, str(self.certificate[0]), keyfile, str(self.certificate[1])]

    def executable(self, name: str) -> str:
        """A command of the peers' environment."""
        return str(self.executables / name)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One server: what to install, how to start it, what it can't do."""

    name: str
    title: str
    requirements: tuple[str, ...]
    command: Callable[[Launch], list[str]]
    logs_access: bool = True
    forks: bool = True
    speaks_http2: bool = False
    #: Rows that it can't do, each with the reason.
    lacks: Mapping[str, str] = field(default_factory=dict)
    #: False for what stands beside the servers without being one.
    is_server: bool = True
    is_ours: bool = False
    note: str = ""


# -- Workloads -----------------------------------------------------------------------------------------------

#: Those that HTTP/2, TLS and WebSockets are compared with.
BROAD = frozenset(("asgiworker", "h2corn", "granian", "uvicorn", "gunicorn", "hypercorn", "floor"))
HTTP2, TLS, WEBSOCKET = "HTTP/2", "TLS", "WebSocket"

WORKLOADS = (
    Workload(
        name="hello",
        title="hello",
        headline=True,
        path="/",
        answers=14,
        target=0.75,
        floor_target=2.0,
        gunicorn_target=1.05,
    ),
    Workload(name="log", title="hello, access log", path="/", answers=14, access_log=True, target=0.65),
    Workload(
        name="echo",
        title="10 KB echo",
        headline=True,
        path="/echo",
        posts=10_240,
        answers=10_240,
        target=0.80,
    ),
    Workload(name="large", title="100 KB body", path="/large", answers=102_400, target=0.85),
    Workload(
        name="stream", title="20 × 1 KB streamed", headline=True, path="/stream", answers=20_480, target=0.35
    ),
    Workload(name="file50k", title="50 KB file", path="/file/50k", answers=51_200, target=0.80),
    Workload(
        name="file10m", title="10 MB file", path="/file/10m", answers=10_485_760, connections=8, target=0.80
    ),
    Workload(name="pause", title="10 ms pause, 256 connections", path="/pause", answers=14, connections=256),
    Workload(name="workers", title="hello, 2 workers", path="/", answers=14, workers=2),
    Workload(
        name="http2",
        title="hello, HTTP/2",
        group=HTTP2,
        headline=True,
        among=BROAD,
        path="/",
        answers=14,
        connections=16,
        streams=16,
        target=0.60,
    ),
    Workload(
        name="http2-one",
        title="hello, HTTP/2, one connection",
        group=HTTP2,
        among=BROAD,
        path="/",
        answers=14,
        connections=1,
        streams=100,
        target=0.60,
    ),
    Workload(
        name="http2-echo",
        title="10 KB echo, HTTP/2",
        group=HTTP2,
        among=BROAD,
        path="/echo",
        posts=10_240,
        answers=10_240,
        connections=16,
        streams=16,
        target=0.85,
    ),
    Workload(
        name="http2-large",
        title="100 KB body, HTTP/2",
        group=HTTP2,
        among=BROAD,
        path="/large",
        answers=102_400,
        connections=16,
        streams=16,
        target=0.85,
    ),
    Workload(
        name="tls",
        title="hello, TLS",
        group=TLS,
        headline=True,
        among=BROAD,
        path="/",
        answers=14,
        connections=16,  # their handshakes are measured as well, and mustn't weigh
        tls=True,
        target=0.85,
    ),
    Workload(
        name="tls-http2",
        title="hello, TLS, HTTP/2",
        group=TLS,
        among=BROAD,
        path="/",
        answers=14,
        connections=16,
        streams=16,
        tls=True,
        target=0.85,
    ),
    Workload(
        name="handshakes",
        title="full handshakes",
        group=TLS,
        among=BROAD,
        path="/",
        answers=14,
        tls=True,
        handshakes=True,
        target=1.5,
    ),
    Workload(
        name="ws16",
        title="16 B echo, WebSocket",
        group=WEBSOCKET,
        among=BROAD,
        path="/ws",
        answers=16,
        connections=32,
        websocket="echo",
        target=0.80,
    ),
    Workload(
        name="ws1k",
        title="1 KB echo, WebSocket",
        group=WEBSOCKET,
        headline=True,
        among=BROAD,
        path="/ws",
        answers=1024,
        connections=32,
        websocket="echo",
        target=0.80,
    ),
    Workload(
        name="ws64k",
        title="64 KB echo, WebSocket",
        group=WEBSOCKET,
        among=BROAD,
        path="/ws",
        answers=65_536,
        connections=32,
        websocket="echo",
        target=0.90,
    ),
    Workload(
        name="broadcast",
        title="broadcast to 64, WebSocket",
        group=WEBSOCKET,
        among=BROAD,
        path="/broadcast",
        answers=64,
        connections=64,
        websocket="broadcast",
        target=0.80,
    ),
    Workload(
        name="deflate",
        title="1 KB echo, WebSocket, deflated",
        group=WEBSOCKET,
        among=BROAD,
        path="/ws",
        answers=1024,
        connections=32,
        websocket="echo",
        deflate=True,
    ),
)

#: The one row that isn't a workload: memory of connections that wait.
IDLE = "idle"
#: An idle connection may keep as much memory as the best peer's, and no more.
IDLE_TARGET = 1.0

# -- Servers -------------------------------------------------------------------------------------------------


def asgiworker(launch: Launch) -> list[str]:
    """The command, which is one process for one worker."""
    log = ["--access-logfile", str(launch.access_log)] if launch.access_log else ["--no-access-log"]
    return [
        *(launch.executable("asgiworker"), APPLICATION),
        *("--bind", launch.bind, "--workers", str(launch.workers), "--loop", "uvloop"),
        *launch.tls("--certfile", "--keyfile"),
        *log,
    ]


def gunicorn(worker_class: str, *options: str, http2: tuple[str, ...] = ()) -> Callable[[Launch], list[str]]:
    """Gunicorn's arbiter around a worker class, with options for it and for its HTTP/2."""

    def command(launch: Launch) -> list[str]:
        log = ["--access-logfile", str(launch.access_log)] if launch.access_log else []
        return [
            *(launch.executable("gunicorn"), APPLICATION, "--worker-class", worker_class),
            *("--bind", launch.bind, "--workers", str(launch.workers), "--keep-alive", "75"),
            *("--no-control-socket", *options, *(http2 if launch.http2 else ())),
            *launch.tls("--certfile", "--keyfile"),
            *log,
        ]

    return command


def uvicorn(launch: Launch) -> list[str]:
    """httptools and uvloop, zttp where it must be HTTP/2; its access log goes to standard output."""
    log = "--access-log" if launch.access_log else "--no-access-log"
    return [
        *(launch.executable("uvicorn"), APPLICATION, "--host", "127.0.0.1", "--port", str(launch.port)),
        *("--workers", str(launch.workers), "--loop", "uvloop"),
        *(("--http", "zttp", "--http2") if launch.http2 else ("--http", "httptools")),
        *("--ws", "websockets-sansio" if launch.websocket else "none"),
        *("--no-proxy-headers", "--timeout-keep-alive", "75", log),
        *launch.tls("--ssl-certfile", "--ssl-keyfile"),
    ]


def granian(launch: Launch) -> list[str]:
    """As its own benchmarks run it, with one runtime thread; the access log goes to standard output."""
    log = "--access-log" if launch.access_log else "--no-access-log"
    return [
        *(launch.executable("granian"), APPLICATION, "--host", "127.0.0.1", "--port", str(launch.port)),
        *("--workers", str(launch.workers), "--interface", "asgi", "--loop", "uvloop"),
        "--ws" if launch.websocket else "--no-ws",
        *("--http", "auto" if launch.http2 else "1"),
        *("--runtime-mode", "st", "--runtime-threads", "1", "--runtime-blocking-threads", "1"),
        *("--backpressure", "8192", "--http1-header-read-timeout", "60000", log),
        *launch.tls("--ssl-certificate", "--ssl-keyfile"),
    ]


def hypercorn(launch: Launch) -> list[str]:
    """uvloop; h11 is the only parser it has."""
    log = ["--access-logfile", str(launch.access_log)] if launch.access_log else []
    return [
        *(launch.executable("hypercorn"), APPLICATION, "--bind", launch.bind),
        *("--workers", str(launch.workers), "--worker-class", "uvloop", "--keep-alive", "75"),
        *("--backlog", "2048", *launch.tls("--certfile", "--keyfile"), *log),
    ]


#: Its command has no options for these; the values are those of its author's own benchmarks.
FASTPYSGI = """
import fastpysgi
from benchmarks.app import app
fastpysgi.server.backlog = 4096
fastpysgi.server.loop_timeout = 1
fastpysgi.server.read_buffer_size = 256 * 1024
fastpysgi.run(app, host="127.0.0.1", port={port}, workers={workers}, loglevel=0)
"""


def fastpysgi(launch: Launch) -> list[str]:
    """C on libuv; polls both event loops in turn, which costs CPU time while it waits for the application."""
    code = FASTPYSGI.format(port=launch.port, workers=launch.workers)
    return [launch.executable("python"), "-c", code.strip()]


def h2corn(launch: Launch) -> list[str]:
    """Rust; the access log goes to standard error."""
    log = "--access-log" if launch.access_log else "--no-access-log"
    return [
        *(launch.executable("h2corn"), APPLICATION, "--bind", launch.bind),
        *("--workers", str(launch.workers), "--loop", "uvloop", log),
        *launch.tls("--certfile", "--keyfile"),
    ]


def daphne(launch: Launch) -> list[str]:
    """Twisted. It logs every request to standard output if not told otherwise."""
    log = ["--access-log", str(launch.access_log)] if launch.access_log else []
    return [
        *(launch.executable("daphne"), "--bind", "127.0.0.1", "--port", str(launch.port)),
        *("--verbosity", "0", *log, APPLICATION),
    ]


def floor(launch: Launch) -> list[str]:
    """The bare protocol of `benchmarks.floor`."""
    certificate = [str(path) for path in launch.certificate or ()]
    return [launch.executable("python"), "-m", "benchmarks.floor", str(launch.port), *certificate]


PEERS = (
    Peer(
        name="asgiworker",
        title="asgiworker",
        requirements=(),
        command=asgiworker,
        speaks_http2=True,
        is_ours=True,
    ),
    Peer(
        name="asgiworker-gunicorn",
        title="asgiworker + Gunicorn",
        requirements=("gunicorn==27.0.1",),
        command=gunicorn("asgiworker.ASGIWorker"),
        is_ours=True,
    ),
    Peer(
        name="h2corn",
        title="h2corn",
        requirements=("h2corn[uvloop]==2.0.0",),
        command=h2corn,
        speaks_http2=True,
    ),
    Peer(
        name="fastpysgi",
        title="fastpysgi",
        requirements=("fastpysgi==0.6",),
        command=fastpysgi,
        logs_access=False,
        lacks={"stream": "a response in several messages never ends"},
    ),
    Peer(
        name="granian",
        title="granian",
        requirements=("granian[uvloop]==2.8.7",),
        command=granian,
        lacks={"deflate": "doesn't compress"},
        speaks_http2=True,
    ),
    Peer(
        name="uvicorn",
        title="uvicorn",
        requirements=("uvicorn==0.54.0", "httptools", "uvloop", "websockets", "zttp==0.0.35"),
        command=uvicorn,
        speaks_http2=True,
        note="HTTP/2 by zttp, which it calls experimental",
    ),
    Peer(
        name="uvicorn-worker",
        title="uvicorn + Gunicorn",
        requirements=("uvicorn-worker==0.4.0", "gunicorn==27.0.1", "httptools", "uvloop"),
        command=gunicorn("uvicorn_worker.UvicornWorker"),
        note="under Gunicorn by uvicorn-worker, whose proxy headers can't be switched off",
    ),
    Peer(
        name="gunicorn",
        title="gunicorn asgi",
        requirements=("gunicorn==27.0.1", "gunicorn_h1c", "h2", "uvloop"),
        command=gunicorn(
            *("asgi", "--asgi-loop", "uvloop", "--http-parser", "auto"),
            http2=("--http-protocols", "h2,h1", "--http2-cleartext", "both"),
        ),
        speaks_http2=True,
        lacks={"deflate": "doesn't compress"},
    ),
    Peer(
        name="hypercorn",
        title="hypercorn",
        requirements=("hypercorn[uvloop]==0.18.0",),
        command=hypercorn,
        lacks={"handshakes": "h2load takes its status line, which has no reason phrase, for an error"},
        speaks_http2=True,
    ),
    Peer(
        name="daphne",
        title="daphne",
        requirements=("daphne==4.2.3",),
        command=daphne,
        forks=False,
    ),
    Peer(
        name="floor",
        title="the floor",
        requirements=("uvloop", "hpack"),
        command=floor,
        logs_access=False,
        forks=False,
        speaks_http2=True,
        is_server=False,
        lacks={"pause": "no application, no timer", "deflate": "doesn't compress"},
        note="a bare uvloop protocol that answers a constant",
    ),
)


#: What our clients need: a certificate, and an event loop for the WebSockets.
CLIENTS = ("trustme", "uvloop")


def requirements() -> list[str]:
    """What to install for all of them."""
    return sorted({*CLIENTS, *(requirement for peer in PEERS for requirement in peer.requirements)})
