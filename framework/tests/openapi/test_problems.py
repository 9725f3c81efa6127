"""Every answer that tells of a problem is what the document says of it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from jsonschema import Draft202012Validator

from asgistar import HTML, App, Conflict, Form, NotFound, Problem, Redirect, Route, Status, Struct
from framework.tests.conftest import Client
from framework.tests.openapi.shop import KNOWN, TOKEN, shop

SHOP = shop()
JSON = {"content-type": "application/json"}
SOMEBODY = {"authorization": f"Bearer {TOKEN}"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
NOBODY = "/products/11111111-1111-1111-1111-111111111111/"
TOOL = b'{"name": "hammer", "price": 1, "kind": "tool"}'

PROVOKED: list[tuple[str, str, str, int, dict[str, Any]]] = [
    ("get", "/products/", "/products/?q=%ff", 400, {}),
    ("get", "/products/", "/products/?limit=0&color=pink", 422, {}),
    ("post", "/products/", "/products/", 400, {"body": b"{", "headers": {**JSON, **SOMEBODY}}),
    ("post", "/products/", "/products/", 401, {"body": TOOL, "headers": JSON}),
    ("post", "/products/", "/products/", 409, {"body": TOOL, "headers": {**JSON, **SOMEBODY}}),
    (
        "post",
        "/products/",
        "/products/",
        413,
        {"body": b"{", "headers": {**JSON, **SOMEBODY, "content-length": "99999999"}},
    ),
    (
        "post",
        "/products/",
        "/products/",
        415,
        {"body": b"a,b", "headers": {**SOMEBODY, "content-type": "text/csv"}},
    ),
    ("post", "/products/", "/products/", 422, {"body": b'{"price": -1}', "headers": {**JSON, **SOMEBODY}}),
    ("get", "/products/{id}/", NOBODY, 404, {}),
    ("patch", "/products/{id}/", NOBODY, 400, {"body": b"", "headers": {**JSON, **SOMEBODY}}),
    ("patch", "/products/{id}/", f"/products/{KNOWN}/", 401, {"body": b"{}", "headers": JSON}),
    ("patch", "/products/{id}/", NOBODY, 404, {"body": b"{}", "headers": {**JSON, **SOMEBODY}}),
    (
        "patch",
        "/products/{id}/",
        NOBODY,
        413,
        {"body": b"{}", "headers": {**JSON, **SOMEBODY, "content-length": "99999999"}},
    ),
    ("patch", "/products/{id}/", NOBODY, 415, {"body": b"{}", "headers": SOMEBODY}),
    ("patch", "/products/{id}/", NOBODY, 422, {"body": b'{"name": 1}', "headers": {**JSON, **SOMEBODY}}),
    ("delete", "/products/{id}/", NOBODY, 401, {}),
    ("delete", "/products/{id}/", NOBODY, 404, {"headers": SOMEBODY}),
    (
        "put",
        "/products/picture",
        "/products/picture",
        400,
        {"headers": {"content-type": "multipart/form-data"}},
    ),
    ("put", "/products/picture", "/products/picture", 415, {"body": b"{}", "headers": JSON}),
    ("post", "/login", "/login", 400, {"body": b"name=%ff", "headers": FORM}),
    (
        "post",
        "/login",
        "/login",
        413,
        {"body": b"name=%ff", "headers": {**FORM, "content-length": "99999999"}},
    ),
    ("post", "/login", "/login", 415, {"body": b"{}", "headers": JSON}),
    ("post", "/login", "/login", 422, {"body": b"name=", "headers": FORM}),
    ("post", "/echo", "/echo", 413, {"body": b"x" * 100_001}),
    ("get", "/numbers", "/numbers?n=1&n=2", 400, {}),
    ("get", "/numbers", "/numbers?n=11", 422, {}),
    ("get", "/page", "/page", 422, {"headers": {"cookie": "lang=fr"}}),
    ("get", "/text/{year}/{color}-{slug}", "/text/1800/red-a", 404, {}),
    ("get", "/days/{day}/{rest}", "/days/2026-11-22/a?ratio=1&ratio=1", 400, {}),
    ("get", "/days/{day}/{rest}", "/days/2026-02-30/a", 404, {}),
    ("get", "/days/{day}/{rest}", "/days/2026-11-22/a?ratio=x", 422, {}),
    ("get", "/teapot", "/teapot?hot=1&hot=1", 400, {}),
    ("get", "/teapot", "/teapot?hot=hot", 422, {}),
    ("get", "/anything", "/anything?%ff", 400, {}),
    ("get", "/anything", "/anything?flags=a&flags=1&flags=b", 422, {}),
]
NOT_PROVOKED = {
    # Nothing that is there forbids anybody anything, or is in conflict with anything.
    ("post", "/products/", 403),
    ("patch", "/products/{id}/", 403),
    ("delete", "/products/{id}/", 403),
    ("post", "/nothing", 409),
    # The same as for the other form.
    ("put", "/products/picture", 413),
    ("put", "/products/picture", 422),
}


@pytest.mark.parametrize(
    ("method", "path", "target", "status", "options"),
    PROVOKED,
    ids=[f"{method} {target} {status}" for method, _, target, status, _ in PROVOKED],
)
async def test_a_problem_is_what_the_document_says_of_it(
    method: str, path: str, target: str, status: int, options: dict[str, Any]
) -> None:
    app = SHOP
    async with app.scope():
        answer = await Client(app)(method.upper(), target, **options)
    assert answer.status == status, answer.body
    documented = _response(app.openapi(), method, path, status)
    media_type, media = next(iter(documented["content"].items()))
    assert answer.headers["content-type"] == media_type
    errors = Draft202012Validator({**media["schema"], "components": app.openapi()["components"]})
    errors.validate(json.loads(answer.body))
    for name in documented.get("headers", ()):
        assert name.lower() in answer.headers


def test_all_problems_that_are_documented_are_provoked() -> None:
    document = shop().openapi()
    documented = {
        (method, path, int(status))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for status in operation["responses"]
        if status.startswith("4") and not method.startswith("x-")
    }
    assert documented == {(method, path, status) for method, path, _, status, _ in PROVOKED} | NOT_PROVOKED


def _response(document: dict[str, Any], method: str, path: str, status: int) -> Any:
    found = document["paths"][path][method]["responses"][str(status)]
    if "$ref" in found:
        found = document["components"]["responses"][found["$ref"].rpartition("/")[2]]
    return found


async def test_other_shapes_of_errors_are_documented_as_they_are() -> None:
    class Short:
        media_type = "application/json"

        def render(self, problem: Problem) -> bytes:
            return json.dumps({"error": problem.status}).encode()

        def schema(self, problem: type[Problem]) -> dict[str, Any]:
            return {
                "type": "object",
                "properties": {"error": {"const": problem.status}},
                "required": ["error"],
            }

    def detail(id: int) -> str:
        raise NotFound

    app = App([Route("/<id>", "GET", detail)], errors=Short())
    ((media_type, media),) = _response(app.openapi(), "get", "/{id}", 404)["content"].items()
    answer = await Client(app).get("/1")
    assert media_type == answer.headers["content-type"] == "application/json"
    validator = Draft202012Validator({**media["schema"], "components": app.openapi()["components"]})
    validator.validate(json.loads(answer.body))
    assert not validator.is_valid({"error": 400})


async def test_a_view_may_answer_with_the_status_of_a_problem_too() -> None:
    async def log_in(name: Form[str]) -> Annotated[HTML, Status(422)] | Redirect:
        return HTML("Wrong name.", 422)

    responses = App([Route("/", "POST", log_in)]).openapi()["paths"]["/"]["post"]["responses"]
    assert list(responses) == ["303", "400", "413", "415", "422"]
    assert responses["422"] == {
        "description": "Unprocessable Content\n\nParts of the request aren't what they should be.",
        "content": {
            "text/html": {"schema": {"type": "string"}},
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/ValidationFailed"}},
        },
    }


async def test_an_answer_of_the_form_and_status_of_a_problem_is_the_one_or_the_other() -> None:
    class Short:
        media_type = "application/json"

        def render(self, problem: Problem) -> bytes:
            return b"{}"

        def schema(self, problem: type[Problem]) -> dict[str, Any]:
            return {"type": "object"}

    class Other(Struct):
        id: int

    async def create() -> Annotated[Other, Status(409)]:
        """Make one.

        Returns:
            The other one.
        """
        return Other(1)

    app = App([Route("/", "POST", create, raises=[Conflict])], errors=Short())
    response = app.openapi()["paths"]["/"]["post"]["responses"]["409"]
    assert response["description"].startswith("The other one")
    schemas = [{"$ref": f"#/components/schemas/{name}"} for name in ("Other", "Conflict")]
    assert response["content"] == {"application/json": {"schema": {"anyOf": schemas}}}
