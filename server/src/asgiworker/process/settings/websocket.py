"""WebSockets, on every version of HTTP."""

from __future__ import annotations

from asgiworker.process.kinds import BYTES, COUNT, ORIGINS, SECONDS, SWITCH, whole_number
from asgiworker.process.options import option, option_group


@option_group
class WebSocketSettings:
    """WebSockets."""

    __slots__ = ()

    ws: bool = option(True, kind=SWITCH, help="let clients open WebSockets")
    ws_max_size: int = option(
        16 * 1024 * 1024,
        kind=BYTES,
        gunicorn="websocket_max_message_size",
        help="bytes of a message, decompressed; beyond: close with 1009; 0 is any size",
    )
    ws_max_fragments: int = option(
        131072,
        kind=COUNT,
        help="fragments of a message; beyond: close with 1008; 0 is any number",
    )
    ws_max_queue: int = option(
        32,
        kind=whole_number(1),
        help="unread messages for which the client isn't held back yet",
    )
    ws_ping_interval: float = option(
        20.0, kind=SECONDS, help="seconds of silence until a ping is sent; 0 is never"
    )
    ws_ping_timeout: float = option(
        20.0,
        kind=SECONDS,
        help="seconds that the client has for its pong, before a close with 1011; 0 is any time",
    )
    ws_close_timeout: float = option(
        10.0,
        kind=SECONDS,
        help="seconds that the client has to answer a close; 0 is any time",
    )
    ws_per_message_deflate: bool = option(True, kind=SWITCH, help="compress messages where the client can")
    ws_origins: tuple[str, ...] = option(
        (),
        "--ws-origin",
        kind=ORIGINS,
        help="origin of the pages that may open WebSockets, as https://example.org; any unless given",
    )
