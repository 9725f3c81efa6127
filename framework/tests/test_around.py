"""What stands around an application: middleware; the lines of the table and the views that know of it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from asgistar import App, ConfigurationError, Conflict, Host, Include, NotFound, Route, component
from asgistar.middleware import cors
from asgistar.security import ApiKey, Basic, Bearer

if TYPE_CHECKING:
    from asgistar.types import ASGIApplication, Receive, Scope, Send
    from framework.tests.conftest import Connect

LOG: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    LOG.clear()


def noting(name: str) -> Any:
    """A middleware that notes in the log what passes through it."""

    def around(app: ASGIApplication) -> ASGIApplication:
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            LOG.append(f"{name} {scope['type']}")
            await app(scope, receive, send)
            LOG.append(f"{name} ends")

        return call

    return around


async def hello() -> str:
    LOG.append("view")
    return "hello"


# --- middleware -------------------------------------------------------------------------------------------


async def test_the_first_middleware_is_the_outermost(client: Connect) -> None:
    ask = client([Route("/", "GET", hello)], middleware=[noting("a"), noting("b")])
    assert (await ask.get("/")).json == "hello"
    assert LOG == ["a http", "b http", "view", "b ends", "a ends"]


async def test_middleware_sees_what_no_view_is_for_and_the_lifespan(client: Connect) -> None:
    ask = client([Route("/", "GET", hello)], middleware=[noting("a")])
    assert (await ask.get("/nothing")).status == 404
    assert LOG == ["a http", "a ends"]
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await ask.app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert LOG[2:] == ["a lifespan", "a ends"]


async def test_a_class_may_be_middleware(client: Connect) -> None:
    class Stamped:
        def __init__(self, app: ASGIApplication) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def stamped(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"].append((b"x-stamp", b"yes"))
                await send(message)

            await self.app(scope, receive, stamped)

    answer = await client([Route("/", "GET", hello)], middleware=[Stamped]).get("/")
    assert answer.headers["x-stamp"] == "yes"


async def test_an_override_reaches_views_inside_of_middleware(client: Connect) -> None:
    class Name(str): ...

    @component
    def name() -> Name:
        return Name("real")

    async def view(name: Name) -> str:
        return str(name)

    ask = client([Route("/", "GET", view)], components=[name], middleware=[noting("a")])
    app: Any = ask.app
    with app.override({Name: Name("fake")}):
        assert (await ask.get("/")).json == "fake"
    assert (await ask.get("/")).json == "real"


@pytest.mark.parametrize(
    ("middleware", "message"),
    [
        ("gzip", "'gzip' is no middleware"),
        (lambda app: None, "gave None, which is no ASGI application. Is it one itself"),
        (
            lambda: 1,
            r"can't be called with an ASGI application: too many positional arguments\. If it",
        ),
        (cors, r"can't be called with an ASGI application: .* call it, as in middleware=\[cors\(…\)\]"),
    ],
)
def test_what_is_no_middleware_is_found_at_start_up(middleware: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        App([], middleware=[middleware])


def test_middleware_that_has_no_signature_is_called_all_the_same() -> None:
    with pytest.raises(ValueError, match="no signature"):
        inspect.signature(type)
    App([], middleware=[type])  # type: ignore[list-item]


# --- the application --------------------------------------------------------------------------------------


async def test_lines_of_the_table_are_told_their_application() -> None:
    told = []

    class Telling(Route):
        __slots__ = ()

        def attach(self, app: App) -> None:
            told.append((self.path, app))

    app = App(
        [
            Telling("/a", "GET", hello),
            Include("/b", [Include("/c", [Telling("/d", "GET", hello)])]),
            Host("example.com", [Telling("/e", "GET", hello)]),
        ],
        middleware=[noting("a")],
    )
    assert told == [("/a", app), ("/d", app), ("/e", app)]


async def test_a_view_is_given_its_application_by_its_type(client: Connect) -> None:
    async def where(app: App, id: int) -> str:
        return app.url_for("where", id=id + 1)

    assert (await client(Route("/<id>", "GET", where, name="where")).get("/7")).json == "/8"


# --- what components say of themselves --------------------------------------------------------------------


class User: ...


def test_components_say_how_to_authenticate_and_what_they_raise() -> None:
    @component(security=Bearer(), raises=[NotFound])
    def user() -> User:
        return User()

    @component(security=[Basic(), ApiKey(header="x-key")])
    async def other() -> User:
        return User()

    async def view(user: User) -> None: ...

    assert (user.security, user.raises) == ((Bearer(),), (NotFound,))
    assert other.security == (Basic(), ApiKey(header="x-key"))
    (endpoint,) = App([Route("/", "GET", view)], components=[user], raises=[Conflict]).router.endpoints
    assert endpoint.handlers["GET"].raises == [Conflict, NotFound]
    assert component(plain_user).security == ()


def plain_user() -> User:
    return User()
