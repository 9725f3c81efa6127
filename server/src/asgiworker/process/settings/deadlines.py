"""How long a client, or the application, may take."""

from __future__ import annotations

from asgiworker.process.kinds import COUNT, SECONDS
from asgiworker.process.options import option, option_group


@option_group
class DeadlineSettings:
    """How long is waited."""

    __slots__ = ()

    timeout_first_byte: float = option(10.0, kind=SECONDS, help="from the connection to its first byte")
    timeout_head: float = option(
        10.0, kind=SECONDS, help="from the first byte of a request to its end of head"
    )
    timeout_body: float = option(20.0, kind=SECONDS, help="before --body-rate is demanded of a request body")
    body_rate: int = option(240, kind=COUNT, help="bytes a second that a request body must reach")
    timeout_stall: float = option(60.0, kind=SECONDS, help="without progress in a response the client reads")
    keepalive: float = option(
        75.0,
        "--keep-alive",
        "--timeout-keep-alive",
        kind=SECONDS,
        gunicorn="keepalive",
        help="an idle connection waits for its next request",
    )
    timeout_handshake: float = option(10.0, kind=SECONDS, help="for a TLS handshake")
    timeout_startup: float = option(120.0, kind=SECONDS, help="for the application's lifespan startup")
    timeout_shutdown: float = option(30.0, kind=SECONDS, help="for the application's lifespan shutdown")
