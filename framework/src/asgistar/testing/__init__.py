"""Clients for tests: they speak to an application in process, and see more of it than others.

`TestClient` is for tests that are plain functions, `AsyncClient` for those that are `async def`. Both are
clients of httpx, with what a test needs beside: the lifespan, WebSockets, events, users and other components,
errors that are raised, and a look at whether the application answers as its documentation says.
"""

from __future__ import annotations

from asgistar.extras import Extra

with Extra("testing", "asgistar.testing"):
    import httpx as _httpx  # noqa: F401

from asgistar.client.events import Event
from asgistar.inprocess import LifespanFailed
from asgistar.inprocess.sockets import AsyncWebSocket, WebSocket, WebSocketClosed, WebSocketDenied
from asgistar.testing.clients import AsyncClient, TestClient
from asgistar.testing.conformity import Conformity

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
