"""Every setting of the server, once, as data.

The command line, the environment (`ASGIWORKER_*`), `asgiworker.toml` or `[tool.asgiworker]` in
`pyproject.toml`, keyword arguments, `--print-config` and the reference in the documentation are all made from
the table below. An argument wins over the environment, that over the file, and that over the default; where
each value came from is kept.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from asgiworker.process import options, sources
from asgiworker.process.mistakes import SettingsError
from asgiworker.process.options import (
    ADDRESSES,
    DIRECTORY,
    FACTORY,
    FILES,
    HEADERS,
    HOST,
    HSTS,
    NAME,
    ORIGINS,
    PATH,
    PATHS,
    PATTERNS,
    PEERS,
    PORT_ADDRESS,
    ROOT_PATH,
    SECONDS,
    SWITCH,
    TEXT,
    UMASK,
    Kind,
    Option,
    choice,
    option,
    whole_number,
)
from asgiworker.process.sockets import DEFAULT_PORT, TcpAddress, parse_address

APPLICATION = "Application"
SOCKETS = "Sockets"
PROCESS = "Process"
HTTP = "HTTP"
HTTP2 = "HTTP/2"
WEBSOCKET = "WebSocket"
LIMITS = "Limits (0 switches a limit off)"
DEADLINES = "Deadlines (seconds, 0 switches a deadline off)"
TLS = "TLS"
LOGGING = "Logging"

GROUPS = (APPLICATION, SOCKETS, PROCESS, HTTP, HTTP2, WEBSOCKET, LIMITS, DEADLINES, TLS, LOGGING)

COUNT = whole_number(0)
BYTES = whole_number(0, metavar="BYTES")
DESCRIPTOR: Kind[int | None] = Kind("the number of an open file descriptor", COUNT.convert, "N")

GUNICORN_ACCESS_FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the server was told. Values are checked when made: a `Settings` that exists is valid.

    Raises `SettingsError` for a value of the wrong kind or out of bounds. `Settings.load` reads all sources.
    """

    app: str = option(
        "",
        kind=TEXT,
        positional=True,
        group=APPLICATION,
        help="the application: module:attribute, module:factory(), or a module alone",
    )
    app_dir: str = option(
        ".", kind=DIRECTORY, group=APPLICATION, help="directory to import the application from"
    )
    factory: bool = option(
        False, kind=SWITCH, group=APPLICATION, help="the attribute is a function that returns the application"
    )
    interface: Literal["auto", "asgi3", "asgi2", "wsgi"] = option(
        "auto",
        kind=choice("auto", "asgi3", "asgi2", "wsgi"),
        group=APPLICATION,
        help="which interface the application speaks; auto looks at its signature",
    )
    lifespan: Literal["auto", "on", "off"] = option(
        "auto",
        kind=choice("auto", "on", "off"),
        group=APPLICATION,
        gunicorn="asgi_lifespan",
        help="lifespan events: on demands them of the application, auto goes on without, off sends none",
    )
    root_path: str = option(
        "",
        kind=ROOT_PATH,
        group=APPLICATION,
        gunicorn="root_path",
        help="the path under which a proxy mounts the application, such as /api",
    )
    env_file: str | None = option(
        None, kind=PATH, group=APPLICATION, help="file of KEY=VALUE lines to put into the environment first"
    )
    reload: bool = option(
        False, kind=SWITCH, group=APPLICATION, gunicorn="reload", help="restart when a source file changes"
    )
    reload_dirs: tuple[str, ...] = option(
        (), "--reload-dir", kind=PATHS, group=APPLICATION, help="directory to watch; --app-dir unless given"
    )
    reload_include: tuple[str, ...] = option(
        (), kind=PATTERNS, group=APPLICATION, help="files to watch beside *.py"
    )
    reload_exclude: tuple[str, ...] = option(
        (), kind=PATTERNS, group=APPLICATION, help="files and directories not to watch"
    )
    reload_extra_files: tuple[str, ...] = option(
        (),
        "--reload-extra-file",
        kind=PATHS,
        group=APPLICATION,
        gunicorn="reload_extra_files",
        help="further file to watch, wherever it is",
    )

    bind: tuple[str, ...] = option(
        ("127.0.0.1:8000",),
        "-b",
        "--bind",
        kind=ADDRESSES,
        group=SOCKETS,
        gunicorn="bind",
        help="address to listen on: HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or fd://N; may be repeated",
    )
    backlog: int = option(
        2048,
        kind=whole_number(1, 2**31 - 1),
        group=SOCKETS,
        gunicorn="backlog",
        help="connections the kernel keeps waiting to be accepted",
    )
    reuse_port: bool = option(
        False,
        kind=SWITCH,
        group=SOCKETS,
        gunicorn="reuse_port",
        help="let several servers listen on one port (SO_REUSEPORT)",
    )
    transport: Literal["auto", "loop", "aiofastnet"] = option(
        "auto",
        kind=choice("auto", "loop", "aiofastnet"),
        group=SOCKETS,
        help="what carries connections: the event loop's own transport, or aiofastnet's; auto takes"
        " the latter for TLS, where it is installed",
    )
    umask: int = option(
        0,
        "-m",
        "--umask",
        kind=UMASK,
        group=SOCKETS,
        gunicorn="umask",
        help="mask for the files and UNIX sockets made",
    )

    workers: int = option(
        1,
        "-w",
        "--workers",
        kind=whole_number(1),
        group=PROCESS,
        gunicorn="workers",
        help="worker processes; more than one are run by Gunicorn's arbiter",
    )
    loop: Literal["auto", "uvloop", "asyncio"] = option(
        "auto",
        kind=choice("auto", "uvloop", "asyncio"),
        group=PROCESS,
        gunicorn="asgi_loop",
        help="event loop; auto is uvloop where it is installed",
    )
    max_requests: int = option(
        0,
        "--max-requests",
        "--limit-max-requests",
        kind=COUNT,
        group=PROCESS,
        gunicorn="max_requests",
        help="requests after which a worker is replaced; 0 is never",
    )
    max_requests_jitter: int = option(
        0,
        "--max-requests-jitter",
        "--limit-max-requests-jitter",
        kind=COUNT,
        group=PROCESS,
        gunicorn="max_requests_jitter",
        help="at most so many requests are added to --max-requests, at random",
    )
    timeout: float = option(
        30.0,
        "-t",
        "--timeout",
        kind=SECONDS,
        group=PROCESS,
        gunicorn="timeout",
        help="seconds the loop may be blocked before its stack is logged and Gunicorn replaces the worker",
    )
    graceful_timeout: float = option(
        30.0,
        "--graceful-timeout",
        "--timeout-graceful-shutdown",
        kind=SECONDS,
        group=PROCESS,
        gunicorn="graceful_timeout",
        help="seconds that requests in flight may take to finish on shutdown",
    )
    drain_delay: float = option(
        5.0,
        kind=SECONDS,
        group=PROCESS,
        help="seconds into a shutdown after which streaming applications see http.disconnect",
    )
    preload: bool = option(
        False,
        kind=SWITCH,
        group=PROCESS,
        gunicorn="preload_app",
        help="import the application before the workers are forked",
    )
    pid: str | None = option(
        None,
        "-p",
        "--pid",
        kind=PATH,
        group=PROCESS,
        gunicorn="pidfile",
        help="file to write the process id to",
    )
    chdir: str | None = option(
        None, kind=PATH, group=PROCESS, gunicorn="chdir", help="directory to change to before anything else"
    )
    user: str | None = option(
        None,
        "-u",
        "--user",
        kind=NAME,
        group=PROCESS,
        gunicorn="user",
        help="user name or id the workers run as",
    )
    group: str | None = option(
        None,
        "-g",
        "--group",
        kind=NAME,
        group=PROCESS,
        gunicorn="group",
        help="group name or id the workers run as",
    )

    date_header: bool = option(True, kind=SWITCH, group=HTTP, help="send Date")
    server_header: bool = option(True, kind=SWITCH, group=HTTP, help="send Server")
    headers: tuple[tuple[str, str], ...] = option(
        (),
        "--header",
        kind=HEADERS,
        group=HTTP,
        help='header field "Name: value" for every response that has none of that name; may be repeated',
    )
    cancel_on_disconnect: bool = option(
        False, kind=SWITCH, group=HTTP, help="cancel the application's task when its client goes away"
    )
    forwarded_allow_ips: str = option(
        "unix",
        kind=PEERS,
        group=HTTP,
        gunicorn="forwarded_allow_ips",
        help='peers whose X-Forwarded-* and Forwarded fields are believed: addresses, networks, "unix", "*"',
    )
    proxy_protocol: Literal["off", "v1", "v2", "auto"] = option(
        "off",
        kind=choice("off", "v1", "v2", "auto"),
        group=HTTP,
        gunicorn="proxy_protocol",
        help="expect a PROXY protocol header at the start of each connection",
    )
    proxy_allow_ips: str = option(
        "127.0.0.1,::1,unix",
        "--proxy-allow-ips",
        "--proxy-allow-from",
        kind=PEERS,
        group=HTTP,
        gunicorn="proxy_allow_ips",
        help="peers that may send a PROXY protocol header",
    )

    http2: bool = option(
        True, kind=SWITCH, group=HTTP2, help="speak HTTP/2: on TLS, where the client chooses it"
    )
    h2c: Literal["auto", "on", "off"] = option(
        "auto",
        kind=choice("auto", "on", "off"),
        group=HTTP2,
        help="speak HTTP/2 without TLS to clients that begin with it; auto: on loopback and UNIX sockets",
    )
    http2_max_concurrent_streams: int = option(
        100,
        kind=whole_number(1, 2**31 - 1),
        group=HTTP2,
        gunicorn="http2_max_concurrent_streams",
        help="requests that a connection may have open at the same time",
    )
    http2_initial_window_size: int = option(
        262144,
        kind=whole_number(1, 2**31 - 1, "BYTES"),
        group=HTTP2,
        gunicorn="http2_initial_window_size",
        help="bytes of a request body that a client may send before the application takes them",
    )
    http2_connection_window_size: int = option(
        0,
        kind=whole_number(0, 2**31 - 1, "BYTES"),
        group=HTTP2,
        help="the same for all requests of a connection together; 0: enough for each",
    )
    http2_max_frame_size: int = option(
        16384,
        kind=whole_number(2**14, 2**24 - 1, "BYTES"),
        group=HTTP2,
        gunicorn="http2_max_frame_size",
        help="bytes of a frame that a client may send",
    )
    http2_header_table_size: int = option(
        4096,
        kind=whole_number(0, 65536, "BYTES"),
        group=HTTP2,
        help="bytes of a connection's table for header compression",
    )
    http2_ping_interval: float = option(
        0.0,
        kind=SECONDS,
        group=HTTP2,
        help="seconds without a sign of a client with open requests, after which it is pinged; 0: never",
    )
    http2_ping_timeout: float = option(
        20.0, kind=SECONDS, group=HTTP2, help="seconds for its answer, before the connection is aborted"
    )

    ws: bool = option(True, kind=SWITCH, group=WEBSOCKET, help="let clients open WebSockets")
    ws_max_size: int = option(
        16 * 1024 * 1024,
        kind=BYTES,
        group=WEBSOCKET,
        gunicorn="websocket_max_message_size",
        help="bytes of a message, decompressed; beyond: close with 1009; 0 is any size",
    )
    ws_max_fragments: int = option(
        131072,
        kind=COUNT,
        group=WEBSOCKET,
        help="fragments of a message; beyond: close with 1008; 0 is any number",
    )
    ws_max_queue: int = option(
        32,
        kind=whole_number(1),
        group=WEBSOCKET,
        help="unread messages for which the client isn't held back yet",
    )
    ws_ping_interval: float = option(
        20.0, kind=SECONDS, group=WEBSOCKET, help="seconds of silence until a ping is sent; 0 is never"
    )
    ws_ping_timeout: float = option(
        20.0,
        kind=SECONDS,
        group=WEBSOCKET,
        help="seconds that the client has for its pong, before a close with 1011; 0 is any time",
    )
    ws_close_timeout: float = option(
        10.0,
        kind=SECONDS,
        group=WEBSOCKET,
        help="seconds that the client has to answer a close; 0 is any time",
    )
    ws_per_message_deflate: bool = option(
        True, kind=SWITCH, group=WEBSOCKET, help="compress messages where the client can"
    )
    ws_origins: tuple[str, ...] = option(
        (),
        "--ws-origin",
        kind=ORIGINS,
        group=WEBSOCKET,
        help="origin of the pages that may open WebSockets, as https://example.org; any unless given",
    )

    limit_request_line: int = option(
        8192,
        kind=BYTES,
        group=LIMITS,
        gunicorn="limit_request_line",
        help="bytes of the request line; beyond: 414",
    )
    limit_request_head: int = option(
        65536, kind=BYTES, group=LIMITS, help="bytes of request line and fields; beyond: 431"
    )
    limit_request_fields: int = option(
        100,
        kind=COUNT,
        group=LIMITS,
        gunicorn="limit_request_fields",
        help="fields in a request; beyond: 431",
    )
    limit_request_field_size: int = option(
        8192,
        "--limit-request-field-size",
        "--limit-request-field_size",
        kind=BYTES,
        group=LIMITS,
        gunicorn="limit_request_field_size",
        help="bytes of one field's name and value; beyond: 431",
    )
    limit_body: int = option(0, kind=BYTES, group=LIMITS, help="bytes of a request body; beyond: 413")
    limit_connections: int = option(
        0, kind=COUNT, group=LIMITS, help="connections open at the same time in one worker"
    )
    limit_requests: int = option(
        0,
        "--limit-requests",
        "--limit-concurrency",
        kind=COUNT,
        group=LIMITS,
        help="requests handled at the same time in one worker; beyond: 503 with Retry-After",
    )

    limit_websockets: int = option(
        0,
        kind=COUNT,
        group=LIMITS,
        help="WebSockets open at the same time in one worker; beyond: 503 with Retry-After",
    )

    timeout_first_byte: float = option(
        10.0, kind=SECONDS, group=DEADLINES, help="from the connection to its first byte"
    )
    timeout_head: float = option(
        10.0, kind=SECONDS, group=DEADLINES, help="from the first byte of a request to its end of head"
    )
    timeout_body: float = option(
        20.0, kind=SECONDS, group=DEADLINES, help="before --body-rate is demanded of a request body"
    )
    body_rate: int = option(
        240, kind=COUNT, group=DEADLINES, help="bytes a second that a request body must reach"
    )
    timeout_stall: float = option(
        60.0, kind=SECONDS, group=DEADLINES, help="without progress in a response the client reads"
    )
    keepalive: float = option(
        75.0,
        "--keep-alive",
        "--timeout-keep-alive",
        kind=SECONDS,
        group=DEADLINES,
        gunicorn="keepalive",
        help="an idle connection waits for its next request",
    )
    timeout_handshake: float = option(10.0, kind=SECONDS, group=DEADLINES, help="for a TLS handshake")
    timeout_startup: float = option(
        120.0, kind=SECONDS, group=DEADLINES, help="for the application's lifespan startup"
    )
    timeout_shutdown: float = option(
        30.0, kind=SECONDS, group=DEADLINES, help="for the application's lifespan shutdown"
    )

    certfile: tuple[str, ...] = option(
        (),
        "--certfile",
        "--ssl-certfile",
        kind=FILES,
        group=TLS,
        gunicorn="certfile",
        help="certificate chain (PEM), or a folder of them; may be repeated: a client gets the one for the"
        " name it asks for, or the first",
    )
    keyfile: tuple[str, ...] = option(
        (),
        "--keyfile",
        "--ssl-keyfile",
        kind=FILES,
        group=TLS,
        gunicorn="keyfile",
        help="private key (PEM), unless it stands in the certificate's file; repeated as certfile is",
    )
    keyfile_password: str | None = option(
        None,
        "--keyfile-password",
        "--ssl-keyfile-password",
        kind=NAME,
        group=TLS,
        secret=True,
        help="password of the private keys",
    )
    ca_certs: str | None = option(
        None,
        "--ca-certs",
        "--ssl-ca-certs",
        kind=PATH,
        group=TLS,
        gunicorn="ca_certs",
        help="authorities that client certificates are checked against (PEM)",
    )
    cert_reqs: Literal["none", "optional", "required"] = option(
        "none",
        "--cert-reqs",
        "--ssl-cert-reqs",
        kind=choice(
            "none",
            "optional",
            "required",
            also={0: "none", 1: "optional", 2: "required", "0": "none", "1": "optional", "2": "required"},
        ),
        group=TLS,
        gunicorn="cert_reqs",
        help="whether clients must show a certificate",
    )
    ciphers: str | None = option(
        None,
        "--ciphers",
        "--ssl-ciphers",
        kind=NAME,
        group=TLS,
        gunicorn="ciphers",
        help="OpenSSL cipher list, for TLS 1.2",
    )
    curves: str | None = option(
        None,
        kind=NAME,
        group=TLS,
        help="group for the key exchange, such as X25519; several, with colons between, need Python 3.15",
    )
    crl: str | None = option(
        None,
        "--crl",
        "--ssl-crl",
        kind=PATH,
        group=TLS,
        help="revocation lists that client certificates are checked against (PEM)",
    )
    tls_minimum: Literal["1.2", "1.3"] = option(
        "1.2",
        kind=choice("1.2", "1.3", also={1.2: "1.2", 1.3: "1.3"}),
        group=TLS,
        help="oldest version of TLS that is spoken",
    )
    ssl_context: Callable[..., Any] | str | None = option(  # noqa: RUF009  # as all the others
        None,
        kind=FACTORY,
        group=TLS,
        help="function that makes the SSLContext; called with the settings and a function that makes ours",
    )
    dev_tls: bool = option(
        False,
        kind=SWITCH,
        group=TLS,
        help="TLS with a certificate for development, which is made for localhost and this machine's name",
    )
    redirect_http: str | None = option(
        None,
        kind=PORT_ADDRESS,
        group=TLS,
        help="also listen here in plain HTTP, and send clients to HTTPS; the host is bind's unless given",
    )
    hsts: str | None = option(
        None,
        kind=HSTS,
        group=TLS,
        help="Strict-Transport-Security for every response that has none: browsers shall come by HTTPS only",
    )

    accesslog: str | None = option(
        "-",
        "--access-logfile",
        off=("--no-access-log",),
        kind=PATH,
        group=LOGGING,
        gunicorn="accesslog",
        help='file for the access log; "-" is stdout',
    )
    access_log_format: str = option(
        GUNICORN_ACCESS_FORMAT,
        "--access-logformat",
        "--access-log-format",
        kind=TEXT,
        group=LOGGING,
        gunicorn="access_log_format",
        help='a line of the access log, in Gunicorn\'s atoms, or "json"',
    )
    errorlog: str = option(
        "-",
        "--error-logfile",
        "--log-file",
        kind=TEXT,
        group=LOGGING,
        gunicorn="errorlog",
        help='file for everything else; "-" is stderr',
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] = option(
        "info",
        kind=choice("debug", "info", "warning", "error", "critical"),
        group=LOGGING,
        gunicorn="loglevel",
        help="least level that is logged",
    )
    log_config: str | None = option(
        None, kind=PATH, group=LOGGING, help="logging configuration (dictConfig) in TOML, JSON or YAML"
    )

    # Field name -> where its value came from; a name that is missing has its default.
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check every value, and turn what reads as one (a list for a tuple, "30" for 30.0) into it."""
        for row in TABLE:
            value = getattr(self, row.name)
            if value is not row.default:
                object.__setattr__(self, row.name, row.convert(value, row.name))
        self._check_tls()

    def _check_tls(self) -> None:
        if self.keyfile and not self.certfile:
            raise SettingsError(
                "keyfile is given without certfile.", "The certificate is given with --certfile."
            )
        if len(self.keyfile) > len(self.certfile):
            raise SettingsError(
                "There are more private keys (keyfile) than certificates (certfile).",
                "Each key belongs to the certificate at its place in the list.",
            )
        if self.dev_tls and self.certfile:
            raise SettingsError(
                "dev_tls is given with certfile.", "It makes a certificate of its own: give one of the two."
            )
        if self.tls:
            return
        if self.redirect_http:
            raise SettingsError(
                "redirect_http is given without a certificate.",
                "Nothing here speaks HTTPS; give --certfile and --keyfile, or --dev-tls.",
            )
        if self.hsts:
            raise SettingsError(
                "hsts is given without a certificate.",
                "It is sent over TLS only. Where a proxy speaks TLS, let the proxy send it.",
            )

    @property
    def tls(self) -> bool:
        """Whether the listening sockets speak TLS."""
        return bool(self.certfile or self.dev_tls or self.ssl_context)

    def redirect_addresses(self) -> tuple[str, ...]:
        """Where to listen for plain HTTP beside `bind`: on its hosts, unless `redirect_http` names one.

        Nowhere if open sockets are handed over: the one for plain HTTP is among them.
        """
        if self.redirect_http is None or all(address.startswith("fd://") for address in self.bind):
            return ()
        if ":" in self.redirect_http:
            return (self.redirect_http,)
        port = int(self.redirect_http)
        bound = (parse_address(address) for address in self.bind)
        places = (str(TcpAddress(each.host, port)) for each in bound if isinstance(each, TcpAddress))
        return tuple(dict.fromkeys(places)) or (f":{port}",)

    @classmethod
    def load(
        cls,
        arguments: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        file: Path | None = None,
        *,
        command_line: bool = False,
    ) -> Settings:
        """Read the settings from all their sources; the first that names a setting decides.

        `arguments` are keyword arguments or, with `command_line`, the parsed command line; beside the fields
        they may have host, port, uds and fd. `environ` is read for `ASGIWORKER_*` and, below the file, for
        `PORT`, `WEB_CONCURRENCY` and `FORWARDED_ALLOW_IPS`, which Gunicorn reads, too.

        Raises `SettingsError` that names the option, variable, or file and line.
        """
        layers = [sources.arguments_given(KNOWN, arguments or {}, command_line=command_line)]
        if environ is not None:
            layers.append(sources.environment(KNOWN, environ))
        if file is not None:
            layers.append(sources.settings_file(KNOWN, file))
        if environ is not None:
            layers.append(sources.platform(KNOWN, environ))
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for layer in layers:
            for name, value in layer.values.items():
                if name in OPTIONS and name not in values:
                    values[name] = value
                    origins[name] = layer.origins[name]
        if addresses := sources.addresses(KNOWN, layers):
            values["bind"], origins["bind"] = addresses
        return cls(**values, origins=origins)

    def origin(self, name: str) -> str:
        """Where the value of `name` came from: a flag, a variable, a file and line, or "default"."""
        return self.origins.get(name, "default")

    def to_toml(self) -> str:
        """Every setting as a settings file, each with its origin in a comment; secrets are left out."""
        rows = []
        for name, group in itertools.groupby(TABLE, key=lambda row: row.group):
            rows.append((f"# {name}", ""))
            for row in group:
                value = getattr(self, row.name)
                if row.secret and value is not None:
                    rows.append((f"# {row.name} is set, and not shown", self.origin(row.name)))
                else:
                    rows.append((f"{row.name} = {row.to_toml(value)}", self.origin(row.name)))
            rows.append(("", ""))
        width = max(len(text) for text, _ in rows if len(text) <= 60)
        return "".join(
            f"{text:<{width}}  # {origin}\n" if origin else f"{text}\n" for text, origin in rows[:-1]
        )


TABLE: tuple[Option, ...] = options.table(dataclasses.fields(Settings))
OPTIONS: Mapping[str, Option] = {row.name: row for row in TABLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shorthands:
    """Other spellings of an address to listen on; `load` turns them into `bind`."""

    host: str = option("127.0.0.1", kind=HOST, group=SOCKETS, help="host part of an address to listen on")
    port: int = option(
        DEFAULT_PORT,
        kind=whole_number(0, 65535, "PORT"),
        group=SOCKETS,
        help="port part of it; 0 takes a free one",
    )
    uds: str | None = option(
        None, kind=PATH, group=SOCKETS, help="UNIX socket to listen on, as --bind unix:PATH"
    )
    fd: int | None = option(
        None, kind=DESCRIPTOR, group=SOCKETS, help="open socket to listen on, as --bind fd://N"
    )


SHORTHANDS: Mapping[str, Option] = {row.name: row for row in options.table(dataclasses.fields(Shorthands))}

# Whatever a source may name.
KNOWN: Mapping[str, Option] = {**OPTIONS, **SHORTHANDS}
