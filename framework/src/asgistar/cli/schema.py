"""`asgistar schema`: the OpenAPI document of an application."""

from __future__ import annotations

import argparse

from asgistar.cli.loading import Application
from asgistar.cli.output import declare as declare_output
from asgistar.cli.output import write
from asgistar.cli.parser import Parser


def declare(parser: Parser) -> None:
    """The arguments."""
    parser.add_argument("--format", choices=("json", "yaml"), default="json", help="json is the default")
    declare_output(parser)


def run(application: Application, options: argparse.Namespace, rest: list[str]) -> int:
    """Write the document."""
    from asgistar.openapi import encoded

    write(encoded(application.app, options.format), options.output)
    return 0
