"""The application that the load tests serve in a process of its own.

`/progress` says how far the other requests have come, so that a test can wait until nothing moves any more.
"""

from __future__ import annotations

import asyncio
import gc
import json
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

PIECE = bytes(65536)
LARGE = bytes(1024 * 1024)

progress: Counter[str] = Counter()


async def answer(send: Any, body: bytes, status: int = 200) -> None:
    """One whole response."""
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def hello(query: dict[str, str], receive: Any, send: Any) -> None:
    """A short answer."""
    await answer(send, b"hello")


async def report(query: dict[str, str], receive: Any, send: Any) -> None:
    """How far the other requests have come."""
    await answer(send, json.dumps(progress).encode())


async def objects(query: dict[str, str], receive: Any, send: Any) -> None:
    """How many objects the garbage collector knows."""
    gc.collect()
    await answer(send, b"%d" % len(gc.get_objects()))


async def flood(query: dict[str, str], receive: Any, send: Any) -> None:
    """`size` bytes, in parts."""
    await send({"type": "http.response.start", "status": 200})
    for _ in range(int(query["size"]) // len(PIECE)):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        progress["sent"] += len(PIECE)
    await send({"type": "http.response.body"})


async def large(query: dict[str, str], receive: Any, send: Any) -> None:
    """One megabyte in one message."""
    progress["calls"] += 1
    await answer(send, LARGE)


async def deaf(query: dict[str, str], receive: Any, send: Any) -> None:
    """Takes `parts` of the request's body, and then no more."""
    for _ in range(int(query.get("parts", 0))):
        progress["received"] += len((await receive())["body"])
    progress["deaf"] += 1
    await asyncio.Event().wait()


async def echo(query: dict[str, str], receive: Any, send: Any) -> None:
    """The request's body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    await answer(send, body)


async def stream(query: dict[str, str], receive: Any, send: Any) -> None:
    """Three parts, a turn of the loop apart."""
    await send({"type": "http.response.start", "status": 200})
    for _ in range(3):
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})


async def events(query: dict[str, str], receive: Any, send: Any) -> None:
    """A stream without end; it says goodbye when it is told to stop."""
    await receive()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": True})
    assert (await receive())["type"] == "http.disconnect"
    await send({"type": "http.response.body", "body": b"data: goodbye\n\n"})


async def stubborn(query: dict[str, str], receive: Any, send: Any) -> None:
    """Begins a response, and never ends it."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"1", "more_body": True})
    try:
        await asyncio.Event().wait()
    finally:
        print("stubborn was cancelled", flush=True)


async def slow(query: dict[str, str], receive: Any, send: Any) -> None:
    """Answers when the client has sent its body."""
    print("slow has begun", flush=True)
    await echo(query, receive, send)


async def lifespan(receive: Any, send: Any) -> None:
    """Says when it starts, and when it has shut down."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("the lifespan has shut down", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


ROUTES = {
    "/hello": hello,
    "/progress": report,
    "/objects": objects,
    "/flood": flood,
    "/large": large,
    "/deaf": deaf,
    "/echo": echo,
    "/stream": stream,
    "/events": events,
    "/stubborn": stubborn,
    "/slow": slow,
}


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    """A WebSocket: `/echo` repeats what it gets, `/deaf` receives nothing, `/flood` sends without end."""
    await receive()
    await send({"type": "websocket.accept"})
    progress["websockets"] += 1
    try:
        if scope["path"] == "/deaf":
            await asyncio.Event().wait()
        elif scope["path"] == "/flood":
            while True:
                await send({"type": "websocket.send", "bytes": PIECE})
                progress["sent"] += len(PIECE)
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
    finally:
        progress["websockets"] -= 1


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The application."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["type"] == "websocket":
        await websocket(scope, receive, send)
        return
    query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
    await ROUTES[scope["path"]](query, receive, send)
