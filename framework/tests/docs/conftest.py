"""What the tests of the docs share: an application with everything that a document can say, on a server.

What it does is written by hand, in ASGI: it tells what it was sent, so that what a page or a command sends
can be looked at.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import pytest

import asgiworker
from asgistar import App, Mount
from asgistar.docs import docs

DOCUMENT = json.loads((Path(__file__).parent / "openapi.json").read_text())
NOTE = {
    "id": 1,
    "title": "Milk & bread",
    "done": False,
    "created": "2026-01-31T12:00:00Z",
    "tags": ["shopping"],
}
ADA = "Basic YWRhOmhpOnRow6lyZQ=="  # ada, hi:thére


# --- the application ------------------------------------------------------------------------------------


async def api(scope: Any, receive: Any, send: Any) -> None:
    """What the document describes."""
    if scope["type"] == "websocket":
        await _chat(scope, receive, send)
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    path = scope["path"].removeprefix(scope["root_path"])
    method = scope["method"]

    async def answer(status: int, content: Any, kind: str = "application/json", **more: str) -> None:
        encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
        fields = {"content-type": kind, **{name.replace("_", "-"): value for name, value in more.items()}}
        start = [(name.encode(), value.encode()) for name, value in fields.items() if encoded]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": encoded})

    async def problem(status: int, title: str, **members: Any) -> None:
        await answer(status, {"title": title, "status": status, **members}, "application/problem+json")

    if path == "/events":
        await _events(scope, send)
    elif path == "/lines":
        lines = "".join(json.dumps({**NOTE, "id": number}) + "\n" for number in (1, 2))
        await answer(200, lines.encode(), "application/jsonl")
    elif path == "/notes/" and method == "POST":
        if headers.get("authorization") != "Bearer secret":
            await problem(401, "Unauthorized", detail="A token is needed.")
            return
        errors = _errors(body)
        if errors:
            await problem(422, "Unprocessable Content", errors=errors)
            return
        await answer(201, {**NOTE, **json.loads(body)}, location="/notes/1/")
    elif path == "/notes/1/" and method == "GET":
        await answer(200, NOTE)
    elif path.startswith("/notes/") and path != "/notes/" and method == "GET":
        await problem(404, "Not Found", detail="There is no such note.")
    elif method == "GET" and path.startswith("/files/"):
        name = "attachment; filename*=utf-8''gr%C3%BCn.bin"
        await answer(200, bytes(range(256)), "application/octet-stream", content_disposition=name)
    elif method == "DELETE" and headers.get("authorization") == ADA:
        await answer(204, b"")
    elif method == "DELETE":
        await problem(401, "Unauthorized")
    else:
        seen = {"method": method, "path": path, "raw": scope["raw_path"].decode()}
        query = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        await answer(200, {**seen, "query": query, "headers": headers, "body": body.decode("latin-1")})


def _errors(body: bytes) -> list[dict[str, Any]]:
    def error(path: list[str | int], message: str) -> dict[str, Any]:
        return {"in": "body", "path": path, "code": "x", "message": message}

    try:
        note = json.loads(body)
    except ValueError:
        return [error([], "Must be JSON.")]
    errors = [] if note.get("title") else [error(["title"], "Must not be empty.")]
    if len(note.get("tags", [])) > 1 and not note["tags"][1]:
        errors.append(error(["tags", 1], "A tag must not be empty."))
    if (note.get("place") or {}).get("latitude", 0) > 90:
        errors.append(error(["place", "latitude"], "Must be ≤ 90."))
    return errors


async def _events(scope: Any, send: Any) -> None:
    """As many events as were asked for; with 0, they never end; with -n there are n, and they break off after
    each second one."""
    count = int(dict(parse_qsl(scope["query_string"].decode())).get("count", 3))
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    )
    number = int(dict(scope["headers"]).get(b"last-event-id", 0))
    while not count or number < abs(count):
        number += 1
        data = json.dumps({"id": number, "what": "created"})
        event = f": a comment\r\nid: {number}\r\nevent: change\r\ndata: {data}\r\n\r\n"
        await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
        await asyncio.sleep(0.01)
        if count < 0 and number % 2 == 0:
            raise ConnectionResetError("as told")
    await send({"type": "http.response.body", "body": b""})


async def _chat(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    if scope["path"].endswith("/closed"):
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    while (message := await receive())["type"] == "websocket.receive":
        said = json.loads(message["text"])
        if said["text"] == "break":
            raise ConnectionResetError("as told")
        if said["text"] == "leave":
            await send({"type": "websocket.close", "code": 4000, "reason": "as you wish"})
            return
        await send({"type": "websocket.send", "text": json.dumps({"who": "server", **said})})


def documented(document: dict[str, Any] = DOCUMENT, path: str = "/docs", title: str | None = None) -> App:
    """An application that has docs with this document."""
    page = docs(path, title=title)
    app = App([page, Mount("", api)])
    page.attach(SimpleNamespace(openapi=lambda: document, router=app.router))
    return app


# --- the server -----------------------------------------------------------------------------------------

Serve = Callable[..., str]


@contextmanager
def served(app: Any, **settings: Any) -> Iterator[str]:
    """The address of a server that runs in a thread of its own, so that a test may wait for a browser."""
    ready = threading.Event()
    found: dict[str, Any] = {}

    async def run() -> None:
        stop = asyncio.Event()
        found["loop"], found["stop"] = asyncio.get_running_loop(), stop
        try:
            async with asgiworker.running(app, graceful_timeout=1, **settings) as server:
                found["url"] = server.url
                ready.set()
                await stop.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield found["url"]
    finally:
        found["loop"].call_soon_threadsafe(found["stop"].set)
        thread.join()


@pytest.fixture(name="served", scope="session")
def _served() -> Callable[..., Any]:
    """`with served(app) as url`."""
    return served


@pytest.fixture(name="documented", scope="session")
def _documented() -> Callable[..., App]:
    """`documented(document)`: an application that has docs with it."""
    return documented


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of the docs of the notes."""
    with served(documented()) as address:
        yield f"{address}/docs/"
