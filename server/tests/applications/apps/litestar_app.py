"""A Litestar application."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from litestar import Litestar, MediaType, Request, WebSocket, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import State, UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import PermissionDeniedException
from litestar.logging import LoggingConfig
from litestar.params import Body
from litestar.response import File, Response, ServerSentEvent, Stream

proceed = asyncio.Event()
departed = asyncio.Event()
tidied = asyncio.Event()


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    app.state.greeting = "Hello"
    yield
    print("Goodbye from Litestar")


@get("/", media_type=MediaType.TEXT)
async def hello(state: State) -> str:
    return f"{state.greeting} from Litestar!\n"


@get("/greet/{name:str}", media_type=MediaType.TEXT, sync_to_thread=True)
def greet(name: str, times: int = 1) -> str:
    return f"Hello, {name}!\n" * times


@post("/echo", status_code=200)
async def echo(request: Request[Any, Any, Any]) -> Response[bytes]:
    return Response(await request.body(), media_type=request.headers["content-type"])


@post("/upload", status_code=200)
async def upload(request: Request[Any, Any, Any]) -> dict[str, int | str]:
    size, digest = 0, hashlib.sha256()
    async for part in request.stream():
        size += len(part)
        digest.update(part)
    return {"size": size, "sha256": digest.hexdigest()}


@post("/file")
async def file(
    data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, int | str]:
    content = await data.read()
    return {"name": data.filename, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


@get("/stream")
async def stream() -> Stream:
    async def lines() -> AsyncGenerator[str, None]:
        proceed.clear()
        yield "one\n"
        await proceed.wait()
        yield "two\n"

    return Stream(lines(), media_type=MediaType.TEXT)


@post("/continue", status_code=204)
async def go_on() -> None:
    proceed.set()


@get("/events")
async def events() -> ServerSentEvent:
    async def ticks() -> AsyncGenerator[str, None]:
        try:
            yield "hello"
            await asyncio.Event().wait()  # cancelled when the client leaves
        finally:
            departed.set()

    return ServerSentEvent(ticks())


@get("/departure", media_type=MediaType.TEXT)
async def departure() -> str:
    await departed.wait()
    departed.clear()
    return "noticed\n"


@get("/broken")
async def broken() -> None:
    raise RuntimeError("broken on purpose")


@get("/refused")
async def refused() -> None:
    raise PermissionDeniedException("Not today", extra={"try": "tomorrow"})


@dataclass
class Article:
    name: str
    price: float


@post("/articles")
async def add_article(data: Article) -> Article:
    return data


@get("/tidy", media_type=MediaType.TEXT)
async def tidy() -> Response[str]:
    async def later() -> None:
        await proceed.wait()
        tidied.set()

    proceed.clear()
    return Response("later\n", background=BackgroundTask(later))


@get("/tidiness", media_type=MediaType.TEXT)
async def tidiness() -> str:
    await tidied.wait()
    return "tidied\n"


@get("/source")
async def source() -> File:
    return File(Path(__file__), filename="litestar_app.py")


@websocket("/socket/{name:str}")
async def socket(socket: WebSocket[Any, Any, Any], name: str) -> None:
    chosen = "chat" if "chat" in socket.scope["subprotocols"] else None
    await socket.accept(subprotocols=chosen)
    await socket.send_text(f"Hello, {name}!")
    while (message := await socket.receive())["type"] == "websocket.receive":
        if message.get("text") == "break":
            raise RuntimeError("broken on purpose")
        if message.get("text") == "close":
            await socket.close(4000, "as you wish")
            break
        if message.get("text") is not None:
            await socket.send_text(message["text"])
        else:
            await socket.send_bytes(message["bytes"])
    departed.set()


app = Litestar(
    [
        hello, greet, echo, upload, file, stream, go_on, events, departure, broken, refused, add_article,
        tidy, tidiness, source, socket,
    ],
    lifespan=[lifespan],
    logging_config=LoggingConfig(log_exceptions="always", disable_stack_trace={400, 403, 404, 405}),
)  # fmt: skip
