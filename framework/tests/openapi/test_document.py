"""The OpenAPI document of an application: what its routes, views and components become."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, Field

from asgistar import (
    App,
    BadRequest,
    Body,
    ConfigurationError,
    Conflict,
    Cookie,
    FileResponse,
    Forbidden,
    Form,
    Header,
    Host,
    Include,
    Info,
    Meta,
    Mount,
    NotFound,
    Problem,
    Query,
    Redirect,
    Response,
    Route,
    Status,
    Struct,
    Text,
    TooManyRequests,
    WebSocketRoute,
    component,
)
from asgistar.info import Contact
from asgistar.openapi import document, encoded
from asgistar.security import ApiKey, Basic, Bearer, OAuth2, OpenIdConnect
from asgistar.websocket import WebSocket
from framework.tests.openapi.shop import shop


class Note(Struct):
    title: str
    done: bool = False


def listing() -> list[Note]: ...  # type: ignore[empty-body]
def create(note: Note) -> Note: ...  # type: ignore[empty-body]
def detail(id: int) -> Note: ...  # type: ignore[empty-body]
def by_name(name: str) -> Note: ...  # type: ignore[empty-body]


def described(*routes: Any, **options: Any) -> dict[str, Any]:
    """The document of an application, which must be valid."""
    made = App(routes, **options).openapi()
    OpenAPIV31SpecValidator(made).validate()
    return made


def operation(*routes: Any, **options: Any) -> dict[str, Any]:
    """The only operation of an application."""
    ((_, item),) = described(*routes, **options)["paths"].items()
    ((_, found),) = item.items()
    return dict(found)


def parameters(view: Any, path: str = "/", **options: Any) -> list[Any]:
    """The parameters of a view, without those of the path that nothing is said of."""
    return list(operation(Route(path, "GET", view), **options).get("parameters", []))


# --- the whole --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("msgpack", [True, False])
def test_the_document_of_an_application_with_something_of_everything_is_valid(msgpack: bool) -> None:
    OpenAPIV31SpecValidator(shop(msgpack).openapi()).validate()


def test_it_can_be_had_as_json_and_as_yaml() -> None:
    app = shop()
    assert json.loads(encoded(app)) == app.openapi()
    assert yaml.safe_load(encoded(app, "yaml")) == app.openapi()
    with pytest.raises(ValueError, match="'json' or 'yaml', not as 'xml'"):
        encoded(app, "xml")  # type: ignore[arg-type]


def test_it_is_made_once() -> None:
    app = shop()
    assert app.openapi() is app.openapi()
    assert document(app) == app.openapi()
    assert document(app) is not app.openapi()


def test_an_application_says_what_it_is() -> None:
    assert described()["info"] == {"title": "API", "version": "0.1.0"}
    assert described(info=Info(title="Notes", contact=Contact(name="Me"))) == {
        "openapi": "3.1.0",
        "info": {"title": "Notes", "version": "0.1.0", "contact": {"name": "Me"}},
        "paths": {},
    }
    assert shop().openapi()["info"] == {
        "title": "Shop",
        "version": "1.2",
        "summary": "Something of everything",
        "description": "First line.\n\nSecond paragraph.",
        "termsOfService": "https://example.com/terms",
        "contact": {"name": "Somebody", "url": "https://example.com", "email": "somebody@example.com"},
        "license": {"name": "BSD", "identifier": "BSD-3-Clause"},
    }
    assert shop().openapi()["servers"] == [{"url": "/", "description": "here"}]


# --- paths ------------------------------------------------------------------------------------------------


def test_parameters_of_the_path_stand_in_braces_and_literals_are_quoted() -> None:
    def view(year: int, slug: str) -> None: ...

    made = described(Route("/grüße {x}/<int:year>-<slug:slug>/", "GET", view))
    assert list(made["paths"]) == ["/gr%C3%BC%C3%9Fe%20%7Bx%7D/{year}-{slug}/"]


def test_methods_of_one_path_stand_together_though_their_parameters_have_other_names() -> None:
    made = described(Route("/notes/<int:id>", "GET", detail), Route("/notes/<name>", "PUT", by_name))
    (path,) = made["paths"]
    assert path == "/notes/{id}"
    assert [each["operationId"] for each in made["paths"][path].values()] == ["detail", "by_name"]
    assert made["paths"][path]["put"]["parameters"][0]["name"] == "id"


def test_what_openapi_cant_have_beside_another_stands_in_an_extension() -> None:
    made = described(
        Route("/notes/<int:id>", "GET", detail),
        Route("/notes/<name>", "GET", by_name),
        Host("<tenant>.example.com", [Route("/", "GET", listing, name="of_tenant")]),
        Route("/", "GET", listing),
    )
    assert list(made["paths"]) == ["/notes/{id}", "/"]
    assert list(made["x-paths"]) == ["/notes/{name}#by_name", "/#listing"]
    assert made["x-paths"]["/notes/{name}#by_name"]["get"]["parameters"][0]["name"] == "name"
    assert made["paths"]["/"]["get"]["servers"] == [
        {"url": "//{tenant}.example.com", "variables": {"tenant": {"default": "tenant"}}}
    ]


def test_a_host_without_parameters_is_a_server() -> None:
    assert operation(Host("api.example.com", [Route("/", "GET", listing)]))["servers"] == [
        {"url": "//api.example.com"}
    ]


def test_of_two_parameters_of_one_name_the_outer_one_is_called_something_else() -> None:
    made = described(Include("/users/<int:id>", [Route("/notes/<int:id>", "GET", detail)]))
    assert [each["name"] for each in made["paths"]["/users/{id_2}/notes/{id}"]["get"]["parameters"]] == [
        "id_2",
        "id",
    ]


def test_a_method_that_openapi_doesnt_know_is_an_extension() -> None:
    assert list(described(Route("/", {"PURGE": listing, "GET": create}))["paths"]["/"]) == ["x-purge", "get"]


def test_what_isnt_to_be_documented_isnt_and_neither_is_another_application() -> None:
    async def other(scope: Any, receive: Any, send: Any) -> None: ...

    made = described(
        Mount("/other", other),
        Include(
            "/inside",
            [Route("/a", "GET", listing), Route("/b", "GET", create, documented=True)],
            documented=False,
        ),
    )
    assert list(made["paths"]) == ["/inside/b"]


# --- names, texts, tags -----------------------------------------------------------------------------------


def test_an_operation_is_called_as_its_route_and_else_as_its_view() -> None:
    made = described(
        Include(
            "/notes",
            [Route("/", {"GET": listing, "POST": create}, name="all"), Route("/x", "GET", listing, name="x")],
            name="notes",
        ),
        Route("/", "GET", listing),
    )
    assert made["paths"]["/notes/"]["get"]["operationId"] == "notes:listing"
    assert made["paths"]["/notes/"]["post"]["operationId"] == "notes:create"
    assert made["paths"]["/notes/x"]["get"]["operationId"] == "notes:x"
    assert made["paths"]["/"]["get"]["operationId"] == "listing"


def test_no_two_operations_have_one_name() -> None:
    made = described(
        Route("/a", {"GET": listing, "DELETE": listing}),
        Route("/b", "GET", listing),
        Route("/c", "GET", listing),
    )
    ids = [each["operationId"] for item in made["paths"].values() for each in item.values()]
    assert ids == ["listing", "listing_delete", "listing_get", "listing_get_2"]


def test_a_view_without_a_name_is_called_after_its_path() -> None:
    made = operation(Route("/some-notes/<int:id>/", "GET", lambda id: id))
    assert made["operationId"] == "get_some_notes_id"
    assert made["summary"] == "Get some notes id"


def test_a_docstring_is_summary_and_description_and_says_what_parameters_are() -> None:
    def view(id: int, q: str, n: Header[int] = 1) -> Note:
        """Find a note
        by its number.

        It is *very* fast.

        Args:
            id: its number.
            q: a word in it,
                or two.

        Returns:
            The note.

        Raises:
            NotFound: there is no such note.
            KeyError: never.
        """
        raise NotFound

    made = operation(Route("/<int:id>", "GET", view))
    assert made["summary"] == "Find a note by its number"
    assert made["description"] == "It is *very* fast."
    assert [each.get("description") for each in made["parameters"]] == [
        "its number.",
        "a word in it, or two.",
        None,
    ]
    assert made["responses"]["200"]["description"] == "The note."
    assert made["responses"]["404"] == {
        "$ref": "#/components/responses/NotFound",
        "description": "There is no such note.",
    }


def test_tags_are_those_of_the_option_or_the_names_of_includes() -> None:
    made = described(
        Include("/v1", [Include("/a", [Route("/", "GET", listing)], name="a")], name="v1"),
        Include("/b", [Route("/", "GET", listing, tags=["y", "x"])], name="b", tags=["x"]),
        Route("/", "GET", listing, deprecated=True),
    )
    assert made["paths"]["/v1/a/"]["get"]["tags"] == ["v1:a"]
    assert made["paths"]["/b/"]["get"]["tags"] == ["x", "y"]
    assert "tags" not in made["paths"]["/"]["get"]
    assert made["paths"]["/"]["get"]["deprecated"] is True
    assert made["tags"] == [{"name": "v1:a"}, {"name": "x"}, {"name": "y"}]


# --- parameters -------------------------------------------------------------------------------------------


class Hex:
    regex = "[0-9a-f]+"
    type = int

    def to_python(self, value: str) -> int:
        return int(value, 16)

    def to_url(self, value: int) -> str:
        return f"{value:x}"


@pytest.mark.parametrize(
    ("path", "annotation", "schema"),
    [
        ("/<str:x>", str, {"type": "string", "pattern": "^[^/]+$"}),
        (
            "/<x>",
            Annotated[str, Meta(max_length=3)],
            {"type": "string", "pattern": "^[^/]+$", "maxLength": 3},
        ),
        ("/<path:x>", str, {"type": "string", "pattern": ".+"}),
        ("/<slug:x>", str, {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"}),
        ("/<int:x>", int, {"type": "integer", "minimum": 0}),
        ("/<int:x>", float, {"type": "integer", "minimum": 0}),
        ("/<int:x>", Annotated[int, Meta(ge=5, le=9)], {"type": "integer", "minimum": 5, "maximum": 9}),
        ("/<int:x>", Annotated[int, Meta(ge=-5)], {"type": "integer", "minimum": 0}),
        ("/<float:x>", float, {"type": "number"}),
        ("/<uuid:x>", Any, {"type": "string", "format": "uuid"}),
        ("/<date:x>", Any, {"type": "string", "format": "date"}),
        ("/<datetime:x>", Any, {"type": "string", "format": "date-time"}),
        ("/<hex:x>", int, {"type": "string", "pattern": "^(?:[0-9a-f]+)$"}),
        ("/<x>", int | None, {"type": "integer", "minimum": 0}),
    ],
    ids=str,
)
def test_a_parameter_of_the_path_is_what_its_converter_takes(path: str, annotation: Any, schema: Any) -> None:
    def view(x: annotation) -> None: ...

    (found,) = parameters(view, path, converters={"hex": Hex})
    assert found == {"name": "x", "in": "path", "required": True, "schema": schema}


def test_a_parameter_of_the_path_that_no_view_asks_for_is_documented_too() -> None:
    (found,) = operation(Include("/<tenant>", [Route("/", "GET", listing)]))["parameters"]
    assert (found["name"], found["required"]) == ("tenant", True)


def test_parameters_of_query_headers_and_cookies() -> None:
    def view(
        q: str,
        tags: list[int],
        page: Annotated[int, Meta(ge=1, description="From 1.")] = 1,
        some: list[str] | None = None,
        x_id: Header[str | None] = None,
        sid: Cookie[str] = "",
        either: Query[int | str] = 0,
    ) -> None: ...

    assert parameters(view) == [
        {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}},
        {
            "name": "tags",
            "in": "query",
            "required": True,
            "schema": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        },
        {
            "name": "page",
            "in": "query",
            "description": "From 1.",
            "schema": {"type": "integer", "minimum": 1, "default": 1},
        },
        {"name": "some", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
        {"name": "x-id", "in": "header", "schema": {"type": "string"}},
        {"name": "sid", "in": "cookie", "schema": {"type": "string", "default": ""}},
        {
            "name": "either",
            "in": "query",
            "schema": {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 0},
        },
    ]


def test_each_field_of_an_object_in_the_query_is_a_parameter() -> None:
    class Where(Struct, rename="kebab"):
        """
        Attributes:
            some_word: a part of it.
        """

        some_word: str
        limit: Annotated[int, Meta(le=9, description="So many.")] = 5
        either: int | str | None = None

    def view(where: Where) -> None: ...

    assert parameters(view) == [
        {
            "name": "some-word",
            "in": "query",
            "description": "a part of it.",
            "required": True,
            "schema": {"type": "string"},
        },
        {
            "name": "limit",
            "in": "query",
            "description": "So many.",
            "schema": {"type": "integer", "maximum": 9, "default": 5},
        },
        {"name": "either", "in": "query", "schema": {"anyOf": [{"type": "integer"}, {"type": "string"}]}},
    ]


class Session:
    pass


def test_what_components_ask_for_are_parameters_of_the_operation() -> None:
    def session(sid: Cookie[str], q: str = "", accept: Header[str] = "") -> Session: ...  # type: ignore[empty-body]

    def view(session: Session, q: str) -> None: ...

    made = parameters(view, components=[session])
    assert [(each["in"], each["name"], each.get("required")) for each in made] == [
        ("query", "q", True),
        ("cookie", "sid", True),
    ]


def test_a_parameter_is_required_if_one_of_two_requires_it() -> None:
    def session(q: str) -> Session: ...  # type: ignore[empty-body]

    def view(session: Session, q: str = "") -> None: ...

    (found,) = parameters(view, components=[session])
    assert found["required"] is True


# --- bodies -----------------------------------------------------------------------------------------------


def test_a_body_is_json_with_the_schema_of_its_type() -> None:
    def view(note: Note) -> None:
        """
        Args:
            note: what is to be kept.
        """

    assert operation(Route("/", "POST", view))["requestBody"] == {
        "description": "what is to be kept.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}},
        "required": True,
    }


def test_a_body_with_a_default_may_be_missing() -> None:
    def view(note: Note | None = None) -> None: ...

    assert "required" not in operation(Route("/", "POST", view))["requestBody"]


def test_a_body_that_is_taken_as_it_is_may_be_anything() -> None:
    async def view(content: Body[AsyncIterator[bytes]]) -> None: ...

    made = operation(Route("/", "POST", view))
    assert made["requestBody"] == {"content": {"*/*": {}}}
    assert list(made["responses"]) == ["204", "413"]


def test_fields_of_a_form_are_the_properties_of_an_object() -> None:
    class Address(Struct):
        town: str
        street: str = ""

    def view(address: Form[Address], name: Form[str | None] = None, n: Form[int] = 1) -> None: ...

    schema = {
        "type": "object",
        "properties": {
            "town": {"type": "string"},
            "street": {"type": "string", "default": ""},
            "name": {"type": "string"},
            "n": {"type": "integer", "default": 1},
        },
        "required": ["town"],
    }
    assert operation(Route("/", "POST", view))["requestBody"] == {
        "content": {
            "application/x-www-form-urlencoded": {"schema": schema},
            "multipart/form-data": {"schema": schema},
        },
        "required": True,
    }


def test_a_field_of_a_form_that_isnt_simple_is_json_in_it() -> None:
    class Order(Struct):
        note: Note
        lines: list[Note] = []  # noqa: RUF012
        n: int = 1

    def view(order: Form[Order], x: Form[int] = 1) -> None: ...

    made = operation(Route("/", "POST", view))["requestBody"]["content"]
    encoding = {name: {"contentType": "application/json"} for name in ("note", "lines")}
    assert [each["encoding"] for each in made.values()] == [encoding, encoding]


# --- responses --------------------------------------------------------------------------------------------


def answer(returned: Any, **options: Any) -> Any:
    """The responses of a view that returns this."""

    def view() -> Any: ...

    view.__annotations__["return"] = returned
    return operation(Route("/", "GET", view), **options)["responses"]


NOTE = {"schema": {"$ref": "#/components/schemas/Note"}}


@pytest.mark.parametrize(
    ("returned", "responses"),
    [
        (Note, {"200": {"description": "OK", "content": {"application/json": NOTE}}}),
        (
            Annotated[Note, Status(202)],
            {"202": {"description": "Accepted", "content": {"application/json": NOTE}}},
        ),
        (None, {"204": {"description": "No Content"}}),
        (Annotated[None, Status(205)], {"205": {"description": "Reset Content"}}),
        (Any, {"200": {"description": "OK", "content": {"application/json": {}}}}),
        (Text, {"200": {"description": "OK", "content": {"text/plain": {"schema": {"type": "string"}}}}}),
        (Response, {"default": {"description": "Whatever the view makes of it."}}),
        (Annotated[Response, Status(207)], {"207": {"description": "Multi-Status"}}),
        (
            Note | Text,
            {
                "200": {
                    "description": "OK",
                    "content": {"application/json": NOTE, "text/plain": {"schema": {"type": "string"}}},
                }
            },
        ),
        (
            Note | Redirect,
            {
                "200": {"description": "OK", "content": {"application/json": NOTE}},
                "303": {
                    "description": "See Other",
                    "headers": {
                        "Location": {
                            "description": "Where to go.",
                            "required": True,
                            "schema": {"type": "string"},
                        }
                    },
                },
            },
        ),
    ],
    ids=str,
)
def test_what_a_view_returns_is_a_response(returned: Any, responses: Any) -> None:
    assert answer(returned) == responses


def test_a_class_of_responses_says_its_type_itself() -> None:
    class Calendar(Response):
        content_type = "application/ics"

    assert answer(Calendar) == {"200": {"description": "OK", "content": {"application/ics": {}}}}


def test_answers_may_be_msgpack_where_the_option_says_so() -> None:
    assert answer(Note, msgpack=True)["200"]["content"] == {
        "application/json": NOTE,
        "application/msgpack": NOTE,
    }


# --- problems ---------------------------------------------------------------------------------------------


def test_problems_are_declared_by_options_and_components_and_docstrings() -> None:
    class Missing(NotFound):
        """404: there is no session."""

    @component(raises=[TooManyRequests])
    def session() -> Session:
        """
        Raises:
            Forbidden: today.
        """
        raise Forbidden

    def view(session: Session) -> None: ...

    made = described(Route("/", "GET", view, raises=[Missing]), components=[session], raises=[Conflict])
    responses = made["paths"]["/"]["get"]["responses"]
    assert list(responses) == ["204", "403", "404", "409", "429"]
    assert made["components"]["responses"]["Missing"]["description"] == "There is no session."
    assert list(made["components"]["responses"]["TooManyRequests"]["headers"]) == ["Retry-After"]
    assert responses["403"]["description"] == "Today."


def test_several_problems_of_one_status_are_alternatives() -> None:
    class Worse(BadRequest):
        pass

    def view(q: str = "") -> None: ...

    made = described(Route("/", "GET", view, raises=[Worse]))
    assert made["paths"]["/"]["get"]["responses"]["400"] == {
        "description": "The request can't be read.\n\nBad Request",
        "content": {
            "application/problem+json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/BadRequest"},
                        {"$ref": "#/components/schemas/Worse"},
                    ]
                }
            }
        },
    }


def test_a_problem_and_a_model_may_have_one_name() -> None:
    made = described(Route("/", "GET", by_name_of("NotFound"), raises=[NotFound]))
    assert {"NotFound", "asgistar.errors.NotFound"} == set(made["components"]["schemas"])
    assert list(made["components"]["responses"]) == ["asgistar.errors.NotFound"]


def by_name_of(name: str) -> Any:
    import msgspec

    def view() -> Any: ...

    view.__annotations__["return"] = msgspec.defstruct(name, [("a", int)])
    return view


def test_a_view_that_no_request_is_wrong_for_has_no_problems() -> None:
    def view(x_id: Header[str] = "", sid: Cookie[str | None] = None) -> None: ...

    assert list(operation(Route("/", "POST", view))["responses"]) == ["204"]


def test_a_status_without_a_phrase_has_a_description_too() -> None:
    class Odd(Problem):
        status = 499

    assert described(Route("/", "GET", listing, raises=[Odd]))["components"]["responses"]["Odd"][
        "description"
    ]


# --- security ---------------------------------------------------------------------------------------------


class User(Struct):
    name: str


class Tenant:
    pass


def secured(*components: Any, view: Any) -> tuple[Any, Any]:
    made = described(Route("/", "GET", view), components=components)
    return made["paths"]["/"]["get"], made.get("components", {}).get("securitySchemes")


def test_an_operation_needs_what_its_components_need() -> None:
    @component(security=Bearer(format="JWT", description="From the shop."))
    def user(authorization: Header[str]) -> User: ...  # type: ignore[empty-body]

    @component(security=[ApiKey(header="X-Tenant", name="tenant"), Basic(name="password")])
    def tenant(user: User, x_tenant: Header[str] = "", x_other: Header[str] = "") -> Tenant: ...  # type: ignore[empty-body]

    def view(tenant: Tenant) -> None: ...

    made, schemes = secured(user, tenant, view=view)
    assert made["security"] == [{"bearer": [], "tenant": []}, {"bearer": [], "password": []}]
    assert [each["name"] for each in made["parameters"]] == ["x-other"]
    assert list(made["responses"]) == ["204", "401", "403", "422"]
    assert schemes == {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "From the shop.",
        },
        "password": {"type": "http", "scheme": "basic"},
        "tenant": {"type": "apiKey", "in": "header", "name": "X-Tenant"},
    }


def test_a_component_that_may_be_none_makes_it_optional() -> None:
    @component(security=Bearer())
    def user() -> User | None: ...

    def view(user: User | None) -> None: ...

    assert secured(user, view=view)[0]["security"] == [{"bearer": []}, {}]


def test_scopes_stand_in_the_requirement() -> None:
    offered = {"read": "to look", "write": "to change"}

    @component(
        security=[
            OAuth2(
                token_url="/token",
                authorization_url="/agree",
                refresh_url="/again",
                offered=offered,
                scopes=["read"],
            ),
            OpenIdConnect(url="https://example.com/.well-known", scopes=["openid"]),
            OAuth2(token_url="/token", name="machines"),
            ApiKey(cookie="sid", name="session"),
            ApiKey(query="key"),
        ]
    )
    def user() -> User: ...  # type: ignore[empty-body]

    def view(user: User) -> None: ...

    made, schemes = secured(user, view=view)
    assert made["security"] == [
        {"oauth2": ["read"]}, {"openid": ["openid"]}, {"machines": []}, {"session": []}, {"key": []},
    ]  # fmt: skip
    assert schemes["oauth2"]["flows"] == {
        "authorizationCode": {
            "tokenUrl": "/token", "scopes": offered, "refreshUrl": "/again", "authorizationUrl": "/agree",
        }
    }  # fmt: skip
    assert schemes["machines"]["flows"] == {"clientCredentials": {"tokenUrl": "/token", "scopes": {}}}
    assert schemes["openid"] == {
        "type": "openIdConnect", "openIdConnectUrl": "https://example.com/.well-known",
    }  # fmt: skip
    assert (schemes["session"]["in"], schemes["key"]["in"]) == ("cookie", "query")


def test_two_ways_to_authenticate_have_two_names() -> None:
    @component(security=[ApiKey(header="a"), ApiKey(header="b")])
    def user() -> User: ...  # type: ignore[empty-body]

    def view(user: User) -> None: ...

    said = r"called 'key': ApiKey\(header='a'\) and ApiKey\(header='b'\)\. Give one"
    with pytest.raises(ConfigurationError, match=said):
        App([Route("/", "GET", view)], components=[user]).openapi()


def test_ways_to_authenticate_that_cant_be_are_told_at_once() -> None:
    for wrong in ({}, {"header": "a", "cookie": "b"}):
        with pytest.raises(ConfigurationError, match="stands in one place"):
            ApiKey(**wrong)
    with pytest.raises(ConfigurationError, match="not 'implicit'"):
        OAuth2(token_url="/token", flow="implicit")
    with pytest.raises(ConfigurationError, match="needs the scopes write"):
        OAuth2(token_url="/token", scopes=["write"])


# --- WebSockets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("incoming", "outgoing", "receives", "sends"),
    [
        (
            Note,
            list[Note],
            {"application/json": NOTE},
            {"application/json": {"schema": {"type": "array", "items": NOTE["schema"]}}},
        ),
        (str, bytes, {"text/plain": {"schema": {"type": "string"}}}, {"application/octet-stream": {}}),
        (
            str | bytes,
            Any,
            {"text/plain": {"schema": {"type": "string"}}, "application/octet-stream": {}},
            {"application/json": {}},
        ),
    ],
    ids=str,
)
def test_a_websocket_says_what_it_takes_and_what_it_sends(
    incoming: Any, outgoing: Any, receives: Any, sends: Any
) -> None:
    async def chat(socket: Any, room: str, since: int = 0) -> None:
        """Talk."""

    chat.__annotations__["socket"] = WebSocket[incoming, outgoing]
    made = described(WebSocketRoute("/chat/<room>", chat), Route("/chat/<_x>", "GET", by_name_of("A")))
    socket = made["paths"]["/chat/{room}"]["x-websocket"]
    assert socket["receives"] == {"content": receives}
    assert socket["sends"] == {"content": sends}
    assert socket["operationId"] == "chat"
    assert [each["name"] for each in socket["parameters"]] == ["room", "since"]
    assert list(socket["responses"]) == ["101", "400", "404", "422"]
    assert list(made["paths"]["/chat/{room}"]) == ["x-websocket", "get"]


def test_a_websocket_of_one_direction_has_only_that() -> None:
    async def clock(socket: WebSocket[None, str]) -> None: ...

    made = described(WebSocketRoute("/", clock))["paths"]["/"]["x-websocket"]
    assert "receives" not in made
    assert "sends" in made


# --- files ------------------------------------------------------------------------------------------------


def test_a_file_may_be_had_in_part_or_be_there_already() -> None:
    def view() -> FileResponse: ...  # type: ignore[empty-body]

    made = described(Route("/", {"GET": view, "POST": create}), Route("/x", "POST", view))
    responses = made["paths"]["/"]["get"]["responses"]
    assert list(responses) == ["200", "206", "304", "404", "412", "416"]
    assert responses["200"] == {"description": "OK", "content": {"*/*": {}}}
    assert responses["206"] == {"description": "Partial Content", "content": {"*/*": {}}}
    assert list(made["paths"]["/x"]["post"]["responses"]) == ["200", "404"]


# --- models of pydantic -----------------------------------------------------------------------------------


class Tag(BaseModel):
    price: Decimal = Decimal(1)


class Item(BaseModel):
    """An item."""

    title: str = Field(min_length=1)
    tags: list[Tag] = []


class Wanted(BaseModel):
    q: str = Field("", max_length=9, description="A word.")
    n: int | None = Field(None, ge=1)


def test_models_of_pydantic_have_two_schemas_where_they_differ() -> None:
    def make(item: Item, wanted: Query[Wanted]) -> Item: ...  # type: ignore[empty-body]

    made = described(Route("/", "POST", make), Route("/tags", "GET", tags), Route("/notes", "POST", create))
    operation = made["paths"]["/"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Item")
    answered = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert answered == {"$ref": "#/components/schemas/Item_out"}
    schemas = made["components"]["schemas"]
    assert schemas["Item"]["properties"]["tags"]["items"] == {"$ref": "#/components/schemas/Tag"}
    assert schemas["Item_out"]["properties"]["tags"]["items"] == {"$ref": "#/components/schemas/Tag_out"}
    assert operation["parameters"] == [
        {
            "name": "q",
            "in": "query",
            "description": "A word.",
            "schema": {"type": "string", "maxLength": 9, "default": "", "title": "Q"},
        },
        {"name": "n", "in": "query", "schema": {"type": "integer", "minimum": 1, "title": "N"}},
    ]


def tags() -> list[Tag]: ...  # type: ignore[empty-body]


def test_a_model_of_pydantic_and_a_struct_may_have_one_name() -> None:
    made = described(Route("/a", "GET", by_name_of("Tag")), Route("/b", "GET", tags))
    assert made["components"]["schemas"]["Tag"]["properties"] == {"a": {"type": "integer"}}
    assert made["components"]["schemas"]["Tag_2"]["properties"]["price"]["type"] == "string"
    content = made["paths"]["/b"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"]["items"] == {"$ref": "#/components/schemas/Tag_2"}
