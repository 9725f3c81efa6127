"""Which transport carries a connection, and that nothing is lost where it is aiofastnet's."""

import asyncio
import logging
import ssl
from typing import Any

import pytest
import trustme

import asgiworker
from asgiworker.process.mistakes import Mistake
from asgiworker.protocols import transport as transports

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"hi"})


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.create_default_context()
    authority.configure_trust(made)
    return made


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(path))
    return {"certfile": str(path)}


async def carried_by(server: asgiworker.Server, context: ssl.SSLContext | None) -> str:
    """The package that the transport of a connection is from; its request must be answered, too."""
    host, _, port = server.url.rpartition("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    writer.write(REQUEST)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
    assert await reader.readexactly(2) == b"hi"
    [connection] = server.service.connections
    package = type(connection.transport).__module__.partition(".")[0]
    writer.close()
    await writer.wait_closed()
    return package


async def test_tls_is_carried_by_aiofastnet_where_it_can_be(
    context: ssl.SSLContext, certificate: dict[str, str]
) -> None:
    async with asgiworker.running(hello, **certificate) as server:
        assert await carried_by(server, context) == "aiofastnet"


async def test_plain_http_is_carried_by_the_loops_own_transport() -> None:
    async with asgiworker.running(hello) as server:
        assert await carried_by(server, None) in ("asyncio", "uvloop")


async def test_plain_http_is_carried_by_aiofastnet_if_asked_for() -> None:
    async with asgiworker.running(hello, transport="aiofastnet") as server:
        assert await carried_by(server, None) == "aiofastnet"


async def test_tls_is_carried_by_the_loop_if_asked_for(
    context: ssl.SSLContext, certificate: dict[str, str]
) -> None:
    async with asgiworker.running(hello, transport="loop", **certificate) as server:
        assert await carried_by(server, context) in ("asyncio", "uvloop")


@pytest.mark.parametrize("choice", ["auto", "aiofastnet"])
async def test_a_context_with_a_callback_is_carried_by_the_loop(
    context: ssl.SSLContext, certificate: dict[str, str], choice: str
) -> None:
    """aiofastnet's connections aren't what the callback is to be given: the process would die of it."""
    asked: list[str | None] = []
    async with asgiworker.running(hello, transport=choice, **certificate) as server:
        assert server.tls is not None
        server.tls.sni_callback = lambda connection, name, own: asked.append(name)
        context.check_hostname = False
        assert await carried_by(server, context) in ("asyncio", "uvloop")
    assert len(asked) == 1


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
async def test_a_client_that_leaves_before_the_handshake_is_done_is_no_error(
    certificate: dict[str, str], sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with asgiworker.running(hello, transport="aiofastnet", **certificate) as server:
        host, _, port = server.url.rpartition("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert server.service.failures == 0


async def test_a_client_that_says_nothing_is_closed_after_the_deadline_of_the_handshake(
    certificate: dict[str, str],
) -> None:
    async with asgiworker.running(
        hello, transport="aiofastnet", timeout_handshake=0.1, **certificate
    ) as server:
        host, _, port = server.url.rpartition("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_other_errors_of_the_loop_go_where_they_went() -> None:
    loop = asyncio.get_running_loop()
    seen: list[str] = []
    loop.set_exception_handler(lambda _, report: seen.append(report["message"]))
    async with asgiworker.running(hello, transport="aiofastnet"):
        loop.call_exception_handler({"message": "one"})
        loop.call_exception_handler({"message": "two", "exception": ConnectionResetError})
        loop.call_exception_handler({"message": "three", "exception": ConnectionResetError()})
    loop.set_exception_handler(None)
    assert seen == ["one", "three"]


async def test_without_aiofastnet_auto_is_the_loop_and_asking_for_it_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, context: ssl.SSLContext, certificate: dict[str, str]
) -> None:
    monkeypatch.setattr(transports, "aiofastnet", None)
    async with asgiworker.running(hello, **certificate) as server:
        assert await carried_by(server, context) in ("asyncio", "uvloop")
    with pytest.raises(Mistake, match="aiofastnet is not installed"):
        async with asgiworker.running(hello, transport="aiofastnet"):
            pass
