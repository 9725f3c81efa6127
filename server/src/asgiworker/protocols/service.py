"""What all connections of one process share: the application, the settings, the clock, the one sweep.

The sweep (`Service.tick`) is the only timer of the server: it renews the Date field, looks at each
connection's deadlines, and writes out the access log. A request costs no timer of its own.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from email.utils import formatdate
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol

from asgiworker.asgi.exchange import Exchange
from asgiworker.asgi.scope import normalise_root_path
from asgiworker.asgi.session import Session
from asgiworker.asgi.types import ASGIApplication, Headers
from asgiworker.protocols.http1.head import HeadParser
from asgiworker.protocols.http2.header_list import HeaderListReader
from asgiworker.protocols.http2.nghttp2 import Sessions
from asgiworker.protocols.proxy import TrustedPeers
from asgiworker.protocols.request import HeadLimits

if TYPE_CHECKING:
    from asgiworker.protocols.connection import Connection

logger = logging.getLogger("asgiworker.server")

NEVER = math.inf
PEERS = 1024  # addresses of clients of which it is remembered whether they are trusted
IDLE_PATIENCE = 0.5  # seconds in a stop for which an idle connection is still answered

# What the access log takes of an exchange: see `asgiworker.process.access_format.AccessEntry`.
Record = Callable[[tuple[Any, ...]], None]


class Starter(Protocol):
    """Starts a coroutine in a task of its own, in `context`."""

    def __call__(
        self, run: Coroutine[Any, Any, None], /, *, context: contextvars.Context
    ) -> asyncio.Task[None]: ...


class HoldsBack(Protocol):
    """What holds bytes back until the turn of the loop is over."""

    def end_turn(self) -> None:
        """A turn of the loop is over in which `Service.flush_later` was asked to say so."""

    def failed(self, error: Exception) -> None:
        """That went wrong, in our own code."""


class Policy(HeadLimits, Protocol):
    """What the protocols ask of the settings. Sizes in bytes, times in seconds; 0 switches a limit off."""

    @property
    def root_path(self) -> str: ...
    @property
    def date_header(self) -> bool: ...
    @property
    def server_header(self) -> bool: ...
    @property
    def headers(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def hsts(self) -> str | None: ...
    @property
    def cancel_on_disconnect(self) -> bool: ...
    @property
    def forwarded_allow_ips(self) -> str: ...
    @property
    def proxy_protocol(self) -> str: ...
    @property
    def proxy_allow_ips(self) -> str: ...
    @property
    def limit_body(self) -> int: ...
    @property
    def backlog(self) -> int: ...
    @property
    def limit_connections(self) -> int: ...
    @property
    def limit_requests(self) -> int: ...
    @property
    def limit_websockets(self) -> int: ...
    @property
    def ws(self) -> bool: ...
    @property
    def ws_max_size(self) -> int: ...
    @property
    def ws_max_fragments(self) -> int: ...
    @property
    def ws_max_queue(self) -> int: ...
    @property
    def ws_ping_interval(self) -> float: ...
    @property
    def ws_ping_timeout(self) -> float: ...
    @property
    def ws_close_timeout(self) -> float: ...
    @property
    def ws_per_message_deflate(self) -> bool: ...
    @property
    def ws_origins(self) -> tuple[str, ...]: ...
    @property
    def timeout_first_byte(self) -> float: ...
    @property
    def timeout_head(self) -> float: ...
    @property
    def timeout_body(self) -> float: ...
    @property
    def body_rate(self) -> int: ...
    @property
    def timeout_stall(self) -> float: ...
    @property
    def keepalive(self) -> float: ...
    @property
    def timeout_handshake(self) -> float: ...
    @property
    def http2(self) -> bool: ...
    @property
    def h2c(self) -> str: ...
    @property
    def http2_max_concurrent_streams(self) -> int: ...
    @property
    def http2_initial_window_size(self) -> int: ...
    @property
    def http2_connection_window_size(self) -> int: ...
    @property
    def http2_max_frame_size(self) -> int: ...
    @property
    def http2_header_table_size(self) -> int: ...
    @property
    def http2_ping_interval(self) -> float: ...
    @property
    def http2_ping_timeout(self) -> float: ...


class Service:
    """The shared state of one process's connections.

    Args:
        app: the ASGI application, already ASGI 3.
        policy: the settings.
        loop: the running event loop.
        state: the lifespan's state; each request gets a shallow copy.
        record: takes one access log entry, or None for no access log.
        max_requests: call `exhausted` after so many requests; 0 for never.
    """

    def __init__(
        self,
        app: ASGIApplication,
        policy: Policy,
        loop: asyncio.AbstractEventLoop,
        state: dict[str, Any] | None = None,
        record: Record | None = None,
        max_requests: int = 0,
        exhausted: Callable[[], None] = lambda: None,
    ) -> None:
        self.app = app
        self.policy = policy
        self.loop = loop
        self.state = state if state is not None else {}
        self.record = record
        self.exhausted = exhausted
        self.requests_left = max_requests or NEVER
        self.parser = HeadParser(policy)
        self.header_lists = HeaderListReader(policy)
        self.sessions = Sessions(policy, connect_protocol=policy.ws)
        self.head_bound = policy.limit_request_head or sys.maxsize
        self.root_path = normalise_root_path(policy.root_path)
        self.trusted = TrustedPeers.parse(policy.forwarded_allow_ips)
        # PERF: to read an address takes as long as half a hello, and clients come again.
        self.trusts = lru_cache(PEERS)(self.trusted.__contains__)
        # Every request runs in a copy of this context, so that none sees another's variables.
        self.context = contextvars.copy_context()
        self.connections: set[Connection] = set()
        self.admitted = 0  # of these, those within `limit_connections`
        self.running: set[Exchange] = set()  # exchanges whose application is suspended
        self.websockets: dict[asyncio.Task[None], Session] = {}  # WebSockets whose application is suspended
        self._unflushed: list[HoldsBack] = []
        self.draining = False
        self.failures = 0  # exceptions in our own code, each of which closed one connection
        # The clock of the deadlines: `loop.time()` as of the last tick.
        self.now = loop.time()
        self.default_fields: Headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in policy.headers
        ]
        if policy.hsts:
            self.default_fields.append((b"strict-transport-security", policy.hsts.encode("ascii")))
        # The fields that end each head which has none of them itself: Date, Server, --header.
        self.common_fields = b""
        self.common_pairs: Headers = []
        self.renew_common_fields()
        # uvloop's writelines() is one writev(2); asyncio's, up to 3.12.8 and 3.13.1, forgets backpressure.
        self.vectored = type(loop).__module__.startswith("uvloop")
        # The usual case of a response's head: nothing to look up in what the application sent.
        self.plain = not self.default_fields
        self.limit_connections = policy.limit_connections or NEVER
        self.limit_requests = policy.limit_requests or NEVER
        self.limit_websockets = policy.limit_websockets or NEVER
        self.idle = policy.keepalive or NEVER
        # Starts an application's task. On Python >= 3.12 it runs at once, up to where it first waits: most
        # never wait, and cost no turn of the loop. PERF: a partial, which adds no Python call.
        self.start: Starter = partial(asyncio.Task, loop=loop)
        # Whether a task's first step is still to come, and what is running needn't be known before that.
        self.defers = not policy.limit_requests
        if sys.version_info >= (3, 12):
            self.start = partial(asyncio.Task, loop=loop, eager_start=True)
            self.defers = False

    def renew_common_fields(self) -> None:
        """Write the Date field anew."""
        self.date = formatdate(time.time(), usegmt=True).encode("ascii")
        self.common_fields = self.fields_without(())
        self.common_pairs = self.pairs_without(())

    def fields_without(self, names: Iterable[bytes]) -> bytes:
        """The lines of Date, Server and the default fields, without those that the application set."""
        return b"".join([b"%b: %b\r\n" % field for field in self.pairs_without(names)])

    def pairs_without(self, names: Iterable[bytes]) -> Headers:
        """The same as names and values, for the protocols that don't write lines."""
        own: dict[bytes, bytes] = {}
        if self.policy.date_header:
            own[b"date"] = self.date
        if self.policy.server_header:
            own[b"server"] = b"asgiworker"
        for name, _ in self.default_fields:
            own.pop(name, None)  # a default takes the place of our own
        return [field for field in (*self.default_fields, *own.items()) if field[0] not in names]

    def deadline(self, seconds: float) -> float:
        """The moment `seconds` from now on the sweep's clock; never for 0."""
        return self.now + seconds if seconds else NEVER

    def answered(self) -> None:
        """One more request has its answer: maybe the last one that this process is to give."""
        self.requests_left -= 1
        if not self.requests_left:
            self.drain()
            self.exhausted()

    def tick(self) -> None:
        """The sweep: called once a second, more often where a deadline is shorter."""
        self.now = now = self.loop.time()
        self.renew_common_fields()
        for connection in [c for c in self.connections if c.deadline <= now or c.write_deadline <= now]:
            try:
                connection.sweep(now)
            except Exception as error:
                connection.failed(error)

    def tick_interval(self) -> float:
        """Seconds between two ticks: a quarter of the shortest deadline, from 0.02 to 1."""
        policy = self.policy
        deadlines = [
            policy.timeout_first_byte, policy.timeout_head, policy.timeout_body, policy.timeout_stall,
            policy.keepalive, policy.timeout_handshake,
            policy.ws_ping_interval, policy.ws_ping_timeout, policy.ws_close_timeout,
            policy.http2_ping_interval, policy.http2_ping_timeout if policy.http2_ping_interval else 0,
        ]  # fmt: skip
        return max(0.02, min([1.0, *(deadline / 4 for deadline in deadlines if deadline)]))

    def open(self, session: Session) -> None:
        """Call the application for a WebSocket, in a task and a context of its own."""
        task = self.start(session.run(self.app), context=self.context.copy())
        if not task.done():
            session.task = task
            self.websockets[task] = session
            task.add_done_callback(self.websockets.pop, context=self.context)

    def flush_later(self, connection: HoldsBack) -> None:
        """Call `connection.end_turn()` when this turn of the loop is over."""
        if not self._unflushed:
            # PERF: one call from the loop for all connections.
            self.loop.call_soon(self._end_turn, context=self.context)
        self._unflushed.append(connection)

    def _end_turn(self) -> None:
        unflushed, self._unflushed = self._unflushed, []
        for connection in unflushed:
            try:
                connection.end_turn()
            except Exception as error:
                connection.failed(error)

    def drain(self) -> None:
        """From now on each response is the last of its connection, and an idle connection is soon closed."""
        self.draining = True
        self.plain = False
        self.idle = IDLE_PATIENCE
