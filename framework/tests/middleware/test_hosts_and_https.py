"""Trusted hosts, the way to HTTPS, names of requests, and headers for browsers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from asgistar import ConfigurationError
from asgistar.middleware import (
    RequestIDFilter,
    current_request_id,
    https_redirect,
    request_id,
    security_headers,
    trusted_hosts,
)

if TYPE_CHECKING:
    from framework.tests.middleware.conftest import Ask, Says

# --- hosts ------------------------------------------------------------------------------------------------

HOSTS = trusted_hosts(["example.com", "*.example.org", "[::1]"])


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "EXAMPLE.com:8000",
        "example.com.",
        "a.example.org",
        "a.b.example.org:1",
        "[::1]:80",
        "[::1]",
    ],
)
async def test_a_host_of_ours(ask: Ask, host: str) -> None:
    assert (await ask(HOSTS, host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.org",
        "evilexample.org",
        "example.com.evil.example",
        "www.example.com",
        "[::2]",
        "@example.com",
    ],
)
async def test_a_host_of_others(ask: Ask, host: str) -> None:
    answer = await ask(HOSTS, host=host)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"not served here" in answer.body


async def test_a_request_without_a_host(ask: Ask) -> None:
    assert (await ask(HOSTS)).status == 400


async def test_head_is_refused_without_a_body(ask: Ask) -> None:
    answer = await ask(HOSTS, method="HEAD")
    assert answer.body == b""
    assert int(answer.headers["content-length"]) > 0


async def test_a_websocket_for_another_host(ask: Ask) -> None:
    assert (await ask(HOSTS, host="a.example", scope={"type": "websocket"})).closed
    told = {"type": "websocket", "extensions": {"websocket.http.response": {}}}
    assert (await ask(HOSTS, host="a.example", scope=told)).status == 400
    assert (await ask(HOSTS, host="example.com", scope=told)).scope["type"] == "websocket"


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        "example.com",
        [""],
        ["*"],
        ["*."],
        ["https://a.example"],
        ["a.example:80"],
        ["A.example"],
        ["a.*.example"],
    ],
)
def test_no_hosts(hosts: Any) -> None:
    with pytest.raises(ConfigurationError, match="trusted_hosts"):
        trusted_hosts(hosts)


# --- HTTPS ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "host", "path", "location"),
    [
        ({}, "a.example", "/x%2Fy?q=1", "https://a.example/x%2Fy?q=1"),
        ({}, "a.example:8000", "/", "https://a.example/"),
        ({"port": 8443}, "[::1]:8000", "/", "https://[::1]:8443/"),
        ({"host": "b.example"}, "a.example", "/", "https://b.example/"),
    ],
)
async def test_a_request_over_http_is_sent_to_https(
    ask: Ask, options: Any, host: str, path: str, location: str
) -> None:
    answer = await ask(https_redirect(**options), path=path, host=host)
    assert (answer.status, answer.headers["location"]) == (308, location)


async def test_a_request_over_https_passes(ask: Ask) -> None:
    assert (await ask(https_redirect(), scope={"scheme": "https"})).body == b"hello"
    assert (await ask(https_redirect(exempt=["/health/"]), path="/health/")).body == b"hello"
    below = {"root_path": "/v1"}
    assert (await ask(https_redirect(exempt=["/health/"]), path="/v1/health/", scope=below)).body == b"hello"


async def test_the_path_is_quoted_where_the_server_does_not_say_how_it_came(ask: Ask) -> None:
    answer = await ask(https_redirect(), host="a.example", scope={"raw_path": None, "path": "/ü"})
    assert answer.headers["location"] == "https://a.example/%C3%BC"


@pytest.mark.parametrize("host", ["", "a/b", "a b", "a?b"])
async def test_nobody_is_sent_to_what_is_no_host(ask: Ask, host: str) -> None:
    assert (await ask(https_redirect(), host=host)).status == 400


async def test_a_websocket_without_tls_is_refused(ask: Ask) -> None:
    assert (await ask(https_redirect(), scope={"type": "websocket", "scheme": "ws"})).closed
    assert not (await ask(https_redirect(), scope={"type": "websocket", "scheme": "wss"})).closed


@pytest.mark.parametrize("options", [{"exempt": "/health/"}, {"exempt": ["health/"]}, {"port": 0}])
def test_wrong_options_of_https_redirect(options: Any) -> None:
    with pytest.raises(ConfigurationError, match="https_redirect"):
        https_redirect(**options)


# --- names of requests ------------------------------------------------------------------------------------


async def test_each_request_has_a_name(ask: Ask, says: type[Says]) -> None:
    app = says(headers={"x-request-id": "of the application"})
    one, other = await ask(request_id(), app), await ask(request_id())
    assert one.headers["x-request-id"] != other.headers["x-request-id"]
    assert one.scope["state"]["request_id"] == one.headers["x-request-id"]
    assert len(one.headers["x-request-id"]) == 32


async def test_a_given_name_is_taken_from_those_who_are_trusted(ask: Ask) -> None:
    trusting = request_id(trusted=True)
    assert (await ask(trusting, x_request_id="abc-1")).headers["x-request-id"] == "abc-1"
    assert (await ask(request_id(), x_request_id="abc-1")).headers["x-request-id"] != "abc-1"
    for wrong in ("", "a b", "a\tb", "x" * 129, 'a"b'):
        assert (await ask(trusting, x_request_id=wrong)).headers["x-request-id"] != wrong


async def test_another_header_and_websockets(ask: Ask) -> None:
    named = request_id(header="X-Correlation-ID")
    assert (await ask(named)).headers["x-correlation-id"]
    assert (await ask(named, scope={"type": "websocket"})).scope["state"]["request_id"]
    with pytest.raises(ConfigurationError, match="'X Y' is no name"):
        request_id(header="X Y")


async def test_records_are_named_while_the_request_is_answered(ask: Ask) -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        record = logging.makeLogRecord({"msg": "working"})
        assert RequestIDFilter().filter(record)
        seen.append((record.request_id, current_request_id(), scope["state"]["request_id"]))  # type: ignore[attr-defined]

    async def send(message: Any) -> None: ...

    state = {"shared": 1}
    scope: Any = {"type": "http", "headers": [], "state": state}
    await request_id()(app)(scope, None, send)  # type: ignore[arg-type]
    assert len(set(seen[0])) == 1
    assert current_request_id() == ""
    assert state == {"shared": 1}
    record = logging.makeLogRecord({})
    assert RequestIDFilter().filter(record)
    assert record.request_id == "-"  # type: ignore[attr-defined]


async def test_a_lifespan_passes() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope: Any = {"type": "lifespan"}
    for middleware in (request_id(), security_headers(), https_redirect(), HOSTS):
        await middleware(app)(scope, None, None)  # type: ignore[arg-type]
    assert seen == [scope] * 4


# --- headers for browsers ---------------------------------------------------------------------------------


async def test_browsers_are_told_to_be_careful(ask: Ask) -> None:
    answer = await ask(security_headers())
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "strict-transport-security" not in answer.headers


async def test_hsts_is_said_over_https_only(ask: Ask) -> None:
    middleware = security_headers(hsts=3600)
    assert "strict-transport-security" not in (await ask(middleware)).headers
    secure = await ask(middleware, scope={"scheme": "https"})
    assert secure.headers["strict-transport-security"] == "max-age=3600; includeSubDomains"


async def test_what_the_application_says_is_left_alone(ask: Ask, says: type[Says]) -> None:
    app = says(headers={"content-security-policy": "default-src 'self'"})
    answer = await ask(security_headers(others={"X-Own": "1"}, frame_options=None), app)
    assert answer.headers["content-security-policy"] == "default-src 'self'"
    assert answer.headers["x-own"] == "1"
    assert "x-frame-options" not in answer.headers


@pytest.mark.parametrize("options", [{"hsts": -1}, {"frame_options": "a\r\nb: c"}, {"others": {"ä": "1"}}])
def test_headers_that_can_not_be_sent(options: Any) -> None:
    with pytest.raises(ConfigurationError, match="security_headers"):
        security_headers(**options)
