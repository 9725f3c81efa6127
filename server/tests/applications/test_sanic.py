"""Sanic in its ASGI mode: uploads, cookies, files, tasks, errors."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from server.tests.applications.conftest import Serve, Served

pytestmark = pytest.mark.every_python

CONTENT = os.urandom(1024) * 4096


@pytest.fixture(scope="module")
def server(serve: Serve) -> Served:
    return serve("sanic_app:app")


def test_a_file_of_several_megabytes_is_uploaded(client: httpx.Client) -> None:
    response = client.post("/file", files={"file": ("upload.bin", CONTENT)})
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert response.json() == {"name": "upload.bin", "size": len(CONTENT), "sha256": digest}


def test_cookies_are_set_and_come_back(server: Served) -> None:
    with httpx.Client(base_url=server.url) as browser:
        assert [browser.get("/visit").text for _ in range(3)] == ["1\n", "2\n", "3\n"]
        assert browser.cookies["flavour"] == "chocolate"


def test_a_file_is_served(client: httpx.Client) -> None:
    response = client.get("/source")
    assert response.content == (Path(__file__).parent / "apps" / "sanic_app.py").read_bytes()


def test_what_the_application_refuses_is_refused(client: httpx.Client) -> None:
    response = client.get("/refused")
    assert response.status_code == 403
    assert "Not today" in response.text


def test_a_task_runs_beside_the_requests(client: httpx.Client) -> None:
    assert client.get("/tidy").text == "later\n"
    client.post("/continue")  # the task waits for this
    assert client.get("/tidiness").text == "tidied\n"
