"""What an application may send, and what becomes of it: ASGI as a table, whatever the HTTP version.

Every misuse has one outcome. The application gets an `ApplicationError` that says what it did wrong; the
message changes nothing, so an application that catches the error may go on; if it doesn't complete its
response, the client gets a 500 if nothing was sent, else a connection that breaks off. Never a
response that looks complete and isn't, nor a connection on which the next response would be out of step.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asgiworker import ApplicationError, ClientDisconnected
from asgiworker.asgi.exchange import TRANSITIONS, State
from asgiworker.asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.asgi.conftest import Answer, Serve, Until

pytestmark = pytest.mark.every_python

HEAD_SEEN: Message = {"type": "wait until the client has the head"}


def start(*headers: tuple[Any, Any], **keys: Any) -> Message:
    """The start of a response."""
    return {"type": "http.response.start", "status": 200, "headers": list(headers), **keys}


def body(content: Any = b"", **keys: Any) -> Message:
    """A part of a body; the last unless `more_body` says otherwise."""
    return {"type": "http.response.body", "body": content, **keys}


def part(content: bytes) -> Message:
    """A part of a body that is not the last."""
    return body(content, more_body=True)


def trailers(*headers: tuple[bytes, bytes], **keys: Any) -> dict[str, Any]:
    """The trailers of a response."""
    return {"type": "http.response.trailers", "headers": list(headers), **keys}


def early_hint(*links: bytes) -> dict[str, Any]:
    """Early hints."""
    return {"type": "http.response.early_hint", "links": list(links)}


class Script:
    """An application that sends `messages`, and notes what they raise; `/after` answers "after".

    Args:
        messages: sent one after the other.
        then: sent when one of them has raised `ApplicationError`.
        raises: let the error of a message through.
        ends: raised at the end.
    """

    def __init__(
        self,
        *messages: Any,
        then: tuple[Message, ...] = (),
        raises: bool = True,
        ends: BaseException | None = None,
    ) -> None:
        self.messages = messages
        self.then = then
        self.raises = raises
        self.ends = ends
        self.errors: list[Exception] = []
        self.head_seen = asyncio.Event()
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/after":
            await send(start())
            await send(body(b"after"))
            return
        self.scope = scope
        try:
            await self.run(self.messages, send)
        except Exception as error:
            self.errors.append(error)
            if self.raises:
                raise
            try:
                await self.run(self.then, send)
            except Exception as second:
                self.errors.append(second)
        if self.ends is not None:
            raise self.ends

    async def run(self, messages: tuple[Any, ...], send: Send) -> None:
        for message in messages:
            if message is HEAD_SEEN:
                await self.head_seen.wait()
            else:
                await send(message)


async def outcome(serve: Serve, app: Script, method: str = "GET", **settings: Any) -> Answer:
    """What the client sees of a request to `app`, checked that everything else goes on in good order."""
    driver = await serve(app, **settings)
    stream = await driver.open(method, "/script", [(b"te", b"trailers")])
    await stream.head()
    app.head_seen.set()
    answer = await stream.answer()
    if answer.complete:
        following = await stream.follow("/after")
        assert following is None or (following.status, following.body) == (200, b"after")
    afresh = await driver.request(path="/after")
    assert (afresh.status, afresh.body, afresh.complete) == (200, b"after", True)
    return answer


def is_server_error(answer: Answer) -> bool:
    return answer.complete and answer.status == 500 and answer.body == b"Internal Server Error"


# --- states and messages ------------------------------------------------------------------------------------

# The messages that bring an exchange into each state ...
INTO: dict[str, tuple[State, tuple[Message, ...]]] = {
    "nothing": (State.WAITING, ()),
    "start": (State.STARTED, (start(),)),
    "start, seen": (State.STREAMING, (start(), HEAD_SEEN)),
    "part": (State.STREAMING, (start(), part(b"o"))),
    "part, seen": (State.STREAMING, (start(), part(b"o"), HEAD_SEEN)),
    "body, trailers due": (State.TRAILERS, (start(trailers=True), body(b"ok"))),
    "some trailers": (State.TRAILERS, (start(trailers=True), body(b"ok"), trailers(more_trailers=True))),
    "body": (State.COMPLETE, (start(), body(b"ok"))),
    "trailers": (State.COMPLETE, (start(trailers=True), body(b"ok"), trailers())),
}

# ... and those that complete it from there, as a response of "ok" (or of one more "o").
COMPLETION: dict[State, tuple[Message, ...]] = {
    State.WAITING: (start(), body(b"ok")),
    State.STARTED: (body(b"ok"),),
    State.STREAMING: (body(b"k"),),
    State.TRAILERS: (trailers(),),
    State.COMPLETE: (),
}

VALID: dict[str, Message] = {
    "http.response.start": start(),
    "http.response.body": body(b"ok"),
    "http.response.trailers": trailers((b"x-checksum", b"1")),
    "http.response.early_hint": early_hint(b"</style.css>; rel=preload"),
    "http.response.push": {"type": "http.response.push", "path": "/style.css", "headers": []},
    "http.response.pathsend": {"type": "http.response.pathsend", "path": __file__},
    "http.response.zerocopysend": {"type": "http.response.zerocopysend", "file": 0, "count": 0},
    "http.response.unheard.of": {"type": "http.response.unheard.of"},
    "http.request": {"type": "http.request", "body": b"", "more_body": False},
    "websocket.send": {"type": "websocket.send", "text": "hello"},
}

ALLOWED: dict[State, set[str]] = {
    State.WAITING: {"http.response.start", "http.response.early_hint", "http.response.push"},
    State.STARTED: {
        "http.response.body",
        "http.response.early_hint",
        "http.response.push",
        "http.response.pathsend",
        "http.response.zerocopysend",
    },
    State.STREAMING: {
        "http.response.body",
        "http.response.early_hint",
        "http.response.push",
        "http.response.zerocopysend",
    },
    State.SENDING_FILE: set(),
    State.TRAILERS: {"http.response.trailers"},
    State.COMPLETE: set(),
    State.CLOSED: set(),
}


def test_the_table_of_transitions_is_the_one_that_these_tests_go_through() -> None:
    assert {state: set(steps) for state, steps in TRANSITIONS.items()} == ALLOWED
    elsewhere = {State.CLOSED, State.SENDING_FILE}  # at the end of this file, and in test_files
    assert {state for state, _ in INTO.values()} == set(ALLOWED) - elsewhere


def unexpected() -> list[Any]:
    return [
        pytest.param(way, kind, id=f"{way}: {kind}")
        for way, (state, _) in INTO.items()
        for kind in VALID
        if kind not in ALLOWED[state]
    ]


@pytest.mark.parametrize(("way", "kind"), unexpected())
async def test_a_message_out_of_turn_is_an_error_that_says_what_was_expected(
    serve: Serve, way: str, kind: str
) -> None:
    state, before = INTO[way]
    app = Script(*before, VALID[kind])
    answer = await outcome(serve, app)
    [error] = app.errors
    assert isinstance(error, ApplicationError)
    assert repr(kind) in str(error)
    for allowed in ALLOWED[state]:
        assert repr(allowed) in str(error)
    if state in (State.WAITING, State.STARTED):
        assert is_server_error(answer)
    elif state is State.COMPLETE:
        assert (answer.status, answer.body, answer.complete) == (200, b"ok", True)
    else:
        assert not answer.complete


@pytest.mark.parametrize(("way", "kind"), unexpected())
async def test_a_message_out_of_turn_changes_nothing(serve: Serve, way: str, kind: str) -> None:
    state, before = INTO[way]
    app = Script(*before, VALID[kind], then=COMPLETION[state], raises=False)
    answer = await outcome(serve, app)
    assert len(app.errors) == 1
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body in (b"ok", b"k")


FOLLOWED_BY: dict[tuple[State, str], tuple[Message, ...]] = {
    (State.WAITING, "http.response.start"): COMPLETION[State.STARTED],
    (State.WAITING, "http.response.early_hint"): COMPLETION[State.WAITING],
    (State.STARTED, "http.response.early_hint"): COMPLETION[State.STARTED],
    (State.STREAMING, "http.response.early_hint"): COMPLETION[State.STREAMING],
    (State.WAITING, "http.response.push"): COMPLETION[State.WAITING],
    (State.STARTED, "http.response.push"): COMPLETION[State.STARTED],
    (State.STREAMING, "http.response.push"): COMPLETION[State.STREAMING],
}


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        pytest.param(way, kind, id=f"{way}: {kind}")
        for way, (state, _) in INTO.items()
        for kind in sorted(ALLOWED[state])
        if kind != "http.response.zerocopysend"  # wants an open file; see test_files
    ],
)
async def test_a_message_in_its_turn_is_taken(serve: Serve, way: str, kind: str) -> None:
    state, before = INTO[way]
    app = Script(*before, VALID[kind], *FOLLOWED_BY.get((state, kind), ()))
    answer = await outcome(serve, app)
    if kind == "http.response.push" and kind not in app.scope["extensions"]:
        [error] = app.errors  # HTTP/1.1 has no push, and says so
        assert isinstance(error, ApplicationError)
        return
    assert app.errors == []
    assert (answer.status, answer.complete) == (200, True)


# --- malformed messages -------------------------------------------------------------------------------------


class Broken:
    """An iterable that has something, and breaks."""

    def __iter__(self) -> Iterator[Any]:
        yield b"name", b"value"
        raise LookupError("the application's own")


class Opaque:
    """Neither text, nor bytes, nor anything that can be gone through."""

    def __repr__(self) -> str:
        return "<opaque>"


@dataclass(frozen=True)
class Malformed:
    """A message that is wrong in itself, the state in which it comes, and what its error says."""

    name: str
    message: Any
    complaint: str
    way: str = "nothing"


MALFORMED = [
    Malformed("no message", None, "dict with a 'type'.*None"),
    Malformed("a list", ["type"], "dict with a 'type'"),
    Malformed("a text", "http.response.start", "dict with a 'type'"),
    Malformed("bytes", b"http.response.start", "dict with a 'type'"),
    Malformed("a number", 200, "dict with a 'type'"),
    Malformed("no type", {"status": 200}, "dict with a 'type'"),
    Malformed("an empty dict", {}, "dict with a 'type'"),
    Malformed("a type of None", {"type": None}, "None"),
    Malformed("a type of bytes", {"type": b"http.response.start"}, "b'http.response.start'"),
    Malformed("an unhashable type", {"type": ["http.response.start"]}, "http.response.start"),
    # status
    Malformed("no status", {"type": "http.response.start"}, "status.*None"),
    Malformed("a status of None", start(status=None), "status.*None"),
    Malformed("a status of text", start(status="200"), "status.*'200'"),
    Malformed("a status of bytes", start(status=b"200"), "status.*b'200'"),
    Malformed("a fractional status", start(status=200.0), r"status.*200\.0"),
    Malformed("a truth as status", start(status=True), "status.*True"),
    Malformed("status 0", start(status=0), "status.*200 to 599.*0"),
    Malformed("a negative status", start(status=-200), "status.*200 to 599"),
    Malformed("status 100", start(status=100), "status.*200 to 599.*100"),
    Malformed("status 101", start(status=101), "status.*200 to 599.*101"),
    Malformed("status 103", start(status=103), "status.*200 to 599.*103"),
    Malformed("status 199", start(status=199), "status.*200 to 599.*199"),
    Malformed("status 600", start(status=600), "status.*200 to 599.*600"),
    Malformed("status 2000", start(status=2000), "status.*200 to 599.*2000"),
    # headers
    Malformed("headers that break", start() | {"headers": Broken()}, "headers.*pairs"),
    Malformed("headers of a number", start(headers=5), "headers.*pairs"),
    Malformed("headers of text", start(headers="x: y"), "headers.*pairs"),
    Malformed("headers of opaque", start(headers=Opaque()), "headers.*pairs"),
    Malformed("headers as a dict", start(headers={b"name": b"value"}), "headers.*pairs"),
    Malformed("a header that is no pair", start(headers=[b"x: y"]), "headers.*pairs"),
    Malformed("a header of one item", start(headers=[(b"x",)]), "headers.*pairs"),
    Malformed("a header of three items", start(headers=[(b"x", b"y", b"z")]), "headers.*pairs"),
    Malformed("a header of a number", start(headers=[5]), "headers.*pairs"),
    Malformed("a header of None", start(headers=[None]), "headers.*pairs"),
    Malformed("a header name of text", start(("x", b"y")), "name 'x' must be bytes.*str"),
    Malformed("a header name of a number", start((5, b"y")), "name 5 must be bytes.*int"),
    Malformed("a header name of None", start((None, b"y")), "name None must be bytes"),
    Malformed("a header value of text", start((b"x", "y")), "value.*b'x' must be bytes.*str"),
    Malformed("a header value of a number", start((b"x", 5)), "value.*b'x' must be bytes.*int"),
    Malformed("a header value of None", start((b"x", None)), "value.*b'x' must be bytes"),
    Malformed("a mutable header name", start((bytearray(b"x"), b"y")), "name.*must be bytes.*bytearray"),
    Malformed("a mutable header value", start((b"x", bytearray(b"y"))), "value.*must be bytes.*bytearray"),
    Malformed("an empty header name", start((b"", b"y")), "invalid header name b''"),
    Malformed("a header name with a blank", start((b"x y", b"z")), "invalid header name b'x y'"),
    Malformed("a header name with a blank before", start((b" x", b"z")), "invalid header name"),
    Malformed("a header name with a blank behind", start((b"x ", b"z")), "invalid header name"),
    Malformed("a header name with a colon", start((b"x:", b"z")), "invalid header name b'x:'"),
    Malformed("a header name with CRLF", start((b"x\r\nset-cookie", b"z")), "invalid header name"),
    Malformed("a header name with LF behind", start((b"x\n", b"z")), "invalid header name"),
    Malformed("a header name with NUL", start((b"x\0", b"z")), "invalid header name"),
    Malformed("a header name of UTF-8", start(("grüße".encode(), b"z")), "invalid header name"),
    Malformed("a pseudo-header", start((b":status", b"200")), "b':status'.*pseudo-header"),
    Malformed("a header value with CR", start((b"x", b"a\rb")), r"b'x'.*a\\rb.*control character"),
    Malformed("a header value with LF", start((b"x", b"a\nb")), "b'x'.*control character"),
    Malformed("a header value with CRLF", start((b"x", b"a\r\nset-cookie: b=c")), "b'x'.*control character"),
    Malformed("a header value that ends in LF", start((b"x", b"a\n")), "b'x'.*control character"),
    Malformed("a header value with a folded line", start((b"x", b"a\r\n b")), "b'x'.*control character"),
    Malformed("a header value with NUL", start((b"x", b"a\0b")), "b'x'.*control character"),
    Malformed("a header value with an escape", start((b"x", b"a\x1b[0mb")), "b'x'.*control character"),
    Malformed("a header value with DEL", start((b"x", b"a\x7f")), "b'x'.*control character"),
    Malformed("a bad header among good", start((b"a", b"b"), (b"x", b"\n"), (b"c", b"d")), "b'x'"),
    # content-length
    Malformed("content-length of letters", start((b"content-length", b"two")), "content-length b'two'"),
    Malformed("content-length empty", start((b"content-length", b"")), "content-length b''"),
    Malformed("content-length negative", start((b"content-length", b"-2")), "content-length b'-2'"),
    Malformed("content-length with a plus", start((b"content-length", b"+2")), "content-length b'\\+2'"),
    Malformed("content-length fractional", start((b"content-length", b"2.0")), "content-length"),
    Malformed("content-length hexadecimal", start((b"content-length", b"0x2")), "content-length"),
    Malformed("content-length with a blank", start((b"content-length", b" 2")), "content-length b' 2'"),
    Malformed("content-length with an underscore", start((b"content-length", b"1_0")), "content-length"),
    Malformed("content-length a list", start((b"content-length", b"2, 2")), "content-length b'2, 2'"),
    Malformed("content-length of other digits", start((b"content-length", "٢".encode())), "content-length"),
    Malformed("content-length beyond all", start((b"content-length", b"9" * 19)), "content-length"),
    Malformed(
        "content-length twice",
        start((b"content-length", b"2"), (b"Content-Length", b"2")),
        "content-length.*twice",
    ),
    Malformed(
        "content-length twice, different",
        start((b"content-length", b"2"), (b"content-length", b"3")),
        "content-length.*twice",
    ),
    # body
    Malformed("a body of text", body("ok"), "body.*bytes.*str", "start"),
    Malformed("a body of None", body(None), "body.*bytes.*NoneType", "start"),
    Malformed("a body of a number", body(2), "body.*bytes.*int", "start"),
    Malformed("a body of a list", body([b"ok"]), "body.*bytes.*list", "start"),
    Malformed("a first part of text", body("ok", more_body=True), "body.*bytes.*str", "start"),
    Malformed("a first part of None, trailers due", body(None), "body.*bytes", "start, trailers due"),
    Malformed("a second part of text", body("ok", more_body=True), "body.*bytes.*str", "part, seen"),
    Malformed("a last part of None", body(None), "body.*bytes.*NoneType", "part"),
    # trailers
    Malformed(
        "trailers that break", trailers() | {"headers": Broken()}, "trailers.*pairs", "body, trailers due"
    ),
    Malformed("trailers of a number", trailers() | {"headers": 5}, "trailers.*pairs", "body, trailers due"),
    Malformed("trailers of None", trailers() | {"headers": None}, "trailers.*pairs", "body, trailers due"),
    Malformed("trailers of text", trailers(("x", "y")), "'x' must be bytes", "body, trailers due"),  # type: ignore[arg-type]
    Malformed("a trailer with CRLF", trailers((b"x", b"y\r\nz")), "control character", "body, trailers due"),
    Malformed(
        "a trailer with a bad name", trailers((b"x y", b"z")), "invalid header name", "body, trailers due"
    ),
    Malformed("a pseudo-header as trailer", trailers((b":status", b"1")), "pseudo", "body, trailers due"),
    # early hints
    Malformed("links of text", early_hint() | {"links": "</a>"}, "links.*iterable of bytes"),
    Malformed("links of bytes", early_hint() | {"links": b"</a>"}, "links.*iterable of bytes"),
    Malformed("links of a number", early_hint() | {"links": 5}, "links.*iterable of bytes"),
    Malformed("links of None", early_hint() | {"links": None}, "links.*iterable of bytes"),
    Malformed("links that break", early_hint() | {"links": Broken()}, "links.*can't be iterated over"),
    Malformed("a link of text", early_hint("</a>"), "link.*must be bytes"),  # type: ignore[arg-type]
    Malformed("a link with CRLF", early_hint(b"</a>\r\nx: y"), "link.*control character"),
    Malformed(
        "a link with CRLF, after start", early_hint(b"</a>\r\nx: y"), "link.*control character", "start"
    ),
    Malformed("a link with CRLF, too late", early_hint(b"</a>\r\nx: y"), "link.*control character", "part"),
    # files
    Malformed("no path", {"type": "http.response.pathsend"}, "path.*absolute.*None", "start"),
    Malformed("a path of bytes", {"type": "http.response.pathsend", "path": b"/a"}, "path.*b'/a'", "start"),
    Malformed("a relative path", {"type": "http.response.pathsend", "path": "a"}, "absolute.*'a'", "start"),
    Malformed("an empty path", {"type": "http.response.pathsend", "path": ""}, "absolute.*''", "start"),
    Malformed(
        "a path with NUL", {"type": "http.response.pathsend", "path": "/a\0b"}, "pathsend.*null", "start"
    ),
    Malformed(
        "a path of a folder", {"type": "http.response.pathsend", "path": "/"}, "pathsend.*'/'", "start"
    ),
    Malformed("no file", {"type": "http.response.zerocopysend"}, "file.*descriptor.*None", "start"),
    Malformed(
        "a file without descriptor",
        {"type": "http.response.zerocopysend", "file": Opaque()},
        "file.*descriptor.*<opaque>",
        "start",
    ),
    Malformed(
        "a descriptor not open", {"type": "http.response.zerocopysend", "file": 999999}, "999999", "start"
    ),
    Malformed("a negative descriptor", {"type": "http.response.zerocopysend", "file": -1}, "-1", "start"),
    Malformed(
        "a negative offset",
        {"type": "http.response.zerocopysend", "file": 0, "offset": -1},
        "offset.*-1",
        "start",
    ),
    Malformed(
        "an offset of text",
        {"type": "http.response.zerocopysend", "file": 0, "offset": "1"},
        "offset.*'1'",
        "start",
    ),
    Malformed(
        "a negative count",
        {"type": "http.response.zerocopysend", "file": 0, "count": -1},
        "count.*-1",
        "start",
    ),
    Malformed(
        "a fractional count",
        {"type": "http.response.zerocopysend", "file": 0, "count": 1.5},
        r"count.*1\.5",
        "part",
    ),
]

INTO_MALFORMED = INTO | {"start, trailers due": (State.STARTED, (start(trailers=True),))}


def malformed(cases: list[Malformed]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@malformed(MALFORMED)
async def test_a_malformed_message_is_an_error_that_says_what_is_wrong_with_it(
    serve: Serve, case: Malformed, caplog: pytest.LogCaptureFixture
) -> None:
    state, before = INTO_MALFORMED[case.way]
    app = Script(*before, case.message)
    answer = await outcome(serve, app)
    [error] = app.errors
    assert isinstance(error, ApplicationError)
    assert re.search(case.complaint, str(error))
    if state in (State.WAITING, State.STARTED):
        assert is_server_error(answer)
    else:
        assert not answer.complete
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.name == "asgiworker.asgi"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


@malformed([case for case in MALFORMED if case.way != "start, trailers due"])
async def test_a_malformed_message_changes_nothing(serve: Serve, case: Malformed) -> None:
    state, before = INTO[case.way]
    app = Script(*before, case.message, then=COMPLETION[state], raises=False)
    answer = await outcome(serve, app)
    assert len(app.errors) == 1
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body in (b"ok", b"k")


# --- what is well-formed, if only just ----------------------------------------------------------------------


class Bytes(bytes):
    """A subclass, as frameworks have them."""


class Status(int):
    """Likewise."""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(start(status=Status(200)), body(b"ok"), id="a status of a subclass of int"),
        pytest.param({"type": "http.response.start", "status": 200}, body(b"ok"), id="no headers"),
        pytest.param(start(headers=None), body(b"ok"), id="headers of None"),
        pytest.param(start(headers=()), body(b"ok"), id="headers as a tuple"),
        pytest.param(start(headers=iter([(b"a", b"b")])), body(b"ok"), id="headers as an iterator"),
        pytest.param(start(headers=[[b"a", b"b"]]), body(b"ok"), id="a header as a list"),
        pytest.param(start((Bytes(b"a"), Bytes(b"b"))), body(b"ok"), id="a header of a subclass of bytes"),
        pytest.param(start((b"content-length", b"2")), body(b"ok"), id="content-length"),
        pytest.param(start((b"content-length", b"002")), body(b"ok"), id="content-length with zeros before"),
        pytest.param(start(trailers=False, unknown=1), body(b"ok", unknown=2), id="unknown keys"),
        pytest.param(start(), body(bytearray(b"ok")), id="a body as a bytearray"),
        pytest.param(start(), body(memoryview(b"ok")), id="a body as a memoryview"),
        pytest.param(start(), body(memoryview(b"o-k-")[::2]), id="a body as a memoryview with gaps"),
        pytest.param(start(), body(Bytes(b"ok")), id="a body of a subclass of bytes"),
        pytest.param(start(), body(b"ok", more_body=False), id="more_body false"),
        pytest.param(start(), body(b"ok", more_body=None), id="more_body of None"),
    ],
)
async def test_a_well_formed_message_is_taken(serve: Serve, first: Message, second: Message) -> None:
    app = Script(first, second)
    answer = await outcome(serve, app)
    assert app.errors == []
    assert (answer.status, answer.body, answer.complete) == (200, b"ok", True)


async def test_a_body_message_without_a_body_is_an_empty_one(serve: Serve) -> None:
    answer = await outcome(serve, Script(start(), {"type": "http.response.body"}))
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)


async def test_a_bytearray_may_be_used_again_when_send_has_returned(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        buffer = bytearray(b"one")
        await send(start())
        await send(body(buffer, more_body=True))
        buffer[:] = b"two"
        await send(body(memoryview(buffer)))
        buffer[:] = b"bad"

    driver = await serve(app)
    assert (await driver.request()).body == b"onetwo"


async def test_an_application_may_use_its_messages_again(serve: Serve) -> None:
    head, content = start((b"x", b"y")), body(b"ok")
    driver = await serve(Script(head, content))
    for _ in range(3):
        answer = await driver.request()
        assert (answer.body, answer[b"x"]) == (b"ok", b"y")
    assert (head, content) == (start((b"x", b"y")), body(b"ok"))


@pytest.mark.parametrize("status", [200, 201, 226, 299, 300, 308, 400, 418, 451, 499, 500, 511, 599])
async def test_a_status_is_sent_as_it_is(serve: Serve, status: int) -> None:
    answer = await outcome(serve, Script(start(status=status), body(b"ok")))
    assert (answer.status, answer.body, answer.complete) == (status, b"ok", True)


async def test_headers_are_sent_in_their_order_and_as_often_as_they_come(serve: Serve) -> None:
    headers = [
        (b"set-cookie", b"a=1"),
        (b"x-b", b"2"),
        (b"set-cookie", b"c=3"),
        (b"x-a", b"4"),
        (b"x-empty", b""),
    ]
    answer = await outcome(serve, Script(start(*headers), body(b"ok")))
    assert [field for field in answer.headers if field in headers] == headers


async def test_octets_beyond_ascii_are_sent_as_they_are_in_a_header_value(serve: Serve) -> None:
    value = "grüße".encode() + b"\xff\t"
    answer = await outcome(serve, Script(start((b"x", b"a" + value + b"b")), body(b"ok")))
    assert answer[b"x"] == b"a" + value + b"b"


async def test_blanks_around_a_value_do_not_belong_to_it(serve: Serve) -> None:
    fields = [(b"x-a", b" a b\t"), (b"x-b", b"\t"), (b"set-cookie", b" c=1 ")]
    messages = start(*fields), body(b"ok")
    for _ in range(2):  # the second time it is remembered
        answer = await outcome(serve, Script(*messages))
        assert answer.status == 200
        assert (answer[b"x-a"], answer[b"x-b"], answer[b"set-cookie"]) == (b"a b", b"", b"c=1")


async def test_blanks_around_the_values_of_trailers_and_links_do_not_belong_to_them(serve: Serve) -> None:
    answer = await outcome(
        serve,
        Script(
            early_hint(b" </a> "),
            {**start(), "trailers": True},
            body(b"ok"),
            trailers((b"x", b" y ")),
        ),
    )
    assert answer.status == 200
    assert not answer.hints or answer.hints == [[b"</a>"]]
    assert not answer.trailers or answer.trailers == [(b"x", b"y")]


# --- Content-Length and the body ----------------------------------------------------------------------------

FIVE = (b"content-length", b"5")


@pytest.mark.parametrize(
    ("messages", "complaint", "sent"),
    [
        pytest.param((start(FIVE), body(b"sixsix")), "6 bytes.*longer.*5", False, id="longer, at once"),
        pytest.param((start(FIVE), body(b"four")), "4 bytes.*shorter.*5", False, id="shorter, at once"),
        pytest.param((start(FIVE), body()), "shorter.*5", False, id="empty, at once"),
        pytest.param(
            (start((b"content-length", b"0")), body(b"x")), "longer", False, id="longer than nothing"
        ),
        pytest.param((start(FIVE), part(b"sixsix")), "longer", False, id="longer, in the first part"),
        pytest.param(
            (start(FIVE), HEAD_SEEN, body(b"sixsix")), "longer.*1 bytes", True, id="longer, head sent"
        ),
        pytest.param(
            (start(FIVE), HEAD_SEEN, body(b"four")), "shorter.*1 bytes", True, id="shorter, head sent"
        ),
        pytest.param((start(FIVE), HEAD_SEEN, body()), "shorter.*5 bytes", True, id="empty, head sent"),
        pytest.param(
            (start(FIVE), part(b"four"), HEAD_SEEN, part(b"six")),
            "longer.*2 bytes",
            True,
            id="longer, in parts",
        ),
        pytest.param(
            (start(FIVE), part(b"four"), HEAD_SEEN, body(b"six")),
            "longer.*2 bytes",
            True,
            id="longer, at the end",
        ),
        pytest.param(
            (start(FIVE), part(b"two"), HEAD_SEEN, body(b"2")),
            "shorter.*1 bytes",
            True,
            id="shorter, in parts",
        ),
        pytest.param(
            (start(FIVE), part(b"two"), HEAD_SEEN, body()),
            "shorter.*2 bytes",
            True,
            id="shorter, empty last part",
        ),
        pytest.param(
            (start(FIVE, trailers=True), body(b"four")), "shorter.*1 bytes", False, id="shorter, trailers due"
        ),
    ],
)
@pytest.mark.parametrize("raises", [True, False], ids=["raises", "swallows"])
async def test_a_body_that_is_not_as_long_as_its_content_length_never_looks_complete(
    serve: Serve, messages: tuple[Message, ...], complaint: str, sent: bool, raises: bool
) -> None:
    app = Script(*messages, raises=raises)
    answer = await outcome(serve, app)
    [error] = app.errors
    assert isinstance(error, ApplicationError)
    assert re.search(complaint, str(error))
    if sent:
        assert (answer.status, answer.complete) == (200, False)
        assert len(answer.body) <= 5
    else:
        assert is_server_error(answer)


async def test_a_body_whose_length_is_wrong_can_be_sent_right_as_long_as_nothing_was_sent(
    serve: Serve,
) -> None:
    app = Script(start(FIVE), body(b"sixsix"), then=(body(b"five5"),), raises=False)
    answer = await outcome(serve, app)
    assert len(app.errors) == 1
    assert (answer.status, answer.body, answer.complete) == (200, b"five5", True)


async def test_a_body_that_has_turned_out_longer_than_its_length_ends_the_connection_for_the_application(
    serve: Serve,
) -> None:
    app = Script(start(FIVE), part(b"four"), HEAD_SEEN, part(b"six"), then=(body(b"5"),), raises=False)
    answer = await outcome(serve, app)
    assert not answer.complete
    assert [type(error) for error in app.errors] == [ApplicationError, ClientDisconnected]


async def test_not_a_byte_is_sent_beyond_the_content_length(serve: Serve, until: Until) -> None:
    app = Script(start(FIVE), part(b"five5"), HEAD_SEEN, part(b"!"))
    driver = await serve(app)
    stream = await driver.open()
    await stream.head()
    app.head_seen.set()
    assert (await stream.answer()).body == b"five5"
    # The client has all that was promised; no more comes.
    if driver.version == "1.1":
        await until(lambda: not driver.server.service.connections)
    await until(lambda: app.errors)
    assert [type(error) for error in app.errors] == [ApplicationError]


@pytest.mark.parametrize(
    "parts", [[b"five5"], [b"fi", b"ve5"], [b"five5", b""], [b"", b"five5"], [b"five", b"5", b""]]
)
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
async def test_a_body_comes_whole_in_whatever_parts(serve: Serve, parts: list[bytes], declared: bool) -> None:
    head = start(FIVE) if declared else start()
    answer = await outcome(serve, Script(head, *map(part, parts[:-1]), body(parts[-1])))
    assert (answer.body, answer.complete) == (b"five5", True)
    assert answer[b"content-length"] == (b"5" if declared or len(parts) == 1 else None)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 304)])
@pytest.mark.parametrize(
    ("headers", "messages"),
    [
        pytest.param([], (body(b"hello"),), id="at once"),
        pytest.param([], (part(b"hel"), body(b"lo")), id="in parts"),
        pytest.param([FIVE], (body(b"hello"),), id="declared"),
        pytest.param([FIVE], (body(),), id="declared, empty"),
        pytest.param([FIVE], (HEAD_SEEN, part(b"hel"), body(b"lo")), id="declared, after the head"),
        pytest.param([FIVE], (body(b"longer than announced"),), id="declared, longer"),
        pytest.param([FIVE], (part(b"longer than"), body(b" announced")), id="declared, longer in parts"),
    ],
)
async def test_a_response_without_content_has_none_whatever_the_application_sends(
    serve: Serve, method: str, status: int, headers: list[Any], messages: tuple[Message, ...]
) -> None:
    app = Script(start(*headers, status=status), *messages)
    answer = await outcome(serve, app, method)
    assert app.errors == []
    assert (answer.status, answer.body, answer.complete) == (status, b"", True)
    assert answer[b"transfer-encoding"] is None
    if status == 204:
        assert answer[b"content-length"] is None  # RFC 9110 §8.6
    elif headers:
        assert answer[b"content-length"] == b"5"


async def test_a_response_to_head_says_how_long_the_content_would_be(serve: Serve) -> None:
    answer = await outcome(serve, Script(start(), body(b"hello")), "HEAD")
    assert answer[b"content-length"] == b"5"


@pytest.mark.parametrize("coding", [b"chunked", b"gzip", b"identity", b"gzip, chunked"])
@pytest.mark.parametrize("parts", [1, 2])
async def test_the_applications_transfer_encoding_is_ignored(serve: Serve, coding: bytes, parts: int) -> None:
    messages = [part(b"o"), body(b"k")] if parts == 2 else [body(b"ok")]
    answer = await outcome(serve, Script(start((b"Transfer-Encoding", coding)), *messages))
    assert (answer.body, answer.complete) == (b"ok", True)
    assert answer[b"transfer-encoding"] in (None, b"chunked")


async def test_the_applications_transfer_encoding_is_ignored_beside_its_content_length(serve: Serve) -> None:
    head = start((b"transfer-encoding", b"chunked"), (b"content-length", b"2"))
    answer = await outcome(serve, Script(head, part(b"o"), body(b"k")))
    assert (answer.body, answer.complete, answer[b"transfer-encoding"]) == (b"ok", True, None)


async def test_the_application_may_have_the_connection_closed(serve: Serve) -> None:
    driver = await serve(Script(start((b"connection", b"close")), body(b"ok")))
    stream = await driver.open()
    assert (await stream.answer()).body == b"ok"
    following = await stream.follow("/after")
    if driver.version == "1.1":
        assert following is None
    else:  # RFC 9113 §8.2.2: it has no meaning on HTTP/2, where other streams share the connection
        assert following is not None
        assert following.body == b"after"


@pytest.mark.parametrize("value", [b"keep-alive", b"upgrade", b"x-private"])
async def test_the_application_has_no_other_say_about_the_connection(serve: Serve, value: bytes) -> None:
    driver = await serve(Script(start((b"connection", value), (b"keep-alive", b"timeout=1")), body(b"ok")))
    stream = await driver.open()
    answer = await stream.answer()
    assert (answer[b"connection"], answer[b"keep-alive"]) == (None, None)
    following = await stream.follow("/after")
    assert following is not None
    assert following.body == b"after"


# --- how an application ends --------------------------------------------------------------------------------


class Odd(BaseException):
    """An exception outside of `Exception`, as test tools and other libraries have them."""


ENDS: dict[str, BaseException | None] = {
    "returns": None,
    "raises": ValueError("broken"),
    "raises an OSError": OSError("broken"),
    "raises ClientDisconnected itself": ClientDisconnected("so it says"),
    "raises SystemExit": SystemExit(1),
    "raises KeyboardInterrupt": KeyboardInterrupt(),
    "raises CancelledError": asyncio.CancelledError(),
    "raises StopAsyncIteration": StopAsyncIteration(),
    "raises a group": BaseExceptionGroup("several", [SystemExit(1), ValueError("broken")]),
    "raises something odd": Odd("broken"),
}


@pytest.mark.parametrize(
    ("way", "end"),
    [
        *itertools.product(INTO, ["returns", "raises", "raises CancelledError"]),
        *itertools.product(
            ["nothing", "start", "part, seen"],
            sorted(ENDS.keys() - {"returns", "raises", "raises CancelledError"}),
        ),
    ],
)
async def test_an_application_that_ends_early_never_leaves_a_response_that_looks_complete(
    serve: Serve, way: str, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    state, before = INTO[way]
    answer = await outcome(serve, Script(*before, ends=ENDS[end]))
    if state is State.COMPLETE:
        assert (answer.status, answer.body, answer.complete) == (200, b"ok", True)
        if end == "returns":
            assert caplog.records == []
        return
    if state in (State.WAITING, State.STARTED):
        assert is_server_error(answer)
    else:
        assert (answer.status in (0, 200), answer.complete) == (True, False)
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.name == "asgiworker.asgi"
    assert "/script" in record.getMessage() or record.exc_info


async def test_an_application_that_raises_is_logged_with_its_traceback(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    error = ValueError("broken")
    await outcome(serve, Script(ends=error))
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert "GET /script" in record.getMessage()


async def test_an_application_that_returns_too_early_is_told_how_far_it_got(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    await outcome(serve, Script(start(), part(b"o")))
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "GET /script" in record.getMessage()
    assert "body under way" in record.getMessage()


async def test_the_server_error_has_nothing_of_the_response_it_replaces(serve: Serve) -> None:
    head = start(
        (b"content-length", b"5"),
        (b"x-secret", b"1"),
        (b"content-encoding", b"gzip"),
        status=206,
        trailers=True,
    )
    answer = await outcome(serve, Script(head, ends=ValueError("secret")))
    assert is_server_error(answer)
    assert answer[b"content-type"] == b"text/plain; charset=utf-8"
    assert answer[b"x-secret"] is None
    assert answer[b"content-encoding"] is None


async def test_the_server_error_has_no_content_for_head(serve: Serve) -> None:
    answer = await outcome(serve, Script(ends=ValueError()), "HEAD")
    assert (answer.status, answer.body, answer.complete) == (500, b"", True)


async def test_an_application_may_go_on_after_its_response(serve: Serve, until: Until) -> None:
    let_go, finished = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(body(scope["path"].encode()))
        if scope["path"] == "/first":
            await let_go.wait()
            finished.set()

    driver = await serve(app)
    stream = await driver.open(path="/first")
    assert (await stream.answer()).body == b"/first"
    following = await stream.follow("/second")
    assert following is not None
    assert following.body == b"/second"
    let_go.set()
    await until(finished.is_set)


@pytest.mark.parametrize("way", ["nothing", "start", "part, seen", "body"])
async def test_an_application_may_do_with_its_scope_what_it_likes(
    serve: Serve, way: str, tmp_path: Path
) -> None:
    state, before = INTO[way]

    class Clearing(Script):
        async def run(self, messages: tuple[Any, ...], send: Send) -> None:
            self.scope.clear()
            await super().run(messages, send)

    app = Clearing(*before, *COMPLETION[state])
    log = tmp_path / "access.log"
    answer = await outcome(serve, app, accesslog=str(log))
    assert app.errors == []
    assert (answer.status, answer.complete) == (200, True)
    raising = Clearing(*before, ends=ValueError())
    answer = await outcome(serve, raising)
    assert answer.complete is (state in (State.WAITING, State.STARTED, State.COMPLETE))


# --- after the client has gone ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [start(), part(b"k"), body(b"k"), trailers(), VALID["http.response.unheard.of"], None],
    ids=repr,
)
@pytest.mark.parametrize("way", ["nothing", "part, seen"])
async def test_any_message_after_the_client_has_gone_raises_an_os_error(
    serve: Serve, message: Any, way: str, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    _, before = INTO[way]
    called, gone, errors = asyncio.Event(), asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for each in before:
            if each is not HEAD_SEEN:
                await send(each)
        called.set()
        await gone.wait()
        for _ in range(2):
            try:
                await send(message)
            except OSError as error:
                errors.append(error)
        await send(message)

    driver = await serve(app)
    stream = await driver.open()
    await called.wait()
    if before:
        await stream.head()
    await stream.leave()
    await until(lambda: not driver.server.service.connections)
    gone.set()
    await until(lambda: not driver.server.service.running)
    assert [type(error) for error in errors] == [ClientDisconnected] * 2
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
