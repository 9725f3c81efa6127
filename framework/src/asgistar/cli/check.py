"""`asgistar check`: whether an application can work."""

from __future__ import annotations

import argparse
import sys

from asgistar.cli.loading import Application
from asgistar.cli.mistakes import WRONG
from asgistar.cli.parser import Parser
from asgistar.cli.routes import rows
from asgistar.errors import ConfigurationError


def declare(parser: Parser) -> None:
    """The arguments: none of its own."""


def run(application: Application, options: argparse.Namespace, rest: list[str]) -> int:
    """Make the application, compile what runs for its views, make its document; say what is wrong.

    What is wrong with the table or with a component is told where the application is made.
    """
    app = application.app
    wrong = []
    views = 0
    for row in rows(app):
        line = row.line
        if row.plan is None:
            continue
        views += not row.ours
        try:
            compile(row.plan.text, f"{line.method} {line.path}", "exec")
        except SyntaxError as error:  # a mistake of asgistar's own
            wrong.append(f"{line.view}() at {line.place}: its plan can't be compiled: {error}.")
    try:
        app.openapi()
    except ConfigurationError as error:
        wrong.append(str(error))
    for each in wrong:
        print(f"Error: {each}", file=sys.stderr)
    if wrong:
        return WRONG
    number = len(app.commands)
    own = f", {number} command{'s' * (number > 1)}" if number else ""
    print(f"{application.target} can work: {views} view{'s' * (views != 1)}{own}.")
    return 0
