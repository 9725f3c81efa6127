"""`asgistar run`: the application on a server, while it is written."""

from __future__ import annotations

import argparse

from asgistar.cli.loading import Application
from asgistar.cli.mistakes import Mistake
from asgistar.cli.parser import Parser
from asgistar.cli.program import become, installed

SERVER = "asgiworker"

OTHERS = {
    "uvicorn": "uvicorn {0} --reload",
    "granian": "granian --interface asgi --reload {0}",
    "hypercorn": "hypercorn --reload {0}",
    "daphne": "daphne {0}",
}
"""Other servers, and how they are called."""


def declare(parser: Parser) -> None:
    """The arguments."""
    parser.usage = f"{parser.prog} [options] [-- OPTIONS OF {SERVER.upper()} …]"
    parser.epilog = f"What stands behind -- goes to {SERVER}: asgistar run -- --log-level debug"
    parser.add_argument("--host", metavar="HOST", help="the address to listen at; else 127.0.0.1")
    parser.add_argument("--port", metavar="PORT", help="the port to listen at; else 8000")
    parser.add_argument(
        "--no-reload", dest="reload", action="store_false", help="don't start anew when a file changes"
    )


def run(application: Application, options: argparse.Namespace, rest: list[str]) -> int:
    """Become the server.

    Raises:
        Mistake: it isn't installed.
    """
    target = application.target
    if not installed(SERVER):
        raise Mistake(f"{SERVER} isn't installed.", f"pip install {SERVER}\n{_others(target)}")
    own = [f"--{name}={value}" for name in ("host", "port") if (value := getattr(options, name)) is not None]
    if options.reload:
        own.append("--reload")
    become(SERVER, [target, f"--app-dir={application.folder}", *own, *rest])


def _others(target: str) -> str:
    """What else serves the application; those that are there come first."""
    names = sorted(OTHERS, key=lambda name: not installed(name))
    there = [name for name in names if installed(name)] or names[:1]
    commands = " or ".join(OTHERS[name].format(target) for name in there)
    return f"Any other ASGI server serves it too: {commands}"
