"""A check for each type: finds all errors of a value, in Python where its answer is certain.

The checks of a type are a tree, made once of what msgspec says of the type. Of JSON's own types they know
what msgspec would say. For all else, such as dates, texts that stand for numbers, or `__post_init__`, they
ask it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, inspect

from asgistar.data import Fielded, unwrapped
from asgistar.errors import ErrorItem, FieldError
from asgistar.validation.types import is_array, python_type
from asgistar.validation.words import DEPTH, limits, noun, sentence, short, short_path

MAXIMUM = 100
"""So many errors are told at most."""

MESSAGE = 500
"""So many characters of what an error says are told: what the client sent may stand in it."""

VISITS = 20_000
"""So many values are looked at one by one at most: then what msgspec says has to do."""


class Enough(Exception):
    """There is no need to look any further."""


class Found:
    """The errors found so far, and the place that is looked at.

    Args:
        where: the part of the request.
        strict: texts aren't taken for numbers.
        names: the key of a value at the top -> its name in the request.
    """

    __slots__ = ("items", "left", "names", "path", "strict", "where")

    def __init__(self, where: str, strict: bool, names: Mapping[str, str]) -> None:
        self.where = where
        self.strict = strict
        self.names = names
        self.items: list[ErrorItem] = []
        self.path: list[Any] = []
        self.left = VISITS

    def add(self, code: str, message: str, *inner: Any) -> None:
        """Note an error of the place that is looked at, or of one in it.

        Names in the path that the client made are short already.
        """
        path = [*self.path, *inner]
        if self.names and path:
            path[0] = self.names.get(path[0], path[0])
        if len(path) > DEPTH:
            path = short_path(path)
        self.items.append({"in": self.where, "path": path, "code": code, "message": message})
        if len(self.items) >= MAXIMUM:
            raise Enough

    def spend(self, visits: int) -> None:
        """Note that values have been looked at."""
        self.left -= visits
        if self.left < 0:
            raise Enough

    def refusal(self, data: Any, type: Any) -> msgspec.ValidationError | None:
        """Why msgspec doesn't take data for a value of a type; None if it does."""
        try:
            msgspec.convert(data, type, strict=self.strict, str_keys=True)
        except msgspec.ValidationError as error:
            return error
        return None

    def add_told(self, error: Exception, steps: Mapping[str, str | int] | None = None) -> None:
        """Note an error as msgspec tells it.

        Args:
            steps: what the fields of the type are called in data, or their positions.
        """
        path, message, code = told(error, steps)
        self.add(code, message, *short_path(path))


def told(error: Exception, steps: Mapping[str, str | int] | None = None) -> tuple[list[str | int], str, str]:
    """The place, the message and the code of an error of msgspec, or of the rule that it is caused by.

    Args:
        steps: what the fields of the type are called in data, or their positions.
    """
    rule = error if isinstance(error, FieldError) else error.__cause__
    if isinstance(rule, FieldError):
        message = str(rule)
        path = [*_path(str(error).removeprefix(message)), (steps or {}).get(rule.field, rule.field)]
        return path, short(message, MESSAGE), rule.code
    message, _, place = str(error).partition(" - at `$")
    return _path(place), short(message.replace("`", ""), MESSAGE), "invalid"


def _path(place: str) -> list[str | int]:
    return [int(index) if index else key for key, index in re.findall(r"\.([^.\[`]+)|\[(\d+)\]", place)]


class Check:
    """Finds the errors of values of a type.

    Args:
        info: what msgspec says of the type.
    """

    __slots__ = ("type",)

    def __init__(self, info: inspect.Type) -> None:
        self.type = python_type(info)

    def errors(self, data: Any, found: Found) -> None:
        """Note the errors of a value."""
        if error := found.refusal(data, self.type):
            found.add_told(error)


class Judged(Check):
    """One whose values can be wrong by rules that are code: where all is well, msgspec has the last word."""

    __slots__ = ("check", "steps")

    def __init__(self, info: inspect.Type, check: Check) -> None:
        super().__init__(info)
        self.check = check
        fields: Iterable[inspect.Field] = getattr(info, "fields", ())
        self.steps: Mapping[str, str | int] = {each.name: each.encode_name for each in fields}
        if getattr(info, "array_like", False):
            tagged = int(getattr(info, "tag", None) is not None)
            self.steps = {each.name: index for index, each in enumerate(fields, tagged)}

    def errors(self, data: Any, found: Found) -> None:
        """Note the errors of a value."""
        number, left = len(found.items), found.left
        self.check.errors(data, found)
        if len(found.items) == number:
            found.spend(left - found.left)  # it goes through all that again
            if error := found.refusal(data, self.type):
                found.add_told(error, self.steps)


# --- single values ----------------------------------------------------------------------------------------


class Leaf(Check):
    """Values that nothing is in."""

    __slots__ = ("_base", "_code", "_exact", "_limits", "_message", "_tests", "_wrong")

    def __init__(self, info: inspect.Type) -> None:
        super().__init__(info)
        self._base = python_type(info, limited=False)
        self._code = "choice" if isinstance(info, inspect.EnumType | inspect.LiteralType) else "type"
        self._message = f"Must be {noun(info)}."
        self._limits = [
            (Annotated[self._base, Meta(**{name: value})], name, sentence(name, value, "characters"))
            for name, value in limits(info).items()
        ]
        self._exact, self._wrong = _JSON.get(type(info), (None, frozenset()))
        if self._exact is float and getattr(info, "multiple_of", None) is not None:
            self._exact = None  # what floats are multiples of is for msgspec to say
        self._tests = [
            (_TESTS[name](value), name, sentence(name, value, "characters"))
            for name, value in limits(info).items()
            if self._exact is not None
        ]

    def errors(self, data: Any, found: Found) -> None:
        """Note the errors of a value."""
        kind = type(data)
        if kind is self._exact:
            for fails, name, message in self._tests:
                if fails(data):
                    found.add(name, message)
        elif found.strict and kind in self._wrong:
            found.add(self._code, self._message)
        elif error := found.refusal(data, self.type):
            self._asked(data, found, error)

    def _asked(self, data: Any, found: Found, error: Exception) -> None:
        """Note the errors of a value that msgspec refuses."""
        if found.refusal(data, self._base):
            found.add(self._code, self._message)
            return
        number = len(found.items)
        for limited, name, message in self._limits:
            if found.refusal(data, limited):
                found.add(name, message)
        if len(found.items) == number:
            found.add_told(error)


_JSON: Mapping[type[inspect.Type], tuple[type | None, frozenset[type]]] = {
    inspect.NoneType: (type(None), frozenset({dict, list, str, int, float, bool})),
    inspect.BoolType: (bool, frozenset({dict, list, str, int, float, type(None)})),
    inspect.IntType: (int, frozenset({dict, list, str, float, bool, type(None)})),
    inspect.FloatType: (float, frozenset({dict, list, str, bool, type(None)})),
    inspect.StrType: (str, frozenset({dict, list, int, float, bool, type(None)})),
}
"""The types that JSON has: the class of their values, and the classes of JSON that aren't taken for it."""

_TESTS: Mapping[str, Callable[[Any], Callable[[Any], bool]]] = {
    # `not >=` isn't `<`: NaN keeps no limit.
    "gt": lambda limit: lambda value: not value > limit,
    "ge": lambda limit: lambda value: not value >= limit,
    "lt": lambda limit: lambda value: not value < limit,
    "le": lambda limit: lambda value: not value <= limit,
    "multiple_of": lambda limit: lambda value: bool(value % limit),
    "min_length": lambda limit: lambda value: len(value) < limit,
    "max_length": lambda limit: lambda value: len(value) > limit,
    "pattern": lambda limit: lambda value, search=re.compile(limit).search: search(value) is None,  # type: ignore[misc]
}
"""Limit -> a function that makes one of its value that says whether data doesn't keep it."""


# --- values with others in them ---------------------------------------------------------------------------


class Sized(Check):
    """Values that may have a limit to how many others are in them."""

    __slots__ = ("_tests",)

    what: str

    def __init__(self, info: inspect.Type) -> None:
        super().__init__(info)
        self._tests = [
            (_TESTS[name](value), name, sentence(name, value, self.what))
            for name, value in limits(info).items()
        ]

    def check_size(self, data: Any, found: Found) -> None:
        """Note if there is too much or too little in it."""
        for fails, name, message in self._tests:
            if fails(data):
                found.add(name, message)


class Array(Sized):
    """As many values of a type as there may be."""

    __slots__ = ("_item",)

    what = "items"

    def __init__(self, info: Any, checks: Checks) -> None:
        super().__init__(info)
        self._item = checks.of(getattr(info, "item_type", None) or inspect.AnyType())

    def errors(self, data: Any, found: Found) -> None:
        """Note the errors of a value."""
        if type(data) is not list:
            if found.refusal(data, self.type):
                found.add("type", "Must be an array.")
            return
        if self._tests:
            self.check_size(data, found)
        errors, path = self._item.errors, found.path
        path.append(0)
        for index, item in enumerate(data):
            found.left -= 1
            if found.left < 0:
                raise Enough
            path[-1] = index
            errors(item, found)
        path.pop()


class Row(Check):
    """A value of its own type in each place."""

    __slots__ = ("_checks", "_least", "_length", "_most", "_tagged")

    def __init__(self, info: Any, checks: Checks) -> None:
        super().__init__(info)
        fields = getattr(info, "fields", None)
        types = info.item_types if fields is None else [field.type for field in fields]
        self._tagged = int(getattr(info, "tag", None) is not None)
        self._checks = [checks.of(each) for each in types]
        self._least = self._tagged + (
            len(types) if fields is None else sum(field.required for field in fields)
        )
        most = self._tagged + len(types)
        self._length = f"Must have {most} items."
        if self._least != most:
            self._length = f"Must have {self._least} to {most} items."
        # What comes behind the last field of a Struct is passed over, if it doesn't mind.
        self._most = most if getattr(info, "forbid_unknown_fields", True) else None

    def errors(self, data: Any, found: Found) -> None:
        """Note the errors of a value."""
        if type(data) is not list:
            if found.refusal(data, self.type):
                found.add("type", "Must be an array.")
            return
        found.spend(len(self._checks))
        if len(data) < self._least or (self._most is not None and len(data) > self._most):
            found.add("length", self._length)
        path = found.path
        path.append(0)
        for index, check in zip(range(self._tagged, len(data)), self._checks, strict=False):
            path[-1] = index
            check.errors(data[index], found)
        path.pop()


class Members(Sized):
    """As many names as there may be, each with a value of a type."""

    __slots__ = ("_any_name", "_key_message", "_keys", "_value")

    what = "members"

    def __init__(self, info: Any, checks: Checks) -> None:
        super().__init__(info)
        key = unwrapped(info.key_type)
        self._any_name = isinstance(key, inspect.AnyType) or (
            isinstance(key, inspect.StrType) and not limits(key)
        )
        self._keys: Any = dict[python_type(key), Any]  # type: ignore[misc]
        self._key_message = f"Its name must be {noun(key)}."
        self._value = checks.of(info.value_type)

    def errors(self, data: Any, found: Found) -> None:
        """Note the errors of a value."""
        if type(data) is not dict:
            if found.refusal(data, self.type):
                found.add("type", "Must be an object.")
            return
        self.check_size(data, found)
        path = found.path
        path.append("")
        for key, value in data.items():
            found.spend(1)
            path[-1] = short(key) if isinstance(key, str) else key
            if (self._any_name and type(key) is str) or not found.refusal({key: None}, self._keys):
                self._value.errors(value, found)
            else:
                found.add("key", self._key_message)
        path.pop()


class Object(Check):
    """A value of its own type under each name."""

    __slots__ = ("_fields", "_known")

    def __init__(self, info: Any, checks: Checks) -> None:
        super().__init__(info)
        self._fields = [
            (field.encode_name, field.required, checks.of(field.type).errors) for field in info.fields
        ]
        self._known: set[str] | None = None
        if getattr(info, "forbid_unknown_fields", False):
            self._known = {info.tag_field, *(field.encode_name for field in info.fields)}

    def errors(self, data: Any, found: Found) -> None:
        """Note the errors of a value."""
        if type(data) is not dict:
            if found.refusal(data, self.type):
                found.add("type", "Must be an object.")
            return
        found.spend(len(self._fields) + 1)
        path = found.path
        path.append("")
        for name, required, errors in self._fields:
            if name in data:
                path[-1] = name
                errors(data[name], found)
            elif required:
                path[-1] = name
                found.add("missing", "Is missing.")
        path.pop()
        if self._known is not None:
            for name in data:
                if name not in self._known:
                    found.add("unknown", "Is not known.", short(name))


class Optional(Check):
    """A value of a type, or none."""

    __slots__ = ("_check",)

    def __init__(self, info: inspect.UnionType, member: inspect.Type, checks: Checks) -> None:
        super().__init__(info)
        self._check = checks.of(member)

    def errors(self, data: Any, found: Found) -> None:
        """Note the errors of a value."""
        if data is None or (not found.strict and type(data) is str and not found.refusal(data, self.type)):
            return  # "null" is nothing too, where all is text
        self._check.errors(data, found)


class OneOf(Check):
    """A value of one of several types: the errors are those of the one that it can be meant to be."""

    __slots__ = ("_message", "_tag_field", "_types")

    def __init__(self, info: inspect.UnionType, checks: Checks) -> None:
        super().__init__(info)
        members = [unwrapped(each) for each in info.types if not isinstance(each, inspect.NoneType)]
        self._types = [(each, python_type(each, limited=False), checks.of(each)) for each in members]
        self._message = f"Must be {' or '.join(noun(each) for each in info.types)}."
        structs = [each for each in members if isinstance(each, inspect.StructType)]
        self._tag_field = (structs[0].tag_field or "type") if structs else "type"

    def errors(self, data: Any, found: Found) -> None:
        """Note the errors of a value."""
        if not isinstance(data, list | dict) and not found.refusal(data, self.type):
            return
        meant = list(self._meant(data, found))
        structs = [info for info, _ in meant if isinstance(info, inspect.StructType)]
        if len(meant) == 1:
            meant[0][1].errors(data, found)
        elif structs:
            choices = " or ".join(repr(each.tag) for each in structs)
            found.add("choice", f"Must be {choices}.", 0 if isinstance(data, list) else self._tag_field)
        else:
            found.add("type", self._message)

    def _meant(self, data: Any, found: Found) -> Iterable[tuple[inspect.Type, Check]]:
        """The members that data of this shape can be meant to be."""
        if not isinstance(data, list | dict):
            return [(info, check) for info, base, check in self._types if not found.refusal(data, base)]
        formed = [
            (info, check)
            for info, _, check in self._types
            if (
                is_array(info)
                if isinstance(data, list)
                else isinstance(info, Fielded | inspect.DictType) and not is_array(info)
            )
        ]
        return [(info, check) for info, check in formed if _is_tagged(info, data)] or formed


# --- types ------------------------------------------------------------------------------------------------


class Checks:
    """The checks of a type and of what is in it, each made once: a type may be in itself."""

    def __init__(self) -> None:
        self._made: dict[int, Check] = {}

    def of(self, info: inspect.Type) -> Check:
        """The check of the type that `info` describes."""
        info = unwrapped(info)
        if id(info) in self._made:
            return self._made[id(info)]
        later = self._made[id(info)] = Later(info)
        later.check = self._made[id(info)] = self._new(info)
        return later.check

    def _new(self, info: inspect.Type) -> Check:
        if isinstance(info, inspect.UnionType):
            members = [each for each in info.types if not isinstance(each, inspect.NoneType)]
            if len(members) == 1:
                return Optional(info, members[0], self)
            return OneOf(info, self)
        if isinstance(info, inspect.TupleType | inspect.NamedTupleType) or getattr(info, "array_like", False):
            return _judged(info, Row(info, self))
        if is_array(info):
            return _judged(info, Array(info, self))
        if isinstance(info, Fielded):
            return _judged(info, Object(info, self))
        if isinstance(info, inspect.DictType):
            return Members(info, self)
        return Leaf(info)


def _is_tagged(info: inspect.Type, data: Any) -> bool:
    """Whether data has the tag of a Struct."""
    if not isinstance(info, inspect.StructType) or info.tag is None:
        return False
    return bool(data[:1] == [info.tag] if isinstance(data, list) else data.get(info.tag_field) == info.tag)


class Later(Check):
    """The check of a type that is in itself."""

    __slots__ = ("check",)

    check: Check

    def errors(self, data: Any, found: Found) -> None:
        """Note the errors of a value."""
        self.check.errors(data, found)


def _judged(info: inspect.Type, check: Check) -> Check:
    """A check, with msgspec's judgement behind it if there may be rules that we don't know."""
    cls = getattr(info, "cls", None)
    own_rules = any(
        hasattr(cls, each) for each in ("__post_init__", "__attrs_post_init__", "__attrs_attrs__")
    )
    tagged = getattr(info, "tag", None) is not None
    hashed = isinstance(info, inspect.SetType | inspect.FrozenSetType)
    return Judged(info, check) if own_rules or tagged or hashed else check
