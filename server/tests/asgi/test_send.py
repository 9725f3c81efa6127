"""`send()` and the client: it waits for one that reads slowly, and raises once it has gone."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from typing import TYPE_CHECKING

import pytest

import asgiworker
from asgiworker import ClientDisconnected
from asgiworker.asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.asgi.conftest import Serve, Until

pytestmark = pytest.mark.every_python

START: Message = {"type": "http.response.start", "status": 200}
PIECE = b"".join(b"%07d\n" % number for number in range(32768))  # 256 KiB
PIECES = 96  # 24 MiB: more than all buffers between server and client hold


def part(content: bytes) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": True}


def last(content: bytes = b"") -> Message:
    return {"type": "http.response.body", "body": content}


def complaints(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What was logged that a person should look at."""
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


class Flood:
    """An application that sends 24 MiB in `piece`s, and notes how far it came and what stopped it."""

    def __init__(self, pieces: int = PIECES, piece: bytes = PIECE) -> None:
        self.pieces = pieces
        self.piece = piece
        self.sent = 0
        self.error: BaseException | None = None
        self.finished = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(START)
            for _ in range(self.pieces):
                await send(part(self.piece))
                self.sent += 1
            await send(last())
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.finished.set()


async def settled(app: Flood) -> int:
    """How far `app` comes with a client that doesn't read: until it hasn't moved for a while."""
    seen, turns = -1, 0
    async with asyncio.timeout(10):
        while turns < 50:
            turns = turns + 1 if app.sent == seen else 0
            seen = app.sent
            await asyncio.sleep(0.002)
    return seen


async def test_send_waits_while_the_client_does_not_read_and_goes_on_when_it_does(serve: Serve) -> None:
    app = Flood()
    driver = await serve(app)
    stream = await driver.open()
    await stream.head()
    # On HTTP/2 the first piece is already larger than the window of its stream.
    assert (driver.version == "1.1") <= await settled(app) < PIECES
    assert not app.finished.is_set()
    answer = await stream.answer()
    assert answer.complete
    assert answer.body == PIECE * PIECES
    await app.finished.wait()
    assert app.error is None


async def test_many_small_parts_wait_as_well(serve: Serve) -> None:
    app = Flood(200_000, bytes(100))
    driver = await serve(app)
    stream = await driver.open()
    await stream.head()
    assert 0 < await settled(app) < 200_000
    await stream.leave()
    await app.finished.wait()
    assert isinstance(app.error, ClientDisconnected)


async def test_one_large_body_waits_until_the_client_has_read(serve: Serve) -> None:
    returned = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(last(PIECE * PIECES))
        returned.set()

    driver = await serve(app)
    stream = await driver.open()
    await stream.head()
    assert not returned.is_set()
    assert (await stream.answer()).body == PIECE * PIECES
    await returned.wait()


async def test_send_that_waits_raises_when_the_client_goes(
    serve: Serve, caplog: pytest.LogCaptureFixture, until: Until
) -> None:
    app = Flood()
    driver = await serve(app)
    stream = await driver.open()
    await stream.head()
    await settled(app)
    await stream.leave()
    await app.finished.wait()
    assert isinstance(app.error, ClientDisconnected)
    await until(lambda: not driver.server.service.running)
    assert complaints(caplog) == []


async def test_every_task_that_waits_in_send_learns_that_the_client_has_gone(serve: Serve) -> None:
    errors: list[object] = []
    waiting = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def flood() -> None:
            for _ in range(PIECES):
                await send(part(PIECE))

        await send(START)
        tasks = [asyncio.create_task(flood()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting.set()
        errors.extend(await asyncio.gather(*tasks, return_exceptions=True))

    driver = await serve(app)
    stream = await driver.open()
    await stream.head()
    await waiting.wait()
    await stream.leave()
    async with asyncio.timeout(10):
        while len(errors) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert [type(error) for error in errors] == [ClientDisconnected] * 3


async def test_cancelling_one_task_that_waits_in_send_leaves_the_others_waiting(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        while True:  # until the transport holds as much as it will
            task = asyncio.ensure_future(send(part(PIECE)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if not task.done():
                break
        other = asyncio.ensure_future(send(part(b"other")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert not other.done()
        stuck.set()
        await other
        await send(last(b"end"))

    stuck = asyncio.Event()
    driver = await serve(app)
    stream = await driver.open()
    await stream.head()
    await stuck.wait()
    answer = await stream.answer()
    assert answer.complete
    assert answer.body.endswith(b"otherend")
    assert len(answer.body) % len(PIECE) == len(b"otherend")


async def test_a_client_that_has_gone_is_noticed_by_an_application_that_only_sends(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flood(10_000_000, b"tick\n")

    async def ticking(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_wait(message: Message) -> None:
            await send(message)
            await asyncio.sleep(0)

        await app(scope, receive, send_and_wait)

    driver = await serve(ticking)
    stream = await driver.open()
    await stream.data()
    await stream.leave()
    await asyncio.wait_for(app.finished.wait(), 10)
    assert isinstance(app.error, ClientDisconnected)
    assert complaints(caplog) == []


async def test_an_application_that_sends_without_a_pause_is_stopped_when_its_client_goes(
    serve: Serve,
) -> None:
    stopped = asyncio.Event()
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(START)
        await send(part(PIECE))
        # The client resets its connection, and not a turn of the loop passes until the next part is sent.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        try:
            while sent < 100_000:
                await send(part(b"more"))
                sent += 1
        finally:
            stopped.set()

    driver = await serve(app)
    client = socket.create_connection(("127.0.0.1", int(driver.server.url.rpartition(":")[2])))
    client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    await asyncio.wait_for(stopped.wait(), 30)
    assert sent < 100_000


def test_a_gone_client_is_an_os_error_that_applications_can_name() -> None:
    assert issubclass(asgiworker.ClientDisconnected, OSError)
    assert asgiworker.ClientDisconnected is ClientDisconnected


async def test_an_application_may_swallow_the_error_of_a_gone_client(
    serve: Serve, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flood()

    async def tidy(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except OSError:
            pass

    driver = await serve(tidy)
    stream = await driver.open()
    await stream.head()
    await stream.leave()
    await app.finished.wait()
    await until(lambda: not driver.server.service.running)
    assert complaints(caplog) == []


async def test_an_error_of_its_own_after_the_client_has_gone_is_still_logged(
    serve: Serve, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await gone.wait()
        raise ZeroDivisionError

    gone = asyncio.Event()
    driver = await serve(broken)
    stream = await driver.open()
    await until(lambda: driver.server.service.connections)
    await stream.leave()
    await until(lambda: not driver.server.service.connections)
    gone.set()
    await until(lambda: not driver.server.service.running)
    [record] = complaints(caplog)
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


# --- cancel_on_disconnect -----------------------------------------------------------------------------------


class Sleeper:
    """An application that sends `before`, then waits for something that never comes."""

    def __init__(self, *before: Message) -> None:
        self.before = before
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.never = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for message in self.before:
            await send(message)
        self.waiting.set()
        try:
            await self.never.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@pytest.mark.parametrize("before", [(), (START,), (START, part(b"some"))], ids=["nothing", "start", "part"])
async def test_cancel_on_disconnect_cancels_an_application_whose_client_has_gone(
    serve: Serve, before: tuple[Message, ...], until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    app = Sleeper(*before)
    driver = await serve(app, cancel_on_disconnect=True)
    stream = await driver.open()
    await app.waiting.wait()
    await stream.leave()
    await asyncio.wait_for(app.cancelled.wait(), 10)
    await until(lambda: not driver.server.service.running)
    assert complaints(caplog) == []


async def test_cancel_on_disconnect_cancels_an_application_whose_upload_broke_off(serve: Serve) -> None:
    app = Sleeper()
    driver = await serve(app, cancel_on_disconnect=True)
    stream = await driver.open("POST", headers=[(b"content-length", b"1000")], body=True)
    await stream.send(b"some")
    await app.waiting.wait()
    await stream.leave()
    await asyncio.wait_for(app.cancelled.wait(), 10)


async def test_without_it_an_application_runs_on_when_its_client_has_gone(serve: Serve, until: Until) -> None:
    app = Sleeper()
    driver = await serve(app)
    stream = await driver.open()
    await app.waiting.wait()
    await stream.leave()
    await until(lambda: not driver.server.service.connections)
    assert len(driver.server.service.running) == 1
    assert not app.cancelled.is_set()
    app.never.set()
    await until(lambda: not driver.server.service.running)


async def test_what_an_application_does_after_its_response_is_not_cancelled_with_the_connection(
    serve: Serve, until: Until
) -> None:
    app = Sleeper(START, last(b"ok"))
    driver = await serve(app, cancel_on_disconnect=True)
    stream = await driver.open()
    assert (await stream.answer()).body == b"ok"
    await app.waiting.wait()
    await stream.leave()
    await until(lambda: not driver.server.service.connections)
    assert not app.cancelled.is_set()
    app.never.set()
    await until(lambda: not driver.server.service.running)
    assert not app.cancelled.is_set()


async def test_a_cancelled_application_that_sends_on_is_told_that_the_client_has_gone(serve: Serve) -> None:
    errors: list[BaseException] = []
    done = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await sleeper(scope, receive, send)
        except asyncio.CancelledError:
            try:
                await send(START)
            except OSError as error:
                errors.append(error)
            done.set()
            raise

    sleeper = Sleeper()
    driver = await serve(app, cancel_on_disconnect=True)
    stream = await driver.open()
    await sleeper.waiting.wait()
    await stream.leave()
    await asyncio.wait_for(done.wait(), 10)
    assert [type(error) for error in errors] == [ClientDisconnected]
