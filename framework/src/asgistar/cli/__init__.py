"""The command `asgistar`: one module for each of its commands, imported when it is called."""

from __future__ import annotations

from asgistar.cli.entry import main

__all__ = ["main"]
