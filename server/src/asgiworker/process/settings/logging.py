"""The two logs: of access, and of everything else."""

from __future__ import annotations

from typing import Literal

from asgiworker.process.kinds import PATH, TEXT, choice
from asgiworker.process.options import option, option_group

GUNICORN_ACCESS_FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'


@option_group
class LoggingSettings:
    """What is logged, and where."""

    __slots__ = ()

    accesslog: str | None = option(
        "-",
        "--access-logfile",
        off=("--no-access-log",),
        kind=PATH,
        gunicorn="accesslog",
        help='file for the access log; "-" is stdout',
    )
    access_log_format: str = option(
        GUNICORN_ACCESS_FORMAT,
        "--access-logformat",
        "--access-log-format",
        kind=TEXT,
        gunicorn="access_log_format",
        help='a line of the access log, in Gunicorn\'s atoms, or "json"',
    )
    errorlog: str = option(
        "-",
        "--error-logfile",
        "--log-file",
        kind=TEXT,
        gunicorn="errorlog",
        help='file for everything else; "-" is stderr',
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] = option(
        "info",
        kind=choice("debug", "info", "warning", "error", "critical"),
        gunicorn="loglevel",
        help="least level that is logged",
    )
    log_config: str | None = option(
        None, kind=PATH, help="logging configuration (dictConfig) in TOML, JSON or YAML"
    )
