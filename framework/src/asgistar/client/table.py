"""What a dynamic client knows: the document, what there is to be called in it, and where its server is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec

from asgistar.client.auth import ApiKey, together, ways
from asgistar.client.calling import Asked
from asgistar.client.document import Document, DocumentError, Operation
from asgistar.inprocess import Running
from asgistar.types import ASGIApplication

IN_PROCESS = "http://app"
PLACES = ("docs/openapi.json", "openapi.json")
"""Where the document of an API is looked for, below its URL."""

Target = str | Mapping[str, Any] | ASGIApplication


class Call:
    """An operation, or a name in front of some: `client.notes`, `client.notes.create`. Called, it asks."""

    __slots__ = ("_client", "_levels")

    def __init__(self, client: Any, levels: tuple[str, ...]) -> None:
        self._client = client
        self._levels = levels

    def __getattr__(self, name: str) -> Call:
        if name.startswith("__"):
            raise AttributeError(name)
        return Call(self._client, self._client._known((*self._levels, name)))

    def __call__(self, **arguments: Any) -> Any:
        return self._client._called(self._levels, arguments)

    def __dir__(self) -> list[str]:
        return [each[len(self._levels)] for each in self._client._below(self._levels)]

    def __repr__(self) -> str:
        return f"<{'.'.join(self._levels)} of {self._client.base_url}>"


class Table:
    """What there is to be called.

    Args:
        document: of the API.
    """

    def __init__(self, document: Document) -> None:
        self.document = document
        self.calls = {each.levels: each for each in document.operations.values()}

    def named(self, name: str) -> Operation:
        """The operation with an id, or called so: `notes:create` and `notes.create` are the same.

        Raises:
            LookupError: there is none.
        """
        operation = self.document.operations.get(name) or self.calls.get(tuple(name.split(".")))
        if operation is None:
            raise LookupError(self._unknown(name, list(self.document.operations)))
        return operation

    def below(self, levels: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The operations whose names begin so."""
        return [each for each in self.calls if each[: len(levels)] == levels and len(each) > len(levels)]

    def check(self, levels: tuple[str, ...]) -> None:
        """See that there are operations whose names begin so.

        Raises:
            AttributeError: there are none.
        """
        if levels not in self.calls and not self.below(levels):
            known = sorted({".".join(each[: len(levels)]) for each in self.calls})
            raise AttributeError(self._unknown(".".join(levels), known))

    def called(self, levels: tuple[str, ...]) -> Operation:
        """The operation with a name.

        Raises:
            AttributeError: there is none.
        """
        self.check(levels)
        if levels not in self.calls:
            inner = ", ".join(".".join(each) for each in self.below(levels))
            raise AttributeError(f"{'.'.join(levels)} can't be called; in it are {inner}.")
        return self.calls[levels]

    def _unknown(self, name: str, known: list[str]) -> str:
        near = difflib.get_close_matches(name, known, 3)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(known[:50])}."
        return f"{self.document.title} has no {name}. {hint}"


class Destination:
    """What a client is given, and where it leads.

    Attributes:
        source: the document, where it is known.
        base_url: what the paths of the document stand below of, where it is known.
        asked: where the document is to be asked for.
        running: the application, if it is one in process.
    """

    def __init__(self, target: Target, document: Mapping[str, Any] | None, base_url: str | None) -> None:
        self.source: Mapping[str, Any] | None = document
        self.base_url = base_url
        self.asked: list[str] = []
        self.running: Running | None = None
        if isinstance(target, str):
            if urlsplit(target).scheme not in ("http", "https"):
                raise ValueError(f"{target!r} is no URL: it begins with http:// or https://.")
            if urlsplit(target).path.endswith(".json"):
                self.asked = [target]
            else:
                self.base_url = base_url or target
                self.asked = [urljoin(target.rstrip("/") + "/", place) for place in PLACES]
        elif isinstance(target, Mapping):
            self.source = target
            servers = Document(target).servers
            self.base_url = base_url or next(iter(servers), None)
            if not self.base_url or urlsplit(self.base_url).scheme not in ("http", "https"):
                raise DocumentError("The document doesn't say where its server is. Give `base_url`.")
        else:
            self.running = Running(target)
            self.base_url = base_url or IN_PROCESS
            if self.source is None:
                openapi = getattr(target, "openapi", None)
                if openapi is None:
                    raise TypeError(f"{target!r} has no method `openapi`. Give its `document`.")
                self.source = openapi()

    def read(self, response: httpx.Response) -> Table | None:
        """The table out of the document; None if there is none in this response.

        Raises:
            DocumentError: it isn't one.
        """
        if not response.is_success:
            return None
        try:
            source = msgspec.json.decode(response.content)
        except msgspec.DecodeError as error:
            raise DocumentError(f"What is at {response.url} is no JSON: {error}") from None
        table = Table(Document(source))
        if self.base_url is None:
            self.base_url = self._base(str(response.url), table.document)
        return table

    def missed(self) -> DocumentError:
        """That there is no document."""
        return DocumentError(
            f"There is no document at {' or '.join(self.asked)}. Give its URL, or the document."
        )

    def _base(self, url: str, document: Document) -> str:
        """What the paths of a document stand below of (OpenAPI 3.1 §4.8.5)."""
        base = urljoin(url, next(iter(document.servers), "/"))
        if origin(base) != origin(url):
            raise DocumentError(
                f"The document of {url} says that its server is {base}: another one. If that is right, give "
                "it as `base_url`; what the client authenticates with goes there."
            )
        return base


def origin(url: str) -> tuple[str, str]:
    """Scheme and host of a URL, with its port."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


class Settings:
    """What the two clients share.

    Args:
        target: the URL of an API or of its document, the document itself, or an ASGI application.
        document: the document, where it isn't told by the target.
        base_url: what its paths stand below of, where that isn't told by the target or the document.
        auth: `Bearer`, `Basic`, `ApiKey`, what httpx takes, or a list of several.

    Attributes:
        auth: what requests are made with; None for nothing.
    """

    def __init__(
        self, target: Target, document: Mapping[str, Any] | None, base_url: str | None, auth: Any
    ) -> None:
        self.target = Destination(target, document, base_url)
        self._ways = ways(auth)
        self.auth = together(self._ways)
        self.table: Table | None = None
        if self.target.source is not None:
            self._took(Table(Document(self.target.source)))

    @property
    def asking_auth(self) -> Any:
        """What the document itself is asked for with."""
        named = [each for each in self._ways if not (isinstance(each, ApiKey) and each.name is None)]
        return together(named)

    def took(self, response: httpx.Response) -> bool:
        """Whether a response has the document."""
        table = self.target.read(response)
        if table is not None:
            self._took(table)
        return table is not None

    def url(self, asked: Asked) -> str:
        """The whole URL of a request."""
        assert self.target.base_url is not None
        return self.target.base_url.rstrip("/") + asked.path

    def keep_key(self, request: httpx.Request) -> None:
        """Take our key off a request that a redirect leads to another server."""
        base = self.target.base_url or next(iter(self.target.asked), None)
        if not base or origin(str(request.url)) == origin(base):
            return
        for each in self._ways:
            if isinstance(each, ApiKey):
                request.headers.pop("cookie" if each.where == "cookie" else str(each.name), None)

    def _took(self, table: Table) -> None:
        self.table = table
        self._ways = tuple(
            each.found(table.document) if isinstance(each, ApiKey) else each for each in self._ways
        )
        self.auth = together(self._ways)


def parts(asked: Asked) -> dict[str, Any]:
    """The parts of a request, as httpx takes them."""
    return {
        "params": asked.query or None,
        "headers": asked.headers,
        "cookies": asked.cookies or None,
        "content": asked.content,
        "files": asked.files,
    }
