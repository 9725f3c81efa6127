"""An application without a framework, and the answer that a middleware makes of its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

Headers = dict[str, str]


@dataclass
class Answer:
    """What came out of a middleware."""

    status: int = 0
    headers: Headers = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    closed: bool = False
    scope: dict[str, Any] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)


@dataclass
class Says:
    """An application that says this."""

    body: bytes | list[bytes] = b"hello"
    headers: Headers = field(default_factory=lambda: {"content-type": "text/plain"})
    status: int = 200
    file: str | None = None
    scope: dict[str, Any] = field(default_factory=dict)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        headers = [(name.encode(), text.encode()) for name, text in self.headers.items()]
        pieces = self.body if isinstance(self.body, list) else [self.body]
        if not isinstance(self.body, list) and self.file is None:
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self.file is not None:
            await send({"type": "http.response.pathsend", "path": self.file})
            return
        if scope["method"] == "HEAD":
            pieces = [b""]
        for piece in pieces:
            more = isinstance(self.body, list)
            await send({"type": "http.response.body", "body": piece, "more_body": more})
        if isinstance(self.body, list):
            await send({"type": "http.response.body", "body": b""})


Ask = Callable[..., Awaitable[Answer]]


@pytest.fixture
def ask() -> Ask:
    """`await ask(middleware, app, "GET", origin="https://…")`: the answer to a request with these headers."""

    async def ask(
        middleware: Any, app: Says | None = None, method: str = "GET", path: str = "/", **fields: Any
    ) -> Answer:
        app = app or Says()
        answer = Answer()
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": path.partition("?")[0],
            "raw_path": path.partition("?")[0].encode(),
            "query_string": path.partition("?")[2].encode(),
            "extensions": {"http.response.pathsend": {}, "http.response.zerocopysend": {}},
            **fields.pop("scope", {}),
        }
        scope["headers"] = [(name.replace("_", "-").encode(), text.encode()) for name, text in fields.items()]

        async def send(message: Any) -> None:
            if message["type"].endswith(".start"):
                answer.status = message["status"]
                for name, text in message["headers"]:
                    assert name.decode() not in answer.headers, name
                    answer.headers[name.decode()] = text.decode()
            elif message["type"].endswith(".body"):
                answer.pieces.append(message["body"])
            elif message["type"] == "websocket.close":
                answer.closed = True

        await middleware(app)(scope, None, send)
        answer.scope = app.scope
        return answer

    return ask


@pytest.fixture
def says() -> type[Says]:
    """`says(body, headers)`: an application that says this."""
    return Says
