"""The PROXY header before a connection's own protocol: read to the byte, then out of the way.

On TLS the header comes before the handshake, so it must not be read together with what follows: the bytes are
looked at in the socket first, and taken only when the length of the header is known.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl

from asgiworker.protocols.http1 import HTTP1Connection
from asgiworker.protocols.proxy import (
    V2_BOUND,
    ProxyHeader,
    ProxyHeaderError,
    TrustedPeers,
    read_proxy_header,
)
from asgiworker.protocols.service import Service

logger = logging.getLogger("asgiworker.server")

FOR_EVER = 1e9  # seconds; the loops don't take 0 or None for it
LOOK_AGAIN = 0.05  # seconds until an incomplete header is looked at again


class Early(asyncio.Protocol):
    """Keeps what a client sends between the end of its handshake and the moment we learn of that."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = self.lost = False

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self.data += data

    def eof_received(self) -> None:
        """The client has said all."""
        self.ended = True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self.lost = True


class ProxyPreface(asyncio.Protocol):
    """Reads one PROXY header, then hands the connection to `HTTP1Connection`.

    Args:
        service: what all connections share.
        version: "v1", "v2" or "auto".
        tls: the context for the handshake that follows; None for plain HTTP.
    """

    def __init__(self, service: Service, version: str, tls: ssl.SSLContext | None) -> None:
        self.service = service
        self.version = version
        self.tls = tls
        self.transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A proxy has connected."""
        self.transport = transport  # type: ignore[assignment]  # uvloop's is no subclass of asyncio's
        self.transport.pause_reading()
        self._task = self.service.loop.create_task(self._hand_over())

    def connection_lost(self, exc: Exception | None) -> None:
        """The proxy has gone."""
        if self._task is not None:
            self._task.cancel()

    async def _hand_over(self) -> None:
        service, transport = self.service, self.transport
        timeout = service.policy.timeout_first_byte
        try:
            header = await asyncio.wait_for(self._read(), timeout or None)
            connection = HTTP1Connection(service, (header.client, header.server))
            self._task = None
            if self.tls is None:
                transport.set_protocol(connection)
                connection.connection_made(transport)
                transport.resume_reading()
                return
            early = Early()
            encrypted = await service.loop.start_tls(
                transport,
                early,
                self.tls,
                server_side=True,
                ssl_handshake_timeout=service.policy.timeout_handshake or FOR_EVER,
            )
            if encrypted is None or early.lost:
                return
            encrypted.set_protocol(connection)
            connection.connection_made(encrypted)
            if early.data:
                connection.data_received(early.data)
            if early.ended:
                encrypted.close()
        except (ProxyHeaderError, TimeoutError) as error:
            logger.warning("Connection refused: %s", str(error) or "no PROXY header in time")
            transport.abort()
        except (OSError, asyncio.CancelledError):
            transport.abort()
        except Exception:
            service.failures += 1
            logger.exception("Internal error while reading a PROXY header")
            transport.abort()

    async def _read(self) -> ProxyHeader:
        """The header, taken out of the socket to its last byte."""
        peer = self.transport.get_extra_info("peername")
        host = peer[0] if isinstance(peer, tuple) else None
        if host not in TrustedPeers.parse(self.service.policy.proxy_allow_ips):
            raise ProxyHeaderError(f"{host} may not send a PROXY header (proxy_allow_ips)")
        descriptor = os.dup(self.transport.get_extra_info("socket").fileno())
        with socket.socket(fileno=descriptor) as sock:
            sock.setblocking(False)
            while True:
                try:
                    data = sock.recv(V2_BOUND, socket.MSG_PEEK)
                except BlockingIOError:
                    data = None
                if data == b"":
                    raise ProxyHeaderError("the connection ended before its PROXY header")
                if data:
                    header = read_proxy_header(data, self.version)
                    if header is not None:
                        sock.recv(header.size)
                        return header
                # What is only looked at stays readable: the loop can't tell when there is more.
                await asyncio.sleep(LOOK_AGAIN)
