"""Which transport carries a connection: the event loop's own, or aiofastnet's.

aiofastnet runs on any loop and talks to the OpenSSL that Python has loaded, without a copy between. What it
can't do goes over the loop's own transport, connection by connection: see `suits` and `TLS_HANDSHAKE`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

try:
    import aiofastnet
except ImportError:  # it is optional
    aiofastnet = None  # type: ignore[assignment]

TLS_HANDSHAKE = b"\x16"
"""What a record of the handshake begins with (RFC 8446 §5.1); a client that speaks HTTP sends a letter."""


def available() -> bool:
    """Whether aiofastnet is installed."""
    return aiofastnet is not None


def suits(tls: ssl.SSLContext) -> bool:
    """Whether aiofastnet can serve, and serve better, connections of that context.

    aiofastnet (1.2) makes its connections without Python's `ssl`: a context whose callbacks want one to look
    at (SNI, key log) would end the process. Where Python has OpenSSL built in, aiofastnet must go through
    `ssl`, too, and nothing is gained.
    """
    return (
        available()
        and aiofastnet.OPENSSL_DYN_LIBS is not None
        and tls.sni_callback is None
        and tls.keylog_filename is None
    )


async def connect(
    loop: asyncio.AbstractEventLoop,
    make: Callable[[], asyncio.Protocol],
    client: socket.socket,
    tls: ssl.SSLContext | None,
    handshake_timeout: float,
    *,
    fast: bool,
) -> None:
    """Give an accepted socket a transport and a protocol; on TLS, this waits for the handshake.

    Args:
        loop: the running loop.
        make: makes the protocol.
        client: the socket, non-blocking; it is the transport's from now on, unless this raises.
        tls: the context; None for none.
        handshake_timeout: seconds.
        fast: by aiofastnet.

    Raises:
        OSError: the handshake failed, or took too long.
    """
    options: dict[str, Any] = {"ssl": tls}
    if tls is not None:
        options["ssl_handshake_timeout"] = handshake_timeout
    if fast:
        await aiofastnet.connect_accepted_socket(loop, make, client, **options)
    else:
        await loop.connect_accepted_socket(make, client, **options)


def forgive_lost_handshakes(loop: asyncio.AbstractEventLoop) -> None:
    """Keep clients that leave during the handshake, as port scanners do, out of the loop's errors.

    aiofastnet (1.2) reports them with the class `ConnectionResetError` in place of an exception, which
    nothing else does, and which `logging` can't even print.
    """
    report = loop.get_exception_handler() or _report_by_default
    if isinstance(report, _Forgiving):
        return
    loop.set_exception_handler(_Forgiving(report))


def _report_by_default(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    loop.default_exception_handler(context)


class _Forgiving:
    """A loop's exception handler, in front of the former one."""

    __slots__ = ("report",)

    def __init__(self, report: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]) -> None:
        self.report = report

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("exception") is not ConnectionResetError:
            self.report(loop, context)
