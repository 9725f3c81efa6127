"""What holds for every application, whatever framework made it: one table of behaviour for all of them.

Each serves the same few paths, in the way of its framework; see `apps`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

if TYPE_CHECKING:
    from server.tests.applications.conftest import Curl, Serve, Served

pytestmark = pytest.mark.every_python

SIZE = 3_000_000  # bytes of an upload: many reads of the server, and more than curl sends without asking
CONTENT = os.urandom(4096) * (SIZE // 4096)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Application(NamedTuple):
    """An application and how it differs from the others."""

    name: str
    app: str
    options: tuple[str, ...] = ()
    farewell: bool = True  # it has a lifespan, and prints a line when it ends
    complaint: str = ""  # what its framework logs of a client that leaves in the middle


APPLICATIONS = [
    Application("plain ASGI", "plain_asgi:app"),
    Application("ASGI 2", "asgi2:Application", farewell=False),
    Application("Starlette", "starlette_app:app"),
    Application("FastAPI", "fastapi_app:app"),
    Application("Django", "django_app:app", farewell=False),
    Application("Quart", "quart_app:app"),
    Application("Litestar", "litestar_app:app"),
    Application("Sanic", "sanic_app:app", complaint="ClientDisconnected: the client has disconnected"),
    Application("Flask", "flask_app:app", farewell=False),
    Application("Starlette", "starlette_app:app", ("--loop", "asyncio")),
    Application("FastAPI", "fastapi_app:app", ("--cancel-on-disconnect",)),
]


@pytest.fixture(scope="module", params=APPLICATIONS, ids=lambda case: " ".join((case.name, *case.options)))
def application(request: pytest.FixtureRequest) -> Application:
    case: Application = request.param
    return case


@pytest.fixture(scope="module")
def server(application: Application, serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Served:
    database = str(tmp_path_factory.mktemp("database") / "db.sqlite3")
    return serve(application.app, *application.options, DATABASE=database)


def test_a_page_is_served(application: Application, client: httpx.Client) -> None:
    response = client.get("/")
    assert (response.status_code, response.text) == (200, f"Hello from {application.name}!\n")
    assert response.headers["content-type"].startswith("text/plain")
    assert int(response.headers["content-length"]) == len(response.content)


def test_path_and_query_come_decoded(client: httpx.Client) -> None:
    response = client.get("/greet/J%C3%BCrgen%20&%20S%C3%B6hne?times=3")
    assert response.text == "Hello, Jürgen & Söhne!\n" * 3


def test_an_unknown_path_is_404(client: httpx.Client) -> None:
    assert client.get("/nowhere/to/be/found").status_code == 404


def test_an_answer_to_head_is_followed_by_the_next(
    server: Served, application: Application, curl: Curl
) -> None:
    heads = curl("--head", f"{server.url}/", "--next", "--silent", "--verbose", f"{server.url}/")
    assert heads.body.endswith(f"Hello from {application.name}!\n".encode())
    assert len(heads.statuses) == 2
    assert "Excess found" not in heads.trace
    assert "Re-using existing connection" in heads.trace


def test_a_body_comes_back_as_it_was_sent(client: httpx.Client) -> None:
    body = bytes(range(256)) * 4000
    response = client.post("/echo", content=body, headers={"content-type": "application/x-thing"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/x-thing")
    assert response.content == body


@pytest.mark.parametrize("body", [b"", b"x"], ids=["empty", "one byte"])
def test_so_does_a_body_of_hardly_anything(client: httpx.Client, body: bytes) -> None:
    response = client.post("/echo", content=body, headers={"content-type": "application/x-thing"})
    assert (response.status_code, response.content) == (200, body)


def test_an_upload_of_unknown_length_is_read_to_its_end(client: httpx.Client) -> None:
    parts = (CONTENT[start : start + 50_000] for start in range(0, len(CONTENT), 50_000))
    response = client.post("/upload", content=parts, headers={"content-type": "application/octet-stream"})
    assert response.json() == {"size": len(CONTENT), "sha256": DIGEST}


def test_curl_is_told_to_continue_with_a_large_upload(server: Served, curl: Curl) -> None:
    # Under a second curl waits for it, later it goes on anyway; the 100 has to be there in any case.
    done = curl(
        *("--data-binary", "@-", "--header", "Expect: 100-continue", "--expect100-timeout", "20"),
        *("--header", "Content-Type: application/octet-stream", f"{server.url}/upload"),
        stdin=CONTENT,
    )
    assert done.statuses == [100, 200]
    assert DIGEST in done.body.decode()


def test_curl_uploads_in_chunks(server: Served, curl: Curl) -> None:
    done = curl(
        *("--request", "POST", "--upload-file", "-", "--expect100-timeout", "20"),
        *("--header", "Content-Type: application/octet-stream", f"{server.url}/upload"),
        stdin=CONTENT,
    )
    assert "> Transfer-Encoding: chunked" in done.trace
    assert done.status == 200
    assert DIGEST in done.body.decode()


def test_a_streamed_response_comes_part_by_part(server: Served, client: httpx.Client) -> None:
    # The application sends its second line only after the client, who has read the first, asks for it.
    with client.stream("GET", "/stream") as response:
        assert response.headers["transfer-encoding"] == "chunked"
        parts = response.iter_bytes()
        assert next(parts) == b"one\n"
        assert client.post("/continue").status_code in (200, 204)
        assert b"".join(parts) == b"two\n"


def test_to_a_client_of_http_1_0_the_end_of_the_connection_ends_it(
    server: Served, client: httpx.Client
) -> None:
    with server.connect() as connection:
        connection.send(b"GET /stream HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        received = connection.until(b"\r\n\r\none\n")
        assert b"transfer-encoding" not in received.lower()
        assert b"content-length" not in received.lower()
        client.post("/continue")
        assert connection.rest() == b"two\n"


def test_curl_speaks_http_1_0(server: Served, application: Application, curl: Curl) -> None:
    done = curl("--http1.0", f"{server.url}/")
    assert (done.status, done.body) == (200, f"Hello from {application.name}!\n".encode())
    assert done.fields("connection") == ["close"]


def test_an_application_notices_that_its_client_has_left(
    application: Application, server: Served, client: httpx.Client
) -> None:
    with client.stream("GET", "/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert "hello" in next(response.iter_lines())
    assert client.get("/departure").text == "noticed\n"
    if application.complaint:
        server.reports(application.complaint)


def test_an_exception_is_answered_with_500_and_reported_once(server: Served, client: httpx.Client) -> None:
    response = client.get("/broken")
    assert response.status_code == 500
    assert "broken on purpose" not in response.text
    server.reports("RuntimeError: broken on purpose")
    assert client.get("/").status_code == 200


def test_pipelined_requests_are_answered_in_order(server: Served) -> None:
    names = ["Ada", "Grace", "Barbara", "Frances"]
    requests = [f"GET /greet/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" for name in names]
    last = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with server.connect() as connection:
        connection.send("".join([*requests, last]).encode())
        received = connection.rest()
    assert re.findall(rb"Hello, (\w+)!", received) == [name.encode() for name in names]
    assert received.count(b"HTTP/1.1 200 ") == 5


async def test_many_clients_at_once_each_get_their_own_answer(server: Served) -> None:
    async def greet(client: httpx.AsyncClient, number: int) -> bool:
        response = await client.get(f"/greet/number{number}")
        return response.text == f"Hello, number{number}!\n"

    limits = httpx.Limits(max_connections=10)
    async with (
        httpx.AsyncClient(base_url=server.url, limits=limits, timeout=30) as client,
        asyncio.TaskGroup() as group,
    ):
        answers = [group.create_task(greet(client, number)) for number in range(50)]
    assert all(answer.result() for answer in answers)


def test_its_lifespan_ends_with_the_server(application: Application, server: Served) -> None:
    assert server.end() == 0
    assert (f"Goodbye from {application.name}" in server.output) is application.farewell
