"""Commands: `asgistar seed`, `asgistar create_user ada@example.com Ada`, `asgistar tidy`."""

from __future__ import annotations

import getpass
import random
import time

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from asgistar import Command
from notes.folder import Folder
from notes.live import changed
from notes.models import AttachmentRow, NoteRow, TokenRow, UserRow, now
from notes.passwords import Passwords
from notes.types import Email, Name, Password
from notes.users import SignUp, add_user

SUBJECTS = ("Lisbon", "the garden", "the talk", "taxes", "Ada's birthday", "the bicycle", "chapter three")
DOINGS = ("Plan", "Think about", "Prepare", "Ask Tom about", "Write down", "Finish", "Forget")
TAGS = ("home", "work", "travel", "later", "books")
HOUR = 3600


async def create_user(
    session: AsyncSession, passwords: Passwords, email: Email, name: Name, password: Password = ""
) -> None:
    """Make a user.

    Args:
        email: the address to log in with.
        name: what they are called.
        password: is asked for if it isn't given, which is better: nobody sees it then.
    """
    while not 8 <= len(password) <= 200:
        password = getpass.getpass("Password, of 8 characters or more: ")
    row = await add_user(session, passwords, SignUp(email, name, password))
    print(f"{row.name} can log in as {row.email}.")


async def seed(session: AsyncSession, passwords: Passwords, notes: int = 30) -> None:
    """Make a user with notes to play with: ada@example.com, password "lovelace".

    Args:
        notes: how many.
    """
    row = await session.scalar(select(UserRow).where(UserRow.email == "ada@example.com"))
    if row is None:
        row = await add_user(session, passwords, SignUp("ada@example.com", "Ada", "lovelace"))
    chance = random.Random(1815)
    for _ in range(notes):
        note = NoteRow(
            owner_id=row.id,
            title=f"{chance.choice(DOINGS)} {chance.choice(SUBJECTS)}",
            text="\n".join(f"- {chance.choice(DOINGS).lower()} {chance.choice(SUBJECTS)}" for _ in range(3)),
            done=chance.random() < 0.3,
            tag_rows=[],
            tags=chance.sample(TAGS, chance.randint(0, 2)),
        )
        session.add(note)
        await session.flush()
        await changed(session, note, "created")
    print(f"{notes} notes for ada@example.com; the password is lovelace.")


async def tidy(session: AsyncSession, folder: Folder) -> None:
    """Throw away what is over: logins that have expired, and files whose note is gone or never came to be."""
    expired = await session.execute(delete(TokenRow).where(TokenRow.expires <= now()))
    # A file is there before its row is: what is young may be on its way.
    files = list(folder.files(before=time.time() - HOUR))
    known = {str(id) for id in await session.scalars(select(AttachmentRow.id))}
    unknown = [file for file in files if file.name not in known]
    for file in unknown:
        file.unlink(missing_ok=True)
    print(f"{expired.rowcount} logins and {len(unknown)} files are gone.")  # type: ignore[attr-defined]


commands = [Command("create_user", create_user), Command("seed", seed), Command("tidy", tidy)]
