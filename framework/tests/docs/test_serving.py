"""What `docs()` serves: the page, its files, the document; where it stands, and how it may be kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urljoin

import pytest

import asgistar.docs
from asgistar import App, ConfigurationError, Header, Host, Include, Mount, Route, Unauthorized
from asgistar.docs import docs

PAGE = Path(asgistar.docs.__file__).parent / "page"
FILES = sorted(file.name for file in PAGE.iterdir())


async def listing(q: str = "") -> list[str]:
    """List them."""
    return [q]


def standing(*routes: Any, document: dict[str, Any] | None = None) -> Any:
    """An application with these routes; with a document of its own, if one is given."""
    app = App([Route("/notes/", "GET", listing, name="list"), *routes])
    if document is not None:
        for entry in routes:
            entry.attach(SimpleNamespace(openapi=lambda: document, router=app.router))
    return app


@pytest.fixture
def asked(client: Callable[..., Any]) -> Callable[..., Any]:
    """`asked(app)`: a client of it."""

    def make(app: Any) -> Any:
        made = client(Route("/", "GET", listing))
        made.app = app
        return made

    return make


async def test_the_page_stands_behind_a_slash_and_without_one_one_is_sent_there(asked: Any) -> None:
    client = asked(standing(docs("/docs")))
    sent = await client.get("/docs")
    assert (sent.status, sent.headers["location"]) == (307, "./docs/")
    assert (
        urljoin("https://example.com/api/docs", sent.headers["location"]) == "https://example.com/api/docs/"
    )
    page = await client.get("/docs/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")


async def test_each_file_has_its_type(asked: Any) -> None:
    client = asked(standing(docs()))
    types = {
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".svg": "image/svg+xml",
    }
    for name in FILES:
        answer = await client.get(f"/docs/{name}")
        assert answer.status == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        if not name.endswith(".html"):
            assert answer.headers["content-type"] == types[Path(name).suffix]
            assert answer.body == (PAGE / name).read_bytes()


async def test_the_page_lets_nothing_in_but_what_stands_beside_it(asked: Any) -> None:
    page = await asked(standing(docs())).get("/docs/")
    policy = dict(each.strip().split(" ", 1) for each in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    text = page.body.decode()
    assert "<style" not in text
    assert not re.search(r"\son\w+=|style=", text)
    addresses = re.findall(r"(?:src|href)=\"([^\"]*)\"", text)
    assert {address for address in addresses if not address.startswith("#")} <= {*FILES, "openapi.json"}


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".js", ".css", ".html"))])
def test_no_file_asks_another_host(name: str) -> None:
    text = (PAGE / name).read_text()
    addresses = set(
        re.findall(
            r"(?:https?:)?//[a-z][\w.-]*\.[a-z]+", re.sub(r"^\s*(//|\*|/\*).*", "", text, flags=re.MULTILINE)
        )
    )
    assert addresses <= {"https://example.com", "http://www.w3.org"}
    assert "innerHTML" not in text
    assert "eval(" not in text


async def test_the_servers_of_the_document_may_be_asked_and_nothing_else(asked: Any) -> None:
    document = {
        "openapi": "3.1.0",
        "info": {"title": "x", "version": "1"},
        "servers": [
            {"url": "https://api.example.com/v1"},
            {"url": "/v2"},
            {"url": "https://e.com;script-src *"},
        ],
        "paths": {"/": {"get": {"servers": [{"url": "//tenant.example.com:8000/"}]}}},
        "x-paths": {"/#a": {"servers": [{"url": "http://[::1]:80"}], "parameters": []}},
    }
    page = await asked(standing(docs(), document=document)).get("/docs/")
    assert (
        "connect-src 'self' https://api.example.com wss://api.example.com http://[::1]:80 ws://[::1]:80 "
        "http://tenant.example.com:8000 ws://tenant.example.com:8000 https://tenant.example.com:8000 "
        "wss://tenant.example.com:8000; base-uri"
    ) in page.headers["content-security-policy"]
    assert (await asked(standing(docs(), document=document)).get("/docs/openapi.json")).json == document


async def test_what_has_not_changed_is_not_sent_again(asked: Any) -> None:
    client = asked(standing(docs()))
    for name in ("", "docs.js", "openapi.json"):
        first = await client.get(f"/docs/{name}")
        assert first.headers["cache-control"] == "no-cache"
        for tag in (first.headers["etag"], f'"x", W/{first.headers["etag"]}', "*"):
            again = await client.get(f"/docs/{name}", headers={"if-none-match": tag})
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
        other = await client.get(f"/docs/{name}", headers={"if-none-match": '"x"'})
        assert (other.status, other.body) == (200, first.body)


async def test_the_title_is_text(asked: Any) -> None:
    evil = '</title><script>alert("1")</script>'
    page = await asked(standing(docs(title=evil))).get("/docs/")
    assert b"<script>alert" not in page.body
    assert b"<title>&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;</title>" in page.body


@pytest.mark.parametrize(
    ("entries", "path", "root"),
    [
        ([docs("/docs")], "/docs/", "/"),
        ([docs("/docs/")], "/docs/", "/"),
        ([docs("/internal/docs")], "/internal/docs/", "/"),
        ([docs("")], "/", "/"),
        ([docs("/")], "/", "/"),
        ([Include("/v1", [docs("/docs")])], "/v1/docs/", "/"),
        ([Include("/<tenant>", [docs("/docs")])], "/acme/docs/", "/"),
        ([Host("testserver", [docs("/docs")])], "/docs/", "/"),
        ([Mount("/api", App([docs("/docs")]))], "/api/docs/", "/api/"),
    ],
)
async def test_the_document_knows_where_the_application_is(
    asked: Any, entries: list[Any], path: str, root: str
) -> None:
    client = asked(standing(*entries))
    host = {"headers": [("host", "testserver")]}
    assert (await client.get(path, **host)).status == 200
    document = (await client.get(f"{path}openapi.json", **host)).json
    (server,) = document["servers"]
    assert (
        urljoin(f"https://example.com/below{path}openapi.json", server["url"])
        == f"https://example.com/below{root}"
    )


async def test_below_a_root_path_it_is_the_same(asked: Any) -> None:
    client = asked(standing(docs("/docs")))
    page = await client.get("/below/docs/", root_path="/below")
    assert (page.status, page.body) == (200, (await client.get("/docs/")).body)


async def test_the_docs_are_not_in_the_document(asked: Any) -> None:
    document = (await asked(standing(docs("/docs"))).get("/docs/openapi.json")).json
    assert list(document["paths"]) == ["/notes/"]
    assert document["paths"]["/notes/"]["get"]["operationId"] == "list"


async def test_the_document_is_made_when_it_is_asked_for_and_once(asked: Any) -> None:
    made: list[dict[str, Any]] = []
    page = docs("/docs")
    app = App([page])

    def openapi() -> dict[str, Any]:
        made.append({"info": {"title": "x"}, "paths": {}})
        return made[0]

    page.attach(SimpleNamespace(openapi=openapi))
    assert made == []
    client = asked(app)
    assert (await client.get("/docs/openapi.json")).json["info"] == {"title": "x"}
    assert page.files() is page.files()


async def test_head_and_other_methods(asked: Any) -> None:
    client = asked(standing(docs("/docs")))
    assert (await client("HEAD", "/docs/docs.js")).body == b""
    assert (await client.post("/docs/docs.js", {})).status == 405


async def test_hooks_say_who_may_see_them(asked: Any) -> None:
    class Gate:
        def on_request(self, authorization: Header[str] = "") -> None:
            if authorization != "Bearer secret":
                raise Unauthorized

    client = asked(standing(Include("", [docs("/docs")], hooks=[Gate])))
    for path in ("/docs/", "/docs/openapi.json", "/docs/docs.js"):
        assert (await client.get(path)).status == 401
        assert (await client.get(path, headers={"authorization": "Bearer secret"})).status == 200


def test_the_address_of_the_page_is_found_by_name() -> None:
    assert standing(docs("/docs")).url_for("docs:page") == "/docs/"


def test_the_last_segment_has_no_parameter() -> None:
    with pytest.raises(ConfigurationError, match=r"Docs\('/<x>'\) at .*: the last segment"):
        docs("/<x>")


def test_docs_that_stand_nowhere_say_so() -> None:
    with pytest.raises(ConfigurationError, match="stands in no application"):
        docs("/docs").files()
