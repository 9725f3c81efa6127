"""Notes: what is written down, with tags to find it by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from asgistar import UNSET, Background, Created, Meta, NotFound, Route, Struct, UnsetType, field
from notes.folder import Folder
from notes.models import ChangeRow, NoteRow, TagRow, notes_tags
from notes.users import Identity

Title = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=100_000)]
Tag = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", examples=["work"])]
Tags = Annotated[list[Tag], Meta(max_length=20)]


class Attachment(Struct):
    """A file of a note; it is at `/attachments/<id>/`."""

    id: UUID
    name: str
    content_type: str
    size: int


class Note(Struct):
    """A note."""

    id: int
    title: str
    text: str
    done: bool
    tags: list[str]
    attachments: list[Attachment]
    created: datetime
    updated: datetime


class NewNote(Struct, forbid_unknown_fields=True):
    """What a note is made of."""

    title: Title
    text: Text = ""
    tags: Tags = field(default_factory=list)


class NoteChange(Struct, forbid_unknown_fields=True):
    """What is to be another; the rest stays as it is."""

    title: Title | UnsetType = UNSET
    text: Text | UnsetType = UNSET
    done: bool | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET


class Page(Struct):
    """Some notes, the newest first."""

    notes: list[Note]
    next: int | None
    """Ask for what is `before` this one to go on; null if that was all."""


async def owned(session: AsyncSession, who: Identity, id: int) -> NoteRow:
    """A note of theirs. Those of others are not there."""
    row = await session.scalar(select(NoteRow).where(NoteRow.id == id, NoteRow.owner_id == who.user_id))
    if row is None:
        raise NotFound(f"There is no note {id}.")
    return row


async def tagged(session: AsyncSession, who: Identity, names: Sequence[str]) -> list[TagRow]:
    """The rows of tags; new ones are made."""
    wanted = sorted(set(names))
    query = select(TagRow).where(TagRow.owner_id == who.user_id, TagRow.name.in_(wanted))
    known = {row.name: row for row in await session.scalars(query)}
    return [known.get(name) or TagRow(owner_id=who.user_id, name=name) for name in wanted]


def changed(session: AsyncSession, row: NoteRow, kind: str) -> None:
    """Tell those who listen, once the transaction is through."""
    session.add(ChangeRow(owner_id=row.owner_id, note_id=row.id, kind=kind))


async def listing(
    who: Identity,
    session: AsyncSession,
    q: Annotated[str, Meta(max_length=200)] = "",
    tag: str | None = None,
    done: bool | None = None,
    before: int | None = None,
    limit: Annotated[int, Meta(ge=1, le=100)] = 20,
) -> Page:
    """My notes, the newest first.

    Args:
        q: in the title or in the text.
        tag: with this tag.
        done: done, or not done.
        before: older than this one.
        limit: so many at most.
    """
    query = select(NoteRow).where(NoteRow.owner_id == who.user_id).order_by(NoteRow.id.desc())
    if q:
        query = query.where(
            NoteRow.title.icontains(q, autoescape=True) | NoteRow.text.icontains(q, autoescape=True)
        )
    if tag is not None:
        query = query.where(NoteRow.tag_rows.any(TagRow.name == tag))
    if done is not None:
        query = query.where(NoteRow.done == done)
    if before is not None:
        query = query.where(NoteRow.id < before)
    rows = list(await session.scalars(query.limit(limit + 1)))
    more = rows[limit - 1].id if len(rows) > limit else None
    return Page(notes=rows[:limit], next=more)  # type: ignore[arg-type]  # cut down to Notes


async def create(note: NewNote, who: Identity, session: AsyncSession) -> Created[Note]:
    """Write a note."""
    row = NoteRow(owner_id=who.user_id, title=note.title, text=note.text, attachments=[])
    row.tag_rows = await tagged(session, who, note.tags)
    session.add(row)
    await session.flush()
    changed(session, row, "created")
    return row  # type: ignore[return-value]


async def detail(id: int, who: Identity, session: AsyncSession) -> Note:
    """A note."""
    return await owned(session, who, id)  # type: ignore[return-value]


async def change(id: int, note: NoteChange, who: Identity, session: AsyncSession) -> Note:
    """Change a note; what isn't said stays as it is."""
    row = await owned(session, who, id)
    if note.title is not UNSET:
        row.title = note.title
    if note.text is not UNSET:
        row.text = note.text
    if note.done is not UNSET:
        row.done = note.done
    if note.tags is not UNSET:
        row.tag_rows = await tagged(session, who, note.tags)
    changed(session, row, "changed")
    await session.flush()
    return row  # type: ignore[return-value]


async def delete(
    id: int, who: Identity, session: AsyncSession, folder: Folder, background: Background
) -> None:
    """Throw a note away, with its attachments."""
    row = await owned(session, who, id)
    # After the transaction: if it fails, the files are still there.
    background.add(folder.remove, [attachment.id for attachment in row.attachments])
    changed(session, row, "deleted")
    await session.delete(row)


async def tags(who: Identity, session: AsyncSession) -> list[str]:
    """The tags of my notes."""
    query = select(TagRow.name).where(TagRow.owner_id == who.user_id).order_by(TagRow.name)
    return list(await session.scalars(query.where(TagRow.id.in_(select(notes_tags.c.tag_id)))))


routes = [
    Route("/", {"GET": listing, "POST": create}),
    Route("/<int:id>/", {"GET": detail, "PATCH": change, "DELETE": delete}, raises=[NotFound]),
    Route("/tags/", "GET", tags),
]
