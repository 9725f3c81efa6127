"""Folders of files: what is sent of them, and that there is no way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import asgiworker
from asgistar import App, ConfigurationError, Include, Route, Static

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "secret.txt": b"secret",
        "public/style.css": b"css",
        "public/a b%41ü.txt": b"odd",
        "public/docs/index.html": b"docs",
        "public/docs/deep/page.html": b"page",
        "public/index.html": b"home",
        "public/.env": b"secret",
        "public/.git/config": b"secret",
        "public/.well-known/security.txt": b"contact",
        "public2/other.txt": b"secret",
    }
    for name, content in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (tmp_path / "public" / "out").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "public" / "up").symlink_to(tmp_path)
    (tmp_path / "public" / "in").symlink_to(tmp_path / "public" / "style.css")
    return tmp_path / "public"


@pytest.fixture
async def http(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = App(
        [
            Static("/static", folder, headers={"cache-control": "max-age=3600"}),
            Include("/site", [Static("", folder, name="site", index="index.html")]),
        ]
    )
    async with (
        asgiworker.running(app, graceful_timeout=1) as server,
        httpx.AsyncClient(base_url=server.url, timeout=10) as client,
    ):
        yield client


async def test_files_are_sent_as_files_are(http: httpx.AsyncClient) -> None:
    answer = await http.get("/static/style.css")
    assert (answer.content, answer.headers["content-type"]) == (b"css", "text/css; charset=utf-8")
    assert answer.headers["cache-control"] == "max-age=3600"
    again = await http.get("/static/style.css", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "max-age=3600")
    assert (await http.get("/static/style.css", headers={"range": "bytes=1-"})).content == b"ss"
    assert (await http.head("/static/style.css")).headers["content-length"] == "3"
    assert (await http.get("/static/docs/deep/page.html")).content == b"page"
    assert (await http.get("/static/a%20b%2541%C3%BC.txt")).content == b"odd"
    assert (await http.get("/static/in")).content == b"css"
    assert (await http.get("/static/.well-known/security.txt")).content == b"contact"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "docs/../../secret.txt",
        "docs/..%2f..%2fsecret.txt",
        "..%2fpublic2/other.txt",
        "%2fetc/passwd",
        "//etc/passwd",
        "..%5csecret.txt",
        ".env",
        ".git/config",
        "docs/../.env",
        "out",
        "up/secret.txt",
        "up/public2/other.txt",
        "style.css/",
        "style.css/x",
        "docs",
        "docs/",
        "%00",
        "style.css%00.txt",
        "",
    ],
)
async def test_there_is_no_way_out_and_nothing_hidden(path: str, http: httpx.AsyncClient) -> None:
    for place in ("static", "site") if path not in ("docs", "docs/", "") else ("static",):
        # A client of HTTP would put the path in order before it sends it.
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        writer.write(f"GET /{place}/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert head.startswith(b"HTTP/1.1 404 "), place
        assert b"secret" not in body


async def test_a_folder_can_have_an_index(http: httpx.AsyncClient) -> None:
    assert (await http.get("/site/")).content == b"home"
    assert (await http.get("/site/docs/")).content == b"docs"
    moved = await http.get("/site/docs")
    assert (moved.status_code, moved.headers["location"]) == (308, "./docs/")
    assert (await http.get("/site/docs", follow_redirects=True)).content == b"docs"
    assert (await http.get("/site/docs/deep/")).status_code == 404
    assert (await http.get("/site/style.css")).content == b"css"


async def test_files_have_addresses(folder: Path) -> None:
    app = App([Include("/v1", [Static("/files", folder)], name="v1"), Static("/static", folder)])
    assert app.url_for("static", path="docs/a b.css") == "/static/docs/a%20b.css"
    assert app.url_for("v1:static", path="x.js") == "/v1/files/x.js"
    assert "/static/{path}" not in str(app.openapi()["paths"])


async def test_other_methods_are_refused(folder: Path, client: Connect) -> None:
    answer = await client(Static("/static", folder)).post("/static/style.css")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


async def test_routes_beside_it_are_found(folder: Path, client: Connect) -> None:
    async def version() -> str:
        return "1"

    ask = client(Route("/static/version", "GET", version), Static("/static", folder))
    assert (await ask.get("/static/version")).json == "1"
    assert (await ask.get("/static/style.css")).body == b"css"


def test_mistakes_are_errors_at_start_up(folder: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"Static\('/x'\) at .*test_static.py:\d+: there is no folder"
    ):
        Static("/x", folder / "missing")
    with pytest.raises(ConfigurationError, match="without the slash at its end"):
        Static("/x/", folder)
    with pytest.raises(ValueError, match="line breaks"):
        Static("/x", folder, headers={"x": "a\nb"})
