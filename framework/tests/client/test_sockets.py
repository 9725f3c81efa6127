"""WebSockets of the dynamic clients: to a server, and to an application in process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from asgistar.client import ApiKey, AsyncClient, Client, NotFound, Problem, Unauthorized, WebSocketClosed

if TYPE_CHECKING:
    from asgistar import App

KEY = ApiKey("k")


@pytest.fixture(params=["served", "in process"])
def client(request: pytest.FixtureRequest, app: App) -> Iterator[Client]:
    target: Any = request.getfixturevalue("url") if request.param == "served" else app
    with Client(target, auth=KEY) as client:
        yield client


@pytest.fixture(params=["served", "in process"])
async def async_client(request: pytest.FixtureRequest, app: App) -> AsyncIterator[AsyncClient]:
    if request.param == "served":
        import asgiworker

        async with (
            asgiworker.running(app, lifespan="on", graceful_timeout=1) as server,
            AsyncClient(server.url, auth=KEY) as client,
        ):
            yield client
    else:
        async with AsyncClient(app, auth=KEY) as client:
            yield client


def stored(id: int, title: str) -> dict[str, Any]:
    note = {"title": title, "done": False, "tags": [], "madeAt": None, "pet": None}
    return {"id": id, "note": note}


def test_messages_are_values(client: Client) -> None:
    with client.live.chat(room="lö b", first=7) as socket:
        socket.send({"title": "a"})
        assert socket.receive(10) == stored(7, "lö b: a by k")
        socket.send({"title": "b"})
        socket.send({"title": "leave"})
        assert list(socket) == [stored(8, "lö b: b by k")]
        assert (socket.close_code, socket.close_reason) == (4000, "as you wish")
        with pytest.raises(WebSocketClosed, match="4000: as you wish"):
            socket.receive()
        with pytest.raises(WebSocketClosed):
            socket.send({"title": "c"})


async def test_messages_are_values_for_async(async_client: AsyncClient) -> None:
    async with await async_client.live.chat(room="lobby") as socket:
        await socket.send({"title": "a"})
        assert await socket.receive(10) == stored(1, "lobby: a by k")
        with pytest.raises(TimeoutError):
            await socket.receive(0.01)
        await socket.send({"title": "b"})
        await socket.send({"title": "leave"})
        assert [message async for message in socket] == [stored(2, "lobby: b by k")]
        assert (socket.close_code, socket.close_reason) == (4000, "as you wish")


def test_text_and_bytes_are_as_they_are(client: Client) -> None:
    with client.request("live:plain") as socket:
        socket.send("ü")
        assert socket.receive() == "ü".encode()
        socket.send(b"ab")
        assert socket.receive() == b"ba"
    assert socket.close_code == 1000


def test_where_json_is_not_asked_for_texts_and_bytes_are_not_made_json(client: Client) -> None:
    socket = client.live.loose()
    for value, comes in (("a", "a"), (b"a", b"a"), ({"a": 1}, '{"a":1}')):
        socket.send(value)
        assert socket.receive() == comes
    socket.close(4001, "enough")
    socket.close()
    assert (socket.close_code, socket.close_reason) == (4001, "enough")


def test_what_is_not_accepted_is_a_problem(client: Client, app: App, url: str) -> None:
    with pytest.raises(NotFound, match="There is no such room") as found:
        client.live.chat(room="closed")
    assert found.value.status == 404
    with pytest.raises(TypeError, match="room"):
        client.live.chat()
    with Client(url) as stranger, pytest.raises(Unauthorized):
        stranger.live.chat(room="a")


def test_a_message_of_another_type_is_an_error(url: str, app: App) -> None:
    with Client(url, auth=KEY) as client:
        operation = client.document.operations["live:chat"]
        with client.send(operation, {"room": "a"}, dict[str, int]) as socket:
            socket.send({"title": "a"})
            with pytest.raises(msgspec.ValidationError):
                socket.receive()


def test_a_loop_ends_in_an_error_if_something_was_wrong(client: Client) -> None:
    with client.live.chat(room="a") as socket:
        socket.send({"title": 7})
        with pytest.raises(WebSocketClosed, match="1007"):
            list(socket)
    with client.live.echo() as socket:
        socket.close()
        assert list(socket) == []


async def test_a_server_that_is_gone_is_an_error(app: App) -> None:
    """One that ends without a word, as one that crashed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import base64
        import hashlib

        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = next(line.split(": ")[1] for line in head.split("\r\n") if "key" in line.lower())
        accept = base64.b64encode(
            hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        )
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n")
        writer.write(b"sec-websocket-accept: " + accept + b"\r\n\r\n\x81\x01a")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    async with server, AsyncClient(app.openapi(), base_url=f"http://127.0.0.1:{port}") as client:
        socket = await client.live.loose()
        messages = aiter(socket)
        assert await anext(messages) == "a"
        with pytest.raises(WebSocketClosed, match="1006"):
            await anext(messages)
        await socket.close()

        def broken() -> None:
            with Client(app.openapi(), base_url=f"http://127.0.0.1:{port}") as client:
                socket = client.live.loose()
                messages = iter(socket)
                assert next(messages) == "a"
                with pytest.raises(WebSocketClosed, match="1006"):
                    next(messages)
                socket.close()
                with pytest.raises(WebSocketClosed, match="1006"):
                    socket.send("too late")

        await asyncio.to_thread(broken)

    def blocking() -> None:
        gone = Client(app.openapi(), base_url=f"http://127.0.0.1:{port}", timeout=1)
        with gone, pytest.raises(httpx.ConnectError):
            gone.live.loose()

    await asyncio.to_thread(blocking)


async def test_a_server_that_is_silent_is_an_error_and_so_is_a_redirect(app: App) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b" /live/plain " in await reader.readline():
            writer.write(b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")
        else:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1")
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, AsyncClient(app.openapi(), base_url=url, timeout=0.2) as client:
        with pytest.raises(httpx.ConnectTimeout, match=r"hasn't answered within 0\.2 s"):
            await client.live.loose()
        with pytest.raises(Problem, match="307") as redirected:
            await client.live.plain()
        assert redirected.value.headers["location"] == "/"


def test_without_websockets_it_is_said_what_to_install(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.asyncio.client", None)
    with Client(url) as client, pytest.raises(ModuleNotFoundError, match=r"asgistar\[client\]"):
        client.live.loose()
