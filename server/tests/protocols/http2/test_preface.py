"""RFC 9113 §3: how HTTP/2 begins, with TLS and without, and what the server announces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from h2.errors import ErrorCodes

from asgiworker.process.mistakes import Mistake
from asgiworker.protocols.http2.prior_knowledge import is_local

if TYPE_CHECKING:
    from server.tests.conftest import Connect
    from server.tests.protocols.conftest import Mirror
    from server.tests.protocols.http2.conftest import Opener

pytestmark = pytest.mark.every_python

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = b"\0\0\0\4\0\0\0\0\0"  # an empty one

KINDS = pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])


# --- §3.2, §3.3: ALPN, prior knowledge ----------------------------------------------------------------------


@KINDS
async def test_a_request_is_answered_and_seen_as_http_2(http2: Opener, mirror: Mirror, tls: bool) -> None:
    client = await http2(mirror, tls=tls)
    answer = await client.get(b"/shop?open=1")
    assert (answer.status, answer.body, answer.complete) == (200, b"/shop", True)
    [seen] = mirror.seen
    assert seen.scope["http_version"] == "2"
    assert seen.scope["scheme"] == ("https" if tls else "http")
    assert (seen.scope["path"], seen.scope["query_string"]) == ("/shop", b"open=1")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["h2", "http/1.1"], "h2"),
        (["http/1.1", "h2"], "h2"),
        (["h2"], "h2"),
        (["http/1.1"], "http/1.1"),
        (["spdy/3"], None),
    ],
)
async def test_alpn_chooses_http_2_where_the_client_offers_it(
    http2: Opener, mirror: Mirror, offered: list[str], chosen: str | None
) -> None:
    server = await http2.serve(mirror, tls=True)
    client = await http2.connect(server, starts=False, protocols=offered)
    assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
    if chosen == "h2":
        await client.start()
        assert (await client.get()).status == 200
    else:
        await client.send(b"GET /one HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert (await client.rest()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_client_without_alpn_speaks_http_1_1(http2: Opener, mirror: Mirror) -> None:
    server = await http2.serve(mirror, tls=True)
    client = await http2.connect(server, starts=False, protocols=())
    await client.send(b"GET /one HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert (await client.rest()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_without_http_2_alpn_does_not_offer_it(http2: Opener, mirror: Mirror) -> None:
    server = await http2.serve(mirror, tls=True, http2=False)
    client = await http2.connect(server, starts=False, protocols=["h2", "http/1.1"])
    assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize("protocols", [["http/1.1"], []])
async def test_on_tls_http_2_is_for_those_who_negotiated_it(
    http2: Opener, mirror: Mirror, protocols: list[str]
) -> None:
    server = await http2.serve(mirror, tls=True)
    client = await http2.connect(server, starts=False, protocols=protocols)
    await client.send(PREFACE, SETTINGS)
    assert (await client.rest()).startswith(b"HTTP/1.1 505 ")


async def test_who_negotiated_http_2_is_not_served_http_1_1(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror, tls=True, starts=False)
    await client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    await client.fails(ErrorCodes.PROTOCOL_ERROR)
    assert mirror.seen == []


@pytest.mark.parametrize("settings", [{"h2c": "off"}, {"http2": False}], ids=["h2c off", "http2 off"])
async def test_prior_knowledge_is_of_no_use_where_it_is_switched_off(
    http2: Opener, mirror: Mirror, settings: dict[str, Any]
) -> None:
    client = await http2(mirror, starts=False, **settings)
    await client.send(PREFACE, SETTINGS)
    assert (await client.rest()).startswith(b"HTTP/1.1 505 ")


@pytest.mark.parametrize("h2c", ["auto", "on"])
async def test_prior_knowledge_is_enough_on_the_loopback(http2: Opener, mirror: Mirror, h2c: str) -> None:
    client = await http2(mirror, h2c=h2c)
    assert (await client.get()).status == 200


async def test_prior_knowledge_is_enough_on_a_unix_socket(
    http2: Opener, mirror: Mirror, tmp_path_factory: pytest.TempPathFactory
) -> None:
    client = await http2(mirror, uds=str(tmp_path_factory.mktemp("s") / "s"))
    assert (await client.get(b"/here")).body == b"/here"
    assert mirror.seen[0].scope["client"] is None


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (("127.0.0.1", 80), True),
        (("127.255.0.9", 80), True),
        (("::1", 80, 0, 0), True),
        (("::ffff:127.0.0.1", 80, 0, 0), True),
        ("/run/socket", True),
        (("192.0.2.1", 80), False),
        (("2001:db8::1", 80, 0, 0), False),
        (("fe80::1%eth0", 80, 0, 2), False),
        (("::ffff:192.0.2.1", 80, 0, 0), False),
    ],
)
def test_where_others_reach_prior_knowledge_has_to_be_asked_for(address: object, local: bool) -> None:
    """The socket's own address counts: what came over the loopback came from this machine."""
    assert is_local(address) is local


async def test_http_1_1_is_served_on_the_same_port(http2: Opener, mirror: Mirror, connect: Connect) -> None:
    client = await http2(mirror)
    assert (await client.get()).status == 200
    other = await connect(client.server.url)
    await other.send(b"GET /one HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert (await other.rest()).endswith(b"\r\n\r\n/one")


async def test_an_upgrade_to_h2c_is_ignored(http2: Opener, mirror: Mirror, connect: Connect) -> None:
    """RFC 9113 §3.1: "h2c" was an upgrade token, and is one no more."""
    server = await http2.serve(mirror)
    client = await connect(server.url)
    await client.send(
        b"GET /one HTTP/1.1\r\nhost: a\r\nconnection: close, upgrade, http2-settings\r\n"
        b"upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    received = await client.rest()
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"/one")


async def test_a_proxy_header_may_stand_before_the_preface(http2: Opener, mirror: Mirror) -> None:
    server = await http2.serve(mirror, proxy_protocol="v1")
    client = await http2.connect(server, starts=False)
    client.writer.write(b"PROXY TCP4 203.0.113.7 198.51.100.1 4444 80\r\n")
    await client.start()
    assert (await client.get()).status == 200
    assert mirror.seen[0].scope["client"] == ("203.0.113.7", 4444)


# --- §3.4: the preface --------------------------------------------------------------------------------------


@KINDS
async def test_the_first_frame_of_the_server_is_settings_and_it_acknowledges_ours(
    http2: Opener, mirror: Mirror, tls: bool
) -> None:
    client = await http2(mirror, tls=tls, starts=False)
    await client.send(PREFACE, ("SETTINGS", 0, {"MAX_CONCURRENT_STREAMS": 7}))
    first = await client.frame()
    assert (first.kind, first.flags) == ("SETTINGS", frozenset())
    assert await client.take("SETTINGS", flag="ACK")


async def test_with_tls_the_server_need_not_wait_for_the_clients_preface(
    http2: Opener, mirror: Mirror
) -> None:
    client = await http2(mirror, tls=True, starts=False)
    client.acknowledges = False
    assert (await client.frame()).kind == "SETTINGS"
    await client.send(PREFACE, SETTINGS)
    await client.take("SETTINGS", flag="ACK")


@KINDS
async def test_requests_may_come_with_the_preface(http2: Opener, mirror: Mirror, tls: bool) -> None:
    client = await http2(mirror, tls=tls, starts=False)
    await client.send(
        PREFACE,
        SETTINGS,
        ("HEADERS", 1, client.fields(b"GET", b"/one"), "END_HEADERS", "END_STREAM"),
        ("HEADERS", 3, client.fields(b"GET", b"/two"), "END_HEADERS", "END_STREAM"),
    )
    assert (await client.answer(1)).body == b"/one"
    assert (await client.answer(3)).body == b"/two"


@KINDS
async def test_the_preface_may_come_byte_by_byte(http2: Opener, mirror: Mirror, tls: bool) -> None:
    client = await http2(mirror, tls=tls, starts=False)
    request = client.encode(("HEADERS", 1, client.fields(), "END_HEADERS", "END_STREAM"))
    for byte in PREFACE + SETTINGS + request:
        await client.send(bytes([byte]))
        await client.settle()
    assert (await client.answer(1)).status == 200


@pytest.mark.parametrize("cut", range(1, len(PREFACE)))
async def test_the_preface_may_be_cut_anywhere(http2: Opener, mirror: Mirror, cut: int) -> None:
    client = await http2(mirror, starts=False)
    await client.send(PREFACE[:cut])
    await client.settle()
    await client.send(PREFACE[cut:], SETTINGS)
    await client.take("SETTINGS", flag="ACK")
    assert (await client.get()).status == 200


# What is no preface, and where it stops to be one.
WRONG = {
    "another text": b"INVALID CONNECTION PREFACE\r\n\r\n",
    "HTTP/1.1": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "noise": bytes(range(255, 200, -1)),
    "frames without the text": SETTINGS * 4,
    "lower case": PREFACE.lower(),
    "another version": PREFACE.replace(b"2.0", b"2.1"),
    "another middle": PREFACE.replace(b"SM", b"XX"),
    "another end": PREFACE[:-1] + b"\r",
}


@pytest.mark.parametrize("sent", WRONG.values(), ids=WRONG.keys())
async def test_an_invalid_preface_on_tls_is_answered_by_goaway_and_the_end(
    http2: Opener, mirror: Mirror, sent: bytes
) -> None:
    client = await http2(mirror, tls=True, starts=False)
    await client.send(sent)
    await client.fails(ErrorCodes.PROTOCOL_ERROR)


@pytest.mark.parametrize("end", [b"XX\r\n\r\n", b"SM\r\n\r\r"])
async def test_a_preface_that_goes_wrong_in_its_second_half_is_answered_by_goaway_without_tls_too(
    http2: Opener, mirror: Mirror, end: bytes
) -> None:
    client = await http2(mirror, starts=False)
    await client.send(PREFACE[:18] + end)
    await client.fails(ErrorCodes.PROTOCOL_ERROR)


async def test_without_tls_what_begins_otherwise_is_http_1_1s_to_refuse(
    http2: Opener, mirror: Mirror
) -> None:
    client = await http2(mirror, starts=False)
    await client.send(b"INVALID CONNECTION PREFACE\r\n\r\n")
    assert (await client.rest()).startswith(b"HTTP/1.1 400 ")


@KINDS
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(("PING", 0, bytes(8)), id="PING"),
        pytest.param(("WINDOW_UPDATE", 0, 1), id="WINDOW_UPDATE"),
        pytest.param(("SETTINGS", 0, "ACK"), id="an acknowledgement of nothing"),
        pytest.param((99, 0, b"unknown"), id="unknown"),
        pytest.param(("HEADERS", 1, b"\x82\x87\x84\x41\x01a", "END_HEADERS", "END_STREAM"), id="HEADERS"),
    ],
)
async def test_the_first_frame_of_the_client_has_to_be_settings(
    http2: Opener, mirror: Mirror, tls: bool, frame: tuple[Any, ...]
) -> None:
    client = await http2(mirror, tls=tls, starts=False)
    await client.send(PREFACE, frame)
    await client.fails(ErrorCodes.PROTOCOL_ERROR)
    assert mirror.seen == []


async def test_a_client_that_leaves_inside_the_preface_leaves_nothing_behind(
    http2: Opener, mirror: Mirror
) -> None:
    for cut in (1, 17, 18, 23, 24):
        client = await http2(mirror, starts=False)
        await client.send(PREFACE[:cut])
        await client.settle()
        await client.close()


# --- what the server announces ------------------------------------------------------------------------------


async def test_the_server_announces_its_limits(http2: Opener, mirror: Mirror) -> None:
    client = await http2(mirror)
    assert client.settings["MAX_CONCURRENT_STREAMS"] == 100
    assert client.settings["MAX_HEADER_LIST_SIZE"] == 65536
    assert client.settings["ENABLE_CONNECT_PROTOCOL"] == 1  # RFC 8441 §3
    assert client.settings.get("ENABLE_PUSH", 0) == 0  # RFC 9113 §6.5.2: a server may only say 0
    assert client.settings.get("MAX_FRAME_SIZE", 16384) == 16384
    assert client.settings.get("INITIAL_WINDOW_SIZE", 65535) >= 65535


async def test_the_limits_can_be_set(http2: Opener, mirror: Mirror) -> None:
    client = await http2(
        mirror,
        http2_max_concurrent_streams=5,
        http2_initial_window_size=100_000,
        http2_max_frame_size=32_768,
        limit_request_head=10_000,
        http2_header_table_size=1_000,
    )
    assert client.settings["MAX_CONCURRENT_STREAMS"] == 5
    assert client.settings["INITIAL_WINDOW_SIZE"] == 100_000
    assert client.settings["MAX_FRAME_SIZE"] == 32_768
    assert client.settings["MAX_HEADER_LIST_SIZE"] == 10_000
    assert client.settings["HEADER_TABLE_SIZE"] == 1_000


@pytest.mark.parametrize(
    "settings",
    [
        {"http2_max_frame_size": 16_383},
        {"http2_max_frame_size": 1 << 24},
        {"http2_initial_window_size": 1 << 31},
        {"http2_max_concurrent_streams": 0},
    ],
    ids=str,
)
async def test_limits_that_the_protocol_does_not_know_are_refused_at_the_start(
    http2: Opener, mirror: Mirror, settings: dict[str, int]
) -> None:
    with pytest.raises(Mistake, match=next(iter(settings)).replace("_", ".")):
        await http2.serve(mirror, **settings)
