"""Values made of texts that people write: of the environment, and of the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import inspect

from asgistar.data import ANY_TEXT, BOOLS, members, takes_many, type_info, wire_kind
from asgistar.validation.errors import errors_of


class Unfit(ValueError):
    """A text that no value can be made of.

    Attributes:
        reasons: why not; all of them.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = tuple(reasons)


class Texts:
    """Makes values of a type from texts.

    A single value is one text: numbers, dates and the like as in JSON, booleans also as yes, no, on and off,
    paths of `pathlib`. Lists are several texts. What has fields is a text of JSON.

    Args:
        type: any type of data, or a path.

    Attributes:
        type: as it was given.
        many: a value is made of several texts.
        choices: the texts that there are, for an enum or a Literal; empty for other types.
        secret: it may hold any text at all, and so what nobody should read in an error.

    Raises:
        TypeError: it is neither.
    """

    __slots__ = ("_json", "_type_of_data", "_words", "choices", "many", "secret", "type")

    def __init__(self, type: Any) -> None:
        self.type = type
        self._type_of_data = _without_paths(type)
        kind = wire_kind(self._type_of_data)
        if kind is None:
            raise TypeError(f"{type!r} is no type of data")
        inspect.type_info(type)  # what msgspec can't check of a path
        info = type_info(self._type_of_data)
        assert info is not None
        leaves = list(_leaves(info))
        any_text = any(isinstance(each, ANY_TEXT) for each in leaves)
        self._json = kind != "simple"
        self._words = not any_text and any(isinstance(each, inspect.BoolType) for each in leaves)
        self.many = not self._json and takes_many(info)
        self.choices = _choices(leaves)
        self.secret = self._json or any_text

    def value(self, text: str | list[str]) -> Any:
        """The value that is meant.

        Args:
            text: a list of texts if the type takes many.

        Raises:
            Unfit: there is none.
        """
        data: Any = text
        if self._json:
            try:
                data = msgspec.json.decode(text if isinstance(text, str) else text[-1])
            except msgspec.DecodeError as error:
                raise Unfit([f"Must be JSON: {error}."]) from None
        elif self._words:
            data = [_word(each) for each in data] if isinstance(data, list) else _word(data)
        errors = errors_of(self._type_of_data, data, "", strict=False)
        if errors:
            raise Unfit([_told(each["path"], each["message"]) for each in errors])
        return msgspec.convert(data, self.type, strict=False, dec_hook=lambda type, text: type(text))


def _word(text: str) -> str:
    return BOOLS.get(text.strip().lower(), text)


def _told(path: list[str | int], message: str) -> str:
    where = ".".join(str(each + 1) if isinstance(each, int) else each for each in path)
    return f"{where}: {message}" if where else message


def _without_paths(annotation: Any) -> Any:
    """The type with a text in the place of each path, which msgspec doesn't know."""
    if isinstance(annotation, type) and issubclass(annotation, PurePath):
        return str
    origin: Any = get_origin(annotation)
    if origin is Annotated:
        return Annotated[(_without_paths(annotation.__origin__), *annotation.__metadata__)]
    arguments = tuple(map(_without_paths, get_args(annotation)))
    if arguments == get_args(annotation):
        return annotation
    return Union[arguments] if origin in (Union, UnionType) else origin[arguments]  # noqa: UP007


def _leaves(info: inspect.Type) -> Iterator[inspect.Type]:
    """The single types in a type."""
    for each in members(info):
        if isinstance(each, inspect.CollectionType):
            yield from _leaves(each.item_type)
        elif not isinstance(each, inspect.NoneType):
            yield each


def _choices(leaves: Sequence[inspect.Type]) -> tuple[str, ...]:
    only = leaves[0] if len(leaves) == 1 else None
    if isinstance(only, inspect.EnumType):
        return tuple(str(each.value) for each in only.cls)
    return tuple(map(str, only.values)) if isinstance(only, inspect.LiteralType) else ()
