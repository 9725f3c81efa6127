"""The parser of multipart/form-data: what it takes apart, what it refuses, in which pieces it may come."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgistar import BadRequest
from asgistar.http.multipart import Mark, Multipart, Part, parameters

Told = list[tuple[Part, bytes]]


def parsed(body: bytes, *cuts: int, boundary: bytes = b"x") -> Told:
    """The parts of a body that comes in pieces."""
    multipart = Multipart(boundary)
    found: list[tuple[Part, list[bytes]]] = []
    ended: list[bool] = []
    edges = [0, *sorted(cuts), len(body)]
    pieces = [body[start:end] for start, end in itertools.pairwise(edges)]
    while True:
        event = multipart.next_event()
        if event is Mark.NEED_DATA:
            if not pieces:
                multipart.end()
                raise AssertionError("The end must be an error here.")
            multipart.feed(pieces.pop(0))
        elif event is Mark.FORM_ENDS:
            multipart.end()
            assert len(ended) == len(found)
            return [(part, b"".join(chunks)) for part, chunks in found]
        elif event is Mark.PART_ENDS:
            ended.append(True)
        elif isinstance(event, Part):
            assert len(ended) == len(found)
            found.append((event, []))
        else:
            assert isinstance(event, bytes)
            assert event
            found[-1][1].append(event)


def body(*parts: tuple[bytes, bytes], before: bytes = b"", after: bytes = b"\r\n") -> bytes:
    """A body of parts: head and content."""
    written = b"".join(b"\r\n--x\r\n" + head + b"\r\n\r\n" + content for head, content in parts)
    return before + written.removeprefix(b"" if before else b"\r\n") + b"\r\n--x--" + after


FIELD = b'Content-Disposition: form-data; name="a"'


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (body((FIELD, b"1")), [(Part("a", None, ""), b"1")]),
        (body((FIELD, b"")), [(Part("a", None, ""), b"")]),
        (body((FIELD, b"1"), after=b""), [(Part("a", None, ""), b"1")]),
        (body((FIELD, b"1"), after=b"\r\nan epilogue"), [(Part("a", None, ""), b"1")]),
        (body((FIELD, b"1"), before=b"a preamble\r\n--y"), [(Part("a", None, ""), b"1")]),
        (body((FIELD, b"1"), (FIELD, b"2")), [(Part("a", None, ""), b"1"), (Part("a", None, ""), b"2")]),
        (body((FIELD, b"\r\n--\r\n-x\r--x\n--x")), [(Part("a", None, ""), b"\r\n--\r\n-x\r--x\n--x")]),
        (body((FIELD, b"\r\r\r\n\r\n")), [(Part("a", None, ""), b"\r\r\r\n\r\n")]),
        (body((FIELD, b"1")).replace(b"--x\r\n", b"--x \t\r\n"), [(Part("a", None, ""), b"1")]),
        (b"--x--", []),
        (b"--x--\r\n", []),
        (b"\r\n--x--", []),
    ],
)
def test_a_body_is_taken_apart(raw: bytes, parts: Told) -> None:
    assert parsed(raw) == parts
    assert parsed(raw, *range(len(raw))) == parts


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"content-disposition:form-data;name=a", Part("a", None, "")),
        (b"CONTENT-DISPOSITION: Form-Data ; NAME=a ;", Part("a", None, "")),
        (b'Content-Disposition: form-data; name=""', Part("", None, "")),
        (b'Content-Disposition: form-data; filename="x;y=z.txt"; name="a"', Part("a", "x;y=z.txt", "")),
        (FIELD + b'; filename="b.txt"\r\nContent-Type: text/plain', Part("a", "b.txt", "text/plain")),
        (FIELD + b'; filename=""\r\nContent-Type: image/png', Part("a", "", "image/png")),
        # As browsers escape it; as older ones of curl did.
        (FIELD + b'; filename="%22a%0D%0ab%25%22.txt"', Part("a", '"a\r\nb%25".txt', "")),
        (FIELD + rb'; filename="a\"b.txt"', Part("a", 'a"b.txt', "")),
        (FIELD + '; filename="ä€😀.txt"'.encode(), Part("a", "ä€😀.txt", "")),
        # A path isn't taken for a name.
        (FIELD + b'; filename="C:\\folder\\b.txt"', Part("a", "b.txt", "")),
        (FIELD + b'; filename="../../etc/passwd"', Part("a", "passwd", "")),
        (FIELD + b'; filename=".."', Part("a", "", "")),
        (FIELD + b'; filename="a/"', Part("a", "", "")),
        (FIELD + b'; filename="a\0.txt"', Part("a", "a.txt", "")),
        (FIELD + b"; filename*=UTF-8''%e2%82%ac%20rates", Part("a", "€ rates", "")),
        (FIELD + b"; filename=\"b\"; filename*=UTF-8''c", Part("a", "b", "")),
        (b"X-Other: 1\r\n" + FIELD + b"\r\nContent-Transfer-Encoding: Binary", Part("a", None, "")),
    ],
)
def test_a_head_is_read(head: bytes, part: Part) -> None:
    assert parsed(body((head, b"1"))) == [(part, b"1")]


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"", "The form ends before its last delimiter."),
        (b"--x", "The form ends before its last delimiter."),
        (b"--x\r\n", "The form ends before its last delimiter."),
        (b"--x\r\n" + FIELD, "The form ends before its last delimiter."),
        (b"--x\r\n" + FIELD + b"\r\n\r\n1", "The form ends before its last delimiter."),
        (b"--x\r\n" + FIELD + b"\r\n\r\n1\r\n--x", "The form ends before its last delimiter."),
        (b"--x-\r\n", "A delimiter of the form isn't alone in its line."),
        (b"--xy\r\n" + FIELD + b"\r\n\r\n1\r\n--x--", "A delimiter of the form isn't alone in its line."),
        (b"--x\n" + FIELD + b"\n\n1\n--x--", "A delimiter of the form isn't alone in its line."),
        (b"--x" + b" " * 10_000, "A delimiter of the form isn't alone in its line."),
        (body((b"no colon", b"")), "A line in the head of a part of the form isn't `name: value`."),
        (
            body((FIELD + b"\r\n folded", b"")),
            "A line in the head of a part of the form isn't `name: value`.",
        ),
        (body((b"a b: c", b"")), "A line in the head of a part of the form isn't `name: value`."),
        (b"--x\r\n\r\n1\r\n--x--", "A part of the form has no `Content-Disposition: form-data; name=…`."),
        (
            body((b"content-type: a/b", b"")),
            "A part of the form has no `Content-Disposition: form-data; name=…`.",
        ),
        (
            body((b"content-disposition: form-data", b"")),
            "A part of the form has no `Content-Disposition: form-data; name=…`.",
        ),
        (
            body((b"content-disposition: attachment; name=a", b"")),
            "A part of the form has no `Content-Disposition: form-data; name=…`.",
        ),
        (
            body((b'content-disposition: form-data; name="a', b"")),
            "A part of the form has no `Content-Disposition: form-data; name=…`.",
        ),
        (
            body((b'content-disposition: form-data; name="\xff"', b"")),
            "A name in the head of a part of the form is not UTF-8.",
        ),
        (
            body((FIELD + b"; filename*=utf-8''%ff", b"")),
            "A name in the head of a part of the form is not UTF-8.",
        ),
        (
            body((FIELD + b"; filename*=latin-1''a", b"")),
            "A file name of the form is in another charset than UTF-8.",
        ),
        (
            body((FIELD + b"\r\nContent-Transfer-Encoding: base64", b"")),
            "A part of the form has a Content-Transfer-Encoding. Send its content as it is.",
        ),
        (
            body((FIELD + b"\r\nx: " + b"a" * 8192, b"")),
            "The head of a part of the form has more than 8192 bytes.",
        ),
        (b"--x\r\n" + b"a" * 9000, "The head of a part of the form has more than 8192 bytes."),
    ],
)
def test_what_can_not_be_read_is_refused(raw: bytes, detail: str) -> None:
    for cuts in ((), range(len(raw))):
        with pytest.raises(BadRequest) as caught:
            parsed(raw, *cuts)
        assert caught.value.detail == detail


def test_content_is_told_as_it_comes_but_for_what_may_be_a_delimiter() -> None:
    multipart = Multipart(b"boundary")
    multipart.feed(b"--boundary\r\n" + FIELD + b"\r\n\r\n")
    assert multipart.next_event() == Part("a", None, "")
    for fed, told in [
        (b"abc", b"abc"),
        (b"abc\r", b"abc"),
        (b"\n", None),
        (b"--boun", None),
        (b"\r", b"\r\n--boun"),
        (b"x", b"\rx"),
    ]:
        multipart.feed(fed)
        if told is not None:
            assert multipart.next_event() == told
        assert multipart.next_event() is Mark.NEED_DATA


def test_a_chunk_without_a_delimiter_is_not_copied() -> None:
    multipart = Multipart(b"x")
    multipart.feed(b"--x\r\n" + FIELD + b"\r\n\r\n")
    multipart.next_event()
    assert multipart.next_event() is Mark.NEED_DATA
    chunk = b"a" * 100_000
    multipart.feed(chunk)
    assert multipart.next_event() is chunk


# --- fuzzing ----------------------------------------------------------------------------------------------

CONTENT = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"x", b"\r\n--", b"a", b"\0"])).map(b"".join)
FILENAME = st.text(st.characters(exclude_characters='/\\%\0"', exclude_categories=["Cs", "Cc"]))
PARTS = st.lists(
    st.tuples(st.text(st.characters(exclude_characters='%"\\', exclude_categories=["Cs", "Cc"])),
              st.none() | FILENAME.filter(lambda name: name not in (".", "..")), CONTENT)
)  # fmt: skip


@settings(deadline=None)
@given(st.data(), PARTS)
def test_what_was_put_together_is_taken_apart_in_whatever_pieces_it_comes(data: Any, parts: Any) -> None:
    parts = [each for each in parts if b"\r\n--x" not in b"\r\n" + each[2] + b"\r\n-"]
    written = []
    for name, filename, content in parts:
        head = f'Content-Disposition: form-data; name="{name}"'
        head += "" if filename is None else f'; filename="{filename}"'
        written.append((head.encode(), content))
    raw = body(*written)
    cuts = data.draw(st.lists(st.integers(0, len(raw))))
    assert parsed(raw, *cuts) == [(Part(name, filename, ""), content) for name, filename, content in parts]


PIECES = st.sampled_from(
    [
        b"--x",
        b"\r\n",
        b"\r\n--x\r\n",
        b"--x--",
        b"--",
        FIELD,
        b"\r\n\r\n",
        b'; filename="',
        b'"',
        b"\\",
        b"a",
        b"\r",
    ]
)


@settings(deadline=None)
@given(st.lists(PIECES | st.binary(max_size=4)).map(b"".join), st.lists(st.integers(0, 200)))
@example(b"--x\r\n" + FIELD + b"\r\n\r\n\r\n--x--", [])
def test_anything_at_all_is_taken_apart_or_refused_and_the_pieces_make_no_difference(
    raw: bytes, cuts: list[int]
) -> None:
    def told(*cuts: int) -> Any:
        try:
            return parsed(raw, *cuts)
        except BadRequest as error:
            return error.detail

    assert told(*(cut for cut in cuts if cut <= len(raw))) == told()


@settings(deadline=None)
@given(st.binary())
@example(b'a; b="c\\"d"; e=f;')
def test_parameters_of_a_header_are_read_or_not_there(value: bytes) -> None:
    assert parameters(b"a;" + value, b"a") in (parameters(b"A ;" + value + b" ", b"a"), None)
    assert parameters(value, b"nothing") is None
