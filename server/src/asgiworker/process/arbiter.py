"""Several workers: Gunicorn's arbiter around our worker class, told what to do by our settings.

Gunicorn's own configuration (`gunicorn.conf.py`, `GUNICORN_CMD_ARGS`) is not read here; who wants that runs
`gunicorn -k asgiworker.ASGIWorker`.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import AppImportError, HaltServer

from asgiworker.asgi.types import ASGIApplication
from asgiworker.process.certificates import VERIFICATION, open_certificates
from asgiworker.process.loading import load
from asgiworker.process.mistakes import Mistake
from asgiworker.process.settings import TABLE, Settings
from asgiworker.process.sockets import listen

logger = logging.getLogger("asgiworker.server")


class Application(BaseApplication):  # type: ignore[misc]  # Gunicorn is untyped
    """What Gunicorn serves: our settings and the application they name.

    The worker class finds the whole of them in `asgiworker_settings`; Gunicorn's configuration carries what
    it has a name for.
    """

    def __init__(self, settings: Settings, resolve: Callable[[], Settings]) -> None:
        """`resolve` reads the settings again, for SIGHUP."""
        self.asgiworker_settings = settings
        self._resolve = resolve
        super().__init__(prog="asgiworker")

    def load_config(self) -> None:
        """Hand the settings to Gunicorn."""
        for name, value in gunicorn_settings(self.asgiworker_settings).items():
            self.cfg.set(name, value)

    def reload(self) -> None:
        """Read the settings again. If they can't be read, the server goes on with those it has."""
        try:
            self.asgiworker_settings = self._resolve()
        except Mistake as mistake:
            logger.error("The settings stay as they were: %s", mistake)
        super().reload()

    def load(self) -> ASGIApplication:
        """Import the application; in each worker, or before the first with --preload."""
        settings = self.asgiworker_settings
        try:
            return load(
                settings.app,
                app_dir=settings.app_dir,
                factory=settings.factory,
                interface="asgi3",  # as it is: the server adapts it
            )
        except Mistake as mistake:
            if settings.preload:
                raise
            # The arbiter prints it and, instead of trying again, ends.
            raise AppImportError(mistake.report()) from mistake


def gunicorn_settings(settings: Settings) -> dict[str, Any]:
    """The settings under Gunicorn's names, in the form it wants them."""
    mapped = {
        row.gunicorn: _translated(row.name, getattr(settings, row.name)) for row in TABLE if row.gunicorn
    }
    return {
        **mapped,
        "bind": [*settings.bind, *settings.redirect_addresses()],
        # Gunicorn looks whether it is there, and calls the addresses https.
        "certfile": next(iter(settings.certfile), None),
        "keyfile": next(iter(settings.keyfile), None),
        "worker_class": "asgiworker.ASGIWorker",
        "default_proc_name": settings.app,
        "chdir": os.getcwd(),  # where the command has gone already
        "reload": False,  # our own reloader stands outside the arbiter
        "control_socket_disable": True,  # one path for all servers of a user: they would fight for it
    }


def _translated(name: str, value: Any) -> Any:
    if name == "cert_reqs":
        return int(VERIFICATION[value])
    if name in ("forwarded_allow_ips", "proxy_allow_ips"):
        # Gunicorn has no word for the peers of a UNIX socket; the worker reads our setting, not this.
        return ",".join(peer for peer in value.split(",") if peer != "unix")
    if isinstance(value, tuple):
        return list(value)
    return math.ceil(value) if isinstance(value, float) else value


def run(settings: Settings, resolve: Callable[[], Settings], start_directory: str) -> int:
    """Run the arbiter until it is stopped, and return the exit code of the command.

    `start_directory` is where the command was started: a binary upgrade (SIGUSR2) starts there, too.
    """
    if not _inherits_sockets(os.environ):
        # Gunicorn would try five times and then name the address; a clear sentence at once is better.
        addresses = (*settings.bind, *settings.redirect_addresses())
        probed = [address for address in addresses if not address.startswith("fd://")]
        for listener in listen(probed, reuse_port=settings.reuse_port, umask=settings.umask):
            listener.close()
    # The same here: a certificate that can't be used is told before anything is started, the rest by whoever
    # opens them for good.
    unheard = logging.Logger("unheard", logging.CRITICAL + 1)  # noqa: LOG001  # nobody is to find it
    open_certificates(settings, log=unheard)
    arbiter_pid = os.getpid()
    try:
        arbiter = Arbiter(Application(settings, resolve))
        arbiter.START_CTX["cwd"] = start_directory
        _run(arbiter)
    except SystemExit as end:
        return _exit_code(end, arbiter_pid)
    except RuntimeError as error:
        raise Mistake(f"Gunicorn can't start: {error}") from None


def _run(arbiter: Arbiter) -> NoReturn:
    """Run the arbiter to its end, which is a `SystemExit`.

    A worker that can't boot halts it. While it halts it may find the next such worker, and lets that
    exception escape with half of the work undone: the sockets closed, the pid file left.
    """
    go_on: Callable[[], object] = arbiter.run
    while True:
        try:
            go_on()
        except HaltServer as failure:
            go_on = partial(arbiter.halt, failure.reason, failure.exit_status)


def _exit_code(end: SystemExit, arbiter_pid: int) -> int:
    """The arbiter's end as an exit code; a worker's end goes on, out through the arbiter's stack."""
    if os.getpid() != arbiter_pid:
        raise end
    code = end.code if isinstance(end.code, int) else 0
    return 1 if code == Arbiter.APP_LOAD_ERROR else code


def _inherits_sockets(environ: Mapping[str, str]) -> bool:
    """Whether the arbiter gets its sockets from a predecessor (SIGUSR2) or from systemd."""
    return "GUNICORN_PID" in environ or environ.get("LISTEN_PID") == str(os.getpid())
