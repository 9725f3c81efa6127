"""FastAPI: validation, uploads, dependencies, middleware, background tasks, event streams."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from server.tests.applications.conftest import Curl, Serve, Served

pytestmark = pytest.mark.every_python

CONTENT = os.urandom(1024) * 8192  # 8 MiB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def server(serve: Serve) -> Served:
    return serve("fastapi_app:app", "--drain-delay", "0.1")


def test_a_valid_document_is_accepted(client: httpx.Client) -> None:
    response = client.post("/articles", json={"name": "Teapot", "price": 7.5})
    assert (response.status_code, response.json()) == (201, {"name": "Teapot", "price": 7.5})


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"name": "Teapot", "price": -1}', ["body", "price"]),
        (b'{"name": "Teapot"}', ["body", "price"]),
        (b'{"name": "Teapot",', ["body", 18]),
        (b"", ["body"]),
    ],
    ids=["a wrong value", "a missing one", "no JSON", "no body"],
)
def test_an_invalid_document_is_422_and_says_where(
    client: httpx.Client, body: bytes, place: list[str]
) -> None:
    response = client.post("/articles", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["detail"]] == [place]


def test_the_schema_and_its_page_are_served(client: httpx.Client) -> None:
    assert "/articles" in client.get("/openapi.json").json()["paths"]
    assert "swagger" in client.get("/docs").text


def test_several_files_of_several_megabytes_are_uploaded_at_once(client: httpx.Client) -> None:
    response = client.post("/files", files=[("uploads", ("one", CONTENT)), ("uploads", ("zwei.bin", b"2"))])
    assert response.json() == [
        {"name": "one", "size": len(CONTENT), "sha256": DIGEST},
        {"name": "zwei.bin", "size": 1, "sha256": hashlib.sha256(b"2").hexdigest()},
    ]


def test_curl_uploads_a_file_after_100_continue(server: Served, curl: Curl) -> None:
    done = curl(
        *("--form", "uploads=@-;filename=one", "--header", "Expect: 100-continue"),
        *("--expect100-timeout", "20", f"{server.url}/files"),
        stdin=CONTENT,
    )
    assert done.statuses == [100, 200]
    assert DIGEST in done.body.decode()


async def test_asynchronous_clients_upload_while_others_are_served(server: Served) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:

        async def parts() -> AsyncIterator[bytes]:
            for start in range(0, len(CONTENT), 1_000_000):
                assert (await client.get("/")).text == "Hello from FastAPI!\n"
                yield CONTENT[start : start + 1_000_000]

        response = await client.post("/upload", content=parts())
    assert response.json() == {"size": len(CONTENT), "sha256": DIGEST}


def test_middleware_sees_every_response(client: httpx.Client) -> None:
    assert client.get("/").headers["x-path-length"] == "1"
    assert client.get("/numbers?count=1").headers["x-path-length"] == "8"
    assert client.get("/nowhere").headers["x-path-length"] == "8"


def test_a_generator_that_is_not_asynchronous_is_streamed_whole(client: httpx.Client) -> None:
    response = client.get("/numbers", params={"count": 5000})
    assert response.headers["transfer-encoding"] == "chunked"
    assert response.text.splitlines() == [str(number) for number in range(5000)]


def test_a_background_task_runs_after_the_response(client: httpx.Client) -> None:
    assert client.get("/tidy").text == "later\n"
    client.post("/continue")  # the task waits for this
    assert client.get("/tidiness").text == "tidied\n"


def test_dependencies_are_left_in_order(client: httpx.Client) -> None:
    response = client.post("/order", params={"article": "teapot"})
    assert response.text == "teapot ordered by connection in transaction\n"
    assert client.get("/happened").json() == ["open", "begin", "commit", "close"]


def test_dependencies_see_the_exception_of_their_handler(client: httpx.Client) -> None:
    response = client.post("/order", params={"article": "moon"})
    assert (response.status_code, response.json()) == (409, {"detail": "The moon is sold out"})
    assert client.get("/happened").json() == ["open", "begin", "rollback", "close"]


def test_events_come_as_they_happen(server: Served, curl: Curl, client: httpx.Client) -> None:
    with client.stream("GET", "/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache"
        lines = response.iter_lines()
        assert [next(lines) for _ in range(4)] == ["data: hello", "", ": still here", ""]
    assert client.get("/departure").text == "noticed\n"


def test_a_client_that_breaks_the_connection_is_noticed_too(server: Served, client: httpx.Client) -> None:
    with server.connect() as connection:
        connection.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.until(b"still here\n\n\r\n")
        connection.reset()
    assert client.get("/departure").text == "noticed\n"


def test_an_event_stream_does_not_hold_the_server_when_it_stops(server: Served) -> None:
    # FastAPI doesn't listen, but learns it from `send()`. This is the module's last test: the server is gone.
    with httpx.Client(base_url=server.url, timeout=30) as client, client.stream("GET", "/events") as response:
        lines = response.iter_lines()
        assert next(lines) == "data: hello"
        assert server.end() == 0
    assert "Goodbye from FastAPI" in server.output
    assert "Cancelling" not in server.output
