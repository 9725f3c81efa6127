"""The chat as a client sees it that isn't a browser: what is said, what is remembered, what is refused."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from examples.chat.tests.conftest import Chat, Serve


def heard(client: ClientConnection) -> dict[str, Any]:
    """The next news."""
    news: dict[str, Any] = json.loads(client.recv(30))
    return news


def join(chat: Chat, name: str, last: int = 0) -> tuple[ClientConnection, list[dict[str, Any]]]:
    """Somebody new in the room, and what was said before."""
    client = chat.connect()
    client.send(json.dumps({"name": name, "last": last}))
    welcome = heard(client)
    assert welcome["type"] == "welcome"
    assert name in heard(client)["names"]
    return client, welcome["said"]


def test_the_page_is_whole(chat: Chat) -> None:
    page = httpx.get(chat.url)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    text = page.text.replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in text
    assert "https://" not in text
    assert ' src="' not in text
    assert httpx.head(chat.url).headers["content-length"] == page.headers["content-length"]
    assert httpx.get(f"{chat.url}nowhere").status_code == 404


def test_what_one_says_everyone_hears_once_and_in_order(chat: Chat) -> None:
    ada, _ = join(chat, "Ada")
    bob, _ = join(chat, "Bob")
    assert heard(ada)["names"] == ["Ada", "Bob"]
    for text in ("one", "two", "Grüße 🎈"):
        ada.send(json.dumps({"text": text}))
    for client in (ada, bob):
        news = [heard(client) for _ in range(3)]
        assert [each["text"] for each in news] == ["one", "two", "Grüße 🎈"]
        assert {each["name"] for each in news} == {"Ada"}
        numbers = [each["number"] for each in news]
        assert numbers == sorted(set(numbers))
    bob.close()
    assert heard(ada)["names"] == ["Ada"]


def test_who_comes_later_gets_what_was_said_and_who_comes_back_what_was_missed(chat: Chat) -> None:
    ada, _ = join(chat, "Ada")
    for text in ("one", "two"):
        ada.send(json.dumps({"text": text}))
    first, second = heard(ada), heard(ada)
    for last, missed in ((0, ["one", "two"]), (first["number"], ["two"]), (second["number"], [])):
        bob, said = join(chat, "Bob", last)
        bob.close()
        assert [message["text"] for message in said] == missed


def test_no_more_than_200_messages_are_remembered(chat: Chat) -> None:
    ada, _ = join(chat, "Ada")
    for number in range(250):
        ada.send(json.dumps({"text": str(number)}))
        assert heard(ada)["text"] == str(number)
    _, said = join(chat, "Bob")
    assert [message["text"] for message in said] == [str(number) for number in range(50, 250)]


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        "[]",
        "{}",
        '{"name": ""}',
        '{"name": "   "}',
        '{"name": 5}',
        json.dumps({"name": "x" * 31}),
        '{"name": "Eve", "last": "0"}',
        "[" * 100_000,
        b"\x00",
    ],
    ids=lambda message: repr(message[:30]),
)
def test_who_does_not_say_who_they_are_is_sent_away(chat: Chat, message: str | bytes) -> None:
    client = chat.connect()
    client.send(message)
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4000


@pytest.mark.parametrize("text", ["", "  ", 5, None, "x" * 2001], ids=lambda text: repr(text)[:10])
def test_a_message_that_cannot_be_one_ends_the_connection(chat: Chat, text: Any) -> None:
    client, _ = join(chat, "Eve")
    client.send(json.dumps({"text": text}))
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4000


def test_another_path_has_no_websocket(chat: Chat) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://{chat.address}/elsewhere", proxy=None):
        pass
    assert refused.value.response.status_code == 403


def test_who_does_not_read_holds_nobody_up(serve: Serve) -> None:
    chat = serve("--no-ws-per-message-deflate")
    slow = socket.create_connection(chat.listener.getsockname(), 30)
    with slow:
        slow.sendall(
            b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            b"\x81\x90\0\0\0\0" + b'{"name": "Slow"}'
        )
        assert slow.recv(12) == b"HTTP/1.1 101"
        ada, _ = join(chat, "Ada")
        text = "x" * 2000
        for _ in range(20_000):  # forty megabytes: more than all buffers on the way
            ada.send(json.dumps({"text": text}))
            news = heard(ada)
            if news.get("names") == ["Ada"]:
                break  # the slow one was asked to leave
            assert news.get("text", text) == text
        else:
            pytest.fail("everything waits for the slow one")


def test_a_stop_tells_everyone_to_come_back(chat: Chat) -> None:
    client, _ = join(chat, "Ada")
    chat.stop()
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(30)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    chat.start()
