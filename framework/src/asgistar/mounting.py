"""Where a request leads: its path below the root path, and applications that are mounted there."""

from __future__ import annotations

from typing import Any

from asgistar.routing.endpoint import Endpoint
from asgistar.routing.route import Mount
from asgistar.types import Receive, Scope, Send


def below(root: str, path: str) -> str:
    """The part of `path` below the root path, as the routes know it."""
    rest = path.removeprefix(root)
    return (rest or "/") if rest[:1] in ("", "/") else path


async def call_mounted(
    endpoint: Endpoint, values: tuple[Any, ...], scope: Scope, receive: Receive, send: Send
) -> None:
    """Call a mounted application with a scope that tells it where it is."""
    assert isinstance(endpoint.entry, Mount)
    path: str = scope["path"]
    root = path[: len(path) - len(values[-1])] if values[-1] else path
    params = {**scope.get("path_params", {}), **endpoint.arguments(values)}
    await endpoint.entry.app({**scope, "root_path": root, "path_params": params}, receive, send)
