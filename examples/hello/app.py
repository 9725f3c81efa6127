"""Hello: an ASGI application without a framework, to be read from top to bottom in a few minutes.

ASGI is one coroutine, `app(scope, receive, send)`. `scope` describes the request, `receive` gives its body
and the news that the client has left, `send` takes the response. Everything below is made of these three.
"""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]

INDEX = Path(__file__).with_name("index.html").read_bytes()
TEXT = "text/plain; charset=utf-8"
ECHO_LIMIT = 1024 * 1024


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Find the handler for the request's path and method, and let it answer."""
    if scope["type"] != "http":
        raise ValueError(f"this application speaks http, not {scope['type']}")
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    try:
        if path not in routes:
            await answer(scope, send, 404, "There is nothing here\n")
        elif method not in routes[path]:
            allowed = ", ".join(routes[path]).replace("GET", "GET, HEAD")
            await answer(scope, send, 405, f"{path} answers to {allowed}\n", allow=allowed)
        else:
            await routes[path][method](scope, receive, send)
    except OSError:
        pass  # The client left: from read(), or from send(). There is nobody to answer.


async def index(scope: Scope, receive: Receive, send: Send) -> None:
    """The page with a card for each of the others."""
    await answer(scope, send, 200, INDEX, "text/html; charset=utf-8")


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Plain text."""
    await answer(scope, send, 200, "Hello, world!\n")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """JSON in, the same JSON out; what isn't JSON gets a 400 that says why."""
    body = bytearray()
    async for chunk in read(receive):
        body += chunk
        if len(body) > ECHO_LIMIT:
            return await answer(scope, send, 413, f"The echo takes up to {ECHO_LIMIT} bytes\n")
    try:
        document = json.dumps(json.loads(body), ensure_ascii=False, allow_nan=False, indent=2)
    except (ValueError, RecursionError) as error:
        return await answer(scope, send, 400, f"This is not JSON: {error}\n")
    # A lone surrogate has no UTF-8; \udc00 is how both Python and JSON write it.
    await answer(scope, send, 200, document.encode(errors="backslashreplace"), "application/json")


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Twenty lines, each sent as soon as it exists."""

    async def lines() -> AsyncGenerator[bytes, None]:
        for number in range(1, 21):
            yield f"{number:2} {'·' * number}\n".encode()
            await asyncio.sleep(0.1)

    await answer_in_parts(scope, send, TEXT, lines())


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    """Server-sent events: the time and the worker's process id, each second until the client leaves."""

    async def ticks() -> AsyncGenerator[bytes, None]:
        leaving = asyncio.create_task(disconnected(receive))
        try:
            while not leaving.done():
                tick = json.dumps({"time": time.strftime("%H:%M:%S"), "worker": os.getpid()})
                yield f"event: tick\ndata: {tick}\n\n".encode()
                await asyncio.wait([leaving], timeout=1)
        finally:
            leaving.cancel()

    await answer_in_parts(scope, send, "text/event-stream", ticks())


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    """Any body of any size: counted and hashed as it arrives, never kept."""
    size, digest, began = 0, hashlib.sha256(), time.perf_counter()
    async for chunk in read(receive):
        size += len(chunk)
        digest.update(chunk)
    result = {"size": size, "sha256": digest.hexdigest(), "seconds": round(time.perf_counter() - began, 3)}
    await answer(scope, send, 200, json.dumps(result), "application/json")


routes: dict[str, dict[str, Handler]] = {
    "/": {"GET": index},
    "/hello": {"GET": hello},
    "/echo": {"POST": echo},
    "/stream": {"GET": stream},
    "/events": {"GET": events},
    "/upload": {"POST": upload},
}


async def read(receive: Receive) -> AsyncIterator[bytes]:
    """The request's body as it arrives. Raises ConnectionResetError if the client leaves before its end."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client left in the middle of its request")
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def disconnected(receive: Receive) -> None:
    """Return when the client has left, or when the server asks long responses to end."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def answer(
    scope: Scope, send: Send, status: int, body: bytes | str, media_type: str = TEXT, **fields: str
) -> None:
    """A whole response at once. HEAD gets its head only."""
    content = body.encode() if isinstance(body, str) else body
    await start(send, status, {"content-type": media_type, "content-length": str(len(content)), **fields})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


async def answer_in_parts(
    scope: Scope, send: Send, media_type: str, parts: AsyncGenerator[bytes, None]
) -> None:
    """A response whose length isn't known yet. Its parts are closed also when the client leaves early."""
    await start(send, 200, {"content-type": media_type, "cache-control": "no-cache"})
    async with aclosing(parts):
        if scope["method"] != "HEAD":
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def start(send: Send, status: int, fields: dict[str, str]) -> None:
    """The response's head."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
