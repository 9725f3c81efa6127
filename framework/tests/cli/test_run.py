"""`asgistar run` and `test`: another program takes the place of the command."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.tests.cli.conftest import Project

NOT_INSTALLED = """
import importlib.util
import sys

found = importlib.util.find_spec

def find_spec(name, package=None):
    return None if name in {0} else found(name, package)

importlib.util.find_spec = find_spec
sys.argv[0] = "asgistar"
from asgistar.cli import main
sys.exit(main())
"""


def without(project: Project, modules: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where some modules aren't installed."""
    source = NOT_INSTALLED.format(modules)
    return subprocess.run(
        [sys.executable, "-c", source, *arguments],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
    )


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Served:
    """`asgistar run`, at a port of its own."""

    def __init__(self, project: Project, *arguments: str) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            project.command("run", "--port", str(self.port), *arguments),
            cwd=project.folder,
            env=project.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started()

    def started(self) -> None:
        """Wait until it listens."""
        assert self._process.stderr is not None
        written = ""
        while f"Listening on http://127.0.0.1:{self.port}" not in written:
            line = self._process.stderr.readline()
            assert line, written
            written += line

    def get(self, path: str) -> str:
        """The answer to a request."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            body: str = answer.read().decode()
        return body

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        os.killpg(self._process.pid, signal.SIGINT)
        self._process.communicate(timeout=30)
        return self._process.returncode


def test_it_serves_the_application_and_starts_anew_when_it_changes(shop: Project) -> None:
    server = Served(shop)
    try:
        assert server.get("/items/0/") == '{"name":"apple","price":3}'
        source = (shop.folder / "main.py").read_text()
        shop.write("main.py", source.replace('Item("apple", 3)', 'Item("banana", 5)'))
        server.started()
        assert server.get("/items/0/") == '{"name":"banana","price":5}'
    finally:
        code = server.interrupt()
    assert code == 0


def config(project: Project, *arguments: str) -> dict[str, str]:
    """The settings that the server would run with."""
    ended = project("run", *arguments, "--print-config")
    assert (ended.code, ended.err) == (0, "")
    lines = [line.partition("  #")[0] for line in ended.out.splitlines() if " = " in line]
    return {name: value.strip() for name, _, value in (line.partition(" = ") for line in lines)}


def test_what_stands_behind_two_hyphens_goes_to_the_server(shop: Project) -> None:
    found = config(shop, "--no-reload", "--host", "127.0.0.2", "--", "--backlog", "7")
    assert (found["app"], found["reload"], found["backlog"]) == ('"main:app"', "false", "7")
    assert found["bind"] == '["127.0.0.2:8000"]'
    assert found["app_dir"] == f'"{shop.folder}"'
    assert config(shop, "--")["reload"] == "true"


def test_without_the_server_it_is_said_how_to_install_it(shop: Project) -> None:
    ended = without(shop, {"asgiworker", "uvicorn", "granian", "hypercorn", "daphne"}, "run")
    assert ended.returncode == 1
    assert ended.stderr == (
        "Error: asgiworker isn't installed.\n"
        "Hint: pip install asgiworker\n"
        "Any other ASGI server serves it too: uvicorn main:app --reload\n"
    )


def test_other_servers_that_are_there_are_named(shop: Project) -> None:
    shop.write("granian.py", "")
    shop.write("hypercorn.py", "")
    ended = without(shop, {"asgiworker", "uvicorn", "daphne"}, "run")
    assert ended.stderr.endswith(
        "serves it too: granian --interface asgi --reload main:app or hypercorn --reload main:app\n"
    )


def test_tests_are_run_with_the_application_in_reach(shop: Project) -> None:
    shop.write("src/shop.py", (shop.folder / "main.py").read_text())
    shop.write(
        "tests/test_shop.py", "from shop import app\ndef test_one(): pass\ndef test_two(): assert not app\n"
    )
    arguments = ["test", "--app-dir", "src", "--", "-p", "no:cacheprovider"]
    ended = shop(*arguments, "-k", "one", PYTHONWARNINGS="")
    assert ended.code == 0, ended.out
    assert "1 passed, 1 deselected" in ended.out
    ended = shop(*arguments, PYTHONWARNINGS="")
    assert ended.code == 1
    assert "1 failed, 1 passed" in ended.out


def test_without_pytest_it_is_said_how_to_install_it(shop: Project) -> None:
    ended = without(shop, {"pytest"}, "test")
    assert ended.returncode == 1
    assert ended.stderr == "Error: pytest isn't installed.\nHint: pip install pytest\n"
