"""What becomes of what a view returns: found out of its return annotation, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Union, get_origin

import msgspec
from msgspec import inspect

from asgistar.data import alternatives, known_type, unwrapped
from asgistar.errors import ConfigurationError
from asgistar.http.response import BODILESS, JSON, Reply, Response, Status
from asgistar.signature import EMPTY, Signature
from asgistar.views.defaults import filled
from asgistar.views.disclosure import Check, checker, opened

encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Way(Enum):
    """How a value becomes a response."""

    NOTHING = "the view returns None: no body"
    RESPONSE = "the view returns a Response"
    OBJECTS = "objects are in it: encoded if they are of the declared classes, else made so"
    PLAIN = "encoded as it is"


@dataclass(frozen=True, slots=True)
class Returns:
    """What a view returns.

    Attributes:
        way: how it becomes a response.
        type: what is encoded.
        status: of the response.
        check: whether a value is of the declared classes; None where there is none to be declared.
    """

    way: Way
    type: Any
    status: int
    check: Check | None = None

    def reply(self, value: Any) -> Reply:
        """The response for any value at all: what the short ways through a plan leave over.

        Raises:
            msgspec.ValidationError: it isn't of the type, and can't be made so.
            TypeError: it can't be encoded.
        """
        if isinstance(value, Response):
            return value.reply()
        if value is None and self.way in (Way.NOTHING, Way.PLAIN) and self.type in (None, EMPTY):
            return (self.status if self.way is Way.NOTHING else 204), [], b""
        if self.way is Way.OBJECTS:
            value = filled(msgspec.convert(opened(value), self.type, from_attributes=True))
        content = encode(value)
        return self.status, [JSON, (b"content-length", b"%d" % len(content))], content


def returns(signature: Signature) -> Returns:
    """What the return annotation of a view says.

    Raises:
        ConfigurationError: it is a type that can't be encoded.
    """
    annotation = signature.returns
    status = 200
    if get_origin(annotation) is Annotated:
        for each in annotation.__metadata__:
            if isinstance(each, Status):
                status = each.code
        others = tuple(each for each in annotation.__metadata__ if not isinstance(each, Status))
        base = annotation.__origin__
        annotation = Annotated[(base, *others)] if others else base
    if annotation is EMPTY or annotation is Any:
        return Returns(Way.PLAIN, EMPTY, status)
    if annotation is None or annotation is type(None) or status in BODILESS:
        return Returns(Way.NOTHING, None, 204 if status == 200 else status)
    # Responses are told by their class when they come; what else there is, is encoded.
    members = alternatives(annotation)
    others = tuple(each for each in members if not (isinstance(each, type) and issubclass(each, Response)))
    if not others:
        return Returns(Way.RESPONSE, EMPTY, status)
    if len(others) < len(members):
        annotation = Union[others]  # noqa: UP007
    try:
        info = known_type(annotation)
    except TypeError as error:
        raise ConfigurationError(f"What {signature.where} returns can't be sent as JSON: {error}") from error
    if custom := _custom(info, set()):
        raise ConfigurationError(
            f"What {signature.where} returns can't be sent as JSON: {custom.__name__} isn't a type of data. "
            "Make it a Struct or a dataclass, or return one made of it."
        )
    check = checker(info)
    return Returns(Way.OBJECTS if check else Way.PLAIN, annotation, status, check)


def _inner(info: inspect.Type) -> list[inspect.Type]:
    """The types that are in a type, but not the fields of objects."""
    if isinstance(info, inspect.UnionType):
        return list(info.types)
    if isinstance(info, inspect.TupleType):
        return list(info.item_types)
    if isinstance(info, inspect.DictType):
        return [info.key_type, info.value_type]
    item = getattr(info, "item_type", None)
    return [item] if item is not None else []


def _custom(info: inspect.Type, seen: set[type]) -> type | None:
    """A class in a type that isn't data."""
    info = unwrapped(info)
    if isinstance(info, inspect.CustomType):
        return info.cls
    inner = _inner(info)
    cls = getattr(info, "cls", None)
    if hasattr(info, "fields") and cls not in seen:
        seen.add(cls)  # type: ignore[arg-type]
        inner += [field.type for field in info.fields]
    for each in inner:
        if found := _custom(each, seen):
            return found
    return None
