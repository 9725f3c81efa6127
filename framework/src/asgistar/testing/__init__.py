"""Clients for tests: they speak to an application in process, and see more of it than others.

`TestClient` is for tests that are plain functions, `AsyncClient` for those that are `async def`. Both are
clients of httpx, with what a test needs beside: the lifespan, WebSockets, events, users and other components,
errors that are raised, and a look at whether the application answers as its documentation says.
"""

from __future__ import annotations

try:
    import httpx as _httpx  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "asgistar.testing needs httpx: pip install 'asgistar[testing]'", name=error.name
    ) from None

from asgistar.client.events import Event
from asgistar.inprocess import LifespanFailed
from asgistar.testing.clients import AsyncClient, TestClient
from asgistar.testing.conformity import Conformity
from asgistar.testing.websocket import AsyncWebSocket, WebSocket, WebSocketClosed, WebSocketDenied

__all__ = [
    "AsyncClient",
    "AsyncWebSocket",
    "Conformity",
    "Event",
    "LifespanFailed",
    "TestClient",
    "WebSocket",
    "WebSocketClosed",
    "WebSocketDenied",
]
