"""What isn't valid, for a view that takes it: forms that are shown again, with their errors."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import msgspec
import pydantic
import pytest

from asgistar import (
    HTML,
    UNSET,
    App,
    Body,
    ConfigurationError,
    Cookie,
    File,
    Form,
    Header,
    Invalid,
    Meta,
    Path,
    Query,
    Redirect,
    Route,
    Status,
    Struct,
    UnsetType,
    WebSocket,
    WebSocketRoute,
    component,
)
from asgistar.errors import FieldError, ValidationFailed
from asgistar.testing import TestClient

if TYPE_CHECKING:
    from framework.tests.conftest import Connect

URLENCODED = {"content-type": "application/x-www-form-urlencoded"}


class Colour(Enum):
    RED = "red"


class SignUp(Struct):
    email: Annotated[str, Meta(pattern="@")]
    password: Annotated[str, Meta(min_length=8)]
    age: int | None = None
    tags: list[Annotated[str, Meta(max_length=3)]] = msgspec.field(default_factory=list)
    news: bool = False
    born: date | None = None

    def __post_init__(self) -> None:
        if self.email == "a@b" and self.news:
            raise ValueError("No news for a@b")
        if self.password == self.email:
            raise FieldError("password", "Is the same as the address.")


class Model(pydantic.BaseModel):
    name: Annotated[str, pydantic.Field(min_length=2)]
    pin: str = ""


class Upload(Struct):
    title: Annotated[str, Meta(min_length=3)]
    picture: File


class Strict(Struct, forbid_unknown_fields=True, rename="kebab"):
    first_name: str


@dataclasses.dataclass
class Place:
    x: int
    y: float = 1.5


class Order(Struct):
    place: Place
    colour: Colour = Colour.RED
    price: Decimal = Decimal("1.50")


class Change(Struct):
    title: str | UnsetType = UNSET
    page: int = 1


class Keys(TypedDict):
    a: int


Seen = list[Any]


async def got(client: Connect, annotation: Any, method: str = "POST", path: str = "/", **options: Any) -> Any:
    """What a view gets whose parameter `x` is this; or the answer, if it isn't called."""
    seen: Seen = []

    async def view(x: Any) -> None:
        seen.append(x)

    view.__annotations__["x"] = annotation
    route = {name: options.pop(name) for name in ("msgpack",) if name in options}
    answer = await client(Route("/", method, view, **route))(method, path, **options)
    return seen[0] if seen else answer


async def form(client: Connect, annotation: Any, body: str | bytes, **headers: str) -> Any:
    """What a view gets of a form."""
    content = body.encode() if isinstance(body, str) else body
    return await got(client, Form[annotation], body=content, headers=headers or URLENCODED)


def told(invalid: Invalid) -> dict[str, list[tuple[Any, ...]]]:
    """The errors of each field: path and code."""
    return {
        field: [(each["in"], *each["path"], each["code"]) for each in errors]
        for field, errors in invalid.errors.items()
    }


# --- what a view gets -------------------------------------------------------------------------------------


async def test_a_form_that_is_valid_is_what_it_says(client: Connect) -> None:
    made = await form(client, SignUp | Invalid, "email=a@b.c&password=12345678&tags=a&tags=b")
    assert made == SignUp("a@b.c", "12345678", tags=["a", "b"])


async def test_a_form_that_is_not_comes_as_it_was_typed_with_its_errors(client: Connect) -> None:
    text = "email=+ada+&password=short&age=+old+&tags=a&tags=long&tags=longer&news=on&born=&other=1"
    invalid = await form(client, SignUp | Invalid, text)
    assert isinstance(invalid, Invalid)
    assert dict(invalid.values) == {
        "email": " ada ",
        "password": "",
        "age": " old ",
        "tags": ["a", "long", "longer"],
        "news": "on",
        "born": "",
    }
    assert told(invalid) == {
        "email": [("form", "email", "pattern")],
        "password": [("form", "password", "min_length")],
        "age": [("form", "age", "type")],
        "tags": [("form", "tags", 1, "max_length"), ("form", "tags", 2, "max_length")],
    }
    assert invalid.errors["age"][0]["message"] == "Must be an integer."


async def test_a_form_that_lacks_everything_has_no_texts_and_an_error_for_each_field(client: Connect) -> None:
    for invalid in (
        await form(client, SignUp | Invalid, ""),
        await got(client, Form[SignUp | Invalid]),
    ):
        assert told(invalid) == {
            "email": [("form", "email", "missing")],
            "password": [("form", "password", "missing")],
        }
        assert (invalid.values["email"], invalid.values["tags"], invalid.values["news"]) == ("", [], "")
        assert invalid.errors["born"] == []


async def test_a_rule_over_several_fields_belongs_to_none_of_them(client: Connect) -> None:
    invalid = await form(client, SignUp | Invalid, "email=a@b&password=12345678&news=yes")
    assert told(invalid) == {"": [("form", "invalid")]}
    assert invalid.errors[""][0]["message"] == "No news for a@b"


async def test_a_rule_of_ones_own_belongs_to_the_field_that_it_says(client: Connect) -> None:
    invalid = await form(client, SignUp | Invalid, "email=a@bcdefgh&password=a@bcdefgh")
    assert told(invalid) == {"password": [("form", "password", "invalid")]}
    assert invalid.errors["password"][0]["message"] == "Is the same as the address."


async def test_a_field_that_is_not_known_belongs_to_none_that_is_shown(client: Connect) -> None:
    invalid = await form(client, Strict | Invalid, "first-name=a&extra=1")
    assert told(invalid) == {"": [("form", "extra", "unknown")]}
    assert dict(invalid.values) == {"first-name": "a"}


async def test_a_name_that_no_field_has_is_a_mistake(client: Connect) -> None:
    invalid = await form(client, SignUp | Invalid, "")
    for ask in (invalid.values, invalid.errors):
        with pytest.raises(KeyError):
            ask["emial"]
        assert "emial" not in ask
        assert ask.get("emial", "none") == "none"


async def test_a_checkbox_is_a_text_only_if_it_is_checked(client: Connect) -> None:
    for text, shown in {"off": "", "off&news=on": "on", "False": "", "perhaps": "perhaps"}.items():
        assert (await form(client, SignUp | Invalid, f"news={text}")).values["news"] == shown


class Login(Struct):
    name: str
    password: str = ""
    keys: list[dict[str, str]] = msgspec.field(default_factory=list)


class Account(Struct):
    age: int
    user: Login
    csrf_token: str = ""


class Secrets(Struct):
    a: int
    password: str = ""
    passwordConfirmation: str = ""  # noqa: N815
    new_passwd: str = ""
    client_secret: str = ""
    pin: str = ""
    cardCVC: str = ""  # noqa: N815
    code: Annotated[str, Meta(extra_json_schema={"format": "password"})] = ""
    new_pass: str = ""
    totp: str = ""
    apiKey: str = ""  # noqa: N815
    secrets: str = ""
    passkey: str = ""
    clientsecret: str = ""
    csrf_token: str = ""
    compass: str = ""
    passport: str = ""
    secretary: str = ""
    pinned: str = ""
    forgot_password: bool = False


async def test_secrets_are_never_shown_again(client: Connect) -> None:
    names = Secrets.__struct_fields__
    invalid = await form(client, Secrets | Invalid, "&".join(f"{name}=x" for name in names))
    shown = {name for name in names if invalid.values[name]}
    assert shown == {"a", "passport", "secretary", "pinned", "forgot_password", "csrf_token", "compass"}
    assert (await got(client, Secrets | Invalid, json={"a": "x", "pin": "1"})).values["pin"] == ""
    anything = await got(client, dict[str, int] | Invalid, json={"password": "x", "a": "y"})
    assert dict(anything.values) == {"a": "y"}
    assert Invalid.of(Secrets(1, "s3cret")).values["password"] == ""


async def test_neither_are_those_in_other_objects(client: Connect) -> None:
    user = {"name": "a", "password": "hunter2", "keys": [{"id": "1", "api_key": "k"}]}
    shown = {"name": "a", "keys": [{"id": "1"}]}
    sent = {"age": "x", "user": user, "csrf_token": "t"}
    expected = {"age": "x", "user": shown, "csrf_token": "t"}
    assert dict((await got(client, Account | Invalid, json=sent)).values) == expected
    anything = await got(client, dict[str, int] | Invalid, json=sent)
    assert dict(anything.values) == expected
    packed = {"content-type": "application/msgpack"}
    body = msgspec.msgpack.encode({"age": "x", 1: {b"pin": "1", (2, 3): 4}})
    anything = await got(client, dict[str, int] | Invalid, body=body, headers=packed, msgpack=True)
    assert dict(anything.values) == {"age": "x", 1: {(2, 3): 4}}
    made = Invalid.of(Account(1, Login("a", "hunter2", [{"id": "1", "api_key": "k"}])))
    assert made.values["user"] == '{"name":"a","keys":[{"id":"1"}]}'
    made = Invalid.of({"user": user, "pin": 1, "tags": ["a", 1, {"pin": 1}]}, otp="1")
    assert dict(made.values) == {"user": '{"name":"a","keys":[{"id":"1"}]}', "tags": ["a", "1", "{}"]}


async def test_what_is_too_deep_to_be_looked_through_is_not_shown(client: Connect) -> None:
    deep: Any = {"password": "hunter2"}
    for _ in range(300):
        deep = [deep]
    invalid = await got(client, dict[str, int] | Invalid, json={"a": deep})
    assert "hunter2" not in str(dict(invalid.values))


async def test_a_file_is_never_shown_again(client: Connect) -> None:
    body = (
        '--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nab\r\n'
        '--x\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\npng\r\n--x--\r\n'
    )
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    invalid = await got(client, Form[Upload | Invalid], body=body.encode(), headers=multipart)
    assert told(invalid) == {"title": [("form", "title", "min_length")]}
    assert dict(invalid.values) == {"title": "ab"}
    assert invalid.values["picture"] == ""
    complete = await got(
        client, Form[Upload | Invalid], body=body.replace("ab", "abc").encode(), headers=multipart
    )
    assert isinstance(complete, Upload)


async def test_an_object_in_a_form_is_shown_as_it_was_typed(client: Connect) -> None:
    invalid = await form(client, Order | Invalid, 'place={"x": "a"}&price=many')
    assert told(invalid) == {"place": [("form", "place", "x", "type")], "price": [("form", "price", "type")]}
    assert invalid.values["place"] == '{"x": "a"}'


async def test_other_types_of_data_can_be_invalid_too(client: Connect) -> None:
    invalid = await form(client, Model | Invalid, "name=a&pin=1234")
    assert told(invalid) == {"name": [("form", "name", "min_length")]}
    assert dict(invalid.values) == {"name": "a", "pin": ""}
    assert told(await form(client, Place | Invalid, "x=1&y=z")) == {"y": [("form", "y", "type")]}
    assert told(await form(client, Keys | Invalid, "a=z")) == {"a": [("form", "a", "type")]}


async def test_a_query_can_be_invalid(client: Connect) -> None:
    for annotation in (Query[Place | Invalid], Place | Invalid):
        invalid = await got(client, annotation, "GET", "/?x=a&y=nan&z=1")
        assert told(invalid) == {"x": [("query", "x", "type")], "y": [("query", "y", "type")]}
        assert dict(invalid.values) == {"x": "a", "y": "nan"}
        assert await got(client, annotation, "GET", "/?x=1") == Place(1)


async def test_a_body_can_be_invalid(client: Connect) -> None:
    invalid = await got(client, Order | Invalid, json={"place": {"x": "1"}, "colour": "blue", "more": 1})
    assert told(invalid) == {
        "place": [("body", "place", "x", "type")],
        "colour": [("body", "colour", "choice")],
    }
    assert dict(invalid.values) == {"place": {"x": "1"}, "colour": "blue"}
    assert told(await got(client, Order | Invalid, json=[1])) == {"": [("body", "type")]}
    assert told(await got(client, Body[list[int] | Invalid], json=[1, "a"])) == {"": [("body", 1, "type")]}
    assert told(await got(client, dict[str, int] | Invalid, json={"a": "b"})) == {
        "a": [("body", "a", "type")]
    }
    described = Annotated[Place | Invalid, Meta(description="Where.")]
    assert told(await got(client, described, json={})) == {"x": [("body", "x", "missing")]}
    empty = await got(client, Place | Invalid, headers={"content-type": "application/json"})
    assert empty.status == 400
    assert told(await got(client, Model | Invalid, json={})) == {"name": [("body", "name", "missing")]}
    assert await got(client, Order | Invalid, json={"place": {"x": 1}}) == Order(Place(1))


async def test_a_packed_body_can_be_invalid(client: Connect) -> None:
    packed = {"content-type": "application/msgpack"}
    for value, outcome in {1: Place(1), "a": None}.items():
        body = msgspec.msgpack.encode({"x": value})
        found = await got(client, Place | Invalid, body=body, headers=packed, msgpack=True)
        assert found == outcome or told(found) == {"x": [("body", "x", "type")]}


async def test_a_body_that_may_be_left_out_is_its_default(client: Connect) -> None:
    seen: Seen = []

    async def view(x: Place | Invalid | None = None) -> None:
        seen.append(x)

    ask = client(Route("/", "POST", view))
    await ask.post("/")
    await ask.post("/", {"x": 1})
    await ask.post("/", {"x": ""})
    assert seen[:2] == [None, Place(1)]
    assert isinstance(seen[2], Invalid)


async def test_what_can_not_be_read_at_all_is_a_problem_all_the_same(client: Connect) -> None:
    json = {"content-type": "application/json"}
    assert (await got(client, Place | Invalid, body=b'{"x": ', headers=json)).status == 400
    assert (await got(client, Place | Invalid, body=b"x=1", headers=URLENCODED)).status == 415
    assert (await form(client, Place | Invalid, b"x=%ff")).status == 400
    assert (await form(client, Place | Invalid, "x=1&x=2")).status == 400
    assert (await form(client, Place | Invalid, "x=" + "1" * 1_000_001)).status == 413


async def test_what_stands_beside_it_is_a_problem_all_the_same(client: Connect) -> None:
    async def view(id: int, x: Form[Place | Invalid], page: int, next: Form[str]) -> str:
        return f"{type(x).__name__} {page} {next}"

    ask = client(Route("/<id>", "POST", view))
    wrong = await ask.post("/7?page=a", body=b"x=a", headers=URLENCODED)
    assert wrong.errors == [("query", "page", "type"), ("form", "next", "missing")]
    assert (await ask.post("/7?page=1", body=b"x=a&next=b", headers=URLENCODED)).json == "Invalid 1 b"
    assert (await ask.post("/7?page=1", body=b"x=1&next=b", headers=URLENCODED)).json == "Place 1 b"


class Typed:
    def __init__(self, place: Place | Invalid) -> None:
        self.place = place


@component
async def typed(place: Form[Place | Invalid]) -> Typed:
    return Typed(place)


async def test_components_take_it_too(client: Connect) -> None:
    async def view(typed: Typed, place: Form[Place | Invalid]) -> bool:
        return isinstance(typed.place, Invalid) and isinstance(place, Invalid)

    ask = client(Route("/", "POST", view), components=[typed])
    assert (await ask.post("/", body=b"x=a", headers=URLENCODED)).json is True


def test_websockets_take_it_in_their_query() -> None:
    async def view(socket: WebSocket[str, str], place: Query[Place | Invalid]) -> None:
        await socket.send(type(place).__name__)

    with TestClient(App([WebSocketRoute("/", view)])) as client, client.websocket("/?x=a") as socket:
        assert socket.receive_text() == "Invalid"


# --- what a form is made of -------------------------------------------------------------------------------


def test_a_new_form_has_the_defaults_of_its_type() -> None:
    new = Invalid.of(Order)
    assert dict(new.values) == {"place": "", "colour": "red", "price": "1.50"}
    assert not new.errors
    assert new.errors["place"] == [] == new.errors[""]
    assert Invalid.of(SignUp).values["tags"] == []
    assert Invalid.of(Keys).values["a"] == ""
    assert dict(Invalid.of(Change).values) == dict(Invalid.of(Change()).values) == {"title": "", "page": "1"}


def test_a_form_can_be_made_of_an_object() -> None:
    made = Invalid.of(SignUp("a@c", "12345678", 7, ["a"], True, date(2026, 11, 22)))
    assert dict(made.values) == {
        "email": "a@c",
        "password": "",
        "age": "7",
        "tags": ["a"],
        "news": "on",
        "born": "2026-11-22",
    }
    assert dict(Invalid.of(Order(Place(1))).values) == {
        "place": '{"x":1,"y":1.5}',
        "colour": "red",
        "price": "1.50",
    }
    assert dict(Invalid.of(Model(name="Ada")).values) == {"name": "Ada", "pin": ""}
    assert dict(Invalid.of({"a": 1, "b": None}).values) == {"a": "1", "b": ""}
    assert dict(Invalid.of(Upload("abc", File("a", "b"))).values) == {"title": "abc", "picture": ""}


class Sparse(Struct, omit_defaults=True, rename="kebab"):
    user_name: str = "ada"
    tags: list[str] | UnsetType = UNSET


class Row(Struct, array_like=True):
    x: int
    y: str = "b"


def test_an_object_is_shown_as_it_is_whatever_is_left_out_when_it_is_sent() -> None:
    assert dict(Invalid.of(Sparse()).values) == {"user-name": "ada", "tags": []}
    assert dict(Invalid.of(Row(1)).values) == {"x": "1", "y": "b"}


def test_a_field_has_its_name_in_the_class_and_that_in_the_request() -> None:
    for name in ("user_name", "user-name"):
        made = Invalid.of(Sparse, **{name: "eve"}).add(name, "Is taken.")
        assert made.values["user-name"] == "eve"
        assert told(made) == {"user-name": [("form", "user-name", "invalid")]}


def test_some_of_its_values_can_be_given() -> None:
    made = Invalid.of(SignUp, email="ada@example.com", news=True)
    assert (made.values["email"], made.values["news"], made.values["age"]) == ("ada@example.com", "on", "")
    with pytest.raises(ValueError, match=r"no field 'mail'\. There are email, password"):
        Invalid.of(SignUp, mail="a")
    with pytest.raises(TypeError, match="takes a Struct, a dataclass or the like, not int"):
        Invalid.of(int)
    with pytest.raises(TypeError, match="not 7"):
        Invalid.of(7)


def test_a_view_can_say_what_else_is_wrong() -> None:
    made = Invalid.of(SignUp("a@c", "12345678"))
    assert made.add("email", "Is taken.", "unique").add("", "Try later.") is made
    assert told(made) == {"email": [("form", "email", "unique")], "": [("form", "invalid")]}
    with pytest.raises(ValueError, match="no field 'mail'"):
        made.add("mail", "Is taken.")
    assert Invalid.of({"a": 1}).add("b", "Is missing.").errors["b"]


def test_it_is_a_problem_to_those_that_are_shown_no_page() -> None:
    problem = Invalid.of(SignUp).add("email", "Is taken.", "unique").problem()
    assert isinstance(problem, ValidationFailed)
    assert problem.document()["errors"] == [
        {"in": "form", "path": ["email"], "code": "unique", "message": "Is taken."}
    ]


def test_logs_do_not_have_what_was_typed_in_them() -> None:
    made = Invalid.of(SignUp("ada@c", "12345678")).add("email", "Is taken.")
    assert repr(made) == "<Invalid: One value is not valid.>"
    assert repr(made.values) == "<email, password, age, tags, news, born>"


# --- where it can't stand ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "path"),
    [
        (Form[int | Invalid], "/"),
        (Query[int | Invalid], "/"),
        (int | Invalid, "/<x>"),
        (Path[int | Invalid], "/<x>"),
        (Header[int | Invalid], "/"),
        (Cookie[Place | Invalid], "/"),
        (Header[Place | Invalid], "/"),
        (Body[bytes | Invalid], "/"),
        (File | Invalid, "/"),
        (WebSocket[str, str] | Invalid, "/"),
    ],
)
def test_it_stands_where_there_are_fields(annotation: Any, path: str) -> None:
    def view(x: Any) -> None: ...

    view.__annotations__["x"] = annotation
    with pytest.raises(ConfigurationError, match=r"x of test_.*view\(\) at .*test_invalid.py"):
        App([Route(path, "POST", view)])


def test_it_does_not_stand_beside_a_component() -> None:
    def view(x: Typed | Invalid) -> None: ...

    with pytest.raises(ConfigurationError, match=r"x of .* takes what is Invalid, but"):
        App([Route("/", "POST", view)], components=[typed])


def test_it_does_not_stand_alone() -> None:
    def view(x: Invalid) -> None: ...

    with pytest.raises(ConfigurationError, match=r"x of .* is Invalid: .*write `Form\[SignUp \| Invalid\]`"):
        App([Route("/", "POST", view)])


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (Form[Place | Invalid | None], r"is Place \| Invalid \| None, .* write Form\[Place \| Invalid\], "),
        (Form[Place | None], r"write Form\[Place\], without None, and give the fields of Place defaults\.$"),
        (Query[Place | Invalid | None], r"can't come from the query\. .* write Query\[Place \| Invalid\], "),
        (Form[list[Place] | None], r"which can't come from the form\.$"),
    ],
)
def test_fields_can_not_be_none_where_that_can_not_be_told(annotation: Any, said: str) -> None:
    def view(x: Any = None) -> None: ...

    view.__annotations__["x"] = annotation
    with pytest.raises(ConfigurationError, match=said):
        App([Route("/", "POST", view)])


# --- what is said of it -----------------------------------------------------------------------------------


async def sign_up(form: Form[SignUp | Invalid]) -> Annotated[HTML, Status(422)] | Redirect:
    return Redirect("/") if isinstance(form, SignUp) else HTML("again", 422)


async def sign_up_by_json(form: SignUp) -> Redirect:
    return Redirect("/")


def test_the_document_says_what_the_view_answers() -> None:
    app = App([Route("/", "POST", sign_up), Route("/json", "POST", sign_up_by_json)])
    page = app.openapi()["paths"]["/"]["post"]
    assert page["responses"]["422"]["content"] == {"text/html": {"schema": {"type": "string"}}}
    assert sorted(page["responses"]) == ["303", "400", "413", "415", "422"]
    form = page["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    assert form == {"$ref": "#/components/schemas/SignUp"}
    assert "Invalid" not in app.openapi()["components"]["schemas"]
    other = app.openapi()["paths"]["/json"]["post"]
    assert "application/problem+json" in str(app.openapi()["components"]["responses"])
    assert "422" in other["responses"]


def test_answers_are_as_the_document_says() -> None:
    with TestClient(App([Route("/", "POST", sign_up)]), conforms=True, follow_redirects=False) as client:
        assert client.post("/", data={"email": "a"}).status_code == 422
        assert client.post("/", data={"email": "a@b", "password": "12345678"}).status_code == 303


def test_a_view_that_takes_it_can_be_called_as_it_is() -> None:
    import asyncio

    assert asyncio.run(sign_up(Invalid.of(SignUp).add("email", "Is taken."))).status == 422
