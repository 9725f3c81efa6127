"""asgiworker: an ASGI server for asyncio, as a Gunicorn worker class and as a command.

`run`, `serve` and `running` are the ways in from Python; `gunicorn -k asgiworker.ASGIWorker` and the command
`asgiworker` the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected, LifespanFailed
from asgiworker.process.server import Server, run, running, serve
from asgiworker.process.settings import Settings

if TYPE_CHECKING:
    from asgiworker.process.gunicorn import ASGIWorker

__version__ = "0.1.0"

__all__ = [
    "ASGIWorker",
    "ApplicationError",
    "ClientDisconnected",
    "LifespanFailed",
    "Server",
    "Settings",
    "__version__",
    "run",
    "running",
    "serve",
]


def __getattr__(name: str) -> object:
    """`ASGIWorker` when it is asked for: only then is Gunicorn imported."""
    if name == "ASGIWorker":
        from asgiworker.process.gunicorn import ASGIWorker

        return ASGIWorker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
