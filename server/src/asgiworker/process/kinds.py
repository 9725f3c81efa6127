"""What kinds of values the settings have: how anything given for one becomes it, and how it is written.

Nothing here knows a single setting by name.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from asgiworker.process.sockets import TcpAddress, parse_address

T = TypeVar("T")


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


# --- texts and paths ----------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None or value == "" else _text(value)


TEXT: Kind[str] = Kind("a text", _text)
NAME: Kind[str | None] = Kind("a name", _optional_text, "NAME")
PATH: Kind[str | None] = Kind("a path", _optional_text, "PATH")
DIRECTORY: Kind[str] = Kind("a directory", _text, "DIR")


# --- switches, words and numbers ----------------------------------------------------------------------------

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = _text(value).strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError


SWITCH: Kind[bool] = Kind("true or false", _switch, "", is_switch=True)


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


def whole_number(least: int, most: int | None = None, metavar: str = "N") -> Kind[int]:
    """Whole numbers from `least` to `most`, both included."""

    def convert(value: object) -> int:
        number = _whole(value)
        if number < least or (most is not None and number > most):
            raise ValueError
        return number

    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    return Kind(f"a whole number {bounds}", convert, metavar)


COUNT = whole_number(0)
BYTES = whole_number(0, metavar="BYTES")
DESCRIPTOR: Kind[int | None] = Kind("the number of an open file descriptor", COUNT.convert, "N")
SECONDS: Kind[float] = Kind("a number of seconds, 0 or more", _real, "SECONDS")
UMASK: Kind[int] = Kind("an octal mask such as 022", _mask, "MASK", written="0o{:03o}".format)


# --- lists --------------------------------------------------------------------------------------------------


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


PATHS: Kind[tuple[str, ...]] = Kind("a list of paths", _texts, "PATH", repeatable=True)
FILES: Kind[tuple[str, ...]] = Kind("a list of paths", _files, "PATH", repeatable=True)
PATTERNS: Kind[tuple[str, ...]] = Kind("a list of patterns such as *.py", _texts, "PATTERN", repeatable=True)


# --- addresses, to listen on and of others ------------------------------------------------------------------


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


def _port_address(value: object) -> str | None:
    """`[HOST:]PORT`, an address to listen on that may be a port alone."""
    if value is None or value == "":
        return None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value).strip()
    address = parse_address(f":{text}" if text.isdigit() else text)
    if not isinstance(address, TcpAddress) or not text.rpartition(":")[2].isdigit():
        raise ValueError
    return text


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
ADDRESSES: Kind[tuple[str, ...]] = Kind(
    "HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH or fd://N", _addresses, "ADDRESS", repeatable=True
)
PORT_ADDRESS: Kind[str | None] = Kind("PORT or HOST:PORT", _port_address, "[HOST:]PORT")
PEERS: Kind[str] = Kind(
    'a comma separated list of IP addresses, networks such as 10.0.0.0/8, "unix" and "*"', _peers, "LIST"
)


# --- what stands in requests and responses ------------------------------------------------------------------

FIELD_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 §5.6.2, token
FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 §5.5; anything else could split the response


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


# RFC 6454 §6.2; extensions of browsers have their own scheme.
ORIGIN = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/?#@\s]+")


def _origins(value: object) -> tuple[str, ...]:
    """RFC 6454 §6.2, as browsers write it: lower-case, and without a default port."""
    origins = []
    for item in _items(value):
        origin = _text(item).strip().lower()
        if not ORIGIN.fullmatch(origin):
            raise Refused(item)
        origins.append(origin)
    return tuple(origins)


HSTS_AGE = re.compile(r"max-age=[0-9]{1,18}")
HSTS_SPELLING = {"includesubdomains": "includeSubDomains", "preload": "preload"}
HSTS_WORDS = frozenset(HSTS_SPELLING)


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


def _root_path(value: object) -> str:
    path = _text(value).rstrip("/")
    if path and not path.startswith("/"):
        raise ValueError
    return path


HEADERS: Kind[tuple[tuple[str, str], ...]] = Kind(
    'header fields written as "Name: value"', _headers, "HEADER", repeatable=True, separator="\n"
)
ORIGINS: Kind[tuple[str, ...]] = Kind(
    'origins of web pages such as https://example.org, without a path, or "*"',
    _origins,
    "ORIGIN",
    repeatable=True,
)
HSTS: Kind[str | None] = Kind(
    "seconds, and includeSubDomains and preload after semicolons, such as 31536000; includeSubDomains",
    _hsts,
    "SECONDS",
)
ROOT_PATH: Kind[str] = Kind("a path that begins with /", _root_path, "PATH")


# --- functions ----------------------------------------------------------------------------------------------


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


FACTORY: Kind[Any] = Kind("module:function", _factory, "MODULE:FUNCTION", written=_written_factory)


# --- how a value is written ---------------------------------------------------------------------------------


def as_toml(value: object) -> str:
    """A value as the settings file has it; None, which TOML lacks, is the empty text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(int(value) if value == int(value) else value)
    if isinstance(value, tuple):
        items = (": ".join(each) if isinstance(each, tuple) else each for each in value)
        return f"[{', '.join(map(as_toml, items))}]"
    # A JSON string is a TOML string, but for DEL, which JSON leaves as it is.
    return json.dumps("" if value is None else value, ensure_ascii=False).replace("\x7f", "\\u007f")
