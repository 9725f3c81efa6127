"""Mistakes of the person at the command line: one sentence, one hint, never a traceback of ours."""

from __future__ import annotations

import asyncio
import concurrent
import contextlib
import difflib
import importlib
import itertools
import traceback
from collections.abc import Iterable
from pathlib import Path

WRONG = 1
"""The exit code of what is wrong outside of the command line."""

USAGE = 2
"""The exit code of a wrong command line."""


class Mistake(Exception):
    """What is wrong, and what to do about it.

    Args:
        message: one sentence that names the place.
        hint: what to do; may be empty.
        detail: what is worth showing above the sentence, such as the traceback of an application.
        code: the exit code.
    """

    def __init__(self, message: str, hint: str = "", detail: str = "", code: int = WRONG) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail
        self.code = code

    def report(self) -> str:
        """What is written to stderr."""
        lines = [self.detail.rstrip()] if self.detail else []
        lines.append(f"Error: {self.message}")
        if self.hint:
            lines.append(f"Hint: {self.hint}")
        return "\n".join(lines) + "\n"


def failure(what: str, error: BaseException) -> Mistake:
    """The mistake that the application has raised an error, with its traceback.

    Args:
        what: hasn't worked, as in "The command x failed".
    """
    return Mistake(f"{what}: {type(error).__name__}.", "The traceback is above.", of_the_application(error))


def near(name: str, names: Iterable[str]) -> str:
    """A hint at what may have been meant; empty if nothing is near."""
    found = difflib.get_close_matches(name, list(names), 1)
    return f"Did you mean {found[0]}?" if found else ""


_AROUND = (
    str(Path(__file__).parents[1]),
    str(Path(asyncio.__file__).parent),
    str(Path(concurrent.__file__ or "").parent),
    contextlib.__file__,
)
"""The files of what calls the application."""


def of_the_application(error: BaseException) -> str:
    """The traceback of an error, from the first frame of the application on, and without Python's imports."""
    report = traceback.TracebackException.from_exception(error)
    pending: list[traceback.TracebackException | None] = [report]
    while pending:
        part = pending.pop()
        if part is not None:
            frames = [frame for frame in part.stack if not _imports(frame)]
            own = list(itertools.dropwhile(lambda frame: frame.filename.startswith(_AROUND), frames))
            part.stack = traceback.StackSummary.from_list(own or frames)
            pending += (part.__cause__, part.__context__, *(part.exceptions or ()))
    return "".join(report.format())


def _imports(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith("<frozen importlib") or frame.filename == importlib.__file__
