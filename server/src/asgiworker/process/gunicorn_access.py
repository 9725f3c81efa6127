"""The access log under Gunicorn: its own file or stream, or a `logger_class` that wants each request."""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Protocol

from asgiworker.process.access import AccessLog, AccessSettings
from asgiworker.process.access_format import (
    UNPREFIXED,
    Entry,
    basic_user,
    decoded_path,
    folded,
    path_of,
    shown,
)
from asgiworker.process.logs import SERVER
from asgiworker.process.sinks import LoggerSink, open_sink

server_log = logging.getLogger(SERVER)

PHRASES: Mapping[int, str] = {each.value: each.phrase for each in HTTPStatus}


class GunicornLogger(Protocol):
    """What is called of a `logger_class`."""

    def access(self, resp: Any, req: Any, environ: dict[str, str], request_time: timedelta) -> None:
        """Log a finished request."""


@dataclass(frozen=True, slots=True)
class GunicornRequest:
    """A finished request, as a `logger_class` of Gunicorn reads it: text, names in upper case."""

    method: str
    uri: str
    path: str
    query: str
    version: tuple[int, ...]
    headers: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class GunicornResponse:
    """Its response, likewise. `status` is such as "200 OK", `sent` the bytes of the body."""

    status: str
    status_code: int
    sent: int
    headers: list[tuple[str, str]]


def gunicorn_views(entry: Entry) -> tuple[GunicornResponse, GunicornRequest, dict[str, str], timedelta]:
    """The entry as the arguments of a Gunicorn logger's `access`.

    Of the environment there is what an entry tells: the request line, the client, and the fields of the
    request. Control characters are escaped throughout, those in the user's name too, which that logger will
    decode from Authorization.
    """
    _, duration, client, method, target, version, status, sent, fields, answered = entry
    path, _, query = target.partition(b"?")
    request = GunicornRequest(
        method=shown(method),
        uri=shown(target),
        path=shown(decoded_path(path_of(path))),
        query=shown(query),
        version=tuple(int(part) for part in version.split(".") if part.isdecimal()),
        headers=[(name.decode("latin-1").upper(), shown(value)) for name, value in fields],
    )
    response = GunicornResponse(
        status=f"{status} {PHRASES.get(status, '')}".rstrip(),
        status_code=status,
        sent=sent,
        headers=[(name.decode("latin-1"), shown(value)) for name, value in answered],
    )
    environ = {
        "REQUEST_METHOD": request.method,
        "RAW_URI": request.uri,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "SERVER_PROTOCOL": f"HTTP/{shown(version)}",
        "REMOTE_ADDR": shown(client[0]) if client else "-",
    }
    if client and client[1] is not None:
        environ["REMOTE_PORT"] = str(client[1])
    joined = folded(fields)
    for name, value in joined.items():
        if b"_" in name:
            continue  # it would pass for the field with a hyphen
        text = name.decode("latin-1")
        variable = text.upper().replace("-", "_")
        environ[variable if text in UNPREFIXED else f"HTTP_{variable}"] = shown(value)
    user = basic_user(joined.get(b"authorization", b""))
    if shown(user) != user:
        harmless = base64.b64encode(f"{shown(user)}:".encode()).decode()
        environ["HTTP_AUTHORIZATION"] = f"Basic {harmless}"
    return response, request, environ, timedelta(seconds=duration)


class GunicornAccess:
    """Finished exchanges, and the Gunicorn logger they are handed to: a custom `logger_class`, or statsd.

    Used as an `AccessLog` is.
    """

    __slots__ = ("_log", "_reported", "entries", "record")

    def __init__(self, log: GunicornLogger) -> None:
        self.entries: list[Entry] = []
        self.record = self.entries.append
        self._log = log
        self._reported = False

    def flush(self) -> None:
        """Hand over all entries. What the logger raises is reported once."""
        for entry in self.entries:
            try:
                self._log.access(*gunicorn_views(entry))
            except Exception:
                if not self._reported:
                    self._reported = True
                    server_log.exception("%s can't log a request.", type(self._log).__qualname__)
        self.entries.clear()

    def reopen(self) -> None:
        """Hand over all entries; Gunicorn reopens its files itself."""
        self.flush()

    def close(self) -> None:
        """Hand over all entries."""
        self.flush()


def gunicorn_access_log(cfg: AccessSettings, log: Any) -> AccessLog | GunicornAccess | None:
    """The access log of a worker under Gunicorn, given its configuration and its logger (`worker.log`).

    Gunicorn's own logger, writing to a file or stdout, is bypassed: the same lines, for a fraction of the
    time. Where its access logger was given other handlers (syslog, a logging configuration), the lines go
    there. A logger of another class gets each request, whether or not there is an access log, as statsd
    counts them anyway.

    Raises `LogError` for a bad format, or a file that can't be opened.
    """
    from gunicorn.glogging import Logger

    if type(log) is not Logger:
        return GunicornAccess(log)
    if not log.access_log_enabled:
        return None
    logger: logging.Logger = log.access_log
    handlers = logger.handlers
    plain = (
        len(handlers) == 1
        and type(handlers[0]) in (logging.StreamHandler, logging.FileHandler)
        and not logger.filters
    )
    if cfg.accesslog is not None and plain and hasattr(handlers[0], "_gunicorn"):
        return AccessLog(cfg.access_log_format, open_sink(cfg.accesslog))
    return AccessLog(cfg.access_log_format, LoggerSink(logger))
