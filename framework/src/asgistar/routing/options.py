"""Options of routes: an App, a Host, an Include and a Route take the same ones.

They flow down: of single values the one nearest to the route counts, lists add up from the outside in.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, TypedDict, cast

from asgistar.errors import ConfigurationError, Problem


class Options(TypedDict, total=False):
    """What can be said of routes.

    Attributes:
        body_limit: the size that the body of a request may have, in bytes; 0 is no limit.
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


def checked(options: Options, owner: object) -> Options:
    """`options`, if there are such.

    Raises:
        ConfigurationError: there is no such option, or it can't have this value; names `owner`.
    """
    for name, value in options.items():
        wanted = _TYPES.get(name)
        if wanted is None:
            near = difflib.get_close_matches(name, _TYPES, 1)
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(_TYPES)}."
            hint = _ELSEWHERE.get(name, hint)
            raise ConfigurationError(f"{owner}: there is no option {name!r}. {hint}")
        if not isinstance(value, wanted) or isinstance(value, str):
            what = {Sequence: "a list", int: "a number", bool: "True or False"}[wanted]
            raise ConfigurationError(f"{owner}: {name} is {what}, not {value!r}.")
    return options


def merged(outer: Options, inner: Options) -> Options:
    """The options of what stands inside."""
    both = {**outer, **inner}
    for name in outer.keys() & inner.keys():
        if _TYPES[name] is Sequence:
            both[name] = (*outer[name], *inner[name])  # type: ignore[literal-required]
    return cast(Options, both)
