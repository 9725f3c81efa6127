"""What all connections of a process share: the clock, the common fields, the scopes' templates, the sweep."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest

from asgiworker.process.settings import Settings
from asgiworker.protocols.service import NEVER, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgiworker.asgi.types import Receive, Scope, Send
    from server.tests.protocols.conftest import Application, Mirror, OpenWire

pytestmark = pytest.mark.every_python

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that is never called."""
    raise AssertionError


def service_of(**settings: Any) -> Service:
    """A service with these settings."""
    return Service(nothing, Settings(**settings), asyncio.get_running_loop())


# --- the fields of every response ---------------------------------------------------------------------------


async def test_the_common_fields_are_date_and_server():
    service = service_of()
    date, server, rest = service.common_fields.split(b"\r\n")
    assert parsedate_to_datetime(date.removeprefix(b"date: ").decode()).tzinfo is not None
    assert date.endswith(b" GMT")
    assert (server, rest) == (b"server: asgiworker", b"")


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"date_header": False}, [b"server"]),
        ({"server_header": False}, [b"date"]),
        ({"date_header": False, "server_header": False}, []),
        ({"headers": (("X-A", "1"), ("X-B", "2"))}, [b"x-a", b"x-b", b"date", b"server"]),
        ({"headers": (("Server", "teapot"),)}, [b"server", b"date"]),
        ({"headers": (("Server", "teapot"),), "server_header": False}, [b"server", b"date"]),
    ],
)
async def test_the_common_fields_follow_the_settings(settings: dict[str, Any], names: list[bytes]):
    lines = service_of(**settings).common_fields.split(b"\r\n")
    assert [line.partition(b":")[0] for line in lines if line] == names


async def test_the_common_fields_can_be_had_without_those_that_the_application_set():
    service = service_of(headers=(("X-A", "1"), ("X-B", "2")))
    assert service.fields_without({b"date", b"x-a", b"x-c"}) == b"x-b: 2\r\nserver: asgiworker\r\n"


async def test_the_date_is_that_of_the_last_tick(monkeypatch: pytest.MonkeyPatch):
    service = service_of()
    monkeypatch.setattr("asgiworker.protocols.service.time.time", lambda: 784111777.0)
    assert b"1994" not in service.common_fields
    service.tick()
    assert b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n" in service.common_fields


# --- the clock and the sweep --------------------------------------------------------------------------------


async def test_a_deadline_counts_from_the_last_tick_and_zero_is_none():
    service = service_of()
    assert service.deadline(5) == service.now + 5
    assert service.deadline(0) == NEVER


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({}, 1.0),
        ({"keepalive": 2}, 0.5),
        ({"timeout_head": 0.2, "keepalive": 0}, 0.05),
        ({"timeout_stall": 0.001}, 0.02),
        (
            dict.fromkeys(
                (
                    *("timeout_first_byte", "timeout_head", "timeout_body"),
                    *("timeout_stall", "keepalive", "timeout_handshake"),
                ),
                0,
            ),
            1.0,
        ),
    ],
)
async def test_the_sweep_comes_four_times_in_the_shortest_deadline(
    settings: dict[str, float], seconds: float
):
    assert service_of(**settings).tick_interval() == pytest.approx(seconds)


async def test_the_sweep_looks_only_at_connections_whose_deadline_has_passed(
    open_wire: OpenWire, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
):
    service = open_wire.service(mirror, timeout_first_byte=5, timeout_head=9)
    silent, begun = open_wire(service), open_wire(service)
    await begun.send(b"GET")
    start = service.loop.time()
    monkeypatch.setattr(service, "loop", Clock(service.loop, start + 6))
    service.tick()
    await silent.settle()
    assert silent.lost
    assert not begun.closing
    service.loop.now = start + 10  # type: ignore[attr-defined]
    service.tick()
    await begun.settle()
    assert begun.responses()[0].status == 408


class Clock:
    """A loop whose clock shows what it is told to."""

    def __init__(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        self.loop = loop
        self.now = now

    def time(self) -> float:
        """The time."""
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loop, name)


def broken(*arguments: object) -> None:
    """Raises where nothing should."""
    raise AttributeError("broken")


async def test_what_breaks_in_the_sweep_ends_one_connection(
    open_wire: OpenWire, mirror: Mirror, caplog: pytest.LogCaptureFixture
):
    service = open_wire.service(mirror)
    wires = [open_wire(service) for _ in range(3)]
    for wire in wires:
        wire.connection.deadline = service.now
    wires[1].close = broken  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR, "asgiworker.server"):
        service.tick()
    await wires[0].settle()
    assert [wire.lost for wire in wires] == [True, True, True]
    assert service.failures == 1
    service.failures = 0  # it was asked for


# --- scopes -------------------------------------------------------------------------------------------------


async def test_what_an_application_may_change_in_its_scope_is_its_own(open_wire: OpenWire, mirror: Mirror):
    service = open_wire.service(mirror)
    wires = [open_wire(service), open_wire(service)]
    for wire in wires:
        await wire.send(GET + GET)
    scopes = [seen.scope for seen in mirror.seen]
    assert all(scope == scopes[0] for scope in scopes)
    for name in ("asgi", "headers", "state", "extensions"):
        assert len({id(scope[name]) for scope in scopes}) == len(scopes)
    assert len({id(scope) for scope in scopes}) == len(scopes)


async def test_the_keys_of_a_scope_are_those_of_the_specification(open_wire: OpenWire, mirror: Mirror):
    await open_wire(mirror).send(GET)
    assert sorted(mirror.seen[0].scope) == sorted(
        (
            *("type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string"),
            *("root_path", "headers", "client", "server", "state", "extensions"),
        )
    )


async def test_each_request_has_a_shallow_copy_of_the_lifespans_state(open_wire: OpenWire):
    shared: list[str] = []
    seen: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["state"]))
        scope["state"]["own"] = scope["path"]
        scope["state"]["shared"].append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    service = open_wire.service(app)
    service.state["shared"] = shared
    wire = open_wire(service)
    await wire.send(GET, GET)
    assert seen == [{"shared": shared}, {"shared": shared}]
    assert shared == ["/", "/"]
    assert service.state == {"shared": shared}


async def test_a_request_sees_what_was_set_in_the_context_of_the_service():
    variable = contextvars.ContextVar[str]("variable")
    variable.set("set before")
    service = service_of()
    seen: list[str] = []

    async def look() -> None:
        seen.append(variable.get())
        variable.set("changed")

    for _ in range(2):
        await service.start(look(), context=service.context.copy())
    assert seen == ["set before"] * 2
    assert variable.get() == "set before"


async def test_an_application_that_never_waits_costs_no_turn_of_the_loop_where_python_can_do_that():
    service = service_of()
    ran: list[None] = []

    async def at_once() -> None:
        ran.append(None)

    task = service.start(at_once(), context=service.context.copy())
    assert len(ran) == (sys.version_info >= (3, 12))
    await task
    assert len(ran) == 1


# --- limits -------------------------------------------------------------------------------------------------


async def test_the_number_of_requests_may_be_bounded(answer: Callable[..., Application], open_wire: OpenWire):
    told: list[None] = []
    service = Service(
        answer(b"fine"),
        Settings(),
        asyncio.get_running_loop(),
        max_requests=2,
        exhausted=lambda: told.append(None),
    )
    wire = open_wire(service)
    await wire.send(GET)
    assert told == []
    await wire.send(GET, GET)
    assert told == [None]


async def test_without_a_bound_requests_are_not_counted_out(
    answer: Callable[..., Application], open_wire: OpenWire
):
    service = open_wire.service(answer(b"fine"))
    assert service.requests_left == NEVER
    await open_wire(service).send(GET)
    assert service.requests_left == NEVER


async def test_draining_is_for_good(open_wire: OpenWire, mirror: Mirror):
    service = open_wire.service(mirror)
    before = open_wire(service)
    service.drain()
    after = open_wire(service)
    for wire in (before, after):
        await wire.send(GET)
        assert wire.responses()[0].closes
        assert wire.ended
