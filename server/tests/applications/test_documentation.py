"""The page on applications: each of its examples is written to a file, started, and asked, as readers do."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from server.tests.applications.conftest import Curl, Serve, Served

PAGE = Path(__file__).parents[3] / "docs" / "applications.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


class Section(NamedTuple):
    """A section of the page."""

    title: str
    text: str


SECTIONS = [
    Section(*part.split("\n", 1))
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    if BLOCK.search(part)
]


def run(words: list[str], directory: Path, scripts: Path) -> str:
    """What a command prints that is no server."""
    environ = {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}
    done = subprocess.run(words, cwd=directory, env=environ, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_an_example_does_what_the_page_says(
    section: Section, serve: Serve, curl: Curl, scripts: Path, tmp_path: Path
) -> None:
    server: Served | None = None
    asked = 0
    for kind, block in BLOCK.findall(section.text):
        if kind == "python":
            name = block.partition("\n")[0].removeprefix("# ")
            (tmp_path / name).write_text(block, encoding="utf-8")
            continue
        for line, expected in STEP.findall(block):
            command, *arguments = shlex.split(line)
            if command == "curl":
                assert server is not None
                url = arguments.pop().replace("http://127.0.0.1:8000", server.url)
                answer = curl(url, *arguments).body.decode()
                assert answer.replace("\r\n", "\n").startswith(expected)
                asked += 1
            elif command in ("asgiworker", "gunicorn"):
                server = serve(*arguments, command=command, directory=tmp_path)
                assert curl(f"{server.url}/").status == 200
                asked += 1
            else:
                assert run([command, *arguments], tmp_path, scripts) == expected
    assert asked


def test_the_page_has_an_example_for_each_framework() -> None:
    assert len(SECTIONS) == PAGE.read_text(encoding="utf-8").count("\n## ")
