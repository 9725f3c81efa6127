"""WSGI, by Flask and by an application without a framework: uploads, streams, errors, threads."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
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
    return serve("flask_app:app")


def test_a_file_of_several_megabytes_is_uploaded(client: httpx.Client) -> None:
    response = client.post("/file", files={"file": ("upload.bin", CONTENT)})
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert response.json() == {"name": "upload.bin", "size": len(CONTENT), "sha256": digest}


def test_what_the_application_refuses_is_refused(client: httpx.Client) -> None:
    response = client.get("/refused")
    assert response.status_code == 403
    assert "Not today" in response.text


def test_a_stream_that_breaks_does_not_look_complete(server: Served, curl: Curl) -> None:
    done = curl("--no-buffer", f"{server.url}/broken-stream", code=18)  # transfer closed with data remaining
    assert (done.status, done.body) == (200, b"one\n")
    server.reports("RuntimeError: broken in the middle")


def test_two_views_run_at_the_same_time(client: httpx.Client) -> None:
    with ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(client.get, "/meet") for _ in range(2)]
        assert [answer.result().text for answer in answers] == ["met\n", "met\n"]


def test_many_clients_that_leave_cost_no_threads(server: Served, client: httpx.Client) -> None:
    for _ in range(60):  # more than there are threads
        with server.connect() as connection:
            connection.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.until(b"\n\n\r\n")
        assert client.get("/departure").text == "noticed\n"


def test_sessions_are_kept(server: Served) -> None:
    with httpx.Client(base_url=server.url) as browser:
        assert [browser.get("/visit").text for _ in range(3)] == ["1\n", "2\n", "3\n"]


def test_a_redirect_leads_to_the_host_that_the_client_knows(client: httpx.Client) -> None:
    response = client.get("/old", headers={"host": "shop.example:8080"})
    assert response.headers["location"] == "http://shop.example:8080/"


def test_curl_gets_a_range_of_a_file(server: Served, curl: Curl) -> None:
    done = curl("--range", "10-19", f"{server.url}/source")
    source = Path(__file__).parent / "apps" / "flask_app.py"
    assert (done.status, done.body) == (206, source.read_bytes()[10:20])


def test_head_says_how_long_a_file_is(server: Served, curl: Curl) -> None:
    length = (Path(__file__).parent / "apps" / "flask_app.py").stat().st_size
    assert curl("--head", f"{server.url}/source").fields("content-length") == [str(length)]


def test_the_environ_tells_who_asks_for_what(server: Served, client: httpx.Client) -> None:
    environ = client.get("/environ?x=%20y", headers={"x-thing": "one", "cookie": "a=b"}).json()
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/environ",
        "QUERY_STRING": "x=%20y",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(server.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": f"127.0.0.1:{server.port}",
        "HTTP_X_THING": "one",
        "HTTP_COOKIE": "a=b",
        "wsgi.url_scheme": "http",
    }
    assert {name: environ.get(name) for name in expected} == expected


def test_an_upload_that_breaks_off_is_no_whole_upload(server: Served, client: httpx.Client) -> None:
    with server.connect() as connection:
        connection.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    server.prints(r'"POST /upload HTTP/1.1" 499')
    server.reports("ClientDisconnected: the client left before its request was complete")  # by Flask
    assert client.get("/").status_code == 200


def test_below_a_root_path_it_is_the_script_name(serve: Serve) -> None:
    server = serve("flask_app:app", "--root-path", "/shop")
    for prefix in ("", "/shop"):
        with httpx.Client(base_url=server.url + prefix) as client:
            environ = client.get("/environ").json()
            assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/shop", "/environ")
            assert client.get("/old").headers["location"] == f"{server.url}/shop/"


def test_a_view_that_never_returns_does_not_hold_the_server_when_it_stops(serve: Serve) -> None:
    server = serve("flask_app:app", "--graceful-timeout", "0.2")
    with server.connect() as connection:
        connection.send(b"GET /departure HTTP/1.1\r\nHost: a\r\n\r\n")
        server.provoked.append("Cancelling 1 requests")
        server.provoked.append("GET /departure: the application was cancelled")
        assert httpx.get(f"{server.url}/").status_code == 200
        assert server.end() == 0


def test_wsgi_that_can_not_be_recognised_is_served_as_told(serve: Serve, curl: Curl) -> None:
    server = serve("wsgi:app", "--interface", "wsgi")
    done = curl("--data-binary", "@-", f"{server.url}/", stdin=b"x" * 100_000)
    assert (done.status, done.body) == (200, b"Hello from WSGI!\n100000 bytes\n")
