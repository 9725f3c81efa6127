"""Chat: one room over WebSocket, as an ASGI application without a framework.

A browser gets the page, and opens `/chat`. From then on both sides send JSON: who joins gives a name and the
last message they have seen, gets what they have missed, and then what everyone says. Everything is bounded:
names, messages, what is remembered, and what waits for somebody who reads too slowly.
"""

import asyncio
import itertools
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PAGE = Path(__file__).with_name("index.html").read_bytes()
NAME_LIMIT, TEXT_LIMIT = 30, 2000  # characters
REMEMBERED = 200  # messages that somebody who joins may see
WAITING = 100  # news that wait for one member; more, and they are asked to come back

# Close codes of our own are 4000 to 4999; the page knows what they mean.
MISUNDERSTOOD, TOO_SLOW = 4000, 4001


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The page and its WebSocket; nothing else is here."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if scope["type"] == "websocket":
        if path == "/chat":
            await talk(receive, send)
        else:
            await send({"type": "websocket.close"})
    elif scope["type"] == "http":
        found = path == "/"
        body = PAGE if found else b"There is nothing here\n"
        media_type = b"text/html; charset=utf-8" if found else b"text/plain; charset=utf-8"
        headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
    else:
        raise ValueError(f"this application speaks http and websocket, not {scope['type']}")


class Member:
    """Somebody in the room. What there is to tell them waits in `news` until their connection takes it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.news: asyncio.Queue[str] = asyncio.Queue(WAITING)
        self.too_slow = asyncio.Event()

    def tell(self, **what: Any) -> None:
        """Have something sent to them. Never waits: one who reads too slowly must not hold up the others."""
        try:
            self.news.put_nowait(json.dumps(what))
        except asyncio.QueueFull:
            self.too_slow.set()


class Room:
    """Who is here, and what was said."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.said: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self.numbers = itertools.count(time.time_ns() // 1000)  # they grow even when the server starts again

    def enter(self, member: Member, last: int) -> None:
        """Let somebody in, and tell them what was said since message number `last`."""
        self.members.append(member)
        member.tell(type="welcome", said=[message for message in self.said if message["number"] > last])
        self.tell_names()

    def leave(self, member: Member) -> None:
        """Somebody has gone."""
        self.members.remove(member)
        self.tell_names()

    def say(self, member: Member, text: str) -> None:
        """Tell everyone, and remember it for those to come."""
        message = {"number": next(self.numbers), "name": member.name, "text": text, "time": time.time()}
        self.said.append(message)
        for each in self.members:
            each.tell(type="said", **message)

    def tell_names(self) -> None:
        """Tell everyone who is here."""
        names = sorted({member.name for member in self.members}, key=str.casefold)
        for member in self.members:
            member.tell(type="here", names=names)


room = Room()


async def talk(receive: Receive, send: Send) -> None:
    """One WebSocket: from its first message, which says who it is, until either side goes."""
    await receive()
    await send({"type": "websocket.accept"})
    try:
        member, last = hello(await next_message(receive))
        room.enter(member, last)
        try:
            await first_of(listen(member, receive), deliver(member, send), refuse_slow(member, send))
        finally:
            room.leave(member)
    except Misunderstood as error:
        await send({"type": "websocket.close", "code": MISUNDERSTOOD, "reason": str(error)})
    except OSError:
        pass  # they left: from next_message(), or from send()


class Misunderstood(ValueError):
    """What came is nothing that the page would send."""


def hello(message: dict[str, Any]) -> tuple[Member, int]:
    """Who it is, and the number of the last message they know."""
    name, last = message.get("name"), message.get("last", 0)
    if not isinstance(name, str) or not 0 < len(name.strip()) <= NAME_LIMIT:
        raise Misunderstood(f"a name has 1 to {NAME_LIMIT} characters")
    if not isinstance(last, int):
        raise Misunderstood("last is the number of a message")
    return Member(" ".join(name.split())), last


async def listen(member: Member, receive: Receive) -> None:
    """Say what they say."""
    while True:
        text = (await next_message(receive)).get("text")
        if not isinstance(text, str) or not 0 < len(text.strip()) <= TEXT_LIMIT:
            raise Misunderstood(f"a message has 1 to {TEXT_LIMIT} characters")
        room.say(member, text.strip())


async def deliver(member: Member, send: Send) -> None:
    """Send what there is to tell them; `send` waits while they read too slowly."""
    while True:
        await send({"type": "websocket.send", "text": await member.news.get()})


async def refuse_slow(member: Member, send: Send) -> None:
    """Ask somebody to come back who has let too much pile up."""
    await member.too_slow.wait()
    await send({"type": "websocket.close", "code": TOO_SLOW, "reason": "too slow"})


async def next_message(receive: Receive) -> dict[str, Any]:
    """The next JSON object. Raises ConnectionResetError when they have gone, or the server stops."""
    event = await receive()
    if event["type"] == "websocket.disconnect":
        raise ConnectionResetError("they left")
    try:
        message = json.loads(event.get("text") or "")
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise Misunderstood("a message is a JSON object")
    return message


async def first_of(*coroutines: Awaitable[None]) -> None:
    """Run these until the first of them ends; that one's exception, if it has one, is raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
