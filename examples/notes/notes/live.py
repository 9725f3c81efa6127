"""Live updates: what happens to notes, told to every page that is open.

Requests are served by several processes, so changes go through the database. Those of a user are numbered
1, 2, 3, …: whoever has seen number 7 asks for what comes after it. One task in each process looks whose
number has grown, while somebody listens; so nothing piles up for slow clients, they just read later.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Annotated, Literal

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from asgistar import Event, Events, Header, Meta, Route, Struct, WebSocket, WebSocketRoute, component
from notes.models import ChangeRow, NoteRow, UserRow
from notes.users import Identity

INTERVAL = 0.3
"""Seconds between two looks."""
KEPT = 1000
"""So many changes of a user are kept; who missed more reads everything anew."""
BATCH = 100
"""So many are read at a time."""
USERS = 1000
"""So many users are asked for in one query."""
LASTS = 600.0
"""Seconds until a stream ends. Clients come again, and show that they may still listen."""

logger = logging.getLogger(__name__)

Kind = Literal["created", "changed", "deleted"]
After = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Change(Struct):
    """What happened to a note; `id` is the number of the change."""

    id: int
    note_id: int
    kind: Kind
    at: datetime


async def changed(session: AsyncSession, note: NoteRow, kind: Kind) -> None:
    """Tell those who listen, once the transaction is through.

    Whoever changes something of the same user waits here until then; so changes become visible in the order
    of their numbers, and nobody who asks for what comes after number 7 misses a number 6.
    """
    counting = update(UserRow).where(UserRow.id == note.owner_id).values(changes=UserRow.changes + 1)
    number = (await session.scalars(counting.returning(UserRow.changes))).one()
    session.add(ChangeRow(owner_id=note.owner_id, number=number, note_id=note.id, kind=kind))
    old = delete(ChangeRow).where(ChangeRow.owner_id == note.owner_id, ChangeRow.number <= number - KEPT)
    await session.execute(old)


class Feed:
    """What all who listen in this process share.

    Args:
        engine: of the database.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._listeners: dict[int, set[asyncio.Event]] = defaultdict(set)
        self._anybody = asyncio.Event()

    async def changes(self, user_id: int, after: int | None) -> AsyncIterator[Change]:
        """The changes of a user after that number, or from now on; ends after `LASTS` seconds."""
        clock = asyncio.get_running_loop().time
        end = clock() + LASTS
        with self._listening(user_id) as grown:
            last = (await self._numbers([user_id])).get(user_id, 0)
            after = last if after is None else min(after, last)
            while True:
                grown.clear()
                batch = await self._after(user_id, after)
                for row in batch:
                    after = row.number
                    yield Change(row.number, row.note_id, row.kind, row.at)  # type: ignore[arg-type]
                if len(batch) == BATCH:
                    continue
                try:
                    await asyncio.wait_for(grown.wait(), end - clock())
                except TimeoutError:
                    return

    async def run(self) -> None:
        """Look whose number has grown, while somebody listens."""
        known: dict[int, int] = {}
        while True:
            await self._anybody.wait()
            try:
                numbers = await self._numbers(list(self._listeners))
            except Exception:
                # The database may be away for a while; those who listen shall not be left without a word.
                logger.exception("The changes can't be read")
            else:
                for user_id, number in numbers.items():
                    if known.get(user_id) != number:
                        for grown in self._listeners.get(user_id, ()):
                            grown.set()
                known = numbers
            await asyncio.sleep(INTERVAL)

    @contextmanager
    def _listening(self, user_id: int) -> Iterator[asyncio.Event]:
        """What is set when the number of a user has grown."""
        grown = asyncio.Event()
        self._listeners[user_id].add(grown)
        self._anybody.set()
        try:
            yield grown
        finally:
            self._listeners[user_id].discard(grown)
            if not self._listeners[user_id]:
                del self._listeners[user_id]
            if not self._listeners:
                self._anybody.clear()

    async def _numbers(self, user_ids: Sequence[int]) -> dict[int, int]:
        """The numbers of the last changes: user -> number."""
        numbers: dict[int, int] = {}
        async with AsyncSession(self._engine) as session:
            for start in range(0, len(user_ids), USERS):
                some = user_ids[start : start + USERS]
                query = select(UserRow.id, UserRow.changes).where(UserRow.id.in_(some))
                numbers.update((row.id, row.changes) for row in await session.execute(query))
        return numbers

    async def _after(self, user_id: int, number: int) -> Sequence[ChangeRow]:
        query = select(ChangeRow).where(ChangeRow.owner_id == user_id, ChangeRow.number > number)
        async with AsyncSession(self._engine) as session:
            return (await session.scalars(query.order_by(ChangeRow.number).limit(BATCH))).all()


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

    It ends from time to time. A browser then comes again by itself, and goes on where it was; so do other
    clients, since it says when.
    """
    yield Event(retry=2000)
    after = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 10 else None
    async for change in feed.changes(who.user_id, after):
        yield Event(data=change, id=change.id, event=change.kind)


async def live(
    socket: WebSocket[None, Change], who: Identity, feed: Feed, after: After | None = None
) -> None:
    """What happens to my notes, over a WebSocket.

    It is closed from time to time; connect again, and say from where on.

    Args:
        after: the id of the last change that was seen.
    """
    await socket.accept()
    async for change in feed.changes(who.user_id, after):
        await socket.send(change)


routes = [
    Route("/changes/", "GET", changes),
    WebSocketRoute("/live/", live),
]
