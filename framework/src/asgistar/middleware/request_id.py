"""A name for each request, for logs: in the response, in the scope, and in every record that is logged."""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from uuid import uuid4

from asgistar.errors import ConfigurationError
from asgistar.http.fields import value, without
from asgistar.types import ASGIApplication, Message, Middleware, Receive, Scope, Send

_current: ContextVar[str] = ContextVar("asgistar_request_id", default="")

_USABLE = re.compile(rb"[A-Za-z0-9._+/=:-]{1,128}")
_NAME = re.compile(r"[a-z0-9-]+")
_STARTS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


def current_request_id() -> str:
    """The name of the request that is being answered; empty outside of one."""
    return _current.get()


class RequestIDFilter(logging.Filter):
    """Puts `request_id` into the records that pass it.

    Add it to a handler, and `%(request_id)s` to its format.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Name the request in a record; "-" outside of one."""
        record.request_id = _current.get() or "-"
        return True


def request_id(*, header: str = "X-Request-ID", trusted: bool = False) -> Middleware:
    """Give each request a name: in the header of its response, in `scope["state"]["request_id"]`, in logs.

    Args:
        header: its name in request and response.
        trusted: take the name that the request comes with, if it is one: where a proxy gives them.

    Raises:
        ConfigurationError: the header has no name that a header may have.
    """
    name = header.lower()
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(f"request_id: {header!r} is no name of a header.")
    return lambda app: RequestID(app, name.encode(), trusted)


class RequestID:
    """The middleware; see `request_id`."""

    def __init__(self, app: ASGIApplication, header: bytes, trusted: bool) -> None:
        self.app = app
        self.header = header
        self.trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Name a request, and answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        given = value(scope["headers"], self.header) if self.trusted else None
        usable = given is not None and _USABLE.fullmatch(given) is not None
        name = given if given is not None and usable else uuid4().hex.encode()

        async def sending(message: Message) -> None:
            if message["type"] in _STARTS:
                headers = without(message.get("headers", ()), self.header)
                message = {**message, "headers": [*headers, (self.header, name)]}
            await send(message)

        state = {**scope.get("state", {}), "request_id": name.decode()}
        token = _current.set(name.decode())
        try:
            await self.app({**scope, "state": state}, receive, sending)
        finally:
            _current.reset(token)
