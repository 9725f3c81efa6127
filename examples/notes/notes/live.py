"""Live updates: what happens to notes, told to every page that is open.

Requests are served by several processes, so changes go through the database: a table that only grows, which
one task in each process reads while somebody listens.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from asgistar import Event, Events, Header, Route, Struct, WebSocket, WebSocketRoute, component
from notes.models import ChangeRow, now
from notes.users import Identity

INTERVAL = 0.3  # seconds between two looks
KEPT = timedelta(days=1)
"""So long changes are kept: who comes back later reads everything anew."""
LATE = timedelta(seconds=10)
"""A transaction that takes longer than that may be missed: numbers are given before they are committed."""
WAITING = 1000
"""So many changes wait for a slow client; then it has to connect again."""
BACKLOG = 1000
"""So many changes are told to one who comes back."""


class Change(Struct):
    """What happened to a note."""

    id: int
    note_id: int
    kind: str
    at: datetime


class Watch(Struct):
    """The first message of a WebSocket: from where on."""

    after: int | None = None


class Feed:
    """Reads the changes once for all who listen."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._listeners: dict[int, set[asyncio.Queue[Change | None]]] = defaultdict(set)
        self._anybody = asyncio.Event()

    @contextmanager
    def listening(self, user_id: int) -> Iterator[asyncio.Queue[Change | None]]:
        """A queue with the changes of a user from now on; None in it is the end."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue(WAITING)
        self._listeners[user_id].add(queue)
        self._anybody.set()
        try:
            yield queue
        finally:
            self._listeners[user_id].discard(queue)
            if not self._listeners[user_id]:
                del self._listeners[user_id]
            if not self._listeners:
                self._anybody.clear()

    async def changes(self, user_id: int, after: int | None) -> AsyncIterator[Change]:
        """The changes of a user after that one, or from now on; ends when the client is too slow."""
        with self.listening(user_id) as queue:
            if after is None:
                after = await self._last(user_id)
            for change in await self._missed(user_id, after):
                after = change.id
                yield change
            while (change := await queue.get()) is not None:
                if change.id > after:
                    yield change

    async def _last(self, user_id: int) -> int:
        query = select(func.max(ChangeRow.id)).where(ChangeRow.owner_id == user_id)
        async with AsyncSession(self._engine) as session:
            return await session.scalar(query) or 0

    async def _missed(self, user_id: int, after: int) -> list[Change]:
        query = select(ChangeRow).where(ChangeRow.owner_id == user_id, ChangeRow.id > after)
        async with AsyncSession(self._engine) as session:
            rows = await session.scalars(query.order_by(ChangeRow.id).limit(BACKLOG))
            return [_change(row) for row in rows]

    async def run(self) -> None:
        """Look for changes, while somebody listens."""
        told: set[int] = set()
        tidied = now() - KEPT
        while True:
            await self._anybody.wait()
            if tidied < now() - KEPT / 24:
                tidied = now()
                await self._tidy()
            query = select(ChangeRow).where(ChangeRow.at > now() - LATE).order_by(ChangeRow.id)
            async with AsyncSession(self._engine) as session:
                rows = list(await session.scalars(query))
            for row in rows:
                if row.id not in told:
                    self._tell(row)
            told = {row.id for row in rows}
            await asyncio.sleep(INTERVAL)

    async def _tidy(self) -> None:
        async with AsyncSession(self._engine) as session, session.begin():
            await session.execute(delete(ChangeRow).where(ChangeRow.at < now() - KEPT))

    def _tell(self, row: ChangeRow) -> None:
        for queue in list(self._listeners.get(row.owner_id, ())):
            with suppress(asyncio.QueueFull):
                queue.put_nowait(_change(row))
                continue
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)


def _change(row: ChangeRow) -> Change:
    return Change(row.id, row.note_id, row.kind, row.at)


@component(scope="app")
async def feed(engine: AsyncEngine) -> AsyncIterator[Feed]:
    """The feed of this process."""
    made = Feed(engine)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def changes(who: Identity, feed: Feed, last_event_id: Header[str] = "") -> Events[Change]:
    """What happens to my notes, as server-sent events.

    A browser that lost the connection goes on where it was.
    """
    after = int(last_event_id) if last_event_id.isdigit() else None
    async for change in feed.changes(who.user_id, after):
        yield Event(data=change, id=change.id, event=change.kind)


async def live(socket: WebSocket[Watch, Change], who: Identity, feed: Feed) -> None:
    """What happens to my notes, over a WebSocket. The first message says from where on."""
    watch = await socket.receive()
    async for change in feed.changes(who.user_id, watch.after):
        await socket.send(change)


routes = [
    Route("/changes/", "GET", changes),
    WebSocketRoute("/live/", live),
]
