"""The PROXY header before a connection's own protocol: read to the byte, then out of the way.

On TLS the header comes before the handshake, so it must not be read together with what follows. It is taken
out of the socket before there is a transport: looked at first, and received when its length is known. (A
transport can't be kept from reading: uvloop's begins after `connection_made`, paused or not.)
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from functools import cached_property

from asgiworker.protocols.connection import Ends
from asgiworker.protocols.listener import Listener, readable
from asgiworker.protocols.proxy import (
    V2_BOUND,
    ProxyHeader,
    ProxyHeaderError,
    TrustedPeers,
    read_proxy_header,
)

logger = logging.getLogger("asgiworker.server")

LOOK_AGAIN = 0.05  # seconds until an incomplete header is looked at again
HANGUP = getattr(select, "POLLRDHUP", select.POLLHUP)


class ProxyListener(Listener):
    """Accepts connections that begin with a PROXY header. The arguments are a `Listener`'s."""

    @cached_property
    def allowed(self) -> TrustedPeers:
        """Who may send such a header."""
        return TrustedPeers.parse(self.service.policy.proxy_allow_ips)

    async def preface(self, client: socket.socket) -> Ends:
        """The ends of the connection, as its PROXY header gives them."""
        policy = self.service.policy
        try:
            header = await asyncio.wait_for(self._read(client), policy.timeout_first_byte or None)
        except (ProxyHeaderError, TimeoutError) as error:
            logger.warning("Connection refused: %s", str(error) or "no PROXY header in time")
            raise ConnectionAbortedError from error
        return header.client, header.server

    async def _read(self, client: socket.socket) -> ProxyHeader:
        """The header, taken out of the socket to its last byte."""
        host = client.getpeername()[0] if client.family != socket.AF_UNIX else None
        if host not in self.allowed:
            raise ProxyHeaderError(f"{host} may not send a PROXY header (proxy_allow_ips)")
        await readable(client, self.service.loop)
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


def _finished(sock: socket.socket) -> bool:
    """Whether the client has closed its sending side, with bytes of it still unread."""
    poll = select.poll()
    poll.register(sock, HANGUP)
    return bool(poll.poll(0))
