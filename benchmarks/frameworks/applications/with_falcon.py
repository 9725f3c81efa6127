"""Falcon, which leaves validation to others: msgspec, by hand."""

from typing import Annotated, Any, cast

import falcon.asgi
import msgspec
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
    q: str = ""
    page: int = 1


class Thing(Struct):
    id: int


THERE = msgspec.convert(NOTES, list[Note])
encode = msgspec.json.Encoder().encode
decode_note = msgspec.json.Decoder(Note).decode


class Hello:
    async def on_get(self, request: Any, response: Any) -> None:
        response.data = encode({"hello": "world"})


class Archives:
    async def on_get(self, request: Any, response: Any, year: int) -> None:
        asked = {"year": year, **request.params}
        response.data = encode(msgspec.convert(asked, Archive, strict=False))


class Notes:
    async def on_get(self, request: Any, response: Any) -> None:
        response.data = encode(THERE)

    async def on_post(self, request: Any, response: Any) -> None:
        try:
            note = decode_note(await request.stream.read())
        except msgspec.ValidationError as error:
            raise falcon.HTTPUnprocessableEntity(description=str(error)) from None
        response.status = 201
        response.data = encode(note)


class Things:
    async def on_get(self, request: Any, response: Any, id: int) -> None:
        response.data = encode(Thing(id))


def application(routes: int = 0) -> Application:
    """The application."""
    app: Any = falcon.asgi.App()
    app.add_route("/", Hello())
    app.add_route("/archive/{year:int}", Archives())
    app.add_route("/notes", Notes())
    for number in range(routes):
        app.add_route(f"/things{number}/{{id:int}}", Things())
    return cast(Application, app)
