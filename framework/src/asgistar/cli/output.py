"""Where a command writes what it makes: to a file, or to stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from asgistar.cli.mistakes import Mistake
from asgistar.cli.parser import Parser


def declare(parser: Parser) -> None:
    """The option that names the file."""
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file, not to stdout")


def write(content: bytes, file: str | None) -> None:
    """Write to a file, or to stdout if none is named; with a line end behind the last line.

    Raises:
        Mistake: the file can't be written.
    """
    content = content.rstrip(b"\n") + b"\n"
    if file is None or file == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).write_bytes(content)
    except OSError as error:
        raise Mistake(f"{file} can't be written: {error.strerror}.") from None
