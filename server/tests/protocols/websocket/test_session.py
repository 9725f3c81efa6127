"""A session over real sockets: messages both ways, and what either end may make of the other's leaving."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected
from asgiworker.asgi.types import ASGIApplication, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.protocols.websocket.conftest import Application, Meet, Serve

TEXT, BINARY, CONTINUATION = 0x1, 0x2, 0x0

LOST = {"type": "websocket.disconnect", "code": 1006, "reason": ""}


# --- messages -----------------------------------------------------------------------------------------------


async def test_text_comes_as_text_and_bytes_as_bytes(meet: Meet) -> None:
    peer, call = await meet()
    await peer.text("Grüße, 世界 🎈")
    await peer.binary(b"\x00\xff")
    assert await call.receive() == {"type": "websocket.receive", "text": "Grüße, 世界 🎈"}
    assert await call.receive() == {"type": "websocket.receive", "bytes": b"\x00\xff"}
    await call.send("send", text="Grüße")
    await call.send("send", bytes=b"\xff\x00")
    assert await peer.message() == "Grüße"
    assert await peer.message() == b"\xff\x00"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": "a", "bytes": None}, "a"),
        ({"text": None, "bytes": b"a"}, b"a"),
        ({"text": ""}, ""),
        ({"bytes": b""}, b""),
        ({"bytes": bytearray(b"abc")}, b"abc"),
        ({"bytes": memoryview(b"abc")}, b"abc"),
        ({"text": "a" * 125}, "a" * 125),
        ({"text": "a" * 126}, "a" * 126),
        ({"text": "ä" * 32767}, "ä" * 32767),
        ({"bytes": bytes(65535)}, bytes(65535)),
        ({"bytes": bytes(65536)}, bytes(65536)),
        ({"bytes": bytes(1 << 20)}, bytes(1 << 20)),
    ],
    ids=lambda value: f"{value!r:.40}" if isinstance(value, (str, bytes)) else type(value).__name__,
)
async def test_what_is_sent_arrives(meet: Meet, values: dict[str, Any], message: str | bytes) -> None:
    peer, call = await meet()
    sending = call.sending("send", **values)
    assert await peer.message() == message
    await sending


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 1 << 20])
async def test_a_message_of_any_size_is_received(meet: Meet, size: int) -> None:
    peer, call = await meet()
    text, data = "x" * size, bytes(size)
    sending = asyncio.ensure_future(peer.send(peer.frame(TEXT, text.encode()), peer.frame(BINARY, data)))
    assert (await call.receive())["text"] == text
    assert (await call.receive())["bytes"] == data
    await sending


async def test_fragments_come_as_one_message(meet: Meet) -> None:
    peer, call = await meet()
    text = "Grüße".encode()
    await peer.send(
        peer.frame(TEXT, text[:3], fin=False),  # in the middle of a character
        peer.frame(CONTINUATION, b"", fin=False),
        peer.frame(CONTINUATION, text[3:]),
        peer.frame(BINARY, b"\x01", fin=False),
        peer.frame(0x9, b"ping"),
        peer.frame(CONTINUATION, b"\x02"),
        peer.frame(TEXT, b"", fin=False),
        peer.frame(CONTINUATION, b""),
    )
    assert (await call.receive())["text"] == "Grüße"
    assert (await call.receive())["bytes"] == b"\x01\x02"
    assert (await call.receive())["text"] == ""
    assert await peer.receive() == (0xA, b"ping", True, False)


async def test_frames_may_be_cut_anywhere(meet: Meet) -> None:
    peer, call = await meet()
    frames = [peer.frame(TEXT, "ä".encode() * 40), peer.frame(BINARY, bytes(200)), peer.frame(TEXT, b"end")]
    for byte in b"".join(frames):
        await peer.send(bytes((byte,)))
        await asyncio.sleep(0)
    assert (await call.receive())["text"] == "ä" * 40
    assert (await call.receive())["bytes"] == bytes(200)
    assert (await call.receive())["text"] == "end"


async def test_a_mask_of_zeros_is_a_mask(meet: Meet) -> None:
    peer, call = await meet()
    await peer.send(peer.frame(TEXT, b"plain", mask=bytes(4)))
    assert (await call.receive())["text"] == "plain"


async def test_a_thousand_messages_keep_their_order(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo)
    async with served.client() as client:
        for number in range(1000):
            await client.send(str(number))
        assert [await client.recv() for _ in range(1000)] == [str(number) for number in range(1000)]


async def test_both_directions_go_at_the_same_time(meet: Meet) -> None:
    peer, call = await meet()
    for number in range(3):
        await call.send("send", text=f"down {number}")
        await peer.text(f"up {number}")
    assert [await peer.message() for _ in range(3)] == ["down 0", "down 1", "down 2"]
    assert [(await call.receive())["text"] for _ in range(3)] == ["up 0", "up 1", "up 2"]


async def test_a_message_goes_to_one_of_several_tasks_that_wait(meet: Meet) -> None:
    peer, call = await meet()
    waiting = [call.receiving() for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    for text in ("one", "two"):
        await peer.text(text)
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert sorted(each["text"] for each in done[1:]) == ["one", "two"]  # type: ignore[index]


async def test_a_receive_that_is_cancelled_loses_no_message(meet: Meet) -> None:
    peer, call = await meet()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await call.receive()
    await peer.text("still here")
    assert (await call.receive())["text"] == "still here"


# --- the end ------------------------------------------------------------------------------------------------


async def test_an_application_that_returns_closes_with_1000(meet: Meet) -> None:
    peer, call = await meet()
    await call.returns()
    assert await peer.closed() == (1000, "")
    await peer.close(1000)
    assert await peer.ended()


async def test_an_application_that_raises_closes_with_1011(
    meet: Meet, caplog: pytest.LogCaptureFixture
) -> None:
    peer, call = await meet()
    await call.raises(ValueError("on purpose"))
    assert (await peer.closed())[0] == 1011
    await peer.close(1011)
    assert await peer.ended()
    assert "Exception in ASGI application" in caplog.text
    assert "on purpose" in caplog.text


async def test_messages_sent_before_an_exception_arrive(meet: Meet) -> None:
    peer, call = await meet()
    await call.send("send", text="last words")
    await call.raises(ValueError("on purpose"))
    assert await peer.message() == "last words"
    assert (await peer.closed())[0] == 1011


@pytest.mark.parametrize("leave", ["leave", "reset", "finish"])
async def test_a_peer_that_leaves_without_a_word_is_1006(meet: Meet, leave: str) -> None:
    peer, call = await meet()
    await peer.text("before")
    if leave == "leave":
        await peer.leave()
    elif leave == "reset":
        assert (await call.receive())["text"] == "before"
        peer.reset()
    else:
        peer.finish()
    if leave != "reset":
        assert (await call.receive())["text"] == "before"
    for _ in range(3):
        assert await call.receive() == LOST
    with pytest.raises(ClientDisconnected):
        await call.send("send", text="too late")
    with pytest.raises(ClientDisconnected):
        await call.send("close")


async def test_send_raises_at_the_latest_when_the_peer_is_known_to_be_gone(meet: Meet) -> None:
    peer, call = await meet()
    peer.reset()

    async def send_on() -> None:
        for _ in range(10_000):
            await call.send("send", text="x" * 1000)
            await asyncio.sleep(0)

    with pytest.raises(OSError, match="disconnected"):
        await send_on()
    assert await call.receive() == LOST


async def test_who_waits_in_receive_learns_of_the_end_at_once(meet: Meet) -> None:
    peer, call = await meet()
    waiting = call.receiving()
    await asyncio.sleep(0)
    peer.reset()
    assert await waiting == LOST


async def test_an_application_that_lets_the_end_pass_through_is_no_error(
    meet: Meet, caplog: pytest.LogCaptureFixture
) -> None:
    peer, call = await meet()
    await peer.leave()
    await call.receive()
    with pytest.raises(ClientDisconnected) as raised:
        await call.send("send", text="too late")
    await call.raises(raised.value)
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR", "CRITICAL")]


async def test_an_application_may_go_on_working_after_its_peer_has_left(meet: Meet) -> None:
    peer, call = await meet()
    await peer.leave()
    assert await call.receive() == LOST
    assert not call.ended.is_set()
    assert not call.cancelled


async def test_with_cancel_on_disconnect_it_may_not(meet: Meet) -> None:
    peer, call = await meet(cancel_on_disconnect=True)
    await peer.leave()
    await asyncio.wait_for(call.ended.wait(), 5)
    assert call.cancelled


# --- misuse -------------------------------------------------------------------------------------------------

WRONG = [
    {"type": "websocket.send"},
    {"type": "websocket.send", "text": None, "bytes": None},
    {"type": "websocket.send", "text": "a", "bytes": b"a"},
    {"type": "websocket.send", "text": b"a"},
    {"type": "websocket.send", "bytes": "a"},
    {"type": "websocket.send", "text": "\ud800"},
    {"type": "websocket.send", "text": 5},
    {"type": "websocket.accept"},
    {"type": "websocket.http.response.start", "status": 200},
    {"type": "websocket.http.response.body"},
    {"type": "websocket.close", "code": 999},
    {"type": "websocket.close", "code": 1004},
    {"type": "websocket.close", "code": 1005},
    {"type": "websocket.close", "code": 1006},
    {"type": "websocket.close", "code": 1015},
    {"type": "websocket.close", "code": 5000},
    {"type": "websocket.close", "code": "1000"},
    {"type": "websocket.close", "reason": "x" * 124},
    {"type": "websocket.close", "reason": b"bytes"},
    {"type": "websocket.connect"},
    {"type": "websocket.receive", "text": "a"},
    {"type": "http.response.start", "status": 200},
    {"type": "unheard of"},
    {"type": None},
    {"type": []},
    {},
    None,
    "websocket.send",
]


@pytest.mark.parametrize("message", WRONG, ids=lambda message: repr(message)[:60])
async def test_a_wrong_message_raises_in_the_application_and_is_1011_for_the_peer(
    meet: Meet, message: Any
) -> None:
    peer, call = await meet()
    await call.send("send", text="fine")
    with pytest.raises(ApplicationError):
        await call.send_raw(message)
    assert await peer.message() == "fine"
    assert (await peer.closed())[0] == 1011
    assert (await call.receive())["type"] == "websocket.disconnect"
    with pytest.raises((ApplicationError, ClientDisconnected)):
        await call.send("send", text="too late")
    await peer.close(1011)
    assert await peer.ended()


@pytest.mark.parametrize(
    "message",
    [
        {"type": "websocket.send", "text": "a"},
        {"type": "websocket.http.response.body"},
        {"type": "websocket.http.response.start"},
        {"type": "websocket.http.response.start", "status": "200"},
        {"type": "websocket.http.response.start", "status": 200, "headers": [(b"a b", b"")]},
        {"type": "http.response.start", "status": 200},
        {"type": "unheard of"},
        None,
    ],
    ids=lambda message: repr(message)[:60],
)
async def test_before_the_answer_a_wrong_message_raises_and_is_500(
    serve: Serve, application: Application, message: Any
) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.receive()
    with pytest.raises(ApplicationError):
        await call.send_raw(message)
    assert (await peer.answer())[0] == 500


@pytest.mark.parametrize("kind", ["send", "close", "accept"])
async def test_after_its_own_close_an_application_may_send_nothing(meet: Meet, kind: str) -> None:
    peer, call = await meet()
    await call.send("close")
    with pytest.raises((ApplicationError, ClientDisconnected)):
        await call.send(kind, **({"text": "a"} if kind == "send" else {}))
    assert await peer.closed() == (1000, "")  # and the peer sees nothing of it
    await peer.close(1000)
    assert await peer.ended()


# --- contextvars --------------------------------------------------------------------------------------------

NAME: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


async def test_context_variables_stay_with_their_websocket(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        before = NAME.get()
        NAME.set(scope["path"])
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": before})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": NAME.get()})

    served = await serve(app)
    async with served.client("/one") as one, served.client("/two") as two:
        assert [await one.recv(), await two.recv()] == ["nobody", "nobody"]
        for _ in range(3):
            await one.send("?")
            await two.send("?")
            assert [await one.recv(), await two.recv()] == ["/one", "/two"]


# --- a real client ------------------------------------------------------------------------------------------


async def test_the_client_of_websockets_talks_to_it(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo)
    async with served.client(subprotocols=None, ping_interval=0.05) as client:
        for message in ("text", b"bytes", "", b"", "ä" * 100_000, bytes(1 << 20), ["in ", "three ", "parts"]):
            await client.send(message)
            expected = "".join(message) if isinstance(message, list) else message
            assert await client.recv() == expected
        await (await client.ping(b"are you there?"))
    assert client.close_code == 1000


async def test_the_client_of_websockets_sees_why_it_was_refused(
    serve: Serve, application: Application
) -> None:
    served = await serve(application)

    async def deny() -> None:
        call = await application.call()
        await call.receive()
        await call.send("http.response.start", status=402, headers=[(b"content-type", b"text/plain")])
        await call.send("http.response.body", body=b"pay first")

    denying = asyncio.ensure_future(deny())
    with pytest.raises(websockets.InvalidStatus) as refused:
        await served.client()
    assert refused.value.response.status_code == 402
    assert refused.value.response.body == b"pay first"
    await denying
