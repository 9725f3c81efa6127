"""The page on TLS: its examples are carried out, each section in a folder of its own, as readers do."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "tls.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
DEADLINE = 30.0


class Section(NamedTuple):
    """A section of the page."""

    title: str
    text: str


INTRODUCTION, *PARTS = PAGE.split("\n## ")
SECTIONS = [Section(*part.split("\n", 1)) for part in PARTS if "```console" in part]


def save(text: str, project: Path) -> None:
    """Write the page's Python to the files that it names."""
    for kind, block in BLOCK.findall(text):
        if kind == "python":
            (project / block.partition("\n")[0].removeprefix("# ")).write_text(block, encoding="utf-8")


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_an_example_does_what_the_page_says(
    section: Section, command: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    save(INTRODUCTION, project)
    save(section.text, project)
    with socket.create_server(("127.0.0.1", 0)) as https, socket.create_server(("127.0.0.1", 0)) as http:
        ports = {"8000": str(https.getsockname()[1]), "8080": str(http.getsockname()[1])}
    asked = 0
    for line, expected in STEP.findall("".join(block for _, block in BLOCK.findall(section.text))):
        for documented, port in ports.items():
            line, expected = line.replace(documented, port), expected.replace(documented, port)
        name, *arguments = shlex.split(line)
        if name == "asgiworker":
            server = command(*arguments, "--port", ports["8000"], HOME=str(project))
            server.prints("Listening on https://")
            continue
        if name == "curl":
            line = line.replace("curl", "curl --silent --show-error", 1)
            asked += 1
        done = subprocess.run(
            line,
            shell=True,  # which knows the reader's home
            cwd=project,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=True,
        )
        assert done.stdout == expected
    assert asked


def test_the_page_has_examples() -> None:
    assert len(SECTIONS) == 3
