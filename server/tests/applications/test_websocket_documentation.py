"""The page on WebSocket: its example is carried out, and its table of limits is what the settings say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from asgiworker.process.settings import OPTIONS

if TYPE_CHECKING:
    from server.tests.applications.conftest import Serve

PAGE = (Path(__file__).parents[3] / "docs" / "websocket.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def test_the_example_does_what_the_page_says(serve: Serve, tmp_path: Path) -> None:
    outputs = []
    for kind, block in BLOCK.findall(PAGE):
        if kind == "python":
            (tmp_path / block.partition("\n")[0].removeprefix("# ")).write_text(block, encoding="utf-8")
            continue
        for line, expected in STEP.findall(block):
            command, *arguments = shlex.split(line)
            if command == "asgiworker":
                server = serve(*arguments, directory=tmp_path)
                server.reports("AssertionError")  # it was asked over HTTP whether it is ready
                client = tmp_path / "client.py"
                client.write_text(client.read_text().replace("8000", str(server.port)))
            else:
                assert command == "python"
                done = subprocess.run(
                    [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
                )
                assert done.stdout == expected
                outputs.append(done.stdout)
    assert len(outputs) == 1


def test_the_limits_have_the_defaults_of_the_settings() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)
    assert len(rows) == 8
    for name, default in rows:
        assert OPTIONS[name].default == float(default), name


def test_every_setting_of_websockets_is_on_the_page() -> None:
    for row in OPTIONS.values():
        if row.name.startswith("ws_") or row.name == "limit_websockets":
            flags = {row.name, *(flag.removeprefix("--") for flag in row.flags)}
            assert any(
                f"`{name}`" in PAGE or f"--{name}" in PAGE or f"--no-{name}" in PAGE for name in flags
            ), row
