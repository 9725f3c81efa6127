"""Extras: packages that some of asgistar needs, and most applications don't."""

from __future__ import annotations

from types import TracebackType

from asgistar.errors import ConfigurationError


class MissingExtra(ConfigurationError, ModuleNotFoundError):
    """A package isn't installed that an extra of asgistar brings; says how to install it."""


class Extra:
    """Where packages of an extra are imported: `with Extra("templates", "Templates"): import jinja2`.

    Args:
        name: of the extra.
        what: it is needed for.

    Raises:
        MissingExtra: one of them isn't installed.
    """

    def __init__(self, name: str, what: str) -> None:
        self._name = name
        self._what = what

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # What is missing of asgistar itself, no extra brings.
        if isinstance(error, ModuleNotFoundError) and not f"{error.name}".startswith("asgistar"):
            raise MissingExtra(
                f"{self._what} needs {error.name}: pip install 'asgistar[{self._name}]'", name=error.name
            ) from None
