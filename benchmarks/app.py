"""The application of every row: raw ASGI, one path a row, as little Python as the work allows.

Messages that never change are built once. A file goes out by ``http.response.pathsend`` where the server
offers it; elsewhere the application reads it and sends it, without a thread, which is the cheapest way that
the interface leaves to it.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Where the two files of the file rows lie; made by `benchmarks.load.write_files`.
FILES = os.environ.get("BENCHMARK_FILES", "")


def start(content_type: bytes, length: int | None) -> Message:
    """The first message of a 200 answer; without a length the server has to choose the framing."""
    headers = [(b"content-type", content_type)]
    if length is not None:
        headers.append((b"content-length", b"%d" % length))
    return {"type": "http.response.start", "status": 200, "headers": headers}


def body(content: bytes, more: bool = False) -> Message:
    """One message of the answer's body."""
    return {"type": "http.response.body", "body": content, "more_body": more}


HELLO = b"Hello, world!\n"
HELLO_START, HELLO_BODY = start(b"text/plain", len(HELLO)), body(HELLO)

LARGE = b"0123456789abcdef" * 6400
LARGE_START, LARGE_BODY = start(b"application/octet-stream", len(LARGE)), body(LARGE)

CHUNK = b"0123456789abcdef" * 64
CHUNKS = 20
STREAM_START = start(b"application/octet-stream", None)
STREAM_CHUNK, STREAM_END = body(CHUNK, more=True), body(b"")


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """14 bytes of text."""
    await send(HELLO_START)
    await send(HELLO_BODY)


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    """100 KB in one message."""
    await send(LARGE_START)
    await send(LARGE_BODY)


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """20 pieces of 1 KB and an empty one for the end, as frameworks do it; the length isn't announced."""
    await send(STREAM_START)
    for _ in range(CHUNKS):
        await send(STREAM_CHUNK)
    await send(STREAM_END)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """The request's body, read to its end, then sent back in one message."""
    pieces = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    content = b"".join(pieces)
    await send(start(b"application/octet-stream", len(content)))
    await send(body(content))


async def pause(scope: Scope, receive: Receive, send: Send) -> None:
    """Hello after 10 ms, as if a database had been asked."""
    await asyncio.sleep(0.01)
    await send(HELLO_START)
    await send(HELLO_BODY)


def file(name: str) -> Handler:
    """A handler that sends the file of that name."""
    path = os.path.join(FILES, name)

    async def send_file(scope: Scope, receive: Receive, send: Send) -> None:
        if "http.response.pathsend" in (scope.get("extensions") or ()):
            await send(start(b"application/octet-stream", os.stat(path).st_size))
            await send({"type": "http.response.pathsend", "path": path})
        else:
            with open(path, "rb", buffering=0) as opened:
                content = opened.read()
            await send(start(b"application/octet-stream", len(content)))
            await send(body(content))

    return send_file


HANDLERS: dict[str, Handler] = {
    "/": hello,
    "/large": large,
    "/stream": stream,
    "/echo": echo,
    "/pause": pause,
    "/file/50k": file("50k"),
    "/file/10m": file("10m"),
}


ACCEPT = {"type": "websocket.accept"}


async def echo_messages(receive: Receive, send: Send) -> None:
    """Each message goes back as it came."""
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        if text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


#: Those who listen to what any of them says.
LISTENERS: set[Send] = set()


async def broadcast(receive: Receive, send: Send) -> None:
    """Each message goes to everybody."""
    LISTENERS.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            sent = {"type": "websocket.send", "text": message["text"]}
            for to_listener in list(LISTENERS):
                try:
                    await to_listener(sent)
                except Exception:  # it has gone; each server says so in its own way
                    LISTENERS.discard(to_listener)
    finally:
        LISTENERS.discard(send)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Every server imports this one name."""
    if scope["type"] == "http":
        await HANDLERS[scope["path"]](scope, receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send(ACCEPT)
        await (broadcast if scope["path"] == "/broadcast" else echo_messages)(receive, send)
    elif scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
