"""What the typed clients of all languages are written out of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from asgistar.client.calls import grouped
from asgistar.client.document import Document
from asgistar.client.shapes import Shapes


class Writer(ABC):
    """Writes a client as one module.

    Args:
        source: the OpenAPI document of the API.

    Raises:
        DocumentError: it can't be read.
    """

    reserved: frozenset[str]
    """Names that types must not have."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._document = document = Document(source)
        self._shapes = Shapes(document, self.reserved)
        self._root = grouped(document, self._shapes)
        self._title = f"Client of {document.title} {document.version}".rstrip() + "."
        self._types = self._shapes.needed(self._root.shapes())
        server = next(iter(document.servers), "")
        self._server = server if server.startswith(("http://", "https://")) else ""

    @abstractmethod
    def lines(self) -> Iterator[str]:
        """The lines of the module."""

    def text(self) -> str:
        """The source of the module."""
        return "\n".join(self.lines()).rstrip() + "\n"
