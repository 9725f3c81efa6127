"""`http.response.trailers`: fields after the body, for clients that asked for them (RFC 9110 §6.5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgiworker.asgi.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from server.tests.asgi.conftest import Answer, Serve

pytestmark = pytest.mark.every_python

Fields = list[tuple[bytes, bytes]]


def start(*headers: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": list(headers), "trailers": True}


def body(content: bytes, more_body: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more_body}


def trailers(*headers: tuple[bytes, bytes], more_trailers: bool = False) -> Message:
    return {"type": "http.response.trailers", "headers": list(headers), "more_trailers": more_trailers}


def sends(*messages: Message) -> Any:
    """An application that sends these messages."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


async def answer_to(
    serve: Serve, *messages: Message, te: bytes | None = b"trailers", method: str = "GET"
) -> Answer:
    """The answer to a request with `TE`, after which the connection goes on."""
    driver = await serve(sends(*messages))
    if driver.version == "2" and te is not None:  # RFC 9113 §8.2.2: that, or nothing
        tokens = [token.strip().lower() for token in te.split(b",")]
        te = b"trailers" if b"trailers" in tokens else None
    stream = await driver.open(method, headers=[(b"te", te)] if te is not None else [])
    answer = await stream.answer()
    assert await stream.follow("/") is not None
    return answer


SUM = (b"x-sum", b"1")


async def test_trailers_follow_the_body(serve: Serve) -> None:
    answer = await answer_to(serve, start((b"trailer", b"x-sum")), body(b"content"), trailers(SUM))
    assert (answer.status, answer.body, answer.trailers, answer.complete) == (200, b"content", [SUM], True)
    assert answer[b"trailer"] == b"x-sum"


async def test_trailers_come_in_their_order_and_from_several_messages(serve: Serve) -> None:
    answer = await answer_to(
        serve,
        start(),
        body(b"con", more_body=True),
        body(b"tent"),
        trailers((b"x-a", b"1"), (b"x-b", b"2"), more_trailers=True),
        trailers(more_trailers=True),
        trailers((b"x-a", b"3")),
    )
    assert (answer.body, answer.complete) == (b"content", True)
    assert answer.trailers == [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")]


@pytest.mark.parametrize("content", [b"content", b""])
async def test_there_may_be_none_after_all(serve: Serve, content: bytes) -> None:
    answer = await answer_to(serve, start(), body(content), trailers())
    assert (answer.body, answer.trailers, answer.complete) == (content, [], True)


async def test_a_message_without_headers_has_no_trailers(serve: Serve) -> None:
    answer = await answer_to(serve, start(), body(b"content"), {"type": "http.response.trailers"})
    assert (answer.body, answer.trailers, answer.complete) == (b"content", [], True)


@pytest.mark.parametrize(
    "te", [b"trailers", b"Trailers", b"gzip, trailers", b"trailers, deflate;q=0.5", b"gzip;q=1.0,trailers"]
)
async def test_trailers_are_sent_to_a_client_that_takes_them(serve: Serve, te: bytes) -> None:
    assert (await answer_to(serve, start(), body(b"content"), trailers(SUM), te=te)).trailers == [SUM]


@pytest.mark.parametrize("te", [None, b"", b"gzip", b"gzip;q=0.5, deflate", b"no-trailers", b"trailers-too"])
async def test_trailers_are_kept_from_a_client_that_did_not_ask(serve: Serve, te: bytes | None) -> None:
    answer = await answer_to(serve, start(), body(b"content"), trailers(SUM), te=te)
    assert (answer.body, answer.trailers, answer.complete) == (b"content", [], True)


@pytest.mark.parametrize(
    "name", [b"content-length", b"Content-Length", b"transfer-encoding", b"connection", b"keep-alive"]
)
async def test_a_trailer_that_would_frame_the_message_is_dropped(serve: Serve, name: bytes) -> None:
    answer = await answer_to(serve, start(), body(b"content"), trailers((name, b"5"), SUM))
    assert (answer.body, answer.trailers, answer.complete) == (b"content", [SUM], True)


async def test_a_response_to_head_has_no_trailers(serve: Serve) -> None:
    answer = await answer_to(serve, start(), body(b"content"), trailers(SUM), method="HEAD")
    assert (answer.status, answer.body, answer.trailers, answer.complete) == (200, b"", [], True)


async def test_a_body_with_a_content_length_is_complete_with_or_without_its_trailers(serve: Serve) -> None:
    answer = await answer_to(serve, start((b"content-length", b"7")), body(b"content"), trailers(SUM))
    assert (answer.body, answer.complete) == (b"content", True)
    assert answer.trailers in ([], [SUM])  # HTTP/1.1 has no place for them


async def test_a_client_of_http_1_0_gets_the_body_alone(serve: Serve, connect: Any) -> None:
    driver = await serve(sends(start(), body(b"content"), trailers(SUM)))
    client = await connect(driver.server.url)
    await client.send(b"GET / HTTP/1.0\r\nte: trailers\r\n\r\n")
    assert (await client.rest()).partition(b"\r\n\r\n")[2] == b"content"
