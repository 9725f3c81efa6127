"""An ASGI 2 application: called with the scope, then with receive and send."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

proceed = asyncio.Event()
departed = asyncio.Event()


class Application:
    """One for each request."""

    def __init__(self, scope: dict[str, Any]) -> None:
        if scope["type"] != "http":
            raise ValueError(f"Only HTTP is served here, not {scope['type']}")
        self.scope = scope

    async def __call__(self, receive: Receive, send: Send) -> None:
        self.receive, self.send = receive, send
        method, _, name = self.scope["path"].lstrip("/").partition("/")
        await getattr(self, f"do_{method or 'hello'}", self.not_found)(*[name] if name else [])

    async def do_hello(self) -> None:
        await self.answer(b"Hello from ASGI 2!\n")

    async def do_greet(self, name: str) -> None:
        times = int(parse_qs(self.scope["query_string"]).get(b"times", [b"1"])[0])
        await self.answer(f"Hello, {name}!\n".encode() * times)

    async def do_echo(self) -> None:
        await self.answer(await self.body(), dict(self.scope["headers"])[b"content-type"])

    async def do_upload(self) -> None:
        body = await self.body()
        result = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        await self.answer(json.dumps(result).encode(), b"application/json")

    async def do_stream(self) -> None:
        proceed.clear()
        await self.start(b"text/plain")
        await self.send({"type": "http.response.body", "body": b"one\n", "more_body": True})
        await proceed.wait()
        await self.send({"type": "http.response.body", "body": b"two\n", "more_body": False})

    async def do_continue(self) -> None:
        proceed.set()
        await self.answer(b"")

    async def do_events(self) -> None:
        await self.start(b"text/event-stream")
        await self.send({"type": "http.response.body", "body": b"data: hello\n\n", "more_body": True})
        while (await self.receive())["type"] != "http.disconnect":
            pass
        departed.set()

    async def do_departure(self) -> None:
        await departed.wait()
        departed.clear()
        await self.answer(b"noticed\n")

    async def do_broken(self) -> None:
        raise RuntimeError("broken on purpose")

    async def not_found(self, *_: str) -> None:
        await self.answer(b"Not here\n", status=404)

    async def body(self) -> bytes:
        parts, more = [], True
        while more:
            message = await self.receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        return b"".join(parts)

    async def start(self, media_type: bytes, status: int = 200) -> None:
        await self.send(
            {"type": "http.response.start", "status": status, "headers": [[b"content-type", media_type]]}
        )

    async def answer(self, content: bytes, media_type: bytes = b"text/plain", status: int = 200) -> None:
        await self.start(media_type, status)
        await self.send({"type": "http.response.body", "body": content})
