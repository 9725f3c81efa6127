"""Answers as msgpack, for clients that ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from asgistar import App, Created, NotFound, Response, Route, Struct

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


class Note(Struct):
    title: str


class Secret(Note):
    password: str = "1234"


async def plain() -> dict[str, int]:
    return {"a": 1}


async def created(other: bool = False) -> Created[Note]:
    return Secret("a") if other else Note("a")


async def anything(missing: bool = False, response: bool = False):  # type: ignore[no-untyped-def]
    if missing:
        raise NotFound
    return Response(b"x") if response else [1]


JSON, PACKED = "application/json", "application/msgpack"


@pytest.mark.parametrize(
    ("accept", "type"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/msgpack", PACKED),
        ("APPLICATION/MSGPACK", PACKED),
        ("application/x-msgpack", "application/x-msgpack"),
        ("application/vnd.msgpack;q=0.5", "application/vnd.msgpack"),
        ("application/vnd.msgpack;q=0.5, application/msgpack", PACKED),
        ("application/json, application/msgpack", PACKED),
        ("application/msgpack, */*", PACKED),
        ("application/msgpack;q=0.5, application/json", JSON),
        ("application/msgpack;q=0.5, application/json;q=0.1", PACKED),
        ("application/msgpack;q=0.5, application/*", JSON),
        ("application/msgpack;q=0.5, application/json;q=0.4, */*", PACKED),
        ("application/msgpack;q=0", JSON),
        ("application/msgpack;q=x, */*", JSON),
        ("text/html, application/msgpackish", JSON),
    ],
)
async def test_the_client_says_which(accept: str | None, type: str, client: Connect) -> None:
    ask = client(Route("/", "GET", plain, msgpack=True))
    answer = await ask.get("/", headers={} if accept is None else {"accept": accept})
    assert (answer.headers["content-type"], answer.headers["vary"]) == (type, "accept")
    decode = msgspec.json.decode if type == JSON else msgspec.msgpack.decode
    assert decode(answer.body) == {"a": 1}
    assert answer.headers["content-length"] == str(len(answer.body))


async def test_every_way_of_returning_knows_it(client: Connect) -> None:
    ask = client([Route("/", {"POST": created, "GET": anything})], msgpack=True)
    headers = {"accept": PACKED}
    for target in ("/", "/?other=true"):
        answer = await ask.post(target, headers=headers)
        assert (answer.status, answer.headers["content-type"]) == (201, PACKED)
        assert msgspec.msgpack.decode(answer.body) == {"title": "a"}
    assert msgspec.msgpack.decode((await ask.get("/", headers=headers)).body) == [1]
    assert (await ask.get("/?response=true", headers=headers)).body == b"x"
    missing = await ask.get("/?missing=true", headers=headers)
    assert missing.headers["content-type"] == "application/problem+json"


async def test_it_must_be_switched_on(client: Connect) -> None:
    ask = client(Route("/", "GET", plain))
    answer = await ask.get("/", headers={"accept": PACKED})
    assert answer.json == {"a": 1}
    assert "vary" not in answer.headers


def test_the_source_of_a_view_with_both() -> None:
    (endpoint,) = App([Route("/", "GET", plain, msgpack=True)]).router.endpoints
    assert endpoint.handlers["GET"].text == (
        "async def plan_of_plain(scope, receive, send, values):\n"
        "    result = await view()\n"
        '    encode, media = negotiated(scope["headers"], to_json)\n'
        "    if type(result) not in KINDS:\n"
        "        return reply(result, encode, media)\n"
        "    try:\n"
        "        content = encode(result)\n"
        "    except (TypeError, ValueError):\n"
        "        return reply(result, encode, media)\n"
        '    return 200, [*media, (b"content-length", b"%d" % len(content))], content\n'
    )
