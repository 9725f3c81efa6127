"""Quart: streams in both directions at once, background tasks, limits of its own."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from server.tests.applications.conftest import Curl, Serve, Served

pytestmark = pytest.mark.every_python

CONTENT = os.urandom(1024) * 4096


@pytest.fixture(scope="module")
def server(serve: Serve) -> Served:
    return serve("quart_app:app")


def test_a_request_can_be_answered_while_it_is_still_coming(server: Served) -> None:
    with server.connect() as connection:
        connection.send(b"POST /shout HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        head = connection.until(b"\r\n\r\n3\r\nONE\r\n")
        connection.send(b"5\r\nthree\r\n")
        assert connection.until(b"THREE\r\n") == b"5\r\nTHREE\r\n"
        connection.send(b"0\r\n\r\n")
        assert connection.until(b"0\r\n\r\n") == b"0\r\n\r\n"
    assert head.startswith(b"HTTP/1.1 200 ")


def test_a_file_of_several_megabytes_is_uploaded(client: httpx.Client) -> None:
    response = client.post("/file", files={"file": ("upload.bin", CONTENT)})
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert response.json() == {"name": "upload.bin", "size": len(CONTENT), "sha256": digest}


def test_a_body_that_quart_finds_too_large_is_413_while_it_is_being_sent(server: Served, curl: Curl) -> None:
    done = curl("--data-binary", "@-", "--header", "Expect:", f"{server.url}/echo", stdin=CONTENT * 4)
    assert done.statuses == [413]


def test_what_the_application_refuses_is_refused(client: httpx.Client) -> None:
    response = client.get("/refused")
    assert response.status_code == 403
    assert "Not today" in response.text


def test_a_background_task_runs_after_the_response(client: httpx.Client) -> None:
    assert client.get("/tidy").text == "later\n"
    client.post("/continue")  # the task waits for this
    assert client.get("/tidiness").text == "tidied\n"


def test_a_client_may_leave_in_the_middle_of_its_request(server: Served, client: httpx.Client) -> None:
    with server.connect() as connection:
        connection.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it")
    server.prints(r'"POST /upload HTTP/1.1" 499')
    assert client.get("/").status_code == 200
