"""Litestar: validation, uploads, files, background tasks, event streams."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from server.tests.applications.conftest import Curl, Serve, Served

pytestmark = pytest.mark.every_python

CONTENT = os.urandom(1024) * 4096


@pytest.fixture(scope="module")
def server(serve: Serve) -> Served:
    return serve("litestar_app:app")


def test_a_valid_document_is_accepted(client: httpx.Client) -> None:
    response = client.post("/articles", json={"name": "Teapot", "price": 7.5})
    assert (response.status_code, response.json()) == (201, {"name": "Teapot", "price": 7.5})


def test_an_invalid_document_is_400_and_says_where(client: httpx.Client) -> None:
    response = client.post("/articles", json={"name": "Teapot", "price": "dear"})
    assert response.status_code == 400
    problem = {"message": "Expected `float`, got `str`", "key": "price", "source": "body"}
    assert response.json()["extra"] == [problem]


def test_what_the_application_refuses_is_refused(client: httpx.Client) -> None:
    response = client.get("/refused")
    assert response.json() == {"status_code": 403, "detail": "Not today", "extra": {"try": "tomorrow"}}


def test_a_file_of_several_megabytes_is_uploaded(client: httpx.Client) -> None:
    response = client.post("/file", files={"data": ("upload.bin", CONTENT)})
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert response.json() == {"name": "upload.bin", "size": len(CONTENT), "sha256": digest}


def test_curl_gets_a_file_with_its_name(server: Served, curl: Curl, tmp_path: Path) -> None:
    done = curl(
        "--remote-name", "--remote-header-name", "--output-dir", str(tmp_path), f"{server.url}/source"
    )
    assert done.status == 200
    source = Path(__file__).parent / "apps" / "litestar_app.py"
    assert (tmp_path / "litestar_app.py").read_bytes() == source.read_bytes()


def test_a_background_task_runs_after_the_response(client: httpx.Client) -> None:
    assert client.get("/tidy").text == "later\n"
    client.post("/continue")  # the task waits for this
    assert client.get("/tidiness").text == "tidied\n"


def test_a_client_may_leave_in_the_middle_of_its_request(server: Served, client: httpx.Client) -> None:
    with server.connect() as connection:
        connection.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it")
    server.prints(r'"POST /upload HTTP/1.1" 499')
    server.reports("client disconnected prematurely")  # by Litestar
    assert client.get("/").status_code == 200
