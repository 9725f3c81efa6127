"""BlackSheep, with models of pydantic and, as its documentation recommends, orjson."""

from typing import Annotated, Any, cast

import orjson
from blacksheep import Application as BlackSheep
from blacksheep import Response, Router, json
from blacksheep.settings.json import json_settings
from pydantic import BaseModel, Field

from benchmarks.frameworks.applications.work import NOTES
from benchmarks.frameworks.peers import Application


class Note(BaseModel):
    title: Annotated[str, Field(min_length=1, max_length=100)]
    text: str = ""
    tags: list[str] = []
    priority: Annotated[int, Field(ge=0, le=5)] = 0


class Archive(BaseModel):
    year: int
    q: str
    page: int


class Thing(BaseModel):
    id: int


THERE = [Note.model_validate(note) for note in NOTES]


def dumps(value: Any) -> str:
    return orjson.dumps(value, default=lambda each: each.model_dump()).decode()


json_settings.use(loads=orjson.loads, dumps=dumps)


async def hello() -> dict[str, str]:
    return {"hello": "world"}


async def archive(year: int, q: str = "", page: int = 1) -> Archive:
    return Archive(year=year, q=q, page=page)


async def create(note: Note) -> Response:
    return json(note, 201)


async def listing() -> list[Note]:
    return THERE


async def thing(id: int) -> Thing:
    return Thing(id=id)


def application(routes: int = 0) -> Application:
    """The application."""
    app = BlackSheep(router=Router())
    app.router.add_get("/", hello)
    app.router.add_get("/archive/{int:year}", archive)
    app.router.add_get("/notes", listing)
    app.router.add_post("/notes", create)
    for number in range(routes):
        app.router.add_get(f"/things{number}/{{int:id}}", thing)
    return cast(Application, app)
