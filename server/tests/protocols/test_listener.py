"""Accepting by hand: whom the kernel has let in is served, whatever becomes of others."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from asgiworker.protocols.listener import ACCEPT_AT_ONCE, Listener

if TYPE_CHECKING:
    from server.tests.protocols.conftest import Mirror, OpenWire

DEADLINE = 20.0

pytestmark = pytest.mark.every_python


class Troubled(socket.socket):
    """A listening socket whose `accept` fails with these errors first: the kernel's, which can't be had."""

    troubles: list[int]

    def accept(self) -> tuple[socket.socket, object]:
        if self.troubles:
            number = self.troubles.pop(0)
            raise OSError(number, os.strerror(number))
        return super().accept()


@pytest.fixture
def sock() -> Iterator[Troubled]:
    with Troubled() as sock:
        sock.troubles = []
        sock.bind(("127.0.0.1", 0))
        sock.listen(1024)
        yield sock


def open_clients(sock: socket.socket, count: int) -> list[socket.socket]:
    """Clients that the kernel has let in."""
    return [socket.create_connection(sock.getsockname()) for _ in range(count)]


@pytest.mark.parametrize("troubles", [[], [errno.EPROTO, errno.ECONNABORTED]], ids=["no trouble", "troubles"])
async def test_all_who_were_let_in_are_accepted_at_the_end(
    open_wire: OpenWire, mirror: Mirror, sock: Troubled, troubles: list[int]
) -> None:
    service, accepted = open_wire.service(mirror), list[None]()
    sock.troubles = troubles
    clients = open_clients(sock, 2 * ACCEPT_AT_ONCE + 1)
    listener = Listener(service, sock, None, lambda: accepted.append(None))
    listener.close()
    assert len(accepted) == len(clients)
    for client in clients:
        client.close()
    async with asyncio.timeout(DEADLINE):
        while service.connections or listener._handing_over:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_whatever_breaks_at_the_end_it_is_closed(
    open_wire: OpenWire, mirror: Mirror, sock: Troubled
) -> None:
    listener = Listener(open_wire.service(mirror), sock, None)
    sock.troubles = [errno.EINVAL]
    listener.close()
    assert sock.fileno() < 0
