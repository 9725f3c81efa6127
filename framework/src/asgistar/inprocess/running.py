"""An application that runs without a server, and the scopes of what it is asked."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote_to_bytes

from asgistar.inprocess.conversation import Lifespan
from asgistar.types import ASGIApplication, Scope
from asgistar.url import PORTS


class Running:
    """An application in process.

    Args:
        app: any ASGI application.
        raises: its errors are raised in those who ask it; otherwise they are answers with the status 500.
        root_path: what its paths begin with, without a slash at the end.
        client: the address that it sees.
        timeout: how many seconds it may take to start, and to stop.

    Attributes:
        open: it has been started.
        state: what it put into the state of its lifespan.
    """

    def __init__(
        self,
        app: ASGIApplication,
        *,
        raises: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 50000),
        timeout: float | None = 30,
    ) -> None:
        self.app = app
        self.raises = raises
        self.open = False
        self.state: dict[str, Any] = {}
        self._root_path = root_path
        self._client = client
        self._timeout = timeout
        self._lifespan: Lifespan | None = None

    async def start(self) -> None:
        """Start it; see `Lifespan.start`."""
        self._lifespan = Lifespan(self.app, self.state, self.raises)
        await self._lifespan.start(self._timeout)
        self.open = True

    async def stop(self) -> None:
        """Stop it; see `Lifespan.stop`."""
        assert self._lifespan is not None
        self.open = False
        await self._lifespan.stop(self._timeout)

    def see_open(self) -> None:
        """See that it has been started.

        Raises:
            RuntimeError: it hasn't.
        """
        if not self.open:
            raise RuntimeError(
                "The application doesn't run: its lifespan is that of the client. Use the client inside of "
                "`with` (or `async with`)."
            )

    def scope(
        self,
        type: str,
        scheme: str,
        host: str,
        port: int | None,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
    ) -> Scope:
        """The scope of a request or of a WebSocket.

        Args:
            type: "http" or "websocket".
            target: path and query, quoted.

        Raises:
            RuntimeError: it hasn't been started.
        """
        self.see_open()
        path, _, query = target.partition(b"?")
        raw_path = quote(self._root_path).encode() + path
        return {
            "type": type,
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            "scheme": scheme,
            "path": _decoded(raw_path),
            "raw_path": raw_path,
            "query_string": query,
            "root_path": self._root_path,
            "headers": [(name.lower(), value) for name, value in headers],
            "client": self._client,
            "server": (host, port or PORTS[scheme]),
            "state": dict(self.state),
            "extensions": {},
        }


def _decoded(path: bytes) -> str:
    return unquote_to_bytes(path).decode("utf-8", "replace")
