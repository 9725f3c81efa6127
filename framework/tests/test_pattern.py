"""The grammar of paths, rule by rule (DEP 0201, and what Django has made of it)."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import pytest

from asgistar.errors import ConfigurationError
from asgistar.routing.pattern import Parameter, parse
from asgistar.routing.route import Include, Mount, Route
from asgistar.routing.router import Router

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.tests.conftest import Resolve

    Get = Callable[..., Route]


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/", ["/"]),
        ("", []),
        ("/articles/2003/", ["/articles/2003/"]),
        ("/<year>", ["/", Parameter("year", None)]),
        ("/<int:year>/", ["/", Parameter("year", "int"), "/"]),
        ("/<int:y>-<int:m>", ["/", Parameter("y", "int"), "-", Parameter("m", "int")]),
        ("/<a><b>", ["/", Parameter("a", None), Parameter("b", None)]),
        ("/file.<slug:kind>", ["/file.", Parameter("kind", "slug")]),
        ("/<größe>", ["/", Parameter("größe", None)]),
        ("/a b/<c>", ["/a b/", Parameter("c", None)]),
    ],
)
def test_a_path_is_literals_and_parameters(path: str, parts: list[Any]) -> None:
    assert list(parse(path, "here")) == parts


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/<int:1st>/", "a parameter '1st', which can't be the name of a parameter in Python"),
        ("/<int:class>/", "a parameter 'class', which can't be the name"),
        ("/<a-b>/", "a parameter 'a-b', which can't"),
        ("/<>/", "a parameter '', which can't"),
        ("/<int:>/", "a parameter '', which can't"),
        ("/<:year>/", "no converter before the colon in '<:year>'"),
        ("/<a:b:c>/", "a parameter 'b:c', which can't"),
        ("/<year/", "an angle bracket without its counterpart, in '/<year/'"),
        ("/year>/", "an angle bracket without its counterpart"),
        ("/<int:year>>/", "an angle bracket without its counterpart, in '>/'"),
        ("/<<int:year>/", "a parameter 'year'|converter"),
        ("/<int:a>/<str:a>/", "two parameters named 'a'"),
        ("/articles/(?P<year>[0-9]{4})/$", "written as a regular expression. Write <name>"),
    ],
)
def test_what_is_not_of_the_grammar_is_refused_where_it_is_written(path: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=r"test_pattern.py:\d+") as raised:
        Router([Route(path, "GET", lambda **arguments: None)])
    assert any(part in str(raised.value) for part in message.split("|"))


@pytest.mark.parametrize("space", string.whitespace)
def test_whitespace_in_angle_brackets_is_refused(space: str) -> None:
    with pytest.raises(ConfigurationError, match="whitespace in angle brackets"):
        parse(f"/space/<int:num>/extra/<str:{space}test>", "here")


@pytest.mark.parametrize("space", string.whitespace)
def test_whitespace_elsewhere_stands_for_itself(space: str, get: Get, resolve: Resolve) -> None:
    assert resolve([get(f"/space{space}/<int:num>/", "it")], f"/space{space}/1/") == ("it", {"num": 1})


@pytest.mark.parametrize(
    "literal", ["a.b", "(a)", "a?", "a+", "[a]", "^a$", "{a}", "a|b", "\\d", "ä", "a%20b"]
)
def test_literal_parts_stand_for_themselves(literal: str, get: Get, resolve: Resolve) -> None:
    routes = [get(f"/{literal}/", "static"), get(f"/{literal}<int:n>/", "dynamic")]
    assert resolve(routes, f"/{literal}/") == ("static", {})
    assert resolve(routes, f"/{literal}7/") == ("dynamic", {"n": 7})
    assert resolve(routes, "/aXb/") is None


def test_literal_parts_are_case_sensitive(get: Get, resolve: Resolve) -> None:
    assert resolve([get("/Articles/"), get("/x/<int:n>/Y/")], "/articles/") is None
    assert resolve([get("/Articles/"), get("/x/<int:n>/Y/")], "/x/1/y/") is None


def test_an_unknown_converter_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Router([Route("/foo/<nonexistent:var>/", "GET", lambda var: None)])
    assert (
        "there is no converter 'nonexistent'. There are date, datetime, float, int, path, slug, str, uuid."
        in str(raised.value)
    )


def test_a_path_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a path is text, not int"):
        Route(7, "GET", lambda: None)  # type: ignore[call-overload]


# --- how paths are joined -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "path", "whole"),
    [
        ("", "/", "/"),
        ("", "/x", "/x"),
        ("/notes", "/", "/notes/"),
        ("/notes", "", "/notes"),
        ("/notes", "/<int:id>", "/notes/7"),
        ("/notes/", "<int:id>/", "/notes/7/"),
        ("/notes/", "", "/notes/"),
        ("/v<int:id>", "/x", "/v7/x"),
    ],
)
def test_the_path_of_an_include_and_that_of_a_route_are_joined_exactly(
    prefix: str, path: str, whole: str, get: Get, resolve: Resolve
) -> None:
    assert resolve([Include(prefix, [get(path, "it")])], whole) is not None


def test_an_include_in_an_include_is_joined_too(get: Get, resolve: Resolve) -> None:
    routes = [Include("/a", [Include("/b", [get("/c", "it")])])]
    assert resolve(routes, "/a/b/c") == ("it", {})


@pytest.mark.parametrize(
    ("prefix", "path", "message"),
    [
        ("/notes/", "/", "two slashes in a row"),
        ("/notes/", "/x", "two slashes in a row"),
        ("/", "/x", "two slashes in a row"),
        ("/notes", "x", "must begin with a slash, or the '/notes' of its Include end with one"),
        ("notes", "/x", "must begin with a slash"),
        ("", "x", "must begin with a slash"),
        ("", "", "must begin with a slash. It is empty"),
    ],
)
def test_paths_meet_with_one_slash(prefix: str, path: str, message: str, get: Get) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Router([Include(prefix, [get(path)])])


def test_a_mount_is_written_without_a_slash_at_its_end() -> None:
    with pytest.raises(ConfigurationError, match="without the slash at its end"):
        Mount("/files/", lambda scope, receive, send: None)  # type: ignore[arg-type,return-value]
