"""Limits on how much at once: connections, requests, bodies. Off by default."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

import asgiworker
from asgiworker.asgi.types import Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.load.conftest import Serving, Until

pytestmark = pytest.mark.every_python

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"

Serve = Callable[..., Awaitable[asgiworker.Server]]


class Held:
    """An application that answers `/hold` when it is let go, all else at once, with the request's body."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.calls = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        if scope["path"] == "/hold":
            await self.go.wait()
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": body or b"hello"})
        if scope["path"] == "/busy":
            await self.go.wait()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve an application."""
    async with AsyncExitStack() as stack:

        async def start(app: Any, **settings: Any) -> asgiworker.Server:
            settings = {"lifespan": "off", "graceful_timeout": 1, **settings}
            return await stack.enter_async_context(asgiworker.running(app, **settings))

        yield start


async def answered(client: Any) -> None:
    """The client gets its "hello", and its connection stays."""
    await client.send(GET)
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    assert await client.exactly(5) == b"hello"


def is_unavailable(received: bytes) -> bool:
    """Whether `received` is one whole 503 that says when to come again, and that the connection ends."""
    head, _, body = received.partition(b"\r\n\r\n")
    fields = head.lower().split(b"\r\n")
    return (
        fields[0] == b"http/1.1 503 service unavailable"
        and b"retry-after: 1" in fields
        and b"connection: close" in fields
        and b"content-length: %d" % len(body) in fields
    )


# --- connections --------------------------------------------------------------------------------------------


async def test_a_connection_too_many_is_refused_and_the_others_go_on(serve: Serve, connect: Any) -> None:
    server = await serve(Held(), limit_connections=2)
    first, second = await connect(server.url), await connect(server.url)
    await answered(first)
    await answered(second)
    third = await connect(server.url)
    await third.send(GET)
    assert is_unavailable(await third.rest())
    await answered(first)
    await answered(second)


async def test_a_connection_too_many_is_refused_before_it_has_sent_anything(
    serve: Serve, connect: Any
) -> None:
    app = Held()
    server = await serve(app, limit_connections=1)
    await answered(await connect(server.url))
    assert is_unavailable(await (await connect(server.url)).rest())
    assert app.calls == 1


async def test_a_place_that_was_left_is_taken_by_the_next(serve: Serve, connect: Any, until: Until) -> None:
    server = await serve(Held(), limit_connections=1)
    first = await connect(server.url)
    await answered(first)
    await first.close()
    await until(lambda: not server.service.connections)
    await answered(await connect(server.url))


async def test_refused_connections_take_no_place(serve: Serve, connect: Any, until: Until) -> None:
    server = await serve(Held(), limit_connections=1)
    first = await connect(server.url)
    await answered(first)
    refused = [await connect(server.url) for _ in range(3)]
    for client in refused:
        assert (await client.head()).startswith(b"HTTP/1.1 503 ")
    before = len(server.service.connections)
    await first.close()
    await until(lambda: len(server.service.connections) < before)
    await answered(await connect(server.url))  # though those that were refused have not gone yet


async def test_a_refused_connection_is_in_the_access_log(
    serve: Serve, connect: Any, until: Until, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    server = await serve(Held(), limit_connections=1, accesslog=str(log), access_log_format="%(s)s")
    await answered(await connect(server.url))
    await (await connect(server.url)).rest()
    await until(lambda: log.exists() and log.read_text() == "200\n503\n")


async def test_without_a_limit_there_may_be_any_number_of_connections(serve: Serve, connect: Any) -> None:
    server = await serve(Held())
    clients = [await connect(server.url) for _ in range(100)]
    for client in clients:
        await answered(client)


# --- requests -----------------------------------------------------------------------------------------------


async def test_a_request_too_many_is_answered_503_and_when_to_come_again(
    serve: Serve, connect: Any, until: Until
) -> None:
    app = Held()
    server = await serve(app, limit_requests=2)
    holding = [await connect(server.url) for _ in range(2)]
    for client in holding:
        await client.send(GET.replace(b"/ ", b"/hold "))
    await until(lambda: app.calls == 2)
    third = await connect(server.url)
    await third.send(GET)
    assert is_unavailable(await third.rest())
    assert app.calls == 2
    app.go.set()
    for client in holding:
        assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    await answered(await connect(server.url))


async def test_an_upload_too_many_gets_its_503_although_it_is_still_being_sent(
    serve: Serve, connect: Any, until: Until
) -> None:
    app = Held()
    server = await serve(app, limit_requests=1)
    holding = await connect(server.url)
    await holding.send(GET.replace(b"/ ", b"/hold "))
    await until(lambda: app.calls == 1)
    upload = await connect(server.url)
    await upload.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n" + bytes(1_000_000))
    assert is_unavailable(await upload.rest())
    app.go.set()


async def test_an_application_that_works_on_after_its_response_counts_as_a_request(
    serve: Serve, connect: Any
) -> None:
    app = Held()
    server = await serve(app, limit_requests=1)
    first = await connect(server.url)
    await first.send(GET.replace(b"/ ", b"/busy "))
    await first.head()
    second = await connect(server.url)
    await second.send(GET)
    assert is_unavailable(await second.rest())
    app.go.set()


async def test_idle_connections_are_no_requests(serve: Serve, connect: Any) -> None:
    server = await serve(Held(), limit_requests=1)
    for client in [await connect(server.url) for _ in range(5)]:
        await answered(client)


# --- bodies -------------------------------------------------------------------------------------------------


async def test_a_body_that_is_announced_too_long_never_reaches_the_application(
    serve: Serve, connect: Any
) -> None:
    app = Held()
    server = await serve(app, limit_body=1000)
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\n\r\n")
    received = await client.rest()
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in received
    assert app.calls == 0


async def test_a_client_that_waits_for_100_continue_is_spared_sending_a_body_too_long(
    serve: Serve, connect: Any
) -> None:
    server = await serve(Held(), limit_body=1000)
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1001\r\nexpect: 100-continue\r\n\r\n")
    assert (await client.rest()).startswith(b"HTTP/1.1 413 ")


async def test_a_chunked_body_is_cut_off_where_it_becomes_too_long(serve: Serve, connect: Any) -> None:
    received: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            received.append(message["body"])

    server = await serve(app, limit_body=1000)
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(4):
        await client.send(b"12c\r\n" + bytes(300) + b"\r\n")
    answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sum(map(len, received)) <= 1000


@pytest.mark.parametrize("framing", ["content-length: 1000", "transfer-encoding: chunked"])
async def test_a_body_of_just_the_limit_is_taken(serve: Serve, connect: Any, framing: str) -> None:
    server = await serve(Held(), limit_body=1000)
    client = await connect(server.url)
    body = b"3e8\r\n" + bytes(1000) + b"\r\n0\r\n\r\n" if "chunked" in framing else bytes(1000)
    await client.send(f"POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n".encode() + body)
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    assert await client.exactly(1000) == bytes(1000)


async def test_without_a_limit_a_body_may_have_any_length(serve: Serve, connect: Any) -> None:
    server = await serve(Held())
    client = await connect(server.url)
    await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3000000\r\n\r\n" + bytes(3_000_000))
    assert (await client.head()).startswith(b"HTTP/1.1 200 ")
    assert await client.exactly(3_000_000) == bytes(3_000_000)


# --- file descriptors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_without_file_descriptors_the_log_says_so_and_does_not_flood(serving: Serving, tls: bool) -> None:
    server = serving(tls=tls)
    assert server.get("/hello") == b"hello"
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 4, limits[1]))
    parts = urlsplit(server.url)
    with ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(socket.create_connection((parts.hostname or "", parts.port or 0), 10))
        server.prints(r"Connections can't be accepted: Too many open files(.|\n)*can't be accepted")
    assert server.output.count("\n") < 20
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
    server.process.terminate()
    assert server.wait() == 0
