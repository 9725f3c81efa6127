"""What a view is given that takes what isn't valid too: `Form[SignUp | Invalid]`, see `asgistar.invalid`.

What comes is converted as ever. Only when that fails, an Invalid is made of the error, and of what came.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import UNSET

from asgistar.data import codec_of
from asgistar.errors import BadRequest
from asgistar.invalid import Invalid, layout, without_secrets
from asgistar.routing.options import HASHED_LIMIT
from asgistar.validation.errors import errors_of, told, unreadable

INVALID = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding and converting raise for data that isn't what it should be."""


def split(annotation: Any) -> tuple[Any, bool]:
    """A type without Invalid, and whether that was among its alternatives; Invalid alone stays what it is."""
    if isinstance(annotation, type) and annotation is not Invalid:
        return annotation, False
    if get_origin(annotation) is Annotated:
        inner, found = split(annotation.__origin__)
        return Annotated[(inner, *annotation.__metadata__)], found
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    if Invalid not in members:
        return annotation, False
    others = tuple(each for each in members if each is not Invalid)
    return (Union[others] if others else Invalid), True  # noqa: UP007


def decoded(content: bytes, packed: bool, type: Any, error: Exception) -> Any:
    """The data in a body that isn't what it should be.

    Args:
        content: the body.
        packed: it is msgpack.
        type: what it was to become.
        error: what it, or another part of the request, was refused with.

    Returns:
        None if there is none; UNSET if it is too large to be read without its type: keys in msgpack may be
        arrays, and a client can choose numbers for them that take time as `HASHED_LIMIT` says. (A codec's
        were read without it before.)

    Raises:
        BadRequest: it can't be read at all.
    """
    if not content:
        return None
    try:
        if packed and len(content) > HASHED_LIMIT and codec_of(type) is None:
            if isinstance(error, INVALID) and not isinstance(error, msgspec.ValidationError):
                raise error
            return UNSET
        return msgspec.msgpack.decode(content) if packed else msgspec.json.decode(content)
    except (*INVALID, ValueError) as malformed:
        kind = "msgpack" if packed else "JSON"
        raise BadRequest(f"The body is not {kind} that can be read: {unreadable(malformed)}.") from None


class Rejected:
    """Makes an Invalid of what isn't of a type.

    Args:
        type: what it was to become.
        where: the part of the request.
        names: the key of each value -> its name in the request.

    Attributes:
        errors: what converting to the type raises.
    """

    __slots__ = ("_layout", "_names", "_type", "_where", "errors")

    def __init__(self, type: Any, where: str, names: Mapping[str, str]) -> None:
        codec = codec_of(type)
        self.errors = INVALID if codec is None else tuple(dict.fromkeys((*INVALID, *codec.invalid)))
        self._type = type
        self._where = where
        self._names = names
        self._layout = layout(type)

    def fields(self, error: Exception, data: Mapping[str, Any], typed: Mapping[str, Any]) -> Invalid:
        """What is made of a form or of a query.

        Args:
            error: what it was refused with.
            data: what was to be converted.
            typed: the texts, as they came.
        """
        return self._made(error, data, typed, strict=False)

    def body(self, error: Exception, content: bytes, packed: bool = False) -> Invalid:
        """What is made of a body.

        Raises:
            BadRequest: it can't be read at all.
        """
        data = decoded(content, packed, self._type, error)
        if data is UNSET:
            return Invalid({}, [told(error, self._where)], self._layout, self._where)
        return self._made(error, data, data if isinstance(data, dict) else {}, strict=True)

    def _made(self, error: Exception, data: Any, shown: Mapping[str, Any], strict: bool) -> Invalid:
        items = errors_of(self._type, data, self._where, strict, self._names, error)
        known = self._layout
        if known is None:
            shown = without_secrets(shown)
        else:
            shown = {name: known[name].typed(value) for name, value in shown.items() if name in known}
        return Invalid(shown, items or [told(error, self._where)], known, self._where)
