"""Starlette: files, compression, sessions, background tasks, and how it learns that a client has left."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from server.tests.applications.conftest import Curl, Serve, Served

pytestmark = pytest.mark.every_python

SOURCE = Path(__file__).parent / "apps" / "starlette_app.py"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Served:
    return serve("starlette_app:app")


def test_a_file_is_served_with_what_caches_want(client: httpx.Client) -> None:
    response = client.get("/file")
    assert response.content == SOURCE.read_bytes()
    assert int(response.headers["content-length"]) == SOURCE.stat().st_size
    assert response.headers["accept-ranges"] == "bytes"
    assert {"etag", "last-modified"} <= response.headers.keys()


def test_head_has_the_fields_of_get_for_a_file(client: httpx.Client) -> None:
    head, got = client.head("/file"), client.get("/file")
    assert head.content == b""
    for name in ("content-length", "content-type", "etag", "last-modified"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    ("wanted", "start", "end"), [("0-9", 0, 10), ("100-", 100, None), ("-50", -50, None)], ids=str
)
def test_curl_gets_a_range_of_a_file(
    server: Served, curl: Curl, wanted: str, start: int, end: int | None
) -> None:
    done = curl("--range", wanted, f"{server.url}/file")
    assert done.status == 206
    assert done.body == SOURCE.read_bytes()[start:end]


def test_several_ranges_come_as_one_message_in_parts(server: Served, curl: Curl) -> None:
    done = curl("--range", "0-9,20-29", f"{server.url}/file")
    assert done.status == 206
    assert done.fields("content-type")[0].startswith("multipart/byteranges; boundary=")
    assert done.body.count(b"Content-Range: bytes ") + done.body.count(b"content-range: bytes ") == 2


def test_a_range_beyond_the_end_is_416(server: Served, curl: Curl) -> None:
    assert curl("--range", "9999999-", f"{server.url}/file").status == 416


def test_curl_resumes_a_download(server: Served, curl: Curl, tmp_path: Path) -> None:
    begun = tmp_path / "download"
    begun.write_bytes(SOURCE.read_bytes()[:1000])
    done = curl("--continue-at", "-", "--output", str(begun), f"{server.url}/file")
    assert done.status == 206
    assert begun.read_bytes() == SOURCE.read_bytes()


def test_what_curl_has_already_is_304_without_a_body(server: Served, curl: Curl, tmp_path: Path) -> None:
    etag, url = tmp_path / "etag", f"{server.url}/sources/starlette_app.py"
    assert curl("--etag-save", str(etag), url).status == 200
    again = curl("--etag-compare", str(etag), url, "--next", "--silent", "--verbose", f"{server.url}/")
    assert again.statuses == [304, 200]
    assert again.body == b"Hello from Starlette!\n"
    assert "Re-using existing connection" in again.trace


@pytest.mark.parametrize("path", ["../conftest.py", "%2e%2e/conftest.py", "..%2fconftest.py"])
def test_static_files_stay_below_their_directory(server: Served, curl: Curl, path: str) -> None:
    assert curl("--path-as-is", f"{server.url}/sources/{path}").status == 404


def test_curl_gets_a_page_compressed(server: Served, curl: Curl) -> None:
    plain = curl(f"{server.url}/large")
    compressed = curl("--compressed", f"{server.url}/large")
    raw = curl("--header", "Accept-Encoding: gzip", f"{server.url}/large")
    assert compressed.fields("content-encoding") == ["gzip"]
    assert compressed.body == plain.body == gzip.decompress(raw.body)
    assert raw.fields("content-length") == [str(len(raw.body))]


def test_curl_posts_a_form_with_a_file(server: Served, curl: Curl, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(b"0123456789" * 100_000)
    done = curl("--form", "name=Ada", "--form", f"file=@{upload}", f"{server.url}/form")
    assert done.body == b'{"name":"Ada","size":1000000}'


def test_sessions_and_cookies_are_kept(server: Served) -> None:
    with httpx.Client(base_url=server.url) as browser:
        assert [browser.get("/visit").text for _ in range(3)] == ["1\n", "2\n", "3\n"]
        assert browser.cookies["flavour"] == "chocolate"
        assert len(browser.get("/visit").headers.get_list("set-cookie")) == 2


def test_a_redirect_leads_to_the_host_that_the_client_knows(server: Served, curl: Curl) -> None:
    done = curl("--location", "--header", "Host: localhost", f"{server.url}/old", code=7)
    assert done.fields("location") == ["http://localhost/"]
    followed = curl("--location", f"{server.url}/old")
    assert (followed.statuses, followed.body) == ([307, 200], b"Hello from Starlette!\n")


def test_a_background_task_runs_after_the_response(client: httpx.Client) -> None:
    assert client.get("/tidy").text == "later\n"
    client.post("/continue")  # the task waits for this
    assert client.get("/tidiness").text == "tidied\n"


def test_the_connection_is_free_for_the_next_request_while_a_background_task_runs(server: Served) -> None:
    with httpx.Client(base_url=server.url, limits=httpx.Limits(max_connections=1)) as client:
        first = client.get("/tidy")
        second = client.get("/")
        client.post("/continue")
        assert first.extensions["network_stream"] is not None
        assert second.text == "Hello from Starlette!\n"


def test_an_application_that_asks_is_told_that_its_client_has_left(
    server: Served, client: httpx.Client
) -> None:
    with client.stream("GET", "/polite-events") as response:
        assert next(response.iter_lines()) == "data: hello"
    assert client.get("/departure").text == "noticed\n"


def test_it_may_end_its_stream_properly_when_the_server_stops(serve: Serve) -> None:
    server = serve("starlette_app:app", "--drain-delay", "0.1")
    with httpx.Client(base_url=server.url) as client, client.stream("GET", "/polite-events") as response:
        lines = response.iter_lines()
        assert next(lines) == "data: hello"
        assert server.end() == 0
        assert list(lines) == [""]  # raises RemoteProtocolError unless the last chunk has come
    assert "Cancelling" not in server.output


def test_an_upload_that_breaks_off_is_no_error_of_the_server(server: Served, client: httpx.Client) -> None:
    with server.connect() as connection:
        connection.send(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it")
    server.prints(r'"POST /upload HTTP/1.1" 499')
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("prefix", ["", "/shop"], ids=["stripped by the proxy", "left on"])
def test_below_a_root_path_urls_have_it(serve: Serve, prefix: str) -> None:
    server = serve("starlette_app:app", "--root-path", "/shop")
    with httpx.Client(base_url=server.url, headers={"host": "shop.example"}) as client:
        assert client.get(f"{prefix}/").text == "Hello from Starlette!\n"
        where = client.get(f"{prefix}/where").json()
        assert where == {"url": "http://shop.example/shop/where", "root_path": "/shop"}
        assert client.get(f"{prefix}/old").headers["location"] == "http://shop.example/shop/"
        assert client.get(f"{prefix}/sources/starlette_app.py").status_code == 200
