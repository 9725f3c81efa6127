"""Which of JSON and msgpack a client takes (RFC 9110 §12.5.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

VARY = (b"vary", b"accept")
JSON = ((b"content-type", b"application/json"), VARY)
PACKED = (b"application/msgpack", b"application/x-msgpack", b"application/vnd.msgpack")

to_msgpack: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode


def negotiated(
    headers: Iterable[tuple[bytes, bytes]], to_json: Callable[[Any], bytes]
) -> tuple[Callable[[Any], bytes], tuple[tuple[bytes, bytes], ...]]:
    """The encoder for what the client takes, and the header fields that tell of it.

    It is msgpack only if the client names it, and likes nothing of ours better. It is JSON otherwise, even if
    the client said that it takes none (RFC 9110 §15.5.7).
    """
    for name, value in headers:
        if name == b"accept" and b"msgpack" in value.lower():
            break
    else:
        return to_json, JSON
    accepted = _accepted([value for name, value in headers if name == b"accept"])
    chosen = max(PACKED, key=lambda each: accepted.get(each, 0))
    json = accepted.get(b"application/json", accepted.get(b"application/*", accepted.get(b"*/*", 0)))
    if accepted.get(chosen, 0) > 0 and accepted[chosen] >= json:
        return to_msgpack, ((b"content-type", chosen), VARY)
    return to_json, JSON


def _accepted(values: Iterable[bytes]) -> dict[bytes, float]:
    """Media range -> its quality; those that can't be read are left out."""
    found: dict[bytes, float] = {}
    for each in b",".join(values).split(b","):
        name, *parameters = (part.strip().lower() for part in each.split(b";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition(b"=")
            if key.strip() == b"q":
                try:
                    quality = max(0.0, min(float(value), 1.0))  # in this order, "nan" is 0
                except ValueError:
                    quality = 0.0
        found[name] = quality
    return found
