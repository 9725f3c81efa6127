"""Files as responses: conditions and ranges by RFC 9110, over sockets and in process."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import AsyncIterator
from email.message import Message
from email.parser import BytesParser
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import asgiworker
from asgistar import App, FileResponse, PreconditionFailed, RangeNotSatisfiable, Response, Route
from asgistar.http import files
from asgistar.http.conditions import conditions, not_modified, wanted
from asgistar.http.files import content_type_of

if TYPE_CHECKING:
    from framework.tests.conftest import Connect

TIME = 1_700_000_000
LARGE = random.Random(7).randbytes(files.SMALL + files.PIECE + 17)
DIGITS = b"0123456789" * 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {"small.txt": DIGITS, "large.bin": LARGE, "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (TIME, TIME))
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.fixture
def app(folder: Path) -> App:
    async def view(name: str, save: str | None = None, status: int = 200) -> FileResponse:
        return FileResponse(folder / name, filename=save, status=status)

    async def inside(name: str) -> FileResponse:
        return FileResponse(folder / "folder" / name, within=folder / "folder")

    async def own(name: str) -> FileResponse:
        return FileResponse(folder / name, headers={"etag": 'W/"1"', "cache-control": "no-cache"})

    return App(
        [
            Route("/in/<path:name>", "GET", inside),
            Route("/own/<path:name>", "GET", own),
            Route("/<path:name>", {"GET": view, "POST": view}),
        ]
    )


@pytest.fixture(params=[False, True], ids=["http1", "http2"])
async def http(request: pytest.FixtureRequest, app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        asgiworker.running(app, graceful_timeout=1) as server,
        httpx.AsyncClient(
            base_url=server.url, timeout=10, http1=not request.param, http2=request.param
        ) as client,
    ):
        yield client


# --- the whole file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "content"), [("small.txt", DIGITS), ("large.bin", LARGE), ("empty", b"")])
async def test_a_file_is_sent_with_what_there_is_to_know_of_it(
    name: str, content: bytes, http: httpx.AsyncClient
) -> None:
    answer = await http.get(f"/{name}")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["last-modified"] == formatdate(TIME, usegmt=True)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{TIME * 10**9:x}-{len(content):x}"'
    head = await http.head(f"/{name}")
    assert head.content == b""
    for each in ("content-length", "etag", "last-modified", "content-type"):
        assert head.headers[each] == answer.headers[each]


@pytest.mark.parametrize("name", ["missing", "folder", "small.txt/x", "a%00b", "x" * 300])
async def test_what_is_no_file_is_not_there(name: str, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/{name}")
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


async def test_to_open_a_pipe_does_not_wait(folder: Path, http: httpx.AsyncClient) -> None:
    os.mkfifo(folder / "pipe")
    assert (await http.get("/pipe")).status_code == 404


async def test_an_error_of_the_disk_is_an_error_of_ours(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(path: Any, flags: int) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(files.os, "open", no_more)
    assert (await http.get("/small.txt")).status_code == 500


@pytest.mark.parametrize(
    ("name", "type"),
    [
        ("a.html", "text/html; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.woff2", "font/woff2"),
        ("a.tar.gz", "application/gzip"),
        ("a.txt.br", "application/octet-stream"),
        ("a", "application/octet-stream"),
    ],
)
def test_the_name_tells_the_type(name: str, type: str) -> None:
    assert content_type_of(name) == type
    assert FileResponse(name).headers["content-type"] == type
    assert FileResponse(name, content_type="x/y").headers["content-type"] == "x/y"


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ("ü.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"),
        ('a"\r\nb', "attachment; filename=\"a___b\"; filename*=UTF-8''a%22%0D%0Ab"),
        ("100%", "attachment; filename=\"100_\"; filename*=UTF-8''100%25"),
    ],
)
def test_a_file_can_be_called_anything(name: str, disposition: str) -> None:
    assert FileResponse("x", filename=name).headers["content-disposition"] == disposition


async def test_a_name_from_a_client_does_not_lead_out_of_the_folder(
    folder: Path, http: httpx.AsyncClient
) -> None:
    (folder / "folder" / "a.txt").write_bytes(b"a")
    (folder / "folder2").mkdir()
    (folder / "folder2" / "b.txt").write_bytes(b"b")
    (folder / "folder" / "link").symlink_to(folder / "small.txt")
    (folder / "folder" / "inner").symlink_to(folder / "folder" / "a.txt")
    assert (await http.get("/in/a.txt")).content == b"a"
    assert (await http.get("/in/inner")).content == b"a"
    for name in ("..%2Fsmall.txt", "%2E%2E%2Ffolder2%2Fb.txt", "link", "%2Fetc%2Fpasswd", "..%2F..%2F"):
        assert (await http.get(f"/in/{name}")).status_code == 404, name


# --- conditions -------------------------------------------------------------------------------------------

ETAG = f'"{TIME * 10**9:x}-{len(DIGITS):x}"'
BEFORE, THEN, AFTER = (formatdate(TIME + seconds, usegmt=True) for seconds in (-1, 0, 1))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": ETAG}, 304),
        ({"if-none-match": f"W/{ETAG}"}, 304),
        ({"if-none-match": f'"x", {ETAG}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"x"'}, 200),
        ({"if-none-match": '"x"', "if-modified-since": THEN}, 200),
        ({"if-modified-since": THEN}, 304),
        ({"if-modified-since": AFTER}, 304),
        ({"if-modified-since": BEFORE}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-match": ETAG}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": f"W/{ETAG}"}, 412),
        ({"if-match": '"x"'}, 412),
        ({"if-match": ETAG, "if-unmodified-since": BEFORE}, 200),
        ({"if-match": ETAG, "if-none-match": ETAG}, 304),
        ({"if-unmodified-since": THEN}, 200),
        ({"if-unmodified-since": BEFORE}, 412),
        ({"if-unmodified-since": "Sun, 99 Nov 2026 99:99:99 GMT"}, 200),
    ],
)
async def test_conditions(headers: dict[str, str], status: int, http: httpx.AsyncClient) -> None:
    for method in ("GET", "HEAD"):
        answer = await http.request(method, "/small.txt", headers=headers)
        assert answer.status_code == status
        if status == 304:
            assert (answer.headers["etag"], answer.content) == (ETAG, b"")
            assert "content-type" not in answer.headers
        elif status == 200 and method == "GET":
            assert answer.content == DIGITS


async def test_there_are_no_conditions_for_other_methods_and_statuses(http: httpx.AsyncClient) -> None:
    for method, target in (("POST", "/small.txt"), ("GET", "/small.txt?status=203")):
        answer = await http.request(
            method, target, headers={"if-none-match": "*", "range": "bytes=0-1", "if-match": '"x"'}
        )
        assert (answer.status_code, answer.content) == (203 if "203" in target else 200, DIGITS)


async def test_a_response_may_have_an_entity_tag_of_its_own(http: httpx.AsyncClient) -> None:
    answer = await http.get("/own/small.txt", headers={"if-none-match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (304, 'W/"1"')
    assert answer.headers["cache-control"] == "no-cache"
    assert (await http.get("/own/small.txt", headers={"if-match": 'W/"1"'})).status_code == 412


# --- ranges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-9", 0, 10),
        ("BYTES = 10-19", 10, 20),
        ("bytes=90-", 90, 100),
        ("bytes=90-1000", 90, 100),
        ("bytes=-10", 90, 100),
        ("bytes=-1000", 0, 100),
        ("bytes=0-9,5-19", 0, 20),
        ("bytes=10-19, 0-9", 0, 20),
        ("bytes=0-9, 200-", 0, 10),
        ("bytes=, 0-9,", 0, 10),
    ],
)
async def test_one_range(value: str, start: int, stop: int, http: httpx.AsyncClient) -> None:
    answer = await http.get("/small.txt", headers={"range": value})
    assert (answer.status_code, answer.content) == (206, DIGITS[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/100"
    assert answer.headers["content-length"] == str(stop - start)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_range_of_a_large_file(http: httpx.AsyncClient) -> None:
    start, stop = 100, 100 + files.PIECE + 1
    answer = await http.get("/large.bin", headers={"range": f"bytes={start}-{stop - 1}"})
    assert (answer.status_code, answer.content) == (206, LARGE[start:stop])


@pytest.mark.parametrize("name", ["small.txt", "large.bin"])
async def test_several_ranges_come_in_the_order_of_the_request(name: str, http: httpx.AsyncClient) -> None:
    answer = await http.get(f"/{name}", headers={"range": "bytes=50-59,0-4,-3"})
    assert answer.status_code == 206
    assert answer.headers["content-length"] == str(len(answer.content))
    assert "content-range" not in answer.headers
    type = answer.headers["content-type"]
    assert re.fullmatch(r"multipart/byteranges; boundary=[0-9a-f]{32}", type)
    parsed = BytesParser().parsebytes(b"Content-Type: " + type.encode() + b"\r\n\r\n" + answer.content)
    content = DIGITS if name == "small.txt" else LARGE
    size = len(content)
    parts: Any = parsed.get_payload()
    places = [part["content-range"] for part in parts]
    assert places == [f"bytes 50-59/{size}", f"bytes 0-4/{size}", f"bytes {size - 3}-{size - 1}/{size}"]
    assert all(isinstance(part, Message) and part["content-type"] == content_type_of(name) for part in parts)
    assert content[50:60] + b"\r\n--" in answer.content
    assert content[-3:] + b"\r\n--" in answer.content


@pytest.mark.parametrize(
    "value",
    [
        "lines=0-1",
        "bytes",
        "bytes=",
        "bytes=a-b",
        "bytes=5-1",
        "bytes=-",
        "bytes=0-1,x",
        "bytes=" + "9" * 5000 + "-",
        "bytes=" + ",".join(f"{2 * number}-{2 * number}" for number in range(17)),
    ],
)
async def test_a_range_that_makes_no_sense_is_ignored(value: str, http: httpx.AsyncClient) -> None:
    answer = await http.get("/small.txt", headers={"range": value})
    assert (answer.status_code, answer.content) == (200, DIGITS)


@pytest.mark.parametrize("value", ["bytes=100-", "bytes=-0", "bytes=100-200, 300-"])
async def test_a_range_with_nothing_in_it_is_refused(value: str, http: httpx.AsyncClient) -> None:
    answer = await http.get("/small.txt", headers={"range": value})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */100")
    assert answer.json()["title"] == "Range Not Satisfiable"


async def test_everything_of_nothing_is_nothing(http: httpx.AsyncClient) -> None:
    assert (await http.get("/empty", headers={"range": "bytes=-5"})).status_code == 200
    assert (await http.get("/empty", headers={"range": "bytes=0-"})).status_code == 416


async def test_head_knows_no_ranges(http: httpx.AsyncClient) -> None:
    answer = await http.head("/small.txt", headers={"range": "bytes=0-1"})
    assert (answer.status_code, answer.headers["content-length"]) == (200, "100")


@pytest.mark.parametrize(
    ("condition", "status"),
    [(ETAG, 206), (f"W/{ETAG}", 200), ('"x"', 200), (THEN, 206), (AFTER, 200), (BEFORE, 200), ("x", 200)],
)
async def test_a_range_may_have_a_condition(condition: str, status: int, http: httpx.AsyncClient) -> None:
    headers = {"range": "bytes=0-1", "if-range": condition}
    answer = await http.get("/small.txt", headers=headers)
    assert answer.status_code == status
    assert answer.content == (DIGITS[:2] if status == 206 else DIGITS)


def test_any_bytes_in_these_fields_are_read_without_an_error() -> None:
    random_bytes = random.Random(1)
    names = [
        b"if-match",
        b"if-none-match",
        b"if-modified-since",
        b"if-unmodified-since",
        b"if-range",
        b"range",
    ]
    for _ in range(2000):
        fields = [
            (
                name,
                random_bytes.choice([b"", b"bytes=", b'W/"'])
                + bytes(random_bytes.choices(b'0123456789-,= "*W/abc\xff', k=random_bytes.randrange(12))),
            )
            for name in names
        ]
        asked = conditions(fields)
        for check in (lambda: not_modified(asked, '"a"', TIME), lambda: wanted(asked, '"a"', TIME, 100)):  # noqa: B023
            try:
                check()
            except (PreconditionFailed, RangeNotSatisfiable):
                pass


# --- how the bytes go out ---------------------------------------------------------------------------------


async def messages(app: App, path: str, extensions: dict[str, Any], **scope: Any) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    await app(
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [],
            "extensions": extensions,
            **scope,
        },
        receive,
        send,
    )
    return sent


async def test_the_server_reads_a_large_file_itself_if_it_offers_to(app: App, folder: Path) -> None:
    start, file = await messages(app, "/large.bin", {"http.response.pathsend": {}})
    assert (b"content-length", b"%d" % len(LARGE)) in start["headers"]
    assert file == {"type": "http.response.pathsend", "path": str(folder / "large.bin")}


async def test_other_servers_are_given_pieces(app: App) -> None:
    _, *pieces, last = await messages(app, "/large.bin", {})
    assert [len(each["body"]) for each in pieces] == [files.PIECE, files.SMALL + 17]
    assert all(each["more_body"] for each in pieces)
    assert b"".join(each["body"] for each in pieces) == LARGE
    assert last == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_a_small_file_is_one_message(app: App) -> None:
    _, body = await messages(app, "/small.txt", {"http.response.pathsend": {}})
    assert body == {"type": "http.response.body", "body": DIGITS, "more_body": False}


async def test_a_file_that_becomes_shorter_cuts_the_response_off(app: App, folder: Path) -> None:
    async def send(message: Any) -> None:
        if message.get("body"):
            os.truncate(folder / "large.bin", 10)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/large.bin", "query_string": b"", "headers": []}
    with pytest.raises(RuntimeError, match=r"large\.bin became shorter while it was sent"):
        await app(scope, receive, send)


async def test_a_file_is_closed_when_its_request_is_cancelled(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    original = files._opened

    def slow(path: str, within: str | None) -> Any:
        loop.call_soon_threadsafe(asking.cancel)
        opened.append(original(path, within))
        return opened[-1]

    monkeypatch.setattr(files, "_opened", slow)
    loop = asyncio.get_running_loop()
    asking = asyncio.create_task(messages(app, "/large.bin", {}))
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert opened[0].file.closed


async def test_a_file_is_a_response_and_can_have_cookies(folder: Path, client: Connect) -> None:
    async def view() -> Response:
        answer = FileResponse(folder / "small.txt")
        answer.set_cookie("seen", "1")
        return answer

    answer = await client(Route("/", "GET", view)).get("/")
    assert answer.body == DIGITS
    assert answer.headers["set-cookie"].startswith("seen=1; ")
