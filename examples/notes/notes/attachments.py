"""Attachments: files of notes. Their content is in a folder, what is known of them in the database."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from asgistar import Background, Conflict, Created, File, FileResponse, NotFound, Route
from notes.folder import Folder
from notes.live import changed
from notes.models import AttachmentRow, NoteRow
from notes.notes import Attachment, owned, taken
from notes.types import Id
from notes.users import Identity

LARGEST = 10_000_000
"""Bytes that an attachment may have, with what is around it in the request."""
MOST = 20
"""So many attachments may a note have."""

MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; ?charset=[\w-]+)?", re.ASCII)

HEADERS = {
    # A page that somebody attached must not run as ours, whatever the browser makes of the rest.
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "private, no-cache",
}


async def attach(
    id: Id, file: File, who: Identity, session: AsyncSession, folder: Folder
) -> Created[Attachment]:
    """Attach a file to a note."""
    await owned(session, who, id)
    await session.commit()  # no connection is held while the file comes, however slowly
    key = uuid4()
    size = await file.save(folder.file(key))
    try:
        note = await taken(session, who, id)
        if len(note.attachments) >= MOST:
            raise Conflict(f"A note has {MOST} attachments at most.")
        row = AttachmentRow(
            id=key,
            note_id=note.id,
            name=_name(file.filename),
            content_type=_content_type(file.content_type),
            size=size,
        )
        session.add(row)
        await changed(session, note, "changed")
        await session.flush()
    except BaseException:
        folder.remove([key])
        raise
    return row  # type: ignore[return-value]  # cut down to an Attachment


def _name(given: str) -> str:
    """What a file is called: what can be shown of the name that the client gives, with its end."""
    shown = "".join(each for each in given if each.isprintable()).strip()
    return shown[-255:] or "file"


def _content_type(given: str) -> str:
    return given if len(given) <= 255 and MEDIA_TYPE.fullmatch(given) else "application/octet-stream"


async def _owned(session: AsyncSession, who: Identity, id: UUID) -> AttachmentRow:
    query = select(AttachmentRow).join(NoteRow, AttachmentRow.note_id == NoteRow.id)
    row = await session.scalar(query.where(AttachmentRow.id == id, NoteRow.owner_id == who.user_id))
    if row is None:
        raise NotFound("There is no such attachment.")
    return row


async def download(id: UUID, who: Identity, session: AsyncSession, folder: Folder) -> FileResponse:
    """The content of an attachment, or a range of it."""
    row = await _owned(session, who, id)
    # With a file name it is always saved, never shown in place.
    return FileResponse(folder.file(id), filename=row.name, content_type=row.content_type, headers=HEADERS)


async def detach(
    id: UUID, who: Identity, session: AsyncSession, folder: Folder, background: Background
) -> None:
    """Throw an attachment away."""
    note = await taken(session, who, (await _owned(session, who, id)).note_id)
    row = next((each for each in note.attachments if each.id == id), None)
    if row is None:
        raise NotFound("There is no such attachment.")
    await changed(session, note, "changed")
    await session.delete(row)
    # After the transaction: if it fails, the file is still there.
    background.add(folder.remove, [id])


routes = [
    Route("/notes/<int:id>/attachments/", "POST", attach, raises=[NotFound, Conflict], body_limit=LARGEST),
    Route("/attachments/<uuid:id>/", {"GET": download, "DELETE": detach}, raises=[NotFound]),
]
