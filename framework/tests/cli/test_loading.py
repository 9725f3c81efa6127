"""Which application is meant, and what is said where it can't be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.tests.cli.conftest import Project

    Broken = Callable[..., str]

APP = "from asgistar import App\n{0} = App([])\n"


def last(text: str) -> list[str]:
    """The sentence and the hint."""
    return text.splitlines()[-2:]


@pytest.mark.parametrize("file", ["app.py", "main.py", "app/__init__.py"])
def test_without_a_name_it_is_app_or_main(empty: Project, file: str) -> None:
    empty.write(file, APP.format("app"))
    ended = empty("check")
    assert (ended.code, ended.err) == (0, "")
    assert "can work: 0 views." in ended.out


def test_what_is_mounted_has_no_views_that_could_be_checked(empty: Project) -> None:
    empty.write(
        "main.py",
        "from asgistar import App, Mount\n\napp = App([Mount('/old', App([])), Mount('/a', App([]))])\n",
    )
    assert empty("check").out == "main:app can work: 0 views.\n"


def test_an_app_that_is_imported_from_elsewhere_counts(empty: Project) -> None:
    empty.write("shop.py", APP.format("app"))
    empty.write("main.py", "from shop import app as app")
    assert empty("check").out == "main:app can work: 0 views.\n"


def test_the_command_line_comes_before_the_environment_and_that_before_pyproject(empty: Project) -> None:
    for name in ("one", "two", "three"):
        empty.write(f"{name}.py", APP.format("api"))
    empty.write("pyproject.toml", '[tool.asgistar]\napp = "one:api"\n')
    assert empty("check").out.startswith("one:api")
    assert empty("check", ASGISTAR_APP="two:api").out.startswith("two:api")
    assert empty("--app", "three:api", "check", ASGISTAR_APP="two:api").out.startswith("three:api")
    assert empty("--app=two:api", "check", "--app", "three:api").out.startswith("three:api")


def test_it_is_imported_from_another_folder_if_that_is_said(empty: Project) -> None:
    empty.write("src/shop.py", APP.format("app"))
    assert empty("--app", "shop", "--app-dir", "src", "check").code == 0
    empty.write("pyproject.toml", '[tool.asgistar]\napp = "shop"\napp-dir = "src"\n')
    assert empty("check").code == 0
    assert last(empty("check", "--app-dir", "sources").err)[0].startswith("Error: There is no folder ")


def test_a_factory_is_called(empty: Project) -> None:
    empty.write(
        "main.py", "from asgistar import App\ndef create_app(): return App([])\nclass On:\n  app = App([])"
    )
    assert empty("--app", "main:create_app()", "check").code == 0
    assert empty("--app", "main:On.app", "check").code == 0
    assert (
        "Hint: If it makes the application, write main:create_app()"
        in empty("--app", "main:create_app", "check").err
    )


def test_a_module_alone_will_do_if_there_is_one_application_in_it(empty: Project) -> None:
    empty.write("main.py", APP.format("api"))
    assert empty("--app", "main", "check").code == 0
    empty.write("main.py", APP.format("api") + "internal = App([])\n")
    assert last(empty("--app", "main", "check").err) == [
        "Error: There are several applications in main.",
        "Hint: Name one: main:api, main:internal",
    ]
    empty.write("main.py", "")
    assert "There is no application in main." in empty("--app", "main", "check").err


def test_several_where_none_is_named(empty: Project) -> None:
    empty.write("app.py", APP.format("app"))
    empty.write("main.py", APP.format("app"))
    ended = empty("check")
    assert ended.code == 2
    assert last(ended.err) == [
        "Error: There are several applications, app:app and main:app.",
        "Hint: Name it as in: asgistar --app main:app",
    ]


def test_none_where_none_is_named(empty: Project) -> None:
    ended = empty("check")
    assert ended.code == 2
    assert last(ended.err)[0].startswith(
        "Error: No application is named, and there is neither app:app nor main:app in"
    )
    empty.write("shop/web.py", "import asgistar\napi: object = asgistar.App([])\n")
    empty.write("tests/web.py", "import asgistar\nother = asgistar.App([])\n")
    hint = "These look like applications: shop.web:api. Name it as in: asgistar --app shop.web:api"
    assert hint in empty("check").err


@pytest.mark.parametrize(
    ("target", "message", "hint"),
    [
        ("mian:app", "There is no module mian in ", "Did you mean main:app?"),
        ("web:app", "There is no module web in ", "There is main:app."),
        ("main:ap", "There is no ap in main.", "Did you mean app?"),
        ("main:application2", "There is no application2 in main.", "There is app."),
        (
            "main:Item",
            "main:Item is a StructMeta, not an App of asgistar.",
            "Any ASGI server serves the other.",
        ),
        ("main:App", "main:App is a type, not an App of asgistar.", "It is the class; name an object of it."),
        (
            "main:listing",
            "main:listing is a function, not an App",
            "If it makes the application, write main:listing()",
        ),
        ("main:app()", "main:app() failed: TypeError.", "The traceback is above."),
        ("main:NUMBER()", "main:NUMBER is a int, and can't be called.", ""),
        ("main:NUMBER", "main:NUMBER is a int, not an App", "Name it as in: asgistar --app main:app"),
        ("main:NONE", "main:NONE is None, not an App", ""),
        ("main:asgistar", "main:asgistar is a module, not an App", "Perhaps asgistar:app"),
        ("main.py", "'main.py' is the name of a file, not of a module.", "Write main:app"),
        ("./main.py:api", "'./main.py' is the name of a file, not of a module.", "Write main:api"),
        ("main-1:app", "'main-1' is no name of a module.", ""),
        ("main:app[0]", "'main:app[0]' doesn't name an application.", ""),
    ],
)
def test_a_name_of_something_else(shop: Project, target: str, message: str, hint: str) -> None:
    shop.write(
        "main.py", (shop.folder / "main.py").read_text() + "import asgistar\nNUMBER = 1\nNONE = None\n"
    )
    ended = shop("--app", target, "check")
    assert ended.code in (1, 2)
    assert f"Error: {message}" in ended.err
    assert hint in ended.err


@pytest.mark.parametrize(
    "source",
    [
        "from asgistar import App\n\nfrom shop import routes\n",
        "import asgistar.http\nimport shop\n",
        "from shop import *\n",
    ],
)
def test_what_can_not_be_imported_is_told_of_though_no_application_is_seen(
    source: str, empty: Project
) -> None:
    empty.write("app.py", source)
    empty.write("shop.py", "import databse\n")
    ended = empty("check")
    assert "ModuleNotFoundError: No module named 'databse'" in ended.err
    assert last(ended.err)[0] == "Error: The module app can't be imported: ModuleNotFoundError."


def test_an_app_that_does_not_show_in_the_source_counts(empty: Project) -> None:
    empty.write("shop.py", APP.format("app"))
    empty.write("main.py", "from shop import *")
    assert empty("check").out == "main:app can work: 0 views.\n"


def test_a_program_that_has_nothing_to_do_with_it_is_not_run(empty: Project) -> None:
    empty.write("main.py", "import os\nfrom pathlib import Path\n\nos._exit(3)\n")
    empty.write("app.py", "import asgistar\n")
    ended = empty("check")
    assert (ended.code, "there is neither app:app nor main:app" in ended.err) == (2, True)


def test_an_error_of_the_application_comes_with_its_own_traceback_alone(
    broken: Broken, empty: Project
) -> None:
    empty.write("other.py", "def fail():\n    raise OSError('no disk')\n")
    told = broken("import other\n\nother.fail()\napp = None\n", "check")
    lines = told.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line for line in lines if line.lstrip().startswith("File ")] == [
        f'  File "{empty.folder}/main.py", line 3, in <module>',
        f'  File "{empty.folder}/other.py", line 2, in fail',
    ]
    assert lines[-3:] == [
        "OSError: no disk",
        "Error: The module main can't be imported: OSError.",
        "Hint: The traceback is above.",
    ]


def test_a_source_with_an_error_in_it(broken: Broken) -> None:
    told = broken("app = App(\n", "check")
    assert 'main.py", line 1' in told
    assert "SyntaxError: '(' was never closed" in told


def test_what_the_application_can_not_import_is_its_own_error(broken: Broken) -> None:
    told = broken("import databse\napp = None\n", "check")
    assert "ModuleNotFoundError: No module named 'databse'" in told
    assert 'main.py", line 1' in told


def test_an_application_that_can_not_be_made_is_told_in_a_sentence(broken: Broken) -> None:
    told = broken(
        """
        from asgistar import App, Route
        def view(thing): ...
        app = App([Route("/", "GET", view)])
        """,
        "check",
    )
    assert told == (
        "Error: The parameter thing of view() at main.py:3 has no annotation, and isn't in the path: write "
        "its type, as in `thing: int`.\n"
    )
    told = broken(
        """
        from asgistar import App
        def make(): return App([], slashes="both")
        app = None
        """,
        "--app",
        "main:make()",
        "check",
    )
    assert told == "Error: slashes are 'strict' or 'redirect', not 'both'.\n"


def test_a_module_that_ends_the_program(broken: Broken) -> None:
    assert last(broken("import sys\napp = 1\nsys.exit(3)", "check")) == [
        "Error: The module main ended the program while it was imported (exit code 3).",
        'Hint: Put what runs it below: if __name__ == "__main__":',
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[tool", "pyproject.toml can't be read: "),
        ("[tool]\nasgistar = 1", "[tool.asgistar] in pyproject.toml is a table, not 1."),
        ("[tool.asgistar]\napp = 1", "app of [tool.asgistar] in pyproject.toml is text, not 1."),
        (
            '[tool.asgistar]\napp_dir = "src"',
            "[tool.asgistar] in pyproject.toml has no setting app_dir.\nHint: Did you mean app-dir?",
        ),
        (
            "[tool.asgistar]\nreload = true",
            "[tool.asgistar] in pyproject.toml has no setting reload.\nHint: There is app and app-dir.",
        ),
    ],
)
def test_a_pyproject_that_says_nonsense(empty: Project, content: str, message: str) -> None:
    empty.write("pyproject.toml", content)
    ended = empty("check")
    assert ended.code == 1
    assert ended.err.startswith(f"Error: {message}")


def test_a_factory_that_is_async_can_make_none(empty: Project) -> None:
    empty.write("main.py", "async def make(): ...\n")
    ended = empty("--app", "main:make()", "check")
    assert (ended.code, ended.err) == (
        1,
        "Error: main:make() is async, and what makes an application can't be.\n"
        'Hint: What needs the event loop is a component: @component(scope="app")\n',
    )
