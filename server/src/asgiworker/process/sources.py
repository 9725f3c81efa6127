"""Where settings are written down: arguments, the environment, a file, a platform's variables.

Each source becomes a `Layer` of converted values that remembers where each of them stands, so that a mistake
can be pointed at. Which layer wins is decided in `settings`; the options are handed in as a table.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asgiworker.process.mistakes import SettingsError
from asgiworker.process.options import Option
from asgiworker.process.sockets import FdAddress, TcpAddress, UnixAddress

PREFIX = "ASGIWORKER_"
CONFIG_VARIABLE = "ASGIWORKER_CONFIG"
PROJECT_TABLE = re.compile(r"^[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*asgiworker[ \t]*\]", re.MULTILINE)

Known = Mapping[str, Option]


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source gives, and where each value stands there."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def add(self, row: Option, value: object, origin: str, place: str = "", *, usage: bool = False) -> None:
        """Convert and take a value. `place` begins a complaint where the origin alone would not do."""
        self.values[row.name] = row.convert(value, place or origin, usage=usage)
        self.origins[row.name] = origin


def arguments_given(known: Known, arguments: Mapping[str, object], *, command_line: bool) -> Layer:
    """Keyword arguments, or the parsed command line."""
    layer = Layer()
    for name, value in arguments.items():
        if name not in known:
            raise _unknown(f"There is no setting {name}", nearest(known, name))
        row = known[name]
        layer.add(row, value, row.flag if command_line else f"{name}=", usage=command_line)
    return layer


def environment(known: Known, environ: Mapping[str, str]) -> Layer:
    """The `ASGIWORKER_*` variables."""
    layer = Layer()
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        row = known.get(variable.removeprefix(PREFIX).lower())
        if row is None or row.variable != variable:
            close = nearest(known, variable.removeprefix(PREFIX))
            message = f"The environment variable {variable} belongs to no setting"
            raise _unknown(message, known[close].variable if close else "")
        layer.add(row, value.split(row.kind.separator) if row.kind.repeatable else value, variable)
    return layer


def settings_file(known: Known, path: Path) -> Layer:
    """`asgiworker.toml`, or the table `[tool.asgiworker]` of a `pyproject.toml`."""
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"The settings file {path} can't be read: {error.strerror}.") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"{path.name} is not valid TOML: {error}.") from None
    start = 0
    if path.name == "pyproject.toml":
        document = document.get("tool", {}).get("asgiworker", {})
        head = PROJECT_TABLE.search(text)
        start = head.end() if head else 0
    layer = Layer()
    for key, value in document.items():
        origin = f"{path.name}, line {_line_of(key, text, start)}"
        name = key.replace("-", "_")
        if name not in known:
            raise _unknown(f"{origin}: there is no setting {key}", nearest(known, name))
        layer.add(known[name], value, origin, f"{origin}: {key}")
    return layer


def platform(known: Known, environ: Mapping[str, str]) -> Layer:
    """Variables that hosting platforms set, and that Gunicorn takes its defaults from."""
    layer = Layer()
    if "WEB_CONCURRENCY" in environ:
        layer.add(known["workers"], environ["WEB_CONCURRENCY"], "WEB_CONCURRENCY")
    if "FORWARDED_ALLOW_IPS" in environ:
        layer.add(known["forwarded_allow_ips"], environ["FORWARDED_ALLOW_IPS"], "FORWARDED_ALLOW_IPS")
    if "PORT" in environ:
        port = known["port"].convert(environ["PORT"], "PORT")
        layer.add(known["bind"], f"0.0.0.0:{port}", "PORT")
    return layer


def addresses(known: Known, layers: Sequence[Layer]) -> tuple[tuple[str, ...], str] | None:
    """The addresses to listen on and their origin, from the first layer that says anything about them.

    The missing half of a host or port comes from the layers below it, then from the default.
    """
    for position, layer in enumerate(layers):
        given = [name for name in ("bind", "host", "port", "uds", "fd") if name in layer.values]
        if not given:
            continue
        found = list(layer.values.get("bind", ()))
        if "host" in given or "port" in given:
            below = layers[position:]
            host, port = (
                next((each.values[name] for each in below if name in each.values), known[name].default)
                for name in ("host", "port")
            )
            found.append(str(TcpAddress(host.strip("[]"), port)))
        if layer.values.get("uds"):
            found.append(str(UnixAddress(layer.values["uds"])))
        if "fd" in given:
            found.append(str(FdAddress(layer.values["fd"])))
        if not found:  # uds is there, and empty
            continue
        return tuple(found), ", ".join(layer.origins[name] for name in given)
    return None


def find_file(directory: Path, environ: Mapping[str, str]) -> Path | None:
    """The settings file of a directory.

    What `ASGIWORKER_CONFIG` names, else `asgiworker.toml`, else a `pyproject.toml` with `[tool.asgiworker]`.
    """
    if environ.get(CONFIG_VARIABLE):
        return directory / environ[CONFIG_VARIABLE]
    own = directory / "asgiworker.toml"
    if own.is_file():
        return own
    project = directory / "pyproject.toml"
    if project.is_file() and PROJECT_TABLE.search(project.read_text("utf-8", "replace")):
        return project
    return None


def nearest(known: Known, name: str) -> str:
    """The setting whose name, or one of whose flags, is most like `name`; empty if none is."""
    spellings: dict[str, str] = {}
    for row in known.values():
        flags = (flag.lstrip("-").replace("-", "_") for flag in (*row.flags, *row.off_flags))
        spellings.update(dict.fromkeys((row.name, *flags), row.name))
    close = difflib.get_close_matches(name.lower(), spellings, 1, 0.6)
    return spellings[close[0]] if close else ""


def _line_of(key: str, text: str, start: int) -> int:
    """The line on which `key` is set, looked for from `start` on; TOML parsers don't tell."""
    written = re.compile(rf"^[ \t\[]*[\"']?{re.escape(key)}\b", re.MULTILINE).search(text, start)
    return text.count("\n", 0, written.start() if written else start) + 1


def _unknown(message: str, close: str) -> SettingsError:
    hint = f"Did you mean {close}?" if close else "asgiworker --print-config shows them all."
    return SettingsError(f"{message}.", hint)


ENV_LINE = re.compile(
    r"""(?:export[ \t]+)?(?P<key>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*
    (?: '(?P<literal>[^']*)' | "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<bare>[^'"].*?|) )
    [ \t]* (?: (?<=\s)\#.* )?""",
    re.VERBOSE,
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def env_file(path: Path) -> dict[str, str]:
    """The variables of a file of `KEY=VALUE` lines.

    A line may begin with `export`; a value may stand in single quotes, taken literally, or in double quotes,
    with backslash escapes; `#` after a blank begins a comment.

    Raises `SettingsError` with file and line.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise SettingsError(f"The file {path} can't be read: {error.strerror}.", "See --env-file.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"The file {path} is not UTF-8.", "See --env-file.") from None
    variables: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = ENV_LINE.fullmatch(line)
        if match is None:
            raise SettingsError(f"{path.name}, line {number} is not KEY=VALUE.", "See --env-file.")
        if match["quoted"] is not None:
            value = re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape[1], escape[1]), match["quoted"])
        else:
            value = match["literal"] if match["literal"] is not None else match["bare"]
        variables[match["key"]] = value
    return variables
