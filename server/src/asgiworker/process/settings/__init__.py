"""Every setting of the server, once, as data: a group a module, and here what makes one table of them.

The command line, the environment (`ASGIWORKER_*`), `asgiworker.toml` or `[tool.asgiworker]` in
`pyproject.toml`, keyword arguments, `--print-config` and the reference in the documentation are all made from
this table. An argument wins over the environment, that over the file, and that over the default; where each
value came from is kept.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asgiworker.process import options, sources
from asgiworker.process.options import Option
from asgiworker.process.settings.application import ApplicationSettings
from asgiworker.process.settings.deadlines import DeadlineSettings
from asgiworker.process.settings.http import HTTPSettings
from asgiworker.process.settings.http2 import HTTP2Settings
from asgiworker.process.settings.limits import LimitSettings
from asgiworker.process.settings.logging import LoggingSettings
from asgiworker.process.settings.process import ProcessSettings
from asgiworker.process.settings.sockets import Shorthands, SocketSettings
from asgiworker.process.settings.tls import TLSSettings
from asgiworker.process.settings.websocket import WebSocketSettings
from asgiworker.process.sockets import TcpAddress, parse_address

# The groups in their order everywhere, under their headings.
_GROUPS: Mapping[str, type] = {
    "Application": ApplicationSettings,
    "Sockets": SocketSettings,
    "Process": ProcessSettings,
    "HTTP": HTTPSettings,
    "HTTP/2": HTTP2Settings,
    "WebSocket": WebSocketSettings,
    "Limits (0 switches a limit off)": LimitSettings,
    "Deadlines (seconds, 0 switches a deadline off)": DeadlineSettings,
    "TLS": TLSSettings,
    "Logging": LoggingSettings,
}

GROUPS = tuple(_GROUPS)
TABLE: tuple[Option, ...] = tuple(
    itertools.chain.from_iterable(
        options.table(title, dataclasses.fields(group)) for title, group in _GROUPS.items()
    )
)
OPTIONS: Mapping[str, Option] = {row.name: row for row in TABLE}
SHORTHANDS: Mapping[str, Option] = {
    row.name: row for row in options.table("Sockets", dataclasses.fields(Shorthands))
}
# Whatever a source may name.
KNOWN: Mapping[str, Option] = {**OPTIONS, **SHORTHANDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(
    # A dataclass takes its fields from the last of these to the first.
    LoggingSettings,
    TLSSettings,
    DeadlineSettings,
    LimitSettings,
    WebSocketSettings,
    HTTP2Settings,
    HTTPSettings,
    ProcessSettings,
    SocketSettings,
    ApplicationSettings,
):
    """What the server was told. Values are checked when made: a `Settings` that exists is valid.

    Raises `SettingsError` for a value of the wrong kind or out of bounds. `Settings.load` reads all sources.
    """

    # Field name -> where its value came from; a name that is missing has its default.
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check every value, and turn what reads as one (a list for a tuple, "30" for 30.0) into it."""
        for row in TABLE:
            value = getattr(self, row.name)
            if value is not row.default:
                object.__setattr__(self, row.name, row.convert(value, row.name))
        self.check_tls()

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
