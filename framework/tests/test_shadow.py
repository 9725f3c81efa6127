"""Mistakes in a table are found when it is made, and both places are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgistar.errors import ConfigurationError
from asgistar.routing.route import Entry, Host, Include, Mount, Route, WebSocketRoute
from asgistar.routing.router import Router

if TYPE_CHECKING:
    from collections.abc import Callable

    Get = Callable[..., Route]


def view(**arguments: Any) -> None: ...


async def app(scope: Any, receive: Any, send: Any) -> None: ...


class Upper:
    regex = "[A-Z]+"

    def to_python(self, value: str) -> str:
        if value == "NO":
            raise ValueError
        return value

    def to_url(self, value: str) -> str:
        return value


class Lookup(Upper):
    def to_python(self, value: str) -> str:
        raise LookupError(value)


CONVERTERS = {"upper": Upper(), "again": Upper(), "maybe": Upper()}
CONVERTERS["maybe"].regex = "[A-Z]*"


def hidden(first: str, second: str) -> bool:
    """Whether the second path is found to be hidden by the first."""
    routes = [Route(first, "GET", view), Route(second, "GET", view)]
    try:
        Router(routes, CONVERTERS)
    except ConfigurationError as error:
        message = str(error)
        assert message.startswith(str(routes[1]))
        assert str(routes[0]) in message
        assert "can never match GET" in message
        return True
    return False


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/users/<name>/", "/users/me/"),
        ("/users/<name>/", "/users/<int:id>/"),
        ("/users/<name>/", "/users/<slug:id>/"),
        ("/users/<name>/", "/users/<a>-<b>/"),
        ("/users/<name>/", "/users/<upper:id>/"),
        ("/users/<name>/x", "/users/<other>/x"),
        ("/<slug:a>", "/<int:b>"),
        ("/<slug:a>", "/<uuid:b>"),
        ("/<slug:a>", "/<date:b>"),
        ("/<slug:a>", "/word"),
        ("/<int:a>", "/2003"),
        ("/<date:a>", "/2026-11-22"),
        ("/<upper:a>", "/YES"),
        ("/<upper:a>", "/<upper:b>"),
        ("/<int:a>-<int:b>", "/1-2"),
        ("/<slug:a>-<slug:b>", "/<int:a>-<int:b>"),
        ("/<upper:a>-<int:b>", "/<upper:c>-<int:d>"),
        ("/a", "/a"),
        ("/<path:p>", "/a"),
        ("/<path:p>", "/a/"),
        ("/<path:p>", "/a/<int:b>/c"),
        ("/<path:p>", "/<path:q>"),
        ("/<path:p>", "/x/<path:q>"),
        ("/<path:p>", "/<path:q>/x"),
        ("/x/<path:p>", "/x/a/<b>"),
        ("/x/<path:p>", "/x/a/<path:b>"),
        ("/<path:p>/edit", "/a/edit"),
        ("/<path:p>/edit", "/a/<int:b>/edit"),
        ("/<path:p>/edit", "/<int:b>/edit"),
        ("/a<path:p>", "/ab<path:q>"),
        ("/<path:a>/x/<path:b>", "/<path:c>/x/<path:d>"),
        ("/<path:a>/x/<path:b>", "/1/x/2"),
        ("/<path:a>/x/<path:b>", "/<int:c>/x/<path:d>"),
        ("/<a>-<int:b>", "/<slug:a>-<int:b>"),
        ("/<a>/<b>", "/1/2"),
    ],
)
def test_a_route_that_can_never_match_is_an_error(first: str, second: str) -> None:
    assert hidden(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/users/me/", "/users/<name>/"),
        ("/users/<int:id>/", "/users/<name>/"),
        ("/users/<int:id>/", "/users/me/"),
        ("/users/<name>/", "/users/"),
        ("/users/<name>/", "/users/<a>/<b>/"),
        ("/users/<name>", "/users/<path:p>"),
        ("/<date:a>", "/2026-02-31"),
        ("/<date:a>", "/<slug:a>"),
        ("/<upper:a>", "/NO"),
        ("/<upper:a>", "/yes"),
        ("/<upper:a>", "/<int:a>"),
        ("/<upper:a>", "/<again:b>"),
        ("/<slug:a>", "/<upper:b>"),
        ("/<name>", "/<maybe:b>"),
        ("/<int:a>-<int:b>", "/<int:a>"),
        ("/<int:a>-<int:b>", "/<int:a>_<int:b>"),
        ("/<int:a>-<int:b>", "/<slug:a>-<slug:b>"),
        ("/<upper:a>-<slug:b>", "/<upper:c>-<int:d>"),
        ("/a", "/b"),
        ("/<path:p>", "/"),
        ("/x/<path:p>", "/x/"),
        ("/x/<path:p>", "/x"),
        ("/<path:p>", "/<maybe:m>"),
        ("/<path:p>/edit", "/edit"),
        ("/<path:p>/edit", "/<int:a>/edited"),
        ("/<path:p>/edit", "/<path:a>"),
        ("/a<path:p>", "/<path:q>"),
        ("/<path:a>/x/<path:b>", "/<path:c>/y/<path:d>"),
        ("/<path:a>/x/<path:b>", "/<path:c>"),
    ],
)
def test_a_route_that_may_match_is_none(first: str, second: str) -> None:
    assert not hidden(first, second)


def test_a_converter_that_breaks_at_start_up_is_not_hushed_up() -> None:
    with pytest.raises(LookupError):
        Router([Route("/<x:a>", "GET", view), Route("/ABC", "GET", view)], {"x": Lookup})


def refused(*routes: Entry) -> str:
    """The error that a table is refused with."""
    with pytest.raises(ConfigurationError) as raised:
        Router(routes)
    return str(raised.value)


def test_methods_are_told_apart() -> None:
    Router([Route("/<name>", "GET", view), Route("/me", "POST", view), WebSocketRoute("/me", view)])
    message = refused(
        Route("/<name>", {"GET": view, "POST": view}), Route("/me", {"POST": view, "PUT": view, "GET": view})
    )
    assert "can never match GET or POST:" in message
    message = refused(WebSocketRoute("/<name>", view), WebSocketRoute("/me", view))
    assert "can never match WebSockets:" in message


def test_the_same_path_twice_is_told_as_that(get: Get) -> None:
    message = refused(get("/a/<int:b>"), get("/a/<int:b>"))
    assert message.endswith("is declared before it, for the same path.")
    assert "swap them" in refused(get("/<a>"), get("/b"))


def test_what_is_below_a_mount_belongs_to_the_mount(get: Get) -> None:
    mount = Mount("/x", app)
    for entry in (get("/x"), get("/x/y"), get("/x/<int:n>/z"), get("/x/<path:p>"), Mount("/x/y", app)):
        assert "can never match: Mount('/x')" in refused(mount, entry)
    Router([mount, get("/xy"), get("/<a>"), get("/<a>/y")])
    assert "can never match" in refused(Mount("", app), get("/"))
    assert "can never match" in refused(Mount("", app), Mount("", app))
    assert "can never match" in refused(Mount("/<a>", app), get("/x/y"))
    Router([get("/x/<path:p>"), Mount("/x", app)])
    Router([get("/x"), Mount("/x", app)])


def test_the_routes_of_a_host_hide_only_those_of_the_same_host(get: Get) -> None:
    assert "can never match" in refused(get("/a"), Host("x.example", [get("/a")]))
    assert "can never match" in refused(Host("x.example", [get("/<a>")]), Host("x.example", [get("/a")]))
    assert "can never match" in refused(Host("<a>.example", [get("/a")]), Host("<b>.example", [get("/a")]))
    Router([Host("x.example", [get("/a")]), Host("y.example", [get("/a")]), get("/a")])


def test_the_whole_path_is_told_where_it_is_more_than_what_stands_in_the_line(get: Get) -> None:
    message = refused(get("/v1/<name>"), Include("/v1", [get("/me")]))
    assert "Route('/me') at " in message
    assert "which is '/v1/me' in all, can never match GET" in message


def test_a_name_for_two_paths_is_an_error_that_names_both(get: Get) -> None:
    message = refused(Route("/a", "GET", view, name="same"), Route("/b", "GET", view, name="same"))
    assert "Route('/b') at" in message
    assert "has the name 'same', and so has Route('/a') at" in message
    assert message.count("test_shadow.py:") == 2
    assert "has the name 'n:same'" in refused(
        Include("/x", [get("/a", "same")], name="n"), Include("/y", [get("/b", "same")], name="n")
    )


def test_a_name_for_two_methods_of_one_path_is_none() -> None:
    Router([Route("/a/<int:n>", "GET", view, name="it"), Route("/a/<int:n>", "PUT", view, name="it")])


def test_the_same_name_in_two_includes_is_none(get: Get) -> None:
    Router(
        [
            Include("/x", [get("/a", "same")], name="x"),
            Include("/y", [get("/a", "same")], name="y"),
            get("/", "same"),
        ]
    )


def test_a_name_has_no_colon(get: Get) -> None:
    with pytest.raises(ConfigurationError, match="has a colon in its name, 'a:b'"):
        get("/", "a:b")
    with pytest.raises(ConfigurationError, match="has a colon in its name"):
        Include("/", [], name="a:b")
