"""Folders of files: style sheets, scripts and pictures beside an API, or the pages of an application."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from typing import Unpack
from urllib.parse import quote

from asgistar.errors import ConfigurationError, NotFound
from asgistar.http.files import FileResponse
from asgistar.http.response import Redirect, Response
from asgistar.routing.options import Options
from asgistar.routing.route import Include, Route


class Static(Include):
    """A folder of files at a path.

        Static("/static", "static", headers={"cache-control": "max-age=3600"})

    Files are sent as a `FileResponse` sends them. There is no way out of the folder, neither by dots nor by
    symbolic links, and what begins with a dot isn't there, but for `.well-known`.

    Args:
        path: where it stands, without a slash at its end.
        folder: must be there when the table is made; best an absolute path.
        name: what `url_for` knows it as: `url_for("static", path="style.css")`.
        index: the file that is sent for a folder, for example "index.html"; none if empty.
        headers: of all responses.
        options: see `Options`. They don't stand in the documentation if not said otherwise.

    Raises:
        ConfigurationError: there is no such folder, or the path isn't of the grammar.
        ValueError: a header that can't be one.
    """

    __slots__ = ("_headers", "folder", "index")

    def __init__(
        self,
        path: str,
        folder: str | os.PathLike[str],
        *,
        name: str = "static",
        index: str = "",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        **options: Unpack[Options],
    ) -> None:
        options.setdefault("documented", False)
        self.folder = os.path.abspath(os.fspath(folder))
        self.index = index
        self._headers = Response(headers=headers).headers.pairs()
        routes = [Route("/<path:path>", "GET", self._file, name=name)]
        if index:
            routes.append(Route("/", "GET", self._root))
        super().__init__(path, routes, **options)
        if not os.path.isdir(self.folder):
            raise ConfigurationError(f"{self}: there is no folder {self.folder!r}.")
        if path.endswith("/"):
            raise ConfigurationError(f"{self}: write the path of a folder without the slash at its end.")

    async def _root(self) -> Response:
        return self._sent("")

    async def _file(self, path: str) -> Response:
        # To look for folders is to look at the disk.
        return await asyncio.to_thread(self._sent, path) if self.index else self._sent(path)

    def _sent(self, path: str) -> Response:
        """What is at a path below the folder."""
        parts = path.split("/")
        # An empty part in front would be the root of the disk, or the name of a host.
        if any(_is_hidden(part) for part in parts) or "" in parts[:-1] or (os.sep != "/" and os.sep in path):
            raise NotFound
        if self.index and (not parts[-1] or os.path.isdir(os.path.join(self.folder, path))):
            if parts[-1]:
                # A page's relative links are meant to begin in its folder.
                return Redirect(f"./{quote(parts[-1])}/", 308)
            path += self.index
        return FileResponse(os.path.join(self.folder, path), within=self.folder, headers=self._headers)


def _is_hidden(part: str) -> bool:
    return part.startswith(".") and part != ".well-known"
