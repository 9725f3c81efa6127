"""The processes: how many there are, what they run as, when they end."""

from __future__ import annotations

from typing import Literal

from asgiworker.process.kinds import COUNT, NAME, PATH, SECONDS, SWITCH, choice, whole_number
from asgiworker.process.options import option, option_group


@option_group
class ProcessSettings:
    """The workers, and how they end."""

    __slots__ = ()

    workers: int = option(
        1,
        "-w",
        "--workers",
        kind=whole_number(1),
        gunicorn="workers",
        help="worker processes; more than one are run by Gunicorn's arbiter",
    )
    loop: Literal["auto", "uvloop", "asyncio"] = option(
        "auto",
        kind=choice("auto", "uvloop", "asyncio"),
        gunicorn="asgi_loop",
        help="event loop; auto is uvloop where it is installed",
    )
    max_requests: int = option(
        0,
        "--max-requests",
        "--limit-max-requests",
        kind=COUNT,
        gunicorn="max_requests",
        help="requests after which a worker is replaced; 0 is never",
    )
    max_requests_jitter: int = option(
        0,
        "--max-requests-jitter",
        "--limit-max-requests-jitter",
        kind=COUNT,
        gunicorn="max_requests_jitter",
        help="at most so many requests are added to --max-requests, at random",
    )
    timeout: float = option(
        30.0,
        "-t",
        "--timeout",
        kind=SECONDS,
        gunicorn="timeout",
        help="seconds the loop may be blocked before its stack is logged and Gunicorn replaces the worker",
    )
    graceful_timeout: float = option(
        30.0,
        "--graceful-timeout",
        "--timeout-graceful-shutdown",
        kind=SECONDS,
        gunicorn="graceful_timeout",
        help="seconds that requests in flight may take to finish on shutdown",
    )
    drain_delay: float = option(
        5.0,
        kind=SECONDS,
        help="seconds into a shutdown after which streaming applications see http.disconnect",
    )
    preload: bool = option(
        False,
        kind=SWITCH,
        gunicorn="preload_app",
        help="import the application before the workers are forked",
    )
    pid: str | None = option(
        None,
        "-p",
        "--pid",
        kind=PATH,
        gunicorn="pidfile",
        help="file to write the process id to",
    )
    chdir: str | None = option(
        None, kind=PATH, gunicorn="chdir", help="directory to change to before anything else"
    )
    user: str | None = option(
        None,
        "-u",
        "--user",
        kind=NAME,
        gunicorn="user",
        help="user name or id the workers run as",
    )
    group: str | None = option(
        None,
        "-g",
        "--group",
        kind=NAME,
        gunicorn="group",
        help="group name or id the workers run as",
    )
