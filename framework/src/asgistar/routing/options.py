"""Options of routes: an App, a Host, an Include and a Route take the same ones.

They flow down: of single values the one nearest to the route counts, lists add up from the outside in.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from asgistar.errors import ConfigurationError, Problem


class Options(TypedDict, total=False):
    """What can be said of routes.

    Attributes:
        body_limit: the size that the body of a request may have, in bytes; 0 is no limit. If not said, it is
            `BODY_LIMIT`, or `HASHED_LIMIT`.
        form_fields: how many fields a form may have, besides its files.
        form_files: how many files a form may have.
        form_memory: the size that the fields of a form may have, besides its files, in bytes.
        msgpack: bodies may be msgpack instead of JSON, and answers are if the client asks for it.
        cancel: the view is cancelled when its client leaves.
        hooks: what is called before views, after them, and when they fail.
        raises: problems that the views raise, for the documentation.
        tags: headings that the operations stand under in the documentation.
        deprecated: the documentation advises against the operations.
        documented: the operations stand in the documentation.
    """

    body_limit: int
    form_fields: int
    form_files: int
    form_memory: int
    msgpack: bool
    cancel: bool
    hooks: Sequence[Any]
    raises: Sequence[type[Problem]]
    tags: Sequence[str]
    deprecated: bool
    documented: bool


BODY_LIMIT = 10_000_000
"""The limit of a body, in bytes, if nothing else is said."""

HASHED_LIMIT = 65_536
"""That of a body, or of a message, with sets of numbers or dicts with numbers as keys: in bytes. A client can
choose them so that they take time that grows with the square of their number: with this many, 0.1 seconds."""

_NUMBERS = ("body_limit", "form_fields", "form_files", "form_memory")
_TYPES: dict[str, type] = {
    name: Sequence if name in ("hooks", "raises", "tags") else int if name in _NUMBERS else bool
    for name in Options.__annotations__
}


_LIVING = 'What lives as long as the application is a component: @component(scope="app").'
_ABOUT = 'The document takes it from info=Info(title="…", version="…").'
_ELSEWHERE = {
    **dict.fromkeys(("lifespan", "on_startup", "on_shutdown"), _LIVING),
    **dict.fromkeys(("title", "version", "description"), _ABOUT),
    "dependencies": "What a view needs is a component; what it needn't know of, a hook.",
    "exception_handlers": "Raise a Problem; a component can make one of an error; errors=… shapes them all.",
    "response_model": "It is the return annotation of the view.",
    "status_code": "It is said by the return annotation, as in `-> Created[Note]`.",
    "methods": "The method stands before the view, as in Route('/', 'GET', view).",
    "docs_url": 'The page is a line of the table: docs("/docs") of asgistar.docs.',
}
"""Options of other frameworks -> what there is in their place."""


_CALLED: dict[Any, str] = {
    Iterable: "a list",
    Sequence: "a list",
    Mapping: "a dict",
    int: "a number from 0",
    bool: "True or False",
}


def checked(options: Options, owner: object, call: Callable[..., Any]) -> Options:
    """`options`, if there are such.

    Args:
        call: what they were given to: what it is given by name beside them may be meant, too.

    Raises:
        ConfigurationError: there is no such option, or it can't have this value; names `owner`.
    """
    for name, value in options.items():
        if name not in _TYPES:
            parameters = inspect.signature(call).parameters.values()
            names = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY] + [*_TYPES]
            import difflib  # for errors only

            near = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(names)}."
            hint = _ELSEWHERE.get(name, hint)
            raise ConfigurationError(f"{owner}: there is no option {name!r}. {hint}")
        check(owner, name, value, _TYPES[name])
    return options


def check(owner: object, name: str, value: object, wanted: Any) -> None:
    """See that a value is of a type.

    Raises:
        ConfigurationError: it isn't; names `owner` and `name`.
    """
    right = isinstance(value, wanted) and not isinstance(value, str)
    if right and wanted is int:
        right = not isinstance(value, bool) and cast(int, value) >= 0
    if not right:
        what = _CALLED.get(wanted) or f"an {wanted.__name__}"
        hint = f" Write {name}=[…]." if what == "a list" and not isinstance(value, str) else ""
        raise ConfigurationError(f"{owner}: {name} is {what}, not {value!r}.{hint}")


def merged(outer: Options, inner: Options) -> Options:
    """The options of what stands inside."""
    if not inner:
        return outer
    both = {**outer, **inner}
    for name in outer.keys() & inner.keys():
        if _TYPES[name] is Sequence:
            both[name] = (*outer[name], *inner[name])  # type: ignore[literal-required]
    return cast(Options, both)
