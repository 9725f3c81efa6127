"""What the tests of the protocols share: both event loops, a connection without a network, a strict reader.

Most of these tests drive an `HTTP1Connection` directly: `Wire` is its transport and its client in one, so
that every split of the bytes can be tried. The rest speak over real sockets (`connect`, one floor up).
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest
import uvloop

from asgiworker.asgi.types import Message, Receive, Scope, Send
from asgiworker.process.settings import Settings
from asgiworker.protocols.http1.connection import HTTP1Connection
from asgiworker.protocols.service import Service

T = TypeVar("T")
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# The same inputs at each run of the suite; HYPOTHESIS_PROFILE=long looks for new ones.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    max_examples=150,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],  # they keep nothing here
)
hypothesis.settings.register_profile(
    "long", hypothesis.settings.get_profile("suite"), derandomize=False, max_examples=5_000
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every asynchronous test of this folder runs on both loops."""
    return LOOPS


# --- what the server sent, read strictly --------------------------------------------------------------------

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ([\t -~]*)")
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"): ((?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?)")
CHUNK_SIZE = re.compile(rb"(0|[1-9a-f][0-9a-f]*)")


@dataclass(frozen=True)
class Response:
    """One response as it stood on the wire. `body` is None if the connection ended before it was complete."""

    status: int
    phrase: str
    headers: list[tuple[str, str]]
    body: bytes | None
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """The values of the fields of this name."""
        return [value for field_name, value in self.headers if field_name.lower() == name]

    def __getitem__(self, name: str) -> str:
        """The value of the one field of this name."""
        (value,) = self.all(name)
        return value

    @property
    def closes(self) -> bool:
        """Whether it says that the connection ends after it."""
        return "close" in self.all("connection")

    @property
    def text(self) -> str:
        """The body as text."""
        assert self.body is not None
        return self.body.decode()


def take_line(data: bytes) -> tuple[bytes, bytes]:
    """The first line of `data`, without its CRLF, and what follows it."""
    line, crlf, rest = data.partition(b"\r\n")
    assert crlf, f"a line without an end: {line[:200]!r}"
    assert b"\r" not in line, f"a bare CR: {line[:200]!r}"
    assert b"\n" not in line, f"a bare LF: {line[:200]!r}"
    return line, rest


def take_fields(data: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """The field lines up to the empty line, and what follows."""
    fields = []
    while True:
        line, data = take_line(data)
        if not line:
            return fields, data
        match = FIELD_LINE.fullmatch(line)
        assert match, f"malformed field line: {line!r}"
        fields.append((match[1].decode("latin-1"), match[2].decode("latin-1")))


def take_chunks(data: bytes) -> tuple[bytes | None, list[tuple[str, str]], bytes]:
    """A chunked body, its trailers, and what follows; no body if it isn't complete."""
    body = b""
    while data and b"\r\n" in data:
        line, data = take_line(data)
        assert CHUNK_SIZE.fullmatch(line), f"malformed chunk size: {line!r}"
        size = int(line, 16)
        if not size:
            trailers, data = take_fields(data)
            return body, trailers, data
        if len(data) < size + 2:
            break
        assert data[size : size + 2] == b"\r\n", "chunk data not followed by CRLF"
        body, data = body + data[:size], data[size + 2 :]
    return None, [], b""


def take_response(data: bytes, method: str, ended: bool) -> tuple[Response, bytes]:
    """The first response in `data`, to a request of this method, and what follows it (RFC 9112 §6.3)."""
    line, rest = take_line(data)
    match = STATUS_LINE.fullmatch(line)
    assert match, f"malformed status line: {line!r}"
    status = int(match[1])
    headers, rest = take_fields(rest)
    response = Response(status, match[2].decode(), headers, b"")
    lengths, codings = response.all("content-length"), response.all("transfer-encoding")
    assert len(lengths) + len(codings) <= 1, f"more than one framing: {headers}"
    for name in ("date", "server", "connection", "content-type"):
        assert len(response.all(name)) <= 1, f"{name} was sent twice: {headers}"
    for value in response.all("date"):
        assert value.endswith(" GMT")
        parsedate_to_datetime(value)
    if status < 200 or status == 204:
        assert not lengths, f"RFC 9110 §8.6: no Content-Length in a {status}"
        assert not codings, f"RFC 9112 §6.1: no Transfer-Encoding in a {status}"
    body: bytes | None = b""
    trailers: list[tuple[str, str]] = []
    if status < 200 or status in (204, 304) or method == "HEAD":
        pass
    elif codings:
        assert codings == ["chunked"]
        body, trailers, rest = take_chunks(rest)
    elif lengths:
        assert re.fullmatch("0|[1-9][0-9]*", lengths[0]), f"malformed Content-Length: {lengths}"
        size = int(lengths[0])
        body, rest = (rest[:size], rest[size:]) if len(rest) >= size else (None, b"")
    else:
        assert response.closes, "a body without a length, and the connection isn't closed after it"
        body, rest = (rest if ended else None), b""
    return Response(status, response.phrase, headers, body, trailers), rest


def read_responses(data: bytes, methods: Sequence[str] = (), ended: bool = True) -> list[Response]:
    """All that a server sent on one connection, interim responses too.

    Args:
        data: its bytes.
        methods: of the requests, in order; GET for all that aren't named.
        ended: the server has closed the connection.
    """
    responses: list[Response] = []
    finals = 0
    while data:
        assert not (responses and responses[-1].closes), (
            f"something follows the last response: {data[:200]!r}"
        )
        method = methods[finals] if finals < len(methods) else "GET"
        response, data = take_response(data, method, ended)
        responses.append(response)
        finals += response.status >= 200
    return responses


@pytest.fixture
def read() -> Callable[..., list[Response]]:
    """Reads what a server sent: see `read_responses`."""
    return read_responses


# --- the corpus of raw requests -----------------------------------------------------------------------------

CORPUS = Path(__file__).parent / "http1" / "corpus"
LETTERS = {"r": "\r", "n": "\n", "t": "\t", "s": " ", "\\": "\\"}
KEYS = {
    *("status", "connection", "interim", "refused", "setting", "client", "header", "absent", "fields"),
    *("method", "path", "raw-path", "query", "host", "body", "version"),
}


def unescape(text: str) -> str:
    """`text` with its escapes replaced; each character stands for a byte."""
    return expand(text, 0, inside=False)[0]


def expand(text: str, position: int, *, inside: bool) -> tuple[str, int]:
    """What `text` stands for from `position` on, and where it ends: at a `)` `inside` of a repetition."""
    made = []
    while position < len(text):
        character, kind = text[position], text[position + 1 : position + 2]
        if character == ")" and inside:
            return "".join(made), position + 1
        if character != "\\":
            made.append(character)
            position += 1
        elif kind == "x":
            made.append(chr(int(text[position + 2 : position + 4], 16)))
            position += 4
        elif kind == "(":
            star = text.index("*", position)
            repeated, end = expand(text, star + 1, inside=True)
            made.append(repeated * int(text[position + 2 : star]))
            position = end
        else:
            made.append(LETTERS[kind])
            position += 2
    assert not inside, "a repetition without its end"
    return "".join(made), position


@dataclass(frozen=True)
class Case:
    """One file of the corpus."""

    name: str
    expected: dict[str, list[str]]
    request: bytes

    @classmethod
    def read(cls, file: Path) -> Case:
        """Read a file; what it says wrongly fails here."""
        expectation, _, request = file.read_text("utf-8").partition("---\n")
        expected: dict[str, list[str]] = {}
        for line in expectation.splitlines():
            if not line.startswith("#"):
                key, colon, value = line.partition(":")
                assert colon, f"{file.name}: no colon in {line!r}"
                assert key in KEYS, f"{file.name}: unknown key {key!r}"
                expected.setdefault(key, []).append(unescape(value.strip()))
        return cls(file.stem, expected, unescape(request.replace("\n", "")).encode("latin-1"))

    def one(self, key: str, default: str = "") -> str:
        """The value of a key that is given once."""
        values = self.expected.get(key, [default])
        assert len(values) == 1, f"{self.name}: {key} is given more than once"
        return values[0]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the server, their values as in JSON."""
        pairs = (setting.split("=") for setting in self.expected.get("setting", []))
        return {name: json.loads(value) for name, value in pairs}

    @property
    def statuses(self) -> list[int]:
        """Of the answers, in order."""
        return [int(status) for status in self.one("status").split() if status != "none"]

    @property
    def half_closes(self) -> bool:
        """The client closes its sending side after the request."""
        return self.one("client") == "half-closes"


CASES = [Case.read(file) for file in sorted(CORPUS.glob("*.http"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a `case` is run for each file of the corpus."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])


class Corpus(tuple[Case, ...]):
    """All files of the corpus."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<a corpus of {len(self)} requests>"  # Hypothesis shows the arguments of what fails


@pytest.fixture
def corpus() -> Corpus:
    """All files of the corpus."""
    return Corpus(CASES)


# --- a connection without a network -------------------------------------------------------------------------


class Wire(asyncio.Transport):
    """The transport of one `HTTP1Connection`, and the client at its other end.

    What the server writes is kept in `sent`. With `reads` False the client takes nothing, and the transport's
    buffer fills up as a real one would.
    """

    HIGH_WATER = 65536

    def __init__(self, service: Service, peer: object, local: object) -> None:
        super().__init__({"peername": peer, "sockname": local})
        self.service = service
        self.sent = bytearray()
        self.writes: list[bytes] = []
        self.reads = True
        self.waiting = 0  # bytes in the transport's buffer
        self.paused_writing = False
        self.paused_reading = False
        self.finished = False  # the server has closed its sending side
        self.closing = False
        self.aborted = False
        self.lost = False
        self.half_closed = False  # the client has
        self.connection = HTTP1Connection(service)
        self.protocol: Any = self.connection  # or what has taken over from it
        self.connection.connection_made(self)

    # --- the transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert isinstance(data, (bytes, bytearray, memoryview))
        assert not self.finished, f"written after the end: {bytes(data[:200])!r}"
        if self.closing:
            return
        self.sent += data
        self.writes.append(bytes(data))
        if not self.reads:
            self.waiting += len(data)
            if self.waiting > self.HIGH_WATER and not self.paused_writing:
                self.paused_writing = True
                self.protocol.pause_writing()

    def writelines(self, list_of_data: Sequence[bytes | bytearray | memoryview]) -> None:  # type: ignore[override]
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self.finished = True

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def pause_reading(self) -> None:
        assert not self.paused_reading, "reading was paused twice"
        self.paused_reading = True

    def resume_reading(self) -> None:
        assert self.paused_reading, "reading was resumed without being paused"
        self.paused_reading = False

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            if not self.waiting:
                self.service.loop.call_soon(self._lose)

    def abort(self) -> None:
        self.aborted = True
        if not self.lost:
            self.closing = True
            self.service.loop.call_soon(self._lose)

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self.protocol.connection_lost(None)

    # --- the client

    @property
    def ended(self) -> bool:
        """The client has seen the end of what the server sends."""
        return self.closing or self.finished

    def feed(self, data: bytes) -> None:
        """The client sends: bytes arrive at once."""
        assert not self.paused_reading, "bytes arrive at a transport that doesn't read"
        if data and not self.closing:
            self.protocol.data_received(data)

    async def send(self, *pieces: bytes, turns: bool = True) -> None:
        """The client sends in pieces, as fast as the server reads.

        Args:
            turns: whether the loop turns after each piece until nothing moves any more.
        """
        for piece in pieces:
            if self.paused_reading:
                await self.settle()
            if self.paused_reading:
                raise TimeoutError("the server reads no more")
            self.feed(piece)
            if turns:
                await self.settle()
        await self.settle()

    def half_close(self) -> None:
        """The client has sent all."""
        self.half_closed = True
        if not self.closing and not self.protocol.eof_received():
            self.close()

    def take(self) -> None:
        """The client reads all that waits."""
        self.reads = True
        self.waiting = 0
        if self.paused_writing:
            self.paused_writing = False
            self.protocol.resume_writing()
        if self.closing:
            self.service.loop.call_soon(self._lose)

    def leave(self) -> None:
        """The client is gone, all of it."""
        self.closing = True
        self._lose()

    async def settle(self) -> None:
        """Let the loop turn until nothing moves any more."""
        quiet, last = 0, None
        while quiet < 4:
            await asyncio.sleep(0)
            connection = self.connection
            now = (len(self.sent), self.ended, self.lost, self.paused_reading, len(connection.buffer))
            now += (id(connection.exchange), len(self.service.running), connection.body_left)
            quiet = quiet + 1 if now == last else 0
            last = now

    async def overdue(self) -> None:
        """The connection's deadline passes, and nothing has come."""
        connection = self.protocol
        moment = min(connection.deadline, connection.write_deadline)
        assert moment < math.inf, "the connection waits for its client without a deadline"
        connection.sweep(moment)
        await self.settle()

    def responses(self, *methods: str) -> list[Response]:
        """What the server has sent so far."""
        return read_responses(bytes(self.sent), methods, self.ended)


class OpenWire:
    """Opens wires to an application: `open_wire(app, keepalive=5)`. Needs a running loop."""

    def __init__(self) -> None:
        self.services: list[Service] = []

    def service(
        self, app: Application, record: Callable[..., None] | None = None, **settings: Any
    ) -> Service:
        """A service of its own for `app`."""
        service = Service(app, Settings(**settings), asyncio.get_running_loop(), record=record)
        self.services.append(service)
        return service

    def __call__(
        self,
        app: Application | Service,
        *,
        record: Callable[..., None] | None = None,
        peer: object = ("192.0.2.7", 50000),
        local: object = ("198.51.100.1", 8000),
        **settings: Any,
    ) -> Wire:
        service = app if isinstance(app, Service) else self.service(app, record, **settings)
        return Wire(service, peer, local)


@pytest.fixture
def open_wire() -> Iterator[OpenWire]:
    """Opens connections without a network; at the end, none of them may have met an error of our own."""
    opened = OpenWire()
    yield opened
    assert [service.failures for service in opened.services if service.failures] == []


Run = Callable[[Coroutine[Any, Any, T]], T]


@pytest.fixture(params=LOOPS.values(), ids=LOOPS.keys())
def run(request: pytest.FixtureRequest) -> Iterator[Run[Any]]:
    """Runs a coroutine on each loop; for tests whose inputs Hypothesis makes."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner.run


# --- applications -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A request as the application saw it, complete."""

    scope: Scope
    body: bytes

    def header(self, name: str) -> list[bytes]:
        """The values of the fields of this name."""
        return [value for field_name, value in self.scope["headers"] if field_name == name.encode()]


class Mirror:
    """An application that reads each request to its end, keeps it in `seen`, and answers with its path."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        else:
            return  # the client went away
        self.seen.append(Seen(scope, body))
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
        )
        await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.fixture
def mirror() -> Mirror:
    """An application that shows what it was asked."""
    return Mirror()


def answering(*messages: Message) -> Application:
    """An application that sends these messages, whatever it is asked, and reads nothing."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        for message in messages:
            await send(dict(message))

    return app


@pytest.fixture
def answer() -> Callable[..., Application]:
    """Makes an application that answers: `answer(b"body", status=201, headers=[(b"a", b"b")])`."""

    def make(
        body: bytes = b"hello", *, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> Application:
        return answering(
            {"type": "http.response.start", "status": status, "headers": list(headers)},
            {"type": "http.response.body", "body": body},
        )

    return make


@pytest.fixture
def stream() -> Callable[..., Application]:
    """Makes an application that streams: `stream(b"one", b"two")`, each part in a message of its own."""

    def make(*parts: bytes, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()) -> Application:
        return answering(
            {"type": "http.response.start", "status": status, "headers": list(headers)},
            *({"type": "http.response.body", "body": part, "more_body": True} for part in parts),
            {"type": "http.response.body"},
        )

    return make
