"""Components: given by type, made once in a request or a lifespan, cleaned up, checked at start-up."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, NewType

import pytest

from asgistar import (
    App,
    BadRequest,
    Body,
    Component,
    ConfigurationError,
    FileResponse,
    Header,
    Include,
    Instead,
    Lines,
    Meta,
    Path,
    Query,
    Redirect,
    Response,
    Route,
    Struct,
    Text,
    Unauthorized,
    component,
)
from asgistar.security import Bearer
from asgistar.testing import AsyncClient

if TYPE_CHECKING:
    from framework.tests.conftest import Client, Connect

LOG: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    LOG.clear()


class Settings:
    def __init__(self, url: str = "db") -> None:
        self.url = url


class Engine:
    def __init__(self, url: str) -> None:
        self.url = url


class Session:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine


class User(Struct):
    name: str


Token = NewType("Token", str)


@component(scope="app")
def settings() -> Settings:
    LOG.append("settings")
    return Settings()


@component(scope="app")
async def engine(settings: Settings) -> AsyncIterator[Engine]:
    LOG.append("engine")
    yield Engine(settings.url)
    LOG.append("engine closes")


@component
async def session(engine: Engine) -> AsyncIterator[Session]:
    LOG.append("begin")
    try:
        yield Session(engine)
    except Exception:
        LOG.append("rollback")
        raise
    LOG.append("commit")


async def user(session: Session, x_token: Header[str | None] = None) -> User:
    LOG.append("user")
    if x_token is None:
        raise Unauthorized("Who are you?")
    return User(x_token + "@" + session.engine.url)


ALL = [settings, engine, session, user]


class Living:
    """A lifespan of an application, entered as a server would."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.wanted: asyncio.Queue[Any] = asyncio.Queue()

    async def __aenter__(self) -> Any:
        self.task = asyncio.ensure_future(self.app({"type": "lifespan"}, self.wanted.get, self.sent.put))
        self.wanted.put_nowait({"type": "lifespan.startup"})
        return await self.sent.get()

    async def __aexit__(self, *exception: object) -> None:
        self.wanted.put_nowait({"type": "lifespan.shutdown"})
        await self.task


# --- in a request -----------------------------------------------------------------------------------------


async def test_a_view_is_given_what_it_asks_for_by_type(client: Connect) -> None:
    async def whoami(me: User, q: str = "") -> dict[str, str]:
        LOG.append("view")
        return {"name": me.name, "q": q}

    ask = client([Route("/", "GET", whoami)], components=ALL)
    async with Living(ask.app):
        answer = await ask.get("/?q=x", headers={"x-token": "tom"})
        assert answer.json == {"name": "tom@db", "q": "x"}
        assert LOG == ["settings", "engine", "begin", "user", "view", "commit"]
    assert LOG[-1] == "engine closes"


async def test_each_component_is_made_once_however_many_ask_for_it(client: Connect) -> None:
    async def view(session: Session, again: Session, user: User) -> list[bool]:
        return [session is again]

    ask = client([Route("/", "GET", view)], components=ALL)
    async with Living(ask.app):
        assert (await ask.get("/", headers={"x-token": "tom"})).json == [True]
        assert LOG.count("begin") == 1
        await ask.get("/", headers={"x-token": "tom"})
        assert LOG.count("begin") == 2
        assert LOG.count("engine") == 1


async def test_an_error_rolls_back(client: Connect) -> None:
    async def view(session: Session) -> None:
        raise BadRequest("no")

    async def refused(user: User) -> None: ...

    async def unsendable(session: Session) -> User:
        return 7  # type: ignore[return-value]

    ask = client(
        [Route("/", "GET", view), Route("/user", "GET", refused), Route("/7", "GET", unsendable)],
        components=ALL,
    )
    async with Living(ask.app):
        for path, status in (("/", 400), ("/user", 401), ("/7", 500)):
            LOG.clear()
            assert (await ask.get(path)).status == status
            assert LOG[0] == "begin"
            assert LOG[-1] == "rollback"


async def test_a_commit_that_fails_is_a_500_and_not_half_an_answer(client: Connect) -> None:
    async def failing() -> AsyncGenerator[Session, None]:
        yield Session(Engine(""))
        raise RuntimeError("the commit failed")

    async def view(session: Session) -> str:
        return "done"

    assert (await client([Route("/", "GET", view)], components=[failing]).get("/")).status == 500


async def test_a_component_that_hushes_up_an_error_is_told(
    client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def hushing() -> Generator[Session, None, None]:
        try:
            yield Session(Engine(""))
        except ValueError:
            pass

    async def view(session: Session) -> str:
        raise ValueError("lost")

    assert (await client([Route("/", "GET", view)], components=[hushing]).get("/")).status == 500
    assert "A component took the error of the view for its own" in caplog.text


async def test_nothing_is_made_for_a_request_that_is_wrong(client: Connect) -> None:
    async def view(session: Session, number: int) -> None: ...

    ask = client([Route("/", "GET", view)], components=ALL)
    async with Living(ask.app):
        assert (await ask.get("/?number=x")).status == 422
    assert "begin" not in LOG


async def test_a_cancelled_request_cleans_up(client: Connect) -> None:
    started = asyncio.Event()

    async def cancelled() -> AsyncIterator[Session]:
        try:
            yield Session(Engine(""))
        except asyncio.CancelledError:
            LOG.append("cancelled")
            raise

    async def view(session: Session) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(client([Route("/", "GET", view)], components=[cancelled]).get("/"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert LOG == ["cancelled"]


async def test_components_are_functions_of_every_colour_and_objects_with_resolve(client: Connect) -> None:
    class A: ...

    class B: ...

    class C: ...

    class D: ...

    def plain() -> A:
        return A()

    def generator(a: A) -> Iterator[B]:
        yield B()
        LOG.append("b ends")

    class Resolves:
        async def resolve(self, b: B) -> C:
            return C()

    class ResolvesToo:
        def __init__(self, name: str) -> None:
            self.name = name

        def resolve(self, c: C) -> D:
            LOG.append(self.name)
            return D()

    def view(d: D, a: A) -> list[str]:
        return [type(d).__name__, type(a).__name__]

    ask = client([Route("/", "GET", view)], components=[ResolvesToo("d"), plain, Resolves, generator])
    assert (await ask.get("/")).json == ["D", "A"]
    assert LOG == ["d", "b ends"]


async def test_a_qualifier_or_a_new_type_tells_components_of_one_class_apart(client: Connect) -> None:
    def main() -> Engine:
        return Engine("main")

    def replica() -> Annotated[Engine, "replica"]:
        return Engine("replica")

    def token(authorization: Header[str]) -> Token:
        return Token(authorization.removeprefix("Bearer "))

    async def view(main: Engine, other: Annotated[Engine, "replica"], token: Token) -> list[str]:
        return [main.url, other.url, token]

    ask = client([Route("/", "GET", view)], components=[main, replica, token])
    assert (await ask.get("/", headers={"authorization": "Bearer x"})).json == ["main", "replica", "x"]


async def test_a_component_for_a_type_serves_those_who_would_do_without(client: Connect) -> None:
    def provided() -> Session:
        return Session(Engine("x"))

    def maybe(x_name: Header[str | None] = None) -> User | None:
        return User(x_name) if x_name else None

    async def view(session: Session | None, user: User | None) -> list[Any]:
        return [session is not None, user]

    ask = client([Route("/", "GET", view)], components=[provided, maybe])
    assert (await ask.get("/")).json == [True, None]
    assert (await ask.get("/", headers={"x-name": "a"})).json == [True, {"name": "a"}]


# --- parameters of components ------------------------------------------------------------------------------


class Page:
    def __init__(self, limit: int, offset: int) -> None:
        self.limit, self.offset = limit, offset


def page(limit: Annotated[int, Meta(le=100)] = 10, offset: int = 0) -> Page:
    return Page(limit, offset)


class Item(Struct):
    id: int
    tenant: str


async def item(id: Path[Annotated[int, Meta(ge=1)]], tenant: str) -> Annotated[Item, "loaded"]:
    return Item(id, tenant)


async def test_components_have_parameters_as_views_have(client: Connect) -> None:
    async def view(page: Page, item: Annotated[Item, "loaded"], limit: int = 5) -> list[Any]:
        return [page.limit, page.offset, item, limit]

    ask = client([Include("/<tenant>", [Route("/<id>/", "GET", view)])], components=[page, item])
    one = {"id": 7, "tenant": "acme"}
    assert (await ask.get("/acme/7/?offset=3")).json == [10, 3, one, 5]
    assert (await ask.get("/acme/7/?limit=20")).json == [20, 0, one, 20]
    assert (await ask.get("/acme/0/")).status == 404
    # All that is wrong is told at once, whoever asks for it.
    assert (await ask.get("/acme/7/?limit=500&offset=x")).errors == [
        ("query", "limit", "le"),
        ("query", "offset", "type"),
    ]


async def test_a_component_may_take_the_body_and_objects_of_the_query(client: Connect) -> None:
    class Loaded: ...

    class Signed(Struct):
        text: str

    class Where(Struct):
        a: int = 0

    def loaded(signed: Body[Signed], where: Where) -> Loaded:
        LOG.append(f"{signed.text} {where.a}")
        return Loaded()

    async def view(loaded: Loaded, where: Where) -> int:
        return where.a

    with pytest.raises(
        ConfigurationError, match=r"signed of .*loaded.* and where of .*loaded.* both would be"
    ):
        client([Route("/", "POST", view)], components=[loaded])
    ask = client([Route("/", "DELETE", view)], components=[loaded])
    assert (await ask("DELETE", "/?a=7", json={"text": "x"})).json == 7
    assert LOG == ["x 7"]


async def test_a_component_that_wants_what_a_route_has_not_is_an_error_that_names_it(client: Connect) -> None:
    async def view(item: Annotated[Item, "loaded"]) -> None: ...

    with pytest.raises(
        ConfigurationError, match=r"The parameter id of item\(\) at .* is to come from the path, but"
    ):
        client([Route("/<other>/", "GET", view)], components=[item])


async def test_one_name_in_two_ways_is_an_error(client: Connect) -> None:
    def many(limit: list[int]) -> Page:
        return Page(limit[0], 0)

    async def view(page: Page, limit: int) -> None: ...

    with pytest.raises(ConfigurationError, match="'limit' in the query is asked for in two ways"):
        client([Route("/", "GET", view)], components=[many])


# --- mistakes ---------------------------------------------------------------------------------------------


class A: ...


class B: ...


class C: ...


def refused(*components: Any) -> str:
    """The error that an application is refused with for these components."""
    with pytest.raises(ConfigurationError) as raised:
        App([], components=components)
    return str(raised.value)


def test_components_that_need_each_other_are_told_in_a_circle() -> None:
    def a(b: B) -> A: ...  # type: ignore[empty-body]
    def b(c: C) -> B: ...  # type: ignore[empty-body]
    def c(a: A) -> C: ...  # type: ignore[empty-body]

    message = refused(a, b, c)
    assert message.startswith("Components need each other: ")
    assert message.count(" needs ") == 3
    assert message.count("test_components.py:") == 4


def test_what_no_component_provides_is_told_with_all_that_need_it() -> None:
    def a(missing: Iterator[int]) -> A: ...  # type: ignore[empty-body]
    def b(a: A) -> B: ...  # type: ignore[empty-body]

    async def view(b: B) -> None: ...

    with pytest.raises(ConfigurationError) as error:
        App([Route("/", "GET", view)], components=[a, b])
    message = str(error.value)
    assert message.startswith("The parameter missing of ")
    of_a, of_b, of_view = re.findall(r"(\w+)\(\) at framework/tests/test_components.py:", message)
    assert (of_a, of_b, of_view) == ("a", "b", "view")
    assert message.count("needed by") == 2


def test_what_lives_longer_cannot_need_what_lives_shorter() -> None:
    def a() -> A: ...  # type: ignore[empty-body]

    @component(scope="app")
    def b(a: A) -> B: ...  # type: ignore[empty-body]

    @component(scope="app")
    def c(b: B) -> C: ...  # type: ignore[empty-body]

    message = refused(c, b, a)
    assert "b() at framework/tests/test_components.py:" in message or "b() at " in message
    assert "lives as long as the application, but needs A of " in message
    assert "It is needed by " in message


def test_what_lives_as_long_as_the_application_has_no_request() -> None:
    @component(scope="app")
    def a(name: Header[str]) -> A: ...  # type: ignore[empty-body]

    @component(scope="app")
    def b(missing: C, known: int = 1) -> B: ...  # type: ignore[empty-body]

    assert "and what lives as long as the application has no request" in refused(a)
    assert "The parameter missing of " in refused(b)
    assert "is C, which no component provides" in refused(b)


def test_two_components_for_a_type_are_one_too_many() -> None:
    def one() -> A: ...  # type: ignore[empty-body]
    def other() -> A: ...  # type: ignore[empty-body]

    message = refused(one, other)
    assert "provides A, and so does " in message
    assert message.count("test_components.py:") == 2


def test_a_union_of_two_components_is_ambiguous(client: Connect) -> None:
    def a() -> A: ...  # type: ignore[empty-body]
    def b() -> B: ...  # type: ignore[empty-body]
    def view(it: A | B) -> None: ...

    with pytest.raises(
        ConfigurationError, match=r"The parameter it of .* may be provided by .* and .*\. Ask for one"
    ):
        client([Route("/", "GET", view)], components=[a, b])


@pytest.mark.parametrize("annotation", [None, str, int | None, Any, "missing", Iterator, A])
def test_a_component_says_what_it_provides(annotation: Any) -> None:
    def plain() -> Any: ...

    def generator() -> Any:
        yield

    if annotation == "missing":
        del plain.__annotations__["return"]
    else:
        plain.__annotations__["return"] = annotation
    if annotation not in (A, Iterator):
        assert "must say what it provides" in refused(plain) or "Make a type of its own for it" in refused(
            plain
        )
    generator.__annotations__["return"] = None if annotation == "missing" else annotation
    assert "must say what it provides, as in `-> Iterator[Session]`" in refused(generator)


def test_what_is_no_component_is_refused() -> None:
    assert "7 is no component" in refused(7)
    with pytest.raises(ConfigurationError, match="is 'request' or 'app', not 'session'"):
        component(scope="session")(page)  # type: ignore[call-overload]


def test_a_view_that_asks_for_what_nobody_provides_is_an_error(client: Connect) -> None:
    def view(it: A, unhashable: Annotated[A, []] = A()) -> None: ...  # noqa: B008

    with pytest.raises(ConfigurationError, match=r"is A: neither data .* nor is there a component for it"):
        client([Route("/", "GET", view)])


def test_a_component_can_still_be_called() -> None:
    assert isinstance(settings(), Settings)
    assert isinstance(settings, Component)


# --- lifespan ---------------------------------------------------------------------------------------------


async def test_what_lives_as_long_as_the_application_is_made_after_what_it_needs_and_ends_before_it() -> None:
    @component(scope="app")
    def last(first: A) -> Iterator[B]:
        LOG.append("last")
        yield B()
        LOG.append("last ends")

    @component(scope="app")
    async def first() -> AsyncIterator[A]:
        LOG.append("first")
        yield A()
        LOG.append("first ends")

    @component(scope="app")
    async def plain(b: B) -> C:
        LOG.append("plain")
        return C()

    app = App([], components=[plain, last, first])
    async with Living(app) as message:
        assert message == {"type": "lifespan.startup.complete"}
        assert LOG == ["first", "last", "plain"]
    assert LOG[3:] == ["last ends", "first ends"]


async def test_one_that_cannot_start_fails_the_start_and_the_others_clean_up() -> None:
    @component(scope="app")
    async def first() -> AsyncIterator[A]:
        yield A()
        LOG.append("first ends")

    @component(scope="app")
    def broken(a: A) -> B:
        raise RuntimeError("no database")

    living = Living(App([], components=[first, broken]))
    assert await living.__aenter__() == {"type": "lifespan.startup.failed", "message": "no database"}
    await living.task
    assert LOG == ["first ends"]


async def test_without_a_lifespan_it_is_told_what_is_missing(
    client: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def view(settings: Settings) -> None: ...

    assert (await client([Route("/", "GET", view)], components=ALL).get("/")).status == 500
    assert "it is made in the lifespan of the application, and there was none" in caplog.text


# --- outside of requests ----------------------------------------------------------------------------------


async def test_a_function_can_be_called_with_components_outside_of_a_request() -> None:
    app = App([], components=ALL)

    async def job(session: Session, number: int, more: str = "m") -> str:
        LOG.append("job")
        return f"{session.engine.url} {number} {more}"

    def plain(settings: Settings) -> str:
        return settings.url

    async with app.scope() as scope:
        assert await scope.call(job, number=7) == "db 7 m"
        assert await scope.call(plain) == "db"
        first = await scope.get(Session)
        assert await scope.get(Session) is first
    assert LOG == ["settings", "engine", "begin", "job", "commit", "engine closes"]


async def test_a_scope_of_a_running_application_shares_its_components() -> None:
    app = App([], components=ALL)
    async with Living(app):
        async with app.scope() as scope:
            one = await scope.get(Engine)
        async with app.scope() as scope:
            assert await scope.get(Engine) is one
        assert "engine closes" not in LOG


async def test_an_error_in_a_scope_rolls_back() -> None:
    async def job(session: Session) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        async with App([], components=ALL).scope() as scope:
            await scope.call(job)
    assert LOG[-2:] == ["rollback", "engine closes"]


async def test_what_a_scope_cannot_give_is_told() -> None:
    def job(number: int) -> None: ...

    async with App([], components=[*ALL, page]).scope() as scope:
        with pytest.raises(
            ConfigurationError, match=r"The parameter number of .* is int, which no component provides"
        ):
            await scope.call(job)
        with pytest.raises(ConfigurationError, match="No component provides A"):
            await scope.get(A)
        assert (await scope.get(Page)).limit == 10


# --- overrides --------------------------------------------------------------------------------------------


@pytest.fixture
def overridable(client: Connect) -> Client:
    async def view(me: User, settings: Settings) -> list[str]:
        return [me.name, settings.url]

    async def untouched() -> str:
        return "same"

    return client([Route("/", "GET", view), Route("/other", "GET", untouched)], components=ALL)


async def test_components_can_be_overridden_by_values_and_functions(overridable: Client) -> None:
    app = overridable.app
    assert isinstance(app, App)

    def fake(x_fake: Header[str] = "nobody") -> User:
        return User(x_fake)

    async with Living(app):
        asked = {"headers": {"x-token": "tom", "x-fake": "fake"}}
        assert (await overridable.get("/", **asked)).json == ["tom@db", "db"]
        with app.override({User: User("value"), Settings: Settings("test")}):
            assert (await overridable.get("/")).json == ["value", "test"]
            with app.override({User: fake}):
                assert (await overridable.get("/", **asked)).json == ["fake", "test"]
                assert (await overridable.get("/")).json == ["nobody", "test"]
                async with app.scope() as scope:
                    assert (await scope.get(User)).name == "nobody"
            assert (await overridable.get("/", **asked)).json == ["value", "test"]
        with app.override({User: component(fake)}):
            assert (await overridable.get("/other")).json == "same"
            assert (await overridable.get("/", **asked)).json == ["fake", "db"]
        assert (await overridable.get("/", **asked)).json == ["tom@db", "db"]


def test_only_what_there_is_can_be_overridden(overridable: Client) -> None:
    assert isinstance(overridable.app, App)
    with (
        pytest.raises(ConfigurationError, match="There is no component for A"),
        overridable.app.override({A: A()}),
    ):
        pass


async def test_an_override_ends_with_an_error_too(overridable: Client) -> None:
    app = overridable.app
    assert isinstance(app, App)
    with pytest.raises(KeyError), app.override({User: User("value")}):
        raise KeyError
    async with Living(app):
        assert (await overridable.get("/", headers={"x-token": "tom"})).json == ["tom@db", "db"]


# --- the source ---------------------------------------------------------------------------------------------


def test_the_plan_of_a_view_with_components() -> None:
    async def view(user: User, page: Page) -> str: ...  # type: ignore[empty-body]

    (endpoint,) = App([Route("/", "GET", view)], components=[*ALL, page]).router.endpoints
    assert endpoint.handlers["GET"].source.text == (
        "async def plan_of_view(scope, receive, send, values):\n"
        '    text = scope["query_string"]\n'
        "    in_query = read_query(text, WANTED_QUERY) if text else {}\n"
        '    in_header = read_header(scope["headers"], WANTED_HEADER)\n'
        "    try:\n"
        "        page_4_query = convert(in_query, Page_4_Query, strict=False)\n"
        "        user_1_header = convert(in_header, User_1_Header, strict=False)\n"
        "    except INVALID as error:\n"
        "        raise explain(error, query=in_query, header=in_header) from None\n"
        "    engine_3 = app_values[engine_3_key]\n"
        "    async with provide_session_2(engine=engine_3) as session_2:\n"
        "        user_1 = await provide_user_1(session=session_2, x_token=user_1_header.x_token)\n"
        "        page_4 = provide_page_4(limit=page_4_query.limit, offset=page_4_query.offset)\n"
        "        result = await view(user=user_1, page=page_4)\n"
        "        if type(result) not in KINDS:\n"
        "            return reply(result)\n"
        "        try:\n"
        "            content = encode(result)\n"
        "        except (TypeError, ValueError):\n"
        "            return reply(result)\n"
        '        return 200, [JSON, (b"content-length", b"%d" % len(content))], content\n'
        "    raise swallowed()\n"
    )


# --- threads ----------------------------------------------------------------------------------------------


class Thread(str):
    """The name of a thread."""


class Opened(list[str]):
    """The threads in which something was opened, used and closed."""


@component(thread=True)
def thread() -> Thread:
    return Thread(threading.current_thread().name)


@component(thread=True)
def opened(thread: Thread) -> Iterator[Opened]:
    names = Opened([threading.current_thread().name])
    try:
        yield names
    except LookupError:
        names.append("failed")
        raise
    finally:
        names.append(threading.current_thread().name)


async def test_a_component_that_blocks_is_called_in_a_thread(client: Connect) -> None:
    seen: list[Opened] = []

    async def view(thread: Thread, opened: Opened) -> str:
        seen.append(opened)
        opened.append(threading.current_thread().name)
        return str(thread)

    answer = await client([Route("/", "GET", view)], components=[thread, opened]).get("/")
    assert answer.json.startswith("asgistar")
    (names,) = seen
    assert [name.partition("_")[0] for name in names] == ["asgistar", "MainThread", "asgistar"]


async def test_a_component_in_a_thread_sees_the_error_of_the_view(client: Connect) -> None:
    seen: list[Opened] = []

    async def view(opened: Opened) -> None:
        seen.append(opened)
        raise LookupError

    answer = await client([Route("/", "GET", view)], components=[thread, opened]).get("/")
    assert answer.status == 500
    assert seen[0][1] == "failed"


async def test_a_stream_that_is_made_in_threads_may_have_a_component_in_a_thread() -> None:
    seen: list[Opened] = []

    def view(opened: Opened) -> Lines[int]:
        seen.append(opened)
        yield len(opened)

    async with AsyncClient(App([Route("/", "GET", view)], components=[thread, opened])) as http:
        assert (await http.get("/")).text == "1\n"
    assert [name.partition("_")[0] for name in seen[0]] == ["asgistar", "asgistar"]


async def test_a_component_in_a_thread_outside_of_requests() -> None:
    async with App([], components=[thread, opened]).scope() as scope:
        assert not (await scope.get(Thread)).startswith("MainThread")
        names = await scope.get(Opened)
        assert names[0] != "MainThread"
    assert names[-1] != "MainThread"


def test_an_async_component_is_not_called_in_a_thread() -> None:
    async def provide() -> Thread: ...  # type: ignore[empty-body]

    with pytest.raises(ConfigurationError, match="is async: it can't be called in a thread"):
        component(thread=True)(provide)


# --- who asks comes first ---------------------------------------------------------------------------------


class Caller(Struct):
    name: str


class Note(Struct):
    title: str


class Connection:
    pass


@component
def connection() -> Iterator[Connection]:
    LOG.append("connected")
    yield Connection()
    LOG.append("disconnected")


@component(security=Bearer())
def caller(connection: Connection, authorization: Header[str] = "") -> Caller:
    if authorization != "Bearer secret":
        raise Unauthorized
    return Caller("Ada")


async def write(note: Note, caller: Caller, page: int = 1) -> str:
    LOG.append("view")
    return f"{caller.name}: {note.title}"


SECURED: Any = {"components": [connection, caller]}


async def test_nothing_is_told_to_be_wrong_for_those_who_may_not(client: Connect) -> None:
    ask = client([Route("/", "POST", write)], **SECURED)
    assert (await ask.post("/?page=x", {"title": 1})).status == 401
    # The body isn't even read.
    assert (await ask.post("/", body=[None])).status == 401
    secret = {"authorization": "Bearer secret"}
    assert (await ask.post("/?page=x", {"title": 1}, headers=secret)).status == 422
    assert (await ask.post("/", {"title": "x"}, headers=secret)).json == "Ada: x"


async def test_who_asks_is_known_between_hooks_and_the_view(client: Connect) -> None:
    class Noting:
        def on_request(self) -> None:
            LOG.append("on_request")

        def on_response(self, response: Response) -> None:
            LOG.append(f"on_response {response.status}")

    ask = client([Route("/", "POST", write)], hooks=[Noting], **SECURED)
    await ask.post("/", {"title": "x"}, headers={"authorization": "Bearer secret"})
    assert LOG == ["on_request", "connected", "view", "disconnected", "on_response 200"]
    LOG.clear()
    await ask.post("/", {"title": "x"})
    assert LOG == ["on_request", "connected", "on_response 401"]


def test_the_plan_of_a_view_for_known_clients() -> None:
    (endpoint,) = App([Route("/", "POST", write)], **SECURED).router.endpoints
    plan = endpoint.handlers["POST"]
    assert plan.text.startswith(
        "async def plan_of_write(scope, receive, send, values):\n"
        '    in_header = read_header(scope["headers"], WANTED_HEADER)\n'
        "    try:\n"
        "        caller_1_header = convert(in_header, Caller_1_Header, strict=False)\n"
        "    except INVALID as error:\n"
        "        raise explain(error, header=in_header) from None\n"
        "    with provide_connection_2() as connection_2:\n"
        "        caller_1 = provide_caller_1("
        "connection=connection_2, authorization=caller_1_header.authorization)\n"
        "        return await view_of_write(scope, receive, send, values, caller_1)\n"
        "    raise swallowed()\n"
        "\n\n"
        "async def view_of_write(scope, receive, send, values, caller_1):\n"
        '    text = scope["query_string"]\n'
        "    in_query = read_query(text, WANTED_QUERY) if text else {}\n"
        "    content = await read_json(scope, receive, 10000000, True)\n"
        "    try:\n"
        "        query = convert(in_query, Query, strict=False)\n"
        "        body = decode(content)\n"
        "    except INVALID as error:\n"
        "        raise explain(error, query=in_query, body=content) from None\n"
        "    result = await view(note=body, caller=caller_1, page=query.page)\n"
    )


@pytest.mark.parametrize("with_hook", [False, True])
async def test_a_component_that_keeps_an_error_for_itself_is_found(client: Connect, with_hook: bool) -> None:
    class Quiet:
        pass

    class Noting:
        def on_response(self, response: Response) -> None: ...

    @component(security=Bearer())
    def quiet() -> Iterator[Quiet]:
        with suppress(LookupError):
            yield Quiet()

    async def view(quiet: Quiet) -> str:
        raise LookupError

    hooks = [Noting] if with_hook else []
    answer = await client([Route("/", "GET", view)], components=[quiet], hooks=hooks).get("/")
    assert answer.status == 500


def test_a_context_manager_is_told_from_a_generator_function() -> None:
    @contextmanager
    def provide() -> Iterator[Connection]:
        yield Connection()

    with pytest.raises(ConfigurationError, match="is a context manager already"):
        component(provide)


def test_a_component_that_was_forgotten_does_not_become_what_a_client_says() -> None:
    async def me(caller: Caller) -> str: ...  # type: ignore[empty-body]

    with pytest.raises(
        ConfigurationError, match=r"caller of .*me\(\) .* is Caller, which caller\(\) at .* provides"
    ):
        App([Route("/", "GET", me)])
    with pytest.raises(ConfigurationError, match="isn't among the components of the application"):
        App([Route("/", "POST", me)])

    async def search(caller: Query[Caller]) -> str: ...  # type: ignore[empty-body]

    App([Route("/", "GET", search)])


async def test_a_component_or_a_hook_answers_instead_of_the_view(client: Connect) -> None:
    class Visitor:
        pass

    @component
    def visitor(token: Header[str] = "") -> Visitor:
        if not token:
            raise Instead(Redirect("/login"))
        return Visitor()

    class Closing:
        def on_request(self, day: Header[str] = "") -> None:
            if day == "Sunday":
                raise Instead(Text("Closed", 503))

        def on_error(self) -> None:
            LOG.append("error")

        def on_response(self, response: Response) -> None:
            LOG.append(f"on_response {response.status}")

    async def view(visitor: Visitor) -> str:
        return "welcome"

    ask = client([Route("/", "GET", view)], components=[visitor], hooks=[Closing])
    away = await ask.get("/")
    assert (away.status, away.headers["location"]) == (303, "/login")
    assert (await ask.get("/", headers={"token": "x"})).json == "welcome"
    assert (await ask.get("/", headers={"day": "Sunday"})).body == b"Closed"
    assert LOG == ["on_response 303", "on_response 200"]


async def test_a_file_may_be_the_answer_instead(client: Connect) -> None:
    async def view() -> str:
        raise Instead(FileResponse(__file__))

    answer = await client(Route("/", "GET", view)).get("/")
    assert b"test_a_file_may_be_the_answer_instead" in answer.body


async def test_what_can_not_end_is_told_and_the_rest_ends_all_the_same() -> None:
    class Pool:
        pass

    class Broken:
        pass

    @component(scope="app")
    def pool() -> Iterator[Pool]:
        try:
            yield Pool()
        finally:
            LOG.append("pool ended")

    @component(scope="app")
    def broken(pool: Pool) -> Iterator[Broken]:
        yield Broken()
        raise OSError("can't end")

    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await App([], components=[pool, broken])({"type": "lifespan"}, receive, send)
    assert [each["type"] for each in sent] == ["lifespan.startup.complete", "lifespan.shutdown.failed"]
    assert sent[-1]["message"] == "can't end"
    assert LOG == ["pool ended"]
