"""What a client likes best (RFC 9110 §12): of media types, of content codings; and so, JSON or msgpack."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from asgistar.http.fields import value as value_of
from asgistar.http.reading import PACKED
from asgistar.http.response import JSON

VARY = (b"vary", b"accept")
AS_JSON = (JSON, VARY)

to_msgpack: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode


def qualities(value: bytes) -> dict[bytes, float]:
    """The choices in a field such as `Accept`, in lower case -> how much the client likes each, from 0 to 1.

    One that doesn't say has 1; what can't be read is 0 (§12.4.2).
    """
    found: dict[bytes, float] = {}
    for each in value.lower().split(b","):
        name, *parameters = each.split(b";")
        quality = 1.0
        for parameter in parameters:
            key, _, weight = parameter.partition(b"=")
            if key.strip() == b"q":
                try:
                    quality = max(0.0, min(float(weight), 1.0))  # in this order, "nan" is 0
                except ValueError:
                    quality = 0.0
        found[name.strip()] = quality
    return found


def negotiated(
    headers: Iterable[tuple[bytes, bytes]], to_json: Callable[[Any], bytes]
) -> tuple[Callable[[Any], bytes], tuple[tuple[bytes, bytes], ...]]:
    """The encoder for what the client takes, and the header fields that tell of it.

    It is msgpack only if the client names it, and likes nothing of ours better. It is JSON otherwise, even if
    the client said that it takes none (RFC 9110 §15.5.7).
    """
    accept = value_of(headers, b"accept")
    if accept is None or b"msgpack" not in accept.lower():
        return to_json, AS_JSON
    accepted = qualities(accept)
    chosen = max(PACKED, key=lambda each: accepted.get(each, 0))
    json = accepted.get(b"application/json", accepted.get(b"application/*", accepted.get(b"*/*", 0)))
    if accepted.get(chosen, 0) > 0 and accepted[chosen] >= json:
        return to_msgpack, ((b"content-type", chosen), VARY)
    return to_json, AS_JSON
