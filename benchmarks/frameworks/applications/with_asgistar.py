"""asgistar."""

from typing import Annotated, Any

import msgspec

from asgistar import App, Created, Meta, Route, Struct
from benchmarks.frameworks.applications.work import NOTES
from benchmarks.frameworks.peers import Application


class Note(Struct):
    title: Annotated[str, Meta(min_length=1, max_length=100)]
    text: str = ""
    tags: list[str] = []  # noqa: RUF012
    priority: Annotated[int, Meta(ge=0, le=5)] = 0


class Archive(Struct):
    year: int
    q: str
    page: int


class Thing(Struct):
    id: int


THERE = msgspec.convert(NOTES, list[Note])


async def hello() -> dict[str, str]:
    return {"hello": "world"}


async def archive(year: int, q: str = "", page: int = 1) -> Archive:
    return Archive(year, q, page)


async def create(note: Note) -> Created[Note]:
    return note


async def listing() -> list[Note]:
    return THERE


async def thing(id: int) -> Thing:
    return Thing(id)


def application(routes: int = 0) -> Application:
    """The application."""
    table: list[Any] = [
        Route("/", "GET", hello),
        Route("/archive/<int:year>", "GET", archive),
        Route("/notes", {"GET": listing, "POST": create}),
        *(Route(f"/things{number}/<int:id>", "GET", thing) for number in range(routes)),
    ]
    return App(table)
