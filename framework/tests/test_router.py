"""What the router makes of a request: methods, slashes, hosts, mounts, WebSockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgistar.errors import ConfigurationError
from asgistar.routing.route import WEBSOCKET, Host, Include, Mount, Route, WebSocketRoute
from asgistar.routing.router import Router

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.tests.conftest import Resolve

    Get = Callable[..., Route]


def view(**arguments: Any) -> None: ...


def other(**arguments: Any) -> None: ...


async def app(scope: Any, receive: Any, send: Any) -> None: ...


# --- methods --------------------------------------------------------------------------------------------


def test_routes_of_one_path_are_one_resource(resolve: Resolve) -> None:
    router = Router(
        [
            Route("/notes/", "GET", view, name="list"),
            Route("/notes/", "POST", view, name="create"),
            Route("/notes/<int:id>/", {"GET": view, "DELETE": other}, name="one"),
            Route("/notes/<id>/", "PUT", view, name="put"),
        ]
    )
    assert resolve(router, "/notes/", "GET") == ("list", {})
    assert resolve(router, "/notes/", "POST") == ("create", {})
    assert resolve(router, "/notes/7/", "DELETE") == ("one", {"id": 7})
    assert resolve(router, "/notes/7/", "PUT") == ("put", {"id": "7"})
    assert resolve(router, "/notes/", "PUT") is None
    assert router.allowed("/notes/") == ["GET", "HEAD", "OPTIONS", "POST"]
    assert router.allowed("/notes/7/") == ["DELETE", "GET", "HEAD", "OPTIONS", "PUT"]
    assert router.allowed("/notes/x/") == ["OPTIONS", "PUT"]
    assert router.allowed("/nothing/") == []


def test_head_is_answered_by_the_view_for_get_unless_there_is_one_for_head(resolve: Resolve) -> None:
    router = Router(
        [
            Route("/a/", "GET", view, name="get-a"),
            Route("/b/", "GET", view, name="get-b"),
            Route("/b/", "HEAD", view, name="head-b"),
            Route("/<x>/c/", "GET", view, name="get-c"),
            Route("/<x>/c/", "HEAD", view, name="head-c"),
            Route("/<int:x>/d/", "HEAD", view, name="head-d"),
        ]
    )
    assert resolve(router, "/a/", "HEAD") == ("get-a", {})
    assert resolve(router, "/b/", "HEAD") == ("head-b", {})
    assert resolve(router, "/x/c/", "HEAD") == ("head-c", {"x": "x"})
    assert resolve(router, "/1/d/", "HEAD") == ("head-d", {"x": 1})
    assert resolve(router, "/1/d/", "GET") is None
    assert {path: sorted(methods) for path, methods in router.static.items()} == {
        "/a/": ["GET", "HEAD"],
        "/b/": ["GET", "HEAD"],
    }
    assert router.static["/b/"]["HEAD"].name == "head-b"


def test_a_converter_that_refuses_at_head_leaves_it_to_get(resolve: Resolve) -> None:
    router = Router([Route("/<date:d>/", "HEAD", view, name="head"), Route("/<d>/", "GET", view, name="get")])
    assert resolve(router, "/2026-11-22/", "HEAD") is not None
    assert resolve(router, "/2026-11-99/", "HEAD") == ("get", {"d": "2026-11-99"})


@pytest.mark.parametrize("method", ["get", "", "GE T", "GÉT", None])
def test_a_method_is_a_token_in_upper_case(method: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a method\. Write it in upper case, as in 'GET'"):
        Route("/", method, view)


def test_a_route_without_methods_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'' is not a method"):
        Route("/", {})


def test_views_are_callables() -> None:
    with pytest.raises(ConfigurationError, match="the view must be a function, not None"):
        Route("/", "GET")  # type: ignore[call-overload]
    with pytest.raises(ConfigurationError, match="the view must be a function, not 'invalid_view'"):
        Route("/", {"GET": "invalid_view"})  # type: ignore[dict-item]
    with pytest.raises(ConfigurationError, match="views for its methods, and another view beside them"):
        Route("/", {"GET": view}, view)  # type: ignore[call-overload]


def test_a_table_is_made_of_routes() -> None:
    with pytest.raises(ConfigurationError, match=r"Include\('/a'\) at .*: 'x' is not a route"):
        Include("/a", ["x"])  # type: ignore[list-item]


# --- the dictionary of static paths ---------------------------------------------------------------------


def test_a_static_path_is_in_the_dictionary_unless_what_stands_before_may_take_it(get: Get) -> None:
    router = Router(
        [
            get("/first/", "first"),
            get("/<int:n>/", "number"),
            get("/second/", "second"),
            Host("api.example.com", [get("/third/", "third-of-host")]),
            get("/third/", "third"),
            Route("/<date:d>", "POST", view),
            Route("/2026-02-31", "POST", view),
            Route("/2026-02-31", "GET", view),
        ]
    )
    assert {path: sorted(methods) for path, methods in router.static.items()} == {
        "/first/": ["GET", "HEAD"],
        "/second/": ["GET", "HEAD"],
        "/third/": [],
        "/2026-02-31": ["GET", "HEAD"],
    }


def test_routes_whose_tails_are_alike_share_one_matcher(resolve: Resolve) -> None:
    router = Router(
        [Route("/x/<path:a>", "GET", view, name="a"), Route("/x/<path:b>", "POST", view, name="b")]
    )
    assert resolve(router, "/x/1/2") == ("a", {"a": "1/2"})
    assert resolve(router, "/x/1/2", "POST") == ("b", {"b": "1/2"})


def test_a_route_shows_where_it_was_made() -> None:
    assert repr(Route("/x", "GET", view)).startswith("<Route('/x') at framework/tests/test_router.py:")


# --- slashes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "method", "to"),
    [
        ("/notes", "GET", "./notes/"),
        ("/notes", "POST", "./notes/"),
        ("/notes", "HEAD", "./notes/"),
        ("/notes", "DELETE", None),
        ("/item/7/", "GET", "../7"),
        ("/item/7/", "POST", None),
        ("/item/a:b/", "GET", "../a:b"),
        ("/dir/a:b", "GET", "./a:b/"),
        ("//evil.example", "GET", None),
        ("//", "GET", None),
        ("/dir//", "GET", None),
        ("/dir/..", "GET", None),
        ("/nothing", "GET", None),
        ("/", "GET", None),
        ("", "GET", None),
    ],
)
def test_a_slash_more_or_less_is_told_as_a_relative_reference(path: str, method: str, to: str | None) -> None:
    router = Router(
        [
            Route("/", "GET", view),
            Route("/notes/", {"GET": view, "POST": other}),
            Route("/item/<x>", "GET", view),
            Route("/dir/<x>/", "GET", view),
        ]
    )
    assert router.redirected(method, path) == to


# --- hosts ----------------------------------------------------------------------------------------------


@pytest.fixture
def hosts(get: Get) -> Router:
    return Router(
        [
            Host("api.example.com", [get("/", "api"), get("/x/<int:n>", "number")], name="api"),
            Host("<tenant>.example.com", [get("/", "home"), Include("/in", [get("/<tenant>", "inner")])]),
            Host("<path:any>.wild.example", [get("/", "wild")]),
            Host("<int:n>.numbers.example", [get("/", "number")], name="numbers"),
            get("/", "everywhere"),
        ]
    )


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("api.example.com", "/", ("api:api", {})),
        ("API.Example.COM:8000", "/", ("api:api", {})),
        ("api.example.com.", "/", ("api:api", {})),
        ("api.example.com", "/x/7", ("api:number", {"n": 7})),
        ("acme.example.com", "/", ("home", {"tenant": "acme"})),
        ("acme.example.com", "/in/x", ("inner", {"tenant": "x"})),
        ("a.b.example.com", "/", ("everywhere", {})),
        ("a.b.wild.example", "/", ("wild", {"any": "a.b"})),
        ("12.numbers.example", "/", ("numbers:number", {"n": 12})),
        ("x.numbers.example", "/", ("everywhere", {})),
        ("evilapi.example.com.evil.example", "/", ("everywhere", {})),
        ("[::1]", "/", ("everywhere", {})),
        ("[::1]:80", "/", ("everywhere", {})),
        ("", "/", ("everywhere", {})),
        ("acme.example.com", "/x/7", None),
    ],
)
def test_routes_of_a_host_are_for_that_host(
    host: str, path: str, expected: Any, hosts: Router, resolve: Resolve
) -> None:
    assert hosts.needs_host
    assert resolve(hosts, path, host=host) == expected


def test_methods_of_another_host_do_not_count(hosts: Router) -> None:
    assert hosts.allowed("/x/7", "api.example.com") == ["GET", "HEAD", "OPTIONS"]
    assert hosts.allowed("/x/7", "other.example.com") == []


@pytest.mark.parametrize("host", ["", "Example.com", "https://example.com", "example.com:80", "a/b"])
def test_a_host_is_a_name(host: str) -> None:
    with pytest.raises(ConfigurationError, match="a host is a name in lower case"):
        Host(host, [])


def test_a_host_in_a_host_is_refused(get: Get) -> None:
    with pytest.raises(ConfigurationError, match="stands in another Host"):
        Router([Host("a.example", [Include("/x", [Host("b.example", [get("/")])])])])


def test_a_host_can_only_have_converters_that_there_are() -> None:
    with pytest.raises(ConfigurationError, match="there is no converter 'nope'"):
        Router([Host("<nope:x>.example", [])])


# --- mounts ---------------------------------------------------------------------------------------------


def rest_of(router: Router, path: str, method: str = "GET") -> Any:
    found = router.match(method, path)
    return found and (found[0].name, *found[1])


def test_a_mount_takes_its_path_and_everything_below(get: Get) -> None:
    router = Router(
        [
            get("/legacy/own", "own"),
            Mount("/legacy", app, name="legacy"),
            Mount("/t/<slug:tenant>/x", app, name="tenant"),
        ]
    )
    assert rest_of(router, "/legacy") == ("legacy", "")
    assert rest_of(router, "/legacy/") == ("legacy", "/")
    assert rest_of(router, "/legacy/a//b/", "PATCH") == ("legacy", "/a//b/")
    assert rest_of(router, "/legacy/own") == ("own",)
    assert rest_of(router, "/legacy/own", "POST") == ("legacy", "/own")
    assert rest_of(router, "/legacyx") is None
    assert rest_of(router, "/t/acme/x/y", WEBSOCKET) == ("tenant", "acme", "/y")
    assert rest_of(router, "/t/a.b/x/y") is None
    assert rest_of(router, "/t/acme") is None


def test_a_mount_at_nothing_takes_what_is_left(get: Get) -> None:
    router = Router([get("/own", "own"), Mount("", app, name="rest")])
    assert rest_of(router, "/own") == ("own",)
    assert rest_of(router, "/own", "HEAD") == ("own",)
    assert rest_of(router, "/own", "POST") == ("rest", "/own")
    assert rest_of(router, "/") == ("rest", "/")
    assert rest_of(router, "/a/b") == ("rest", "/a/b")


def test_a_mount_before_a_route_takes_its_head_requests_too(get: Get) -> None:
    router = Router(
        [
            Host("a.example", [Mount("/x", app, name="mount")]),
            Route("/x/y", {"GET": view, "HEAD": view}, name="route"),
        ]
    )
    found = router.match("GET", "/x/y", "a.example")
    assert found is not None
    assert found[0].name == "mount"
    assert rest_of(router, "/x/y", "GET") == ("route",)


def test_below_a_mount_there_is_nothing_to_say_of_methods() -> None:
    assert Router([Mount("/x", app)]).allowed("/x/y") == []


def test_a_mount_wants_an_application_and_an_end_to_its_path() -> None:
    with pytest.raises(ConfigurationError, match="'app' is not an ASGI application"):
        Mount("/x", "app")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="where <p> ends and what is below the mount begins"):
        Router([Mount("/x/<path:p>", app)])


# --- WebSockets -----------------------------------------------------------------------------------------


def test_a_websocket_route_stands_beside_a_route_of_the_same_path(resolve: Resolve) -> None:
    router = Router(
        [
            Route("/chat/<room>/", "GET", view, name="page"),
            WebSocketRoute("/chat/<room>/", other, name="socket"),
        ]
    )
    assert resolve(router, "/chat/x/", "GET") == ("page", {"room": "x"})
    assert resolve(router, "/chat/x/", WEBSOCKET) == ("socket", {"room": "x"})
    assert router.allowed("/chat/x/") == ["GET", "HEAD", "OPTIONS"]


def test_a_path_for_websockets_alone_is_nothing_for_http() -> None:
    assert Router([WebSocketRoute("/ws", view)]).allowed("/ws") == []
