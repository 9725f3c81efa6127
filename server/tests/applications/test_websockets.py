"""WebSockets of every framework: one table of behaviour for all of them, and where they differ from it.

Each serves `/socket/<name>`, in the way of its framework; see `apps`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

if TYPE_CHECKING:
    from server.tests.applications.conftest import Serve, Served

pytestmark = pytest.mark.every_python

DEADLINE = 30.0


class Application(NamedTuple):
    """An application and how it differs from the others."""

    name: str
    app: str
    options: tuple[str, ...] = ()
    command: str = "asgiworker"
    closes: tuple[int, str] = (4000, "as you wish")
    unknown: int = 403  # the status for a path that has no WebSocket
    broken: int = 1011  # the code after an exception
    trouble: tuple[str, ...] = ()  # what its framework does wrong, in words of the log


APPLICATIONS = [
    Application("plain ASGI", "plain_asgi:app"),
    Application("Starlette", "starlette_app:app"),
    Application("FastAPI", "fastapi_app:app"),
    Application("Channels", "django_app:app", unknown=500, trouble=("ValueError: No route found for path",)),
    Application("Quart", "quart_app:app", unknown=404, broken=1000),
    Application("Litestar", "litestar_app:app", broken=4500),
    Application(
        "Sanic",
        "sanic_app:app",
        closes=(1000, ""),
        unknown=500,
        broken=1000,
        trouble=("unexpected ASGI message 'http.response.start'",),  # it answers WebSockets as it does HTTP
    ),
    Application("Starlette", "starlette_app:app", ("--loop", "asyncio")),
    Application("FastAPI", "fastapi_app:app", ("--cancel-on-disconnect",)),
    Application("plain ASGI", "plain_asgi:app", ("-k", "asgiworker.ASGIWorker"), command="gunicorn"),
]


@pytest.fixture(
    scope="module", params=APPLICATIONS, ids=lambda case: " ".join((case.command, case.name, *case.options))
)
def application(request: pytest.FixtureRequest) -> Application:
    case: Application = request.param
    return case


@pytest.fixture(scope="module")
def server(application: Application, serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Served:
    database = str(tmp_path_factory.mktemp("database") / "db.sqlite3")
    return serve(application.app, *application.options, command=application.command, DATABASE=database)


@contextmanager
def opened(server: Served, path: str = "/socket/Ada", **options: object) -> Iterator[ClientConnection]:
    """A WebSocket that has greeted."""
    url = server.url.replace("http", "ws", 1) + path
    with connect(url, proxy=None, **options) as client:  # type: ignore[arg-type]
        assert client.recv(DEADLINE) == "Hello, Ada!"
        yield client


def test_messages_come_back_as_they_were_sent(server: Served) -> None:
    with opened(server) as client:
        for message in ("Grüße 🎈", b"\x00\xff", "x" * 100_000, bytes(1_000_000), ["in ", "three ", "parts"]):
            client.send(message)
            expected = "".join(message) if isinstance(message, list) else message
            assert client.recv(DEADLINE) == expected


def test_a_subprotocol_is_agreed_on(server: Served) -> None:
    with opened(server, subprotocols=["superchat", "chat"]) as client:
        assert client.subprotocol == "chat"
    with opened(server) as client:
        assert client.subprotocol is None


def test_an_unknown_path_is_refused(server: Served, application: Application) -> None:
    with pytest.raises(InvalidStatus) as refused, opened(server, "/nowhere"):
        pass
    assert refused.value.response.status_code == application.unknown
    for trouble in application.trouble:
        server.reports(trouble)


def test_an_application_closes_with_its_code_and_reason(server: Served, application: Application) -> None:
    with opened(server) as client:
        client.send("close")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(DEADLINE)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == application.closes


def test_an_exception_closes_and_is_reported_once(server: Served, application: Application) -> None:
    with opened(server) as client:
        client.send("break")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(DEADLINE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == application.broken
    server.reports("RuntimeError: broken on purpose")
    with opened(server):  # and the next is welcome
        pass


@pytest.mark.parametrize("leave", ["closes", "breaks off"])
def test_an_application_notices_that_its_client_has_left(server: Served, leave: str) -> None:
    with httpx.Client(base_url=server.url, timeout=DEADLINE) as client, opened(server) as socket:
        if leave == "closes":
            socket.close(3000, "bye")
        else:
            socket.socket.close()
        assert client.get("/departure").text == "noticed\n"


def test_a_hundred_talk_at_once(server: Served) -> None:
    url = server.url.replace("http", "ws", 1)
    clients = [connect(f"{url}/socket/{number}", proxy=None, legacy=True) for number in range(100)]
    for number, client in enumerate(clients):
        assert client.recv(DEADLINE) == f"Hello, {number}!"
        client.send(str(number))
    for number, client in enumerate(clients):
        assert client.recv(DEADLINE) == str(number)
        client.close()


def test_a_stop_closes_with_1012(
    serve: Serve, application: Application, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = str(tmp_path_factory.mktemp("database") / "db.sqlite3")
    server = serve(application.app, *application.options, command=application.command, DATABASE=database)
    with opened(server) as client:
        assert server.end() == 0
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(DEADLINE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert "Cancelling" not in server.output
