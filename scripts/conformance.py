"""Serves an echo with asgiworker, and runs the cases of the Autobahn testsuite against it.

The cases are Autobahn's own files; `kosoku` runs them. Every case ends in two verdicts, on what was answered
and on how the connection was closed. Only "OK" and "informational" (where the RFC leaves the behaviour open)
count as passed: "non-strict" is what a server may do and shouldn't.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme

if TYPE_CHECKING:
    from kosoku._kosoku import CaseResult

SECTIONS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "closing",
    "9": "limits and performance",
    "10": "automatic fragmentation",
    "12": "compression of several kinds of data",
    "13": "compression with several parameters",
}
VERDICTS = ("passed", "non-strict", "informational", "failed")
PATIENCE = 30.0  # seconds for a stop that normally takes milliseconds
TROUBLE = re.compile(r"\[(?:WARNING|ERROR|CRITICAL)\]|^Traceback", re.MULTILINE)

Message = dict[str, Any]


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Sends every message back as it came."""
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    try:
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
    except OSError:
        pass  # the client has left


def verdict(result: CaseResult) -> str:
    """One of `VERDICTS`: the worse of the case's two."""
    verdicts = {result.behavior.value, result.behavior_close.value}
    if verdicts <= {"OK"}:
        return "passed"
    if verdicts <= {"OK", "INFORMATIONAL"}:
        return "informational"
    return "non-strict" if verdicts <= {"OK", "INFORMATIONAL", "NON-STRICT"} else "failed"


@contextmanager
def certified() -> Iterator[tuple[list[str], ssl.SSLContext]]:
    """The options of a server that speaks TLS, and the context of a client that trusts it."""
    authority, trusting = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trusting)
    with tempfile.NamedTemporaryFile(suffix=".pem") as written:
        written.write(authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes())
        written.flush()
        yield ["--certfile", written.name], trusting


@contextmanager
def served(options: Sequence[str], trusting: ssl.SSLContext | None) -> Iterator[int]:
    """The echo in a process of its own; yields its port. It must end well, with nothing to complain of."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "asgiworker", "conformance:app", *options),
                *("--app-dir", str(Path(__file__).parent), "--no-access-log", "--lifespan", "off"),
                *("--bind", f"fd://{listener.fileno()}"),
            ],
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        await_answer(port, trusting)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            log, _ = server.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            log, _ = server.communicate()
        if server.returncode or TROUBLE.search(log):
            sys.exit(f"{log}\nThe server ended with {server.returncode}; its log is above.")


def await_answer(port: int, trusting: ssl.SSLContext | None) -> None:
    """Wait until the server has opened a WebSocket."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    client = socket.create_connection(("127.0.0.1", port), PATIENCE)
    if trusting is not None:
        client = trusting.wrap_socket(client, server_hostname="127.0.0.1")
    with client:
        client.sendall(
            f"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        if not client.recv(1024).startswith(b"HTTP/1.1 101 "):
            sys.exit("The server opens no WebSocket")


@asynccontextmanager
async def unwrapped(port: int, trusting: ssl.SSLContext) -> AsyncIterator[int]:
    """A relay that takes the TLS off, for the runner speaks ws:// only; yields its port."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        await asyncio.gather(pump(reader, server_writer), pump(server_reader, writer))

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as relaying:
        yield relaying.sockets[0].getsockname()[1]


def mend(cases: list[str]) -> None:
    """Make the compression cases take a message that a server has sent uncompressed, as it may (RFC 7692 §6).

    The runner gives them such a message as text, and every other as the bytes that they compare.
    """
    from kosoku.cases import CASES

    def taking_text(on_message: Callable[[Any, bytes, bool], None]) -> Callable[[Any, Any, bool], None]:
        def taken(case: Any, message: Any, binary: bool) -> None:
            if isinstance(message, str):
                message = message.encode("latin-1" if binary else "utf-8")
            on_message(case, message, binary)

        return taken

    for name in cases:
        if name.startswith(("12.", "13.")):
            CASES[name].onMessage = taking_text(CASES[name].onMessage)


async def run_section(url: str, cases: list[str], concurrency: int) -> list[CaseResult]:
    """Run these cases, all of one section."""
    from kosoku import FailureError, run_fuzzingclient

    try:
        return await run_fuzzingclient(url, cases, concurrency=concurrency)
    except FailureError as failure:
        return failure.results


def selected(patterns: Sequence[str]) -> dict[str, list[str]]:
    """The cases that match one of the patterns, by section."""
    from kosoku.cases import CASES

    chosen: dict[str, list[str]] = {}
    for case in CASES:
        if any(fnmatchcase(case, pattern) for pattern in patterns):
            chosen.setdefault(case.partition(".")[0], []).append(case)
    return chosen


async def run(url: str, sections: dict[str, list[str]], concurrency: int, verbose: bool) -> Counter[str]:
    """Run the cases section by section, print a line for each, and what went wrong. Counts the verdicts."""
    total: Counter[str] = Counter()
    print(f"{'section':42}", *(f"{name:>13}" for name in VERDICTS), f"{'seconds':>9}")
    for number, cases in sections.items():
        mend(cases)
        began = time.monotonic()
        results = await run_section(url, cases, concurrency)
        if len(results) != len(cases):
            sys.exit(f"{len(cases)} cases were to be run in section {number}, and {len(results)} were")
        counted = Counter(verdict(result) for result in results)
        total += counted
        row(f"{number:>2} {SECTIONS.get(number, '')}", counted, time.monotonic() - began)
        for result in results:
            if verbose or verdict(result) in ("non-strict", "failed"):
                explain(result)
    row("all", total, None)
    return total


def row(title: str, counted: Counter[str], seconds: float | None) -> None:
    """Print a line of the summary."""
    took = "" if seconds is None else f"{seconds:9.1f}"
    print(f"{title:42}", *(f"{counted[name]:13}" for name in VERDICTS), took, flush=True)


def explain(result: CaseResult) -> None:
    """Print what a case was about, and how it went."""
    print(f"   {result.case_id}: {result.behavior.value}, closing {result.behavior_close.value}")
    print(f"      {' '.join(re.sub('<[^>]*>', ' ', result.description).split())[:300]}")
    print(f"      expected: {' '.join(re.sub('<[^>]*>', ' ', result.expectation).split())[:300]}")
    print(f"      {result.result}")
    print(
        f"      {result.result_close}; client closed with {result.local_close_code}, "
        f"server with {result.remote_close_code} {result.remote_close_reason or ''}",
        flush=True,
    )


async def conform(arguments: argparse.Namespace, sections: dict[str, list[str]]) -> Counter[str]:
    """Serve, run the cases, and count the verdicts."""
    concurrency, verbose = arguments.concurrency, arguments.verbose
    if not arguments.tls:
        with served(arguments.options, None) as port:
            return await run(f"ws://127.0.0.1:{port}", sections, concurrency, verbose)
    with certified() as (options, trusting), served([*options, *arguments.options], trusting) as port:
        async with unwrapped(port, trusting) as plain:
            return await run(f"ws://127.0.0.1:{plain}", sections, concurrency, verbose)


def main() -> None:
    """The command behind scripts/autobahn."""
    parser = argparse.ArgumentParser(
        prog="scripts/autobahn", description="Run the Autobahn testsuite's cases against asgiworker."
    )
    parser.add_argument(
        "--cases",
        type=lambda text: text.split(","),
        default=["*"],
        metavar="PATTERN,…",
        help="cases to run, such as '1.*,7.1.5'; all unless given",
    )
    parser.add_argument("--concurrency", type=int, default=2, help="cases run at a time (default: 2)")
    parser.add_argument("--tls", action="store_true", help="wss:// in place of ws://")
    parser.add_argument("--verbose", action="store_true", help="explain also the cases that were passed")
    parser.add_argument("options", nargs="*", metavar="-- OPTION", help="options of asgiworker")
    arguments = parser.parse_args()
    sections = selected(arguments.cases)
    if not sections:
        parser.error(f"no case matches {','.join(arguments.cases)}")
    total = asyncio.run(conform(arguments, sections))
    if bad := total["non-strict"] + total["failed"]:
        sys.exit(f"{bad} of {total.total()} cases were not passed strictly")


if __name__ == "__main__":
    main()
