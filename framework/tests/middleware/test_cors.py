"""CORS, by the Fetch Standard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgistar import ConfigurationError
from asgistar.middleware import cors

if TYPE_CHECKING:
    from framework.tests.middleware.conftest import Ask, Says

HERE = "https://here.example"
ELSEWHERE = "https://elsewhere.example"
ONLY_HERE = cors(origins=[HERE])


async def test_a_named_origin_may_read(ask: Ask) -> None:
    answer = await ask(ONLY_HERE, origin=HERE)
    assert answer.headers["access-control-allow-origin"] == HERE
    assert answer.headers["vary"] == "Origin"
    assert answer.body == b"hello"


async def test_another_origin_gets_the_answer_but_no_leave_to_read_it(ask: Ask) -> None:
    answer = await ask(ONLY_HERE, origin=ELSEWHERE)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "Origin"
    assert answer.status == 200


async def test_caches_are_told_even_if_nobody_asked_across_origins(ask: Ask) -> None:
    answer = await ask(ONLY_HERE)
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-origin" not in answer.headers


async def test_all_origins(ask: Ask) -> None:
    answer = await ask(cors(origins="*"), origin=ELSEWHERE)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "vary" not in answer.headers


async def test_vary_of_the_application_is_kept(ask: Ask, says: type[Says]) -> None:
    app = says(headers={"vary": "Accept, origin"})
    assert (await ask(ONLY_HERE, app, origin=HERE)).headers["vary"] == "Accept, origin"
    app = says(headers={"vary": "*"})
    assert (await ask(ONLY_HERE, app, origin=HERE)).headers["vary"] == "*"


async def test_what_the_application_says_itself_counts(ask: Ask, says: type[Says]) -> None:
    app = says(headers={"access-control-allow-origin": "https://own.example"})
    answer = await ask(ONLY_HERE, app, origin=HERE)
    assert answer.headers["access-control-allow-origin"] == "https://own.example"


async def test_a_pattern_must_match_the_whole_origin(ask: Ask) -> None:
    middleware = cors(origin_pattern=r"https://[a-z]+\.here\.example")
    good = await ask(middleware, origin="https://app.here.example")
    assert good.headers["access-control-allow-origin"] == "https://app.here.example"
    bad = await ask(middleware, origin="https://app.here.example.evil.example")
    assert "access-control-allow-origin" not in bad.headers


async def test_credentials_and_exposed_headers(ask: Ask) -> None:
    middleware = cors(origins=[HERE], credentials=True, expose=["X-Total"])
    answer = await ask(middleware, origin=HERE)
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"] == "X-Total"


PREFLIGHT = {"origin": HERE, "access_control_request_method": "PUT"}


async def test_a_preflight_is_answered_without_the_application(ask: Ask) -> None:
    answer = await ask(ONLY_HERE, method="OPTIONS", **PREFLIGHT)
    assert answer.status == 204
    assert answer.scope == {}
    assert answer.headers["access-control-allow-origin"] == HERE
    assert "PUT" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-max-age"] == "600"
    assert answer.headers["vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    assert "access-control-allow-headers" not in answer.headers


async def test_a_preflight_asks_for_headers(ask: Ask) -> None:
    asked = "Content-Type, x-token"
    answer = await ask(ONLY_HERE, method="OPTIONS", access_control_request_headers=asked, **PREFLIGHT)
    assert answer.headers["access-control-allow-headers"] == "content-type, x-token"


@pytest.mark.parametrize(
    ("options", "fields", "reason"),
    [
        ({}, {"origin": ELSEWHERE}, "The origin https://elsewhere.example may not"),
        ({"methods": ["GET"]}, {}, "The method PUT is not"),
        ({"headers": ["x-a"]}, {"access_control_request_headers": "X-A,x-b"}, "The header x-b is not"),
    ],
)
async def test_a_preflight_is_refused(ask: Ask, options: Any, fields: Any, reason: str) -> None:
    answer = await ask(cors(origins=[HERE], **options), method="OPTIONS", **{**PREFLIGHT, **fields})
    assert answer.status == 403
    assert reason in answer.body.decode()
    assert "access-control-allow-origin" not in answer.headers


async def test_harmless_headers_are_always_allowed(ask: Ask) -> None:
    middleware = cors(origins=[HERE], headers=["x-a"])
    asked = "accept,content-type,x-a"
    answer = await ask(middleware, method="OPTIONS", access_control_request_headers=asked, **PREFLIGHT)
    assert answer.status == 204


async def test_names_that_are_none_are_not_repeated(ask: Ask) -> None:
    asked = 'x-a, b"c'
    answer = await ask(ONLY_HERE, method="OPTIONS", access_control_request_headers=asked, **PREFLIGHT)
    assert "access-control-allow-headers" not in answer.headers


async def test_a_private_network_is_opened_on_request_only(ask: Ask) -> None:
    asked = {**PREFLIGHT, "access_control_request_private_network": "true"}
    closed = await ask(ONLY_HERE, method="OPTIONS", **asked)
    assert "access-control-allow-private-network" not in closed.headers
    opened = await ask(
        cors(origins=[HERE], private_network=True, credentials=True), method="OPTIONS", **asked
    )
    assert opened.headers["access-control-allow-private-network"] == "true"
    assert opened.headers["access-control-allow-credentials"] == "true"


async def test_options_without_a_preflight_are_for_the_application(ask: Ask) -> None:
    assert (await ask(ONLY_HERE, method="OPTIONS")).body == b"hello"
    assert (await ask(ONLY_HERE, method="OPTIONS", origin=HERE)).body == b"hello"


async def test_websockets_pass(ask: Ask) -> None:
    answer = await ask(ONLY_HERE, origin=ELSEWHERE, scope={"type": "websocket"})
    assert answer.scope["type"] == "websocket"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"origins": "https://a.example"}, "origins are a list, or '\\*'"),
        ({"origins": ["https://a.example/"]}, "'https://a.example/' is no origin"),
        ({"origins": ["a.example"]}, "'a.example' is no origin"),
        ({"origins": ["https://*.example"]}, "is no origin"),
        ({"origins": "*", "credentials": True}, "name the origins"),
        ({"methods": ["GET POST"]}, "'GET POST' is no name"),
        ({"headers": ["x y"]}, "'x y' is no name"),
    ],
)
def test_mistakes_are_told_at_once(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        cors(**options)
