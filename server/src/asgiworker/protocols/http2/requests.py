"""How a request on HTTP/2 begins (RFC 9113 §8.3): from the fields of its head to the call of the application.

What becomes of it stands in `stream`, and of a WebSocket in `tunnel`. These are functions of a connection:
they read what it knows of its client, and leave the streams with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from asgiworker.asgi.exchange import CLOSED, STARTED, Exchange
from asgiworker.asgi.scope import ASGI_VERSION, decode_path
from asgiworker.asgi.session import Opening
from asgiworker.asgi.types import Scope
from asgiworker.protocols.http2.header_list import HeaderList, MalformedRequest
from asgiworker.protocols.http2.nghttp2 import ErrorCode
from asgiworker.protocols.http2.stream import Stream
from asgiworker.protocols.http2.tunnel import Tunnel
from asgiworker.protocols.request import PLAIN, Refusal
from asgiworker.protocols.websocket.handshake import check_connect

if TYPE_CHECKING:
    from asgiworker.protocols.http2.connection import HTTP2Connection

logger = logging.getLogger("asgiworker.server")

EXTENSIONS: dict[str, object] = {
    "http.response.trailers": {},
    "http.response.early_hint": {},
    "http.response.push": {},
    "http.response.pathsend": {},
    "http.response.zerocopysend": {},
}


def begin_request(connection: HTTP2Connection, stream_id: int, fields: HeaderList, complete: bool) -> None:
    """A request's head has come: begin its exchange, for `call_applications` to go on with.

    Args:
        connection: it has come on.
        stream_id: of its stream.
        fields: of its head.
        complete: it has no body.
    """
    service = connection.service
    if connection.orphans >= service.policy.http2_max_concurrent_streams:
        connection.engine.reset_stream(stream_id, ErrorCode.REFUSED_STREAM)
        return
    stream = connection.streams[stream_id] = Stream(connection, stream_id, complete)
    try:
        stream.head = head = service.header_lists.read(fields)
        method, target, headers, names, routing = head
        if routing is not PLAIN and 0 < service.policy.limit_body < routing.length:
            raise Refusal(413, f"request body longer than {service.policy.limit_body} bytes")
        if service.limit_requests <= len(service.running) + len(connection.uncalled):
            raise Refusal(503, "too many requests at once")
        if method == "CONNECT":
            begin_websocket(connection, stream, complete)
            return
    except Refusal as refusal:
        stream.refuse(refusal, fields)
        return
    except MalformedRequest as error:
        logger.info("%s: malformed request: %s", connection.peer(), error)
        connection.engine.reset_stream(stream_id, ErrorCode.PROTOCOL_ERROR)
        return
    raw_path, _, query = target.partition(b"?")
    scope: Scope = {
        "type": "http",
        "asgi": ASGI_VERSION.copy(),
        "http_version": "2",
        "method": method,
        "scheme": connection.scheme,
        "path": decode_path(raw_path) if raw_path.find(b"%") >= 0 else raw_path.decode("ascii"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": service.root_path,
        "headers": headers,
        "client": connection.client,
        "server": connection.server,
        "state": service.state.copy(),
        "extensions": EXTENSIONS.copy(),
    }
    stream.client = (
        connection.complete_scope(scope, headers, names) if connection.unusual else connection.client
    )
    exchange = stream.exchange = Exchange(stream, scope, method == "HEAD", not complete)
    if service.record is not None:
        exchange.started_at = time.perf_counter()
    if not complete:
        stream.expect_body()
    connection.uncalled.append(stream)


def begin_websocket(connection: HTTP2Connection, stream: Stream, complete: bool) -> None:
    """The request is an extended CONNECT (RFC 8441): call the application, which answers it.

    Raises:
        Refusal: it asks for another protocol, is no handshake in order, or there are too many.
    """
    service = connection.service
    _, target, headers, names, _ = stream.head
    if names[b":protocol"] != b"websocket":
        raise Refusal(501, "the only protocol of an extended CONNECT is websocket")
    if complete:
        raise Refusal(400, "a WebSocket handshake doesn't end its stream")
    handshake = check_connect(headers, names, service.policy)
    if service.limit_websockets <= len(service.websockets):
        raise Refusal(503, "too many WebSockets at once")
    raw_path, _, query = target.partition(b"?")
    tunnel = connection.streams[stream.id] = Tunnel(connection, stream.id, handshake)
    tunnel.head = stream.head
    scope, tunnel.client = connection.websocket_scope(
        "2", decode_path(raw_path), raw_path, query, headers, names, handshake
    )
    opening = tunnel.exchange = tunnel.opening = Opening(
        tunnel, scope, handshake.subprotocols, service.policy.ws_max_queue
    )
    opening.started_at = time.perf_counter()
    service.open(opening.session)
    connection.pending = True


def call_applications(connection: HTTP2Connection) -> None:
    """Call the applications of the requests that have come.

    What came of their bodies together with their heads is there before they ask for it.
    """
    service = connection.service
    uncalled, connection.uncalled = connection.uncalled, []
    for stream in uncalled:
        exchange = stream.exchange
        if exchange is None or exchange.state is CLOSED:
            continue  # it was reset meanwhile, or refused for its body
        # A fresh copy of the service's context: nothing leaks from request to request.
        task = service.start(exchange.run(service.app), context=service.context.copy())
        if not task.done():
            connection.pending = True
            if service.defers:
                # PERF: most are done when their first step is; only of the others is note taken, then.
                connection.begun.append((exchange, task))
            else:
                exchange.task = task
                service.running.add(exchange)
                if exchange.state is STARTED:
                    connection.started.append(stream)


def take_note(connection: HTTP2Connection, exchange: Exchange, task: asyncio.Task[None]) -> None:
    """An application has made its first step, and isn't done."""
    stream: Stream = exchange.carrier  # type: ignore[assignment]
    exchange.task = task
    connection.service.running.add(exchange)
    if exchange.state is STARTED:
        connection.started.append(stream)
    elif exchange.state is CLOSED:
        stream.abandon(exchange)  # again, for now there is a task to be cancelled
