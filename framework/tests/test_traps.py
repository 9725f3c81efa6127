"""Where frameworks have been caught before, and what clients try: each over a server, as bytes.

More of the same stands where it belongs: deep JSON and missing types in test_body, doubled fields of forms
and their number in test_forms, errors after the start of a response in test_streams, components whose end
fails in test_components, the order of hooks in test_hooks, ways out of a folder in test_static and
test_files, who leaves and who comes with many others in test_leaving.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
import websockets
from websockets.asyncio.client import connect

from asgistar import (
    Body,
    Cookie,
    FileResponse,
    Header,
    Lines,
    Meta,
    NotFound,
    Problem,
    Redirect,
    Response,
    Route,
    Static,
    Struct,
    WebSocket,
    WebSocketRoute,
    component,
)
from asgistar.http import URL
from asgistar.http.negotiation import negotiated
from asgistar.middleware import compression, trusted_hosts

if TYPE_CHECKING:
    from framework.tests.conftest import Connect, Served

JSON = {"content-type": "application/json"}


class Note(Struct):
    title: str
    number: int = 0


# --- requests ---------------------------------------------------------------------------------------------


async def test_a_path_is_what_was_sent_decoded_once_and_nothing_is_tidied_up(served: Served) -> None:
    async def view(rest: str) -> dict[str, str]:
        return {"rest": rest}

    async with served(
        Route("/x/<path:rest>", "GET", view), Route("/", "GET", view, defaults={"rest": ""})
    ) as ask:
        for path, rest in {
            "a%2Fb": "a/b",
            "a%252Fb": "a%2Fb",
            "/a": "/a",
            "../a": "../a",
            "%2e%2e/a": "../a",
            "a%00b": "a\0b",
            "%ff": "\N{REPLACEMENT CHARACTER}",
            "%5C..%5Ca": "\\..\\a",
        }.items():
            status, _, body = await ask(f"GET /x/{path}")
            assert (status, json.loads(body)) == (200, {"rest": rest}), path
        assert (await ask("GET //x/a"))[0] == 404


async def test_what_is_there_twice_is_joined_refused_or_the_first_counts(served: Served) -> None:
    async def view(x: Header[str], q: str = "", sid: Cookie[str] = "none") -> list[str]:
        return [x, q, sid]

    async with served(Route("/", "GET", view)) as ask:
        assert json.loads((await ask("GET /?q=a", x="1\r\nx: 2"))[2]) == ["1, 2", "a", "none"]
        assert (await ask("GET /?q=a&q=b", x="1"))[0] == 400
        assert json.loads((await ask("GET /", x="1", cookie="sid=a; sid=b"))[2])[2] == "a"
        # A cookie without a name doesn't stand for the one whose name it has as its value.
        assert json.loads((await ask("GET /", x="1", cookie="sid; =sid=c; sid=a"))[2])[2] == "a"


async def test_numbers_are_exact_or_refused(served: Served) -> None:
    async def echo(value: Body[Any]) -> Any:
        return value

    async def integer(number: int) -> int:
        return number

    digits = "9" * 5000
    async with served(
        Route("/", "POST", echo), Route("/<int:number>", "GET", integer), Route("/q", "GET", integer)
    ) as ask:
        for text in ("9007199254740993", "-18446744073709551617", "0.1", "1e3"):
            status, _, body = await ask("POST /", text.encode(), **_underscored(JSON))
            assert (status, json.loads(body)) == (200, json.loads(text))
        for text in (digits, "1e400", "NaN", "Infinity", "01", "0x1"):
            assert (await ask("POST /", text.encode(), **_underscored(JSON)))[0] == 400, text
        assert (await ask(f"GET /{digits}"))[0] == 404
        assert (await ask(f"GET /q?number={digits}"))[0] == 422
        assert (await ask("GET /q?number=1_0"))[0] == 422


def _underscored(fields: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in fields.items()}


async def test_what_is_no_number_is_null_in_an_answer(client: Connect) -> None:
    async def view() -> list[float]:
        return [float("nan"), float("inf"), 1.5]

    assert (await client(Route("/", "GET", view)).get("/")).json == [None, None, 1.5]


async def test_a_time_has_an_offset_where_that_is_demanded(client: Connect) -> None:
    async def any_time(at: datetime) -> bool:
        return at.tzinfo is None

    async def aware(at: Annotated[datetime, Meta(tz=True)]) -> bool:
        return at.tzinfo is None

    ask = client(Route("/any", "GET", any_time), Route("/aware", "GET", aware))
    assert (await ask.get("/any?at=2026-11-22T10:00:00")).json is True
    assert (await ask.get("/aware?at=2026-11-22T10:00:00Z")).json is False
    assert (await ask.get("/aware?at=2026-11-22T10:00:00")).errors == [("query", "at", "tz")]


async def test_a_body_that_is_missing_is_400_or_the_default(served: Served) -> None:
    async def needed(note: Note) -> str:
        return note.title

    async def optional(note: Note = Note("default")) -> str:  # noqa: B008
        return note.title

    async with served(Route("/", {"POST": needed, "PUT": optional})) as ask:
        empty = {"content_type": "application/json", "content_length": "0"}
        assert (await ask("POST /", **empty))[0] == 400
        assert (await ask("PUT /", **empty))[::2] == (200, b'"default"')
        assert (await ask("PUT /"))[::2] == (200, b'"default"')
        assert (await ask("PUT /", b'{"title":"a"}'))[0] == 415


@pytest.mark.parametrize(
    "sent", [b"content-length: 999999999\r\n\r\nabc", b"transfer-encoding: chunked\r\n\r\nffffff\r\n"]
)
async def test_what_is_too_large_is_refused_at_once_and_the_connection_closed(
    served: Served, sent: bytes
) -> None:
    async def view(body: Body[bytes]) -> int:
        return len(body)

    async with served(Route("/", "POST", view), body_limit=100) as ask:
        reader, writer = await ask.open(b"POST / HTTP/1.1\r\nhost: a\r\n" + sent)
        if b"chunked" in sent:
            writer.write(b"x" * 70_000)
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
            if b"chunked" not in sent:
                assert b"connection: close" in await reader.read()
        writer.close()


async def test_nobody_is_asked_to_send_what_would_be_refused(served: Served) -> None:
    async def view(note: Note) -> str:
        return note.title

    async with served(Route("/", "POST", view), body_limit=100) as ask:
        for fields in (
            {"content_type": "application/json", "content_length": "1000"},
            {"content_type": "text/plain", "content_length": "10"},
        ):
            status, head, _ = await ask("POST /", expect="100-continue", **fields)
            assert status in (413, 415)
            assert "connection: close" in head


async def test_fields_of_proxies_are_not_believed(served: Served) -> None:
    async def view(url: URL) -> str:
        return str(url)

    async with served(Route("/", "GET", view)) as ask:
        told = {"x_forwarded_proto": "https", "x_forwarded_host": "evil.example", "forwarded": "proto=https"}
        assert (await ask("GET /", **told))[2] == b'"http://example.com/"'


async def test_head_has_the_head_of_streams_and_files(served: Served, tmp_path: Path) -> None:
    async def lines() -> Lines[int]:
        yield 1

    (tmp_path / "a.txt").write_text("abc")

    async def file() -> FileResponse:
        return FileResponse(tmp_path / "a.txt")

    async with served(Route("/l", "GET", lines), Route("/f", "GET", file)) as ask:
        status, head, body = await ask("HEAD /l")
        assert (status, body) == (200, b"")
        assert "application/jsonl" in head
        status, head, body = await ask("HEAD /f")
        assert (status, body) == (200, b"")
        etag = next(line[6:] for line in head.split("\r\n") if line.startswith("etag: "))
        assert (await ask("HEAD /f", if_none_match=etag))[::2] == (304, b"")
        assert (await ask("HEAD /f", if_match='"other"'))[0] == 412


# --- what gets into a header ------------------------------------------------------------------------------

EVIL = "a\r\nset-cookie: sid=evil"


@pytest.mark.parametrize("value", [EVIL, "a\nb", "a\0b", "€"])
async def test_a_problem_whose_headers_cannot_be_sent_is_500(client: Connect, value: str) -> None:
    async def view() -> None:
        raise NotFound("no", headers={"x-name": value})

    async def name() -> None:
        raise NotFound("no", headers={value: "x"})

    ask = client(Route("/value", "GET", view), Route("/name", "GET", name))
    for path in ("/value", "/name"):
        answer = await ask.get(path)
        assert answer.status == 500
        assert set(answer.headers) == {"content-type", "content-length"}


async def test_a_problem_says_its_type_and_length_itself_and_once(client: Connect) -> None:
    async def view() -> None:
        raise NotFound("no", headers={"Content-Type": "text/html", "Content-Length": "1", "x-a": "b"})

    answer = await client(Route("/", "GET", view)).get("/")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-a"] == "b"
    assert answer.json["detail"] == "no"


def test_members_of_a_problem_do_not_contradict_its_class() -> None:
    for name in ("status", "type", "title"):
        with pytest.raises(TypeError, match=f"{name} is that of Problem"):
            Problem("no", **{name: 418})  # type: ignore[arg-type]


async def test_names_and_addresses_of_clients_stay_in_their_header(served: Served) -> None:
    async def go(to: str) -> Redirect:
        return Redirect(to)

    async def download(name: str) -> FileResponse:
        return FileResponse(__file__, filename=name)

    async def broken() -> FileResponse:
        return FileResponse(__file__, filename="\udcff.py")

    routes = [Route("/go", "GET", go), Route("/file", "GET", download), Route("/broken", "GET", broken)]
    async with served(*routes) as ask:
        for path in ("/go?to=", "/file?name="):
            status, head, _ = await ask(f"GET {path}a%22%3B%0D%0Aset-cookie:%20sid=evil%5C")
            assert status in (200, 303)
            assert "\r\nset-cookie" not in head
        assert "filename*=UTF-8''%3F.py" in (await ask("GET /broken"))[1]


async def test_a_length_is_said_once_and_it_is_that_of_the_content(client: Connect) -> None:
    async def copied() -> Response:
        return Response("abc", headers={"content-length": "9000"})

    async def head() -> Response:
        return Response(headers={"content-length": "9000"})

    ask = client(Route("/", {"GET": copied, "HEAD": head}))
    assert (await ask.get("/")).headers == {"content-length": "3"}
    assert (await ask("HEAD", "/")).headers == {"content-length": "9000"}


async def test_headers_of_a_handshake_are_checked_before_it_is_accepted(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async def view(socket: WebSocket[str, str]) -> None:
        await socket.accept(headers={"x-name": EVIL})

    async with served(WebSocketRoute("/", view)) as ask:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(ask.server.url.replace("http", "ws"))
    assert refused.value.response.status_code == 500
    assert "set-cookie" not in refused.value.response.headers
    assert [record.name for record in caplog.records] == ["asgistar"]


# --- guards -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["example.com:@evil.example", "example.com:80@evil.example", "example.com:evil", "example.com:²"]
)
async def test_what_follows_a_colon_is_a_port_or_the_host_is_not_trusted(client: Connect, host: str) -> None:
    async def view(url: URL) -> str:
        return url.host

    ask = client(Route("/", "GET", view), middleware=[trusted_hosts(["example.com"])])
    assert (await ask.get("/", headers={"host": host})).status == 400
    for good in ("example.com", "example.com:8000", "EXAMPLE.com.:1", "example.com:"):
        assert (await ask.get("/", headers={"host": good})).status == 200


async def test_a_folder_does_not_tell_what_is_outside_of_it(client: Connect, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    for folder in (outside, inside, inside / "sub"):
        folder.mkdir()
    (inside / "sub" / "index.html").write_text("here")
    ask = client(Static("/static", inside, index="index.html"))
    assert (await ask.get("/static/sub")).status == 308
    for path in (f"/{outside}", f"//{outside}", "//evil.example/share", "sub//index.html"):
        assert (await ask.get(f"/static/{path}")).status == 404, path


@pytest.mark.parametrize("accepted", ["zstd;q=nan", "*;q=nan", "gzip;q=-nan, br;q=inf", ",;=,;q,q=1"])
async def test_a_quality_that_is_no_number_does_no_harm(client: Connect, accepted: str) -> None:
    async def view() -> str:
        return "x" * 1000

    ask = client(Route("/", "GET", view), middleware=[compression()], msgpack=True)
    msgpack = accepted.replace("gzip", "application/msgpack")
    assert (await ask.get("/", headers={"accept-encoding": accepted, "accept": msgpack})).status == 200


def test_what_a_client_takes_is_read_in_time_that_grows_with_its_length() -> None:
    def calls(items: int) -> int:
        count = 0

        def note(*_: Any) -> None:
            nonlocal count
            count += 1

        value = b"application/msgpack;q=0.1," * items
        sys.setprofile(note)
        try:
            negotiated([(b"accept", value)], json.dumps)  # type: ignore[arg-type]
        finally:
            sys.setprofile(None)
        return count

    assert calls(400) < 5 * calls(100)


# --- components -------------------------------------------------------------------------------------------


class Session:
    pass


def _another_session() -> type:
    class Session:  # of the same name
        pass

    return Session


async def test_types_of_one_name_are_two(client: Connect) -> None:
    other = _another_session()

    def one() -> Session:
        return Session()

    def two() -> Any: ...

    two.__annotations__["return"] = other
    made = component(two)
    made.call = other

    async def view(a: Any, b: Any) -> list[bool]:
        return [type(a) is Session, type(b) is other]

    view.__annotations__.update(a=Session, b=other)
    assert (await client(Route("/", "GET", view), components=[one, made]).get("/")).json == [True, True]


FAILS = """
from asgistar import App, Route, component

class Engine: ...

@component(scope="app")
async def engine() -> Engine:
    return {}["database_url"]

async def view(engine: Engine) -> str: ...

app = App([Route("/", "GET", view)], components=[engine])
"""


async def told_by_the_server(tmp_path: Path, source: str) -> bytes:
    """What a server logs whose application can't start."""
    (tmp_path / "fails.py").write_text(source)
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "asgiworker", "fails:app", "--bind", "127.0.0.1:0"),
        cwd=tmp_path,
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(30):
        _, told = await server.communicate()
    assert server.returncode
    assert b"Application startup failed" in told
    return told


async def test_what_cannot_be_made_for_the_application_ends_the_server_and_is_told(tmp_path: Path) -> None:
    assert b'return {}["database_url"]' in await told_by_the_server(tmp_path, FAILS)


SAYS_WHY = """
from asgistar import App, Mount, component
from asgistar.errors import ConfigurationError

class Engine: ...

@component(scope="app")
def engine() -> Engine:
    raise ConfigurationError("DATABASE_URL isn't set.")

inner = App([], components=[engine])
app = {}
"""


@pytest.mark.parametrize("app", ["inner", 'App([Mount("/a", inner)])'])
async def test_why_an_application_cannot_start_is_told_once(app: str, tmp_path: Path) -> None:
    told = await told_by_the_server(tmp_path, SAYS_WHY.format(app))
    assert told.count(b"DATABASE_URL isn't set.") == 1
    assert b"Traceback" not in told
