"""The URLconf of DEP 0201, and what Django answers to the same tables: the answers here are the same."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from asgistar.routing.route import Include, Route
from asgistar.routing.router import Router

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.tests.conftest import Resolve

    Get = Callable[..., Route]

ID = "39da9369-838e-4750-91a5-f7805cd82839"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/articles/2003/", ("special_case_2003", {})),
        ("/articles/2004/", ("year_archive", {"year": 2004})),
        ("/articles/2005/03/", ("month_archive", {"year": 2005, "month": 3})),
        ("/articles/2003/03/03/", ("article_detail", {"year": 2003, "month": 3, "day": 3})),
        ("/articles/2003", None),
        ("/articles/MMIII/", None),
        ("/articles/-1/", None),
        ("/users/", ("user_list", {})),
        ("/users/tom/", ("user_detail", {"name": "tom"})),
        ("/users/tom/x/", None),
    ],
)
def test_the_example_of_the_proposal(path: str, expected: Any, get: Get, resolve: Resolve) -> None:
    routes = [
        get("/articles/2003/", "special_case_2003"),
        get("/articles/<int:year>/", "year_archive"),
        get("/articles/<int:year>/<int:month>/", "month_archive"),
        get("/articles/<int:year>/<int:month>/<int:day>/", "article_detail"),
        get("/users/", "user_list"),
        get("/users/<name>/", "user_detail"),
    ]
    assert resolve(routes, path) == expected


@pytest.fixture
def table(get: Get) -> Router:
    """The paths of Django's own tests of `path()`."""
    more = [get("/more/<slug:extra>/", "inner-more")]
    return Router(
        [
            get("/articles/2003/", "articles-2003"),
            get("/articles/<int:year>/", "articles-year"),
            get("/articles/<int:year>/<int:month>/", "articles-year-month"),
            get("/articles/<int:year>/<int:month>/<int:day>/", "articles-year-month-day"),
            get("/books/2007/", "books-2007", defaults={"extra": True}),
            get("/books/<int:year>/<int:month>/<int:day>/", "books-day", defaults={"extra": True}),
            get("/users/", "users"),
            get("/users/<id>/", "user-with-id"),
            Include("/included_urls", [get("/extra/<extra>/", "inner-extra"), Include("", more)]),
            Include("", more, name="again", defaults={"sub-extra": True}),
            Include("/lazy", [get("/child/", "child")]),
            get("/<lang>/<path:url>/", "lang-and-path"),
        ]
    )


@pytest.mark.parametrize(
    ("path", "name", "arguments"),
    [
        ("/articles/2003/", "articles-2003", {}),
        ("/articles/2015/", "articles-year", {"year": 2015}),
        ("/articles/2015/04/12/", "articles-year-month-day", {"year": 2015, "month": 4, "day": 12}),
        ("/books/2015/04/12/", "books-day", {"year": 2015, "month": 4, "day": 12, "extra": True}),
        ("/books/2007/", "books-2007", {"extra": True}),
        ("/en/foo/", "lang-and-path", {"lang": "en", "url": "foo"}),
        ("/en/foo/bar/", "lang-and-path", {"lang": "en", "url": "foo/bar"}),
        ("/included_urls/extra/something/", "inner-extra", {"extra": "something"}),
        ("/more/99/", "again:inner-more", {"extra": "99", "sub-extra": True}),
        ("/included_urls/more/some_value/", "inner-more", {"extra": "some_value"}),
        ("/lazy/child/", "child", {}),
        # What no other route takes falls to the last one.
        ("/articles/MMIII/", "lang-and-path", {"lang": "articles", "url": "MMIII"}),
    ],
)
def test_paths_lead_where_they_lead_in_django(
    path: str, name: str, arguments: dict[str, Any], table: Router, resolve: Resolve
) -> None:
    assert resolve(table, path) == (name, arguments)


@pytest.mark.parametrize(
    "path", ["/articles/2003/\n", "/articles/2010/\n", "/en/foo/\n", "/included_urls/extra/\n", "/users/1/\n"]
)
def test_a_line_break_at_the_end_never_matches(path: str, table: Router, resolve: Resolve) -> None:
    assert resolve(table, path) is None


@pytest.mark.parametrize(
    ("converter", "text", "value"),
    [
        ("int", "0", 0),
        ("int", "1", 1),
        ("int", "01", 1),
        ("int", "1234567890", 1234567890),
        ("int", "0" * 4000 + "1", 1),
        ("int", "-1", None),
        ("int", "letters", None),
        ("int", "٣", None),  # a digit, but not of ASCII
        ("int", "9" * 5000, None),  # more digits than Python converts
        ("str", "abcxyz", "abcxyz"),
        ("str", "line\nbreak", "line\nbreak"),
        ("str", "", None),
        ("str", "/", None),
        ("path", "allows.ANY*characters", "allows.ANY*characters"),
        ("path", "a/b//c/", "a/b//c/"),
        ("path", "", None),
        ("path", "line\nbreak", None),
        ("slug", "abcxyz-ABCXYZ_01234567890", "abcxyz-ABCXYZ_01234567890"),
        ("slug", "", None),
        ("slug", "stars*notallowed", None),
        ("slug", "größe", None),
        ("uuid", ID, UUID(ID)),
        ("uuid", "", None),
        ("uuid", ID.upper(), None),
        ("uuid", ID[1:], None),
        ("uuid", "39da9369-838-4750-91a5-f7805cd82839", None),
        ("uuid", "39da9369-838e-475-91a5-f7805cd82839", None),
        ("uuid", "39da9369-838e-4750-91a-f7805cd82839", None),
        ("uuid", ID[:-1], None),
    ],
)
@pytest.mark.parametrize("end", ["/", ""], ids=["slash", "bare"])
def test_converters_take_what_they_take_in_django(
    converter: str, text: str, value: Any, end: str, get: Get, resolve: Resolve
) -> None:
    router = Router([get(f"/{converter}/<{converter}:x>{end}", "it")])
    expected = None if value is None else ("it", {"x": value})
    if converter == "path" and not end and text == "":
        expected = None
    assert resolve(router, f"/{converter}/{text}{end}") == expected
    if value is not None and text.isprintable():
        # The way back, from the text and from the value.
        assert router.addresses.url_for("it", {"x": text}) == f"/{converter}/{text}{end}"
        assert router.addresses.url_for("it", {"x": value}) == f"/{converter}/{value}{end}"


class Base64:
    """What Django's tests have for a converter of one's own: text and value are of different types."""

    regex = r"[a-zA-Z0-9+/]*={0,2}"

    def to_python(self, value: str) -> bytes:
        return base64.b64decode(value)

    def to_url(self, value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")


@pytest.mark.parametrize(
    ("path", "name", "arguments"),
    [
        ("/base64/aGVsbG8=/", "base64", {"value": b"hello"}),
        (
            "/base64/aGVsbG8=/subpatterns/d29ybGQ=/",
            "subpattern-base64",
            {"base": b"hello", "value": b"world"},
        ),
        (
            "/base64/aGVsbG8=/namespaced/d29ybGQ=/",
            "namespaced-base64:subpattern-base64",
            {"base": b"hello", "value": b"world"},
        ),
    ],
)
def test_a_converter_of_values_of_another_type(
    path: str, name: str, arguments: dict[str, Any], get: Get, resolve: Resolve
) -> None:
    below = [get("/<base64:value>/", "subpattern-base64")]
    routes = [
        get("/base64/<base64:value>/", "base64"),
        Include("/base64/<base64:base>/subpatterns", below),
        Include("/base64/<base64:base>/namespaced", below, name="namespaced-base64"),
    ]
    # In Django the first route wouldn't take "aGVsbG8=/subpatterns/d29ybGQ=" either: "=" stands in it.
    router = Router(routes, {"base64": Base64()})
    assert resolve(router, path) == (name, arguments)
    assert router.addresses.url_for(name, arguments) == path


def test_a_view_may_stand_at_several_paths_and_its_address_depends_on_the_parameters() -> None:
    def by_number(**arguments: Any) -> None: ...
    def by_name(**arguments: Any) -> None: ...
    def by_converter(**arguments: Any) -> None: ...

    addresses = Router(
        [
            Route("/number_of_args/0/", "GET", by_number),
            Route("/number_of_args/1/<value>/", "GET", by_number),
            Route("/kwargs_names/a/<a>/", "GET", by_name),
            Route("/kwargs_names/b/<b>/", "GET", by_name),
            Route("/converter/path/<path:value>/", "GET", by_converter),
            Route("/converter/str/<str:value>/", "GET", by_converter),
            Route("/converter/slug/<slug:value>/", "GET", by_converter),
            Route("/converter/int/<int:value>/", "GET", by_converter),
            Route("/converter/uuid/<uuid:value>/", "GET", by_converter),
        ]
    ).addresses
    assert addresses.url_for(by_number, {}) == "/number_of_args/0/"
    assert addresses.url_for(by_number, {"value": 1}) == "/number_of_args/1/1/"
    assert addresses.url_for("by_name", {"a": 1}) == "/kwargs_names/a/1/"
    assert addresses.url_for("by_name", {"b": 1}) == "/kwargs_names/b/1/"
    for value, path in [
        ("a/b", "path/a/b/"),
        ("a b", "str/a%20b/"),
        ("a-b", "slug/a-b/"),
        ("2", "int/2/"),
        (ID, f"uuid/{ID}/"),
    ]:
        assert addresses.url_for(by_converter, {"value": value}) == f"/converter/{path}"


# --- further rules of Django's resolver -----------------------------------------------------------------


def test_the_first_route_of_the_table_that_matches_is_taken(get: Get, resolve: Resolve) -> None:
    routes = [get("/<int:n>/", "number"), get("/<slug:s>/", "slug"), get("/<s>/", "text")]
    assert resolve(routes, "/1/") == ("number", {"n": 1})
    assert resolve(routes, "/a/") == ("slug", {"s": "a"})
    assert resolve(routes, "/é/") == ("text", {"s": "é"})


def test_a_dynamic_route_before_a_static_one_is_asked_first(get: Get, resolve: Resolve) -> None:
    class Short:
        regex = "[a-z]+"

        def to_python(self, value: str) -> str:
            if len(value) > 3:
                raise ValueError("too long")
            return value

        def to_url(self, value: str) -> str:
            return value

    router = Router([get("/<short:s>", "short"), get("/long", "long")], {"short": Short})
    assert resolve(router, "/abc") == ("short", {"s": "abc"})
    assert resolve(router, "/long") == ("long", {})


def test_a_value_error_means_the_next_route(get: Get, resolve: Resolve) -> None:
    routes = [get("/<date:d>/", "date"), get("/<s>/", "text")]
    assert resolve(routes, "/2026-02-31/") == ("text", {"s": "2026-02-31"})


def test_another_error_of_a_converter_is_not_caught(get: Get, resolve: Resolve) -> None:
    class Broken:
        regex = "x"

        def to_python(self, value: str) -> str:
            raise LookupError("broken")

        def to_url(self, value: str) -> str:
            return value

    with pytest.raises(LookupError, match="broken"):
        resolve(Router([get("/<broken:s>", "it")], {"broken": Broken()}), "/x")


def test_when_nothing_in_an_include_matches_the_search_goes_on_after_it(get: Get, resolve: Resolve) -> None:
    routes = [Include("/a", [get("/b", "b")]), Include("/<x>", [get("/c", "c")])]
    assert resolve(routes, "/a/c") == ("c", {"x": "a"})


def test_parameters_of_an_include_flow_down_and_an_inner_one_wins(get: Get, resolve: Resolve) -> None:
    routes = [Include("/<tenant>", [get("/<int:id>", "one"), get("/x/<tenant>", "two")])]
    assert resolve(routes, "/acme/7") == ("one", {"tenant": "acme", "id": 7})
    assert resolve(routes, "/acme/x/other") == ("two", {"tenant": "other"})


def test_defaults_go_over_what_was_captured_and_a_route_over_its_include(get: Get, resolve: Resolve) -> None:
    inner = [get("/<n>", "it", defaults={"n": 1, "a": 1}), get("/x/<n>", "other")]
    routes = [Include("/i", inner, defaults={"a": 0, "b": 2})]
    assert resolve(routes, "/i/9") == ("it", {"n": 1, "a": 1, "b": 2})
    assert resolve(routes, "/i/x/9") == ("other", {"n": "9", "a": 0, "b": 2})


def test_defaults_are_a_dict() -> None:
    with pytest.raises(Exception, match="defaults are a dict, not str"):
        Route("/hello/", "GET", lambda: None, defaults="name")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/<int:y>-<int:m>", "/2026-11", {"y": 2026, "m": 11}),
        ("/<int:y>-<int:m>", "/2026-", None),
        ("/<int:y><slug:s>", "/2026-a", {"y": 2026, "s": "-a"}),
        ("/<int:y><int:m>", "/2026", {"y": 202, "m": 6}),
        ("/<a>-<b>", "/x-y-z", {"a": "x-y", "b": "z"}),
        ("/<a><b>", "/xyz", {"a": "xy", "b": "z"}),
        ("/v<int:v>.json", "/v2.json", {"v": 2}),
        ("/v<int:v>.json", "/v.json", None),
        ("/<a>.<b>.<c>", "/1.2.3.4", {"a": "1.2", "b": "3", "c": "4"}),
        ("/<date:d>-<slug:s>", "/2026-11-22-a-b", {"d": "2026-11-22", "s": "a-b"}),
        ("/<float:x>,<float:y>", "/-1.5,2", {"x": -1.5, "y": 2.0}),
        ("/<float:x>", "/" + "9" * 400, None),
        ("/<path:p>/edit", "/a/b/edit", {"p": "a/b"}),
        ("/<path:p>/edit", "/edit", None),
        ("/<path:p>/edit", "/edit/edit", {"p": "edit"}),
        ("/<path:a>/<path:b>", "/1/2/3", {"a": "1/2", "b": "3"}),
        ("/<path:a>/x/<int:b>", "/1/x/x/3", {"a": "1/x", "b": 3}),
        ("/a<path:p>", "/abc/d", {"p": "bc/d"}),
    ],
)
def test_several_parameters_in_a_segment_and_parameters_over_segments(
    pattern: str, path: str, expected: dict[str, Any] | None, get: Get, resolve: Resolve
) -> None:
    found = resolve([get(pattern, "it")], path)
    if expected is not None and "d" in expected:
        assert found is not None
        assert str(found[1]["d"]) == expected["d"]
        return
    assert found == (None if expected is None else ("it", expected))
