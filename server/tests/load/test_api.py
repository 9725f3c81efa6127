"""The ways in from Python: `running`, `serve` and `run`."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

import asgiworker
from asgiworker import LifespanFailed
from asgiworker.asgi.types import Receive, Scope, Send
from asgiworker.process.mistakes import BindError, Mistake, SettingsError

if TYPE_CHECKING:
    pass

GET = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def says(text: str) -> Any:
    """An application that says `text`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": text.encode()})

    return app


async def body(connect: Any, url: str) -> bytes:
    """The body of an answer."""
    client = await connect(url)
    await client.send(GET)
    received: bytes = await client.rest()
    return received.partition(b"\r\n\r\n")[2]


# --- running ------------------------------------------------------------------------------------------------


async def test_running_serves_on_a_free_port_and_says_where(connect: Any) -> None:
    async with asgiworker.running(says("hello")) as server:
        parts = urlsplit(server.url)
        assert (parts.scheme, parts.hostname, parts.path) == ("http", "127.0.0.1", "")
        assert parts.port not in (None, 0, 8000)
        assert server.addresses == [server.url]
        assert await body(connect, server.url) == b"hello"


async def test_running_serves_on_several_addresses_of_all_kinds(connect: Any, tmp_path: Path) -> None:
    bind = ["127.0.0.1:0", "[::1]:0", f"unix:{tmp_path}/socket"]
    async with asgiworker.running(says("hello"), bind=bind) as server:
        assert len(server.addresses) == 3
        assert server.addresses[0] == server.url
        assert server.addresses[1].startswith("http://[::1]:")
        assert server.addresses[2] == f"unix:{tmp_path}/socket"
        for address in server.addresses:
            assert await body(connect, address) == b"hello"
    assert not (tmp_path / "socket").exists()


async def test_the_url_of_a_server_with_tls_says_so(certificate: dict[str, str]) -> None:
    async with asgiworker.running(says("hello"), **certificate) as server:
        assert server.url.startswith("https://127.0.0.1:")


async def test_several_servers_run_in_one_loop(connect: Any) -> None:
    async with (
        asgiworker.running(says("one")) as one,
        asgiworker.running(says("two"), root_path="/two") as two,
        asgiworker.running(says("three"), limit_body=1) as three,
    ):
        assert len({one.url, two.url, three.url}) == 3
        for server, text in ((one, b"one"), (two, b"two"), (three, b"three")):
            assert await body(connect, server.url) == text


async def test_a_server_can_be_started_where_another_has_stopped(connect: Any) -> None:
    async with asgiworker.running(says("one")) as server:
        port = urlsplit(server.url).port
    with pytest.raises(ConnectionRefusedError):
        await connect(server.url)
    async with asgiworker.running(says("two"), port=port) as server:
        assert await body(connect, server.url) == b"two"


async def test_a_port_in_use_is_a_mistake_that_names_it_and_nothing_is_started() -> None:
    calls: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope["type"])

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BindError, match=str(port)) as error:
            async with asgiworker.running(app, port=port):
                pytest.fail("it started")
    assert isinstance(error.value, Mistake)
    assert calls == []


async def test_of_several_addresses_none_stays_open_when_one_is_taken(connect: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
        probe.close()
        with pytest.raises(BindError):
            async with asgiworker.running(
                says(""), bind=[f"127.0.0.1:{free}", f"127.0.0.1:{taken.getsockname()[1]}"]
            ):
                pytest.fail("it started")
        with pytest.raises(ConnectionRefusedError):
            await connect(f"http://127.0.0.1:{free}")


async def test_a_startup_that_fails_raises_and_leaves_the_port_free(connect: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "not today"})

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(LifespanFailed, match="not today"):
        async with asgiworker.running(app, port=port):
            pytest.fail("it started")
    async with asgiworker.running(says("hello"), port=port) as server:
        assert await body(connect, server.url) == b"hello"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"keep_alive_forever": 1}, "keep_alive_forever"),
        ({"keepalive": "long"}, "keepalive"),
        ({"port": -1}, "port"),
    ],
)
async def test_a_wrong_setting_is_a_mistake_that_names_it(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        async with asgiworker.running(says(""), **settings):
            pytest.fail("it started")


async def test_running_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGIWORKER_ROOT_PATH", "/from/outside")
    monkeypatch.setenv("PORT", "1")
    async with asgiworker.running(says("")) as server:
        assert server.settings.root_path == ""
        assert urlsplit(server.url).port != 1


async def test_running_touches_neither_signals_nor_logging() -> None:
    def handlers() -> list[Any]:
        return [
            signal.getsignal(number)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
        ]

    def loggers() -> list[Any]:
        names = ("", "asgiworker", "asgiworker.server", "asgiworker.asgi", "asgiworker.access")
        return [
            (logger.level, logger.propagate, [*logger.handlers]) for logger in map(logging.getLogger, names)
        ]

    before = handlers(), loggers()
    async with asgiworker.running(says("")):
        assert (handlers(), loggers()) == before
    assert (handlers(), loggers()) == before


async def test_running_leaves_no_task_and_no_timer_behind() -> None:
    before = asyncio.all_tasks()
    async with asgiworker.running(says("")):
        pass
    assert asyncio.all_tasks() == before


async def test_what_the_block_raises_passes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        async with asgiworker.running(says("")):
            raise ZeroDivisionError


async def test_running_writes_no_access_log_unless_it_is_told_to(
    connect: Any, tmp_path: Path, capfd: Any
) -> None:
    async with asgiworker.running(says("")) as server:
        await body(connect, server.url)
    assert capfd.readouterr().out == ""
    log = tmp_path / "access.log"
    async with asgiworker.running(says(""), accesslog=str(log)) as server:
        await body(connect, server.url)
    assert '"GET / HTTP/1.1" 200 ' in log.read_text()


async def test_running_serves_wsgi_and_asgi_2_applications(connect: Any) -> None:
    def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("content-type", "text/plain")])
        return [b"wsgi"]

    def asgi2(scope: Scope) -> Any:
        async def instance(receive: Receive, send: Send) -> None:
            await says("asgi2")(scope, receive, send)

        return instance

    for app, text in ((wsgi, b"wsgi"), (asgi2, b"asgi2")):
        async with asgiworker.running(app) as server:
            assert await body(connect, server.url) == text


# --- serve --------------------------------------------------------------------------------------------------


async def test_serve_raises_what_is_wrong_before_it_serves() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "not today"})

    with pytest.raises(LifespanFailed, match="not today"):
        await asgiworker.serve(app, port=0)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BindError):
        await asgiworker.serve(app, port=taken.getsockname()[1])


async def test_serve_with_an_event_that_is_set_already_starts_and_stops() -> None:
    shutdown = asyncio.Event()
    shutdown.set()
    await asyncio.wait_for(asgiworker.serve(says(""), port=0, shutdown=shutdown), 10)


# --- run ----------------------------------------------------------------------------------------------------

PROGRAM = """
import asgiworker, sys

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        message = await receive()
        if "fail" in sys.argv:
            await send({"type": "lifespan.startup.failed", "message": "not today"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("the lifespan has shut down", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})

if __name__ == "__main__":
    sys.exit(asgiworker.run("program:app" if "name" in sys.argv else app, port=0, accesslog=None))
"""


@pytest.fixture
def program(tmp_path: Path) -> Any:
    """Start a program that calls `asgiworker.run()`."""
    (tmp_path / "program.py").write_text(PROGRAM)
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "program.py", *arguments],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("arguments", [(), ("name",)], ids=["an application", "its name"])
def test_run_serves_until_a_signal_and_returns_the_exit_code(
    program: Any, arguments: tuple[str, ...]
) -> None:
    process = program(*arguments)
    line = process.stdout.readline()
    while "http://" not in line:
        assert line, "it ended"
        line = process.stdout.readline()
    port = int(line.partition("http://127.0.0.1:")[2].split()[0].strip(",()"))
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(GET)
        assert b"".join(iter(lambda: sock.recv(1000), b"")).endswith(b"\r\n\r\nhello")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "the lifespan has shut down" in output


def test_run_returns_3_when_the_application_does_not_start(program: Any) -> None:
    process = program("fail")
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 3
    assert "not today" in output
    assert "Traceback" not in output
