"""Pages made of templates, with Jinja2: the extra `asgistar[templates]`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from copy import copy
from typing import Any

from asgistar.app import App
from asgistar.errors import ConfigurationError, NoReverseMatch
from asgistar.extras import Extra
from asgistar.http.request import Request
from asgistar.http.response import HTML

with Extra("templates", "asgistar.templates"):
    import jinja2


def _unknown(name: str, /, **params: Any) -> str:
    raise NoReverseMatch(
        f"There is no address for {name!r}: these templates know no application. Put them among its "
        "components, and ask for them with a parameter of the type Templates."
    )


_url_for: ContextVar[Callable[..., str]] = ContextVar("url_for", default=_unknown)
"""The `url_for` of what is being rendered: templates find it also in macros that they import."""


def _asked(name: str, /, **params: Any) -> str:
    url_for: Callable[..., str] = _url_for.get()
    return url_for(name, **params)


class Templates:
    """A folder of templates: a component.

        async def home(templates: Templates) -> HTML:
            return templates("home.html", notes=notes)

        app = App([Route("/", "GET", home)], components=[Templates("templates")])

    Values are escaped, but in templates whose name ends in `.txt`. A name that isn't there is an error; ask
    for it with `is defined`, or write `|default("")`. `url_for` is that of the application, below the root
    path of the request.

    Args:
        folder: where they are; of several, the first one that has a template counts.
        globals: what all of them know.

    Attributes:
        environment: of Jinja2, for filters and tests of your own.

    Raises:
        ConfigurationError: there is no such folder.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        globals: Mapping[str, Any] | None = None,
    ) -> None:
        folders = [folder] if isinstance(folder, str | os.PathLike) else list(folder)
        for each in folders:
            if not os.path.isdir(each):
                raise ConfigurationError(f"There is no folder {os.path.abspath(each)!r} for templates.")
        self.environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folders),
            autoescape=lambda name: not (name or "").endswith(".txt"),
            undefined=jinja2.StrictUndefined,
        )
        self.environment.globals |= {"url_for": _asked, **(globals or {})}
        self._url_for: Callable[..., str] = _unknown

    def resolve(self, app: App | None = None, request: Request | None = None) -> Templates:
        """These templates, for a request: they know its application."""
        bound = copy(self)
        if app is not None:
            root_path = "" if request is None else request.scope.get("root_path", "")

            def url_for(name: str, /, **params: Any) -> str:
                return app.url_for(name, **{"_root_path": root_path, **params})

            bound._url_for = url_for
        return bound

    def __call__(self, template: str, /, status: int = 200, **context: Any) -> HTML:
        """A page.

        Args:
            template: its name.
            status: of the response.
            context: what the template is made with; a name in it can't be `status`, which is the response's.

        Raises:
            jinja2.TemplateError: there is no such template, or it is wrong.
        """
        return HTML(self.render(template, **context), status)

    def render(self, template: str, /, **context: Any) -> str:
        """The text of a template.

        Raises:
            jinja2.TemplateError: there is no such template, or it is wrong.
        """
        before = _url_for.set(self._url_for)
        try:
            return self.environment.get_template(template).render(context)
        finally:
            _url_for.reset(before)
