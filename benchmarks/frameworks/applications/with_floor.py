"""By hand: ASGI and msgspec, with as little Python as the work allows. What nobody can be faster than."""

from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from benchmarks.frameworks.applications.work import NOTES
from benchmarks.frameworks.peers import Application, Receive, Send


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


encode = msgspec.json.Encoder().encode
decode_note = msgspec.json.Decoder(Note).decode
HELLO = {"hello": "world"}
THERE = msgspec.convert(NOTES, list[Note])


def application(routes: int = 0) -> Application:
    """The application."""
    things = {f"/things{number}/" for number in range(routes)}

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status = 200
        path = scope["path"]
        if path == "/":
            content = encode(HELLO)
        elif path == "/notes":
            if scope["method"] == "POST":
                message = await receive()
                body = message["body"]
                while message.get("more_body"):
                    message = await receive()
                    body += message["body"]
                try:
                    content = encode(decode_note(body))
                except msgspec.ValidationError as error:
                    status, content = 422, encode({"detail": str(error)})
            else:
                content = encode(THERE)
        elif path.startswith("/archive/"):
            query = dict(parse_qsl(scope["query_string"].decode()))
            content = encode(msgspec.convert({"year": path[9:], **query}, Archive, strict=False))
        else:
            beginning, slash, id = path.rpartition("/")
            if beginning + slash in things:
                content = encode(Thing(int(id)))
            else:
                status, content = 404, b"{}"
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", b"%d" % len(content)),
                ],
            }
        )
        await send({"type": "http.response.body", "body": content})

    return app
