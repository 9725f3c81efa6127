"""What the documentation shows is true: its Python runs, its consoles answer as they are shown to.

The untitled blocks of Python of a page are one module, run in their order; `assert` and `await` may stand in
them. A block with a title is a file: of Python, it makes the page a project, in which later blocks of the
same title replace what they define anew and add the rest, as a reader does. In a block of `console`, lines
after `$` are run, and the lines after them are what they write; `…` stands for anything. `curl` asks the
application of the module, or of the project, which is served while it is asked. A block of `text` that begins
with `ConfigurationError: ` is what the Python before it raises. `<!-- not run: why -->` before a block: it
isn't.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import builtins
import importlib
import inspect
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
import types
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import asgiworker
from asgistar import ConfigurationError
from asgistar.cli.parser import Parser
from asgistar.cli.table import COMMANDS

DOCS = Path(__file__).parents[3] / "docs" / "asgistar"
BLOCK = re.compile(
    r'^(?:<!-- not run: (?P<why>[^\n]+) -->\n)?```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n'
    r"(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LANGUAGES = {"python", "console", "sh", "text", "json", "toml", "js", "ts", "html", "pycon", "ini", "nginx"}
RAISED = "ConfigurationError: "
PATIENCE = 100
"""Seconds that a command may take."""


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: Path
    line: int
    language: str
    title: str
    text: str
    why_not: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page."""
    text = page.read_text("utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            found["title"] or "",
            found["text"],
            found["why"] or "",
        )
        for found in BLOCK.finditer(text)
    ]


PAGES = sorted(DOCS.glob("*.md"))
ALL = [each for page in PAGES for each in blocks(page)]
PROJECTS = [page for page in PAGES if any(each.title.endswith(".py") for each in blocks(page))]
MODULES = [page for page in PAGES if page not in PROJECTS]


@pytest.mark.parametrize("page", MODULES, ids=lambda page: page.name)
async def test_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with Module(page, tmp_path, monkeypatch) as module:
        found = [each for each in blocks(page) if not each.why_not]
        for number, block in enumerate(found):
            follows = found[number + 1] if number + 1 < len(found) else None
            if block.title:
                file = tmp_path / block.title
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, "utf-8")
            elif block.language == "python" and follows is not None and follows.text.startswith(RAISED):
                with pytest.raises(ConfigurationError) as raised:
                    await module.run(block)
                said = " ".join(follows.text.removeprefix(RAISED).split())
                assert _same(str(raised.value), said), f"{block} raises: {raised.value}"
            elif block.language == "python":
                await module.run(block)
            elif block.language == "console":
                for command, expected in _commands(block):
                    if shlex.split(command)[0] == "curl":
                        answer = await module.ask(command)
                        assert _same(answer, expected), f"{block}: $ {command}\n{answer}"
                    else:
                        check_command(command, block)


@pytest.mark.parametrize("page", PROJECTS, ids=lambda page: page.name)
def test_a_project_grows_as_the_page_tells(page: Path, tmp_path: Path) -> None:
    project = Project(tmp_path)
    told = 0
    try:
        for block in blocks(page):
            if block.why_not:
                continue
            if block.title:
                project.take(block)
            elif block.language == "python":
                raise AssertionError(f"{block} has no title: of which file of the project is it?")
            elif block.language == "console":
                for command, expected in _commands(block):
                    answer = project.run(command)
                    assert _same(answer, expected), f"{block}: $ {command}\n{answer}\nis not\n{expected}"
                    told += 1
    finally:
        project.stop()
    assert told


@pytest.mark.parametrize("block", [each for each in ALL if each.language == "sh"], ids=str)
def test_a_block_of_shell_can_be_typed(block: Block) -> None:
    checked = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, timeout=10)
    assert checked.returncode == 0, f"{block}: {checked.stderr}"
    for line in block.text.replace("\\\n", " ").splitlines():
        for command in re.split(r"\s(?:&&|\||;)\s", line):
            if command.lstrip().startswith("asgistar "):
                check_command(command, block)


def test_a_block_of_data_can_be_read() -> None:
    for block in ALL:
        if block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "json":
            json.loads(block.text)


def test_a_block_that_is_not_run_is_python_all_the_same() -> None:
    for block in ALL:
        if block.why_not and block.language == "python":
            compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def test_few_blocks_are_not_run() -> None:
    skipped = [each for each in ALL if each.why_not and not each.page.name.startswith("coming-from")]
    assert len(skipped) <= 5, [f"{each}: {each.why_not}" for each in skipped]


def test_every_block_is_in_a_language_that_is_looked_at() -> None:
    assert {each.language for each in ALL} <= LANGUAGES
    for page in PAGES:
        fences = re.findall(r"^```(\w+)", page.read_text("utf-8"), re.MULTILINE)
        assert len(fences) == len(blocks(page)), page.name


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        text = re.sub(BLOCK, "", page.read_text("utf-8"))
        for target, heading in re.findall(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)", text):
            other = page.parent / target if target else page
            assert other.exists(), f"{page.name} links to {target}"
            if heading and other.suffix == ".md":
                assert heading in _anchors(other), f"{page.name} links to {target}#{heading}"


def test_every_page_is_in_the_table() -> None:
    index = (DOCS / "index.md").read_text("utf-8")
    for page in PAGES:
        assert page.name == "index.md" or f"]({page.name})" in index, page.name


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


# --- consoles ---------------------------------------------------------------------------------------------


def _commands(block: Block) -> Iterator[tuple[str, str]]:
    """Each command of a console with what it writes."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command = command[:-1] + more.strip()
        yield command, output.strip()


def _same(answer: str, expected: str) -> bool:
    answer = "\n".join(line.rstrip() for line in answer.strip().splitlines())
    if "…" not in expected and expected[:1] in ("{", "["):  # JSON may be written in several lines
        try:
            return bool(json.loads(answer) == json.loads(expected))
        except ValueError:
            pass
    pattern = re.escape(expected + "\n").replace("\\\n…\\\n", "\\\n(?:.*\n)?").replace("…", ".*")
    return re.fullmatch(pattern, answer + "\n", re.DOTALL) is not None


def check_command(line: str, block: Block) -> None:
    """See that there is such a command, with such options; it isn't run."""
    words = shlex.split(line, comments=True)
    if words[:1] != ["asgistar"]:
        assert words[0] in ("asgiworker", "schemathesis", "uvicorn", "gunicorn", "pip"), f"{block}: {line}?"
        return
    words = words[1 : words.index("--")] if "--" in words else words[1:]
    words = words[: words.index(">")] if ">" in words else words
    while words[0].startswith("--"):
        assert words[0] in ("--app", "--app-dir", "--help"), f"{block}: {line}?"
        words = words[2:] if words[0] != "--help" else ["check"]
    if words[0] in ("COMMAND", "create_user"):  # of an application
        return
    assert words[0] in COMMANDS, f"{block}: {line}?"
    parser = Parser(words[0])
    parser.add_argument("--app")
    parser.add_argument("--app-dir")
    importlib.import_module(f"asgistar.cli.{words[0]}").declare(parser)
    assert isinstance(parser.parsed([each for each in words[1:] if each != "--help"]), argparse.Namespace)


@pytest.fixture(autouse=True)
def _quiet_curl(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a terminal: its progress isn't part of what it writes."""
    home = tmp_path_factory.mktemp("curl")
    (home / ".curlrc").write_text("silent\nshow-error\nmax-time = 30\n", "utf-8")
    monkeypatch.setenv("CURL_HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _see_curl() -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")


# --- a module ---------------------------------------------------------------------------------------------


class Module:
    """The module that the untitled blocks of a page are, and its application, served while it is asked."""

    def __init__(self, page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        name = f"page_{page.stem.replace('-', '_')}"
        self._folder = folder
        self._module = types.ModuleType(name)
        self._module.__dict__["__builtins__"] = builtins
        self._served = AsyncExitStack()
        self._url = ""
        monkeypatch.setitem(sys.modules, name, self._module)

    async def __aenter__(self) -> Module:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._served.aclose()

    async def run(self, block: Block) -> None:
        """Run a block of Python."""
        await self._served.aclose()
        self._url = ""
        # Errors speak of app.py, with the lines of the block: that is what a reader has.
        code = compile(block.text, "app.py", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        try:
            result = types.FunctionType(code, self._module.__dict__)()
            if inspect.iscoroutine(result):
                await asyncio.wait_for(result, PATIENCE)
        except ConfigurationError:
            raise
        except BaseException as error:
            error.add_note(f"in the block at {block}")
            raise

    async def ask(self, line: str) -> str:
        """What curl writes."""
        _see_curl()
        if not self._url:
            self._url = await self._served.enter_async_context(_serving(self._module.app))
        words = [word.replace("http://127.0.0.1:8000", self._url) for word in shlex.split(line)]
        asked = await asyncio.create_subprocess_exec(
            *words, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        written, _ = await asyncio.wait_for(asked.communicate(), PATIENCE)
        return written.decode().replace("\r\n", "\n")


@asynccontextmanager
async def _serving(app: object) -> AsyncIterator[str]:
    async with asgiworker.running(app) as server:  # type: ignore[arg-type]  # whatever the page calls app
        yield server.url.rstrip("/")


# --- a project that grows ---------------------------------------------------------------------------------


class Project:
    """A folder with the files of a page, and its application, served while it is asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self._port = one.getsockname()[1]
        own = {
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONWARNINGS": "",
            "COLUMNS": "100",
        }
        self._environment = os.environ | own

    def take(self, block: Block) -> None:
        """Write a block into its file: what it defines anew is replaced, the rest is added."""
        file = self._folder / block.title
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text("utf-8") if file.exists() and block.language == "python" else ""
        text = block.text.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}")
        file.write_text(_merged(before, text) if before else text, "utf-8")
        self.stop()

    def run(self, line: str) -> str:
        """What a command writes."""
        if assignment := re.match(r"export (\w+)=(\S+)$", line):
            self._environment[assignment[1]] = assignment[2]
            return ""
        words = shlex.split(line)
        if words[0] == "curl":
            _see_curl()
            self._serve()
            words = [word.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}") for word in words]
        elif words[0] == "asgistar":
            self.stop()
            words = [sys.executable, "-m", *words]
        elif words[0] == "python" and words[1].endswith(".py"):
            self._serve()
            words = [sys.executable, *words[1:]]
        else:
            raise AssertionError(f"What is {line}?")
        ended = subprocess.run(
            words, cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=PATIENCE
        )
        return ended.stdout + ended.stderr

    def _serve(self) -> None:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "asgistar", "run", "--no-reload", "--port", str(self._port)],
                cwd=self._folder,
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            assert self._server.stderr is not None
            written = b""
            while b"Listening on" not in written:
                line = self._server.stderr.readline()
                assert line, written.decode()
                written += line

    def stop(self) -> None:
        """Stop the application, if it is served."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.communicate(timeout=30)
            self._server = None


def _merged(before: str, added: str) -> str:
    """A source with another one in it: what both define is that of the second, at its place there."""
    new = {name for node in ast.parse(added).body for name in _defined(node)}
    lines = before.splitlines()
    for node in reversed(ast.parse(before).body):
        if new & _defined(node):
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            del lines[first - 1 : node.end_lineno]
    return "\n".join([*lines, "", added])


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets: list[ast.expr] = [node.target] if isinstance(node, ast.AnnAssign) else []
    if isinstance(node, ast.Assign):
        targets = node.targets
    return {each.id for each in targets if isinstance(each, ast.Name)}
