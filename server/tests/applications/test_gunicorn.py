"""The same applications as workers of Gunicorn: two processes, behind one socket."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

if TYPE_CHECKING:
    from server.tests.applications.conftest import Curl, Serve, Served

pytestmark = pytest.mark.every_python

CONTENT = os.urandom(1024) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Application(NamedTuple):
    """An application, and Gunicorn's options for it."""

    name: str
    app: str
    options: tuple[str, ...] = ()


@pytest.fixture(
    scope="module",
    params=[
        Application("FastAPI", "fastapi_app:app"),
        Application("Django", "django_app:app", ("--preload",)),
        Application("Flask", "flask_app:app"),
    ],
    ids=lambda case: case.name,
)
def application(request: pytest.FixtureRequest) -> Application:
    case: Application = request.param
    return case


@pytest.fixture(scope="module")
def server(application: Application, serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return serve(
        application.app,
        *("--worker-class", "asgiworker.ASGIWorker", "--workers", "2", "--access-logfile", "-"),
        *application.options,
        command="gunicorn",
        DATABASE=str(tmp_path_factory.mktemp("database") / "db.sqlite3"),
    )


def test_a_page_is_served(application: Application, client: httpx.Client) -> None:
    assert client.get("/").text == f"Hello from {application.name}!\n"


def test_curl_uploads_in_chunks_and_after_100_continue(server: Served, curl: Curl) -> None:
    done = curl(
        *("--request", "POST", "--upload-file", "-", "--header", "Expect: 100-continue"),
        *("--expect100-timeout", "20", f"{server.url}/upload"),
        stdin=CONTENT,
    )
    assert done.statuses == [100, 200]
    assert DIGEST in done.body.decode()


def test_a_streamed_response_comes_part_by_part(server: Served) -> None:
    with server.connect() as connection:
        connection.send(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        received = connection.until(b"data: hello\n\n\r\n")
    assert b"transfer-encoding: chunked" in received.lower()


def test_an_exception_is_answered_with_500_and_reported(server: Served, client: httpx.Client) -> None:
    assert client.get("/broken").status_code == 500
    server.reports("RuntimeError: broken on purpose")


def test_every_request_stands_in_the_access_log(server: Served, client: httpx.Client) -> None:
    client.get("/greet/Grace?times=2", headers={"user-agent": "tester"})
    server.prints(r'^127\.0\.0\.1 - - \[.*\] "GET /greet/Grace\?times=2 HTTP/1\.1" 200 28 "-" "tester"$')


def test_with_the_command_two_workers_are_the_same(serve: Serve, tmp_path: Path) -> None:
    server = serve("fastapi_app:app", "--workers", "2")
    assert httpx.get(f"{server.url}/").text == "Hello from FastAPI!\n"
    assert httpx.post(f"{server.url}/upload", content=CONTENT).json()["sha256"] == DIGEST
