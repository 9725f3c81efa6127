"""What no client would send, and what any client may, cut anywhere: the server answers or ends, and lives."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import asgiworker
from asgiworker.asgi.types import ASGIApplication

if TYPE_CHECKING:
    from server.tests.protocols.websocket.conftest import Peer

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
DEFLATE = ("Sec-WebSocket-Extensions", "permessage-deflate")

Run = Callable[[Coroutine[Any, Any, Any]], Any]
Talk = Callable[["Peer"], Awaitable[None]]
Served = Callable[[Talk], Coroutine[Any, Any, None]]


@pytest.fixture
def served(echo: ASGIApplication, request: pytest.FixtureRequest) -> Served:
    """Has a client talk to an echo that counts short; afterwards the server must be as it was before."""
    from_socket: Callable[..., Awaitable[Peer]] = request.getfixturevalue("from_socket")

    async def serve(talk: Talk) -> None:
        surprises: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.append(context))
        settings = {"lifespan": "off", "ws_max_size": 5000, "ws_close_timeout": 0.2, "graceful_timeout": 1}
        async with asgiworker.running(echo, **settings) as server:
            peer = await from_socket(server.url)
            try:
                await talk(peer)
            finally:
                await peer.leave()
            second = await from_socket(server.url)  # the server lives
            await second.open()
            await second.text("hello")
            assert await second.message() == "hello"
            await second.leave()
            assert server.service.failures == 0
        assert surprises == []

    return serve


# --- bytes --------------------------------------------------------------------------------------------------

# The frames' own bytes are likelier than others, so that the nonsense gets further.
bytes_like_frames = st.lists(
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from(
            [
                *(b"\x81", b"\x82", b"\x01", b"\x00", b"\x80", b"\x88", b"\x89", b"\x8a", b"\xc1", b"\x41"),
                *(b"\x80\x00\x00\x00\x00", b"\x85", b"\xfe\x00\x7e", b"\xff" + bytes(6), b"\xfe", b"\xff"),
            ]
        ),
    ),
    max_size=40,
)


@given(pieces=bytes_like_frames, compressed=st.booleans())
def test_any_bytes_are_answered_or_end_the_connection(
    run: Run, served: Served, pieces: list[bytes], compressed: bool
) -> None:
    async def talk(peer: Peer) -> None:
        await peer.open("/", *([DEFLATE] if compressed else []))
        try:
            for piece in pieces:
                await peer.send(piece)
                await asyncio.sleep(0)
            peer.finish()
            while (await peer.receive()).opcode != CLOSE:  # whatever it is, it is well-formed
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        assert await peer.gone()

    run(served(talk))


@given(data=st.binary(max_size=300))
def test_any_bytes_behind_a_handshake_are_too(run: Run, served: Served, data: bytes) -> None:
    async def talk(peer: Peer) -> None:
        await peer.send(peer.request(), data)
        peer.finish()
        assert (await peer.answer())[0] == 101
        assert await peer.gone()

    run(served(talk))


# --- valid frames -------------------------------------------------------------------------------------------


@dataclass
class Conversation:
    """What a client sends, and what it must get of an echo."""

    wire: bytes = b""
    messages: list[str | bytes] = field(default_factory=list)
    pings: list[bytes] = field(default_factory=list)


texts = st.text(st.characters(codec="utf-8"), max_size=200)
control_payloads = st.binary(max_size=125)


@st.composite
def conversations(draw: st.DrawFn, frame: Callable[..., bytes], compressed: bool) -> Conversation:
    """Messages, fragmented anyhow, with pings and pongs anywhere between the frames."""
    made = Conversation()

    def controls() -> None:
        for payload in draw(st.lists(control_payloads, max_size=2)):
            made.wire += frame(PING, payload, mask=draw(masks))
            made.pings.append(payload)
            if draw(st.booleans()):
                made.wire += frame(PONG, payload)

    masks = st.binary(min_size=4, max_size=4)
    compressor = zlib.compressobj(wbits=-15)
    for message in draw(st.lists(st.one_of(texts, st.binary(max_size=2000)), max_size=6)):
        opcode = TEXT if isinstance(message, str) else BINARY
        data = message.encode() if isinstance(message, str) else message
        rsv = 0
        if compressed and draw(st.booleans()):
            data = (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
            rsv = 0x40
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
        bounds = [0, *cuts, len(data)]
        for index, (begin, end) in enumerate(itertools.pairwise(bounds)):
            made.wire += frame(
                CONTINUATION if index else opcode,
                data[begin:end],
                fin=index == len(cuts),
                rsv=0 if index else rsv,
                mask=draw(masks),
            )
            controls()
        made.messages.append(message)
    return made


async def send_in_pieces(peer: Peer, wire: bytes, sizes: list[int]) -> None:
    """Send `wire`, cut into pieces of these sizes, over and over."""
    position = 0
    for size in itertools.cycle(sizes):
        if position >= len(wire):
            break
        await peer.send(wire[position : position + size])
        position += size
        await asyncio.sleep(0)


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_valid_frames_are_understood_however_they_are_cut(
    run: Run, served: Served, compressed: bool, request: pytest.FixtureRequest
) -> None:
    frame: Callable[..., bytes] = request.getfixturevalue("frame")

    @given(conversation=conversations(frame, compressed), sizes=st.lists(st.integers(1, 400), min_size=1))
    def check(conversation: Conversation, sizes: list[int]) -> None:
        async def talk(peer: Peer) -> None:
            await peer.open("/", *([DEFLATE] if compressed else []))
            answers = zlib.decompressobj(wbits=-15)
            sending = asyncio.ensure_future(send_in_pieces(peer, conversation.wire, sizes))
            messages: list[str | bytes] = []
            pongs = []
            for _ in range(len(conversation.messages) + len(conversation.pings)):
                received = await peer.receive()
                payload = received.payload
                if received.rsv1:
                    payload = answers.decompress(payload + b"\x00\x00\xff\xff")
                if received.opcode == PONG:
                    pongs.append(payload)
                else:
                    messages.append(payload.decode() if received.opcode == TEXT else payload)
            assert messages == conversation.messages
            assert pongs == conversation.pings
            await sending
            await peer.close(4000)
            assert await peer.closed() == (4000, "")
            assert await peer.ended()

        run(served(talk))

    check()
