"""The clients for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

import httpx

from asgistar.app import App
from asgistar.client.auth import together, ways
from asgistar.client.document import EVENTS, media_type
from asgistar.client.events import Event, Events
from asgistar.inprocess import Portal, Running, ThreadedTransport, Transport
from asgistar.inprocess.sockets import AsyncWebSocket, WebSocket, handshake, session
from asgistar.inprocess.transports import WHOLE
from asgistar.routing.route import Route
from asgistar.testing.conformity import Conformity
from asgistar.types import ASGIApplication, Scope


class Options(TypedDict, total=False):
    """What a client of httpx takes; see there.

    Attributes:
        auth: how requests are authenticated, as in `("user", "password")`; or a list of several ways.
        headers: of all requests.
        params: of the query of all requests.
        cookies: that it has from the beginning.
        follow_redirects: go where a redirect leads.
    """

    auth: Any
    headers: Any
    params: Any
    cookies: Any
    follow_redirects: bool


def _without_secure(cookies: httpx.Cookies) -> None:
    """Cookies for HTTPS are sent over HTTP too, as a browser does it for localhost."""
    for cookie in cookies.jar:
        cookie.secure = False


class Subject:
    """The application under test, and what a test may do to it. The clients for its users share it.

    Args:
        app: any ASGI application.
        conforms: see the clients.
        running: the application in process.
    """

    def __init__(self, app: ASGIApplication, conforms: bool | Mapping[str, Any], running: Running) -> None:
        self.app = app
        self.running = running
        self.stack = ExitStack()
        self.conforms = conforms

    @property
    def conforms(self) -> bool | Mapping[str, Any]:
        """Responses are checked against the document of the application, or against this one."""
        return self._conforms

    @conforms.setter
    def conforms(self, conforms: bool | Mapping[str, Any]) -> None:
        self._conforms = conforms
        self.conformity: Conformity | None = None
        if isinstance(conforms, Mapping):
            self.conformity = Conformity(conforms)
        elif conforms:
            app = self._an_app("conforms=True")
            self.conformity = Conformity(app.openapi(), lambda request: _undocumented(app, request))

    def override(self, replacements: Mapping[Any, Any]) -> AbstractContextManager[None]:
        return self._an_app("override").override(replacements)

    def marked(self, user: object, type: Any, stack: ExitStack) -> object:
        """A mark; to requests with it, `user` is provided, until the end of `stack`."""
        app = self._an_app("as_")
        self.running.see_open()
        mark = object()

        def is_marked(scope: Scope) -> bool:
            client = scope.get("extensions", {}).get("asgistar.client", {})
            return client.get("mark") is mark

        key = app.components.key_for(user) if type is None else type
        stack.enter_context(app.override({key: lambda: user}, when=is_marked))
        self.stack.callback(stack.close)
        return mark

    def checked(self, response: httpx.Response, stream: bool) -> httpx.Response:
        """A response that is as the document says."""
        if self.conformity is not None:
            for each in response.history:
                self.conformity.check(each)
            self.conformity.check(response, body=not stream)
        return response

    def events(self, response: httpx.Response, parser: Events, chunk: bytes) -> Iterator[Event[str]]:
        """The events that a chunk of a stream completes, which are as the document says."""
        for event in parser.feed(chunk):
            if self.conformity is not None:
                self.conformity.check_item(response, event.data)
            yield event

    def _an_app(self, what: str) -> App:
        if not isinstance(self.app, App):
            raise TypeError(
                f"`{what}` needs an asgistar App, and this is {type(self.app).__name__}. If it is around "
                "one, hand that to the client, with its middleware as App(middleware=…)."
            )
        return self.app


def _undocumented(app: App, request: httpx.Request) -> bool:
    """Whether what a request is for is left out of the documentation on purpose."""
    path, host = request.url.path, request.headers["host"]
    for each in (request.method, *app.router.allowed(path, host)):
        if (found := app.router.match(each, path, host)) is not None:
            endpoint = found[0]
            return not isinstance(endpoint.entry, Route) or not endpoint.options.get("documented", True)
    return False


def _asking(headers: Mapping[str, str] | None, last_event_id: str | None) -> dict[str, str]:
    """The headers of a request for events (HTML Standard §9.2.2)."""
    own = {"accept": EVENTS, "cache-control": "no-store"}
    if last_event_id is not None:
        own["last-event-id"] = last_event_id
    return {**own, **(headers or {})}


def _are_events(response: httpx.Response) -> bool:
    media = media_type(response.headers.get("content-type", ""))
    return response.status_code == 200 and media == EVENTS


def _no_events(response: httpx.Response) -> AssertionError:
    request = response.request
    return AssertionError(
        f"{request.method} {request.url} is no stream of events, but {response.status_code} with "
        f"{response.headers.get('content-type', 'no content')}: {response.text[:500]}"
    )


class ForTests:
    """What a client for tests has of the application, with a loop or without.

    Attributes:
        conforms: responses are checked against the document of the application, or against this one; can be
            set.
    """

    _subject: Subject
    _mark: object
    _stack: ExitStack
    _seconds: float | None

    @property
    def conforms(self) -> bool | Mapping[str, Any]:
        return self._subject.conforms

    @conforms.setter
    def conforms(self, conforms: bool | Mapping[str, Any]) -> None:
        self._subject.conforms = conforms

    def override(self, replacements: Mapping[Any, Any]) -> AbstractContextManager[None]:
        """Others in the place of some components: `with client.override({Session: fake}): ...`.

        See `App.override`.
        """
        return self._subject.override(replacements)

    def _test(self, subject: Subject, mark: object, stack: ExitStack, seconds: float | None) -> None:
        self._subject = subject
        self._mark = mark
        self._stack = stack
        self._seconds = seconds

    def _socket(
        self, request: httpx.Request, protocols: list[str], auth: httpx.Auth | None, cookies: httpx.Cookies
    ) -> AsyncWebSocket:
        asked = handshake(request, protocols, auth)
        return AsyncWebSocket(
            lambda: session(self._subject.running, asked, protocols, self._mark),
            asked,
            self._seconds,
            self._seconds,
            cookies,
        )

    def _end(self) -> None:
        """What the test has put in force ends: for one user, or with the client itself."""
        (self._stack if self._mark is not None else self._subject.stack).close()


class AsyncClient(ForTests, httpx.AsyncClient):
    """A client for tests that are `async def`: `async with AsyncClient(app) as client: ...`.

    It is a client of httpx, and requests run in the loop of the test. The lifespan of the application runs
    inside of the `async with`.

    Args:
        app: any ASGI application; `override`, `as_` and `conforms=True` need an App.
        raise_errors: errors of the application are raised here; otherwise they are answers with status 500.
        conforms: check each response against the OpenAPI document of the application, or against this one.
        base_url: what relative URLs are relative to.
        root_path: what the application is said to stand below.
        client: the address that the application sees.
        timeout: seconds for a whole response, for the next piece of a stream, for the next message of a
            WebSocket, for the start and the stop of the application; None for no end, as in a debugger.
        options: as of a client of httpx.
    """

    def __init__(
        self,
        app: ASGIApplication,
        *,
        raise_errors: bool = True,
        conforms: bool | Mapping[str, Any] = False,
        base_url: str = "http://testserver",
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 50000),
        timeout: float | None = 30,
        **options: Unpack[Options],
    ) -> None:
        running = Running(app, raises=raise_errors, root_path=root_path, client=client, timeout=timeout)
        self._prepare(Subject(app, conforms, running), None, ExitStack(), base_url, timeout, options)

    def _prepare(
        self,
        subject: Subject,
        mark: object,
        stack: ExitStack,
        base_url: Any,
        timeout: float | None,
        options: Options,
    ) -> None:
        self._test(subject, mark, stack, timeout)
        transport = Transport(subject.running, mark, owned=mark is None)
        options["auth"] = together(ways(options.get("auth")))
        super().__init__(transport=transport, base_url=base_url, timeout=timeout, trust_env=False, **options)

        async def kept(response: httpx.Response) -> None:
            _without_secure(self.cookies)

        self.event_hooks = {"response": [kept]}

    def as_(self, user: object, type: Any = None) -> AsyncClient:
        """A client of the same application for which `user` is what the component of its type provides.

        It has cookies of its own, and lives no longer than this client. It may be used in `async with`, and
        then ends with that.

        Args:
            user: any object that a component would provide.
            type: the type of the component; otherwise it is told by the class of `user`.

        Raises:
            ConfigurationError: there is no such component.
        """
        stack = ExitStack()
        mark = self._subject.marked(user, type, stack)
        other = AsyncClient.__new__(AsyncClient)
        options: Options = {"headers": self.headers, "params": self.params}
        other._prepare(self._subject, mark, stack, self.base_url, self._seconds, options)
        return other

    def websocket(
        self,
        url: str,
        *,
        subprotocols: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> AsyncWebSocket:
        """A WebSocket: `async with client.websocket("/ws/1/") as socket: ...`.

        Args:
            url: of the WebSocket; relative, or with any scheme.
            subprotocols: what the client offers.
            headers: of the handshake.
            params: of the query.

        Raises:
            WebSocketDenied: at the entry: the application didn't accept.
        """
        request = self.build_request("GET", url, headers=headers, params=params)
        return self._socket(request, list(subprotocols), self.auth, self.cookies)

    @asynccontextmanager
    async def events(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        last_event_id: str | None = None,
    ) -> AsyncIterator[AsyncIterator[Event[str]]]:
        """A stream of server-sent events: `async with client.events("/feed") as events: ...`. Left, it ends.

        Args:
            last_event_id: the id of the last event that was seen before.

        Raises:
            AssertionError: the answer is no such stream.
        """
        asking = _asking(headers, last_event_id)
        async with self.stream(method, url, headers=asking, params=params, json=json) as response:
            if not _are_events(response):
                await response.aread()
                raise _no_events(response)

            async def events() -> AsyncIterator[Event[str]]:
                parser = Events()
                async for chunk in response.aiter_bytes():
                    for event in self._subject.events(response, parser, chunk):
                        yield event

            yield events()

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        request.extensions = {**request.extensions, WHOLE: not stream}
        return self._subject.checked(await super().send(request, stream=stream, **options), stream)

    async def __aenter__(self) -> Self:
        return await super().__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._end()
        await super().__aexit__(exc_type, exc_value, traceback)


class TestClient(ForTests, httpx.Client):
    """A client for tests that are plain functions: `with TestClient(app) as client: ...`.

    It is a client of httpx; the application runs in a loop of its own, in a thread. Its lifespan is inside of
    the `with`. The arguments are those of `AsyncClient`.
    """

    __test__ = False  # for pytest, which takes what is called Test for a test

    def __init__(
        self,
        app: ASGIApplication,
        *,
        raise_errors: bool = True,
        conforms: bool | Mapping[str, Any] = False,
        base_url: str = "http://testserver",
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 50000),
        timeout: float | None = 30,
        **options: Unpack[Options],
    ) -> None:
        running = Running(app, raises=raise_errors, root_path=root_path, client=client, timeout=timeout)
        subject = Subject(app, conforms, running)
        self._prepare(subject, Portal(), None, ExitStack(), base_url, timeout, options)

    def _prepare(
        self,
        subject: Subject,
        portal: Portal,
        mark: object,
        stack: ExitStack,
        base_url: Any,
        timeout: float | None,
        options: Options,
    ) -> None:
        self._portal = portal
        self._test(subject, mark, stack, timeout)
        inner = Transport(subject.running, mark)
        transport = ThreadedTransport(inner, portal, owned=mark is None)
        options["auth"] = together(ways(options.get("auth")))
        super().__init__(transport=transport, base_url=base_url, timeout=timeout, trust_env=False, **options)
        self.event_hooks = {"response": [lambda response: _without_secure(self.cookies)]}

    def as_(self, user: object, type: Any = None) -> TestClient:
        """See `AsyncClient.as_`."""
        stack = ExitStack()
        mark = self._subject.marked(user, type, stack)
        other = TestClient.__new__(TestClient)
        options: Options = {"headers": self.headers, "params": self.params}
        other._prepare(self._subject, self._portal, mark, stack, self.base_url, self._seconds, options)
        return other

    def websocket(
        self,
        url: str,
        *,
        subprotocols: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> WebSocket:
        """See `AsyncClient.websocket`: `with client.websocket("/ws/1/") as socket: ...`."""
        request = self.build_request("GET", url, headers=headers, params=params)
        return WebSocket(self._socket(request, list(subprotocols), self.auth, self.cookies), self._portal)

    @contextmanager
    def events(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        last_event_id: str | None = None,
    ) -> Iterator[Iterator[Event[str]]]:
        """See `AsyncClient.events`: `with client.events("/feed") as events: ...`."""
        asking = _asking(headers, last_event_id)
        with self.stream(method, url, headers=asking, params=params, json=json) as response:
            if not _are_events(response):
                response.read()
                raise _no_events(response)

            def events() -> Iterator[Event[str]]:
                parser = Events()
                for chunk in response.iter_bytes():
                    yield from self._subject.events(response, parser, chunk)

            yield events()

    def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        request.extensions = {**request.extensions, WHOLE: not stream}
        return self._subject.checked(super().send(request, stream=stream, **options), stream)

    def __enter__(self) -> Self:
        return super().__enter__()

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._end()
        super().__exit__(exc_type, exc_value, traceback)
