"""The client of the WebSocket rows: a process of its own, which asks a server as fast as it can.

Its frames are made once, and of what comes back it reads the heads alone, so that one core of it keeps one of
a server busy. The first answer of each connection is compared in full.

    python -m benchmarks.messages PORT PATH --clients 32 --size 16 --seconds 1 [--broadcast] [--deflate]

prints what `benchmarks.load.Answers` has, as JSON. Messages are text. An echo has one of them under way on
each connection. In a broadcast one client speaks, and speaks again when all have heard it; what counts is
what was heard.
"""

import argparse
import asyncio
import base64
import json
import os
import random
import sys
import time
import zlib
from functools import partial
from typing import cast

import uvloop

#: RFC 6455 §5.2: the end of a message, text, compressed; lengths in 2 and 8 bytes.
FIN, TEXT, COMPRESSED, MASKED = 0x80, 0x01, 0x40, 0x80
TWO_BYTES, EIGHT_BYTES = 126, 127
#: Messages of each client, in turn: no two that follow each other are the same.
VARIETY = 16
#: What RFC 7692 §7.2.1 leaves off.
TAIL = b"\x00\x00\xff\xff"
PATIENCE = 10.0
#: What a server gets to begin with all connections that it has accepted.
PAUSE = 0.05


class WrongAnswer(Exception):
    """A server that didn't do what the row is about."""


def texts(size: int) -> list[str]:
    """Messages of that length, as an API has them: names repeat, values don't."""
    dice = random.Random(size)
    made = []
    for _ in range(VARIETY):
        text = ""
        while len(text) < size:
            number, name = dice.randrange(10**6), dice.randrange(16**8)
            text += f'{{"id": {number}, "name": "{name:x}", "open": true}}, '
        made.append(text[:size])
    return made


def frame(text: str, deflate: bool) -> bytes:
    """A client's frame."""
    payload, first = text.encode(), FIN | TEXT
    if deflate:
        compressor = zlib.compressobj(wbits=-15)
        payload = (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[: -len(TAIL)]
        first |= COMPRESSED
    if len(payload) < TWO_BYTES:
        head = bytes((first, MASKED | len(payload)))
    elif len(payload) < 1 << 16:
        head = bytes((first, MASKED | TWO_BYTES)) + len(payload).to_bytes(2)
    else:
        head = bytes((first, MASKED | EIGHT_BYTES)) + len(payload).to_bytes(8)
    key = os.urandom(4)
    repeated = (key * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(len(payload))
    return head + key + masked


class Load:
    """What all clients of one run share."""

    def __init__(self, path: str, size: int, *, deflate: bool, broadcast: bool) -> None:
        self.path = path
        self.deflate = deflate
        self.broadcast = broadcast
        self.texts = texts(size)
        self.frames = [frame(text, deflate) for text in self.texts]
        self.clients: list[Client] = []
        self.messages = 0
        self.unheard = 0
        self.said = 0.0
        self.times: list[float] = []
        self.failed: asyncio.Future[None]

    def say(self) -> None:
        """A broadcast goes out."""
        self.unheard = len(self.clients)
        self.said = time.perf_counter()
        self.clients[0].speak()

    def heard(self) -> None:
        """One of the clients has it."""
        self.messages += 1
        self.unheard -= 1
        if not self.unheard:
            self.times.append(time.perf_counter() - self.said)
            self.say()

    def fail(self, reason: str) -> None:
        """It makes no sense to go on."""
        if not self.failed.done():
            self.failed.set_exception(WrongAnswer(reason))


class Client(asyncio.Protocol):
    """One connection."""

    transport: asyncio.Transport

    def __init__(self, load: Load, opened: asyncio.Future[None]) -> None:
        self.load = load
        self.opened = opened
        self.buffer = b""
        self.missing = 0  # bytes of a frame whose head has been read
        self.turn = 0
        self.since = 0.0
        self.checked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        extensions = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if self.load.deflate else ""
        self.transport.write(
            f"GET {self.load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{extensions}"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
        )

    def speak(self) -> None:
        """Send the next message."""
        self.since = time.perf_counter()
        self.transport.write(self.load.frames[self.turn % VARIETY])
        self.turn += 1

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            data = self.open(data)
        if self.missing:
            if len(data) < self.missing:
                self.missing -= len(data)
                return
            data, self.missing = data[self.missing :], 0
            self.answered()
        if self.buffer:
            data, self.buffer = self.buffer + data, b""
        while data:
            if len(data) < 10 and len(data) < 2 + (data[1:2] >= b"\x7e") * 8:
                self.buffer = data
                return
            length, begin = data[1], 2
            if length == TWO_BYTES:
                length, begin = int.from_bytes(data[2:4]), 4
            elif length == EIGHT_BYTES:
                length, begin = int.from_bytes(data[2:10]), 10
            if data[0] & 0x0F == 0x09:  # a ping: no server needs an answer within a run
                data = data[begin + length :]
                continue
            if not self.checked:
                if len(data) < begin + length:
                    self.buffer = data
                    return
                self.check(data[0], data[begin : begin + length])
            if len(data) < begin + length:
                self.missing = begin + length - len(data)
                return
            data = data[begin + length :]
            self.answered()

    def open(self, data: bytes) -> bytes:
        """The end of the handshake; what comes behind it is returned."""
        self.buffer += data
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return b""
        self.buffer = b""
        if not head.startswith(b"HTTP/1.1 101 "):
            self.load.fail(f"no WebSocket: {head.splitlines()[0].decode(errors='replace')}")
        elif self.load.deflate and b"permessage-deflate" not in head:
            self.load.fail("doesn't compress")
        else:
            self.opened.set_result(None)
        return rest

    def check(self, first: int, payload: bytes) -> None:
        """The first answer must be the first message."""
        if first & COMPRESSED:
            payload = zlib.decompressobj(wbits=-15).decompress(payload + TAIL)
        if first & ~COMPRESSED != FIN | TEXT or payload != self.load.texts[0].encode():
            self.load.fail(f"wrong answer: {first:#x}, {len(payload)} bytes")
        if self.load.deflate and not first & COMPRESSED:
            self.load.fail("doesn't compress")
        self.checked = True

    def answered(self) -> None:
        """A message has come to its end."""
        load = self.load
        if load.broadcast:
            load.heard()
            return
        load.messages += 1
        load.times.append(time.perf_counter() - self.since)
        self.speak()

    def connection_lost(self, error: Exception | None) -> None:
        self.load.fail(f"connection lost: {error}")


async def run(port: int, clients: int, seconds: float, load: Load) -> dict[str, float]:
    """Connect all, then count."""
    loop = asyncio.get_running_loop()
    load.failed = loop.create_future()
    for _ in range(clients):
        opened: asyncio.Future[None] = loop.create_future()
        _, client = await loop.create_connection(partial(Client, load, opened), "127.0.0.1", port)
        load.clients.append(client)
        await asyncio.wait({opened, load.failed}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            load.fail("no answer to the handshake")
            await load.failed
    await asyncio.sleep(PAUSE)
    began = time.perf_counter()
    if load.broadcast:
        load.say()
    else:
        for client in load.clients:
            client.speak()
    await asyncio.wait({load.failed}, timeout=seconds)
    while not load.times and not load.failed.done() and time.perf_counter() - began < PATIENCE:
        await asyncio.wait({load.failed}, timeout=PAUSE)  # a slow server in a short run
    took = time.perf_counter() - began
    if load.failed.done():
        await load.failed
    if not load.times:
        raise WrongAnswer("no message came back")
    times = sorted(load.times)
    return {
        "requests": load.messages,
        "seconds": took,
        "failed": 0,
        "p50": times[len(times) // 2],
        "p99": times[len(times) * 99 // 100],
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--broadcast", action="store_true")
    parser.add_argument("--deflate", action="store_true")
    chosen = parser.parse_args()
    load = Load(chosen.path, chosen.size, deflate=chosen.deflate, broadcast=chosen.broadcast)
    try:
        print(json.dumps(uvloop.run(run(chosen.port, chosen.clients, chosen.seconds, load))))
    except (WrongAnswer, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
