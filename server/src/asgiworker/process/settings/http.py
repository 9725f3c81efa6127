"""What holds for requests of every version: fields of our own, and the proxies that are believed."""

from __future__ import annotations

from typing import Literal

from asgiworker.process.kinds import HEADERS, PEERS, SWITCH, choice
from asgiworker.process.options import option, option_group


@option_group
class HTTPSettings:
    """Requests of every version."""

    __slots__ = ()

    date_header: bool = option(True, kind=SWITCH, help="send Date")
    server_header: bool = option(True, kind=SWITCH, help="send Server")
    headers: tuple[tuple[str, str], ...] = option(
        (),
        "--header",
        kind=HEADERS,
        help='header field "Name: value" for every response that has none of that name; may be repeated',
    )
    cancel_on_disconnect: bool = option(
        False, kind=SWITCH, help="cancel the application's task when its client goes away"
    )
    forwarded_allow_ips: str = option(
        "unix",
        kind=PEERS,
        gunicorn="forwarded_allow_ips",
        help='peers whose X-Forwarded-* and Forwarded fields are believed: addresses, networks, "unix", "*"',
    )
    proxy_protocol: Literal["off", "v1", "v2", "auto"] = option(
        "off",
        kind=choice("off", "v1", "v2", "auto"),
        gunicorn="proxy_protocol",
        help="expect a PROXY protocol header at the start of each connection",
    )
    proxy_allow_ips: str = option(
        "127.0.0.1,::1,unix",
        "--proxy-allow-ips",
        "--proxy-allow-from",
        kind=PEERS,
        gunicorn="proxy_allow_ips",
        help="peers that may send a PROXY protocol header",
    )
