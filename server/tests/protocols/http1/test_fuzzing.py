"""What a peer may send is anything. Whatever it is and however it is split, the rules hold.

Three kinds of input: bytes of any kind and requests of the corpus with mistakes made in them; requests made
by the grammar of RFC 9112, whose meaning is known beforehand; and the same seen by another parser.
HYPOTHESIS_PROFILE=long looks for new inputs, for as long as it takes.
"""

from __future__ import annotations

import re
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgiworker.process.settings import Settings
from asgiworker.protocols.http1.chunked import EXTENSIONS_BOUND, ChunkedDecoder
from asgiworker.protocols.http1.head import HeadParser
from asgiworker.protocols.proxy import ProxyHeaderError, TrustedPeers, read_forwarding, read_proxy_header
from asgiworker.protocols.request import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgiworker.asgi.types import Receive, Scope, Send
    from server.tests.protocols.conftest import Application, Corpus, Mirror, OpenWire, Wire

    Run = Callable[[Coroutine[Any, Any, Any]], Any]

pytestmark = pytest.mark.every_python

# --- bytes and their splits ---------------------------------------------------------------------------------

CUTS = st.lists(st.integers(0, 400), max_size=12)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` cut at these places, as far as they lie in it."""
    places = sorted({place for place in cuts if 0 < place < len(data)})
    return [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True)]


# What makes a difference where it doesn't belong.
PIECES = st.sampled_from(
    (
        *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"\0", b"\x0b", b"\x7f", b"\x80", b"\xff"),
        *(b":", b",", b";", b"_", b"#", b"*", b"/", b"%", b"0", b"9", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0"),
        *(b"Host: b\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Expect: 100-continue\r\n"),
        *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n", b"Connection: close\r\n"),
        *(b"Connection: Upgrade\r\nUpgrade: x\r\n", b"Proxy-Connection: close\r\n", b"Expect: x\r\n"),
        *(
            b"X: " + b"x" * 300,
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"5\r\nhello\r\n0\r\n\r\n",
            b"0\r\n\r\n",
        ),
        *(b"CONNECT", b"http://b"),
    )
)


def with_mistakes(data: st.DataObject, request: bytes) -> bytes:
    """`request` with something put in, taken out, or put in the place of something, a few times."""
    for _ in range(data.draw(st.integers(1, 4), label="mistakes")):
        begin = data.draw(st.integers(0, len(request)), label="at")
        end = begin + data.draw(st.sampled_from([0, 0, 0, 1, 1, 2, 5, 30]), label="out")
        request = (
            request[:begin]
            + data.draw(PIECES | st.just(b"") | st.binary(max_size=3), label="in")
            + request[end:]
        )
    return request


# Small, so that they are reached.
LIMITS: dict[str, int] = {
    "limit_request_line": 120,
    "limit_request_head": 600,
    "limit_request_fields": 12,
    "limit_request_field_size": 250,
    "limit_body": 200,
}


@dataclass
class Outcome:
    """What came of some bytes."""

    statuses: list[int]
    seen: list[tuple[str, bytes, bytes]]
    ended: bool


async def outcome_of(wire: Wire, mirror: Mirror, pieces: list[bytes], turns: bool) -> Outcome:
    """Send the pieces; then check what has to hold whatever they were."""
    mirror.seen.clear()
    service = wire.service
    for piece in pieces:
        if wire.paused_reading:
            await wire.settle()
        assert not wire.paused_reading, "nothing is left to be done, and nothing more is read"
        wire.feed(piece)
        if turns:
            await wire.settle()
    await wire.settle()
    # Our own code never broke.
    assert service.failures == 0
    # No client is waited for without a deadline.
    assert wire.ended or wire.protocol.deadline < float("inf")
    # What was sent is well-formed, in order, and complete.
    responses = wire.responses(
        *[seen.scope["method"] for seen in mirror.seen], *["HEAD"] * head_refused(wire)
    )
    finals = [response for response in responses if response.status >= 200]
    assert [response.status for response in finals].count(200) == len(mirror.seen)
    assert all(response.body is not None for response in finals)
    assert all(response.closes for response in finals if response.status != 200)
    assert wire.ended == bool(finals and finals[-1].closes)
    outcome = Outcome(
        [response.status for response in finals],
        [(seen.scope["method"], seen.scope["raw_path"], seen.body) for seen in mirror.seen],
        wire.ended,
    )
    # The client goes, and nothing is left.
    wire.half_close()
    await wire.settle()
    wire.leave()
    await wire.settle()
    assert service.running == service.connections == set()
    return outcome


def head_refused(wire: Wire) -> bool:
    """Whether the last answer is one to HEAD: an error without a body."""
    head, _, body = bytes(wire.sent).rpartition(b"\r\n\r\n")
    return not body and b"content-length" not in head[head.rfind(b"HTTP/1.1 ") :]


@given(data=st.data())
def test_any_bytes_have_one_outcome_however_they_are_split(
    run: Run, open_wire: OpenWire, mirror: Mirror, data: st.DataObject
):
    request = data.draw(
        st.binary(max_size=300) | st.lists(PIECES, max_size=30).map(b"".join), label="request"
    )
    run(check_splits(open_wire, mirror, request, data.draw(CUTS, label="cuts")))


@given(data=st.data())
def test_a_request_with_mistakes_has_one_outcome_however_it_is_split(
    run: Run, open_wire: OpenWire, mirror: Mirror, corpus: Corpus, data: st.DataObject
):
    names = [case.name for case in corpus if len(case.request) < 400 and not case.settings]
    requests = {case.name: case.request for case in corpus}
    request = with_mistakes(data, requests[data.draw(st.sampled_from(names), label="case")])
    run(check_splits(open_wire, mirror, request, data.draw(CUTS, label="cuts")))


async def check_splits(open_wire: OpenWire, mirror: Mirror, request: bytes, cuts: list[int]) -> None:
    """The request fares the same whole, in pieces, in pieces with time in between, and byte by byte."""
    whole = await outcome_of(open_wire(mirror, **LIMITS), mirror, [request], turns=True)
    pieces = split(request, cuts)
    single = split(request, list(range(len(request))))
    for sent, turns in ((pieces, False), (pieces, True), (single, False)):
        assert await outcome_of(open_wire(mirror, **LIMITS), mirror, sent, turns) == whole
    # And again, on a service that has seen the same before.
    service = open_wire.service(mirror, **LIMITS)
    for _ in range(2):
        assert await outcome_of(open_wire(service), mirror, [request], turns=True) == whole


# --- applications of all manners ----------------------------------------------------------------------------


async def answers_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    """Leaves the body where it is."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 30_000})


async def streams(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends in parts, and stops for a look at the body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
    for _ in range(5):
        await send({"type": "http.response.body", "body": b"x" * 20_000, "more_body": True})
    await receive()
    await send({"type": "http.response.body", "body": b"x"})


async def reads_a_part(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes what comes first, and closes."""
    await receive()
    await send({"type": "http.response.start", "status": 201, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": b"x"})


async def waits_for_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers only when the client has said all or gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    await answers_at_once(scope, receive, send)


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    """Raises once it has the body."""
    await receive()
    raise RuntimeError("as it should")


async def fails_late(scope: Scope, receive: Receive, send: Send) -> None:
    """Raises in the middle of its response."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"x", "more_body": True})
    await receive()
    raise RuntimeError("as it should")


MANNERS = [answers_at_once, streams, reads_a_part, waits_for_the_end, fails, fails_late]
EVENTS = st.sampled_from(["turn", "turn", "stop reading", "read", "half-close", "leave", "deadline"])


@given(data=st.data())
def test_whatever_clients_and_applications_do_nothing_of_ours_breaks_and_nothing_is_left(
    run: Run,
    open_wire: OpenWire,
    corpus: Corpus,
    caplog: pytest.LogCaptureFixture,
    data: st.DataObject,
):
    caplog.set_level("CRITICAL")  # the applications' failures are wanted
    requests = {case.name: case.request for case in corpus if len(case.request) < 400 and not case.settings}
    names = data.draw(st.lists(st.sampled_from(sorted(requests)), min_size=1, max_size=4), label="cases")
    raw = b"".join(requests[name] for name in names)
    if data.draw(st.booleans(), label="with mistakes"):
        raw = with_mistakes(data, raw)
    app = data.draw(st.sampled_from(MANNERS), label="application")
    steps: list[bytes | str] = [*split(raw, data.draw(CUTS, label="cuts"))]
    for event in data.draw(st.lists(EVENTS, max_size=6), label="events"):
        steps.insert(data.draw(st.integers(0, len(steps)), label="place"), event)
    run(live_through(open_wire, app, steps))


async def live_through(open_wire: OpenWire, app: Application, steps: list[bytes | str]) -> None:
    """A connection's life, step by step."""
    entries: list[Any] = []
    called: list[Scope] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        called.append(scope)
        await app(scope, receive, send)

    wire = open_wire(noting, record=entries.append)
    service = wire.service
    for step in steps:
        if isinstance(step, bytes):
            if not wire.paused_reading and not wire.half_closed:
                wire.feed(step)
            continue
        await take_place(wire, step)
    await wire.settle()
    wire.take()
    await wire.settle()
    assert wire.ended or wire.protocol.deadline < float("inf") or service.running
    wire.leave()
    await wire.settle()
    # Each request is in the access log once, answered or not; and what was refused at the end.
    answers = bytes(wire.sent).count(b"HTTP/1.1 ") - bytes(wire.sent).count(b"HTTP/1.1 100 Continue")
    assert answers <= len(entries) <= len(called) + 1
    assert service.failures == 0
    assert service.running == service.connections == set()


async def take_place(wire: Wire, event: str) -> None:
    """Let something happen between two pieces."""
    if event == "turn":
        await wire.settle()
    elif event == "stop reading":
        wire.reads = False
    elif event == "read":
        wire.take()
    elif event == "half-close" and not wire.half_closed:
        wire.half_close()
    elif event == "leave":
        wire.leave()
    elif event == "deadline" and not wire.closing:
        connection = wire.protocol
        moment = min(connection.deadline, connection.write_deadline)
        if moment < float("inf"):
            connection.sweep(moment)


# --- requests made by the grammar ---------------------------------------------------------------------------

TOKENS = st.text("!#$%&'*+-.^`|~0123456789abcdefXYZ", min_size=1, max_size=12)
# Fields that frame, route or speak to the server are drawn on their own.
NAMES = TOKENS.filter(
    lambda name: (
        name.lower()
        not in (*("host", "content-length", "transfer-encoding", "connection", "expect", "te", "upgrade"),)
    )
)
VALUES = st.text(
    st.characters(max_codepoint=255).filter(lambda c: c == "\t" or " " <= c < "\x7f" or c >= "\x80"),
    max_size=40,
).map(lambda value: value.strip(" \t"))
BLANKS = st.text(" \t", max_size=3)
SEGMENTS = st.text("abcXYZ019-._~!$&'()*+,;=:@", max_size=8) | st.sampled_from(
    ["%20", "%C3%A4", "%2F", "%00", "%ff"]
)
PATHS = st.lists(SEGMENTS, max_size=5).map(lambda segments: "/" + "/".join(segments))
QUERIES = st.none() | st.text("abc019-._~!$&'()*+,;=:@/?%", max_size=20)


@dataclass
class Made:
    """A request made by the grammar, and what an application has to see of it."""

    raw: bytes
    method: str
    version: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    last: bool = field(default=False)


@st.composite
def chunked_bodies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A body, and one way to send it in chunks."""
    chunks = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
    raw = b""
    for chunk in [*chunks, b""]:
        size = draw(st.sampled_from(["%x", "%X", "0%x", "%016x"])) % len(chunk)
        extension = draw(st.sampled_from(["", "", ";a", ';a="b;\\"c"', " \t; a = b", ";\xff"]))
        raw += f"{size}{extension}\r\n".encode("latin-1") + (chunk + b"\r\n" if chunk else b"")
    for name, value in draw(st.lists(st.tuples(TOKENS, VALUES), max_size=2)):
        raw += f"{name}: {value}\r\n".encode("latin-1")
    return b"".join(chunks), raw + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> Made:
    """A valid request."""
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"]))
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0"]))
    path, query = draw(PATHS), draw(QUERIES)
    host = draw(st.sampled_from(["a", "a.example:8000", "[::1]", "192.0.2.1:"]))
    fields = [(name, value) for name, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=6))]
    target = path if query is None else f"{path}?{query}"
    seen_host = host
    if draw(st.booleans()) and draw(st.booleans()):
        seen_host = draw(st.sampled_from(["b", "b.example:1"]))
        target = f"http://{seen_host}{target}"
    body, raw_body, framing = b"", b"", []
    kind = draw(st.sampled_from(["none", "length", "chunked"] if version == "1.1" else ["none", "length"]))
    if kind == "length":
        body = raw_body = draw(st.binary(max_size=100))
        framing = [("Content-Length", draw(st.sampled_from(["%d", "0%d"])) % len(body))]
    elif kind == "chunked":
        body, raw_body = draw(chunked_bodies())
        framing = [("Transfer-Encoding", draw(st.sampled_from(["chunked", "Chunked", "CHUNKED"])))]
    keep = draw(st.sampled_from([[], [], [("Connection", "keep-alive")], [("Connection", "x, close")]]))
    fields = draw(st.permutations([("Host", host), *fields, *framing, *keep]))
    lines = "".join(
        # llhttp takes a tab behind a transfer coding for a part of its name.
        f"{name}:{draw(BLANKS)}{value}{'' if name == 'Transfer-Encoding' else draw(BLANKS)}\r\n"
        for name, value in fields
    )
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields if "_" not in name]
    if seen_host != host:
        headers = [(b"host", seen_host.encode()), *(pair for pair in headers if pair[0] != b"host")]
    return Made(
        f"{method} {target} HTTP/{version}\r\n{lines}\r\n".encode("latin-1") + raw_body,
        method,
        version,
        path.encode(),
        (query or "").encode(),
        headers,
        body,
        last="close" in str(keep) or (version == "1.0" and "keep-alive" not in str(keep)),
    )


def check_seen(mirror: Mirror, made: list[Made]) -> None:
    """The application saw these requests, as they were meant."""
    assert len(mirror.seen) == len(made)
    for seen, request in zip(mirror.seen, made, strict=True):
        scope = seen.scope
        assert (scope["method"], scope["http_version"]) == (request.method, request.version)
        assert (scope["raw_path"], scope["query_string"]) == (request.raw_path, request.query)
        assert scope["headers"] == request.headers
        assert seen.body == request.body


@given(data=st.data())
def test_valid_requests_mean_the_same_however_they_are_split(
    run: Run, open_wire: OpenWire, mirror: Mirror, data: st.DataObject
):
    made = data.draw(st.lists(requests(), min_size=1, max_size=4), label="requests")
    raw = b"".join(request.raw for request in made)
    answered = made[: next((place + 1 for place, request in enumerate(made) if request.last), len(made))]

    async def check(pieces: list[bytes], turns: bool) -> None:
        mirror.seen.clear()
        wire = open_wire(mirror)
        await wire.send(*pieces, turns=turns)
        check_seen(mirror, answered)
        responses = wire.responses(*[request.method for request in answered])
        assert [response.status for response in responses] == [200] * len(answered)
        assert wire.ended == answered[-1].last
        wire.leave()
        await wire.settle()

    run(check([raw], True))
    pieces = split(raw, data.draw(CUTS, label="cuts"))
    run(check(pieces, False))
    run(check(pieces, True))


# --- the chunked coding, against a reference ----------------------------------------------------------------

EXTENSION = rb"(?:[ \t]*;[\t -~\x80-\xff]*)?"
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})" + EXTENSION + rb"\r\n")
TRAILERS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)*\r\n")


def reference(data: bytes) -> tuple[bytes, bytes] | None:
    """The body in `data` and what follows it, read in the simplest way there is; None where there is none."""
    body = b""
    while line := CHUNK_LINE.match(data):
        size, data = int(line[1], 16), data[line.end() :]
        if not size:
            trailers = TRAILERS.match(data)
            return (body, data[trailers.end() :]) if trailers else None
        if data[size : size + 2] != b"\r\n":
            return None
        body, data = body + data[:size], data[size + 2 :]
    return None


def decoded(data: bytes, cuts: list[int]) -> tuple[bytes, bytes] | None:
    """The same by the decoder, in pieces."""
    decoder = ChunkedDecoder(Settings())
    body = rest = b""
    try:
        for piece in split(data, cuts):
            if decoder.complete:
                rest += piece
            else:
                body += b"".join(decoder.decode(piece))
                rest = decoder.rest
    except Refusal:
        return None
    return (body, rest) if decoder.complete else None


@given(made=chunked_bodies(), after=st.binary(max_size=20), cuts=CUTS)
def test_a_body_in_any_chunks_and_any_pieces_is_the_same_body(
    made: tuple[bytes, bytes], after: bytes, cuts: list[int]
):
    body, raw = made
    assert reference(raw + after) == (body, after)
    assert decoded(raw + after, cuts) == (body, after)
    assert decoded(raw + after, list(range(len(raw + after)))) == (body, after)


@given(data=st.data(), made=chunked_bodies(), cuts=CUTS)
def test_a_chunked_body_with_mistakes_is_what_the_reference_takes_it_for(
    data: st.DataObject, made: tuple[bytes, bytes], cuts: list[int]
):
    raw = with_mistakes(data, made[1])
    expected = reference(raw)
    assert decoded(raw, []) == expected
    assert decoded(raw, cuts) == expected
    assert decoded(raw, list(range(len(raw)))) == expected


@given(raw=st.lists(PIECES | st.sampled_from([b"1", b"a", b"f", b"x"]), max_size=30).map(b"".join), cuts=CUTS)
def test_what_looks_a_little_like_chunks_is_what_the_reference_takes_it_for(raw: bytes, cuts: list[int]):
    expected = reference(raw)
    assert len(raw) < EXTENSIONS_BOUND
    assert decoded(raw, cuts) == expected
    assert decoded(raw, list(range(len(raw)))) == expected


# --- heads, against h11 and against themselves --------------------------------------------------------------


def by_h11(data: bytes) -> tuple[str, bytes, str, list[tuple[bytes, bytes]]] | None:
    """What h11 takes the head for; None where it refuses it."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    try:
        connection.receive_data(data)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.Request):
        return None
    return event.method.decode(), event.target, event.http_version.decode(), list(event.headers)


@given(data=st.data())
def test_a_head_that_is_accepted_means_the_same_to_h11(corpus: Corpus, data: st.DataObject):
    """h11 is laxer than we are in some places and stricter in none: so what we accept, it reads alike."""
    names = [case.name for case in corpus if b"\r\n\r\n" in case.request and len(case.request) < 400]
    heads = {case.name: case.request for case in corpus}
    head = heads[data.draw(st.sampled_from(names), label="case")]
    if data.draw(st.booleans(), label="with mistakes"):
        head = with_mistakes(data, head)
    head = head.lstrip(b"\r\n")
    end = head.find(b"\r\n\r\n")
    if end < 0:
        return
    check_against_h11(head[: end + 4])


@given(made=requests())
def test_a_head_made_by_the_grammar_means_the_same_to_h11(made: Made):
    check_against_h11(made.raw[: made.raw.find(b"\r\n\r\n") + 4])


def check_against_h11(head: bytes) -> None:
    """Whatever our parser makes of `head`, h11 makes of it, too."""
    try:
        method, target, version, headers, _, routing, *_ = HeadParser(Settings()).parse(head)
    except Refusal:
        return
    expected = by_h11(head)
    assert expected is not None, "accepted here, and refused by h11"
    assert (method, version) == (expected[0], expected[2])
    absolute = not expected[1].startswith(b"/")
    assert absolute or target == expected[1]
    theirs = [(name, value) for name, value in expected[3] if b"_" not in name]
    ours = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers]
    if absolute:
        theirs = [pair for pair in theirs if pair[0] != b"host"]
        ours = [pair for pair in ours if pair[0] != b"host"]
    assert ours == theirs
    assert routing.chunked == any(name == b"transfer-encoding" for name, _ in theirs)
    lengths = [int(value) for name, value in theirs if name == b"content-length"]
    assert [routing.length] == (lengths or [0])


@given(data=st.data())
def test_what_a_parser_has_read_before_changes_nothing(corpus: Corpus, data: st.DataObject):
    heads = [case.request for case in corpus if b"\r\n\r\n" in case.request and len(case.request) < 400]
    experienced = HeadParser(Settings())
    for head in data.draw(st.lists(st.sampled_from(heads), min_size=2, max_size=8), label="heads"):
        if data.draw(st.booleans(), label="with mistakes"):
            head = with_mistakes(data, head)
        assert meaning(experienced, head) == meaning(HeadParser(Settings()), head)


def meaning(parser: HeadParser, head: bytes) -> object:
    """What the parser makes of the head at the beginning of `head`."""
    head = head[: head.find(b"\r\n\r\n") + 4]
    if len(head) < 5:
        return None
    try:
        method, target, version, headers, names, routing, *parts = parser.parse(head)
    except Refusal as refusal:
        return refusal.status, refusal.reason
    return (
        method,
        target,
        version,
        headers,
        names,
        [getattr(routing, name) for name in type(routing).__slots__],
        parts,
    )


# --- proxies ------------------------------------------------------------------------------------------------

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 5000 80\r\n"
V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x01\x13\x88\x00\x50"


@given(data=st.data(), version=st.sampled_from(["v1", "v2", "auto"]))
def test_any_beginning_of_a_connection_is_a_proxy_header_or_none_or_the_start_of_one(
    data: st.DataObject, version: str
):
    raw = data.draw(st.sampled_from([V1, V2, V1 + V2, b"PROXY UNKNOWN\r\n"]), label="header")
    raw = with_mistakes(data, raw) if data.draw(st.booleans(), label="with mistakes") else raw
    decision: object = None
    for size in range(1, len(raw) + 1):
        try:
            header = read_proxy_header(raw[:size], version)
        except ProxyHeaderError:
            header = ProxyHeaderError
        # Once it is decided, further bytes change nothing.
        if decision is not None:
            assert header == decision
        elif header is not None:
            decision = header
            assert header is ProxyHeaderError or header.size == size


@given(data=st.data(), name=st.sampled_from([b"forwarded", b"x-forwarded-for", b"x-forwarded-proto"]))
def test_any_forwarding_field_of_a_proxy_is_read_without_an_error_and_its_own_word_counts(
    data: st.DataObject, name: bytes
):
    words = st.sampled_from(
        ["for=", "1.1.1.1", "by=", '"', "\\", ",", ";", "=", "[::1]:8", "proto=https", "\xff", "%"]
    )
    forged = data.draw(
        st.lists(words | st.text(st.characters(max_codepoint=255), max_size=3), max_size=20).map("".join)
    )
    trusted = TrustedPeers.parse("10.0.0.0/8")
    read_forwarding([(name, forged.encode("latin-1"))], trusted)
    if name == b"forwarded":
        own = forged + ', for="[2001:db8::7]:9";proto=https'
        assert read_forwarding([(name, own.encode("latin-1"))], trusted).client == ("2001:db8::7", 9)
    elif name == b"x-forwarded-for":
        own = forged + ", 2001:db8::7"
        assert read_forwarding([(name, own.encode("latin-1"))], trusted).client == ("2001:db8::7", 0)
