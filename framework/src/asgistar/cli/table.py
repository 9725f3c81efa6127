"""The table of the commands that every application has."""

from __future__ import annotations

from collections.abc import Sequence

from asgistar.cli.mistakes import USAGE, Mistake, near

COMMANDS = {
    "new": "Make a project in a new folder: application, tests, README.",
    "run": "Serve the application, and start anew when a file changes.",
    "routes": "Show the table of routes, or the source that runs for one of them.",
    "schema": "Write the OpenAPI document.",
    "client": "Write a typed client, in Python or TypeScript.",
    "check": "Say whether the application can work, and what is wrong with it.",
    "shell": "A prompt with the application and its components, where await works.",
    "test": "Run the tests of the project with pytest.",
}
"""Name -> what it does. The module of the same name here is the command."""

PASSES_ON = frozenset(("run", "test"))
"""The commands that hand what stands behind `--` to another program."""


def unknown(name: str, names: Sequence[str]) -> Mistake:
    """The mistake that there is no such command."""
    there = f"There is {', '.join(names)}."
    return Mistake(f"There is no command {name}.", near(name, names) or there, code=USAGE)
