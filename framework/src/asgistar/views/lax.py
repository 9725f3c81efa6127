"""What the texts of a form mean, beyond what texts of a query mean: a form is filled in by people.

An empty text is a text; for any other type it says that there is nothing: null where the type has it, else as
if the field weren't there. A checkbox says "on". An input for a time leaves the seconds out (HTML Standard
§4.10.5.1.11). What isn't made of one text, such as an object in an object, is JSON.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct, inspect

from asgistar.data import ANY_TEXT, BOOLS, is_simple, members, takes_many
from asgistar.http.forms import ABSENT
from asgistar.regex import regex

_TIMES = (inspect.DateTimeType, inspect.TimeType)
_MINUTES = regex(r"(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d")


class Lax(Struct, frozen=True):
    """Makes of a text what is then converted to a type.

    Attributes:
        empty: what an empty text stands for: None, or `ABSENT`.
        is_json: the text is JSON.
        has_bool: it may be a checkbox.
        has_time: it may be a time.
    """

    empty: Any
    is_json: bool = False
    has_bool: bool = False
    has_time: bool = False

    def __call__(self, text: str) -> Any:
        """What the text means."""
        text = text.strip()
        if not text:
            return self.empty
        if self.is_json:
            return _json(text)
        if self.has_bool and (meant := BOOLS.get(text.lower())) is not None:
            return meant
        if self.has_time and _MINUTES.fullmatch(text):
            return text + ":00"
        return text


_NOT_FINITE = frozenset(("nan", "inf", "infinity"))

NO_NUMBER = "not a finite number"


def is_fraction(info: inspect.Type) -> bool:
    """Whether texts are taken for numbers with a fraction, and not as they are."""
    found = members(info)
    found += [member for each in found if takes_many(each) for member in members(each.item_type)]  # type: ignore[attr-defined]
    return any(isinstance(each, inspect.FloatType | inspect.DecimalType) for each in found) and not any(
        isinstance(each, ANY_TEXT) for each in found
    )


def finite(found: dict[str, Any], names: Iterable[str]) -> None:
    """Let texts that say "not a number", or an endless one, be no numbers: JSON has neither."""
    for name in names:
        value = found.get(name)
        if type(value) is list:
            found[name] = [_finite(each) for each in value]
        elif type(value) is str:
            found[name] = _finite(value)


def _finite(value: Any) -> Any:
    """What is read in the place of a value."""
    return NO_NUMBER if str(value).strip().lstrip("+-").lower() in _NOT_FINITE else value


def reader(info: inspect.Type) -> Lax | None:
    """What makes of a text what is then converted to a type; None: the text itself is."""
    found = members(info)
    empty = None if any(isinstance(each, inspect.NoneType) for each in found) else ABSENT
    if takes_many(info) and is_simple(info):
        items = [each.item_type for each in found if isinstance(each, inspect.CollectionType)]
        found = [each for item in items for each in members(item)]
        empty = ABSENT
    if any(isinstance(each, ANY_TEXT) or _has_empty(each) for each in found):
        return None
    return Lax(
        empty,
        is_json=not all(map(is_simple, found)),
        has_bool=any(isinstance(each, inspect.BoolType) for each in found),
        has_time=any(isinstance(each, _TIMES) for each in found),
    )


def is_bool(info: inspect.Type) -> bool:
    """Whether it is a checkbox."""
    found = [each for each in members(info) if not isinstance(each, inspect.NoneType)]
    return len(found) == 1 and isinstance(found[0], inspect.BoolType)


def _has_empty(info: inspect.Type) -> bool:
    """Whether it is a choice, and one of the choices is empty."""
    if isinstance(info, inspect.LiteralType):
        return "" in info.values
    return isinstance(info, inspect.EnumType) and any(each.value == "" for each in info.cls)


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
