"""The application: a table of routes as an ASGI application."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, Literal, Unpack
from urllib.parse import quote

from asgistar.background import Jobs
from asgistar.components import Components
from asgistar.errors import (
    ConfigurationError,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    Problem,
    tell,
)
from asgistar.hooks import Hook
from asgistar.http.reading import ClientDisconnected, meant
from asgistar.http.response import Reply
from asgistar.http.streams import STARTED
from asgistar.info import Info
from asgistar.lifespan import Mounted, live
from asgistar.mounting import below, call_mounted
from asgistar.overriding import Overrides
from asgistar.problems import RENDERING, ErrorRenderer, ProblemDetails, Rendering
from asgistar.routing.converters import Converter
from asgistar.routing.endpoint import Endpoint
from asgistar.routing.options import Options, check, checked, merged
from asgistar.routing.reverse import QueryArguments
from asgistar.routing.route import WEBSOCKET, Entry, Mount, entries
from asgistar.routing.router import Router
from asgistar.signature import named
from asgistar.threads import Threads
from asgistar.types import ASGIApplication, Middleware, Receive, Scope, Send, View
from asgistar.url import SAFE, host_of
from asgistar.values import Living
from asgistar.values import Scope as ComponentScope
from asgistar.views.given import GIVEN, Given
from asgistar.views.handler import Handler, check_raised
from asgistar.views.making import Around
from asgistar.views.plan import Plan
from asgistar.views.talking import SocketPlan
from asgistar.websocket import refuse

if TYPE_CHECKING:
    from asgistar.commands import Command

logger = logging.getLogger("asgistar")

DEFAULTS: Options = {
    "form_fields": 1000,
    "form_files": 100,
    "form_memory": 1_000_000,
}


class App:
    """An ASGI application made of a table of routes.

    Whatever can't work is found when it is made: routes that can never match, parameters that can come from
    nowhere, types that can't be sent.

    Args:
        routes: the table.
        converters: further converters for paths, by name.
        slashes: what to do with a path that would lead somewhere with a slash more or less at its end:
            nothing ("strict"), or send the client there ("redirect", 308).
        components: what views can ask for by type: functions that provide it, see `component`.
        middleware: what is put around it: callables that make an ASGI application around another. The first
            is the outermost. What they make may have `raises`: the problems that it answers with, for the
            documentation.
        errors: makes the bodies of error responses, see `ErrorRenderer`; problem documents if not said
            otherwise.
        debug: errors that nobody handled are told in full, in a page to a browser. Not for production.
        commands: its own ones, for the command line, see `Command`.
        info: what it says of itself, see `Info`.
        threads: how many views that aren't `async def` may run at a time.
        options: of all routes, see `Options`.

    Raises:
        ConfigurationError: it can't work; says what, where, and what to do.
    """

    def __init__(
        self,
        routes: Iterable[Entry],
        *,
        converters: Mapping[str, Converter | type[Converter]] | None = None,
        slashes: Literal["strict", "redirect"] = "strict",
        components: Iterable[Any] = (),
        middleware: Sequence[Middleware] = (),
        errors: ErrorRenderer | None = None,
        debug: bool = False,
        commands: Iterable[Command] = (),
        info: Info | None = None,
        threads: int = 40,
        **options: Unpack[Options],
    ) -> None:
        check("App", "converters", converters or {}, Mapping)
        check("App", "components", components, Iterable)
        check("App", "middleware", middleware, Sequence)
        check("App", "commands", commands, Iterable)
        check("App", "info", info or Info(), Info)
        check("App", "threads", threads, int)
        if not threads:
            raise ConfigurationError("App: views that aren't `async def` need one thread at least.")
        if slashes not in ("strict", "redirect"):
            raise ConfigurationError(f"slashes are 'strict' or 'redirect', not {slashes!r}.")
        if not (errors is None or _renders(errors)):
            raise ConfigurationError(
                f"App: errors is an object with the methods of an ErrorRenderer, not {errors!r}."
            )
        table = entries("App", routes)
        self.router = Router(table, converters, merged(DEFAULTS, checked(options, "App", App.__init__)))
        self._redirects = slashes == "redirect"
        self._threads = Threads(threads)
        self.info = info or Info()
        self._document: dict[str, Any] | None = None
        self.errors: ErrorRenderer = ProblemDetails() if errors is None else errors
        self._rendering = Rendering(self.errors, {App: self})
        self.debug = debug
        self._living = Living(Components(components))
        self._living.values.given[App] = self
        self.jobs = Jobs(self._living, self._threads)
        self._hooks: dict[int, Hook] = {}
        self.commands: Mapping[str, Command] = {}
        if commands:
            from asgistar.commands import by_name  # not needed by those that have none

            self.commands = by_name(commands, self._living.components, type(self))
        around = self._around_plans(self._living.components)
        for endpoint in self.router.endpoints:
            endpoint.handlers = {method: _planned(endpoint, method, around) for method in endpoint.views}
        self._overrides = Overrides(self._living, self.router.endpoints, self._planned)
        self._static: dict[str, dict[str, Plan]] = {
            path: {method: _plan(endpoint, method) for method, endpoint in methods.items()}
            for path, methods in self.router.static.items()
        }

        self.raises: Sequence[type[Problem]] = ()
        self._around: ASGIApplication | None = None
        if middleware:
            # The innermost: this, with nothing around it.
            self._around, self.raises = _chained(middleware, copy(self))
        _attach(table, self)

    def _around_plans(self, components: Components) -> Around:
        return Around(self, self._threads, components, self._living.values, self._failed, self._hooks)

    def _planned(self, endpoint: Endpoint, method: str, components: Components) -> Handler:
        return _planned(endpoint, method, self._around_plans(components))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, live a WebSocket or a lifespan."""
        if self._around is not None:
            scope[RENDERING] = self._rendering  # for what middleware refuses
            await self._around(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        path: str = scope["path"]
        if root := scope.get("root_path"):
            path = below(root, path)
        method: str = scope["method"]
        reply: Reply | None
        mounted: tuple[Endpoint, tuple[Any, ...]] | None = None
        try:
            plans = self._static.get(path)
            plan = None if plans is None else plans.get(method)
            if plan is not None:
                reply = await plan.run(scope, receive, send, ())
            else:
                host = host_of(scope) if self.router.needs_host else ""
                found = self.router.match(method, path, host)
                if found is None:
                    reply = self._missed(scope, method, path, host)
                elif found[0].mounted:
                    mounted, reply = found, None
                else:
                    reply = await _plan(found[0], method).run(scope, receive, send, found[1])
            if reply is not None and not isinstance(reply[2], bytes):
                await reply[2].send(reply[0], reply[1], scope, receive, send)
                return
        except ClientDisconnected:
            return
        except Exception as error:
            if STARTED in scope:
                raise  # there is nothing left to answer: the server tells of it, and cuts the connection
            error = meant(error)
            if isinstance(error, ClientDisconnected):
                return
            reply = self._failed(scope, error)
        if mounted is not None:
            await call_mounted(*mounted, scope, receive, send)
        if reply is None:
            return
        # PERF: what `send_reply` does, without a call for it.
        status, headers, content = reply
        if not isinstance(content, bytes):
            await content.send(status, headers, scope, receive, send)
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else content})

    def _failed(self, scope: Scope, error: Exception) -> Reply:
        """The response to a request that an error ended. One that is no Problem is told of."""
        if isinstance(error, Problem):
            return self._rendering.reply(error, scope)
        method = scope.get("method", "WebSocket")
        logger.error("%s %r failed", method, scope["path"], exc_info=error)
        tell(scope, error)
        if self.debug:
            from asgistar import debug  # not needed in production

            return debug.reply_to(error, scope, self._rendering)
        return self._rendering.reply(InternalServerError(), scope)

    def _missed(self, scope: Scope, method: str, path: str, host: str) -> Reply:
        """The answer to a request that no view is for."""
        allowed = self.router.allowed(path, host)
        if allowed and method == "OPTIONS":
            return 204, [(b"allow", ", ".join(allowed).encode())], b""
        if not allowed and self._redirects:
            location = self.router.redirected(method, path, host)
            if location is not None:
                target = quote(location, SAFE).encode()
                if query := scope["query_string"]:
                    target += b"?" + query
                return 308, [(b"location", target), (b"content-length", b"0")], b""
        if allowed:
            raise MethodNotAllowed(f"There is {', '.join(allowed)} here, but no {method}.", allowed=allowed)
        raise NotFound

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Live a lifespan, or a WebSocket; one that there is no view for is refused."""
        if scope["type"] == "lifespan":
            mounts: dict[int, Mount] = {}
            for endpoint in self.router.endpoints:
                if isinstance(endpoint.entry, Mount):
                    mounts.setdefault(id(endpoint.entry.app), endpoint.entry)
            mounted = [Mounted(each, scope) for each in mounts.values()]
            parts = [self._threads, self._living, self.jobs, *mounted]
            if self.debug:
                from asgistar import debug  # not needed in production

                parts.append(debug.Watch())
            await live(scope, receive, send, parts)
            return
        if scope["type"] != "websocket":
            raise ValueError(f"asgistar knows no scope of the type {scope['type']!r}")
        path = below(scope.get("root_path", ""), scope["path"])
        found = self.router.match(WEBSOCKET, path, host_of(scope) if self.router.needs_host else "")
        if found is None:
            await refuse(scope, receive, send, self._failed(scope, NotFound()))
        elif found[0].mounted:
            await call_mounted(*found, scope, receive, send)
        else:
            await found[0].handlers[WEBSOCKET].run(scope, receive, send, found[1])

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[ComponentScope]:
        """A scope outside of a request: `async with app.scope() as scope: await scope.call(job)`.

        Components are made as in a request, and clean up at its end. Those that live as long as the
        application are made too, and end with it, if the application isn't running.
        """
        running = self._living.running
        if not running:
            await self._living.start()
        try:
            async with AsyncExitStack() as stack:
                yield ComponentScope(self._living.components, self._living.values, stack)
        finally:
            if not running:
                await self._living.stop()

    @property
    def components(self) -> Components:
        """What views can ask for by type; with overrides, if there are any in force."""
        return self._living.components

    def override(
        self, replacements: Mapping[Any, Any], *, when: Callable[[Scope], bool] | None = None
    ) -> AbstractContextManager[None]:
        """Others in the place of some components, for tests: `with app.override({Session: fake}): ...`.

        Args:
            replacements: type -> a function that provides it, or a value. What was already made for the whole
                application of the replaced one keeps it.
            when: which requests it is for, told by their scope; for all if it isn't given.

        Raises:
            ConfigurationError: there is no component for a type.
        """
        return self._overrides.override(replacements, when)

    def openapi(self) -> dict[str, Any]:
        """Its OpenAPI 3.1 document: made when it is first asked for, and not to be changed."""
        if self._document is None:
            from asgistar.openapi import document  # not needed to answer requests

            self._document = document(self)
        return self._document

    def url_for(
        self,
        name: str | View,
        /,
        *,
        _query: QueryArguments | None = None,
        _fragment: str | None = None,
        _root_path: str = "",
        **params: Any,
    ) -> str:
        """The address of a route: its path, quoted, and query and fragment.

        Args:
            name: its name with those of its Includes, as in "articles:detail"; or its view.
            params: the values of the parameters of its path.

        Raises:
            NoReverseMatch: there is no such route, or not with these parameters.
        """
        return self.router.addresses.url_for(name, params, _query, _fragment, _root_path)


def _planned(endpoint: Endpoint, method: str, around: Around) -> Handler:
    return (SocketPlan if method == WEBSOCKET else Plan)(endpoint, method, around)


def _plan(endpoint: Endpoint, method: str) -> Plan:
    """The plan for a method; HEAD has that of GET if it has none of its own."""
    plans: dict[str, Plan] = endpoint.handlers
    return plans["GET"] if method == "HEAD" and "HEAD" not in plans else plans[method]


def _renders(value: object) -> bool:
    return hasattr(value, "render") and not isinstance(value, type)


def _chained(
    middleware: Sequence[Middleware], app: ASGIApplication
) -> tuple[ASGIApplication, Sequence[type[Problem]]]:
    """An application with what is around it, and what that says it raises."""
    raises: dict[type[Problem], None] = {}
    for each in reversed(middleware):
        if not callable(each):
            raise ConfigurationError(
                f"{each!r} is no middleware: nothing that is called with an ASGI application, and gives one "
                "around it."
            )
        try:
            inspect.signature(each).bind(app)
        except TypeError as error:
            raise ConfigurationError(
                f"The middleware {each!r} can't be called with an ASGI application: {error}. If it is what "
                "makes one, call it, as in middleware=[cors(…)]."
            ) from None
        except ValueError:  # what isn't written in Python may have no signature
            pass
        app = each(app)
        if not callable(app):
            raise ConfigurationError(
                f"The middleware {each!r} gave {app!r}, which is no ASGI application. Is it one itself? "
                "Write a function that is given the application, and returns another."
            )
        for declared in getattr(app, "raises", ()):
            check_raised(declared, f"The middleware {named(type(app))}")
            raises[declared] = None
    return app, tuple(raises)


def _attach(routes: Iterable[Entry], app: App) -> None:
    """Let the lines of the table that want to know their application know it."""
    for entry in routes:
        entry.attach(app)
        _attach(getattr(entry, "routes", ()), app)


GIVEN[App] = Given("app", "application")
