"""What is set from outside, by variables of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from asgistar import Meta
from asgistar.environment import Environment

HERE = Path(__file__).resolve().parents[1]


class Settings(Environment, prefix="NOTES_"):
    """The settings: `NOTES_DATABASE_URL=postgresql://…`."""

    database_url: str = f"sqlite:///{HERE / 'notes.db'}"
    """Where the notes are: `sqlite:///file` or `postgresql://user:password@host/name`."""

    attachments: str = str(HERE / "attachments")
    """The folder of the attachments."""

    attachment_limit: Annotated[int, Meta(ge=1)] = 10_000_000
    """The size that an attachment may have, in bytes."""

    @property
    def url(self) -> str:
        """The address of the database with the driver that speaks asyncio."""
        scheme, colon, rest = self.database_url.partition(":")
        drivers = {
            "sqlite": "sqlite+aiosqlite",
            "postgresql": "postgresql+asyncpg",
            "postgres": "postgresql+asyncpg",
        }
        return drivers.get(scheme, scheme) + colon + rest
