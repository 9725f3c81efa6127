"""`asgistar test`: the tests of a project, with its application in reach."""

from __future__ import annotations

import argparse
import os

from asgistar.cli.loading import Application
from asgistar.cli.mistakes import Mistake
from asgistar.cli.parser import Parser
from asgistar.cli.program import become, installed


def declare(parser: Parser) -> None:
    """The arguments: none of its own."""
    parser.usage = f"{parser.prog} [options] [-- OPTIONS OF PYTEST …]"
    parser.epilog = "What stands behind -- goes to pytest: asgistar test -- -x -k notes"


def run(application: Application, options: argparse.Namespace, rest: list[str]) -> int:
    """Become pytest.

    Raises:
        Mistake: it isn't installed.
    """
    if not installed("pytest"):
        raise Mistake("pytest isn't installed.", "pip install pytest")
    path = os.pathsep.join(filter(None, [application.folder, os.environ.get("PYTHONPATH")]))
    become("pytest", rest, {"PYTHONPATH": path})
