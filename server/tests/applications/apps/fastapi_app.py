"""A FastAPI application."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import (
    BackgroundTasks,
    Depends,
    FastAPI,
    HTTPException,
    Request,
    Response,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

proceed = asyncio.Event()
departed = asyncio.Event()
tidied = asyncio.Event()
happened: list[str] = []  # in dependencies
closed = threading.Event()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    yield {"greeting": "Hello"}
    print("Goodbye from FastAPI")


app = FastAPI(lifespan=lifespan)


@app.middleware("http")  # a BaseHTTPMiddleware
async def count_path(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers["x-path-length"] = str(len(request.url.path))
    return response


@app.get("/", response_class=PlainTextResponse)
async def hello(request: Request) -> str:
    return f"{request.state.greeting} from FastAPI!\n"


@app.get("/greet/{name}", response_class=PlainTextResponse)
def greet(name: str, times: int = 1) -> str:  # in a thread, for it is no coroutine
    return f"Hello, {name}!\n" * times


@app.post("/echo")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type=request.headers["content-type"])


@app.post("/upload")
async def upload(request: Request) -> dict[str, int | str]:
    size, digest = 0, hashlib.sha256()
    async for part in request.stream():
        size += len(part)
        digest.update(part)
    return {"size": size, "sha256": digest.hexdigest()}


@app.post("/files")
async def files(uploads: list[UploadFile]) -> list[dict[str, int | str | None]]:
    return [
        {"name": each.filename, "size": each.size, "sha256": hashlib.sha256(await each.read()).hexdigest()}
        for each in uploads
    ]


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        proceed.clear()
        yield "one\n"
        await proceed.wait()
        yield "two\n"

    return StreamingResponse(lines(), media_type="text/plain")


@app.get("/numbers")
def numbers(count: int) -> StreamingResponse:
    return StreamingResponse((f"{number}\n" for number in range(count)), media_type="text/plain")


@app.post("/continue", status_code=204)
async def go_on() -> None:
    proceed.set()


@app.get("/events", response_class=EventSourceResponse)
async def events() -> AsyncIterator[ServerSentEvent]:
    try:
        yield ServerSentEvent(raw_data="hello")
        while True:
            await asyncio.sleep(0.01)
            yield ServerSentEvent(comment="still here")
    finally:
        departed.set()


@app.get("/departure", response_class=PlainTextResponse)
async def departure() -> str:
    await departed.wait()
    departed.clear()
    return "noticed\n"


@app.get("/broken")
async def broken() -> None:
    raise RuntimeError("broken on purpose")


class Article(BaseModel):
    name: str = Field(max_length=20)
    price: float = Field(gt=0)


@app.post("/articles", status_code=201)
async def add_article(article: Article) -> Article:
    return article


@app.get("/tidy", response_class=PlainTextResponse)
async def tidy(tasks: BackgroundTasks) -> str:
    async def later() -> None:
        await proceed.wait()
        tidied.set()

    proceed.clear()
    tasks.add_task(later)
    return "later\n"


@app.get("/tidiness", response_class=PlainTextResponse)
async def tidiness() -> str:
    await tidied.wait()
    return "tidied\n"


async def transaction() -> AsyncIterator[str]:
    happened.append("begin")
    try:
        yield "transaction"
    except HTTPException:
        happened.append("rollback")
        raise
    else:
        happened.append("commit")


def connection() -> Iterator[str]:  # in a thread
    happened.append("open")
    try:
        yield "connection"
    finally:
        happened.append("close")
        closed.set()


@app.post("/order", response_class=PlainTextResponse)
async def order(
    article: str,
    connection: Annotated[str, Depends(connection)],
    transaction: Annotated[str, Depends(transaction)],
) -> str:
    if article == "moon":
        raise HTTPException(409, "The moon is sold out")
    return f"{article} ordered by {connection} in {transaction}\n"


@app.get("/happened")
def what_happened() -> list[str]:
    closed.wait()  # dependencies are left after the response is sent
    closed.clear()
    return [happened.pop(0) for _ in list(happened)]


@app.websocket("/socket/{name}")
async def socket(websocket: WebSocket, name: str) -> None:
    await websocket.accept("chat" if "chat" in websocket.scope["subprotocols"] else None)
    await websocket.send_text(f"Hello, {name}!")
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message["code"])
            if message.get("text") == "break":
                raise RuntimeError("broken on purpose")
            if message.get("text") == "close":
                await websocket.close(4000, "as you wish")
                return
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    finally:
        departed.set()
