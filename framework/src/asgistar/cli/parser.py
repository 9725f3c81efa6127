"""A parser of command lines whose errors are like all others: a sentence and a hint."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from asgistar.cli.mistakes import USAGE, Mistake, near


class Parser(argparse.ArgumentParser):
    """argparse, without abbreviations of options.

    Args:
        prog: what is typed, up to here.
        description: what it does.
    """

    def __init__(self, prog: str, description: str = "", **others: Any) -> None:
        super().__init__(
            prog,
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **others,
        )

    def parsed(self, arguments: Sequence[str], hint: str = "") -> argparse.Namespace:
        """What the arguments say.

        Args:
            hint: what to do with an option that isn't known, if there is none like it.

        Raises:
            Mistake: they are wrong.
        """
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            found = near(unknown[0].partition("=")[0], known) if unknown[0].startswith("-") else ""
            what = "no option" if unknown[0].startswith("-") else "nothing to do with"
            self._stop(f"There is {what} {unknown[0]}.", found or hint)
        return options

    def error(self, message: str) -> NoReturn:
        """Stop with what argparse says."""
        missing = re.fullmatch(r"the following arguments are required: (.*)", message)
        if missing:
            self._stop(f"{missing[1]} {'are' if ',' in missing[1] else 'is'} missing.")
        self._stop(message[:1].upper() + message[1:] + ".")

    def _stop(self, message: str, hint: str = "") -> NoReturn:
        raise Mistake(message, hint or f"{self.prog} --help", self.format_usage(), USAGE)
