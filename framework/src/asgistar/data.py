"""Types of data: what can come from a request and go into a response, as msgspec describes it.

What msgspec doesn't know may be known to a codec: `codec_of` finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from importlib import import_module
from types import UnionType
from typing import Annotated, Any, Literal, NewType, Protocol, Union, cast, get_args, get_origin

import msgspec
from msgspec import Meta, inspect

from asgistar.errors import ConfigurationError, ErrorItem

_SIMPLE = (
    inspect.AnyType, inspect.NoneType, inspect.BoolType, inspect.IntType, inspect.FloatType, inspect.StrType,
    inspect.BytesType, inspect.DecimalType, inspect.UUIDType, inspect.DateTimeType, inspect.DateType,
    inspect.TimeType, inspect.TimeDeltaType, inspect.EnumType, inspect.LiteralType,
)  # fmt: skip

ANY_TEXT = (inspect.StrType, inspect.BytesType, inspect.AnyType)
"""What a text is a value of, whatever stands in it."""

BOOLS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""What people and browsers write for a boolean, in lower case -> what msgspec takes for one."""

Fielded = inspect.StructType | inspect.DataclassType | inspect.TypedDictType
"""An object with fields."""


def type_info(annotation: Any) -> inspect.Type | None:
    """What msgspec says of a type; None if it is no type of data."""
    try:
        return known_type(annotation)
    except TypeError:
        return None


def why_no_data(annotation: Any) -> str:
    """Why a type is no type of data, in the words of msgspec; empty if it says nothing of it."""
    try:
        known_type(annotation)
    except TypeError as error:
        return str(error).rstrip(".")
    return ""


@lru_cache(1024)
def known_type(annotation: Any) -> inspect.Type:
    """What msgspec says of a type.

    Raises:
        TypeError: it can't be a type of data; says why.
        ConfigurationError: an annotation in it can't be resolved.
    """
    try:
        msgspec.json.Decoder(annotation)  # finds what `type_info` doesn't: unions that can't be told apart
    except TypeError as error:
        if str(error).startswith("Can only set `"):
            raise TypeError(
                f"{str(error).rstrip('.')}. What Meta has no limit for, a rule of your own checks: in the "
                "`__post_init__` of a Struct, raise FieldError('price', 'Must be above 0.')"
            ) from error
        raise
    except NameError as error:
        raise ConfigurationError(
            f"An annotation in {annotation!r} can't be resolved: {error}. Define the name at the level of "
            "the module: the fields of a class are looked up there."
        ) from error
    return unwrapped(inspect.type_info(annotation))


def unwrapped(info: inspect.Type) -> inspect.Type:
    """`info` without the metadata around it. `object` is what strict type checkers like better than `Any`."""
    while isinstance(info, inspect.Metadata):
        info = info.type
    return _ANY if isinstance(info, inspect.CustomType) and info.cls is object else info


_ANY = inspect.AnyType()


def members(info: inspect.Type) -> list[inspect.Type]:
    """The members of a union, and of those in it; any other type is its only one."""
    info = unwrapped(info)
    if isinstance(info, inspect.UnionType):
        return [member for each in info.types for member in members(each)]
    return [info]


def wire_kind(annotation: Any) -> Literal["simple", "object", "list"] | None:
    """What a type can be made of: texts, a field each, or only a body; None if it is no type of data."""
    if codec := codec_of(annotation):
        return codec.kind(annotation)
    info = type_info(annotation)
    if info is None or _has_own_class(info):
        return None
    if is_simple(info):
        return "simple"
    return "object" if isinstance(info, Fielded) else "list"


def _has_own_class(info: inspect.Type) -> bool:
    return any(
        isinstance(each, inspect.CustomType)
        or (isinstance(each, inspect.CollectionType) and _has_own_class(each.item_type))
        for each in members(info)
    )


def is_simple(info: inspect.Type, inside: bool = False) -> bool:
    """Whether a value can be made of a text, or of a list of texts unless it is `inside` of one."""
    info = unwrapped(info)
    if isinstance(info, inspect.UnionType):
        return all(is_simple(member, inside) for member in info.types)
    if isinstance(info, inspect.CollectionType) and not inside:
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
    return info is not None and any(isinstance(each, inspect.CollectionType) for each in members(info))


def fields(annotation: Any) -> Iterable[inspect.Field]:
    """The fields of an object type."""
    if codec := codec_of(annotation):
        return codec.fields(annotation)
    info = type_info(annotation)
    assert isinstance(info, Fielded)
    return info.fields


def minds_unknown(annotation: Any) -> bool:
    """Whether an object type has something against fields that it doesn't know, or keeps them."""
    if codec := codec_of(annotation):
        return codec.minds_unknown(annotation)
    return getattr(type_info(annotation), "forbid_unknown_fields", False)


def own_class(info: inspect.Type, seen: set[type] | None = None) -> type | None:
    """A class in a type, or in the fields of its objects, that is no data."""
    seen = set() if seen is None else seen
    info = unwrapped(info)
    if isinstance(info, inspect.CustomType):
        return info.cls
    types = inner(info)
    cls = getattr(info, "cls", None)
    if hasattr(info, "fields") and cls not in seen:
        seen.add(cls)  # type: ignore[arg-type]
        types += [field.type for field in info.fields]
    for each in types:
        if found := own_class(each, seen):
            return found
    return None


def inner(info: inspect.Type) -> list[inspect.Type]:
    """The types that are in a type, but not the fields of objects."""
    if isinstance(info, inspect.UnionType):
        return list(info.types)
    if isinstance(info, inspect.TupleType):
        return list(info.item_types)
    if isinstance(info, inspect.DictType):
        return [info.key_type, info.value_type]
    item = getattr(info, "item_type", None)
    return [item] if item is not None else []


def hashes_numbers(annotation: Any, packed: bool = False) -> bool:
    """Whether numbers are in sets, or keys of dicts, in values of a type.

    Python's hashes of them aren't seeded: a client can choose numbers that all have the same one, and then
    each is compared to all others.

    Args:
        packed: values may come as msgpack, in which keys may be arrays of numbers where they may be anything.
    """
    try:
        return _hashes_numbers(annotation, packed)
    except TypeError:  # an annotation that isn't hashable, or no type of data
        return False


@lru_cache(1024)
def _hashes_numbers(annotation: Any, packed: bool) -> bool:
    return hashes_numbers_in(known_type(annotation), packed)


def hashes_numbers_in(info: inspect.Type, packed: bool = False, seen: set[int] | None = None) -> bool:
    """The same of what msgspec says of the type."""
    seen = set() if seen is None else seen
    info = unwrapped(info)
    if packed and isinstance(info, inspect.AnyType):
        return True
    if id(info) in seen:
        return False
    seen.add(id(info))
    hashed: list[inspect.Type] = []
    if isinstance(info, inspect.SetType | inspect.FrozenSetType):
        hashed = members(info.item_type)
    elif isinstance(info, inspect.DictType):
        hashed = [each for each in members(info.key_type) if not isinstance(each, inspect.AnyType)]
    if any(not isinstance(each, _WELL_HASHED) and not _is_small(each) for each in hashed):
        return True
    of_fields = [field.type for field in getattr(info, "fields", ())]
    return any(hashes_numbers_in(each, packed, seen) for each in (*inner(info), *of_fields))


def _is_small(info: inspect.Type) -> bool:
    """Whether it is an integer with limits, of which few have the same hash."""
    if not isinstance(info, inspect.IntType):
        return False
    least = info.gt if info.ge is None else info.ge
    most = info.lt if info.le is None else info.le
    return least is not None and most is not None and -SMALL <= least <= most <= SMALL


SMALL = 2**63

_WELL_HASHED = (
    inspect.NoneType, inspect.BoolType, inspect.FloatType, inspect.StrType, inspect.BytesType,
    inspect.DateTimeType, inspect.DateType, inspect.TimeType, inspect.TimeDeltaType, inspect.EnumType,
    inspect.LiteralType,
)  # fmt: skip
"""Types whose hashes are seeded, or of which few values have the same one."""


def alternatives(annotation: Any) -> list[Any]:
    """The members of a union, without what Annotated and NewType put around them."""
    if isinstance(annotation, type):
        return [annotation]
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


# --- codecs -----------------------------------------------------------------------------------------------


class Codec(Protocol):
    """Makes and encodes types of data that msgspec doesn't know.

    Attributes:
        invalid: what a decoder and a converter raise for data that isn't what it should be.
    """

    invalid: tuple[type[Exception], ...]

    def kind(self, annotation: Any) -> Literal["object", "list"]:
        """Whether a type has fields, or is only good for a body."""
        ...

    def fields(self, annotation: Any) -> Sequence[inspect.Field]:
        """The fields of an object type; what msgspec doesn't know is `AnyType` in them."""
        ...

    def minds_unknown(self, annotation: Any) -> bool:
        """See the function of this name."""
        ...

    def decoder(self, annotation: Any) -> Callable[[bytes], Any]:
        """A function that makes a value of JSON."""
        ...

    def converter(self, annotation: Any) -> Callable[[Any], Any]:
        """A function that makes a value of dicts, lists and texts; texts may stand for numbers."""
        ...

    def encoder(self, annotation: Any) -> Callable[[Any], bytes]:
        """A function that makes JSON of any value at all: of what the type declares, and no more.

        It raises a ValueError if it can't.
        """
        ...

    def errors_of(self, annotation: Any, data: Any, where: str, strict: bool) -> list[ErrorItem]:
        """The errors of data as a value of a type, see `validation.errors.errors_of`."""
        ...

    def schemas(
        self, annotations: Sequence[Any], mode: Literal["in", "out"], ref_template: str
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The JSON Schemas of types, and those that they refer to by name.

        Args:
            mode: as they come, or as they go.
            ref_template: of a reference, with `{name}` in it.
        """
        ...


_CODECS = {"__pydantic_validator__": "asgistar.pydantic"}
"""What a class has that a codec is for -> the module that has the codec as `CODEC`.

They are named, not imported: the libraries that they are for may not be there.
"""


def codec_of(annotation: Any) -> Codec | None:
    """The codec for a type; None if it is msgspec's."""
    try:
        return _codec_of(annotation)
    except TypeError:  # an annotation that isn't hashable
        return None


@lru_cache(1024)
def _codec_of(annotation: Any) -> Codec | None:
    for cls in _classes(annotation):
        for mark, module in _CODECS.items():
            if hasattr(cls, mark):
                return cast(Codec, import_module(module).CODEC)
    return None


def _classes(annotation: Any) -> Iterator[Any]:
    """The classes that an annotation names."""
    for each in alternatives(annotation):
        inner = () if get_origin(each) is Literal else get_args(each)
        if not inner:
            yield each
        for argument in inner:
            yield from _classes(argument)
