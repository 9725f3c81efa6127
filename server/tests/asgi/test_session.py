"""One WebSocket as ASGI messages: the table of `asgi.session`, without a protocol to carry it.

What the peer sees of all this stands in the tests of the protocols.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from asgiworker import ApplicationError, ClientDisconnected
from asgiworker.asgi.exchange import COMPLETE, Exchange
from asgiworker.asgi.session import TRANSITIONS, Opening, Session, State
from asgiworker.asgi.types import Headers, Message, Receive, Scope, Send

pytestmark = pytest.mark.every_python

Conversation = Callable[[Receive, Send], Awaitable[None]]

ACCEPT: Message = {"type": "websocket.accept"}
CLOSE: Message = {"type": "websocket.close"}
HELLO: Message = {"type": "websocket.send", "text": "hello"}
DENY: Message = {"type": "websocket.http.response.start", "status": 401, "headers": []}
DENIAL: Message = {"type": "websocket.http.response.body", "body": b"no"}
KINDS = [
    *(kind for steps in TRANSITIONS.values() for kind in steps),
    "websocket.unheard",
    "http.response.start",
]


class Carried:
    """One session, and what it asks of its carrier and its channel, in order."""

    def __init__(self, queue: int = 4, subprotocols: tuple[str, ...] = ()) -> None:
        self.done: list[Any] = []
        self.drained: asyncio.Future[None] | None = None
        scope: Scope = {"type": "websocket", "path": "/chat", "subprotocols": list(subprotocols)}
        self.opening = Opening(self, scope, list(subprotocols), queue)  # type: ignore[arg-type]
        self.session = self.opening.session

    async def run(self, conversation: Conversation) -> list[Any]:
        """Run an application; what came of it."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await conversation(receive, send)

        await self.session.run(app)
        return self.done

    # --- the carrier

    def accept_websocket(self, session: Session, subprotocol: str | None, headers: Headers) -> Carried:
        self.opening.state = COMPLETE
        self.done.append(("accept", subprotocol, headers))
        return self

    def send_response(self, exchange: Exchange, body: bytes) -> None:
        self.done.append((exchange.status, body))

    def send_head(self, exchange: Exchange) -> None:
        self.done.append(exchange.status)

    def send_data(self, exchange: Exchange, data: bytes, last: bool) -> None:
        self.done.append(data)

    def application_failed(self, exchange: Exchange, answer: bool = True) -> None:
        self.done.append(500 if answer else "end")
        exchange.state = COMPLETE

    def flush_later(self) -> None:
        """Nothing is held back."""

    # --- the channel

    def send(self, message: str | bytes) -> Awaitable[None] | None:
        self.done.append(message)
        return self.drained

    def close(self, code: int, reason: bytes) -> None:
        self.done.append(("close", code, reason))

    def demand(self) -> None:
        self.done.append("demand")

    def failed(self, error: Exception) -> None:
        raise error


def came(text: str) -> Message:
    """A message of the peer, as the channel gives it."""
    return {"type": "websocket.receive", "text": text}


# --- the table ----------------------------------------------------------------------------------------------


WAYS: dict[State, list[Message]] = {
    State.CONNECTING: [],
    State.OPEN: [ACCEPT],
    State.DENYING: [DENY, {**DENIAL, "more_body": True}],
    State.CLOSED: [ACCEPT, CLOSE],
}


@pytest.mark.parametrize("state", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_message_that_has_no_step_in_its_state_raises(state: State, kind: str) -> None:
    carried = Carried()

    async def conversation(receive: Receive, send: Send) -> None:
        for message in WAYS[state]:
            await send(message)
        assert carried.session.state is state
        if kind in TRANSITIONS[state]:
            return
        with pytest.raises(ApplicationError, match=r"unexpected ASGI message"):
            await send({"type": kind})

    await carried.run(conversation)


@pytest.mark.parametrize("kind", KINDS)
async def test_when_the_peer_has_gone_every_message_raises_client_disconnected(kind: str) -> None:
    carried = Carried()

    async def conversation(receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        carried.session.disconnect(1001)
        with pytest.raises(ClientDisconnected):
            await send({"type": kind})

    assert await carried.run(conversation) == [("accept", None, [])]


@pytest.mark.parametrize(
    ("messages", "outcome"),
    [
        ([ACCEPT], [("accept", None, []), ("close", 1000, b"")]),
        ([ACCEPT, HELLO], [("accept", None, []), "hello", ("close", 1000, b"")]),
        (
            [ACCEPT, {**CLOSE, "code": 4001, "reason": "grüß"}],
            [("accept", None, []), ("close", 4001, "grüß".encode())],
        ),
        ([ACCEPT, {**CLOSE, "code": None, "reason": None}], [("accept", None, []), ("close", 1000, b"")]),
        ([CLOSE], [(403, b"")]),
        ([{**CLOSE, "code": 99}], [(403, b"")]),
        ([DENY, DENIAL], [(401, b"no")]),
        ([DENY, {**DENIAL, "more_body": True}, DENIAL], [401, b"no", b"no"]),
        ([], [500]),
        ([DENY], [500]),
        ([DENY, {**DENIAL, "more_body": True}], [401, b"no", 500]),
    ],
)
async def test_what_an_application_says_has_one_outcome(messages: list[Message], outcome: list[Any]) -> None:
    async def conversation(receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    assert await Carried().run(conversation) == outcome


@pytest.mark.parametrize(
    ("messages", "outcome"),
    [([], [500]), ([ACCEPT], [("accept", None, []), ("close", 1011, b"")]), ([CLOSE], [(403, b"")])],
)
async def test_an_exception_is_1011_or_before_the_answer_500(
    messages: list[Message], outcome: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def conversation(receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise RuntimeError("a mistake")

    assert await Carried().run(conversation) == outcome
    assert "Exception in ASGI application: WebSocket /chat" in caplog.text


@pytest.mark.parametrize(
    "message",
    [
        None,
        {},
        {"type": ["unhashable"]},
        {"type": "websocket.send"},
        {"type": "websocket.send", "text": None, "bytes": None},
        {"type": "websocket.send", "text": "a", "bytes": b"a"},
        {"type": "websocket.send", "text": b"a"},
        {"type": "websocket.send", "bytes": "a"},
        {"type": "websocket.close", "code": 1005},
        {"type": "websocket.close", "code": 999},
        {"type": "websocket.close", "code": "1000"},
        {"type": "websocket.close", "reason": b"bytes"},
        {"type": "websocket.close", "reason": "x" * 124},
        {"type": "websocket.close", "reason": "\ud800"},
    ],
)
async def test_a_misuse_ends_the_websocket_even_if_the_application_goes_on(
    message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    carried = Carried()

    async def conversation(receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        with pytest.raises(ApplicationError):
            await send(message)
        assert await receive() == {"type": "websocket.disconnect", "code": 1011, "reason": ""}
        with pytest.raises(ApplicationError):
            await send(HELLO)

    assert await carried.run(conversation) == [("accept", None, []), ("close", 1011, b"")]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize(
    "message",
    [
        {**ACCEPT, "subprotocol": "unoffered"},
        {**ACCEPT, "headers": [(b"Sec-WebSocket-Protocol", b"chat")]},
        {**ACCEPT, "headers": [(b"sec-websocket-accept", b"x")]},
        {**ACCEPT, "headers": [(b"x-a", b"b\r\nc: d")]},
        {**ACCEPT, "headers": [b"odd"]},
        {**DENY, "status": 101},
        {**DENY, "headers": [(b"bad name", b"")]},
        HELLO,
    ],
)
async def test_a_misuse_before_the_answer_is_500_and_the_answer_stays(message: Message) -> None:
    async def conversation(receive: Receive, send: Send) -> None:
        with pytest.raises(ApplicationError):
            await send(message)
        with pytest.raises(ApplicationError):
            await send(ACCEPT)

    assert await Carried(subprotocols=("chat",)).run(conversation) == [500]


async def test_an_accept_has_the_subprotocol_and_the_headers_that_are_not_the_servers() -> None:
    headers = [(b"X-A", b"1"), (b"connection", b"close"), (b"content-length", b"3"), (b"server", b"mine")]

    async def conversation(receive: Receive, send: Send) -> None:
        await send({**ACCEPT, "subprotocol": "chat", "headers": iter(headers)})

    accepted, _ = await Carried(subprotocols=("chat", "other")).run(conversation)
    assert accepted == ("accept", "chat", [(b"X-A", b"1"), (b"server", b"mine")])


@pytest.mark.parametrize("data", [bytearray(b"abc"), memoryview(b"abc")], ids=["bytearray", "memoryview"])
async def test_bytes_may_be_of_any_type_that_holds_them(data: Any) -> None:
    async def conversation(receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        await send({"type": "websocket.send", "bytes": data, "text": None})

    assert (await Carried().run(conversation))[1] == b"abc"


# --- receive ------------------------------------------------------------------------------------------------


async def test_receive_gives_connect_then_what_came_then_disconnect_ever_again() -> None:
    carried = Carried()
    gone = {"type": "websocket.disconnect", "code": 1001, "reason": "bye"}

    async def conversation(receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        carried.session.feed(came("one"), 3)
        carried.session.feed(came("two"), 3)
        carried.session.disconnect(1001, "bye")
        carried.session.disconnect(1006)
        received = [await receive() for _ in range(5)]
        assert received == [{"type": "websocket.connect"}, came("one"), came("two"), gone, gone]

    await carried.run(conversation)


@pytest.mark.parametrize("messages", [[ACCEPT, CLOSE], [CLOSE], [DENY, DENIAL]])
async def test_after_its_own_end_receive_gives_disconnect(messages: list[Message]) -> None:
    async def conversation(receive: Receive, send: Send) -> None:
        await receive()
        for message in messages:
            await send(message)
        message = await receive()
        assert message["type"] == "websocket.disconnect"
        assert message["code"] == (1000 if messages[0] is ACCEPT else 1006)

    await Carried().run(conversation)


async def test_a_session_is_full_by_number_or_by_size_until_all_is_taken() -> None:
    for size, number in [(1, 4), (100_000, 3)]:
        carried = Carried(queue=4)
        session = carried.session
        await session.receive()
        await session.send(ACCEPT)
        room = [session.feed(came("x"), size) for _ in range(number)]
        assert room == [True] * (number - 1) + [False]
        for left in range(number, 0, -1):
            assert session.full is True
            assert "demand" not in carried.done, f"{left} are still there"
            await session.receive()
        assert session.full is False
        assert carried.done[-1] == "demand"


async def test_a_task_that_waits_gets_a_message_and_one_that_is_cancelled_takes_none_along() -> None:
    session = Carried().session
    await session.receive()
    waiting = [asyncio.ensure_future(session.receive()) for _ in range(3)]
    await asyncio.sleep(0)
    session.feed(came("one"), 3)
    waiting[0].cancel()
    session.feed(came("two"), 3)
    assert [await task for task in waiting[1:]] == [came("one"), came("two")]
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]


async def test_the_channel_hears_when_all_messages_are_answered() -> None:
    carried = Carried()
    session = carried.session
    await session.receive()
    await session.send(ACCEPT)
    session.feed(came("last"), 4)
    session.all_answered = lambda: session.disconnect(1002)
    await session.receive()
    assert session.disconnected is None
    assert (await session.receive())["code"] == 1002


# --- send ---------------------------------------------------------------------------------------------------


async def test_a_send_that_has_to_wait_raises_if_the_peer_goes_meanwhile() -> None:
    carried = Carried()
    await carried.session.send(ACCEPT)
    carried.drained = asyncio.get_running_loop().create_future()
    sending = asyncio.ensure_future(carried.session.send(HELLO))
    await asyncio.sleep(0)
    assert not sending.done()
    carried.session.disconnect(1006)
    carried.drained.set_result(None)
    with pytest.raises(ClientDisconnected):
        await sending


# --- the end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "levels"),
    [
        (ClientDisconnected("gone"), [logging.DEBUG]),
        (ValueError("a framework's own"), [logging.INFO, logging.DEBUG]),
    ],
)
async def test_what_an_application_makes_of_the_end_is_no_error(
    error: Exception, levels: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    carried = Carried()

    async def conversation(receive: Receive, send: Send) -> None:
        await receive()
        await send(ACCEPT)
        carried.session.disconnect(1001)
        await receive()
        raise error

    with caplog.at_level(logging.DEBUG, "asgiworker"):
        assert await carried.run(conversation) == [("accept", None, [])]
    assert [record.levelno for record in caplog.records] == levels


async def test_an_application_that_is_cancelled_ends_its_websocket() -> None:
    carried = Carried()

    async def conversation(receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        await asyncio.get_running_loop().create_future()

    task = asyncio.ensure_future(carried.run(conversation))
    await asyncio.sleep(0)
    carried.session.task = task  # type: ignore[assignment]
    carried.session.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert carried.done == [("accept", None, []), ("close", 1011, b"")]


async def test_a_peer_that_leaves_before_the_answer_ends_the_exchange() -> None:
    carried = Carried()

    async def conversation(receive: Receive, send: Send) -> None:
        assert [(await receive())["type"] for _ in range(2)] == ["websocket.connect", "websocket.disconnect"]
        with pytest.raises(ClientDisconnected):
            await send(ACCEPT)

    carried.opening.disconnect()
    assert await carried.run(conversation) == ["end"]
