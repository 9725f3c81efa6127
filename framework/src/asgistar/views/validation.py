"""Every error at once: why data isn't of a type, value by value.

msgspec decodes and checks in one pass, and stops at the first error. Only when there is one, the data is
gone through again here, along what msgspec says of the type.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, Union
from uuid import UUID

import msgspec
from msgspec import Meta, inspect

from asgistar.data import Fielded, codec_of, unwrapped
from asgistar.errors import ErrorItem
from asgistar.http.uploads import holds_file

MAXIMUM = 100
"""So many errors are told at most."""

VISITS = 20_000
"""So many values are looked at one by one at most: then what msgspec says has to do."""

Where = list[str | int]


def errors_of(
    type: Any, data: Any, where: str, strict: bool = True, names: Mapping[str, str] | None = None
) -> list[ErrorItem]:
    """The errors of `data` as a value of `type`; none if it is one.

    Args:
        data: what JSON is made of: dict, list, str, int, float, bool, None.
        where: the part of the request, for the errors.
        strict: texts aren't taken for numbers.
        names: the key of a value at the top -> its name in the request.
    """
    if codec := codec_of(type):
        return _renamed(codec.errors_of(type, data, where, strict), names or {})
    try:
        info, types = _described(type)
    except TypeError:  # a type that isn't hashable
        info, types = inspect.type_info(type), {}
    found = _Errors(where, strict, names or {}, types)
    try:
        found.check(info, data, [])
    except RecursionError:
        # Data as deep as that, of a type that is in itself: one error has to do.
        found.items[:] = [{"in": where, "path": [], "code": "invalid", "message": "Is nested too deeply."}]
    return found.items[:MAXIMUM]


def _renamed(items: list[ErrorItem], names: Mapping[str, str]) -> list[ErrorItem]:
    for item in items:
        if item["path"] and isinstance(first := item["path"][0], str):
            item["path"] = [names.get(first, first), *item["path"][1:]]
    return items[:MAXIMUM]


def told(error: Exception, where: str) -> ErrorItem:
    """An error as msgspec tells it."""
    message, _, place = str(error).partition(" - at `$")
    path: Where = [
        int(index) if index else key for key, index in re.findall(r"\.([^.\[`]+)|\[(\d+)\]", place)
    ]
    return {"in": where, "path": path, "code": "invalid", "message": message.replace("`", "")}


@lru_cache(1024)
def _described(type: Any) -> tuple[inspect.Type, dict[int, Any]]:
    """What msgspec says of a type, and room for the types of what is in it, by the id of their infos."""
    return inspect.type_info(type), {}


class _Errors:
    """The errors found so far."""

    def __init__(self, where: str, strict: bool, names: Mapping[str, str], types: dict[int, Any]) -> None:
        self.where = where
        self.strict = strict
        self.names = names
        self.items: list[ErrorItem] = []
        self._visits = VISITS
        self._types = types

    def add(self, path: Where, code: str, message: str) -> None:
        """Note an error."""
        if path and isinstance(path[0], str):
            path = [self.names.get(path[0], path[0]), *path[1:]]
        self.items.append({"in": self.where, "path": path, "code": code, "message": message})

    def check(self, info: inspect.Type, data: Any, path: Where) -> None:
        """Note the errors of a value of the type that `info` describes."""
        self._visits -= 1
        if self._visits < 0 or len(self.items) >= MAXIMUM:
            return
        info = unwrapped(info)
        known = self._types.get(id(info))
        if known is None:
            known = self._types[id(info)] = _python_type(info)
        error = self._error(known, data)
        if error is None:
            return
        before = len(self.items)
        if isinstance(info, inspect.UnionType):
            self._check_union(info, data, path)
        elif isinstance(info, _ARRAYS) or getattr(info, "array_like", False):
            self._check_array(info, data, path)
        elif isinstance(info, Fielded):
            self._check_fields(info, data, path)
        elif isinstance(info, inspect.DictType):
            self._check_dict(info, data, path)
        else:
            self._check_leaf(info, data, path)
        if len(self.items) == before:
            # A rule that is code, such as `__post_init__`; or there was more to go through than we do.
            item = told(error, self.where)
            self.add([*path, *item["path"]], item["code"], item["message"])

    def _error(self, type: Any, data: Any) -> msgspec.ValidationError | None:
        """Why data isn't of a type; None if it is."""
        try:
            msgspec.convert(data, type, strict=self.strict, str_keys=True)
        except msgspec.ValidationError as error:
            return error
        return None

    def _check_leaf(self, info: inspect.Type, data: Any, path: Where) -> None:
        base = _python_type(info, limited=False)
        if self._error(base, data) is not None:
            code = "choice" if isinstance(info, inspect.EnumType | inspect.LiteralType) else "type"
            self.add(path, code, f"Must be {_noun(info)}.")
            return
        for name, value in _limits(info).items():
            if self._error(Annotated[base, Meta(**{name: value})], data) is not None:
                self.add(path, name, _message(name, value, "characters"))

    def _check_length(self, info: inspect.Type, size: int, path: Where, what: str) -> None:
        for name, value in _limits(info).items():
            if size < value if name == "min_length" else size > value:
                self.add(path, name, _message(name, value, what))

    def _check_array(self, info: inspect.Type, data: Any, path: Where) -> None:
        if not isinstance(data, list):
            self.add(path, "type", "Must be an array.")
            return
        types: Iterable[inspect.Type]
        if isinstance(info, inspect.TupleType):
            types, least, most = info.item_types, len(info.item_types), len(info.item_types)
        elif isinstance(info, inspect.NamedTupleType | inspect.StructType):
            types, most = [field.type for field in info.fields], len(info.fields)
            least = sum(field.required for field in info.fields)
        else:
            types, least, most = itertools.repeat(getattr(info, "item_type", inspect.AnyType())), 0, len(data)
            self._check_length(info, len(data), path, "items")
        if not least <= len(data) <= most:
            self.add(
                path,
                "length",
                f"Must have {least} items." if least == most else f"Must have {least} to {most} items.",
            )
        for index, (item_type, item) in enumerate(zip(types, data, strict=False)):
            self.check(item_type, item, [*path, index])

    def _check_dict(self, info: inspect.DictType, data: Any, path: Where) -> None:
        if not isinstance(data, dict):
            self.add(path, "type", "Must be an object.")
            return
        self._check_length(info, len(data), path, "members")
        keys: Any = dict[_python_type(info.key_type), Any]  # type: ignore[misc]
        for key, value in data.items():
            if self._error(keys, {key: None}) is None:
                self.check(info.value_type, value, [*path, key])
            else:
                self.add([*path, key], "key", f"Its name must be {_noun(info.key_type)}.")

    def _check_fields(self, info: Fielded, data: Any, path: Where) -> None:
        if not isinstance(data, dict):
            self.add(path, "type", "Must be an object.")
            return
        known = {getattr(info, "tag_field", None)}
        for field in info.fields:
            known.add(field.encode_name)
            if field.encode_name in data:
                self.check(field.type, data[field.encode_name], [*path, field.encode_name])
            elif field.required:
                self.add([*path, field.encode_name], "missing", "Is missing.")
        if getattr(info, "forbid_unknown_fields", False):
            for key in data.keys() - known:
                self.add([*path, key], "unknown", "Is not known.")

    def _check_union(self, info: inspect.UnionType, data: Any, path: Where) -> None:
        members = [member for member in info.types if not isinstance(member, inspect.NoneType)]
        if len(members) > 1:
            members = self._meant(members, data)
        structs = [member for member in members if isinstance(member, inspect.StructType)]
        if len(members) == 1:
            self.check(members[0], data, path)
        elif structs:
            choices = " or ".join(repr(member.tag) for member in structs)
            self.add([*path, structs[0].tag_field or "type"], "choice", f"Must be {choices}.")
        else:
            self.add(path, "type", f"Must be {' or '.join(_noun(member) for member in info.types)}.")

    def _meant(self, members: list[inspect.Type], data: Any) -> list[inspect.Type]:
        """The members of a union that data of this shape can be meant to be."""
        if isinstance(data, list):
            return [member for member in members if isinstance(member, _ARRAYS)]
        if not isinstance(data, dict):
            return [
                member for member in members if self._error(_python_type(member, limited=False), data) is None
            ]
        objects: list[inspect.Type] = [
            member for member in members if isinstance(member, Fielded | inspect.DictType)
        ]
        tagged: list[inspect.Type] = [
            member
            for member in objects
            if isinstance(member, inspect.StructType)
            and member.tag_field is not None
            and data.get(member.tag_field) == member.tag
        ]
        return tagged or objects


# --- types and words --------------------------------------------------------------------------------------

_ARRAYS = (
    inspect.ListType, inspect.SetType, inspect.FrozenSetType, inspect.VarTupleType, inspect.TupleType,
    inspect.CollectionType, inspect.NamedTupleType,
)  # fmt: skip

_SIMPLE: dict[type[inspect.Type], tuple[Any, str]] = {
    inspect.AnyType: (Any, "anything"),
    inspect.NoneType: (None, "null"),
    inspect.BoolType: (bool, "a boolean"),
    inspect.IntType: (int, "an integer"),
    inspect.FloatType: (float, "a number"),
    inspect.StrType: (str, "a string"),
    inspect.BytesType: (bytes, "text in base64"),
    inspect.ByteArrayType: (bytearray, "text in base64"),
    inspect.DecimalType: (Decimal, "a decimal number"),
    inspect.UUIDType: (UUID, "a UUID"),
    inspect.DateTimeType: (datetime, "a date with a time"),
    inspect.DateType: (date, "a date"),
    inspect.TimeType: (time, "a time"),
    inspect.TimeDeltaType: (timedelta, "a duration"),
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


def _message(limit: str, value: Any, what: str) -> str:
    if limit == "tz" and not value:
        return "Must have no offset from UTC."
    return _LIMITS[limit].format(value, what.removesuffix("s") if value == 1 else what)


def _limits(info: inspect.Type) -> dict[str, Any]:
    """The constraints of a type, by the names that `Meta` has for them."""
    return {name: value for name in _LIMITS if (value := getattr(info, name, None)) is not None}


def _noun(info: inspect.Type) -> str:
    """What to call a value of the type, after "Must be"."""
    info = unwrapped(info)
    if holds_file(info):
        return "a file"
    if isinstance(info, inspect.EnumType):
        return "one of " + ", ".join(repr(each.value) for each in info.cls)
    if isinstance(info, inspect.LiteralType):
        return "one of " + ", ".join(map(repr, info.values))
    if isinstance(info, _ARRAYS):
        return "an array"
    return _SIMPLE.get(type(info), (None, "an object"))[1]


def _python_type(info: inspect.Type, limited: bool = True) -> Any:
    """The type that `info` describes, with its constraints or without."""
    info = unwrapped(info)
    made: Any
    if type(info) in _SIMPLE:
        made = _SIMPLE[type(info)][0]
    elif isinstance(info, inspect.LiteralType):
        made = Literal[info.values]
    elif isinstance(info, inspect.UnionType):
        made = Union[tuple(_python_type(member, limited) for member in info.types)]  # noqa: UP007
    elif isinstance(info, inspect.TupleType):
        made = tuple[tuple(_python_type(member) for member in info.item_types)]  # type: ignore[misc]
    elif isinstance(info, _ARRAYS) and not isinstance(info, inspect.NamedTupleType):
        made = list[_python_type(info.item_type)]  # type: ignore[misc,union-attr]
    elif isinstance(info, inspect.DictType):
        made = dict[_python_type(info.key_type), _python_type(info.value_type)]  # type: ignore[misc]
    else:
        made = getattr(info, "cls", Any)
    limits = _limits(info) if limited else {}
    return Annotated[made, Meta(**limits)] if limits else made
