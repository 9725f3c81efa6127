"""Applications of WSGI at a path: the whole of PEP 3333's way through an application of ASGI, on a server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import asgiworker
from asgistar import App, ConfigurationError, Mount, Route
from asgistar.wsgi import wsgi

Start = Callable[..., Any]


def old(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """Tells what it was given."""
    if environ["PATH_INFO"] == "/broken":
        raise ZeroDivisionError
    body = environ["wsgi.input"].read()
    told = [environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]]
    told += [str(len(body)), environ.get("HTTP_X_REAL_IP", "none")]
    start("201 Created", [("Content-Type", "text/plain; charset=utf-8"), ("X-Old", "yes")])
    return [" ".join(told).encode("latin-1")]


def counts(environ: dict[str, Any], start: Start) -> Iterator[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    for number in range(1000):
        yield b"%03d\n" % number


async def new() -> str:
    return "new"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = App(
        [Mount("/old", wsgi(old)), Mount("/counts", wsgi(counts, threads=1)), Route("/new", "GET", new)]
    )
    async with (
        asgiworker.running(app, lifespan="on", graceful_timeout=1) as server,
        httpx.AsyncClient(base_url=server.url, timeout=10) as client,
    ):
        yield client


async def test_it_finds_itself_where_it_is_mounted(http: httpx.AsyncClient) -> None:
    answer = await http.post("/old/a%20b/c?d=e", content=b"x" * 100_000)
    assert answer.status_code == 201
    assert answer.headers["x-old"] == "yes"
    assert answer.text == "/old /a b/c d=e 100000 none"
    assert (await http.get("/old")).text == "/old   0 none"
    assert (await http.get("/new")).json() == "new"


async def test_it_may_answer_piece_by_piece(http: httpx.AsyncClient) -> None:
    assert (await http.get("/counts/")).text.splitlines()[-1] == "999"


async def test_an_error_in_it_is_500_and_no_more(http: httpx.AsyncClient) -> None:
    assert (await http.get("/old/broken")).status_code == 500
    assert (await http.get("/old/")).status_code == 201


async def test_a_header_with_an_underscore_is_not_one_with_a_hyphen(
    http: httpx.AsyncClient,
) -> None:
    assert (await http.get("/old/", headers={"x_real_ip": "6.6.6.6"})).text.endswith("none")
    assert (await http.get("/old/", headers={"x-real-ip": "10.0.0.1"})).text.endswith("10.0.0.1")


async def test_a_websocket_is_refused(http: httpx.AsyncClient) -> None:
    with pytest.raises(InvalidStatus) as info:
        await connect(str(http.base_url).replace("http", "ws") + "/old/")
    assert info.value.response.status_code == 403


async def test_it_lives_again_after_its_end() -> None:
    app = App([Mount("/old", wsgi(old))])
    for _ in range(2):
        async with (
            asgiworker.running(app, lifespan="on", graceful_timeout=1) as server,
            httpx.AsyncClient(base_url=server.url, timeout=10) as client,
        ):
            assert (await client.get("/old/")).status_code == 201


def test_what_cannot_be_called_is_no_application() -> None:
    with pytest.raises(ConfigurationError, match="7 is no application of WSGI"):
        wsgi(7)  # type: ignore[arg-type]
