"""The opening handshake of a WebSocket: from request fields to what was asked for, or to a refusal.

On HTTP/1.1 it is an Upgrade (RFC 6455 §4.2), on HTTP/2 and HTTP/3 an extended CONNECT (RFC 8441 §5).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Protocol

from asgiworker.asgi.fields import TOKEN
from asgiworker.asgi.types import Headers
from asgiworker.protocols.request import Refusal, Routing
from asgiworker.protocols.websocket.deflate import Deflate, agree

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
VERSION = b"13"
# RFC 9110 §15.5.22: a 426 says what to upgrade to.
WRONG_VERSION = [(b"sec-websocket-version", VERSION), (b"upgrade", b"websocket")]


class HandshakePolicy(Protocol):
    """What a handshake is held against."""

    @property
    def ws_origins(self) -> tuple[str, ...]: ...
    @property
    def ws_per_message_deflate(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Handshake:
    """A handshake that is in order.

    Attributes:
        subprotocols: those that the client offers.
        deflate: the compression agreed on.
        key: the Sec-WebSocket-Key; empty where there is none, from HTTP/2 on.
    """

    subprotocols: list[str]
    deflate: Deflate | None
    key: bytes = b""

    def fields(self, subprotocol: str | None) -> Headers:
        """The fields of the answer that accepts; those of an Upgrade are the protocol's own."""
        fields = []
        if self.key:
            fields.append((b"sec-websocket-accept", accept_key(self.key)))
        if subprotocol is not None:
            fields.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
        if self.deflate is not None:
            fields.append((b"sec-websocket-extensions", self.deflate.field))
        return fields


def accept_key(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())


def check_upgrade(
    method: str, headers: Headers, names: dict[bytes, bytes], routing: Routing, policy: HandshakePolicy
) -> Handshake:
    """The handshake of an HTTP/1.1 request that asks to be upgraded to a WebSocket (RFC 6455 §4.2.1).

    Raises:
        Refusal: with the status that the client is to get.
    """
    if method != "GET":
        raise Refusal(400, "a WebSocket handshake is a GET")
    if routing.chunked or routing.length:
        raise Refusal(400, "a WebSocket handshake has no body")
    handshake = check_connect(headers, names, policy)
    keys = [value for name, value in headers if name == b"sec-websocket-key"]
    if len(keys) != 1:
        raise Refusal(400, "a WebSocket handshake has one Sec-WebSocket-Key")
    try:
        key = base64.b64decode(keys[0], validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 16:
        raise Refusal(400, "Sec-WebSocket-Key is not 16 bytes in base64")
    return Handshake(handshake.subprotocols, handshake.deflate, keys[0])


def check_connect(headers: Headers, names: dict[bytes, bytes], policy: HandshakePolicy) -> Handshake:
    """What every WebSocket handshake has, whatever carries it; all there is to one on HTTP/2 (RFC 8441 §5).

    Raises:
        Refusal: with the status that the client is to get.
    """
    if [value for name, value in headers if name == b"sec-websocket-version"] != [VERSION]:
        raise Refusal(426, "the version of WebSocket spoken here is 13", WRONG_VERSION)
    if policy.ws_origins and "*" not in policy.ws_origins:
        # RFC 6455 §10.2. Browsers always say where a page came from; what doesn't, isn't on the list.
        origins = [value.decode("latin-1").lower() for name, value in headers if name == b"origin"]
        if len(origins) != 1 or origins[0] not in policy.ws_origins:
            raise Refusal(403, "WebSockets are not opened from this origin")
    subprotocols = []
    for offered in _members(headers, names, b"sec-websocket-protocol"):
        if not TOKEN.fullmatch(offered):
            raise Refusal(400, "malformed Sec-WebSocket-Protocol")
        subprotocols.append(offered.decode("ascii"))
    deflate = None
    if policy.ws_per_message_deflate and b"sec-websocket-extensions" in names:
        try:
            deflate = agree(
                b", ".join([value for name, value in headers if name == b"sec-websocket-extensions"])
            )
        except ValueError:
            raise Refusal(400, "malformed Sec-WebSocket-Extensions") from None
    return Handshake(subprotocols, deflate)


def _members(headers: Headers, names: dict[bytes, bytes], name: bytes) -> list[bytes]:
    """The members of a comma-separated list field, over all its lines, in order; empty ones are ignored."""
    if name not in names:
        return []
    lists = [value.split(b",") for field, value in headers if field == name]
    stripped = [member.strip(b" \t") for members in lists for member in members]
    return [member for member in stripped if member]
