"""The closing handshake (RFC 6455 §7), and how a broken frame fails the connection (§5, §8.1, §10.7)."""

from __future__ import annotations

import asyncio
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected
from asgiworker.asgi.types import ASGIApplication

if TYPE_CHECKING:
    from server.tests.protocols.websocket.conftest import Meet, Serve

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


# --- the peer closes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 4999])
async def test_the_peers_code_and_reason_are_the_applications_and_echoed(meet: Meet, code: int) -> None:
    peer, call = await meet()
    await peer.close(code, "bis später")
    for _ in range(2):
        assert await call.receive() == {
            "type": "websocket.disconnect", "code": code, "reason": "bis später",
        }  # fmt: skip
    answered, _ = await peer.closed()
    assert answered == code
    assert await peer.ended()
    with pytest.raises(ClientDisconnected):
        await call.send("send", text="too late")


async def test_a_close_without_a_code_is_1005(meet: Meet) -> None:
    peer, call = await meet()
    await peer.close()
    assert await call.receive() == {"type": "websocket.disconnect", "code": 1005, "reason": ""}
    assert await peer.closed() in ((None, ""), (1000, ""))
    assert await peer.ended()


async def test_what_came_before_the_close_is_received_before_it(meet: Meet) -> None:
    peer, call = await meet()
    await peer.send(peer.frame(TEXT, b"one"), peer.frame(BINARY, b"two"), peer.frame(CLOSE, b"\x03\xe8"))
    assert (await peer.closed())[0] == 1000
    assert (await call.receive())["text"] == "one"
    assert (await call.receive())["bytes"] == b"two"
    assert (await call.receive())["code"] == 1000


async def test_what_comes_after_the_close_is_nothing(meet: Meet) -> None:
    peer, call = await meet()
    await peer.send(peer.frame(CLOSE, b"\x03\xe8"), peer.frame(TEXT, b"and another thing"), b"\xff" * 10)
    assert (await call.receive())["code"] == 1000
    assert (await call.receive())["code"] == 1000
    assert (await peer.closed())[0] == 1000
    assert await peer.ended()


async def test_a_close_may_stand_in_the_middle_of_a_message(meet: Meet) -> None:
    peer, call = await meet()
    await peer.send(peer.frame(TEXT, b"unfinished", fin=False), peer.frame(CLOSE, b"\x03\xe8"))
    assert (await call.receive())["code"] == 1000
    assert (await peer.closed())[0] == 1000
    assert await peer.ended()


# --- the application closes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (1000, "")),
        ({"code": None, "reason": None}, (1000, "")),
        ({"code": 1001}, (1001, "")),
        ({"code": 1013, "reason": "später"}, (1013, "später")),
        ({"code": 4000, "reason": "x" * 123}, (4000, "x" * 123)),
        ({"reason": "ä" * 61}, (1000, "ä" * 61)),
    ],
    ids=str,
)
async def test_the_applications_code_and_reason_are_the_peers(
    meet: Meet, values: dict[str, Any], expected: tuple[int, str]
) -> None:
    peer, call = await meet()
    await call.send("send", text="goodbye")
    await call.send("close", **values)
    assert await peer.message() == "goodbye"
    assert await peer.closed() == expected
    message = await call.receive()
    assert message == {"type": "websocket.disconnect", "code": expected[0], "reason": expected[1]}
    await peer.close(expected[0])
    assert await peer.ended()


async def test_the_server_waits_for_the_peers_answer_before_it_closes(meet: Meet) -> None:
    peer, call = await meet()
    await call.send("close")
    assert await peer.closed() == (1000, "")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await peer.reader.read(1)
    await peer.close(1000)
    assert await peer.ended()


async def test_an_answer_that_does_not_come_is_not_waited_for_forever(meet: Meet) -> None:
    peer, call = await meet(ws_close_timeout=0.2)
    await call.send("close")
    assert await peer.closed() == (1000, "")
    assert await peer.gone()


async def test_messages_instead_of_an_answer_do_not_help(meet: Meet) -> None:
    peer, call = await meet(ws_close_timeout=0.2)
    await call.send("close")
    assert await peer.closed() == (1000, "")

    async def talk() -> None:
        while True:
            await peer.send(peer.frame(TEXT, b"but " * 100), peer.frame(PING))
            await asyncio.sleep(0.01)

    talking = asyncio.ensure_future(talk())
    assert await peer.gone()
    talking.cancel()
    await asyncio.wait([talking])
    assert (await call.receive())["type"] == "websocket.disconnect"


async def test_both_may_close_at_the_same_time(meet: Meet) -> None:
    peer, call = await meet()
    await peer.close(4001)
    with suppress(ClientDisconnected):  # if the peer's was there first
        await call.send("close", code=4002)
    assert (await peer.closed())[0] in (4001, 4002)
    assert await peer.ended()


async def test_a_peer_that_answers_the_close_with_nonsense_is_let_go(meet: Meet) -> None:
    peer, call = await meet()
    await call.send("close")
    assert await peer.closed() == (1000, "")
    await peer.send(b"\xff" * 100)
    assert await peer.gone()


# --- a broken frame -----------------------------------------------------------------------------------------


def masked(first: int, rest: bytes = b"\x80\x00\x00\x00\x00") -> bytes:
    """A frame that begins with this byte."""
    return bytes((first,)) + rest


BROKEN = {
    "not masked": (b"\x81\x05hello", 1002),
    "not masked, and empty": (b"\x81\x00", 1002),
    **{f"reserved bits {bits:03b}": (masked(0x81 | bits << 4), 1002) for bits in range(1, 8)},
    **{f"opcode {opcode}": (masked(0x80 | opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a fragmented ping": (masked(PING), 1002),
    "a fragmented pong": (masked(PONG), 1002),
    "a fragmented close": (masked(CLOSE), 1002),
    "a ping of 126 bytes": (masked(0x89, b"\xfe\x00\x7e" + bytes(130)), 1002),
    "a close of 126 bytes": (masked(0x88, b"\xfe\x00\x7e" + bytes(130)), 1002),
    "a continuation of nothing": (masked(0x80), 1002),
    "a continuation of nothing, not the last": (masked(0x00), 1002),
    "a message within a message": (masked(0x01) + masked(0x81), 1002),
    "a binary message within a text": (masked(0x01) + masked(0x02), 1002),
    "a length of 125 in two bytes": (b"\x81\xfe\x00\x7d" + bytes(129), 1002),
    "a length of 65535 in eight bytes": (b"\x82\xff" + struct.pack("!Q", 65535), 1002),
    "a length with its highest bit set": (b"\x82\xff" + struct.pack("!Q", 1 << 63), 1002),
    "a length of 2**62": (b"\x82\xff" + struct.pack("!Q", 1 << 62), 1009),
    "a close of one byte": (masked(0x88, b"\x81\x00\x00\x00\x00\x03"), 1002),
    **{
        f"a close with code {code}": (masked(0x88, b"\x82\x00\x00\x00\x00" + struct.pack("!H", code)), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "a close whose reason is not UTF-8": (masked(0x88, b"\x83\x00\x00\x00\x00\x03\xe8\xff"), 1007),
    "text that is not UTF-8": (masked(0x81, b"\x81\x00\x00\x00\x00\xff"), 1007),
    "a surrogate": (masked(0x81, b"\x83\x00\x00\x00\x00\xed\xa0\x80"), 1007),
    "an overlong form": (masked(0x81, b"\x82\x00\x00\x00\x00\xc0\xaf"), 1007),
    "beyond Unicode": (masked(0x81, b"\x84\x00\x00\x00\x00\xf4\x90\x80\x80"), 1007),
    "text that ends within a character": (masked(0x81, b"\x81\x00\x00\x00\x00\xc3"), 1007),
}


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_frame_fails_the_connection(meet: Meet, data: bytes, code: int) -> None:
    peer, call = await meet()
    await peer.send(data)
    assert (await peer.closed())[0] == code
    assert (await call.receive())["type"] == "websocket.disconnect"
    with pytest.raises((ClientDisconnected, ApplicationError)):
        await call.send("send", text="too late")
    await peer.close(code)
    assert await peer.gone()


@pytest.mark.parametrize(("data", "code"), list(BROKEN.values())[:20:5])
async def test_and_the_peer_need_not_answer(meet: Meet, data: bytes, code: int) -> None:
    peer, _ = await meet(ws_close_timeout=0.2)
    await peer.send(data)
    assert (await peer.closed())[0] == code
    assert await peer.gone()


async def test_a_good_message_before_a_broken_frame_is_received_and_may_be_answered(
    serve: Serve, echo: ASGIApplication
) -> None:
    served = await serve(echo)
    peer = await served.open()
    await peer.send(peer.frame(TEXT, b"good"), peer.frame(0x3, b"bad"), peer.frame(TEXT, b"never seen"))
    assert await peer.message() == "good"
    assert (await peer.closed())[0] == 1002


async def test_a_failure_does_not_wait_for_an_application_that_never_asks(meet: Meet) -> None:
    peer, call = await meet(ws_close_timeout=0.2)
    await peer.send(peer.frame(TEXT, b"good"), peer.frame(0x3, b"bad"))
    assert (await peer.closed())[0] == 1002
    assert (await call.receive())["text"] == "good"
    assert (await call.receive())["type"] == "websocket.disconnect"


@pytest.mark.parametrize("pieces", ["fragments", "chops"])
async def test_text_that_is_not_utf_8_fails_as_soon_as_it_can_be_known(meet: Meet, pieces: str) -> None:
    peer, _ = await meet()
    if pieces == "fragments":
        await peer.send(peer.frame(TEXT, "κόσ".encode(), fin=False))
        await peer.send(peer.frame(CONTINUATION, b"\xf4\x90", fin=False))  # of what would be four bytes
    else:
        await peer.send(peer.frame(TEXT, "κόσ".encode() + b"\xf4\x90" + bytes(1000))[:-1002])
        await peer.send(peer.frame(TEXT, "κόσ".encode() + b"\xf4\x90" + bytes(1000))[-1002:-1000])
    assert (await peer.closed())[0] == 1007


async def test_a_character_may_be_cut_by_fragments_and_packets(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo)
    peer = await served.open()
    text = "κόσμε 🎈"
    data = text.encode()
    for index in range(len(data)):
        fin = index == len(data) - 1
        await peer.send(peer.frame(CONTINUATION if index else TEXT, data[index : index + 1], fin=fin))
    assert await peer.message() == text


async def test_binary_messages_may_hold_anything(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo)
    peer = await served.open()
    data = bytes(range(256)) * 10
    await peer.binary(data)
    assert await peer.message() == data
