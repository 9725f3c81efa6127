"""Commands: `asgistar seed`, `asgistar create_user ada@example.com Ada`."""

from __future__ import annotations

import getpass
import random

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from asgistar import Command
from notes import passwords
from notes.models import NoteRow, UserRow
from notes.notes import changed, tagged
from notes.users import Identity

SUBJECTS = ("Lisbon", "the garden", "the talk", "taxes", "Ada's birthday", "the bicycle", "chapter three")
DOINGS = ("Plan", "Think about", "Prepare", "Ask Tom about", "Write down", "Finish", "Forget")
TAGS = ("home", "work", "travel", "later", "books")


async def create_user(session: AsyncSession, email: str, name: str, password: str = "") -> None:
    """Make a user.

    Args:
        email: the address to log in with.
        name: what others see.
        password: is asked for if it isn't given.
    """
    password = password or getpass.getpass("Password: ")
    session.add(UserRow(email=email.lower(), name=name, password_hash=await passwords.hashed(password)))
    print(f"{name} can log in as {email.lower()}.")


async def seed(session: AsyncSession, notes: int = 30) -> None:
    """Make a user with notes to play with: ada@example.com, password "lovelace".

    Args:
        notes: how many.
    """
    row = await session.scalar(select(UserRow).where(UserRow.email == "ada@example.com"))
    if row is None:
        row = UserRow(email="ada@example.com", name="Ada", password_hash=await passwords.hashed("lovelace"))
        session.add(row)
        await session.flush()
    who = Identity(row.id, "")
    chance = random.Random(1815)
    for _ in range(notes):
        note = NoteRow(
            owner_id=row.id,
            title=f"{chance.choice(DOINGS)} {chance.choice(SUBJECTS)}",
            text="\n".join(f"- {chance.choice(DOINGS).lower()} {chance.choice(SUBJECTS)}" for _ in range(3)),
            done=chance.random() < 0.3,
        )
        note.tag_rows = await tagged(session, who, chance.sample(TAGS, chance.randint(0, 2)))
        session.add(note)
        await session.flush()
        changed(session, note, "created")
    print(f"{notes} notes for ada@example.com; the password is lovelace.")


commands = [Command("create_user", create_user), Command("seed", seed)]
