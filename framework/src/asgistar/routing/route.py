"""The table of routes, as data: Route, WebSocketRoute, Include, Mount, Host.

A table is a list; its order counts, for the first route that takes a request gets it. Nothing is decided
here but what can be told of one line alone; the router puts the lines together.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Unpack, overload

from asgistar import signature
from asgistar.errors import ConfigurationError
from asgistar.routing.options import Options, check, checked
from asgistar.routing.pattern import Written, parse
from asgistar.signature import Signature
from asgistar.types import ASGIApplication, View

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Z]+")
"""The name of a method (RFC 9110 §9.1), in upper case."""

WEBSOCKET = "<websocket>"
"""Stands where a method stands, for a WebSocket; no method of HTTP can be called so."""


class Entry:
    """One line of a table.

    Attributes:
        path: as it was written.
        options: see `Options`.
        written: the path taken apart.
        name: what `url_for` knows it as; empty if it has no name of its own.
    """

    __slots__ = ("_made_in", "_made_on", "name", "options", "path", "written")

    def __init__(self, path: str, name: str, options: Options | None = None) -> None:
        frame = signature.caller()
        self._made_in, self._made_on = frame.f_code.co_filename, frame.f_lineno
        self.path = path
        self.name = name
        if not isinstance(path, str):
            raise ConfigurationError(f"{self.place}: a path is text, not {type(path).__name__}.")
        if ":" in name:
            raise ConfigurationError(
                f"{self} has a colon in its name, {name!r}: colons stand between the name of an Include and "
                "the names in it."
            )
        self.written: Written = parse(path, self)
        self.options = checked(options or {}, self, type(self).__init__)

    @property
    def place(self) -> str:
        """File and line where it was made."""
        return signature.place(self._made_in, self._made_on)

    def attach(self, app: Any) -> None:
        """Called with the application that it stands in, once that is made; for lines that need to know."""

    def __str__(self) -> str:
        return f"{type(self).__name__}({self.path!r}) at {self.place}"

    def __repr__(self) -> str:
        return f"<{self}>"


class Viewed(Entry):
    """A line of a table that leads to views.

    Attributes:
        views: method -> view.
        defaults: arguments of the views that are always the same.
        signatures: method -> what the signature of the view says.
    """

    __slots__ = ("_signatures", "defaults", "views")

    def __init__(
        self,
        path: str,
        views: Mapping[str, View],
        name: str,
        defaults: Mapping[str, object] | None,
        options: Options,
    ) -> None:
        super().__init__(path, name, options)
        self.views = dict(views)
        self.defaults = _checked_defaults(self, defaults)
        for view in self.views.values():
            if inspect.isclass(view) or not callable(view):
                raise ConfigurationError(f"{self}: the view must be a function, not {view!r}.")
        self._signatures: dict[str, Signature] = {}
        for method, view in self.views.items():
            # The local names of the function around a view may be gone when the application is made. What
            # can't be resolved yet is perhaps defined further down.
            if "<locals>" in getattr(view, "__qualname__", type(view).__qualname__):
                with suppress(ConfigurationError):
                    self._signatures[method] = signature.read(view)

    @property
    def signatures(self) -> dict[str, Signature]:
        for method, view in self.views.items():
            if method not in self._signatures:
                self._signatures[method] = signature.read(view)
        return self._signatures


class Route(Viewed):
    """A path and the views for it.

        Route("/articles/<int:year>/", "GET", archive)
        Route("/articles/<int:id>/", {"GET": detail, "PUT": update}, name="detail")

    HEAD is answered by the view for GET, OPTIONS by the list of methods, unless there are views for them.

    Args:
        path: begins with a slash, or is empty or goes on after a slash inside of an Include.
        method: the name of the method in upper case; or methods with their views.
        view: the view, if `method` is one method.
        name: what `url_for` knows it as; without one, the name of the view will do.
        defaults: arguments that the views always get, instead of parameters of the path of the same name.
        options: see `Options`.

    Raises:
        ConfigurationError: the path isn't of the grammar, or there is a method or a view that is none.
    """

    __slots__ = ()

    @overload
    def __init__(
        self,
        path: str,
        method: str,
        view: View,
        *,
        name: str = "",
        defaults: Mapping[str, object] | None = None,
        **options: Unpack[Options],
    ) -> None: ...

    @overload
    def __init__(
        self,
        path: str,
        method: Mapping[str, View],
        *,
        name: str = "",
        defaults: Mapping[str, object] | None = None,
        **options: Unpack[Options],
    ) -> None: ...

    def __init__(
        self,
        path: str,
        method: str | Mapping[str, View],
        view: View | None = None,
        *,
        name: str = "",
        defaults: Mapping[str, object] | None = None,
        **options: Unpack[Options],
    ) -> None:
        if isinstance(method, Mapping):
            if view is not None:
                raise ConfigurationError(
                    f"Route({path!r}) has views for its methods, and another view beside them."
                )
            views = method
        elif callable(method) or getattr(method, "__hash__", None) is None:
            raise ConfigurationError(
                f"Route({path!r}) has a method and then its view, as in Route('/', 'GET', view), or methods "
                "with their views, as in Route('/', {'GET': show, 'PUT': change})."
            )
        else:
            views = {method: view}  # type: ignore[dict-item]  # None is told of like any other that isn't a view
        super().__init__(path, views, name, defaults, options)
        for name_of_method in self.views or [""]:
            if TOKEN.fullmatch(str(name_of_method)) is None:
                raise ConfigurationError(
                    f"{self}: {name_of_method!r} is not a method. Write it in upper case, as in 'GET'."
                )


class WebSocketRoute(Viewed):
    """A path and the view for WebSockets on it. Beside a Route of the same path it is no duplicate.

    Args:
        path: as in a Route.
        view: the view.
        name: as in a Route.
        defaults: as in a Route.
        options: see `Options`.

    Raises:
        ConfigurationError: the path isn't of the grammar, or the view is none.
    """

    __slots__ = ()

    def __init__(
        self,
        path: str,
        view: View,
        *,
        name: str = "",
        defaults: Mapping[str, object] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(path, {WEBSOCKET: view}, name, defaults, options)


class Mount(Entry):
    """Another ASGI application at a path and everything below it, for every method and for WebSockets.

    It finds the path in its `root_path`, and parameters of the path in `scope["path_params"]`.

    Args:
        path: without a slash at its end, or empty for everything.
        app: any ASGI application.
        name: `url_for` makes the address of the mount itself.
        lifespan_timeout: seconds that it may take to start, and to stop; more than 0.

    Raises:
        ConfigurationError: the path isn't of the grammar, or the timeout is no number of seconds.
    """

    __slots__ = ("app", "lifespan_timeout")

    def __init__(
        self, path: str, app: ASGIApplication, *, name: str = "", lifespan_timeout: float = 60
    ) -> None:
        super().__init__(path, name)
        self.app = app
        self.lifespan_timeout = lifespan_timeout
        if path.endswith("/"):
            raise ConfigurationError(f"{self}: write the path of a mount without the slash at its end.")
        if not callable(app):
            raise ConfigurationError(f"{self}: {app!r} is not an ASGI application.")
        seconds: object = lifespan_timeout
        if not (isinstance(seconds, int | float) and 0 < seconds < float("inf")):
            raise ConfigurationError(
                f"{self}: lifespan_timeout is {lifespan_timeout!r}; it must be a number of seconds above 0."
            )


class Include(Entry):
    """A table of routes under a path. Its parameters flow down to every view in it.

    Args:
        path: joined to the paths of the routes exactly as it is written; may be empty.
        routes: the table.
        name: stands before the names of the routes, with a colon between them: "articles:detail".
        defaults: arguments that all views in it get; those of a route come before them.
        options: see `Options`.

    Raises:
        ConfigurationError: the path isn't of the grammar.
    """

    __slots__ = ("defaults", "routes")

    def __init__(
        self,
        path: str,
        routes: Iterable[Entry],
        *,
        name: str = "",
        defaults: Mapping[str, object] | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(path, name, options)
        self.routes = entries(self, routes)
        self.defaults = _checked_defaults(self, defaults)


class Host(Entry):
    """A table of routes for the hosts of one name, whatever the port.

        Host("<tenant>.example.com", [...])

    A parameter takes one label, up to the next dot; one with the converter `path` takes several.

    Args:
        host: the name.
        routes: the table.
        name: as in an Include.
        options: see `Options`.

    Raises:
        ConfigurationError: the host isn't of the grammar.
    """

    __slots__ = ("routes",)

    def __init__(
        self, host: str, routes: Iterable[Entry], *, name: str = "", **options: Unpack[Options]
    ) -> None:
        super().__init__(host, name, options)
        literals = "".join(part for part in self.written if isinstance(part, str))
        if not host or "/" in literals or ":" in literals or literals != literals.lower():
            raise ConfigurationError(f"{self}: a host is a name in lower case, without scheme, port or path.")
        self.routes = entries(self, routes)


def entries(owner: object, routes: Iterable[Entry]) -> tuple[Entry, ...]:
    """`routes` as a tuple, if they are routes."""
    if isinstance(routes, Entry):
        raise ConfigurationError(f"{owner}: the routes are a list. Write [{type(routes).__name__}(…)].")
    check(owner, "routes", routes, Iterable)
    made = tuple(routes)
    for entry in made:
        if not isinstance(entry, Entry):
            raise ConfigurationError(f"{owner}: {entry!r} is not a route, an Include or the like.")
    return made


NO_DEFAULTS: dict[str, object] = {}
"""What most lines of a table have: they share it, and nothing is put into it."""


def _checked_defaults(owner: Entry, defaults: Mapping[str, object] | None) -> dict[str, object]:
    if defaults is not None and not isinstance(defaults, Mapping):
        raise ConfigurationError(f"{owner}: defaults are a dict, not {type(defaults).__name__}.")
    return dict(defaults) if defaults else NO_DEFAULTS
