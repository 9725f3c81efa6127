"""Accepting connections by hand, where something has to be seen of a connection before it has a transport.

The loops' own servers accept faster, and do so wherever they can: see `Server`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from asgiworker.protocols import transport
from asgiworker.protocols.connection import Ends
from asgiworker.protocols.http1.connection import HTTP1Connection
from asgiworker.protocols.service import Service

logger = logging.getLogger("asgiworker.server")

FOR_EVER = 1e9  # seconds; the loops don't take 0 or None for it
ACCEPT_AGAIN = 1.0  # seconds until a system without file descriptors is asked again
ACCEPT_AT_ONCE = 64  # connections accepted before anybody else has a turn
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
# Troubles of one client's, which accept(2) reports as if they were its own. Not EPERM, which it says of a
# firewall: of a sandbox it is for good, and has to be seen.
CLIENTS_OWN = frozenset(
    (
        *(errno.ECONNABORTED, errno.EPROTO, errno.ENOPROTOOPT, errno.EOPNOTSUPP),
        *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH),
    )
)


class Listener:
    """Accepts connections, and hands each to a protocol of its own.

    Args:
        service: what all connections share.
        sock: bound and listening.
        tls: the context for the handshake; None for plain HTTP.
        accepted: called for each connection that is accepted.
        make: makes the protocol, given the ends of its connection.
        fast: aiofastnet carries what it can.
    """

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        tls: ssl.SSLContext | None,
        accepted: Callable[[], object] = lambda: None,
        make: Callable[[Ends], asyncio.Protocol] | None = None,
        *,
        fast: bool = False,
    ) -> None:
        self.service = service
        self.sock = sock
        self.tls = tls
        self.accepted = accepted
        self.make = make or partial(HTTP1Connection, service)
        self.fast = fast
        self._handing_over: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        if fast:
            transport.forgive_lost_handshakes(service.loop)
        sock.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Accept no more. What was accepted goes on. Closing again does nothing."""
        if self.sock.fileno() < 0:
            return
        with suppress(OSError):  # whatever it is, the others have to be closed, too, and the server to stop
            for _ in range(self.service.policy.backlog // ACCEPT_AT_ONCE + 1):
                if self._retry is not None or not self._accept():
                    break  # whom the kernel has let in since the last look is in
        if self._retry is not None:
            self._retry.cancel()
        self.service.loop.remove_reader(self.sock)
        self.sock.close()

    def abort(self) -> None:
        """Let go of those who aren't connections yet."""
        for task in self._handing_over:
            task.cancel()

    def _listen(self) -> None:
        self._retry = None
        self.service.loop.add_reader(self.sock, self._accept)

    def _accept(self) -> bool:
        """Accept who waits; whether there may be more."""
        for _ in range(ACCEPT_AT_ONCE):
            try:
                client, _ = self.sock.accept()
            except (BlockingIOError, InterruptedError):
                return False  # that was all, or another worker was faster
            except OSError as error:
                if error.errno in CLIENTS_OWN:
                    continue
                if error.errno not in EXHAUSTED:
                    raise
                logger.error("Connections can't be accepted: %s", error.strerror)
                self.service.loop.remove_reader(self.sock)
                self._retry = self.service.loop.call_later(ACCEPT_AGAIN, self._listen)
                return False
            self.accepted()
            task = self.service.start(self._hand_over(client), context=self.service.context.copy())
            if not task.done():
                self._handing_over.add(task)
                task.add_done_callback(self._handing_over.discard)
        return True

    async def _hand_over(self, client: socket.socket) -> None:
        try:
            client.setblocking(False)
            ends = await self.preface(client)
            await self._connect(client, ends)
        except (OSError, asyncio.CancelledError):  # ssl.SSLError and TimeoutError are the former
            client.close()
        except Exception:
            self.service.failures += 1
            logger.exception("Internal error while a connection was accepted")
            client.close()

    async def preface(self, client: socket.socket) -> Ends:
        """Read what comes before the connection's own protocol, and find its ends there.

        Raises:
            OSError: the connection has to be closed.
        """
        return None, None

    async def _connect(self, client: socket.socket, ends: Ends) -> None:
        loop, tls = self.service.loop, self.tls
        patience = self.service.policy.timeout_handshake
        fast = self.fast
        if fast and tls is not None:
            fast = transport.suits(tls)
            if fast:
                # aiofastnet can't answer a client that speaks HTTP; the loop's transport can.
                try:
                    first = client.recv(1, socket.MSG_PEEK)  # PERF: mostly it has come with the connection
                except BlockingIOError:
                    async with asyncio.timeout(patience or None):
                        await readable(client, loop)
                    first = client.recv(1, socket.MSG_PEEK)
                if not first:  # a look at whether the port is open, as load balancers take it
                    client.close()
                    return
                fast = first == transport.TLS_HANDSHAKE
        make = partial(self.make, ends)
        await transport.connect(loop, make, client, tls, patience or FOR_EVER, fast=fast)


def by_hand(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether connections are better accepted here than by the loop's own server.

    asyncio's, out of file descriptors, logs that as often as its backlog is long, each second; and who was
    accepted in the turn in which it is closed is lost.
    """
    return isinstance(loop, asyncio.SelectorEventLoop)


async def readable(sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
    """Wait until there is something to receive."""
    arrived = asyncio.Event()
    loop.add_reader(sock, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(sock)
