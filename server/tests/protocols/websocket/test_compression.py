"""permessage-deflate (RFC 7692) over real sockets: what is agreed, what is compressed, and bombs."""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from asgiworker.asgi.types import ASGIApplication

if TYPE_CHECKING:
    from server.tests.protocols.websocket.conftest import Deflate, Peer, Serve

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
RSV1 = 0x40

LONG = json.dumps([{"id": number, "name": f"user {number}", "active": True} for number in range(50)])


async def agreed(serve: Serve, app: ASGIApplication, offer: str, **settings: Any) -> tuple[Peer, set[str]]:
    """A WebSocket whose client has offered `offer`, and the parameters that were agreed on."""
    served = await serve(app, **settings)
    peer = await served.connect()
    fields = await peer.open("/", ("Sec-WebSocket-Extensions", offer))
    name, *parameters = fields.get("sec-websocket-extensions", "").split("; ")
    assert name in ("", "permessage-deflate")
    return peer, set(parameters)


def bits(parameters: set[str], name: str) -> int:
    """The window bits that were agreed on."""
    return next((int(each.partition("=")[2]) for each in parameters if each.startswith(f"{name}=")), 15)


# --- negotiation --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offer",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-bzip2",
        "permessage-deflate; unheard_of",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=99",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    ],
)
async def test_an_offer_that_cannot_be_met_is_declined_and_the_websocket_opened(
    serve: Serve, echo: ASGIApplication, offer: str
) -> None:
    served = await serve(echo)
    peer = await served.open("/", *([("Sec-WebSocket-Extensions", offer)] if offer else []))
    assert "sec-websocket-extensions" not in peer.head.lower()
    await peer.text(LONG)
    assert await peer.message() == LONG


@pytest.mark.parametrize("bound", range(8, 16))
async def test_the_server_compresses_within_the_window_that_the_client_wants(
    serve: Serve, echo: ASGIApplication, deflate: type[Deflate], bound: int
) -> None:
    peer, parameters = await agreed(serve, echo, f"permessage-deflate; server_max_window_bits={bound}")
    if bound == 8 and not peer.compresses:
        return  # zlib can't: declining is what RFC 7692 §7.1.2.1 leaves
    assert bits(parameters, "server_max_window_bits") <= bound
    codec = deflate(bits=max(bits(parameters, "server_max_window_bits"), 9))
    for _ in range(3):
        await peer.text(LONG)
        frame = await peer.receive()
        assert frame.rsv1
        assert codec.decompress(frame.payload).decode() == LONG


@pytest.mark.parametrize("bound", ["", "=8", "=9", "=12", "=15"])
async def test_a_client_that_can_choose_its_window_is_told_which(
    serve: Serve, echo: ASGIApplication, deflate: type[Deflate], bound: str
) -> None:
    peer, parameters = await agreed(serve, echo, f"permessage-deflate; client_max_window_bits{bound}")
    window = bits(parameters, "client_max_window_bits")
    assert 8 <= window <= int(bound[1:] or 15)
    codec = deflate(bits=max(window, 9))
    for _ in range(3):
        await peer.send(peer.frame(TEXT, codec.compress(LONG.encode()), rsv=RSV1))
        assert (await peer.receive()).rsv1


async def test_a_client_that_cannot_choose_its_window_may_use_the_largest(
    serve: Serve, echo: ASGIApplication, deflate: type[Deflate]
) -> None:
    peer, parameters = await agreed(serve, echo, "permessage-deflate")
    assert not any(each.startswith("client_max_window_bits") for each in parameters)
    codec, answers = deflate(bits=15), deflate(bits=bits(parameters, "server_max_window_bits"))
    far = os.urandom(30_000)  # its repetition is further back than a small window reaches
    for _ in range(2):
        await peer.send(peer.frame(BINARY, codec.compress(far), rsv=RSV1))
        assert answers.decompress((await peer.receive()).payload) == far


@pytest.mark.parametrize("side", ["server", "client"])
async def test_without_context_takeover_each_message_stands_alone(
    serve: Serve, echo: ASGIApplication, deflate: type[Deflate], side: str
) -> None:
    peer, parameters = await agreed(serve, echo, f"permessage-deflate; {side}_no_context_takeover")
    if side == "server":
        assert "server_no_context_takeover" in parameters
    sizes = []
    for _ in range(3):
        await peer.send(peer.frame(TEXT, deflate().compress(LONG.encode()), rsv=RSV1))
        frame = await peer.receive()
        sizes.append(len(frame.payload))
        if side == "server":
            assert deflate().decompress(frame.payload).decode() == LONG
    if side == "server":
        assert sizes[0] == sizes[1] == sizes[2]
    else:
        assert sizes[2] < sizes[0] / 2


async def test_with_context_takeover_a_repetition_costs_next_to_nothing(
    serve: Serve, echo: ASGIApplication, deflate: type[Deflate]
) -> None:
    peer, parameters = await agreed(serve, echo, "permessage-deflate; client_max_window_bits")
    assert "server_no_context_takeover" not in parameters
    codec = deflate(bits=bits(parameters, "client_max_window_bits"))
    answers = deflate(bits=bits(parameters, "server_max_window_bits"))
    sizes = []
    for _ in range(3):
        await peer.send(peer.frame(TEXT, codec.compress(LONG.encode()), rsv=RSV1))
        frame = await peer.receive()
        assert answers.decompress(frame.payload).decode() == LONG
        sizes.append(len(frame.payload))
    assert sizes[1] < sizes[0] / 2


async def test_the_first_offer_that_can_be_met_is_taken(serve: Serve, echo: ASGIApplication) -> None:
    offers = (
        "permessage-deflate; unheard_of, permessage-deflate; server_no_context_takeover, permessage-deflate"
    )
    _, parameters = await agreed(serve, echo, offers)
    assert "server_no_context_takeover" in parameters


async def test_switched_off_it_is_not_agreed_on(serve: Serve, echo: ASGIApplication) -> None:
    peer, _ = await agreed(serve, echo, "permessage-deflate", ws_per_message_deflate=False)
    assert not peer.compresses
    await peer.text(LONG)
    assert await peer.message() == LONG


# --- messages -----------------------------------------------------------------------------------------------


async def test_a_small_message_is_sent_as_it_is(serve: Serve, echo: ASGIApplication) -> None:
    peer, _ = await agreed(serve, echo, "permessage-deflate")
    for text in ("", "x", "x" * 20):
        await peer.text(text)
        assert await peer.message() == text  # which must not have RSV1


async def test_compressed_and_plain_messages_may_alternate(
    serve: Serve, echo: ASGIApplication, deflate: type[Deflate]
) -> None:
    peer, parameters = await agreed(serve, echo, "permessage-deflate")
    codec, answers = deflate(), deflate(bits=bits(parameters, "server_max_window_bits"))
    for number in range(6):
        if number % 2:
            await peer.text(LONG)
        else:
            await peer.send(peer.frame(TEXT, codec.compress(LONG.encode()), rsv=RSV1))
        assert answers.decompress((await peer.receive()).payload).decode() == LONG


async def test_a_compressed_message_may_come_in_fragments_with_pings_between(
    serve: Serve, echo: ASGIApplication, deflate: type[Deflate]
) -> None:
    peer, _ = await agreed(serve, echo, "permessage-deflate")
    codec, answers = deflate(), deflate()
    for _ in range(2):  # the second shows that the first was read to its very end
        data = codec.compress(LONG.encode())
        await peer.send(peer.frame(TEXT, data[:10], fin=False, rsv=RSV1), peer.frame(PING))
        for byte in data[10:40]:
            await peer.send(peer.frame(CONTINUATION, bytes((byte,)), fin=False))
        await peer.send(peer.frame(CONTINUATION, data[40:], fin=False), peer.frame(CONTINUATION, b""))
        assert (await peer.receive()).opcode == PONG
        assert answers.decompress((await peer.receive()).payload).decode() == LONG


@pytest.mark.parametrize(
    "payload",
    [
        b"\x00",  # an empty message, as RFC 7692 §7.2.3.6 has it
        b"\x02\x00",
        zlib.compress(b"Hello" * 100)[2:-4],  # its last block says that it is the last (§7.2.3.4)
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",  # not compressed at all (§7.2.3.3)
        b"\xf3\x48\xcd\xc9\xc9\x07\x00",  # §7.2.3.1
    ],
    ids=["empty", "empty block", "final block", "stored", "hello"],
)
async def test_every_form_of_deflated_data_is_read(meet_deflated: Any, payload: bytes) -> None:
    peer, call = await meet_deflated()
    decompressor = zlib.decompressobj(wbits=-15)
    expected = decompressor.decompress(payload + b"\x00\x00\xff\xff")
    await peer.send(peer.frame(BINARY, payload, rsv=RSV1))
    assert (await call.receive())["bytes"] == expected


@pytest.fixture
def meet_deflated(serve: Serve, application: Any) -> Any:
    """Both ends of a WebSocket with permessage-deflate."""

    async def meet(**settings: Any) -> tuple[Peer, Any]:
        served = await serve(application, **settings)
        peer = await served.connect()
        await peer.send(peer.request("/", ("Sec-WebSocket-Extensions", "permessage-deflate")))
        call = await application.call()
        await call.accept()
        assert (await peer.answer())[0] == 101
        assert peer.compresses
        return peer, call

    return meet


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([(TEXT, b"\xff\xff\xff", RSV1, True)], 1007),
        ([(PING, b"", RSV1, True)], 1002),
        ([(CLOSE, b"\x03\xe8", RSV1, True)], 1002),
        ([(TEXT, b"\x00", RSV1, False), (CONTINUATION, b"", RSV1, True)], 1002),
        ([(TEXT, b"\x00", RSV1 | 0x20, True)], 1002),
        ([(TEXT, zlib.compress(b"\xff" * 500)[2:-4], RSV1, True)], 1007),
    ],
    ids=["no deflate", "a ping", "a close", "a continuation", "another bit", "no UTF-8"],
)
async def test_what_is_wrong_with_a_compressed_message_fails_the_connection(
    meet_deflated: Any, frames: list[tuple[int, bytes, int, bool]], code: int
) -> None:
    peer, call = await meet_deflated()
    for opcode, payload, rsv, fin in frames:
        await peer.send(peer.frame(opcode, payload, rsv=rsv, fin=fin))
    answered = (await peer.closed())[0]
    assert answered == code or {answered, code} == {1002, 1007}
    assert (await call.receive())["type"] == "websocket.disconnect"


async def test_a_bomb_is_1009_and_the_application_sees_nothing_of_it(
    meet_deflated: Any, deflate: type[Deflate]
) -> None:
    peer, call = await meet_deflated(ws_max_size=100_000)
    codec = deflate()
    await peer.send(peer.frame(BINARY, codec.compress(bytes(100_000)), rsv=RSV1))
    assert (await call.receive())["bytes"] == bytes(100_000)
    await peer.send(peer.frame(BINARY, codec.compress(bytes(100_001)), rsv=RSV1))
    assert (await peer.closed())[0] == 1009
    assert (await call.receive())["type"] == "websocket.disconnect"


async def test_a_bomb_in_fragments_is_1009_as_well(meet_deflated: Any, deflate: type[Deflate]) -> None:
    peer, call = await meet_deflated(ws_max_size=100_000)
    data = deflate().compress(bytes(10_000_000))
    try:
        await peer.send(peer.frame(BINARY, data[:100], rsv=RSV1, fin=False))
        for index in range(100, len(data), 100):
            await peer.send(peer.frame(CONTINUATION, data[index : index + 100], fin=False))
            await asyncio.sleep(0)
    except ConnectionError:
        pass
    else:
        assert (await peer.closed())[0] == 1009
    assert (await call.receive())["type"] == "websocket.disconnect"


# --- a real client ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"server_no_context_takeover": True},
        {"client_no_context_takeover": True},
        {"server_max_window_bits": 9, "client_max_window_bits": 9},
    ],
    ids=str,
)
async def test_the_client_of_websockets_compresses_with_it(
    serve: Serve, echo: ASGIApplication, options: dict[str, Any]
) -> None:
    served = await serve(echo)
    extensions = [ClientPerMessageDeflateFactory(**options)]
    async with served.client(compression=None, extensions=extensions) as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" in client.response.headers
        for message in (LONG, LONG.encode(), "x", "", os.urandom(100_000), "ä" * 300_000, [LONG, LONG]):
            await client.send(message)
            expected = "".join(message) if isinstance(message, list) else message
            assert await client.recv() == expected
