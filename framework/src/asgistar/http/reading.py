"""Reading a request: the query, the cookies, the headers and the body, no more of them than is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import unquote

from asgistar.errors import BadRequest, ContentTooLarge, Problem, UnsupportedMediaType
from asgistar.regex import regex
from asgistar.types import Receive, Scope

Wanted = Mapping[bytes, tuple[str, bool]]
"""The name in the request -> the key in the data, and whether there may be several."""


MSGPACK = "application/msgpack"
PACKED = (b"application/msgpack", b"application/x-msgpack", b"application/vnd.msgpack")
"""The media types of msgpack; the first one is that which is registered."""


class ClientDisconnected(Exception):
    """The client left before its request was complete; there is nobody to answer."""


def meant(error: Exception) -> Exception:
    """What a TaskGroup was ended by, if that is an answer, or that nobody waits for one; else the group."""
    inner: BaseException = error
    while isinstance(inner, ExceptionGroup) and len(inner.exceptions) == 1:
        inner = inner.exceptions[0]
    return inner if isinstance(inner, Problem | ClientDisconnected) else error


def read_query(query: bytes, wanted: Mapping[str, tuple[str, bool]], strict: bool = False) -> dict[str, Any]:
    """The arguments of a query string (the URL Standard, §5.1): key -> text, or list of texts.

    Args:
        query: the query string.
        wanted: the arguments that are asked for; others are left out.
        strict: others are put in too, for those who have something against them.

    Raises:
        BadRequest: it isn't UTF-8, or an argument that is wanted once is there twice.
    """
    found: dict[str, Any] = {}
    try:
        # A plus is a space everywhere; PERF: most texts have nothing else to be unquoted.
        text = query.decode().replace("+", " ")
        quoted = "%" in text
        for pair in text.split("&"):
            name, _, value = pair.partition("=")
            if quoted:
                name = unquote(name, errors="strict")
            target = wanted.get(name)
            if target is None:
                if not strict or not pair:
                    continue
                target = (name, False)
            if quoted:
                value = unquote(value, errors="strict")
            key, many = target
            if many:
                found.setdefault(key, []).append(value)
            elif key in found:
                raise BadRequest(f"The argument {name!r} is there twice.")
            else:
                found[key] = value
    except UnicodeDecodeError:
        raise BadRequest("The query string is not UTF-8.") from None
    return found


def read_headers(headers: Any, wanted: Wanted) -> dict[str, Any]:
    """The headers that are asked for: key -> value, or list of values.

    Several fields of one name are one, with commas (RFC 9110 §5.2); a list is taken apart at its commas.
    """
    found: dict[str, Any] = {}
    for name, value in headers:
        target = wanted.get(name)
        if target is None:
            continue
        key, many = target
        text = value.decode("latin-1")
        if many:
            found.setdefault(key, []).extend(filter(None, map(str.strip, text.split(","))))
        elif key in found:
            found[key] += ", " + text
        else:
            found[key] = text
    return found


def read_cookies(headers: Any, wanted: Wanted) -> dict[str, Any]:
    """The cookies that are asked for: key -> value (RFC 6265 §4.2). Of two of one name the first counts."""
    found: dict[str, Any] = {}
    for field, line in headers:
        if field != b"cookie":
            continue
        for pair in line.split(b";"):
            name, equals, value = pair.partition(b"=")
            target = wanted.get(name.strip())
            if target is None or not equals:
                continue
            key, many = target
            text = value.strip().removeprefix(b'"').removesuffix(b'"').decode("latin-1")
            if many:
                found.setdefault(key, []).append(text)
            else:
                found.setdefault(key, text)
    return found


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        ContentTooLarge: it is, or says that it is, larger than `limit` bytes; 0 is no limit.
        ClientDisconnected: the client left before its end.
    """
    for name, value in scope["headers"]:
        if name == b"content-length":
            _check_length(value, limit)
    return await _whole_body(receive, limit)


async def read_json(scope: Scope, receive: Receive, limit: int, required: bool) -> bytes:
    """The whole body, if it is of a type that is read as JSON: `application/json`, or `…+json`.

    Raises:
        UnsupportedMediaType: it is of another type, or encoded. One that doesn't say is refused as well: a
            page of another site can send such a request without asking (Fetch Standard, §2.2.2).
        BadRequest: there is none, and it is required.
        ContentTooLarge: see `read_body`.
        ClientDisconnected: see `read_body`.
    """
    media_type = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value
        elif name == b"content-length":
            _check_length(value, limit)
        elif name == b"content-encoding":
            identity(value)
    is_json = media_type == b"application/json" or _JSON.fullmatch(media_type) is not None
    if media_type and not is_json:
        raise _not_json("it is " + media_type.decode("latin-1"))
    body = await _whole_body(receive, limit)
    if body and not is_json:
        raise _not_json("and must say so in Content-Type")
    if required and not body:
        raise BadRequest("The body is missing.")
    return body


async def read_packed(scope: Scope, receive: Receive, limit: int, required: bool) -> tuple[bytes, bool]:
    """The whole body, if it is of a type that is read as JSON or as msgpack; and whether it is msgpack.

    Raises:
        UnsupportedMediaType, BadRequest, ContentTooLarge, ClientDisconnected: see `read_json`.
    """
    for name, value in scope["headers"]:
        if name == b"content-type" and not _JSON.fullmatch(value):
            if value.partition(b";")[0].strip().lower() in PACKED:
                break
            raise UnsupportedMediaType(
                f"The body must be application/json or {MSGPACK}; it is {value.decode('latin-1')}.",
                headers={"accept": f"application/json, {MSGPACK}"},
            )
    else:
        return await read_json(scope, receive, limit, required), False
    for name, value in scope["headers"]:
        if name == b"content-encoding":
            identity(value)
    body = await read_body(scope, receive, limit)
    if required and not body:
        raise BadRequest("The body is missing.")
    return body, True


def identity(coding: bytes) -> None:
    """See that a body isn't encoded (RFC 9110 §8.4): nothing is unpacked here.

    Raises:
        UnsupportedMediaType: it is (RFC 9110 §15.5.16).
    """
    if coding.strip().lower() not in (b"", b"identity"):
        raise UnsupportedMediaType(
            f"The body must not be encoded; it is {coding.decode('latin-1')}.",
            headers={"accept-encoding": "identity"},
        )


# RFC 9110 §8.3.1 and RFC 6839 §3.1; parameters don't matter, JSON is UTF-8 (RFC 8259 §8.1).
_JSON = regex(rb"application/(?:json|[^;\s]+\+json)[ \t]*(?:;.*)?", re.IGNORECASE)


def _not_json(why: str) -> UnsupportedMediaType:
    return UnsupportedMediaType(
        f"The body must be application/json; {why}.", headers={"accept": "application/json"}
    )


class Stream:
    """The body as it comes: an asynchronous iterator of its chunks, none of them empty.

    Args:
        limit: the size that it may have in all, in bytes; 0 is no limit.

    Raises:
        ContentTooLarge: it says that it is larger; while it is read: it is larger.
        ClientDisconnected: while it is read: the client left before its end.
    """

    __slots__ = ("_ended", "_limit", "_receive", "_size")

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        for name, value in scope["headers"]:
            if name == b"content-length":
                _check_length(value, limit)
        self._receive = receive
        self._limit = limit
        self._size = 0
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            if self._limit and self._size > self._limit:
                raise _too_large(self._limit)
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            chunk: bytes = message.get("body", b"")
            self._size += len(chunk)
            if self._limit and self._size > self._limit:
                raise _too_large(self._limit)
            self._ended = not message.get("more_body", False)
            if chunk:
                return chunk
        raise StopAsyncIteration


def _check_length(value: bytes, limit: int) -> None:
    if limit and value.isdigit() and (len(value) > 18 or int(value) > limit):
        raise _too_large(limit)


def _too_large(limit: int) -> ContentTooLarge:
    return ContentTooLarge(f"The body may have {limit} bytes at most.")


async def _whole_body(receive: Receive, limit: int) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if limit and len(body) > limit:
            raise _too_large(limit)
        return body
    # A list and one join: adding bytes to bytes would copy all of them each time.
    parts = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if limit and size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()
