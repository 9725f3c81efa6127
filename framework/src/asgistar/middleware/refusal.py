"""Requests that a middleware answers itself, because they may go no further."""

from __future__ import annotations

from asgistar.errors import Problem
from asgistar.http.response import send_reply
from asgistar.problems import DETAILS, RENDERING
from asgistar.types import Receive, Scope, Send
from asgistar.websocket import deny


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or the opening handshake of a WebSocket, with a problem.

    It looks as errors of the application do, if the middleware is that of an `App`; around other
    applications it is a problem document (RFC 9457).
    """
    reply = scope.get(RENDERING, DETAILS).reply(problem, scope)
    if scope["type"] == "websocket":
        await deny(scope, send, reply)
    else:
        await send_reply(reply, scope, receive, send)
