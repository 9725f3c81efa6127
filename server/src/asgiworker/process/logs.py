"""What the server says about itself: its loggers, where their records go, and the line it starts with.

Three loggers: `asgiworker.server` (start, stop, refused requests, deadlines), `asgiworker.asgi` (what the
application raised or did wrong) and `asgiworker.access` (the access log, in `access`, where logging is
configured for it). Under Gunicorn the first two speak through Gunicorn's logger.

Two rules. Logging that somebody configured is never touched. And no text that came from a peer can look like
a record of its own or drive a terminal: control characters are escaped, and all further lines of a record are
indented.
"""

from __future__ import annotations

import importlib
import json
import logging
import logging.config
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from asgiworker.process.mistakes import Mistake

SERVER = "asgiworker.server"
ACCESS = "asgiworker.access"
ASGI = "asgiworker.asgi"

# The name of the handlers installed here; handlers of other names are somebody else's.
OWN = "asgiworker"

# Gunicorn's shape, because with several workers its arbiter writes into the same stream.
LINE = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"
CLOCK = "%Y-%m-%d %H:%M:%S %z"

# C0 (but the tab and the line feed), DEL and C1; and beyond Latin-1, whatever doesn't print: direction
# overrides, line and paragraph separators, surrogates.
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|[^\x00-\xff]")


class LogError(Mistake):
    """A log setting that can't be honoured."""

    __slots__ = ()


class LogSettings(Protocol):
    """The settings read here."""

    @property
    def errorlog(self) -> str:
        """A file, or "-" for stderr."""

    @property
    def log_level(self) -> str:
        """The least level that is logged."""

    @property
    def log_config(self) -> str | None:
        """A file for `logging.config.dictConfig`: TOML, JSON or YAML."""


class GunicornLogger(Protocol):
    """What every `logger_class` of Gunicorn has: methods as those of `logging.Logger`."""

    def critical(self, msg: str, *args: object, **kwargs: Any) -> None: ...

    def error(self, msg: str, *args: object, **kwargs: Any) -> None: ...

    def warning(self, msg: str, *args: object, **kwargs: Any) -> None: ...

    def info(self, msg: str, *args: object, **kwargs: Any) -> None: ...

    def debug(self, msg: str, *args: object, **kwargs: Any) -> None: ...


# --- text ------------------------------------------------------------------------------------------------


def code(match: re.Match[str]) -> str:
    r"""The matched character as \xNN, \uNNNN or \UNNNNNNNN; beyond Latin-1, itself if it prints."""
    character = match[0]
    point = ord(character)
    if point <= 0xFF:
        return f"\\x{point:02x}"
    if character.isprintable():
        return character
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


class LineFormatter(logging.Formatter):
    """One record, one line. Further lines, such as a traceback, are indented: none passes for a record."""

    def __init__(self, line: str = LINE) -> None:
        super().__init__(line, CLOCK)

    def format(self, record: logging.LogRecord) -> str:
        """The record as text without control characters."""
        return UNPRINTABLE.sub(code, super().format(record)).replace("\n", "\n    ")


def banner(
    addresses: Sequence[str], workers: int, loop: str, protocols: Sequence[str], versions: Mapping[str, str]
) -> str:
    """The one message the server starts with.

    `addresses` are URLs or `unix:/path`, `protocols` such as "HTTP/1.1", `versions` the version of each thing
    worth naming in a bug report, ourselves first.
    """
    process = "1 worker" if workers == 1 else f"{workers} workers"
    parts = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"Listening on {', '.join(addresses)} ({', '.join((process, loop, *protocols))}; {parts})"


# --- configuration ---------------------------------------------------------------------------------------


def configure(settings: LogSettings) -> None:
    """Send the records of the server where the settings say. May be called again; nothing is installed twice.

    With `log_config` that file has the word. A logger of ours that it gives no handler, neither directly nor
    through a parent, keeps the one it has without it: a server that says nothing helps nobody.

    Raises `LogError` if a file can't be read, understood or written.
    """
    level = logging.getLevelNamesMapping().get(settings.log_level.upper())
    if level is None:
        raise LogError(
            f"There is no log level {settings.log_level!r}.", "Use debug, info, warning, error or critical."
        )
    _release()
    if settings.log_config is not None:
        _apply(settings.log_config)
    spoken = [logging.getLogger(SERVER), logging.getLogger(ASGI)]
    for logger in spoken:
        if logger.level == logging.NOTSET:
            logger.setLevel(level)
    access = logging.getLogger(ACCESS)
    if access.level == logging.NOTSET:
        access.setLevel(logging.INFO)  # whether there is an access log, its own setting says
    silent = [logger for logger in spoken if not logger.hasHandlers()]
    if silent:
        handler = _handler(settings.errorlog)
        for logger in silent:
            logger.addHandler(handler)
            logger.propagate = (
                False  # an application that gives the root logger a handler wouldn't want each line twice
            )


def _release() -> None:
    """Undo `configure` and `follow`."""
    for name in (SERVER, ASGI, ACCESS):
        logger = logging.getLogger(name)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
        for handler in [each for each in logger.handlers if each.name == OWN]:
            logger.removeHandler(handler)
            handler.close()


def _handler(errorlog: str) -> logging.Handler:
    handler: logging.Handler
    if errorlog == "-":
        handler = logging.StreamHandler()
    else:
        try:
            handler = logging.FileHandler(errorlog, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise LogError(
                f"The error log {errorlog} can't be written: {error.strerror}.",
                "Name a file in a directory that exists and is writable, or - for stderr (--error-logfile).",
            ) from error
    handler.name = OWN
    handler.setFormatter(LineFormatter())
    return handler


def _apply(path: str) -> None:
    configuration = _read(path)
    configuration.setdefault("version", 1)
    # dictConfig's own default silences every logger that exists by now and isn't named: ours, and the
    # application's.
    configuration.setdefault("disable_existing_loggers", False)
    try:
        logging.config.dictConfig(configuration)
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        reason = f"{error}: {error.__cause__}" if error.__cause__ else str(error)
        raise LogError(
            f"{path} is no logging configuration: {reason}.",
            "See logging.config.dictConfig in Python's documentation.",
        ) from error


def _read(path: str) -> dict[str, Any]:
    """The mapping in the file."""
    suffix = Path(path).suffix.lower()
    parse = PARSERS.get(suffix)
    if parse is None:
        raise LogError(
            f"{path} can't be read as a logging configuration: its name doesn't end in {', '.join(PARSERS)}.",
            "The log configuration (--log-config) is a dictConfig in TOML, JSON or YAML.",
        )
    try:
        configuration = parse(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise LogError(f"{path} can't be read: {error.strerror}.", "Check --log-config.") from error
    except ImportError as error:
        raise LogError(
            f"{path} is YAML, and PyYAML is not installed.",
            "Install pyyaml, or write the configuration as TOML or JSON.",
        ) from error
    except ValueError as error:
        raise LogError(f"{path} is not valid {suffix[1:].upper()}: {error}.") from error
    if not isinstance(configuration, dict):
        raise LogError(f"{path} is no logging configuration: it holds no mapping.")
    return configuration


def _parse_yaml(text: str) -> object:
    yaml = importlib.import_module("yaml")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


PARSERS: Mapping[str, Callable[[str], object]] = {
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
}


# --- rotation --------------------------------------------------------------------------------------------


def reopen() -> None:
    """Open every log file anew that was moved or removed (USR1). One that can't be opened stays as it is.

    That covers all handlers that write files, the application's too, as Gunicorn does.
    """
    loggers = [
        logging.getLogger(),
        *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict)),
    ]
    handlers = {id(handler): handler for logger in loggers for handler in logger.handlers}
    for handler in handlers.values():
        if isinstance(handler, logging.FileHandler):
            _reopen(handler)


def _reopen(handler: logging.FileHandler) -> None:
    # None: not opened yet (delay=True), or closed; it opens the new file by itself.
    stream = cast("TextIO | None", handler.stream)
    if stream is None or _is_current(handler.baseFilename, stream):
        return
    try:
        fresh = handler._open()
    except OSError as error:
        logging.getLogger(SERVER).error(
            "The log file %s can't be opened anew: %s.", handler.baseFilename, error.strerror
        )
    else:
        handler.setStream(fresh)
        stream.close()


def _is_current(path: str, stream: TextIO) -> bool:
    """Whether the name leads to the open file. Opening that once more would empty it if its mode is "w"."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(stream.fileno()))
    except OSError:
        return False


# --- under Gunicorn --------------------------------------------------------------------------------------


class GunicornHandler(logging.Handler):
    """Hands our records to Gunicorn's logger, whatever class it is of, so that they appear among its own."""

    def __init__(self, log: GunicornLogger) -> None:
        super().__init__()
        self.name = OWN
        self.setFormatter(LineFormatter("%(message)s"))
        # Not log.log(level): these are what Gunicorn's statsd logger counts.
        self._say = {
            logging.CRITICAL: log.critical,
            logging.ERROR: log.error,
            logging.WARNING: log.warning,
            logging.INFO: log.info,
            logging.DEBUG: log.debug,
        }

    def emit(self, record: logging.LogRecord) -> None:
        """Say it again through Gunicorn: the message, and its traceback as text."""
        try:
            self._say[record.levelno]("%s", self.format(record))
        except Exception:
            self.handleError(record)


def follow(log: GunicornLogger, level: str) -> None:
    """Let the loggers of the server speak through Gunicorn's. May be called again, with another logger.

    Loggers that have handlers already (Gunicorn's --log-config names them) keep those.
    """
    _release()
    for name in (SERVER, ASGI):
        logger = logging.getLogger(name)
        logger.setLevel(logging.getLevelNamesMapping().get(level.upper(), logging.INFO))
        if not logger.handlers:
            logger.addHandler(GunicornHandler(log))
            logger.propagate = False
