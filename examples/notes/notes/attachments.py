"""Attachments: files of notes. Their content is in a folder, what is known of them in the database."""

from __future__ import annotations

from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from asgistar import Background, Created, File, FileResponse, NotFound, Route
from notes.folder import Folder
from notes.models import AttachmentRow, NoteRow
from notes.notes import Attachment, changed, owned
from notes.users import Identity


async def attach(
    id: int, file: File, who: Identity, session: AsyncSession, folder: Folder
) -> Created[Attachment]:
    """Attach a file to a note."""
    note = await owned(session, who, id)
    row = AttachmentRow(
        id=uuid4(), note_id=note.id, name=file.filename or "file", content_type=file.content_type
    )
    row.size = await file.save(folder.file(row.id))
    session.add(row)
    changed(session, note, "changed")
    await session.flush()
    return row  # type: ignore[return-value]


async def _owned(session: AsyncSession, who: Identity, id: UUID) -> tuple[AttachmentRow, NoteRow]:
    query = select(AttachmentRow, NoteRow).join(NoteRow, AttachmentRow.note_id == NoteRow.id)
    found = (
        await session.execute(query.where(AttachmentRow.id == id, NoteRow.owner_id == who.user_id))
    ).first()
    if found is None:
        raise NotFound("There is no such attachment.")
    return found[0], found[1]


async def download(id: UUID, who: Identity, session: AsyncSession, folder: Folder) -> FileResponse:
    """The content of an attachment, or a range of it."""
    row, _ = await _owned(session, who, id)
    # Never shown in place: a page that somebody attached must not run as ours.
    return FileResponse(folder.file(id), filename=row.name, content_type=row.content_type)


async def detach(
    id: UUID, who: Identity, session: AsyncSession, folder: Folder, background: Background
) -> None:
    """Throw an attachment away."""
    row, note = await _owned(session, who, id)
    await session.delete(row)
    changed(session, note, "changed")
    # After the transaction: if it fails, the file is still there.
    background.add(folder.remove, [id])


routes = [
    Route("/notes/<int:id>/attachments/", "POST", attach, raises=[NotFound], body_limit=10_000_000),
    Route("/attachments/<uuid:id>/", {"GET": download, "DELETE": detach}, raises=[NotFound]),
]
