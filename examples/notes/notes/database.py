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
def settings() -> Settings:
    """The settings, read once."""
    return Settings()


@component(scope="app")
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The connections to the database; they are closed when the application stops."""
    made = create_async_engine(settings.url, pool_pre_ping=True)
    if made.dialect.name == "sqlite":
        event.listen(made.sync_engine, "connect", _prepared)
    yield made
    await made.dispose()


def _prepared(connection: Any, entry: ConnectionPoolEntry) -> None:
    """SQLite: foreign keys hold, and those who read don't wait for the one who writes."""
    cursor = connection.cursor()
    for line in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {line}")
    cursor.close()


@component
async def session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """A session for a request: committed before the response starts, rolled back if the view raises."""
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        yield session
