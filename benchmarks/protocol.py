"""The protocol alone, without a kernel: request bytes go into a connection, and what it writes goes nowhere.

Prints CPU microseconds per request (or message of a WebSocket), loop and application included, and how many
Python-level calls one costs: in the server's own code, and in what else of Python it goes through.

    python -m benchmarks.protocol [--servers asgiworker,uvicorn] [--rows hello,echo,stream,message] [--calls]

Runs in the environment that scripts/bench makes.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType

from benchmarks.app import app
from benchmarks.report import table

CONNECTIONS = 64
#: Turns of the loop within which each answer must be complete.
PATIENCE = 100

HEAD = b"Host: 127.0.0.1:8000\r\nUser-Agent: benchmark\r\nAccept: */*\r\n"
REQUESTS = {
    "hello": b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n",
    "echo": b"POST /echo HTTP/1.1\r\n" + HEAD + b"Content-Length: 10240\r\n\r\n" + b"x" * 10_240,
    "stream": b"GET /stream HTTP/1.1\r\n" + HEAD + b"\r\n",
    "message": b"\x81\x90" + bytes(4) + b"x" * 16,  # a text of 16 bytes, masked with zeros
}
#: What opens a WebSocket first, in the rows of messages.
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\n" + HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MESSAGES = frozenset(("message",))


class Sink(asyncio.Transport):
    """A transport whose client reads at once whatever is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 8000)})
        self.received = 0
        self.closed = False
        self.protocol: asyncio.BaseProtocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self.protocol is not None
        return self.protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.received += len(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        for data in list_of_data:
            self.received += len(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_reading(self) -> bool:
        return True

    def pause_reading(self) -> None:
        """Nothing comes unless we send it."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def get_write_buffer_size(self) -> int:
        return 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return 16_384, 65_536

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered."""


# -- The servers ---------------------------------------------------------------------------------------------

Connect = Callable[[], asyncio.Protocol]


def asgiworker(loop: asyncio.AbstractEventLoop) -> Connect:
    """Our HTTP/1.1 connection, as the command makes it, without an access log."""
    from asgiworker.process.settings import Settings
    from asgiworker.protocols.http1.connection import HTTP1Connection
    from asgiworker.protocols.service import Service

    service = Service(app, Settings(), loop)
    return lambda: HTTP1Connection(service)


def uvicorn(loop: asyncio.AbstractEventLoop) -> Connect:
    """uvicorn's connection on httptools, with the Date and Server fields that its server sets each second."""
    from uvicorn.config import Config  # type: ignore[import-not-found, unused-ignore]
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # type: ignore[import-not-found, unused-ignore]
    from uvicorn.server import ServerState  # type: ignore[import-not-found, unused-ignore]

    ws = "websockets-sansio"
    config = Config(app, http="httptools", ws=ws, access_log=False, proxy_headers=False, log_config=None)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"Sun, 22 Nov 2026 12:00:00 GMT"), (b"server", b"uvicorn")]
    return lambda: HttpToolsProtocol(config, state, {}, _loop=loop)


SERVERS: dict[str, Callable[[asyncio.AbstractEventLoop], Connect]] = {
    "asgiworker": asgiworker,
    "uvicorn": uvicorn,
}


# -- The measuring -------------------------------------------------------------------------------------------


class Load:
    """Some connections of one server, fed with the same request side by side."""

    def __init__(self, connect: Connect, request: bytes, connections: int = CONNECTIONS) -> None:
        self.request = request
        self.sinks = [Sink() for _ in range(connections)]
        self.protocols = [connect() for _ in self.sinks]
        for protocol, sink in zip(self.protocols, self.sinks, strict=True):
            sink.set_protocol(protocol)
            protocol.connection_made(sink)
        #: Bytes of one answer, once it is known.
        self.answer = 0

    async def open(self) -> None:
        """Make a WebSocket of each connection, which is another protocol's then."""
        for protocol in self.protocols:
            protocol.data_received(HANDSHAKE)
        for _ in range(PATIENCE):
            await asyncio.sleep(0)
        self.protocols = [sink.protocol for sink in self.sinks]  # type: ignore[misc]

    async def learn(self) -> None:
        """Find out how long an answer is: all that comes within some turns of the loop."""
        first = self.sinks[0]
        before = first.received
        self.protocols[0].data_received(self.request)
        for _ in range(PATIENCE):
            await asyncio.sleep(0)
        self.answer = first.received - before
        if not self.answer or first.closed:
            raise SystemExit("the server didn't answer, or closed the connection")

    async def turn(self) -> None:
        """One request on every connection, and all the answers."""
        due = [sink.received + self.answer for sink in self.sinks]
        request = self.request
        for protocol in self.protocols:
            protocol.data_received(request)
        for _ in range(PATIENCE):
            await asyncio.sleep(0)
            if all(sink.received >= expected for sink, expected in zip(self.sinks, due, strict=True)):
                return
        raise SystemExit("an answer is missing")

    async def microseconds(self, requests: int = 4_000) -> float:
        """CPU time per request."""
        turns = max(1, requests // len(self.sinks))
        began = time.process_time()
        for _ in range(turns):
            await self.turn()
        return (time.process_time() - began) / (turns * len(self.sinks)) * 1e6


@contextmanager
def calls_counted(counted: Counter[CodeType]) -> Iterator[None]:
    """Count the Python-level calls of this thread; a coroutine that goes on counts as one, too."""

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            counted[frame.f_code] += 1

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)


async def calls(load: Load, package: str, turns: int = 20) -> tuple[Counter[str], Counter[str]]:
    """Python-level calls per request by function: those in the server's package, and all others.

    Those of the benchmark itself are left out, and what doesn't happen in every second request at least.
    """
    counted: Counter[CodeType] = Counter()
    with calls_counted(counted):
        for _ in range(turns):
            await load.turn()
    requests = turns * len(load.sinks)
    own: Counter[str] = Counter()
    other: Counter[str] = Counter()
    for code, count in counted.items():
        path = Path(code.co_filename)
        if path.parent != Path(__file__).parent and round(count / requests):
            where = own if package in path.parts else other
            where[f"{path.parent.name}/{path.name} {code.co_qualname}"] += round(count / requests)
    return own, other


@dataclass(frozen=True)
class Found:
    """One server in one row: CPU microseconds per request in the rounds, Python-level calls per request."""

    server: str
    row: str
    times: list[float]
    own: Counter[str]
    other: Counter[str]


async def measure(servers: list[str], rows: list[str], rounds: int) -> list[Found]:
    """Time and calls by row and server; the servers take turns."""
    loop = asyncio.get_running_loop()
    found: list[Found] = []
    for row in rows:
        loads = {server: Load(SERVERS[server](loop), REQUESTS[row]) for server in servers}
        times: dict[str, list[float]] = {server: [] for server in servers}
        for load in loads.values():
            if row in MESSAGES:
                await load.open()
            await load.learn()
            await load.microseconds(1_000)
        for _ in range(rounds):
            for server, load in loads.items():
                times[server].append(await load.microseconds())
        for server, load in loads.items():
            found.append(Found(server, row, times[server], *await calls(load, server)))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.protocol",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--servers", default=",".join(SERVERS), help="default: %(default)s")
    parser.add_argument("--rows", default=",".join(REQUESTS), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="of 4000 requests each (default: 7)")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--calls", action="store_true", help="also say which functions are called")
    chosen = parser.parse_args()
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if chosen.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        found = runner.run(measure(chosen.servers.split(","), chosen.rows.split(","), chosen.rounds))
    lines = [
        [
            f"{one.row}, {one.server}",
            f"{statistics.median(one.times):.1f}",
            f"{min(one.times):.1f}",
            str(one.own.total()),
            str(one.other.total()),
        ]
        for one in found
    ]
    print(table(["", "µs per request", "least", "its own Python calls", "other Python calls"], lines))
    if chosen.calls:
        for one in found:
            print(f"\n{one.row}, {one.server}:")
            for name, count in (*one.own.most_common(), *one.other.most_common()):
                print(f"  {count:3}  {name}")


if __name__ == "__main__":
    main()
