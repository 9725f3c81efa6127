"""Files that come with a form: read as they come, or from where they were put until their turn.

The parts of a form come in their order. The file that is the last thing that a view asks for is read while it
comes; what stands before other fields is put aside first: in memory as long as there is little of it, else on
disk.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from io import BytesIO
from types import TracebackType
from typing import BinaryIO, Self

from msgspec import inspect

from asgistar.data import members, unwrapped

SPOOLED = 1_000_000
"""So many bytes of the files of a form are kept in memory at most; so many are written to disk at once."""

CHUNK = 65_536
"""So many bytes are read at once of a file that was put aside."""


class File:
    """A file that was sent with a form.

    It can be read once, by `read`, `save` or `async for chunk in file`, before the view returns: then it is
    gone. Reading may raise what reading a body may: `ContentTooLarge`, `BadRequest`.

    Attributes:
        filename: as the client calls it, without folders; may be empty. Anything at all may stand in it.
        content_type: what the client says of its type; empty if it says nothing.
        size: in bytes; None as long as it comes.
    """

    __slots__ = ("_aside", "_chunks", "_on_disk", "_rest", "content_type", "filename", "size")

    def __init__(
        self,
        filename: str,
        content_type: str,
        chunks: AsyncIterator[bytes] | None = None,
        *,
        aside: BinaryIO | None = None,
        size: int | None = None,
        on_disk: bool = False,
    ) -> None:
        self.filename = filename
        self.content_type = content_type
        self.size = size
        self._chunks = chunks
        self._aside = aside
        self._on_disk = on_disk
        self._rest = b""

    def __repr__(self) -> str:
        return f"<File {self.filename!r} {self.content_type}>"

    @property
    def file(self) -> BinaryIO:
        """The file, for what can't wait: views that are plain `def` read it with this.

        Raises:
            RuntimeError: it is coming just now. That is so in views that are `async def`.
        """
        if self._aside is None:
            raise RuntimeError("The file is coming just now: read it with read(), save() or `async for`.")
        return self._aside

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._rest:
            chunk, self._rest = self._rest, b""
        elif self._aside is not None:
            chunk = await self._read_aside(CHUNK)
        else:
            assert self._chunks is not None
            chunk = await anext(self._chunks, b"")
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Args:
            size: how many; fewer are returned at the end of the file only. Below 0: all that are left.
        """
        if self._aside is not None:
            return await self._read_aside(size)
        parts = []
        got = 0
        while got < size or size < 0:
            chunk = await anext(self, b"")
            if not chunk:
                break
            parts.append(chunk)
            got += len(chunk)
        read = b"".join(parts)
        if size < 0:
            return read
        self._rest = read[size:]
        return read[:size]

    async def save(self, path: str | os.PathLike[str]) -> int:
        """Write what is left of it to a file, which is there once it is whole.

        Args:
            path: of the file; one that is there already is replaced. Don't make it of `filename` alone: the
                client says what stands in that.

        Returns:
            The number of bytes.
        """
        part = f"{os.fspath(path)}.{os.urandom(8).hex()}.part"
        size = 0
        target = await asyncio.to_thread(open, part, "xb")
        try:
            try:
                async for block in _in_blocks(self):
                    size += await asyncio.to_thread(target.write, block)
            finally:
                await asyncio.to_thread(target.close)
            await asyncio.to_thread(os.replace, part, path)
        except BaseException:
            await asyncio.to_thread(os.unlink, part)
            raise
        return size

    async def _read_aside(self, size: int) -> bytes:
        assert self._aside is not None
        if self._on_disk:
            return await asyncio.to_thread(self._aside.read, size)
        return self._aside.read(size)


def holds_file(info: inspect.Type) -> bool:
    """Whether a type is that of a file, or of a list of files; or of none at all besides."""
    rest = [each for each in members(info) if not isinstance(each, inspect.NoneType)]
    item = unwrapped(getattr(rest[0], "item_type", rest[0])) if len(rest) == 1 else None
    return isinstance(item, inspect.CustomType) and issubclass(item.cls, File)


def _temporary_file() -> BinaryIO:
    from tempfile import TemporaryFile  # it imports much, for a few large uploads

    return TemporaryFile()


async def _in_blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Chunks put together to larger ones: each of them costs a thread."""
    block: list[bytes] = []
    size = 0
    async for chunk in chunks:
        block.append(chunk)
        size += len(chunk)
        if size >= SPOOLED:
            yield b"".join(block)
            block.clear()
            size = 0
    if block:
        yield b"".join(block)


class Uploads:
    """The files of a form that are put aside, for as long as its request takes."""

    __slots__ = ("_files", "_left")

    def __init__(self) -> None:
        self._files: list[BinaryIO] = []
        self._left = SPOOLED

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()

    async def put_aside(self, filename: str, content_type: str, chunks: AsyncIterator[bytes]) -> File:
        """Read a file to its end."""
        aside: BinaryIO = BytesIO()
        size = 0
        on_disk = False
        async for block in _in_blocks(chunks):
            if not on_disk and size + len(block) > self._left:
                first, aside = aside, await asyncio.to_thread(_temporary_file)
                self._files.append(aside)
                on_disk = True
                await asyncio.to_thread(aside.write, first.getvalue())  # type: ignore[attr-defined]
            size += len(block)
            if on_disk:
                await asyncio.to_thread(aside.write, block)
            else:
                aside.write(block)
        if not on_disk:
            self._left -= size
        aside.seek(0)
        return File(filename, content_type, aside=aside, size=size, on_disk=on_disk)
