"""Starlette, which leaves validation to others: msgspec, by hand."""

from typing import Annotated, cast

import msgspec
from msgspec import Meta, Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.frameworks.applications.work import NOTES
from benchmarks.frameworks.peers import Application


class Note(Struct):
    title: Annotated[str, Meta(min_length=1, max_length=100)]
    text: str = ""
    tags: list[str] = []
    priority: Annotated[int, Meta(ge=0, le=5)] = 0


class Archive(Struct):
    year: int
    q: str = ""
    page: int = 1


class Thing(Struct):
    id: int


THERE = msgspec.convert(NOTES, list[Note])
encode = msgspec.json.Encoder().encode
decode_note = msgspec.json.Decoder(Note).decode


class JSON(Response):
    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return encode(content)


async def hello(request: Request) -> Response:
    return JSON({"hello": "world"})


async def archive(request: Request) -> Response:
    asked = {**request.path_params, **request.query_params}
    return JSON(msgspec.convert(asked, Archive, strict=False))


async def create(request: Request) -> Response:
    try:
        note = decode_note(await request.body())
    except msgspec.ValidationError as error:
        return JSON({"detail": str(error)}, 422)
    return JSON(note, 201)


async def listing(request: Request) -> Response:
    return JSON(THERE)


async def thing(request: Request) -> Response:
    return JSON(Thing(request.path_params["id"]))


def application(routes: int = 0) -> Application:
    """The application."""
    table = [
        Route("/", hello),
        Route("/archive/{year:int}", archive),
        Route("/notes", listing),
        Route("/notes", create, methods=["POST"]),
        *(Route(f"/things{number}/{{id:int}}", thing) for number in range(routes)),
    ]
    return cast(Application, Starlette(routes=table))
