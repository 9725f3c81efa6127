"""Regular expressions that are compiled when they are first used: most applications never use most of them.

PERF: to compile them all was a tenth of what it takes to import the framework.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Regex:
    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self._pattern = pattern
        self._flags = flags

    def __getattr__(self, name: str) -> Any:
        # Once it is an attribute of its own, it is found without this.
        found = self.__dict__[name] = getattr(re.compile(self._pattern, self._flags), name)
        return found


def regex(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile` gives, but not at once. Its methods are used, nothing else: it is no `re.Pattern`."""
    return cast(re.Pattern[AnyStr], _Regex(pattern, flags))
