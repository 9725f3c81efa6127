"""Applications of WSGI (PEP 3333), such as one of Django or Flask, at a path: `Mount("/old", wsgi(old))`.

They run in threads, through a2wsgi: `pip install asgistar[wsgi]`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from asgistar.errors import ConfigurationError
from asgistar.extras import Extra
from asgistar.types import ASGIApplication, Receive, Scope, Send


def wsgi(app: Callable[..., Any], *, threads: int = 10) -> ASGIApplication:
    """An application of WSGI as one of ASGI. It has no WebSockets: they are refused.

    Args:
        app: the application.
        threads: how many of its requests may run at a time.

    Raises:
        ConfigurationError: it is no application.
        MissingExtra: a2wsgi isn't installed.
    """
    if not callable(app):
        raise ConfigurationError(f"{app!r} is no application of WSGI: it can't be called.")
    with Extra("wsgi", "An application of WSGI"):
        from a2wsgi import WSGIMiddleware
    adapted: Any = WSGIMiddleware(app, workers=threads)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal adapted
        if scope["type"] == "http":
            # In the environment of WSGI, X_Forwarded_For would be X-Forwarded-For, which a proxy has checked.
            headers = [field for field in scope["headers"] if b"_" not in field[0]]
            await adapted({**scope, "headers": headers}, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:  # a lifespan: it ends with the application's
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            stopped, adapted = adapted, WSGIMiddleware(app, workers=threads)
            await asyncio.to_thread(stopped.executor.shutdown)
            await send({"type": "lifespan.shutdown.complete"})

    return call
