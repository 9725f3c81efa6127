"""`receive()`: the request's body in parts, then `http.disconnect`. Nothing is lost, and nothing hangs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from asgiworker.asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.asgi.conftest import Serve, Until

pytestmark = pytest.mark.every_python

START: Message = {"type": "http.response.start", "status": 200}
DISCONNECT: Message = {"type": "http.disconnect"}


def request(body: bytes = b"", more_body: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more_body}


def answer(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body}


async def whole_body(receive: Receive) -> bytes:
    """The body of a request that comes to its end."""
    parts = []
    more = True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        parts.append(message["body"])
        more = message["more_body"]
    return b"".join(parts)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body of the request."""
    body = await whole_body(receive)
    await send(START)
    await send(answer(body))


class Receiver:
    """An application that keeps every message it receives in `messages`, up to `http.disconnect`."""

    def __init__(self, answers: bool = False) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            self.messages.put_nowait(message)
            if self.answers and not message.get("more_body"):
                self.answers = False
                await send(START)
                await send(answer(b"ok"))
            more = message["type"] != "http.disconnect"


# --- the body -----------------------------------------------------------------------------------------------


async def test_a_request_without_a_body_is_one_empty_message(serve: Serve) -> None:
    app = Receiver(answers=True)
    driver = await serve(app)
    await (await driver.open()).answer()
    assert await app.messages.get() == request()
    assert await app.messages.get() == DISCONNECT


async def test_a_request_with_an_empty_body_is_one_empty_message(serve: Serve) -> None:
    app = Receiver(answers=True)
    driver = await serve(app)
    stream = await driver.open("POST", body=True)
    await stream.end()
    await stream.answer()
    assert await app.messages.get() == request()


async def test_a_body_comes_in_parts_as_the_client_sends_them(serve: Serve) -> None:
    app = Receiver(answers=True)
    driver = await serve(app)
    stream = await driver.open("POST", body=True)
    for part in (b"one", b"two", b"three"):
        await stream.send(part)
        assert await app.messages.get() == request(part, more_body=True)
    await stream.end()
    assert await app.messages.get() == request()
    assert (await stream.answer()).body == b"ok"


async def test_parts_that_came_before_the_application_asked_come_in_one_message(
    serve: Serve, until: Until
) -> None:
    go, messages = asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        messages.append(await receive())
        await send(START)
        await send(answer(b""))

    driver = await serve(app)
    stream = await driver.open("POST", body=True)
    for part in (b"one", b"two", b"three"):
        await stream.send(part)
    await stream.end()
    await until(lambda: [exchange.body_complete for exchange in driver.server.service.running] == [True])
    go.set()
    await stream.answer()
    assert messages == [request(b"onetwothree")]


@pytest.mark.parametrize("size", [1, 1000, 65536, 65537, 1_000_000, 5_000_000])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
async def test_a_body_of_any_size_comes_whole(serve: Serve, size: int, declared: bool) -> None:
    content = b"".join(b"%07d\n" % number for number in range(size // 8 + 1))[:size]
    driver = await serve(echo)
    headers = [(b"content-length", b"%d" % size)] if declared else []
    stream = await driver.open("POST", headers=headers, body=True)

    async def upload() -> None:
        for place in range(0, size, 100_003):
            await stream.send(content[place : place + 100_003])
        await stream.end()

    uploading = asyncio.create_task(upload())
    received = await stream.answer()
    await uploading
    assert received.body == content
    following = await stream.follow("/")
    assert following is not None
    assert following.body == b""


async def test_no_message_holds_more_than_a_bounded_part_of_a_large_body(serve: Serve) -> None:
    sizes: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            sizes.append(len(message["body"]))
            more = message["more_body"]
        await send(START)
        await send(answer(b""))

    driver = await serve(app)
    await driver.request("POST", body=bytes(5_000_000))
    assert sum(sizes) == 5_000_000
    assert max(sizes) <= 1_000_000


async def test_messages_are_the_applications_to_change(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        while message.pop("more_body"):
            message.clear()
            message = await receive()
        await send(START)
        await send(answer(b"ok"))

    driver = await serve(app)
    for _ in range(2):
        assert (await driver.request("POST", body=b"one")).body == b"ok"


# --- several tasks, and cancelled ones ----------------------------------------------------------------------


async def test_two_tasks_may_receive_at_the_same_time_and_get_each_part_once(serve: Serve) -> None:
    received: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def collect() -> None:
            while (message := await receive())["type"] == "http.request":
                received.append(message)
                if not message["more_body"]:
                    await send(START)
                    await send(answer(b""))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(collect())

    driver = await serve(app)
    stream = await driver.open("POST", body=True)
    for number in range(500):
        await stream.send(b"%03d." % number)
        await asyncio.sleep(0)
    await stream.end()
    assert (await stream.answer()).complete
    assert b"".join(message["body"] for message in received) == b"".join(
        b"%03d." % number for number in range(500)
    )
    assert [message["more_body"] for message in received].count(False) == 1


async def test_cancelling_one_task_in_receive_leaves_the_other_waiting(serve: Serve) -> None:
    cancelled = asyncio.Event()
    parts: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        first, second = asyncio.create_task(whole_body(receive)), asyncio.create_task(whole_body(receive))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        cancelled.set()
        parts.append(await second)
        await send(START)
        await send(answer(b""))

    driver = await serve(app)
    stream = await driver.open("POST", body=True)
    await cancelled.wait()
    await stream.send(b"one")
    await stream.end()
    await stream.answer()
    assert parts == [b"one"]


async def test_a_cancelled_receive_loses_nothing(serve: Serve, until: Until) -> None:
    received: list[bytes] = []
    cancellations = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal cancellations
        more = True
        while more:
            task = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            task.cancel()
            try:
                message = await task
            except asyncio.CancelledError:
                cancellations += 1
                continue
            received.append(message["body"])
            more = message["more_body"]
        await send(START)
        await send(answer(b""))

    driver = await serve(app)
    stream = await driver.open("POST", body=True)
    for number in range(100):
        seen = cancellations
        await until(lambda seen=seen: cancellations > seen)  # type: ignore[misc]
        await stream.send(b"%03d." % number)
    await stream.end()
    await stream.answer()
    assert b"".join(received) == b"".join(b"%03d." % number for number in range(100))


async def test_a_receive_with_a_timeout_may_be_tried_again(serve: Serve) -> None:
    timed_out = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(0.01):
                await receive()
        except TimeoutError:
            timed_out.set()
        await echo(scope, receive, send)

    driver = await serve(app)
    stream = await driver.open("POST", body=True)
    await timed_out.wait()
    await stream.send(b"late")
    await stream.end()
    assert (await stream.answer()).body == b"late"


# --- http.disconnect ----------------------------------------------------------------------------------------


async def test_after_the_response_receive_says_disconnect_again_and_again(serve: Serve) -> None:
    messages: list[Message] = []
    done = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        await send(answer(b"ok"))
        messages.extend([await receive() for _ in range(3)])
        done.set()

    driver = await serve(app)
    await (await driver.open()).answer()
    await done.wait()
    assert messages == [DISCONNECT] * 3


async def test_whoever_waits_in_receive_learns_that_the_response_is_complete(serve: Serve) -> None:
    messages: list[Message] = []
    done = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        waiting = [asyncio.ensure_future(receive()) for _ in range(3)]
        await asyncio.sleep(0)
        await send(START)
        await send({**answer(b"o"), "more_body": True})
        assert not any(task.done() for task in waiting)
        await send(answer(b"k"))
        messages.extend(await asyncio.gather(*waiting))
        done.set()

    driver = await serve(app)
    await (await driver.open()).answer()
    await done.wait()
    assert messages == [DISCONNECT] * 3


@pytest.mark.parametrize("sent", [b"", b"the beginning"])
async def test_a_response_sent_before_the_body_was_read_ends_receive_as_well(
    serve: Serve, sent: bytes
) -> None:
    messages: list[Message] = []
    done = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(answer(b"enough"))
        messages.append(await receive())
        done.set()

    driver = await serve(app)
    stream = await driver.open("POST", headers=[(b"content-length", b"1000")], body=True)
    await stream.send(sent)
    assert (await stream.answer()).body == b"enough"
    await done.wait()
    assert messages == [DISCONNECT]


async def test_an_application_that_waits_learns_that_its_client_has_gone(serve: Serve) -> None:
    app = Receiver()
    driver = await serve(app)
    stream = await driver.open()
    assert await app.messages.get() == request()
    await stream.leave()
    assert await app.messages.get() == DISCONNECT


async def test_an_application_that_streams_learns_that_its_client_has_gone(serve: Serve) -> None:
    gone = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(START)
        await send({**answer(b"data: 1\n\n"), "more_body": True})
        assert await receive() == DISCONNECT
        gone.set()

    driver = await serve(app)
    stream = await driver.open()
    assert await stream.data() == b"data: 1\n\n"
    await stream.leave()
    await gone.wait()


async def test_a_body_that_breaks_off_never_looks_complete(serve: Serve) -> None:
    app = Receiver()
    driver = await serve(app)
    stream = await driver.open("POST", headers=[(b"content-length", b"1000")], body=True)
    await stream.send(b"some")
    assert await app.messages.get() == request(b"some", more_body=True)
    await stream.leave()
    assert await app.messages.get() == DISCONNECT


async def test_a_body_that_was_complete_is_delivered_even_when_the_client_has_gone(
    serve: Serve, until: Until
) -> None:
    go, done, messages = asyncio.Event(), asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        messages.extend([await receive(), await receive(), await receive()])
        done.set()

    driver = await serve(app)
    stream = await driver.open("POST", body=True)
    await stream.send(b"whole")
    await stream.end()
    await until(lambda: [exchange.body_complete for exchange in driver.server.service.running] == [True])
    await stream.leave()
    await until(lambda: not driver.server.service.connections)
    go.set()
    await done.wait()
    assert messages == [request(b"whole"), DISCONNECT, DISCONNECT]


async def test_receive_after_the_client_has_gone_does_not_hang(serve: Serve, until: Until) -> None:
    go, done, messages = asyncio.Event(), asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await go.wait()
        messages.extend([await receive(), await receive()])
        done.set()

    driver = await serve(app)
    stream = await driver.open()
    await until(lambda: driver.server.service.connections)
    await stream.leave()
    await until(lambda: not driver.server.service.connections)
    go.set()
    await done.wait()
    assert messages == [DISCONNECT] * 2
