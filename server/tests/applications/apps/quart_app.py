"""A Quart application."""

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import NoReturn

from quart import Quart, Response, abort, request, websocket

app = Quart(__name__)
app.config["MAX_CONTENT_LENGTH"] = 5 * 1024 * 1024

greetings: list[str] = []
proceed = asyncio.Event()
departed = asyncio.Event()
tidied = asyncio.Event()


@app.before_serving
async def open_shop() -> None:
    greetings.append("Hello")


@app.after_serving
async def close_shop() -> None:
    print("Goodbye from Quart")


@app.get("/")
async def hello() -> Response:
    return Response(f"{greetings[0]} from Quart!\n", content_type="text/plain")


@app.get("/greet/<name>")
def greet(name: str) -> str:  # in a thread, for it is no coroutine
    return f"Hello, {name}!\n" * request.args.get("times", 1, int)


@app.post("/echo")
async def echo() -> Response:
    return Response(await request.get_data(), content_type=request.headers["content-type"])


@app.post("/upload")
async def upload() -> dict[str, int | str]:
    size, digest = 0, hashlib.sha256()
    async for part in request.body:
        size += len(part)
        digest.update(part)
    return {"size": size, "sha256": digest.hexdigest()}


@app.post("/shout")
async def shout() -> Response:
    async def louder(parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for part in parts:
            yield part.upper()

    return Response(louder(request.body), content_type="text/plain")


@app.post("/file")
async def file() -> dict[str, int | str | None]:
    upload = (await request.files)["file"]
    content = upload.read()
    return {"name": upload.filename, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@app.get("/stream")
async def stream() -> Response:
    async def lines() -> AsyncIterator[str]:
        proceed.clear()
        yield "one\n"
        await proceed.wait()
        yield "two\n"

    return Response(lines(), content_type="text/plain")


@app.post("/continue")
async def go_on() -> tuple[str, int]:
    proceed.set()
    return "", 204


@app.get("/events")
async def events() -> Response:
    async def ticks() -> AsyncIterator[str]:
        try:
            yield "data: hello\n\n"
            await asyncio.Event().wait()  # cancelled when the client leaves
        finally:
            departed.set()

    response = Response(ticks(), content_type="text/event-stream")
    response.timeout = None
    return response


@app.get("/departure")
async def departure() -> str:
    await departed.wait()
    departed.clear()
    return "noticed\n"


@app.get("/broken")
async def broken() -> NoReturn:
    raise RuntimeError("broken on purpose")


@app.get("/refused")
async def refused() -> NoReturn:
    abort(403, "Not today")


@app.get("/tidy")
async def tidy() -> str:
    async def later() -> None:
        await proceed.wait()
        tidied.set()

    proceed.clear()
    app.add_background_task(later)
    return "later\n"


@app.get("/tidiness")
async def tidiness() -> str:
    await tidied.wait()
    return "tidied\n"


@app.websocket("/socket/<name>")
async def socket(name: str) -> None:
    await websocket.accept(subprotocol="chat" if "chat" in websocket.requested_subprotocols else None)
    await websocket.send(f"Hello, {name}!")
    try:
        while True:
            message = await websocket.receive()
            if message == "break":
                raise RuntimeError("broken on purpose")
            if message == "close":
                await websocket.close(4000, "as you wish")
                return
            await websocket.send(message)
    finally:  # Quart cancels it when its client has left
        departed.set()
