"""One process that serves without Gunicorn, from its settings to its exit code: its loop and its signals.

INT, TERM and QUIT stop it gracefully; a second one shortens that, and gets it out of what blocks its loop.
USR1 reopens the logs. HUP stops it, too, for that is what a terminal sends when it is closed; with TLS it
reads the certificates again.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from asgiworker.process import access, ending, loading, logs, sockets
from asgiworker.process.certificates import Certificates, open_certificates
from asgiworker.process.mistakes import Mistake
from asgiworker.process.server import AccessLogger, Server, listen, loop_factory, protocols, versions
from asgiworker.process.settings import Settings

logger = logging.getLogger("asgiworker.server")

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
QUIT_PATIENCE = 1.0  # seconds until a loop that doesn't turn is interrupted on a second signal


def run_single(settings: Settings, app: Callable[..., Any] | None = None) -> int:
    """Serve in this process, without Gunicorn, until a signal; returns the exit code.

    Raises:
        Mistake: whatever is wrong before the first request.
    """
    if threading.current_thread() is not threading.main_thread():
        raise Mistake(
            "Signals can be taken in the main thread only.",
            "In another one: asyncio.run(asgiworker.serve(app))",
        )
    try:
        with _told_early():
            return _run(settings, app)
    except Told:
        return 0  # there was nothing to stop


def _run(settings: Settings, app: Callable[..., Any] | None) -> int:
    logs.configure(settings)
    tls = open_certificates(settings)
    settings, listeners = listen(settings)
    try:
        if app is None:
            app = loading.load(
                settings.app,
                app_dir=settings.app_dir,
                factory=settings.factory,
                interface="asgi3",  # as it is: the server adapts it
            )
        access_log = access.open_access_log(settings)
        loop = loop_factory(settings.loop)()
        try:
            return _serve(loop, app, settings, listeners, tls, access_log)
        finally:
            ending.close(loop)
    finally:
        for listener in listeners:
            listener.close()


def _serve(
    loop: asyncio.AbstractEventLoop,
    app: Callable[..., Any],
    settings: Settings,
    listeners: Sequence[sockets.Listener],
    tls: Certificates | None,
    access_log: AccessLogger | None,
) -> int:
    server = Server(app, settings, [listener.sock for listener in listeners], tls=tls, access_log=access_log)
    stopping = asyncio.Event()

    def stop() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if stopping.is_set():
            server.hurry()
        stopping.set()

    def reopen() -> None:
        if tls is not None:
            tls.refresh()
        logs.reopen()
        if access_log is not None:
            access_log.reopen()

    def take_signals() -> None:
        loop.add_signal_handler(signal.SIGUSR1, reopen)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
            loop.add_signal_handler(signal.SIGHUP, tls.reload if tls is not None else stop)

    def ready() -> None:
        name = type(loop).__module__.partition(".")[0]
        logger.info("%s", logs.banner(server.addresses, 1, name, protocols(server.settings), versions(name)))
        if server.redirects:
            logger.info("Sending plain HTTP to HTTPS: %s", ", ".join(server.redirects))

    loop.call_soon(take_signals)
    with _stopped_by_signals(loop, stop):
        serving = loop.create_task(server.run(stopping, ready))
        code = 0
        while not serving.done():
            try:
                code = loop.run_until_complete(serving) or code
            except SystemExit as wish:  # of a task of the application's; or what blocked the loop is over
                stopping.set()
                code = wish.code if isinstance(wish.code, int) else int(wish.code is not None)
    return code


class Told(BaseException):
    """A signal to stop came before there was a loop that takes it."""


@contextmanager
def _told_early() -> Iterator[None]:
    """End at once on a signal that comes while the application is imported.

    Without a handler it would be lost on a process with the number 1, as in a container.
    """

    def tell(number: int, frame: FrameType | None) -> NoReturn:
        raise Told

    before = {number: signal.getsignal(number) for number in (*STOPPING, signal.SIGALRM)}
    for number in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, tell)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # else it isn't Python's, and can't be put back
                signal.signal(number, handler)


@contextmanager
def _stopped_by_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """Have `stop` called in the loop for each signal that asks for it.

    Not left to the loop, which may be blocked: then the second signal interrupts it. Afterwards they are
    ignored: what they ask for is being done.
    """
    heard = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if heard:
            signal.signal(signal.SIGALRM, interrupt)
            signal.setitimer(signal.ITIMER_REAL, QUIT_PATIENCE)
        heard = True
        loop.call_soon_threadsafe(stop)

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    def take() -> None:
        for number in STOPPING:
            signal.signal(number, hear)

    loop.call_soon(take)  # once the loop turns: uvloop would keep what comes before for the next signal
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
