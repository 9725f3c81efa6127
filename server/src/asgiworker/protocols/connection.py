"""What every connection has, whatever protocol it speaks: transport, addresses, flow control, deadlines."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Iterable
from typing import Any

from asgiworker.asgi.scope import ASGI_VERSION, mounted_path
from asgiworker.asgi.types import Address, Headers, Scope
from asgiworker.protocols.proxy import FORWARDING, read_forwarding
from asgiworker.protocols.service import NEVER, Service
from asgiworker.protocols.tls import tls_extension
from asgiworker.protocols.websocket.handshake import Handshake

logger = logging.getLogger("asgiworker.server")

Ends = tuple[Address | None, Address | None]
"""Client and server of a connection, as a PROXY header gave them."""

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time
LEAVE = 2.0  # seconds for a client to answer the end of TLS (RFC 8446 §6.1), which it needn't


class Connection(asyncio.Protocol):
    """One client's connection; the protocols are its subclasses.

    Args:
        service: what all connections share.
        proxied: the ends of the connection as a PROXY header gave them; None where there was none.
    """

    __slots__ = (
        "admitted",
        "client",
        "deadline",
        "drain_waiter",
        "proxied",
        "reading_paused",
        "scheme",
        "server",
        "service",
        "tls",
        "transport",
        "trusted_peer",
        "unusual",
        "write_deadline",
        "write_mark",
    )

    transport: asyncio.Transport

    def __init__(self, service: Service, proxied: Ends = (None, None)) -> None:
        self.service = service
        self.proxied = proxied
        self.admitted = False  # counts as a connection; one beyond the limit doesn't
        self.client: Address | None = None
        self.server: Address | None = None
        self.scheme = "http"
        self.tls: dict[str, Any] | None = None
        self.unusual = False  # the scope of a request depends on more than its head
        self.trusted_peer = False  # the peer may say in header fields who the client is
        self.deadline = NEVER  # when `sweep` looks at what the client was to send
        self.write_deadline = NEVER  # when `sweep` looks at what the client was to read
        self.write_mark = 0  # bytes that waited to be written when `write_deadline` was set
        self.drain_waiter: asyncio.Future[None] | None = None  # set while the client reads too slowly
        self.reading_paused = False

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; on TLS, after the handshake."""
        self.transport = transport  # type: ignore[assignment]
        service = self.service
        service.connections.add(self)
        gone = False
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if isinstance(peer, tuple):
            self.client = (peer[0], peer[1])
        elif isinstance(local, tuple) or not local:
            gone = True  # it has reset the connection by now, but for what it sent before
        if isinstance(local, tuple):
            self.server = (local[0], local[1])
        elif local:
            self.server = (local.decode(errors="replace") if isinstance(local, bytes) else local, None)
        client, server = self.proxied
        self.client, self.server = client or self.client, server or self.server
        # Nobody knows any more who has gone; that mustn't pass for a peer on a UNIX socket, who is trusted.
        self.trusted_peer = not gone and service.trusts(self.client[0] if self.client else None)
        encrypted = transport.get_extra_info("ssl_object")
        if encrypted is not None and not getattr(encrypted, "plain", False):
            self.scheme = "https"
            self.tls = tls_extension(encrypted)
        self.unusual = self.trusted_peer or self.tls is not None or service.root_path != ""
        self.deadline = service.deadline(service.policy.timeout_first_byte)
        if service.draining:  # accepted in the moment of the stop
            self.retire()
        if service.admitted < service.limit_connections:
            self.admitted = True
            service.admitted += 1
        if gone:
            self.abort()

    def hand_over(self, successor: Connection) -> None:
        """From now on the transport, and all that is known of the client, is `successor`'s.

        `successor` has to be fed what this protocol has received and not understood.
        """
        for name in Connection.__slots__:
            if name != "service":
                setattr(successor, name, getattr(self, name))
        self.service.connections.discard(self)
        self.service.connections.add(successor)
        self.admitted = self.reading_paused = False
        self.drain_waiter = None
        self.transport.set_protocol(successor)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, closed by either side."""
        self.service.connections.discard(self)
        self.service.admitted -= self.admitted
        self.resume_writing()

    def pause_writing(self) -> None:
        """The transport's buffer is above its high-water mark: applications wait in `send()`."""
        self.drain_waiter = self.service.loop.create_future()
        self.progressed()

    def progressed(self) -> None:
        """What waits to be read by the client has its time from now on."""
        self.write_deadline = self.service.deadline(self.service.policy.timeout_stall)
        self.write_mark = self.transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        """The client has read; or it is gone, and nobody has to wait for it any longer."""
        self.write_deadline = NEVER
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.progressed()  # nothing else watches over the rest
        if self.drain_waiter is not None:
            self.drain_waiter.set_result(None)
            self.drain_waiter = None

    async def drained(self) -> None:
        """Wait until the client has read enough. Cancelling one that waits leaves the others waiting."""
        if self.drain_waiter is not None:
            await asyncio.shield(self.drain_waiter)

    def pause_reading(self) -> None:
        """Let TCP hold the client back."""
        if not self.reading_paused:
            self.reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self.reading_paused:
            self.reading_paused = False
            self.transport.resume_reading()

    def write_parts(self, parts: list[bytes]) -> None:
        """Write several buffers, large ones among them."""
        if self.service.vectored:
            self.transport.writelines(parts)
        else:
            self.transport.write(b"".join(parts))

    def end_turn(self) -> None:
        """A turn of the loop is over in which `service.flush_later` was asked to say so."""
        raise NotImplementedError

    # --- a request's scope

    def complete_scope(self, scope: Scope, headers: Headers, names: Iterable[bytes]) -> Address | None:
        """What few connections have (they are `unusual`): TLS, a trusted proxy before them, a root path.

        Args:
            scope: with "extensions", and all else that the head says.
            headers: of the request.
            names: of the header fields, lower-case.

        Returns the client, by the word of a trusted proxy where there is one.
        """
        service, client = self.service, self.client
        if service.root_path:
            scope["path"] = mounted_path(service.root_path, scope["path"])
        if self.trusted_peer and not FORWARDING.isdisjoint(names):
            origin = read_forwarding(headers, service.trusted)
            client = scope["client"] = origin.client or client
            scope["scheme"] = origin.scheme or self.scheme
        if self.tls is not None:
            scope["extensions"]["tls"] = self.tls.copy()
        return client

    def websocket_scope(
        self,
        version: str,
        path: str,
        raw_path: bytes,
        query: bytes,
        headers: Headers,
        names: Iterable[bytes],
        handshake: Handshake,
    ) -> tuple[Scope, Address | None]:
        """The scope of a WebSocket, and its client: the same on every version of HTTP."""
        scope: Scope = {
            "type": "websocket",
            "asgi": ASGI_VERSION.copy(),
            "http_version": version,
            "scheme": self.scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": self.service.root_path,
            "headers": headers,
            "client": self.client,
            "server": self.server,
            "subprotocols": handshake.subprotocols.copy(),
            "state": self.service.state.copy(),
            "extensions": {"websocket.http.response": {}},
        }
        client = self.complete_scope(scope, headers, names) if self.unusual else self.client
        scope["scheme"] = "wss" if scope["scheme"] in ("https", "wss") else "ws"
        return scope, client

    # --- deadlines

    def sweep(self, now: float) -> None:
        """A deadline has passed: see whether the client has really done nothing."""
        if self.write_deadline <= now:
            size = self.transport.get_write_buffer_size()
            waiting = size or self.drain_waiter is not None  # a file waits outside of the transport's buffer
            if waiting and size >= self.write_mark:
                logger.info("%s doesn't read its response; connection aborted", self.peer())
                self.abort()
                return
            self.write_mark = size
            self.write_deadline = self.service.deadline(self.service.policy.timeout_stall)
        if self.deadline <= now:
            if not self.transport.is_closing():
                self.overdue(now)
            elif self.all_received():
                self.transport.abort()
            else:
                self.deadline = self.service.deadline(LEAVE)

    def all_received(self) -> bool:
        """Whether the client's machine has all that was sent, and so its application will."""
        if self.transport.get_write_buffer_size():
            return False
        try:
            import fcntl
            import termios

            # The loops don't tell what is encrypted and unsent: nothing, if the kernel has nothing.
            queue = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except (ImportError, OSError):
            return True  # on Windows nothing can be told; else it is closed already
        return not any(queue)

    def overdue(self, now: float) -> None:
        """The client hasn't sent what it was to send."""
        raise NotImplementedError

    # --- the end

    def close(self) -> None:
        """Close when all is written; a client that doesn't read that is cut off after the stall deadline."""
        if self.transport.is_closing():
            return
        if self.tls is not None:
            self.resume_reading()  # or the client's end of TLS is never seen
        self.transport.close()
        self.deadline = NEVER
        if self.tls is not None:
            self.deadline = self.service.now + min(LEAVE, self.service.idle)
        self.write_deadline = self.service.deadline(self.service.policy.timeout_stall)
        self.write_mark = self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close at once, by a reset: a plain end could look like a complete response."""
        self.deadline = self.write_deadline = NEVER
        sock = self.transport.get_extra_info("socket")
        if self.tls is None and sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            except (OSError, ValueError):
                pass  # it is closed already
        self.transport.abort()

    def failed(self, error: Exception) -> None:
        """Our own code broke: this connection ends, the worker lives."""
        self.service.failures += 1
        logger.error("Internal error; connection to %s aborted", self.peer(), exc_info=error)
        self.abort()

    def retire(self) -> None:
        """The server stops: end this connection as soon as its work is done.

        An idle one is still answered for a moment, for a request may be on its way.
        """
        raise NotImplementedError

    def end(self) -> None:
        """The server has stopped: whatever is unfinished is broken off."""
        raise NotImplementedError

    def peer(self) -> str:
        """The client, for the log."""
        if self.client is None:
            tcp = self.server is None or self.server[1] is not None
            return "a client that has gone" if tcp else "a client on a UNIX socket"
        host, port = self.client
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
