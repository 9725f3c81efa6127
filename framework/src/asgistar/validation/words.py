"""What errors of values are told with: nouns for types, sentences for limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import inspect

from asgistar.data import unwrapped
from asgistar.http.uploads import holds_file

NAME = 100
"""So many characters of a name that the client made are told."""

DEPTH = 32
"""So many steps down to a value are told."""

ARRAYS = (inspect.CollectionType, inspect.TupleType, inspect.NamedTupleType)

_NOUNS: Mapping[type[inspect.Type], str] = {
    inspect.AnyType: "anything",
    inspect.NoneType: "null",
    inspect.BoolType: "a boolean",
    inspect.IntType: "an integer",
    inspect.FloatType: "a number",
    inspect.StrType: "a string",
    inspect.BytesType: "text in base64",
    inspect.ByteArrayType: "text in base64",
    inspect.DecimalType: "a decimal number",
    inspect.UUIDType: "a UUID",
    inspect.DateTimeType: "a date with a time",
    inspect.DateType: "a date",
    inspect.TimeType: "a time",
    inspect.TimeDeltaType: "a duration",
}

_LIMITS = {
    "gt": "Must be greater than {0}.",
    "ge": "Must be greater than or equal to {0}.",
    "lt": "Must be less than {0}.",
    "le": "Must be less than or equal to {0}.",
    "multiple_of": "Must be a multiple of {0}.",
    "min_length": "Must have at least {0} {1}.",
    "max_length": "Must have no more than {0} {1}.",
    "pattern": "Must match the pattern {0}",
    "tz": "Must have an offset from UTC.",
}


def noun(info: inspect.Type) -> str:
    """What to call a value of the type, after "Must be"."""
    info = unwrapped(info)
    if holds_file(info):
        return "a file"
    if isinstance(info, inspect.EnumType):
        return "one of " + ", ".join(repr(each.value) for each in info.cls)
    if isinstance(info, inspect.LiteralType):
        return "one of " + ", ".join(map(repr, info.values))
    if isinstance(info, ARRAYS):
        return "an array"
    return _NOUNS.get(type(info), "an object")


def limits(info: inspect.Type) -> dict[str, Any]:
    """The constraints of a type, by the names that `Meta` has for them."""
    return {name: value for name in _LIMITS if (value := getattr(info, name, None)) is not None}


def sentence(limit: str, value: Any, what: str) -> str:
    """What to say of a value that keeps no limit.

    Args:
        limit: its name in `Meta`.
        value: what it is.
        what: it counts: "characters", "items", "members".
    """
    if limit == "tz" and not value:
        return "Must have no offset from UTC."
    return _LIMITS[limit].format(value, what.removesuffix("s") if value == 1 else what)


def short(text: str, most: int = NAME) -> str:
    """A text, or its beginning if it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def short_path(path: Sequence[str | int]) -> list[str | int]:
    """The way to a value; of a long one both ends, and of long names in it the beginnings."""
    if len(path) > DEPTH:
        path = [*path[: DEPTH // 2], "…", *path[-DEPTH // 2 + 1 :]]
    return [short(each) if isinstance(each, str) else each for each in path]
