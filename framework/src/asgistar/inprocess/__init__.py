"""An ASGI application without a server: its lifespan, requests and WebSockets, in the loop of the caller.

What a server would do to it is done here too: messages out of order are errors, a client that has left is
`http.disconnect` for `receive` and an OSError for `send`.
"""

from __future__ import annotations

from asgistar.inprocess.conversation import LifespanFailed
from asgistar.inprocess.portal import Portal
from asgistar.inprocess.running import Running
from asgistar.inprocess.transports import ThreadedTransport, Transport

__all__ = ["LifespanFailed", "Portal", "Running", "ThreadedTransport", "Transport"]
