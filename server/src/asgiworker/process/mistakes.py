"""Mistakes of the person who starts the server: one sentence, one hint, never a traceback.

Everything that can be wrong before the first request (an option, a file, an address, the name of the
application) is raised as a `Mistake`; the command prints it and ends. Mistakes of peers and of applications
live elsewhere.
"""

from __future__ import annotations


class Mistake(Exception):
    """What is wrong, in one sentence, and what to do about it.

    `message` names the place (option, variable, file and line, address). `hint` may be empty. `detail` is
    text worth showing above the sentence, such as the traceback of an application that fails on import.
    """

    __slots__ = ("detail", "hint", "message")

    def __init__(self, message: str, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        """The message alone, for logs."""
        return self.message

    def report(self) -> str:
        """What the command writes to stderr: the detail if there is one, the sentence, the hint."""
        lines = [self.detail.rstrip()] if self.detail else []
        lines.append(f"Error: {self.message}")
        if self.hint:
            lines.append(f"Hint: {self.hint}")
        return "\n".join(lines) + "\n"


class SettingsError(Mistake):
    """A setting that is unknown, malformed or out of bounds; `usage` when the command line is to blame."""

    __slots__ = ("usage",)

    def __init__(self, message: str, hint: str = "", *, usage: bool = False) -> None:
        super().__init__(message, hint)
        self.usage = usage


class LoadingError(Mistake):
    """The application could not be found, imported, called or recognised."""

    __slots__ = ()


class BindError(Mistake):
    """An address could not be listened on."""

    __slots__ = ()
