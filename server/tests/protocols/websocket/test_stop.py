"""A stop with WebSockets open: both ends are told, then the rules of every stop hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from asgiworker.asgi.errors import ApplicationError, ClientDisconnected

if TYPE_CHECKING:
    from server.tests.protocols.websocket.conftest import Application, Meet, Serve

PROMPT = 3.0  # seconds: far less than the deadline of a stop that isn't hurried


async def test_both_ends_are_told_that_the_server_stops(serve: Serve, application: Application) -> None:
    served = await serve(application, graceful_timeout=30)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.accept()
    await peer.answer()
    waiting = asyncio.ensure_future(call.receive())
    stopping = asyncio.ensure_future(served.server.stop())
    assert (await peer.closed())[0] == 1012
    message = await waiting
    assert (message["type"], message["code"]) == ("websocket.disconnect", 1012)
    with pytest.raises((ClientDisconnected, ApplicationError)):
        await call.send("send", text="too late")
    await peer.close(1012)
    assert await peer.ended()
    await call.returns()
    await peer.leave()
    await asyncio.wait_for(stopping, PROMPT)


async def test_the_application_may_clean_up_before_it_returns(serve: Serve, application: Application) -> None:
    served = await serve(application, graceful_timeout=30)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.accept()
    stopping = asyncio.ensure_future(served.server.stop())
    assert (await call.receive())["code"] == 1012
    done, _ = await asyncio.wait([stopping], timeout=0.3)
    assert not done, "the server didn't wait for it"
    assert not call.cancelled
    await peer.close(1012)
    await call.returns()
    await peer.leave()
    await asyncio.wait_for(stopping, PROMPT)


async def test_a_peer_that_does_not_answer_the_close_holds_nothing_up(
    serve: Serve, application: Application
) -> None:
    served = await serve(application, graceful_timeout=30, ws_close_timeout=0.2)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.accept()
    stopping = asyncio.ensure_future(served.server.stop())
    assert (await call.receive())["code"] == 1012
    await call.returns()
    await peer.leave()
    await asyncio.wait_for(stopping, PROMPT)


async def test_an_application_that_does_not_end_is_cancelled(serve: Serve, application: Application) -> None:
    served = await serve(application, graceful_timeout=0.3)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.accept()
    stopping = asyncio.ensure_future(served.server.stop())
    await peer.answer()
    assert (await peer.closed())[0] == 1012
    await asyncio.wait_for(stopping, PROMPT)
    assert call.cancelled


async def test_a_handshake_that_waits_for_its_answer_is_still_answered(
    serve: Serve, application: Application
) -> None:
    served = await serve(application, graceful_timeout=30)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.receive()
    stopping = asyncio.ensure_future(served.server.stop())
    done, _ = await asyncio.wait([stopping], timeout=0.2)
    assert not done
    await call.send("close")
    assert (await peer.answer())[0] == 403
    await call.returns()
    await peer.leave()
    await asyncio.wait_for(stopping, PROMPT)


async def test_one_that_is_accepted_meanwhile_is_closed_with_1012_as_well(
    serve: Serve, application: Application
) -> None:
    served = await serve(application, graceful_timeout=30)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.receive()
    stopping = asyncio.ensure_future(served.server.stop())
    await asyncio.wait([stopping], timeout=0.2)
    await call.send("accept")
    assert (await peer.answer())[0] == 101
    assert (await peer.closed())[0] == 1012
    assert (await call.receive())["code"] == 1012
    await peer.close(1012)
    await call.returns()
    await peer.leave()
    await asyncio.wait_for(stopping, PROMPT)


async def test_one_that_is_closing_anyway_finishes(
    meet: Meet, application: Application, serve: Serve
) -> None:
    served = await serve(application, graceful_timeout=30)
    peer = await served.connect()
    await peer.send(peer.request())
    call = await application.call()
    await call.accept()
    await peer.answer()
    await call.send("close", code=4321)
    stopping = asyncio.ensure_future(served.server.stop())
    assert (await peer.closed())[0] == 4321
    await peer.close(4321)
    assert await peer.ended()
    await call.returns()
    await peer.leave()
    await asyncio.wait_for(stopping, PROMPT)
