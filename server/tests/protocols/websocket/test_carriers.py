"""The same session on other carriers: TLS, a UNIX socket, behind a PROXY header."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from asgiworker.asgi.types import ASGIApplication

if TYPE_CHECKING:
    from server.tests.protocols.websocket.conftest import Application, Serve

TEXT, BINARY = 0x1, 0x2


async def test_over_tls(serve: Serve, application: Application) -> None:
    served = await serve(application, tls=True)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    assert call.scope["scheme"] == "wss"
    assert call.scope["extensions"]["tls"]["tls_version"] >= 0x0303
    await call.accept()
    assert (await peer.answer())[0] == 101
    await peer.text("hello")
    assert (await call.receive())["text"] == "hello"
    sending = call.sending("send", bytes=bytes(1 << 20))
    assert await peer.message() == bytes(1 << 20)
    await sending
    await call.send("close", code=4000)
    assert (await peer.closed())[0] == 4000
    await peer.close(4000)
    assert await peer.ended()


async def test_a_client_of_tls_that_leaves_is_noticed(serve: Serve, application: Application) -> None:
    served = await serve(application, tls=True)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.accept()
    await peer.answer()
    peer.reset()
    assert (await call.receive())["code"] == 1006


async def test_the_client_of_websockets_over_tls(serve: Serve, echo: ASGIApplication) -> None:
    served = await serve(echo, tls=True)
    async with served.client() as client:
        for message in ("text", b"bytes" * 100_000):
            await client.send(message)
            assert await client.recv() == message


async def test_over_a_unix_socket(serve: Serve, application: Application, tmp_path: Path) -> None:
    served = await serve(application, bind=[f"unix:{tmp_path / 'socket'}"])
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    assert call.scope["scheme"] == "ws"
    assert call.scope["server"] == (str(tmp_path / "socket"), None)
    await call.accept()
    assert (await peer.answer())[0] == 101
    await peer.text("hello")
    assert (await call.receive())["text"] == "hello"
    await call.returns()
    assert (await peer.closed())[0] == 1000
    await peer.close(1000)
    assert await peer.ended()


async def test_behind_a_proxy_header(serve: Serve, application: Application) -> None:
    served = await serve(application, proxy_protocol="v1")
    peer = await served.connect()
    await peer.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 443\r\n", peer.request())
    call = await application.call()
    assert call.scope["client"] == ("192.0.2.1", 1000)
    assert call.scope["server"] == ("192.0.2.2", 443)
    await call.accept()
    assert (await peer.answer())[0] == 101
    await peer.text("hello")
    assert (await call.receive())["text"] == "hello"
