"""The machinery of the settings table: what kinds of values there are and how one option is described.

The table itself is `settings.py`. Nothing here knows a single option by name.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field
from typing import Any, Generic, TypeVar

from asgiworker.process.mistakes import SettingsError
from asgiworker.process.sockets import TcpAddress, parse_address

T = TypeVar("T")

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})
FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2, token
HSTS_AGE = re.compile(r"max-age=[0-9]{1,18}")
HSTS_SPELLING = {"includesubdomains": "includeSubDomains", "preload": "preload"}
HSTS_WORDS = frozenset(HSTS_SPELLING)
ORIGIN = re.compile(
    r"\*|null|[a-z][a-z0-9+.-]*://[^/?#@\s]+"
)  # RFC 6454 §6.2; extensions of browsers have their own scheme
FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 §5.5; anything else could split the response


class Refused(ValueError):
    """The item of a list that its kind does not take, with a clause that says why where that is not plain."""

    def __init__(self, item: object, reason: str = "") -> None:
        super().__init__(item)
        self.item = item
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of value: how anything given for it becomes a `T`, and how to say what it takes.

    `convert` is handed text (command line, environment) or a Python value (file, keyword) and raises
    `ValueError` or `TypeError` for what it does not take; `expects` completes the sentence "... takes ...".
    A `repeatable` kind collects several flags into a tuple; in the environment its items are separated.
    `written` gives a value's TOML where the usual one would read badly.
    """

    expects: str
    convert: Callable[[object], T]
    metavar: str = "TEXT"
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    separator: str = ","
    is_switch: bool = False
    written: Callable[[T], str] | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table. The environment variable and the file's key follow from `name`, the field."""

    name: str
    kind: Kind[Any]
    default: Any
    flags: tuple[str, ...]
    off_flags: tuple[str, ...]
    group: str
    help: str
    gunicorn: str | None
    secret: bool

    @property
    def variable(self) -> str:
        """The environment variable: `ASGIWORKER_KEEPALIVE` for `keepalive`."""
        return f"ASGIWORKER_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """How messages call the option on the command line: its first long flag; `APP` for the positional."""
        return next((flag for flag in self.flags if flag.startswith("--")), self.name.upper())

    def to_toml(self, value: Any) -> str:
        """`value` as the settings file has it."""
        return self.kind.written(value) if self.kind.written else as_toml(value)

    @property
    def shown_default(self) -> str:
        """The default for help and documentation; empty where there is nothing to show."""
        if self.default is None or self.default is False or self.default in ("", ()):
            return ""
        if isinstance(self.default, tuple):
            return ", ".join(self.default)
        return self.default if isinstance(self.default, str) else self.to_toml(self.default)

    def convert(self, value: object, place: str, *, usage: bool = False) -> Any:
        """`value` as this option has it. Raises `SettingsError`; `place` says where the value stands."""
        try:
            return self.kind.convert(value)
        except Refused as error:
            reason = f": {error.reason}" if error.reason else ""
            given = f"{error.item!r}{reason}"
        except (ValueError, TypeError):
            given = "this" if self.secret else repr(value)
        raise SettingsError(f"{place} takes {self.kind.expects}, not {given}.", usage=usage)


def option(
    default: T,
    *flags: str,
    kind: Kind[T],
    group: str,
    help: str,
    gunicorn: str | None = None,
    off: tuple[str, ...] = (),
    secret: bool = False,
    positional: bool = False,
) -> T:
    """Declare one dataclass field that is an option.

    Without `flags` the flag is the field's name (`limit_body`: `--limit-body`). `off` names flags without a
    value that set the option to None. `gunicorn` names the Gunicorn setting of the same meaning. `secret`
    values are never shown.
    """

    def described(name: str) -> Option:
        own = flags if flags or positional else ("--" + name.replace("_", "-"),)
        off_flags = (
            tuple(f"--no-{flag[2:]}" for flag in own if flag.startswith("--")) if kind.is_switch else off
        )
        return Option(name, kind, default, own, off_flags, group, help, gunicorn, secret)

    # Typed as the value, like `dataclasses.field` itself: annotation, default and kind must agree.
    return field(default=default, metadata={"described": described}, repr=not secret)


def table(described_fields: Iterable[Field[Any]]) -> tuple[Option, ...]:
    """The options among a dataclass's fields, in their order."""
    return tuple(each.metadata["described"](each.name) for each in described_fields if each.metadata)


# Kinds of values.


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None or value == "" else _text(value)


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = _text(value).strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError
    return value if isinstance(value, int) else int(_plain(value))


def _plain(digits: str) -> str:
    if "_" in digits:  # Python takes 1_000; nobody else who reads these does
        raise ValueError
    return digits


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError
    number = float(_plain(value) if isinstance(value, str) else value)
    if not 0 <= number <= 1e9:  # also refuses NaN
        raise ValueError
    return number


def _mask(value: object) -> int:
    """A umask as Gunicorn reads it: octal with a leading zero (`022`, `0o22`), otherwise decimal."""
    if isinstance(value, str):
        text = value.strip().lower()
        value = int(text, 8) if text[:1] == "0" and text[1:2] != "x" else int(text, 0)
    number = _whole(value)
    if not 0 <= number <= 0o777:
        raise ValueError
    return number


def _items(value: object, separator: str = ",") -> list[object]:
    if isinstance(value, str):
        return [item for item in (part.strip() for part in value.split(separator)) if item]
    if isinstance(value, Iterable):
        return list(value)
    raise ValueError


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(item) for item in _items(value))


def _files(value: object) -> tuple[str, ...]:
    return () if value is None else _texts(value)


def _port_address(value: object) -> str | None:
    """`[HOST:]PORT`, an address to listen on that may be a port alone."""
    if value is None or value == "":
        return None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value).strip()
    address = parse_address(f":{text}" if text.isdigit() else text)
    if not isinstance(address, TcpAddress) or not text.rpartition(":")[2].isdigit():
        raise ValueError
    return text


def _hsts(value: object) -> str | None:
    """RFC 6797 §6.1; the seconds alone stand for max-age."""
    if value is None or value == "":
        return None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if parts and parts[0].isdigit():
        parts[0] = f"max-age={parts[0]}"
    words = [part.lower() for part in parts]
    if not words or not HSTS_AGE.fullmatch(words[0]) or not HSTS_WORDS.issuperset(words[1:]):
        raise ValueError
    return "; ".join([words[0], *(HSTS_SPELLING[word] for word in words[1:])])


def _factory(value: object) -> Any:
    if callable(value):
        return value
    text = _optional_text(value)
    if text is not None and not all(text.partition(":")[::2]):
        raise ValueError
    return text


def _written_factory(value: Any) -> str:
    if callable(value):
        value = f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', value)}"
    return as_toml(value)


def _origins(value: object) -> tuple[str, ...]:
    """RFC 6454 §6.2, as browsers write it: lower-case, and without a default port."""
    origins = []
    for item in _items(value):
        origin = _text(item).strip().lower()
        if not ORIGIN.fullmatch(origin):
            raise Refused(item)
        origins.append(origin)
    return tuple(origins)


def _addresses(value: object) -> tuple[str, ...]:
    addresses = _texts(value)
    if not addresses:
        raise ValueError
    for address in addresses:
        try:
            parse_address(address)
        except ValueError as error:
            raise Refused(address, str(error)) from None
    return addresses


def _root_path(value: object) -> str:
    path = _text(value).rstrip("/")
    if path and not path.startswith("/"):
        raise ValueError
    return path


def _header(item: object) -> tuple[str, str]:
    if isinstance(item, str):
        name, colon, content = item.partition(":")
        if not colon:
            raise Refused(item)
    else:
        name, content = map(_text, _items(item))
    content = content.strip(" \t")
    if not FIELD_NAME.fullmatch(name) or not FIELD_VALUE.fullmatch(content):
        raise Refused(item)
    return name, content


def _headers(value: object) -> tuple[tuple[str, str], ...]:
    pairs = value.items() if isinstance(value, Mapping) else _items(value, "\n")
    return tuple(_header(pair) for pair in pairs)


def _peers(value: object) -> str:
    """A comma separated list of addresses, networks, `unix` and `*`, each in its usual spelling."""
    peers = []
    for item in _items(value):
        peer = _text(item)
        if peer not in ("*", "unix"):
            try:
                peer = str(ipaddress.ip_network(peer) if "/" in peer else ipaddress.ip_address(peer))
            except ValueError as error:
                raise Refused(peer, str(error)) from None
        peers.append(peer)
    return ",".join(peers)


HOST: Kind[str] = Kind("a host name or an IP address", _text, "HOST")
TEXT: Kind[str] = Kind("a text", _text)
NAME: Kind[str | None] = Kind("a name", _optional_text, "NAME")
PATH: Kind[str | None] = Kind("a path", _optional_text, "PATH")
DIRECTORY: Kind[str] = Kind("a directory", _text, "DIR")
SWITCH: Kind[bool] = Kind("true or false", _switch, "", is_switch=True)
SECONDS: Kind[float] = Kind("a number of seconds, 0 or more", _real, "SECONDS")
UMASK: Kind[int] = Kind("an octal mask such as 022", _mask, "MASK", written="0o{:03o}".format)
PATHS: Kind[tuple[str, ...]] = Kind("a list of paths", _texts, "PATH", repeatable=True)
FILES: Kind[tuple[str, ...]] = Kind("a list of paths", _files, "PATH", repeatable=True)
PATTERNS: Kind[tuple[str, ...]] = Kind("a list of patterns such as *.py", _texts, "PATTERN", repeatable=True)
HEADERS: Kind[tuple[tuple[str, str], ...]] = Kind(
    'header fields written as "Name: value"', _headers, "HEADER", repeatable=True, separator="\n"
)
ORIGINS: Kind[tuple[str, ...]] = Kind(
    'origins of web pages such as https://example.org, without a path, or "*"',
    _origins,
    "ORIGIN",
    repeatable=True,
)
PEERS: Kind[str] = Kind(
    'a comma separated list of IP addresses, networks such as 10.0.0.0/8, "unix" and "*"', _peers, "LIST"
)
ADDRESSES: Kind[tuple[str, ...]] = Kind(
    "HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or fd://N", _addresses, "ADDRESS", repeatable=True
)
PORT_ADDRESS: Kind[str | None] = Kind("PORT or HOST:PORT", _port_address, "[HOST:]PORT")
HSTS: Kind[str | None] = Kind(
    "seconds, and includeSubDomains and preload after semicolons, such as 31536000; includeSubDomains",
    _hsts,
    "SECONDS",
)
FACTORY: Kind[Any] = Kind("module:function", _factory, "MODULE:FUNCTION", written=_written_factory)
ROOT_PATH: Kind[str] = Kind("a path that begins with /", _root_path, "PATH")


def whole_number(least: int, most: int | None = None, metavar: str = "N") -> Kind[int]:
    """Whole numbers from `least` to `most`, both included."""

    def convert(value: object) -> int:
        number = _whole(value)
        if number < least or (most is not None and number > most):
            raise ValueError
        return number

    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    return Kind(f"a whole number {bounds}", convert, metavar)


def choice(*words: str, also: Mapping[object, str] | None = None) -> Kind[Any]:
    """One of `words`, in any case; `also` maps other spellings to one of them."""
    spellings: dict[object, str] = {**{word: word for word in words}, **(also or {})}

    def convert(value: object) -> str:
        if isinstance(value, bool):  # True is 1 as a key; nobody means that here
            raise ValueError
        key = value.strip().lower() if isinstance(value, str) else value
        if key not in spellings:
            raise ValueError
        return spellings[key]

    return Kind("one of " + ", ".join(words), convert, "|".join(words), choices=words)


def as_toml(value: object) -> str:
    """A value as the settings file has it; None, which TOML lacks, is the empty text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, tuple):
        return (
            "["
            + ", ".join(as_toml(": ".join(each) if isinstance(each, tuple) else each) for each in value)
            + "]"
        )
    # A JSON string is a TOML string, but for DEL, which JSON leaves as it is.
    return json.dumps("" if value is None else value, ensure_ascii=False).replace("\x7f", "\\u007f")
