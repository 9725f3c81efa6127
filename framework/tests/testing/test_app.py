"""What an App has beside views: WebSockets, hooks, background work, middleware; their errors are raised."""

from __future__ import annotations

from typing import Any

import pytest

from asgistar import App, Background, Events, Route, WebSocket, WebSocketRoute, component
from asgistar.middleware.request_id import request_id
from asgistar.testing import AsyncClient, TestClient, WebSocketClosed, WebSocketDenied


class User:
    def __init__(self, name: str) -> None:
        self.name = name


@component
async def user() -> User:
    return User("nobody")


class Broken(Exception):
    pass


async def whoami(socket: WebSocket[str, str], user: User) -> None:
    await socket.send(user.name)


async def breaks(socket: WebSocket[str, str]) -> None:
    await socket.send("a")
    raise Broken("of the socket")


def test_a_websocket_of_an_app_knows_its_user_and_its_overrides() -> None:
    app = App([WebSocketRoute("/ws", whoami)], components=[user])
    with TestClient(app) as client:
        for asks, name in ((client, "nobody"), (client.as_(User("anna")), "anna")):
            with asks.websocket("/ws") as socket:
                assert socket.receive_text() == name
        with client.override({User: User("all")}), client.websocket("/ws") as socket:
            assert list(socket) == ["all"]
        with pytest.raises(WebSocketDenied, match=r"40[34]"):
            client.websocket("/none").__enter__()


async def test_an_error_of_a_view_for_websockets_is_raised() -> None:
    app = App([WebSocketRoute("/ws", breaks)])
    async with AsyncClient(app) as client:
        socket = client.websocket("/ws")
        await socket.__aenter__()
        assert await socket.receive() == "a"
        with pytest.raises(Broken, match="of the socket"):
            await socket.receive()
    async with AsyncClient(app, raise_errors=False) as client, client.websocket("/ws") as socket:
        assert await socket.receive() == "a"
        with pytest.raises(WebSocketClosed, match="1011"):
            await socket.receive()


async def test_an_error_of_a_stream_is_raised() -> None:
    async def view() -> Events[int]:
        yield 1
        raise Broken("of the stream")

    async with AsyncClient(App([Route("/", "GET", view)])) as client, client.events("/") as events:
        assert (await anext(events)).json() == 1
        with pytest.raises(Broken, match="of the stream"):
            await anext(events)


async def test_background_work_is_done_with_the_answer_and_its_errors_are_raised() -> None:
    done = []

    async def work(number: int) -> None:
        done.append(number)
        if number == 2:
            raise Broken("in the background")

    async def view(number: int, background: Background) -> int:
        background.add(work, number)
        return number

    async with AsyncClient(App([Route("/", "GET", view)])) as client:
        assert (await client.get("/?number=1")).json() == 1
        assert done == [1]
        with pytest.raises(Broken, match="in the background"):
            await client.get("/?number=2")


async def test_middleware_of_an_app_is_on_the_way() -> None:
    async def view() -> None:
        raise Broken("behind middleware")

    async with AsyncClient(App([Route("/", "GET", view)], middleware=[request_id()])) as client:
        with pytest.raises(Broken):
            await client.get("/")
        assert "x-request-id" in (await client.get("/none")).headers


async def test_an_error_of_a_hook_is_raised() -> None:
    class Hook:
        def on_response(self) -> None:
            raise Broken("of the hook")

    async def view() -> Any:
        return 1

    async with AsyncClient(App([Route("/", "GET", view)], hooks=[Hook()])) as client:
        with pytest.raises(Broken, match="of the hook"):
            await client.get("/")
