"""Markers: what an annotation says of where a parameter comes from, and what it is called there.

To a type checker they are aliases of `Annotated`, so that it sees the type alone: `q: Query[int]` is an int.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

from msgspec import Struct

from asgistar.errors import ConfigurationError
from asgistar.signature import Signature

T = TypeVar("T")

Where = Literal["path", "query", "header", "cookie", "form", "body"]


class In(Struct, frozen=True):
    """Says where a parameter comes from, and its name there: `Annotated[str, In("header", "x-id")]`."""

    where: Where
    name: str | None = None


class Marker:
    """A marker at run time, where it can say more than an alias to who calls it as in other frameworks."""

    def __init__(self, where: Where) -> None:
        self._where = where

    def __getitem__(self, annotation: Any) -> Any:
        return Annotated[annotation, In(self._where)]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        raise TypeError(
            f"{self!r} stands around a type, and isn't called: write `name: {self!r}[str] = …`. What else is "
            f"to be said: `Annotated[str, In({self._where!r}, 'its-name'), Meta(…)]`."
        )

    def __repr__(self) -> str:
        return self._where.capitalize()


if TYPE_CHECKING:
    Path = Annotated[T, In("path")]
    Query = Annotated[T, In("query")]
    Header = Annotated[T, In("header")]
    Cookie = Annotated[T, In("cookie")]
    Form = Annotated[T, In("form")]
    Body = Annotated[T, In("body")]
else:
    Path = Marker("path")
    Query = Marker("query")
    Header = Marker("header")
    """A header; underscores in the name stand for hyphens."""
    Cookie = Marker("cookie")
    Form = Marker("form")
    """A field of a form; or, of an object, all of its fields."""
    Body = Marker("body")
    """The body: JSON; `Body[bytes]` is the body as it came, of any type, `Body[AsyncIterator[bytes]]` as it
    comes."""


def unmarked(annotation: Any, name: str, signature: Signature) -> tuple[In | None, Any]:
    """The marker of an annotation, and the annotation without it."""
    if isinstance(annotation, type):
        return None, annotation
    if isinstance(annotation, Marker):
        raise ConfigurationError(
            f"The parameter {name} of {signature.where} has a marker without a type. Write {annotation}[str]."
        )
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
