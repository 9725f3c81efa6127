"""`http.response.pathsend` and `http.response.zerocopysend`: files as the body of a response.

On plain TCP and UNIX sockets the kernel copies them, on TLS a thread reads them. A file that isn't as long as
was promised breaks the connection: it is never padded.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from asgiworker import ApplicationError, ClientDisconnected
from asgiworker.asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.asgi.conftest import Answer, Driver, Serve, Until

pytestmark = pytest.mark.every_python

KINDS = ("tcp", "unix", "tls")

Serving = Callable[..., Awaitable["Driver"]]


@pytest.fixture(params=KINDS)
def serving(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Serving]:
    """Serve an application on each kind of socket."""
    with tempfile.TemporaryDirectory() as directory:

        async def start(app: Any, **settings: Any) -> Driver:
            if request.param == "unix":
                settings["uds"] = f"{directory}/socket"
            return await serve(app, tls=request.param == "tls", **settings)

        yield start


def patterned(size: int) -> bytes:
    """Content in which every byte's place shows."""
    return b"".join(b"%07d\n" % number for number in range(size // 8 + 1))[:size]


SMALL = patterned(1000)
# Larger than what the server reads at once, and not a round number.
LARGE = patterned(1_234_567)
# More than all buffers between server and client hold.
HUGE = 24 * 1024 * 1024


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A file of a thousand bytes."""
    path = tmp_path / "small.txt"
    path.write_bytes(SMALL)
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of more than a megabyte."""
    path = tmp_path / "large.txt"
    path.write_bytes(LARGE)
    return path


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """A sparse file that doesn't fit into the buffers on its way."""
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(HUGE)
    return path


def start(*headers: tuple[bytes, bytes], **keys: Any) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": list(headers), **keys}


def body(content: bytes = b"", **keys: Any) -> Message:
    return {"type": "http.response.body", "body": content, **keys}


def path_send(path: Path) -> Message:
    return {"type": "http.response.pathsend", "path": str(path)}


def zero_copy(file: IO[bytes] | int, **keys: Any) -> Message:
    return {"type": "http.response.zerocopysend", "file": file, **keys}


def length(size: int) -> tuple[bytes, bytes]:
    return (b"content-length", b"%d" % size)


class Messages:
    """An application that sends messages, and notes what they raise; `/after` answers "after"."""

    def __init__(self, *messages: Message) -> None:
        self.messages = messages
        self.errors: list[Exception] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/after":
            await send(start())
            await send(body(b"after"))
            return
        for message in self.messages:
            try:
                await send(message)
            except Exception as error:
                self.errors.append(error)
                raise


async def exchange(driver: Driver, method: str = "GET", **options: Any) -> Answer:
    """The answer to a request; a complete one leaves the connection fit for the next."""
    stream = await driver.open(method, "/file", **options)
    answer = await stream.answer()
    if answer.complete:
        following = await stream.follow("/after")
        assert following is None or following.body == b"after"
    assert (await driver.request(path="/after")).body == b"after"
    return answer


# --- pathsend -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["small", "large"])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
async def test_a_file_is_sent_by_its_path(
    serving: Serving, request: pytest.FixtureRequest, name: str, declared: bool
) -> None:
    path: Path = request.getfixturevalue(name)
    content = path.read_bytes()
    headers = [length(len(content))] if declared else []
    app = Messages(start((b"content-type", b"text/plain"), *headers), path_send(path))
    answer = await exchange(await serving(app))
    assert app.errors == []
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body == content
    assert answer[b"content-length"] == b"%d" % len(content)
    assert answer[b"content-type"] == b"text/plain"


async def test_an_empty_file_is_an_empty_body(serving: Serving, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    answer = await exchange(await serving(Messages(start(), path_send(tmp_path / "empty"))))
    assert (answer.status, answer.body, answer[b"content-length"], answer.complete) == (200, b"", b"0", True)


@pytest.mark.parametrize("name", ["small", "large", "huge"])
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
async def test_head_gets_the_length_of_a_file_and_not_its_content(
    serving: Serving, request: pytest.FixtureRequest, name: str, declared: bool
) -> None:
    path: Path = request.getfixturevalue(name)
    size = path.stat().st_size
    app = Messages(start(*([length(size)] if declared else [])), path_send(path))
    answer = await exchange(await serving(app), "HEAD")
    assert app.errors == []
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)
    assert answer[b"content-length"] == b"%d" % size


async def test_head_of_a_file_larger_than_memory_reads_nothing(serving: Serving, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    answer = await exchange(await serving(Messages(start(), path_send(path))), "HEAD")
    assert (answer.status, answer[b"content-length"], answer.complete) == (200, b"%d" % (1 << 40), True)


@pytest.mark.parametrize("name", ["small", "large"])
async def test_a_304_has_no_content(serving: Serving, request: pytest.FixtureRequest, name: str) -> None:
    app = Messages(start(status=304), path_send(request.getfixturevalue(name)))
    answer = await exchange(await serving(app))
    assert app.errors == []
    assert (answer.status, answer.body, answer.complete) == (304, b"", True)


@pytest.mark.parametrize("name", ["small", "large"])
@pytest.mark.parametrize("difference", [-1, 1])
async def test_a_file_that_is_not_as_long_as_its_content_length_is_an_error(
    serving: Serving, request: pytest.FixtureRequest, name: str, difference: int
) -> None:
    path: Path = request.getfixturevalue(name)
    size = path.stat().st_size
    app = Messages(start(length(size + difference)), path_send(path))
    answer = await exchange(await serving(app))
    [error] = app.errors
    assert isinstance(error, ApplicationError)
    assert str(size) in str(error)
    assert str(size + difference) in str(error)
    assert (answer.status, answer.complete) == (500, True)


async def test_a_missing_file_is_an_error_that_names_it(serving: Serving, tmp_path: Path) -> None:
    app = Messages(start(), path_send(tmp_path / "missing"))
    answer = await exchange(await serving(app))
    [error] = app.errors
    assert isinstance(error, ApplicationError)
    assert str(tmp_path / "missing") in str(error)
    assert (answer.status, answer.complete) == (500, True)


async def test_a_missing_file_can_still_become_an_answer_of_the_applications_own(
    serve: Serve, tmp_path: Path
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        try:
            await send(path_send(tmp_path / "missing"))
        except ApplicationError:
            await send(body(b"gone"))

    answer = await (await serve(app)).request()
    assert (answer.status, answer.body, answer.complete) == (200, b"gone", True)


async def test_a_named_pipe_is_no_file_to_send(serve: Serve, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    app = Messages(start(), path_send(tmp_path / "pipe"))
    answer = await exchange(await serve(app))
    assert isinstance(app.errors[0], ApplicationError)
    assert (answer.status, answer.complete) == (500, True)


async def test_a_path_is_the_whole_body(serve: Serve, small: Path) -> None:
    app = Messages(start(), path_send(small), body(b"more"))
    answer = await exchange(await serve(app))
    assert [type(error) for error in app.errors] == [ApplicationError]
    assert (answer.body, answer.complete) == (SMALL, True)


async def test_no_descriptor_is_left_open(serving: Serving, small: Path, large: Path, until: Until) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(path_send(large if scope["path"] == "/large" else small))

    driver = await serving(app)
    await driver.request(path="/large")
    await driver.close()
    await until(lambda: not driver.server.service.connections)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        for path in ("/small", "/large"):
            assert (await driver.request(path=path)).complete
            assert (await driver.request("HEAD", path)).complete
    await driver.close()
    await until(lambda: not driver.server.service.connections)
    assert len(os.listdir("/proc/self/fd")) == before


# --- zerocopysend -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
async def test_an_open_file_is_sent(serving: Serving, large: Path, declared: bool) -> None:
    with large.open("rb") as file:
        app = Messages(start(*([length(len(LARGE))] if declared else [])), zero_copy(file))
        answer = await exchange(await serving(app))
        assert not file.closed
    assert app.errors == []
    assert answer.complete
    assert answer.body == LARGE


async def test_a_bare_descriptor_is_sent_likewise(serving: Serving, small: Path) -> None:
    with small.open("rb") as file:
        answer = await exchange(await serving(Messages(start(), zero_copy(file.fileno()))))
    assert (answer.body, answer.complete) == (SMALL, True)


@pytest.mark.parametrize(
    ("offset", "count"),
    [
        (0, 10),
        (10, 20),
        (10, 0),
        (0, len(LARGE)),
        (1000, None),
        (len(LARGE), None),
        (len(LARGE) + 10, None),
        (len(LARGE) - 5, 5),
        (3, 500_000),
        (None, 10),
        (None, None),
    ],
)
async def test_a_region_of_an_open_file_is_sent(
    serving: Serving, large: Path, offset: int | None, count: int | None
) -> None:
    begin = offset or 0
    expected = LARGE[begin:] if count is None else LARGE[begin : begin + count]
    keys = {name: value for name, value in (("offset", offset), ("count", count)) if value is not None}
    with large.open("rb") as file:
        answer = await exchange(await serving(Messages(start(), zero_copy(file, **keys))))
    assert answer.complete
    assert answer.body == expected


async def test_without_an_offset_a_file_is_read_on_from_its_position(serving: Serving, large: Path) -> None:
    with large.open("rb", buffering=0) as file:
        file.seek(100)
        app = Messages(
            start(),
            zero_copy(file, count=50, more_body=True),
            zero_copy(file, count=300_000, more_body=True),
            zero_copy(file),
        )
        answer = await exchange(await serving(app))
        assert file.tell() == len(LARGE)
    assert answer.complete
    assert answer.body == LARGE[100:]


async def test_an_offset_leaves_the_position_of_the_file_alone(serving: Serving, large: Path) -> None:
    with large.open("rb", buffering=0) as file:
        file.seek(7)
        await exchange(await serving(Messages(start(), zero_copy(file, offset=100, count=300_000))))
        assert file.tell() == 7


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
async def test_regions_and_bodies_may_be_mixed(serving: Serving, large: Path, declared: bool) -> None:
    expected = b"--" + LARGE[:10] + b"--" + LARGE[5:600_000] + LARGE[:0] + LARGE[-3:] + b"--"
    with large.open("rb") as file:
        app = Messages(
            start(*([length(len(expected))] if declared else [])),
            body(b"--", more_body=True),
            zero_copy(file, offset=0, count=10, more_body=True),
            body(b"--", more_body=True),
            zero_copy(file, offset=5, count=600_000 - 5, more_body=True),
            zero_copy(file, offset=0, count=0, more_body=True),
            zero_copy(file, offset=len(LARGE) - 3, more_body=True),
            body(b"--"),
        )
        answer = await exchange(await serving(app))
    assert app.errors == []
    assert answer.complete
    assert answer.body == expected


async def test_a_region_may_come_last(serving: Serving, large: Path) -> None:
    with large.open("rb") as file:
        app = Messages(start(), body(b"--", more_body=True), zero_copy(file, offset=0))
        answer = await exchange(await serving(app))
    assert answer.complete
    assert answer.body == b"--" + LARGE


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304), ("GET", 204)])
async def test_a_response_without_content_sends_nothing_of_an_open_file(
    serving: Serving, large: Path, method: str, status: int
) -> None:
    with large.open("rb") as file:
        app = Messages(
            start(status=status),
            zero_copy(file, more_body=True),
            zero_copy(file, offset=0),
        )
        answer = await exchange(await serving(app), method)
    assert app.errors == []
    assert (answer.status, answer.body, answer.complete) == (status, b"", True)


@pytest.mark.parametrize("count", [4, 6])
async def test_a_region_that_is_not_as_long_as_the_content_length_is_an_error(
    serving: Serving, large: Path, count: int
) -> None:
    with large.open("rb") as file:
        app = Messages(start(length(5)), zero_copy(file, count=count))
        answer = await exchange(await serving(app))
    assert [type(error) for error in app.errors] == [ApplicationError]
    assert (answer.status, answer.complete) == (500, True)


@pytest.mark.parametrize("count", [4, 6])
async def test_a_later_region_that_breaks_the_content_length_breaks_the_connection(
    serving: Serving, large: Path, count: int
) -> None:
    with large.open("rb") as file:
        app = Messages(
            start(length(10)),
            zero_copy(file, count=5, more_body=True),
            zero_copy(file, offset=5, count=count),
        )
        answer = await exchange(await serving(app))
    assert [type(error) for error in app.errors] == [ApplicationError]
    assert (answer.complete, len(answer.body) <= 10) == (False, True)


async def test_a_region_beyond_the_end_of_the_file_never_looks_complete(
    serving: Serving, small: Path
) -> None:
    with small.open("rb") as file:
        app = Messages(start(), zero_copy(file, offset=0, count=len(SMALL) + 1))
        answer = await exchange(await serving(app))
    assert [type(error) for error in app.errors] == [ApplicationError]
    assert answer.status == 500 or not answer.complete
    assert not answer.complete or answer.body == b"Internal Server Error"


async def test_a_pipe_is_no_file_to_copy_from(serve: Serve) -> None:
    reading, writing = os.pipe()
    try:
        app = Messages(start(), zero_copy(reading))
        answer = await exchange(await serve(app))
    finally:
        os.close(reading)
        os.close(writing)
    assert [type(error) for error in app.errors] == [ApplicationError]
    assert (answer.status, answer.complete) == (500, True)


async def test_a_closed_file_is_an_error(serve: Serve, small: Path) -> None:
    with small.open("rb") as file:
        pass
    app = Messages(start(), zero_copy(file))
    answer = await exchange(await serve(app))
    assert [type(error) for error in app.errors] == [ApplicationError]
    assert (answer.status, answer.complete) == (500, True)


@pytest.mark.parametrize("asked", [True, False], ids=["asked for", "not asked for"])
@pytest.mark.parametrize("name", ["small", "large"])
@pytest.mark.parametrize("way", ["path", "descriptor"])
async def test_trailers_may_follow_a_file(
    serving: Serving, request: pytest.FixtureRequest, name: str, way: str, asked: bool
) -> None:
    path: Path = request.getfixturevalue(name)
    with path.open("rb") as file:
        app = Messages(
            start(trailers=True),
            path_send(path) if way == "path" else zero_copy(file),
            {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]},
        )
        answer = await exchange(await serving(app), headers=[(b"te", b"trailers")] if asked else [])
    assert app.errors == []
    assert answer.complete
    assert answer.body == path.read_bytes()
    assert answer.trailers == ([(b"x-sum", b"1")] if asked else [])


# --- what goes wrong on the way -----------------------------------------------------------------------------


def sends_by(way: str, path: Path, file: IO[bytes], declared: bool) -> list[Message]:
    """The messages that send the file `path`, open as `file`."""
    headers = [length(HUGE)] if declared else []
    if way == "path":
        return [start(*headers), path_send(path)]
    if way == "descriptor":
        return [start(*headers), zero_copy(file, offset=0)]
    return [start(*headers), zero_copy(file, offset=0, more_body=True), body()]


WAYS = pytest.mark.parametrize("way", ["path", "descriptor", "descriptor, more to come"])


@WAYS
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
async def test_a_file_that_shrinks_on_the_way_breaks_the_connection_and_is_never_padded(
    serving: Serving, huge: Path, way: str, declared: bool, tmp_path: Path
) -> None:
    with huge.open("rb") as file:
        app = Messages(*sends_by(way, huge, file, declared))
        driver = await serving(app, accesslog=str(tmp_path / "access.log"))
        stream = await driver.open(path="/file")
        await stream.head()
        # The client hasn't read the body, which is larger than what fits on the way: the server isn't done.
        os.truncate(huge, 1000)
        answer = await stream.answer()
        assert (await driver.request(path="/after")).body == b"after"
    assert not answer.complete
    assert len(answer.body) < HUGE
    [error] = app.errors
    assert isinstance(error, ApplicationError)
    assert "file ended" in str(error)


@WAYS
async def test_an_application_whose_client_leaves_in_mid_file_learns_it(
    serving: Serving, huge: Path, way: str, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    with huge.open("rb") as file:
        app = Messages(*sends_by(way, huge, file, declared=True))
        driver = await serving(app)
        stream = await driver.open(path="/file")
        await stream.head()
        await stream.leave()
        await until(lambda: app.errors)
        assert (await driver.request(path="/after")).body == b"after"
    assert [type(error) for error in app.errors] == [ClientDisconnected]
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_file_that_broke_off_has_its_line_in_the_access_log(
    serve: Serve, huge: Path, until: Until, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    app = Messages(start(), path_send(huge))
    driver = await serve(app, accesslog=str(log), access_log_format="%(m)s %(U)s %(s)s")
    stream = await driver.open(path="/file")
    await stream.head()
    await stream.leave()
    await until(lambda: app.errors)
    await until(lambda: log.read_text())
    assert log.read_text() == "GET /file 200\n"


@pytest.mark.parametrize("way", ["path", "descriptor"])
async def test_the_client_is_not_gone_while_its_file_is_on_the_way(
    serving: Serving, huge: Path, way: str
) -> None:
    events: list[str] = []
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

        async def watch() -> None:
            events.append((await receive())["type"])

        watching = asyncio.create_task(watch())
        await send(start())
        with huge.open("rb") as file:
            await send(path_send(huge) if way == "path" else zero_copy(file))
        events.append("sent")
        await watching
        ended.set()

    driver = await serving(app)
    answer = await driver.request()
    assert (len(answer.body), answer.complete) == (HUGE, True)
    await asyncio.wait_for(ended.wait(), 10)
    assert sorted(events) == ["http.disconnect", "sent"]


@pytest.mark.parametrize("way", ["path", "descriptor", "descriptor, more to come"])
@pytest.mark.parametrize("message", [body(b"x", more_body=True), zero_copy(0, count=0)], ids=repr)
async def test_nothing_else_can_be_sent_while_a_file_is_on_the_way(
    serving: Serving, huge: Path, way: str, message: Message
) -> None:
    errors: list[Exception] = []
    tried = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def meddle() -> None:
            await head_seen.wait()
            try:
                await send(message)
            except Exception as error:
                errors.append(error)
            tried.set()

        meddling = asyncio.create_task(meddle())
        with huge.open("rb") as file:
            for each in sends_by(way, huge, file, declared=False):
                await send(each)
        await meddling

    head_seen = asyncio.Event()
    driver = await serving(app)
    stream = await driver.open()
    await stream.head()
    head_seen.set()
    await tried.wait()
    answer = await stream.answer()
    assert (len(answer.body), answer.body.count(0), answer.complete) == (HUGE, HUGE, True)
    [error] = errors
    assert isinstance(error, ApplicationError)
    assert "file" in str(error)


@WAYS
async def test_a_cancelled_file_never_looks_complete(serving: Serving, huge: Path, way: str) -> None:
    cancel = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending() -> None:
            with huge.open("rb") as file:
                for each in sends_by(way, huge, file, declared=True):
                    await send(each)

        task = asyncio.create_task(sending())
        await cancel.wait()
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    driver = await serving(app)
    stream = await driver.open()
    await stream.head()
    cancel.set()
    answer = await stream.answer()
    assert not answer.complete


async def test_a_client_that_does_not_read_its_file_is_cut_off(
    serving: Serving, huge: Path, until: Until
) -> None:
    app = Messages(start(), path_send(huge))
    driver = await serving(app, timeout_stall=0.1)
    stream = await driver.open(path="/file")
    await stream.head()
    await until(lambda: app.errors)
    assert [type(error) for error in app.errors] == [ClientDisconnected]
    assert not (await stream.answer()).complete


async def test_a_client_that_reads_its_file_slowly_gets_all_of_it(serving: Serving, huge: Path) -> None:
    app = Messages(start(), path_send(huge))
    driver = await serving(app, timeout_stall=0.4)
    stream = await driver.open(path="/file")
    clock = asyncio.get_running_loop().time
    received, began = 0, clock()
    while data := await stream.data():
        received += len(data)
        if received < HUGE // 2:  # for half of it, take longer than the deadline, and yet never stop
            while clock() < began + 0.8 * received / (HUGE // 2):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    assert received == HUGE
    assert app.errors == []
