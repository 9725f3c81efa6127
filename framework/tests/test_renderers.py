"""How errors are told: as problem documents (RFC 9457), or as the application says; and their schemas."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from asgistar import (
    HTML,
    App,
    ConfigurationError,
    Conflict,
    Forbidden,
    MethodNotAllowed,
    Mount,
    NotFound,
    Problem,
    Redirect,
    Request,
    Response,
    Route,
    TooManyRequests,
    Unauthorized,
    WebSocket,
    WebSocketRoute,
)
from asgistar.errors import InternalServerError, ValidationFailed
from asgistar.http import URL, Client, Cookies, Headers
from asgistar.middleware import compression, cors, https_redirect, same_origin, trusted_hosts
from asgistar.problems import ErrorRenderer, ProblemDetails
from asgistar.testing import TestClient, WebSocketDenied

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


# --- what a renderer knows of the request -----------------------------------------------------------------


class Page(HTML):
    """A page of ours."""


class Negotiating:
    """A page for browsers, a problem document for others."""

    media_type = "application/problem+json"
    schema = staticmethod(ProblemDetails().schema)

    def render(
        self, told: Problem, headers: Headers, url: URL, cookies: Cookies, client: Client | None, app: App
    ) -> bytes | Page | Redirect:
        if "text/html" not in headers.get("accept", ""):
            return ProblemDetails().render(told)
        if told.status == 401:
            return Redirect(app.url_for("view", id=7))
        if told.status == 409:
            return Page("<h1>custom</h1>", 410)
        who = f"{cookies.get('name', 'nobody')} at {client.host if client else 'nowhere'}"
        return Page(f"<h1>{told.status} {url.path} {who}</h1>", headers={"content-language": "en"})


BROWSER = {"accept": "text/html,*/*;q=0.8", "cookie": "name=ada"}


async def failing(id: int, page: int = 1) -> int:
    raise {0: Conflict(), 1: Unauthorized(), 2: TooManyRequests(retry_after=3)}.get(id, ZeroDivisionError())


PAGED: list[Any] = [Route("/<id>", "GET", failing, name="view")]


async def test_a_renderer_knows_of_the_request_what_it_asks_for(client: Connect) -> None:
    ask = client(PAGED, errors=Negotiating())
    page = await ask.get("/elsewhere/", headers=BROWSER)
    assert (page.status, page.body) == (404, b"<h1>404 /elsewhere/ ada at 127.0.0.1</h1>")
    assert page.headers == {
        "content-type": "text/html; charset=utf-8",
        "content-language": "en",
        "content-length": "41",
        "vary": "accept",
    }
    plain = await ask.get("/elsewhere/")
    assert plain.json == {"title": "Not Found", "status": 404}
    assert plain.headers["vary"] == "accept"
    assert (await ask.get("/3", headers=BROWSER)).body == b"<h1>500 /3 ada at 127.0.0.1</h1>"
    assert (
        await ask.get("/3?page=a", headers=BROWSER, client=None)
    ).body == b"<h1>422 /3 ada at nowhere</h1>"


async def test_a_page_of_a_renderer_has_the_headers_of_the_problem(client: Connect) -> None:
    answer = await client(PAGED, errors=Negotiating()).get("/2", headers=BROWSER)
    assert (answer.status, answer.headers["retry-after"]) == (429, "3")
    answer = await client(PAGED, errors=Negotiating())("PUT", "/2", headers=BROWSER)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_what_an_error_varies_by_is_told_beside_what_the_renderer_chooses_by(client: Connect) -> None:
    async def view() -> None:
        raise NotFound(headers={"Vary": "Cookie, Accept"})

    for errors, vary in ((Negotiating(), "accept, Cookie"), (ProblemDetails(), "Cookie, Accept")):
        answer = await client(Route("/", "GET", view), errors=errors).get("/")
        assert (answer.status, answer.headers["vary"]) == (404, vary)


async def test_a_renderer_may_send_the_client_elsewhere(client: Connect) -> None:
    ask = client(PAGED, errors=Negotiating())
    answer = await ask.get("/1", headers=BROWSER)
    assert (answer.status, answer.headers["location"]) == (303, "/7")
    assert (await ask.get("/1")).status == 401
    assert (await ask.get("/0", headers=BROWSER)).status == 410


async def test_a_renderer_may_ask_for_the_request(client: Connect) -> None:
    class Asking(Shaped):
        def render(self, problem: Problem, request: Request) -> bytes:
            return f"{request.method} {request.url.path} {request.query.get('a')}".encode()

    ask = client(PAGED, errors=Asking())
    answer = await ask("DELETE", "/2?a=b")
    assert answer.body == b"DELETE /2 b"
    assert "vary" not in answer.headers  # it always gives the same kind of thing


async def test_a_renderer_that_gives_a_stream_is_500(
    client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    class Streaming(Shaped):
        def render(self, problem: Problem) -> Response:
            async def chunks() -> AsyncIterator[bytes]:
                yield b""

            return Response(chunks())

    assert (await client(PAGED, errors=Streaming()).get("/0")).status == 500
    assert "A stream can't tell of a problem" in caplog.text


def test_what_a_renderer_can_not_be_given_is_a_mistake() -> None:
    class Wrong(Shaped):
        def render(self, problem: Problem, name: str) -> bytes:
            return b""

    class Untyped(Shaped):
        def render(self, problem, name):  # type: ignore[no-untyped-def, override]
            return b""

    class Unnamed(Shaped):
        def render(self, problem: Problem, request: Request, /) -> bytes:
            return b""

    class Waiting(Shaped):
        async def render(self, problem: Problem) -> bytes:
            return b""

    class Deaf(Shaped):
        def render(self) -> bytes:
            return b""

    for renderer, says in (
        (Wrong(), "name of .*render.* is str; whatever makes errors is given Request, Headers, Cookies"),
        (Untyped(), "name of .*render.* is no type"),
        (Unnamed(), "request of .*render.* is given by name: write no slash after it"),
        (Waiting(), "can't wait. Make it `def`"),
        (Deaf(), "needs a parameter for the problem"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            App(PAGED, errors=renderer)


def test_the_document_has_the_pages_of_the_renderer() -> None:
    app = App(PAGED, errors=Negotiating())
    responses = app.openapi()["components"]["responses"]
    assert set(responses["NotFound"]["content"]) == {"application/problem+json", "text/html"}
    assert responses["NotFound"]["content"]["text/html"] == {"schema": {"type": "string"}}
    with TestClient(app, conforms=True) as client:
        assert client.get("/7?page=a", headers=BROWSER).status_code == 422
        assert client.get("/7?page=a").status_code == 422


# --- where else errors are told -----------------------------------------------------------------------------


async def refusing(socket: WebSocket[str, str]) -> None:
    raise Forbidden("Not you.")


def test_a_websocket_is_refused_as_errors_are_told() -> None:
    app = App(
        [WebSocketRoute("/", refusing)], errors=Negotiating(), middleware=[trusted_hosts(["testserver"])]
    )
    with TestClient(app) as client:
        for path, host, status in (("/", "testserver", 403), ("/no", "testserver", 404), ("/", "else", 400)):
            with (
                pytest.raises(WebSocketDenied) as denied,
                client.websocket(path, headers={**BROWSER, "host": host}),
            ):
                pass
            assert denied.value.response.status_code == status
            assert denied.value.response.text.startswith(f"<h1>{status} {path} ada")


@pytest.mark.parametrize(
    ("middleware", "method", "headers", "status"),
    [
        (trusted_hosts(["example.com"]), "GET", {"host": "evil.example"}, 400),
        (https_redirect(), "GET", {"host": ""}, 400),
        (same_origin(), "PUT", {"sec-fetch-site": "cross-site"}, 403),
        (
            cors(origins=["https://a.example"]),
            "OPTIONS",
            {"origin": "https://b.example", "access-control-request-method": "GET"},
            403,
        ),
    ],
)
async def test_middleware_refuses_as_errors_are_told(
    middleware: Any, method: str, headers: dict[str, str], status: int, client: Connect
) -> None:
    ask = client(PAGED, errors=Negotiating(), middleware=[compression(), middleware])
    answer = await ask(method, "/7", headers={**BROWSER, **headers})
    assert (answer.status, answer.body) == (status, f"<h1>{status} /7 ada at 127.0.0.1</h1>".encode())
    varies = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    found = answer.headers["vary"].split(", ")
    assert "accept" in found
    assert ("cors" in repr(middleware)) is (varies in answer.headers["vary"])


async def test_each_application_refuses_in_its_own_shape(client: Connect) -> None:
    hosts = trusted_hosts(["inner.example"])
    inner = App(PAGED, errors=Shaped(), middleware=[hosts])
    outer = client(
        [Mount("/inner", inner), Mount("/plain", hosts(App(PAGED))), *PAGED],
        errors=Negotiating(),
        middleware=[trusted_hosts(["*.example"])],
    )
    elsewhere = {**BROWSER, "host": "outer.example"}
    assert (await outer.get("/inner/7", headers=elsewhere)).json == {
        "detail": "This host is not served here."
    }
    assert (await outer.get("/plain/7", headers=elsewhere)).body.startswith(b"<h1>400")
    assert (await outer.get("/7", headers={**BROWSER, "host": "else"})).body.startswith(b"<h1>400")


def test_a_status_without_a_name_is_called_by_its_class() -> None:
    assert Odd().document() == {"title": "Server Error", "status": 599}
