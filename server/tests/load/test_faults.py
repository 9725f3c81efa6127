"""A fault in the server's own code costs one connection: it is logged and counted, and all else goes on."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import asgiworker
from asgiworker.asgi.exchange import Exchange
from asgiworker.asgi.types import Receive, Scope, Send
from asgiworker.process.access import AccessLog
from asgiworker.protocols.connection import Connection
from asgiworker.protocols.http1.connection import HTTP1Connection
from asgiworker.protocols.http1.head import HeadParser

if TYPE_CHECKING:
    from server.tests.load.conftest import Until

pytestmark = pytest.mark.every_python

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello"


class Fault(Exception):
    """What we break the server with."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers in two parts, a turn of the loop apart, what it was sent."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"hello", "more_body": True})
    await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": body})


class Breaking:
    """A function that works so many times, raises once, and then works again."""

    def __init__(self, works: Any, times: int = 0) -> None:
        self.works = works
        self.times = times
        self.broken = asyncio.Event()

    def __get__(self, instance: object, owner: type) -> Any:
        return lambda *arguments, **keys: self(instance, *arguments, **keys)

    def __call__(self, *arguments: Any, **keys: Any) -> Any:
        self.times -= 1
        if self.times == -1:
            self.broken.set()
            raise Fault
        return self.works(*arguments, **keys)


@pytest.mark.parametrize(
    ("owner", "name", "request_bytes"),
    [
        pytest.param(Connection, "connection_made", LAST, id="while a client connects"),
        pytest.param(HeadParser, "parse", LAST, id="while a head is parsed"),
        pytest.param(HTTP1Connection, "begin", LAST, id="while a request begins"),
        pytest.param(HTTP1Connection, "receive_head", GET[:10], id="while a head comes"),
        pytest.param(HTTP1Connection, "receive_body", POST, id="while a body comes"),
        pytest.param(HTTP1Connection, "expect_body", POST, id="while a body is expected"),
        pytest.param(Exchange, "feed", POST, id="while a body is handed over"),
        pytest.param(HTTP1Connection, "send_head", LAST, id="while a head is sent"),
        pytest.param(HTTP1Connection, "send_data", LAST, id="while a part is sent"),
        pytest.param(HTTP1Connection, "flush", LAST, id="while parts are flushed"),
        pytest.param(HTTP1Connection, "finish", LAST, id="while a response is finished"),
        pytest.param(HTTP1Connection, "refuse", b"nonsense\r\n\r\n", id="while a request is refused"),
        pytest.param(HTTP1Connection, "advance", GET + GET, id="while a connection goes on"),
        pytest.param(HTTP1Connection, "sweep", b"", id="in the sweep"),
    ],
)
async def test_a_fault_ends_one_connection_and_nothing_else(
    connect: Any,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    owner: type,
    name: str,
    request_bytes: bytes,
) -> None:
    async with asgiworker.running(app, lifespan="off", timeout_first_byte=0.1, graceful_timeout=1) as server:
        other = await connect(server.url)
        await other.send(GET)
        await other.head()
        assert await other.exactly(len(b"5\r\nhello\r\n0\r\n\r\n"))
        breaking = Breaking(getattr(owner, name), times=1 if request_bytes == GET + GET else 0)
        monkeypatch.setattr(owner, name, breaking)
        client = await connect(server.url)
        try:
            await client.send(request_bytes)
            await asyncio.wait_for(breaking.broken.wait(), 10)
            received = await client.rest()
        except ConnectionResetError:
            received = b""
        assert b"\r\n0\r\n\r\n" not in received or request_bytes == GET + GET
        # It was noticed ...
        assert [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert any(record.exc_info and record.exc_info[0] is Fault for record in caplog.records)
        # ... and the others, old and new, are served.
        await other.send(GET)
        assert (await other.head()).startswith(b"HTTP/1.1 200 ")
        again = await connect(server.url)
        await again.send(POST)
        assert (await again.head()).startswith(b"HTTP/1.1 200 ")
        for each in (other, again):
            await each.close()
        await until(lambda: not server.service.connections and not server.service.running)


async def test_faults_are_counted_and_logged_with_their_traceback(
    connect: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any) -> None:
        raise Fault("so it goes")

    async with asgiworker.running(app, lifespan="off", graceful_timeout=1) as server:
        monkeypatch.setattr(HTTP1Connection, "begin", broken)
        for number in range(1, 4):
            client = await connect(server.url)
            await client.send(GET)
            try:
                assert await client.rest() == b""
            except ConnectionResetError:
                pass
            assert server.service.failures == number
    records = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in records] == ["asgiworker.server"] * 3
    assert all(record.exc_info is not None and record.exc_info[0] is Fault for record in records)


async def test_a_fault_in_the_access_log_does_not_stop_the_clock(
    connect: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    breaking = Breaking(AccessLog.flush)
    monkeypatch.setattr(AccessLog, "flush", breaking)
    log = tmp_path / "access.log"
    async with asgiworker.running(
        app, lifespan="off", graceful_timeout=1, accesslog=str(log), timeout_first_byte=0.1
    ) as server:
        client = await connect(server.url)
        await client.send(LAST)
        await client.rest()
        await asyncio.wait_for(breaking.broken.wait(), 10)
        assert await (await connect(server.url)).rest() == b""  # the deadlines hold
    assert any(record.exc_info and record.exc_info[0] is Fault for record in caplog.records)
    assert log.read_text().count("GET / HTTP/1.1") == 1
