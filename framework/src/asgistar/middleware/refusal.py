"""Requests that a middleware answers itself, because they may go no further."""

from __future__ import annotations

import msgspec

from asgistar.errors import Problem
from asgistar.types import Scope, Send


async def refuse(problem: Problem, scope: Scope, send: Send) -> None:
    """Answer a request, or the opening handshake of a WebSocket, with a problem (RFC 9457)."""
    kind = "http.response"
    if scope["type"] == "websocket":
        kind = "websocket.http.response"
        if kind not in scope.get("extensions", {}):
            await send({"type": "websocket.close"})  # before it was accepted, that is a 403
            return
    content = msgspec.json.encode(problem.document())
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(content))]
    headers += [
        (name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in problem.headers.items()
    ]
    await send({"type": f"{kind}.start", "status": problem.status, "headers": headers})
    body = b"" if scope.get("method") == "HEAD" else content
    await send({"type": f"{kind}.body", "body": body})
