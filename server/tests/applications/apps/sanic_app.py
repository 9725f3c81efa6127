"""A Sanic application, in Sanic's ASGI mode."""

import asyncio
import hashlib
from typing import Any

from sanic import Request, Sanic, Websocket
from sanic.exceptions import Forbidden
from sanic.response import HTTPResponse, empty, file, json, raw, text

App = Sanic[Any, Any]
app: App = Sanic("Sanic")

proceed = asyncio.Event()
departed = asyncio.Event()
tidied = asyncio.Event()


@app.before_server_start
async def open_shop(app: App) -> None:
    app.ctx.greeting = "Hello"


@app.after_server_stop
async def close_shop(app: App) -> None:
    print("Goodbye from Sanic")


@app.get("/")
async def hello(request: Request) -> HTTPResponse:
    return text(f"{app.ctx.greeting} from Sanic!\n")


@app.get("/greet/<name:str>", unquote=True)
async def greet(request: Request, name: str) -> HTTPResponse:
    return text(f"Hello, {name}!\n" * int(request.args.get("times", 1)))


@app.post("/echo")
async def echo(request: Request) -> HTTPResponse:
    return raw(request.body, content_type=request.headers["content-type"])


@app.post("/upload", stream=True)
async def upload(request: Request) -> HTTPResponse:
    size, digest = 0, hashlib.sha256()
    stream: Any = request.stream  # not what its type says, in ASGI mode
    async for part in stream:
        size += len(part)
        digest.update(part)
    return json({"size": size, "sha256": digest.hexdigest()})


@app.post("/file")
async def receive_file(request: Request) -> HTTPResponse:
    assert request.files is not None
    upload = request.files.get("file")
    assert upload is not None
    digest = hashlib.sha256(upload.body).hexdigest()
    return json({"name": upload.name, "size": len(upload.body), "sha256": digest})


@app.get("/stream")
async def stream(request: Request) -> None:
    proceed.clear()
    response = await request.respond(content_type="text/plain")
    await response.send("one\n")
    await proceed.wait()
    await response.send("two\n")
    await response.eof()


@app.post("/continue")
async def go_on(request: Request) -> HTTPResponse:
    proceed.set()
    return empty()


@app.get("/events")
async def events(request: Request) -> None:
    response = await request.respond(content_type="text/event-stream")
    await response.send("data: hello\n\n")
    try:
        while True:  # what is sent after the client has left raises
            await asyncio.sleep(0.01)
            await response.send(": still here\n\n")
    finally:
        departed.set()


@app.get("/departure")
async def departure(request: Request) -> HTTPResponse:
    await departed.wait()
    departed.clear()
    return text("noticed\n")


@app.get("/broken")
async def broken(request: Request) -> None:
    raise RuntimeError("broken on purpose")


@app.get("/refused")
async def refused(request: Request) -> None:
    raise Forbidden("Not today")


@app.get("/visit")
async def visit(request: Request) -> HTTPResponse:
    visits = int(request.cookies.get("visits") or 0) + 1
    response = text(f"{visits}\n")
    response.add_cookie("visits", str(visits), secure=False)
    response.add_cookie("flavour", "chocolate", secure=False)
    return response


@app.get("/source")
async def source(request: Request) -> HTTPResponse:
    return await file(__file__)


@app.get("/tidy")
async def tidy(request: Request) -> HTTPResponse:
    async def later() -> None:
        await proceed.wait()
        tidied.set()

    proceed.clear()
    app.add_task(later())
    return text("later\n")


@app.get("/tidiness")
async def tidiness(request: Request) -> HTTPResponse:
    await tidied.wait()
    return text("tidied\n")


@app.websocket("/socket/<name:str>", subprotocols=["chat"])
async def socket(request: Request, ws: Websocket, name: str) -> None:
    await ws.send(f"Hello, {name}!")
    while (message := await ws.recv()) is not None:  # as it is in ASGI mode when the client has left
        if message == "break":
            raise RuntimeError("broken on purpose")
        if message == "close":
            return  # there, ws.close() does nothing
        await ws.send(message)
    departed.set()
