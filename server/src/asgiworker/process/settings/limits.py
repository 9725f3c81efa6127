"""How much a client may send or open."""

from __future__ import annotations

from asgiworker.process.kinds import BYTES, COUNT
from asgiworker.process.options import option, option_group


@option_group
class LimitSettings:
    """How much is taken."""

    __slots__ = ()

    limit_request_line: int = option(
        8192,
        kind=BYTES,
        gunicorn="limit_request_line",
        help="bytes of the request line; beyond: 414",
    )
    limit_request_head: int = option(65536, kind=BYTES, help="bytes of request line and fields; beyond: 431")
    limit_request_fields: int = option(
        100,
        kind=COUNT,
        gunicorn="limit_request_fields",
        help="fields in a request; beyond: 431",
    )
    limit_request_field_size: int = option(
        8192,
        "--limit-request-field-size",
        "--limit-request-field_size",
        kind=BYTES,
        gunicorn="limit_request_field_size",
        help="bytes of one field's name and value; beyond: 431",
    )
    limit_body: int = option(0, kind=BYTES, help="bytes of a request body; beyond: 413")
    limit_connections: int = option(0, kind=COUNT, help="connections open at the same time in one worker")
    limit_requests: int = option(
        0,
        "--limit-requests",
        "--limit-concurrency",
        kind=COUNT,
        help="requests handled at the same time in one worker; beyond: 503 with Retry-After",
    )
    limit_websockets: int = option(
        0,
        kind=COUNT,
        help="WebSockets open at the same time in one worker; beyond: 503 with Retry-After",
    )
