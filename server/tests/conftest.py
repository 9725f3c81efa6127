"""What the tests share: event loops, a raw client, and servers in processes of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

DEADLINE = 10.0  # seconds after which a test that waits for the server has failed


@dataclass
class RawClient:
    """A connection that sends exactly the bytes it is told to, and shows exactly those that come back."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send `data`."""
        self.writer.write(data)
        await self.writer.drain()

    def finish(self) -> None:
        """Close the sending side: a half-close."""
        self.writer.write_eof()

    async def head(self) -> bytes:
        """The next bytes up to the end of a head."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), DEADLINE)

    async def exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        return await asyncio.wait_for(self.reader.readexactly(size), DEADLINE)

    async def rest(self, deadline: float = DEADLINE) -> bytes:
        """Everything until the server closes."""
        return await asyncio.wait_for(self.reader.read(), deadline)

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass


Connect = Callable[[str], Coroutine[None, None, RawClient]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens raw connections to a server's URL; they are closed when the test ends."""
    clients: list[RawClient] = []

    async def open_connection(url: str) -> RawClient:
        if url.startswith("unix:"):
            reader, writer = await asyncio.open_unix_connection(url.removeprefix("unix:"))
        else:
            parts = urlsplit(url)
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        client = RawClient(reader, writer)
        clients.append(client)
        return client

    yield open_connection
    for client in clients:
        await client.close()
