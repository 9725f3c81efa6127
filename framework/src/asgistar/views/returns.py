"""What becomes of what a view returns: found out of its return annotation, once."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
)
from enum import Enum
from functools import lru_cache
from inspect import isawaitable
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from asgistar.data import alternatives, codec_of, known_type, own_class
from asgistar.errors import ConfigurationError
from asgistar.http.events import Event, Streamed
from asgistar.http.response import BODILESS, JSON, Answered, Reply, Response, Status
from asgistar.signature import EMPTY, Signature, generates, named
from asgistar.views.defaults import filled, lacks_defaults
from asgistar.views.disclosure import Check, checker, classes_of, opened

Encode = Callable[[Any], bytes]

encode: Encode = msgspec.json.Encoder().encode

_ASYNC_ITERATORS = (AsyncIterator, AsyncIterable, AsyncGenerator)


class Way(Enum):
    """How a value becomes a response."""

    NOTHING = "the view returns None: no body"
    RESPONSE = "the view returns a Response"
    OBJECTS = "objects are in it: encoded if they are of the declared classes, else made so"
    PLAIN = "encoded as it is"
    LINES = "the view yields values: each is a line"
    EVENTS = "the view yields values: each is an event"


STREAMED = {Way.LINES: Streamed.LINES, Way.EVENTS: Streamed.EVENTS}
"""The ways that send piece by piece."""


class Returns(Struct, frozen=True):
    """What a view returns.

    Attributes:
        way: how it becomes a response.
        type: what is encoded; of lines and events: each of them, without the Event around it.
        status: of the response.
        check: whether a value is of the declared classes; None where there is none to be declared.
        responses: the classes of Response that are declared too, or alone.
        kinds: the classes of values that are encoded as they are; none, if any may be.
        lacking: values may lack defaults that must be put in.
        encode: makes the bytes of a value.
        signature: of the view.
    """

    way: Way
    type: Any
    status: int
    check: Check | None = None
    responses: tuple[type[Response], ...] = ()
    encode: Encode = encode
    lacking: bool = True
    kinds: tuple[type, ...] = ()
    signature: Signature | None = None

    @property
    def media_type(self) -> str | None:
        """The type of the body; None if there is none, or none that is known."""
        if self.way in STREAMED:
            return STREAMED[self.way].value
        if self.way is Way.RESPONSE:
            return self.responses[0].content_type if len(self.responses) == 1 else None
        return None if self.way is Way.NOTHING else "application/json"

    @property
    def _where(self) -> str:
        return "the view" if self.signature is None else self.signature.where

    def content(self, value: Any, encode: Encode | None = None) -> bytes:
        """The bytes of a value, and of no more than what is declared of it.

        Raises:
            TypeError: it isn't of the type, and can't be made so, or it can't be encoded.
        """
        try:
            is_kind = not self.kinds or isinstance(value, self.kinds)
            if not is_kind or (self.check is not None and not self.check(value)):
                value = msgspec.convert(opened(value), self.type, from_attributes=True)
            return (encode or self.encode)(filled(value) if self.lacking else value)
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            hint = ". Is an await missing?" if isawaitable(value) else ""
            raise TypeError(
                f"{self._where} gave {named(type(value))}, which can't be sent as what it says it gives: "
                f"{error}{hint}"
            ) from error

    def reply(
        self, value: Any, encode: Encode | None = None, media: tuple[tuple[bytes, bytes], ...] = (JSON,)
    ) -> Reply:
        """The response for any value at all: what the short ways through a plan leave over.

        Args:
            encode: the encoder, if it isn't that for JSON.
            media: the header fields that tell of it.

        Raises:
            TypeError: it isn't of the type, and can't be made so, or it can't be encoded.
        """
        if isinstance(value, Response):
            return value.reply()
        if value is None and self.way in (Way.NOTHING, Way.PLAIN) and self.type in (None, EMPTY):
            return (self.status if self.way is Way.NOTHING else 204), [], b""
        if self.way in (Way.NOTHING, Way.RESPONSE):
            said = " or ".join(each.__name__ for each in self.responses) or "nothing"
            hint = ". Is an await missing?" if isawaitable(value) else ""
            raise TypeError(f"{self._where} says that it gives {said}, and gave {named(type(value))}{hint}")
        content = self.content(value, encode)
        return self.status, [*media, (b"content-length", b"%d" % len(content))], content


def returns(signature: Signature) -> Returns:
    """What the return annotation of a view says.

    Raises:
        ConfigurationError: it is a type that can't be encoded.
    """
    annotation, status, streamed = _unmarked(signature.returns)
    if streamed is None and (generates(signature.call) or get_origin(annotation) in _ASYNC_ITERATORS):
        raise ConfigurationError(
            f"{signature.where} gives one value after the other. Say how they are sent, as in "
            "`-> Lines[Note]` or `-> Events[Note]`, or return Response(…) of an iterator of bytes."
        )
    try:
        try:
            found = _kept(annotation, status, streamed)
        except TypeError:  # an annotation that isn't hashable
            found = _found(annotation, status, streamed)
    except _Unsendable as error:
        raise _unsendable(signature, error) from error
    return replace(found, signature=signature)


class _Unsendable(Exception):
    """A type can't be encoded; says why."""


def _unmarked(annotation: Any) -> tuple[Any, int, Streamed | None]:
    """An annotation without what marks it; the status, and how it is streamed."""
    status = 200
    streamed = None
    if isinstance(annotation, type):
        return annotation, status, None
    if isinstance(annotation, Answered):
        annotation = annotation[Any]
    if get_origin(annotation) is Annotated:
        for each in annotation.__metadata__:
            if isinstance(each, Status):
                status = each.code
            elif isinstance(each, Streamed):
                streamed = each
        own = (Status, Streamed)
        others = tuple(each for each in annotation.__metadata__ if not isinstance(each, own))
        base = annotation.__origin__
        annotation = Annotated[(base, *others)] if others else base
    return annotation, status, streamed


def _found(annotation: Any, status: int, streamed: Streamed | None) -> Returns:
    if streamed is not None:
        return _streamed(annotation, status, streamed)
    if annotation is EMPTY or annotation is Any:
        return Returns(Way.PLAIN, EMPTY, status)
    if annotation is None or annotation is type(None) or status in BODILESS:
        return Returns(Way.NOTHING, None, 204 if status == 200 else status)
    # Responses are told by their class when they come; what else there is, is encoded.
    members = alternatives(annotation)
    responses = tuple(each for each in members if isinstance(each, type) and issubclass(each, Response))
    others = tuple(each for each in members if each not in responses)
    if not others:
        return Returns(Way.RESPONSE, EMPTY, status, None, responses)
    if responses:
        annotation = Union[others]  # noqa: UP007
    if codec := codec_of(annotation):
        return Returns(Way.PLAIN, annotation, status, None, responses, codec.encoder(annotation))
    check = _check(annotation)
    way = Way.OBJECTS if check else Way.PLAIN
    lacking = lacks_defaults(annotation)
    plain = () if check else classes_of(known_type(annotation))
    return Returns(way, annotation, status, check, responses, lacking=lacking, kinds=plain)


_kept = lru_cache(1024)(_found)
"""What is found of a type, found once: an application has more views than types."""


def _streamed(annotation: Any, status: int, streamed: Streamed) -> Returns:
    """What `Lines[T]` and `Events[T]` say; `annotation` is the iterator in them."""
    item = get_args(annotation)[0]
    if get_origin(item) is Union:
        members = tuple(each for each in get_args(item) if get_origin(each) is not Event)
        item = Union[members]  # noqa: UP007
    elif get_origin(item) is Event:
        (item,) = get_args(item)
    way = next(way for way, each in STREAMED.items() if each is streamed)
    if item is Any:
        return Returns(way, EMPTY, status)
    if codec := codec_of(item):
        return Returns(way, item, status, encode=codec.encoder(item))
    check = _check(item)
    plain = () if check else classes_of(known_type(item))
    return Returns(way, item, status, check, lacking=lacks_defaults(item), kinds=plain)


def checked_type(signature: Signature, annotation: Any) -> Check | None:
    """Whether a value is of the classes that are declared; None if there are none.

    Raises:
        ConfigurationError: it can't be encoded.
    """
    try:
        return _check(annotation)
    except _Unsendable as error:
        raise _unsendable(signature, error) from error


def _unsendable(signature: Signature, error: _Unsendable) -> ConfigurationError:
    return ConfigurationError(f"What {signature.where} returns can't be sent as JSON: {error}")


def _check(annotation: Any) -> Check | None:
    try:
        info = known_type(annotation)
    except TypeError as error:
        raise _Unsendable(error) from error
    if custom := own_class(info):
        raise _Unsendable(
            f"{custom.__name__} isn't a type of data. Make it a Struct or a dataclass, or return one made "
            "of it."
        )
    return checker(info)
