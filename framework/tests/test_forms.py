"""Forms: their fields as parameters and as objects, what their texts mean, and how much of them is taken."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgistar import Body, ConfigurationError, Form, In, Meta, Query, Route, Struct, UnsetType, component
from asgistar.http.forms import Form as Reading

if TYPE_CHECKING:
    from framework.tests.conftest import Answer, Client, Connect

URLENCODED = {"content-type": "application/x-www-form-urlencoded"}
MULTIPART = {"content-type": 'multipart/form-data; boundary="x"'}


class Login(Struct):
    name: Annotated[str, Meta(min_length=2)]
    age: int = 18
    stay: bool = False


class Colour(Enum):
    RED = "red"
    NONE = ""


class Strict(Struct, forbid_unknown_fields=True):
    a: int


class Place(Struct):
    x: int
    y: int


class Order(Struct, rename="kebab"):
    ship_to: Place
    lines: list[Place] = []  # noqa: RUF012
    more: Place | None = None


class Keys(TypedDict):
    a: int


class Engine: ...


class Odd(Struct):
    engine: Engine


def multipart(*fields: tuple[str, str]) -> bytes:
    """A body of fields."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields
    ]
    return "".join((*parts, "--x--\r\n")).encode()


async def sent(client: Connect, annotation: Any, body: bytes | str, **options: Any) -> Any:
    """What a view gets as its `x` of a form; or what is told to be wrong."""
    got: list[Any] = []

    async def view(x: Any) -> None:
        got.append(x)

    view.__annotations__["x"] = annotation
    if "default" in options:
        view.__defaults__ = (options.pop("default"),)
    headers = options.pop("headers", URLENCODED)
    body = body.encode() if isinstance(body, str) else body
    answer = await client(Route("/", "POST", view, **options)).post("/", body=body, headers=headers)
    if answer.status == 204:
        return got[0]
    return answer.status if answer.status != 422 else answer.errors


# --- what comes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (Form[str], "x=a+b%21", "a b!"),
        (Form[str], "x=", ""),
        (Form[int], "x=7", 7),
        (Form[int], "x=+7+", 7),
        (Form[float], "x=1.5", 1.5),
        (Form[Decimal], "x=1.50", Decimal("1.50")),
        (Form[date], "x=2026-11-22", date(2026, 11, 22)),
        (Form[Colour], "x=red", Colour.RED),
        (Form[Colour], "x=", Colour.NONE),
        (Form[Literal["", "a"]], "x=", ""),
        (Form[int | str], "x=", ""),
        (Form[list[str]], "x=a&x=&x=b", ["a", "", "b"]),
        (Form[list[int]], "x=1&x=&x=2", [1, 2]),
        (Form[set[int]], "x=1&x=1", {1}),
        (Annotated[str, In("form", "user name")], "user+name=a", "a"),
        (Form[Login], "name=ab&age=7&stay=on&other=1", Login("ab", 7, True)),
        (Form[Login], "name=ab&age=&stay=", Login("ab")),
        (Form[Login], "&&name=ab&", Login("ab")),
        (Form[Strict], "a=1", Strict(1)),
        (Form[Keys], "a=1", {"a": 1}),
        # An input for a time leaves the seconds out.
        (Form[datetime], "x=2026-11-22T18:30", datetime(2026, 11, 22, 18, 30)),
        (Form[datetime], "x=2026-11-22T18:30:01", datetime(2026, 11, 22, 18, 30, 1)),
        (Form[time | None], "x=18:30", time(18, 30)),
        # Objects in objects are JSON.
        (Form[Order], 'ship-to={"x":1,"y":2}', Order(Place(1, 2))),
        (
            Form[Order],
            'ship-to={"x":1,"y":2}&lines=[{"x":3,"y":4}]&more=',
            Order(Place(1, 2), [Place(3, 4)], None),
        ),
    ],
)
async def test_a_form_is_read(annotation: Any, text: str, value: Any, client: Connect) -> None:
    assert await sent(client, annotation, text) == value


@pytest.mark.parametrize("text", ["on", "ON", "true", "yes", "1", " On "])
async def test_what_a_checkbox_says_is_true(text: str, client: Connect) -> None:
    assert await sent(client, Form[bool], multipart(("x", text)), headers=MULTIPART) is True


@pytest.mark.parametrize("text", ["off", "False", "no", "0"])
async def test_what_says_no_is_false(text: str, client: Connect) -> None:
    assert await sent(client, Form[bool | None], f"x={text}") is False


async def test_of_a_hidden_field_and_the_checkbox_behind_it_the_last_one_counts(client: Connect) -> None:
    assert await sent(client, Form[bool], "x=0&x=1") is True
    assert await sent(client, Form[str], "x=0&x=1") == 400


async def test_an_empty_text_is_nothing_but_for_a_text(client: Connect) -> None:
    assert await sent(client, Form[int], "x=", default=5) == 5
    assert await sent(client, Form[int | None], "x=") is None
    assert await sent(client, Form[int | None], "x=", default=5) is None
    assert await sent(client, Form[int], "x=") == [("form", "x", "missing")]
    assert await sent(client, Form[str | None], "x=") == ""
    assert await sent(client, Form[int | UnsetType], "x=", default=3) == 3


@pytest.mark.parametrize(
    ("annotation", "text", "errors"),
    [
        (
            Form[Login],
            "name=a&age=x&stay=perhaps",
            [("form", "name", "min_length"), ("form", "age", "type"), ("form", "stay", "type")],
        ),
        (Form[Login], "", [("form", "name", "missing")]),
        (Form[Strict], "a=1&b=2", [("form", "b", "unknown")]),
        (Form[Strict], "a=x&b=2&b=3", [("form", "a", "type"), ("form", "b", "unknown")]),
        (Form[Order], "ship-to=nonsense", [("form", "ship-to", "type")]),
        (Form[Order], 'ship-to={"x":1}', [("form", "ship-to", "y", "missing")]),
        (Form[Order], "ship-to=" + "[" * 50_000, [("form", "ship-to", "type")]),
        (Form[int], "x=" + "9" * 5000, [("form", "x", "type")]),
        (Form[list[int]], "x=1&x=a", [("form", "x", 1, "type")]),
        (Annotated[int, In("form", "user name")], "", [("form", "user name", "missing")]),
    ],
)
async def test_what_is_wrong_with_a_form_is_told(
    annotation: Any, text: str, errors: Any, client: Connect
) -> None:
    assert await sent(client, annotation, text) == errors


async def test_multipart_is_read_as_urlencoded_is(client: Connect) -> None:
    body = multipart(("name", "ä\r\nb"), ("stay", "on"), ("other", "1"), ("age", "7"))
    assert await sent(client, Form[Login], body, headers=MULTIPART) == Login("ä\r\nb", 7, True)
    body = multipart(("x", "1"), ("x", "2"))
    assert await sent(client, Form[list[int]], body, headers=MULTIPART) == [1, 2]
    assert await sent(client, Form[int], body, headers=MULTIPART) == 400
    body = multipart(("a", "1"), ("b", "2"))
    assert await sent(client, Form[Strict], body, headers=MULTIPART) == [("form", "b", "unknown")]


async def test_a_file_where_a_text_is_wanted_is_the_text_in_it(client: Connect) -> None:
    body = multipart(("x", "7")).replace(b'name="x"', b'name="x"; filename="x.txt"')
    assert await sent(client, Form[int], body, headers=MULTIPART) == 7
    assert await sent(client, Form[Strict], body, headers=MULTIPART) == [
        ("form", "a", "missing"),
        ("form", "x", "unknown"),
    ]


async def test_several_functions_share_a_form(client: Connect) -> None:
    class User:
        def __init__(self, name: str) -> None:
            self.name = name

    @component
    def user(name: Form[str], id: Query[int]) -> User:
        return User(f"{name} {id}")

    async def view(user: User, form: Form[Login]) -> list[Any]:
        return [user.name, form.age]

    app = client(Route("/", "POST", view), components=[user])
    answer = await app.post("/?id=1", body=b"name=ab&age=3", headers=URLENCODED)
    assert answer.json == ["ab 1", 3]
    answer = await app.post("/?id=x", body=b"age=y", headers=URLENCODED)
    assert answer.errors == [
        ("query", "id", "type"),
        ("form", "name", "missing"),
        ("form", "name", "missing"),
        ("form", "age", "type"),
    ]


async def test_methods_of_all_kinds_have_forms(client: Connect) -> None:
    async def view(x: Form[int]) -> int:
        return x

    for method in ("POST", "PUT", "PATCH", "QUERY"):
        answer = await client(Route("/", method, view))(method, "/", body=b"x=1", headers=URLENCODED)
        assert answer.json == 1


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("Application/X-WWW-Form-Urlencoded ; charset=utf-8", b"x=1", 204),
        ("Multipart/Form-Data; Boundary=x", multipart(("x", "1")), 204),
        ("multipart/form-data; charset=utf-8; boundary=x", multipart(("x", "1")), 204),
        ("application/json", b'{"x": 1}', 415),
        ("text/plain", b"x=1", 415),
        (None, b"x=1", 415),
        (None, b"", 422),
        ("", b"", 422),
        ("application/x-www-form-urlencoded", b"", 422),
        ("application/x-www-form-urlencoded", b"x=%ff", 400),
        ("application/x-www-form-urlencoded", b"\xff=1&x=1", 400),
        ("multipart/form-data", multipart(("x", "1")), 400),
        ("multipart/form-data; boundary=", multipart(("x", "1")), 400),
        ("multipart/form-data; boundary=" + "x" * 71, multipart(("x", "1")), 400),
        ('multipart/form-data; boundary="x\r\n"', multipart(("x", "1")), 400),
        ("multipart/form-data; boundary=x; =", multipart(("x", "1")), 400),
        ("multipart/form-data; boundary=x", b"", 400),
        ("multipart/form-data; boundary=x", multipart(("x", "1"))[:-7], 400),
        ("multipart/form-data; boundary=x", multipart(("x", "1")).replace(b"1", b"\xff"), 400),
        ("multipart/form-data; boundary=x", b"--x--", 422),
        ("multipart/mixed; boundary=x", multipart(("x", "1")), 415),
    ],
)
async def test_a_form_must_be_one_and_say_so(
    content_type: str | None, body: bytes, status: int, client: Connect
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    expected: Any = {204: 1, 422: [("form", "x", "missing")]}.get(status, status)
    assert await sent(client, Form[int], body, headers=headers) == expected


async def test_415_tells_what_would_be_taken(client: Connect) -> None:
    async def view(x: Form[int]) -> None: ...

    answer = await client(Route("/", "POST", view)).post("/", json={"x": 1})
    assert answer.headers["accept"] == "application/x-www-form-urlencoded, multipart/form-data"
    assert answer.json["detail"] == (
        "The body must be application/x-www-form-urlencoded or multipart/form-data; it is application/json."
    )


async def test_an_encoded_body_is_refused(client: Connect) -> None:
    for coding, status in (("gzip", 415), ("identity", 204), ("", 204)):
        headers = {**URLENCODED, "content-encoding": coding}
        got = await sent(client, Form[int], b"x=1", headers=headers)
        assert got == (1 if status == 204 else status)
        headers = {"content-type": "application/json", "content-encoding": coding}
        got = await sent(client, Body[int], b"1", headers=headers)
        assert got == (1 if status == 204 else status)


async def test_a_client_that_leaves_in_the_middle_gets_no_answer(client: Connect) -> None:
    async def view(x: Form[int]) -> None: ...

    app = client(Route("/", "POST", view))
    assert (await app.post("/", body=[b"x=", None], headers=URLENCODED)).status == 0
    assert (await app.post("/", body=[b"--x\r\n", None], headers=MULTIPART)).status == 0


# --- limits -----------------------------------------------------------------------------------------------


@pytest.fixture
def limited(client: Connect) -> Client:
    async def view(x: Form[str] = "") -> int:
        return len(x)

    return client(
        Route("/", "POST", view), body_limit=1000, form_fields=3, form_files=2, form_memory=100
    )  # fmt: skip


async def both(limited: Client, *fields: tuple[str, str]) -> list[Answer]:
    """The answers to fields in both types of forms."""
    encoded = "&".join(f"{name}={text}" for name, text in fields).encode()
    return [
        await limited.post("/", body=[encoded[:5], encoded[5:]], headers=URLENCODED),
        await limited.post("/", body=multipart(*fields), headers=MULTIPART),
    ]


async def test_the_number_of_fields_is_limited(limited: Client) -> None:
    for answer in await both(limited, ("a", "1"), ("b", "1"), ("x", "1")):
        assert answer.json == 1
    for answer in await both(limited, ("a", "1"), ("b", "1"), ("x", "1"), ("a", "1")):
        assert (answer.status, answer.json["detail"]) == (413, "The form may have 3 fields at most.")
    assert (await limited.post("/", body=b"&" * 50, headers=URLENCODED)).json == 0


async def test_the_number_of_files_is_limited_whether_they_are_asked_for_or_not(limited: Client) -> None:
    body = multipart(*[("a", "1")] * 3).replace(b'"a"', b'"a"; filename="b"')
    answer = await limited.post("/", body=body, headers=MULTIPART)
    assert (answer.status, answer.json["detail"]) == (413, "The form may have 2 files at most.")


async def test_the_size_of_fields_is_limited(limited: Client) -> None:
    for answer in await both(limited, ("x", "a" * 95)):
        assert answer.json == 95
    for answer in await both(limited, ("x", "a" * 101)):
        assert (answer.status, answer.json["detail"]) == (
            413,
            "The fields of the form may have 100 bytes at most.",
        )


async def test_the_size_of_the_body_is_limited(limited: Client) -> None:
    for headers in (URLENCODED, MULTIPART):
        answer = await limited.post("/", headers={**headers, "content-length": "1001"})
        assert (answer.status, answer.json["detail"]) == (413, "The body may have 1000 bytes at most.")
    # What isn't asked for counts here too.
    body = multipart(("a", "b" * 1000))
    assert (await limited.post("/", body=[body[:500], body[500:]], headers=MULTIPART)).status == 413


async def test_limits_of_a_route_are_its_own(client: Connect) -> None:
    text = "&".join(["x=1"] * 2000)
    assert await sent(client, Form[list[int]], text) == 413
    assert len(await sent(client, Form[list[int]], text, form_fields=2000)) == 2000
    big = b"x=" + b"a" * 1_000_000
    assert await sent(client, Form[str], big) == 413
    assert len(await sent(client, Form[str], big, form_memory=2_000_000)) == 1_000_000


# --- start-up ---------------------------------------------------------------------------------------------


def test_what_can_not_be_a_form_is_an_error_at_start_up(client: Connect) -> None:
    async def on_get(x: Form[int]) -> None: ...
    async def list_of_objects(x: Form[list[Place]]) -> None: ...
    async def with_default(x: Form[Login] = Login("ab")) -> None: ...  # noqa: B008
    async def two(x: Form[int], note: Login) -> None: ...
    async def contradicting(x: Form[int], form: Annotated[list[int], In("form", "x")]) -> None: ...
    async def in_two_ways(a: Form[Strict], b: Form[Keys]) -> None: ...

    async def odd(x: Form[Odd]) -> None: ...

    for view, method, message in [
        (on_get, "GET", "would come from a form in the body, but GET has none. Write Query"),
        (list_of_objects, "POST", "which can't come from the form"),
        (with_default, "POST", "Give defaults to the fields of its type instead"),
        (two, "POST", "would be the body, but x of .* is of a form, which is the body too"),
        (contradicting, "POST", "both are 'x' in the form"),
        (in_two_ways, "POST", "both are 'a' in the form"),
        (odd, "POST", "its field engine can't come from the form"),
    ]:
        with pytest.raises(ConfigurationError, match=message):
            client(Route("/", method, view))


def test_a_plan_tells_what_its_body_may_be(client: Connect) -> None:
    async def optional(x: Form[int] = 1) -> None: ...
    async def required(form: Form[Login]) -> None: ...
    async def json(note: Login) -> None: ...
    async def raw(body: Body[bytes]) -> None: ...
    async def none(x: int) -> None: ...

    def content(view: Any, **options: Any) -> Any:
        (endpoint,) = client(Route("/", "POST", view, **options)).app.router.endpoints
        found = endpoint.handlers["POST"].content
        return found and (found.media_types, found.required)

    forms = ("application/x-www-form-urlencoded", "multipart/form-data")
    assert content(optional) == (forms, False)
    assert content(required) == (forms, True)
    assert content(json) == (("application/json",), True)
    assert content(json, msgpack=True) == (("application/json", "application/msgpack"), True)
    assert content(raw) == (("*/*",), False)
    assert content(none) is None


# --- fuzzing ----------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["int", "list", "object"]))
async def test_whatever_comes_is_read_or_refused(body: bytes, kind: str) -> None:
    from asgistar import App
    from framework.tests.conftest import Client

    async def view(x: Any) -> None: ...

    view.__annotations__["x"] = {"int": Form[int], "list": Form[list[str]], "object": Form[Login]}[kind]
    app = Client(App([Route("/", "POST", view)]))
    for headers in (URLENCODED, MULTIPART):
        for sent in (body, b"x=1&name=" + body, multipart(("x", "1")) + body):
            assert (await app.post("/", body=sent, headers=headers)).status in (204, 400, 413, 422)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT.filter(bool), TEXT)))
async def test_what_urlencode_encodes_is_read(pairs: list[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    from asgistar.http.forms import Field

    names = dict(pairs)
    reading = Reading({name: Field(name, many=True) for name in names}, 0, 1000, 0, 1_000_000)

    async def receive() -> Any:
        return {"type": "http.request", "body": urlencode(pairs).encode()}

    scope = {"headers": [(b"content-type", b"application/x-www-form-urlencoded")]}
    expected: dict[str, list[str]] = {}
    for name, value in pairs:
        expected.setdefault(name, []).append(value)
    assert await reading.read(scope, receive) == expected
