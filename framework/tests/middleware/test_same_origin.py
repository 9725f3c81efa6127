"""Against cross-site request forgery: who may change something, and who may open a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from asgistar import ConfigurationError
from asgistar.middleware import same_origin

if TYPE_CHECKING:
    from framework.tests.middleware.conftest import Ask

OURS = "https://example.com"
FRIEND = "https://app.example.org"
MIDDLEWARE = same_origin(origins=[FRIEND, "http://localhost:3000"], exempt=["/saml/acs"])


async def is_refused(ask: Ask, method: str = "POST", path: str = "/", **fields: Any) -> bool:
    answer = await ask(MIDDLEWARE, method=method, path=path, **fields)
    assert answer.status in (200, 403)
    assert (answer.status == 200) is (answer.scope != {})  # what is refused isn't called
    return answer.status == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_pages_of_other_origins_may_read(method: str, ask: Ask) -> None:
    fields = {"sec_fetch_site": "cross-site", "origin": "https://evil.example"}
    assert not await is_refused(ask, method, **fields)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "QUERY", "TRACE", "get"])
async def test_pages_of_other_origins_may_do_nothing_else(method: str, ask: Ask) -> None:
    assert await is_refused(ask, method, sec_fetch_site="cross-site", origin="https://evil.example")
    assert not await is_refused(ask, method)


@pytest.mark.parametrize(
    ("site", "refused"),
    [
        ("same-origin", False),
        ("none", False),  # typed by a person
        ("same-site", True),  # a neighbour, perhaps one that anybody can have
        ("cross-site", True),
        ("something-new", True),
        ("", True),
        ("same-origin, cross-site", True),
        ("SAME-ORIGIN", True),
    ],
)
async def test_a_browser_says_of_which_site_a_page_is(site: str, refused: bool, ask: Ask) -> None:
    assert await is_refused(ask, sec_fetch_site=site) is refused
    # The origin has no say then: a page at HTTP has the same host.
    assert await is_refused(ask, sec_fetch_site=site, origin=OURS, host="example.com") is refused


@pytest.mark.parametrize(
    ("origin", "host", "refused"),
    [
        (OURS, "example.com", False),
        (OURS, "EXAMPLE.com", False),
        (OURS, "example.com:443", False),
        ("https://example.com:443", "example.com", False),
        ("http://example.com", "example.com", False),  # a proxy may have ended TLS
        ("http://example.com", "example.com:80", False),
        ("https://example.com:8443", "example.com:8443", False),
        ("http://[::1]:8000", "[::1]:8000", False),
        ("http://[::1]", "[::1]", False),
        (OURS, "example.com:8443", True),
        ("https://example.com:8443", "example.com", True),
        ("http://example.com:443", "example.com", True),
        ("chrome-extension://example.com", "example.com", True),
        ("ws://example.com", "example.com", True),
        ("https://evil.example", "example.com", True),
        ("https://example.com.evil.example", "example.com", True),
        ("https://evilexample.com", "example.com", True),
        ("null", "example.com", True),  # a page of a sandbox, or of a file
        ("null", "null", True),
        ("", "", True),
        ("https://", "", True),
        ("example.com", "example.com", True),
        ("https://evil.example, https://example.com", "example.com", True),
        (OURS, "example.com, evil.example", True),
        (OURS, None, True),
    ],
)
async def test_an_older_browser_says_its_origin(
    origin: str, host: str | None, refused: bool, ask: Ask
) -> None:
    fields = {} if host is None else {"host": host}
    assert await is_refused(ask, origin=origin, **fields) is refused


async def test_a_client_that_is_no_browser_says_nothing(ask: Ask) -> None:
    assert not await is_refused(ask, host="example.com", cookie="a=b")


@pytest.mark.parametrize("fields", [{}, {"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}])
async def test_origins_that_are_named_may_do_all(fields: dict[str, str], ask: Ask) -> None:
    assert not await is_refused(ask, origin=FRIEND, host="example.com", **fields)
    assert not await is_refused(ask, origin="http://localhost:3000", host="example.com", **fields)
    assert await is_refused(ask, origin="http://app.example.org", host="example.com", **fields)
    assert await is_refused(ask, origin=f"{FRIEND}:8443", host="example.com", **fields)


async def test_paths_that_are_exempt_may_be_asked_by_all(ask: Ask) -> None:
    fields = {"sec_fetch_site": "cross-site", "origin": "https://evil.example"}
    assert not await is_refused(ask, path="/saml/acs?a=b", **fields)
    assert await is_refused(ask, path="/saml/acs/", **fields)
    assert not await is_refused(ask, path="/v1/saml/acs", scope={"root_path": "/v1"}, **fields)
    assert await is_refused(ask, path="/v1/saml/acs", **fields)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"origin": OURS}, False),
        ({}, False),
        ({"origin": FRIEND}, False),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"sec_fetch_site": "cross-site"}, True),
        ({"origin": "https://evil.example", "sec_fetch_site": "cross-site"}, True),
        ({"origin": OURS, "sec_fetch_site": "same-origin"}, False),
        # Some browsers say nothing of the site of a WebSocket, or nothing that can be relied on.
        ({"origin": OURS, "sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "same-origin", "origin": "https://behind-a-proxy.example"}, False),
    ],
)
async def test_a_websocket_is_opened_by_our_pages_only(
    fields: dict[str, str], refused: bool, ask: Ask
) -> None:
    scope = {"type": "websocket", "scheme": "wss", "extensions": {}}
    answer = await ask(MIDDLEWARE, scope=scope, host="example.com", **fields)
    assert answer.closed is refused
    answer = await ask(
        MIDDLEWARE,
        scope={**scope, "extensions": {"websocket.http.response": {}}},
        host="example.com",
        **fields,
    )
    assert answer.status == (403 if refused else 0)


async def test_a_lifespan_passes() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope: Any = {"type": "lifespan"}
    await MIDDLEWARE(app)(scope, None, None)  # type: ignore[arg-type]
    assert seen == [scope]


async def test_who_is_refused_is_told_why(ask: Ask) -> None:
    answer = await ask(MIDDLEWARE, method="POST", sec_fetch_site="cross-site")
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"Pages of other origins may not do this." in answer.body


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"origins": "https://example.com"}, "origins are a list"),
        ({"exempt": "/acs"}, "exempt are a list"),
        ({"origins": ["https://example.com/"]}, "is no origin"),
        ({"origins": ["example.com"]}, "is no origin"),
        ({"origins": ["*"]}, "is no origin"),
        ({"origins": ["null"]}, "is no origin"),
        ({"exempt": ["acs"]}, "is no path"),
    ],
)
def test_what_is_no_origin_or_no_path_is_a_mistake(options: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"same_origin: .*{says}"):
        same_origin(**options)
