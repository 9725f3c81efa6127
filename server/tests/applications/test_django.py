"""Django: views of both kinds, the admin with its static files, forms, sessions, uploads, streams."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import django  # type: ignore[import-untyped]  # Django has no types
import httpx
import pytest

if TYPE_CHECKING:
    from server.tests.applications.conftest import Curl, Serve, Served

pytestmark = pytest.mark.every_python

CONTENT = os.urandom(1024) * 4096  # 4 MiB: Django puts it into a file
STATIC = Path(django.__file__).parent / "contrib" / "admin" / "static"


@pytest.fixture(scope="module")
def server(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Served:
    return serve("django_app:app", DATABASE=str(tmp_path_factory.mktemp("database") / "db.sqlite3"))


@pytest.fixture
def browser(server: Served) -> Iterator[httpx.Client]:
    """A client with cookies of its own, that follows redirects."""
    with httpx.Client(base_url=server.url, follow_redirects=True, timeout=30) as browser:
        yield browser


def token(page: httpx.Response) -> str:
    """The CSRF token in a form."""
    found = re.search(r'name="?csrfmiddlewaretoken"? value="?(\w+)', page.text)
    assert found, page.text
    return found[1]


@pytest.mark.parametrize("path", ["admin/css/base.css", "admin/js/core.js", "admin/img/search.svg"])
def test_static_files_of_the_admin_are_served(client: httpx.Client, path: str) -> None:
    response = client.get(f"/static/{path}")
    assert response.content == (STATIC / path).read_bytes()
    assert int(response.headers["content-length"]) == len(response.content)


def test_a_large_static_file_arrives_whole(server: Served, curl: Curl) -> None:
    path = max((STATIC / "admin").rglob("*.js"), key=lambda file: file.stat().st_size)
    done = curl(f"{server.url}/static/{path.relative_to(STATIC)}")
    assert done.body == path.read_bytes()


def test_an_unchanged_static_file_is_304(server: Served, curl: Curl) -> None:
    url = f"{server.url}/static/admin/css/base.css"
    since = curl("--head", url).fields("last-modified")[0]
    again = curl("--header", f"If-Modified-Since: {since}", url)
    assert (again.status, again.body) == (304, b"")


def test_a_missing_static_file_is_404(client: httpx.Client) -> None:
    assert client.get("/static/admin/css/nothing.css").status_code == 404


def test_the_admin_asks_for_a_login_and_keeps_it(browser: httpx.Client) -> None:
    page = browser.get("/admin/")
    assert page.url.path == "/admin/login/"
    credentials = {"username": "ada", "password": "lovelace", "csrfmiddlewaretoken": token(page)}
    page = browser.post(str(page.url), data={**credentials, "next": "/admin/"})
    assert page.url.path == "/admin/"
    assert "Site administration" in page.text
    assert "ada" in browser.get("/admin/auth/user/").text


def test_a_form_without_its_token_is_refused(browser: httpx.Client) -> None:
    assert browser.post("/guestbook", data={"name": "Eve"}).status_code == 403


def test_a_session_remembers_who_has_signed(browser: httpx.Client) -> None:
    form = {"name": "Ada Löwe", "csrfmiddlewaretoken": token(browser.get("/guestbook"))}
    assert "Signed by Ada Löwe" in browser.post("/guestbook", data=form).text
    assert "Signed by Ada Löwe" in browser.get("/guestbook").text


def test_an_unknown_host_is_refused(server: Served, curl: Curl) -> None:
    assert curl("--header", "Host: evil.example", f"{server.url}/guestbook").status == 400
    server.reports("django.core.exceptions.DisallowedHost")


def test_a_file_of_several_megabytes_is_uploaded(client: httpx.Client) -> None:
    response = client.post("/file", files={"file": ("Größe.bin", CONTENT)})
    assert response.json() == {
        "name": "Größe.bin",
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }


def test_a_view_that_is_not_asynchronous_may_stream(client: httpx.Client) -> None:
    response = client.get("/numbers")
    assert response.headers["transfer-encoding"] == "chunked"
    assert response.text.splitlines() == [str(number) for number in range(1000)]


def test_a_file_response_arrives_whole(client: httpx.Client) -> None:
    response = client.get("/source")
    assert response.content == (Path(__file__).parent / "apps" / "django_app.py").read_bytes()
    assert response.headers["content-type"] == "text/x-python"


def test_a_view_at_work_is_cancelled_when_its_client_leaves(server: Served, client: httpx.Client) -> None:
    with server.connect() as connection:
        connection.send(b"GET /think HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.get("/thought").text == "thinking\n"
    assert client.get("/departure").text == "noticed\n"
    server.prints(r'"GET /think HTTP/1.1" 499')


def test_views_of_both_kinds_share_one_connection(server: Served) -> None:
    with httpx.Client(base_url=server.url, limits=httpx.Limits(max_connections=1)) as client:
        answers = [client.get(path).text for path in ("/", "/greet/Ada", "/", "/greet/Grace")]
    assert answers == ["Hello from Django!\n", "Hello, Ada!\n", "Hello from Django!\n", "Hello, Grace!\n"]


def test_below_a_root_path_urls_have_it(serve: Serve, tmp_path: Path) -> None:
    server = serve("django_app:app", "--root-path", "/shop", DATABASE=str(tmp_path / "db.sqlite3"))
    for prefix in ("", "/shop"):
        response = httpx.get(f"{server.url}{prefix}/admin/")
        assert response.headers["location"] == "/shop/admin/login/?next=/shop/admin/"
