"""Markers: what an annotation says of where a parameter comes from, and what it is called there.

They are aliases of `Annotated`, so that a type checker sees the type alone: `q: Query[int]` is an int.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from msgspec import Struct

from asgistar.errors import ConfigurationError
from asgistar.signature import Signature

T = TypeVar("T")

Where = Literal["path", "query", "header", "cookie", "form", "body"]


class In(Struct, frozen=True):
    """Says where a parameter comes from, and its name there: `Annotated[str, In("header", "x-id")]`."""

    where: Where
    name: str | None = None


Path = Annotated[T, In("path")]
Query = Annotated[T, In("query")]
Header = Annotated[T, In("header")]
"""A header; underscores in the name stand for hyphens."""
Cookie = Annotated[T, In("cookie")]
Form = Annotated[T, In("form")]
"""A field of a form; or, of an object, all of its fields."""
Body = Annotated[T, In("body")]
"""The body: JSON; `Body[bytes]` is the body as it came, of any type, `Body[AsyncIterator[bytes]]` as it
comes."""


def unmarked(annotation: Any, name: str, signature: Signature) -> tuple[In | None, Any]:
    """The marker of an annotation, and the annotation without it."""
    if get_origin(annotation) is not Annotated:
        for member in get_args(annotation):
            if get_origin(member) is Annotated and any(isinstance(each, In) for each in member.__metadata__):
                raise ConfigurationError(
                    f"The parameter {name} of {signature.where} has a marker inside of its type. Write it "
                    "around the whole type, as in Header[str | None]."
                )
        return None, annotation
    markers = [each for each in annotation.__metadata__ if isinstance(each, In)]
    if len(markers) > 1:
        raise ConfigurationError(f"The parameter {name} of {signature.where} has two markers. Leave one out.")
    others = tuple(each for each in annotation.__metadata__ if not isinstance(each, In))
    base = annotation.__origin__
    return (markers[0] if markers else None), (Annotated[(base, *others)] if others else base)
