"""A Starlette application."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

proceed = asyncio.Event()
departed = asyncio.Event()
tidied = asyncio.Event()


class State(TypedDict):
    greeting: str


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[State]:
    yield {"greeting": "Hello"}
    print("Goodbye from Starlette")


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"{request.state.greeting} from Starlette!\n")


async def greet(request: Request) -> Response:
    times = int(request.query_params.get("times", 1))
    return PlainTextResponse(f"Hello, {request.path_params['name']}!\n" * times)


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers["content-type"])


async def upload(request: Request) -> Response:
    size, digest = 0, hashlib.sha256()
    async for part in request.stream():
        size += len(part)
        digest.update(part)
    return JSONResponse({"size": size, "sha256": digest.hexdigest()})


async def form(request: Request) -> Response:
    async with request.form() as form:
        file = form["file"]
        assert isinstance(file, UploadFile)
        return JSONResponse({"name": form["name"], "size": len(await file.read())})


async def stream(request: Request) -> Response:
    async def lines() -> AsyncIterator[str]:
        proceed.clear()
        yield "one\n"
        await proceed.wait()
        yield "two\n"

    return StreamingResponse(lines(), media_type="text/plain")


async def go_on(request: Request) -> Response:
    proceed.set()
    return Response(status_code=204)


async def events(request: Request) -> Response:
    async def ticks() -> AsyncIterator[str]:
        try:
            yield "data: hello\n\n"
            while True:  # what is sent after the client has left raises
                await asyncio.sleep(0.01)
                yield ": still here\n\n"
        finally:
            departed.set()

    return StreamingResponse(ticks(), media_type="text/event-stream")


async def polite_events(request: Request) -> Response:
    async def ticks() -> AsyncIterator[str]:
        yield "data: hello\n\n"
        while not await request.is_disconnected():  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # Starlette can only be asked
        departed.set()

    return StreamingResponse(ticks(), media_type="text/event-stream")


async def departure(request: Request) -> Response:
    await departed.wait()
    departed.clear()
    return PlainTextResponse("noticed\n")


async def broken(request: Request) -> Response:
    raise RuntimeError("broken on purpose")


async def tidy(request: Request) -> Response:
    async def later() -> None:
        await proceed.wait()
        tidied.set()

    proceed.clear()
    return PlainTextResponse("later\n", background=BackgroundTask(later))


async def tidiness(request: Request) -> Response:
    await tidied.wait()
    return PlainTextResponse("tidied\n")


async def file(request: Request) -> Response:
    return FileResponse(Path(__file__), media_type="text/x-python")


async def large(request: Request) -> Response:
    return PlainTextResponse("All work and no play\n" * 50_000)


async def visit(request: Request) -> Response:
    request.session["visits"] = request.session.get("visits", 0) + 1
    response = PlainTextResponse(f"{request.session['visits']}\n")
    response.set_cookie("flavour", "chocolate")
    return response


async def old_home(request: Request) -> Response:
    return RedirectResponse(request.url_for("hello"))


async def where(request: Request) -> Response:
    return JSONResponse({"url": str(request.url), "root_path": request.scope["root_path"]})


async def socket(websocket: WebSocket) -> None:
    chosen = "chat" if "chat" in websocket.scope["subprotocols"] else None
    await websocket.accept(subprotocol=chosen)
    await websocket.send_text(f"Hello, {websocket.path_params['name']}!")
    while (message := await websocket.receive())["type"] == "websocket.receive":
        if message.get("text") == "break":
            raise RuntimeError("broken on purpose")
        if message.get("text") == "close":
            await websocket.close(4000, "as you wish")
            break
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])
    departed.set()


app = Starlette(
    routes=[
        Route("/", hello, name="hello"),
        Route("/greet/{name}", greet),
        Route("/echo", echo, methods=["POST"]),
        Route("/upload", upload, methods=["POST", "PUT"]),
        Route("/form", form, methods=["POST"]),
        Route("/stream", stream),
        Route("/continue", go_on, methods=["POST"]),
        Route("/events", events),
        Route("/polite-events", polite_events),
        Route("/departure", departure),
        Route("/broken", broken),
        Route("/tidy", tidy),
        Route("/tidiness", tidiness),
        Route("/file", file),
        Route("/large", large),
        Route("/visit", visit),
        Route("/old", old_home),
        Route("/where", where),
        WebSocketRoute("/socket/{name}", socket),
        Mount("/sources", StaticFiles(directory=Path(__file__).parent)),
    ],
    middleware=[
        Middleware(GZipMiddleware, minimum_size=10_000),
        Middleware(SessionMiddleware, secret_key="no secret"),
    ],
    lifespan=lifespan,
)
