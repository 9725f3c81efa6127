"""Files: opened and measured for any protocol, and put onto a connection of HTTP/1.x.

That is done by `sendfile(2)` on plain TCP and UNIX sockets; on TLS they are read in a thread.

The number of bytes has been promised to the client when this starts. A file that turns out shorter breaks
the connection: padding would forge content, and anything else would desynchronise it.
"""

from __future__ import annotations

import os
import stat

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected
from asgiworker.asgi.exchange import Exchange
from asgiworker.protocols.connection import Connection

PIECE = 262144  # bytes read at a time for TLS
TURN = 4 * 1024 * 1024  # bytes sent in one turn of the loop at most, however fast the client reads


def open_file(path: str) -> tuple[int, int]:
    """The regular file at `path`: its descriptor, for the caller to close, and its size in bytes.

    Raises:
        ApplicationError: it can't be opened, or is something else.
    """
    try:
        # Not blocking: to open a FIFO would wait for its writer.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ApplicationError(f"http.response.pathsend: {error}") from error
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode):
        os.close(file)
        raise ApplicationError(f"http.response.pathsend: {path!r} is not a regular file")
    return file, status.st_size


def measure(file: int, offset: int | None, count: int | None) -> tuple[int, int]:
    """Where a region of an open file begins, and its bytes; None stands for "here", and for "to the end".

    Raises:
        ApplicationError: it is no open regular file.
    """
    try:
        status = os.fstat(file)
        start = os.lseek(file, 0, os.SEEK_CUR) if offset is None else offset
    except OSError as error:
        raise ApplicationError(f"the file with descriptor {file} can't be sent: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ApplicationError("only a regular file can be sent")
    return start, max(0, status.st_size - start) if count is None else count


def announce(exchange: Exchange, count: int, last: bool) -> bool:
    """Hold the first file of a response against its Content-Length; whether it is to be given that one.

    Raises:
        ApplicationError: it has another.
    """
    announced = exchange.remaining
    if announced is None:
        if last and not exchange.trailers_expected and exchange.status not in (204, 304):
            exchange.remaining = count
            return True
    elif (count > announced or (last and count < announced)) and exchange.sends_body():
        raise ApplicationError(f"the file has {count} bytes, the response's content-length says {announced}")
    return False


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
        region = _Region(connection, out, file, offset, count)
        if not region.push():
            await region.pushed()
    finally:
        os.close(out)


class _Region:
    """What is still to be sent of a file, and the socket that it goes into.

    PERF: the loop sends on whenever the socket takes more, and only the end wakes the coroutine. To wake that
    each time, and to watch the socket anew, took 7 % of the CPU time of a file of 10 MB.
    """

    __slots__ = ("connection", "count", "error", "file", "offset", "out")

    def __init__(self, connection: Connection, out: int, file: int, offset: int | None, count: int) -> None:
        self.connection = connection
        self.out = out
        self.file = file
        self.offset = offset
        self.count = count
        self.error: Exception | None = None  # what went wrong while nobody was there to be told

    def push(self) -> bool:
        """Send as much as the socket takes in this turn of the loop; say whether that was all."""
        turn = min(self.count, TURN)
        while turn:
            try:
                sent = os.sendfile(self.out, self.file, self.offset, turn)
            except BlockingIOError:
                return False
            if not sent:
                raise ApplicationError(f"the file ended {self.count} bytes before its announced length")
            turn -= sent
            self.count -= sent
            if self.offset is not None:
                self.offset += sent
        return not self.count

    async def pushed(self) -> None:
        """Wait until all is sent, as if the transport itself had paused and resumed us."""
        connection, loop = self.connection, self.connection.service.loop
        connection.pause_writing()
        loop.add_writer(self.out, self.writable)
        try:
            await connection.drained()
        finally:
            loop.remove_writer(self.out)
        if self.error is not None:
            raise self.error
        _check(connection)

    def writable(self) -> None:
        """The client has read: send on. Called by the loop."""
        try:
            done = self.push()
        except Exception as error:
            self.error, done = error, True
        if done:
            self.connection.resume_writing()
        else:
            self.connection.progressed()


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
