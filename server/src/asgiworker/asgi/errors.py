"""What goes wrong between server and application, told apart by whose doing it is."""

from __future__ import annotations


class ClientDisconnected(OSError):
    """Raised by `send()` after the client has gone (ASGI HTTP 2.4, "Disconnected Client").

    An application may clean up and let it pass through: the server doesn't log it as an error.
    """


class ApplicationError(RuntimeError):
    """The application broke the ASGI contract; the message says what it sent, and what was expected."""


class LifespanFailed(RuntimeError):
    """The application could not start (or stop); the message is the application's own where it gave one."""
