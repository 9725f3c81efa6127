"""Notes, a small product on asgistar: users, notes with tags and attachments, live updates.

alembic upgrade head     # make the tables
asgistar seed            # a user with notes to play with
asgiworker app:app       # or any other ASGI server
"""

from __future__ import annotations

from pathlib import Path

from notes import attachments, live, notes, users
from notes.commands import commands
from notes.database import engine, session
from notes.folder import folder
from notes.live import feed
from notes.passwords import passwords
from notes.settings import Settings
from notes.users import identity

from asgistar import App, FileResponse, Include, Info, Route, Static
from asgistar.docs import docs
from asgistar.middleware import security_headers

PAGE = Path(__file__).parent / "page"
FRESH = {"cache-control": "no-cache"}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may do: nothing but what our own files say."""


async def page() -> FileResponse:
    """The page of the notes."""
    return FileResponse(PAGE / "index.html", headers=FRESH)


app = App(
    [
        Route("/", "GET", page, documented=False),
        Static("/static", PAGE, headers=FRESH),
        Include("", users.routes, tags=["users"]),
        Include("/notes", notes.routes, name="notes", tags=["notes"]),
        Include("", attachments.routes, tags=["attachments"]),
        Include("", live.routes, tags=["live"]),
        docs("/docs"),
    ],
    components=[Settings, engine, session, passwords, identity, feed, folder],
    middleware=[security_headers(content_security_policy=POLICY, others={"cache-control": "no-store"})],
    commands=commands,
    info=Info(title="Notes", version="1.0", description="Notes with tags, attachments and live updates."),
    body_limit=2_000_000,
)
