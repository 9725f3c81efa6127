"""Sanic, on its ASGI interface; it leaves validation to others: msgspec, by hand."""

from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, Struct
from sanic import Sanic
from sanic.response import HTTPResponse, raw

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


def json(content: object, status: int = 200) -> HTTPResponse:
    return raw(encode(content), status, content_type="application/json")


async def hello(request: Any) -> HTTPResponse:
    return json({"hello": "world"})


async def archive(request: Any, year: int) -> HTTPResponse:
    asked = {"year": year, **{name: values[0] for name, values in request.args.items()}}
    return json(msgspec.convert(asked, Archive, strict=False))


async def create(request: Any) -> HTTPResponse:
    try:
        note = decode_note(request.body)
    except msgspec.ValidationError as error:
        return json({"detail": str(error)}, 422)
    return json(note, 201)


async def listing(request: Any) -> HTTPResponse:
    return json(THERE)


async def thing(request: Any, id: int) -> HTTPResponse:
    return json(Thing(id))


def application(routes: int = 0) -> Application:
    """The application."""
    app: Any = Sanic(f"with_{routes}_routes", configure_logging=False)
    app.config.ACCESS_LOG = False
    app.add_route(hello, "/")
    app.add_route(archive, "/archive/<year:int>")
    app.add_route(listing, "/notes")
    app.add_route(create, "/notes", methods=["POST"])
    for number in range(routes):
        app.add_route(thing, f"/things{number}/<id:int>", name=f"thing{number}")
    return cast(Application, app)
