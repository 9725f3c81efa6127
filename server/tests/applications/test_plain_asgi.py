"""ASGI without a framework: connections, and uploads that nobody reads."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from server.tests.applications.conftest import Curl, Serve, Served

pytestmark = pytest.mark.every_python


@pytest.fixture(scope="module")
def server(serve: Serve) -> Served:
    return serve("plain_asgi:app")


def test_a_client_keeps_its_connection(client: httpx.Client) -> None:
    assert len({client.get("/client").text for _ in range(20)}) == 1


async def test_a_pool_of_connections_is_used_again(server: Served) -> None:
    limits = httpx.Limits(max_connections=5)
    async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=30) as client:
        for _ in range(3):
            answers = await asyncio.gather(*(client.get("/client") for _ in range(20)))
            ports = {answer.text for answer in answers}
            assert len(ports) <= 5


def test_a_client_of_http_1_0_may_keep_its_connection_too(server: Served, curl: Curl) -> None:
    options = ("--http1.0", "--header", "Connection: keep-alive", f"{server.url}/client")
    done = curl(*options, "--next", "--silent", "--verbose", *options)
    assert done.statuses == [200, 200]
    assert done.fields("connection") == ["keep-alive", "keep-alive"]
    assert "Re-using existing connection" in done.trace


def test_an_upload_that_nobody_reads_is_not_asked_for(server: Served, curl: Curl) -> None:
    done = curl(
        *("--data-binary", "@-", "--header", "Expect: 100-continue", "--expect100-timeout", "20"),
        f"{server.url}/",
        stdin=b"x" * 10_000_000,
    )
    assert (done.statuses, done.body) == ([200], b"Hello from plain ASGI!\n")


def test_an_upload_that_nobody_reads_can_still_be_answered(server: Served, curl: Curl) -> None:
    done = curl("--data-binary", "@-", "--header", "Expect:", f"{server.url}/", stdin=b"x" * 100_000)
    assert (done.status, done.body) == (200, b"Hello from plain ASGI!\n")


def test_a_unix_socket_serves_the_same(serve: Serve, curl: Curl, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    serve("plain_asgi:app", "--bind", f"unix:{path}")
    done = curl("--unix-socket", path, "http://localhost/client")
    assert done.body == b"somebody on this machine"
