"""The lines of the access log: what an entry holds, and the functions that write entries out.

The format is Gunicorn's (`%(h)s %(l)s …`), from which one function is compiled; or "json" for one JSON object
a line (RFC 8259). Whatever came from the peer is escaped, so that no request can forge a line or drive a
terminal.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from asgiworker.process.logs import UNPRINTABLE, LogError, code

Fields = Sequence[tuple[bytes, bytes]]
Entry = tuple[float, float, tuple[str, int | None] | None, str, bytes, str, int, int, Fields, Fields]
Formatter = Callable[[Iterable[Entry]], list[str]]


class AccessEntry(NamedTuple):
    """One finished exchange. The hot path appends a plain tuple of this shape.

    Attributes:
        time: when it ended, in seconds since the epoch.
        duration: how long it took, in seconds.
        client: host and port of the peer; None on a UNIX socket.
        method: the method, such as "GET"; "" if the request had none that could be read.
        target: the request target as it was sent, with its query; b"" likewise.
        http_version: "1.1" and the like.
        status: the status of the response.
        sent: bytes of the response's body that were sent.
        request: the fields of the request, names in lower case.
        response: the fields of the response.
    """

    time: float
    duration: float
    client: tuple[str, int | None] | None
    method: str
    target: bytes
    http_version: str
    status: int
    sent: int
    request: Fields
    response: Fields


# --- text from the peer ----------------------------------------------------------------------------------

# What an atom must not contain: beside the unprintable, the quote that ends it and the backslash that starts
# an escape.
UNSAFE = re.compile(rf'{UNPRINTABLE.pattern}|[\t\n"\\]')
ESCAPE = re.compile(r"\\(?:x..|u.{4}|U.{8})")

CONTROL = re.compile(rf"{UNPRINTABLE.pattern}|[\t\n]")

# PERF: translate() returns the very same object if no byte changes, which tells that there is nothing to
# escape in a third of the time of a regular expression. This table changes each byte that must be escaped or
# isn't ASCII.
PLAIN = bytes(byte if 0x20 <= byte < 0x7F and byte not in b'"\\' else (byte + 1) % 256 for byte in range(256))


def escaped(value: bytes | str) -> str:
    """The value as it may stand between quotes in a line. Bytes are Latin-1, as in Gunicorn's log."""
    return UNSAFE.sub(code, value if isinstance(value, str) else value.decode("latin-1"))


def shown(value: bytes | str) -> str:
    """The value with nothing but its control characters escaped, for those who quote it themselves."""
    text = value if isinstance(value, str) else value.decode("latin-1")
    return text if text.isprintable() else CONTROL.sub(code, text)


def quoted(value: bytes | str) -> str:
    r"""The value as a JSON string of ASCII. Bytes are UTF-8; one that isn't, reads \xNN in the text."""
    data = value.encode("utf-8", "backslashreplace") if isinstance(value, str) else value
    return encode_basestring_ascii(data.decode("utf-8", "backslashreplace"))


def decoded_path(path: bytes) -> str:
    """The path with its percent-encodings decoded, as the application sees it."""
    return unquote_to_bytes(path).decode("utf-8", "replace")


def path_of(target: bytes) -> bytes:
    """The path in a request target without query, in absolute-form (RFC 9112 §3.2.2) too."""
    _, separator, rest = target.partition(b"://")
    if target.startswith(b"/") or not separator:
        return target
    slash = rest.find(b"/")
    return rest[slash:] if slash >= 0 else b"/"


def folded(fields: Fields) -> dict[bytes, bytes]:
    """The fields by name, repeated ones joined (RFC 9110 §5.3)."""
    joined: dict[bytes, bytes] = {}
    for name, value in fields:
        joined[name] = joined[name] + b"," + value if name in joined else value
    return joined


def basic_user(authorization: bytes) -> str:
    """The user's name in a Basic Authorization field (RFC 7617 §2), not escaped; "" if there is none.

    As lenient as Gunicorn, so that both name the same user.
    """
    scheme, separator, credentials = authorization.partition(b" ")
    if not separator or not scheme.lower().startswith(b"basic"):
        return ""
    try:
        return base64.b64decode(credentials.strip()).partition(b":")[0].decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


class Remembered(dict[Any, str]):
    """Texts made once of values that come again and again: user agents, hosts, methods. Bounded, to 1 MiB."""

    __slots__ = ("_make",)

    VALUES = 1024
    LENGTH = 512

    def __init__(self, make: Callable[[Any], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, value: Any) -> str:
        """Make the text of a value that isn't known."""
        text = self._make(value)
        if len(value) <= self.LENGTH:
            if len(self) >= self.VALUES:
                self.clear()
            self[value] = text
        return text


# --- Gunicorn's atoms ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Atom:
    """How the value of an atom is computed.

    Attributes:
        text: what stands for it in an f-string.
        needs: the steps that must come before, by their names in `STEPS`.
        number: the value is a whole number, so `%(atom)d` works.
    """

    text: str
    needs: tuple[str, ...] = ()
    number: bool = False


# The lines of the compiled function, in the order in which they may need each other. All names are local to
# it, or those of an entry, or given to it in `compiled`.
STEPS: Mapping[str, tuple[str, ...]] = {
    "second": ("if int(at) != second:", "    second = int(at)", "    stamp = clock(second)"),
    "host": ('host = names[client[0]] if client else "-"',),
    "port": ('port = client[1] if client and client[1] is not None else "-"',),
    "verb": ("verb = names[method]",),
    "version": ("version = names[version]",),
    "target": ('text = (target.decode() if target.translate(PLAIN) is target else escaped(target)) or "-"',),
    "parts": (
        'path, _, query = target.partition(b"?")',
        'if not path.startswith(b"/"):',
        "    path = path_of(path)",
    ),
    "path": ('path = escaped(decoded_path(path)) or "-"',),
    "query": ("query = query.decode() if query.translate(PLAIN) is query else escaped(query)",),
    "fields": (
        "last = fields = dict(request)",
        "if len(last) != len(request):",
        "    fields = folded(request)",
    ),
    "answered": ("answered = {name.lower(): value for name, value in response}",),
    "user": (
        'user = fields.get(b"authorization")',
        'user = escaped(basic_user(user)) or "-" if user else "-"',
    ),
    "referer": ('referer = fields.get(b"referer")', 'referer = "-" if referer is None else values[referer]'),
    "agent": ('agent = fields.get(b"user-agent")', 'agent = "-" if agent is None else values[agent]'),
    "micros": ("micros = round(duration * 1000000)",),
}

ATOMS: Mapping[str, Atom] = {
    "h": Atom("{host}", ("host",)),
    "l": Atom("-"),
    "u": Atom("{user}", ("fields", "user")),
    "t": Atom("{stamp}", ("second",)),
    "r": Atom("{verb} {text} HTTP/{version}", ("verb", "target", "version")),
    "s": Atom("{status}"),
    "m": Atom("{verb}", ("verb",)),
    "U": Atom("{path}", ("parts", "path")),
    "q": Atom("{query}", ("parts", "query")),
    "H": Atom("HTTP/{version}", ("version",)),
    "b": Atom("{sent}"),
    "B": Atom("{sent}", number=True),
    "f": Atom("{referer}", ("fields", "referer")),
    "a": Atom("{agent}", ("fields", "agent")),
    "T": Atom("{micros // 1000000}", ("micros",), number=True),
    "M": Atom("{micros // 1000}", ("micros",), number=True),
    "D": Atom("{micros}", ("micros",), number=True),
    "L": Atom("{micros // 1000000}.{micros % 1000000:06d}", ("micros",)),
    "p": Atom("<{pid}>"),
}

# %({name}e)s: what a WSGI environment would hold and an entry tells, beside the fields of the request.
ENVIRONMENT: Mapping[str, Atom] = {
    "request_method": ATOMS["m"],
    "raw_uri": Atom("{text}", ("target",)),
    "path_info": ATOMS["U"],
    "query_string": ATOMS["q"],
    "server_protocol": ATOMS["H"],
    "remote_addr": ATOMS["h"],
    "remote_port": Atom("{port}", ("port",)),
}

# The fields whose variables aren't called HTTP_ (RFC 3875 §4.1.2, §4.1.3).
UNPREFIXED = frozenset(("content-type", "content-length"))

# The letter after {name}: the step that collects the fields, and where it keeps them. As in Gunicorn, of a
# repeated field the atom has the last, and the variable all of them.
FIELDS: Mapping[str, tuple[str, str]] = {
    "}i": ("fields", "last"),
    "}e": ("fields", "fields"),
    "}o": ("answered", "answered"),
}

UNKNOWN = Atom("-")

# printf-style formatting as Python has it, for a mapping.
CONVERSION = re.compile(
    r"%(?:\((?P<name>[^()]*)\))?(?P<flags>[#0\- +]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?[hlL]?"
    r"(?P<type>.?)",
    re.DOTALL,
)
# Not r and a: their quotes would depend on the value. Not c: some numbers are line feeds.
FOR_TEXT = frozenset("s")
FOR_NUMBERS = frozenset("sdiuoxXeEfFgG")


def cut(text: str, length: int) -> str:
    """At most that many characters of an escaped text, never half an escape."""
    if len(text) <= length:
        return text
    start = text.rfind("\\", 0, length)
    escape = ESCAPE.match(text, start) if start >= 0 else None
    return text[:start] if escape and escape.end() > length else text[:length]


def clock(second: int) -> str:
    """The second in the Common Log Format, local time."""
    return time.strftime("[%d/%b/%Y:%H:%M:%S %z]", time.localtime(second))


def source(line: str) -> str:
    """The function that formats entries, as Python source.

    Raises `LogError` for what isn't a format.
    """
    steps: dict[str, tuple[str, ...]] = {}
    parts: list[str] = []
    end = 0
    for match in CONVERSION.finditer(line):
        parts.append(repr(line[end : match.start()]))
        end = match.end()
        if match[0] == "%%":
            parts.append("'%'")
            continue
        atom = _atom(match, steps)
        steps.update((name, STEPS[name]) for name in atom.needs)
        parts.append(_converted(match, atom, steps))
    parts.append(repr(line[end:]))
    order = [*STEPS, *(name for name in steps if name not in STEPS)]
    body = [each for name in order if name in steps for each in steps[name]]
    return "\n".join(
        (
            "def lines(entries):",
            "    made = []",
            "    second = stamp = None",
            "    pid = getpid()",
            "    for entry in entries:",
            "        at, duration, client, method, target, version, status, sent, request, response = entry",
            *(f"        {each}" for each in body),
            f"        made.append({' '.join(part for part in parts if part != repr('')) or repr('')})",
            "    return made",
            "",
        )
    )


def _atom(match: re.Match[str], steps: dict[str, tuple[str, ...]]) -> Atom:
    """The atom that is meant; a field gets its own step."""
    name = match["name"]
    if name is None:
        raise LogError(
            f"The access log format has {match[0]!r} at position {match.start()}, which names no atom.",
            "Write %(h)s and the like, and %% for a percent sign (--access-logformat).",
        )
    if name.startswith("{"):
        return _field(name[1:-2].lower(), name[-2:], steps)
    return ATOMS.get(name, UNKNOWN)


def _field(name: str, kind: str, steps: dict[str, tuple[str, ...]]) -> Atom:
    """The atom of a field (i, o) or of a variable (e). A field gets a step of its own."""
    if kind == "}e":
        if name in ENVIRONMENT:
            return ENVIRONMENT[name]
        name = _held_field(name)
    if kind not in FIELDS or not name:
        return UNKNOWN
    needed, fields = FIELDS[kind]
    steps[needed] = STEPS[needed]
    value = f"field_{len(steps)}"
    steps[value] = (
        f"{value} = {fields}.get({name.encode('latin-1', 'replace')!r})",
        f"if {value} is None:",
        f'    {value} = "-"',
        "else:",
        f"    {value} = {value}.decode() if {value}.translate(PLAIN) is {value} else escaped({value})",
    )
    return Atom(f"{{{value}}}")


def _held_field(variable: str) -> str:
    """The name of the field that a variable holds; "" if it holds none."""
    name = variable.replace("_", "-")
    if name in UNPREFIXED:
        return name
    field = name.removeprefix("http-")
    return field if field != name and field not in UNPREFIXED else ""


def _converted(match: re.Match[str], atom: Atom, steps: dict[str, tuple[str, ...]]) -> str:
    """The conversion as a piece of the f-string that makes the line."""
    letter, precision = match["type"], match["precision"]
    number = atom.number and letter != "s"
    if letter not in (FOR_NUMBERS if atom.number else FOR_TEXT):
        raise LogError(
            f"The access log format has {match[0]!r} at position {match.start()}; no value is written so.",
            "Use %(…)s; %(…)d is for T, M, D and B (--access-logformat).",
        )
    spec = f"%{match['flags']}{match['width']}"
    if spec == "%" and letter == "s" and precision is None:
        return f'f"{atom.text}"'
    value = atom.text[1:-1] if number else f'f"{atom.text}"'
    if precision is not None:
        if number:
            spec = f"{spec}.{precision}"
        else:
            value = f"cut({value}, {int(precision or 0)})"
    name = f"part_{len(steps)}"
    steps[name] = (f"{name} = {spec + letter!r} % ({value},)",)
    return f'f"{{{name}}}"'


def compiled(line: str) -> Formatter:
    """The function that formats entries as such lines."""
    names: dict[str, Any] = {
        "PLAIN": PLAIN,
        "basic_user": basic_user,
        "clock": clock,
        "cut": cut,
        "decoded_path": decoded_path,
        "escaped": escaped,
        "folded": folded,
        "getpid": os.getpid,
        "names": Remembered(lambda name: escaped(name) or "-"),
        "path_of": path_of,
        "values": Remembered(escaped),
    }
    exec(compile(source(line), "<access log format>", "exec"), names)
    lines: Formatter = names["lines"]
    return lines


# --- JSON lines ------------------------------------------------------------------------------------------


def json_lines() -> Formatter:
    """The function that formats each entry as a JSON object.

    Members: time, client, method, path, query, status, bytes, duration, protocol; and where there is one,
    request_id (of the request, else of the response), referer, user_agent.
    """
    names = Remembered(quoted)
    protocols = Remembered(lambda version: quoted(f"HTTP/{version}"))
    values = Remembered(quoted)

    def lines(entries: Iterable[Entry]) -> list[str]:
        made: list[str] = []
        second = tick = -1
        day = moment = ""
        for at, duration, client, method, target, version, status, sent, request, response in entries:
            # PERF: formatting the time costs 0.3 µs, and under load many entries share their millisecond.
            if int(at * 1000) != tick:
                tick = int(at * 1000)
                if tick // 1000 != second:
                    second = tick // 1000
                    day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
                moment = f"{day}.{tick % 1000:03d}Z"
            path, _, query = target.partition(b"?")
            if not path.startswith(b"/"):
                path = path_of(path)
            # PERF: plain bytes between quotes are JSON as they are; quoted() is four times as dear.
            where = path.decode() if path.translate(PLAIN) is path else quoted(path)[1:-1]
            what = query.decode() if query.translate(PLAIN) is query else quoted(query)[1:-1]
            fields = dict(request)
            identity = fields.get(b"x-request-id")
            if identity is None:
                for name, value in response:
                    if len(name) == 12 and name.lower() == b"x-request-id":
                        identity = value
            tail = ""
            if identity is not None:
                plain = identity.translate(PLAIN) is identity
                tail = (
                    f',"request_id":"{identity.decode()}"' if plain else f',"request_id":{quoted(identity)}'
                )
            if b"referer" in fields:
                tail = f'{tail},"referer":{values[fields[b"referer"]]}'
            if b"user-agent" in fields:
                tail = f'{tail},"user_agent":{values[fields[b"user-agent"]]}'
            made.append(
                f'{{"time":"{moment}"'
                f',"client":{names[client[0]] if client else "null"},"method":{names[method]}'
                f',"path":"{where}","query":"{what}","status":{status},"bytes":{sent},"duration":{duration:.6f}'
                f',"protocol":{protocols[version]}{tail}}}'
            )
        return made

    return lines
