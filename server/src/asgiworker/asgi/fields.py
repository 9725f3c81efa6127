"""The header fields of a response: checked against RFC 9110 §5, and what the server has to know of them.

A field that an application sends again and again (`content-type: application/json`, the usual lengths) is
checked and rendered once: `FIELDS` remembers it.
"""

from __future__ import annotations

import re
from enum import Enum

from asgiworker.asgi.errors import ApplicationError
from asgiworker.asgi.types import Headers

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# CR, LF and NUL would split or cut a head; clients drop a response with any other of these.
FORBIDDEN_IN_VALUE = bytes({*range(32), 127} - {*b"\t"})
BLANKS = b" \t"  # RFC 9110 §5.5: around a value they don't belong to it; HTTP/2 forbids them


class Special(Enum):
    """The response fields that the server has a hand in."""

    CONTENT_LENGTH = "content-length"
    TRANSFER_ENCODING = "transfer-encoding"
    CONNECTION = "connection"
    DATE = "date"
    SERVER = "server"


SPECIAL = {
    b"content-length": Special.CONTENT_LENGTH,
    b"transfer-encoding": Special.TRANSFER_ENCODING,
    b"connection": Special.CONNECTION,
    b"keep-alive": Special.CONNECTION,
    b"proxy-connection": Special.CONNECTION,
    b"date": Special.DATE,
    b"server": Special.SERVER,
}


# PERF: a plain tuple, which is unpacked faster than a named one.
Field = tuple[bytes, Special | None, int]
"""A checked field: its line as HTTP/1 writes it, with the CRLF; what the server has to do with it, None for
nothing; and a number: the value of a Content-Length, 1 for a Connection that says `close`, else 0."""

# PERF: a look-up instead of two checks and a rendering for each field of each response. Bounded in number and
# size; fields that carry secrets are never kept.
FIELDS: dict[tuple[bytes, bytes], Field] = {}
_FIELDS_BOUND = 2048
_SIZE_BOUND = 160  # bytes of name and value
_SECRETS = frozenset((b"set-cookie", b"authorization", b"proxy-authorization", b"www-authenticate"))


def check_field(name: object, value: object) -> Field:
    """The field `name: value`, checked.

    Raises:
        ApplicationError: says what is wrong with it.
    """
    if not isinstance(name, bytes):
        raise ApplicationError(f"header name {name!r} must be bytes, not {type(name).__name__}")
    if not isinstance(value, bytes):
        raise ApplicationError(f"value of header {name!r} must be bytes, not {type(value).__name__}")
    if not TOKEN.fullmatch(name):
        if name.startswith(b":"):
            raise ApplicationError(f"header name {name!r}: pseudo-headers are the server's to send")
        raise ApplicationError(f"invalid header name {name!r} (RFC 9110 §5.1: a token)")
    if value.translate(None, FORBIDDEN_IN_VALUE) != value:
        raise ApplicationError(
            f"invalid value of header {name!r}: {value!r} has a control character (RFC 9110 §5.5)"
        )
    lower = name.lower()
    special = SPECIAL.get(lower)
    number = 0
    if special is Special.CONTENT_LENGTH:
        if not value.isdigit() or len(value) > 18:
            raise ApplicationError(f"invalid content-length {value!r} (RFC 9110 §8.6: digits)")
        number = int(value)
    elif special is Special.CONNECTION:
        number = int(b"close" in [option.strip(b" \t") for option in value.lower().split(b",")])
    field = (b"%b: %b\r\n" % (name, value.strip(BLANKS)), special, number)
    if len(name) + len(value) <= _SIZE_BOUND and lower not in _SECRETS:
        if len(FIELDS) >= _FIELDS_BOUND:
            FIELDS.clear()
        FIELDS[bytes(name), bytes(value)] = field
    return field


def pairs(headers: object, what: str) -> Headers:
    """`headers` as a list of pairs; `what` names it in the error.

    Raises:
        ApplicationError: it is no iterable of pairs.
    """
    try:
        return [(name, value) for name, value in headers]  # type: ignore[attr-defined]
    except Exception as error:  # whatever an iterator of the application raises is the application's
        raise ApplicationError(f"{what} must be an iterable of (name, value) pairs of bytes") from error


def check_trailers(headers: object, what: str) -> Headers:
    """Trailer fields, each checked; those that frame or route a message are dropped (RFC 9110 §6.5.1)."""
    fields = pairs(headers, what)
    return [(name, value.strip(BLANKS)) for name, value in fields if check_field(name, value)[1] is None]
