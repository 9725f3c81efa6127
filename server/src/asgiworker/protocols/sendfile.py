"""Files onto a connection: by `sendfile(2)` on plain TCP and UNIX sockets, read in a thread on TLS.

The number of bytes has been promised to the client when this starts. A file that turns out shorter breaks
the connection: padding would forge content, and anything else would desynchronise it.
"""

from __future__ import annotations

import os

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected
from asgiworker.protocols.connection import Connection

PIECE = 262144  # bytes read at a time for TLS
SENDFILE_PIECE = 1 << 30  # bytes asked of sendfile(2) at a time; it takes a little less than 2 GiB


async def send_region(connection: Connection, file: int, offset: int | None, count: int) -> None:
    """Send `count` bytes of the open descriptor `file`, after all that was written to the transport before.

    Args:
        connection: where to; its `write_deadline` guards against a client that doesn't read.
        file: a descriptor that `os.sendfile` takes.
        offset: where to begin; None for the descriptor's own position, which then moves along.
        count: how many bytes.

    Raises:
        ClientDisconnected: the client has gone.
        ApplicationError: the file ended before `count` bytes; the connection is aborted.
    """
    try:
        if connection.tls is None and hasattr(os, "sendfile"):
            await _by_kernel(connection, file, offset, count)
        else:
            await _by_thread(connection, file, offset, count)
    except (ConnectionError, TimeoutError):
        connection.abort()
        raise ClientDisconnected("the client has disconnected") from None
    except BaseException:
        connection.abort()  # cancelled, or the file fell short: the body can't be completed
        raise


async def _by_kernel(connection: Connection, file: int, offset: int | None, count: int) -> None:
    transport = connection.transport
    transport.set_write_buffer_limits(high=0)  # so that `drained` means empty
    await connection.drained()
    _check(connection)
    transport.set_write_buffer_limits()
    # The loop watches the transport's own descriptor already; a duplicate can be watched beside it.
    out = os.dup(transport.get_extra_info("socket").fileno())
    try:
        while count:
            try:
                sent = os.sendfile(out, file, offset, min(count, SENDFILE_PIECE))
            except BlockingIOError:
                await _writable(connection, out)
                continue
            if not sent:
                raise ApplicationError(f"the file ended {count} bytes before its announced length")
            count -= sent
            if offset is not None:
                offset += sent
    finally:
        os.close(out)


async def _writable(connection: Connection, descriptor: int) -> None:
    """Wait until the socket takes more, as if the transport itself had paused and resumed us."""
    loop = connection.service.loop
    connection.pause_writing()
    loop.add_writer(descriptor, connection.resume_writing)
    try:
        await connection.drained()
    finally:
        loop.remove_writer(descriptor)
    _check(connection)


async def _by_thread(connection: Connection, file: int, offset: int | None, count: int) -> None:
    loop, transport = connection.service.loop, connection.transport
    position = os.lseek(file, 0, os.SEEK_CUR) if offset is None else offset
    while count:
        piece = await loop.run_in_executor(None, os.pread, file, min(count, PIECE), position)
        if not piece:
            raise ApplicationError(f"the file ended {count} bytes before its announced length")
        _check(connection)
        transport.write(piece)
        count -= len(piece)
        position += len(piece)
        await connection.drained()
    _check(connection)
    if offset is None:
        os.lseek(file, position, os.SEEK_SET)


def _check(connection: Connection) -> None:
    if connection.transport.is_closing():
        raise ClientDisconnected("the client has disconnected")
