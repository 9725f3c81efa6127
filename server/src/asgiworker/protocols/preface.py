"""The PROXY header before a connection's own protocol: read to the byte, then out of the way.

On TLS the header comes before the handshake, so it must not be read together with what follows. It is taken
out of the socket before there is a transport: looked at first, and received when its length is known. (A
transport can't be kept from reading: uvloop's begins after `connection_made`, paused or not.)
"""

from __future__ import annotations

import asyncio
import errno
import logging
import select
import socket
import ssl
from collections.abc import Callable

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
ACCEPT_AGAIN = 1.0  # seconds until a system without file descriptors is asked again
HANGUP = getattr(select, "POLLRDHUP", select.POLLHUP)
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class ProxyListener:
    """Accepts connections that begin with a PROXY header, and hands each to an `HTTP1Connection`.

    Args:
        service: what all connections share.
        sock: bound and listening.
        tls: the context for the handshake that follows; None for plain HTTP.
        accepted: called for each connection that is accepted.
    """

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        tls: ssl.SSLContext | None,
        accepted: Callable[[], object] = lambda: None,
    ) -> None:
        self.service = service
        self.sock = sock
        self.tls = tls
        self.accepted = accepted
        self.allowed = TrustedPeers.parse(service.policy.proxy_allow_ips)
        self._handing_over: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Accept no more. What was accepted goes on."""
        if self._retry is not None:
            self._retry.cancel()
        self.service.loop.remove_reader(self.sock)
        self.sock.close()

    def abort(self) -> None:
        """Let go of those whose header or handshake hasn't come yet."""
        for task in self._handing_over:
            task.cancel()

    def _listen(self) -> None:
        self.service.loop.add_reader(self.sock, self._accept)

    def _accept(self) -> None:
        try:
            client, _ = self.sock.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client has gone
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            logger.error("Connections can't be accepted: %s", error.strerror)
            self.service.loop.remove_reader(self.sock)
            self._retry = self.service.loop.call_later(ACCEPT_AGAIN, self._listen)
            return
        self.accepted()
        task = self.service.loop.create_task(self._hand_over(client))
        self._handing_over.add(task)
        task.add_done_callback(self._handing_over.discard)

    async def _hand_over(self, client: socket.socket) -> None:
        service, policy = self.service, self.service.policy
        try:
            client.setblocking(False)
            header = await asyncio.wait_for(self._read(client), policy.timeout_first_byte or None)
            await service.loop.connect_accepted_socket(
                lambda: HTTP1Connection(service, (header.client, header.server)),
                client,
                ssl=self.tls,
                ssl_handshake_timeout=(policy.timeout_handshake or FOR_EVER) if self.tls else None,
            )
        except (ProxyHeaderError, TimeoutError) as error:
            logger.warning("Connection refused: %s", str(error) or "no PROXY header in time")
            client.close()
        except (OSError, asyncio.CancelledError):  # ssl.SSLError is the former
            client.close()
        except Exception:
            service.failures += 1
            logger.exception("Internal error while reading a PROXY header")
            client.close()

    async def _read(self, client: socket.socket) -> ProxyHeader:
        """The header, taken out of the socket to its last byte."""
        host = client.getpeername()[0] if client.family != socket.AF_UNIX else None
        if host not in self.allowed:
            raise ProxyHeaderError(f"{host} may not send a PROXY header (proxy_allow_ips)")
        await _readable(client, self.service.loop)
        while True:
            finished = _finished(client)  # first, for more may come in between
            data = client.recv(V2_BOUND, socket.MSG_PEEK)
            header = read_proxy_header(data, self.service.policy.proxy_protocol) if data else None
            if header is not None:
                client.recv(header.size)
                return header
            if finished or not data:
                raise ProxyHeaderError("the connection ended before its PROXY header")
            # What is only looked at stays readable: the loop can't tell when there is more.
            await asyncio.sleep(LOOK_AGAIN)


async def _readable(sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
    readable = asyncio.Event()
    loop.add_reader(sock, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(sock)


def _finished(sock: socket.socket) -> bool:
    """Whether the client has closed its sending side, with bytes of it still unread."""
    poll = select.poll()
    poll.register(sock, HANGUP)
    return bool(poll.poll(0))
