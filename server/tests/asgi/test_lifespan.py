"""The lifespan: startup before the first request, shutdown after the last, and what goes wrong in between."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import asgiworker
from asgiworker import ApplicationError, LifespanFailed
from asgiworker.asgi.lifespan import TRANSITIONS, Lifespan, State
from asgiworker.asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.asgi.conftest import Until

pytestmark = pytest.mark.every_python

STARTUP_COMPLETE: Message = {"type": "lifespan.startup.complete"}
STARTUP_FAILED: Message = {"type": "lifespan.startup.failed"}
SHUTDOWN_COMPLETE: Message = {"type": "lifespan.shutdown.complete"}
SHUTDOWN_FAILED: Message = {"type": "lifespan.shutdown.failed"}


class Life:
    """An application that notes what happens to it; requests are answered with the path.

    Args:
        startup: sent for `lifespan.startup`.
        shutdown: sent for `lifespan.shutdown`.
    """

    def __init__(self, startup: Message = STARTUP_COMPLETE, shutdown: Message = SHUTDOWN_COMPLETE) -> None:
        self.answers = {"lifespan.startup": startup, "lifespan.shutdown": shutdown}
        self.events: list[str] = []
        self.scope: Scope = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live(scope, receive, send)
            return
        self.events.append(scope["path"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async def live(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        try:
            while (answer := self.answers.get((message := await receive())["type"])) is not None:
                assert set(message) == {"type"}
                self.events.append(message["type"])
                await send(answer)
        except Exception as error:
            self.events.append(type(error).__name__)
            raise


async def get(server: asgiworker.Server, path: str = "/") -> int:
    """The status of an answer."""
    async with httpx.AsyncClient() as client:
        return (await client.get(server.url + path)).status_code


def no_lifespan_is_left() -> bool:
    """Whether all tasks of lifespans have ended."""
    return not [task for task in asyncio.all_tasks() if "lifespan" in task.get_name()]


# --- as it should be ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "on"])
async def test_startup_comes_before_the_first_request_and_shutdown_after_the_last(mode: str) -> None:
    app = Life()
    async with asgiworker.running(app, lifespan=mode) as server:
        assert app.events == ["lifespan.startup"]
        assert await get(server, "/1") == 200
        assert await get(server, "/2") == 200
        assert app.events == ["lifespan.startup", "/1", "/2"]
    assert app.events == ["lifespan.startup", "/1", "/2", "lifespan.shutdown"]


async def test_the_scope_of_a_lifespan_has_every_key_of_the_specification_and_none_else() -> None:
    app = Life()
    async with asgiworker.running(app):
        assert app.scope == {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": {},
        }


async def test_nothing_is_accepted_before_startup_is_complete() -> None:
    app, go = Life(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await go.wait()
            app.events.append("ready")
        await app(scope, receive, send)

    async with asyncio.TaskGroup() as tasks:
        starting = asgiworker.running(slow)
        task = tasks.create_task(starting.__aenter__())
        await asyncio.sleep(0)
        go.set()
        server: Any = await task
        assert await get(server, "/") == 200
        await starting.__aexit__(None, None, None)
    assert app.events == ["ready", "lifespan.startup", "/", "lifespan.shutdown"]


async def test_off_never_calls_the_application_with_a_lifespan() -> None:
    app = Life()
    async with asgiworker.running(app, lifespan="off") as server:
        assert await get(server, "/1") == 200
    assert app.events == ["/1"]


async def test_the_shutdown_runs_when_the_block_raises() -> None:
    app = Life()
    with pytest.raises(ZeroDivisionError):
        async with asgiworker.running(app):
            raise ZeroDivisionError
    assert app.events == ["lifespan.startup", "lifespan.shutdown"]


async def test_what_the_application_does_after_its_last_message_is_done_before_the_server_has_stopped() -> (
    None
):
    events: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTUP_COMPLETE)
        await receive()
        await send(SHUTDOWN_COMPLETE)
        await asyncio.sleep(0.01)
        events.append("closed")

    async with asgiworker.running(app):
        pass
    assert events == ["closed"]
    assert no_lifespan_is_left()


# --- applications without a lifespan ------------------------------------------------------------------------


async def without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Knows HTTP alone, and says so."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


async def without_a_look_at_its_scope(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes everything for HTTP."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


async def returning(scope: Scope, receive: Receive, send: Send) -> None:
    """Has nothing to say to a lifespan."""
    if scope["type"] == "http":
        await without_lifespan(scope, receive, send)


async def raising_on_startup(scope: Scope, receive: Receive, send: Send) -> None:
    """Raises when it is told of the startup, not before."""
    if (await receive())["type"] == "lifespan.startup":
        raise KeyError("lifespan.startup")
    await without_lifespan(scope, receive, send)


@pytest.mark.parametrize("app", [without_lifespan, without_a_look_at_its_scope, returning])
async def test_auto_serves_an_application_that_has_no_lifespan(
    app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with asgiworker.running(app, lifespan="auto") as server:
        assert await get(server) == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert no_lifespan_is_left()


async def test_auto_warns_of_a_startup_that_may_have_failed(caplog: pytest.LogCaptureFixture) -> None:
    async with asgiworker.running(raising_on_startup, lifespan="auto") as server:
        assert await get(server) == 200
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "raised in its startup" in warning.getMessage()
    assert warning.exc_info is not None
    assert warning.exc_info[0] is KeyError
    assert no_lifespan_is_left()


@pytest.mark.parametrize(
    "app", [without_lifespan, without_a_look_at_its_scope, returning, raising_on_startup]
)
async def test_on_demands_a_lifespan(app: Any) -> None:
    with pytest.raises(LifespanFailed):
        async with asgiworker.running(app, lifespan="on"):
            pytest.fail("it started")
    assert no_lifespan_is_left()


# --- startup fails ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["auto", "on"])
async def test_a_failed_startup_stops_the_server_with_the_message_of_the_application(mode: str) -> None:
    app = Life(startup={**STARTUP_FAILED, "message": "no database on host db"})
    with pytest.raises(LifespanFailed, match="no database on host db"):
        async with asgiworker.running(app, lifespan=mode):
            pytest.fail("it started")
    assert "lifespan.shutdown" not in app.events
    assert no_lifespan_is_left()


async def test_a_failed_startup_needs_no_message() -> None:
    with pytest.raises(LifespanFailed, match=r"\w+"):
        async with asgiworker.running(Life(startup=STARTUP_FAILED)):
            pytest.fail("it started")


@pytest.mark.parametrize("mode", ["auto", "on"])
async def test_an_application_that_tries_to_exit_in_its_startup_is_not_started(mode: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise SystemExit("no licence")

    with pytest.raises(LifespanFailed, match="no licence"):
        async with asgiworker.running(app, lifespan=mode):
            pytest.fail("it started")


async def test_on_says_what_the_application_raised_in_its_startup(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("no database")

    with pytest.raises(LifespanFailed, match="ValueError: no database"):
        async with asgiworker.running(app, lifespan="on"):
            pytest.fail("it started")
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.name == "asgiworker.asgi"
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError


async def test_what_the_application_raises_after_a_failed_startup_does_not_hide_its_message() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({**STARTUP_FAILED, "message": "no database"})
        raise ValueError("something else")

    with pytest.raises(LifespanFailed, match="no database"):
        async with asgiworker.running(app):
            pytest.fail("it started")


async def test_a_startup_that_takes_too_long_is_cancelled(until: Until) -> None:
    cancelled = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(LifespanFailed, match=r"startup took longer than 0\.05 s"):
        async with asgiworker.running(app, timeout_startup=0.05):
            pytest.fail("it started")
    assert cancelled.is_set()
    assert no_lifespan_is_left()


async def test_without_a_deadline_a_startup_may_take_its_time() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.sleep(0.05)
        await send(STARTUP_COMPLETE)
        await receive()
        await send(SHUTDOWN_COMPLETE)

    async with asgiworker.running(app, timeout_startup=0):
        pass


async def test_a_startup_that_is_cancelled_from_outside_does_not_go_on_in_the_background() -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def start() -> None:
        async with asgiworker.running(app):
            pytest.fail("it started")

    starting = asyncio.create_task(start())
    await entered.wait()
    starting.cancel()
    await asyncio.wait({starting})
    assert starting.cancelled()
    assert cancelled.is_set()
    assert no_lifespan_is_left()


async def test_a_socket_that_cannot_be_accepted_on_after_the_startup_still_means_a_shutdown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*arguments: Any) -> None:
        raise OSError("no more sockets")

    app = Life()
    monkeypatch.setattr(asgiworker.Server, "_accept", refuse)
    with pytest.raises(OSError, match="no more sockets"):
        async with asgiworker.running(app):
            pytest.fail("it started")
    assert app.events == ["lifespan.startup", "lifespan.shutdown"]


# --- after the startup --------------------------------------------------------------------------------------


async def test_an_application_whose_lifespan_ends_early_is_served_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await without_lifespan(scope, receive, send)
            return
        await receive()
        await send(STARTUP_COMPLETE)

    async with asgiworker.running(app, lifespan="on") as server:
        assert await get(server) == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_an_application_whose_lifespan_raises_after_the_startup_is_served_on_and_it_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await without_lifespan(scope, receive, send)
            return
        await receive()
        await send(STARTUP_COMPLETE)
        raise ValueError("too late")

    async with asgiworker.running(app, lifespan="on") as server:
        assert await get(server) == 200
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[0] is ValueError


# --- shutdown -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["", "the cache could not be written"])
async def test_a_failed_shutdown_is_logged(message: str, caplog: pytest.LogCaptureFixture) -> None:
    app = Life(shutdown={**SHUTDOWN_FAILED, "message": message} if message else SHUTDOWN_FAILED)
    async with asgiworker.running(app):
        pass
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "shutdown failed" in record.getMessage()
    assert message in record.getMessage()
    assert no_lifespan_is_left()


async def test_an_application_that_raises_in_its_shutdown_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTUP_COMPLETE)
        await receive()
        raise ValueError("cannot")

    async with asgiworker.running(app):
        pass
    assert any(record.exc_info and record.exc_info[0] is ValueError for record in caplog.records)


async def test_an_application_that_returns_without_an_answer_to_its_shutdown_has_shut_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTUP_COMPLETE)
        await receive()

    async with asgiworker.running(app):
        pass
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_shutdown_that_takes_too_long_is_cancelled_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cancelled = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTUP_COMPLETE)
        await receive()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with asgiworker.running(app, timeout_shutdown=0.05):
        pass
    assert cancelled.is_set()
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "longer than 0.05 s" in record.getMessage()
    assert no_lifespan_is_left()


async def test_a_shutdown_that_swallows_its_cancellation_does_not_hold_the_server() -> None:
    let_go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTUP_COMPLETE)
        await receive()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                pass

    began = time.monotonic()
    async with asgiworker.running(app, timeout_shutdown=0.05):
        pass
    assert time.monotonic() < began + 5
    let_go.set()
    async with asyncio.timeout(5):
        while not no_lifespan_is_left():  # noqa: ASYNC110
            await asyncio.sleep(0)


# --- misuse -------------------------------------------------------------------------------------------------

MESSAGES = (STARTUP_COMPLETE, STARTUP_FAILED, SHUTDOWN_COMPLETE, SHUTDOWN_FAILED)


def test_the_table_of_transitions_is_the_one_that_these_tests_go_through() -> None:
    assert {kind for _, kind in TRANSITIONS} == {message["type"] for message in MESSAGES}
    assert {state for state, _ in TRANSITIONS} == {State.STARTING, State.STOPPING}


@pytest.mark.parametrize(
    "wrong",
    [
        SHUTDOWN_COMPLETE,
        SHUTDOWN_FAILED,
        {"type": "lifespan.startup"},
        {"type": "lifespan.unheard.of"},
        {"type": "http.response.start", "status": 200},
        {"type": None},
        {},
        None,
        [],
        "lifespan.startup.complete",
    ],
    ids=repr,
)
async def test_a_message_out_of_turn_at_startup_is_an_error_and_changes_nothing(wrong: Any) -> None:
    errors: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await send(wrong)
        except ApplicationError as error:
            errors.append(error)
        await send(STARTUP_COMPLETE)
        await receive()
        await send(SHUTDOWN_COMPLETE)

    async with asgiworker.running(app, lifespan="on"):
        pass
    [error] = errors
    assert "starting" in str(error) or "dict" in str(error)


@pytest.mark.parametrize("wrong", [*MESSAGES, None, {"type": "http.response.start"}], ids=repr)
async def test_a_message_between_startup_and_shutdown_is_an_error(wrong: Any) -> None:
    errors: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTUP_COMPLETE)
        try:
            await send(wrong)
        except ApplicationError as error:
            errors.append(error)
        await receive()
        await send(SHUTDOWN_COMPLETE)

    async with asgiworker.running(app, lifespan="on"):
        pass
    assert len(errors) == 1


@pytest.mark.parametrize("wrong", [STARTUP_COMPLETE, STARTUP_FAILED, None, {"type": "x"}], ids=repr)
async def test_a_message_out_of_turn_at_shutdown_is_an_error_and_changes_nothing(
    wrong: Any, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(STARTUP_COMPLETE)
        await receive()
        try:
            await send(wrong)
        except ApplicationError as error:
            errors.append(error)
        await send(SHUTDOWN_COMPLETE)

    async with asgiworker.running(app, lifespan="on"):
        pass
    assert len(errors) == 1
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("first", [STARTUP_COMPLETE, STARTUP_FAILED], ids=repr)
@pytest.mark.parametrize("second", MESSAGES, ids=repr)
async def test_a_startup_is_answered_once(first: Message, second: Message) -> None:
    errors: list[Exception] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(first)
        try:
            await send(second)
        except ApplicationError as error:
            errors.append(error)

    lifespan = Lifespan(app, "on")
    if first is STARTUP_FAILED:
        with pytest.raises(LifespanFailed):
            await lifespan.startup()
    else:
        await lifespan.startup()
        await lifespan.shutdown()
    assert len(errors) == 1


# --- state --------------------------------------------------------------------------------------------------


async def test_what_the_application_puts_into_its_state_reaches_every_request() -> None:
    found: list[Any] = []
    shared = object()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["shared"] = shared
            await send(STARTUP_COMPLETE)
            await receive()
            found.append(dict(scope["state"]))
            await send(SHUTDOWN_COMPLETE)
            return
        found.append(scope["state"])
        scope["state"]["own"] = scope["path"]
        await without_lifespan(scope, receive, send)

    async with asgiworker.running(app) as server:
        await get(server, "/1")
        await get(server, "/2")
    assert found == [{"shared": shared, "own": "/1"}, {"shared": shared, "own": "/2"}, {"shared": shared}]


async def test_two_servers_of_one_application_have_states_of_their_own() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            assert scope["state"] == {}
            scope["state"]["is"] = "mine"
            await send(STARTUP_COMPLETE)
            await receive()
            await send(SHUTDOWN_COMPLETE)

    async with asgiworker.running(app, lifespan="on"), asgiworker.running(app, lifespan="on"):
        pass
