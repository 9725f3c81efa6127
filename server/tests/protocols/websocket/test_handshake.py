"""The opening handshake over real sockets: RFC 6455 §4.2, ASGI's `websocket.accept` and its refusals."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected
from asgiworker.asgi.types import ASGIApplication, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.protocols.websocket.conftest import Application, Serve, Until

TEXT, CLOSE = 0x1, 0x8


# --- accepted -----------------------------------------------------------------------------------------------


async def test_an_accepted_handshake_is_answered_as_the_rfc_shows(
    serve: Serve, echo: ASGIApplication
) -> None:
    served = await serve(echo)
    peer = await served.connect()
    fields = await peer.open()
    assert fields.pop("date").endswith(" gmt")
    assert fields == {
        "upgrade": "websocket",
        "connection": "upgrade",
        "sec-websocket-accept": peer.ACCEPT.lower(),
        "server": "asgiworker",
    }
    assert f": {peer.ACCEPT}\r\n" in peer.head


@pytest.mark.parametrize(
    "fields",
    [
        {"upgrade": "WebSocket"},
        {"connection": "keep-alive, Upgrade"},
        {"connection": "UPGRADE"},
        {"upgrade": "websocket, h2c"},
        {"origin": "https://elsewhere.example"},
        {"content_length": "0"},
    ],
    ids=str,
)
async def test_what_is_a_good_handshake_too(
    serve: Serve, echo: ASGIApplication, fields: dict[str, str]
) -> None:
    served = await serve(echo)
    peer = await served.open(**fields)
    await peer.text("hello")
    assert await peer.message() == "hello"


async def test_connection_options_may_stand_on_several_lines(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo)
    peer = await served.open("/", ("connection", "keep-alive"), ("connection", "upgrade"), connection="x")
    await peer.text("hello")
    assert await peer.message() == "hello"


async def test_a_handshake_may_come_byte_by_byte(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo)
    peer = await served.connect()
    for byte in peer.request() + peer.frame(TEXT, b"at once"):
        await peer.send(bytes((byte,)))
    assert (await peer.answer())[0] == 101
    assert await peer.message() == "at once"


async def test_messages_in_one_packet_with_the_handshake_are_not_lost(
    serve: Serve, application: Application
) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request(), peer.frame(TEXT, b"one"), peer.frame(TEXT, b"two"))
    call = await application.call()
    assert await call.receive() == {"type": "websocket.connect"}
    await call.send("accept")
    assert (await peer.answer())[0] == 101
    assert [(await call.receive())["text"] for _ in range(2)] == ["one", "two"]
    await call.send("send", text="three")
    assert await peer.message() == "three"


async def test_a_megabyte_sent_before_the_answer_waits_for_it(serve: Serve, application: Application) -> None:
    served = await serve(application)
    peer = await served.connect()
    message = bytes(1 << 20)
    sending = asyncio.ensure_future(peer.send(peer.request(), peer.frame(0x2, message)))
    call = await application.call()
    await call.accept()
    assert (await call.receive())["bytes"] == message
    await sending
    assert (await peer.answer())[0] == 101


async def test_a_websocket_may_follow_requests_on_its_connection(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
        else:
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": scope["path"]})
            await receive()

    served = await serve(app)
    peer = await served.connect()
    get = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    await peer.send(get, get, peer.request("/socket"))
    for _ in range(2):
        status, _ = await peer.answer()
        assert (status, await peer.reader.readexactly(2)) == (200, b"ok")
    assert (await peer.answer())[0] == 101
    assert await peer.message() == "/socket"


# --- the scope ----------------------------------------------------------------------------------------------


async def test_the_scope_says_what_was_asked_for(serve: Serve, application: Application) -> None:
    served = await serve(application, root_path="/chat")
    peer = await served.connect()
    await peer.send(
        peer.request("/caf%C3%A9?room=1", ("Cookie", "a=b"), ("X-Two", "1"), ("X-Two", "2"), origin="null")
    )
    call = await application.call()
    scope = call.scope
    assert scope["type"] == "websocket"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.5"}
    assert scope["http_version"] == "1.1"
    assert scope["scheme"] == "ws"
    assert scope["path"] == "/chat/café"
    assert scope["raw_path"] == b"/caf%C3%A9"
    assert scope["query_string"] == b"room=1"
    assert scope["root_path"] == "/chat"
    assert scope["subprotocols"] == []
    assert scope["client"] == peer.writer.get_extra_info("sockname")
    assert scope["server"] == peer.writer.get_extra_info("peername")
    assert "method" not in scope
    assert (b"cookie", b"a=b") in scope["headers"]
    assert [value for name, value in scope["headers"] if name == b"x-two"] == [b"1", b"2"]
    assert (b"sec-websocket-version", b"13") in scope["headers"]
    assert scope["extensions"] == {"websocket.http.response": {}}


async def test_each_websocket_has_a_copy_of_the_lifespans_state(serve: Serve) -> None:
    states = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["shared"] = "yes"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        states.append(scope["state"].copy())
        scope["state"]["own"] = True
        await receive()
        await send({"type": "websocket.accept"})

    served = await serve(app, lifespan="on")
    for _ in range(2):
        assert (await (await served.open()).closed())[0] == 1000
    assert states == [{"shared": "yes"}] * 2


@pytest.mark.parametrize(
    ("proto", "scheme"), [("https", "wss"), ("http", "ws"), ("wss", "wss"), ("ws", "ws")]
)
async def test_a_proxy_that_is_trusted_says_who_and_how(
    serve: Serve, application: Application, proto: str, scheme: str
) -> None:
    served = await serve(application, forwarded_allow_ips="127.0.0.1")
    peer = await served.connect()
    await peer.send(peer.request("/", ("X-Forwarded-For", "192.0.2.9"), ("X-Forwarded-Proto", proto)))
    call = await application.call()
    assert call.scope["client"] == ("192.0.2.9", 0)
    assert call.scope["scheme"] == scheme


# --- what the application answers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "offered", [("chat, superchat",), ("chat", "superchat"), (" chat ,,superchat ,",)], ids=str
)
async def test_the_application_chooses_a_subprotocol(
    serve: Serve, application: Application, offered: tuple[str, ...]
) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request("/", *(("Sec-WebSocket-Protocol", each) for each in offered)))
    call = await application.call()
    assert call.scope["subprotocols"] == ["chat", "superchat"]
    await call.accept(subprotocol="superchat")
    assert (await peer.answer())[1]["sec-websocket-protocol"] == "superchat"


async def test_or_none_of_them(serve: Serve, application: Application) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request(sec_websocket_protocol="chat"))
    await (await application.call()).accept()
    assert "sec-websocket-protocol" not in (await peer.answer())[1]


async def test_the_fields_of_an_accept_are_sent_as_they_are(serve: Serve, application: Application) -> None:
    served = await serve(application, headers=["X-Default: yes"])
    peer = await served.connect()
    await peer.send(peer.request())
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-own", b"1")]
    await (await application.call()).accept(headers=cookies)
    status, fields = await peer.answer()
    assert status == 101
    assert peer.head.count("set-cookie: ") == 2
    assert fields["x-own"] == "1"
    assert fields["x-default"] == "yes"


@pytest.mark.parametrize(
    "accept",
    [
        {"subprotocol": "never offered"},
        {"subprotocol": 5},
        {"headers": [(b"sec-websocket-protocol", b"chat")]},
        {"headers": [(b"sec-websocket-accept", b"x")]},
        {"headers": [(b"x\r\ninjected", b"x")]},
        {"headers": [(b"x", b"x\r\ninjected: 1")]},
        {"headers": [("x", "text")]},
        {"headers": 5},
    ],
    ids=str,
)
async def test_an_accept_that_may_not_be_sent_raises_and_is_500(
    serve: Serve, application: Application, accept: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request(sec_websocket_protocol="chat"))
    call = await application.call()
    await call.receive()
    with pytest.raises(ApplicationError) as raised:
        await call.send("accept", **accept)
    await call.raises(raised.value)
    assert (await peer.answer())[0] == 500
    assert "Exception in ASGI application" in caplog.text


async def test_a_close_instead_of_an_accept_is_403(serve: Serve, application: Application) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.receive()
    await call.send("close", code=4000, reason="no entry")
    status, fields = await peer.answer()
    assert (status, fields["content-length"]) == (403, "0")
    assert await call.receive() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    with pytest.raises((ApplicationError, ClientDisconnected)):
        await call.send("accept")


@pytest.mark.parametrize("early", [b"", b"\x81\x85\x00\x00\x00\x00hello" * 10], ids=["quiet", "talks on"])
async def test_after_a_refusal_nothing_follows(serve: Serve, application: Application, early: bytes) -> None:
    """A client that took the handshake for granted has sent frames, which are no request."""
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request(), early)
    call = await application.call()
    await call.receive()
    await call.send("close")
    status, fields = await peer.answer()
    assert (status, fields["connection"]) == (403, "close")
    assert await peer.ended()


async def test_a_denial_is_a_response_of_the_applications(serve: Serve, application: Application) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.receive()
    await call.send("http.response.start", status=401, headers=[(b"www-authenticate", b"Basic")])
    await call.send("http.response.body", body=b"who are you?")
    status, fields = await peer.answer()
    assert (status, fields["www-authenticate"]) == (401, "basic")
    assert int(fields["content-length"]) == 12
    assert await peer.reader.readexactly(12) == b"who are you?"


async def test_a_denial_may_be_streamed(serve: Serve, application: Application) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.receive()
    await call.send("http.response.start", status=429, headers=[])
    await call.send("http.response.body", body=b"slow", more_body=True)
    status, fields = await peer.answer()
    assert (status, fields["transfer-encoding"]) == (429, "chunked")
    assert await peer.reader.readuntil(b"slow\r\n") == b"4\r\nslow\r\n"
    await call.send("http.response.body", body=b"down")
    assert await peer.reader.readuntil(b"0\r\n\r\n") == b"4\r\ndown\r\n0\r\n\r\n"
    assert (await call.receive())["type"] == "websocket.disconnect"


@pytest.mark.parametrize("status", [101, 200, 302, 404, 503])
async def test_any_final_status_may_deny(serve: Serve, application: Application, status: int) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.receive()
    if status == 101:
        with pytest.raises(ApplicationError):
            await call.send("http.response.start", status=status)
    else:
        await call.send("http.response.start", status=status, headers=[(b"location", b"/elsewhere")])
        await call.send("http.response.body")
    assert (await peer.answer())[0] == (500 if status == 101 else status)


@pytest.mark.parametrize("end", ["returns", "raises"])
async def test_an_application_that_ends_without_an_answer_is_500(
    serve: Serve, application: Application, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.receive()
    if end == "returns":
        await call.returns()
        assert (await peer.answer())[0] == 500
        assert "returned without answering the handshake" in caplog.text
    else:
        await call.raises(ValueError("on purpose"))
        assert (await peer.answer())[0] == 500
        assert "Exception in ASGI application" in caplog.text


async def test_an_application_that_breaks_off_its_denial_breaks_the_connection(
    serve: Serve, application: Application
) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.receive()
    await call.send("http.response.start", status=400)
    await call.send("http.response.body", body=b"half", more_body=True)
    await peer.answer()
    await call.raises(ValueError("on purpose"))
    assert await peer.rest() == b"4\r\nhalf\r\n"  # no last chunk


async def test_a_client_that_leaves_before_the_answer_is_gone_for_the_application(
    serve: Serve, application: Application
) -> None:
    served = await serve(application)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    assert await call.receive() == {"type": "websocket.connect"}
    await peer.leave()
    for _ in range(2):
        assert await call.receive() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
    with pytest.raises(ClientDisconnected):
        await call.send("accept")


# --- what the server answers --------------------------------------------------------------------------------


async def explode(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the application must not be called")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"method": "POST"}, 400),
        ({"content_length": "5"}, 400),
        ({"transfer_encoding": "chunked"}, 400),
        ({"sec_websocket_key": ""}, 400),
        ({"sec_websocket_key": "short"}, 400),
        ({"sec_websocket_key": "dGhlIHNhbXBsZSBub25jZTE="}, 400),  # 17 bytes
        ({"sec_websocket_key": "dGhlIHNhbXBsZSBub25j"}, 400),  # 15
        ({"sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ"}, 400),  # without its padding
        ({"sec_websocket_key": "dGhlIHNhbXBsZSBub25jZ%=="}, 400),
        ({"sec_websocket_version": ""}, 426),
        ({"sec_websocket_version": "12"}, 426),
        ({"sec_websocket_version": "8, 13"}, 426),
        ({"sec_websocket_version": "013"}, 426),
        ({"sec_websocket_protocol": "a b"}, 400),
        ({"sec_websocket_protocol": "chat, <x>"}, 400),
        ({"sec_websocket_extensions": "permessage-deflate; ="}, 400),
        ({"sec_websocket_extensions": '"'}, 400),
        ({"host": ""}, 400),
    ],
    ids=str,
)
async def test_a_wrong_handshake_is_refused(serve: Serve, fields: dict[str, str], status: int) -> None:
    served = await serve(explode)
    peer = await served.connect()
    await peer.send(peer.request(**fields))  # type: ignore[arg-type]
    answered, headers = await peer.answer()
    assert answered == status
    assert headers["connection"] == ("close, upgrade" if status == 426 else "close")
    if status == 426:
        assert headers["sec-websocket-version"] == "13"
        assert headers["upgrade"] == "websocket"
    assert len(await peer.rest()) == int(headers["content-length"])


async def test_two_keys_are_refused(serve: Serve) -> None:
    served = await serve(explode)
    peer = await served.connect()
    await peer.send(peer.request("/", ("sec-websocket-key", peer.KEY)))
    assert (await peer.answer())[0] == 400


async def scheme(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": scope["type"].encode()})


@pytest.mark.parametrize(
    ("fields", "settings"),
    [
        ({"upgrade": "h2c"}, {}),
        ({"upgrade": "TLS/1.0, irc/6.9"}, {}),
        ({"upgrade": ""}, {}),
        ({"connection": "keep-alive"}, {}),
        ({"connection": ""}, {}),
        ({"version": "HTTP/1.0"}, {}),
        ({}, {"ws": False}),
    ],
    ids=str,
)
async def test_what_asks_for_no_websocket_is_http(
    serve: Serve, fields: dict[str, str], settings: dict[str, Any]
) -> None:
    served = await serve(scheme, **settings)
    peer = await served.connect()
    await peer.send(peer.request(**fields))  # type: ignore[arg-type]
    assert (await peer.answer())[0] == 200
    assert await peer.reader.readexactly(4) == b"http"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://example.com", 101),
        ("HTTPS://EXAMPLE.COM", 101),
        ("http://localhost:3000", 101),
        ("https://example.com:8443", 403),
        ("http://example.com", 403),
        ("https://evil.example", 403),
        ("https://example.com.evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_only_the_origins_that_are_listed_get_in(
    serve: Serve, echo: ASGIApplication, origin: str, status: int
) -> None:
    served = await serve(echo, ws_origins=["https://example.com", "http://localhost:3000"])
    peer = await served.connect()
    await peer.send(peer.request(origin=origin))
    assert (await peer.answer())[0] == status


async def test_a_websocket_beyond_the_limit_is_503_and_told_to_come_back(
    serve: Serve, echo: ASGIApplication, until: Until
) -> None:
    served = await serve(echo, limit_websockets=2)
    first, _ = await served.open(), await served.open()
    third = await served.connect()
    await third.send(third.request())
    status, fields = await third.answer()
    assert (status, fields["retry-after"]) == (503, "1")
    await first.close(1000)
    assert await first.closed() == (1000, "")
    assert await first.ended()
    await until(lambda: len(served.server.service.websockets) < 2)
    await served.open()


async def test_the_limit_of_requests_is_not_the_limit_of_websockets(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await scheme(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    served = await serve(app, limit_requests=1)
    await served.open()
    await served.open()
    peer = await served.connect()
    await peer.send(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
    assert (await peer.answer())[0] == 200


async def test_a_connection_beyond_the_limit_gets_no_websocket(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo, limit_connections=1)
    await served.open()
    peer = await served.connect()
    await peer.send(peer.request())
    assert (await peer.answer())[0] == 503
