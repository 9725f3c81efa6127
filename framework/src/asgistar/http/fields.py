"""Header fields of requests and responses, as ASGI has them (RFC 9110 §5)."""

from __future__ import annotations

from collections.abc import Iterable

from asgistar.regex import regex

Fields = list[tuple[bytes, bytes]]
"""Names in lower case, and values."""

TOKEN = regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""What the name of a field is made of, and that of a cookie (RFC 9110 §5.6.2)."""


def value(fields: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The value of a field: of several of one name all, with commas (§5.2). None if there is none."""
    found = [each for field, each in fields if field == name]
    return b", ".join(found) if found else None


def without(fields: Iterable[tuple[bytes, bytes]], *names: bytes) -> Fields:
    """The fields but for those of these names."""
    return [field for field in fields if field[0] not in names]


def varied(fields: Fields, *names: str) -> Fields:
    """The fields with `Vary` (§12.5.5) naming these too, once each."""
    said = (value(fields, b"vary") or b"").decode("latin-1")
    listed = [each.strip() for each in said.split(",") if each.strip()]
    if "*" in listed:
        return fields
    known = {each.lower() for each in listed}
    listed += [name for name in names if name.lower() not in known]
    return [*without(fields, b"vary"), (b"vary", ", ".join(listed).encode("latin-1"))]
