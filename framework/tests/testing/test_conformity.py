"""Responses are checked against the OpenAPI document: what isn't as it says is an error of the test."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest

from asgistar import App, Conflict, Created, Host, Include, Mount, NotFound, Response, Route, Status, Struct
from asgistar.testing import AsyncClient, TestClient

NOTE = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "at": {"type": "string", "format": "date-time"}},
    "required": ["title"],
}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Notes", "version": "1"},
    "servers": [{"url": "/api"}],
    "paths": {
        "/notes/": {
            "get": {
                "operationId": "notes:listing",
                "responses": {
                    "200": {
                        "description": "",
                        "headers": {"x-total": {"required": True}, "x-other": {}},
                        "content": {
                            "application/json": {
                                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Note"}}
                            }
                        },
                    },
                    "4XX": {"$ref": "#/components/responses/Wrong"},
                },
            },
            "delete": {"operationId": "notes:clear", "responses": {"204": {"description": ""}}},
        },
        "/notes/{id}/": {
            "get": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "", "content": {"image/*": {}}}},
            }
        },
        "/notes/{name}/": {
            "get": {
                "parameters": [
                    {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
                ],
                "responses": {"default": {"description": "", "content": {"*/*": {}}}},
            }
        },
        "/files/{path}": {
            "parameters": [{"name": "path", "in": "path", "required": True, "schema": {"pattern": ".+"}}],
            "get": {"responses": {"200": {"description": "", "content": {"text/plain": {}}}}},
        },
        "/lines": {
            "get": {
                "responses": {
                    "200": {"description": "", "content": {"application/jsonl": {"x-item-schema": NOTE}}}
                }
            }
        },
        "/events": {
            "get": {
                "responses": {
                    "200": {
                        "description": "",
                        "content": {
                            "text/event-stream": {"x-item-schema": {"$ref": "#/components/schemas/Note"}}
                        },
                    }
                }
            }
        },
    },
    "components": {
        "schemas": {"Note": NOTE},
        "responses": {
            "Wrong": {
                "description": "",
                "content": {"application/problem+json": {"schema": {"type": "object"}}},
            }
        },
    },
}


def answers(
    status: int = 200, content_type: str = "application/json", body: Any = b"[]", **headers: str
) -> Any:
    """An application with one answer to everything."""
    fields = [(b"content-type", content_type.encode())] if content_type else []
    fields += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await send({"type": "http.response.start", "status": status, "headers": fields})
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        await send({"type": "http.response.body", "body": content})

    return app


GOOD = {"title": "a", "at": "2026-11-22T12:00:00Z"}


@pytest.mark.parametrize(
    ("path", "app"),
    [
        ("/notes/", answers(body=[GOOD], x_total="1")),
        ("/api/notes/", answers(x_total="1")),
        ("/notes/", answers(404, "application/problem+json", {})),
        ("/notes/7/", answers(200, "image/png", b"\x89")),
        ("/notes/seven/", answers(203, "any/thing", b"x")),
        ("/files/a/b%20c", answers(200, "text/plain; charset=utf-8", b"x")),
        ("/none", answers(404, "text/html", b"")),
        ("/notes", answers(308, "", b"", location="/notes/")),
        ("/lines", answers(200, "application/jsonl", json.dumps(GOOD).encode() + b"\n")),
        ("/events", answers(200, "text/event-stream", b"data: " + json.dumps(GOOD).encode() + b"\n\n")),
    ],
)
def test_an_answer_as_documented_passes(path: str, app: Any) -> None:
    with TestClient(app, conforms=DOCUMENT) as client:
        client.get(path)
        client.head(path)
        client.options(path)


@pytest.mark.parametrize(
    ("path", "app", "said"),
    [
        ("/notes/", answers(201, x_total="1"), r"status 201 isn't documented, only 200, 4XX is\. \[\]"),
        ("/notes/", answers(), "header x-total is missing"),
        ("/notes/", answers(200, "text/html", x_total="1"), "is text/html, but should be application/json"),
        ("/notes/", answers(content_type="", x_total="1"), "media type is missing, but should be"),
        ("/notes/", answers(body=b"{", x_total="1"), "body is no JSON"),
        ("/notes/", answers(body={"a": 1}, x_total="1"), r"\$: {'a': 1} is not of type 'array'"),
        ("/notes/", answers(body=[GOOD, {}], x_total="1"), r"\$\[1\]: 'title' is a required property"),
        ("/notes/", answers(body=[{"title": 7}], x_total="1"), r"\$\[0\]\.title: 7 is not of type 'string'"),
        ("/notes/", answers(body=[{"title": "a", "at": "now"}], x_total="1"), r"at: .now. is not a .date"),
        ("/notes/", answers(body=[{}] * 12, x_total="1"), "and 2 more"),
        ("/notes/", answers(body="x" * 999, x_total="1"), "… .*is not of type 'array'"),
        ("/notes/?q=1", answers(418), r"GET /notes/\?q=1 isn.t .* of GET /notes/ \(notes:listing\)"),
        ("/none", answers(), "GET /none is answered with 200, but the document has no such path"),
        ("/lines", answers(200, "application/jsonl", b'{"title": 1}\n'), r"item 0: \$\.title: 1 is not"),
        ("/lines", answers(200, "application/jsonl", b"{\n"), "line is no JSON"),
        ("/events", answers(200, "text/event-stream", b"data: x\n\n"), r"item 0: \$: 'x' is not of type"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_as_documented_is_an_error_that_says_what_and_where(
    path: str, app: Any, said: str
) -> None:
    with TestClient(app, conforms=DOCUMENT) as client, pytest.raises(AssertionError, match=said):
        client.get(path)


def test_a_method_that_is_not_documented_is_refused_or_an_error() -> None:
    with TestClient(answers(405), conforms=DOCUMENT) as client:
        client.post("/notes/")
    with TestClient(answers(), conforms=DOCUMENT) as client:
        with pytest.raises(
            AssertionError, match="answered with 200, but the document has only DELETE, GET there"
        ):
            client.post("/notes/")
        with pytest.raises(AssertionError, match=r"status 200 isn't documented"):
            client.delete("/notes/")
    with (
        TestClient(answers(200), conforms={**DOCUMENT, "paths": {}}) as client,
        pytest.raises(AssertionError),
    ):
        client.post("/notes/")


def test_a_body_where_none_is_documented_is_an_error() -> None:
    document = {
        "openapi": "3.1.0",
        "paths": {"/": {"get": {"responses": {"200": {"description": ""}}}}},
    }
    with TestClient(answers(body=b"x"), conforms=document) as client:
        with pytest.raises(
            AssertionError, match=r"a body of 1 bytes \(application/json\), and none is documented"
        ):
            client.get("/")
        client.head("/")


async def test_events_are_checked_one_by_one() -> None:
    events = b'data: {"title": "a"}\n\ndata: {"title": 7}\n\n'
    async with (
        AsyncClient(answers(200, "text/event-stream", events), conforms=DOCUMENT) as client,
        client.events("/events") as stream,
    ):
        assert (await anext(stream)).json() == {"title": "a"}
        with pytest.raises(AssertionError, match=r"An item of GET /events isn't as .*\n  \$\.title: 7"):
            await anext(stream)


def test_of_a_stream_the_head_is_checked() -> None:
    app = answers(content_type="text/html", x_total="1")
    with TestClient(app, conforms=DOCUMENT) as client, pytest.raises(AssertionError, match="text/html"):
        client.stream("GET", "/notes/").__enter__()


def test_redirects_are_checked_on_the_way() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            status = 302 if scope["path"] == "/lines" else 404
            headers = [(b"location", b"/none")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body"})

    with (
        TestClient(app, conforms=DOCUMENT, follow_redirects=True) as client,
        pytest.raises(AssertionError, match="status 302 isn't documented"),
    ):
        client.get("/lines")


# --- an App and its own document --------------------------------------------------------------------------


class Note(Struct):
    title: str
    done: bool = False


NOTES = {1: Note("Milk")}


async def listing(q: str = "") -> list[Note]:
    return [note for note in NOTES.values() if q in note.title]


async def create(note: Note) -> Created[Note]:
    if note.title == "Milk":
        raise Conflict("It is there.")
    return note


async def detail(id: int) -> Note:
    if id not in NOTES:
        raise NotFound
    return NOTES[id]


async def hidden() -> str:
    return "hidden"


async def teapot() -> Annotated[Response, Status(201)]:
    return Response("short and stout", 418, content_type="text/plain")


async def anything() -> Response:
    return Response("at all", 418, content_type="text/plain")


async def mounted(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await answers()(scope, receive, send)


def answering(app: Any) -> Any:
    """Middleware that answers by itself what begins so."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        own = scope["type"] == "http" and scope["path"].startswith("/middleware")
        await (answers() if own else app)(scope, receive, send)

    return answer


@pytest.fixture
def client() -> Any:
    app = App(
        [
            Include(
                "/notes",
                [
                    Route("/", {"GET": listing, "POST": create}),
                    Route("/<int:id>/", "GET", detail, name="detail", raises=[NotFound]),
                ],
                name="notes",
            ),
            Route("/teapot", "GET", teapot),
            Route("/anything", "GET", anything),
            Route("/hidden", "GET", hidden, documented=False),
            Mount("/mounted", mounted),
            Host("other.example", [Route("/hosted", "GET", hidden, documented=False)]),
        ],
        middleware=[answering],
        slashes="redirect",
    )
    with TestClient(app, conforms=True) as client:
        yield client


def test_an_app_answers_as_its_own_document_says(client: Any) -> None:
    assert client.get("/notes/").status_code == 200
    assert client.post("/notes/", json={"title": "Tea"}).status_code == 201
    assert client.post("/notes/", json={"title": 7}).status_code == 422
    assert (
        client.post("/notes/", content=b"{", headers={"content-type": "application/json"}).status_code == 400
    )
    assert client.get("/notes/1/").status_code == 200
    assert client.get("/notes/2/").status_code == 404
    assert client.head("/notes/1/").status_code == 200
    assert client.options("/notes/").status_code == 204
    assert client.put("/notes/").status_code == 405
    assert client.get("/notes").status_code == 308
    assert client.get("/none").status_code == 404
    assert client.get("/anything").status_code == 418
    assert client.get("/hidden").json() == "hidden"
    assert client.get("/mounted/x").status_code == 200
    assert client.get("/hosted", headers={"host": "other.example"}).json() == "hidden"
    assert client.post("/hidden").status_code == 405


def test_an_app_that_does_not_is_found(client: Any) -> None:
    with pytest.raises(AssertionError, match="status 409 isn't documented"):
        client.post("/notes/", json={"title": "Milk"})
    with pytest.raises(AssertionError, match="status 418 isn't documented"):
        client.get("/teapot")
    with pytest.raises(AssertionError, match="the document has no such path"):
        client.get("/middleware")


def test_it_can_be_switched_off_and_on(client: Any) -> None:
    assert client.conforms is True
    client.conforms = False
    assert client.get("/teapot").status_code == 418
    client.conforms = True
    with pytest.raises(AssertionError):
        client.get("/teapot")


async def test_it_can_be_switched_off_and_on_for_coroutines_too() -> None:
    async with AsyncClient(App([Route("/teapot", "GET", teapot)])) as client:
        assert client.conforms is False
        assert (await client.get("/teapot")).status_code == 418
        client.conforms = True
        with pytest.raises(AssertionError):
            await client.get("/teapot")


def test_what_has_no_document_is_told_so() -> None:
    with pytest.raises(TypeError, match="conforms=True` needs an asgistar App"):
        TestClient(answers(), conforms=True)
