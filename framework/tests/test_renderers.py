"""How errors are told: as problem documents (RFC 9457), or as the application says; and their schemas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from asgistar import (
    App,
    Conflict,
    MethodNotAllowed,
    NotFound,
    Problem,
    Route,
    TooManyRequests,
    Unauthorized,
)
from asgistar.errors import InternalServerError, ValidationFailed
from asgistar.problems import ErrorRenderer, ProblemDetails

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


class Shaped:
    """The shape that another framework has."""

    media_type = "application/json"

    def render(self, problem: Problem) -> bytes:
        if isinstance(problem, ValidationFailed):
            detail: Any = [
                {"loc": [each["in"], *each["path"]], "msg": each["message"], "type": each["code"]}
                for each in problem.errors
            ]
        else:
            detail = problem.detail or problem.document()["title"]
        return json.dumps({"detail": detail}).encode()

    def schema(self, problem: type[Problem]) -> dict[str, Any]:
        return {"type": "object", "properties": {"detail": {}}, "required": ["detail"]}


class Failing(Shaped):
    def render(self, problem: Problem) -> bytes:
        raise ZeroDivisionError


async def view(id: int) -> int:
    if id == 0:
        raise Conflict("Not zero", headers={"x-why": "zero"})
    if id == 1:
        raise ZeroDivisionError
    return id


async def search(page: int) -> None: ...


ROUTES = [Route("/<id>", "GET", view), Route("/", "GET", search)]


async def test_an_application_tells_errors_as_it_likes(client: Connect) -> None:
    ask = client(ROUTES, errors=Shaped())
    conflict = await ask.get("/0")
    assert (conflict.status, conflict.json) == (409, {"detail": "Not zero"})
    assert conflict.headers["content-type"] == "application/json"
    assert conflict.headers["x-why"] == "zero"
    assert (await ask.get("/x")).json == {"detail": "Not Found"}
    assert (await ask.get("/1")).json == {"detail": "Internal Server Error"}
    assert (await ask("PUT", "/0")).json == {"detail": "There is GET, HEAD, OPTIONS here, but no PUT."}
    assert (await ask.get("/?page=x")).json == {
        "detail": [{"loc": ["query", "page"], "msg": "Must be an integer.", "type": "type"}]
    }


async def test_a_renderer_that_fails_is_500(client: Connect, caplog: pytest.LogCaptureFixture) -> None:
    answer = await client(ROUTES, errors=Failing()).get("/0")
    assert (answer.status, answer.json) == (500, {"title": "Internal Server Error", "status": 500})
    assert answer.headers["content-type"] == "application/problem+json"
    assert "ZeroDivisionError" in caplog.text


def test_the_renderer_is_that_of_the_application() -> None:
    shaped: ErrorRenderer = Shaped()
    assert App(ROUTES, errors=shaped).errors is shaped
    assert isinstance(App(ROUTES).errors, ProblemDetails)


class Teapot(Problem):
    status = 418
    type = "https://example.com/teapot"
    title = "Tea only"


class Odd(Problem):
    status = 599


@pytest.mark.parametrize(
    "problem",
    [
        NotFound("Not that one"),
        Unauthorized(),
        MethodNotAllowed(allowed=["GET"]),
        TooManyRequests(retry_after=3),
        Conflict(code="taken"),
        Teapot(),
        Odd(),
        InternalServerError(),
        ValidationFailed([{"in": "body", "path": ["a", 0], "code": "type", "message": "Must be a string."}]),
    ],
)
def test_a_problem_document_is_of_its_schema(problem: Problem) -> None:
    renderer = ProblemDetails()
    schema = renderer.schema(type(problem))
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(renderer.render(problem))
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "status": 400}, schema)


def test_a_status_without_a_name_is_called_by_its_class() -> None:
    assert Odd().document() == {"title": "Server Error", "status": 599}
