"""Addresses: names, values, quoting, query and fragment, and the ways in which there is none."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgistar.errors import NoReverseMatch
from asgistar.routing.route import Host, Include, Mount, Route
from asgistar.routing.router import Router

if TYPE_CHECKING:
    from collections.abc import Callable

    Get = Callable[..., Route]


def view(**arguments: Any) -> None: ...


def archive(**arguments: Any) -> None: ...


async def app(scope: Any, receive: Any, send: Any) -> None: ...


@pytest.fixture(scope="module")
def url_for() -> Callable[..., str]:
    addresses = Router(
        [
            Route("/", "GET", view, name="home"),
            Route("/int/<int:x>/", "GET", view, name="int"),
            Route("/float/<float:x>/", "GET", view, name="float"),
            Route("/str/<str:x>/", "GET", view, name="str"),
            Route("/path/<path:x>", "GET", view, name="path"),
            Route("/slug/<slug:x>/", "GET", view, name="slug"),
            Route("/uuid/<uuid:x>/", "GET", view, name="uuid"),
            Route("/date/<date:x>/", "GET", view, name="date"),
            Route("/datetime/<datetime:x>/", "GET", view, name="datetime"),
            Route("/two/<a>-<b>/", "GET", view, name="two"),
            Route("/book/<int:x>/", "GET", view, name="book", defaults={"extra": True}),
            Route("/a b/ü?/", "GET", view, name="literal"),
            Include(
                "/v1/<slug:tenant>",
                [Include("/in", [Route("/<int:x>", "GET", archive, name="one")], name="b")],
                name="a",
            ),
            Include("/unnamed", [Route("/archive", "GET", archive)], name="c"),
            Mount("/files", app, name="files"),
            Host("<tenant>.example.com", [Route("/host/<int:x>", "GET", view, name="host")]),
            Include("/", [Route("<path:x>", "PUT", view, name="root")]),
            Mount("", app, name="rest"),
        ]
    ).addresses

    def ask(
        name: Any, /, query: Any = None, fragment: str | None = None, root: str = "", **params: Any
    ) -> str:
        return addresses.url_for(name, params, query, fragment, root)

    return ask


@pytest.mark.parametrize(
    ("name", "value", "url"),
    [
        ("int", 7, "/int/7/"),
        ("int", "07", "/int/07/"),
        ("float", 1.5, "/float/1.5/"),
        ("float", 1e30, "/float/1000000000000000000000000000000/"),
        ("float", 1e-7, "/float/0.0000001/"),
        ("float", -2, "/float/-2/"),
        ("str", "a b", "/str/a%20b/"),
        ("str", "grün?#%", "/str/gr%C3%BCn%3F%23%25/"),
        ("str", "~:@!$&'()*+,;=", "/str/~:@!$&'()*+,;=/"),
        ("str", 7, "/str/7/"),
        ("str", "...", "/str/.../"),
        ("path", "a/b c//d/", "/path/a/b%20c//d/"),
        ("slug", "a-b_C", "/slug/a-b_C/"),
        ("uuid", UUID(int=1), "/uuid/00000000-0000-0000-0000-000000000001/"),
        ("date", date(2026, 11, 22), "/date/2026-11-22/"),
        ("date", "2026-11-22", "/date/2026-11-22/"),
        ("datetime", datetime(2026, 11, 22, 15, 30, tzinfo=UTC), "/datetime/2026-11-22T15:30:00+00:00/"),
        ("datetime", "2026-11-22T15:30Z", "/datetime/2026-11-22T15:30Z/"),
    ],
)
def test_values_become_text_by_their_converters(
    name: str, value: Any, url: str, url_for: Callable[..., str]
) -> None:
    assert url_for(name, x=value) == url


@pytest.mark.parametrize(
    ("name", "params", "reason"),
    [
        ("int", {"x": -1}, "'-1' is no int for x in '/int/<int:x>/'"),
        ("int", {"x": True}, "'True' is no int"),
        ("float", {"x": float("nan")}, "is no float"),
        ("float", {"x": "many"}, "refuses 'many'"),
        ("str", {"x": "a/b"}, "'a/b' is no str"),
        ("str", {"x": ""}, "'' is no str"),
        ("str", {"x": ".."}, "a segment of dots, which would be read as a way up"),
        ("str", {"x": "."}, "a segment of dots"),
        ("path", {"x": "a/../b"}, "a segment of dots"),
        ("date", {"x": datetime(2026, 1, 1)}, "is no date"),
        ("two", {"a": "x", "b": "y-z"}, "'/two/x-y-z/' would be read with other values"),
        ("int", {}, "'/int/<int:x>/' takes x, given nothing"),
        ("int", {"x": 1, "y": 2}, "takes x, given x, y"),
        ("home", {"x": 1}, "'/' takes nothing, given x"),
        ("book", {"x": 1, "extra": False}, "takes x, given extra, x"),
        ("rest:x", {}, "There is no route 'rest:x'"),
        ("hom", {}, "There is no route 'hom'. There is 'home' and 'host'."),
        ("q", {}, "There is no route 'q'."),
        ("archive", {}, "There is no route 'archive'. The view archive() is at the route 'a:b:one'."),
        (max, {}, "There is no route for the view max"),
    ],
)
def test_what_has_no_address_is_told_with_the_reason(
    name: Any, params: dict[str, Any], reason: str, url_for: Callable[..., str]
) -> None:
    with pytest.raises(NoReverseMatch) as raised:
        url_for(name, **params)
    assert reason in str(raised.value)


def test_names_in_includes_are_joined_with_colons(url_for: Callable[..., str]) -> None:
    assert url_for("a:b:one", tenant="acme", x=7) == "/v1/acme/in/7"
    assert url_for("c:archive") == "/unnamed/archive"


def test_an_address_can_be_asked_for_by_view(url_for: Callable[..., str]) -> None:
    assert url_for(archive) == "/unnamed/archive"
    assert url_for(archive, tenant="acme", x=7) == "/v1/acme/in/7"


def test_an_argument_that_is_always_the_same_may_be_named(url_for: Callable[..., str]) -> None:
    assert url_for("book", x=1) == url_for("book", x=1, extra=True) == "/book/1/"


def test_literals_are_quoted_too(url_for: Callable[..., str]) -> None:
    assert url_for("literal") == "/a%20b/%C3%BC%3F/"


def test_mounts_and_routes_of_hosts_have_paths(url_for: Callable[..., str]) -> None:
    assert url_for("files") == "/files"
    assert url_for("rest") == "/"
    assert url_for("host", x=1) == "/host/1"


@pytest.mark.parametrize(
    ("query", "fragment", "end"),
    [
        ({"a": 1, "b": "x y&z"}, None, "?a=1&b=x+y%26z"),
        ({"a": [1, 2], "b": None}, None, "?a=1&a=2"),
        ([("a", 1), ("a", 2)], None, "?a=1&a=2"),
        ({}, None, ""),
        (None, "top of/page?", "#top%20of/page?"),
        ({"a": "ü"}, "#", "?a=%C3%BC#%23"),
        (None, "", ""),
    ],
)
def test_query_and_fragment_follow(query: Any, fragment: Any, end: str, url_for: Callable[..., str]) -> None:
    assert url_for("int", query, fragment, x=1) == "/int/1/" + end


def test_an_address_never_leads_to_another_host(url_for: Callable[..., str]) -> None:
    assert url_for("root", x="/evil.example/") == "/%2Fevil.example/"
    assert url_for("root", x="//evil.example") == "/%2F/evil.example"
    assert url_for("home", root="//evil.example") == "/%2Fevil.example/"


def test_the_root_path_stands_before_it(url_for: Callable[..., str]) -> None:
    assert url_for("int", root="/my app", x=1) == "/my%20app/int/1/"


@given(st.text(min_size=1))
def test_what_an_address_is_made_of_is_what_it_is_read_as(text: str) -> None:
    router = Router([Route("/x/<a>.<path:b>", "GET", view, name="it")])
    try:
        url = router.addresses.url_for("it", {"a": text, "b": text})
    except (NoReverseMatch, UnicodeEncodeError):
        return
    found = router.match("GET", unquote(url))
    assert found is not None
    assert found[0].arguments(found[1]) == {"a": text, "b": text}
