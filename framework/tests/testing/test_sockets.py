"""WebSockets and events of clients for tests."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from asgistar import App, Mount, Route
from asgistar.testing import AsyncClient, Event, TestClient, WebSocketClosed, WebSocketDenied


class Peer:
    """A WebSocket application: does what its first line says, and keeps what it gets."""

    def __init__(self) -> None:
        self.scope: Any = None
        self.heard: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        self.scope = scope
        assert await receive() == {"type": "websocket.connect"}
        await getattr(self, scope["path"].strip("/"))(receive, send)

    async def echo(self, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "headers": [(b"x-a", b"b"), (b"set-cookie", b"a=b")]})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
        self.heard.append(message)

    async def closes(self, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "last"})
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
        self.heard.append(await receive())

    async def returns(self, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})

    async def chooses(self, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "subprotocol": "chat.v2"})

    async def refuses(self, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    async def denies(self, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "websocket.http.response.start", "status": 429, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"now"})

    async def breaks(self, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await receive()
        raise KeyError("broken")

    async def breaks_at_once(self, receive: Any, send: Any) -> None:
        raise KeyError("broken")

    async def breaks_the_protocol(self, receive: Any, send: Any) -> None:
        await send({"type": "websocket.send", "text": "a"})

    async def says_nothing_twice(self, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": None, "bytes": None})

    async def hangs(self, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def floods(self, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": "x"})
        except OSError:
            self.heard.append("OSError")
            raise


async def test_text_bytes_and_json_go_to_and_fro() -> None:
    peer = Peer()
    async with AsyncClient(peer) as client:
        async with client.websocket("/echo", params={"q": "1"}, headers={"x-b": "c"}) as socket:
            await socket.send("text")
            assert await socket.receive_text() == "text"
            await socket.send(b"bytes")
            assert await socket.receive_bytes() == b"bytes"
            await socket.send_json({"a": [1]})
            assert await socket.receive_json() == {"a": [1]}
            await socket.send_json({"a": [1]})
            assert await socket.receive_json(dict[str, list[int]]) == {"a": [1]}
            await socket.send("any")
            assert await socket.receive() == "any"
            assert socket.headers["x-a"] == "b"
            assert socket.close_code is None
        assert client.cookies["a"] == "b"
        async with client.websocket("/echo"):
            pass
    assert peer.heard == [{"type": "websocket.disconnect", "code": 1000, "reason": ""}] * 2
    scope = peer.scope
    assert (scope["type"], scope["scheme"], scope["path"], scope["subprotocols"]) == (
        "websocket",
        "ws",
        "/echo",
        [],
    )
    assert "websocket.http.response" in scope["extensions"]
    headers = dict(scope["headers"])
    assert (headers[b"upgrade"], headers[b"sec-websocket-version"], headers[b"cookie"]) == (
        b"websocket",
        b"13",
        b"a=b",
    )


def test_a_test_that_is_no_coroutine_has_websockets_too() -> None:
    peer = Peer()
    with TestClient(peer, auth=("anna", "secret"), base_url="https://testserver") as client:
        with client.websocket("/echo", subprotocols=["a"]) as socket:
            socket.send_json([1])
            assert socket.receive_json() == [1]
            socket.send(b"b")
            assert socket.receive_bytes() == b"b"
            socket.send("t")
            assert socket.receive_text() == "t"
            socket.send("r")
            assert socket.receive() == "r"
            assert (socket.subprotocol, socket.headers["x-a"]) == (None, "b")
            socket.close(4000, "bye")
            assert (socket.close_code, socket.close_reason) == (4000, "bye")
        with client.websocket("/closes") as socket:
            assert list(socket) == ["last"]
            assert socket.close_code == 4001
    assert peer.heard[0] == {"type": "websocket.disconnect", "code": 4000, "reason": "bye"}
    assert dict(peer.scope["headers"])[b"authorization"].startswith(b"Basic ")
    assert peer.scope["scheme"] == "wss"


async def test_the_application_closes_with_a_code_and_a_reason() -> None:
    peer = Peer()
    async with AsyncClient(peer) as client:
        async with client.websocket("/closes") as socket:
            assert [message async for message in socket] == ["last"]
            with pytest.raises(WebSocketClosed, match="4001: enough") as closed:
                await socket.receive()
            assert (closed.value.code, closed.value.reason) == (4001, "enough")
            with pytest.raises(WebSocketClosed):
                await socket.send("a")
        assert peer.heard == [{"type": "websocket.disconnect", "code": 4001, "reason": ""}]
        async with client.websocket("/returns") as socket:
            with pytest.raises(WebSocketClosed, match="1000"):
                await socket.receive()


async def test_a_subprotocol_is_one_of_those_offered() -> None:
    peer = Peer()
    async with AsyncClient(peer) as client:
        async with client.websocket("/chooses", subprotocols=["chat.v1", "chat.v2"]) as socket:
            assert socket.subprotocol == "chat.v2"
        assert peer.scope["subprotocols"] == ["chat.v1", "chat.v2"]
        assert dict(peer.scope["headers"])[b"sec-websocket-protocol"] == b"chat.v1, chat.v2"
        with pytest.raises(RuntimeError, match=r"'chat\.v2' is none of them"):
            await client.websocket("/chooses").__aenter__()


async def test_a_handshake_can_be_denied() -> None:
    async with AsyncClient(Peer()) as client:
        with pytest.raises(WebSocketDenied, match="403") as denied:
            await client.websocket("/refuses").__aenter__()
        assert denied.value.response.status_code == 403
        with pytest.raises(WebSocketDenied, match="429: not now") as denied:
            await client.websocket("/denies").__aenter__()
        assert denied.value.response.text == "not now"
        assert denied.value.response.headers["content-type"] == "text/plain"


async def test_errors_of_the_application_are_raised() -> None:
    async with AsyncClient(Peer()) as client:
        with pytest.raises(KeyError, match="broken"):
            await client.websocket("/breaks_at_once").__aenter__()
        socket = client.websocket("/breaks")
        await socket.__aenter__()
        await socket.send("a")
        with pytest.raises(KeyError, match="broken"):
            await socket.receive()
        with pytest.raises(KeyError, match="broken"):
            async with client.websocket("/breaks"):
                pass
        with pytest.raises(RuntimeError, match=r"may send is websocket\.accept or websocket\.close or"):
            await client.websocket("/breaks_the_protocol").__aenter__()
        with pytest.raises(RuntimeError, match="either text or bytes"):
            async with client.websocket("/says_nothing_twice") as socket:
                await socket.receive()
    async with AsyncClient(Peer(), raise_errors=False) as client, client.websocket("/breaks") as socket:
        await socket.send("a")
        with pytest.raises(WebSocketClosed, match="1011"):
            await socket.receive()


async def test_an_error_of_the_test_closes_the_websocket() -> None:
    peer = Peer()
    async with AsyncClient(peer) as client:
        with pytest.raises(LookupError):
            async with client.websocket("/echo"):
                raise LookupError
    assert peer.heard == [{"type": "websocket.disconnect", "code": 1001, "reason": ""}]


async def test_a_message_of_the_other_kind_is_an_error() -> None:
    async with AsyncClient(Peer()) as client, client.websocket("/echo") as socket:
        await socket.send("a")
        with pytest.raises(AssertionError, match="text, not bytes: 'a'"):
            await socket.receive_bytes()
        await socket.send(b"a")
        with pytest.raises(AssertionError, match="bytes, not text: b'a'"):
            await socket.receive_text()


async def test_what_does_not_come_is_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgistar.inprocess.conversation.GRACE", 0.01)
    async with AsyncClient(Peer(), timeout=1) as client:
        with pytest.raises(TimeoutError, match="no answer to the handshake from /hangs within 1 s"):
            await client.websocket("/hangs").__aenter__()
        async with client.websocket("/echo") as socket:
            with pytest.raises(TimeoutError, match="no message from /echo"):
                await socket.receive()


async def test_an_application_that_sends_without_end_waits_until_it_is_read_and_ends_with_the_client() -> (
    None
):
    peer = Peer()
    async with AsyncClient(peer) as client:
        async with client.websocket("/floods") as socket:
            assert await socket.receive() == "x"
        assert peer.heard == ["OSError"]


# --- events -----------------------------------------------------------------------------------------------


async def feed(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    headers = dict(scope["headers"])
    assert headers[b"accept"] == b"text/event-stream"
    start = int(headers.get(b"last-event-id", b"0"))
    content_type = [(b"content-type", b"text/event-stream; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": content_type})
    while True:
        start += 1
        data = f": comment\n\nid: {start}\nevent: count\ndata: {start}\ndata: more\u2028\n\n".encode()
        for piece in (data[:30], data[30:]):
            await send({"type": "http.response.body", "body": piece, "more_body": True})


async def test_events_come_one_by_one_and_are_left_at_will() -> None:
    async with AsyncClient(feed) as client:
        async with client.events("/feed", params={"a": "b"}) as events:
            assert await anext(events) == Event("1\nmore\u2028", "count", "1")
            assert (await anext(events)).id == "2"
        async with client.events("/feed", last_event_id="41", headers={"x-a": "b"}) as events:
            assert (await anext(events)).data.startswith("42")


def test_a_test_that_is_no_coroutine_has_events_too() -> None:
    with TestClient(feed) as client, client.events("/feed") as events:
        assert [next(events).id, next(events).id] == ["1", "2"]


def test_what_is_no_stream_of_events_is_an_error() -> None:
    async def view() -> dict[str, str]:
        return {"a": "b"}

    app = App([Route("/", "GET", view)])
    with TestClient(app) as client:
        with pytest.raises(
            AssertionError, match=r'no stream of events, but 200 with application/json: {"a":"b"}'
        ):
            client.events("/").__enter__()
        with pytest.raises(AssertionError, match="no stream of events, but 404"):
            client.events("/none").__enter__()


async def test_what_is_no_stream_of_events_is_an_error_for_coroutines_too() -> None:
    async with AsyncClient(App([])) as client:
        with pytest.raises(AssertionError, match="no stream of events, but 404"):
            await client.events("/").__aenter__()


async def test_events_that_do_not_come_are_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgistar.inprocess.conversation.GRACE", 0.01)

    async def quiet(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await asyncio.Event().wait()

    async with AsyncClient(quiet, timeout=1) as client:
        with pytest.raises(httpx.ReadTimeout):
            async with client.events("/") as events:
                await anext(events)


async def test_requests_run_while_events_are_read() -> None:
    published: asyncio.Queue[str] = asyncio.Queue()

    async def publish(text: str) -> None:
        published.put_nowait(text)

    async def live(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while True:
            data = f"data: {await published.get()}\n\n".encode()
            await send({"type": "http.response.body", "body": data, "more_body": True})

    app = App([Route("/publish", "POST", publish), Mount("/live", live)])
    async with AsyncClient(app) as client, client.events("/live/") as events:
        assert (await client.post("/publish?text=hello")).status_code == 204
        assert (await anext(events)).data == "hello"
        published.put_nowait("again")
        assert (await anext(events)).data == "again"
