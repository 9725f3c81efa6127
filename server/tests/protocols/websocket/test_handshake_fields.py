"""The opening handshake: RFC 6455 §4.2, and RFC 8441 §5, field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asgiworker.asgi.types import Headers
from asgiworker.process.settings import Settings
from asgiworker.protocols.request import Refusal, Routing
from asgiworker.protocols.websocket.handshake import Handshake, accept_key, check_connect, check_upgrade

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
GOOD: Headers = [(b"host", b"example.org"), (b"sec-websocket-key", KEY), (b"sec-websocket-version", b"13")]


def upgrade(
    *headers: tuple[bytes, bytes], without: bytes = b"", method: str = "GET", length: int = 0, **settings: Any
) -> Handshake:
    """The handshake of a good request, with more fields or without one."""
    fields = [*(field for field in GOOD if field[0] != without), *headers]
    routing = Routing(keep_alive=True)
    routing.length = length
    return check_upgrade(method, fields, dict(fields), routing, Settings(**settings))


def refused(check: Callable[[], object]) -> Refusal:
    """How a handshake was refused."""
    with pytest.raises(Refusal) as caught:
        check()
    return caught.value


def test_what_the_rfc_shows_is_accepted() -> None:
    assert accept_key(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3
    assert upgrade().fields(None) == [(b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]


def test_a_handshake_is_a_get_without_a_body() -> None:
    assert refused(lambda: upgrade(method="POST")).status == 400
    assert refused(lambda: upgrade(length=5)).status == 400


@pytest.mark.parametrize("key", [b"", b"AAAA", b"?" * 24, KEY + b"AAAA", KEY[:-2], b"x" + KEY])
def test_a_key_is_16_bytes_in_base64(key: bytes) -> None:
    refusal = refused(lambda: upgrade((b"sec-websocket-key", key), without=b"sec-websocket-key"))
    assert refusal.status == 400


def test_there_is_one_key() -> None:
    assert refused(lambda: upgrade(without=b"sec-websocket-key")).status == 400
    assert refused(lambda: upgrade((b"sec-websocket-key", KEY))).status == 400


@pytest.mark.parametrize("versions", [[], [b"8"], [b"14"], [b"13", b"8"], [b"13, 8"], [b""]])
def test_another_version_is_told_which_one_is_spoken(versions: list[bytes]) -> None:
    fields = [(b"sec-websocket-version", version) for version in versions]
    refusal = refused(lambda: upgrade(*fields, without=b"sec-websocket-version"))
    assert refusal.status == 426
    assert (b"sec-websocket-version", b"13") in refusal.headers
    assert (b"upgrade", b"websocket") in refusal.headers


def test_subprotocols_come_in_order_over_all_lines() -> None:
    handshake = upgrade(
        (b"sec-websocket-protocol", b"chat, ,superchat"), (b"sec-websocket-protocol", b"v2.x")
    )
    assert handshake.subprotocols == ["chat", "superchat", "v2.x"]
    assert (b"sec-websocket-protocol", b"v2.x") in handshake.fields("v2.x")


def test_a_subprotocol_is_a_token() -> None:
    assert refused(lambda: upgrade((b"sec-websocket-protocol", b"a b"))).status == 400


def test_compression_is_agreed_on_unless_it_is_switched_off() -> None:
    offer = (b"sec-websocket-extensions", b"permessage-deflate")
    answer = (b"sec-websocket-extensions", b"permessage-deflate; server_max_window_bits=12")
    assert answer in upgrade(offer).fields(None)
    assert upgrade(offer, ws_per_message_deflate=False).deflate is None


def test_malformed_extensions_are_refused() -> None:
    assert refused(lambda: upgrade((b"sec-websocket-extensions", b"permessage-deflate; ="))).status == 400


@pytest.mark.parametrize(
    ("origins", "origin", "welcome"),
    [
        ((), b"https://evil.example", True),
        (("*",), b"https://evil.example", True),
        (("https://example.org",), b"https://example.org", True),
        (("https://example.org",), b"HTTPS://Example.org", True),
        (("https://example.org", "http://localhost:5173"), b"http://localhost:5173", True),
        (("https://example.org",), b"http://example.org", False),
        (("https://example.org",), b"https://example.org.evil.example", False),
        (("https://example.org",), b"https://example.org:8443", False),
        (("https://example.org",), b"null", False),
        (("null",), b"null", True),
        (("https://example.org",), b"", False),
    ],
)
def test_an_origin_is_held_against_the_list(origins: tuple[str, ...], origin: bytes, welcome: bool) -> None:
    check = lambda: upgrade((b"origin", origin), ws_origins=origins)  # noqa: E731
    if welcome:
        check()
    else:
        assert refused(check).status == 403


def test_with_a_list_there_has_to_be_one_origin() -> None:
    good = (b"origin", b"https://example.org")
    assert refused(lambda: upgrade(ws_origins=("https://example.org",))).status == 403
    assert refused(lambda: upgrade(good, good, ws_origins=("https://example.org",))).status == 403


def test_an_extended_connect_has_no_key() -> None:
    fields = [field for field in GOOD if field[0] != b"sec-websocket-key"]
    handshake = check_connect(fields, dict(fields), Settings())
    assert handshake.fields(None) == []
