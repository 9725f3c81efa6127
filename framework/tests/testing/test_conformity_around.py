"""What is answered around views is documented too: by error renderers, components, hooks and middleware."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import pytest

from asgistar import (
    HTML,
    App,
    ConfigurationError,
    Instead,
    NotFound,
    Problem,
    Redirect,
    Response,
    Route,
    ServiceUnavailable,
    Status,
    Unauthorized,
    WebSocket,
    WebSocketRoute,
    component,
)
from asgistar.http.request import Headers
from asgistar.middleware import Middleware, https_redirect, refuse, same_origin, trusted_hosts
from asgistar.testing import TestClient
from asgistar.types import ASGIApplication, Receive, Scope, Send


class Pages:
    """A page or a redirect for browsers."""

    media_type = "application/problem+json"

    def render(self, problem: Problem, headers: Headers) -> bytes | Redirect | HTML:
        if "text/html" not in headers.get("accept", ""):
            return b'{"title": "Wrong"}'
        return Redirect("/login") if isinstance(problem, Unauthorized) else HTML("<h1>Wrong")

    def schema(self, problem: type[Problem]) -> dict[str, Any]:
        return {"type": "object"}


BROWSER = {"accept": "text/html"}


def test_the_redirect_of_an_error_renderer_is_documented_where_there_are_problems() -> None:
    async def account() -> HTML:
        raise Unauthorized

    async def health() -> None: ...

    routes = [Route("/", "GET", account, raises=[Unauthorized]), Route("/health", "GET", health)]
    app = App(routes, errors=Pages())
    with TestClient(app, conforms=True) as client:
        assert client.get("/", headers=BROWSER).status_code == 303
        assert client.get("/").status_code == 401
    paths = app.openapi()["paths"]
    assert paths["/"]["get"]["responses"].keys() == {"200", "303", "401"}
    assert paths["/health"]["get"]["responses"].keys() == {"204"}


class LogIn(Instead[Redirect]):
    def __init__(self) -> None:
        super().__init__(Redirect("/login"))


class Member:
    pass


@component(raises=[Instead[Redirect]])
def redirected() -> Member:
    raise Instead(Redirect("/login"))


@component
def told_in_words() -> Member:
    """A member.

    Raises:
        LogIn: Nobody has logged in.
    """
    raise LogIn


@component(raises=[Instead[Annotated[HTML, Status(418)]], NotFound])
def paged() -> Member:
    raise Instead(HTML("<h1>A teapot", 418))


@component(raises=[Instead])
def whatever() -> Member:
    raise Instead(Response("x", 207))


@pytest.mark.parametrize(
    ("provides", "status", "documented"),
    [
        (redirected, 303, {"204", "303"}),
        (told_in_words, 303, {"204", "303"}),
        (paged, 418, {"204", "404", "418"}),
        (whatever, 207, {"204", "default"}),
    ],
)
def test_what_a_component_answers_instead_is_documented(
    provides: Any, status: int, documented: set[str]
) -> None:
    async def account(member: Member) -> None: ...

    async def live(socket: WebSocket[str, str], member: Member) -> None: ...

    app = App([Route("/", "GET", account), WebSocketRoute("/live", live)], components=[provides])
    with TestClient(app, conforms=True) as client:
        assert client.get("/").status_code == status
    paths = app.openapi()["paths"]
    assert paths["/"]["get"]["responses"].keys() == documented
    assert paths["/live"]["x-websocket"]["responses"].keys() == documented - {"204"} | {"101"}
    if documented == {"204", "303"}:
        assert "Location" in paths["/"]["get"]["responses"]["303"]["headers"]


def test_what_a_hook_answers_instead_is_documented() -> None:
    class Guard:
        raises = (Instead[Redirect],)

        def on_request(self) -> None:
            raise Instead(Redirect("/login"))

    async def account() -> None: ...

    with TestClient(App([Route("/", "GET", account)], hooks=[Guard]), conforms=True) as client:
        assert client.get("/").status_code == 303


@pytest.mark.parametrize(
    ("middleware", "headers", "status"),
    [
        (same_origin(), {"origin": "https://evil.example"}, 403),
        (trusted_hosts(["example.com"]), {}, 400),
        (https_redirect(), {}, 308),
        (https_redirect(), {"host": "?"}, 400),
    ],
)
def test_what_a_middleware_refuses_is_documented(
    middleware: Middleware, headers: dict[str, str], status: int
) -> None:
    async def order() -> None: ...

    app = App([Route("/", "POST", order)], middleware=[lambda app: app, middleware, lambda app: app])
    with TestClient(app, conforms=True) as client:
        assert client.post("/", headers=headers).status_code == status


class Closed:
    """A middleware of one's own."""

    raises: Sequence[Any] = (ServiceUnavailable,)

    def __init__(self, app: ASGIApplication) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        else:
            await refuse(ServiceUnavailable("We are closed."), scope, receive, send)


def test_a_middleware_says_what_it_raises_as_hooks_do() -> None:
    async def order() -> None: ...

    app = App([Route("/", "POST", order)], middleware=[Closed])
    with TestClient(app, conforms=True) as client:
        assert client.post("/").status_code == 503

    class Wrong(Closed):
        raises = (ValueError,)

    with pytest.raises(ConfigurationError, match=r"The middleware Wrong says that it raises <class 'Value"):
        App([Route("/", "POST", order)], middleware=[Wrong])
