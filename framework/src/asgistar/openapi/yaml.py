"""YAML 1.2 of what JSON has too: objects, arrays, texts, numbers, true, false and null.

A text is written without quotes only where nobody can take it for anything else, several lines of it as a
block; all others as in JSON, which is YAML as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# Words that YAML 1.1 or 1.2 read as something else. Numbers and dates begin with what _PLAIN doesn't allow.
_WORDS = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
_PLAIN = re.compile(r"[A-Za-z_/$][\w/$.+(){}=,;'!?*&<>-]*(?: [\w/$.+()=,;'!?*&<>-]+)*", re.ASCII)
# Lines of printable characters, none empty at the ends and none that begins with a space.
_NOT_PRINTED = r"\x7f-\x9f\ud800-\udfff\u2028\u2029\ufeff\ufffe\uffff"
_LINE = re.compile(rf"[^\s\x00-\x1f\xa0{_NOT_PRINTED}][^\x00-\x1f{_NOT_PRINTED}]*|")
_UNPRINTABLE = re.compile(f"[{_NOT_PRINTED}]")


def dumped(value: Any) -> str:
    """`value` as YAML."""
    return "\n".join(_lines(value, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    """The lines of an object, of an array, or of a single value."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _entry(f"{indent}{_scalar(key)}:", each, indent)
    elif isinstance(value, list) and value:
        for each in value:
            if isinstance(each, dict | list) and each:
                first, *others = _lines(each, indent + "  ")
                yield f"{indent}- {first[len(indent) + 2 :]}"
                yield from others
            else:
                yield from _entry(f"{indent}-", each, indent)
    else:
        yield from _entry(indent, value, indent)


def _entry(before: str, value: Any, indent: str) -> Iterator[str]:
    """The lines of a value that comes after a key or a dash."""
    if isinstance(value, dict | list) and value:
        yield before
        yield from _lines(value, indent + "  ")
    elif isinstance(value, str) and _is_block(value):
        yield f"{before} |" if value.endswith("\n") else f"{before} |-"
        for line in value.removesuffix("\n").split("\n"):
            yield f"{indent}  {line}" if line else ""
    else:
        yield f"{before} {_scalar(value)}" if before else _scalar(value)


def _is_block(text: str) -> bool:
    """Whether a text can be written as it is, line by line."""
    lines = text.removesuffix("\n").split("\n")
    return len(lines) > 1 and bool(lines[0]) and bool(lines[-1]) and all(map(_LINE.fullmatch, lines))


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return value
        quoted = json.dumps(value, ensure_ascii=False)
        return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
    text = json.dumps(value)
    # YAML 1.1 wants a point in a number with an exponent.
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text
