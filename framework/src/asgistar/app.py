"""The application: a table of routes as an ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Literal, Unpack
from urllib.parse import quote

import msgspec

from asgistar.components import Components, Living
from asgistar.components import Scope as ComponentScope
from asgistar.errors import ConfigurationError, InternalServerError, MethodNotAllowed, NotFound, Problem
from asgistar.http.reading import ClientDisconnected
from asgistar.http.response import Reply
from asgistar.lifespan import Mounted, live
from asgistar.routing.converters import Converter
from asgistar.routing.endpoint import Endpoint
from asgistar.routing.options import Options, checked, merged
from asgistar.routing.reverse import SAFE, QueryArguments
from asgistar.routing.route import WEBSOCKET, Entry, Mount, WebSocketRoute
from asgistar.routing.router import Router
from asgistar.threads import Threads
from asgistar.types import ASGIApplication, Receive, Scope, Send, View
from asgistar.views.plan import Plan
from asgistar.views.returns import encode

logger = logging.getLogger("asgistar")

DEFAULTS: Options = {"body_limit": 10_000_000}

PROBLEM = (b"content-type", b"application/problem+json")  # RFC 9457 §3


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
        threads: how many views that aren't `async def` may run at a time.
        options: of all routes, see `Options`; `body_limit` is 10 MB if not said otherwise.

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
        threads: int = 40,
        **options: Unpack[Options],
    ) -> None:
        if slashes not in ("strict", "redirect"):
            raise ConfigurationError(f"slashes are 'strict' or 'redirect', not {slashes!r}.")
        self.router = Router(routes, converters, merged(DEFAULTS, checked(options, "App")))
        self._redirects = slashes == "redirect"
        self._threads = Threads(threads)
        self._living = Living(Components(components))
        for endpoint in self.router.endpoints:
            if isinstance(endpoint.entry, WebSocketRoute):
                raise ConfigurationError(
                    f"{endpoint}: App has no views for WebSockets yet. Mount an ASGI application there."
                )
            endpoint.handlers = {
                method: self._planned(endpoint, method, self._living.components) for method in endpoint.views
            }
        self._static: dict[str, dict[str, Plan]] = {
            path: {method: _plan(endpoint, method) for method, endpoint in methods.items()}
            for path, methods in self.router.static.items()
        }

    def _planned(self, endpoint: Endpoint, method: str, components: Components) -> Plan:
        return Plan(endpoint, method, self._threads, components, self._living.values)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live a lifespan."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        path: str = scope["path"]
        if root := scope.get("root_path"):
            path = _below(root, path)
        method: str = scope["method"]
        reply: Reply | None
        mounted: tuple[Endpoint, tuple[Any, ...]] | None = None
        try:
            plans = self._static.get(path)
            plan = None if plans is None else plans.get(method)
            if plan is not None:
                reply = await plan.run(scope, receive, send, ())
            else:
                host = _host(scope) if self.router.needs_host else ""
                found = self.router.match(method, path, host)
                if found is None:
                    reply = self._missed(scope, method, path, host)
                elif found[0].mounted:
                    mounted, reply = found, None
                else:
                    reply = await _plan(found[0], method).run(scope, receive, send, found[1])
        except Problem as problem:
            reply = _problem_reply(problem)
        except ClientDisconnected:
            return
        except Exception as error:
            logger.error("%s %r failed", method, path, exc_info=error)
            reply = _problem_reply(InternalServerError())
        if mounted is not None:
            await _call_mounted(*mounted, scope, receive, send)
        if reply is None:
            return
        status, headers, content = reply
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else content})

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
        """Live a lifespan; hand a WebSocket to what is mounted at its path, or refuse it."""
        if scope["type"] == "lifespan":
            apps: dict[int, ASGIApplication] = {}
            for endpoint in self.router.endpoints:
                if isinstance(endpoint.entry, Mount):
                    apps[id(endpoint.entry.app)] = endpoint.entry.app
            mounted = [Mounted(app, scope) for app in apps.values()]
            await live(scope, receive, send, [self._threads, self._living, *mounted])
            return
        if scope["type"] != "websocket":
            raise ValueError(f"asgistar knows no scope of the type {scope['type']!r}")
        path = _below(scope.get("root_path", ""), scope["path"])
        found = self.router.match(WEBSOCKET, path, _host(scope) if self.router.needs_host else "")
        if found is not None:
            await _call_mounted(*found, scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 1000})

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

    @contextmanager
    def override(self, replacements: Mapping[Any, Any]) -> Iterator[None]:
        """Others in the place of some components, for tests: `with app.override({Session: fake}): ...`.

        Args:
            replacements: type -> a function that provides it, or a value. What was already made for the whole
                application of the replaced one keeps it.

        Raises:
            ConfigurationError: there is no component for a type.
        """
        before = self._living.components
        changed = before.replaced(replacements)
        # All are planned anew before the first one is replaced: an error leaves everything as it was.
        plans = [
            (plan, self._planned(endpoint, method, changed))
            for endpoint in self.router.endpoints
            for method, plan in endpoint.handlers.items()
            if any(unit.component is not None for unit in plan.units)
        ]
        runs = [plan.run for plan, _ in plans]
        self._living.components = changed
        for plan, instead in plans:
            plan.run = instead.compiled()
        try:
            yield
        finally:
            self._living.components = before
            for (plan, _), run in zip(plans, runs, strict=True):
                plan.run = run

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


def _plan(endpoint: Endpoint, method: str) -> Plan:
    """The plan for a method; HEAD has that of GET if it has none of its own."""
    plans: dict[str, Plan] = endpoint.handlers
    return plans["GET"] if method == "HEAD" and "HEAD" not in plans else plans[method]


def _below(root: str, path: str) -> str:
    """The part of `path` below the root path, as the routes know it."""
    below = path.removeprefix(root)
    return (below or "/") if below[:1] in ("", "/") else path


def _host(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            host: str = value.decode("latin-1")
            return host
    return ""


async def _call_mounted(
    endpoint: Endpoint, values: tuple[Any, ...], scope: Scope, receive: Receive, send: Send
) -> None:
    """Call a mounted application with a scope that tells it where it is."""
    assert isinstance(endpoint.entry, Mount)
    path: str = scope["path"]
    root = path[: len(path) - len(values[-1])] if values[-1] else path
    params = {**scope.get("path_params", {}), **endpoint.arguments(values)}
    await endpoint.entry.app({**scope, "root_path": root, "path_params": params}, receive, send)


def _problem_reply(problem: Problem) -> Reply:
    """The response that tells of a problem."""
    try:
        content = encode(problem.document())
    except (TypeError, ValueError, msgspec.MsgspecError):
        logger.exception("The members of %r can't be sent", problem)
        problem = InternalServerError()
        content = encode(problem.document())
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in problem.headers.items()
    ]
    return problem.status, [PROBLEM, (b"content-length", b"%d" % len(content)), *headers], content
