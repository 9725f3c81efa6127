"""HTTP/2's framing, header compression, flow control and scheduling: nghttp2, through `ngh2`.

The only module that knows this library. What of RFC 9113 nghttp2 sees to, it sees to; what it leaves open is
decided in `connection`: which limits hold, what an answer to a flood is, when a window is opened again.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Protocol

import ngh2
from ngh2 import (
    Connection as Engine,
)
from ngh2 import (
    ConnectionClosed,
    DataReceived,
    PingAcknowledged,
    RequestReceived,
    SettingsReceived,
    StreamClosed,
    StreamReset,
    TrailersReceived,
)
from ngh2 import (
    ConnectionProtocolError as ConnectionViolation,
)
from ngh2 import (
    DenialOfServiceError as Flooded,
)
from ngh2 import (
    NGH2Error as EngineError,
)

__all__ = [
    "PREFACE",
    "ConnectionClosed",
    "ConnectionViolation",
    "DataReceived",
    "Engine",
    "EngineError",
    "ErrorCode",
    "Flooded",
    "PingAcknowledged",
    "RequestReceived",
    "Sessions",
    "SettingsReceived",
    "StreamClosed",
    "StreamReset",
    "TrailersReceived",
    "goaway_frame",
    "push_enabled",
    "window_overflows",
]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 §3.4
MAX_WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65535  # RFC 9113 §6.9.2

CONTINUATIONS = 8  # CONTINUATION frames that one head may take
ACKNOWLEDGEMENTS = 1000  # answers to PING and SETTINGS that may wait for a client that doesn't read
# Far above what `connection` allows, which answers with ENHANCE_YOUR_CALM; nghttp2 would with INTERNAL_ERROR.
RESETS = (100_000, 10_000)


class ErrorCode(IntEnum):
    """Why a stream or a connection ends (RFC 9113 §7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    STREAM_CLOSED = 0x5
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    ENHANCE_YOUR_CALM = 0xB
    HTTP_1_1_REQUIRED = 0xD


class Sizes(Protocol):
    """What the settings say of HTTP/2; sizes in bytes."""

    @property
    def limit_request_head(self) -> int: ...
    @property
    def limit_request_fields(self) -> int: ...
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


class Sessions:
    """Makes the engines of one process's connections, each with the same settings.

    Args:
        sizes: the settings.
        connect_protocol: WebSockets over HTTP/2 are offered (RFC 8441).
    """

    __slots__ = ("configuration", "settings", "window")

    def __init__(self, sizes: Sizes, connect_protocol: bool) -> None:
        streams, window = sizes.http2_max_concurrent_streams, sizes.http2_initial_window_size
        self.settings = {
            ngh2.Setting.HEADER_TABLE_SIZE: sizes.http2_header_table_size,
            ngh2.Setting.MAX_CONCURRENT_STREAMS: streams,
            ngh2.Setting.INITIAL_WINDOW_SIZE: window,
            ngh2.Setting.MAX_FRAME_SIZE: sizes.http2_max_frame_size,
            ngh2.Setting.NO_RFC7540_PRIORITIES: 1,  # RFC 9218 in their place
        }
        if connect_protocol:
            self.settings[ngh2.Setting.ENABLE_CONNECT_PROTOCOL] = 1
        head = sizes.limit_request_head
        if head:
            self.settings[ngh2.Setting.MAX_HEADER_LIST_SIZE] = head
        # Wide enough for all streams together, so that one that isn't read never holds up the others.
        self.window = min(MAX_WINDOW, sizes.http2_connection_window_size or streams * window)
        self.configuration = ngh2.Configuration(
            auto_window_update=False,
            max_outbound_ack=ACKNOWLEDGEMENTS,
            max_continuations=CONTINUATIONS,
            stream_reset_rate_limit=RESETS,
            # What is beyond these ends the connection; what is beyond the limits themselves gets a 431.
            max_inbound_header_list_size=2 * head + 65536 if head else MAX_WINDOW,
            max_inbound_header_count=2 * sizes.limit_request_fields + 512
            if sizes.limit_request_fields
            else MAX_WINDOW,
            max_send_header_block_length=1 << 20,
        )

    def open(self) -> Engine:
        """The engine of a new connection, its SETTINGS ready to be sent."""
        engine = Engine(ngh2.Role.SERVER, self.configuration)
        engine.initiate_connection(self.settings)
        if self.window != DEFAULT_WINDOW:
            engine.set_local_window_size(self.window)
        return engine


def push_enabled(engine: Engine) -> bool:
    """Whether the client takes pushed responses."""
    return bool(engine.remote_settings[ngh2.Setting.ENABLE_PUSH])


def window_overflows(engine: Engine, stream_id: int, increment: bytes) -> bool:
    """Whether a WINDOW_UPDATE widens the window of an open stream beyond its bound (RFC 9113 §6.9.1)."""
    size = engine.stream_remote_window_size(stream_id)
    return size + (int.from_bytes(increment, "big") & MAX_WINDOW) > MAX_WINDOW


def goaway_frame(last_stream: int, code: ErrorCode) -> bytes:
    """A GOAWAY frame (RFC 9113 §6.8), for when the engine has broken down and writes none itself."""
    return struct.pack("!xHBxLLL", 8, 0x7, 0, last_stream, code)
