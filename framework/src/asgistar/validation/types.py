"""From what msgspec says of a type back to the type, to ask msgspec about a part of a value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Union
from uuid import UUID

from msgspec import Meta, inspect

from asgistar.data import unwrapped
from asgistar.validation.words import ARRAYS, limits


def is_array(info: inspect.Type) -> bool:
    """Whether values of a type are arrays in JSON."""
    return isinstance(info, ARRAYS) or bool(getattr(info, "array_like", False))


_PYTHON: Mapping[type[inspect.Type], Any] = {
    inspect.AnyType: Any,
    inspect.NoneType: None,
    inspect.BoolType: bool,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.StrType: str,
    inspect.BytesType: bytes,
    inspect.ByteArrayType: bytearray,
    inspect.DecimalType: Decimal,
    inspect.UUIDType: UUID,
    inspect.DateTimeType: datetime,
    inspect.DateType: date,
    inspect.TimeType: time,
    inspect.TimeDeltaType: timedelta,
}


def python_type(info: inspect.Type, limited: bool = True) -> Any:
    """The type that `info` describes, with its constraints or without."""
    info = unwrapped(info)
    made: Any
    if type(info) in _PYTHON:
        made = _PYTHON[type(info)]
    elif isinstance(info, inspect.LiteralType):
        made = Literal[info.values]
    elif isinstance(info, inspect.UnionType):
        made = Union[tuple(python_type(member, limited) for member in info.types)]  # noqa: UP007
    elif isinstance(info, inspect.TupleType):
        made = tuple[tuple(python_type(member) for member in info.item_types)]  # type: ignore[misc]
    elif isinstance(info, ARRAYS) and not isinstance(info, inspect.NamedTupleType):
        made = _COLLECTIONS.get(type(info), list)[python_type(info.item_type)]  # type: ignore[union-attr]
    elif isinstance(info, inspect.DictType):
        made = dict[python_type(info.key_type), python_type(info.value_type)]  # type: ignore[misc]
    else:
        made = getattr(info, "cls", Any)
    kept = limits(info) if limited else {}
    return Annotated[made, Meta(**kept)] if kept else made


_COLLECTIONS: Mapping[type[inspect.Type], Any] = {inspect.SetType: set, inspect.FrozenSetType: frozenset}
"""What else than a list an array may become: what is in it must be hashable."""
