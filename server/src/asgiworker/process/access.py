"""The access log: what the protocols record, and where the lines go that are made of it.

A finished exchange costs the hot path a tuple. Lines are made and written later, a batch at a time: `flush`
formats all entries by one function, and hands all lines to the sink, which writes them together. A sink never
raises into the server and, where the system allows it, never waits for a slow reader.
"""

from __future__ import annotations

import logging
from typing import Protocol

from asgiworker.process.access_format import Entry, compiled, json_lines
from asgiworker.process.logs import ACCESS, SERVER
from asgiworker.process.sinks import LoggerSink, Sink, open_sink

server_log = logging.getLogger(SERVER)


class AccessSettings(Protocol):
    """The settings read here; Gunicorn's configuration has them under the same names."""

    @property
    def accesslog(self) -> str | None:
        """A file, "-" for stdout, or None for no access log."""

    @property
    def access_log_format(self) -> str:
        """Gunicorn's atoms, or "json"."""


class AccessLog:
    """Finished exchanges, and the lines they become.

    Attributes:
        entries: what was recorded since the last flush; always the same list.
        record: its `append`. Takes an `AccessEntry` or a plain tuple of that shape. PERF: to flush in smaller
            batches than a tick's would take a function here, and gained nothing.
    """

    __slots__ = ("_format", "_reported", "_sink", "entries", "record")

    def __init__(self, format: str, sink: Sink) -> None:
        self.entries: list[Entry] = []
        self.record = self.entries.append
        self._format = json_lines() if format == "json" else compiled(format)
        self._sink = sink
        self._reported = False

    def flush(self) -> None:
        """Write all entries, and what waits in the sink. Cheap if there is nothing: call it at each tick."""
        entries = self.entries
        if not entries:
            self._sink.flush()
            return
        try:
            lines = self._format(entries)
        except Exception:
            lines = self._salvaged()
        entries.clear()
        if lines:
            self._sink.write(lines)

    def _salvaged(self) -> list[str]:
        """The lines of all entries but those that can't be formatted, which is a defect of ours."""
        lines: list[str] = []
        for entry in self.entries:
            try:
                lines += self._format((entry,))
            except Exception:
                if not self._reported:
                    self._reported = True
                    server_log.exception("An entry of the access log can't be formatted.")
        return lines

    def reopen(self) -> None:
        """Write all entries, and go on in a new file (USR1)."""
        self.flush()
        self._sink.reopen()

    def close(self) -> None:
        """Write all entries, and close the file."""
        self.flush()
        self._sink.close()


def open_access_log(settings: AccessSettings) -> AccessLog | None:
    """The access log that the settings ask for, if any.

    It goes to the logger `asgiworker.access` if that one has handlers of its own, which `log_config` may have
    given it. Raises `LogError` for a bad format, or a file that can't be opened.
    """
    if settings.accesslog is None:
        return None
    logger = logging.getLogger(ACCESS)
    return AccessLog(
        settings.access_log_format, LoggerSink(logger) if logger.handlers else open_sink(settings.accesslog)
    )
