"""Conditional requests (RFC 9110 §13) and ranges (§14): what a client wants of something that it may have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from asgistar.errors import PreconditionFailed, RangeNotSatisfiable

RANGES = 16
"""Of so many ranges at most a response is made; who asks for more gets everything (RFC 9110 §14.2)."""

Range = tuple[int, int]
"""The first byte, and the one behind the last."""

_NAMES = frozenset((
    b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range", b"range",
))  # fmt: skip

_TAG = re.compile(r'(W/)?("[!#-~\x80-\xff]*")')
_RANGE = re.compile(r"(\d*)-(\d*)")


def conditions(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The fields of a request that are read here; none in almost every request."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name in _NAMES:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def not_modified(asked: Mapping[str, str], etag: str, modified: int) -> bool:
    """Whether the client has it already, in the order of RFC 9110 §13.2.2.

    Args:
        asked: the fields of the request, see `conditions`.
        etag: the entity tag of what there is.
        modified: when it was changed, in seconds.

    Raises:
        PreconditionFailed: it isn't what the client takes it for.
    """
    if "if-match" in asked:
        if not matches(asked["if-match"], etag, strong=True):
            raise PreconditionFailed("It isn't of the entity tag in If-Match.")
    elif (since := _date(asked.get("if-unmodified-since"))) is not None and modified > since:
        raise PreconditionFailed("It was changed after the time in If-Unmodified-Since.")
    if "if-none-match" in asked:
        return matches(asked["if-none-match"], etag, strong=False)
    since = _date(asked.get("if-modified-since"))
    return since is not None and modified <= since


def wanted(asked: Mapping[str, str], etag: str, modified: int, size: int) -> list[Range] | None:
    """The ranges to send, in the order of the request; joined where they overlap. None: everything.

    Args:
        asked: the fields of the request, see `conditions`.
        etag: the entity tag of what there is.
        modified: when it was changed, in seconds.
        size: of all of it, in bytes.

    Raises:
        RangeNotSatisfiable: there is nothing in any of the ranges.
    """
    value, condition = asked.get("range"), asked.get("if-range")
    if value is None:
        return None
    if condition is not None and not (
        matches(condition, etag, strong=True) if '"' in condition else _date(condition) == modified
    ):
        return None
    found = _ranges(value, size)
    if found == []:
        raise RangeNotSatisfiable(f"There are {size} bytes.", size=size)
    return found


def matches(value: str, etag: str, strong: bool) -> bool:
    """Whether an entity tag is among those of a field (RFC 9110 §8.8.3.2).

    Args:
        strong: it is so byte by byte: weak tags match nothing.
    """
    if value.strip() == "*":
        return True
    weak = etag.startswith("W/")
    opaque = etag.removeprefix("W/")
    return any(match[2] == opaque and not (strong and (weak or match[1])) for match in _TAG.finditer(value))


def _date(value: str | None) -> int | None:
    """Seconds since 1970; None if it is no date (RFC 9110 §5.6.7), and then there is no condition."""
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def _ranges(value: str, size: int) -> list[Range] | None:
    """The ranges of a field, as far as there is something in them; None if they are to be ignored."""
    unit, equals, specs = value.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None
    found: list[Range] = []
    asked = [each for spec in specs.split(",") if (each := spec.strip())]
    for each in asked:
        match = _RANGE.fullmatch(each)
        if match is None or each == "-" or len(each) > 50:
            return None
        first, last = match[1], match[2]
        if not first:
            start, stop = max(0, size - int(last)), size
            if int(last) and not size:
                return None  # everything of nothing
        else:
            start, stop = int(first), min(size, int(last) + 1) if last else size
            if last and int(last) < int(first):
                return None
        if start < stop:
            found.append((start, stop))
    found = _joined(found)
    return None if len(found) > RANGES or not asked else found


def _joined(ranges: list[Range]) -> list[Range]:
    """The same bytes, none of them twice. The order stays, unless there is something to join."""
    joined: list[Range] = []
    for start, stop in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return ranges if len(joined) == len(ranges) else joined
