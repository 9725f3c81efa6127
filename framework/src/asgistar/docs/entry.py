"""The docs page as a line of a table: its routes, and what they answer.

All addresses in the page are relative to it, so that it is right below a mount, a `root_path` and a proxy
that changes paths. Every answer has an ETag and is asked for anew (RFC 9111 §5.2.2.4): 304 as long as it is
the same.
"""

from __future__ import annotations

import hashlib
import html
import re
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from asgistar.errors import ConfigurationError
from asgistar.http.conditions import matches
from asgistar.http.response import Redirect, Response
from asgistar.markers import Header
from asgistar.routing.route import Include, Route
from asgistar.types import View

FOLDER = Path(__file__).parent / "page"

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src blob:; "
    "connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may do. blob: shows pictures that an operation has answered."""


class Documented(Protocol):
    """An application that can say what it offers."""

    def openapi(self) -> dict[str, Any]:
        """Its OpenAPI document."""
        ...


class Asset:
    """An answer that stays the same for as long as the application runs.

    Args:
        content: its body.
        content_type: the type of it.
        headers: further headers.
    """

    __slots__ = ("content", "content_type", "etag", "headers")

    def __init__(self, content: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
        self.content = content
        self.content_type = content_type
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        self.headers = {
            "etag": self.etag,
            "cache-control": "no-cache",
            "x-content-type-options": "nosniff",
            **(headers or {}),
        }

    def answer(self, if_none_match: str) -> Response:
        """The response; 304 if the client has it already (RFC 9110 §13.1.2)."""
        if matches(if_none_match, self.etag, strong=False):
            return Response(status=304, headers=self.headers)
        return Response(self.content, headers=self.headers, content_type=self.content_type)


class Docs(Include):
    """The docs page, its files, and the document as `openapi.json`, below a path.

    Args:
        path: of the page. The page itself stands at the path with a slash at its end.
        title: of the page; without one, that of the document.

    Raises:
        ConfigurationError: the path isn't of the grammar, or its last segment has a parameter.
    """

    __slots__ = ("_app", "_made", "_title")

    def __init__(self, path: str = "/docs", title: str | None = None) -> None:
        self._app: Documented | None = None
        self._title = title
        self._made: tuple[dict[str, Any], dict[str, Asset]] | None = None
        base = path.rstrip("/")
        files = [entry.name for entry in sorted(FOLDER.iterdir()) if entry.suffix in CONTENT_TYPES]
        routes = [Route(f"/{name}", "GET", self._view(name)) for name in [*files, "openapi.json"]]
        routes.append(Route("/", "GET", self._view("page.html"), name="page"))
        segment = base.rpartition("/")[2]
        if base and base == path:
            routes.append(Route("", "GET", _redirect(f"./{segment}/")))
        super().__init__(base, routes, name="docs", documented=False)
        if "<" in segment:
            raise ConfigurationError(f"{self}: the last segment of the path of docs can't have a parameter.")

    def attach(self, app: Documented) -> None:
        """Be the docs of `app`. Its document is made when it is asked for, not now."""
        self._app = app
        self._made = None

    def files(self) -> dict[str, Asset]:
        """All that there is, by name; made once for a document."""
        if self._app is None:
            raise ConfigurationError(f"{self} stands in no application yet.")
        document = self._app.openapi()
        if self._made is None or self._made[0] is not document:
            self._made = document, self._files(document)
        return self._made[1]

    def _files(self, document: dict[str, Any]) -> dict[str, Asset]:
        files = {
            entry.name: Asset(entry.read_bytes(), CONTENT_TYPES[entry.suffix])
            for entry in FOLDER.iterdir()
            if entry.suffix in CONTENT_TYPES
        }
        title = html.escape(self._title or document["info"]["title"])
        page = files["page.html"].content.decode().replace("{title}", title)
        files["page.html"] = Asset(
            page.encode(),
            CONTENT_TYPES[".html"],
            {
                "content-security-policy": POLICY.format(connect=" ".join(["'self'", *_origins(document)])),
                "referrer-policy": "same-origin",
            },
        )
        served = document if document.get("servers") else {**document, "servers": [{"url": self._root()}]}
        files["openapi.json"] = Asset(msgspec.json.encode(served), "application/json")
        return files

    def _root(self) -> str:
        """Where the application is, seen from `openapi.json` (OpenAPI 3.1 §4.8.5.1)."""
        router = getattr(self._app, "router", None)
        endpoints = router.endpoints if router else ()
        paths = [endpoint.path for endpoint in endpoints if endpoint.entry in self.routes]
        depth = max((path.count("/") for path in paths), default=2)
        return "../" * (depth - 1) or "./"

    def _view(self, name: str) -> View:
        async def file(if_none_match: Header[str] = "") -> Response:
            return self.files()[name].answer(if_none_match)

        return file


def docs(path: str = "/docs", *, title: str | None = None) -> Docs:
    """The docs page of the application in whose table it stands: `App([…, docs("/docs")])`.

    Args:
        path: of the page. Beside it stand the OpenAPI document, `openapi.json`, and `client.js`, a client
            for browsers.
        title: of the page; without one, that of the document.

    Raises:
        ConfigurationError: the path isn't of the grammar, or its last segment has a parameter.
    """
    return Docs(path, title)


def _redirect(location: str) -> View:
    async def to_page() -> Response:
        return Redirect(location, 307)

    return to_page


def _origins(document: dict[str, Any]) -> list[str]:
    """The origins of the servers, for HTTP and WebSockets; none that could end a directive."""
    items = [*document.get("paths", {}).values(), *document.get("x-paths", {}).values()]
    operations = [each for item in items for each in item.values() if isinstance(each, dict)]
    servers = [server for each in (document, *items, *operations) for server in each.get("servers") or ()]
    origins: dict[str, None] = {}
    for server in servers:
        parts = urlsplit(server["url"])
        if parts.netloc and re.fullmatch(r"[\w.:\[\]-]+", parts.netloc, re.ASCII):
            schemes = (parts.scheme,) if parts.scheme else ("http", "https")
            for scheme in schemes:
                origins[f"{scheme}://{parts.netloc}"] = None
                origins[f"{scheme.replace('http', 'ws')}://{parts.netloc}"] = None
    return list(origins)
