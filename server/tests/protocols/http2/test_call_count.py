"""What a request costs on HTTP/2, counted as for HTTP/1.1: Python-level calls of our own code."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import ngh2
import pytest

import asgiworker
from asgiworker.protocols.http2.connection import HTTP2Connection

if TYPE_CHECKING:
    from asgiworker.asgi.types import Receive, Scope, Send
    from server.tests.protocols.conftest import OpenWire

pytestmark = pytest.mark.every_python

OURS = str(Path(asgiworker.__file__).parent)
AT_ONCE = 16
# Calls for each request of those that come together, and for the bytes that they come in.
BUDGET = 12 if sys.version_info >= (3, 12) else 14
BUDGET_TOGETHER = 10
GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"127.0.0.1:8000")]


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """The application that every benchmark begins with."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"13")],
        }
    )
    await send({"type": "http.response.body", "body": b"Hello, world!"})


class Client(asyncio.Transport):
    """The other end: what is written comes to an HTTP/2 client without a network."""

    def __init__(self, open_wire: OpenWire, **arguments: Any) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 8000)})
        self.engine = ngh2.Connection(ngh2.Role.CLIENT)
        self.engine.initiate_connection()
        wire = open_wire(hello, **arguments)
        self.protocol: Any = wire.connection
        self.protocol.transport = self
        self.written = b""
        self.speak()
        assert type(self.protocol) is HTTP2Connection

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """From now on this one gets the bytes."""
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it for later, so that the client's work isn't counted."""
        self.written += bytes(data)

    def is_closing(self) -> bool:
        """Never."""
        return False

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def speak(self) -> None:
        """Until both sides have nothing more to say."""
        while True:
            self.engine.receive_data(self.written)
            self.written = b""
            data = self.engine.data_to_send()
            if not data:
                return
            self.protocol.data_received(data)

    async def calls(self, requests: int, path: bytes = b"/") -> list[str]:
        """What so many requests, sent together, call in all."""
        for _ in range(requests):
            self.engine.send_request([*GET, (b":path", path)], end_stream=True)
        data = self.engine.data_to_send()
        self.engine.events()
        with counted() as calls:
            self.protocol.data_received(data)
            for _ in range(5):
                await asyncio.sleep(0)
        self.speak()
        answers = [event for event in self.engine.events() if isinstance(event, ngh2.DataReceived)]
        assert [answer.data for answer in answers] == [b"Hello, world!"] * requests
        assert not self.protocol.streams
        assert self.protocol.service.failures == 0
        return calls


@contextlib.contextmanager
def counted() -> Iterator[list[str]]:
    """The functions of ours that are called, or coroutines resumed, inside of the block."""
    calls: list[str] = []

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            calls.append(frame.f_code.co_qualname)

    sys.setprofile(profile)
    try:
        yield calls
    finally:
        sys.setprofile(None)


async def test_hellos_that_come_together_cost_no_more_calls_than_they_may(open_wire: OpenWire):
    client = Client(open_wire)
    await client.calls(AT_ONCE)
    calls = await client.calls(AT_ONCE)
    assert len(calls) <= AT_ONCE * BUDGET + BUDGET_TOGETHER, f"{len(calls)} calls: {calls}"
    # And each time the same.
    for _ in range(5):
        assert await client.calls(AT_ONCE) == calls


async def test_a_single_hello_costs_no_more_either(open_wire: OpenWire):
    client = Client(open_wire)
    await client.calls(1)
    assert len(await client.calls(1)) <= BUDGET + BUDGET_TOGETHER


async def test_a_path_that_is_new_costs_nothing(open_wire: OpenWire):
    client = Client(open_wire)
    await client.calls(AT_ONCE)
    plain = await client.calls(AT_ONCE)
    assert await client.calls(AT_ONCE, b"/another?one") == plain


async def test_the_access_log_costs_one_call_more(open_wire: OpenWire):
    entries: list[Any] = []
    plain, logged = Client(open_wire), Client(open_wire, record=entries.append)
    for client in (plain, logged):
        await client.calls(AT_ONCE)
    assert len(await logged.calls(AT_ONCE)) <= len(await plain.calls(AT_ONCE)) + AT_ONCE
    assert len(entries) == 2 * AT_ONCE
