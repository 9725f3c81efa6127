"""Notes, a small product on asgistar: users, notes with tags and attachments, live updates.

alembic upgrade head     # make the tables
asgistar seed            # a user with notes to play with
asgiworker app:app       # or any other ASGI server
"""

from __future__ import annotations

from pathlib import Path

from notes import attachments, live, notes, users
from notes.commands import commands
from notes.database import engine, session, settings
from notes.folder import folder
from notes.live import feed
from notes.users import identity

from asgistar import App, FileResponse, Include, Info, Route, Static
from asgistar.docs import docs

PAGE = Path(__file__).parent / "page"


async def page() -> FileResponse:
    """The page of the notes."""
    return FileResponse(PAGE / "index.html")


app = App(
    [
        Route("/", "GET", page, documented=False),
        Static("/static", PAGE),
        Include("", users.routes, tags=["users"]),
        Include("/notes", notes.routes, name="notes", tags=["notes"]),
        Include("", attachments.routes, tags=["attachments"]),
        Include("", live.routes, tags=["live"]),
        docs("/docs"),
    ],
    components=[settings, engine, session, identity, feed, folder],
    commands=commands,
    info=Info(title="Notes", version="1.0", description="Notes with tags, attachments and live updates."),
)
