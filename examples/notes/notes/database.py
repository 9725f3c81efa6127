"""The database: an engine for the application, a session for each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from asgistar import component
from notes.settings import Settings


@component(scope="app")
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The connections to the database; they are closed when the application stops."""
    made = create_async_engine(settings.url, pool_pre_ping=True)
    if made.dialect.name == "sqlite":
        event.listen(made.sync_engine, "connect", _prepared)
    yield made
    await made.dispose()


def _prepared(connection: Any, entry: ConnectionPoolEntry) -> None:
    """SQLite as we want it: foreign keys hold, who reads doesn't wait for who writes, ü is the small Ü."""
    cursor = connection.cursor()
    for line in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {line}")
    cursor.close()
    connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)


@component
async def session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """A session for a request: committed before the response starts, rolled back if the view raises.

    It takes a connection with its first query. A view that then waits for something else commits before that,
    and so gives the connection back.
    """
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session
        await session.commit()
