"""HTTP/2: to whom it is spoken, what they may send and have open (RFC 9113 §6.5.2), when they are pinged."""

from __future__ import annotations

from typing import Literal

from asgiworker.process.kinds import SECONDS, SWITCH, choice, whole_number
from asgiworker.process.options import option, option_group


@option_group
class HTTP2Settings:
    """What is said of HTTP/2."""

    __slots__ = ()

    http2: bool = option(True, kind=SWITCH, help="speak HTTP/2: on TLS, where the client chooses it")
    h2c: Literal["auto", "on", "off"] = option(
        "auto",
        kind=choice("auto", "on", "off"),
        help="speak HTTP/2 without TLS to clients that begin with it; auto: on loopback and UNIX sockets",
    )
    http2_max_concurrent_streams: int = option(
        100,
        kind=whole_number(1, 2**31 - 1),
        gunicorn="http2_max_concurrent_streams",
        help="requests that a connection may have open at the same time",
    )
    http2_initial_window_size: int = option(
        262144,
        kind=whole_number(1, 2**31 - 1, "BYTES"),
        gunicorn="http2_initial_window_size",
        help="bytes of a request body that a client may send before the application takes them",
    )
    http2_connection_window_size: int = option(
        0,
        kind=whole_number(0, 2**31 - 1, "BYTES"),
        help="the same for all requests of a connection together; 0: enough for each",
    )
    http2_max_frame_size: int = option(
        16384,
        kind=whole_number(2**14, 2**24 - 1, "BYTES"),
        gunicorn="http2_max_frame_size",
        help="bytes of a frame that a client may send",
    )
    http2_header_table_size: int = option(
        4096,
        kind=whole_number(0, 65536, "BYTES"),
        help="bytes of a connection's table for header compression",
    )
    http2_ping_interval: float = option(
        0.0,
        kind=SECONDS,
        help="seconds without a sign of a client with open requests, after which it is pinged; 0: never",
    )
    http2_ping_timeout: float = option(
        20.0, kind=SECONDS, help="seconds for its answer, before the connection is aborted"
    )
