"""`http.response.early_hint`: 103 responses before the final one (RFC 8297)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from asgiworker.asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.asgi.conftest import Answer, Serve

pytestmark = pytest.mark.every_python

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]}
STYLE = b"</style.css>; rel=preload; as=style"
SCRIPT = b"</script.js>; rel=preload; as=script"


def hint(*links: bytes) -> Message:
    return {"type": "http.response.early_hint", "links": list(links)}


def body(content: bytes, more_body: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more_body}


def sends(*messages: Message) -> Any:
    """An application that sends these messages."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


async def answer_to(serve: Serve, *messages: Message, method: str = "GET") -> Answer:
    """The answer to a request, after which the connection goes on."""
    driver = await serve(sends(*messages))
    stream = await driver.open(method)
    answer = await stream.answer()
    following = await stream.follow("/")
    assert following is not None
    assert following.complete
    return answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_hint_comes_before_the_response(serve: Serve, method: str) -> None:
    answer = await answer_to(serve, hint(STYLE), START, body(b"ok"), method=method)
    assert answer.hints == [[STYLE]]
    assert (answer.status, answer[b"x"], answer[b"link"], answer.complete) == (200, b"y", None, True)
    assert answer.body == (b"" if method == "HEAD" else b"ok")


async def test_a_hint_may_be_sent_after_the_response_was_started(serve: Serve) -> None:
    answer = await answer_to(serve, START, hint(STYLE), body(b"ok"))
    assert (answer.hints, answer.status, answer.body) == ([[STYLE]], 200, b"ok")


async def test_hints_may_be_sent_several_times_and_have_several_links(serve: Serve) -> None:
    answer = await answer_to(serve, hint(STYLE, SCRIPT), hint(SCRIPT), START, hint(STYLE), body(b"ok"))
    assert answer.hints == [[STYLE, SCRIPT], [SCRIPT], [STYLE]]
    assert (answer.status, answer.body) == (200, b"ok")


async def test_links_may_be_any_iterable(serve: Serve) -> None:
    driver = await serve(
        sends({"type": "http.response.early_hint", "links": (STYLE, SCRIPT)}, START, body(b"ok"))
    )
    assert (await driver.request()).hints == [[STYLE, SCRIPT]]


async def test_a_hint_without_links_is_none(serve: Serve) -> None:
    answer = await answer_to(serve, hint(), {"type": "http.response.early_hint"}, START, body(b"ok"))
    assert (answer.hints, answer.status) == ([], 200)


async def test_a_hint_is_sent_while_the_application_still_works_on_its_response(serve: Serve) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(hint(STYLE))
        await go.wait()
        await send(START)
        await send(body(b"ok"))

    driver = await serve(app)
    stream = await driver.open()
    assert await stream.hint() == [STYLE]
    go.set()
    assert (await stream.answer()).body == b"ok"


async def test_a_hint_that_comes_after_the_head_was_sent_is_dropped(serve: Serve) -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"o", more_body=True))
        await go.wait()
        await send(hint(STYLE))
        await send(body(b"k"))

    driver = await serve(app)
    stream = await driver.open()
    await stream.head()
    go.set()
    answer = await stream.answer()
    assert (answer.hints, answer.body, answer.complete) == ([], b"ok", True)


async def test_an_application_that_breaks_after_its_hints_is_a_server_error(serve: Serve) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(hint(STYLE))
        raise ValueError

    driver = await serve(app)
    answer = await driver.request()
    assert (answer.hints, answer.status, answer.complete) == ([[STYLE]], 500, True)


async def test_a_client_of_http_1_0_gets_no_hints(serve: Serve, connect: Any) -> None:
    driver = await serve(sends(hint(STYLE), START, hint(SCRIPT), body(b"ok")))
    client = await connect(driver.server.url)
    await client.send(b"GET / HTTP/1.0\r\n\r\n")
    received = await client.rest()
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert STYLE not in received
    assert SCRIPT not in received
