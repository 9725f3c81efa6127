"""Defaults: those that each request needs anew, and those of dataclasses that msgspec leaves out.

A dataclass without slots that msgspec 0.22 makes has the defaults of its fields only through its class: they
aren't among its own attributes, so encoding it leaves them out. Here they are put in.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from asgistar.data import inner, known_type, unwrapped


def can_change(value: Any) -> bool:
    """Whether a default may become another by what is done with it: then requests can't share it."""
    if isinstance(value, msgspec.Struct):
        return not value.__struct_config__.frozen
    return isinstance(value, list | dict | set | bytearray) or dataclasses.is_dataclass(value)


@lru_cache(1024)
def lacks_defaults(annotation: Any) -> bool:
    """Whether a value of a type of data, or one in it, may lack defaults once msgspec has made it."""
    return _lacks(known_type(annotation), set())


def _lacks(info: inspect.Type, seen: set[int]) -> bool:
    info = unwrapped(info)
    if id(info) in seen:
        return False
    seen.add(id(info))
    if isinstance(info, inspect.DataclassType) and not hasattr(info.cls, "__slots__"):
        fields = getattr(info.cls, "__dataclass_fields__", {}).values()
        if any(field.default is not dataclasses.MISSING for field in fields):
            return True
    of_fields = [field.type for field in getattr(info, "fields", ())]
    return any(_lacks(each, seen) for each in (*inner(info), *of_fields))


def filled(value: Any) -> Any:
    """`value`, with the defaults of all dataclasses in it."""
    if isinstance(value, list | tuple | set | frozenset):
        for each in value:
            filled(each)
    elif isinstance(value, dict):
        for each in value.values():
            filled(each)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            filled(getattr(value, name))
    elif dataclasses.is_dataclass(value):
        own = getattr(value, "__dict__", None)
        for field in dataclasses.fields(value):
            each = getattr(value, field.name)
            if own is not None:
                own.setdefault(field.name, each)
            filled(each)
    return value
