"""Pages made of templates."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import pytest

from asgistar import HTML, App, Background, ConfigurationError, Include, Mount, NoReverseMatch, Route
from asgistar.templates import Templates

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "notes.html": '{% import "links.html" as links %}<h1>{{ title }}</h1>{{ links.to(7) }}{{ site }}',
        "links.html": """{% macro to(number) -%}
            <a href="{{ url_for("notes:detail", number=number, _query={"a": "b&c"}) }}">
        {%- endmacro %}""",
        "mail.txt": "{{ title }}",
        "odd.html": "{{ missing }}",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


async def page(templates: Templates) -> HTML:
    return templates("notes.html", title="<b>")


async def detail(number: int) -> int:
    return number


ROUTES = [
    Route("/", "GET", page),
    Include("/notes", [Route("/<number>", "GET", detail, name="detail")], name="notes"),
]
PAGE = '<h1>&lt;b&gt;</h1><a href="{}/notes/7?a=b%26c">here'


async def test_a_page_has_values_escaped_and_addresses(folder: Path, client: Connect) -> None:
    templates = Templates(folder, globals={"site": "here"})
    answer = await client(ROUTES, components=[templates]).get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.body.decode() == PAGE.format("")


async def test_a_page_has_the_status_that_is_said_by_place_or_by_name(folder: Path) -> None:
    templates = Templates(folder)
    assert templates("mail.txt", title="a").status == 200
    assert templates("mail.txt", 404, title="a").status == 404
    assert templates("mail.txt", status=422, title="a").status == 422


async def test_addresses_are_below_the_root_path(folder: Path, client: Connect) -> None:
    templates = Templates([folder], globals={"site": "here"})
    mounted = client(Mount("/v1", App(ROUTES, components=[templates])))
    assert (await mounted.get("/v1/")).body.decode() == PAGE.format("/v1")
    alone = client(ROUTES, components=[templates])
    assert (await alone.get("/", root_path="")).body.decode() == PAGE.format("")


async def test_work_outside_of_requests_has_templates_too(folder: Path, client: Connect) -> None:
    sent = []
    done = asyncio.Event()

    async def mail(templates: Templates, app: App) -> None:
        sent.append(templates.render("mail.txt", title="<a>"))
        sent.append(templates.render("notes.html", title="<b>", site="here") + app.url_for("page"))
        done.set()

    async def view(background: Background) -> None:
        background.add(mail)

    ask = client([*ROUTES, Route("/mail", "GET", view)], components=[Templates(folder)])
    assert (await ask.get("/mail")).status == 204
    await asyncio.wait_for(done.wait(), 10)
    async with ask.app.scope() as scope:
        await scope.call(mail)
    assert sent == ["<a>", PAGE.format("") + "/"] * 2


def test_a_view_can_be_called_as_it_is(folder: Path) -> None:
    templates = Templates(folder)
    assert templates("mail.txt", title="a").content == b"a"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("missing.html", jinja2.TemplateNotFound),
        ("odd.html", jinja2.UndefinedError),
        ("notes.html", NoReverseMatch),
    ],
)
def test_mistakes_are_errors(name: str, error: type[Exception], folder: Path) -> None:
    with pytest.raises(error):
        Templates(folder).render(name, title="a", site="")


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no folder '.*missing' for templates"):
        Templates(tmp_path / "missing")
