"""What typed clients stand on: those that `asgistar.client.python` writes.

Their operations are known when they are written; what is asked and answered goes the way of the dynamic
client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import httpx
from msgspec import UNSET

from asgistar.client import clients
from asgistar.client.answers import AsyncStream, Stream
from asgistar.client.auth import ApiKey, Basic, Bearer
from asgistar.client.calling import Content, Upload
from asgistar.client.document import WEBSOCKET, Body, Operation, Parameter
from asgistar.client.events import Event
from asgistar.client.reconnecting import Reconnect
from asgistar.client.sockets import AsyncSocket, Socket
from asgistar.types import ASGIApplication

T = TypeVar("T")

Auth = httpx.Auth | tuple[str, str] | Sequence[httpx.Auth]
"""How to authenticate: in one way, or in several at once."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """An operation, and what it gives.

    Attributes:
        operation: how it is asked for.
        type: what it gives, or what each item is of the stream or WebSocket that it gives.
    """

    operation: Operation
    type: Any


def call(
    id: str,
    method: str,
    path: str,
    *parameters: Parameter,
    type: Any,
    body: tuple[str, ...] = (),
    required: bool = False,
) -> Call[Any]:
    """An operation.

    Args:
        body: the media types of its body; none if it has none.
        required: it must have a body.
    """
    content = Body(required, dict.fromkeys(body, True)) if body else None
    return Call(Operation(id, method, path, list(parameters), content, {}), type)


def socket(
    id: str,
    path: str,
    *parameters: Parameter,
    type: Any,
    takes: tuple[str, ...] = (),
    gives: tuple[str, ...] = (),
) -> Call[Any]:
    """A WebSocket.

    Args:
        takes: the media types of the messages that it takes.
        gives: the media types of those that it gives.
    """
    receives, sends = dict.fromkeys(takes, True), dict.fromkeys(gives, True)
    of = Operation(id, WEBSOCKET, path, list(parameters), None, {}, receives=receives, sends=sends)
    return Call(of, type)


def parameter(
    name: str,
    where: str,
    *,
    required: bool = False,
    style: str = "form",
    explode: bool = True,
    greedy: bool = False,
    json: bool = False,
) -> Parameter:
    """A parameter of an operation; see `Parameter`."""
    return Parameter(name, where, required, {"pattern": ".+"} if greedy else True, style, explode, "", json)


class Sender:
    """Sends the calls of a typed client. See `asgistar.client.Client`."""

    def __init__(
        self,
        target: str | ASGIApplication,
        document: Mapping[str, Any],
        auth: Auth | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
        reconnect: Reconnect | None,
    ) -> None:
        self._client = clients.Client(
            target, document=document, auth=auth, headers=headers, timeout=timeout, reconnect=reconnect
        )

    def ask(self, call: Call[T], arguments: Mapping[str, Any], body: Any = UNSET) -> T:
        """What an operation gives."""
        return cast(T, self._client.send(call.operation, arguments, call.type, body))

    def stream(self, call: Call[T], arguments: Mapping[str, Any], body: Any = UNSET) -> Stream[T]:
        """The stream that an operation gives."""
        return cast(Stream[T], self._client.send(call.operation, arguments, call.type, body))

    def connect(self, call: Call[T], arguments: Mapping[str, Any]) -> Socket[Any, T]:
        """The WebSocket that an operation is."""
        return cast(Socket[Any, T], self._client.send(call.operation, arguments, call.type))

    def close(self) -> None:
        """Close what is open."""
        self._client.close()

    def __enter__(self) -> Self:
        self._client.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.__exit__(exc_type, exc_value, traceback)


class AsyncSender:
    """Sends the calls of a typed client. See `asgistar.client.AsyncClient`."""

    def __init__(
        self,
        target: str | ASGIApplication,
        document: Mapping[str, Any],
        auth: Auth | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
        reconnect: Reconnect | None,
    ) -> None:
        self._client = clients.AsyncClient(
            target, document=document, auth=auth, headers=headers, timeout=timeout, reconnect=reconnect
        )

    async def ask(self, call: Call[T], arguments: Mapping[str, Any], body: Any = UNSET) -> T:
        """What an operation gives."""
        return cast(T, await self._client.send(call.operation, arguments, call.type, body))

    async def stream(self, call: Call[T], arguments: Mapping[str, Any], body: Any = UNSET) -> AsyncStream[T]:
        """The stream that an operation gives."""
        return cast(AsyncStream[T], await self._client.send(call.operation, arguments, call.type, body))

    async def connect(self, call: Call[T], arguments: Mapping[str, Any]) -> AsyncSocket[Any, T]:
        """The WebSocket that an operation is."""
        return cast(AsyncSocket[Any, T], await self._client.send(call.operation, arguments, call.type))

    async def close(self) -> None:
        """Close what is open."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.__aexit__(exc_type, exc_value, traceback)


__all__ = [
    "UNSET",
    "ApiKey",
    "AsyncSender",
    "AsyncSocket",
    "AsyncStream",
    "Auth",
    "Basic",
    "Bearer",
    "Call",
    "Content",
    "Event",
    "Parameter",
    "Reconnect",
    "Sender",
    "Socket",
    "Stream",
    "Upload",
    "call",
    "parameter",
    "socket",
]
