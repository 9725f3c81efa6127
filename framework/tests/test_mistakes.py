"""What people get wrong, and what they are told: what it is, where, and what to do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from asgistar import (
    App,
    Command,
    ConfigurationError,
    Include,
    Problem,
    ProblemDetails,
    Route,
    Struct,
    WebSocket,
    component,
)

if TYPE_CHECKING:
    from decimal import Decimal

    from framework.tests.conftest import Connect


class Note(Struct):
    title: str


class Session:
    pass


async def add(x: int, y: int) -> int:
    return x + y


def told(*routes: Any, **options: Any) -> str:
    """What is said of an application that can't work."""
    with pytest.raises(ConfigurationError) as error:
        App([route() if callable(route) else route for route in routes], **options)
    return str(error.value)


class Methods:
    async def show(self, x: int) -> int:
        return x


async def no_annotation(x) -> int:  # type: ignore[no-untyped-def]
    return x  # type: ignore[no-any-return]


async def not_there(price: Decimal) -> None: ...


async def braces(x: int) -> int:
    return x


async def needs(session: Session) -> None: ...


async def talks(socket: WebSocket[str, str]) -> None: ...


async def noted(x: Annotated[int, ["a list"]]) -> None: ...


async def noted_answer() -> Annotated[int, ["a list"]]: ...  # type: ignore[empty-body]


async def takes_all(*numbers: int) -> None: ...


async def anything() -> str:
    return "x"


def undecorated(call: Callable[..., Any]) -> Callable[..., Any]:
    async def around(*arguments: Any, **named: Any) -> Any:
        return await call(*arguments, **named)

    return around


@pytest.mark.parametrize(
    ("route", "texts"),
    [
        (Route("/", "GET", no_annotation), ["x of no_annotation() at ", "write its type, as in `x: int`"]),
        (Route("/", "GET", Methods.show), ["self of Methods.show() at ", "give the method of an object"]),
        (Route("/", "GET", not_there), ["not_there() at ", "'Decimal' is not defined", "not only for type"]),
        (Route("/{x}/", "GET", braces), ["x of braces() at ", "Route('/{x}/') at ", "write <x> there"]),
        (Route("/", "GET", needs), ["session of needs() at ", "is Session", "App(components=[…])"]),
        (Route("/", "GET", noted), ["x of noted() at ", "unhashable type: 'list'"]),
        (Route("/", "GET", noted_answer), ["What noted_answer() at ", "unhashable type: 'list'"]),
        (Route("/", "GET", talks), ["socket of talks() at ", "stands in a WebSocketRoute"]),
        (Route("/", "GET", takes_all), ["takes_all() at ", "with a star", "Leave it out"]),
        (Route("/", "GET", undecorated(add)), ["around() at ", "with a star", "functools.wraps"]),
        (("/", anything), ["App: ('/', <function anything", "is not a route"]),
        (None, ["App: None is not a route"]),
        (lambda: Route("/", "GET", Session), ["Route('/') at ", "the view must be a function, not <class "]),
    ],
)
def test_a_line_of_the_table_that_cannot_work_is_told_of(route: Any, texts: list[str]) -> None:
    message = told(route)
    for text in texts:
        assert text in message
    assert message.count("test_mistakes.py:") == sum(text.endswith(" at ") for text in texts)


def test_routes_are_a_list() -> None:
    with pytest.raises(ConfigurationError, match=r"App: the routes are a list\. Write \[Route\(…\)\]"):
        App(Route("/", "GET", anything))  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [(anything,), (["GET"], anything), ({"GET"}, anything)])
def test_a_route_has_a_method_and_a_view(arguments: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"Route\('/'\) has a method and then its view"):
        Route("/", *arguments)


def test_an_annotation_that_is_no_expression_is_told_with_its_place() -> None:
    async def view(x: int) -> None: ...

    view.__annotations__["x"] = "a number"
    message = told(Route("/", "GET", view))
    assert "view() at " in message
    assert "can't be read" in message


def test_what_is_no_component_says_what_one_is() -> None:
    for value in (Session, Session()):
        assert "def session() -> Session" in told(components=[value])

    def one() -> Session:
        yield Session()  # type: ignore[misc]

    assert "`-> Iterator[Session]`" in told(components=[one])


async def test_decorators_may_be_async_around_what_is_not(client: Connect) -> None:
    def checked(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        async def around(*arguments: Any, **named: Any) -> Any:
            return call(*arguments, **named)

        return around

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def around(*arguments: Any, **named: Any) -> Any:
            return call(*arguments, **named)

        return around

    @component
    @counted
    def session() -> Iterator[Session]:
        yield Session()

    @checked
    def view(x: int, session: Session) -> list[Any]:
        return [x, type(session).__name__]

    ask = client(
        Route("/", "GET", view),
        Route("/counted", "GET", counted(add)),
        Route("/partial", "GET", functools.partial(add, y=2)),
        Route("/method", "GET", Methods().show),
        components=[session],
    )
    assert (await ask.get("/?x=1")).json == [1, "Session"]
    assert (await ask.get("/counted?x=1&y=2")).json == 3
    assert (await ask.get("/partial?x=1")).json == 3
    assert (await ask.get("/method?x=1")).json == 1


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (5, ["gave int", "Expected `object`, got `int`"]),
        (None, ["gave NoneType"]),
        ([Note("a")], ["gave list"]),
    ],
)
async def test_a_view_that_returns_something_else_is_named(
    client: Connect, caplog: pytest.LogCaptureFixture, value: Any, texts: list[str]
) -> None:
    async def view() -> Note:
        return value  # type: ignore[no-any-return]

    assert (await client(Route("/", "GET", view)).get("/")).status == 500
    assert caplog.records[0].exc_info is not None
    message = str(caplog.records[0].exc_info[1])
    for text in ["view() at framework/tests/test_mistakes.py:", *texts]:
        assert text in message


@pytest.mark.parametrize("returned", [Note, str, dict[str, int], Any, list[Note]])
async def test_an_await_that_is_missing_is_thought_of(
    returned: Any, client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def find() -> Note:
        return Note("a")

    made: list[Any] = []

    async def view() -> Any:
        made.append(find())
        return made[0]

    view.__annotations__["return"] = returned
    assert (await client(Route("/", "GET", view)).get("/")).status == 500
    assert caplog.records[0].exc_info is not None
    message = str(caplog.records[0].exc_info[1])
    assert "view() at framework/tests/test_mistakes.py:" in message
    assert message.endswith("Is an await missing?")
    await made[0]


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("lifespan", "there is no option 'lifespan'. What lives as long as the application is a component"),
        ("title", "The document takes it from info=Info("),
        ("dependencies", "What a view needs is a component"),
        ("body_limt", "Did you mean body_limit?"),
        ("debugg", "Did you mean debug?"),
        ("component", "Did you mean components?"),
        ("wings", "There are converters, slashes, components, "),
    ],
)
def test_options_of_other_frameworks_have_another_place(option: str, hint: str) -> None:
    assert hint in told(**{option: 1})


def test_what_a_route_is_given_by_name_may_be_meant_too() -> None:
    with pytest.raises(ConfigurationError, match=r"no option 'defualts'\. Did you mean defaults\?"):
        Route("/", "GET", anything, defualts={})  # type: ignore[call-overload]
    with pytest.raises(ConfigurationError, match=r"no option 'nam'\. Did you mean name\?"):
        Include("/", [], nam="x")  # type: ignore[call-arg]


@component
def thing() -> Session:
    return Session()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": thing}, r"App: components is a list, not <.*>\. Write components=\[…\]\."),
        ({"components": "thing"}, r"App: components is a list, not 'thing'\."),
        ({"commands": Command("x", anything)}, r"App: commands is a list, not <.*>\. Write commands=\[…\]"),
        ({"middleware": lambda app: app}, r"App: middleware is a list, not <.*>\. Write middleware=\[…\]"),
        ({"hooks": Session}, r"App: hooks is a list, not <class .*>\. Write hooks=\[…\]"),
        ({"converters": [1]}, r"App: converters is a dict, not \[1\]\."),
        ({"info": "Shop"}, r"App: info is an Info, not 'Shop'\."),
        (
            {"errors": ProblemDetails},
            r"App: errors is an object with the methods of an ErrorRenderer",
        ),
        ({"threads": "4"}, r"App: threads is a number from 0, not '4'\."),
        ({"threads": 0}, r"App: views that aren't `async def` need one thread"),
        ({"body_limit": -1}, r"App: body_limit is a number from 0, not -1\."),
        ({"body_limit": True}, r"App: body_limit is a number from 0, not True\."),
    ],
)
def test_what_an_application_is_given_is_of_the_right_kind(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        App([], **options)


@pytest.mark.parametrize("routes", [3, "/", None])
def test_what_is_no_table_is_told_of(routes: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"App: routes is a list, not {routes!r}"):
        App(routes)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"status": "418"}, r"The status of Teapot is a number from 400 to 599, not '418'\."),
        ({"status": 200}, r"The status of Teapot is a number from 400 to 599, not 200\."),
        ({"type": 3}, r"The type of Teapot is text, not 3\."),
        ({"title": ["a"]}, r"The title of Teapot is text, not \['a'\]\."),
    ],
)
def test_a_problem_that_cannot_be_told_is_found_when_its_class_is_made(said: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        type("Teapot", (Problem,), said)
    assert type("Teapot", (Problem,), {"status": HTTPStatus.IM_A_TEAPOT})().document()["status"] == 418
