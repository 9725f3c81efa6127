"""Notes: what is written down, with tags to find it by."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from asgistar import UNSET, Background, Created, Meta, NotFound, Route, Struct, UnsetType, field
from notes.folder import Folder
from notes.live import changed
from notes.models import NoteRow, TagRow, now
from notes.types import Id, Search, Tag, Tags, Text, Title
from notes.users import Identity


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


async def taken(session: AsyncSession, who: Identity, id: int) -> NoteRow:
    """A note of theirs that is about to change: whoever wants to change it too waits until that is done."""
    theirs = (NoteRow.id == id, NoteRow.owner_id == who.user_id)
    await session.execute(update(NoteRow).where(*theirs).values(updated=now()))
    row = await session.scalar(select(NoteRow).where(*theirs).execution_options(populate_existing=True))
    if row is None:
        raise NotFound(f"There is no note {id}.")
    return row


async def listing(
    who: Identity,
    session: AsyncSession,
    q: Search = "",
    tag: Tag | None = None,
    done: bool | None = None,
    before: Id | None = None,
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
        # autoescape: % and _ are found as they are.
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
    row = NoteRow(
        owner_id=who.user_id, title=note.title, text=note.text, tag_rows=[], attachments=[], tags=note.tags
    )
    session.add(row)
    await session.flush()
    await changed(session, row, "created")
    return row  # type: ignore[return-value]  # cut down to a Note


async def detail(id: Id, who: Identity, session: AsyncSession) -> Note:
    """A note."""
    return await owned(session, who, id)  # type: ignore[return-value]  # cut down to a Note


async def change(id: Id, note: NoteChange, who: Identity, session: AsyncSession) -> Note:
    """Change a note; what isn't said stays as it is."""
    row = await taken(session, who, id)
    if note.title is not UNSET:
        row.title = note.title
    if note.text is not UNSET:
        row.text = note.text
    if note.done is not UNSET:
        row.done = note.done
    if note.tags is not UNSET:
        row.tags = note.tags
    await changed(session, row, "changed")
    return row  # type: ignore[return-value]  # cut down to a Note


async def delete(
    id: Id, who: Identity, session: AsyncSession, folder: Folder, background: Background
) -> None:
    """Throw a note away, with its attachments."""
    row = await taken(session, who, id)
    await changed(session, row, "deleted")
    await session.delete(row)
    # After the transaction: if it fails, the files are still there.
    background.add(folder.remove, [attachment.id for attachment in row.attachments])


async def tags(who: Identity, session: AsyncSession) -> list[str]:
    """The tags of my notes."""
    query = select(TagRow.name).join(NoteRow, TagRow.note_id == NoteRow.id).distinct()
    return sorted(await session.scalars(query.where(NoteRow.owner_id == who.user_id)))


routes = [
    Route("/", {"GET": listing, "POST": create}),
    Route("/<int:id>/", {"GET": detail, "PATCH": change, "DELETE": delete}, raises=[NotFound]),
    Route("/tags/", "GET", tags),
]
