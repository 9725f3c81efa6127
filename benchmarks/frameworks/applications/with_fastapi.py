"""FastAPI, with models of pydantic."""

from typing import Annotated, cast

from fastapi import FastAPI
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


async def hello() -> dict[str, str]:
    return {"hello": "world"}


async def archive(year: int, q: str = "", page: int = 1) -> Archive:
    return Archive(year=year, q=q, page=page)


async def create(note: Note) -> Note:
    return note


async def listing() -> list[Note]:
    return THERE


async def thing(id: int) -> Thing:
    return Thing(id=id)


def application(routes: int = 0) -> Application:
    """The application."""
    app = FastAPI()
    app.get("/")(hello)
    app.get("/archive/{year}")(archive)
    app.get("/notes")(listing)
    app.post("/notes", status_code=201)(create)
    for number in range(routes):
        app.get(f"/things{number}/{{id}}")(thing)
    return cast(Application, app)
