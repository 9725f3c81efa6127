"""Matching by segments: the same answers as a regular expression, in time that no path can stretch."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgistar.routing.converters import BUILT_IN, Converter, Kind
from asgistar.routing.matcher import Ambiguous, matcher
from asgistar.routing.pattern import Parts, Slot, merged, parse
from asgistar.routing.route import Include, Route
from asgistar.routing.router import Router


class Hex:
    """Of one class of characters."""

    regex = "[0-9a-f]+"

    def to_python(self, value: str) -> int:
        return int(value, 16)

    def to_url(self, value: int) -> str:
        return f"{value:x}"


class Pair:
    """Not of one class, and it has a group of its own."""

    regex = r"([0-9])[ab]"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class Maybe(Hex):
    """May be nothing at all."""

    regex = "[0-9]*"

    def to_python(self, value: str) -> Any:
        return value


class Odd(Hex):
    """Refuses what its regex takes."""

    regex = "[0-9]+"

    def to_python(self, value: str) -> int:
        if int(value) % 2 == 0:
            raise ValueError("even")
        return int(value)


OWN: dict[str, Converter | type[Converter]] = {"hex": Hex, "pair": Pair, "maybe": Maybe, "odd": Odd}
KINDS: dict[str, Kind] = {**BUILT_IN, **{name: Kind(name, converter) for name, converter in OWN.items()}}


def parts_of(path: str) -> Parts:
    return merged(
        part if isinstance(part, str) else Slot(part.name, KINDS[part.converter or "str"])
        for part in parse(path, "here")
    )


def naive(parts: Parts) -> Callable[[str], tuple[str, ...] | None]:
    """The one regular expression that a path of DEP 0201 stands for."""
    names = [f"_{index}" for index, part in enumerate(parts) if isinstance(part, Slot)]
    regex = "".join(
        re.escape(part) if isinstance(part, str) else f"(?P<_{index}>{part.kind.regex})"
        for index, part in enumerate(parts)
    )
    pattern = re.compile(regex)

    def match(text: str) -> tuple[str, ...] | None:
        found = pattern.fullmatch(text)
        return None if found is None else tuple(found[name] for name in names)

    return match


LITERALS = st.sampled_from(["", "-", "a", "ab", ".", "1", "a-"])
CONVERTERS = st.sampled_from(["str", "int", "slug", "path", "hex", "pair", "maybe"])
TEXTS = st.text(alphabet="a1b-./", max_size=12)


@st.composite
def segments_of_parameters(draw: st.DrawFn) -> str:
    """A segment with up to four parameters, with little between them."""
    text = draw(LITERALS)
    for number in range(draw(st.integers(1, 4))):
        text += f"<{draw(CONVERTERS)}:p{number}>" + draw(LITERALS)
    return text


@given(segments_of_parameters(), TEXTS)
@settings(max_examples=300, deadline=None)
def test_a_segment_matches_as_a_regular_expression_would(segment: str, text: str) -> None:
    parts = parts_of(segment)
    assert matcher(parts)(text) == naive(parts)(text)


@given(segments_of_parameters(), TEXTS)
@settings(max_examples=100, deadline=None)
def test_both_ways_of_matching_agree(segment: str, text: str) -> None:
    parts = parts_of(segment)
    assert Ambiguous(parts).match(text) == naive(parts)(text)


@st.composite
def tables(draw: st.DrawFn) -> list[str]:
    """A table of paths that are easily mistaken for one another."""
    segment = st.one_of(
        st.sampled_from(["a", "b", "1", ""]),
        st.sampled_from(
            ["<str:{}>", "<int:{}>", "<odd:{}>", "<slug:{}>", "<hex:{}>", "<path:{}>", "<maybe:{}>"]
        ),
        st.sampled_from(["a<int:{}>", "<str:{}>-<int:{}>", "<odd:{}>b", "<slug:{}><int:{}>"]),
    )
    paths = []
    for _ in range(draw(st.integers(1, 7))):
        path = "/" + "/".join(draw(st.lists(segment, min_size=1, max_size=4)))
        count = path.count("{}")
        paths.append(path.format(*(f"p{number}" for number in range(count))))
    return paths


PATHS = st.lists(
    st.sampled_from(["a", "b", "1", "2", "3b", "a-1", "12", "f", ""]), min_size=1, max_size=5
).map(lambda segments: "/" + "/".join(segments))


def view(**arguments: Any) -> None: ...


@given(tables(), st.lists(PATHS, min_size=1, max_size=8), st.data())
@settings(max_examples=200, deadline=None)
def test_a_table_answers_as_if_every_route_were_tried_in_its_order(
    table: list[str], paths: list[str], data: st.DataObject
) -> None:
    # Each method is a table of its own as far as shadows go, so that most tables may be built.
    methods = [data.draw(st.sampled_from(["GET", "POST"])) for _ in table]
    routes = [
        Route(path, method, view, defaults={"order": order})
        for order, (path, method) in enumerate(zip(table, methods, strict=True))
    ]
    try:
        router = Router(routes, OWN)
    except Exception as error:
        assert "can never match" in str(error)  # noqa: PT017
        return
    for path in paths:
        for method in ("GET", "POST", "HEAD", "PUT"):
            wanted = "GET" if method == "HEAD" else method
            expected = None
            allowed = set()
            for order, (pattern, of_route) in enumerate(zip(table, methods, strict=True)):
                values = by_hand(parts_of(pattern), path)
                if values is not None:
                    allowed.add(of_route)
                    if of_route == wanted and expected is None:
                        expected = {**values, "order": order}
            found = router.match(method, path)
            assert (found and found[0].arguments(found[1])) == expected
            assert set(router.allowed(path)) - {"HEAD", "OPTIONS"} == allowed
            if direct := router.static.get(path, {}).get(method):
                assert direct.arguments(()) == expected


def by_hand(parts: Parts, path: str) -> dict[str, Any] | None:
    """What one route makes of a path, by one regular expression."""
    texts = naive(parts)(path)
    if texts is None:
        return None
    slots = [part for part in parts if isinstance(part, Slot)]
    try:
        return {
            slot.name: text if slot.kind.to_python is None else slot.kind.to_python(text)
            for slot, text in zip(slots, texts, strict=True)
        }
    except ValueError:
        return None


@given(tables(), st.lists(PATHS, min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_a_route_that_is_refused_as_hidden_is_indeed_never_reached(
    table: list[str], paths: list[str]
) -> None:
    routes = [Route(path, "GET", view) for path in table]
    try:
        Router(routes, OWN)
    except Exception as error:
        assert "can never match" in str(error)  # noqa: PT017
        name = re.search(r"Route\('(.*?)'\)", str(error))
        assert name is not None
        order = max(index for index, path in enumerate(table) if path == name[1])
        for path in paths:
            if by_hand(parts_of(table[order]), path) is not None:
                assert any(by_hand(parts_of(before), path) is not None for before in table[:order])


# --- time -----------------------------------------------------------------------------------------------


def steps(work: Callable[[], Any]) -> int:
    """How many calls, of Python and of C, `work` takes."""
    count = 0

    def count_calls(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(count_calls)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("<a>-<b>-<c>-<d>.json", "-" * 8000),
        ("<a><b><c><d><e><f><g>!", "a" * 8000),
        ("<slug:a>-<slug:b>-<slug:c>-<slug:d>x", "-" * 8000 + "y"),
        ("<path:a>/<path:b>/<path:c>/<path:d>/x", "/" * 8000),
        ("<path:a>b<path:b>b<path:c>b<path:d>c", "b" * 8000),
        ("<date:a><str:b><date:c><str:d>!", "1" * 8000),
        ("<pair:a><str:b><pair:c><str:d>!", "1a" * 4000),
        ("<pair:a>-<pair:b>-<maybe:c><maybe:d>!", "-" * 8000),
        ("<maybe:a><maybe:b><maybe:c><maybe:d>!", "1" * 8000),
        ("!<a>-<b>-<c>-<d>", "-" * 8000),
        ("!<a><b><c><d><e><f>", "a" * 8000),
        ("!<path:a>/<path:b>/<path:c>", "/" * 8000),
        ("<pair:a><str:b><maybe:c><str:d>", "1a" * 4000),
        ("!<str:a><date:b><str:c><date:d><str:e>", "2026-11-22" * 800),
    ],
)
def test_no_pattern_and_no_path_makes_a_matcher_try_for_long(pattern: str, text: str) -> None:
    match = matcher(parts_of(pattern))
    assert match(text) is None
    assert steps(lambda: match(text)) < 200_000


def test_a_path_that_is_much_longer_costs_no_more_than_its_length() -> None:
    match = matcher(parts_of("<a>-<b>-<c>-<d>.json"))
    assert steps(lambda: match("-" * 8000)) < 8 * steps(lambda: match("-" * 2000))


@pytest.mark.parametrize(
    "shape", ["/r{}/<int:id>/", "/<slug:s>/r{}/", "/r{}/<path:p>", "/<a>-<b>/r{}/<int:id>/x"]
)
def test_the_length_of_the_table_makes_no_difference(shape: str) -> None:
    """Counted, not timed: the same calls for a table of ten routes and for one of a thousand."""
    small = Router([Route(shape.format(number), "GET", view) for number in range(10)])
    large = Router([Route(shape.format(number), "GET", view) for number in range(1000)])
    for path in ("/r7/7/", "/a-b/r7/7/x", "/a/r7/", "/nothing/at/all", "/a-b/r7/x/x"):
        assert steps(lambda path=path: large.match("GET", path)) == steps(
            lambda path=path: small.match("GET", path)
        )  # type: ignore[misc]


def test_routes_that_share_their_beginnings_share_the_work() -> None:
    routes = [
        Include("/<str:owner>/<str:repository>", [Route(f"/p{number}", "GET", view) for number in range(500)])
    ]
    router = Router(routes)
    assert router.match("GET", "/a/b/p499") is not None
    assert steps(lambda: router.match("GET", "/a/b/p499")) < 40
