"""`asgistar routes`: the table, and the source that runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from framework.tests.cli.conftest import Project


def test_the_table_names_method_path_name_view_and_place(shop: Project) -> None:
    ended = shop("routes")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "METHOD  PATH                  NAME           VIEW",
        "GET     /items/               items:listing  listing  main.py:23",
        "GET     /items/<int:number>/  items:detail   detail  main.py:27",
    ]


def test_methods_hosts_and_mounted_applications_have_lines_of_their_own(empty: Project) -> None:
    empty.write(
        "main.py",
        """
        from asgistar import App, Host, Mount, Route
        async def other(scope, receive, send): ...
        class Other:
            async def __call__(self, scope, receive, send): ...
        async def view() -> int: ...
        class View:
            def __call__(self) -> int: ...
        app = App([
            Host("<tenant>.example.com", [Route("/<_rest>", {"GET": View(), "POST": view}, name="both")]),
            Mount("/other", other), Mount("/third", Other()),
        ])
        """,
    )
    lines = json.loads(empty("routes", "--json").out)
    assert [(line["method"], line["path"], line["name"], line["view"]) for line in lines] == [
        ("GET", "//<tenant>.example.com/<_rest>", "both", "View.__call__"),
        ("POST", "//<tenant>.example.com/<_rest>", "both", "view"),
        ("*", "/other/…", "", "other"),
        ("*", "/third/…", "", "Other"),
    ]
    assert lines[0]["place"] == "main.py:8"
    assert lines[2]["place"] == "main.py:11"


def test_the_routes_of_the_docs_page_are_shown_if_they_are_asked_for(empty: Project) -> None:
    empty.write(
        "main.py", "from asgistar import App\nfrom asgistar.docs import docs\napp = App([docs('/docs')])"
    )
    nothing, more = empty("routes").out.splitlines()
    assert nothing == "main:app has no routes."
    assert more.endswith(" more are asgistar's own: asgistar routes --all")
    assert "/docs/openapi.json" in empty("routes", "--all").out
    assert "main:app can work: 0 views." in empty("check").out


def test_a_websocket_has_no_method(empty: Project) -> None:
    empty.write(
        "main.py",
        """
        from asgistar import App, WebSocketRoute
        from asgistar.websocket import WebSocket
        async def chat(socket: WebSocket[str, str]) -> None: ...
        app = App([WebSocketRoute("/chat", chat)])
        """,
    )
    assert empty("routes").out.splitlines()[1].split() == ["WEBSOCKET", "/chat", "chat", "chat", "main.py:4"]
    assert empty("routes", "--source", "WEBSOCKET /chat").code == 0


def test_an_application_without_routes(empty: Project) -> None:
    empty.write("main.py", "from asgistar import App\napp = App([])")
    assert empty("routes").out == "main:app has no routes.\n"
    assert json.loads(empty("routes", "--json").out) == []


@pytest.mark.parametrize(
    "name", ["items:detail", "detail", "/items/<int:number>/", "GET /items/<int:number>/"]
)
def test_the_source_of_a_route_is_shown_by_its_name_its_view_or_its_path(shop: Project, name: str) -> None:
    ended = shop("routes", "--source", name)
    assert (ended.code, ended.err) == (0, "")
    first, second, *_ = ended.out.splitlines()
    assert first == "# GET /items/<int:number>/: detail() at main.py:27"
    assert second.startswith("async def plan_of_detail(")
    compile(ended.out, "main.py", "exec")


def test_no_such_route(shop: Project) -> None:
    ended = shop("routes", "--source", "item:detail")
    assert ended.code == 1
    assert ended.err == "Error: There is no route item:detail.\nHint: Did you mean items:detail?\n"
    assert "Hint: asgistar routes shows their names" in shop("routes", "--source", "zzz").err
