"""Litestar, with structs of msgspec."""

from typing import Annotated, cast

import msgspec
from litestar import Litestar, get, post
from msgspec import Meta, Struct

from benchmarks.frameworks.applications.work import NOTES
from benchmarks.frameworks.peers import Application


class Note(Struct):
    title: Annotated[str, Meta(min_length=1, max_length=100)]
    text: str = ""
    tags: list[str] = []
    priority: Annotated[int, Meta(ge=0, le=5)] = 0


class Archive(Struct):
    year: int
    q: str
    page: int


class Thing(Struct):
    id: int


THERE = msgspec.convert(NOTES, list[Note])


@get("/")
async def hello() -> dict[str, str]:
    return {"hello": "world"}


@get("/archive/{year:int}")
async def archive(year: int, q: str = "", page: int = 1) -> Archive:
    return Archive(year, q, page)


@post("/notes")
async def create(data: Note) -> Note:
    return data


@get("/notes")
async def listing() -> list[Note]:
    return THERE


async def thing(id: int) -> Thing:
    return Thing(id)


def application(routes: int = 0) -> Application:
    """The application."""
    things = [get(f"/things{number}/{{id:int}}")(thing) for number in range(routes)]
    return cast(
        Application,
        Litestar([hello, archive, create, listing, *things], openapi_config=None, logging_config=None),
    )
