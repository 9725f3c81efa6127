"""Where the server listens, and what carries its connections."""

from __future__ import annotations

from typing import Literal

from asgiworker.process.kinds import ADDRESSES, DESCRIPTOR, HOST, PATH, SWITCH, UMASK, choice, whole_number
from asgiworker.process.options import option, option_group
from asgiworker.process.sockets import DEFAULT_PORT


@option_group
class SocketSettings:
    """Where to listen."""

    __slots__ = ()

    bind: tuple[str, ...] = option(
        ("127.0.0.1:8000",),
        "-b",
        "--bind",
        kind=ADDRESSES,
        gunicorn="bind",
        help="address to listen on: HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or fd://N; may be repeated",
    )
    backlog: int = option(
        2048,
        kind=whole_number(1, 2**31 - 1),
        gunicorn="backlog",
        help="connections the kernel keeps waiting to be accepted",
    )
    reuse_port: bool = option(
        False,
        kind=SWITCH,
        gunicorn="reuse_port",
        help="let several servers listen on one port (SO_REUSEPORT)",
    )
    transport: Literal["auto", "loop", "aiofastnet"] = option(
        "auto",
        kind=choice("auto", "loop", "aiofastnet"),
        help="what carries connections: the event loop's own transport, or aiofastnet's; auto takes"
        " the latter for TLS, where it is installed",
    )
    umask: int = option(
        0,
        "-m",
        "--umask",
        kind=UMASK,
        gunicorn="umask",
        help="mask for the files and UNIX sockets made",
    )


@option_group
class Shorthands:
    """Other spellings of an address to listen on; `Settings.load` turns them into `bind`."""

    __slots__ = ()

    host: str = option("127.0.0.1", kind=HOST, help="host part of an address to listen on")
    port: int = option(
        DEFAULT_PORT,
        kind=whole_number(0, 65535, "PORT"),
        help="port part of it; 0 takes a free one",
    )
    uds: str | None = option(None, kind=PATH, help="UNIX socket to listen on, as --bind unix:PATH")
    fd: int | None = option(None, kind=DESCRIPTOR, help="open socket to listen on, as --bind fd://N")
