"""From the arguments of a call to a request: every style of parameter, every kind of body."""

from __future__ import annotations

import datetime
import enum
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec import UNSET, Struct

from asgistar.client import Document, DocumentError
from asgistar.client.calling import Asked, arguments, asking, identifier


def operation(
    *parameters: dict[str, Any], body: dict[str, Any] | None = None, required: bool = True, path: str = "/"
) -> tuple[Document, Any]:
    of: dict[str, Any] = {"operationId": "op", "parameters": list(parameters)}
    if body is not None:
        of["requestBody"] = {
            "required": required,
            "content": {key: {"schema": each} for key, each in body.items()},
        }
    document = Document({"openapi": "3.1.0", "paths": {path: {"post": of}}})
    return document, document.operations["op"]


def asked(*parameters: dict[str, Any], given: dict[str, Any], **options: Any) -> Asked:
    document, found = operation(*parameters, **options)
    return asking(document, found, given)


class Color(enum.Enum):
    RED = "red"


class Point(Struct):
    x: int
    y: int


@pytest.mark.parametrize(
    ("options", "value", "query"),
    [
        ({}, "a&b", [("p", "a&b")]),
        ({}, True, [("p", "true")]),
        ({}, 1.5, [("p", "1.5")]),
        ({}, datetime.date(2026, 1, 2), [("p", "2026-01-02")]),
        ({}, datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), [("p", "2026-01-02T00:00:00Z")]),
        ({}, UUID(int=1), [("p", "00000000-0000-0000-0000-000000000001")]),
        ({}, Decimal("1.50"), [("p", "1.50")]),
        ({}, Color.RED, [("p", "red")]),
        ({}, None, []),
        ({}, UNSET, []),
        ({}, [], []),
        ({}, [1, None, {"a": 1}], [("p", "1"), ("p", ""), ("p", '{"a":1}')]),
        ({}, Point(1, 2), [("x", "1"), ("y", "2")]),
        ({"explode": False}, [1, 2], [("p", "1,2")]),
        ({"explode": False}, Point(1, 2), [("p", "x,1,y,2")]),
        ({"style": "pipeDelimited"}, [1, 2], [("p", "1|2")]),
        ({"style": "spaceDelimited"}, [1, 2], [("p", "1 2")]),
        ({"style": "deepObject"}, {"a": 1, "b": None}, [("p[a]", "1")]),
        ({"content": {"application/json": {"schema": {}}}}, [1], [("p", "[1]")]),
    ],
)
def test_arguments_of_the_query(options: dict[str, Any], value: Any, query: Any) -> None:
    assert asked({"name": "p", "in": "query", **options}, given={"p": value}).query == query


def test_a_style_that_is_not_known_is_an_error() -> None:
    with pytest.raises(DocumentError, match="The style 'matrix' of the parameter p isn't known"):
        asked({"name": "p", "in": "path", "style": "matrix"}, given={"p": "a"}, path="/{p}")


@pytest.mark.parametrize(
    ("options", "value", "path"),
    [
        ({}, "a/b c?", "/a%2Fb%20c%3F/x"),
        ({}, [1, 2], "/1%2C2/x"),
        ({"explode": True}, {"a": 1}, "/a%3D1/x"),
        ({"schema": {"pattern": ".+"}}, "a/b c", "/a/b%20c/x"),
    ],
)
def test_arguments_of_the_path(options: dict[str, Any], value: Any, path: str) -> None:
    assert asked({"name": "p", "in": "path", **options}, given={"p": value}, path="/{p}/x").path == path


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_what_would_lead_elsewhere_can_not_stand_in_a_path(value: str) -> None:
    with pytest.raises(ValueError, match="The argument p of op can't be"):
        asked({"name": "p", "in": "path"}, given={"p": value}, path="/{p}/x")


def test_headers_and_cookies() -> None:
    both = ({"name": "X-A", "in": "header"}, {"name": "b", "in": "cookie"})
    found = asked(*both, given={"X_A": [1, 2], "b": True})
    assert (found.headers, found.cookies) == ({"X-A": "1,2"}, {"b": "true"})
    for name in ("X_A", "b"):
        with pytest.raises(ValueError, match="has an end of line in it"):
            asked(*both, given={name: "a\r\nx-evil: 1"})


@pytest.mark.parametrize(
    ("name", "said"),
    [("x-token", "x_token"), ("from", "from_"), ("1st", "_1st"), ("ü", "ü"), ("", "_"), ("a", "a")],
)
def test_names_as_python_says_them(name: str, said: str) -> None:
    assert identifier(name) == said


OBJECT = {"type": "object", "properties": {"a-b": {"type": "integer"}, "id": {}, "body": {}}}


def test_of_one_name_the_parameter_comes_first() -> None:
    document, found = operation({"name": "id", "in": "path"}, path="/{id}", body={"application/json": OBJECT})
    parameters, members = arguments(document, found)
    assert (list(parameters), members) == (["id"], {"a_b": "a-b", "body": "body"})
    request = asking(document, found, {"id": 1, "a_b": 2, "body": 3})
    assert (request.path, request.content) == ("/1", b'{"a-b":2,"body":3}')
    assert asking(document, found, {"id": 1, "a-b": 2}).content == b'{"a-b":2}'


def test_two_parameters_of_one_name_are_told_apart() -> None:
    request = asked(
        {"name": "id", "in": "path"},
        {"name": "id", "in": "query"},
        path="/{id}",
        given={"id": 1, "id_query": 2},
    )
    assert (request.path, request.query) == ("/1", [("id", "2")])


@pytest.mark.parametrize(
    ("body", "given", "content", "content_type"),
    [
        ({"application/json": {}}, {"body": [1, Color.RED]}, b'[1,"red"]', "application/json"),
        ({"application/json": {}}, {"a": 1}, b'{"a":1}', "application/json"),
        (
            {"application/json": {"anyOf": [OBJECT, {"type": "null"}]}},
            {"id": UNSET},
            b"{}",
            "application/json",
        ),
        ({"application/json": OBJECT}, {}, b"{}", "application/json"),
        ({"application/merge-patch+json": {}}, {"a": None}, b'{"a":null}', "application/merge-patch+json"),
        (
            {"application/x-www-form-urlencoded": {}},
            {"a": [1, None, True], "b": {"c": 1}},
            b"a=1&a=true&b=%7B%22c%22%3A1%7D",
            "application/x-www-form-urlencoded",
        ),
        (
            {"multipart/form-data": {}, "application/x-www-form-urlencoded": {}},
            {"a": "b"},
            b"a=b",
            "application/x-www-form-urlencoded",
        ),
        ({"text/plain": {}}, {"body": "ü"}, "ü".encode(), "text/plain"),
        ({"*/*": {}}, {"body": "ü"}, "ü".encode(), "text/plain; charset=utf-8"),
        ({"*/*": {}}, {"body": b"a"}, b"a", "application/octet-stream"),
        (
            {"image/*": {}, "application/json": {}},
            {"body": memoryview(b"a")},
            b"a",
            "application/octet-stream",
        ),
    ],
)
def test_bodies(body: Any, given: Any, content: bytes, content_type: str) -> None:
    request = asked(body=body, given=given)
    assert (request.content, request.headers) == (content, {"content-type": content_type})


def test_a_body_that_need_not_be_there_is_left_out() -> None:
    assert asked(body={"application/json": OBJECT}, required=False, given={}).content is None
    with pytest.raises(TypeError, match="op needs a body: body=…"):
        asked(body={"application/json": {}}, given={})
    with pytest.raises(TypeError, match="op has no argument 'body'"):
        asked(given={"body": 1})


def test_the_parts_of_a_form_with_files(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"png")
    files = {
        "type": "object",
        "properties": {
            "many": {"type": "array", "items": {"type": "string", "format": "binary"}},
            "maybe": {"anyOf": [{"contentMediaType": "application/octet-stream"}, {"type": "null"}]},
        },
    }
    request = asked(
        body={"multipart/form-data": files},
        given={"many": [path, "text"], "maybe": b"x"},
    )
    assert request.files is not None
    (png, opened, media), text = request.files[0][1], request.files[1][1]
    assert (png, opened.read(), media) == ("a.png", b"png", "image/png")
    assert text == ("upload", b"text", "application/octet-stream")
    assert request.files[2] == ("maybe", ("upload", b"x", "application/octet-stream"))
    request.open.close()
    assert opened.closed
    both = asked(
        body={"application/x-www-form-urlencoded": {}, "multipart/form-data": {}},
        given={"file": ("a", b"x"), "n": [1, None], "day": datetime.date(2026, 1, 2)},
    )
    assert both.files == [("file", ("a", b"x")), ("n", (None, b"1")), ("day", (None, b"2026-01-02"))]
    whole = asked(body={"multipart/form-data": {}}, given={"body": Point(1, 2)})
    assert whole.files == [("x", (None, b"1")), ("y", (None, b"2"))]
