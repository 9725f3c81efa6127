"""What is set from outside, by variables of the environment."""

from __future__ import annotations

from pathlib import Path

from asgistar import Environment

HERE = Path(__file__).resolve().parents[1]


class Settings(Environment, prefix="NOTES_"):
    """The settings; each is a variable, as in `NOTES_DATABASE_URL=postgresql://…`."""

    database_url: str = f"sqlite:///{HERE / 'notes.db'}"
    """Where the notes are: `sqlite:///file` or `postgresql://user:password@host/name`."""

    attachments: str = str(HERE / "attachments")
    """The folder with the content of attachments; all processes share it."""

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
