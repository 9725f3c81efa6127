"""The folder with the content of attachments."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from asgistar import component
from notes.settings import Settings


class Folder:
    """Where the content of attachments is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, id: UUID) -> Path:
        """The file with the content of an attachment; what clients call it has no part in its name."""
        return self.path / str(id)

    def remove(self, ids: Iterable[UUID]) -> None:
        """Throw content away."""
        for id in ids:
            self.file(id).unlink(missing_ok=True)


@component(scope="app")
def folder(settings: Settings) -> Folder:
    """The folder, made if it isn't there."""
    path = Path(settings.attachments)
    path.mkdir(parents=True, exist_ok=True)
    return Folder(path)
