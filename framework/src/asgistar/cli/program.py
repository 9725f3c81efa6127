"""Another program in the place of this process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn


def installed(module: str) -> bool:
    """Whether a module could be imported; it is not."""
    return importlib.util.find_spec(module) is not None


def become(module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> NoReturn:
    """Run `python -m module` with these arguments, in the place of this process.

    Args:
        environment: further variables.
    """
    command = [sys.executable, "-m", module, *arguments]
    variables = {**os.environ, **(environment or {})}
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform == "win32":  # whose exec returns to the prompt at once
        sys.exit(subprocess.call(command, env=variables))
    os.execve(sys.executable, command, variables)
