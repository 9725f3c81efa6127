"""RFC 9113 §7: error codes, the client's and ours."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

from asgiworker.asgi.types import Receive, Scope, Send
from asgiworker.protocols.http2.connection import HTTP2Connection

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.http2.conftest import Opener, Until

pytestmark = pytest.mark.every_python

START = {"type": "http.response.start", "status": 200}

CODES = [*ErrorCodes, 0xFF, 0xFFFFFFFF]


@pytest.mark.parametrize("code", CODES, ids=str)
async def test_a_goaway_with_any_code_is_a_goodbye(http2: Opener, mirror: Mirror, code: int) -> None:
    client = await http2(mirror)
    await client.send(("GOAWAY", 0, struct.pack(">II", 0, code)))
    await client.ended()


@pytest.mark.parametrize("code", CODES, ids=str)
async def test_a_reset_with_any_code_is_a_reset(http2: Opener, code: int) -> None:
    done = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            assert (await receive())["type"] == "http.disconnect"
            done.set()
        await send(START)
        await send({"type": "http.response.body"})

    client = await http2(app)
    stream = await client.request(b"POST", ends=False)
    await client.ping()
    await client.send(("RST_STREAM", stream, code))
    await asyncio.wait_for(done.wait(), 10)
    await client.goes_on()


async def test_an_application_that_fails_before_its_response_is_a_500(http2: Opener) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    client = await http2(app)
    for _ in range(2):
        answer = await client.get()
        assert (answer.status, answer.body, answer.complete) == (500, b"Internal Server Error", True)


@pytest.mark.parametrize("ends", ["raises", "returns"])
async def test_an_application_that_fails_within_its_response_is_an_internal_error_of_the_stream(
    http2: Opener, ends: str
) -> None:
    seen = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await seen.wait()
        if scope["path"] == "/goes-on":
            await send({"type": "http.response.body"})
        elif ends == "raises":
            raise RuntimeError

    client = await http2(app)
    stream = await client.request()
    answer = await client.answer(stream, until=lambda answer: answer.body)
    seen.set()
    answer = await client.answer(stream, answer)
    assert (answer.status, answer.complete, answer.reset) == (200, False, ErrorCodes.INTERNAL_ERROR)
    await client.goes_on()


async def test_a_client_that_breaks_the_rules_and_reads_nothing_is_told_when_it_reads_again(
    http2: Opener, until: Until
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": bytes(1_000_000)})

    client = await http2(app, announces={"INITIAL_WINDOW_SIZE": 2**31 - 1})
    client.replenishes = False
    service = client.server.service
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    await client.send(("WINDOW_UPDATE", 0, 2**31 - 1 - 65535))
    streams = [await client.request() for _ in range(40)]
    await until(lambda: [each for each in service.connections if each.drain_waiter])
    await client.send(("RST_STREAM", streams[-1], ErrorCodes.CANCEL), ("DATA", streams[-1], b"more"))
    await until(lambda: not service.running)
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    assert (await client.take("GOAWAY")).number == ErrorCodes.STREAM_CLOSED
    await client.ended()


async def test_an_error_of_our_own_ends_the_connection_and_no_other(
    http2: Opener, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong in the server's own code costs one connection, and is counted."""
    client = await http2(mirror)
    other = await http2.connect(client.server)
    await other.ping()

    def fail(connection: HTTP2Connection, events: list[Any]) -> None:
        raise AssertionError("an error that the test made")

    with monkeypatch.context() as patched:
        patched.setattr(HTTP2Connection, "handle", fail)
        await client.send(("PING", 0, bytes(8)))
        await client.ended()
    assert (await other.get()).status == 200
    assert client.server.service.failures == 1
    client.server.service.failures = 0
