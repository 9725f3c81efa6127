"""Cookies and headers of responses: of a Response, and of what any view returns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import pytest

from asgistar import App, Created, NotFound, Response, ResponseHeaders, Route, Struct, component

if TYPE_CHECKING:
    from framework.tests.conftest import Connect


class Note(Struct):
    title: str


class Secret(Note):
    password: str = "1234"


# --- headers ----------------------------------------------------------------------------------------------


def test_several_headers_may_have_one_name() -> None:
    headers = ResponseHeaders([("Vary", "accept"), ("X-A", "1"), ("vary", "cookie")])
    assert headers["VARY"] == "accept, cookie"
    assert headers.get_list("vary") == ["accept", "cookie"]
    assert (list(headers), len(headers), "x-a" in headers, "x-b" in headers) == (
        ["vary", "x-a"],
        2,
        True,
        False,
    )
    headers["Vary"] = "*"
    headers.add("x-a", "2")
    assert headers.pairs() == [("x-a", "1"), ("vary", "*"), ("x-a", "2")]
    del headers["X-A"]
    assert headers.fields == [(b"vary", b"*")]
    assert headers.get("x-a") is None
    with pytest.raises(KeyError):
        del headers["x-a"]
    assert repr(headers) == "ResponseHeaders([('vary', '*')])"


@pytest.mark.parametrize(
    ("name", "value"), [("a b", "x"), ("", "x"), ("ü", "x"), ("x", "a\r\nb: c"), ("x", "\0"), ("x", "€")]
)
def test_what_cannot_be_a_header_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Response(headers={name: value})
    with pytest.raises(ValueError, match="header"):
        ResponseHeaders()[name] = value


async def test_a_view_sets_headers_of_whatever_it_returns(client: Connect) -> None:
    async def create(note: Note, headers: ResponseHeaders, other: bool = False) -> Created[Note]:
        headers["location"] = "/notes/1"
        headers["content-type"] = "application/ld+json"
        return Secret("b") if other else note

    async def remove(headers: ResponseHeaders) -> None:
        headers["x-own"] = "1"

    async def own(headers: ResponseHeaders) -> Response:
        headers["x-own"] = "1"
        headers["x-both"] = "headers"
        headers.set_cookie("a", "1")
        return Response(b"x", headers={"x-both": "response"})

    async def missing(headers: ResponseHeaders) -> None:
        headers["x-own"] = "1"
        raise NotFound

    ask = client(Route("/", {"POST": create, "DELETE": remove, "GET": own, "PUT": missing}))
    for target, title in (("/", "a"), ("/?other=true", "b")):
        made = await ask.post(target, {"title": "a"})
        assert (made.status, made.body) == (201, b'{"title":"%b"}' % title.encode())
        assert made.headers == {
            "location": "/notes/1",
            "content-type": "application/ld+json",
            "content-length": str(len(made.body)),
        }
    removed = await ask("DELETE", "/")
    assert (removed.status, removed.headers) == (204, {"x-own": "1"})
    answer = await ask.get("/")
    assert (answer.headers["x-own"], answer.headers["x-both"]) == ("1", "response")
    assert answer.headers["set-cookie"].startswith("a=1; ")
    assert "x-own" not in (await ask("PUT", "/")).headers


async def test_components_set_headers_too_and_at_their_end(client: Connect) -> None:
    class Session: ...

    @component
    def session(headers: ResponseHeaders) -> Iterator[Session]:
        headers["x-begin"] = "1"
        yield Session()
        headers.set_cookie("session", "s")

    async def view(session: Session) -> Note:
        return Note("a")

    async def response(session: Session) -> Response:
        return Response(b"x")

    ask = client([Route("/", "GET", view), Route("/response", "GET", response)], components=[session])
    for path in ("/", "/response"):
        answer = await ask.get(path)
        assert answer.headers["x-begin"] == "1"
        assert answer.headers["set-cookie"].startswith("session=s; ")


def test_the_source_of_a_view_with_headers() -> None:
    async def view(headers: ResponseHeaders) -> Note:
        return Note("a")

    (endpoint,) = App([Route("/", "GET", view)]).router.endpoints
    assert endpoint.handlers["GET"].text == (
        "async def plan_of_view(scope, receive, send, values):\n"
        "    response_headers = ResponseHeaders()\n"
        "    result = await view(headers=response_headers)\n"
        "    if not is_declared(result):\n"
        "        return joined(result, reply(result), response_headers)\n"
        "    content = encode(result)\n"
        "    return 200, response_headers.complete(JSON, "
        '(b"content-length", b"%d" % len(content))), content\n'
    )


# --- cookies ----------------------------------------------------------------------------------------------


def cookie(name: str, value: str = "", **attributes: Any) -> str:
    response = Response()
    response.set_cookie(name, value, **attributes)
    (line,) = response.headers.get_list("set-cookie")
    return line


def test_a_cookie_is_safe_if_nothing_else_is_said() -> None:
    assert cookie("a", "1") == "a=1; Path=/; Secure; HttpOnly; SameSite=Lax"


def test_a_cookie_has_what_is_said_of_it() -> None:
    line = cookie(
        "a",
        "x",
        max_age=60,
        expires=datetime(2030, 1, 2, 3, 4, 5),
        path="/notes",
        domain="example.com",
        secure=False,
        http_only=False,
        same_site="strict",
    )
    assert line == (
        "a=x; Expires=Wed, 02 Jan 2030 03:04:05 GMT; Max-Age=60; Path=/notes; Domain=example.com; "
        "SameSite=Strict"
    )
    parsed = SimpleCookie(line)["a"]
    assert (parsed.value, parsed["max-age"], parsed["path"]) == ("x", "60", "/notes")
    assert cookie("a", partitioned=True, same_site="none").endswith(
        "; Secure; HttpOnly; SameSite=None; Partitioned"
    )
    aware = datetime(2030, 1, 2, 4, 4, 5, tzinfo=timezone(timedelta(hours=1)))
    assert "Wed, 02 Jan 2030 03:04:05 GMT" in cookie("a", expires=aware)
    assert aware == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value", "attributes", "why"),
    [
        ("a b", "", {}, "can't be called 'a b'"),
        ("", "", {}, "can't be called"),
        ("a=b", "", {}, "can't be called"),
        ("a", "x y", {}, "Encode it"),
        ("a", "x;y", {}, "Encode it"),
        ("a", "x,y", {}, "Encode it"),
        ("a", 'x"y', {}, "Encode it"),
        ("a", "x\\y", {}, "Encode it"),
        ("a", "ü", {}, "Encode it"),
        ("a", "x\r\nset-cookie: b=c", {}, "Encode it"),
        ("a", "x" * 4096, {}, "4097 bytes; browsers keep 4096"),
        ("a", "", {"path": "/;x"}, "can't have the path"),
        ("a", "", {"domain": "x\n"}, "can't have the domain"),
        ("a", "", {"secure": False, "same_site": "none"}, "must be secure, for same_site"),
        ("a", "", {"secure": False, "partitioned": True}, "must be secure, for partitioned"),
        ("__Secure-a", "", {"secure": False}, "must be secure, for its name"),
        ("__Host-a", "", {"secure": False}, "must be secure, for its name"),
        ("__Host-a", "", {"path": "/x"}, "must have the path / and no domain"),
        ("__host-a", "", {"domain": "example.com"}, "must have the path / and no domain"),
        ("a", "", {"same_site": "Lax"}, "same_site of the cookie a is"),
    ],
)
def test_what_a_browser_would_refuse_is_an_error(name: str, value: str, attributes: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        cookie(name, value, **attributes)


def test_every_character_that_may_be_in_a_value_is_kept() -> None:
    value = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",;\\')
    assert cookie("a", value).startswith(f"a={value}; ")


def test_an_age_of_none_is_that_of_the_session_of_the_browser() -> None:
    assert "Max-Age" not in cookie("a", "b", max_age=None)
    assert "Max-Age=0" in cookie("a", "b", max_age=0)


def test_of_two_cookies_of_one_name_path_and_domain_the_last_one_counts() -> None:
    headers = ResponseHeaders({"x-own": "1"})
    headers.set_cookie("a", "1")
    headers.set_cookie("a", "2", path="/x")
    headers.set_cookie("a", "3", max_age=5)
    headers.set_cookie("ab", "4")
    lines = headers.get_list("set-cookie")
    assert [line.partition(";")[0] for line in lines] == ["a=2", "a=3", "ab=4"]
    assert headers["x-own"] == "1"


def test_a_cookie_is_forgotten() -> None:
    response = Response()
    response.set_cookie("a", "1", path="/x")
    response.delete_cookie("a", path="/x")
    assert response.headers.get_list("set-cookie") == [
        "a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/x; Secure; HttpOnly; SameSite=Lax"
    ]
