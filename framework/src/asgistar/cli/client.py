"""`asgistar client`: a typed client, written for one application."""

from __future__ import annotations

import argparse

from asgistar.cli.loading import Application
from asgistar.cli.output import declare as declare_output
from asgistar.cli.output import write
from asgistar.cli.parser import Parser


def declare(parser: Parser) -> None:
    """The arguments."""
    parser.add_argument("--lang", choices=("python", "typescript"), required=True, help="of the client")
    declare_output(parser)


def run(application: Application, options: argparse.Namespace, rest: list[str]) -> int:
    """Write the client."""
    from asgistar.client import generate

    write(generate(application.app.openapi(), options.lang).encode(), options.output)
    return 0
