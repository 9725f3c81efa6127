"""`asgistar new`: a project that works, as a beginning."""

from __future__ import annotations

import argparse
import re
import shlex
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from asgistar.cli.loading import Application
from asgistar.cli.mistakes import USAGE, Mistake
from asgistar.cli.parser import Parser

SUFFIX = "-template"
"""What the files of the project end with, where they lie here: no tool is to take them for ours."""


def declare(parser: Parser) -> None:
    """The arguments."""
    parser.add_argument("folder", metavar="DIR", help="the folder, which is made; its name is the project's")


def run(application: Application, options: argparse.Namespace, rest: list[str]) -> int:
    """Make the project.

    Raises:
        Mistake: a file of it is there already, or can't be written.
    """
    folder = Path(options.folder)
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    if not name:
        raise Mistake(f"{options.folder!r} has no letter for a name.", "asgistar new shop", code=USAGE)
    words = {"name": name, "title": name.replace("-", " ").capitalize()}
    files = dict(_files(resources.files("asgistar.cli") / "project"))
    there = sorted(path for path in files if (folder / path).exists())
    if there:
        raise Mistake(
            f"There is {', '.join(there)} in {folder} already.", "Nothing was written. Choose another."
        )
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(Template(text).substitute(words), "utf-8")
    except OSError as error:
        raise Mistake(f"{folder} can't be written: {error.strerror}.") from None
    print(f"{folder}: {', '.join(sorted(files))}")
    enter = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    print(f"Next: {enter}asgistar run")
    return 0


def _files(folder: Traversable, under: str = "") -> list[tuple[str, str]]:
    """The files of the project with their texts."""
    found: list[tuple[str, str]] = []
    for each in folder.iterdir():
        if each.is_dir():
            found += _files(each, f"{under}{each.name}/")
        elif each.name.endswith(SUFFIX):
            found.append((under + each.name.removesuffix(SUFFIX), each.read_text("utf-8")))
    return found
