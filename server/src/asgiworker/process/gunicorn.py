"""The worker class for Gunicorn: our server on Gunicorn's sockets, with its logger, heartbeat and signals.

What the arbiter does (binding, forking, upgrading, replacing workers) is left to it; `gunicorn_config` says
which of its settings mean what here.

Signals that reach a worker: TERM stops it gracefully, and once is as good as twice, for the arbiter repeats
it while a worker drains. QUIT and INT cut that short. USR1 reopens the logs. ABRT comes when the heartbeat
has stopped.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import importlib
import logging
import os
import random
import signal
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any, ClassVar, NoReturn

import gunicorn
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.workers.base import Worker

from asgiworker.asgi.types import ASGIApplication, Message, Receive, Scope, Send
from asgiworker.process import access, ending, gunicorn_access, gunicorn_config, loading, logs
from asgiworker.process.certificates import Certificates, open_certificates
from asgiworker.process.mistakes import Mistake
from asgiworker.process.reload import REQUEST_GRACE, SHUTDOWN_GRACE
from asgiworker.process.server import AccessLogger, Server, loop_factory, protocols, versions
from asgiworker.process.settings import Settings

# Seconds of graceful_timeout, half of it at most, that requests in flight don't get: the arbiter kills who
# isn't gone by then, and the lifespan's shutdown comes after them.
FAREWELL = 3.0
QUIT_PATIENCE = 1.0  # seconds until a loop that doesn't turn is interrupted on QUIT

# What the arbiter tells a worker. Between the fork and `init_signals` Gunicorn would lose it, and the worker
# serve on until it is killed. So these wait from before the fork until they are heard.
TOLD = frozenset((signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGUSR1, signal.SIGWINCH))


os.register_at_fork(after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, TOLD))


class ASGIWorker(Worker):  # type: ignore[misc]  # Gunicorn is untyped
    """`gunicorn -k asgiworker.ASGIWorker`. Made in the arbiter, a worker runs in a fork of it.

    Attributes:
        settings: all settings.
        server: what serves, as soon as the application is loaded.
        loop: the event loop, in the fork.
        aborted: the heartbeat was missed.
        certificates: for TLS.
    """

    settings: Settings
    server: Server
    loop: asyncio.AbstractEventLoop
    aborted: bool
    certificates: Certificates | None
    # In the arbiter: the certificates, and the configuration that they were made for.
    held: ClassVar[tuple[Any, Certificates | None] | None] = None

    # --- in the arbiter

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Called when the arbiter starts: say which of Gunicorn's settings have no effect."""
        for sentence in gunicorn_config.unheeded(cfg):
            log.warning("%s", sentence)

    def __init__(
        self, age: int, ppid: int, sockets: list[Any], app: Any, timeout: float, cfg: Any, log: Any
    ) -> None:
        """Called before each fork; `age` counts the workers from 1.

        Raises:
            HaltServer: our settings can't be followed. The arbiter ends, with that as its reason.
        """
        given = getattr(app, "asgiworker_settings", None)  # of the command, which has read them
        try:
            self.settings = given or gunicorn_config.resolve(cfg, os.environ, Path())
            # What can be imported once, before the fork, and by the user that Gunicorn was started as.
            self.new_loop = loop_factory(self.settings.loop)
        except Mistake as mistake:
            raise HaltServer(_sentence(mistake), 1) from None
        self.loop_name = self.new_loop.__module__.partition(".")[0]
        if age == 1:
            self.versions = versions(self.loop_name)
            if given is None and (ignored := gunicorn_config.misplaced(os.environ, Path())):
                log.warning("Not read under Gunicorn, which has its own: %s", ", ".join(ignored))
        self.certificates = self._hold_certificates(cfg, log)
        super().__init__(age, ppid, sockets, app, timeout, cfg, log)
        jitter = random.randint(0, self.settings.max_requests_jitter)
        self.max_requests = self.settings.max_requests + jitter if self.settings.max_requests else sys.maxsize
        if cfg.preload_app:
            # The application's objects stay on memory pages that all workers share: no collection of a worker
            # will touch them, and what is garbage goes first.
            gc.collect()
            gc.freeze()
        signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)

    def _hold_certificates(self, cfg: Any, log: Any) -> Certificates | None:
        """The certificates that all workers have in common, and so can resume each other's TLS sessions.

        They are made once for each configuration. When it is read anew (HUP) and the new ones can't be used,
        those that are held stay.

        Raises:
            HaltServer: there is nothing to begin with.
        """
        held = ASGIWorker.held
        if held is not None and held[0] is cfg:
            if held[1] is not None:
                held[1].log = log
                held[1].refresh()
            return held[1]
        options: dict[str, Any] = {"shared": True, "log": log}
        if self.settings.certfile and gunicorn_config.changed(cfg, "ssl_context"):
            options["make"] = partial(cfg.ssl_context, cfg)
        try:
            made = open_certificates(self.settings, **options)
        except Mistake as mistake:
            if held is None or held[1] is None:
                raise HaltServer(_sentence(mistake), Arbiter.WORKER_BOOT_ERROR) from None
            log.error("The certificates stay as they were. %s", _sentence(mistake))
            made = held[1]
        ASGIWorker.held = cfg, made
        return made

    # --- the start of a worker

    def init_process(self) -> None:
        """Called in the fork: make everything ready, load the application, and serve until the end."""
        try:
            super().init_process()
        except Mistake as mistake:
            self.log.error("%s", _sentence(mistake))
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def init_signals(self) -> None:
        """Take the signals, first of all: one that comes before is lost. Then get loop and logs ready."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)
        self.loop = self.new_loop()
        asyncio.set_event_loop(self.loop)  # for applications that ask for it while they are imported
        self.stopping = asyncio.Event()
        if self.settings.log_config:
            logs.configure(self.settings)
        else:
            logs.follow(self.log, self.cfg.loglevel)

    def load_wsgi(self) -> None:
        """Load the application. With `reload`, one that can't be imported waits for its next version."""
        try:
            self.wsgi = self.app.wsgi()
        except Exception as error:
            files = _files_of(error)
            if self.reloader is None or not files:
                raise
            self.log.exception("The application can't be imported; waiting for a change")
            for file in files:
                self.reloader.add_extra_file(file)
            self.wsgi = Failure("".join(traceback.format_exception(error)))

    def run(self) -> None:
        """Serve; called when the application is loaded."""
        self.booted = False  # until the application has started: a worker that can't do that isn't replaced
        if not self.alive:  # a signal came while it was loaded
            return
        app = loading.adapt(self.wsgi, "asgi3" if type(self.wsgi) is Failure else self.settings.interface)
        if any(gunicorn_config.changed(self.cfg, hook) for hook in ("pre_request", "post_request")):
            app = HookedApplication(app, self)
        code = self._serve(app)
        if code == Arbiter.WORKER_BOOT_ERROR and self.reloader is not None and self.alive:
            self.log.warning("Waiting for a change")
            code = self._serve(Failure(f"Application startup failed: {self.server.lifespan.message}\n"))
        self._leave(code)
        sys.exit(code)

    # --- its life

    def _serve(self, app: ASGIApplication) -> int:
        """Serve until the worker is told to stop, or the application can't start; the exit code."""
        settings = self.settings
        if settings.log_config:
            self.access_log: AccessLogger | None = access.open_access_log(settings)
        else:
            self.access_log = gunicorn_access.gunicorn_access_log(settings, self.log)
        patience = settings.graceful_timeout
        self.server = Server(
            app,
            dataclasses.replace(
                settings,
                interface="asgi3",
                lifespan="off" if type(app) is Failure else settings.lifespan,
                graceful_timeout=max(patience - FAREWELL, patience / 2),
                max_requests=0 if self.max_requests == sys.maxsize else self.max_requests,
                max_requests_jitter=0,
            ),
            [listener.sock for listener in self.sockets],
            tls=self.certificates,
            access_log=self.access_log,
            heartbeat=self._beat,
        )
        if self.certificates is not None:
            self.certificates.log = logging.getLogger("asgiworker.server")
        # Once the loop turns: uvloop would keep what comes before for when the next signal comes.
        self.loop.call_soon(self._take_signals)
        serving = self.loop.create_task(self.server.run(self.stopping, self._ready))
        code = 0
        while not serving.done():
            try:
                code = self.loop.run_until_complete(serving)
            except SystemExit:  # raised by a signal: what blocked the loop is over
                continue
        if self.aborted:
            return 1
        return code if self.alive else 0  # a startup that was cut short hasn't failed

    def _ready(self) -> None:
        self.booted = True
        if self.age == 1:
            addresses, workers = self.server.addresses, self.cfg.workers
            spoken = protocols(self.settings)
            self.log.info("%s", logs.banner(addresses, workers, self.loop_name, spoken, self.versions))
            if self.server.redirects:
                self.log.info("Sending plain HTTP to HTTPS: %s", ", ".join(self.server.redirects))

    def _beat(self) -> None:
        """At each tick of the loop: tell the arbiter that the worker is alive, and see whether it is."""
        self.notify()
        if self.ppid != os.getppid() and self.alive:
            self.log.info("Parent changed, shutting down: %s", self)
            self._stop()

    # --- signals

    def _take_signals(self) -> None:
        """Let the loop handle the signals. Before, `Worker` did, who ends a worker that isn't running yet."""
        signal.signal(signal.SIGABRT, self._hear_abort)
        signal.signal(signal.SIGINT, self._hear_quit)
        signal.signal(signal.SIGQUIT, self._hear_quit)
        take = self.loop.add_signal_handler
        take(signal.SIGTERM, self._stop)
        take(signal.SIGUSR1, self._reopen)
        take(signal.SIGWINCH, self.handle_winch, signal.SIGWINCH, None)
        self.loop.add_reader(self.PIPE[0], self._woken)
        if not self.alive:  # a signal came while this was under way
            self.stopping.set()

    def _stop(self) -> None:
        self.alive = False
        self.stopping.set()

    def _hear_quit(self, sig: int, frame: FrameType | None) -> None:
        """Not left to the loop, which may be blocked: then it is interrupted."""
        self.loop.call_soon_threadsafe(self._quit)
        signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, QUIT_PATIENCE)

    def _interrupt(self, sig: int, frame: FrameType | None) -> NoReturn:
        sys.exit(0)

    def _quit(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if self.alive:
            self.cfg.worker_int(self)
        self._stop()
        self.server.hurry()

    def _reopen(self) -> None:
        if self.certificates is not None:
            self.certificates.refresh()
        self.log.reopen_files()
        if self.access_log is not None:
            self.access_log.reopen()

    def _woken(self) -> None:
        """What `Worker` does when its reloader has seen a change is write into a pipe."""
        os.read(self.PIPE[0], 4096)
        if not self.alive:
            self.server.hurry(REQUEST_GRACE)
            self.server.lifespan.shutdown_timeout = SHUTDOWN_GRACE
            self._stop()

    def _abandon(self) -> None:
        self._stop()
        self.server.hurry()

    def _hear_abort(self, sig: int, frame: FrameType | None) -> NoReturn:
        """The arbiter has missed the heartbeat.

        The exception gets the loop out of what blocks it. Where it does, the worker ends as on QUIT, even if
        an application swallows the exception; else the arbiter sends KILL.
        """
        self.aborted = True
        self.alive = False
        self.loop.call_soon_threadsafe(self._abandon)
        self.server.watchdog.report(frame)  # if it couldn't itself
        self.cfg.worker_abort(self)
        sys.exit(1)

    # --- the end

    def _leave(self, code: int) -> None:
        """Leave nothing running that could keep the process from its end."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGWINCH):
            self.loop.remove_signal_handler(number)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)  # it is doing what these ask for
        ending.close(self.loop)
        ending.leave_threads(code, self.log.warning)


class Failure:
    """The application in place of one that couldn't be loaded or started: it shows why."""

    def __init__(self, report: str) -> None:
        self.body = report.encode("utf-8", "backslashreplace")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer any request with the report."""
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        await send({"type": f"{kind}.start", "status": 500, "headers": headers})
        await send({"type": f"{kind}.body", "body": self.body})


class HookedApplication:
    """An application with Gunicorn's hooks `pre_request` and `post_request` around each request.

    They are called in the event loop, which they shouldn't block. The request they see is the same object; a
    hook may keep in its attributes what the other shall find there.
    """

    def __init__(self, app: ASGIApplication, worker: ASGIWorker) -> None:
        self.app = app
        self.worker = worker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; the end of its response is what `post_request` waits for."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        status, sent, answered = 500, 0, list[tuple[bytes, bytes]]()
        finished = False

        def views() -> tuple[Any, Any, dict[str, str]]:
            entry = (
                time.time(), time.perf_counter() - began, scope["client"], scope["method"], target,
                scope["http_version"], status, sent, scope["headers"], answered,
            )  # fmt: skip
            response, request, environ, _ = gunicorn_access.gunicorn_views(entry)
            return response, request, environ

        def finish() -> None:
            nonlocal finished
            if finished:
                return
            finished = True
            response, _, environ = views()
            try:
                self.worker.cfg.post_request(self.worker, request, environ, response)
            except Exception:
                self.worker.log.exception("Exception in post_request hook")

        async def hooked_send(message: Message) -> None:
            nonlocal status, sent, answered
            await send(message)
            kind = message["type"]
            if kind == "http.response.start":
                status, answered = message["status"], list(message.get("headers") or ())
            elif kind == "http.response.body":
                sent += len(message.get("body", b""))
                if not message.get("more_body", False):
                    finish()

        seen = views()[1]
        request = SimpleNamespace(
            **{each.name: getattr(seen, each.name) for each in dataclasses.fields(seen)}
        )
        self.worker.nr += 1  # which hooks look at, to do something every so often
        self.worker.cfg.pre_request(self.worker, request)
        try:
            await self.app(scope, receive, hooked_send)
        finally:
            finish()


def _sentence(mistake: Mistake) -> str:
    return f"{mistake.message} {mistake.hint}".rstrip()


def _files_of(error: BaseException) -> list[str]:
    """The application's files that an exception on import came from; none if it didn't even get there."""
    files = {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
    if isinstance(error, SyntaxError) and error.filename:
        files.add(error.filename)
    ours = tuple(
        str(Path(module).parent) + os.sep for module in (gunicorn.__file__, importlib.__file__, __file__)
    )
    return [file for file in files if os.path.isfile(file) and not file.startswith(ours)]
