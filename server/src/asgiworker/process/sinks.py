"""Where the lines of the access log go: a file, stdout, or a logger.

A sink never raises into the server and, where the system allows it, never waits for a slow reader. The lines
of several workers that write to the same place don't mix.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import stat
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from asgiworker.process.logs import SERVER, LogError

server_log = logging.getLogger(SERVER)


class Sink(Protocol):
    """Where lines go. No method raises. To be called from one thread, and not from a signal handler."""

    def write(self, lines: Sequence[str]) -> None:
        """Take the lines, which have no line ends, and write them as far as that doesn't wait."""

    def flush(self) -> None:
        """Write what couldn't be written yet."""

    def reopen(self) -> None:
        """Begin a new file if the old one was moved away (USR1)."""

    def close(self) -> None:
        """Write what is left, for a second at most, and let go."""


# Lines kept for a reader that is slow, or a disk that is full.
KEPT_BYTES = 16 * 1024 * 1024
CLOSE_TIMEOUT = 1.0  # seconds

# What waiting can't mend: nobody reads, or there is nothing to write to.
FATAL = frozenset((errno.EPIPE, errno.EBADF, errno.ECONNRESET))
TOO_SLOW = "what reads it doesn't keep up"


class DescriptorSink:
    """Lines into a file, a pipe or a terminal, by its descriptor.

    A file is open for appending and takes a batch in one write, so that the lines of several workers don't
    mix. Into a pipe, a terminal or a socket goes at most `PIPE_BUF` at a time, whole lines, and only while
    the system says that this won't wait: then lines don't mix either (POSIX, write()), and whoever stops
    reading doesn't stop the server. What can't be written now is kept for the next flush, up to `KEPT_BYTES`.
    Lost lines are counted. Trouble is reported once, and so is its end.

    `opening` returns a new descriptor, which the sink will close, or -1 if there is nothing to write to; or
    raises `OSError`.

    Attributes:
        name: what the reports call it.
        lost: lines that were given up.
    """

    __slots__ = ("_descriptor", "_lost_before", "_opening", "_poll", "_unended", "_waiting", "lost", "name")

    def __init__(self, name: str, opening: Callable[[], int]) -> None:
        self.name = name
        self.lost = 0
        self._opening = opening
        self._waiting = bytearray()
        # Whether the last byte written was inside a line.
        self._unended = False
        # While there is trouble: `lost` when it began.
        self._lost_before: int | None = None
        self._attach(opening())

    def _attach(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll: select.poll | None = None
        mode = os.fstat(descriptor).st_mode if descriptor >= 0 else 0
        waits = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or (stat.S_ISCHR(mode) and os.isatty(descriptor))
        if waits and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)

    def write(self, lines: Sequence[str]) -> None:
        """Take the lines, and write what can be written."""
        data = ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")
        if self._waiting:
            self.flush()
            if self._waiting and len(self._waiting) + len(data) > KEPT_BYTES:
                self._trouble(TOO_SLOW, len(lines))
                return
        if self._unended and not self._waiting:
            self._waiting += b"\n"  # after a line that was given up half written
        self._waiting += data
        self.flush()

    def flush(self) -> None:
        """Write what is waiting, as far as that doesn't wait."""
        self._drain(0.0)

    def reopen(self) -> None:
        """Go on in a newly opened file; in the old one if that fails."""
        self.flush()
        try:
            descriptor = self._opening()
        except OSError as error:
            server_log.error("The access log %s can't be opened anew: %s.", self.name, error.strerror)
            return
        if self._unended and self._waiting:
            del self._waiting[: self._waiting.find(b"\n") + 1]
            self.lost += 1
        self._unended = False
        self._release()
        self._attach(descriptor)
        self.flush()

    def close(self) -> None:
        """Write what is waiting, for `CLOSE_TIMEOUT` at most, and close the descriptor."""
        self._drain(time.monotonic() + CLOSE_TIMEOUT)
        if self._waiting:
            self._give_up(TOO_SLOW)
        self._release()

    def _release(self) -> None:
        if self._descriptor >= 0:
            try:
                os.close(self._descriptor)
            except OSError:
                pass  # the application closed it, or closing wrote, to a remote file system, and failed
        self._descriptor = -1
        self._poll = None

    def _drain(self, deadline: float) -> None:
        waiting = self._waiting
        if not waiting:
            return
        while waiting:
            part = waiting
            if self._poll is not None:
                if not self._poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    return
                part = waiting[: self._whole_lines()]
            try:
                written = os.write(self._descriptor, part)
            except BlockingIOError:
                return
            except OSError as error:
                reason = error.strerror or repr(error)
                if error.errno in FATAL:
                    self._give_up(reason)
                else:
                    self._trouble(reason, 0)
                return
            self._unended = not part.endswith(b"\n", 0, written)
            del waiting[:written]
        if self._lost_before is not None:
            server_log.info(
                "The access log is written to %s again; %d lines are lost.",
                self.name,
                self.lost - self._lost_before,
            )
            self._lost_before = None

    def _whole_lines(self) -> int:
        """How many bytes may go into the pipe at once: lines that fit, or a piece of one that doesn't."""
        if len(self._waiting) <= select.PIPE_BUF:
            return len(self._waiting)
        return self._waiting.rfind(b"\n", 0, select.PIPE_BUF) + 1 or select.PIPE_BUF

    def _give_up(self, reason: str) -> None:
        """Lose what is waiting."""
        self._trouble(reason, self._waiting.count(b"\n"))
        self._waiting.clear()

    def _trouble(self, reason: str, lines: int) -> None:
        """Say that the log can't be written, if that isn't said yet, and count the lines that this costs."""
        if self._lost_before is None:
            self._lost_before = self.lost
            server_log.error("The access log can't be written to %s: %s.", self.name, reason)
        self.lost += lines


class LoggerSink:
    """Lines into a logger, for those who configured one. Several times as dear as a `DescriptorSink`."""

    __slots__ = ("_logger", "_reported")

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._reported = False

    def write(self, lines: Sequence[str]) -> None:
        """Log each line. What its filters raise is reported once."""
        for line in lines:
            try:
                self._logger.info(line)
            except Exception:
                if not self._reported:
                    self._reported = True
                    server_log.exception("The logger %s can't log.", self._logger.name)

    def flush(self) -> None:
        """Nothing waits here."""

    def reopen(self) -> None:
        """Left to `logs.reopen`, or to Gunicorn."""

    def close(self) -> None:
        """Nothing is held here."""


def open_sink(accesslog: str) -> Sink:
    """The sink that is meant: "-" is stdout, all else a path. Raises `LogError` if it can't be opened."""
    if accesslog == "-":
        return DescriptorSink("stdout", _stdout)
    path = os.path.abspath(accesslog)
    try:
        return DescriptorSink(path, lambda: _file(path))
    except OSError as error:
        raise LogError(
            f"The access log {accesslog} can't be written: {error.strerror}.",
            "Name a file in a directory that exists and is writable, or - for stdout (--access-logfile).",
        ) from error


def _file(path: str) -> int:
    # Without O_NONBLOCK a named pipe that nobody reads would be waited for.
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)


def _stdout() -> int:
    """A descriptor of our own: the application may close number 1, which then becomes some other file."""
    for stream in (sys.stdout, sys.__stdout__):
        try:
            if stream is not None:
                return os.dup(stream.fileno())
        except (OSError, ValueError):  # it is no file; it is closed
            continue
    return -1
