"""The folder with the content of attachments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID

from asgistar import component
from notes.settings import Settings


class Folder:
    """Where the content of attachments is.

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, id: UUID) -> Path:
        """The file with the content of an attachment; what clients call it has no part in its name."""
        return self.path / str(id)

    def remove(self, ids: Iterable[UUID]) -> None:
        """Throw content away."""
        for id in ids:
            self.file(id).unlink(missing_ok=True)

    def files(self, before: float) -> Iterator[Path]:
        """What is there since before that time, in seconds since 1970."""
        for file in self.path.iterdir():
            if file.stat().st_mtime < before:
                yield file


@component(scope="app")
def folder(settings: Settings) -> Folder:
    """The folder, made if it isn't there."""
    path = Path(settings.attachments)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Folder(path)
