"""Gunicorn's configuration, as our settings: what it decides, what it hands over, what it has no say in here.

A setting of Gunicorn's is one of three things:

- Gunicorn acts on it itself, and this server has nothing to do with it;
- this server honours it: the settings table names it (`gunicorn=`);
- it means nothing here, and whoever changed it is told so: `UNHEEDED`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asgiworker.process import sources
from asgiworker.process.settings import KNOWN, TABLE, Settings

# What Gunicorn's arbiter does or loads by itself, under our names. Its word holds, its default included; what
# our environment or file says of these can't have an effect.
ARBITERS = frozenset((
    "app", "app_dir", "factory", "env_file",
    "reload", "reload_dirs", "reload_include", "reload_exclude", "reload_extra_files",
    "bind", "host", "port", "uds", "fd", "backlog", "reuse_port", "umask",
    "workers", "timeout", "graceful_timeout", "preload", "pid", "chdir", "user", "group",
    "accesslog", "errorlog", "log_level",
))  # fmt: skip
# Of these, what the worker has to know, too.
SHARED = ("backlog", "timeout", "graceful_timeout", "accesslog")

# Gunicorn trusts every peer on a UNIX socket.
PEERS = ("forwarded_allow_ips", "proxy_allow_ips")

# Gunicorn's settings that have no effect here, and why, or what to use instead.
UNHEEDED: Mapping[str, str] = {
    "threads": "one thread serves all requests; for more processes there is workers",
    "http_parser": "there is one parser",
    "asgi_disconnect_grace_period": "an application is not cancelled when its client goes away,"
    " but for ASGIWORKER_CANCEL_ON_DISCONNECT=true, which does so at once",
    "http_protocols": "HTTP/2 is spoken beside HTTP/1.1; not so with ASGIWORKER_HTTP2=false",
    "http2_cleartext": "see ASGIWORKER_H2C: auto, on or off; an Upgrade to h2c is ignored (RFC 9113 §3.1)",
    "http2_max_header_list_size": "see ASGIWORKER_LIMIT_REQUEST_HEAD",
    "protocol": "HTTP is all that is spoken",
    "uwsgi_allow_ips": "the uwsgi protocol is not spoken",
    "permit_obsolete_folding": "a folded field is refused (RFC 9112 §5.2)",
    "strip_header_spaces": "blanks before the colon are refused (RFC 9112 §5.1)",
    "permit_unconventional_http_method": "any token is a method (RFC 9110 §9.1)",
    "permit_unconventional_http_version": "1.0 and 1.1 are all there is",
    "casefold_http_method": "methods are case-sensitive (RFC 9110 §9.1)",
    "forwarder_headers": "an ASGI application sees fields, not variables; there is nothing to override",
    "header_map": "an ASGI application sees fields, not variables; there is nothing to map",
    "secure_scheme_headers": "the scheme is taken from X-Forwarded-Proto and Forwarded",
    "sendfile": "files are sent as the application asks: by http.response.pathsend or zerocopysend",
    "tmp_upload_dir": "request bodies are handed to the application as they come",
    "ssl_version": "TLS 1.2 and 1.3 are spoken; ASGIWORKER_TLS_MINIMUM=1.3 leaves the latter",
    "suppress_ragged_eofs": "a TLS connection that ends without its close_notify is just over",
    "do_handshake_on_connect": "the loop does the handshake, within ASGIWORKER_TIMEOUT_HANDSHAKE",
}


def changed(cfg: Any, name: str) -> bool:
    """Whether the setting of Gunicorn's was given, and isn't what Gunicorn has by default."""
    setting = cfg.settings[name]
    return bool(setting.get() != type(setting)().get())


def unheeded(cfg: Any) -> Iterator[str]:
    """A sentence on each setting that was changed in vain."""
    for name, reason in UNHEEDED.items():
        if name in cfg.settings and changed(cfg, name):
            yield f"Gunicorn's setting {name} has no effect here: {reason}."
    if cfg.reload and cfg.preload_app:
        yield "Gunicorn's setting reload has no effect with preload_app: the application is loaded only once."


def misplaced(environ: Mapping[str, str], directory: Path) -> list[str]:
    """Where in our environment and file something is set that is Gunicorn's to decide."""
    return [
        origin if origin in environ else f"{origin} ({name})"
        for layer in _layers(environ, directory)
        for name, origin in layer.origins.items()
        if name in ARBITERS
    ]


def _layers(environ: Mapping[str, str], directory: Path) -> Iterator[sources.Layer]:
    yield sources.environment(KNOWN, environ)
    if file := sources.find_file(directory, environ):
        yield sources.settings_file(KNOWN, file)


def resolve(cfg: Any, environ: Mapping[str, str], directory: Path) -> Settings:
    """The settings of a worker under Gunicorn.

    A setting that Gunicorn was given wins over `ASGIWORKER_*`, that over the file, and that over our default;
    one that Gunicorn was not given has our default, not its own. But where that would surprise whoever knows
    Gunicorn, its default holds: what the arbiter acts on, and whom the server trusts.

    Raises `SettingsError`.
    """
    given: dict[str, Any] = {}
    for row in TABLE:
        if row.gunicorn is None:
            continue
        value = cfg.settings[row.gunicorn].get()
        if row.name in SHARED:
            given[row.name] = value
        elif row.name not in ARBITERS and changed(cfg, row.gunicorn):
            given[row.name] = _trusted(value) if row.name in PEERS else value
    if changed(cfg, "worker_connections"):
        given["limit_connections"] = cfg.worker_connections
    settings = Settings.load(given, environ, sources.find_file(directory, environ))
    if settings.origin("forwarded_allow_ips") in ("default", "FORWARDED_ALLOW_IPS"):
        settings = dataclasses.replace(settings, forwarded_allow_ips=_trusted(cfg.forwarded_allow_ips))
    return settings


def _trusted(peers: list[str]) -> str:
    return ",".join([*peers, "unix"])
