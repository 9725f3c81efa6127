"""Streams are taken apart as the HTML Standard has it, however they are cut into chunks."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgistar.client import Event
from asgistar.client.answers import convert
from asgistar.client.events import Events, JSONLines, Lines, TooLong


def events(*chunks: bytes) -> list[Event[str]]:
    parser = Events()
    return [event for chunk in chunks for event in parser.feed(chunk)] + list(parser.end())


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"data: a\n\n", [Event("a")]),
        (b"data: a\r\ndata: b\r\n\r\n", [Event("a\nb")]),
        (b"data: a\rdata: b\r\r", [Event("a\nb")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
        (b"data:a\ndata:  b\n\n", [Event("a\n b")]),
        (b"data\n\ndata:\n\n", [Event(""), Event("")]),
        (b": comment\n\n", []),
        (b"event: x\n\ndata: a\n\n", [Event("a")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [Event("a", "x"), Event("b")]),
        (
            b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            [Event("a", id="1"), Event("b", id="1"), Event("c")],
        ),
        (b"id: 1\0\ndata: a\n\n", [Event("a")]),
        (b"retry: 10\ndata: a\n\nretry: x\ndata: b\n\n", [Event("a", retry=10), Event("b")]),
        (b"retry: 99999999999999\ndata: a\n\n", [Event("a")]),
        (b"other: 1\ndata: a", []),
        ("data: a\u2028b\x85\x0b\n\n".encode(), [Event("a\u2028b\x85\x0b")]),
        (b"data: \xff\n\n", [Event("\ufffd")]),
    ],
)
def test_events(stream: bytes, found: list[Event[str]]) -> None:
    assert events(stream) == found
    assert events(*(stream[index : index + 1] for index in range(len(stream)))) == found


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=6))
def test_it_makes_no_difference_where_a_stream_is_cut(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    assert events(*chunks) == events(stream)


def test_data_may_be_json() -> None:
    assert Event('{"a": 1}').json() == {"a": 1}
    assert Event('{"a": 1}').json(dict[str, float]) == {"a": 1.0}
    with pytest.raises(msgspec.DecodeError):
        Event("x").json()


def test_data_that_is_a_text_may_be_json_or_not() -> None:
    read = convert(Event[str])
    assert [read(Event(data)).data for data in ('"a"', "a", "7")] == ["a", "a", "7"]


def test_lines_of_json() -> None:
    parser = JSONLines()
    stream = '{"a": "\u2028"}\r\n\n [1]\n2'.encode()
    assert [value for index in range(len(stream)) for value in parser.feed(stream[index : index + 1])] == [
        {"a": "\u2028"},
        [1],
    ]
    assert list(parser.end()) == [2]
    assert list(JSONLines().end()) == []
    with pytest.raises(msgspec.DecodeError):
        list(JSONLines().feed(b"{\n"))


def test_what_never_ends_is_an_error() -> None:
    with pytest.raises(TooLong, match="A line is longer than 9"):
        list(Lines(longest=9).feed(b"x" * 10))
    parser = Events(longest=9)
    with pytest.raises(TooLong, match="An event is longer than 9"):
        list(parser.feed(b"data: x\n" * 10))
