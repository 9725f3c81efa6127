"""One process that serves: bind, start, serve, drain, stop. With or without Gunicorn around it.

A stop goes through these steps, whatever asked for it:

1. Nothing new is accepted; idle connections close; each response is the last of its connection. WebSockets
   are closed with 1012 (service restart), and their applications see `websocket.disconnect`.
2. After `drain_delay` the applications of responses that still stream see `http.disconnect`.
3. After `graceful_timeout`, or on a second signal, what is left is cancelled, and its connections aborted.
4. The lifespan's shutdown runs. Always.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import math
import os
import platform
import random
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from asgiworker.asgi.errors import LifespanFailed
from asgiworker.asgi.exchange import STREAMING, Exchange
from asgiworker.asgi.lifespan import Lifespan
from asgiworker.asgi.types import ASGIApplication
from asgiworker.process import access, loading, sockets, sources
from asgiworker.process.certificates import Certificates, open_certificates
from asgiworker.process.mistakes import Mistake, SettingsError
from asgiworker.process.settings import Settings
from asgiworker.process.watchdog import Watchdog
from asgiworker.protocols import transport
from asgiworker.protocols.http1.connection import HTTP1Connection
from asgiworker.protocols.listener import EXHAUSTED, FOR_EVER, Listener, by_hand
from asgiworker.protocols.preface import ProxyListener
from asgiworker.protocols.redirect import HTTPS_PORT, RedirectConnection
from asgiworker.protocols.service import IDLE_PATIENCE, Record, Service
from asgiworker.protocols.tls import Door

logger = logging.getLogger("asgiworker.server")

CANCEL_PATIENCE = 1.0  # seconds that cancelled applications get to clean up
ACCEPT_TURNS = 5  # turns of the loop until what was accepted has become a connection
DRAIN_TICK = 0.05  # seconds between two looks in a stop
DESCRIPTORS_LOOK = 1.0  # seconds between two looks at whether there is a file descriptor left
ACCESS_TICK = 0.2  # seconds for which access log entries are collected at most

ADDRESS_SETTINGS = frozenset(("bind", "host", "port", "uds", "fd"))

STARTUP_FAILED = 3  # the exit code, as Gunicorn's for a worker that can't boot


class AccessLogger(Protocol):
    """What collects finished exchanges: see `asgiworker.process.access`."""

    entries: list[Any]

    @property
    def record(self) -> Record: ...
    def flush(self) -> None: ...
    def reopen(self) -> None: ...
    def close(self) -> None: ...


class Server:
    """An application, served by the running event loop on listening sockets.

    Args:
        app: the application; ASGI 3, ASGI 2 or WSGI, by `settings.interface`.
        settings: all settings.
        listening: bound and listening sockets; they are closed when the server stops.
        tls: the certificates for TLS; None for plain HTTP.
        access_log: where finished exchanges go; None for nowhere.
        heartbeat: called at each tick of the loop, at least once a second.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        settings: Settings,
        listening: Sequence[socket.socket],
        *,
        tls: Certificates | None = None,
        access_log: AccessLogger | None = None,
        heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        self.app: ASGIApplication = loading.adapt(app, settings.interface)
        self.settings = settings
        self.certificates = tls
        self.tls = tls.context if tls else None  # for the next connection
        self._door = Door(self.tls) if self.tls else None
        self.listening, self.redirecting = _apart(listening, settings)
        self.access_log = access_log
        self.exhausted = asyncio.Event()  # `max_requests` have been answered
        self.addresses = [sockets.socket_url(sock, tls=tls is not None) for sock in self.listening]
        self.redirects = [sockets.socket_url(sock) for sock in self.redirecting]
        if settings.transport == "aiofastnet" and not transport.available():
            raise Mistake("The transport aiofastnet is not installed.", "Install it, or choose auto.")
        self.lifespan = Lifespan(
            self.app, settings.lifespan, settings.timeout_startup, settings.timeout_shutdown
        )
        self.watchdog = Watchdog(settings.timeout)
        self.service: Service
        self._accepting: list[asyncio.AbstractServer | Listener] = []
        # What each tick does. The heart beats from the very start: a startup may take its time, and only a
        # loop that hangs is to be missed.
        self._duties: list[Callable[[], object]] = [self.watchdog.beat, heartbeat]
        self._interval = max(0.02, min(1.0, settings.timeout / 4 or 1.0))
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = -math.inf  # at the file descriptors
        self._stop_by = math.inf
        self._shaken_by = -math.inf  # when the latest handshake will be done, if its client isn't slow
        self._told: dict[Exchange, float] = {}  # when a stream was told that the server stops

    @property
    def url(self) -> str:
        """The first address, as a URL without a slash at its end."""
        return self.addresses[0]

    # --- from start to stop

    async def run(self, stopping: asyncio.Event, ready: Callable[[], object]) -> int:
        """Start, call `ready`, serve until `stopping` is set or `max_requests` are answered, and stop.

        `stopping` is set in either case, so that its setter can tell a second signal from the first. Returns
        the exit code of the process.
        """
        loop = asyncio.get_running_loop()
        starting = loop.create_task(self.start())
        waiting = loop.create_task(stopping.wait())
        exhausted = loop.create_task(self.exhausted.wait())
        try:
            await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()  # a signal before the application was ready: there is nothing to drain
                await asyncio.wait({starting})
                return 0
            try:
                starting.result()
            except LifespanFailed as failure:
                logger.error("Application startup failed: %s", failure)
                return STARTUP_FAILED
            ready()
            await asyncio.wait({waiting, exhausted}, return_when=asyncio.FIRST_COMPLETED)
            logger.info("Stopping" if stopping.is_set() else "Stopping: max_requests is reached")
            stopping.set()
            await self.stop()
            logger.info("Stopped")
            return 0
        finally:
            waiting.cancel()
            exhausted.cancel()

    # --- start

    async def start(self) -> None:
        """Run the lifespan's startup, then accept connections.

        Raises:
            LifespanFailed: the application could not start.
        """
        self.watchdog.start()
        self._tick()
        try:
            await self._start()
        except BaseException:
            await self.lifespan.shutdown()  # of an application that started, on a socket that didn't
            self._rest()
            raise

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        settings = self.settings
        await self.lifespan.startup()
        self.service = Service(
            self.app,
            settings,
            loop,
            state=self.lifespan.state,
            record=self.access_log.record if self.access_log else None,
            max_requests=_with_jitter(settings.max_requests, settings.max_requests_jitter),
            exhausted=self.exhausted.set,
        )
        for sock in self.listening:
            self._accepting.append(await self._accept(sock))
        for sock in self.redirecting:
            self._accepting.append(await self._redirect(sock))
        self._interval = min(self._interval, self.service.tick_interval())
        self._duties.append(self.service.tick)
        if not all(isinstance(accepting, Listener) for accepting in self._accepting):
            self._duties.append(self._look_at_descriptors)
        if self.certificates is not None:
            self._duties.append(self._look_at_certificates)
        if self.access_log is not None:
            self._interval = min(self._interval, ACCESS_TICK)
            self._duties.append(self.access_log.flush)
        self._tick()

    async def _accept(self, sock: socket.socket) -> asyncio.AbstractServer | Listener:
        loop, settings, service = asyncio.get_running_loop(), self.settings, self.service
        if settings.proxy_protocol != "off":
            return ProxyListener(service, sock, self.tls, self._shaking, fast=self._fast(self.tls))
        if self._fast(self.tls) or by_hand(loop):
            shaking = self._shaking if self.tls is not None else lambda: None
            return Listener(service, sock, self.tls, shaking, fast=self._fast(self.tls))
        options: dict[str, Any] = {"sock": sock, "backlog": settings.backlog}
        factory: Callable[[], asyncio.Protocol] = lambda: HTTP1Connection(service)  # noqa: E731
        if self.tls is not None:
            factory = self._noted(factory)
            options["ssl"] = self._door
            options["ssl_handshake_timeout"] = settings.timeout_handshake or FOR_EVER
        if sock.family == socket.AF_UNIX:
            if sys.version_info >= (3, 13):
                options["cleanup_socket"] = False  # the file belongs to whoever bound the socket
            return await loop.create_unix_server(factory, **options)
        return await loop.create_server(factory, **options)

    def _fast(self, tls: ssl.SSLContext | None) -> bool:
        """Whether aiofastnet carries those connections that it can."""
        if self.settings.transport == "auto":
            return tls is not None and transport.suits(tls)
        return self.settings.transport == "aiofastnet"

    async def _redirect(self, sock: socket.socket) -> asyncio.AbstractServer | Listener:
        """Accept plain HTTP on `sock`, and send it to HTTPS."""
        ports = filter(None, map(sockets.socket_port, self.listening))
        make = partial(RedirectConnection, self.service, port=next(ports, HTTPS_PORT))
        if self.settings.proxy_protocol != "off":
            return ProxyListener(self.service, sock, None, self._shaking, make)
        loop = asyncio.get_running_loop()
        if by_hand(loop):
            return Listener(self.service, sock, None, make=make)
        return await loop.create_server(make, sock=sock, backlog=self.settings.backlog)

    def _look_at_descriptors(self) -> None:
        """Say it when there are none left: uvloop closes whom it accepts then, without a word."""
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return
        self._next_look = now + DESCRIPTORS_LOOK
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            if error.errno in EXHAUSTED:
                logger.error("Connections can't be accepted: %s", error.strerror)

    # --- certificates

    def _look_at_certificates(self) -> None:
        """When they are new, the next connections get them; who is connected keeps what it has."""
        assert self.certificates is not None
        self.certificates.look(asyncio.get_running_loop().time())
        self.tls = self.certificates.context
        if self._door is not None:
            self._door.current = self.tls
        for accepting in self._accepting:
            if isinstance(accepting, Listener) and accepting.tls is not None:
                accepting.tls = self.tls

    def _noted(self, factory: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        def made() -> asyncio.Protocol:
            self._shaking()
            return factory()

        return made

    def _shaking(self) -> None:
        """A client was accepted that isn't a connection yet, before its handshake is done."""
        self._shaken_by = asyncio.get_running_loop().time() + IDLE_PATIENCE

    def _tick(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._tick)
        for duty in self._duties:
            try:
                duty()
            except Exception:
                logger.exception("Internal error; the clock goes on")

    # --- stop

    async def stop(self) -> None:
        """Stop gracefully, in the steps above. Being cancelled shortens them, and leaves none out."""
        stopping = asyncio.ensure_future(self._stop())
        cancelled: asyncio.CancelledError | None = None
        while not stopping.done():
            try:
                await asyncio.shield(stopping)
            except asyncio.CancelledError as error:
                cancelled = error
                self.hurry()
        if cancelled is not None:
            raise cancelled

    async def _stop(self) -> None:
        loop = asyncio.get_running_loop()
        settings, service = self.settings, self.service
        # What the kernel has accepted for us is ours to serve: one look before the sockets are closed.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for accepting in self._accepting:
            accepting.close()
        for _ in range(ACCEPT_TURNS):
            await asyncio.sleep(0)
        began = loop.time()
        self._stop_by = min(self._stop_by, began + settings.graceful_timeout)
        self._interval = min(self._interval, DRAIN_TICK)
        service.tick()
        service.drain()
        for connection in list(service.connections):
            connection.retire()
        while (
            service.connections or service.running or service.websockets or loop.time() < self._shaken_by
        ) and loop.time() < self._stop_by:
            service.tick()
            # A stream needs time to end, too: where there is little, it hears of it half way.
            if loop.time() >= min(began + settings.drain_delay, (began + self._stop_by) / 2):
                self._tell_streams()
            await asyncio.sleep(DRAIN_TICK)
        tasks = [exchange.task for exchange in service.running if exchange.task is not None]
        tasks.extend(service.websockets)
        if tasks:
            logger.warning("Cancelling %d requests that are still running", len(tasks))
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CANCEL_PATIENCE)
        for connection in list(service.connections):
            connection.end()
        for accepting in self._accepting:
            if isinstance(accepting, Listener):
                accepting.abort()
        await self.lifespan.shutdown()
        self._rest()

    def _tell_streams(self) -> None:
        """Streams without an announced end are told that it has come: first in `receive()`, next in `send()`.

        A body with a Content-Length ends by itself, and is left to.
        """
        for exchange in list(self.service.running):
            if exchange.state is STREAMING and exchange.body_complete and exchange.remaining is None:
                if not exchange.disconnected:
                    exchange.disconnect()
                    self._told[exchange] = asyncio.get_running_loop().time()
                elif (
                    self._told.get(exchange, math.inf) + self.settings.drain_delay
                    < asyncio.get_running_loop().time()
                ):
                    exchange.carrier.application_failed(exchange)

    def _rest(self) -> None:
        self.watchdog.stop()
        if self._timer is not None:
            self._timer.cancel()
        if self.access_log is not None:
            self.access_log.close()

    def hurry(self, patience: float = 0.0) -> None:
        """Wait no longer than `patience` seconds for requests in flight, in this stop or one to come."""
        self._stop_by = min(self._stop_by, asyncio.get_running_loop().time() + patience)


# --- from Python ------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running(app: Callable[..., Any], **settings: Any) -> AsyncIterator[Server]:
    """Serve `app` in the running loop while the block runs, on a free port unless an address is given.

    Settings are taken from the arguments alone. `server.url` and `server.addresses` say where it listens. No
    signal handler is installed, and logging is left as it is.

    Raises:
        LifespanFailed: the application could not start.
        Mistake: a setting is wrong, or an address can't be listened on.
    """
    if not settings.keys() & ADDRESS_SETTINGS:
        settings["port"] = 0
    settings.setdefault("accesslog", None)
    resolved = Settings.load(settings)
    certificates = open_certificates(resolved)
    resolved, listeners = listen(resolved)
    try:
        server = Server(
            app,
            resolved,
            [listener.sock for listener in listeners],
            tls=certificates,
            access_log=access.open_access_log(resolved),
        )
        await server.start()
        try:
            yield server
        finally:
            await server.stop()
    finally:
        for listener in listeners:
            listener.close()


async def serve(app: Callable[..., Any], *, shutdown: asyncio.Event | None = None, **settings: Any) -> None:
    """Serve `app` in the running loop until `shutdown` is set, or this task is cancelled.

    The loop's owner keeps its signals; otherwise as `running`, but on the default address.
    """
    if not settings.keys() & ADDRESS_SETTINGS:
        settings["bind"] = Settings().bind
    async with running(app, **settings) as server:
        stopping = [asyncio.ensure_future(server.exhausted.wait())]
        stopping.append(asyncio.ensure_future((shutdown or asyncio.Event()).wait()))
        try:
            await asyncio.wait(stopping, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in stopping:
                waiting.cancel()


def run(app: Callable[..., Any] | str, **settings: Any) -> int:
    """Serve `app` until SIGINT or SIGTERM; the exit code is returned.

    Args:
        app: an application, or where it is, such as "main:app".
        settings: as on the command line, with underscores; the environment and the settings file count, too.

    Raises:
        Mistake: a setting is wrong, the application can't be loaded, or an address can't be listened on.
    """
    if isinstance(app, str):
        settings["app"] = app
    resolved = Settings.load(settings, os.environ, sources.find_file(Path(), os.environ))
    if resolved.reload or (resolved.workers > 1 and not isinstance(app, str)):
        raise SettingsError(
            "reload and several workers start processes that must import the application themselves.",
            "Use the command: asgiworker module:app --reload; several workers also take run('module:app').",
        )
    if resolved.workers > 1:
        from asgiworker.process import arbiter

        return arbiter.run(resolved, lambda: resolved, os.getcwd())
    from asgiworker.process.single import run_single

    return run_single(resolved, None if isinstance(app, str) else app)


def protocols(settings: Settings) -> tuple[str, ...]:
    """What the banner says is spoken."""
    offered = (("HTTP/1.1", True), ("HTTP/2", settings.http2), ("WebSocket", settings.ws))
    return tuple(name for name, spoken in offered if spoken)


def versions(loop: str) -> dict[str, str]:
    """What the banner names the versions of."""
    found = {"asgiworker": version("asgiworker"), "Python": platform.python_version()}
    if loop == "uvloop":
        found["uvloop"] = version("uvloop")
    return found


def _with_jitter(max_requests: int, jitter: int) -> int:
    return max_requests + random.randint(0, jitter) if max_requests else 0


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop: `auto` is uvloop where it is installed.

    Raises:
        Mistake: uvloop is asked for, and not installed.
    """
    if name != "asyncio":
        try:
            import uvloop
        except ImportError:
            if name == "uvloop":
                raise Mistake(
                    "The event loop uvloop is not installed.", "Install it, or choose auto."
                ) from None
        else:
            return uvloop.new_event_loop
    return asyncio.new_event_loop


def listen(settings: Settings) -> tuple[Settings, list[sockets.Listener]]:
    """Open the sockets; also the settings, which now know the port of the one for plain HTTP."""

    def opened(addresses: Sequence[str]) -> list[sockets.Listener]:
        return sockets.listen(
            addresses, backlog=settings.backlog, reuse_port=settings.reuse_port, umask=settings.umask
        )

    listeners = opened(settings.bind)
    try:
        redirecting = opened(settings.redirect_addresses())
    except Mistake:
        for listener in listeners:
            listener.close()
        raise
    if redirecting:
        port = sockets.socket_port(redirecting[0].sock)
        settings = dataclasses.replace(settings, redirect_http=str(port))
    return settings, listeners + redirecting


def _apart(
    listening: Sequence[socket.socket], settings: Settings
) -> tuple[list[socket.socket], list[socket.socket]]:
    """The sockets that serve, and those whose clients are sent to HTTPS: these have the port of that."""
    if settings.redirect_http is None:
        return list(listening), []
    port = int(settings.redirect_http.rpartition(":")[2])
    redirecting = [sock for sock in listening if sockets.socket_port(sock) == port]
    if not redirecting:
        raise SettingsError(
            f"Nothing listens on port {port}, which redirect_http names.",
            "Where the sockets are handed over, as by Gunicorn, bind this address as well.",
        )
    return [sock for sock in listening if sock not in redirecting], redirecting
