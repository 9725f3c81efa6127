"""The hello example as a person meets it: over a socket, served by Gunicorn with our worker class."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import httpx
import pytest

FOLDER = Path(__file__).parents[1]
PATIENCE = 30  # seconds for what normally takes milliseconds


class Hello:
    """A running Gunicorn. It inherits a listening socket: who connects early waits for a worker."""

    def __init__(self, output: IO[str], workers: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.address = listener.getsockname()
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "--worker-class", "asgiworker.ASGIWorker"),
                    *("--workers", str(workers), "--bind", f"fd://{listener.fileno()}"),
                    *("--no-control-socket", "app:app"),
                ],
                cwd=FOLDER,
                env=os.environ | {"ASGIWORKER_DRAIN_DELAY": "0.1"},
                pass_fds=[listener.fileno()],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.client = httpx.Client(base_url="http://{}:{}".format(*self.address), timeout=PATIENCE)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=PATIENCE)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def running(output: Path, workers: int) -> Iterator[Hello]:
    """Gunicorn, started and stopped; what it printed must hold no traceback."""
    with output.open("w") as written:
        hello = Hello(written, workers)
        try:
            with hello.client:
                yield hello
        finally:
            if hello.process.poll() is None:
                assert hello.stop() == 0, output.read_text()
    assert "Traceback" not in output.read_text(), output.read_text()


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hello]:
    with running(tmp_path_factory.mktemp("hello") / "output", workers=2) as server:
        yield server


def test_the_index_page_links_to_every_other_page(hello: Hello) -> None:
    page = hello.client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for path in ("hello", "echo", "stream", "events", "upload"):
        assert f'data-curl="{path}"' in page.text


def test_the_index_page_needs_nothing_from_elsewhere(hello: Hello) -> None:
    page = hello.client.get("/").text.replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in page
    assert "https://" not in page
    assert 'src="' not in page


def test_hello_is_plain_text(hello: Hello) -> None:
    response = hello.client.get("/hello")
    assert (response.status_code, response.text) == (200, "Hello, world!\n")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/hello", "/stream", "/events"])
def test_head_answers_as_get_does_without_a_body(hello: Hello, path: str) -> None:
    response = hello.client.head(path)
    assert (response.status_code, response.content) == (200, b"")
    with hello.client.stream("GET", path) as whole:
        assert response.headers["content-type"] == whole.headers["content-type"]
        assert response.headers.get("content-length") == whole.headers.get("content-length")


def test_an_unknown_path_is_404(hello: Hello) -> None:
    assert hello.client.get("/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/hello", "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("GET", "/echo", "POST"),
        ("PUT", "/upload", "POST"),
    ],
)
def test_a_wrong_method_is_405_and_names_the_right_ones(
    hello: Hello, method: str, path: str, allowed: str
) -> None:
    response = hello.client.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("document", [{"a": [1, None, True]}, "Grüße", 0, "\ud800"], ids=repr)
def test_json_is_echoed(hello: Hello, document: object) -> None:
    response = hello.client.post("/echo", content=json.dumps(document))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert json.loads(response.content) == document


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"NaN", b"[" * 100_000], ids=lambda body: repr(body[:4])
)
def test_what_is_not_json_is_400_and_says_why(hello: Hello, body: bytes) -> None:
    response = hello.client.post("/echo", content=body)
    assert response.status_code == 400
    assert response.text.startswith("This is not JSON: ")


def test_an_echo_of_more_than_a_mebibyte_is_413(hello: Hello) -> None:
    assert hello.client.post("/echo", content=b" " * (1024 * 1024 + 1)).status_code == 413


def test_the_streamed_lines_arrive_one_by_one(hello: Hello) -> None:
    with hello.client.stream("GET", "/stream") as response:
        assert response.headers["transfer-encoding"] == "chunked"
        parts = list(response.iter_raw())
    assert len(parts) > 5, "they came in one piece"
    lines = b"".join(parts).decode().splitlines()
    assert [line.count("·") for line in lines] == list(range(1, 21))


def test_events_tell_the_time_and_the_worker(hello: Hello) -> None:
    with hello.client.stream("GET", "/events") as response:
        assert response.headers["content-type"] == "text/event-stream"
        lines = response.iter_lines()
        assert next(lines) == "event: tick"
        name, _, data = next(lines).partition(": ")
    assert name == "data"
    tick = json.loads(data)
    assert tick["worker"] != hello.process.pid
    assert len(tick["time"]) == len("12:34:56")


def test_an_upload_is_counted_and_hashed(hello: Hello) -> None:
    content = bytes(range(256)) * 16384
    result = hello.client.post("/upload", content=content).json()
    assert result["size"] == len(content)
    assert result["sha256"] == hashlib.sha256(content).hexdigest()


def test_an_upload_may_come_in_chunks_of_unknown_number(hello: Hello) -> None:
    chunks = [b"one", b"two", b"three" * 100_000]
    result = hello.client.post("/upload", content=iter(chunks)).json()
    assert result["sha256"] == hashlib.sha256(b"".join(chunks)).hexdigest()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /stream HTTP/1.1\r\nHost: hello\r\n\r\n",
        b"GET /events HTTP/1.1\r\nHost: hello\r\n\r\n",
        b"POST /upload HTTP/1.1\r\nHost: hello\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n",
    ],
    ids=["stream", "events", "upload"],
)
def test_a_client_that_leaves_in_the_middle_leaves_no_traceback(tmp_path: Path, request_: bytes) -> None:
    # The second response shows that the one worker is well; its output is looked at in the end.
    with running(tmp_path / "output", workers=1) as hello:
        with hello.connect() as client:
            client.sendall(request_)
            assert client.recv(1024).startswith(b"HTTP/1.1 ")
        assert hello.client.get("/hello").status_code == 200


def test_an_open_event_stream_ends_well_when_the_server_stops(tmp_path: Path) -> None:
    with running(tmp_path / "output", workers=1) as hello, hello.client.stream("GET", "/events") as response:
        parts = response.iter_raw()
        assert next(parts).startswith(b"event: tick")
        code = hello.stop()
        list(parts)  # raises RemoteProtocolError unless the last chunk has come
        assert code == 0
