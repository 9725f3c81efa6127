"""Runs the migrations on the database of the settings."""

from __future__ import annotations

import asyncio

from alembic import context
from notes.models import Base, UTCDateTime
from notes.settings import Settings
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine


def rendered(kind: str, item: object, context: object) -> str | bool:
    """How a migration writes a type: not by our name for it, which may change."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UTCDateTime) else False


def migrate(connection: Connection) -> None:
    """Run them on a connection."""
    # SQLite alters few things; Alembic makes a new table instead.
    context.configure(connection, target_metadata=Base.metadata, render_as_batch=True, render_item=rendered)
    with context.begin_transaction():
        context.run_migrations()


async def connect() -> None:
    """Connect and run them."""
    engine = create_async_engine(Settings().url)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


if context.is_offline_mode():
    context.configure(url=Settings().url, target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(connect())
