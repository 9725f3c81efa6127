"""What the tests of the command share: a project in a folder of its own, and the command, run in it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

SHOP = """
from collections.abc import AsyncIterator

from asgistar import App, Command, Include, Route, Struct, component


class Item(Struct):
    name: str
    price: int = 0


class Stock:
    def __init__(self) -> None:
        self.items = [Item("apple", 3)]


@component(scope="app")
async def stock() -> AsyncIterator[Stock]:
    yield Stock()
    print("stock is closed")


async def listing(stock: Stock, q: str = "") -> list[Item]:
    return [item for item in stock.items if q in item.name]


def detail(number: int, stock: Stock) -> Item:
    return stock.items[number]


async def add(stock: Stock, name: str, price: int = 1) -> None:
    \"\"\"Add an item.\"\"\"
    stock.items.append(Item(name, price))
    print(stock.items)


app = App(
    [
        Include("/items", [
            Route("/", "GET", listing),
            Route("/<int:number>/", "GET", detail, name="detail"),
        ], name="items"),
    ],
    components=[stock],
    commands=[Command("add_item", add)],
)
"""


@dataclass
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


@dataclass
class Project:
    """A folder, and the command in it."""

    folder: Path

    def write(self, path: str, source: str) -> None:
        """Write a file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(source))

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the command: nothing in it names an application."""
        own = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "error", "COLUMNS": "80", "NO_COLOR": "1"}
        own["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        return {name: value for name, value in os.environ.items() if name != "ASGISTAR_APP"} | own

    def command(self, *arguments: str) -> list[str]:
        """What runs `asgistar …`."""
        return [sys.executable, "-m", "asgistar", *arguments]

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Ended:
        """Run `asgistar …` to its end."""
        ended = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    """A folder with nothing in it."""
    return Project(tmp_path)


@pytest.fixture
def shop(empty: Project) -> Project:
    """A folder with an application in main.py."""
    empty.write("main.py", SHOP)
    return empty


@pytest.fixture
def broken(empty: Project) -> Callable[..., str]:
    """`broken(source, "check")`: what the command writes to stderr; it must fail with the code 1 or 2."""

    def run(source: str, *arguments: str, file: str = "main.py") -> str:
        empty.write(file, source)
        ended = empty(*arguments)
        assert ended.code in (1, 2)
        assert ended.out == ""
        return ended.err

    return run
