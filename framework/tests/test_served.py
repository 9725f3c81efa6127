"""An application on a server, asked by a client over sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

import asgiworker
from asgistar import App, Created, Include, Mount, NotFound, Route, Struct


class Note(Struct):
    title: str
    done: bool = False


NOTES: dict[int, Note] = {}


async def listing(q: str = "") -> list[Note]:
    return [note for note in NOTES.values() if q in note.title]


async def create(note: Note) -> Created[Note]:
    NOTES[len(NOTES) + 1] = note
    return note


def detail(id: int) -> Note:
    if id not in NOTES:
        raise NotFound(f"There is no note {id}")
    return NOTES[id]


async def remove(id: int) -> None:
    NOTES.pop(id, None)


async def mounted(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise ValueError("none")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["root_path"].encode()})


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    NOTES.clear()
    app = App(
        [
            Include(
                "/notes",
                [
                    Route("/", {"GET": listing, "POST": create}),
                    Route("/<int:id>/", {"GET": detail, "DELETE": remove}),
                ],
            ),
            Mount("/mounted", mounted),
        ],
        slashes="redirect",
        body_limit=10_000,
    )
    async with (
        asgiworker.running(app, lifespan="on", graceful_timeout=1) as server,
        httpx.AsyncClient(base_url=server.url, timeout=10) as client,
    ):
        yield client


async def test_notes_are_made_found_and_removed(http: httpx.AsyncClient) -> None:
    made = await http.post("/notes/", json={"title": "grüne Äpfel"})
    assert (made.status_code, made.json()) == (201, {"title": "grüne Äpfel", "done": False})
    assert (await http.get("/notes/", params={"q": "Äpfel"})).json() == [made.json()]
    assert (await http.get("/notes/1/")).json() == made.json()
    head = await http.head("/notes/1/")
    assert (head.status_code, head.headers["content-length"], head.content) == (
        200,
        str(len(made.content)),
        b"",
    )
    assert (await http.delete("/notes/1/")).status_code == 204
    gone = await http.get("/notes/1/")
    assert gone.headers["content-type"] == "application/problem+json"
    assert gone.json() == {"title": "Not Found", "status": 404, "detail": "There is no note 1"}


async def test_a_redirect_keeps_method_and_body(http: httpx.AsyncClient) -> None:
    answer = await http.post("/notes?x=1", json={"title": "a"}, follow_redirects=True)
    assert answer.status_code == 201
    assert answer.url.path == "/notes/"
    assert answer.history[0].headers["location"] == "./notes/?x=1"


async def test_errors_come_over_the_wire(http: httpx.AsyncClient) -> None:
    wrong = await http.post("/notes/", json={"title": 7})
    assert wrong.status_code == 422
    assert wrong.json()["errors"] == [
        {"in": "body", "path": ["title"], "code": "type", "message": "Must be a string."}
    ]
    assert (await http.patch("/notes/")).headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await http.options("/notes/")).status_code == 204
    assert (await http.post("/notes/", data={"title": "a"})).status_code == 415
    assert (await http.post("/notes/", json={"title": "a" * 10_000})).status_code == 413


async def test_a_body_in_chunks_is_limited_too(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 100

    answer = await http.post("/notes/", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


async def test_many_requests_at_once(http: httpx.AsyncClient) -> None:
    await http.post("/notes/", json={"title": "a"})
    answers = await asyncio.gather(*(http.get("/notes/1/") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_mounted_application_is_reached(http: httpx.AsyncClient) -> None:
    assert (await http.get("/mounted/x")).text == "/mounted"
