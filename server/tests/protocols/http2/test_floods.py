"""RFC 9113 §10.5: whoever makes the server work for nothing is told to calm down, and disconnected.

Each flood is something that a client may do a few times and has no reason to do thousands of times. What
memory they take is seen in `load/test_http2_memory.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

from asgiworker.asgi.types import Receive, Scope, Send
from asgiworker.protocols.http2.floods import BUDGET, INCOME, Budget

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.http2.conftest import Client, Frame, Opener, Until

pytestmark = pytest.mark.every_python

CALM = ErrorCodes.ENHANCE_YOUR_CALM

# A GET of / from "a", in literals and static entries alone: it means the same whatever was sent before.
BLOCK = b"\x82\x86\x84\x01\x01a"
POST_BLOCK = b"\x83\x86\x84\x01\x01a"
WHOLE = ("END_HEADERS", "END_STREAM")

ENOUGH = 50_000  # times
BATCH = 200

Frames = tuple[tuple[Any, ...], ...]


class Endless:
    """An application that never answers, and counts how often it was called and what it has running."""

    def __init__(self) -> None:
        self.calls = 0
        self.running = 0
        self.most = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self.running -= 1


async def flood(client: Client, rounds: Iterable[Frames], paced: bool = False) -> tuple[Frame, int]:
    """Send one round after the other until the server says goodbye: its GOAWAY, and after how many rounds.

    If it is `paced`, the client waits for the server's resets: it never has too many streams open.
    """
    goodbye = asyncio.ensure_future(client.take("GOAWAY"))
    sent = 0
    rounds = iter(rounds)
    try:
        while not goodbye.done() and (batch := list(itertools.islice(rounds, 50 if paced else BATCH))):
            await client.send(*itertools.chain.from_iterable(batch))
            sent += len(batch)
            await asyncio.sleep(0)
            while paced and not goodbye.done() and resets(client) < sent:  # noqa: ASYNC110
                await asyncio.sleep(0)
    except OSError:
        pass
    frame = await goodbye
    await client.ended()
    return frame, sent


def resets(client: Client) -> int:
    """How many streams the server has reset."""
    return sum(frame.kind == "RST_STREAM" for frame in client.log)


def odd() -> Iterator[int]:
    """The streams of a client."""
    return iter(range(1, 2 * ENOUGH, 2))


def same(*frames: tuple[Any, ...]) -> Callable[[], Iterator[Frames]]:
    """The same frames again and again."""
    return lambda: itertools.repeat(frames, ENOUGH)


def each(*frames: tuple[Any, ...]) -> Callable[[], Iterator[Frames]]:
    """The frames on one stream after the other: where they have None, the stream is put in."""

    def generate() -> Iterator[Frames]:
        for stream in odd():
            yield tuple((kind, stream if on is None else on, *rest) for kind, on, *rest in frames)

    return generate


HEADERS = ("HEADERS", None, BLOCK, *WHOLE)
OPEN = ("HEADERS", None, POST_BLOCK, "END_HEADERS")

FLOODS: dict[str, Callable[[], Iterator[Frames]]] = {
    # CVE-2023-44487
    "rapid reset": each(HEADERS, ("RST_STREAM", None, ErrorCodes.CANCEL)),
    "rapid reset of uploads": each(OPEN, ("RST_STREAM", None, ErrorCodes.CANCEL)),
    # CVE-2019-9512, -9515
    "PING": same(("PING", 0, bytes(8))),
    "SETTINGS": same(("SETTINGS", 0)),
    "SETTINGS that change": lambda: (
        (("SETTINGS", 0, {"INITIAL_WINDOW_SIZE": number % 2}),) for number in range(ENOUGH)
    ),
    "SETTINGS that resize the table": lambda: (
        (("SETTINGS", 0, {"HEADER_TABLE_SIZE": 4096 * (number % 2)}),) for number in range(ENOUGH)
    ),
    "SETTINGS of a thousand entries": same(("SETTINGS", 0, b"\0\3\0\0\0\1" * 1000)),
    # CVE-2019-9513 and its kin
    "PRIORITY": same(("PRIORITY", 1, bytes(4) + b"\x0f")),
    "PRIORITY of many streams": each(("PRIORITY", None, bytes(4) + b"\x0f")),
    "PRIORITY_UPDATE": lambda: (
        (("PRIORITY_UPDATE", 0, struct.pack(">I", 1) + b"u=%d" % (n % 8)),) for n in range(ENOUGH)
    ),
    "WINDOW_UPDATE": same(("WINDOW_UPDATE", 0, 1)),
    "answers to no PING": same(("PING", 0, bytes(8), "ACK")),
    "frames of an unknown type": same((99, 0, b"")),
    "resets of a stream that is over": lambda: itertools.chain(
        [(("HEADERS", 1, BLOCK, *WHOLE), ("RST_STREAM", 1, 8))], same(("RST_STREAM", 1, 8))()
    ),
}


@pytest.mark.parametrize("rounds", FLOODS.values(), ids=FLOODS.keys())
async def test_a_flood_ends_in_enhance_your_calm(
    http2: Opener, rounds: Callable[[], Iterator[Frames]], until: Until
) -> None:
    app = Endless()
    client = await http2(app)
    frame, sent = await flood(client, rounds())
    assert frame.number == CALM
    assert sent < ENOUGH
    assert app.most <= 200, "twice what may be open at once"
    await until(lambda: app.running == 0)


# CVE-2025-8671: the server is made to reset.
DRIVEN: dict[str, Callable[[], Iterator[Frames]]] = {
    "a window too large": each(OPEN, ("WINDOW_UPDATE", None, 2**31 - 1)),
    "a body longer than announced": each(
        ("HEADERS", None, POST_BLOCK + b"\x0f\x0d\x011", "END_HEADERS"), ("DATA", None, b"22", "END_STREAM")
    ),
    "a body shorter than announced": each(
        ("HEADERS", None, POST_BLOCK + b"\x0f\x0d\x013", "END_HEADERS"), ("DATA", None, b"22", "END_STREAM")
    ),
    "malformed trailers": each(OPEN, ("HEADERS", None, b"\x82", *WHOLE)),
    "malformed requests": each(("HEADERS", None, BLOCK[:3], *WHOLE)),
}


@pytest.mark.parametrize("rounds", DRIVEN.values(), ids=DRIVEN.keys())
async def test_resets_that_the_server_is_driven_into_are_counted_as_well(
    http2: Opener, rounds: Callable[[], Iterator[Frames]], until: Until
) -> None:
    app = Endless()
    client = await http2(app)
    frame, sent = await flood(client, rounds(), paced=True)
    assert frame.number == CALM
    assert sent < ENOUGH
    assert app.most <= 200, "twice what may be open at once"
    await until(lambda: app.running == 0)


@pytest.mark.parametrize(
    "rounds",
    [
        pytest.param(each(OPEN, ("WINDOW_UPDATE", None, 0)), id="windows opened by nothing"),
        pytest.param(each(OPEN), id="more streams than are allowed"),
        pytest.param(
            lambda: ((("PRIORITY_UPDATE", 0, struct.pack(">I", stream) + b"u=1"),) for stream in odd()),
            id="priorities of more streams than are allowed",
        ),
    ],
)
async def test_what_is_an_error_of_the_connection_is_no_flood(
    http2: Opener, rounds: Callable[[], Iterator[Frames]]
) -> None:
    frame, sent = await flood(await http2(Endless()), rounds())
    assert frame.number in (CALM, ErrorCodes.PROTOCOL_ERROR)
    assert sent < ENOUGH


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(("DATA", 1, b""), id="empty DATA"),  # CVE-2019-9518
        pytest.param(("DATA", 1, b"\0", "PADDED"), id="DATA of padding alone, of none"),
        pytest.param(("WINDOW_UPDATE", 1, 1), id="WINDOW_UPDATE of a stream"),
    ],
)
async def test_a_flood_on_one_stream(http2: Opener, frame: tuple[Any, ...]) -> None:
    client = await http2(Endless())
    await client.send(("HEADERS", 1, POST_BLOCK, "END_HEADERS"))
    goaway, sent = await flood(client, same(frame)())
    assert goaway.number == CALM
    assert sent < ENOUGH


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\x01x\x01y", id="a field each"),
        pytest.param(b"\x00\x01x\x7f\x80\x7e" + b"y" * 16255, id="16 KiB each"),
    ],
)
async def test_a_block_of_fields_without_end(http2: Opener, part: bytes) -> None:
    """CVE-2024-27316 and its kin: CONTINUATION frames, never an END_HEADERS."""
    app = Endless()
    client = await http2(app)
    await client.send(("HEADERS", 1, BLOCK))
    goaway, sent = await flood(client, same(("CONTINUATION", 1, part))())
    assert goaway.number in (CALM, ErrorCodes.PROTOCOL_ERROR)
    assert sent <= 20 * BATCH
    assert app.calls == 0


async def test_a_client_that_reads_nothing_may_not_ask_for_answers_without_end(
    http2: Opener, until: Until
) -> None:
    """The answers to PING wait in our memory while nobody reads them: that many are none."""
    client = await http2(Endless())
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    [connection] = client.server.service.connections
    try:
        for _ in range(ENOUGH // BATCH * 20):
            await asyncio.wait_for(client.send(*[("PING", 0, bytes(8))] * BATCH), 0.5)
    except (OSError, TimeoutError):
        pass
    await until(lambda: connection.transport.is_closing() or not client.server.service.connections)


# --- what is no flood ---------------------------------------------------------------------------------------


async def test_a_busy_client_is_no_flood(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    for _ in range(20):
        streams = [await client.request() for _ in range(100)]
        for stream in streams:
            assert (await client.answer(stream)).status == 200
    assert len(mirror.seen) == 2000


async def test_a_client_that_often_changes_its_mind_is_no_flood(http2: Opener, mirror: Mirror) -> None:
    """As browsers do when a person scrolls through pictures: each reset among requests that are answered."""
    client = await http2(mirror)
    for _ in range(200):
        cancelled = await client.request(b"POST", ends=False)
        await client.send(("RST_STREAM", cancelled, ErrorCodes.CANCEL))
        assert (await client.get()).status == 200
    await client.goes_on()


async def test_a_client_that_cancels_a_page_of_pictures_is_no_flood(http2: Opener) -> None:
    client = await http2(Endless())
    streams = [await client.request() for _ in range(100)]
    await client.ping()
    await client.send(*(("RST_STREAM", stream, ErrorCodes.CANCEL) for stream in streams))
    await client.ping()


async def test_pings_between_requests_are_no_flood(http2: Opener, mirror: Mirror) -> None:
    """As gRPC's clients send them, to measure the way: one for each answer."""
    client = await http2(mirror)
    for _ in range(500):
        await client.ping()
        assert (await client.get()).status == 200


async def test_a_body_in_parts_of_one_byte_is_no_flood(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    stream = await client.request(b"POST", ends=False)
    for _ in range(50):
        await client.send(*[("DATA", stream, b"x")] * 100)
        await client.settle()
    await client.send(("DATA", stream, b"", "END_STREAM"))
    assert (await client.answer(stream)).status == 200
    assert mirror.seen[0].body == b"x" * 5000


async def test_a_window_that_is_opened_for_each_frame_read_is_no_flood(http2: Opener) -> None:
    """4 MB in the smallest windows that are usual: two WINDOW_UPDATEs for each DATA frame."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for _ in range(40):
            await send({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
        await send({"type": "http.response.body"})

    client = await http2(app)
    assert len((await client.get()).body) == 4_000_000


async def test_a_download_read_a_kilobyte_at_a_time_is_no_flood(http2: Opener) -> None:
    """Clients give window back as they read, and some read little by little."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": bytes(3_000_000)})

    client = await http2(app)
    client.replenishes = False
    stream = await client.request()
    left = 3_000_000
    while left:
        frame = await client.take("DATA", stream)
        left -= frame.length
        for _ in range(frame.length // 1000):
            client.write(("WINDOW_UPDATE", 0, 1000), ("WINDOW_UPDATE", stream, 1000))
        client.write(("WINDOW_UPDATE", 0, frame.length % 1000 or 1), ("WINDOW_UPDATE", stream, 1000))
    client.replenishes = True
    await client.goes_on()


# --- the budget ---------------------------------------------------------------------------------------------


def test_a_budget_that_is_used_up_comes_back_with_time() -> None:
    budget = Budget(now=100.0)
    budget.left -= BUDGET
    assert not budget.exhausted(100.0), "the last frame was paid for"
    budget.left -= 2
    assert budget.exhausted(100.0)
    assert not budget.exhausted(101.0)
    assert budget.left == INCOME - 2


def test_time_brings_no_more_than_there_was_at_first() -> None:
    budget = Budget(now=100.0)
    budget.left = -1
    assert not budget.exhausted(1_000_000.0)
    assert budget.left == BUDGET
