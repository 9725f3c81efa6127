"""Raw requests, one file a case, each with what is to come of it: see corpus/README.md.

Every case is sent whole, byte by byte, and cut in two at each place that could matter; what comes of it must
never depend on that. Then once more over a real socket.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import asgiworker

if TYPE_CHECKING:
    from server.tests.conftest import Connect, RawClient
    from server.tests.protocols.conftest import Case, Corpus, Mirror, OpenWire, Response, Seen, Wire

pytestmark = pytest.mark.every_python

PER_REQUEST = ("method", "path", "raw-path", "query", "host", "body", "version")
PROBE = b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"
SHORT = 0.1  # seconds for the deadlines of a client that doesn't go on

# --- what has come of it ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a client and the application saw."""

    responses: list[Response]
    connection: str  # "kept", "closed", or "overdue": closed, but only at a deadline
    seen: list[Seen]

    @property
    def statuses(self) -> list[int]:
        """Of the final answers."""
        return [response.status for response in self.responses if response.status >= 200]


def check(outcome: Outcome, case: Case) -> None:
    """`outcome` is what `case` demands."""
    assert outcome.statuses == case.statuses
    assert outcome.connection == case.one("connection")
    # The application is asked for what is answered with 200, and for nothing else.
    assert len(outcome.seen) == case.statuses.count(200)
    for key in PER_REQUEST:
        for seen, expected in zip(outcome.seen, case.expected.get(key, []), strict=False):
            assert value_of(seen, key) == expected.encode("latin-1"), key
    check_fields(outcome, case)
    check_interim(outcome, case)
    for response in outcome.responses:
        if response.status == 200:
            assert response["content-type"] == "text/plain"
        elif response.status >= 400:
            check_error(response, refused=case.one("refused"))
    finals = [response for response in outcome.responses if response.status >= 200]
    if finals and not case.half_closes:
        # The server says that it closes if and only if it does. (That a client will, it can't know.)
        assert finals[-1].closes == (outcome.connection != "kept")


def value_of(seen: Seen, key: str) -> bytes:
    """What the application saw of a request."""
    scope = seen.scope
    if key == "body":
        return seen.body
    if key == "host":
        return b", ".join(seen.header("host"))
    if key == "query":
        return bytes(scope["query_string"])
    if key == "raw-path":
        return bytes(scope["raw_path"])
    text = scope["http_version"] if key == "version" else scope[key]
    return str(text).encode()


def check_fields(outcome: Outcome, case: Case) -> None:
    """What the file says of the fields of the first request."""
    if not outcome.seen:
        return
    first = outcome.seen[0]
    wanted: dict[str, list[bytes]] = {}
    for header in case.expected.get("header", []):
        name, _, value = header.partition(": ")
        wanted.setdefault(name.removesuffix(":"), []).append(value.encode("latin-1"))
    for name, values in wanted.items():
        assert first.header(name) == values, name
    for name in case.expected.get("absent", []):
        assert first.header(name) == []
    if "fields" in case.expected:
        assert len(first.scope["headers"]) == int(case.one("fields"))
    assert all(name == name.lower() for name, _ in first.scope["headers"])


def check_interim(outcome: Outcome, case: Case) -> None:
    """100 Continue comes only to who asked for it, and where the file says so."""
    interim = [response.status for response in outcome.responses if response.status < 200]
    wanted = case.one("interim", "any")
    if wanted == "100":
        assert interim == [100]
    elif wanted == "none" or b"100-continue" not in case.request.lower():
        assert interim == []
    else:
        assert interim in ([], [100])


def check_error(response: Response, refused: str) -> None:
    """An error answer is minimal and correct: what is wrong, in a line of text, and the end."""
    names = [name.lower() for name, _ in response.headers]
    usual = ["connection", "content-length", "content-type", "date", "server"]
    assert response.closes
    assert response["content-type"] == "text/plain; charset=utf-8"
    assert response.phrase
    if refused == "HEAD":
        # RFC 9110 §8.6: no Content-Length but the one that GET would have got.
        assert sorted(names) in (usual, [name for name in usual if name != "content-length"])
        assert response.all("content-length") != ["0"]
        assert response.body == b""
    else:
        assert sorted(names) == usual
        assert response.text.startswith(f"{response.status} ")
        assert response.text.endswith("\n")
        assert len(response.text) < 200
        assert response.text.isprintable() or response.text[:-1].isprintable()


# --- without a network --------------------------------------------------------------------------------------


async def outcome_of(case: Case, wire: Wire, mirror: Mirror, pieces: list[bytes], turns: bool) -> Outcome:
    """What comes of the request in these pieces."""
    mirror.seen.clear()
    await wire.send(*pieces, turns=turns)
    if case.half_closes:
        wire.half_close()
        await wire.settle()
    connection = "closed"
    if not wire.ended and case.one("connection") == "overdue":
        assert len(wire.responses()) <= len(case.statuses)
        await wire.overdue()
        connection = "overdue"
    elif not wire.ended:
        await wire.send(PROBE)
        assert mirror.seen.pop().scope["path"] == "/probe"
        connection = "kept"
    methods = [seen.scope["method"] for seen in mirror.seen]
    responses = wire.responses(*methods, case.one("refused", "GET"))
    if connection == "kept":
        probed = responses.pop()
        assert (probed.status, probed.text) == (200, "/probe")
    # Whatever it was, the connection comes to its end when the client leaves.
    wire.half_close()
    await wire.settle()
    assert wire.lost
    assert wire.service.connections == set()
    return Outcome(responses, connection, list(mirror.seen))


def cuts(request: bytes) -> Iterator[int]:
    """The places at which a request is cut in two: all, if it isn't long, else those near lines' ends."""
    if len(request) <= 160:
        yield from range(1, len(request))
        return
    ends = [match.start() for match in re.finditer(rb"[\r\n]", request)]
    near = {end + offset for end in [*ends[:12], *ends[-12:]] for offset in (-1, 0, 1, 2)}
    limits = {size + offset for size in (64, 4096, 8192, 65536) for offset in (-1, 0, 1)}
    yield from sorted(place for place in near | limits | {1, 2, 3} if 0 < place < len(request))


def single_bytes(request: bytes) -> list[bytes]:
    """The request byte by byte; the middle of a long one in larger pieces, for the sake of time."""
    edge = 600
    sizes = [1] * min(len(request), edge)
    while (left := len(request) - sum(sizes)) > edge:
        sizes.append(min(1021, left - edge))
    sizes += [1] * left
    ends = list(itertools.accumulate(sizes))
    return [request[end - size : end] for size, end in zip(sizes, ends, strict=True)]


async def test_what_comes_of_a_request_is_the_same_whole_and_byte_by_byte(
    case: Case, mirror: Mirror, open_wire: OpenWire
):
    service = open_wire.service(mirror, **case.settings)
    pieces = single_bytes(case.request)
    assert b"".join(pieces) == case.request
    for sent, turns in (([case.request], True), (pieces, False), (pieces, True)):
        check(await outcome_of(case, open_wire(service), mirror, sent, turns), case)


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_what_comes_of_a_request_is_the_same_wherever_it_is_cut(
    case: Case, mirror: Mirror, open_wire: OpenWire
):
    service = open_wire.service(mirror, **case.settings)
    for place in cuts(case.request):
        pieces = [case.request[:place], case.request[place:]]
        outcome = await outcome_of(case, open_wire(service), mirror, pieces, turns=True)
        try:
            check(outcome, case)
        except AssertionError as error:
            error.add_note(f"cut in two after {place} bytes: …{pieces[0][-20:]!r} | {pieces[1][:20]!r}…")
            raise


# --- over a real socket -------------------------------------------------------------------------------------


async def test_what_comes_of_a_request_is_the_same_over_a_socket(
    case: Case,
    mirror: Mirror,
    connect: Connect,
    read: Callable[..., list[Response]],
):
    settings: dict[str, Any] = {**case.settings, "timeout": 0}
    if case.one("connection") == "overdue":
        settings.update(timeout_first_byte=SHORT, timeout_head=SHORT, timeout_body=SHORT, keepalive=SHORT)
    async with asgiworker.running(mirror, **settings) as server:
        client = await connect(server.url)
        received = await conversation(case, client)
        methods = [seen.scope["method"] for seen in mirror.seen]
        closed = case.one("connection") != "kept"
        responses = read(received, [*methods, case.one("refused", "GET")], closed)
        if not closed:
            assert responses.pop().text == "/probe"
            assert mirror.seen.pop().scope["path"] == "/probe"
        check(Outcome(responses, case.one("connection"), list(mirror.seen)), case)
        # Whatever it was, the next client is served.
        other = await connect(server.url)
        await other.send(PROBE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        (probed,) = read(await other.rest())
        assert (probed.status, probed.text) == (200, "/probe")
        await client.close()
        assert server.service.failures == 0


async def conversation(case: Case, client: RawClient) -> bytes:
    """All that the server sends; to a connection that it keeps, a probe is sent after the case's answers."""
    try:
        await client.send(case.request)
    except ConnectionError:
        pass  # the server had seen enough
    if case.half_closes:
        client.finish()
    if case.one("connection") != "kept":
        return await client.rest()
    await client.send(PROBE)
    received = b""
    while not received.endswith(b"/probe"):
        received += await client.exactly(1)
    return received


def test_the_files_are_many_and_each_is_of_its_own(corpus: Corpus):
    assert len(corpus) >= 400
    texts = [(case.request, str(case.settings), case.half_closes) for case in corpus]
    assert len(set(texts)) == len(texts)
