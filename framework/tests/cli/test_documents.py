"""`asgistar schema`, `client` and `check`: what is made of an application."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from framework.tests.cli.conftest import Project


def test_the_schema_is_written_to_stdout(shop: Project) -> None:
    ended = shop("schema")
    assert (ended.code, ended.err) == (0, "")
    document = json.loads(ended.out)
    assert document["openapi"].startswith("3.1")
    assert ended.out.endswith("}\n")
    assert set(document["paths"]) == {"/items/", "/items/{number}/"}


def test_the_schema_is_written_to_a_file_as_yaml(shop: Project) -> None:
    ended = shop("schema", "--format", "yaml", "-o", "openapi.yaml")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert yaml.safe_load((shop.folder / "openapi.yaml").read_text()) == json.loads(
        shop("schema", "-o", "-").out
    )


def test_a_file_that_can_not_be_written(shop: Project) -> None:
    ended = shop("schema", "-o", "there/is/none.json")
    assert ended.code == 1
    assert ended.err == "Error: there/is/none.json can't be written: No such file or directory.\n"


def test_a_client_in_python_can_be_imported(shop: Project) -> None:
    ended = shop("client", "--lang", "python", "-o", "shop_client.py")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    subprocess.run([sys.executable, "-W", "error", "-c", "import shop_client"], cwd=shop.folder, check=True)


def test_a_client_in_typescript(shop: Project) -> None:
    ended = shop("client", "--lang", "typescript")
    assert (ended.code, ended.err) == (0, "")
    assert "export" in ended.out
    assert "Item" in ended.out


@pytest.mark.parametrize("lang", ["ruby", ""])
def test_there_is_no_client_in_other_languages(shop: Project, lang: str) -> None:
    ended = shop("client", "--lang", lang)
    assert ended.code == 2
    assert "python" in ended.err


def test_an_application_that_can_work(shop: Project) -> None:
    ended = shop("check")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "main:app can work: 2 views, 1 command.\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('Route("/", "GET", view), Route("/", "GET", view)', "main.py:8"),
        ('Route("/<int:a", "GET", view)', "main.py:8"),
        ('Route("/", "GET", odd)', "odd() at main.py:5"),
        ('Route("/", "GET", view, bdy_limit=1)', "Did you mean body_limit?"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(empty: Project, line: str, message: str) -> None:
    empty.write(
        "main.py",
        f"""
        from asgistar import App, Route
        class Other: ...
        def view() -> int: ...
        def odd(other: Other) -> int: ...
        app = App(
            [
                {line}
            ]
        )
        """,
    )
    ended = empty("check")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("Error: ")
    assert message in ended.err
    assert "Traceback" not in ended.err


def test_what_is_wrong_with_the_document_is_told_too(empty: Project) -> None:
    empty.write(
        "main.py",
        """
        from asgistar import App, ConfigurationError
        class Odd(App):
            def openapi(self):
                raise ConfigurationError("two types are called Note")
        app = Odd([])
        """,
    )
    ended = empty("check")
    assert (ended.code, ended.out, ended.err) == (1, "", "Error: two types are called Note\n")


def test_a_plan_that_can_not_be_compiled_is_told(empty: Project) -> None:
    empty.write(
        "main.py",
        """
        from asgistar import App, Route
        def view() -> int: ...
        app = App([Route("/", "GET", view)])
        app.router.endpoints[0].handlers["GET"].source.write("return ]")
        """,
    )
    ended = empty("check")
    assert ended.code == 1
    assert ended.err.startswith("Error: view() at main.py:3: its plan can't be compiled: ")
