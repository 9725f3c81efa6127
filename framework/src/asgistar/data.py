"""Types of data: what can come from a request and go into a response, as msgspec describes it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

import msgspec
from msgspec import Meta, inspect

_SIMPLE = (
    inspect.AnyType, inspect.NoneType, inspect.BoolType, inspect.IntType, inspect.FloatType, inspect.StrType,
    inspect.BytesType, inspect.DecimalType, inspect.UUIDType, inspect.DateTimeType, inspect.DateType,
    inspect.TimeType, inspect.TimeDeltaType, inspect.EnumType, inspect.LiteralType,
)  # fmt: skip
_OBJECTS = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
_MANY = (
    inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType, inspect.CollectionType,
)  # fmt: skip

Fielded = inspect.StructType | inspect.DataclassType | inspect.TypedDictType


def type_info(annotation: Any) -> inspect.Type | None:
    """What msgspec says of a type; None if it is no type of data."""
    try:
        return known_type(annotation)
    except TypeError:
        return None


@lru_cache(1024)
def known_type(annotation: Any) -> inspect.Type:
    """What msgspec says of a type.

    Raises:
        TypeError: it can't be a type of data; says why.
    """
    msgspec.json.Decoder(annotation)  # finds what `type_info` doesn't: unions that can't be told apart
    return unwrapped(inspect.type_info(annotation))


def unwrapped(info: inspect.Type) -> inspect.Type:
    """`info` without the metadata around it."""
    while isinstance(info, inspect.Metadata):
        info = info.type
    return info


def wire_kind(annotation: Any) -> Literal["simple", "object", "list"] | None:
    """What a type can be made of: texts, a field each, or only a body; None if it is no type of data."""
    info = type_info(annotation)
    if info is None or _has_own_class(info):
        return None
    if is_simple(info):
        return "simple"
    return "object" if isinstance(info, _OBJECTS) else "list"


def _has_own_class(info: inspect.Type) -> bool:
    info = unwrapped(info)
    if isinstance(info, inspect.CustomType):
        return True
    if isinstance(info, inspect.UnionType):
        return any(_has_own_class(member) for member in info.types)
    return isinstance(info, _MANY) and _has_own_class(info.item_type)


def is_simple(info: inspect.Type, inside: bool = False) -> bool:
    """Whether a value can be made of a text, or of a list of texts unless it is `inside` of one."""
    info = unwrapped(info)
    if isinstance(info, inspect.UnionType):
        return all(is_simple(member, inside) for member in info.types)
    if isinstance(info, _MANY) and not inside:
        return is_simple(info.item_type, inside=True)
    return isinstance(info, _SIMPLE)


def is_limited(annotation: Any) -> bool:
    """Whether a type has constraints, or one of a union has."""
    if get_origin(annotation) is Annotated and any(
        isinstance(each, Meta) for each in annotation.__metadata__
    ):
        return True
    return any(is_limited(each) for each in get_args(annotation) if get_origin(annotation) is not Literal)


def takes_many(info: inspect.Type | None) -> bool:
    """Whether a value is a list of texts, not one text."""
    info = info and unwrapped(info)
    if isinstance(info, inspect.UnionType):
        return any(takes_many(member) for member in info.types)
    return isinstance(info, _MANY)


def fields(annotation: Any) -> Iterable[inspect.Field]:
    """The fields of an object type."""
    info = type_info(annotation)
    assert isinstance(info, _OBJECTS)
    return info.fields


def alternatives(annotation: Any) -> list[Any]:
    """The members of a union, without what Annotated and NewType put around them."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        else:
            break
    if get_origin(annotation) in (Union, UnionType):
        return [member for each in get_args(annotation) for member in alternatives(each)]
    return [annotation]
