"""Files of forms: read while they come, or from where they were put; and bodies as they come."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asgiworker
from asgistar import App, Body, ConfigurationError, ContentTooLarge, File, Form, In, Meta, Route, Struct
from asgistar import component as components
from asgistar.http.uploads import SPOOLED

if TYPE_CHECKING:
    from framework.tests.conftest import Connect

MULTIPART = {"content-type": "multipart/form-data; boundary=x"}


def part(name: str, content: bytes, filename: str | None = None, content_type: str = "") -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"'
    head += "" if filename is None else f'; filename="{filename}"'
    head += f"\r\nContent-Type: {content_type}" if content_type else ""
    return head.encode() + b"\r\n\r\n" + content + b"\r\n"


END = b"--x--\r\n"


class Upload(Struct):
    title: str
    image: File
    more: list[File] = []  # noqa: RUF012


class Picture(Struct):
    title: Annotated[str, Meta(max_length=3)]
    image: File | None = None


class Comes:
    """A server that lets the body come piece by piece, when the view waits for it."""

    def __init__(self, *pieces: bytes | None) -> None:
        self.pieces = list(pieces)
        self.status = 0
        self.answer = b""

    async def post(self, app: App) -> Any:
        """The answer to it."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "root_path": "",
            "query_string": b"",
            "headers": [(b"content-type", b"multipart/form-data; boundary=x")],
        }
        await app(scope, self.receive, self.send)
        return json.loads(self.answer) if self.answer else None

    async def receive(self) -> Any:
        piece = self.pieces.pop(0)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.answer += message.get("body", b"")


# --- what a view gets -------------------------------------------------------------------------------------


async def test_a_file_is_what_was_sent(client: Connect) -> None:
    async def view(image: File) -> list[Any]:
        return [image.filename, image.content_type, (await image.read()).decode(), repr(image)]

    body = part("image", b"\0abc", "a.png", "image/png") + END
    answer = await client(Route("/", "POST", view)).post("/", body=body, headers=MULTIPART)
    assert answer.json == ["a.png", "image/png", "\0abc", "<File 'a.png' image/png>"]


async def test_files_stand_in_objects_and_in_lists(client: Connect) -> None:
    async def view(form: Form[Upload]) -> list[Any]:
        files = [form.image, *form.more]
        return [form.title, *[(file.filename, file.size, (await file.read()).decode()) for file in files]]

    body = part("more", b"1", "a") + part("image", b"22", "b") + part("title", b"t")
    body += part("more", b"", "c") + END
    answer = await client(Route("/", "POST", view)).post("/", body=body, headers=MULTIPART)
    assert answer.json == ["t", ["b", 2, "22"], ["a", 1, "1"], ["c", 0, ""]]


@pytest.mark.parametrize(
    "parts",
    [
        b"",
        part("image", b"", "", "application/octet-stream"),
        part("image", b""),  # httpx makes it of ("", b"")
        part("other", b"1", "a"),
    ],
)
async def test_a_file_that_nobody_chose_is_none(parts: bytes, client: Connect) -> None:
    async def view(image: File | None = None) -> bool:
        return image is None

    async def required(image: File) -> None: ...

    async def nullable(form: Form[Picture]) -> bool:
        return form.image is None

    for each, expected in ((view, True), (nullable, True)):
        body = part("title", b"a") + parts + END
        answer = await client(Route("/", "POST", each)).post("/", body=body, headers=MULTIPART)
        assert answer.json is expected
    answer = await client(Route("/", "POST", required)).post("/", body=parts + END, headers=MULTIPART)
    assert answer.errors == [("form", "image", "missing")]


async def test_a_file_without_a_name_is_one_too(client: Connect) -> None:
    async def view(image: Annotated[File, In("form", "the image")]) -> list[Any]:
        return [image.filename, (await image.read()).decode()]

    app = client(Route("/", "POST", view))
    for filename in (None, ""):
        answer = await app.post("/", body=part("the image", b"a", filename) + END, headers=MULTIPART)
        assert answer.json == ["", "a"]


async def test_a_component_may_ask_for_a_file(client: Connect) -> None:
    class Text(str):
        __slots__ = ()

    @components
    async def text(image: File) -> Text:
        return Text((await image.read()).decode())

    async def view(text: Text, title: Form[str]) -> list[str]:
        return [str(text), title]

    app = client(Route("/", "POST", view), components=[text])
    body = part("title", b"t") + part("image", b"a", "a") + END
    assert (await app.post("/", body=body, headers=MULTIPART)).json == ["a", "t"]


async def test_files_come_in_multipart_only(client: Connect) -> None:
    async def view(image: File) -> None: ...

    app = client(Route("/", "POST", view))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await app.post("/", body=b"image=a", headers=headers)
    assert answer.status == 415
    assert answer.headers["accept"] == "multipart/form-data"
    plan = app.app.router.endpoints[0].handlers["POST"]
    assert plan.content.media_types == ("multipart/form-data",)


async def test_a_form_whose_file_may_be_left_out_may_be_urlencoded(client: Connect) -> None:
    async def view(form: Form[Picture], more: list[File] = []) -> list[Any]:  # noqa: B006
        return [form.title, form.image is None, len(more)]

    async def several(more: list[File]) -> None: ...

    ask = client(Route("/", "POST", view), Route("/several", "POST", several))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"title=a", b"title=a&image=&more="):
        assert (await ask.post("/", body=body, headers=headers)).json == ["a", True, 0]
    # A page whose form says no enctype sends the name.
    answer = await ask.post("/", body=b"title=a&image=a.png", headers=headers)
    assert answer.json["errors"] == [
        {"in": "form", "path": ["image"], "code": "type", "message": "Must be a file."}
    ]
    answer = await ask.post("/", body=b"title=a", headers={"content-type": "text/plain"})
    assert answer.headers["accept"] == "application/x-www-form-urlencoded, multipart/form-data"
    assert (await ask.post("/several", body=b"", headers=headers)).status == 415


async def test_a_file_sent_twice_where_one_is_wanted_is_400(client: Connect) -> None:
    async def view(image: File, title: Form[str]) -> None: ...

    body = part("image", b"1", "a") + part("image", b"2", "b") + END
    answer = await client(Route("/", "POST", view)).post("/", body=body, headers=MULTIPART)
    assert (answer.status, answer.json["detail"]) == (400, "The field 'image' of the form is there twice.")


async def test_what_else_is_wrong_is_told_before_the_file_is_read(client: Connect) -> None:
    async def view(form: Form[Picture]) -> None: ...

    body = [part("title", b"abcd") + part("image", b"1", "a")]  # the rest never comes
    answer = await client(Route("/", "POST", view)).post("/", body=body, headers=MULTIPART)
    assert answer.errors == [("form", "title", "max_length")]


# --- how it comes -----------------------------------------------------------------------------------------


async def test_the_last_file_is_read_while_it_comes() -> None:
    comes = Comes(
        part("title", b"t") + part("image", b"", "a")[:-2], b"one", b"two\r", b"\n--", b"y", b"\r\n--x--"
    )
    pieces = []

    async def view(title: Form[str], image: File) -> int:
        assert image.size is None
        with pytest.raises(RuntimeError, match="The file is coming just now"):
            _ = image.file
        pieces.extend([(len(comes.pieces), chunk) async for chunk in image])
        assert [chunk async for chunk in image] == []
        assert await image.read() == b""
        return len(pieces)

    assert await comes.post(App([Route("/", "POST", view)])) == 3
    # Beside each chunk: how many pieces were still to come. The end of the third might have been a delimiter.
    assert pieces == [(4, b"one"), (3, b"two"), (1, b"\r\n--y")]


async def test_a_file_before_other_fields_is_put_aside() -> None:
    comes = Comes(part("image", b"abcdef", "a"), part("title", b"t") + END)
    got: list[Any] = []

    async def view(title: Form[str], image: File) -> None:
        got.extend([image.size, await image.read(2), image.file.read(1)])
        got.extend([chunk async for chunk in image])
        got.append(await image.read())

    await comes.post(App([Route("/", "POST", view)]))
    assert (comes.status, got) == (204, [6, b"ab", b"c", b"def", b""])


async def test_a_view_in_a_thread_reads_files_that_are_there() -> None:
    def view(image: File) -> str:
        return image.file.read().decode()

    assert await Comes(part("image", b"abc", "a"), END).post(App([Route("/", "POST", view)])) == "abc"


async def test_large_files_are_put_on_disk_and_closed_with_the_request() -> None:
    kept: list[File] = []
    content = os.urandom(SPOOLED - 10)

    async def view(images: Annotated[list[File], In("form", "image")], title: Form[str] = "") -> list[Any]:
        kept.extend(images)
        one = b"".join([chunk async for chunk in images[0]])
        return [one == content, await images[1].read() == content, await images[2].read(3) == content[:3]]

    files = [part("image", content, "a")] * 2 + [part("image", content + content, "b")]
    app = App([Route("/", "POST", view)])
    assert await Comes(*files, END).post(app) == [True, True, True]
    assert [file.file.closed for file in kept] == [False, True, True]

    async def fails(image: Annotated[list[File], In("form", "image")]) -> None:
        kept[:] = image
        raise ContentTooLarge

    comes = Comes(files[2], END)
    await comes.post(App([Route("/", "POST", fails)]))
    assert comes.status == 413
    assert kept[0].file.closed


async def test_as_much_is_read_as_is_asked_for() -> None:
    async def view(image: File) -> list[str]:
        parts = [await image.read(size) for size in (0, 2, 1, 4)]
        parts.append(await anext(image))
        return [each.decode() for each in (*parts, await image.read(), await image.read(1))]

    pieces = [part("image", b"", "a")[:-2], *[bytes([each]) for each in b"abc"], b"defghi", b"j\r\n--x--"]
    app = App([Route("/", "POST", view)])
    assert await Comes(*pieces).post(app) == ["", "ab", "c", "defg", "hi", "j", ""]


async def test_a_file_is_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    async def view(image: File) -> int:
        return await image.save(tmp_path / "a")

    app = App([Route("/", "POST", view)], body_limit=3 * SPOOLED)
    content = os.urandom(2 * SPOOLED)
    body = part("image", content, "a") + END
    assert await Comes(body[:SPOOLED], body[SPOOLED:]).post(app) == len(content)
    assert (tmp_path / "a").read_bytes() == content
    assert await Comes(part("image", b"short", "a") + END).post(app) == 5
    for broken in (
        [part("image", b"longer", "a")],
        [part("image", b"longer", "a")[:-2], None],
        [part("image", b"longer", "a")[:-2], *[bytes(SPOOLED)] * 3],
    ):
        comes = Comes(*broken)
        await comes.post(app)
        assert comes.status == {1: 400, 2: 0, 4: 413}[len(broken)]
        assert (tmp_path / "a").read_bytes() == b"short"
    assert os.listdir(tmp_path) == ["a"]


async def test_what_is_not_whole_stays_not_whole() -> None:
    errors: list[Any] = []

    async def view(image: File) -> None:
        for _ in range(2):
            try:
                await image.read()
            except Exception as error:
                errors.append(error)

    for pieces in ([part("image", b"a", "a")], [part("image", b"", "a")[:-2], b"1" * 1000, b"2" * 1000]):
        await Comes(*pieces).post(App([Route("/", "POST", view)], body_limit=1500))
    assert [type(error).__name__ for error in errors] == [*["BadRequest"] * 2, *["ContentTooLarge"] * 2]


# --- bodies as they come ----------------------------------------------------------------------------------


@pytest.mark.parametrize("annotation", [AsyncIterator[bytes], AsyncIterable[bytes]])
async def test_a_body_is_read_while_it_comes(annotation: Any, client: Connect) -> None:
    async def view(body: Any) -> list[str]:
        return [chunk.decode() async for chunk in body]

    view.__annotations__["body"] = Body[annotation]
    app = client(Route("/", "POST", view), body_limit=5)
    assert (await app.post("/", body=[b"ab", b"", b"c", b""])).json == ["ab", "c"]
    assert (await app.post("/")).json == []
    assert (await app.post("/", body=[b"abc", b"def"])).status == 413
    assert (await app.post("/", body=[], headers={"content-length": "6"})).status == 413
    assert (await app.post("/", body=[b"ab", None])).status == 0


async def test_a_body_that_is_too_large_stays_so(client: Connect) -> None:
    async def view(body: Body[AsyncIterator[bytes]]) -> int:
        refused = 0
        for _ in range(2):
            try:
                async for _ in body:
                    pass
            except ContentTooLarge:
                refused += 1
        return refused

    assert (await client(Route("/", "POST", view), body_limit=5).post("/", body=b"abcdef")).json == 2


def test_streams_are_asked_for_by_those_who_can_wait_and_say_what_they_are(client: Connect) -> None:
    def sync(body: Body[AsyncIterator[bytes]]) -> None: ...
    async def unmarked(body: AsyncIterator[bytes]) -> None: ...
    async def in_json(upload: Upload) -> None: ...
    async def on_get(image: File) -> None: ...

    for view, method, message in [
        (sync, "POST", "is a stream, which is read with `async for`: make it `async def`"),
        (unmarked, "POST", r"If it is the body as it comes, write Body\[AsyncIterator\[bytes\]\]"),
        (in_json, "POST", r"there is File in it, which no JSON is. Write Form\[…\]"),
        (on_get, "GET", "would come from a form in the body, but GET has none. Give the view"),
    ]:
        with pytest.raises(ConfigurationError, match=message):
            client(Route("/", method, view))


# --- fuzzing ----------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"\r\n", b"--x", b"a", b"\0", b"-"])).map(b"".join),
    st.lists(st.integers(0, 300)),
    st.booleans(),
)
async def test_a_file_is_the_same_whatever_pieces_it_comes_in(
    content: bytes, cuts: list[int], last: bool
) -> None:
    if b"\r\n--x" in b"\r\n" + content + b"\r\n--":
        return

    async def view(image: File, title: Form[str]) -> str:
        return (await image.read()).decode()

    parts = [part("image", content, "a"), part("title", b"t")]
    body = b"".join(reversed(parts) if last else parts) + END
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[start:end] for start, end in itertools.pairwise(edges)]
    assert await Comes(*pieces).post(App([Route("/", "POST", view)])) == content.decode()


# --- real clients -----------------------------------------------------------------------------------------


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    async def upload(form: Form[Upload]) -> list[Any]:
        files = enumerate([form.image, *form.more])
        sizes = [await file.save(tmp_path / f"{index}") for index, file in files]
        return [form.title, form.image.filename, form.image.content_type, *sizes]

    async def streamed(title: Form[str], image: File) -> list[Any]:
        size = 0
        async for chunk in image:
            size += len(chunk)
        return [title, image.filename, image.size, size]

    async def raw(body: Body[AsyncIterator[bytes]]) -> int:
        size = 0
        async for chunk in body:
            size += len(chunk)
        return size

    async def fields(a: Form[list[str]], stay: Form[bool] = False) -> list[Any]:
        return [a, stay]

    app = App(
        [
            Route("/upload", "POST", upload),
            Route("/streamed", "POST", streamed),
            Route("/raw", "PUT", raw),
            Route("/fields", "POST", fields),
            Route("/small", "POST", streamed, body_limit=1000),
        ],
        body_limit=50_000_000,
    )
    async with asgiworker.running(app, graceful_timeout=1) as server:
        yield server.url


async def curl(*arguments: str) -> tuple[int, str]:
    """Status and body of what curl gets."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "-w", "\n%{http_code}", *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    body, _, status = output.decode().rpartition("\n")
    return int(status), body


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")


@needs_curl
async def test_curl_sends_forms_and_files(url: str, tmp_path: Path) -> None:
    source = tmp_path / 'a file; with "quotes".png'
    content = os.urandom(5_000_000)
    source.write_bytes(content)
    name = str(source).replace('"', '\\"')
    arguments = ("-F", "title=grüne Äpfel", "-F", f'image=@"{name}";type=image/png')
    small = await curl(f"{url}/fields", "-d", "a=1", "--data-urlencode", "a=ä&b", "-d", "stay=on")
    assert small == (200, '[["1","ä&b"],true]')
    more = ("-F", f'more=@"{name}"')
    status, body = await curl(f"{url}/upload", *arguments, *more, *more)
    assert (status, json.loads(body)) == (
        200,
        ["grüne Äpfel", source.name, "image/png", *[5_000_000] * 3],
    )
    for index in range(3):
        assert (tmp_path / f"{index}").read_bytes() == content
    status, body = await curl(f"{url}/streamed", *arguments)
    assert (status, json.loads(body)) == (200, ["grüne Äpfel", source.name, None, 5_000_000])
    assert await curl(f"{url}/raw", "-T", str(source)) == (200, "5000000")
    # It asks before it sends (Expect: 100-continue), and needn't send what is too large.
    status, body = await curl(f"{url}/small", *arguments, "-H", "Expect: 100-continue")
    assert (status, json.loads(body)["detail"]) == (413, "The body may have 1000 bytes at most.")


async def test_httpx_sends_forms_and_files(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        content = os.urandom(3_000_000)
        answer = await http.post(
            "/upload",
            data={"title": "t"},
            files=[("image", ("ä.png", content, "image/png")), ("more", ("b", b"1")), ("more", ("c", b""))],
        )
        assert answer.json() == ["t", "ä.png", "image/png", 3_000_000, 1, 0]
        answer = await http.post("/fields", data={"a": ["1", "2"], "stay": "off"})
        assert answer.json() == [["1", "2"], False]
        answer = await http.post("/fields", files={"a": (None, "1")})
        assert answer.json() == [["1"], False]

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield bytes(10_000)

        assert (await http.put("/raw", content=chunks())).json() == 1_000_000
        answer = await http.post("/upload", data={"title": "t"})
        assert answer.status_code == 415
        answer = await http.post("/upload", files={"title": (None, "t")})
        assert answer.json()["errors"] == [
            {"in": "form", "path": ["image"], "code": "missing", "message": "Is missing."}
        ]


async def test_what_is_too_large_is_refused_before_it_is_sent(url: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    writer.write(
        b"POST /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()
