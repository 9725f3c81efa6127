"""An ASGI application without a framework."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

proceed = asyncio.Event()
departed = asyncio.Event()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "websocket":
        await socket(scope, receive, send)
    elif scope["path"].startswith("/greet/"):
        await greet(scope, receive, send)
    elif scope["path"] in ROUTES:
        await ROUTES[scope["path"]](scope, receive, send)
    else:
        await answer(send, "Not here\n", status=404)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    scope["state"]["greeting"] = "Hello"
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("Goodbye from plain ASGI")
    await send({"type": "lifespan.shutdown.complete"})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, scope["state"]["greeting"] + " from plain ASGI!\n")


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    name = scope["path"].removeprefix("/greet/")
    times = int(parse_qs(scope["query_string"]).get(b"times", [b"1"])[0])
    await answer(send, f"Hello, {name}!\n" * times)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = b"".join([part async for part in parts_of_body(receive)])
    await answer(send, body, media_type=dict(scope["headers"])[b"content-type"])


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    size, digest = 0, hashlib.sha256()
    async for part in parts_of_body(receive):
        size += len(part)
        digest.update(part)
    await answer(
        send, json.dumps({"size": size, "sha256": digest.hexdigest()}), media_type=b"application/json"
    )


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    proceed.clear()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"one\n", "more_body": True})
    await proceed.wait()
    await send({"type": "http.response.body", "body": b"two\n", "more_body": True})
    await send({"type": "http.response.body"})


async def go_on(scope: Scope, receive: Receive, send: Send) -> None:
    proceed.set()
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    head = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    departed.set()


async def departure(scope: Scope, receive: Receive, send: Send) -> None:
    await departed.wait()
    departed.clear()
    await answer(send, "noticed\n")


async def client(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, "{} {}".format(*scope["client"] or ("somebody", "on this machine")))


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("broken on purpose")


async def socket(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    if not scope["path"].startswith("/socket/"):
        await send({"type": "websocket.close"})
        return
    chosen = "chat" if "chat" in scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen})
    name = scope["path"].removeprefix("/socket/")
    await send({"type": "websocket.send", "text": f"Hello, {name}!"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "break":
            raise RuntimeError("broken on purpose")
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4000, "reason": "as you wish"})
        else:
            await send({**message, "type": "websocket.send"})
    departed.set()


ROUTES = {
    "/": hello,
    "/echo": echo,
    "/upload": upload,
    "/stream": stream,
    "/continue": go_on,
    "/events": events,
    "/departure": departure,
    "/client": client,
    "/broken": broken,
}


async def parts_of_body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left before its request was complete")
        yield message["body"]
        if not message["more_body"]:
            return


async def answer(
    send: Send, body: str | bytes, media_type: bytes = b"text/plain; charset=utf-8", status: int = 200
) -> None:
    content = body.encode() if isinstance(body, str) else body
    headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
