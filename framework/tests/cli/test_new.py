"""`asgistar new`: a project that works as it is."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from framework.tests.cli.conftest import Project

if TYPE_CHECKING:
    from pathlib import Path

FILES = [".gitignore", "README.md", "app.py", "pyproject.toml", "tests/test_app.py"]


def made(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_project_is_made_that_works(empty: Project) -> None:
    ended = empty("new", "corner_shop")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"corner_shop: {', '.join(FILES)}\nNext: cd corner_shop && asgistar run\n"
    project = Project(empty.folder / "corner_shop")
    assert made(project.folder) == FILES
    assert tomllib.loads((project.folder / "pyproject.toml").read_text())["project"]["name"] == "corner-shop"
    assert (project.folder / "README.md").read_text().startswith("# Corner shop\n")
    checked = project("check")
    assert (checked.code, checked.err) == (0, "")
    assert "app:app can work" in checked.out
    tested = project("test", "--", "-p", "no:cacheprovider", "-W", "error", PYTHONWARNINGS="")
    assert tested.code == 0, tested.out + tested.err
    assert "3 passed" in tested.out
    assert "conforms=True" in (project.folder / "tests/test_app.py").read_text()  # as the tutorial has it


@pytest.mark.slow
def test_its_sources_are_typed_and_in_style(empty: Project) -> None:
    empty("new", "shop")
    folder = empty.folder / "shop"
    for tool in (["mypy", "--strict", "app.py", "tests"], ["ruff", "check", "--isolated", "."]):
        ended = subprocess.run(
            [sys.executable, "-m", *tool], cwd=folder, capture_output=True, text=True, env={**os.environ}
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_readme_names_commands_that_there_are(empty: Project) -> None:
    empty("new", "shop")
    text = (empty.folder / "shop" / "README.md").read_text()
    from asgistar.cli.table import COMMANDS

    named = {line.split("asgistar ")[1].split()[0] for line in text.splitlines() if "bin/asgistar " in line}
    assert named <= set(COMMANDS)
    assert named >= {"run", "test"}


def test_a_project_in_the_current_folder(empty: Project) -> None:
    empty.write("notes.txt", "mine")
    ended = empty("new", ".")
    assert ended.code == 0
    assert ended.out.endswith("Next: asgistar run\n")
    assert made(empty.folder) == sorted([*FILES, "notes.txt"])


def test_the_way_into_a_folder_with_a_space_can_be_copied(empty: Project) -> None:
    assert empty("new", "corner shop").out.endswith("Next: cd 'corner shop' && asgistar run\n")


def test_nothing_is_overwritten(empty: Project) -> None:
    empty.write("shop/app.py", "mine")
    ended = empty("new", "shop")
    assert ended.code == 1
    assert ended.err.startswith("Error: There is app.py in shop already.")
    assert made(empty.folder) == ["shop/app.py"]


def test_a_folder_that_can_not_be(empty: Project) -> None:
    empty.write("shop", "a file")
    ended = empty("new", "shop")
    assert (ended.code, ended.err) == (1, "Error: shop can't be written: File exists.\n")
    assert empty("new", "§").err.startswith("Error: '§' has no letter for a name.")
