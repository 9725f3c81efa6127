"""The ASGI interface (ASGI 3.0, HTTP & WebSocket 2.5), and what counts as a view."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

Middleware = Callable[[ASGIApplication], ASGIApplication]
"""Makes an ASGI application of one, around it."""

View = Callable[..., Any]
"""A plain function, `def` or `async def`: what its annotations say is what it is given."""
