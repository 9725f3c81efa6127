"""What a request costs, counted: Python-level calls of our own code. Time is noisy, this number is not.

Where an application's task starts eagerly (Python >= 3.12) a hello needs no turn of the loop; on 3.11 it
takes one, and what belongs to that is allowed for.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest

import asgiworker

if TYPE_CHECKING:
    from asgiworker.asgi.types import Receive, Scope, Send
    from server.tests.protocols.conftest import OpenWire

pytestmark = pytest.mark.every_python

OURS = str(Path(asgiworker.__file__).parent)
WRK = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
BUDGET = 12 if sys.version_info >= (3, 12) else 18


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


class Swallowing(asyncio.Transport):
    """A transport that takes what is written and does nothing with it."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Swallow."""

    def is_closing(self) -> bool:
        """Never."""
        return False


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


class Counter:
    """A connection whose requests are counted."""

    def __init__(self, open_wire: OpenWire, **arguments: Any) -> None:
        wire = open_wire(hello, **arguments)
        self.connection = wire.connection
        self.connection.transport = Swallowing()

    async def calls(self, request: bytes) -> list[str]:
        """What one request calls, its turns of the loop included."""
        with counted() as calls:
            self.connection.data_received(request)
            for _ in range(5):
                await asyncio.sleep(0)
        assert self.connection.exchange is None, "the request isn't done"
        assert self.connection.service.failures == 0
        return calls


def with_fields(number: int, value: int) -> bytes:
    """The request of wrk with more fields, whose values nobody has seen before."""
    return WRK[:-2] + b"".join(b"X-%d: %d\r\n" % (name, value) for name in range(number)) + b"\r\n"


async def test_a_hello_costs_no_more_calls_than_it_may(open_wire: OpenWire):
    counter = Counter(open_wire)
    for _ in range(10):  # the first ones teach the parser what this client sends
        calls = await counter.calls(WRK)
    assert len(calls) <= BUDGET, f"{len(calls)} calls: {calls}"
    # And each time the same.
    for _ in range(10):
        assert await counter.calls(WRK) == calls


async def test_the_fields_that_a_client_sends_again_cost_nothing(open_wire: OpenWire):
    counter = Counter(open_wire)
    await counter.calls(WRK)
    plain = await counter.calls(WRK)
    for number in (1, 5, 20):
        request = with_fields(number, 0)
        await counter.calls(request)
        assert await counter.calls(request) == plain


async def test_each_field_that_is_new_costs_one_call(open_wire: OpenWire):
    counter = Counter(open_wire)
    await counter.calls(WRK)
    costs = [len(await counter.calls(with_fields(number, value=number + 1))) for number in range(1, 20)]
    assert [after - before for before, after in itertools.pairwise(costs)] == [1] * 18


async def test_another_path_costs_no_more_than_the_one_before(open_wire: OpenWire):
    counter = Counter(open_wire)
    await counter.calls(WRK)
    plain = len(await counter.calls(WRK))
    for path in (b"/a", b"/a/b/c?d=e", b"/" + b"x" * 500):
        assert len(await counter.calls(WRK.replace(b" / ", b" " + path + b" "))) <= plain


async def test_the_access_log_costs_one_call_more(open_wire: OpenWire):
    entries: list[Any] = []
    plain, logged = Counter(open_wire), Counter(open_wire, record=entries.append)
    for counter in (plain, logged):
        await counter.calls(WRK)
    assert len(await logged.calls(WRK)) <= len(await plain.calls(WRK)) + 1
    assert len(entries) == 2


async def test_the_count_would_notice_a_call(open_wire: OpenWire, monkeypatch: pytest.MonkeyPatch):
    """A test that can't fail is no test."""
    counter = Counter(open_wire)
    await counter.calls(WRK)
    plain = await counter.calls(WRK)
    kind = type(counter.connection)
    names: dict[str, Any] = {"original": kind.data_received}
    code = "def data_received(self, data):\n    original(self, data)\n"
    exec(compile(code, f"{OURS}/added.py", "exec"), names)
    monkeypatch.setattr(kind, "data_received", names["data_received"])
    assert len(await counter.calls(WRK)) == len(plain) + 1


# --- a message of a WebSocket -------------------------------------------------------------------------------

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# Data received and fed; the application resumed, in `run` and `receive`; its `send` with the step and the
# channel; and once more `receive`.
MESSAGE_BUDGET = 8


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends every message back."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


def message_of(size: int) -> bytes:
    """A text message of a client, masked with zeros."""
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + b"x" * size


class Upgraded(Swallowing):
    """A WebSocket whose messages are counted."""

    def __init__(self, open_wire: OpenWire) -> None:
        super().__init__()
        wire = open_wire(echo)
        wire.connection.transport = self
        self.service = wire.service
        self.written = 0
        self.protocol = wire.connection
        self.protocol.data_received(HANDSHAKE)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Count."""
        self.written += 1

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Count."""
        self.written += 1

    def get_write_buffer_size(self) -> int:
        """All is swallowed at once."""
        return 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """The connection is handed over."""
        self.protocol = protocol  # type: ignore[assignment]

    async def calls(self, data: bytes) -> list[str]:
        """What it calls to read `data`, and to answer it."""
        for _ in range(5):
            await asyncio.sleep(0)
        self.written = 0
        with counted() as calls:
            self.protocol.data_received(data)
            for _ in range(5):
                await asyncio.sleep(0)
        assert self.written, "there was no answer"
        assert self.service.failures == 0
        return [call for call in calls if "write" not in call]


async def test_an_echoed_message_costs_no_more_calls_than_it_may(open_wire: OpenWire):
    upgraded = Upgraded(open_wire)
    for size in (0, 16, 125):
        calls = await upgraded.calls(message_of(size))
        assert len(calls) <= MESSAGE_BUDGET, f"{len(calls)} calls: {calls}"


async def test_one_of_up_to_64_kib_costs_hardly_more(open_wire: OpenWire):
    upgraded = Upgraded(open_wire)
    for size in (126, 1024, 65535):
        calls = await upgraded.calls(message_of(size))
        assert len(calls) <= MESSAGE_BUDGET + 2, f"{len(calls)} calls: {calls}"


async def test_messages_that_come_together_cost_less_and_are_answered_in_one_write(open_wire: OpenWire):
    upgraded = Upgraded(open_wire)
    one, twenty = await upgraded.calls(message_of(16)), await upgraded.calls(message_of(16) * 20)
    assert len(twenty) < len(one) * 20
    assert upgraded.written == 1
